package pgqueue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/appevents/appevents-go/delivery"
)

// Pause implements [delivery.Queue]. The time is kept as a while by the server's clock.
func (q *Queue) Pause(ctx context.Context, p delivery.Pause) error {
	if err := q.usable(ctx); err != nil {
		return err
	}
	if err := checkLane(p.Lane); err != nil {
		return err
	}
	asking, cancel := q.while(ctx)
	defer cancel()
	d := time.Until(p.Until)
	err := q.transact(asking, func(b *pgx.Batch) {
		if d <= 0 {
			b.Queue(q.sql.unpause, p.Lane, p.Manual)
		} else {
			b.Queue(q.sql.pause, p.Lane, p.Manual, micros(d), nanos(p.Until), clean(p.Note))
		}
	})
	if err == nil {
		q.arrived()
	}
	return q.closing(ctx, described(err))
}

// Lanes implements [delivery.Queue]. It counts the calls, which takes up to a second for a million of them.
func (q *Queue) Lanes(ctx context.Context) (list []delivery.LaneCounts, err error) {
	if err := q.usable(ctx); err != nil {
		return nil, err
	}
	asking, cancel := q.while(ctx)
	defer cancel()
	rows, err := q.pool.Query(asking, q.sql.lanes)
	if err != nil {
		return nil, q.closing(ctx, described(err))
	}
	defer rows.Close()
	for rows.Next() {
		var l delivery.LaneCounts
		var oldest, until *int64
		var note *string
		var manual *bool
		if err := rows.Scan(&l.Lane, &l.Pending, &oldest, &until, &note, &manual); err != nil {
			return nil, described(err)
		}
		if oldest != nil {
			l.Oldest = fromNanos(*oldest)
		}
		if until != nil {
			l.PausedUntil, l.Note, l.Manual = fromNanos(*until), *note, *manual
		}
		list = append(list, l)
	}
	return list, q.closing(ctx, described(rows.Err()))
}
