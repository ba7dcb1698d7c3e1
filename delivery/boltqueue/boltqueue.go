package boltqueue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	defaultBuriedAge = 30 * 24 * time.Hour
	maxLane          = 1024

	// Buried items take at most this share of the room, which is this where only the disk sets a limit.
	buriedShare = 4
	defaultRoom = 4 << 30
)

// ErrLocked is returned by [Open] when the queue is open already: in another process, or a second time in this one.
var ErrLocked = errors.New("boltqueue: the queue is open already, perhaps in another process")

// config is what the options build.
type config struct {
	leaseTime   time.Duration
	window      time.Duration
	maxSize     int
	buriedAge   time.Duration
	buriedLimit int
	logger      *slog.Logger
	wall        func() time.Time
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

// WithBuriedAge sets how long a buried call is kept; then it is dropped. Defaults to 30 days. When nothing was written
// for a day before the queue was opened, nothing is dropped for its age in the first hour: the clock may be wrong.
func WithBuriedAge(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return optionError("WithBuriedAge", "the time must be positive")
		}
		c.buriedAge = d
		return nil
	}
}

// WithBuriedLimit sets how many buried calls are kept; then the oldest are dropped. Defaults to 0, which means that
// they take at most a quarter of [WithMaxSize], or 1 GiB without that.
func WithBuriedLimit(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return optionError("WithBuriedLimit", "the number must not be negative")
		}
		c.buriedLimit = n
		return nil
	}
}

// WithLogger sets where the queue says that a file was damaged, what it mended, which calls it could not read, and why
// a mostly free file could not be made small. No body is logged. Defaults to [slog.Default].
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		if logger == nil {
			return optionError("WithLogger", "the logger is nil")
		}
		c.logger = logger
		return nil
	}
}

// Queue is a queue in one file. Make one with [Open].
type Queue struct {
	config

	file      *handle
	clock     clock
	writer    writer
	old       bool               // there may be records of format 1
	buriedSum int64              // bytes of buried records; the writer's own
	agesFrom  time.Time          // nothing is dropped for its age before
	unwatch   context.CancelFunc // ends watch
	watched   chan struct{}      // closed when it has ended

	mu        sync.Mutex
	closed    bool
	turns     sched.Turns
	holds     sched.Holds
	signal    sched.Signal
	settling  map[uint64]struct{}  // items whose settlement is being written
	lanes     map[string]*laneInfo // lanes with pending items
	from      map[string]uint64    // where in a lane to look for the next item: what is before is leased or gone
	nextDue   time.Time            // when the next delayed item is due; zero when there is none
	promoting bool                 // delayed items are being made due
	broken    error                // why nothing can be written any more
}

var _ delivery.Queue = (*Queue)(nil)

// Open opens the queue in the file at path, which is made when it does not exist; its directory must. It returns an
// error that wraps [ErrLocked] within a second when another process has it open.
//
// The file is read once. What can be mended in a damaged one is mended, and said to the logger (see [WithLogger]); a
// file whose structure is damaged is left as it is, and Open returns an error.
func Open(path string, opts ...Option) (*Queue, error) {
	q := &Queue{
		config:   config{leaseTime: defaultLeaseTime, window: defaultWindow, buriedAge: defaultBuriedAge},
		watched:  make(chan struct{}),
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
	if q.logger == nil {
		q.logger = slog.Default()
	}
	q.clock.wall = q.wall
	q.clock.start()
	file, found, err := openFile(path, q.maxSize, &q.clock, q.logger)
	if err != nil {
		return nil, err
	}
	q.file, q.writer.queue = file, q
	err = q.settleIn(found)
	if err == nil {
		err = q.writer.start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("boltqueue: open %s: %w", path, err), file.close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	q.unwatch = cancel
	go q.watch(ctx)
	return q, nil
}

// Put implements [delivery.Queue]. When ctx ends while the item is being written, Put still waits for the disk, so its
// answer is always right.
func (q *Queue) Put(ctx context.Context, item delivery.Item) (added bool, err error) {
	if err := q.opened(); err != nil {
		return false, err
	}
	if err := checkLane(item.Lane); err != nil {
		return false, err
	}
	data := draftRecord(&record.Record{Item: item})
	err = q.writer.do(ctx, &op{
		grows: true,
		apply: func(t *txn) (func(), error) {
			seq, ok, err := t.put(&item, data, true)
			return func() {
				if added = ok; ok {
					q.arrived(item.Lane, seq)
				}
			}, err
		},
	})
	if err != nil {
		return false, err
	}
	return added, nil
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

// Counts implements [delivery.Queue]. All figures survive a restart.
func (q *Queue) Counts(context.Context) (delivery.Counts, error) {
	if err := q.usable(); err != nil {
		return delivery.Counts{}, err
	}
	q.mu.Lock()
	paused := q.turns.Paused(time.Now())
	q.mu.Unlock()
	var oldest time.Time
	var c counts
	err := q.view(func(tx *bbolt.Tx) error {
		c = readCounts(tx)
		oldest = q.oldest(tx)
		return nil
	})
	return delivery.Counts{
		Stored: c.stored, Duplicates: c.duplicates, Delivered: c.delivered, Buried: c.buried,
		Pending: c.stored - c.delivered - c.buried, Kept: c.kept, Dropped: c.dropped, PausedLanes: paused, Oldest: oldest,
	}, q.wrap(err)
}

// Close implements [delivery.Queue]. What waits to be written is written first.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed || q.file == nil {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	q.signal.Notify()
	q.mu.Unlock()
	q.unwatch()
	q.writer.stop()
	select {
	case <-q.watched:
	case <-q.file.dead:
	}
	return q.wrap(q.file.close())
}

// view reads the file.
func (q *Queue) view(fn func(tx *bbolt.Tx) error) error {
	err := q.file.view(fn)
	if err != nil && q.file.failed() != nil && !errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return q.ended(err)
	}
	return err
}

// stop notes why nothing is written any more, and tells those who wait.
func (q *Queue) stop(err error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken == nil {
		q.broken = q.ended(err)
	}
	q.signal.Notify()
	return q.broken
}

// ended is what everybody is told once the file has failed.
func (q *Queue) ended(err error) error {
	if errors.Is(err, delivery.ErrClosed) {
		return err
	}
	return fmt.Errorf("boltqueue: %w: its file failed, open it again: %w", delivery.ErrClosed, err)
}

// opened returns an error when Open did not make the queue.
func (q *Queue) opened() error {
	if q.file == nil {
		return fmt.Errorf("boltqueue: the queue is zero, make one with Open: %w", delivery.ErrClosed)
	}
	return nil
}

// usable returns ErrClosed once the queue is closed.
func (q *Queue) usable() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return delivery.ErrClosed
	}
	return q.opened()
}

// wrap names the package in errors of the file.
func (q *Queue) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return delivery.ErrClosed
	case errors.Is(err, delivery.ErrClosed):
		return err
	}
	return fmt.Errorf("boltqueue: %w", err)
}

// Format prints a queue as its name, whatever the verb: what waits in it belongs to people.
func (q *Queue) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "boltqueue.Queue") }
