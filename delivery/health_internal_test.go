package delivery

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lab is the health of lanes without a dispatcher: requests end as told, one after the other.
type lab struct {
	*health
	now time.Time
}

func newLab() *lab {
	return &lab{
		health: newHealth(64, func() float64 { return 0 }), now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
	}
}

// send makes a request of a lane, which ends after 20 ms, and reports whether it might.
func (l *lab) send(lane string, c class) (change, bool) {
	n := l.node(lane)
	if _, ok := l.may(n, l.now); !ok {
		return change{}, false
	}
	t := l.start(n, l.now)
	l.now = l.now.Add(20 * time.Millisecond)
	r := result{class: c, accepted: c == classNone, took: 20 * time.Millisecond, why: "no"}
	return l.end(t, l.now, &r), true
}

func TestHealth_OpensWhenHardlyAnythingGetsThrough(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		good, bad int // answers, and then failures until the lane opens
	}{
		"nothing else was seen":    {0, firstFailing},
		"one answer":               {1, minSeen - 1},
		"answers for a long while": {100, openRun},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab()
			for range test.good {
				_, ok := l.send("activities/901", classNone)
				require.True(t, ok)
			}
			for k := range test.bad {
				require.False(t, l.node("activities/901").open, "after %d failures", k)
				_, ok := l.send("activities/901", classTrouble)
				require.True(t, ok)
			}
			require.True(t, l.node("activities/901").open)
			_, ok := l.send("activities/901", classTrouble)
			require.False(t, ok, "it waits for its probe")
			_, ok = l.send("activities/902", classNone)
			require.True(t, ok, "others do not")
		})
	}
}

func TestHealth_KeepsGoingWhenHalfOfItFails(t *testing.T) {
	t.Parallel()
	l, rng := newLab(), rand.New(rand.NewPCG(3, 4))
	opened := 0
	for range 20_000 {
		c := classNone
		if rng.IntN(2) == 0 {
			c = classTrouble
		}
		change, ok := l.send("activities/901", c)
		if opened += len(change.stopped); !ok {
			l.now = l.now.Add(time.Second)
		}
	}
	require.LessOrEqual(t, opened, 5)
}

func TestHealth_ProbesAtGrowingDistances(t *testing.T) {
	t.Parallel()
	l := newLab()
	for range firstFailing {
		l.send("activities/901", classTrouble)
	}
	n := l.node("activities/901")
	before, probes := time.Duration(0), 0
	for opened := l.now; l.now.Sub(opened) < time.Hour; probes++ {
		distance := n.probeAt.Sub(l.now)
		require.GreaterOrEqual(t, distance, before)
		require.LessOrEqual(t, distance, lastProbe)
		before = distance
		l.now = n.probeAt
		_, ok := l.send("activities/901", classTrouble)
		require.True(t, ok)
	}
	require.Equal(t, lastProbe, before)
	require.LessOrEqual(t, probes, 150)
	l.now = n.probeAt
	change, ok := l.send("activities/901", classNone)
	require.True(t, ok)
	require.Equal(t, []*node{n}, change.goes)
	require.Equal(t, firstLimit, int(n.limit), "it starts slowly")
}

func TestHealth_SendsSingleRequestsWhileAllHang(t *testing.T) {
	t.Parallel()
	l := newLab()
	n := l.node("activities/901")
	for range 100 {
		l.send(n.name, classNone)
	}
	began := l.now
	flying := []*ticket{l.start(n, began), l.start(n, began), l.start(n, began)}
	late := result{class: classUnknown, took: 10 * time.Second}
	l.now = began.Add(late.took)
	l.end(flying[0], l.now, &late)
	_, ok := l.may(n, l.now)
	require.True(t, ok, "it may have been for a moment")
	single := l.start(n, l.now)
	at, ok := l.may(n, l.now)
	require.False(t, ok, "others wait for its answer,")
	require.Equal(t, l.now.Add(hangTime), at, "but not for ever")
	l.end(flying[1], l.now, &late)
	l.end(flying[2], l.now, &late)

	l.now = at
	_, ok = l.may(n, l.now)
	require.True(t, ok)
	next := l.start(n, l.now)
	l.now = l.now.Add(20 * time.Millisecond)
	l.end(next, l.now, &result{accepted: true, took: 20 * time.Millisecond})
	for range 10 {
		_, ok = l.may(n, l.now)
		require.True(t, ok, "it answers: all go")
		l.start(n, l.now)
	}
	l.now = single.began.Add(late.took)
	l.end(single, l.now, &late)
	require.False(t, n.silent, "something was heard since that request began")
}

func TestHealth_ProbesAgainWhileAProbeHangs(t *testing.T) {
	t.Parallel()
	l := newLab()
	n := l.node("activities/901")
	for range firstFailing {
		l.send(n.name, classTrouble)
	}
	l.now = n.probeAt
	_, ok := l.may(n, l.now)
	require.True(t, ok)
	hung := l.start(n, l.now)
	at, ok := l.may(n, l.now)
	require.False(t, ok, "one at a time")
	require.Equal(t, hung.began.Add(hangTime), at)
	l.now = at
	_, ok = l.may(n, l.now)
	require.True(t, ok, "or as many as hang")
	c := l.end(l.start(n, l.now), l.now, &result{accepted: true})
	require.Contains(t, c.goes, n)
	_, ok = l.may(n, l.now)
	require.True(t, ok, "what hangs does not count")

	l.now = hung.began.Add(10 * time.Second)
	c = l.end(hung, l.now, &result{class: classUnknown, took: 10 * time.Second})
	require.Empty(t, c.stopped, "it has answered since")
	require.False(t, n.open)

	// Nor does it say anything about the next time.
	hung = l.start(n, l.now)
	hung.open = []*node{n} // as if it had been a probe
	l.now = l.now.Add(time.Minute)
	l.open(n, l.now, classTrouble, new(change))
	probeAt := n.probeAt
	c = l.end(hung, l.now, &result{class: classUnknown, took: time.Minute})
	require.Empty(t, c.stopped)
	require.Equal(t, probeAt, n.probeAt)

	// A probe that could not be made is made up for at once.
	l.now = n.probeAt
	l.end(l.start(n, l.now), l.now, nil)
	_, ok = l.may(n, l.now)
	require.True(t, ok)
}

func TestHealth_BringsLanesBackTogether(t *testing.T) {
	t.Parallel()
	l := newLab()
	const lanes = 1000
	for range openRunAmong {
		for k := range lanes {
			l.send(fmt.Sprint("activities/", k), classTrouble)
		}
	}
	edge := l.node("activities")
	require.True(t, edge.mostlyDown(l.now))
	minutes := 0
	for end := l.now.Add(time.Minute); l.now.Before(end); l.now = l.now.Add(10 * time.Millisecond) {
		for _, n := range edge.lanes {
			if n.probeAt.Before(l.now) {
				if _, ok := l.send(n.name, classTrouble); ok {
					minutes++
				}
			}
		}
	}
	require.LessOrEqual(t, minutes, 200, "three a second")
	start := l.now
	for len(edge.openLanes) > 0 && l.now.Sub(start) < time.Minute {
		l.now = l.now.Add(time.Millisecond)
		for n := range edge.openLanes {
			if _, blocked := n.blocked(l.now); !blocked {
				l.end(l.start(n, l.now), l.now, &result{accepted: true})
			}
		}
	}
	require.Less(t, l.now.Sub(start), 6*time.Second)
}

func TestHealth_DecaysWaits(t *testing.T) {
	t.Parallel()
	o := hold{level: 4, ended: time.Unix(1000, 0)}
	o.decay(time.Unix(1000, 0).Add(2*throttleDelays[3]-1), throttleDelays)
	require.Equal(t, 4, o.level)
	o.decay(time.Unix(1000, 0).Add(2*throttleDelays[3]), throttleDelays)
	require.Equal(t, 3, o.level, "one step at a time")
	o.decay(time.Unix(1000, 0).Add(time.Hour), throttleDelays)
	require.Zero(t, o.level)
	require.Equal(t, 5*time.Second, throttleDelays[0])
	require.Equal(t, time.Hour, throttleDelays[len(throttleDelays)-1])
}

// How often a lane was throttled says nothing about how long it waits for a permission, and the other way round.
func TestHealth_CountsWaitsOfEachKind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		class  class
		delays []time.Duration
	}{"a permission": {classPermission, tokenDelays}, "a policy": {classPolicy, policyDelays}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab()
			n := l.node("page_activities/901")
			until := func() { l.now = latest(l.now, latest(n.hold.until, n.pace.next)) }
			throttled := func(times int) {
				for range times {
					until()
					_, ok := l.send(n.name, classThrottled)
					require.True(t, ok)
				}
				require.Equal(t, times, n.hold.level)
				until()
				l.send(n.name, classNone)
				require.Equal(t, classNone, n.hold.class)
			}
			throttled(len(throttleDelays))
			for _, delay := range test.delays {
				until()
				for n.hold.class == classNone || !n.hold.until.After(l.now) {
					l.now = latest(l.now, n.pace.next)
					_, ok := l.send(n.name, test.class)
					require.True(t, ok)
				}
				require.Equal(t, delay, n.hold.until.Sub(l.now))
			}
			until()
			l.send(n.name, classNone)
			throttled(1)
		})
	}
}

func TestHealth_ForgetsWhatIsNotUsed(t *testing.T) {
	t.Parallel()
	l := newLab()
	l.send("activities/901", classNone)
	for range firstFailing {
		l.send("activities/902", classTrouble)
	}
	l.send("activities/903", classPolicy)
	hung := l.start(l.node("activities/904"), l.now)
	l.now = l.now.Add(forgetTime)
	l.forget(l.now)
	require.NotContains(t, l.nodes, "activities/901")
	require.NotContains(t, l.nodes, "activities/902", "nobody tries it any more")
	require.Contains(t, l.nodes, "activities/903", "it waits")
	require.Contains(t, l.nodes, "activities/904", "it is in use")
	edge := l.node("activities")
	require.Len(t, edge.lanes, 2)
	require.Zero(t, edge.down)
	require.Empty(t, edge.openLanes)

	l.end(hung, l.now, nil)
	l.now = l.now.Add(forgetTime)
	l.node("activities/903").hold.asking = true
	l.forget(l.now)
	require.Contains(t, l.nodes, "activities/903", "the token source has not answered")
	l.node("activities/903").hold.asking = false
	l.forget(l.now)
	require.Equal(t, map[string]*node{"activities": edge}, l.nodes)
}

// What a lane did long ago says nothing about it: a dead one is noticed as soon as one that is new.
func TestHealth_JudgesALaneByWhatItDidLately(t *testing.T) {
	t.Parallel()
	l := newLab()
	const lane = "activities/901"
	for range 100 {
		l.send(lane, classNone)
	}
	l.now = l.now.Add(windowTTL + time.Second)
	for range firstFailing {
		require.False(t, l.node(lane).open)
		_, ok := l.send(lane, classTrouble)
		require.True(t, ok)
	}
	require.True(t, l.node(lane).open)
}

// An edge is down when no connection comes about. An answer, whatever it says, came over one.
func TestHealth_CountsMissingConnectionsInARow(t *testing.T) {
	t.Parallel()
	for _, class := range []class{classNone, classTrouble, classToken, classThrottled, classPermission} {
		l := newLab()
		edge := l.node("page_activities")
		for k := range 2 * (maxUnconnected - 1) {
			if k == maxUnconnected-1 {
				_, ok := l.send("page_activities/900", class)
				require.True(t, ok)
			}
			l.end(l.start(l.node(fmt.Sprint("page_activities/", 901+k)), l.now), l.now, &result{class: classTrouble, unsent: true})
			require.False(t, edge.open, "class %d", class)
		}
		l.end(l.start(l.node("page_activities/999"), l.now), l.now, &result{class: classTrouble, unsent: true})
		require.True(t, edge.open)
	}
}

// The answer that says that a permission is missing is one all the same: the other lanes of the edge may go again too.
func TestHealth_TriesOtherLanesWhenOneAnswersThatAPermissionIsMissing(t *testing.T) {
	t.Parallel()
	l := newLab()
	const lanes = 20
	for range openRunAmong {
		for k := range lanes {
			l.send(fmt.Sprint("activities/", k), classTrouble)
		}
	}
	edge := l.node("activities")
	require.Len(t, edge.openLanes, lanes)
	n := l.node("activities/0")
	l.now = n.probeAt
	c, ok := l.send(n.name, classPermission)
	require.True(t, ok)
	require.Equal(t, classPermission, n.hold.class)
	require.Len(t, edge.openLanes, lanes-1)
	for s := range edge.openLanes {
		require.Less(t, s.probeAt.Sub(l.now), 2*time.Second)
	}
	require.Greater(t, len(c.goes), 1)
}

// A limit that is reached while a probe of the one before is under way is not over when that is answered.
func TestHealth_KeepsAWaitThatBeganAfterItsProbe(t *testing.T) {
	t.Parallel()
	l := newLab()
	n := l.node("events/5501")
	old, older := l.start(n, l.now), l.start(n, l.now)
	c := l.end(l.start(n, l.now), l.now, &result{class: classThrottled})
	require.Contains(t, c.stopped, n)
	l.now = n.hold.until
	_, ok := l.may(n, l.now)
	require.True(t, ok)
	probe := l.start(n, l.now)
	l.end(old, l.now, &result{class: classThrottled, asked: time.Hour})
	c = l.end(probe, l.now, &result{accepted: true})
	require.Empty(t, c.goes)
	require.Equal(t, l.now.Add(time.Hour), n.hold.until)

	// And a token that is not accepted meanwhile does not make it shorter.
	l.end(older, l.now, &result{class: classToken, token: tokenOf{fingerprint: "old"}})
	require.Equal(t, classThrottled, n.hold.class)
	at, ok := l.may(n, l.now)
	require.False(t, ok)
	require.Equal(t, l.now.Add(time.Hour), at)
}

// What a cycle of leasing costs with 20,000 lanes that wait.
func BenchmarkHand_Cycle(b *testing.B) {
	for _, lanes := range []int{1, 20_000} {
		b.Run(fmt.Sprint(lanes, " lanes wait"), func(b *testing.B) {
			h := newHand(64, 100, new(figures))
			now := time.Now()
			for k := range lanes {
				n := h.health.node(fmt.Sprint("activities/", k))
				h.health.open(n, now.Add(time.Hour), classTrouble, new(change))
				h.refresh(n, now)
			}
			lease := &Lease{Item: Item{Lane: "page_activities/901"}, Until: now.Add(time.Hour)}
			for b.Loop() {
				h.room(b.Context())
				h.due(now)
				h.add([]*Lease{lease}, now)
				batch := h.take()
				h.done(batch, &result{accepted: true}, now)
				h.settled(batch.node, batch.leases)
			}
		})
	}
}
