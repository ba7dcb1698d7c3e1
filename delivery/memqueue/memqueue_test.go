package memqueue_test

import (
	"math"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/delivery/queuetest"
)

func TestQueue_PassesTheSuite(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, queuetest.Engine{
		OldKeys: true, TakesTurns: true,
		TakesClock: true,
		Open: func(t *testing.T, s queuetest.Settings) func() delivery.Queue {
			t.Helper()
			return func() delivery.Queue {
				return memqueue.New(
					memqueue.WithLeaseTime(s.LeaseTime), memqueue.WithWindow(s.Window), memqueue.WithClock(s.Clock),
					memqueue.WithBuriedAge(s.BuriedAge), memqueue.WithBuriedLimit(s.BuriedLimit),
				)
			}
		},
	})
}

func item(n int) delivery.Item {
	return delivery.Item{Key: delivery.KeyOf(strconv.Itoa(n)), Lane: "edge/1", Submitted: time.Now()}
}

func put(t *testing.T, q *memqueue.Queue, n int) (added bool) {
	t.Helper()
	added, err := q.Put(t.Context(), item(n))
	require.NoError(t, err)
	return added
}

func settle(t *testing.T, q *memqueue.Queue, n int, v delivery.Verdict) {
	t.Helper()
	leases, err := q.Lease(t.Context(), n, nil)
	require.NoError(t, err)
	require.Len(t, leases, n)
	for _, l := range leases {
		require.NoError(t, q.Settle(t.Context(), delivery.Settlement{Lease: l, Verdict: v, Reason: delivery.ReasonRefused}))
	}
}

func TestCapacity_RefusesItemsAndForgetsKeys(t *testing.T) {
	t.Parallel()
	q := memqueue.New(memqueue.WithCapacity(3))
	for n := range 3 {
		require.True(t, put(t, q, n))
	}
	_, err := q.Put(t.Context(), item(3))
	require.ErrorIs(t, err, delivery.ErrFull)
	require.False(t, put(t, q, 2), "a duplicate needs no room")
	settle(t, q, 1, delivery.Bury)
	_, err = q.Put(t.Context(), item(3))
	require.ErrorIs(t, err, delivery.ErrFull, "buried ones count")
	settle(t, q, 2, delivery.Done)
	require.True(t, put(t, q, 3), "and key 0 is forgotten for it")
	require.False(t, put(t, q, 1))
	require.True(t, put(t, q, 0))
	require.False(t, put(t, q, 2))
}

func TestWindow_IsKeptExactly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const window = time.Hour
		q := memqueue.New(memqueue.WithWindow(window))
		require.True(t, put(t, q, 1))
		<-time.After(window - 1)
		require.False(t, put(t, q, 1))
		<-time.After(1)
		require.True(t, put(t, q, 1))
	})
}

func TestOptions_OfNoUseAreIgnored(t *testing.T) {
	t.Parallel()
	q := memqueue.New(nil, memqueue.WithCapacity(0), memqueue.WithLeaseTime(-1), memqueue.WithWindow(0))
	require.True(t, put(t, q, 1))
	require.False(t, put(t, q, 1))
	leases, err := q.Lease(t.Context(), 0, nil)
	require.NoError(t, err)
	require.Len(t, leases, 1, "at least one")
	require.Greater(t, time.Until(leases[0].Until), 50*time.Second)
}

func TestBuried_TakesAnyLimit(t *testing.T) {
	t.Parallel()
	q := memqueue.New()
	for n := range 3 {
		require.True(t, put(t, q, n))
	}
	settle(t, q, 3, delivery.Bury)
	for limit, want := range map[int]int{math.MaxInt: 2, 1: 1, 0: 0, -1: 0} {
		list, err := q.Buried(t.Context(), "2", limit)
		require.NoError(t, err)
		require.Len(t, list, want)
	}
	_, err := q.Buried(t.Context(), "none", 1)
	require.ErrorIs(t, err, delivery.ErrNotFound)
}

func TestSettle_OfAnotherQueueOrWithoutAVerdict(t *testing.T) {
	t.Parallel()
	q := memqueue.New()
	require.True(t, put(t, q, 1))
	require.ErrorIs(t, q.Settle(t.Context(), delivery.Settlement{
		Lease: &delivery.Lease{Receipt: "another queue's"}, Verdict: delivery.Done,
	}), delivery.ErrLeaseLost)
	settle(t, q, 1, 0)
	settle(t, q, 1, delivery.Done)
}

func TestSettle_DoneWhileItWaitsToBeRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := memqueue.New(memqueue.WithLeaseTime(time.Second))
		require.True(t, put(t, q, 1))
		late, err := q.Lease(t.Context(), 1, nil)
		require.NoError(t, err)
		again, err := q.Lease(t.Context(), 1, nil)
		require.NoError(t, err)
		require.NoError(t, q.Settle(t.Context(), delivery.Settlement{
			Lease: again[0], Verdict: delivery.Retry, At: time.Now().Add(time.Hour), Error: "busy",
		}))
		require.ErrorIs(t, q.Settle(t.Context(), delivery.Settlement{Lease: late[0], Verdict: delivery.Done}),
			delivery.ErrLeaseLost)
		c, err := q.Counts(t.Context())
		require.NoError(t, err)
		require.Equal(t, delivery.Counts{Stored: 1, Delivered: 1}, c)
	})
}
