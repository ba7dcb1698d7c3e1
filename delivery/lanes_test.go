package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
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

func TestDispatcher_ThrottledPageDoesNotSlowTheOthers(t *testing.T) {
	t.Parallel()
	const (
		pages, perPage = 50, 20
		latency        = 100 * time.Millisecond
		limited        = 10 * time.Minute
	)
	// run delivers the same load with and without a throttled Page and returns how long the others took.
	run := func(t *testing.T, throttle bool) (others time.Duration) {
		start := time.Now()
		var taken atomic.Int64
		b := newBench(t, setup{
			round: delayed(latency),
			graph: []graphtest.Option{graphtest.WithObserver(func(c graphtest.Call) {
				if c.Accepted {
					taken.Add(int64(len(c.Events)))
				}
			}), graphtest.WithFaults(func(c graphtest.Call) graphtest.Fault {
				if throttle && c.PageID == "901" && c.Time.Before(start.Add(latency+limited)) {
					return graphtest.ThrottleFor(limited)
				}
				return nil
			})},
		})
		for n := range perPage {
			for page := range pages {
				b.submit(fmt.Sprint(page, "-", n), pageActivity(901+page, n+1, fmt.Sprint(page, "-", n)))
			}
		}
		want := int64(pages * perPage)
		if throttle {
			want -= perPage
		}
		b.run()
		for taken.Load() < want {
			after(50 * time.Millisecond)
		}
		others = time.Since(start)
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		require.Len(t, arrived(b.graph), pages*perPage)
		for _, c := range b.graph.Calls() {
			if age := c.Time.Sub(start); throttle && c.PageID == "901" {
				require.True(t, age <= 2*latency || age >= limited, "a call came %v after the start", age)
			}
		}
		if throttle {
			require.Less(t, time.Since(start), limited+time.Minute, "the throttled Page goes on when its time comes")
		}
		return others
	}
	bubble(t, func(t *testing.T) {
		plain, throttled := run(t, false), run(t, true)
		require.LessOrEqual(t, throttled, plain+2*latency)
	})
}

func TestDispatcher_ThrottlesTheLaneTheLimitBelongsTo(t *testing.T) {
	t.Parallel()
	activityOf := func(page int) appevents.Call { return activity(page, 7, fmt.Sprint("a", page)) }
	pageActivityOf := func(page int) appevents.Call { return pageActivity(page, 7, fmt.Sprint("p", page)) }
	leadOf := func(dataset int) appevents.Call { return conversions(dataset, fmt.Sprint("c", dataset)) }
	for _, test := range []struct {
		name  string
		code  int
		first appevents.Call
		held  []string // of a901, a902, p901, p902, c5501, c5502: those that wait
	}{
		{"the app's, on activities", 4, activityOf(901), []string{"a901", "a902", "p901", "p902"}},
		{"the app's, on page_activities", 341, pageActivityOf(901), []string{"a901", "a902", "p901", "p902"}},
		{"the app's, for something else", 613, pageActivityOf(901), []string{"a901", "a902", "p901", "p902"}},
		{"the Page's, on activities", 80006, activityOf(901), []string{"a901", "p901"}},
		{"the token's, on activities", 17, activityOf(901), []string{"a901", "a902"}},
		{"the token's, on page_activities", 17, pageActivityOf(901), []string{"p901"}},
		{"the Page's, on page_activities", 32, pageActivityOf(901), []string{"a901", "p901"}},
		{"the app's, on conversions", 4, leadOf(5501), []string{"c5501", "c5502"}},
		{"the dataset's", 80004, leadOf(5501), []string{"c5501"}},
		{"the dataset's, by a code of Pages", 80006, leadOf(5501), []string{"c5501"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{})
				b.graph.Inject(graphtest.Error(test.code, 0))
				b.submit("first", test.first)
				b.run()
				synctest.Wait()
				require.Equal(t, 1, b.graph.Count())
				calls := map[string]appevents.Call{
					"a901": activityOf(901), "a902": activityOf(902), "p901": pageActivityOf(901), "p902": pageActivityOf(902),
					"c5501": leadOf(5501), "c5502": leadOf(5502),
				}
				for name, call := range calls {
					b.submit(name, call)
				}
				after(4 * time.Minute)
				got := arrived(b.graph)
				for _, name := range test.held {
					require.NotContains(t, got, name)
				}
				require.Len(t, got, 6-len(test.held))
				b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
				b.stop()
				require.Len(t, arrived(b.graph), 6)
				if test.code != 17 { // the stand-in has this one for the app's, whatever the token
					b.graph.Check(t)
				}
			})
		})
	}
}

func TestDispatcher_WaitsLongerEachTimeWhenGraphNamesNoTime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.graph.Inject(graphtest.Times(3, graphtest.Reply(429, `{"error":{"code":4,"message":"limit"}}`)))
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		calls := b.graph.Calls()
		require.Len(t, calls, 4)
		before := 5 * time.Second
		for i := range calls[1:] {
			gap := calls[i+1].Time.Sub(calls[i].Time)
			require.GreaterOrEqual(t, gap, before, "waits double")
			require.LessOrEqual(t, gap, before+before/2)
			before *= 2
		}
	})
}

func TestDispatcher_LeavesABlockedAppAlone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.graph.Inject(graphtest.Error(368, 0))
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		calls := b.graph.Calls()
		require.Len(t, calls, 2)
		require.GreaterOrEqual(t, calls[1].Time.Sub(calls[0].Time), time.Hour)
	})
}

// tokens is a token source of Pages whose tokens can be replaced.
type tokens struct {
	mu    sync.Mutex
	asked atomic.Int64
	byID  map[appevents.ID]string
	err   error
}

func (s *tokens) Token(_ context.Context, scope appevents.Scope) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked.Add(1)
	return s.byID[scope.ID], s.err
}

func (s *tokens) set(id appevents.ID, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = token
}

func TestDispatcher_TokenTroublePausesThatPageOnly(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{"expired": "old-token", "none": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				source := &tokens{byID: map[appevents.ID]string{"901": bad, "902": "good-902"}}
				b := newBench(t, setup{
					client: []appevents.Option{appevents.WithTokenSource(source)},
					graph: []graphtest.Option{
						graphtest.WithToken("old-token", graphtest.Grant{Type: graphtest.TokenPage, Expired: true}),
						graphtest.WithToken("good-901", graphtest.Grant{Type: graphtest.TokenPage}), graphtest.WithToken("good-902", graphtest.Grant{Type: graphtest.TokenPage}),
					},
				})
				for n := range 20 {
					b.submit(fmt.Sprint("x", n), pageActivity(901, n+1, fmt.Sprint("x", n)))
					b.submit(fmt.Sprint("y", n), pageActivity(902, n+1, fmt.Sprint("y", n)))
				}
				b.run()
				after(time.Second)
				require.Len(t, arrived(b.graph), 20, "the other Page goes on")
				refused := b.graph.Count() - 20
				require.LessOrEqual(t, refused, 2)
				asked := source.asked.Load()
				after(time.Hour)
				require.LessOrEqual(t, b.graph.Count()-20-refused, 3, "after 1, 5 and 15 minutes")
				require.Less(t, source.asked.Load()-asked, int64(150), "the token source is asked twice a minute")

				source.set("901", "good-901")
				after(31 * time.Second)
				require.Len(t, arrived(b.graph), 40)
				b.stop()
				b.invariant(b.Stats())
				require.Zero(t, b.Stats().Pending)
			})
		})
	}
}

func TestDispatcher_TokenThatChangesAndIsRefusedAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		source := &tokens{byID: map[appevents.ID]string{"901": "old-1"}}
		b := newBench(t, setup{
			client: []appevents.Option{appevents.WithTokenSource(source)},
			graph:  []graphtest.Option{graphtest.WithToken("good", graphtest.Grant{Type: graphtest.TokenPage})},
		})
		b.submit("1", pageActivity(901, 1, "a"))
		b.run()
		after(10 * time.Minute)
		require.Equal(t, 3, b.graph.Count(), "at once, after one minute and after five")
		source.set("901", "old-2")
		after(5 * time.Minute)
		require.Equal(t, 5, b.graph.Count(), "a new one is tried soon, and then as the first")
		changed := time.Now()
		source.set("901", "good")
		b.until(func(s delivery.Stats) bool { return s.Delivered == 1 })
		require.LessOrEqual(t, time.Since(changed), 31*time.Second)
		b.stop()
		require.Equal(t, 6, b.graph.Count())
	})
}

func TestDispatcher_TokenSourceThatFailsIsTrouble(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		source := &tokens{byID: map[appevents.ID]string{"901": "good"}, err: errors.New("database down")}
		b := newBench(t, setup{client: []appevents.Option{appevents.WithTokenSource(source)}})
		b.submit("1", pageActivity(901, 1, "a"))
		b.run()
		b.until(func(s delivery.Stats) bool { return s.Retries == 3 })
		source.mu.Lock()
		source.err = nil
		source.mu.Unlock()
		b.until(func(s delivery.Stats) bool { return s.Delivered == 1 })
		b.stop()
		require.ErrorContains(t, b.outcomes(delivery.Retry)[0].Err, "database down")
	})
}

func TestDispatcher_GetsThroughATwoMinuteOutage(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]graphtest.Fault{
		"gateway page": graphtest.Unavailable, "transient": graphtest.Transient, "reset": graphtest.ResetEarly,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				var down, up time.Time
				b := newBench(t, setup{graph: []graphtest.Option{
					graphtest.WithFaults(func(c graphtest.Call) graphtest.Fault {
						if !c.Time.Before(down) && c.Time.Before(up) {
							return fault
						}
						return nil
					}),
				}})
				const pages, seconds = 8, 300
				start := time.Now()
				down, up = start.Add(time.Minute), start.Add(3*time.Minute)
				b.run()
				for second := range seconds { // every Page logs an event each second, throughout
					for page := range pages {
						id := fmt.Sprint(page, "-", second)
						b.submit(id, activity(901+page, second+1, id))
					}
					after(time.Second)
					b.invariant(b.Stats())
					if time.Now().Equal(up.Add(70 * time.Second)) {
						require.Less(t, b.Stats().Pending, int64(pages*10), "a little over a minute later it has caught up")
					}
				}
				b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
				b.stop()
				require.Len(t, arrived(b.graph), pages*seconds)
				for id, n := range arrived(b.graph) {
					require.Equal(t, 1, n, id)
				}
				failed := 0
				for _, c := range b.graph.Calls() {
					if c.Fault != "" {
						failed++
					}
				}
				require.Less(t, failed, pages*25, "each lane tries now and then")
				require.Zero(t, b.Stats().PausedLanes)
			})
		})
	}
}

func TestDispatcher_GivesLeasedCallsOfAPausedLaneBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithWorkers(1)}})
		b.graph.Inject(graphtest.OnPage("901", graphtest.ThrottleFor(time.Hour)))
		for n := range 30 { // leased together, before the lane is paused
			b.submit(fmt.Sprint(n), pageActivity(901, n+1, fmt.Sprint(n)))
		}
		b.run()
		synctest.Wait()
		s := b.Stats()
		require.EqualValues(t, 1, s.Requests)
		require.Zero(t, s.InHand)
		require.Equal(t, 2, s.PausedLanes, "the limit is the Page's, on both edges")
		after(30 * time.Minute)
		require.EqualValues(t, 1, b.Stats().Requests)
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		b.graph.Check(t)
	})
}

func TestDispatcher_GivesOnlyCallsOfThatLaneBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var returned atomic.Int64
		queue := new(recorder).over()
		queue.onSettle = func(s delivery.Settlement) {
			if s.Verdict == delivery.Release {
				if s.Lease.Lane != "page_activities/901" {
					t.Errorf("a call of %s came back", s.Lease.Lane)
				}
				returned.Add(1)
			}
		}
		b := newBench(t, setup{queue: queue, opts: []delivery.Option{delivery.WithWorkers(1)}})
		b.graph.Inject(graphtest.OnPage("901", graphtest.ThrottleFor(time.Minute)))
		for n := range 20 { // leased together
			b.submit(fmt.Sprint(n), pageActivity(901+n%2, n+1, fmt.Sprint(n)))
		}
		b.run()
		synctest.Wait()
		require.EqualValues(t, 11, b.Stats().Requests)
		require.EqualValues(t, 9, returned.Load())
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		require.Len(t, arrived(b.graph), 20)
	})
}

func TestDispatcher_DoesNotSpinWhenAQueueHandsOutWhatIsPaused(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		queue := new(recorder).over()
		queue.onPause = func(string, time.Time) (skip bool) { return true }
		b := newBench(t, setup{queue: queue})
		b.graph.Inject(graphtest.ThrottleFor(10 * time.Minute))
		b.submit("1", pageActivity(901, 7, "a"))
		b.run()
		after(time.Minute)
		b.submit("2", pageActivity(901, 8, "c"))
		b.submit("3", pageActivity(902, 7, "b"))
		after(10 * time.Second)
		require.Equal(t, 1, arrived(b.graph)["b"], "others go on")
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		require.Less(t, queue.leased(), 400)
		require.Equal(t, 4, b.graph.Count())
	})
}

// Somebody else who shares the queue may let a lane go that is in trouble here.
func TestDispatcher_LeavesOutWhatSomebodyElseLetGo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		queue := new(recorder).over()
		b := newBench(t, setup{queue: queue})
		b.graph.Inject(graphtest.ThrottleFor(10 * time.Minute))
		b.submit("1", pageActivity(901, 7, "a"))
		b.run()
		synctest.Wait()
		require.NoError(t, queue.Queue.Pause(t.Context(), delivery.Pause{Lane: "page_activities/901"}))
		before := queue.leased()
		b.submit("2", pageActivity(901, 8, "b"))
		after(9 * time.Minute)
		require.Equal(t, before, queue.leased(), "it is left out all the same")
		require.Equal(t, 1, b.graph.Count())
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		b.graph.Check(t)
	})
}

func TestDispatcher_TheLatestWordOnALaneStands(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		queue := new(recorder).over()
		b := newBench(t, setup{queue: queue})
		b.graph.Inject(graphtest.ThrottleFor(10*time.Minute), graphtest.ThrottleFor(10*time.Minute))
		// The lane's second pause is that of its probe. It is slow: the answer to the probe is there before.
		var pauses atomic.Int64
		queue.onPause = func(lane string, _ time.Time) bool {
			if lane == "page_activities/901" && pauses.Add(1) == 2 {
				after(time.Second)
			}
			return false
		}
		b.submit("1", pageActivity(901, 7, "a"))
		b.run()
		synctest.Wait()
		b.submit("2", pageActivity(901, 8, "b"))
		after(10*time.Minute + 30*time.Second)
		before := queue.leased()
		after(8 * time.Minute)
		require.Equal(t, before, queue.leased(), "the lane is paused in the queue too")
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		require.Equal(t, 4, b.graph.Count())
	})
}

func TestDispatcher_TakesTooManyRequestsForALimit(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.graph.Inject(graphtest.Reply(http.StatusTooManyRequests, `{"error":{"code":987654,"message":"slow down"}}`))
		b.submit("1", activity(901, 7, "a"))
		b.run()
		after(4900 * time.Millisecond)
		require.Equal(t, 1, b.graph.Count(), "five seconds, as Graph named no time")
		b.until(func(s delivery.Stats) bool { return s.Delivered == 1 })
		b.stop()
	})
}

func TestDispatcher_WaitsAsLongAsAskedBetweenAttempts(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithRetryDelay(10*time.Second, 15*time.Second)}})
		b.graph.Inject(graphtest.Transient, graphtest.Transient, graphtest.Transient)
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		calls := b.graph.Calls()
		require.Len(t, calls, 4)
		for i, longest := range []time.Duration{10 * time.Second, 15 * time.Second, 15 * time.Second} {
			waited := calls[i+1].Time.Sub(calls[i].Time)
			require.GreaterOrEqual(t, waited, longest/2)
			require.LessOrEqual(t, waited, longest)
		}
	})
}

func TestDispatcher_LogsWhatTheQueueCannotPause(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var log logText
		queue := new(recorder).over()
		queue.failPause = []error{errors.New("no quorum")}
		b := newBench(t, setup{queue: queue, opts: []delivery.Option{
			delivery.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		}})
		b.graph.Inject(graphtest.Error(32, 0))
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		require.Contains(t, log.String(), `msg="delivery: a lane could not be paused" lane=activities/901 error="no quorum"`)
		require.EqualValues(t, 1, b.Stats().Delivered)
	})
}

func TestDispatcher_TokenOfTheAppIsOneForAllPages(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.graph.Inject(graphtest.ExpiredToken)
		b.submit("1", activity(901, 7, "a"))
		b.run()
		synctest.Wait()
		b.submit("2", activity(902, 7, "b"))
		b.submit("3", pageActivity(901, 7, "c"))
		b.submit("4", conversions(5501, "d"))
		after(time.Minute - time.Second)
		require.Equal(t, map[string]int{"c": 1, "d": 1}, arrived(b.graph))
		require.Equal(t, 3, b.graph.Count(), "the token that was not accepted is not tried again yet")
		after(10 * time.Second)
		require.Len(t, arrived(b.graph), 4, "after a minute it is")
		b.stop()
	})
}

// A lane that goes again is at its full speed soon.
func TestDispatcher_RecoversByOneAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]graphtest.Fault{"accepted": nil, "refused": graphtest.Error(100, 0)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{round: delayed(time.Second)})
				b.graph.Inject(graphtest.Transient, fault)
				b.submit("first", activity(901, 1, "first"))
				b.run()
				after(time.Minute)
				start := time.Now()
				for n := range 10 {
					b.submit(fmt.Sprint(n), activity(901, 10+n, fmt.Sprint(n)))
				}
				b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
				require.LessOrEqual(t, time.Since(start), 3*time.Second, "two at first, and twice as many each time")
				b.stop()
			})
		})
	}
}

// What finds nothing out about a lane does not decide about it.
func TestDispatcher_GoesOnAfterAProbeThatWasNotSent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithMaxAge(5 * time.Minute)}})
		b.graph.Inject(graphtest.ThrottleFor(10 * time.Minute))
		b.submit("1", pageActivity(901, 7, "a"))
		b.run()
		after(9 * time.Minute)
		b.submit("2", pageActivity(901, 8, "b"))
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		s := b.Stats()
		require.EqualValues(t, 1, s.Buried, "the first had expired when the lane went again")
		require.EqualValues(t, 1, s.Delivered)
		require.Less(t, b.outcomes(delivery.Done)[0].Age, 2*time.Minute)
	})
}
