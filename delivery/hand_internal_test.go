package delivery

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What is leased is bounded in bytes: by the sizes of the calls that came before, the largest possible at first.
func TestHand_LeasesAsManyAsFit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size    func(n int) int // of the n-th call
		atLeast int             // calls leased in all
		atMost  int             // bytes
		atOnce  int             // calls of the largest lease
	}{
		"large": {func(int) int { return MaxBody }, 120, maxHandBytes, 128},
		"small": {func(int) int { return 400 }, 2000, maxHandBytes, maxLease},
		"mixed": {func(n int) int { return 400 + n%2*100_000 }, 1000, maxHandBytes * 11 / 10, 460},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const workers = 1024 // as many batches as there are calls
			h := newHand(workers, 100, new(figures))
			ctx, cancel := context.WithCancel(t.Context())
			body := make([]byte, MaxBody)
			now := time.Now()
			total, n, atOnce := 0, 0, 0
			for n < 5000 {
				if h.bytes >= maxHandBytes || 2*workers <= h.waiting {
					cancel() // it would wait
				}
				room := h.room(ctx)
				if ctx.Err() != nil {
					break
				}
				atOnce = max(atOnce, room)
				leases := make([]*Lease, room)
				for i := range leases {
					item := Item{Lane: "activities/" + strconv.Itoa(n), Body: body[:test.size(n)]}
					leases[i] = &Lease{Item: item, Until: now.Add(time.Minute)}
					total += len(item.Body)
					n++
				}
				back := h.add(leases, now)
				require.Empty(t, back)
			}
			require.Equal(t, total, h.bytes)
			require.Equal(t, test.atOnce, atOnce)
			require.GreaterOrEqual(t, n, test.atLeast)
			require.LessOrEqual(t, total, test.atMost)
			cancel()
		})
	}
}

// A lane that waits for another token is asked about also while a request of it hangs, and goes on after that.
func TestHand_NoLaneIsLeftOutForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const lane = "page_activities/901"
		h := newHand(4, 100, new(figures))
		watch := func(d time.Duration) (asks int) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				ask, _, next := h.due(time.Now())
				for _, n := range ask {
					h.asked(n, "new", time.Now())
				}
				if asks += len(ask); len(ask) > 0 {
					continue // that set an alarm
				}
				if next.IsZero() || next.After(end) {
					next = end
				}
				<-time.After(time.Until(next))
			}
			return asks
		}
		attempt := func(took time.Duration, class class) (asks int) {
			require.False(t, h.skip.Has(lane))
			lease := &Lease{Item: Item{Lane: lane}, Until: time.Now().Add(time.Minute)}
			require.Empty(t, h.add([]*Lease{lease}, time.Now()))
			b := h.take()
			asks = watch(took)
			_, back := h.done(b, &result{class: class, took: took, token: tokenOf{fingerprint: "old"}}, time.Now())
			require.Empty(t, back)
			h.settled(b.node, b.leases)
			require.True(t, h.skip.Has(lane))
			require.Empty(t, h.stranded())
			return asks
		}
		attempt(20*time.Millisecond, classToken)
		require.Equal(t, 1, watch(firstAsk+soon))
		require.Equal(t, 2, attempt(10*time.Second, classUnknown))
		require.Equal(t, 1, watch(8*time.Second), "the source has another token")
		attempt(10*time.Second, classUnknown)

		// Whatever else is overlooked is noticed within a minute.
		n := h.health.nodes[lane]
		n.seat.alarm, h.alarms = time.Time{}, nil
		require.Equal(t, []*node{n}, h.stranded())
		<-time.After(maxWatch)
		h.due(time.Now())
		require.False(t, h.skip.Has(lane))
		require.Empty(t, h.stranded())
	})
}

// What the queue did not take it may know all the same: it may be the answer that was lost.
func TestHand_TellsWhatTheQueueMayNotKnow(t *testing.T) {
	t.Parallel()
	h := newHand(4, 100, new(figures))
	now := time.Now()
	n := h.health.node("activities/901")
	n.hold.class, n.hold.until = classThrottled, now.Add(time.Hour)
	p, due, _ := h.word(n, now)
	require.True(t, due)
	require.Equal(t, Pause{Lane: n.name, Until: now.Add(time.Hour)}, p)
	_, due, busy := h.word(n, now)
	require.False(t, due, "one at a time")
	h.told(n, p.Until, false, now)
	<-busy
	_, tell, next := h.due(now)
	require.False(t, tell)
	require.WithinRange(t, next, now.Add(queueDelay/2), now.Add(queueDelay))
	_, tell, _ = h.due(next)
	require.True(t, tell)
	require.Equal(t, []*node{n}, h.untold(next))

	n.hold = hold{}
	require.Equal(t, []*node{n}, h.untold(next), "it may be paused in the queue")
	now = now.Add(forgetTime)
	h.health.forget(now)
	require.Contains(t, h.health.nodes, n.name)
	for _, until := range []time.Time{{}, now.Add(time.Minute), {}} {
		n.hold = hold{until: until}
		if !until.IsZero() {
			n.hold.class = classThrottled
		}
		p, due, _ = h.word(n, now)
		require.True(t, due)
		require.Equal(t, until, p.Until)
		n.hold = hold{}
		h.health.forget(now)
		require.Contains(t, h.health.nodes, n.name, "somebody tells the queue")
		h.told(n, until, true, now)
		require.Empty(t, h.untold(now))
	}
	_, due, _ = h.word(n, now)
	require.False(t, due, "it knows")
	h.health.forget(now)
	require.NotContains(t, h.health.nodes, n.name)
}
