package pgqueue_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/graphtest"
)

// testItem is the n-th item of a lane.
func testItem(lane string, n int) delivery.Item {
	now := time.Now()
	return delivery.Item{
		Key: delivery.KeyOf(fmt.Sprint(lane, " ", n)), Lane: lane, Body: fmt.Append(nil, lane, " ", n),
		Submitted: now, Expires: now.Add(time.Hour),
	}
}

func dispatcher(
	tb testing.TB, graph *graphtest.Server, q delivery.Queue, opts ...delivery.Option,
) *delivery.Dispatcher {
	tb.Helper()
	client, err := appevents.New("771", appevents.WithBaseURL(graph.URL),
		appevents.WithAccessToken("access-token-canary"), appevents.WithAppSecret("app-secret-canary"))
	require.NoError(tb, err)
	opts = append([]delivery.Option{
		delivery.WithRetryDelay(10*time.Millisecond, 100*time.Millisecond), delivery.WithWorkers(8),
	}, opts...)
	d, err := delivery.New(client, q, opts...)
	require.NoError(tb, err)
	return d
}
func activity(person int, id string) *appevents.Activity {
	e := appevents.Purchase(55.22, "USD")
	e.ID = id
	return &appevents.Activity{
		Thread:  appevents.Thread{PageID: "901", PSID: appevents.ID(fmt.Sprint(person + 1))},
		Consent: appevents.ConsentAllowed, Events: []appevents.Event{e},
	}
}

// running runs dispatchers until the test ends or stop is called.
func running(t *testing.T, dispatchers ...*delivery.Dispatcher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, d := range dispatchers {
		wg.Go(func() {
			if err := d.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// load submits events on several goroutines, those with the same number through the same dispatcher.
type load struct {
	events   int
	accepted atomic.Int64
	all      sync.WaitGroup
}

func submitting(t *testing.T, events int, dispatchers ...*delivery.Dispatcher) *load {
	t.Helper()
	const submitters = 4
	l := &load{events: events}
	for w := range submitters {
		d := dispatchers[w%len(dispatchers)]
		l.all.Go(func() {
			for n := w; n < events; n += submitters {
				id := fmt.Sprint("event-", n)
				// Whoever gets an error submits again with the same key.
				for failures := 0; ; failures++ {
					err := d.Submit(t.Context(), id, activity(n, id))
					if err == nil {
						break
					}
					if failures == 20 || t.Context().Err() != nil {
						t.Errorf("Submit: %v", err)
						return
					}
				}
				l.accepted.Add(1)
			}
		})
	}
	t.Cleanup(l.all.Wait)
	return l
}

// reached waits until a part of the events is accepted.
func (l *load) reached(t *testing.T, part, parts int) {
	t.Helper()
	want := int64(l.events) * int64(part) / int64(parts)
	eventually(t, "events are accepted", func() bool { return t.Failed() || l.accepted.Load() >= want })
}

// delivered waits until all events have arrived and are settled, and returns how many arrived more than once.
func (l *load) delivered(t *testing.T, graph *graphtest.Server, d *delivery.Dispatcher) (twice int) {
	t.Helper()
	l.all.Wait()
	require.EqualValues(t, l.events, l.accepted.Load())
	goesOn(t, "every event arrives", graph.Count, func() bool {
		return graph.Count() >= l.events && len(arrived(graph)) == l.events
	})
	eventually(t, "and is settled", func() bool { return d.Stats().Pending == 0 })
	for _, n := range arrived(graph) {
		if n > 1 {
			twice++
		}
	}
	return twice
}

// arrived counts, for each event, how often the stand-in took it.
func arrived(graph *graphtest.Server) map[string]int {
	seen := map[string]int{}
	for _, c := range graph.Calls() {
		if c.Accepted {
			for _, e := range c.Events {
				seen[e.ID]++
			}
		}
	}
	return seen
}

// balanced checks that nothing is unaccounted for.
func balanced(t *testing.T, s delivery.Stats) {
	t.Helper()
	require.Equal(t, s.Accepted, s.Delivered+s.Buried+s.Pending+s.Duplicates)
}

// goesOn waits for ok for as long as a figure changes, on a slow machine too.
func goesOn(t *testing.T, what string, figure func() int, ok func() bool) {
	t.Helper()
	for last := -1; !ok(); {
		if t.Failed() {
			t.FailNow()
		}
		eventually(t, what, func() bool { return figure() != last || ok() })
		last = figure()
	}
}

// eventually waits for something that other goroutines and servers bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 2*time.Minute, 20*time.Millisecond, what)
}
