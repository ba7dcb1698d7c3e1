package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

var soak = flag.Bool("soak", false, "run the proofs in their large sizes, which takes some minutes")

// The credentials of tests. They must not be found in anything that is printed or written.
const (
	sendApp    = "771"
	sendToken  = "EAAcanaryToken0123456789"
	sendSecret = "canary0secret0123456789abcdef0123"
)

func sendEnv(url string) []string {
	return []string{
		"APPEVENTS_BASE_URL=" + url, "APP_ID=" + sendApp, "APP_SECRET=" + sendSecret, "ACCESS_TOKEN=" + sendToken,
	}
}

// numbered is the n-th call of a file: its event says so. Every other one has an ID.
func numbered(t testing.TB, n int) string {
	event := appevents.Event{Name: "order_placed", Value: new(1.5)}
	event.Params.Custom = map[string]any{"n": n}
	if n%2 == 0 {
		event.ID = "order-" + strconv.Itoa(n)
	}
	data, err := appevents.MarshalCall(&appevents.Activity{
		Thread: appevents.Thread{
			PageID: appevents.ID(strconv.Itoa(901 + n%5)), PSID: appevents.ID(strconv.Itoa(3290000 + n%500)),
		},
		Consent: appevents.ConsentAllowed, Events: []appevents.Event{event},
	})
	require.NoError(t, err)
	return string(data)
}

// writeCalls writes a file of n numbered calls.
func writeCalls(t testing.TB, n int) string {
	path := filepath.Join(t.TempDir(), "calls.ndjson")
	file, err := os.Create(path)
	require.NoError(t, err)
	w := bufio.NewWriter(file)
	for i := range n {
		fmt.Fprintln(w, numbered(t, i))
	}
	require.NoError(t, w.Flush())
	require.NoError(t, file.Close())
	return path
}

// An arrivals counts how often the stand-in took each numbered event.
type arrivals struct {
	mu      sync.Mutex
	changed *sync.Cond
	taken   map[int]int
	calls   int
}

func newArrivals() *arrivals {
	a := &arrivals{taken: make(map[int]int)}
	a.changed = sync.NewCond(&a.mu)
	return a
}

func (a *arrivals) observe(call graphtest.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	if call.Accepted {
		for _, e := range call.Events {
			if n, err := strconv.Atoi(fmt.Sprint(e.Params["n"])); err == nil {
				a.taken[n]++
			}
		}
	}
	a.changed.Broadcast()
}

// wait returns when as many different events were taken.
func (a *arrivals) wait(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.taken) < n {
		a.changed.Wait()
	}
}

// twice are the events that were taken more than once.
func (a *arrivals) twice() (list []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n, times := range a.taken {
		if times > 1 {
			list = append(list, n)
		}
	}
	return list
}

// A report is what send prints with --json.
type report struct {
	records []reportLine
	tally   tally
	ended   bool // the tally is there
}

type reportLine struct {
	Schema    int            `json:"schema"`
	Outcome   string         `json:"outcome"`
	Line      int            `json:"line"`
	Source    string         `json:"source"`
	SentAgain bool           `json:"sent_again"`
	Error     map[string]any `json:"error"`
	Tally     *tally         `json:"tally"`
}

func parseReport(t testing.TB, stdout string) (r report) {
	t.Helper()
	for text := range strings.Lines(stdout) {
		var l reportLine
		require.NoError(t, json.Unmarshal([]byte(text), &l), text)
		require.Equal(t, 1, l.Schema)
		if l.Tally != nil {
			r.tally, r.ended = *l.Tally, true
			continue
		}
		r.records = append(r.records, l)
	}
	return r
}

// sendProcess is the program in a process of its own, sending.
func sendProcess(t *testing.T, url string, args ...string) (cmd *exec.Cmd, stdout, stderr *buffer) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0], append([]string{"send"}, args...)...)
	cmd.Env = append(sendEnv(url), asProgram+"=1", "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir())
	stdout, stderr = new(buffer), new(buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = time.Minute
	return cmd, stdout, stderr
}

// A command that is killed again and again, and given again each time, sends every line, and none twice but those whose
// outcome it says was unknown.
func TestSend_SurvivesKill9(t *testing.T) {
	t.Parallel()
	lines := 2000
	switch {
	case *soak:
		lines = 10_000
	case testing.Short():
		lines = 500
	}
	const kills = 5
	seen := newArrivals()
	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(0), graphtest.WithObserver(seen.observe))
	args := []string{
		"--file", writeCalls(t, lines), "--queue", filepath.Join(t.TempDir(), "queue.db"), "--json",
	}
	unknown := make(map[int]bool)
	learn := func(stdout *buffer) report {
		text := stdout.String()
		r := parseReport(t, text[:strings.LastIndexByte(text, '\n')+1]) // a kill can cut a line off
		for _, l := range r.records {
			require.Equal(t, "unknown", l.Outcome)
			require.True(t, l.SentAgain)
			require.NotZero(t, l.Line)
			unknown[l.Line-1] = true
		}
		return r
	}
	for k := 1; k <= kills; k++ {
		cmd, stdout, stderr := sendProcess(t, graph.URL, args...)
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		enough := make(chan struct{})
		go func() { seen.wait(k * lines / (kills + 1)); close(enough) }()
		select {
		case <-enough:
			require.NoError(t, cmd.Process.Kill())
			require.Error(t, <-ended)
		case err := <-ended:
			require.FailNow(t, "the command ended by itself", "%v %s", err, stderr)
		}
		require.False(t, learn(stdout).ended)
	}
	cmd, stdout, stderr := sendProcess(t, graph.URL, args...)
	err := cmd.Run()
	r := learn(stdout)
	require.True(t, r.ended, stderr.String())
	want := exitDone
	if r.tally.Unknown > 0 {
		want = exitUnknown
	}
	require.Equal(t, want, cmd.ProcessState.ExitCode(), "%v %s", err, stderr)

	require.Len(t, seen.taken, lines)
	for _, n := range seen.twice() {
		require.Contains(t, unknown, n, "line %d was sent twice, and not said to be unknown", n+1)
	}
	require.EqualValues(t, lines, r.tally.Lines)
	require.EqualValues(t, lines, r.tally.Taken+r.tally.Earlier)
	require.Zero(t, r.tally.Waiting)
	require.NotZero(t, r.tally.Earlier)
	t.Logf("%d lines, %d kills: %d unknown, %d twice", lines, kills, len(unknown), len(seen.twice()))

	// Once more: nothing is left to do.
	calls := seen.calls
	cmd, stdout, stderr = sendProcess(t, graph.URL, args...)
	require.NoError(t, cmd.Run(), stderr.String())
	require.Equal(t, tally{Lines: int64(lines), Earlier: int64(lines)}, parseReport(t, stdout.String()).tally)
	require.Equal(t, calls, seen.calls)
}
