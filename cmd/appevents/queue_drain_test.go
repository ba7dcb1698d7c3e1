package main

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// drain runs "queue drain" against a stand-in.
func (q testQueue) drain(t *testing.T, url string, args ...string) result {
	t.Helper()
	return testQueue{name: q.name, env: sendEnv(url)}.run(t, append([]string{"drain"}, args...)...)
}

// onStored runs a check on a filled queue of each kind that is opened here.
func onStored(t *testing.T, check func(t *testing.T, q testQueue)) {
	t.Helper()
	onEach(t, func(t *testing.T, q testQueue) {
		if q.env == nil {
			check(t, q)
		}
	})
}

func TestQueueDrain_UntilNothingWaits(t *testing.T) {
	t.Parallel()
	onStored(t, func(t *testing.T, q testQueue) {
		seen := newArrivals()
		graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe))
		before := q.counts(t)

		// A lane that a person paused stays, and is told.
		got := q.drain(t, graph.URL, "--json")
		require.Equal(t, exitNotSent, got.code, got.stderr)
		r := parseReport(t, got.stdout)
		require.EqualValues(t, 8, r.tally.Accepted)
		require.EqualValues(t, 2, r.tally.Waiting)
		require.Contains(t, got.stderr, "nothing more can be sent: activities/905: asked by the owner")

		require.Zero(t, q.run(t, "resume", "activities/905").code)
		got = q.drain(t, graph.URL)
		require.Zero(t, got.code, got.stderr)
		require.Equal(t, "2 accepted, 0 refused, 0 rejected\n", got.stdout)
		require.Contains(t, got.stderr, "2 calls in the queue")
		require.NotContains(t, got.stderr, "to app", "a stand-in")
		require.Len(t, seen.taken, filledAll-filledDelivered)
		require.Empty(t, seen.twice())

		after := q.counts(t)
		require.Equal(t, 0, after["pending"])
		require.Equal(t, before["delivered"]+10, after["delivered"])
		require.Equal(t, before["kept"], after["kept"])

		// What is resubmitted drains.
		require.Zero(t, q.run(t, "resubmit", "--reason", "refused", "--all", "--yes").code)
		got = q.drain(t, graph.URL, "--json")
		require.Zero(t, got.code, got.stderr)
		require.EqualValues(t, 12, parseReport(t, got.stdout).tally.Accepted)
		got = q.drain(t, graph.URL, "--json")
		require.Zero(t, got.code, "nothing to do")
		require.Equal(t, tally{}, parseReport(t, got.stdout).tally)
	})
}

// A file is enough for what follows: what it says of calls does not depend on the engine.
func drainable(t *testing.T) testQueue {
	q := queueKinds["file"](t, filled(t))
	require.Zero(t, q.run(t, "resume", "activities/905").code)
	return q
}

func TestQueueDrain_ExitCodesAreTheWorstCall(t *testing.T) {
	t.Parallel()
	person := func(psid string, f graphtest.Fault) graphtest.Option {
		done := false
		return graphtest.WithFaults(func(call graphtest.Call) graphtest.Fault {
			if done || call.PSID != psid {
				return nil
			}
			done = true
			return f
		})
	}
	const first = "3290020" // the first that waits
	for name, test := range map[string]struct {
		fault graphtest.Fault
		args  []string
		code  int
		want  tally
		kept  int
		said  string
	}{
		"refused": {
			graphtest.Error(100, 0), nil, exitNo, tally{Accepted: 9, Refused: 1}, 1, "a call of activities/901: refused",
		},
		"trouble":   {graphtest.Error(2, 0), nil, exitDone, tally{Accepted: 10}, 0, ""},
		"no answer": {graphtest.Reset, nil, exitUnknown, tally{Accepted: 10, Unknown: 1}, 0, "outcome unknown, sent again"},
		"at most once": {
			graphtest.Reset, []string{"--at-most-once"}, exitUnknown, tally{Accepted: 9, Unknown: 1}, 1,
			"a call of activities/901: outcome unknown:",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := drainable(t)
			before := q.counts(t)
			graph := graphtest.NewServer(t, person(first, test.fault))
			got := q.drain(t, graph.URL, append(test.args, "--workers", "1")...)
			require.Equal(t, test.code, got.code, got.stderr)
			require.Equal(t, strings.TrimPrefix(test.want.String(), "0 lines: ")+"\n", got.stdout)
			require.Contains(t, got.stderr, test.said)
			after := q.counts(t)
			require.Equal(t, 0, after["pending"])
			require.Equal(t, before["kept"]+test.kept, after["kept"])
		})
	}
}

func TestQueueDrain_DeadTokenLeavesTheRest(t *testing.T) {
	t.Parallel()
	q := drainable(t)
	graph := graphtest.NewServer(t, graphtest.WithFaults(func(graphtest.Call) graphtest.Fault {
		return graphtest.ExpiredToken
	}))
	got := q.drain(t, graph.URL, "--json")
	require.Equal(t, exitCredentials, got.code, got.stderr)
	require.EqualValues(t, 10, parseReport(t, got.stdout).tally.Waiting)
	require.Equal(t, 10, q.counts(t)["pending"])
	got = q.drain(t, graphtest.NewServer(t).URL, "--json") // with another token
	require.Zero(t, got.code, got.stderr)
	require.EqualValues(t, 10, parseReport(t, got.stdout).tally.Accepted)
}

func TestQueueDrain_Interrupted(t *testing.T) {
	t.Parallel()
	q := drainable(t)
	before := q.counts(t)
	ctx, cancel := context.WithCancel(t.Context())
	graph := graphtest.NewServer(t, graphtest.WithFaults(func(graphtest.Call) graphtest.Fault {
		cancel() // while the request is under way: it is answered
		return nil
	}))
	got := invocation{env: sendEnv(graph.URL)}.runCtx(ctx, "queue", "drain", "--json", "--workers", "1", q.name)
	require.Equal(t, exitInterrupted, got.code, got.stderr)
	r := parseReport(t, got.stdout)
	require.True(t, r.ended)
	require.NotZero(t, r.tally.Accepted)
	require.EqualValues(t, 10, r.tally.Accepted+r.tally.Waiting)
	after := q.counts(t)
	require.EqualValues(t, r.tally.Waiting, after["pending"])
	require.Equal(t, before["delivered"]+int(r.tally.Accepted), after["delivered"])
}

// answerer answers requests without a network.
type answerer func(*http.Request) (*http.Response, error)

func (a answerer) RoundTrip(req *http.Request) (*http.Response, error) { return a(req) }

func TestQueueDrain_SaysWhereItSends(t *testing.T) {
	t.Parallel()
	q := drainable(t)
	stand := graphtest.NewServer(t)
	var stdout, stderr buffer
	p := &program{
		stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, environ: sendEnv("https://graph.facebook.com"),
		graph: answerer(func(req *http.Request) (*http.Response, error) {
			req = req.Clone(req.Context())
			req.URL.Scheme, req.URL.Host = "http", strings.TrimPrefix(stand.URL, "http://")
			return http.DefaultTransport.RoundTrip(req)
		}),
	}
	require.Equal(t, exitUsage, p.run(t.Context(), []string{"queue", "drain", q.name}))
	require.Contains(t, stderr.String(), "would go to graph.facebook.com: give --yes")
	require.Empty(t, stdout.String())
	require.Equal(t, 10, q.counts(t)["pending"])

	stderr = buffer{}
	require.Zero(t, p.run(t.Context(), []string{"queue", "drain", "--yes", q.name}), stderr.String())
	first, _, _ := strings.Cut(stderr.String(), "\n")
	require.Equal(t, "to app 771, the edges that the calls name, host graph.facebook.com", first)
	require.Equal(t, "10 accepted, 0 refused, 0 rejected\n", stdout.String())
}
