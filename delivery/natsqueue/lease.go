package natsqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
	"github.com/appevents/appevents-go/delivery/internal/sched"
)

const (
	// maxLanes bounds how many lanes one Lease takes from, and maxClaim how many calls it takes from one.
	maxLanes = 128
	maxClaim = 1000

	// maxConflicts is how often others may be quicker before a lane is left for its next turn.
	maxConflicts = 8

	// steps is into how many parts the lease time is divided: leases of one part end together.
	steps = 20
)

// receipt is what a lease carries.
type receipt struct {
	queue *Queue
	lane  *lane
	seq   uint64
	data  []byte // as stored
	begun bool   // this lease was settled with Begin
	done  bool   // settled
}

// Lease implements [delivery.Queue]. It takes turns between lanes, and up to 1,000 calls of a lane at a time.
func (q *Queue) Lease(ctx context.Context, limit int, skip *delivery.LaneSet) ([]*delivery.Lease, error) {
	if err := q.usable(); err != nil {
		return nil, err
	}
	if err := q.start(); err != nil {
		return nil, fmt.Errorf("natsqueue: lease: %w", err)
	}
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
		freed := skip.Changed()
		lanes, changed, at := q.pick(max(limit, 1), skip)
		if len(lanes) == 0 {
			_ = sched.Wait(ctx, changed, freed, at)
			continue
		}
		leases, err := q.leaseFrom(ctx, lanes, max(limit, 1))
		switch {
		case len(leases) > 0:
			return leases, nil
		case err != nil && ctx.Err() == nil:
			return nil, fmt.Errorf("natsqueue: lease: %w", err)
		}
	}
}

// pick returns the lanes whose turn it is. Without any it returns what to wait for.
func (q *Queue) pick(limit int, skip *delivery.LaneSet) (lanes []*lane, changed <-chan struct{}, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.looked {
		return nil, q.signal.Changed(), time.Time{}
	}
	now := q.clock.now()
	for len(lanes) < min(limit, maxLanes) {
		name, ok := q.turns.Next(now, skip)
		if !ok {
			break
		}
		q.turns.Empty(name)
		if ln := q.lanes[name]; ln != nil {
			ln.looking = true
			lanes = append(lanes, ln)
		}
	}
	if len(lanes) == 0 {
		if at = q.turns.Wake(now); !at.IsZero() {
			at = time.Now().Add(at.Sub(now))
		}
	}
	return lanes, q.signal.Changed(), at
}

// leaseFrom leases calls of the lanes, and offers those again that have more.
func (q *Queue) leaseFrom(ctx context.Context, lanes []*lane, limit int) (leases []*delivery.Lease, err error) {
	type result struct {
		leases []*delivery.Lease
		err    error
	}
	q.walkFor(ctx, lanes)
	results := make([]result, len(lanes))
	lookAt := func(i int) {
		share := limit / len(lanes)
		if i < limit%len(lanes) {
			share++
		}
		var more bool
		r := &results[i]
		r.leases, more, r.err = q.claim(ctx, lanes[i], min(share, maxClaim), maxFetch/min(len(lanes), maxReads))
		q.mu.Lock()
		defer q.mu.Unlock()
		ln := lanes[i]
		ln.looking = false
		if more || ln.again || r.err != nil {
			ln.again = false
			q.ready(ln)
		}
	}
	var wg sync.WaitGroup
	for i := range lanes[1:] {
		wg.Go(func() { lookAt(i + 1) })
	}
	lookAt(0)
	wg.Wait()
	for _, r := range results {
		leases = append(leases, r.leases...)
		if err == nil {
			err = r.err
		}
	}
	return leases, err
}

// claim leases up to limit calls of a lane, and about so many bytes at most. It reports whether there may be more.
func (q *Queue) claim(
	ctx context.Context, ln *lane, limit, maxBytes int,
) (leases []*delivery.Lease, more bool, err error) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for range maxConflicts {
		if err := q.know(ctx, ln); err != nil {
			return nil, true, err
		}
		leases, more, err = q.claimOnce(ctx, ln, limit, maxBytes)
		if !errors.Is(err, errConflict) {
			return leases, more, err
		}
	}
	return nil, true, nil // its turn comes again
}

func (q *Queue) claimOnce(
	ctx context.Context, ln *lane, limit, maxBytes int,
) (leases []*delivery.Lease, more bool, err error) {
	began, now := time.Now(), q.clock.true()
	c := ln.claims.clone()
	known := ln.revision
	changed := c.tidy(q.id, q.openOf(ln), now)
	step := max(q.leaseTime/steps, time.Millisecond)
	s := span{Until: now.Add(q.leaseTime).Truncate(step).Add(step).UnixMilli(), By: q.id}

	f := finder{Queue: q, lane: ln, claims: &c, limit: limit, maxBytes: maxBytes}
	if err := f.find(ctx); err != nil {
		return nil, true, err
	}
	if len(f.msgs) == 0 {
		if changed || f.changed {
			err = q.change(ctx, ln, &c)
		}
		q.nothingToLease(ln, &c)
		return nil, false, err
	}
	seqs := make([]uint64, len(f.msgs))
	for i, m := range f.msgs {
		seqs[i] = m.seq
	}
	s.From, s.To = seqs[0], seqs[len(seqs)-1]
	c.hold(s)

	until := began.Add(q.leaseTime - q.leaseTime/steps) // a little less than what others are told
	q.mu.Lock()
	for _, seq := range seqs {
		ln.open[seq] = until
	}
	q.mu.Unlock()
	// From here on the caller's context does not count: what is claimed is leased.
	err = q.change(context.WithoutCancel(ctx), ln, &c)
	if errors.Is(err, errConflict) {
		q.closeLeases(ln, seqs...)
	}
	if err != nil {
		return nil, true, err
	}
	for _, m := range f.msgs {
		leases = append(leases, q.leaseOf(ln, &m, until))
	}
	if f.before || known == 0 { // or nobody knows whether they were
		if err := q.findBegun(ctx, leases, f.before); err != nil {
			return nil, true, errors.Join(err, q.free(context.WithoutCancel(ctx), ln, seqs))
		}
	}
	q.mu.Lock()
	ln.idle = 0
	q.wakeAtEnd(ln, &c)
	more = f.more || ln.last >= c.Next // who answered may not have heard of the last ones
	q.mu.Unlock()
	return leases, more, nil
}

// nothingToLease notes that all calls of a lane are leased.
func (q *Queue) nothingToLease(ln *lane, c *claims) {
	q.mu.Lock()
	defer q.mu.Unlock()
	ln.idle = ln.count
	q.wakeAtEnd(ln, c)
}

// openOf returns the calls of a lane that are leased here.
func (q *Queue) openOf(ln *lane) []uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	open := make([]uint64, 0, len(ln.open))
	for seq := range ln.open {
		open = append(open, seq)
	}
	slices.Sort(open)
	return open
}

// closeLeases forgets that calls are leased here.
func (q *Queue) closeLeases(ln *lane, seqs ...uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, seq := range seqs {
		delete(ln.open, seq)
	}
}

// know finds out what is claimed of a lane, unless it is known. The caller holds the lane's mu.
func (q *Queue) know(ctx context.Context, ln *lane) error {
	q.mu.Lock()
	stale := ln.stale
	ln.stale = false
	q.mu.Unlock()
	if ln.known && !stale {
		return nil
	}
	m, err := q.get(ctx, q.marks, getRequest{Last: q.stateSubject(ln.key)})
	if err != nil {
		q.mu.Lock()
		ln.stale = true
		q.mu.Unlock()
		return err
	}
	before := ln.claims.Next
	ln.claims, ln.revision, ln.known = claims{}, 0, true
	if m != nil {
		ln.claims, ln.revision = parseClaims(m.data), m.seq
	}
	if ln.claims.Next < before {
		q.endWalk() // it may have calls that are settled
	}
	return nil
}

// change stores what is claimed of a lane. It returns errConflict when that is not what was known any more. The caller
// holds the lane's mu.
func (q *Queue) change(ctx context.Context, ln *lane, c *claims) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	unanswered := false
	revision := uint64(0)
	err = q.insist(ctx, func(ctx context.Context) (err error) {
		if unanswered { // it may be stored
			m, err := q.get(ctx, q.marks, getRequest{Last: q.stateSubject(ln.key)})
			if err != nil {
				return err
			}
			if m != nil && m.seq > ln.revision && string(m.data) == string(data) {
				revision = m.seq
				return nil
			}
		}
		revision, err = q.state.Update(ctx, ln.key, data, ln.revision)
		if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			return errConflict
		}
		unanswered = unanswered || err != nil && !isAnswer(err)
		return err
	})
	if err != nil {
		ln.known = false
		return err
	}
	ln.claims, ln.revision = *c, revision
	q.mu.Lock()
	ln.next = c.Next
	q.mu.Unlock()
	return nil
}

// leaseOf makes a message a lease.
func (q *Queue) leaseOf(ln *lane, m *message, until time.Time) *delivery.Lease {
	r := parse(m.data)
	r.Lane = ln.name
	return &delivery.Lease{
		Item: q.clock.readItem(r.Item, m.time), ID: strconv.FormatUint(m.seq, 10), Attempts: r.Attempts,
		FirstError: r.FirstError, LastError: r.LastError, Begun: r.Begun, Until: until,
		Receipt: &receipt{queue: q, lane: ln, seq: m.seq, data: m.data},
	}
}

// move stores a record elsewhere and then deletes its message here. Both can be repeated, also by another process that
// gets the message when this one goes away in between.
func (q *Queue) move(ctx context.Context, r *receipt, subject string, rec *record.Record) error {
	if _, err := q.publish(ctx, subject, movedID("moved", r.seq, rec.Key), record.Append(nil, rec)); err != nil {
		return err
	}
	return q.finish(ctx, r)
}

// movedID is the ID of a call that is moved away from a place in a stream. The key is part of it, for a machine that
// loses what it wrote last may give the place to another call.
func movedID(how string, seq uint64, key delivery.Key) string {
	return how + "-" + strconv.FormatUint(seq, 10) + "-" + key.String()
}

// finish deletes a message and returns when the server has done it.
func (q *Queue) finish(ctx context.Context, r *receipt) error {
	if r.done {
		return nil
	}
	if _, err := q.remove(ctx, q.calls, r.seq); err != nil {
		return err
	}
	r.done = true
	q.closeLeases(r.lane, r.seq)
	return nil
}
