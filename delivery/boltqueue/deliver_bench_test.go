package boltqueue_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
	"github.com/appevents/appevents-go/graphtest"
)

// lead is the conversion number n.
func lead(n int64) *appevents.ConversionCall {
	id := strconv.FormatInt(n, 10)
	return &appevents.ConversionCall{DatasetID: "5501", Conversions: []appevents.Conversion{{
		Name: appevents.ConversionLeadSubmitted, Time: time.Now(), ID: "lead-" + id,
		Thread: appevents.Thread{PageID: "901", PSID: appevents.ID("7" + id)},
	}}}
}

// counter answers like Graph and looks at nothing but how many conversions there are.
func counter(b *testing.B, received *atomic.Int64) string {
	b.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := bytes.Count(body, []byte(`"event_name"`))
		received.Add(int64(n))
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"events_received":%d,"messages":[],"fbtrace_id":"A"}`, n)
	}))
	b.Cleanup(s.Close)
	return s.URL
}

// BenchmarkDeliver is the whole way of a conversion: submitted, one for each Submit and durable, merged, sent to a
// loopback server and settled. The floor passes the same calls through a channel and sends them in batches of 1,000.
func BenchmarkDeliver(b *testing.B) {
	b.Run("floor: channel", func(b *testing.B) {
		var received atomic.Int64
		client := benchClient(b, counter(b, &received))
		calls := make(chan *appevents.ConversionCall, 1000)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				batch := make([]appevents.Conversion, 0, 1000)
				send := func() {
					if len(batch) > 0 {
						if _, err := client.SendConversions(b.Context(), "5501", batch...); err != nil {
							b.Error(err)
						}
					}
					batch = batch[:0]
				}
				for call := range calls {
					if batch = append(batch, call.Conversions...); len(batch) == 1000 {
						send()
					}
				}
				send()
			})
		}
		b.ResetTimer()
		for n := range b.N {
			call := lead(int64(n))
			if err := call.Validate(); err != nil {
				b.Fatal(err)
			}
			calls <- call
		}
		close(calls)
		wg.Wait()
		b.StopTimer()
		require.EqualValues(b, b.N, received.Load())
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "conversions/s")
	})
	for _, submitters := range []int{256, 1024} {
		b.Run(fmt.Sprintf("submitters=%d", submitters), func(b *testing.B) {
			var received atomic.Int64
			deliver(b, counter(b, &received), submitters)
			require.EqualValues(b, b.N, received.Load())
		})
		b.Run(fmt.Sprintf("submitters=%d, to graphtest", submitters), func(b *testing.B) {
			deliver(b, graphtest.NewServer(b, graphtest.WithMaxCalls(0)).URL, submitters)
		})
	}
}

func benchClient(b *testing.B, url string) *appevents.Client {
	b.Helper()
	client, err := appevents.New("771", appevents.WithBaseURL(url), appevents.WithAccessToken("token"))
	require.NoError(b, err)
	return client
}

func deliver(b *testing.B, url string, submitters int) {
	b.Helper()
	q, err := boltqueue.Open(filepath.Join(b.TempDir(), "queue.db"))
	require.NoError(b, err)
	defer q.Close()
	d, err := delivery.New(benchClient(b, url), q)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range submitters {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := d.Submit(ctx, strconv.FormatInt(n, 10), lead(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for d.Stats().Pending > 0 {
		<-tick.C
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "conversions/s")
	b.ReportMetric(float64(b.N)/float64(d.Stats().Requests), "conversions/request")
	cancel()
	require.NoError(b, <-ended)
}
