package boltqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
	"github.com/appevents/appevents-go/delivery/internal/sched"
)

// promoteAgain is how long to wait when delayed items could not be made due: the disk is full.
const promoteAgain = time.Second

// receipt is what a lease carries.
type receipt struct {
	seq    uint64
	number uint64 // of the lease
	begun  bool   // this lease was settled with Begin
}

// Lease implements [delivery.Queue].
func (q *Queue) Lease(ctx context.Context, limit int, skip *delivery.LaneSet) ([]*delivery.Lease, error) {
	if err := q.opened(); err != nil {
		return nil, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		freed := skip.Changed()
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return nil, delivery.ErrClosed
		}
		if err := q.broken; err != nil { // what cannot be settled would be sent again and again
			q.mu.Unlock()
			return nil, err
		}
		now := time.Now()
		q.expire(now)
		if !q.nextDue.IsZero() && !q.nextDue.After(now) && !q.promoting {
			q.promote()
		}
		if lane, ok := q.turns.Next(now, skip); ok {
			leases, err := q.collect(lane, max(limit, 1), now)
			q.mu.Unlock()
			if err != nil {
				return nil, q.wrap(err)
			}
			if len(leases) > 0 {
				return leases, nil
			}
			continue
		}
		due := q.nextDue
		if q.promoting {
			due = time.Time{} // its end is signalled
		}
		changed, at := q.signal.Changed(), sched.Earliest(q.turns.Wake(now), q.holds.Wake(), due)
		q.mu.Unlock()
		if err := sched.Wait(ctx, changed, freed, at); err != nil {
			return nil, err
		}
	}
}

// expire ends the leases whose time is over. The caller holds mu.
func (q *Queue) expire(now time.Time) {
	for _, h := range q.holds.Expire(now) {
		q.arrived(h.Lane, h.ID)
	}
}

// promote makes delayed items due whose time has come. The caller holds mu.
func (q *Queue) promote() {
	q.promoting = true
	err := q.writer.enqueue(&op{
		apply: func(t *txn) (func(), error) {
			lanes, seqs, err := t.promote()
			return func() {
				q.promoting = false
				for i := range lanes {
					q.arrived(lanes[i], seqs[i])
				}
				q.signal.Notify()
			}, err
		},
		failed: func() {
			q.promoting = false
			q.nextDue = time.Now().Add(promoteAgain)
			q.signal.Notify()
		},
	})
	q.promoting = err == nil
}

// collect leases items of a lane. The caller holds mu, so nothing is leased or settled meanwhile; what is committed
// meanwhile is announced afterwards.
func (q *Queue) collect(lane string, limit int, now time.Time) (leases []*delivery.Lease, err error) {
	until := now.Add(q.leaseTime)
	from := q.from[lane]
	exhausted := false
	var bad []uint64
	err = q.view(func(tx *bbolt.Tx) error {
		items := tx.Bucket(bucketItems)
		var err error
		exhausted, err = scan(tx, lane, from, func(seq uint64) bool {
			if len(leases) == limit {
				return false
			}
			from = seq + 1
			if _, busy := q.settling[seq]; busy || q.holds.Held(seq) {
				return true
			}
			key := key64(seq)
			data := items.Get(key)
			if data == nil {
				return true
			}
			r, ok := readRecord(kindItem, key, bytes.Clone(data), q.old)
			if !ok {
				bad = append(bad, seq)
				return true
			}
			r.Lane = lane // one string for all
			leases = append(leases, q.leaseOf(seq, &r, until))
			return true
		})
		return err
	})
	if err != nil {
		for _, l := range leases {
			q.holds.Drop(l.Receipt.(*receipt).seq) //nolint:errcheck,forcetypeassert // as leaseOf makes them
		}
		return nil, err
	}
	if len(bad) > 0 {
		q.discard(lane, bad)
	}
	if q.from[lane] = from; exhausted {
		delete(q.from, lane)
		q.turns.Empty(lane)
	}
	return leases, err
}

// discard buries items that cannot be read. The caller holds mu.
func (q *Queue) discard(lane string, bad []uint64) {
	for _, seq := range bad {
		q.settling[seq] = struct{}{} // until then nobody else comes across it
	}
	after := func() {
		for _, seq := range bad {
			delete(q.settling, seq)
		}
	}
	buried := 0
	err := q.writer.enqueue(&op{
		apply: func(t *txn) (func(), error) {
			buried = 0
			for _, seq := range bad {
				r, there, ok := t.load(seq, lane)
				if !there || ok {
					continue
				}
				buried++
				if err := t.discard(seq, lane, r.Body); err != nil {
					return nil, err
				}
			}
			return func() {
				after()
				q.logger.Warn("boltqueue: a record of the file was damaged, and has been buried", "file", q.file.path,
					"lane", lane, "unreadable_calls_buried", buried)
			}, nil
		},
		failed: after,
	})
	if err != nil {
		after()
	}
}

func (q *Queue) leaseOf(seq uint64, r *record.Record, until time.Time) *delivery.Lease {
	return &delivery.Lease{
		Item: r.Item, ID: strconv.FormatUint(seq, 10), Attempts: r.Attempts, FirstError: r.FirstError,
		LastError: r.LastError, Begun: r.Begun, Until: until,
		Receipt: &receipt{seq: seq, number: q.holds.Hold(seq, r.Lane, until)},
	}
}

// change is a settlement that has to be written.
type change struct {
	*delivery.Settlement
	*receipt
	valid bool // the lease is good
	lost  bool // the item was gone
	later bool // it waits now
}

// Settle implements [delivery.Queue]. Giving an item back costs no write.
func (q *Queue) Settle(ctx context.Context, settlements ...delivery.Settlement) error {
	if err := q.opened(); err != nil {
		return err
	}
	changes, lost, err := q.pin(settlements)
	if err != nil {
		return err
	}
	if written, err := q.writeAll(ctx, changes); err != nil {
		q.restore(changes[written:])
		return err
	}
	for i := range changes {
		if changes[i].lost {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("boltqueue: %d of %d: %w", lost, len(settlements), delivery.ErrLeaseLost)
	}
	return nil
}

// writeAll writes changes and returns how many it wrote.
func (q *Queue) writeAll(ctx context.Context, changes []change) (written int, err error) {
	if len(changes) == 0 {
		return 0, nil
	}
	err = q.write(ctx, changes)
	if err == nil {
		return len(changes), nil
	}
	if !errors.Is(err, delivery.ErrFull) || len(changes) == 1 {
		return 0, err
	}
	for i := range changes { // one by one they take less room, and each makes some
		if err := q.write(ctx, changes[i:i+1]); err != nil {
			return i, err
		}
	}
	return len(changes), nil
}

// write writes changes in one transaction.
func (q *Queue) write(ctx context.Context, changes []change) error {
	return q.writer.do(ctx, &op{apply: func(t *txn) (func(), error) {
		for i := range changes {
			if err := changes[i].apply(t); err != nil {
				return nil, err
			}
		}
		return func() { q.unpin(changes) }, nil
	}})
}

// pin takes items out of their leases so that nobody gets them while their settlement is written.
func (q *Queue) pin(settlements []delivery.Settlement) (changes []change, lost int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, 0, delivery.ErrClosed
	}
	for i := range settlements {
		s := &settlements[i]
		r, ok := s.Lease.Receipt.(*receipt)
		valid := ok && q.holds.Valid(r.seq, r.number)
		switch {
		case !ok, !valid && s.Verdict != delivery.Done:
			lost++
		case s.Verdict == delivery.Begin:
			changes = append(changes, change{Settlement: s, receipt: r, valid: true})
		case s.Verdict == delivery.Release && !r.begun:
			q.holds.Drop(r.seq)
			q.arrived(s.Lease.Lane, r.seq)
		default:
			q.holds.Drop(r.seq)
			q.settling[r.seq] = struct{}{}
			changes = append(changes, change{Settlement: s, receipt: r, valid: valid})
		}
	}
	return changes, lost, nil
}

// apply writes a settlement.
func (c *change) apply(t *txn) error {
	lane := c.Lease.Lane
	if c.Verdict == delivery.Done {
		found, err := t.done(c.seq, lane, c.valid)
		c.lost = !found
		return err
	}
	r, found, ok := t.load(c.seq, lane)
	if c.lost = !found; c.lost {
		return nil
	}
	if !ok { // what was leased of it was sound
		l := c.Lease
		r = record.Record{Item: l.Item, Attempts: l.Attempts, FirstError: l.FirstError, LastError: l.LastError}
	}
	r.Begun = c.Verdict == delivery.Begin || c.Verdict == delivery.Release && c.Lease.Begun
	if c.Verdict == delivery.Retry || c.Verdict == delivery.Bury {
		if c.Body != nil {
			r.Body = c.Body
		}
		r.Failed(c.Error)
	}
	switch c.Verdict {
	case delivery.Bury:
		r.Reason = c.Reason
		return t.bury(c.seq, &r)
	case delivery.Retry:
		r.Due, c.later = time.Time{}, false
		if due := t.clock.nanos(c.At); due > t.stamp {
			c.later = true
			if err := t.delay(c.seq, &r, due); err != nil {
				return err
			}
		}
	}
	return t.save(c.seq, &r)
}

// unpin announces what was written. The caller holds mu.
func (q *Queue) unpin(changes []change) {
	for i := range changes {
		c := &changes[i]
		if c.Verdict == delivery.Begin {
			c.begun = true
			continue
		}
		delete(q.settling, c.seq)
		if c.lost {
			continue
		}
		switch {
		case c.Verdict == delivery.Done, c.Verdict == delivery.Bury, c.later:
		default:
			q.arrived(c.Lease.Lane, c.seq)
		}
	}
	q.signal.Notify() // someone may wait for a later time than the next one due
}

// restore gives items back to their leases when their settlement could not be written.
func (q *Queue) restore(changes []change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		if c.Verdict == delivery.Begin {
			continue
		}
		delete(q.settling, c.seq)
		if c.valid {
			q.holds.Restore(c.seq, c.number, c.Lease.Lane, c.Lease.Until)
		} else {
			q.arrived(c.Lease.Lane, c.seq)
		}
	}
	q.signal.Notify()
}
