// Benchratio reads what "go test -bench -benchmem" prints and writes a table in which each benchmark stands beside its
// floor: the plain code that does the least the task needs. Of several runs it takes the fastest of each.
//
//	go test -run '^$' -bench . -benchmem -count 5 . | go run ./internal/benchratio
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "benchratio:", err)
		os.Exit(1)
	}
}

// result is the best of the runs of a benchmark.
type result struct {
	group, name string // what stands before the last slash of its name, and behind it
	time        float64
	allocs      string
}

var (
	line   = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op(.*)$`)
	allocs = regexp.MustCompile(`(\d+) allocs/op`)
)

func run(in io.Reader, out io.Writer) error {
	var results []*result
	for lines := bufio.NewScanner(in); lines.Scan(); {
		m := line.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		r := &result{group: m[1]}
		if i := strings.LastIndexByte(m[1], '/'); i >= 0 {
			r.group, r.name = m[1][:i], m[1][i+1:]
		}
		var err error
		if r.time, err = strconv.ParseFloat(m[2], 64); err != nil {
			return err
		}
		if a := allocs.FindStringSubmatch(m[3]); a != nil {
			r.allocs = a[1]
		}
		at := slices.IndexFunc(results, func(o *result) bool { return o.group == r.group && o.name == r.name })
		switch {
		case at < 0:
			results = append(results, r)
		case r.time < results[at].time:
			results[at] = r
		}
	}
	fmt.Fprintln(out, "| benchmark | time, its floor = 1 | allocations | of the floor |")
	fmt.Fprintln(out, "| --- | --: | --: | --: |")
	for _, r := range results {
		floor := floorOf(results, r)
		if floor == nil {
			continue
		}
		fmt.Fprintf(out, "| %s | %.2f | %s | %s |\n", strings.ReplaceAll(r.group+"/"+r.name, "_", " "), r.time/floor.time,
			cmp.Or(r.allocs, "–"), cmp.Or(floor.allocs, "–"))
	}
	return nil
}

// floorOf returns the first floor beside a result, and nil when there is none or it is one itself.
func floorOf(results []*result, r *result) *result {
	if isFloor(r.name) {
		return nil
	}
	i := slices.IndexFunc(results, func(o *result) bool { return o.group == r.group && isFloor(o.name) })
	if i < 0 {
		return nil
	}
	return results[i]
}

func isFloor(name string) bool {
	return strings.HasPrefix(name, "floor") || name == "prebuilt" || name == "encodingjson"
}
