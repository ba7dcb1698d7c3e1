package natsqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
)

// shortPause is how long a lane may still be paused for its calls to be given back with a delay. Those of longer pauses
// are moved out of the way.
const shortPause = 10 * time.Second

// receipt is what a lease carries.
type receipt struct {
	msg   *nats.Msg
	seq   uint64
	begun bool // this lease was settled with Begin
	done  bool // acknowledged
}

// Lease implements [delivery.Queue]. It does not take turns between lanes: the stream is first come, first served.
func (q *Queue) Lease(ctx context.Context, limit int, _ *delivery.LaneSet) ([]*delivery.Lease, error) {
	q.bring()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.ctx, cancel)()
	for {
		switch {
		case q.ctx.Err() != nil:
			return nil, delivery.ErrClosed
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		leases, err := q.fetch(ctx, min(max(limit, 1), q.ackPending))
		switch {
		case len(leases) > 0:
			return leases, nil
		case err != nil && ctx.Err() == nil:
			return nil, fmt.Errorf("natsqueue: lease: %w", err)
		}
	}
}

// bring sees to it that calls are brought back from now on: a queue that only takes calls in need not.
func (q *Queue) bring() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.leasing && !q.closed {
		q.leasing = true
		q.running.Go(q.bringBack)
	}
}

// fetch takes what there is, or waits a while for something to come.
func (q *Queue) fetch(ctx context.Context, limit int) ([]*delivery.Lease, error) {
	start := time.Now()
	// A request made without a connection would be sent with the next one, when nobody waits for its answer any more.
	for !q.js.Conn().IsConnected() && ctx.Err() == nil {
		if time.Since(start) > silence {
			return nil, nats.ErrDisconnected
		}
		q.wait(ctx, tryDelay)
	}
	msgs, first, err := q.pull(ctx, pullRequest{Batch: limit, NoWait: true})
	if len(msgs) == 0 && err == nil && time.Since(start) < fetchWait/2 {
		// Turned away: others wait already. Wait with them.
		msgs, first, err = q.pull(ctx, pullRequest{Batch: 1})
	}
	if ctx.Err() != nil {
		for _, msg := range msgs {
			_ = msg.Nak()
		}
		return nil, ctx.Err()
	}
	// The leases began when the server sent the messages, a little while ago.
	leases := q.collect(ctx, msgs, first.Add(q.leaseTime-q.leaseTime/20))
	if unknown := q.findBegun(ctx, leases); unknown != nil {
		for _, l := range leases {
			_ = l.Receipt.(*receipt).msg.Nak() //nolint:errcheck // our own
		}
		return nil, unknown
	}
	return leases, err
}

// collect makes leases of messages and sends those of paused lanes away.
func (q *Queue) collect(ctx context.Context, msgs []*nats.Msg, until time.Time) (leases []*delivery.Lease) {
	var away []*delivery.Lease
	for _, msg := range msgs {
		l, ok := leaseOf(msg, until)
		if !ok {
			continue
		}
		if pause := time.Until(q.pausedUntil(l.Lane)); pause > 0 {
			if pause > shortPause || !q.delay(l, pause) {
				away = append(away, l)
			}
			continue
		}
		leases = append(leases, l)
	}
	q.sendAway(ctx, away)
	return leases
}

// leaseOf makes a message a lease.
func leaseOf(msg *nats.Msg, until time.Time) (*delivery.Lease, bool) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, false // not a message of the stream
	}
	r := parse(msg.Data)
	return &delivery.Lease{
		Item: r.Item, ID: strconv.FormatUint(meta.Sequence.Stream, 10), Attempts: r.Attempts, FirstError: r.FirstError,
		LastError: r.LastError, Until: until,
		Receipt: &receipt{msg: msg, seq: meta.Sequence.Stream},
	}, true
}

// findBegun finds out of which calls an earlier holder began a request and then went away. It looks at all of them: a
// server that lost the last of its consumer's state does not know which ones it has handed out before.
func (q *Queue) findBegun(ctx context.Context, leases []*delivery.Lease) error {
	if len(leases) == 0 {
		return nil
	}
	return tryOnce(ctx, func(ctx context.Context) error {
		info, err := q.marks.Info(ctx, jetstream.WithSubjectFilter(q.begunSubject(">")))
		if err != nil {
			return err
		}
		for _, l := range leases {
			_, l.Begun = info.State.Subjects[q.begunSubject(l.ID)]
		}
		return nil
	})
}

// delay gives a call back for as long as its lane is paused. It reports false when too many are given back already:
// they count as leased, and must not be in the way of the others.
func (q *Queue) delay(l *delivery.Lease, d time.Duration) bool {
	now := time.Now()
	q.mu.Lock()
	q.delayed = slices.DeleteFunc(q.delayed, func(t time.Time) bool { return !t.After(now) })
	ok := len(q.delayed) < q.ackPending/8
	if ok {
		q.delayed = append(q.delayed, now.Add(d))
	}
	q.mu.Unlock()
	return ok && l.Receipt.(*receipt).msg.NakWithDelay(d) == nil //nolint:errcheck // our own
}

// sendAway moves calls of paused lanes out of the way, to come back when their lane goes on.
func (q *Queue) sendAway(ctx context.Context, leases []*delivery.Lease) {
	_ = q.each(len(leases), func(i int) error {
		l := leases[i]
		r := l.Receipt.(*receipt) //nolint:errcheck // our own
		stored := parse(r.msg.Data)
		err := q.move(ctx, r, q.laterSubject(l.Lane, time.Time{}), &stored)
		if err != nil {
			_ = r.msg.NakWithDelay(shortPause)
		}
		return nil
	})
}

// move stores a record elsewhere and then acknowledges its message here. Both can be repeated, also by another process
// that gets the message when this one goes away in between.
func (q *Queue) move(ctx context.Context, r *receipt, subject string, rec *record.Record) error {
	if _, err := q.publish(ctx, subject, movedID("moved", r.seq, rec.Key), record.Append(nil, rec)); err != nil {
		return err
	}
	return q.acknowledge(ctx, r)
}

// movedID is the ID of a call that is moved away from a place in a stream. The key is part of it, for a machine that
// loses what it wrote last may give the place to another call.
func movedID(how string, seq uint64, key delivery.Key) string {
	return how + "-" + strconv.FormatUint(seq, 10) + "-" + key.String()
}

// acknowledge removes a message and returns when the server has done it.
func (q *Queue) acknowledge(ctx context.Context, r *receipt) error {
	if r.done {
		return nil
	}
	unanswered := false
	err := q.insist(ctx, func(ctx context.Context) error {
		if unanswered {
			// A server that lost the last of its consumer's state when it died ignores acknowledgements of what it does
			// not remember to have delivered. The call is in the stream all the same.
			return q.delete(ctx, q.calls, r.seq)
		}
		err := r.msg.AckSync(nats.Context(ctx))
		if errors.Is(err, nats.ErrMsgAlreadyAckd) {
			return nil
		}
		unanswered = errors.Is(err, context.DeadlineExceeded)
		return err
	})
	r.done = err == nil
	return err
}
