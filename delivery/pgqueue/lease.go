package pgqueue

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/appevents/appevents-go/delivery"
)

const (
	// A Lease hands out so many at most, of so many lanes, and not much more than so many bytes.
	maxLeases     = 1000
	maxLanes      = 32
	maxLeaseBytes = 16 << 20

	// maxTurns bounds how often it looks again at once when others were quicker to get what it found.
	maxTurns = 100

	// pollEvery is how long a Lease waits at most before it looks again: what nobody tells of is found like this.
	pollEvery = 250 * time.Millisecond
	minPoll   = 5 * time.Millisecond

	// leaseGrace is how long a Lease whose context has ended waits for the answer to what it asked before: else what the
	// server had given it would be nobody's until the end of the lease.
	leaseGrace = 2 * time.Second
)

// receipt is what a Lease of this queue holds.
type receipt struct{ id, number int64 }

// Lease implements [delivery.Queue]. It takes from up to 32 lanes at a time, an equal part from each, goes on with the
// lanes that follow the next time, and returns up to 1,000 items.
func (q *Queue) Lease(ctx context.Context, limit int, skip *delivery.LaneSet) ([]*delivery.Lease, error) {
	if err := q.usable(ctx); err != nil {
		return nil, err
	}
	q.listenOn()
	for turns := 1; ; turns++ {
		if err := q.usable(ctx); err != nil {
			return nil, err
		}
		q.mu.Lock()
		changed := q.changed
		q.mu.Unlock()
		left := skip.Changed()
		start := time.Now()
		leases, again, err := q.takeTurn(ctx, min(max(limit, 1), maxLeases), skip)
		if gone := q.usable(ctx); gone != nil {
			q.giveBack(leases)
			return nil, gone
		}
		if err != nil || len(leases) > 0 {
			return leases, described(err)
		}
		if !again || turns%maxTurns == 0 {
			q.idle(ctx, time.Since(start), changed, left)
		}
	}
}

// idle waits until there may be something to lease. Where it takes long to look, with thousands of paused lanes, it
// looks less often.
func (q *Queue) idle(ctx context.Context, took time.Duration, changed, left <-chan struct{}) {
	d := pollEvery
	asking, cancel := q.unhurried(ctx)
	var next pgtype.Float8 // in seconds; null when nothing is to become due
	if err := q.pool.QueryRow(asking, q.sql.next).Scan(&next); err == nil && next.Valid && next.Float64 < d.Seconds() {
		d = max(time.Duration(next.Float64*float64(time.Second)), minPoll)
	}
	cancel()
	timer := time.NewTimer(max(d, took))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-left:
	case <-ctx.Done():
	case <-q.ctx.Done():
	}
}

// unhurried is while, but lets a statement go on for leaseGrace after ctx has ended.
func (q *Queue) unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	asking, cancel := q.while(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(leaseGrace, cancel) })
	return asking, func() {
		stop()
		cancel()
	}
}

// takeTurn leases from the lanes whose turn it is. again is true when others may have something.
func (q *Queue) takeTurn(
	ctx context.Context, limit int, skip *delivery.LaneSet,
) (leases []*delivery.Lease, again bool, err error) {
	asking, cancel := q.unhurried(ctx)
	defer cancel()
	skipped := slices.AppendSeq([]string{}, skip.All())
	lanes := min(limit, maxLanes)
	q.mu.Lock()
	after := q.after
	q.mu.Unlock()

	var last string
	var found int
	var promoted int64
	start := time.Now() // a lease is over for us before it is for the server
	err = q.transact(asking, func(b *pgx.Batch) {
		leases, last, found, start = nil, "", 0, time.Now()
		b.Queue(q.sql.promote).Exec(func(tag pgconn.CommandTag) error {
			promoted = tag.RowsAffected()
			return nil
		})
		args := []any{after, skipped, lanes, limit, maxLeaseBytes, micros(q.leaseTime)}
		b.Queue(q.sql.lease, args...).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				l, lane, err := scanLease(rows, start.Add(q.leaseTime))
				if err != nil {
					return err
				}
				if lane != last {
					last = lane
					found++
				}
				if l != nil {
					leases = append(leases, l)
				}
			}
			return rows.Err()
		})
	})
	if err != nil {
		return nil, false, err
	}
	next := "" // the end is reached
	if found == lanes {
		next = last + "\x01"
	}
	q.mu.Lock()
	q.after = next
	q.mu.Unlock()
	return leases, promoted > 0 || after != "" || next != "", nil
}

// scanLease reads a leased item, or nil of a lane whose items others were quicker to get.
func scanLease(rows pgx.Rows, until time.Time) (l *delivery.Lease, lane string, err error) {
	var (
		id, number, submitted, expires *int64
		key, group                     pgtype.UUID
		begun                          *bool
		body                           []byte
		attempts                       *int
		first, last                    *string
	)
	err = rows.Scan(&lane, &id, &number, &begun, &key, &group, &body, &submitted, &expires, &attempts, &first, &last)
	if err != nil || id == nil {
		return nil, lane, err
	}
	return &delivery.Lease{
		Item: delivery.Item{
			Key: key.Bytes, Lane: lane, Group: group.Bytes, Body: body,
			Submitted: fromNanos(*submitted), Expires: fromNanos(*expires),
		},
		ID: strconv.FormatInt(*id, 10), Attempts: *attempts, FirstError: *first, LastError: *last, Begun: *begun,
		Until: until, Receipt: receipt{id: *id, number: *number},
	}, lane, nil
}

// giveBack releases what nobody waits for any more.
func (q *Queue) giveBack(leases []*delivery.Lease) {
	if len(leases) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseGrace)
	defer cancel()
	list := make([]delivery.Settlement, len(leases))
	for i, l := range leases {
		list[i] = delivery.Settlement{Lease: l, Verdict: delivery.Release}
	}
	_, _ = q.settle(ctx, list)
}
