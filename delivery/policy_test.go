package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/graphtest"
)

// A single refusal of a token that is good stops nothing for long.
func TestOneTokenError(t *testing.T) {
	t.Parallel()
	for name, subcode := range map[string]int{"expired": 463, "checkpoint": 459, "no subcode": 0} {
		for workers := 1; workers <= 8; workers += 7 {
			t.Run(fmt.Sprint(name, ", ", workers, " workers"), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					b := newBench(t, setup{
						round: delayed(20 * time.Millisecond), opts: []delivery.Option{delivery.WithWorkers(workers)},
					})
					b.graph.Inject(nil, nil, nil, nil, graphtest.Error(190, subcode))
					for n := range 200 {
						b.submit(fmt.Sprint(n), activity(901, n+1, fmt.Sprint(n)))
					}
					start := time.Now()
					b.run()
					b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
					require.LessOrEqual(t, time.Since(start), 75*time.Second)
					require.Len(t, arrived(b.graph), 200)
					require.LessOrEqual(t, b.graph.Count(), 202)
					b.stop()
				})
			})
		}
	}
}

// An hour in which a proxy answers, or Graph says no more than no, buries nothing.
func TestUnclearOutage(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]graphtest.Fault{
		"403 of a proxy": graphtest.Reply(http.StatusForbidden, "<html>blocked</html>"), "not success": graphtest.NotSuccess,
		"false": graphtest.False, "unknown code": graphtest.Error(98765, 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				start := time.Now()
				b := newBench(t, setup{graph: []graphtest.Option{graphtest.WithFaults(func(c graphtest.Call) graphtest.Fault {
					if c.Time.Sub(start) < time.Hour {
						return fault
					}
					return nil
				})}})
				const calls = 300
				for n := range calls {
					b.submit(fmt.Sprint(n), activity(901+n%3, n+1, fmt.Sprint(n)))
				}
				b.run()
				after(time.Hour)
				require.LessOrEqual(t, b.graph.Count(), 3*170, "each lane twice a minute")
				after(30 * time.Second)
				b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
				b.stop()
				require.Zero(t, b.Stats().Buried)
				require.Len(t, arrived(b.graph), calls)
				require.LessOrEqual(t, time.Since(start), time.Hour+6*time.Minute)
			})
		})
	}
}

// What panics is somebody else's code: it costs the call an attempt, and the process nothing.
func TestPanickingTokenSource(t *testing.T) {
	t.Parallel()
	for _, policy := range []delivery.Policy{delivery.AtLeastOnce, delivery.AtMostOnce} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				var log logText
				b := newBench(t, setup{
					client: []appevents.Option{appevents.WithTokenSource(appevents.TokenFunc(
						func(_ context.Context, scope appevents.Scope) (string, error) {
							if scope.ID == "901" {
								panic("secret-in-a-panic")
							}
							return "good", nil
						}))},
					opts: []delivery.Option{
						delivery.WithPolicy(policy), delivery.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
					},
				})
				b.submit("1", pageActivity(901, 7, "a"))
				b.submit("2", pageActivity(902, 7, "b"))
				b.drain()
				require.Equal(t, map[string]int{"b": 1}, arrived(b.graph))
				buried := b.outcomes(delivery.Bury)
				require.Len(t, buried, 1)
				require.Equal(t, delivery.ReasonPanicked, buried[0].Reason)
				require.Equal(t, 3, buried[0].Attempts)
				require.Contains(t, log.String(), "panicked")
				require.NotContains(t, log.String(), "secret-in-a-panic")
				require.NotContains(t, b.list()[0].LastError, "secret-in-a-panic")
			})
		})
	}
}

func TestPanickingTransport(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var panics atomic.Int64
		b := newBench(t, setup{
			round: func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					if panics.Add(1) <= 2 {
						panic("transport")
					}
					return next.RoundTrip(r)
				})
			},
		})
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		require.EqualValues(t, 1, b.Stats().Delivered, "it was a passing trouble")
		require.Equal(t, 3, b.outcomes(delivery.Done)[0].Attempts)

		panics.Store(0)
		again, err := delivery.New(b.client, b.queue, delivery.WithPolicy(delivery.AtMostOnce))
		require.NoError(t, err)
		b.Dispatcher = again
		b.submit("2", activity(901, 7, "b"))
		b.drain()
		require.EqualValues(t, 1, b.Stats().Buried)
		require.Equal(t, delivery.ReasonUnknown, b.list()[0].Reason, "the request may have left")
	})
}

// panickingHandler is a log handler that panics.
type panickingHandler struct{ slog.Handler }

func (panickingHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickingHandler) Handle(context.Context, slog.Record) error { panic("handler") }

func TestPanickingLogHandler(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		logger := slog.New(panickingHandler{slog.DiscardHandler})
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithLogger(logger)}})
		b.graph.Inject(graphtest.Error(32, 0), graphtest.Error(100, 0))
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		require.EqualValues(t, 1, b.Stats().Buried)

		own, err := b.client.Clone(appevents.WithLogger(logger)) // the client's own handler
		require.NoError(t, err)
		b.client = own
		b.again()
		b.submit("2", activity(901, 7, "b"))
		b.drain()
		require.Equal(t, delivery.ReasonPanicked, b.list()[1].Reason)
	})
}

// setBack is a queue whose clock was set back by a day after it stored what it holds.
type setBack struct{ delivery.Queue }

func (q setBack) Lease(ctx context.Context, n int, skip *delivery.LaneSet) ([]*delivery.Lease, error) {
	leases, err := q.Queue.Lease(ctx, n, skip)
	for _, l := range leases {
		l.Submitted, l.Expires = l.Submitted.Add(24*time.Hour), l.Expires.Add(24*time.Hour)
	}
	return leases, err
}

func TestClockSetBack_DeliversAllTheSame(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{queue: setBack{new(recorder).over()}})
		b.graph.Inject(graphtest.Transient)
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		require.Len(t, arrived(b.graph), 1)
		require.Zero(t, b.outcomes(delivery.Done)[0].Age, "nothing is younger than new")
	})
}

// ahead is a queue whose items were submitted by a clock that was a year ahead.
type ahead struct{ delivery.Queue }

func (q ahead) Put(ctx context.Context, item delivery.Item) (bool, error) {
	item.Submitted, item.Expires = item.Submitted.AddDate(1, 0, 0), item.Expires.AddDate(1, 0, 0)
	return q.Queue.Put(ctx, item)
}

func TestClockAheadAtSubmit_DoesNotKeepACallForAYear(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{queue: ahead{new(recorder).over()}})
		b.graph.Inject(graphtest.Times(100_000, graphtest.Transient))
		b.submit("1", activity(901, 7, "a"))
		start := time.Now()
		b.run()
		after(7*24*time.Hour - time.Minute)
		require.EqualValues(t, 1, b.Stats().Pending)
		lanes, err := b.Lanes(t.Context())
		require.NoError(t, err)
		require.False(t, lanes[len(lanes)-1].Oldest.After(time.Now()), "nothing is younger than new")
		require.False(t, b.Stats().Oldest.After(time.Now()))
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		require.Equal(t, delivery.ReasonExpired, b.list()[0].Reason)
		require.Less(t, time.Since(start), 7*24*time.Hour+15*time.Minute)
	})
}

// A new token is tried soon, whatever the wait of the old one has come to.
func TestNewTokenIsTriedSoon(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		source := &tokens{byID: map[appevents.ID]string{"901": "old"}}
		b := newBench(t, setup{
			client: []appevents.Option{appevents.WithTokenSource(source)},
			graph:  []graphtest.Option{graphtest.WithToken("good", graphtest.Grant{Type: graphtest.TokenPage})},
		})
		b.submit("1", pageActivity(901, 7, "a"))
		start := time.Now()
		b.run()
		after(4*time.Hour - time.Second)
		var at []time.Duration
		for _, c := range b.graph.Calls() {
			at = append(at, c.Time.Sub(start).Round(3*time.Minute))
		}
		require.Len(t, at, 7, "%v", at)
		source.set("901", "good")
		after(31 * time.Second)
		require.Len(t, arrived(b.graph), 1)
		b.stop()
	})
}

// The first request with a new token hangs. The lane goes on: the answer to that is another request.
func TestNewTokenIsTriedAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		requests := 0
		source := appevents.TokenFunc(func(context.Context, appevents.Scope) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			return fmt.Sprint("token-", min(requests, 1)), nil // another one as soon as the first was refused
		})
		b := newBench(t, setup{
			graph: []graphtest.Option{graphtest.WithFaults(func(graphtest.Call) graphtest.Fault {
				mu.Lock()
				defer mu.Unlock()
				switch requests++; requests {
				case 1:
					return graphtest.ExpiredToken
				case 2:
					return graphtest.Timeout
				}
				return nil
			})},
			client: []appevents.Option{appevents.WithTokenSource(source)},
		})
		start := time.Now()
		b.submit("one", pageActivity(901, 1, "one"))
		b.submit("two", pageActivity(901, 2, "two"))
		b.run()
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		require.Less(t, time.Since(start), 2*time.Minute)
		b.stop()
	})
}

// A limit of so many requests in a time. Graph says how much of it is used, or how long to stay away, or neither.
type quota struct {
	calls   int
	window  time.Duration
	fixed   bool // windows follow each other; otherwise what counts is the latest one
	headers bool
	hint    bool

	mu      sync.Mutex
	used    []time.Time
	began   time.Time // of a fixed window
	refused int
	taken   int
}

func (q *quota) RoundTrip(r *http.Request) (*http.Response, error) {
	after(flakyLatency)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if q.fixed && now.Sub(q.began) >= q.window {
		q.began, q.used = now.Truncate(q.window), nil
	}
	for !q.fixed && len(q.used) > 0 && now.Sub(q.used[0]) >= q.window {
		q.used = q.used[1:]
	}
	response := &http.Response{StatusCode: 200, Header: http.Header{}, Request: r}
	body := `{"success":true}`
	if len(q.used) >= q.calls {
		q.refused++
		response.StatusCode, body = 400, `{"error":{"message":"limit","code":80001}}`
		if q.hint {
			response.Header.Set("Retry-After", fmt.Sprint(int(max(1, q.window.Seconds()/10))))
		}
	} else {
		q.taken++
		q.used = append(q.used, now)
	}
	if q.headers {
		response.Header.Set("X-Business-Use-Case-Usage", fmt.Sprintf(
			`{"901":[{"type":"pages","call_count":%d}]}`, 100*len(q.used)/q.calls))
	}
	response.Body = io.NopCloser(strings.NewReader(body))
	return response, nil
}

// A lane that has more to send than a limit lets through uses at least 80 % of the limit, and fewer than one request in
// 50 is refused.
func TestQuota_IsUsedAndNotOverdrawn(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]struct {
		calls  int
		window time.Duration
		lasts  time.Duration
	}{
		"60 a minute":   {60, time.Minute, 3 * time.Hour},
		"600 a minute":  {600, time.Minute, time.Duration(size(15, 30)) * time.Minute},
		"10 a second":   {10, time.Second, 30 * time.Minute},
		"3,600 an hour": {3600, time.Hour, 12 * time.Hour},
		"200 an hour":   {200, time.Hour, 48 * time.Hour},
	} {
		for info := range 4 {
			for _, fixed := range []bool{false, true} {
				q := &quota{calls: limit.calls, window: limit.window, fixed: fixed, hint: info&1 != 0, headers: info&2 != 0}
				if !*soak && (limit.window != time.Minute || fixed != (info == 0 || info == 3) || limit.calls > 60 && info > 0) {
					continue // the others
				}
				name := fmt.Sprintf("%s, %s, fixed %t", name, []string{"no information", "hint", "usage", "both"}[info], fixed)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					bubble(t, func(t *testing.T) { q.check(t, limit.lasts) })
				})
			}
		}
	}
}

func (q *quota) check(t *testing.T, lasts time.Duration) {
	t.Helper()
	b := newBench(t, setup{round: func(http.RoundTripper) http.RoundTripper { return q }})
	want := q.calls * int(lasts/q.window)
	for n := range want + want/4 + 100 {
		b.submit(fmt.Sprint(n), activity(901, n+1, "e"))
	}
	b.run()
	after(lasts)
	q.mu.Lock()
	taken, refused := q.taken, q.refused
	q.mu.Unlock()
	t.Logf("%d of %d taken (%.0f %%), %d refused (one in %.0f)", taken, want, 100*float64(taken)/float64(want), refused,
		float64(taken)/float64(max(1, refused)))
	require.GreaterOrEqual(t, float64(taken), 0.8*float64(want))
	require.Less(t, float64(refused), float64(taken+refused)/50)
	b.stop()
}

func TestDispatcher_StopsAnEdgeThatCannotBeReached(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var network dialFailure
		network.down.Store(true)
		b := newBench(t, setup{round: func(next http.RoundTripper) http.RoundTripper {
			network.RoundTripper = next
			return &network
		}})
		for n := range 500 {
			b.submit(fmt.Sprint(n), activity(901+n, 7, fmt.Sprint(n)))
		}
		b.run()
		after(time.Hour)
		require.LessOrEqual(t, network.tries.Load(), int64(64+150), "one lane finds out for all")
		lanes, err := b.Lanes(t.Context())
		require.NoError(t, err)
		require.Equal(t, "activities", lanes[0].Lane)
		require.Equal(t, delivery.LaneProbing, lanes[5].State)
		require.NotEmpty(t, lanes[5].Why)
		network.down.Store(false)
		after(40 * time.Second)
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		require.Len(t, arrived(b.graph), 500)
		b.stop()
	})
}

func TestLanes_ShowsWhatIsKnown(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{graph: []graphtest.Option{graphtest.WithFaults(func(c graphtest.Call) graphtest.Fault {
			switch c.PageID {
			case "901":
				return graphtest.Transient
			case "902":
				return graphtest.ThrottleFor(time.Hour)
			case "903":
				return graphtest.ExpiredToken
			case "904":
				return graphtest.Error(368, 0)
			}
			return nil
		})}})
		for page := 901; page <= 905; page++ {
			for n := range 5 {
				b.submit(fmt.Sprint(page, n), pageActivity(page, n+1, "e"))
			}
		}
		b.run()
		after(20 * time.Second)
		lanes, err := b.Lanes(t.Context())
		require.NoError(t, err)
		byLane := map[string]delivery.LaneStatus{}
		for _, l := range lanes {
			byLane[l.Lane] = l
		}
		for page, state := range map[int]delivery.LaneState{
			901: delivery.LaneProbing, 902: delivery.LaneThrottled, 903: delivery.LaneToken, 904: delivery.LanePolicy,
		} {
			l := byLane[fmt.Sprint("page_activities/", page)]
			require.Equal(t, state, l.State)
			require.EqualValues(t, 5, l.Pending)
			require.True(t, l.Until.After(time.Now()), "%+v", l)
			require.Contains(t, l.Why, "graph error")
			require.Equal(t, l.Why, l.LastError)
			require.Positive(t, l.Failures)
			require.Equal(t, l.Requests, l.Failures)
			require.False(t, l.LastErrorAt.IsZero())
			require.NotZero(t, l.Oldest)
		}
		good := byLane["page_activities/905"]
		require.Equal(t, delivery.LaneOpen, good.State)
		require.Equal(t, 5, good.Requests)
		require.Zero(t, good.Failures)
		require.Greater(t, good.Concurrency, 2)

		before := b.graph.Count()
		require.NoError(t, b.ResumeLane(t.Context(), "page_activities/902"))
		synctest.Wait()
		require.Equal(t, before+1, b.graph.Count(), "it is looked at at once")
		b.stop()
		require.NoError(t, b.queue.Close())
		_, err = b.Lanes(t.Context())
		require.ErrorIs(t, err, delivery.ErrClosed)
	})
}

// Only what outlives a process is written to the queue.
func TestDispatcher_TellsTheQueueOnlyWhatLasts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault graphtest.Fault
		want  int
	}{
		"transient": {graphtest.Transient, 0}, "reset": {graphtest.Reset, 0}, "unclear": {graphtest.NotSuccess, 0},
		"throttled": {graphtest.ThrottleFor(time.Hour), 2}, "token": {graphtest.ExpiredToken, 1},
		"permission": {graphtest.MissingPermission, 1}, "policy": {graphtest.Error(368, 0), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{})
				b.graph.Inject(graphtest.Times(1000, test.fault))
				for n := range 10 {
					b.submit(fmt.Sprint(n), pageActivity(901, n+1, fmt.Sprint(n)))
				}
				b.run()
				after(30 * time.Second)
				require.Equal(t, test.want, b.Stats().PausedLanes)
				b.stop()
			})
		})
	}
}

var errBroken = errors.New("broken")

// A queue that does not know of the pause is told again, once it can be.
func TestDispatcher_KeepsToAPauseTheQueueDidNotTake(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		queue := new(recorder).over()
		queue.failPause = []error{errBroken}
		// Answers take no time here: a second worker could send several before the first has noted the refusal.
		b := newBench(t, setup{queue: queue, opts: []delivery.Option{delivery.WithWorkers(1)}})
		b.graph.Inject(graphtest.ThrottleFor(time.Hour))
		for n := range 10 {
			b.submit(fmt.Sprint(n), activity(901, n+1, fmt.Sprint(n)))
		}
		b.run()
		after(time.Hour - time.Second)
		require.Equal(t, 1, b.graph.Count())
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
	})
}
