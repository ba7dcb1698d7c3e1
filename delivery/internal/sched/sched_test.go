package sched_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/sched"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// at is some seconds after the start.
func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// order is the lanes whose turns are next.
func order(turns *sched.Turns, now time.Time, n int) (names []string) {
	for range n {
		name, ok := turns.Next(now, nil)
		if !ok {
			name = "none"
		}
		names = append(names, name)
	}
	return names
}

func TestTurns_GoRound(t *testing.T) {
	t.Parallel()
	var turns sched.Turns
	require.Equal(t, []string{"none"}, order(&turns, start, 1))
	turns.Empty("unknown")
	for _, name := range []string{"a", "b", "a", "c", "b"} {
		turns.Ready(name)
	}
	require.Equal(t, []string{"a", "b", "c", "a", "b", "c"}, order(&turns, start, 6), "once each")
	turns.Empty("b")
	require.Equal(t, []string{"a", "c", "a"}, order(&turns, start, 3))
	turns.Ready("b")
	require.Equal(t, []string{"c", "a", "b", "c"}, order(&turns, start, 4), "it comes last")
	turns.Empty("a")
	turns.Ready("a")
	require.Equal(t, []string{"a", "b", "c", "a"}, order(&turns, start, 4), "it keeps its place")
	for _, name := range []string{"a", "b", "c"} {
		turns.Empty(name)
	}
	require.Equal(t, []string{"none", "none"}, order(&turns, start, 2))
}

func TestTurns_LeaveOutPausedLanes(t *testing.T) {
	t.Parallel()
	var turns sched.Turns
	for _, name := range []string{"edge", "edge/1", "edge/1/x", "edge/2", "edges", ""} {
		turns.Ready(name)
	}
	require.False(t, turns.Pause("edge/1", at(10), start))
	require.Equal(t, []string{"edge", "edge/2", "edges", "", "edge"}, order(&turns, at(1), 5))
	require.False(t, turns.Pause("edge", at(5), start))
	require.Equal(t, []string{"edges", "", "edges"}, order(&turns, at(1), 3), "those below it too")
	require.Equal(t, 2, turns.Paused(at(1)))
	require.Equal(t, at(10), turns.PausedUntil("edge/1/x", at(1)), "the longest counts")
	require.Equal(t, at(5), turns.PausedUntil("edge/2", at(1)))
	require.Zero(t, turns.PausedUntil("edges", at(1)))
	require.Equal(t, at(5), turns.Wake(at(1)))
	require.Equal(t, at(10), turns.Wake(at(5)))
	require.Equal(t, 1, turns.Paused(at(5)))
	require.Zero(t, turns.Wake(at(10)), "all go again")
	require.Zero(t, turns.Paused(at(10)))
	require.NotContains(t, order(&turns, at(10), 6), "none")
}

func TestTurns_LeaveOutLanesToSkip(t *testing.T) {
	t.Parallel()
	var (
		turns       sched.Turns
		skip, other delivery.LaneSet
	)
	next := func(set *delivery.LaneSet) string {
		name, _ := turns.Next(start, set)
		return name
	}
	for _, name := range []string{"edge", "edge/1", "edge/1/x", "edge/2"} {
		turns.Ready(name)
	}
	skip.Add("edge/1")
	require.Equal(t, []string{"edge", "edge/2", "edge"}, []string{next(&skip), next(&skip), next(&skip)})
	require.Equal(t, []string{"edge/2", "edge", "edge/1", "edge/1/x"}, []string{
		next(&other), next(&other), next(&other), next(&other),
	}, "another set skips nothing")
	require.Equal(t, []string{"edge/2", "edge", "edge/2"}, []string{next(&skip), next(&skip), next(&skip)})
	skip.Remove("edge/1")
	require.ElementsMatch(t, []string{"edge", "edge/2", "edge/1", "edge/1/x"}, []string{
		next(&skip), next(&skip), next(&skip), next(&skip),
	}, "those below it come back too")
	skip.Add("edge")
	require.Empty(t, next(&skip))
	turns.Pause("edge/2", at(10), start)
	for n := range 3000 { // more than a set remembers
		skip.Add(fmt.Sprint("other/", n))
		skip.Remove(fmt.Sprint("other/", n))
	}
	require.Empty(t, next(&skip))
	skip.Remove("edge")
	require.ElementsMatch(t, []string{"edge", "edge/1", "edge/1/x"}, []string{next(&skip), next(&skip), next(&skip)})
	require.Equal(t, at(10), turns.Wake(start), "one waits for the end of a pause now")
}

func TestTurns_KeepAPersonsPauseApart(t *testing.T) {
	t.Parallel()
	var turns sched.Turns
	turns.Ready("a")
	require.False(t, turns.Set(delivery.Pause{Lane: "a", Until: at(10), Note: "throttled"}, start))
	require.False(t, turns.Set(delivery.Pause{Lane: "a", Until: at(5), Note: "closed", Manual: true}, start))
	require.Equal(t, "throttled", turns.Pauses(start)[0].Note, "the one that lasts longest")
	require.True(t, turns.Set(delivery.Pause{Lane: "a"}, start))
	require.Equal(t, "closed", turns.Pauses(start)[0].Note)
	require.Equal(t, 1, turns.Paused(start))
	require.Equal(t, []string{"none"}, order(&turns, at(4), 1))
	require.Equal(t, at(5), turns.Wake(at(4)))
	require.Equal(t, []string{"a"}, order(&turns, at(5), 1))
	require.Empty(t, turns.Pauses(at(5)))
}

func TestShift_KeepsWhatIsLeft(t *testing.T) {
	t.Parallel()
	var (
		turns sched.Turns
		holds sched.Holds
		clock sched.Clock
	)
	turns.Ready("a")
	turns.Pause("a", at(10), start)
	holds.Hold(1, "a", at(20))
	require.Zero(t, clock.Read(start))
	require.Zero(t, clock.Read(at(5)))
	require.Zero(t, clock.Read(at(4)), "a step that is small is waited for")
	back := clock.Read(at(-3600))
	require.Equal(t, 3604*time.Second, back)
	turns.Shift(back)
	holds.Shift(back)
	require.Equal(t, []string{"none"}, order(&turns, at(-3600), 1))
	require.Equal(t, at(10-3604), turns.Wake(at(-3600)))
	require.Equal(t, at(20-3604), holds.Wake())
	require.Equal(t, []string{"a"}, order(&turns, at(10-3604), 1))
}

// A lease cycle costs the same whether 20,000 lanes are paused, skipped or neither.
func BenchmarkTurns_Next(b *testing.B) {
	const lanes = 20_000
	for _, test := range []string{"none", "paused", "skipped"} {
		b.Run(test, func(b *testing.B) {
			var (
				turns sched.Turns
				skip  delivery.LaneSet
			)
			turns.Ready("other/1")
			for n := range lanes {
				name := fmt.Sprint("edge/", n)
				turns.Ready(name)
				switch test {
				case "paused":
					turns.Pause(name, at(3600+n), start)
				case "skipped":
					skip.Add(name)
				}
			}
			turns.Next(start, &skip)
			for b.Loop() {
				name, ok := turns.Next(start, &skip)
				if !ok || turns.Wake(start).IsZero() == (test == "paused") {
					b.Fatal(name)
				}
			}
		})
	}
}

func TestTurns_WakeOnlyForLanesThatWait(t *testing.T) {
	t.Parallel()
	var turns sched.Turns
	turns.Pause("a", at(10), start)
	require.Zero(t, turns.Wake(start), "there is nothing to lease in it")
	turns.Ready("a")
	require.Equal(t, at(10), turns.Wake(start))
	turns.Empty("a")
	require.Zero(t, turns.Wake(start))
}

func TestTurns_PauseSaysWhenItLetsALaneGo(t *testing.T) {
	t.Parallel()
	var turns sched.Turns
	for _, step := range []struct {
		until   time.Time
		resumed bool
	}{
		{at(0), false},      // it was not paused
		{at(10), false},     // paused
		{at(20), false},     // longer
		{at(15), true},      // shorter: whoever waits for the end has to look again
		{time.Time{}, true}, // no longer
		{time.Time{}, false},
	} {
		require.Equal(t, step.resumed, turns.Pause("a", step.until, at(0)), "until %v", step.until)
	}
}

func TestHolds_EndWithTheirTime(t *testing.T) {
	t.Parallel()
	var holds sched.Holds
	require.Zero(t, holds.Wake())
	require.False(t, holds.Held(1))
	first := holds.Hold(1, "a", at(10))
	second := holds.Hold(2, "b", at(20))
	require.True(t, holds.Held(1))
	require.True(t, holds.Valid(1, first))
	require.False(t, holds.Valid(1, second))
	require.False(t, holds.Valid(3, first))
	require.ElementsMatch(t, []uint64{1, 2}, holds.IDs())
	require.Equal(t, at(10), holds.Wake())
	require.Empty(t, holds.Expire(at(9)))
	over := holds.Expire(at(10))
	require.Len(t, over, 1)
	require.EqualValues(t, 1, over[0].ID)
	require.Equal(t, "a", over[0].Lane)
	require.False(t, holds.Held(1))

	again := holds.Hold(1, "a", at(30))
	require.False(t, holds.Valid(1, first), "the receipt of a former lease is void")
	holds.Drop(2)
	require.Equal(t, at(30), holds.Wake())
	holds.Drop(1)
	require.Zero(t, holds.Wake())
	holds.Restore(1, again, "a", at(30))
	require.True(t, holds.Valid(1, again))
	require.Len(t, holds.Expire(at(31)), 1)
	require.Empty(t, holds.Expire(at(31)))
}

func TestHolds_RestoredOnesEndInOrder(t *testing.T) {
	t.Parallel()
	var holds sched.Holds
	receipt := holds.Hold(1, "a", at(10))
	holds.Drop(1)
	holds.Hold(2, "a", at(20))
	holds.Hold(3, "a", at(30))
	require.Equal(t, at(20), holds.Wake())
	holds.Restore(1, receipt, "a", at(10))
	for n, want := range []int{10, 20, 30} {
		require.Equal(t, at(want), holds.Wake())
		over := holds.Expire(at(want))
		require.Len(t, over, 1)
		require.EqualValues(t, n+1, over[0].ID)
	}
}

func TestHolds_OneThatLastsDoesNotKeepTheOthers(t *testing.T) { //nolint:paralleltest // it measures allocations
	var holds sched.Holds
	holds.Hold(1, "slow", at(10))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for id := range uint64(500_000) {
		holds.Hold(2+id, "quick", at(20))
		holds.Drop(2 + id)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20), "the room of ended leases is used again")
	require.Equal(t, at(10), holds.Wake())
	require.Len(t, holds.Expire(at(20)), 1)
}

func TestSignal_WakesAllWhoWait(t *testing.T) {
	t.Parallel()
	var signal sched.Signal
	signal.Notify() // nobody waits
	changed := signal.Changed()
	require.Equal(t, changed, signal.Changed())
	select {
	case <-changed:
		t.Fatal("nothing has changed")
	default:
	}
	signal.Notify()
	<-changed
	require.NotEqual(t, changed, signal.Changed())
}

func TestWait(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	close(gone)
	for name, test := range map[string]struct {
		changed <-chan struct{}
		at      time.Duration // 0 for never
		cancel  time.Duration
		want    time.Duration
		err     error
	}{
		"something changed":    {gone, 0, time.Hour, 0, nil},
		"its time comes":       {nil, time.Second, time.Hour, time.Second, nil},
		"its time has passed":  {nil, -time.Second, time.Hour, 0, nil},
		"the context ends":     {nil, 0, time.Hour, time.Hour, context.DeadlineExceeded},
		"the clock may be set": {nil, 24 * time.Hour, 48 * time.Hour, time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.cancel)
				defer cancel()
				begin, due := time.Now(), time.Time{}
				if test.at != 0 {
					due = begin.Add(test.at)
				}
				changed := test.changed
				if changed == nil {
					changed = make(chan struct{})
				}
				require.ErrorIs(t, sched.Wait(ctx, changed, nil, due), test.err)
				require.Equal(t, test.want, time.Since(begin))
			})
		})
	}
}

func TestEarliest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want  time.Time
		times []time.Time
	}{
		{time.Time{}, nil},
		{time.Time{}, []time.Time{{}, {}}},
		{at(1), []time.Time{{}, at(2), at(1), {}, at(3)}},
	} {
		require.Equal(t, test.want, sched.Earliest(test.times...), fmt.Sprint(test.times))
	}
}
