package delivery_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/graphtest"
)

var soak = flag.Bool("soak", false, "run the proofs in their large sizes, which takes some minutes")

// size is n, or large under -soak.
func size(n, large int) int {
	if *soak {
		return large
	}
	return n
}

// schedule draws a fault for a third of the calls.
type schedule struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (s *schedule) decide(c graphtest.Call) graphtest.Fault {
	for _, e := range c.Events {
		if len(e.ID) > 3 && e.ID[:3] == "bad" {
			return graphtest.Error(100, 0)
		}
	}
	faults := []graphtest.Fault{
		graphtest.Transient, graphtest.Unavailable, graphtest.HTML, graphtest.Empty, graphtest.False, graphtest.NotSuccess,
		graphtest.Reset, graphtest.ResetEarly, graphtest.Truncate, graphtest.Duplicate, graphtest.Timeout,
		graphtest.ThrottleFor(time.Minute), graphtest.ExpiredToken, graphtest.SlowHeaders, graphtest.VersionDrift,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := s.rng.IntN(3 * len(faults)); {
	case n < len(faults):
		return faults[n]
	case s.rng.IntN(500) == 0:
		return graphtest.MissingPermission
	}
	return nil
}

// hidden reports whether the caller could not know that the server took what a call held.
func hidden(c graphtest.Call) bool {
	switch c.Fault {
	case "reset", "truncate", "timeout", "duplicate":
		return true
	}
	return false
}

func TestDispatcher_AccountsForEveryEventThroughRandomFaults(t *testing.T) {
	t.Parallel()
	for _, policy := range []delivery.Policy{delivery.AtLeastOnce, delivery.AtMostOnce} {
		for seed := range uint64(size(1, 20)) {
			t.Run(fmt.Sprint(policy, " ", seed), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) { throughFaults(t, policy, seed) })
			})
		}
	}
}

func throughFaults(t *testing.T, policy delivery.Policy, seed uint64) {
	const pages, people = 10, 40
	events := size(3000, 10_000)
	s := &schedule{rng: rand.New(rand.NewPCG(seed, 1))}
	rng := rand.New(rand.NewPCG(seed, 2))
	// The token changes every minute, so that one that was not accepted is replaced.
	source := appevents.TokenFunc(func(context.Context, appevents.Scope) (string, error) {
		return fmt.Sprint("token-", time.Now().Unix()/60), nil
	})
	b := newBench(t, setup{
		graph:  []graphtest.Option{graphtest.WithFaults(s.decide)},
		client: []appevents.Option{appevents.WithTokenSource(source)},
		opts:   []delivery.Option{delivery.WithPolicy(policy)},
	})
	b.run()
	all := map[string]bool{}
	duplicates := 0
	for n := range events {
		id := fmt.Sprint("event-", n)
		if rng.IntN(300) == 0 {
			id = fmt.Sprint("bad-", n)
		}
		all[id] = true
		page, person := 901+rng.IntN(pages), 1+rng.IntN(people)
		var call appevents.Call
		switch n % 3 {
		case 0:
			call = activity(page, person, id)
		case 1:
			call = pageActivity(page, person, id)
		case 2:
			call = conversions(5500+page, id)
		}
		b.submit(id, call)
		if rng.IntN(20) == 0 { // the webhook comes again
			b.submit(id, call)
			duplicates++
		}
		if n%25 == 0 {
			after(time.Second)
			b.invariant(b.Stats())
		}
	}
	b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
	b.stop()

	stats := b.Stats()
	require.EqualValues(t, events+duplicates, stats.Accepted)
	require.EqualValues(t, duplicates, stats.Duplicates)
	require.EqualValues(t, events, stats.Delivered+stats.Buried)
	require.Zero(t, stats.Unsettled)

	times := map[string]int{}
	open := map[string]bool{} // taken, and the caller could not know
	for _, c := range b.graph.Calls() {
		for _, e := range c.Events {
			if !c.Accepted {
				continue
			}
			require.True(t, times[e.ID] == 0 || open[e.ID], "%s was counted twice by us", e.ID)
			times[e.ID]++
			open[e.ID] = hidden(c)
		}
	}
	buried := map[string]delivery.Reason{}
	for _, call := range b.list() {
		for _, id := range eventIDs(call.Call) {
			buried[id] = call.Reason
		}
	}
	for id := range all {
		switch reason := buried[id]; {
		case policy == delivery.AtMostOnce:
			require.LessOrEqual(t, times[id], 1, id)
			require.True(t, times[id] == 1 || reason != "", "%s was lost", id)
			require.True(t, reason == "" || times[id] == 0 || reason == delivery.ReasonUnknown, "%s: %s", id, reason)
		case reason == "":
			require.Positive(t, times[id], "%s was lost", id)
		default:
			require.True(t, times[id] == 0 || open[id], "%s was delivered and buried", id)
			require.Equal(t, delivery.ReasonRefused, reason)
		}
		if id[:3] == "bad" {
			require.NotEmpty(t, buried[id], id)
		}
	}
}

func eventIDs(call appevents.Call) (ids []string) {
	switch c := call.(type) {
	case *appevents.Activity:
		for _, e := range c.Events {
			ids = append(ids, e.ID)
		}
	case *appevents.PageActivity:
		for _, e := range c.Events {
			ids = append(ids, e.ID)
		}
	case *appevents.ConversionCall:
		for _, e := range c.Conversions {
			ids = append(ids, e.ID)
		}
	}
	return ids
}
