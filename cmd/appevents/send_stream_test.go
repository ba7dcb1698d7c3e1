package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// oddLines is a file with all that lines can be, and the numbers of those that are wrong.
func oddLines(t testing.TB) (text string, wrong map[int]string) {
	lines := []string{
		"\ufeff" + numbered(t, 0), // a byte order mark, as Windows writes it
		"",
		"  " + numbered(t, 1) + "\t\r", // CRLF
		"\r",
		"not JSON",                     // 5
		`{"kind":"activity"}`,          // 6
		`{"kind":"novelty","call":{}}`, // 7
		`{"kind":"activity","call":{"events":"Purchase"}}`, // 8
		`{"kind":"activity","call":{"events":[]}}`,         // 9
		"{\"kind\":\"activity\xff\"}",                      // 10
		strings.Repeat("x", maxLine+1),                     // 11
		`{"_eventName":"fb_mobile_purchase"}`,              // 12
		"\x00",                                             // 13
		numbered(t, 2) + " " + numbered(t, 3),              // 14
		"[1,2]",                                            // 15
		numbered(t, 4) + strings.Repeat(" ", maxLine-len(numbered(t, 4))),
		numbered(t, 5), // without an end
	}
	return strings.Join(lines, "\n"), map[int]string{
		5: "not JSON", 6: "no stored call", 7: "unknown kind", 8: "must not be a JSON string", 9: "at least one event",
		10: "not UTF-8", 11: "longer than 1 MiB", 12: "no stored call", 13: "not JSON", 14: "not JSON",
		15: "no stored call",
	}
}

func TestSend_BadLinesAreReportedAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"direct", "queue", "dry run"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			seen := newArrivals()
			graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe))
			text, wrong := oddLines(t)
			rejects := filepath.Join(t.TempDir(), "rejects.ndjson")
			args := []string{"--file", "-", "--rejects", rejects, "--json"}
			switch mode {
			case "queue":
				args = append(args, "--queue", filepath.Join(t.TempDir(), "queue.db"))
			case "dry run":
				args = append(args, "--dry-run")
			}
			got := send(t, graph.URL, text, args...)
			require.Equal(t, exitNotSent, got.code, got.stderr)
			r := parseReport(t, got.stdout)
			reported := make(map[int]string)
			for _, l := range r.records {
				require.Equal(t, "rejected", l.Outcome)
				reported[l.Line] = fmt.Sprint(l.Error["message"])
			}
			require.Len(t, reported, len(wrong))
			for n, why := range wrong {
				require.Contains(t, reported[n], why, "line %d", n)
			}
			require.EqualValues(t, 15, r.tally.Lines)
			require.EqualValues(t, len(wrong), r.tally.Rejected)
			want := map[int]int{0: 1, 1: 1, 4: 1, 5: 1}
			if mode == "dry run" {
				want = map[int]int{}
			}
			require.Equal(t, want, seen.taken)

			// For a person: the same on standard error, one line each.
			got = send(t, graph.URL, text, "--file", "-", "--dry-run")
			require.Contains(t, got.stderr, "line 5: rejected: invalid call: the line is not JSON (format)\n")
			require.Equal(t, "4 of 15 lines valid; nothing was sent\n", got.stdout)

			// Sent again, the rejects are rejected again, and do not grow.
			before, err := os.ReadFile(rejects)
			require.NoError(t, err)
			again := rejects + ".again"
			got = send(t, graph.URL, "", "--file", rejects, "--rejects", again, "--json")
			require.Equal(t, exitNotSent, got.code)
			after, err := os.ReadFile(again)
			require.NoError(t, err)
			require.Equal(t, bytes.Count(before, []byte("\n")), bytes.Count(after, []byte("\n")))
			require.ElementsMatch(t, textsOf(t, before), textsOf(t, after))
		})
	}
}

func textsOf(t *testing.T, rejects []byte) (list []string) {
	for text := range bytes.Lines(rejects) {
		var r record
		require.NoError(t, json.Unmarshal(text, &r))
		list = append(list, r.Kind+string(r.Call)+r.Text)
	}
	return list
}

// A bad day: refusals, trouble, throttling and lost answers. Every line is accounted for.
func TestSend_InjectedErrors(t *testing.T) {
	t.Parallel()
	const lines = 300 // of as many people, so as many calls
	seen := newArrivals()
	var asked atomic.Int64
	graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe),
		graphtest.WithFaults(func(call graphtest.Call) graphtest.Fault {
			if call.PSID == "3290007" { // a person that Graph refuses
				return graphtest.Error(100, 0)
			}
			switch n := asked.Add(1); {
			case n%20 == 3:
				return graphtest.Error(2, 0)
			case n == 50:
				return graphtest.Reset
			}
			return nil
		}))
	rejects := filepath.Join(t.TempDir(), "rejects.ndjson")
	queue := filepath.Join(t.TempDir(), "queue.db")
	args := []string{"--file", writeCalls(t, lines), "--queue", queue, "--rejects", rejects, "--json"}
	got := send(t, graph.URL, "", args...)
	require.Equal(t, exitUnknown, got.code, got.stderr)
	r := parseReport(t, got.stdout)
	require.EqualValues(t, lines, r.tally.Lines)
	require.EqualValues(t, lines, r.tally.Taken)
	require.EqualValues(t, lines-1, r.tally.Accepted)
	require.EqualValues(t, 1, r.tally.Refused)
	require.NotZero(t, r.tally.Unknown)
	unknown := make(map[int]bool)
	for _, l := range r.records {
		switch l.Outcome {
		case "unknown":
			unknown[l.Line-1] = true
		default:
			require.Equal(t, "refused", l.Outcome)
			require.Equal(t, 8, l.Line)
			require.EqualValues(t, 100, l.Error["code"])
		}
	}
	require.Len(t, seen.taken, lines-1)
	for _, n := range seen.twice() {
		require.True(t, unknown[n], n)
	}

	// The same command: what was refused is said again, and nothing is sent.
	calls := seen.calls
	got = send(t, graph.URL, "", args...)
	require.Equal(t, exitNo, got.code, got.stderr)
	r = parseReport(t, got.stdout)
	require.EqualValues(t, lines, r.tally.Earlier)
	require.Len(t, r.records, 1)
	require.Equal(t, 8, r.records[0].Line)
	require.Equal(t, calls, seen.calls)

	// The rejects hold that line. Mended, it goes through.
	data, err := os.ReadFile(rejects)
	require.NoError(t, err)
	require.Equal(t, 1, bytes.Count(data, []byte("\n")))
	require.NoError(t, os.WriteFile(rejects, bytes.ReplaceAll(data, []byte("3290007"), []byte("3299999")), 0o600))
	got = send(t, graph.URL, "", "--file", rejects, "--queue", queue, "--json")
	require.Zero(t, got.code, got.stdout+got.stderr)
	require.EqualValues(t, 1, parseReport(t, got.stdout).tally.Accepted)
	require.Len(t, seen.taken, lines)
}

func TestSend_DirectSaysWhatBecameOfEachLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault  graphtest.Fault
		code   int
		record string // outcome of the line that the fault met
		kept   bool   // among the rejects
		want   tally
	}{
		"refused":    {graphtest.Error(100, 0), exitNo, "refused", true, tally{Lines: 3, Taken: 3, Accepted: 2, Refused: 1}},
		"no answer":  {graphtest.Reset, exitUnknown, "unknown", false, tally{Lines: 3, Taken: 3, Accepted: 2, Unknown: 1}},
		"throttled":  {graphtest.Throttle, exitThrottled, "not sent", true, tally{Lines: 1, Taken: 1, Failed: 1}},
		"dead token": {graphtest.ExpiredToken, exitCredentials, "not sent", true, tally{Lines: 1, Taken: 1, Failed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			graph := graphtest.NewServer(t)
			graph.Inject(test.fault)
			rejects := filepath.Join(t.TempDir(), "rejects.ndjson")
			text := numbered(t, 0) + "\n" + numbered(t, 1) + "\n" + numbered(t, 2) + "\n"
			got := send(t, graph.URL, text, "--file", "-", "--rejects", rejects, "--json", "--workers", "1")
			require.Equal(t, test.code, got.code, got.stderr)
			r := parseReport(t, got.stdout)
			require.NotEmpty(t, r.records)
			require.Equal(t, test.record, r.records[0].Outcome)
			require.Equal(t, 1, r.records[0].Line)
			if test.want.Lines == 1 { // a second one may have been on its way
				require.Less(t, r.tally.Lines, int64(3))
				require.Zero(t, r.tally.Accepted)
				require.Contains(t, got.stderr, "were not looked at")
			} else {
				require.Equal(t, test.want, r.tally)
			}
			data, err := os.ReadFile(rejects)
			require.NoError(t, err)
			require.Equal(t, test.kept, bytes.Contains(data, []byte(`"order-0"`)), string(data))
		})
	}
}

// A token that is not accepted ends the command and loses nothing: with another one it goes on.
func TestSend_DeadTokenLeavesTheRestInTheQueue(t *testing.T) {
	t.Parallel()
	seen := newArrivals()
	var dead atomic.Bool
	dead.Store(true)
	graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe),
		graphtest.WithFaults(func(graphtest.Call) graphtest.Fault {
			if dead.Load() {
				return graphtest.ExpiredToken
			}
			return nil
		}))
	args := []string{"--file", writeCalls(t, 40), "--queue", filepath.Join(t.TempDir(), "queue.db")}
	got := send(t, graph.URL, "", append(args, "--json")...)
	require.Equal(t, exitCredentials, got.code, got.stdout+got.stderr)
	require.Contains(t, got.stderr, "190")
	require.EqualValues(t, 40, parseReport(t, got.stdout).tally.Waiting)
	require.Empty(t, seen.taken)

	dead.Store(false)
	got = send(t, graph.URL, "", args...)
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "40 lines: 40 accepted, 0 refused, 0 rejected, 40 taken by an earlier run\n", got.stdout)
	require.Contains(t, got.stderr, "40 calls left in the queue")
	require.Len(t, seen.taken, 40)
}

// A limit that is reached is waited for, and is no failure.
func TestSend_ThrottledForAMoment(t *testing.T) {
	t.Parallel()
	seen := newArrivals()
	graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe))
	graph.Inject(graphtest.Reply(400, `{"error":{"message":"(#4) limit","type":"OAuthException","code":4}}`)) // names no time
	got := send(t, graph.URL, numbered(t, 0), "--file", "-", "--queue", filepath.Join(t.TempDir(), "queue.db"))
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "1 line: 1 accepted, 0 refused, 0 rejected\n", got.stdout)
	require.Equal(t, map[int]int{0: 1}, seen.taken)
	require.Equal(t, 2, seen.calls)
}

// Throttling is told; an interruption leaves the rest in the queue.
func TestSend_InterruptedWhileThrottled(t *testing.T) {
	t.Parallel()
	graph := graphtest.NewServer(t, graphtest.WithFaults(func(graphtest.Call) graphtest.Fault { return graphtest.Throttle }))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr buffer
	p := &program{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, environ: sendEnv(graph.URL)}
	ended := make(chan int, 1)
	args := []string{"send", "--file", writeCalls(t, 10), "--queue", filepath.Join(t.TempDir(), "queue.db"), "--progress", "bar"}
	go func() { ended <- p.run(ctx, args) }()
	require.Eventually(t, func() bool { return strings.Contains(stderr.String(), "throttled until ") }, time.Minute,
		5*time.Millisecond)
	cancel()
	require.Equal(t, exitInterrupted, <-ended)
	require.Equal(t, "10 lines: 0 accepted, 0 refused, 0 rejected, 10 still in the queue\n", stdout.String())
	require.Contains(t, stderr.String(), "interrupted\n")
	require.Contains(t, stderr.String(), "10 calls left in the queue")
}

// A request that is not answered holds an interruption up for the grace alone, and is said to be unknown.
func TestSend_InterruptedWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for _, queue := range []bool{false, true} {
		arrived := make(chan struct{}, 1)
		graph := graphtest.NewServer(t, graphtest.WithFaults(func(graphtest.Call) graphtest.Fault {
			arrived <- struct{}{}
			return graphtest.Timeout
		}))
		args := []string{"send", "--file", "-", "--json"}
		if queue {
			args = append(args, "--queue", filepath.Join(t.TempDir(), "queue.db"))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var stdout, stderr buffer
		p := &program{
			stdin: strings.NewReader(numbered(t, 0)), stdout: &stdout, stderr: &stderr, environ: sendEnv(graph.URL),
			grace: time.Millisecond,
		}
		ended := make(chan int, 1)
		go func() { ended <- p.run(ctx, args) }()
		<-arrived
		cancel()
		require.Equal(t, exitInterrupted, <-ended)
		r := parseReport(t, stdout.String())
		require.Len(t, r.records, 1, stderr.String())
		require.Equal(t, "unknown", r.records[0].Outcome)
		require.Equal(t, queue, r.records[0].SentAgain)
		want := tally{Lines: 1, Taken: 1, Unknown: 1}
		if queue {
			want.Waiting = 1
		}
		require.Equal(t, want, r.tally)
	}
}

// A reader that never ends does not keep an interruption from ending the command.
func TestSend_InterruptedWhileItReads(t *testing.T) {
	t.Parallel()
	for _, queue := range []bool{false, true} {
		seen := newArrivals()
		graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe))
		args := []string{"send", "--file", "-", "--json"}
		if queue {
			args = append(args, "--queue", filepath.Join(t.TempDir(), "queue.db"))
		}
		in, out, err := os.Pipe()
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var stdout, stderr buffer
		p := &program{stdin: in, stdout: &stdout, stderr: &stderr, environ: sendEnv(graph.URL)}
		ended := make(chan int, 1)
		go func() { ended <- p.run(ctx, args) }()
		_, err = fmt.Fprintln(out, numbered(t, 0))
		require.NoError(t, err)
		seen.wait(1) // a line is sent though none follows it
		cancel()
		require.Equal(t, exitInterrupted, <-ended)
		r := parseReport(t, stdout.String())
		require.EqualValues(t, 1, r.tally.Lines)
		require.NoError(t, out.Close())
		require.NoError(t, in.Close())
	}
}

// The same line twice is two events, unless it carries an ID; lines that are added in front change nothing.
func TestSend_WhatCountsAsTheSameLine(t *testing.T) {
	t.Parallel()
	seen := newArrivals()
	graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe))
	queue := filepath.Join(t.TempDir(), "queue.db")
	run := func(want tally, lines ...string) {
		t.Helper()
		got := send(t, graph.URL, strings.Join(lines, "\n"), "--file", "-", "--queue", queue, "--json")
		require.Zero(t, got.code, got.stderr)
		require.Equal(t, want, parseReport(t, got.stdout).tally)
	}
	with, without := numbered(t, 0), numbered(t, 1)
	run(tally{Lines: 4, Taken: 3, Accepted: 3, Duplicates: 1}, without, with, without, with)
	require.Equal(t, map[int]int{0: 1, 1: 2}, seen.taken)
	run(tally{Lines: 4, Taken: 1, Accepted: 1, Earlier: 3}, numbered(t, 3), without, with, without)
	require.Equal(t, map[int]int{0: 1, 1: 2, 3: 1}, seen.taken)
	// Written otherwise, it is the same line; with another value and the same ID it is the same event.
	run(tally{Lines: 3, Earlier: 2, Duplicates: 1}, strings.Replace(with, `,"call"`, ` , "call" `, 1),
		strings.Replace(with, "1.5", "2.5", 1), " "+without)
	run(tally{Lines: 3, Taken: 1, Accepted: 1, Earlier: 2}, without, without, without)
}

// A refused line that is mended takes the place of the refused one, though it has the same ID.
func TestSend_MendedLineWithAnID(t *testing.T) {
	t.Parallel()
	seen := newArrivals()
	graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe))
	graph.Inject(graphtest.Error(100, 0))
	queue := filepath.Join(t.TempDir(), "queue.db")
	run := func(line string) (int, tally) {
		got := send(t, graph.URL, line, "--file", "-", "--queue", queue, "--json")
		return got.code, parseReport(t, got.stdout).tally
	}
	line := numbered(t, 0)
	code, _ := run(line)
	require.Equal(t, exitNo, code)
	code, counts := run(line)
	require.Equal(t, exitNo, code)
	require.Equal(t, tally{Lines: 1, Earlier: 1}, counts)
	require.Empty(t, seen.taken)
	code, counts = run(strings.Replace(line, "1.5", "2.5", 1))
	require.Zero(t, code)
	require.Equal(t, tally{Lines: 1, Taken: 1, Accepted: 1}, counts)
	require.Equal(t, map[int]int{0: 1}, seen.taken)
	code, counts = run(line)
	require.Zero(t, code)
	require.Equal(t, tally{Lines: 1, Earlier: 1}, counts)
}

func TestSend_ManyLinesToMetaNeedAWord(t *testing.T) {
	t.Parallel()
	i := invocation{env: []string{"APP_ID=771"}, stdin: numbered(t, 0) + "\n" + numbered(t, 1)}
	for _, args := range [][]string{{}, {"--queue", filepath.Join(t.TempDir(), "queue.db")}} {
		got := i.run(t, append([]string{"send", "--file", "-"}, args...)...)
		require.Equal(t, exitUsage, got.code)
		require.Contains(t, got.stderr, "more than one line would go to graph.facebook.com: give --yes")
		require.Empty(t, got.stdout)
	}
	require.Zero(t, i.run(t, "send", "--file", "-", "--dry-run").code)

	for text, real := range map[string]bool{
		"": true, "https://graph.facebook.com": true, "http://127.0.0.1:8226": false, "http://localhost:1/x": false,
		"http://[::1]:1": false, "https://example.com": true, "http://127.0.0.1.example.com": true,
	} {
		_, got := (&graphAt{BaseURL: text}).real()
		require.Equal(t, real, got, text)
	}
}

func TestSend_FilesMustNotBeTheSame(t *testing.T) {
	t.Parallel()
	path := writeCalls(t, 1)
	got := send(t, "http://127.0.0.1:1", "", "--file", path, "--rejects", path)
	require.Equal(t, exitUsage, got.code)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotEmpty(t, data)

	got = send(t, "http://127.0.0.1:1", "", "--file", path, "--queue", path)
	require.Equal(t, exitNotSent, got.code)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, data, after)
}

// The note of where a call is from changes nothing else about it, whatever the kind of call.
func TestSend_SourceOfACall(t *testing.T) {
	t.Parallel()
	for _, call := range []appevents.Call{
		&appevents.Activity{Events: []appevents.Event{appevents.Purchase(1, "USD")}},
		//nolint:staticcheck // stored calls can be for the retired edge
		&appevents.PageActivity{Events: []appevents.Event{appevents.Contact()}},
		&appevents.ConversionCall{DatasetID: "1"},
		&appevents.Install{Device: appevents.Device{AdvertiserID: "x"}},
		&appevents.Activity{},
	} {
		body, err := appevents.MarshalCall(call)
		require.NoError(t, err)
		const source = `orders "new".ndjson:17`
		marked := withSource(body, source)
		got, err := appevents.UnmarshalCall(marked)
		require.NoError(t, err)
		want, err := appevents.UnmarshalCall(body)
		require.NoError(t, err)
		require.Equal(t, want, got)
		rest, from := sourceOf(marked)
		require.Equal(t, source, from)
		require.Equal(t, string(body), string(rest))
		rest, from = sourceOf(body)
		require.Empty(t, from)
		require.Equal(t, string(body), string(rest))
	}
}

func TestSend_ConversionsAreTold(t *testing.T) {
	t.Parallel()
	graph := graphtest.NewServer(t, graphtest.WithDataset("5501", "901"))
	conversion := func(psid string) appevents.Conversion {
		c, err := appevents.Purchase(5, "USD").Conversion(appevents.Thread{PageID: "901", PSID: appevents.ID(psid)})
		require.NoError(t, err)
		c.Time = time.Now().Add(-time.Hour)
		return c
	}
	stored := func(list ...appevents.Conversion) string {
		data, err := appevents.MarshalCall(&appevents.ConversionCall{DatasetID: "5501", Conversions: list})
		require.NoError(t, err)
		return string(data)
	}
	graph.Inject(graphtest.Error(100, 0), graphtest.None, graphtest.Error(100, 0)) // the second of two
	rejects := filepath.Join(t.TempDir(), "rejects.ndjson")
	got := send(t, graph.URL, stored(conversion("1"), conversion("2")), "--file", "-", "--rejects", rejects, "--json")
	require.Equal(t, exitNo, got.code, got.stderr)
	data, err := os.ReadFile(rejects)
	require.NoError(t, err)
	call, err := appevents.UnmarshalCall(bytes.TrimSpace(data))
	require.NoError(t, err)
	kept, ok := call.(*appevents.ConversionCall)
	require.True(t, ok)
	require.Len(t, kept.Conversions, 1)
	require.Equal(t, appevents.ID("2"), kept.Conversions[0].Thread.PSID)

	got = send(t, graph.URL, "", "--file", rejects, "--queue", filepath.Join(t.TempDir(), "q.db"), "--json")
	require.Zero(t, got.code, got.stderr)
	require.EqualValues(t, 1, parseReport(t, got.stdout).tally.Accepted)
}

func FuzzLineReader(f *testing.F) {
	text, _ := oddLines(f)
	f.Add([]byte(text), 7)
	f.Add([]byte("a\r\nb\n\n c"), 1)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		r := newLineReader(&slow{data: data, step: max(1, step%4096)})
		n := 0
		for {
			list, err := r.some()
			for i := range list {
				l := &list[i]
				require.Greater(t, l.number, n)
				n = l.number
				require.LessOrEqual(t, len(l.text), maxLine)
				require.Len(t, bytes.TrimSpace(l.text), len(l.text))
				if l.decode(true); l.err == nil {
					_, err := appevents.MarshalCall(l.call)
					require.NoError(t, err)
					_, _, err = identify(l.call)
					require.NoError(t, err)
				}
			}
			if err != nil {
				break
			}
		}
		require.EqualValues(t, len(data), r.read)
	})
}

// A slow gives its data in small pieces.
type slow struct {
	data []byte
	step int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.data[:min(s.step, len(s.data))])
	s.data = s.data[n:]
	return n, nil
}
