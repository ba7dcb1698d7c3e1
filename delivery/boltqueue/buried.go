package boltqueue

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
)

// readAtATime is how many items or lanes are read before others may read.
const readAtATime = 1000

// Buried implements [delivery.Queue]. A record that cannot be read is there with the reason "unreadable" and its bytes
// as the body.
func (q *Queue) Buried(_ context.Context, from string, limit int) (list []delivery.Buried, err error) {
	if err := q.usable(); err != nil {
		return nil, err
	}
	var first uint64
	if from != "" {
		if first, err = strconv.ParseUint(from, 10, 64); err != nil {
			return nil, fmt.Errorf("boltqueue: %w", delivery.ErrNotFound)
		}
	}
	for more := true; more && err == nil && len(list) < limit; {
		list, first, more, err = q.readBuried(list, first, limit)
	}
	if err != nil {
		return nil, q.wrap(err)
	}
	return list, nil
}

// readBuried appends some of the buried items from a number on, and returns where to go on.
func (q *Queue) readBuried(list []delivery.Buried, from uint64, limit int) (
	_ []delivery.Buried, next uint64, more bool, err error,
) {
	now := time.Now()
	limit = min(limit, len(list)+readAtATime)
	err = q.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketBuried).Cursor()
		for k, v := c.Seek(key64(from)); k != nil && len(list) < limit; k, v = c.Next() {
			v = slices.Clone(v)
			r, ok := readRecord(kindBuried, k, v, q.old)
			if !ok {
				r = unreadable(v, laneOf(v))
				r.Reason, r.LastError = delivery.ReasonUnreadable, errRecord
			}
			number := binary.BigEndian.Uint64(k)
			next, more = number+1, len(list)+1 == limit
			b := delivery.Buried{
				Item: r.Item, ID: strconv.FormatUint(number, 10), Reason: r.Reason,
				Attempts: r.Attempts, FirstError: r.FirstError, LastError: r.LastError, BuriedAt: r.BuriedAt,
			}
			if b.BuriedAt.After(now) { // the clock has been set back
				b.BuriedAt = now
			}
			list = append(list, b)
		}
		return nil
	})
	return list, next, more, err
}

// unburyAtATime is how many buried items are taken away in one transaction.
const unburyAtATime = 20_000

// Unbury implements [delivery.Queue]. Up to 20,000 at a time are taken away in one transaction.
func (q *Queue) Unbury(ctx context.Context, list ...delivery.Unburial) (done int, err error) {
	if err := q.usable(); err != nil {
		return 0, err
	}
	for _, u := range list {
		if u.Again != nil {
			if err := checkLane(u.Again.Lane); err != nil {
				return 0, err
			}
		}
	}
	for part := range slices.Chunk(list, unburyAtATime) {
		n, err := q.unbury(ctx, part)
		done += n
		if err != nil {
			return done, err
		}
	}
	if done < len(list) {
		return done, fmt.Errorf("boltqueue: %d of %d: %w", len(list)-done, len(list), delivery.ErrNotFound)
	}
	return done, nil
}

func (q *Queue) unbury(ctx context.Context, list []delivery.Unburial) (done int, err error) {
	drafts := make([]draft, len(list))
	grows := false
	for i, u := range list {
		if u.Again != nil {
			drafts[i], grows = draftRecord(&record.Record{Item: *u.Again}), true
		}
	}
	err = q.writer.do(ctx, &op{grows: grows, apply: func(t *txn) (func(), error) {
		n := 0
		var lanes []string
		var seqs []uint64
		for i, u := range list {
			number, err := strconv.ParseUint(u.ID, 10, 64)
			if err != nil {
				continue
			}
			there, err := t.unbury(number)
			if err != nil {
				return nil, err
			}
			if !there {
				continue
			}
			n++
			if u.Again != nil {
				seq, _, err := t.put(u.Again, drafts[i], false)
				if err != nil {
					return nil, err
				}
				lanes, seqs = append(lanes, u.Again.Lane), append(seqs, seq)
			}
		}
		return func() {
			done = n
			for i := range lanes {
				q.arrived(lanes[i], seqs[i])
			}
		}, nil
	}})
	if err != nil {
		return 0, err
	}
	return done, nil
}

// limitBuried drops the oldest buried items of those that are too many, in the transaction that buries others: twice as
// many as it buried and a few more, until there are few enough.
func (q *Queue) limitBuried(t *txn, more int64) error {
	over := func() bool {
		if q.buriedLimit > 0 {
			return t.counts.kept > int64(q.buriedLimit)
		}
		return q.buriedSum+t.buriedSum > q.buriedRoom()
	}
	if !over() {
		return nil
	}
	return t.drop(int(2*more)+dropAtATime, func(_, _ []byte) bool { return over() })
}

// buriedRoom is how many bytes buried items may take: a quarter of the room.
func (q *Queue) buriedRoom() int64 {
	if q.maxSize > 0 {
		return int64(q.maxSize) / buriedShare
	}
	return defaultRoom / buriedShare
}

// dropOld drops buried items that are too old, some at a time, and reports whether there may be more.
func (q *Queue) dropOld(ctx context.Context) (more bool, err error) {
	err = q.writer.do(ctx, &op{apply: func(t *txn) (func(), error) {
		before := t.counts.dropped
		err := t.drop(dropAtATime, func(k, v []byte) bool { return q.tooOld(k, v, t.stamp) })
		more = t.counts.dropped-before == dropAtATime
		return nil, err
	}})
	return more && err == nil, err
}

// tooOld reports whether a buried item has been kept for long enough. One that cannot be read goes with the next.
func (q *Queue) tooOld(key, value []byte, now int64) bool {
	r, ok := readRecord(kindBuried, key, value, q.old)
	return ok && !r.BuriedAt.IsZero() && now-r.BuriedAt.UnixNano() >= int64(q.buriedAge)
}
