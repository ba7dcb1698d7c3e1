package boltqueue_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
)

// untilFull puts items of 16 KB from the n-th on, until there is no room, and returns the next number.
func untilFull(t *testing.T, q *boltqueue.Queue, n int64) int64 {
	t.Helper()
	for ; ; n++ {
		if _, err := q.Put(t.Context(), largeItem(n)); err != nil {
			require.ErrorIs(t, err, delivery.ErrFull)
			return n
		}
	}
}

func TestFull_IsRememberedUntilSomethingWasFreed(t *testing.T) {
	t.Parallel()
	q := open(t, filepath.Join(t.TempDir(), "queue.db"), boltqueue.WithMaxSize(8<<20))
	n := untilFull(t, q, 0)
	require.Greater(t, n, int64(200))
	before := q.Transactions()
	for k := range int64(1000) {
		_, err := q.Put(t.Context(), largeItem(n+k))
		require.ErrorIs(t, err, delivery.ErrFull)
	}
	require.LessOrEqual(t, q.Transactions(), before+1, "no transaction, but for the one that comes when it is idle")
	drain(t, q, 60) // also for the room that is laid aside
	_, err := q.Put(t.Context(), largeItem(n))
	require.NoError(t, err, "there is room again")
	drain(t, q, 100)
	more := untilFull(t, q, n+1) - n - 1
	require.Greater(t, more, int64(50), "for as much as was freed, more or less")
}

// buryMany buries the items from the from-th to the to-th.
func buryMany(t testing.TB, q *boltqueue.Queue, from, to int64) {
	t.Helper()
	putMany(t, q, from, to)
	for n := from; n < to; {
		leases, err := q.Lease(t.Context(), 1000, nil)
		require.NoError(t, err)
		list := make([]delivery.Settlement, len(leases))
		for i, l := range leases {
			list[i] = delivery.Settlement{Lease: l, Verdict: delivery.Bury, Reason: delivery.ReasonRefused, Error: "no"}
		}
		require.NoError(t, q.Settle(t.Context(), list...))
		n += int64(len(leases))
	}
}

func TestBuried_MakeRoomForNewOnes(t *testing.T) {
	t.Parallel()
	// More than would fit, because the user wants to keep them all.
	q := open(t, filepath.Join(t.TempDir(), "queue.db"), boltqueue.WithMaxSize(4<<20), boltqueue.WithBuriedLimit(1_000_000))
	const buried = 2000
	buryMany(t, q, 0, buried)
	n := untilFull(t, q, 10_000)
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.Zero(t, c.Kept, "new ones come first")
	require.EqualValues(t, buried, c.Dropped)
	require.Equal(t, n-10_000, c.Pending)
	require.Greater(t, c.Pending, int64(150))
}

func TestBuried_TakeAQuarterOfTheRoom(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path, boltqueue.WithMaxSize(8<<20))
	const buried = 6000 // of more than 400 bytes each
	buryMany(t, q, 0, buried)
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.Greater(t, c.Kept, int64(2<<20/700))
	require.Less(t, c.Kept, int64(2<<20/400))
	require.EqualValues(t, buried, c.Kept+c.Dropped)
	require.NoError(t, q.Close())
	q = open(t, path, boltqueue.WithBuriedLimit(100))
	buryMany(t, q, buried, buried+1)
	for c.Kept > 100 { // some at a time
		n := c.Kept
		buryMany(t, q, buried+c.Buried, buried+c.Buried+1)
		c, err = q.Counts(t.Context())
		require.NoError(t, err)
		require.Less(t, c.Kept, n)
	}
	list, err := q.Buried(t.Context(), "", 1000)
	require.NoError(t, err)
	require.Len(t, list, 100)
	require.Equal(t, fmt.Sprint(c.Buried), list[99].ID, "the newest stay")
}

func TestBuried_AgeWaitsForTheClockToBePutRight(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	buryMany(t, q, 0, 10)
	require.NoError(t, q.Close())
	ahead := func() time.Time { return time.Now().AddDate(1, 0, 0) }
	q = open(t, path, boltqueue.WithClock(ahead))
	require.True(t, q.AgesWait())
	require.NoError(t, q.Close())
	require.False(t, open(t, path).AgesWait())
}

func TestClock_SetBackKeepsKeysAsLongAsTheyShould(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	const window = 200 * time.Millisecond
	at := func(d time.Duration) boltqueue.Option {
		return boltqueue.WithClock(func() time.Time { return time.Now().Add(d) })
	}
	q, err := boltqueue.Open(path, boltqueue.WithWindow(window), at(24*time.Hour))
	require.NoError(t, err)
	putMany(t, q, 0, 10)
	require.NoError(t, q.Close())
	q = open(t, path, boltqueue.WithWindow(window))
	tick := time.NewTicker(window / 4)
	defer tick.Stop()
	for added := false; !added; <-tick.C { // and not a day later
		added, err = q.Put(t.Context(), benchItem(3))
		require.NoError(t, err)
	}
}

func TestClock_SetForwardDelaysNothingOnceItIsRight(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	ahead := boltqueue.WithClock(func() time.Time { return time.Now().AddDate(0, 0, 1) })
	q, err := boltqueue.Open(path, ahead)
	require.NoError(t, err)
	putMany(t, q, 0, 2)
	for range 2 {
		leases, err := q.Lease(t.Context(), 1, nil)
		require.NoError(t, err)
		soon := time.Now().AddDate(0, 0, 1).Add(time.Millisecond).Round(0)
		require.NoError(t, q.Settle(t.Context(), delivery.Settlement{
			Lease: leases[0], Verdict: delivery.Retry, At: soon, Error: "busy",
		}))
		require.NoError(t, q.Pause(t.Context(), delivery.Pause{Lane: leases[0].Lane, Until: soon, Manual: true}))
	}
	require.NoError(t, q.Close())
	for range 2 {
		q, err = boltqueue.Open(path)
		require.NoError(t, err)
		leases, err := q.Lease(t.Context(), 1, nil)
		require.NoError(t, err)
		require.NoError(t, q.Settle(t.Context(), done(leases)...))
		require.NoError(t, q.Close())
	}
}

func TestUnbury_IsOneTransaction(t *testing.T) {
	t.Parallel()
	q := open(t, filepath.Join(t.TempDir(), "queue.db"))
	const n = 3000
	buryMany(t, q, 0, n)
	list, err := q.Buried(t.Context(), "", n)
	require.NoError(t, err)
	unburials := make([]delivery.Unburial, n)
	for i := range list {
		unburials[i].ID = list[i].ID
		if i%2 == 0 {
			unburials[i].Again = &list[i].Item
		}
	}
	before := q.Transactions()
	count, err := q.Unbury(t.Context(), unburials...)
	require.NoError(t, err)
	require.Equal(t, n, count)
	require.LessOrEqual(t, q.Transactions()-before, int64(2), "and perhaps one for being idle")
	lanes, err := q.Lanes(t.Context())
	require.NoError(t, err)
	var pending int64
	for _, l := range lanes {
		pending += l.Pending
	}
	require.EqualValues(t, n/2, pending)
	lane := delivery.Item{}
	_, err = q.Unbury(t.Context(), delivery.Unburial{ID: "1", Again: &lane})
	require.Error(t, err)
	require.NotErrorIs(t, err, delivery.ErrNotFound)
}

// BenchmarkUnbury takes buried calls away in bulk, which is durable when it returns, and stores them again.
func BenchmarkUnbury(b *testing.B) {
	for name, again := range map[string]bool{"discard": false, "resubmit": true} {
		b.Run(name, func(b *testing.B) {
			q, err := boltqueue.Open(filepath.Join(b.TempDir(), "queue.db"))
			require.NoError(b, err)
			defer q.Close()
			const n = 20_000
			next := int64(0)
			for b.Loop() {
				b.StopTimer()
				buryMany(b, q, next, next+n)
				next += n
				list, err := q.Buried(b.Context(), "", n)
				require.NoError(b, err)
				unburials := make([]delivery.Unburial, n)
				for i := range list {
					if unburials[i].ID = list[i].ID; again {
						unburials[i].Again = &list[i].Item
					}
				}
				b.StartTimer()
				_, err = q.Unbury(b.Context(), unburials...)
				require.NoError(b, err)
				b.StopTimer()
				for left := n; again && left > 0; {
					leases, err := q.Lease(b.Context(), 1000, nil)
					require.NoError(b, err)
					require.NoError(b, q.Settle(b.Context(), done(leases)...))
					left -= len(leases)
				}
				b.StartTimer()
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}
