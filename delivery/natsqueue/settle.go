package natsqueue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	if err := q.usable(); err != nil {
		return err
	}
	var lost atomic.Int64
	var mu sync.Mutex
	released := make(map[*lane][]*receipt)
	err := q.each(len(settlements), func(i int) error {
		s := &settlements[i]
		r, ok := s.Lease.Receipt.(*receipt)
		late := !time.Now().Before(s.Lease.Until)
		switch {
		case !ok || r.queue != q || s.Verdict != delivery.Done && !r.done && late:
			lost.Add(1)
			return nil
		case s.Verdict == delivery.Release || s.Verdict < delivery.Done || s.Verdict > delivery.Begin:
			mu.Lock()
			defer mu.Unlock()
			if !r.done {
				released[r.lane] = append(released[r.lane], r)
			}
			return nil
		}
		err := q.settle(ctx, s, r)
		if errors.Is(err, delivery.ErrLeaseLost) {
			lost.Add(1)
			return nil
		}
		return err
	})
	lanes := slices.Collect(maps.Keys(released))
	err = errors.Join(err, q.each(len(lanes), func(i int) error {
		return q.release(ctx, lanes[i], released[lanes[i]])
	}))
	if err == nil && lost.Load() > 0 {
		err = fmt.Errorf("natsqueue: %d of %d: %w", lost.Load(), len(settlements), delivery.ErrLeaseLost)
	}
	return err
}

func (q *Queue) settle(ctx context.Context, s *delivery.Settlement, r *receipt) error {
	switch s.Verdict {
	case delivery.Begin:
		err := q.begin(ctx, r.seq)
		r.begun = r.begun || err == nil
		if err == nil && !time.Now().Before(s.Lease.Until) {
			err = delivery.ErrLeaseLost // it took so long that somebody else may have it by now
		}
		return err
	case delivery.Done:
		if err := q.finish(ctx, r); err != nil {
			return err
		}
	default:
		rec := parse(r.data)
		rec.Lane, rec.Begun = s.Lease.Lane, false
		if s.Body != nil {
			rec.Body = s.Body
		}
		rec.Failed(s.Error)
		subject := q.laterSubject(s.Lease.Lane, s.At)
		if s.Verdict == delivery.Bury {
			rec.Reason, rec.BuriedAt, subject = s.Reason, q.clock.now(), q.name+".buried"
		}
		if err := q.move(ctx, r, subject, &rec); err != nil {
			return err
		}
		if s.Verdict == delivery.Retry {
			q.lookAt(s.At)
		}
	}
	if r.begun || s.Lease.Begun {
		_ = q.forget(ctx, r.seq) // it goes away by itself in time
	}
	return nil
}

// release gives calls of a lane back.
func (q *Queue) release(ctx context.Context, ln *lane, list []*receipt) error {
	seqs := make([]uint64, len(list))
	for i, r := range list {
		seqs[i] = r.seq
		if r.begun {
			if err := q.forget(ctx, r.seq); err != nil {
				return err
			}
		}
	}
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if err := q.free(ctx, ln, seqs); err != nil {
		return err
	}
	for _, r := range list {
		r.done = true
	}
	return nil
}

// free gives calls of a lane back that are leased here. The caller holds the lane's mu.
func (q *Queue) free(ctx context.Context, ln *lane, seqs []uint64) error {
	for {
		if err := q.know(ctx, ln); err != nil {
			return err
		}
		c := ln.claims.clone()
		c.tidy(q.id, q.openOf(ln), q.clock.true())
		for _, seq := range seqs {
			c.release(q.id, seq)
		}
		c.merge()
		err := q.change(ctx, ln, &c)
		if errors.Is(err, errConflict) {
			continue
		}
		if err != nil {
			return err
		}
		q.closeLeases(ln, seqs...)
		q.tell(ln.part, 0)
		return nil
	}
}

// stateSubject is the subject of a key in the stream that keeps the bucket.
func (q *Queue) stateSubject(key string) string { return "$KV." + q.state.Bucket() + "." + key }
