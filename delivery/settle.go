package delivery

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// conclusion is a settlement with what observers want to know.
type conclusion struct {
	Settlement
	err   error
	tried bool // counts as an attempt
}

// conclude settles calls and tells of it.
func (r *run) conclude(list []conclusion) {
	if len(list) == 0 {
		return
	}
	settlements := make([]Settlement, len(list))
	for i := range list {
		settlements[i] = list[i].Settlement
	}
	if r.settle(settlements) != nil {
		return
	}
	r.hand.acquit(list)
	now := time.Now()
	for i := range list {
		r.report(&list[i], now)
	}
}

// settle writes settlements to the queue, again and again until it takes them: that something was delivered counts also
// after the end of its lease.
func (r *run) settle(list []Settlement) error {
	err := r.write(r.writes, list)
	switch {
	case errors.Is(err, ErrLeaseLost):
		// Whoever holds the calls now settles them.
		r.log(slog.LevelWarn, "delivery: settled too late", slog.String("error", err.Error()))
		return nil
	case err != nil && list[0].Verdict != Release:
		r.figures.unsettled.Add(int64(len(list)))
		r.log(slog.LevelError, "delivery: outcome of calls not written: they may be sent again",
			slog.Int("calls", len(list)), slog.String("error", err.Error()))
	}
	return err
}

// begin has the queue note that requests begin, for as long as the calls are ours: without that none may be made, and
// calls that were given back would only come again at once.
func (j *job) begin() bool {
	list := make([]Settlement, len(j.leases))
	for i, l := range j.leases {
		list[i] = Settlement{Lease: l, Verdict: Begin}
	}
	return j.write(j.ctx, list) == nil
}

// write has the queue take settlements, again and again until it does, they are too late, it is closed or ctx ends.
func (r *run) write(ctx context.Context, list []Settlement) error {
	for failures := 1; ; failures++ {
		err := r.queue.Settle(ctx, list...)
		if failures == 1 && err != nil {
			r.hand.stick()
			defer r.hand.unstick()
		}
		switch {
		case err == nil:
			r.figures.progressed()
			return nil
		case errors.Is(err, ErrLeaseLost), errors.Is(err, ErrClosed), ctx.Err() != nil:
			return err
		}
		r.log(slog.LevelWarn, "delivery: the queue takes no settlements", slog.String("error", err.Error()))
		wait(ctx, backoff(queueDelay, maxQueueDelay, failures, jitter()))
	}
}

// report tells the observer and the logger about a settled call.
func (r *run) report(c *conclusion, now time.Time) {
	if c.Verdict == Retry && c.err != nil {
		r.figures.retries.Add(1)
	}
	if c.Verdict == Bury {
		attrs := []slog.Attr{
			slog.String("id", c.Lease.ID), slog.String("lane", c.Lease.Lane), slog.String("reason", string(c.Reason)),
			slog.Int("attempts", attempts(c)),
		}
		if c.err != nil {
			attrs = append(attrs, slog.String("error", c.err.Error()))
		}
		r.log(slog.LevelWarn, "delivery: call buried", attrs...)
	}
	if r.observer == nil || c.Verdict == Release || c.Verdict == Retry && !c.tried {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			r.log(slog.LevelError, "delivery: the observer panicked", slog.String("lane", c.Lease.Lane))
		}
	}()
	r.observer(context.WithoutCancel(r.requests), Settled{
		ID: c.Lease.ID, Lane: c.Lease.Lane, Verdict: c.Verdict, Reason: c.Reason, Attempts: attempts(c),
		Age: max(0, now.Sub(c.Lease.Submitted)), RetryAt: c.At, Err: c.err,
	})
}

func attempts(c *conclusion) int {
	if c.tried {
		return c.Lease.Attempts + 1
	}
	return c.Lease.Attempts
}
