package boltqueue

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
)

const (
	mendAtATime = 500 // things mended in one transaction
	// After a day or more in which nothing was written, or with a clock that says so and is wrong, nothing is dropped
	// for its age before this time has passed: clocks are often put right after a start.
	day          = 24 * time.Hour
	graceForAges = time.Hour

	upgradeAtATime = 4 << 20 // bytes of records written anew in one transaction
)

// mend makes what was found in the file right, some at a time: it can be stopped at any moment, and is then found
// again.
func (q *Queue) mend(a *audit) error {
	err := each(q, a.stray, func(t *txn, s strayBit) error {
		t.bits(s.entry).clear(s.bit)
		return nil
	})
	err = errors.Join(err, each(q, a.unlater, func(t *txn, l laterItem) error {
		return t.bucket(bucketLater).Delete(laterKey(l.due, l.seq))
	}))
	err = errors.Join(err, each(q, a.bad, func(t *txn, p placed) error {
		t.lanes = nil // it was not counted
		value := t.bucket(bucketItems).Get(t.number(p.seq))
		if value == nil {
			return nil
		}
		err := t.discard(p.seq, p.lane, value)
		t.lanes = nil
		return err
	}))
	err = errors.Join(err, each(q, a.moved, func(t *txn, l laterItem) error {
		return t.again(l.seq, clamp(l.due, l.set, t.stamp), l.due)
	}))
	err = errors.Join(err, each(q, a.putBack, func(t *txn, p placed) error { return t.again(p.seq, 0, 0) }))
	err = errors.Join(err, each(q, a.lost, func(t *txn, number uint64) error {
		b, key := t.bucket(bucketBuried), key64(number)
		value := bytes.Clone(b.Get(key))
		r := unreadable(value, laneOf(value))
		r.Reason, r.LastError, r.BuriedAt = delivery.ReasonUnreadable, errRecord, time.Unix(0, t.stamp)
		value = sealRecord(kindBuried, key, &r)
		return b.Put(key, value)
	}))
	err = errors.Join(err, each(q, a.logs, func(t *txn, number []byte) error {
		b := t.bucket(bucketKeyLog)
		put, list, _ := parseKeys(number, b.Get(number))
		entry := newDraft(func(dst []byte) []byte { return append(append64(dst, min(put, t.stamp)), list...) })
		return b.Put(number, entry.seal(kindKeys, number))
	}))
	err = errors.Join(err, each(q, a.pauses, func(t *txn, lane string) error {
		return t.bucket(bucketPauses).Delete([]byte(lane))
	}))
	for _, p := range a.putBack {
		a.lane(p.lane).due(p.seq) // or soon
	}
	return err
}

// again says anew where an item waits: until due if that is not 0, or else as its record says.
func (t *txn) again(seq uint64, due, before int64) error {
	r, there, ok := t.load(seq, "")
	if !there || !ok {
		return nil
	}
	if before != 0 {
		if err := t.bucket(bucketLater).Delete(laterKey(before, seq)); err != nil {
			return err
		}
	}
	if due == 0 && !r.Due.IsZero() {
		due = clamp(r.Due.UnixNano(), 0, t.stamp)
	}
	if before == 0 && due <= t.stamp {
		t.due(r.Lane, seq).set(seq)
		return nil
	}
	if err := t.delay(seq, &r, due); err != nil {
		return err
	}
	return t.save(seq, &r)
}

// each calls fn with every element, some of them in one transaction.
func each[E any](q *Queue, list []E, fn func(t *txn, e E) error) error {
	for len(list) > 0 {
		n := min(len(list), mendAtATime)
		_, err := q.writer.write(func(t *txn) error {
			for _, e := range list[:n] {
				if err := fn(t, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// recount writes the figures that were found.
func (q *Queue) recount(a *audit) error {
	if !a.recount {
		return nil
	}
	_, err := q.writer.write(func(t *txn) error {
		t.counts = a.counts
		return nil
	})
	return err
}

// upgrade gives the records of a file of format 1 their checksums, some at a time. Where there is no room it goes on
// when the file is opened the next time.
func (q *Queue) upgrade() error {
	for _, b := range []struct {
		name []byte
		kind kind
	}{{bucketItems, kindItem}, {bucketBuried, kindBuried}} {
		for from := key64(0); from != nil; {
			_, err := q.writer.write(func(t *txn) (err error) {
				from, err = t.reseal(b.name, b.kind, from)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	_, err := q.writer.write(func(t *txn) error { return t.bucket(bucketMeta).Delete(metaOld) })
	q.old = err != nil
	return err
}

// reseal gives records their checksums, and returns from where on to go on, or nil.
func (t *txn) reseal(name []byte, k kind, from []byte) (next []byte, err error) {
	type sealing struct{ key, value []byte }
	var list []sealing
	size := 0
	b := t.bucket(name)
	c := b.Cursor()
	key, value := c.Seek(from)
	for ; key != nil && size < upgradeAtATime; key, value = c.Next() {
		if len(value) == 0 || value[0] == sealMark {
			continue
		}
		if r, err := record.Parse(value); err == nil {
			s := sealing{key: bytes.Clone(key)}
			s.value = sealRecord(k, s.key, &r)
			list, size = append(list, s), size+len(s.value)
		}
	}
	next = bytes.Clone(key)
	b.FillPercent = 0.95
	for _, s := range list {
		if err := b.Put(s.key, s.value); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// report says what was found.
func (q *Queue) report(a *audit, mended error) {
	f := a.found
	if f.meta > 0 {
		q.logger.LogAttrs(context.Background(), slog.LevelWarn,
			"boltqueue: one of the two first pages of the file cannot be read: what was accepted or settled last may be lost",
			slog.String("file", q.file.path))
	}
	f.meta = 0
	if f == (findings{}) && mended == nil {
		return
	}
	attrs := []slog.Attr{slog.String("file", q.file.path)}
	for _, n := range []struct {
		name string
		n    int
	}{
		{"unreadable_calls_buried", f.items}, {"unreadable_buried_calls", f.buried}, {"calls_put_back", f.unindexed},
		{"stray_entries_dropped", f.stray}, {"waits_shortened", f.late}, {"unreadable_pauses_dropped", f.pauses},
		{"unreadable_key_logs", f.keys}, {"figures_corrected", f.counts},
	} {
		if n.n > 0 {
			attrs = append(attrs, slog.Int(n.name, n.n))
		}
	}
	ctx := context.Background()
	switch {
	case mended != nil:
		q.logger.LogAttrs(ctx, slog.LevelWarn,
			"boltqueue: the file is damaged or of an older form, and there was no room to make it right",
			append(attrs, slog.String("error", mended.Error()))...)
	case f == findings{late: f.late}:
		q.logger.LogAttrs(ctx, slog.LevelInfo, "boltqueue: the clock was set back, and waits were shortened", attrs...)
	default:
		q.logger.LogAttrs(ctx, slog.LevelWarn, "boltqueue: the file was damaged and has been mended", attrs...)
	}
}

// settleIn mends the file, reads what the queue keeps in memory, and says what was found.
func (q *Queue) settleIn(a *audit) error {
	if a == nil {
		a = &audit{lanes: make(map[string]*laneInfo)}
	}
	q.old = a.old
	if a.seen > 0 && q.clock.now()-a.seen > int64(day) { // or the clock is ahead
		q.agesFrom = time.Now().Add(graceForAges)
	}
	q.buriedSum = a.buriedSum
	mended := errors.Join(q.recount(a), q.mend(a))
	if mended == nil && a.old {
		mended = q.upgrade()
	}
	if mended != nil && !errors.Is(mended, delivery.ErrFull) {
		return mended
	}
	q.report(a, mended)
	q.lanes = a.lanes
	for lane, l := range a.lanes {
		if l.from != 0 {
			q.from[lane] = l.from
			q.turns.Ready(lane)
		}
	}
	if err := q.loadPauses(); err != nil && !errors.Is(err, delivery.ErrFull) {
		return err
	}
	return q.view(func(tx *bbolt.Tx) error {
		q.nextDue = q.dueTime(firstDue(tx))
		q.writer.kept = readCounts(tx).kept
		q.writer.keys.window = q.window
		q.writer.keys.load(tx, q.clock.now())
		return nil
	})
}

// dueTime is the time of a stored number, zero for 0.
func (q *Queue) dueTime(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return q.clock.time(nanos)
}
