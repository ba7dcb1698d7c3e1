package pgqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/appevents/appevents-go/delivery"
)

const (
	// patience bounds how long a Put goes on while the server does not answer, as during a restart, when the caller's
	// context does not end sooner.
	patience = 15 * time.Second
	minDelay = 10 * time.Millisecond
	maxDelay = time.Second

	// conflicts bounds how often a transaction is tried that others get in the way of.
	conflicts = 100

	// undoTime bounds how long it may take to leave a connection as it was.
	undoTime = 2 * time.Second

	// closeGrace is how long what is under way may go on when the queue is closed. To cut it off would cost the caller's
	// pool a connection, and takes a cancel request, at which some poolers fail.
	closeGrace = 2 * time.Second
)

// Every transaction begins like this, whatever the database's defaults are. Calls wait in a row of a million one hour
// and are gone the next, so what the planner knows of the tables is never right: it is told to use the indexes. Nobody
// waits for long for a key that somebody else's transaction holds.
const (
	begin   = `BEGIN ISOLATION LEVEL READ COMMITTED`
	prelude = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
		set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
		set_config('jit', 'off', true), set_config('lock_timeout', '500', true)`
)

// transact runs the statements that queue puts into a batch as one transaction and in one round trip. It tries again
// when others got in the way; queue is called for each try. The error is the server's own.
func (q *Queue) transact(ctx context.Context, queue func(b *pgx.Batch)) error {
	for try := 1; ; try++ {
		err := q.attempt(ctx, queue)
		if !conflict(err) || try == conflicts {
			return err
		}
		if !q.wait(ctx, min(minDelay<<min(try-1, 5), maxDelay)/2, nil) {
			return err
		}
	}
}

func (q *Queue) attempt(ctx context.Context, queue func(b *pgx.Batch)) error {
	conn, err := q.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	b := new(pgx.Batch)
	b.Queue(begin)
	b.Queue(prelude)
	queue(b)
	b.Queue(`COMMIT`)
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		undo(ctx, conn, err)
		return err
	}
	return nil
}

// undo ends a transaction that failed. A connection to a server that takes no writes is given up, so that the pool
// makes another, perhaps to the server that does.
func undo(ctx context.Context, conn *pgxpool.Conn, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	if codeOf(cause) == codeReadOnly {
		_ = conn.Conn().Close(ctx)
		return
	}
	if !conn.Conn().IsClosed() {
		_, _ = conn.Exec(ctx, `ROLLBACK`)
	}
}

// wait returns when d is over, woken says so, ctx ends or the queue is closed; false in the last two cases.
func (q *Queue) wait(ctx context.Context, d time.Duration, woken <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-woken:
	case <-ctx.Done():
		return false
	case <-q.ctx.Done():
		return false
	}
	return true
}

// usable returns why the queue cannot be used any more with ctx, or nil.
func (q *Queue) usable(ctx context.Context) error {
	switch {
	case q.ctx == nil:
		return fmt.Errorf("pgqueue: the queue is zero, make one with Open: %w", delivery.ErrClosed)
	case q.ctx.Err() != nil:
		return delivery.ErrClosed
	}
	return ctx.Err()
}

// while returns a context for a statement of a method: it ends with the queue too, after its grace.
func (q *Queue) while(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(q.end, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// closing makes the error of a statement that Close cut off ErrClosed.
func (q *Queue) closing(ctx context.Context, err error) error {
	if err != nil && q.ctx.Err() != nil && ctx.Err() == nil {
		return delivery.ErrClosed
	}
	return err
}

// nanos keeps what timestamptz, with its microseconds, would cut off. What does not fit is as far away as can be.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Year() >= 2262:
		return 1<<63 - 1
	case t.Year() < 1678:
		return -1 << 63
	default:
		return t.UnixNano()
	}
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}
