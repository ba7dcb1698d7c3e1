package pgqueue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/appevents/appevents-go/delivery"
)

// maxSettlements is how many settlements share a transaction.
const maxSettlements = 1000

// Settle implements [delivery.Queue]. Up to 1,000 settlements share a transaction.
func (q *Queue) Settle(ctx context.Context, settlements ...delivery.Settlement) error {
	lost := 0
	for part := range slices.Chunk(settlements, maxSettlements) {
		if err := q.usable(ctx); err != nil {
			return err
		}
		asking, cancel := q.while(ctx)
		n, err := q.settle(asking, part)
		cancel()
		if err != nil {
			return q.closing(ctx, described(err))
		}
		lost += n
	}
	if err := q.usable(context.WithoutCancel(ctx)); err != nil && len(settlements) == 0 {
		return err
	}
	if lost > 0 {
		return fmt.Errorf("pgqueue: %d of %d: %w", lost, len(settlements), delivery.ErrLeaseLost)
	}
	return nil
}

// verdicts are settlements as arrays, each verdict's apart.
type verdicts struct {
	done           []int64
	begin, release []receipt
	begun          []bool // of release
	retry, bury    []receipt
	delays         []int64 // of retry, in microseconds
	retryErrors    []string
	retryBodies    [][]byte
	reasons        []string // of bury
	buryErrors     []string
	buryBodies     [][]byte
}

// settle writes settlements and returns how many were too late.
func (q *Queue) settle(ctx context.Context, list []delivery.Settlement) (lost int, err error) {
	var v verdicts
	foreign := v.sort(list)
	if foreign == len(list) {
		return foreign, nil
	}
	err = q.transact(ctx, func(b *pgx.Batch) {
		lost = foreign
		changed := func(of int) func(pgconn.CommandTag) error {
			return func(tag pgconn.CommandTag) error {
				lost += of - int(tag.RowsAffected())
				return nil
			}
		}
		counted := func(of int) func(pgx.Row) error {
			return func(row pgx.Row) error {
				n := 0
				err := row.Scan(&n)
				lost += of - n
				return err
			}
		}
		slot := slot()
		if ids, numbers := split(v.begin); len(ids) > 0 {
			b.Queue(q.sql.begin, ids, numbers).Exec(changed(len(ids)))
		}
		if ids, numbers := split(v.release); len(ids) > 0 {
			b.Queue(q.sql.release, ids, numbers, v.begun).Exec(changed(len(ids)))
		}
		if ids, numbers := split(v.retry); len(ids) > 0 {
			b.Queue(q.sql.retry, ids, numbers, v.delays, v.retryErrors, v.retryBodies).Exec(changed(len(ids)))
		}
		if ids, numbers := split(v.bury); len(ids) > 0 {
			b.Queue(q.sql.bury, ids, numbers, v.reasons, v.buryErrors, v.buryBodies, slot).QueryRow(counted(len(ids)))
		}
		if len(v.done) > 0 {
			b.Queue(q.sql.done, v.done, slot).QueryRow(counted(len(v.done)))
		}
	})
	if err != nil {
		return 0, err
	}
	if len(v.release)+len(v.retry) > 0 {
		q.arrived()
	}
	if len(v.bury) > 0 {
		kick(q.sweep)
	}
	return lost, nil
}

// sort makes arrays of settlements. It returns how many are of no lease of this queue.
func (v *verdicts) sort(list []delivery.Settlement) (foreign int) {
	for i := range list {
		s := &list[i]
		var r receipt
		ok := false
		if s.Lease != nil {
			r, ok = s.Lease.Receipt.(receipt)
		}
		if !ok {
			foreign++
			continue
		}
		switch s.Verdict {
		case delivery.Done:
			v.done = append(v.done, r.id)
		case delivery.Begin:
			v.begin = append(v.begin, r)
		case delivery.Retry:
			delay := int64(0)
			if !s.At.IsZero() { // a while, by the server's clock
				delay = max(0, micros(time.Until(s.At)))
			}
			v.retry, v.delays = append(v.retry, r), append(v.delays, delay)
			v.retryErrors, v.retryBodies = append(v.retryErrors, clean(s.Error)), append(v.retryBodies, s.Body)
		case delivery.Bury:
			v.bury, v.reasons = append(v.bury, r), append(v.reasons, clean(string(s.Reason)))
			v.buryErrors, v.buryBodies = append(v.buryErrors, clean(s.Error)), append(v.buryBodies, s.Body)
		default:
			v.release, v.begun = append(v.release, r), append(v.begun, s.Lease.Begun)
		}
	}
	slices.Sort(v.done) // so that two of these never wait for each other
	return foreign
}

func split(list []receipt) (ids, numbers []int64) {
	for _, r := range list {
		ids, numbers = append(ids, r.id), append(numbers, r.number)
	}
	return ids, numbers
}
