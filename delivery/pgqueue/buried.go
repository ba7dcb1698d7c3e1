package pgqueue

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/appevents/appevents-go/delivery"
)

// Buried implements [delivery.Queue].
func (q *Queue) Buried(ctx context.Context, from string, limit int) (list []delivery.Buried, err error) {
	if err := q.usable(ctx); err != nil {
		return nil, err
	}
	first := int64(0)
	if from != "" {
		if first, err = strconv.ParseInt(from, 10, 64); err != nil {
			return nil, notFound()
		}
	}
	asking, cancel := q.while(ctx)
	defer cancel()
	rows, err := q.pool.Query(asking, q.sql.buried, first, max(limit, 0))
	if err != nil {
		return nil, q.closing(ctx, described(err))
	}
	defer rows.Close()
	for rows.Next() {
		var (
			b                      delivery.Buried
			id, submitted, expires int64
			reason                 string
			key, group             pgtype.UUID
		)
		if err := rows.Scan(&id, &reason, &b.BuriedAt, &key, &group, &b.Lane, &b.Body, &submitted, &expires, &b.Attempts,
			&b.FirstError, &b.LastError); err != nil {
			return nil, described(err)
		}
		b.ID, b.Reason, b.Key, b.Group = strconv.FormatInt(id, 10), delivery.Reason(reason), key.Bytes, group.Bytes
		b.Submitted, b.Expires = fromNanos(submitted), fromNanos(expires)
		list = append(list, b)
	}
	return list, q.closing(ctx, described(rows.Err()))
}

// Unbury implements [delivery.Queue]. All of list is done in one statement, or nothing of it.
func (q *Queue) Unbury(ctx context.Context, list ...delivery.Unburial) (done int, err error) {
	if err := q.usable(ctx); err != nil {
		return 0, err
	}
	var (
		ids                []int64
		again              []bool
		keys, groups       []pgtype.UUID
		lanes              []string
		bodies             [][]byte
		submitted, expires []int64
		seen               = make(map[int64]struct{}, len(list))
	)
	for _, u := range list {
		id, err := strconv.ParseInt(u.ID, 10, 64)
		if _, twice := seen[id]; err != nil || twice {
			continue // there is no such item, or not any more
		}
		seen[id] = struct{}{}
		item := delivery.Item{Lane: "none"}
		if u.Again != nil {
			item = *u.Again
			if err := checkLane(item.Lane); err != nil {
				return 0, err
			}
		}
		ids, again = append(ids, id), append(again, u.Again != nil)
		keys, groups = append(keys, uuidOf(item.Key)), append(groups, uuidOf(item.Group))
		lanes, bodies = append(lanes, item.Lane), append(bodies, notNil(item.Body))
		submitted, expires = append(submitted, nanos(item.Submitted)), append(expires, nanos(item.Expires))
	}
	if len(ids) > 0 {
		asking, cancel := q.while(ctx)
		defer cancel()
		err = q.transact(asking, func(b *pgx.Batch) {
			b.Queue(q.sql.unbury, ids, again, keys, lanes, groups, bodies, submitted, expires, slot()).
				QueryRow(func(row pgx.Row) error { return row.Scan(&done) })
		})
		if err != nil {
			return 0, q.closing(ctx, described(err))
		}
		q.arrived()
	}
	if done < len(list) {
		return done, notFound()
	}
	return done, nil
}
