package pgqueue

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// sweepEvery is how often what has had its time is looked for, when nothing says that it is there.
	sweepEvery = 10 * time.Second
	minSweep   = 100 * time.Millisecond
	sweepTime  = 30 * time.Second

	// sweepBatch is how much goes in one transaction.
	sweepBatch = 1000
)

// sweepOn removes keys and buried calls that have had their time, and looks at the clock, until the queue is closed.
// One process does at a time.
func (q *Queue) sweepOn() {
	every := max(minSweep, min(sweepEvery, q.window/4, q.buriedAge/4))
	for {
		more := q.sweepOnce()
		d := minSweep
		if !more {
			d = every - time.Duration(rand.Int64N(int64(every/4))) //nolint:gosec // keeps processes apart
		}
		if !q.wait(q.ctx, d, q.sweep) {
			return
		}
		if !q.wait(q.ctx, minSweep/2, nil) {
			return
		}
	}
}

// sweepOnce removes a batch of each. more is true when there is more of one.
func (q *Queue) sweepOnce() (more bool) {
	ctx, cancel := context.WithTimeout(q.end, sweepTime)
	defer cancel()
	for _, statement := range []struct {
		text string
		args []any
	}{
		{q.sql.setBack, nil},
		{q.sql.sweepLimit, []any{sweepBatch, q.buriedLimit, slot()}},
		{q.sql.sweepAge, []any{sweepBatch, micros(q.buriedAge), slot()}},
		{q.sql.sweepKeys, []any{sweepBatch}},
		{q.sql.sweepPauses, nil},
		{q.sql.sweepTallies, []any{sweepBatch, slot()}},
	} {
		if q.ctx.Err() != nil {
			return false
		}
		n, err := q.sweepWith(ctx, statement.text, statement.args)
		if err != nil {
			return false // next time
		}
		more = more || n >= sweepBatch
	}
	return more
}

// errBusy says that another process sweeps.
var errBusy = errors.New("pgqueue: busy")

// sweepWith runs one statement, unless another process is at it: both would count what is too much.
func (q *Queue) sweepWith(ctx context.Context, text string, args []any) (n int64, err error) {
	err = pgx.BeginTxFunc(ctx, q.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		mine := false
		err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1::bigint)`, q.lock+1).Scan(&mine)
		if err != nil {
			return err
		}
		if !mine {
			return errBusy
		}
		tag, err := tx.Exec(ctx, text, args...)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}
