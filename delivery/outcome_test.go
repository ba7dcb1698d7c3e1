package delivery_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/graphtest"
)

// poisoned refuses every request that holds an event whose ID starts with "bad".
func poisoned(fault graphtest.Fault) graphtest.Option {
	return graphtest.WithFaults(func(c graphtest.Call) graphtest.Fault {
		for _, e := range c.Events {
			if strings.HasPrefix(e.ID, "bad") {
				return fault
			}
		}
		return nil
	})
}

func TestDispatcher_IsolatesAPoisonEvent(t *testing.T) {
	t.Parallel()
	for _, place := range []int{0, 49, 98, 99} {
		t.Run(fmt.Sprint(place), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{graph: []graphtest.Option{poisoned(graphtest.Error(100, 0))}})
				all := ids("good", 100)
				all[place] = "bad"
				b.submit("batch", activity(901, 7, all...))
				b.drain()
				got := arrived(b.graph)
				require.Len(t, got, 99)
				require.NotContains(t, got, "bad")
				require.LessOrEqual(t, b.graph.Count(), 1+2*7, "one request, and two for each halving")

				buried := b.outcomes(delivery.Bury)
				require.Len(t, buried, 1)
				require.Equal(t, delivery.ReasonRefused, buried[0].Reason)
				require.ErrorIs(t, buried[0].Err, appevents.ErrInvalidParameter)
				for call, err := range b.Buried(t.Context()) {
					require.NoError(t, err)
					events := call.Call.(*appevents.Activity).Events
					require.Len(t, events, 1, "only what was refused is kept")
					require.Equal(t, "bad", events[0].ID)
					require.Contains(t, call.LastError, "graph error 100")
				}
			})
		})
	}
}

func TestDispatcher_IsolatesPoisonCallsAmongMerged(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{
			graph: []graphtest.Option{poisoned(graphtest.Error(100, 0))}, opts: []delivery.Option{delivery.WithWorkers(1)},
		})
		for n := range 200 {
			id := fmt.Sprint("good", n)
			if n%20 == 7 {
				id = fmt.Sprint("bad", n)
			}
			b.submit(id, activity(901, 7, id))
		}
		b.drain()
		s := b.Stats()
		require.EqualValues(t, 190, s.Delivered)
		require.EqualValues(t, 10, s.Buried)
		require.Len(t, arrived(b.graph), 190)
		for id, n := range arrived(b.graph) {
			require.Equal(t, 1, n, id)
		}
	})
}

func TestDispatcher_BoundsTheRequestsOfIsolation(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{graph: []graphtest.Option{poisoned(graphtest.Error(100, 0))}})
		b.submit("batch", activity(901, 7, ids("bad", 100)...))
		b.run()
		b.until(func(s delivery.Stats) bool { return s.Requests > 0 })
		require.LessOrEqual(t, b.Stats().Requests, int64(41), "no more at a time")
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		require.Empty(t, arrived(b.graph))
		for call, err := range b.Buried(t.Context()) {
			require.NoError(t, err)
			require.Len(t, call.Call.(*appevents.Activity).Events, 100)
		}
	})
}

func TestDispatcher_SeparatesWhatFailsAgainAndAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		// One event that Graph cannot digest: it calls that transient, every time.
		b := newBench(t, setup{
			graph: []graphtest.Option{poisoned(graphtest.Transient)}, opts: []delivery.Option{delivery.WithWorkers(1)},
		})
		for n := range 50 {
			id := fmt.Sprint("good", n)
			if n == 20 {
				id = "bad"
			}
			b.submit(id, activity(901, 7, id))
		}
		start := time.Now()
		b.run()
		b.until(func(s delivery.Stats) bool { return s.Delivered == 49 })
		require.Less(t, time.Since(start), 10*time.Minute, "the others wait for the one")
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		require.InDelta(t, 7*24*time.Hour, time.Since(start), float64(10*time.Minute))
		buried := b.outcomes(delivery.Bury)
		require.Len(t, buried, 1)
		require.Equal(t, delivery.ReasonExpired, buried[0].Reason)
	})
}

func TestDispatcher_ReportsARetiredEdge(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{graph: []graphtest.Option{graphtest.WithoutPageActivities()}})
		b.submit("1", pageActivity(901, 7, "a", "b"))
		b.drain()
		buried := b.outcomes(delivery.Bury)
		require.Len(t, buried, 1)
		require.ErrorIs(t, buried[0].Err, appevents.ErrRetired)
	})
}

// An unclear refusal, and one for a permission, says nothing about a call as long as nothing else gets through.
func TestDispatcher_HoldsARefusalAgainstACallIfOthersGetThrough(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]graphtest.Fault{
		"not success": graphtest.NotSuccess, "false": graphtest.False, "proxy": graphtest.Reply(403, "<html>no</html>"),
		"permission": graphtest.MissingPermission, "not found": graphtest.Error(803, 0),
	} {
		for _, other := range []int{901, 902} {
			t.Run(fmt.Sprint(name, ", another call of ", other), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					b := newBench(t, setup{graph: []graphtest.Option{poisoned(fault)}})
					b.submit("bad", activity(901, 7, "bad"))
					b.run()
					after(2 * time.Hour)
					require.Zero(t, b.Stats().Buried, "nothing else was tried")
					const others = 40
					for n := range others {
						b.submit(fmt.Sprint(n), activity(other, 8, fmt.Sprint("good", n)))
						after(20 * time.Minute)
					}
					b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
					require.Len(t, arrived(b.graph), others)
					require.EqualValues(t, 1, b.Stats().Buried)
					require.Equal(t, delivery.ReasonRefused, b.outcomes(delivery.Bury)[0].Reason)
					b.stop()
				})
			})
		}
	}
}

func TestDispatcher_WaitsForAPermission(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]graphtest.Fault{
		"permission": graphtest.MissingPermission, "not visible": graphtest.Error(100, 33), "unknown": graphtest.Error(803, 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				start := time.Now()
				var log logText
				b := newBench(t, setup{
					graph: []graphtest.Option{graphtest.WithFaults(func(c graphtest.Call) graphtest.Fault {
						if c.PageID == "901" && c.Time.Sub(start) < time.Hour {
							return fault
						}
						return nil
					})},
					opts: []delivery.Option{delivery.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))},
				})
				for n := range 300 {
					b.submit(fmt.Sprint(n), activity(901, n+1, fmt.Sprint("a", n)))
				}
				b.submit("other", activity(902, 1, "other"))
				b.run()
				after(10 * time.Minute)
				require.Equal(t, map[string]int{"other": 1}, arrived(b.graph))
				require.LessOrEqual(t, b.graph.Count(), 12)
				lanes, err := b.Lanes(t.Context())
				require.NoError(t, err)
				require.Equal(t, delivery.LanePermission, lanes[0].State)
				require.Contains(t, lanes[0].Why, "graph error")
				require.True(t, lanes[0].Until.After(time.Now()))
				require.Contains(t, log.String(), "a permission is missing, or the Page or dataset was not found")
				after(2*time.Hour - 10*time.Minute)
				require.Len(t, arrived(b.graph), 301, "at most an hour after it was given back")
				require.Zero(t, b.Stats().Buried)
				require.Zero(t, b.Stats().PausedLanes)
				b.stop()
			})
		})
	}
}

func TestDispatcher_SettlesUnknownOutcomesByPolicy(t *testing.T) {
	t.Parallel()
	for _, fault := range []graphtest.Fault{graphtest.Reset, graphtest.Truncate, graphtest.Unavailable, graphtest.Empty} {
		t.Run("at least once", func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{})
				b.graph.Inject(fault)
				b.submit("1", activity(901, 7, "a"))
				b.drain()
				require.EqualValues(t, 1, b.Stats().Delivered)
				require.Equal(t, 2, b.graph.Count())
				require.ErrorIs(t, b.outcomes(delivery.Retry)[0].Err, appevents.ErrUnknownOutcome)
				require.Equal(t, 2, b.outcomes(delivery.Done)[0].Attempts)
			})
		})
		t.Run("at most once", func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{opts: []delivery.Option{delivery.WithPolicy(delivery.AtMostOnce)}})
				b.graph.Inject(fault, graphtest.Transient)
				b.submit("1", activity(901, 7, "a"))
				b.drain()
				require.Equal(t, 1, b.graph.Count())
				buried := b.outcomes(delivery.Bury)
				require.Len(t, buried, 1)
				require.Equal(t, delivery.ReasonUnknown, buried[0].Reason)
				require.ErrorIs(t, buried[0].Err, appevents.ErrUnknownOutcome)

				again, err := delivery.New(b.client, b.queue, delivery.WithPolicy(delivery.AtMostOnce))
				require.NoError(t, err)
				b.Dispatcher = again
				b.submit("2", activity(901, 7, "b"))
				b.drain()
				require.EqualValues(t, 1, b.Stats().Delivered, "a refusal is not unknown: it is tried again")
				require.Equal(t, 3, b.graph.Count())
			})
		})
	}
}

// dialFailure is a network that is down while down is set.
type dialFailure struct {
	http.RoundTripper

	down  atomic.Bool
	tries atomic.Int64
}

func (d *dialFailure) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.down.Load() {
		d.tries.Add(1)
		_ = r.Body.Close()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return d.RoundTripper.RoundTrip(r)
}

func TestDispatcher_RepeatsWhatWasNotSentUnderAnyPolicy(t *testing.T) {
	t.Parallel()
	for _, policy := range []delivery.Policy{delivery.AtLeastOnce, delivery.AtMostOnce} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				var network dialFailure
				network.down.Store(true)
				b := newBench(t, setup{
					opts: []delivery.Option{delivery.WithPolicy(policy)},
					round: func(next http.RoundTripper) http.RoundTripper {
						network.RoundTripper = next
						return &network
					},
				})
				b.submit("1", activity(901, 7, "a"))
				b.run()
				b.until(func(s delivery.Stats) bool { return s.Retries == 4 })
				network.down.Store(false)
				b.until(func(s delivery.Stats) bool { return s.Delivered == 1 })
				b.stop()
				require.Equal(t, map[string]int{"a": 1}, arrived(b.graph))
				var waits []time.Duration
				for _, s := range b.outcomes(delivery.Retry) {
					waits = append(waits, s.RetryAt.Sub(time.Now().Add(-s.Age)))
				}
				require.True(t, slices.IsSorted(waits), "waits grow")
			})
		})
	}
}

func TestDispatcher_BuriesWhatASentProcessLeftOpen(t *testing.T) {
	t.Parallel()
	for _, policy := range []delivery.Policy{delivery.AtLeastOnce, delivery.AtMostOnce} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{opts: []delivery.Option{delivery.WithPolicy(policy)}})
				b.submit("1", activity(901, 7, "a"))
				leases, err := b.queue.Lease(t.Context(), 1, nil) // by a process that begins a request and dies
				require.NoError(t, err)
				require.NoError(t, b.queue.Settle(t.Context(), delivery.Settlement{Lease: leases[0], Verdict: delivery.Begin}))
				b.drain()
				if policy == delivery.AtLeastOnce {
					require.Len(t, arrived(b.graph), 1)
					return
				}
				require.Empty(t, arrived(b.graph))
				buried := b.outcomes(delivery.Bury)
				require.Len(t, buried, 1)
				require.Equal(t, delivery.ReasonUnknown, buried[0].Reason)
			})
		})
	}
}

func TestDispatcher_NotesRequestsBeforeItMakesThem(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var q *recorder
		begun := map[string]bool{}
		q = &recorder{onSettle: func(s delivery.Settlement) {
			if s.Verdict == delivery.Begin {
				begun[string(s.Lease.Body)] = true
			}
		}}
		var missing atomic.Int64
		b := newBench(t, setup{
			queue: q.over(), opts: []delivery.Option{delivery.WithPolicy(delivery.AtMostOnce), delivery.WithWorkers(1)},
			round: func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					if len(begun) == 0 {
						missing.Add(1)
					}
					clear(begun)
					return next.RoundTrip(r)
				})
			},
		})
		b.submit("1", activity(901, 7, "a"))
		b.submit("2", activity(901, 8, "b"))
		b.drain()
		require.Len(t, arrived(b.graph), 2)
		require.Zero(t, missing.Load())
	})
}

// A full disk can have room to give calls back and none to note that they begin.
func TestDispatcher_WaitsWhileNothingMayBegin(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var log logText
		q := new(recorder)
		for range 20 {
			q.failBegin = append(q.failBegin, delivery.ErrFull)
		}
		b := newBench(t, setup{queue: q.over(), opts: []delivery.Option{
			delivery.WithPolicy(delivery.AtMostOnce), delivery.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		}})
		b.submit("1", activity(901, 7, "a"))
		b.submit("2", activity(902, 8, "b"))
		b.run()
		after(time.Second)
		require.Zero(t, b.graph.Count())
		require.Contains(t, log.String(), "the queue takes no settlements")
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		require.LessOrEqual(t, q.leased(), 8, "they do not go to and fro")
		b.stop()
		require.Equal(t, map[string]int{"a": 1, "b": 1}, arrived(b.graph))
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestDispatcher_BuriesWhatExpires(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithMaxAge(time.Hour)}})
		b.submit("1", activity(901, 7, "a"))
		after(time.Hour)
		b.submit("2", activity(901, 7, "b"))
		b.drain()
		require.Equal(t, map[string]int{"b": 1}, arrived(b.graph))
		buried := b.outcomes(delivery.Bury)
		require.Len(t, buried, 1)
		require.Equal(t, delivery.ReasonExpired, buried[0].Reason)
		require.Zero(t, buried[0].Attempts)
		require.Equal(t, time.Hour, buried[0].Age)
	})
}

func TestDispatcher_BuriesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		for n, body := range []string{"", "garbage", `{"kind":"new","call":{}}`, `{"kind":"activity","call":{}}`} {
			_, err := b.queue.Put(t.Context(), delivery.Item{
				Key: delivery.KeyOf(body), Lane: "activities", Group: delivery.Group{byte(n)}, Body: []byte(body),
				Submitted: time.Now(),
			})
			require.NoError(t, err)
		}
		b.drain()
		require.Zero(t, b.graph.Count())
		n := 0
		for call, err := range b.Buried(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, delivery.ReasonUnreadable, call.Reason)
			require.NotEmpty(t, call.LastError)
			n++
		}
		require.Equal(t, 4, n)
	})
}
