package boltqueue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/appevents/appevents-go/delivery"
)

const (
	maxBatch = 4096 // operations in one transaction
	maxYield = 16   // how often the writer lets others run before a transaction
)

// op is something to write. It is done when done is closed; err is set before.
type op struct {
	// apply changes the transaction and returns what to do in memory once that is on the disk, under Queue.mu.
	apply func(t *txn) (after func(), err error)

	grows  bool   // it only takes room; on a full disk the others are tried without it
	failed func() // called under Queue.mu when it could not be written; may be nil

	done  chan struct{}
	err   error
	after func()
	taken bool // by the writer; guarded by writer.mu
}

// writer writes operations, all that wait in one transaction.
type writer struct {
	queue *Queue
	keys  keys
	ended chan struct{}

	mu      sync.Mutex
	arrived sync.Cond
	waiting []*op
	closing bool

	spent bool // the reserve is used up; the writer's own
}

// start lays room aside, unless the disk is full already, and starts the writer.
func (w *writer) start(q *Queue) error {
	w.queue, w.ended, w.arrived.L = q, make(chan struct{}), &w.mu
	if err := w.reserve(true); err != nil && !errors.Is(err, delivery.ErrFull) {
		return err
	}
	go w.run()
	return nil
}

// stop writes what waits and ends the writer.
func (w *writer) stop() {
	w.mu.Lock()
	w.closing = true
	w.arrived.Signal()
	w.mu.Unlock()
	<-w.ended
}

// do writes o. When ctx ends first, o is taken back unless it is being written by then.
func (w *writer) do(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.enqueue(o); err != nil {
		return err
	}
	select {
	case <-o.done:
	case <-ctx.Done():
		if w.withdraw(o) {
			return ctx.Err()
		}
		<-o.done
	}
	return o.err
}

// enqueue hands o to the writer.
func (w *writer) enqueue(o *op) error {
	o.done = make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return delivery.ErrClosed
	}
	w.waiting = append(w.waiting, o)
	if len(w.waiting) == 1 {
		w.arrived.Signal()
	}
	return nil
}

func (w *writer) withdraw(o *op) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.taken {
		return false
	}
	w.waiting = slices.DeleteFunc(w.waiting, func(other *op) bool { return other == o })
	return true
}

func (w *writer) run() {
	defer close(w.ended)
	for {
		batch, ok := w.take()
		if !ok {
			return
		}
		if w.spent && w.growing(batch) {
			// Nothing new before there is a reserve again.
			if err := w.reserve(true); err != nil {
				batch = w.reject(batch, err)
			}
		}
		err := w.commit(batch)
		if errors.Is(err, delivery.ErrFull) {
			// What frees room must not fail with what needs it.
			if batch = w.reject(batch, err); len(batch) > 0 {
				_ = w.reserve(false)
				err = w.commit(batch)
			}
		}
		w.finish(batch, err)
	}
}

// take waits for operations and returns all there are.
func (w *writer) take() ([]*op, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting) == 0 {
		if w.closing {
			return nil, false
		}
		w.arrived.Wait()
	}
	// Those who were just answered tend to come back at once: let them, or every second transaction is a small one.
	for range maxYield {
		n := len(w.waiting)
		w.mu.Unlock()
		runtime.Gosched()
		w.mu.Lock()
		if len(w.waiting) == n {
			break
		}
	}
	n := min(len(w.waiting), maxBatch)
	batch := slices.Clone(w.waiting[:n])
	clear(w.waiting[:n])
	w.waiting = append(w.waiting[:0], w.waiting[n:]...)
	for _, o := range batch {
		o.taken = true
	}
	return batch, true
}

// commit writes a batch and returns when it is on the disk.
func (w *writer) commit(batch []*op) error {
	if len(batch) == 0 {
		return nil
	}
	q := w.queue
	var (
		due time.Time
		t   *txn
	)
	err := w.update(func(tx *bbolt.Tx) error {
		t = &txn{
			tx: tx, opened: make(map[string]*bbolt.Bucket, 8), counts: readCounts(tx), now: time.Now(),
			keys: keyChange{keys: &w.keys},
		}
		before := t.counts
		for _, o := range batch {
			after, err := o.apply(t)
			if err != nil {
				return err
			}
			o.after = after
		}
		if err := errors.Join(t.writeReady(), t.writeKeys()); err != nil {
			return err
		}
		due = firstDue(tx)
		if t.counts == before {
			return nil
		}
		return t.bucket(bucketMeta).Put(metaCounts, t.counts.append(nil))
	})
	if err != nil {
		return err
	}
	t.keys.commit(t.now)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.nextDue = due
	for _, o := range batch {
		if o.after != nil {
			o.after()
		}
	}
	return nil
}

// update writes a transaction. After an error other than ErrFull nothing more is written.
func (w *writer) update(fn func(tx *bbolt.Tx) error) error {
	q := w.queue
	if q.broken != nil { // only the writer sets it
		return q.broken
	}
	switch err := guard(func() error { return q.db.Update(fn) }); {
	case err == nil:
		return nil
	case isFull(err):
		return fmt.Errorf("boltqueue: %w: %w", delivery.ErrFull, err)
	default:
		// After a failed flush nobody knows what is on the disk; reading it anew when the file is opened again does.
		q.mu.Lock()
		defer q.mu.Unlock()
		q.broken = fmt.Errorf("boltqueue: %w: writing failed, open it again: %w", delivery.ErrClosed, err)
		q.signal.Notify()
		return q.broken
	}
}

// growing reports whether a batch holds something that only takes room.
func (w *writer) growing(batch []*op) bool {
	return slices.ContainsFunc(batch, func(o *op) bool { return o.grows })
}

// reserve lays room aside in the file or gives it back. On a full disk it lets settlements be written, which make room
// in the end but take some first.
func (w *writer) reserve(lay bool) error {
	err := w.update(func(tx *bbolt.Tx) error { return layReserve(tx, lay) })
	w.spent = !lay || err != nil
	return err
}

// reject fails the operations of a batch that need room and returns the others.
func (w *writer) reject(batch []*op, err error) (rest []*op) {
	var grow []*op
	for _, o := range batch {
		if o.grows {
			grow = append(grow, o)
		} else {
			rest = append(rest, o)
		}
	}
	w.finish(grow, err)
	return rest
}

func (w *writer) finish(batch []*op, err error) {
	for _, o := range batch {
		if o.err = err; err != nil && o.failed != nil {
			w.queue.mu.Lock()
			o.failed()
			w.queue.mu.Unlock()
		}
		close(o.done)
	}
}

// isFull reports whether an error says that there was no room, and nothing was changed. bbolt keeps only the text of
// one of them. A flush that fails for lack of room is another matter: what it should have flushed may be lost.
func isFull(err error) bool {
	if errors.Is(err, bolterrors.ErrMaxSizeReached) || strings.HasPrefix(err.Error(), "file resize error") {
		return true
	}
	var write *fs.PathError
	return errors.As(err, &write) && write.Op == "write" &&
		(errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EDQUOT))
}
