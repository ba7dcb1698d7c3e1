package natsqueue_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/natsqueue"
)

// each runs fn for 0 to n-1 on 128 goroutines, as the queue does at most.
func each(b *testing.B, n int, fn func(i int) error) {
	b.Helper()
	var all sync.WaitGroup
	for w := range 128 {
		all.Go(func() {
			for i := w; i < n; i += 128 {
				if err := fn(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkDeliver leases and settles calls of 1 and of 1,000 lanes, beside the floor: each message is asked for, and
// deleted, by itself.
func BenchmarkDeliver(b *testing.B) {
	const calls = 4000
	for _, lanes := range []int{1, 1000} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			q, err := natsqueue.Open(b.Context(), connect(b, startServer(b, nil)))
			require.NoError(b, err)
			defer func() { require.NoError(b, q.Close()) }()
			n := 0
			for b.Loop() {
				b.StopTimer()
				from := n
				n += calls
				each(b, calls, func(i int) error {
					it := item(from + i)
					it.Lane = fmt.Sprint("activities/", i%lanes)
					_, err := q.Put(b.Context(), it)
					return err
				})
				b.StartTimer()
				drainAll(b, q, calls, delivery.Settlement{Verdict: delivery.Done})
			}
			b.ReportMetric(calls*float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
	b.Run("floor", func(b *testing.B) {
		js := connect(b, startServer(b, nil))
		stream, err := js.CreateStream(b.Context(), jetstream.StreamConfig{
			Name: "FLOOR", Subjects: []string{"FLOOR.>"}, Retention: jetstream.WorkQueuePolicy, AllowDirect: true,
		})
		require.NoError(b, err)
		data := make([]byte, 600)
		for b.Loop() {
			b.StopTimer()
			seqs := make([]uint64, calls)
			each(b, calls, func(i int) error {
				ack, err := js.Publish(b.Context(), "FLOOR."+strconv.Itoa(i%1000), data)
				if err == nil {
					seqs[i] = ack.Sequence
				}
				return err
			})
			b.StartTimer()
			each(b, calls, func(i int) error {
				if _, err := stream.GetMsg(b.Context(), seqs[i]); err != nil {
					return err
				}
				return stream.DeleteMsg(b.Context(), seqs[i])
			})
		}
		b.ReportMetric(calls*float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	})
}

// BenchmarkUnbury submits buried calls again, or discards them, beside the floor: each message is published again and
// deleted, or deleted alone, by itself.
func BenchmarkUnbury(b *testing.B) {
	const calls = 4000
	for _, again := range []bool{true, false} {
		name := "discard"
		if again {
			name = "resubmit"
		}
		b.Run(name, func(b *testing.B) {
			q, err := natsqueue.Open(b.Context(), connect(b, startServer(b, nil)))
			require.NoError(b, err)
			defer func() { require.NoError(b, q.Close()) }()
			n := 0
			for b.Loop() {
				b.StopTimer()
				list := buryMany(b, q, n, calls)
				n += calls
				for i := range list {
					if !again {
						list[i].Again = nil
					}
				}
				b.StartTimer()
				done, err := q.Unbury(b.Context(), list...)
				require.NoError(b, err)
				require.Equal(b, calls, done)
				b.StopTimer()
				if again {
					drainAll(b, q, calls, delivery.Settlement{Verdict: delivery.Done})
				}
				b.StartTimer()
			}
			b.ReportMetric(calls*float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
		b.Run(name+"-floor", func(b *testing.B) {
			js := connect(b, startServer(b, nil))
			stream, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "FLOOR", Subjects: []string{"FLOOR.>"}})
			require.NoError(b, err)
			data := make([]byte, 600)
			publish := func(i int) (uint64, error) {
				ack, err := js.Publish(b.Context(), "FLOOR."+strconv.Itoa(i%1000), data)
				if err != nil {
					return 0, err
				}
				return ack.Sequence, nil
			}
			for b.Loop() {
				b.StopTimer()
				seqs := make([]uint64, calls)
				each(b, calls, func(i int) (err error) {
					seqs[i], err = publish(i)
					return err
				})
				b.StartTimer()
				each(b, calls, func(i int) error {
					if again {
						if _, err := publish(i); err != nil {
							return err
						}
					}
					return stream.DeleteMsg(b.Context(), seqs[i])
				})
			}
			b.ReportMetric(calls*float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// buryMany buries calls of 1,000 lanes, the first of them with the number from.
func buryMany(b *testing.B, q *natsqueue.Queue, from, calls int) (list []delivery.Unburial) {
	b.Helper()
	each(b, calls, func(i int) error {
		it := item(from + i)
		it.Lane = fmt.Sprint("activities/", i%1000)
		_, err := q.Put(b.Context(), it)
		return err
	})
	drainAll(b, q, calls, delivery.Settlement{Verdict: delivery.Bury, Reason: delivery.ReasonRefused})
	buried, err := q.Buried(b.Context(), "", calls)
	require.NoError(b, err)
	for _, c := range buried {
		list = append(list, delivery.Unburial{ID: c.ID, Again: &c.Item})
	}
	return list
}

// drainAll leases and settles so many calls.
func drainAll(b *testing.B, q *natsqueue.Queue, calls int, s delivery.Settlement) {
	b.Helper()
	for left := calls; left > 0; {
		leases, err := q.Lease(b.Context(), 512, nil)
		require.NoError(b, err)
		list := make([]delivery.Settlement, len(leases))
		for i, l := range leases {
			list[i] = s
			list[i].Lease = l
		}
		require.NoError(b, q.Settle(b.Context(), list...))
		left -= len(leases)
	}
}
