package natsqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
)

// maxParallel bounds the requests to the servers that are under way at a time for one call of a method.
const maxParallel = 128

// each calls fn for 0 to n-1, many at a time, and returns the first error.
func (q *Queue) each(n int, fn func(i int) error) error {
	if n == 1 {
		return fn(0)
	}
	var (
		wg    sync.WaitGroup
		next  atomic.Int64
		mu    sync.Mutex
		first error
	)
	for range min(n, maxParallel) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := fn(i); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}

// Settle implements [delivery.Queue].
func (q *Queue) Settle(ctx context.Context, settlements ...delivery.Settlement) error {
	if q.ctx.Err() != nil {
		return delivery.ErrClosed
	}
	var lost atomic.Int64
	err := q.each(len(settlements), func(i int) error {
		err := q.settle(ctx, &settlements[i])
		if errors.Is(err, delivery.ErrLeaseLost) {
			lost.Add(1)
			return nil
		}
		return err
	})
	if err == nil && lost.Load() > 0 {
		err = fmt.Errorf("natsqueue: %d of %d: %w", lost.Load(), len(settlements), delivery.ErrLeaseLost)
	}
	return err
}

func (q *Queue) settle(ctx context.Context, s *delivery.Settlement) error {
	r, ok := s.Lease.Receipt.(*receipt)
	if !ok {
		return delivery.ErrLeaseLost
	}
	if s.Verdict != delivery.Done && !r.done && !time.Now().Before(s.Lease.Until) {
		return delivery.ErrLeaseLost
	}
	if s.Verdict == delivery.Begin {
		err := q.begin(ctx, r.seq)
		r.begun = r.begun || err == nil
		return err
	}
	switch s.Verdict {
	case delivery.Done:
		if err := q.acknowledge(ctx, r); err != nil {
			return err
		}
	case delivery.Retry, delivery.Bury:
		rec := parse(r.msg.Data)
		if s.Body != nil {
			rec.Body = s.Body
		}
		rec.Failed(s.Error)
		subject := q.laterSubject(s.Lease.Lane, s.At)
		if s.Verdict == delivery.Bury {
			rec.Reason, rec.BuriedAt, subject = s.Reason, time.Now(), q.name+".buried"
		}
		if err := q.move(ctx, r, subject, &rec); err != nil {
			return err
		}
		if s.Verdict == delivery.Retry {
			q.lookAt(s.At)
		}
	default:
		if r.begun {
			if err := q.forget(ctx, r.seq); err != nil {
				return err
			}
		}
		r.done = true
		return r.msg.Nak()
	}
	if r.begun || s.Lease.Begun {
		_ = q.forget(ctx, r.seq) // it goes away by itself in time
	}
	return nil
}

// begin marks that a request with the call of a message may be under way.
func (q *Queue) begin(ctx context.Context, seq uint64) error {
	return q.insist(ctx, func(ctx context.Context) error {
		_, err := q.state.PutString(ctx, begunPrefix+strconv.FormatUint(seq, 10), "1")
		return err
	})
}

// forget removes the mark, and leaves nothing in its place as deleting the key would.
func (q *Queue) forget(ctx context.Context, seq uint64) error {
	return q.insist(ctx, func(ctx context.Context) error {
		return q.marks.Purge(ctx, jetstream.WithPurgeSubject(q.begunSubject(strconv.FormatUint(seq, 10))))
	})
}

// begunSubject is the subject of a mark in the stream that keeps the bucket.
func (q *Queue) begunSubject(id string) string {
	return "$KV." + q.state.Bucket() + "." + begunPrefix + id
}
