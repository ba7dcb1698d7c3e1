package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// settleTime is how long before the end of a lease its requests must be over, so that it can be settled in time.
	// With leases shorter than ten times this it is a tenth of them.
	settleTime = 5 * time.Second

	// stopSettleTime bounds how long settling goes on once Run is told to stop and the grace is over.
	stopSettleTime = 5 * time.Second

	// A queue that fails is asked again after a growing wait.
	queueDelay    = 50 * time.Millisecond
	maxQueueDelay = 5 * time.Second
)

// run is one Run.
type run struct {
	*Dispatcher

	requests context.Context // of requests: ends some time after Run is told to stop
	writes   context.Context // of settlements: ends later still
}

// Run delivers what is in the queue until ctx ends, and then lets the requests under way finish within the grace of
// [WithGrace], gives everything else back to the queue, and returns nil when no goroutine of its own is left. It
// returns an error, after the same tidying up, when the queue is closed under it. A dispatcher runs once.
func (d *Dispatcher) Run(ctx context.Context) error {
	if !d.started.CompareAndSwap(false, true) {
		return ErrRunning
	}
	requests, stopRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRequests()
	writes, stopWrites := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWrites()
	r := &run{Dispatcher: d, requests: requests, writes: writes}
	d.figures.running.Store(true)
	defer d.figures.running.Store(false)
	d.figures.progressed()

	var workers sync.WaitGroup
	for range d.workers {
		workers.Go(r.work)
	}
	err := r.lease(ctx)
	for _, cut := range []*time.Timer{
		time.AfterFunc(d.grace, stopRequests), time.AfterFunc(d.grace+stopSettleTime, stopWrites),
	} {
		defer cut.Stop()
	}
	for _, b := range d.hand.close() {
		r.giveBack(b)
	}
	workers.Wait()
	return err
}

// lease leases calls for the workers until ctx ends.
func (r *run) lease(ctx context.Context) error {
	stop := context.AfterFunc(ctx, r.hand.wake)
	defer stop()
	failures := 0
	for {
		limit := r.hand.room(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.figures.leasing.Store(true)
		leases, err := r.queue.Lease(ctx, limit, nil)
		r.figures.leasing.Store(false)
		if len(leases) > 0 {
			r.figures.progressed()
		}
		switch {
		case err == nil && r.accept(leases):
			failures = 0
		case err == nil:
			failures++ // all of paused lanes: whoever let them go, do not spin
			wait(ctx, backoff(queueDelay, maxQueueDelay, failures, jitter()))
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrClosed):
			return fmt.Errorf("delivery: run: %w", err)
		default:
			failures++
			r.log(slog.LevelWarn, "delivery: the queue gives no calls", slog.String("error", err.Error()))
			wait(ctx, backoff(queueDelay, maxQueueDelay, failures, jitter()))
		}
	}
}

// accept hands leased calls to the workers, and those of paused lanes back. It reports whether there was one to
// deliver.
func (r *run) accept(leases []*Lease) bool {
	back, paused := r.hand.add(leases, time.Now())
	for _, lane := range paused {
		r.pause(lane)
	}
	if len(back) > 0 {
		_ = r.settle(release(back))
	}
	return len(back) < len(leases)
}

// work delivers batches until there are no more.
func (r *run) work() {
	for {
		b := r.hand.take()
		if b == nil {
			return
		}
		r.deliver(b)
	}
}

// giveBack returns a batch to the queue untried.
func (r *run) giveBack(b *batch) {
	r.unproven(b)
	_ = r.settle(release(b.leases))
	r.hand.settled(b.leases)
}

// unproven lets lanes go whose probe was not made: the next call of each is its next probe.
func (r *run) unproven(b *batch) {
	r.hand.unproven(b.probes)
	for _, lane := range b.probes {
		r.pause(lane)
	}
}

func release(leases []*Lease) []Settlement {
	list := make([]Settlement, len(leases))
	for i, l := range leases {
		list[i] = Settlement{Lease: l, Verdict: Release}
	}
	return list
}

// pause tells the queue until when a lane is to be left alone, or that it goes again. Of several that do so at a time
// the last one to finish sees to it that the queue has the latest word.
func (r *run) pause(lane string) {
	for {
		until := r.hand.pausedUntil(lane)
		if err := r.queue.Pause(r.writes, Pause{Lane: lane, Until: until}); err != nil {
			if r.writes.Err() == nil {
				r.log(slog.LevelWarn, "delivery: a lane could not be paused",
					slog.String("lane", lane), slog.String("error", err.Error()))
			}
			return
		}
		if r.hand.pausedUntil(lane).Equal(until) {
			return
		}
	}
}

// wait returns when d is over or ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (d *Dispatcher) log(level slog.Level, message string, attrs ...slog.Attr) {
	if d.logger != nil {
		d.logger.LogAttrs(context.Background(), level, message, attrs...) //nolint:sloglint // a constant of the callers
	}
}
