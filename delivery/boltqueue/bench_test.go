package boltqueue_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
)

var (
	body    = make([]byte, 400) // about one event
	pageIDs = func() (list [50]appevents.ID) {
		for i := range list {
			list[i] = appevents.ID(strconv.Itoa(901 + i))
		}
		return list
	}()
)

func benchItem(n int64) delivery.Item {
	now := time.Now()
	return delivery.Item{
		Key: delivery.KeyOf(strconv.FormatInt(n, 10)), Lane: "activities/" + string(pageIDs[uint64(n)%uint64(len(pageIDs))]),
		Body: body, Submitted: now,
		Expires: now.Add(time.Hour),
	}
}

// purchase is an activity of one of 50 Pages.
func purchase(n int64) *appevents.Activity {
	return &appevents.Activity{
		Thread:  appevents.Thread{PageID: pageIDs[n%int64(len(pageIDs))], PSID: appevents.ID(strconv.FormatInt(7000+n, 10))},
		Consent: appevents.ConsentAllowed, Events: []appevents.Event{appevents.Purchase(55.22, "USD")},
	}
}

// BenchmarkSubmit compares a durable Submit, of an event of one of 50 Pages, with two floors: appending the same number
// of bytes to a file and flushing it, one after the other, and passing the call through a channel. The ratios asked for
// are those of the submits/s to the first floor's. All files are in the directory for temporary files: set TMPDIR when
// that is in memory, where a flush costs nothing.
func BenchmarkSubmit(b *testing.B) {
	b.Run("floor: write and fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
		require.NoError(b, err)
		defer f.Close()
		for b.Loop() {
			_, err := f.Write(body)
			require.NoError(b, err)
			require.NoError(b, f.Sync())
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
	})
	b.Run("floor: channel", func(b *testing.B) {
		calls := make(chan *appevents.Activity, 1000)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range calls {
			}
		}()
		for n := range b.N {
			call := purchase(int64(n))
			require.NoError(b, call.Validate())
			calls <- call
		}
		close(calls)
		<-ended
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
	})
	for _, submitters := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("submitters=%d", submitters), func(b *testing.B) {
			q, err := boltqueue.Open(filepath.Join(b.TempDir(), "queue.db"))
			require.NoError(b, err)
			defer q.Close()
			d, err := delivery.New(benchClient(b, "http://127.0.0.1:1"), q)
			require.NoError(b, err)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range submitters {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if err := d.Submit(b.Context(), strconv.FormatInt(n, 10), purchase(n)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
		})
	}
}
