package boltqueue

import (
	"context"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
)

// The two pauses of a lane.
const (
	byDispatcher = iota
	byPerson
	pauseKinds
)

// storedPause is a pause as stored: until when, since when if that is known, and why. One that is over is zero.
type storedPause struct {
	until, set int64
	note       string
}

type storedPauses [pauseKinds]storedPause

// parsePauses reads the pauses of a lane. In format 1 there is one, of the dispatchers, and only its end.
func parsePauses(lane, value []byte) (list storedPauses, ok bool) {
	if len(value) == 8 {
		list[byDispatcher].until = number64(value)
		return list, true
	}
	data, ok := unseal(kindPause, lane, value)
	for i := range list {
		if len(data) < 16 {
			return storedPauses{}, false
		}
		list[i].until, list[i].set = number64(data), number64(data[8:])
		n, size := binary.Uvarint(data[16:])
		if size <= 0 || n > uint64(len(data)-16-size) { //nolint:gosec // size is of these bytes
			return storedPauses{}, false
		}
		data = data[16+size:]
		list[i].note, data = string(data[:n]), data[n:]
	}
	return list, ok
}

func (list *storedPauses) seal(lane []byte) []byte {
	return newDraft(func(dst []byte) []byte {
		for _, p := range list {
			dst = append64(append64(dst, p.until), p.set)
			dst = append(binary.AppendUvarint(dst, uint64(len(p.note))), p.note...)
		}
		return dst
	}).seal(kindPause, lane)
}

// Pause implements [delivery.Queue]. Both pauses of a lane and their notes survive a restart.
func (q *Queue) Pause(ctx context.Context, p delivery.Pause) error {
	if err := q.opened(); err != nil {
		return err
	}
	if err := checkLane(p.Lane); err != nil {
		return err
	}
	set, until := q.clock.now(), q.clock.nanos(p.Until)
	kind, stored := byDispatcher, storedPause{}
	if p.Manual {
		kind = byPerson
	}
	if until > set {
		stored = storedPause{until: until, set: set, note: p.Note}
	}
	q.mu.Lock()
	if q.turns.Set(q.pauseOf(p.Lane, kind, stored), time.Now()) {
		q.signal.Notify()
	}
	q.mu.Unlock()
	return q.writer.do(ctx, &op{apply: func(t *txn) (func(), error) {
		return nil, t.pause(p.Lane, func(list *storedPauses) { list[kind] = stored })
	}})
}

// pauseOf is a stored pause as the others know it.
func (q *Queue) pauseOf(lane string, kind int, p storedPause) delivery.Pause {
	return delivery.Pause{Lane: lane, Until: q.dueTime(p.until), Note: p.note, Manual: kind == byPerson}
}

// pause changes the pauses of a lane. Those that are over are forgotten.
func (t *txn) pause(lane string, change func(list *storedPauses)) error {
	b, key := t.bucket(bucketPauses), []byte(lane)
	var list storedPauses
	if value := b.Get(key); value != nil {
		list, _ = parsePauses(key, value)
	}
	change(&list)
	for i := range list {
		if list[i].until <= t.stamp {
			list[i] = storedPause{}
		}
	}
	if list == (storedPauses{}) {
		return b.Delete(key)
	}
	return b.Put(key, list.seal(key))
}

// loadPauses reads the pauses. Those that are over are removed, and those from a time that has not come begin now.
func (q *Queue) loadPauses() error {
	now := q.clock.now()
	type laneChange struct {
		lane string
		list storedPauses
	}
	var changed []laneChange
	err := q.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketPauses).Cursor()
		for key, value := c.First(); key != nil; key, value = c.Next() {
			before, ok := parsePauses(key, value)
			if !ok {
				continue // said already
			}
			lane, list := string(key), before
			for i := range list {
				p := &list[i]
				if to := clamp(p.until, p.set, now); to != p.until {
					p.until, p.set = to, now
				}
				if p.until > now {
					q.turns.Set(q.pauseOf(lane, i, *p), time.Now())
				} else {
					*p = storedPause{}
				}
			}
			if list != before {
				changed = append(changed, laneChange{lane, list})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return each(q, changed, func(t *txn, c laneChange) error {
		return t.pause(c.lane, func(list *storedPauses) { *list = c.list })
	})
}
