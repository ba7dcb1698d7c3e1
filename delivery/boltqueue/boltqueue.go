// Package boltqueue is a [delivery.Queue] in one file, for one machine: nothing to run beside your program.
//
// # Durability
//
// An item is on the disk, flushed with fsync, when Put returns, and so is a settlement when Settle returns. Many
// callers at a time share one flush: whoever waits when a flush ends is in the next one, so a single caller never waits
// for a timer.
//
// When the process dies, also by kill -9, nothing acknowledged is lost, and what it had leased and not settled is due
// again at once when the queue is next opened. When the machine dies, the same holds as far as the disk keeps what it
// said it had flushed. When the disk dies the queue is gone: one file on one machine has no second copy.
//
// # Duplicates
//
// A key is remembered for 48 hours (see [WithWindow]), also after a restart. The newest ones are held in memory, older
// ones only in the file, so memory stays flat however many there are, and however many items wait.
//
// # One process
//
// The file is locked while it is open, and [Open] returns [ErrLocked] for a second process. The lock ends with the
// process. Keep the file on a local disk: network file systems promise neither locks nor flushes.
//
// # Space
//
// Space of delivered calls is used again, and a file of more than 32 MiB that is mostly free is made small when it is
// opened. When the disk is full, or the file as large as [WithMaxSize] allows, Put fails with [delivery.ErrFull], and
// what is in the queue stays intact and is delivered: room for that is laid aside. Put works again once there is room.
//
// # Damage
//
// Open reads the file once, and returns an error when it is damaged, is another program's, or was written by a newer
// version of this package. When the disk fails to write, the queue hands out nothing more, since what cannot be settled
// would be sent again and again: all methods but Buried and Counts return an error that wraps [delivery.ErrClosed], so
// Dispatcher.Run ends with it, until the queue is opened again.
package boltqueue

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
	"github.com/appevents/appevents-go/delivery/internal/sched"
)

const (
	defaultLeaseTime = time.Minute
	defaultWindow    = 48 * time.Hour
	maxLane          = 1024
)

// ErrLocked is returned by [Open] when the queue is open already: in another process, or a second time in this one.
var ErrLocked = errors.New("boltqueue: the queue is open already, perhaps in another process")

// config is what the options build.
type config struct {
	leaseTime time.Duration
	window    time.Duration
	maxSize   int
}

// Option sets one property of a [Queue]. One with a value that cannot work makes [Open] return an
// [*appevents.ConfigError].
type Option func(*config) error

func optionError(option, reason string) error {
	return &appevents.ConfigError{Field: "boltqueue." + option, Reason: reason}
}

// WithLeaseTime sets how long a lease lasts: a request must be over by then. Defaults to one minute.
func WithLeaseTime(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return optionError("WithLeaseTime", "the time must be positive")
		}
		c.leaseTime = d
		return nil
	}
}

// WithWindow sets how long a key is remembered at least; a quarter longer at most. Defaults to 48 hours: Meta repeats a
// webhook for up to 36. A remembered key takes about 50 bytes of the file, and memory only while it is one of the
// newest 65,536 or so.
func WithWindow(d time.Duration) Option {
	return func(c *config) error {
		if d < generations {
			return optionError("WithWindow", "the time must be positive")
		}
		c.window = d
		return nil
	}
}

// WithMaxSize sets the size in bytes the file may grow to; then Put fails with [delivery.ErrFull]. The file doubles up
// to 16 MiB and grows in steps of 16 MiB from there, and a step that would exceed the limit is not taken. Defaults to
// 0, which means that only the disk sets a limit.
func WithMaxSize(bytes int) Option {
	return func(c *config) error {
		if bytes < 0 {
			return optionError("WithMaxSize", "the size must not be negative")
		}
		c.maxSize = bytes
		return nil
	}
}

// Queue is a queue in one file. Make one with [Open].
type Queue struct {
	config

	db     *bbolt.DB
	writer writer

	mu        sync.Mutex
	closed    bool
	turns     sched.Turns
	holds     sched.Holds
	signal    sched.Signal
	settling  map[uint64]struct{} // items whose settlement is being written
	from      map[string]uint64   // where in a lane to look for the next item: what is before is leased or gone
	nextDue   time.Time           // when the next delayed item is due; zero when there is none
	promoting bool                // delayed items are being made due
	broken    error               // why nothing can be written any more
}

var _ delivery.Queue = (*Queue)(nil)

// Open opens the queue in the file at path, which is made when it does not exist; its directory must. It returns an
// error that wraps [ErrLocked] within a second when another process has it open.
func Open(path string, opts ...Option) (*Queue, error) {
	q := &Queue{
		config:   config{leaseTime: defaultLeaseTime, window: defaultWindow},
		settling: make(map[uint64]struct{}),
		from:     make(map[string]uint64),
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, optionError("Open", "an option is nil")
		}
		if err := opt(&q.config); err != nil {
			return nil, err
		}
	}
	db, err := openFile(path, q.maxSize)
	if err != nil {
		return nil, err
	}
	q.db = db
	err = q.load()
	if err == nil {
		err = q.writer.start(q)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("boltqueue: open %s: %w", path, err), db.Close())
	}
	return q, nil
}

// load reads what the queue keeps in memory: lanes, pauses and recent keys.
func (q *Queue) load() error {
	now := time.Now()
	return q.view(func(tx *bbolt.Tx) error {
		forEachLane(tx, func(lane string, from uint64) {
			q.from[lane] = from
			q.turns.Ready(lane)
		})
		pauses := tx.Bucket(bucketPauses).Cursor()
		for lane, until := pauses.First(); lane != nil; lane, until = pauses.Next() {
			if len(until) == 8 {
				q.turns.Pause(string(lane), nanosToTime(binary.BigEndian.Uint64(until)), now)
			}
		}
		q.nextDue = firstDue(tx)
		q.writer.keys.window = q.window
		q.writer.keys.load(tx, now)
		return nil
	})
}

// Put implements [delivery.Queue]. When ctx ends while the item is being written, Put still waits for the disk, so its
// answer is always right.
func (q *Queue) Put(ctx context.Context, item delivery.Item) (added bool, err error) {
	if err := checkLane(item.Lane); err != nil {
		return false, err
	}
	data := record.Append(nil, &record.Record{Item: item})
	err = q.writer.do(ctx, &op{
		grows: true,
		apply: func(t *txn) (func(), error) {
			seq, ok, err := t.put(item.Key, item.Lane, data, true)
			added = ok
			return func() {
				if ok {
					q.arrived(item.Lane, seq)
				}
			}, err
		},
	})
	return added && err == nil, err
}

// checkLane refuses what bbolt does not take for a key.
func checkLane(lane string) error {
	if lane == "" || len(lane) > maxLane {
		return fmt.Errorf("boltqueue: a lane must have from 1 to %d bytes", maxLane)
	}
	return nil
}

// arrived notes that an item is due. The caller holds mu.
func (q *Queue) arrived(lane string, seq uint64) {
	if from, ok := q.from[lane]; !ok || seq < from {
		q.from[lane] = seq
	}
	q.turns.Ready(lane)
	q.signal.Notify()
}

// Pause implements [delivery.Queue].
func (q *Queue) Pause(ctx context.Context, p delivery.Pause) error {
	lane, until := p.Lane, p.Until
	if err := checkLane(lane); err != nil {
		return err
	}
	now := time.Now()
	q.mu.Lock()
	if q.turns.Pause(lane, until, now) {
		q.signal.Notify()
	}
	q.mu.Unlock()
	return q.writer.do(ctx, &op{apply: func(t *txn) (func(), error) {
		if !until.After(now) {
			return nil, t.bucket(bucketPauses).Delete([]byte(lane))
		}
		return nil, t.bucket(bucketPauses).Put([]byte(lane), key64(timeToNanos(until)))
	}})
}

// Buried implements [delivery.Queue].
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
	err = q.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketBuried).Cursor()
		for k, v := c.Seek(key64(first)); k != nil && len(list) < limit; k, v = c.Next() {
			r := parse(slices.Clone(v), "")
			list = append(list, delivery.Buried{
				Item: r.Item, ID: strconv.FormatUint(binary.BigEndian.Uint64(k), 10), Reason: r.Reason,
				Attempts: r.Attempts, FirstError: r.FirstError, LastError: r.LastError, BuriedAt: r.BuriedAt,
			})
		}
		return nil
	})
	return list, q.wrap(err)
}

// Unbury implements [delivery.Queue].
func (q *Queue) Unbury(ctx context.Context, list ...delivery.Unburial) (done int, err error) {
	for _, u := range list {
		switch e := q.unbury(ctx, u.ID, u.Again); {
		case e == nil:
			done++
		case errors.Is(e, delivery.ErrNotFound):
			err = e
		default:
			return done, e
		}
	}
	return done, err
}

// Lanes implements [delivery.Queue].
func (q *Queue) Lanes(context.Context) ([]delivery.LaneCounts, error) { return nil, nil }

func (q *Queue) unbury(ctx context.Context, id string, again *delivery.Item) error {
	number, err := strconv.ParseUint(id, 10, 64)
	found := err == nil
	var item delivery.Item
	var data []byte
	if again != nil {
		if err := checkLane(again.Lane); err != nil {
			return err
		}
		item = *again
		data = record.Append(nil, &record.Record{Item: item})
	}
	err = q.writer.do(ctx, &op{apply: func(t *txn) (func(), error) {
		if found = found && t.unbury(number); !found || again == nil {
			return nil, nil
		}
		seq, _, err := t.put(item.Key, item.Lane, data, false)
		return func() { q.arrived(item.Lane, seq) }, err
	}})
	if err == nil && !found {
		err = fmt.Errorf("boltqueue: %w", delivery.ErrNotFound)
	}
	return err
}

// Counts implements [delivery.Queue]. All figures survive a restart.
func (q *Queue) Counts(context.Context) (delivery.Counts, error) {
	q.mu.Lock()
	closed, paused := q.closed, q.turns.Paused(time.Now())
	q.mu.Unlock()
	if closed {
		return delivery.Counts{}, delivery.ErrClosed
	}
	var oldest time.Time
	var c counts
	err := q.view(func(tx *bbolt.Tx) error {
		c = readCounts(tx)
		if _, v := tx.Bucket(bucketItems).Cursor().First(); v != nil {
			oldest = parse(v, "").Submitted
		}
		return nil
	})
	return delivery.Counts{
		Stored: c.stored, Duplicates: c.duplicates, Delivered: c.delivered, Buried: c.buried,
		Pending: c.stored - c.delivered - c.buried, Kept: c.kept, PausedLanes: paused, Oldest: oldest,
	}, q.wrap(err)
}

// Close implements [delivery.Queue]. What waits to be written is written first.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	q.signal.Notify()
	q.mu.Unlock()
	q.writer.stop()
	return q.wrap(q.db.Close())
}

// view reads the file.
func (q *Queue) view(fn func(tx *bbolt.Tx) error) error {
	return guard(func() error { return q.db.View(fn) })
}

// usable returns ErrClosed once the queue is closed.
func (q *Queue) usable() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return delivery.ErrClosed
	}
	return nil
}

// wrap names the package in errors of the file.
func (q *Queue) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return delivery.ErrClosed
	}
	return fmt.Errorf("boltqueue: %w", err)
}
