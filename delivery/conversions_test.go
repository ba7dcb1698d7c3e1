package delivery_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/graphtest"
)

// conversions are leads of different people, in one call.
func conversions(dataset int, ids ...string) *appevents.ConversionCall {
	call := &appevents.ConversionCall{DatasetID: appevents.ID(fmt.Sprint(dataset))}
	for n, id := range ids {
		call.Conversions = append(call.Conversions, appevents.Conversion{
			Name: appevents.ConversionLeadSubmitted, ID: id, Thread: thread(901, n+1),
		})
	}
	return call
}

func TestDispatcher_BatchesConversionsOfADataset(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{round: delayed(50 * time.Millisecond)})
		for n := range 5000 {
			for dataset := 5501; dataset <= 5502; dataset++ {
				id := fmt.Sprint(dataset, "-", n)
				b.submit(id, conversions(dataset, id))
			}
		}
		b.drain()
		require.Len(t, arrived(b.graph), 10_000)
		require.Less(t, b.graph.Count(), 60)
		most := 0
		for _, c := range b.graph.Calls() {
			require.LessOrEqual(t, len(c.Events), 1000)
			most = max(most, len(c.Events))
			for _, e := range c.Events {
				require.True(t, strings.HasPrefix(e.ID, c.ObjectID), "datasets were mixed")
			}
		}
		require.Equal(t, 1000, most)
		b.graph.Check(t)
	})
}

func TestDispatcher_IsolatesBadConversions(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{graph: []graphtest.Option{poisoned(graphtest.Error(100, 2804066))}})
		rng := rand.New(rand.NewPCG(7, 7))
		bad := 0
		for n := range 3000 {
			id := fmt.Sprint("good", n)
			if rng.IntN(100) == 0 {
				id = fmt.Sprint("bad", n)
				bad++
			}
			b.submit(id, conversions(5501, id))
		}
		mixed := conversions(5501, "good-a", "bad-b", "good-c")
		b.submit("mixed", mixed)
		b.drain()
		s := b.Stats()
		require.EqualValues(t, bad+1, s.Buried)
		require.EqualValues(t, 3000-bad, s.Delivered)
		for id, n := range arrived(b.graph) {
			require.Equal(t, 1, n, id)
		}
		require.Len(t, arrived(b.graph), 3000-bad+2)
		for _, call := range b.list() {
			kept := call.Call.(*appevents.ConversionCall).Conversions
			require.Len(t, kept, 1)
			require.True(t, strings.HasPrefix(kept[0].ID, "bad"))
			require.Equal(t, delivery.ReasonRefused, call.Reason)
		}
	})
}

func TestDispatcher_BuriesConversionsOfAWrongDataset(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{graph: []graphtest.Option{poisoned(graphtest.Error(100, 2804065))}})
		for n := range 500 {
			b.submit(fmt.Sprint(n), conversions(5501, fmt.Sprint("bad", n)))
		}
		b.submit("together", conversions(5501, ids("bad", 300)...))
		b.drain()
		s := b.Stats()
		require.EqualValues(t, 501, s.Buried)
		require.Less(t, s.Requests, int64(3*800))
		require.Zero(t, s.PausedLanes)
	})
}

func TestDispatcher_BuriesConversionsThatAreTooOld(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithMaxAge(30 * 24 * time.Hour)}})
		old := conversions(5501, "old")
		old.Conversions[0].Time = time.Now().Add(-5 * 24 * time.Hour)
		b.submit("old", old)
		mixed := conversions(5501, "old too", "new")
		mixed.Conversions[0].Time = old.Conversions[0].Time
		b.submit("mixed", mixed)
		after(3 * 24 * time.Hour)
		b.drain()
		require.Equal(t, map[string]int{"new": 1}, arrived(b.graph))
		require.Equal(t, 1, b.graph.Count(), "Meta refuses a request with an old one as a whole")
		all := b.list()
		require.Len(t, all, 2)
		for _, call := range all {
			require.Equal(t, delivery.ReasonExpired, call.Reason)
			kept := call.Call.(*appevents.ConversionCall).Conversions
			require.Len(t, kept, 1)
			require.True(t, strings.HasPrefix(kept[0].ID, "old"))
		}
	})
}

func TestDispatcher_ConversionsInTrouble(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault    graphtest.Fault
		requests int
	}{
		"throttled":  {graphtest.ThrottleFor(5 * time.Minute), 2},
		"transient":  {graphtest.Transient, 2},
		"reset":      {graphtest.Reset, 2},
		"no answer":  {graphtest.Empty, 2},
		"not enough": {graphtest.Reply(200, `{"events_received":1}`), 2},
		"unclear":    {graphtest.False, 2},
		"permission": {graphtest.MissingPermission, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{})
				b.graph.Inject(test.fault)
				b.submit("1", conversions(5501, ids("a", 10)...))
				b.run()
				synctest.Wait()
				b.submit("2", conversions(5502, "b"))
				synctest.Wait()
				require.Equal(t, 1, arrived(b.graph)["b"], "another dataset goes on")
				b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
				b.stop()
				require.Equal(t, test.requests+1, b.graph.Count())
				b.graph.Check(t)
				require.EqualValues(t, 2, b.Stats().Delivered)
				require.GreaterOrEqual(t, len(arrived(b.graph)), 11)
			})
		})
	}
}

// What ends the search for bad conversions is an attempt for those that were sent, and none for the others.
func TestDispatcher_IsStoppedWhileItIsolates(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]graphtest.Fault{
		"throttled": graphtest.ThrottleFor(10 * time.Minute), "reset": graphtest.Reset, "permission": graphtest.MissingPermission,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{opts: []delivery.Option{delivery.WithWorkers(1)}})
				b.graph.Inject(graphtest.Error(100, 2804066), fault)
				for n := range 10 {
					b.submit(fmt.Sprint(n), conversions(5501, fmt.Sprint(n)))
				}
				b.run()
				for b.graph.Count() < 2 {
					synctest.Wait()
				}
				b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
				b.stop()
				tried := len(b.outcomes(delivery.Retry)) + len(b.outcomes(delivery.Bury))
				require.Equal(t, 5, tried)
				for _, s := range b.outcomes(delivery.Done) {
					require.LessOrEqual(t, s.Attempts, 2)
				}
				b.graph.Check(t)
			})
		})
	}
}

// Calls that did not fit into the first request, because of their size, are not tried when that fails.
func TestDispatcher_IsStoppedBeforeItSentAll(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithWorkers(1)}})
		b.graph.Inject(graphtest.Reset)
		for n := range 8 { // 1.2 MB in all, and a request takes 1 MiB
			call := conversions(5501, ids(fmt.Sprint(n), 100)...)
			for i := range call.Conversions {
				call.Conversions[i].Extra = map[string]json.RawMessage{"note": json.RawMessage(`"` + strings.Repeat("x", 1300) + `"`)}
			}
			b.submit(fmt.Sprint(n), call)
		}
		b.drain()
		require.Len(t, b.outcomes(delivery.Retry), 7, "the last was not tried")
		require.Len(t, arrived(b.graph), 800)
	})
}
