package boltqueue_test

import (
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery/boltqueue"
)

// heap is what is in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// putMany puts items from the from-th to the to-th, with 256 at a time.
func putMany(t testing.TB, q *boltqueue.Queue, from, to int64) {
	t.Helper()
	var next atomic.Int64
	next.Store(from)
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < to; n = next.Add(1) - 1 {
				if _, err := q.Put(t.Context(), benchItem(n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestMemory_StaysFlatWhileCallsWait(t *testing.T) { //nolint:paralleltest // it measures the heap
	some, n := int64(size(70_000, 500_000)), int64(size(100_000, 1_000_000)) // more than the keys held in memory
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	putMany(t, q, 0, some)
	before := heap()
	start := time.Now()
	putMany(t, q, some, n)
	rate := float64(n-some) / time.Since(start).Seconds()
	after := heap()
	t.Logf("heap with %d waiting: %.1f MiB, with %d: %.1f MiB; %.0f puts/s; file %.0f MiB", some, float64(before)/(1<<20),
		n, float64(after)/(1<<20), rate, float64(fileSize(t, path))/(1<<20))
	require.Less(t, after, before+6<<20)
	require.Less(t, after, uint64(64<<20))

	for _, n := range []int64{0, n / 3, n - 1} { // keys in the file as well as in memory
		added, err := q.Put(t.Context(), benchItem(n))
		require.NoError(t, err)
		require.False(t, added)
	}
	require.NoError(t, q.Close())
	start = time.Now()
	q, err := boltqueue.Open(path)
	require.NoError(t, err)
	t.Logf("opened again in %v, heap %.1f MiB", time.Since(start).Round(time.Millisecond), float64(heap())/(1<<20))
	for _, n := range []int64{0, n / 3, n - 1} {
		added, err := q.Put(t.Context(), benchItem(n))
		require.NoError(t, err)
		require.False(t, added)
	}
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, n, c.Pending)
	start = time.Now()
	drain(t, q, n/10)
	t.Logf("leased and settled %.0f/s", float64(n/10)/time.Since(start).Seconds())
	require.NoError(t, q.Close())
}
