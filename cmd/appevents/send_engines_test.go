package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/graphtest"
)

// A file that is interrupted half way is finished by the same command, through a queue of each kind: each line is
// delivered once or reported, and the queue says the same of it.
func TestSend_InterruptedThroughEachQueue(t *testing.T) {
	t.Parallel()
	const valid = 300
	var text strings.Builder
	var lines []int                                        // of the valid calls
	refused, wrong := make(map[int]int), make(map[int]int) // by line
	for n, line := 0, 1; n < valid; line++ {
		if line%97 == 0 {
			wrong[line] = 1
			text.WriteString("{\"kind\":\"activity\",\"call\":{}}\n")
			continue
		}
		if n%70 == 11 {
			refused[line] = 1
		}
		text.WriteString(numbered(t, n) + "\n")
		lines = append(lines, line)
		n++
	}
	isRefused := func(call graphtest.Call) bool {
		n, err := strconv.Atoi(call.PSID)
		return err == nil && (n-3290000)%70 == 11
	}
	for kind, empty := range queueKinds {
		if kind == "bot" { // takes no lines
			continue
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			q := empty(t, func(delivery.Queue) {})
			file := filepath.Join(t.TempDir(), "calls.ndjson")
			require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			seen := newArrivals()
			var asked atomic.Int64
			graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe),
				graphtest.WithFaults(func(call graphtest.Call) graphtest.Fault {
					if asked.Add(1) == valid/2 {
						cancel() // while requests are under way: they are answered
					}
					if isRefused(call) {
						return graphtest.Error(100, 0)
					}
					return nil
				}))
			run := func(ctx context.Context, args ...string) (int, report) {
				var stdout, stderr buffer
				p := &program{
					stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, environ: sendEnv(graph.URL), grace: time.Minute,
				}
				code := p.run(ctx, append(args, "--json"))
				got := result{code, stdout.String(), stderr.String()}
				requireClean(t, got)
				r := parseReport(t, got.stdout)
				require.True(t, r.ended, got.stderr)
				return code, r
			}
			reported := make(map[string]map[int]int)
			learn := func(r report) {
				for _, l := range r.records {
					if reported[l.Outcome] == nil {
						reported[l.Outcome] = make(map[int]int)
					}
					reported[l.Outcome][l.Line] = 1
				}
			}

			code, r := run(ctx, "send", "--file", file, "--queue", q.name)
			require.Equal(t, exitInterrupted, code)
			learn(r)
			first := r.tally
			// A call may be in the queue, or come there a little later, although the interruption kept the command from
			// hearing so.
			require.LessOrEqual(t, first.Taken, first.Accepted+first.Refused+first.Waiting)
			require.NotZero(t, first.Accepted)
			require.Less(t, first.Accepted, int64(valid-len(refused)))
			counts := q.counts(t)
			require.EqualValues(t, first.Accepted, counts["delivered"])
			require.EqualValues(t, first.Refused, counts["kept"])
			require.GreaterOrEqual(t, int64(counts["pending"]), first.Waiting)

			code, r = run(t.Context(), "send", "--file", file, "--queue", q.name)
			learn(r)
			want := exitNotSent
			if r.tally.Unknown > 0 {
				want = exitUnknown
			}
			require.Equal(t, want, code)
			require.EqualValues(t, valid+len(wrong), r.tally.Lines)
			require.EqualValues(t, len(wrong), r.tally.Rejected)
			require.EqualValues(t, valid, r.tally.Taken+r.tally.Earlier)
			require.GreaterOrEqual(t, r.tally.Earlier, first.Accepted+first.Refused+first.Waiting)
			require.EqualValues(t, valid-len(refused), first.Accepted+r.tally.Accepted)
			require.EqualValues(t, len(refused), first.Refused+r.tally.Refused)
			require.Zero(t, r.tally.Waiting)
			require.Zero(t, r.tally.Failed+r.tally.Duplicates)
			require.Equal(t, wrong, reported["rejected"])
			require.Equal(t, refused, reported["refused"])
			require.Len(t, seen.taken, valid-len(refused))
			for _, n := range seen.twice() {
				require.Contains(t, reported["unknown"], lines[n], "sent twice, and not said to be unknown")
			}

			counts = q.counts(t)
			require.Equal(t, valid-len(refused), counts["delivered"])
			require.Equal(t, len(refused), counts["kept"])
			require.Equal(t, len(refused), counts["buried"])
			require.Zero(t, counts["pending"])
			if kind != "nats" { // there each process counts its own
				require.EqualValues(t, r.tally.Earlier, counts["duplicates"])
			}
			sources := func() map[int]int {
				got := q.run(t, "buried", "--json")
				require.Zero(t, got.code, got.stderr)
				lines := make(map[int]int)
				for _, o := range jsonLines(t, got.stdout) {
					require.Equal(t, "refused", o["reason"])
					digits, ok := strings.CutPrefix(o["source"].(string), "calls.ndjson:")
					require.True(t, ok, o["source"])
					n, err := strconv.Atoi(digits)
					require.NoError(t, err)
					lines[n]++
				}
				return lines
			}
			require.Equal(t, refused, sources())

			// Put back and refused again, calls are still from their lines.
			require.Zero(t, q.run(t, "resubmit", q.ids(t)[0]).code)
			require.Zero(t, q.run(t, "resubmit", "--reason", "refused", "--all").code)
			require.Equal(t, len(refused), q.counts(t)["pending"])
			code, r = run(t.Context(), "queue", "drain", q.name)
			require.Equal(t, exitNo, code)
			require.Len(t, r.records, len(refused))
			for _, l := range r.records {
				require.Contains(t, l.Source, "calls.ndjson:")
			}
			require.Equal(t, refused, sources())
		})
	}
}

// What Graph refused of a line is buried as a part of that line.
func TestSend_PartOfALineIsFromThatLine(t *testing.T) {
	t.Parallel()
	q := queueKinds["file"](t, func(delivery.Queue) {})
	graph := graphtest.NewServer(t, graphtest.WithDataset("5501", "901"))
	var list []appevents.Conversion
	for _, psid := range []appevents.ID{"1", "2"} {
		c, err := appevents.Purchase(5, "USD").Conversion(appevents.Thread{PageID: "901", PSID: psid})
		require.NoError(t, err)
		c.Time = time.Now().Add(-time.Hour)
		list = append(list, c)
	}
	line, err := appevents.MarshalCall(&appevents.ConversionCall{DatasetID: "5501", Conversions: list})
	require.NoError(t, err)
	graph.Inject(graphtest.Error(100, 0), graphtest.None, graphtest.Error(100, 0)) // the second of two
	got := send(t, graph.URL, "\n\n"+string(line), "--file", "-", "--queue", q.name)
	require.Equal(t, exitNo, got.code, got.stderr)
	require.Contains(t, got.stderr, "line 3: refused")
	o := q.object(t, exitDone, "show", q.ids(t)[0])
	require.Equal(t, "-:3", o["source"])
	require.Len(t, o["call"].(map[string]any)["conversions"], 1)
}
