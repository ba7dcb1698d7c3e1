package pgqueue

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

// SubmitTx accepts a call in a transaction of the caller's: it is delivered when tx commits, and was never there when
// tx is rolled back. It is [delivery.Dispatcher.Submit] otherwise: the call is validated first, which leaves tx alone
// when it fails, and nil is returned for a key that was accepted before, with nothing stored.
//
// tx is a transaction in the database of the dispatcher's queue, at any isolation level, of any pool or connection. A
// key that another transaction has submitted and not ended makes SubmitTx wait for its end, so submit several keys in
// the same order everywhere. After an error of the database tx can only be rolled back, as after any other; one with
// the code 40001 or 40P01 says that the whole of it can be tried again.
//
// It returns an error that wraps [ErrNotThisQueue] when the dispatcher keeps its calls elsewhere. A queue that wraps a
// [Queue] passes when it has its methods PutTx and PutSQL, as one that embeds it does.
func SubmitTx(ctx context.Context, d *delivery.Dispatcher, tx pgx.Tx, key string, call appevents.Call) error {
	q, item, err := prepare(d, key, call)
	if err != nil {
		return err
	}
	_, err = q.PutTx(ctx, tx, item)
	return err
}

// SubmitSQL is [SubmitTx] for a transaction of package database/sql, with any driver for Postgres: pgx's stdlib and
// lib/pq are tested. Wrappers mostly have the [*sql.Tx] inside, as sqlx.Tx does. An interface would let in a whole
// database by mistake, and with that a call whose order is rolled back.
func SubmitSQL(ctx context.Context, d *delivery.Dispatcher, tx *sql.Tx, key string, call appevents.Call) error {
	q, item, err := prepare(d, key, call)
	if err != nil {
		return err
	}
	_, err = q.PutSQL(ctx, tx, item)
	return err
}

// outbox is what a queue must have to take part in transactions.
type outbox interface {
	PutTx(ctx context.Context, tx pgx.Tx, item delivery.Item) (added bool, err error)
	PutSQL(ctx context.Context, tx *sql.Tx, item delivery.Item) (added bool, err error)
}

func prepare(d *delivery.Dispatcher, key string, call appevents.Call) (outbox, delivery.Item, error) {
	if d == nil {
		return nil, delivery.Item{}, optionError("SubmitTx", "the dispatcher is nil")
	}
	q, ok := d.Queue().(outbox)
	if !ok {
		return nil, delivery.Item{}, fmt.Errorf("pgqueue: %w", ErrNotThisQueue)
	}
	item, err := d.Item(key, call)
	return q, item, err
}

// PutTx stores item in tx, for those who make items themselves. It returns false, and stores nothing, when an item with
// the same Key was stored within the window.
func (q *Queue) PutTx(ctx context.Context, tx pgx.Tx, item delivery.Item) (added bool, err error) {
	if tx == nil {
		return false, optionError("PutTx", "the transaction is nil")
	}
	return q.putIn(ctx, item, func(args []any) (n int, err error) {
		err = tx.QueryRow(ctx, q.sql.putTx, args...).Scan(&n, nil)
		return n, err
	})
}

// PutSQL is [Queue.PutTx] for a transaction of package database/sql.
func (q *Queue) PutSQL(ctx context.Context, tx *sql.Tx, item delivery.Item) (added bool, err error) {
	if tx == nil {
		return false, optionError("PutSQL", "the transaction is nil")
	}
	return q.putIn(ctx, item, func(args []any) (n int, err error) {
		var told sql.NullString
		err = tx.QueryRowContext(ctx, q.sql.putTx, args...).Scan(&n, &told)
		return n, err
	})
}

func (q *Queue) putIn(ctx context.Context, item delivery.Item, run func(args []any) (int, error)) (bool, error) {
	if err := q.usable(ctx); err != nil {
		return false, err
	}
	if err := checkLane(item.Lane); err != nil {
		return false, err
	}
	n, err := run([]any{
		uuidText(item.Key), rand.Int64(), item.Lane, uuidText(item.Group), notNil(item.Body), //nolint:gosec // not secret
		nanos(item.Submitted), nanos(item.Expires), micros(q.window), q.mayTell(), q.channel,
	})
	return n > 0, described(err)
}

// uuidText is what every driver takes for a uuid.
func uuidText[T ~[16]byte](v T) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
}

// mayTell reports whether a transaction of a caller's may notify when it commits. When the last one did just now it may
// not; those who wait are told soon after, and find it by themselves when it commits later.
func (q *Queue) mayTell() bool {
	q.mu.Lock()
	now := time.Now()
	ok := now.Sub(q.told) >= notifyEvery
	if ok {
		q.told = now
	}
	q.mu.Unlock()
	if !ok {
		kick(q.tell)
	}
	return ok
}
