package boltqueue

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
)

// count notes that a lane has n pending items more. None of a lane that had none has a number before floor. The caller
// holds mu.
func (q *Queue) count(lane string, n int64, floor uint64) {
	l := q.lanes[lane]
	if l == nil {
		l = &laneInfo{first: floor}
		q.lanes[lane] = l
	}
	if l.pending += n; l.pending <= 0 {
		delete(q.lanes, lane)
	}
}

// Lanes implements [delivery.Queue]. The items are counted as they come and go. The oldest of a lane is the oldest
// that is due: what waits to be tried again may be older.
func (q *Queue) Lanes(context.Context) ([]delivery.LaneCounts, error) {
	if err := q.opened(); err != nil {
		return nil, err
	}
	now := time.Now()
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil, delivery.ErrClosed
	}
	infos := make(map[string]laneInfo, len(q.lanes))
	lanes := make(map[string]delivery.LaneCounts, len(q.lanes))
	for name, l := range q.lanes {
		infos[name] = *l
		lanes[name] = delivery.LaneCounts{Lane: name, Pending: l.pending}
	}
	for _, p := range q.turns.Pauses(now) {
		c := lanes[p.Lane]
		c.Lane, c.PausedUntil, c.Note, c.Manual = p.Lane, p.Until, p.Note, p.Manual
		lanes[p.Lane] = c
	}
	q.mu.Unlock()
	for part := range slices.Chunk(slices.Collect(maps.Keys(infos)), readAtATime) {
		err := q.view(func(tx *bbolt.Tx) error {
			oldest := q.oldest(tx)
			for _, name := range part {
				info := infos[name]
				if err := q.findOldest(tx, name, &info, oldest); err != nil {
					return err
				}
				infos[name] = info
			}
			return nil
		})
		if err != nil {
			return nil, q.wrap(err)
		}
	}
	q.mu.Lock()
	for name, info := range infos {
		if l := q.lanes[name]; l != nil && l.first <= info.first {
			l.first, l.submitted = info.first, info.submitted
		}
	}
	q.mu.Unlock()
	list := make([]delivery.LaneCounts, 0, len(lanes))
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		c := lanes[name]
		if info, ok := infos[name]; ok {
			c.Oldest = info.submitted
		}
		list = append(list, c)
	}
	return list, nil
}

// findOldest finds the oldest item of a lane that is due, beginning with the one found the last time.
func (q *Queue) findOldest(tx *bbolt.Tx, lane string, info *laneInfo, oldest time.Time) error {
	_, err := scan(tx, lane, info.first, func(seq uint64) bool {
		key := key64(seq)
		if r, ok := readRecord(kindItem, key, tx.Bucket(bucketItems).Get(key), q.old); ok {
			info.first, info.submitted = seq, r.Submitted
			return false
		}
		return true
	})
	if info.submitted.IsZero() {
		info.submitted = oldest
	}
	if info.submitted.IsZero() {
		info.submitted = time.Now() // it was put without a time, or is gone by now
	}
	return err
}

// oldest is when the first item was submitted.
func (q *Queue) oldest(tx *bbolt.Tx) time.Time {
	c := tx.Bucket(bucketItems).Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		if r, ok := readRecord(kindItem, key, value, q.old); ok {
			return r.Submitted
		}
	}
	return time.Time{}
}
