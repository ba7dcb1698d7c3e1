package boltqueue

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

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

	tend func() // what to do instead of writing; the rest is not used then

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

	full    atomic.Bool  // there was no room, and nothing has been freed since
	written atomic.Int64 // transactions, those that failed included
	doubled atomic.Bool  // both first pages of the file stand for the same

	// The writer's own.
	err      error // why nothing is written any more
	kept     int64 // buried items
	spent    bool  // the reserve is used up
	alone    bool  // transactions begin while nobody reads
	fullFree int   // free pages when it was full
	fullStep int   // how many more make it worth another attempt
	disk     bool  // it was the disk that was full
	probe    probe
}

// start lays room aside, unless the disk is full already, and starts the writer.
func (w *writer) start() error {
	w.ended, w.arrived.L = make(chan struct{}), &w.mu
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
	select {
	case <-w.ended:
	case <-w.queue.file.dead: // it may hang for ever
	}
}

// do writes o. When ctx ends first, o is taken back unless it is being written by then.
func (w *writer) do(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.grows && w.full.Load() {
		return fmt.Errorf("boltqueue: %w", delivery.ErrFull)
	}
	if err := w.enqueue(o); err != nil {
		return err
	}
	dead := w.queue.file.dead
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		if w.withdraw(o) {
			return ctx.Err()
		}
	case <-dead:
	}
	select {
	case <-o.done:
		return o.err
	case <-dead: // the writer may hang for ever
		if w.withdraw(o) {
			return w.queue.ended(w.queue.file.err)
		}
	}
	select {
	case <-o.done:
		return o.err
	case <-time.After(hang):
		return w.queue.ended(w.queue.file.err)
	}
}

// hang is how long to wait for the writer when bbolt may hold its locks for ever.
const hang = 100 * time.Millisecond

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
			if !w.doubled.Load() {
				_ = w.double()
			}
			return
		}
		batch = slices.DeleteFunc(batch, func(o *op) bool {
			if o.tend != nil {
				o.tend()
			}
			return o.tend != nil
		})
		if w.growing(batch) {
			if err := w.roomFor(); err != nil {
				batch = w.reject(batch, err)
			}
		}
		err := w.commit(batch)
		for errors.Is(err, delivery.ErrFull) && w.growing(batch) && w.makeRoom() {
			err = w.commit(batch)
		}
		if errors.Is(err, delivery.ErrFull) {
			// What frees room must not fail with what needs it.
			if w.growing(batch) {
				w.noteFull(err)
			}
			if batch = w.reject(batch, err); len(batch) > 0 {
				err = w.rescue(func() error { return w.commit(batch) })
			}
		}
		if err == nil && w.growing(batch) {
			// Accepted means durable: nobody finds the file again when it is not where it was.
			if err := w.there(); err != nil {
				batch = w.reject(batch, err)
			}
		}
		w.finish(batch, err)
	}
}

// there returns an error when the file is not where it was. The watch may have closed it meanwhile.
func (w *writer) there() error {
	err := w.queue.file.there()
	if failed := w.queue.file.failed(); err != nil && failed != nil {
		return w.queue.ended(failed)
	}
	return err
}

// roomFor returns an error when nothing new can be stored: the file is gone, or there is no reserve.
func (w *writer) roomFor() error {
	if err := w.there(); err != nil {
		return err
	}
	if w.full.Load() {
		return fmt.Errorf("boltqueue: %w", delivery.ErrFull)
	}
	if !w.spent {
		return nil
	}
	err := w.reserve(true)
	if errors.Is(err, delivery.ErrFull) {
		w.noteFull(err)
	}
	return err
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
	t, err := w.write(func(t *txn) error {
		for _, o := range batch {
			after, err := o.apply(t)
			if err != nil {
				return err
			}
			o.after = after
		}
		return nil
	})
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.nextDue = q.dueTime(t.nextDue)
	for lane, n := range t.lanes {
		q.count(lane, n, t.floor)
	}
	for _, o := range batch {
		if o.after != nil {
			o.after()
		}
	}
	return nil
}

// write writes a transaction and returns when it is on the disk.
func (w *writer) write(fn func(t *txn) error) (t *txn, err error) {
	q := w.queue
	err = w.update(func(tx *bbolt.Tx) error {
		t = &txn{
			tx: tx, opened: make(map[string]*bbolt.Bucket, 8), counts: readCounts(tx), now: time.Now(),
			stamp: q.clock.now(), clock: &q.clock, keys: keyChange{keys: &w.keys}, old: q.old,
		}
		before := t.counts
		t.floor = before.last + 1
		if err := fn(t); err != nil {
			return err
		}
		if err := q.limitBuried(t, t.counts.buried-before.buried); err != nil {
			return err
		}
		if err := errors.Join(t.writeReady(), t.writeKeys()); err != nil {
			return err
		}
		t.nextDue = firstDue(tx)
		if t.counts == before {
			return nil
		}
		return t.bucket(bucketMeta).Put(metaCounts, t.counts.seal())
	})
	if err != nil {
		return nil, err
	}
	t.keys.commit(t.stamp)
	q.buriedSum += t.buriedSum
	w.kept = t.counts.kept
	if w.full.Load() {
		w.noteFreed(t.counts)
	}
	return t, nil
}

// double writes what the file holds once more, so that both of its first pages stand for it: when one is lost then,
// nothing is.
func (w *writer) double() error {
	err := w.update(func(*bbolt.Tx) error { return nil })
	w.doubled.Store(err == nil)
	return err
}

// update writes a transaction. After an error other than ErrFull nothing more is written.
func (w *writer) update(fn func(tx *bbolt.Tx) error) error {
	if w.err != nil {
		return w.err
	}
	w.doubled.Store(false)
	w.written.Add(1)
	update := w.queue.file.update
	if w.alone {
		update = w.queue.file.updateAlone
	}
	switch err := update(fn); {
	case err == nil:
		return nil
	case isFull(err) && w.queue.file.failed() == nil:
		return fmt.Errorf("boltqueue: %w: %w", delivery.ErrFull, err)
	default:
		// After a failed flush nobody knows what is on the disk; reading it anew when the file is opened again does.
		w.err = w.queue.stop(err)
		return w.err
	}
}

// growing reports whether a batch holds something that only takes room.
func (w *writer) growing(batch []*op) bool {
	return slices.ContainsFunc(batch, func(o *op) bool { return o.grows })
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
