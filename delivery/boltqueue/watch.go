package boltqueue

import (
	"context"
	"time"

	"go.etcd.io/bbolt"
)

// watchEvery is how often the queue looks after its file.
const watchEvery = time.Second

// watch looks after the file while nobody writes, until the queue is closed: that it is whole, that buried items do not
// stay for ever, that a disk that was full is tried again, and that the last transaction does not depend on one page.
func (q *Queue) watch(ctx context.Context) {
	defer close(q.watched)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	wrote := q.writer.written.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.file.dead:
			_ = q.stop(q.file.err)
			return
		case <-tick.C:
		}
		if err := q.file.whole(); err != nil {
			q.file.fail(err)
			continue
		}
		if q.buriedIsOld() {
			for more := true; more && ctx.Err() == nil; {
				more, _ = q.dropOld(ctx)
			}
		}
		n := q.writer.written.Load()
		idle := n == wrote && !q.writer.doubled.Load()
		if wrote = n; idle || q.writer.full.Load() {
			_ = q.writer.enqueue(&op{tend: func() { q.writer.tend(idle) }})
		}
	}
}

// buriedIsOld reports whether the oldest buried item has been kept for long enough.
func (q *Queue) buriedIsOld() (old bool) {
	if time.Now().Before(q.agesFrom) {
		return false
	}
	_ = q.view(func(tx *bbolt.Tx) error {
		if k, v := tx.Bucket(bucketBuried).Cursor().First(); k != nil {
			old = q.tooOld(k, v, q.clock.now())
		}
		return nil
	})
	return old
}

// tend tries a full disk again, and makes the last transaction depend on more than one page. The writer calls it.
func (w *writer) tend(idle bool) {
	w.tryDisk()
	if idle && !w.doubled.Load() {
		_ = w.double()
	}
}
