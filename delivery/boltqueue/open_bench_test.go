package boltqueue_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
)

// BenchmarkOpen opens a queue in which calls of 50 Pages wait. It reads the whole file.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int64{1000, 1_000_000} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "queue.db")
			q, err := boltqueue.Open(path)
			require.NoError(b, err)
			putMany(b, q, 0, n)
			require.NoError(b, q.Close())
			for b.Loop() {
				q, err := boltqueue.Open(path)
				require.NoError(b, err)
				b.StopTimer()
				require.NoError(b, q.Close())
				b.StartTimer()
			}
		})
	}
}

// BenchmarkLanes asks for the figures of the lanes of a queue in which calls of 50 Pages wait.
func BenchmarkLanes(b *testing.B) {
	q, err := boltqueue.Open(filepath.Join(b.TempDir(), "queue.db"))
	require.NoError(b, err)
	defer q.Close()
	putMany(b, q, 0, 1_000_000)
	for b.Loop() {
		lanes, err := q.Lanes(b.Context())
		require.NoError(b, err)
		require.Len(b, lanes, 50)
	}
}

// BenchmarkLease leases and gives back a call of one lane, while calls wait in others that are paused.
func BenchmarkLease(b *testing.B) {
	for _, lanes := range []int{0, 20_000} {
		b.Run(fmt.Sprintf("paused=%d", lanes), func(b *testing.B) {
			q, err := boltqueue.Open(filepath.Join(b.TempDir(), "queue.db"))
			require.NoError(b, err)
			defer q.Close()
			until := time.Now().Add(time.Hour)
			var wg sync.WaitGroup
			for w := range 200 {
				wg.Go(func() {
					for n := w; n < lanes; n += 200 {
						item := benchItem(int64(n))
						item.Lane = fmt.Sprint("paused/", n)
						_, err := q.Put(b.Context(), item)
						if err = errors.Join(err, q.Pause(b.Context(), delivery.Pause{Lane: item.Lane, Until: until})); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			_, err = q.Put(b.Context(), benchItem(-1))
			require.NoError(b, err)
			for b.Loop() {
				leases, err := q.Lease(b.Context(), 1, nil)
				require.NoError(b, err)
				require.NoError(b, q.Settle(b.Context(), delivery.Settlement{Lease: leases[0], Verdict: delivery.Release}))
			}
		})
	}
}
