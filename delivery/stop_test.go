package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
)

// delayed makes every request take d, or until it is cancelled.
func delayed(d time.Duration) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
				return next.RoundTrip(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
	}
}

func TestRun_LetsRequestsFinishWithinTheGrace(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{round: delayed(3 * time.Second), opts: []delivery.Option{delivery.WithWorkers(2)}})
		for n := range 10 {
			b.submit(fmt.Sprint(n), activity(901, n+1, fmt.Sprint(n)))
		}
		b.run()
		after(time.Second)
		start := time.Now()
		b.stop()
		require.Equal(t, 2*time.Second, time.Since(start))
		s := b.Stats()
		require.EqualValues(t, 2, s.Delivered, "what was under way")
		require.EqualValues(t, 8, s.Pending, "the rest went back")
		require.Zero(t, s.InHand)
		leases, err := b.queue.Lease(t.Context(), 8, nil)
		require.NoError(t, err)
		require.NotEmpty(t, leases)
		require.Zero(t, leases[0].Attempts)
	})
}

func TestRun_CutsRequestsOffAfterTheGrace(t *testing.T) {
	t.Parallel()
	for _, policy := range []delivery.Policy{delivery.AtLeastOnce, delivery.AtMostOnce} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{
					round: delayed(9 * time.Second),
					opts:  []delivery.Option{delivery.WithGrace(5 * time.Second), delivery.WithPolicy(policy)},
				})
				b.submit("1", activity(901, 7, "a"))
				b.run()
				synctest.Wait()
				start := time.Now()
				b.stop()
				require.Equal(t, 5*time.Second, time.Since(start))
				s := b.Stats()
				b.invariant(s)
				if policy == delivery.AtMostOnce {
					require.EqualValues(t, 1, s.Buried, "it may have been received")
				} else {
					require.EqualValues(t, 1, s.Pending)
					require.Zero(t, b.outcomes(delivery.Retry)[0].RetryAt, "who runs next does not wait for it")
				}
			})
		})
	}
}

func TestRun_StartsOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.run()
		synctest.Wait()
		require.ErrorIs(t, b.Dispatcher.Run(t.Context()), delivery.ErrRunning)
		b.stop()
		require.ErrorIs(t, b.Dispatcher.Run(t.Context()), delivery.ErrRunning)
	})
}

func TestRun_EndsWithAContextThatIsOver(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.submit("1", activity(901, 7, "a"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, b.Dispatcher.Run(ctx))
		require.Zero(t, b.graph.Count())
	})
}

func TestRun_EndsWhenTheQueueIsClosed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.run()
		synctest.Wait()
		require.NoError(t, b.queue.Close())
		require.ErrorIs(t, <-b.ended, delivery.ErrClosed)
		require.ErrorIs(t, b.Submit(t.Context(), "1", activity(901, 7, "a")), delivery.ErrClosed)
		b.Stats()
	})
}

func TestRun_GoesOnWhenTheQueueFails(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		broken := errors.New("disk trouble")
		q := (&recorder{failLease: []error{broken, broken}, failSette: []error{broken, broken, delivery.ErrFull}}).over()
		var log logText
		b := newBench(t, setup{
			queue: q, opts: []delivery.Option{delivery.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))},
		})
		b.submit("1", activity(901, 7, "a"))
		start := time.Now()
		b.run()
		for b.graph.Count() == 0 {
			after(time.Millisecond)
		}
		require.GreaterOrEqual(t, time.Since(start), 75*time.Millisecond, "two waits, half of them random at most")
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		require.Equal(t, map[string]int{"a": 1}, arrived(b.graph))
		require.EqualValues(t, 1, b.Stats().Delivered)
		require.Contains(t, log.String(), "disk trouble")
	})
}

func TestRun_SendsNothingItCannotWriteDown(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		q := &recorder{}
		for range 100 {
			q.failSette = append(q.failSette, delivery.ErrFull)
		}
		b := newBench(t, setup{queue: q.over(), opts: []delivery.Option{delivery.WithWorkers(1)}})
		for n := range 10 {
			b.submit(fmt.Sprint(n), activity(901, n+1, fmt.Sprint(n)))
		}
		b.run()
		after(2 * time.Minute) // the lease is over by then
		require.Equal(t, 1, b.graph.Count())
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		for id, n := range arrived(b.graph) {
			require.Equal(t, 1, n, id)
		}
		require.Zero(t, b.Stats().Unsettled)
	})
}

// Whoever has the lease now settles the call.
func TestRun_LeavesWhatItSettlesTooLate(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var log logText
		queue := new(recorder).over()
		queue.failSette = []error{delivery.ErrLeaseLost}
		b := newBench(t, setup{queue: queue, opts: []delivery.Option{
			delivery.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		}})
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		require.Equal(t, 2, b.graph.Count(), "by the next holder, once the lease is over")
		require.EqualValues(t, 1, b.Stats().Delivered)
		require.Contains(t, log.String(), "settled too late")
	})
}

func TestRun_ReportsWhatItCouldNotSettle(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		q := &recorder{}
		for range 1000 {
			q.failSette = append(q.failSette, delivery.ErrFull)
		}
		var log logText
		b := newBench(t, setup{
			queue: q.over(), opts: []delivery.Option{delivery.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))},
		})
		b.submit("1", activity(901, 7, "a"))
		b.run()
		synctest.Wait()
		start := time.Now()
		b.stop()
		require.LessOrEqual(t, time.Since(start), 15*time.Second, "the grace, and five seconds to settle")
		require.EqualValues(t, 1, b.Stats().Unsettled)
		require.Contains(t, log.String(), "may be sent again")
		require.Empty(t, b.outcomes(delivery.Done))
		b.invariant(b.Stats())
	})
}

func TestRun_DoesNotSendWhatWaitedTooLong(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		// Each request takes most of a lease: what waits behind it must be leased anew before it is sent.
		b := newBench(t, setup{
			queue: memqueue.New(memqueue.WithLeaseTime(12 * time.Second)), round: delayed(7 * time.Second),
			opts: []delivery.Option{delivery.WithWorkers(1)},
		})
		for n := range 10 {
			b.submit(fmt.Sprint(n), activity(901, n+1, fmt.Sprint(n)))
		}
		b.drain()
		require.Len(t, arrived(b.graph), 10)
		require.Equal(t, 10, b.graph.Count())
		require.EqualValues(t, 10, b.Stats().Delivered)
	})
}

func TestDispatcher_ContainsAPanicOfTheObserver(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var log logText
		b := newBench(t, setup{opts: []delivery.Option{
			delivery.WithObserver(func(context.Context, delivery.Settled) { panic("observer") }),
			delivery.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		}})
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		require.EqualValues(t, 1, b.Stats().Delivered)
		require.Contains(t, log.String(), "the observer panicked")
	})
}

func TestDispatcher_LogsWhatMatters(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var log logText
		b := newBench(t, setup{opts: []delivery.Option{
			delivery.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		}})
		b.graph.Inject(graphtest.Error(32, 0), graphtest.Error(100, 0))
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		text := log.String()
		require.Contains(t, text, `level=WARN msg="delivery: lane paused" lane=activities/901`)
		require.Contains(t, text, `level=INFO msg="delivery: lane goes again" lane=activities/901`)
		require.Contains(t, text, `level=WARN msg="delivery: call buried" id=1 lane=activities/901 reason=refused attempts=2 error=`)
		require.NotContains(t, text, "the queue gives no calls", "to stop is no trouble")
		require.NotContains(t, text, pageToken)
		require.NotContains(t, text, appSecret)
	})
}

// A request that was never made is no attempt.
func TestRun_ReleasesWhatWaitsForItsToken(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		source := appevents.TokenFunc(func(ctx context.Context, _ appevents.Scope) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		b := newBench(t, setup{
			client: []appevents.Option{appevents.WithTokenSource(source)}, opts: []delivery.Option{delivery.WithGrace(0)},
		})
		b.submit("1", pageActivity(901, 7, "a"))
		b.run()
		synctest.Wait()
		b.stop()
		require.Zero(t, b.graph.Count())
		require.Empty(t, b.outcomes(delivery.Retry))
		leases, err := b.queue.Lease(t.Context(), 1, nil)
		require.NoError(t, err)
		require.Zero(t, leases[0].Attempts)
	})
}

func TestDispatcher_BoundsTheErrorsItStores(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{
			round: func(http.RoundTripper) http.RoundTripper {
				return roundTripper(func(*http.Request) (*http.Response, error) {
					return nil, errors.New("dial" + strings.Repeat("ü", 10_000))
				})
			},
			opts: []delivery.Option{delivery.WithPolicy(delivery.AtMostOnce), delivery.WithMaxAge(time.Hour)},
		})
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		call := b.list()[0]
		require.LessOrEqual(t, len(call.FirstError), 1<<10)
		require.True(t, utf8.ValidString(call.FirstError))
		require.Contains(t, call.FirstError, "dial")
	})
}
