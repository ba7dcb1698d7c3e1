package delivery_test

import (
	"context"
	"sync"
	"time"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
)

// recorder is a queue that tells of settlements and can be made to fail.
type recorder struct {
	delivery.Queue

	mu        sync.Mutex
	leases    int // calls of Lease that returned
	onSettle  func(delivery.Settlement)
	onPause   func(lane string, until time.Time) (skip bool)
	failSette []error // for the next settlements
	failBegin []error // for the next that begin
	failLease []error // for the next leases
	failPause []error // for the next pauses
}

func (r *recorder) over() *recorder {
	r.Queue = memqueue.New()
	return r
}

func next(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	*errs = (*errs)[1:]
	return err
}

func (r *recorder) Lease(ctx context.Context, limit int, skip *delivery.LaneSet) ([]*delivery.Lease, error) {
	r.mu.Lock()
	err := next(&r.failLease)
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	leases, err := r.Queue.Lease(ctx, limit, skip)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leases++
	return leases, err
}

func (r *recorder) Pause(ctx context.Context, p delivery.Pause) error {
	if r.onPause != nil && r.onPause(p.Lane, p.Until) {
		return nil
	}
	r.mu.Lock()
	err := next(&r.failPause)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.Queue.Pause(ctx, p)
}

func (r *recorder) leased() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leases
}

// pausesToFail is how many of the next pauses fail.
func (r *recorder) pausesToFail() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failPause)
}

func (r *recorder) Settle(ctx context.Context, list ...delivery.Settlement) error {
	r.mu.Lock()
	err := next(&r.failSette)
	if err == nil && len(list) > 0 && list[0].Verdict == delivery.Begin {
		err = next(&r.failBegin)
	}
	if r.onSettle != nil && err == nil {
		for _, s := range list {
			r.onSettle(s)
		}
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.Queue.Settle(ctx, list...)
}
