package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/appevents/appevents-go/internal/bridge"
)

const (
	// settleTime is how long before the end of a lease its requests must be over, so that it can be settled in time.
	// With leases shorter than ten times this it is a tenth of them.
	settleTime = 5 * time.Second

	// stopSettleTime bounds how long settling goes on once Run is told to stop and the grace is over.
	stopSettleTime = 5 * time.Second

	// maxWatch bounds how long lanes are not looked at, maxAsk how long a token source may take.
	maxWatch = time.Minute
	maxAsk   = 30 * time.Second

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
	var watch sync.WaitGroup
	watching, stopWatching := context.WithCancel(requests)
	defer stopWatching()
	watch.Go(func() { r.watch(watching) })
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
	stopWatching()
	watch.Wait()
	r.retell()
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
		leases, err := r.queue.Lease(ctx, limit, &r.hand.skip)
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

// accept hands leased calls to the workers, and those of lanes that wait back. It reports whether there was one to
// deliver.
func (r *run) accept(leases []*Lease) bool {
	back := r.hand.add(leases, time.Now())
	if len(back) > 0 {
		_ = r.settle(release(back))
	}
	return len(back) < len(leases)
}

// watch looks at lanes again whose time has come.
func (r *run) watch(ctx context.Context) {
	var asks sync.WaitGroup
	defer asks.Wait()
	for ctx.Err() == nil {
		now := time.Now()
		ask, tell, next := r.hand.due(now)
		for _, n := range ask {
			asks.Go(func() { r.askToken(ctx, n) })
		}
		if tell {
			asks.Go(r.retell)
		}
		d := maxWatch
		if !next.IsZero() {
			d = min(d, next.Sub(now))
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-r.hand.alarm:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// askToken asks whether there is another token than the one a lane waits with.
func (r *run) askToken(ctx context.Context, n *node) {
	fingerprint := ""
	defer func() {
		if v := recover(); v != nil {
			r.log(slog.LevelError, "delivery: the token source panicked", slog.String("lane", n.name))
		}
		if r.hand.asked(n, fingerprint, time.Now()) {
			r.pause(n)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, maxAsk)
	defer cancel()
	if call := r.hand.tokenCall(n); call != nil {
		fingerprint, _ = bridge.Of(r.client).TokenFingerprint(ctx, call)
	}
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
	c, back := r.hand.done(b, nil, time.Now())
	r.tell(c, time.Now())
	for _, other := range back {
		r.giveBack(other)
	}
	_ = r.settle(release(b.leases))
	r.hand.settled(b.node, b.leases)
}

func release(leases []*Lease) []Settlement {
	list := make([]Settlement, len(leases))
	for i, l := range leases {
		list[i] = Settlement{Lease: l, Verdict: Release}
	}
	return list
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

// log logs. A handler that panics has nothing to say.
func (d *Dispatcher) log(level slog.Level, message string, attrs ...slog.Attr) {
	if d.logger != nil {
		defer func() { _ = recover() }()
		d.logger.LogAttrs(context.Background(), level, message, attrs...) //nolint:sloglint // a constant of the callers
	}
}
