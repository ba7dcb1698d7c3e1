package pgqueue

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/appevents/appevents-go/delivery"
)

// Queue is a queue in Postgres. Make one with [Open]; it is safe for concurrent use.
type Queue struct {
	config

	pool    *pgxpool.Pool
	lock    int64  // the advisory lock of this schema
	channel string // of its notifications
	sql     statements

	ctx     context.Context // ends with Close: nothing begins after that
	cancel  context.CancelFunc
	end     context.Context // ends closeGrace later, with what is under way
	cutOff  context.CancelFunc
	running sync.WaitGroup
	sweep   chan struct{} // sweep soon
	tell    chan struct{} // notify soon

	mu        sync.Mutex
	changed   chan struct{} // closed when there may be something to lease
	after     string        // where the next turn of the lanes begins
	listening bool
	waiting   []*put    // to be written
	writers   int       // at work
	told      time.Time // when a transaction of a caller's last notified
}

var _ delivery.Queue = (*Queue)(nil)

// Open opens the queue whose tables are in the database that pool leads to, and makes or migrates the tables when they
// are missing or old: one process does while the others wait. It fails with [ErrSchema] when a newer version of this
// package made them.
//
// The pool stays the caller's: close it after the queue. Two or more connections are needed for the queue to learn of
// new calls at once rather than within 250 ms.
func Open(ctx context.Context, pool *pgxpool.Pool, opts ...Option) (*Queue, error) {
	if pool == nil {
		return nil, optionError("Open", "the pool is nil")
	}
	q := &Queue{
		config: config{
			schema: DefaultSchema, leaseTime: defaultLeaseTime, window: defaultWindow, buriedAge: defaultBuriedAge,
			buriedLimit: defaultBuriedLimit,
		},
		pool: pool, changed: make(chan struct{}), sweep: make(chan struct{}, 1), tell: make(chan struct{}, 1),
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, optionError("Open", "an option is nil")
		}
		if err := opt(&q.config); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256([]byte("appevents pgqueue " + q.schema))
	q.lock = int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // any number will do
	q.channel = "appevents_" + hex.EncodeToString(sum[:8])
	q.sql = statementsFor(q.schema)
	if err := q.checkEncoding(ctx); err != nil {
		return nil, err
	}
	if err := q.setUp(ctx); err != nil {
		return nil, err
	}
	q.ctx, q.cancel = context.WithCancel(context.WithoutCancel(ctx))
	q.end, q.cutOff = context.WithCancel(context.WithoutCancel(ctx))
	q.running.Go(q.sweepOn)
	q.running.Go(q.notify)
	return q, nil
}

// checkEncoding refuses a database that would refuse some text of an error.
func (q *Queue) checkEncoding(ctx context.Context) error {
	encoding := ""
	if err := q.pool.QueryRow(ctx, `SHOW server_encoding`).Scan(&encoding); err != nil {
		return described(err)
	}
	if encoding != "UTF8" && encoding != "SQL_ASCII" {
		return fmt.Errorf("pgqueue: the database has the encoding %s; UTF8 is needed", encoding)
	}
	return nil
}

// Counts implements [delivery.Queue]. The figures are those of all processes, and survive everything that the calls do.
func (q *Queue) Counts(ctx context.Context) (c delivery.Counts, err error) {
	if err := q.usable(ctx); err != nil {
		return c, err
	}
	asking, cancel := q.while(ctx)
	defer cancel()
	var taken int64
	var oldest *int64
	err = q.pool.QueryRow(asking, q.sql.counts).Scan(&c.Stored, &c.Duplicates, &c.Delivered, &c.Buried, &c.Dropped, &taken,
		&c.PausedLanes, &oldest)
	if err != nil {
		return delivery.Counts{}, q.closing(ctx, described(err))
	}
	c.Pending = c.Stored - c.Delivered - c.Buried
	c.Kept = c.Buried - c.Dropped - taken
	if oldest != nil && c.Pending > 0 {
		c.Oldest = fromNanos(*oldest)
	}
	return c, nil
}

// wake tells those who wait in this process that there may be something to lease.
func (q *Queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.changed)
	q.changed = make(chan struct{})
}

// arrived tells everybody that there may be something to lease.
func (q *Queue) arrived() {
	q.wake()
	kick(q.tell)
}

// kick asks for something that is asked for already if the channel is full.
func kick(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close implements [delivery.Queue]. What is under way may end, for up to two seconds. The pool stays open. What was
// leased and not settled is handed out again when its lease ends.
func (q *Queue) Close() error {
	if q.ctx == nil {
		return nil
	}
	q.mu.Lock()
	q.cancel()
	q.mu.Unlock()
	time.AfterFunc(closeGrace, func() { q.cutOff() })
	q.running.Wait()
	return nil
}

// slot is where a transaction counts.
func slot() int32 { return rand.Int32N(slots) } //nolint:gosec // spreads work

func uuidOf[T ~[16]byte](v T) pgtype.UUID { return pgtype.UUID{Bytes: v, Valid: true} }

func micros(d time.Duration) int64 { return d.Microseconds() }

func notFound() error { return fmt.Errorf("pgqueue: %w", delivery.ErrNotFound) }

// Format prints a queue as its name, whatever the verb: its pool knows the database's password.
func (q *Queue) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "pgqueue.Queue") }
