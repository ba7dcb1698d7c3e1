package pgqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/appevents/appevents-go/delivery"
)

// Puts of many callers at a time share transactions: whoever waits when one ends is in the next, so a single caller
// never waits for a timer.
const (
	maxWriters  = 4
	maxPuts     = 256
	maxPutBytes = 4 << 20

	// maxApart is how long those of a transaction that failed are written one by one.
	maxApart = 2 * time.Second
)

// put is a Put under way.
type put struct {
	item  delivery.Item
	token int64           // tells a second try from another Put
	until time.Time       // when it is given up
	ctx   context.Context // the caller's
	added bool
	err   error
	done  chan struct{}
}

// Put implements [delivery.Queue]. While the server does not answer it tries again for 15 seconds, or until ctx ends.
// When ctx ends before the server has answered, the item may be stored.
func (q *Queue) Put(ctx context.Context, item delivery.Item) (bool, error) {
	if err := q.usable(ctx); err != nil {
		return false, err
	}
	if err := checkLane(item.Lane); err != nil {
		return false, err
	}
	item.Body = bytes.Clone(item.Body) // the caller may go before it is written
	p := &put{
		item: item, token: rand.Int64(), //nolint:gosec // need not be secret
		until: time.Now().Add(patience), ctx: ctx, done: make(chan struct{}),
	}
	if err := q.enqueue(p); err != nil {
		return false, err
	}
	select {
	case <-p.done:
		return p.added, p.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (q *Queue) enqueue(p *put) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ctx.Err() != nil {
		return delivery.ErrClosed
	}
	q.waiting = append(q.waiting, p)
	if q.writers < min(maxWriters, max(1, int(q.pool.Config().MaxConns)/2)) {
		q.writers++
		q.running.Go(q.write)
	}
	return nil
}

// write writes what waits until nothing does.
func (q *Queue) write() {
	for {
		list := q.take()
		if len(list) == 0 {
			return
		}
		q.writeAll(list)
	}
}

// take takes what goes into one transaction, each key once. The last writer but one finds nothing.
func (q *Queue) take() (list []*put) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := 0
	keys := make(map[delivery.Key]struct{}, min(len(q.waiting), maxPuts))
	rest := q.waiting[:0]
	for i, p := range q.waiting {
		if len(list) == maxPuts || len(list) > 0 && size+len(p.item.Body) > maxPutBytes {
			rest = append(rest, q.waiting[i:]...)
			break
		}
		if _, twice := keys[p.item.Key]; twice {
			rest = append(rest, p)
			continue
		}
		if p.ctx.Err() != nil { // nobody waits for it
			p.err = p.ctx.Err()
			close(p.done)
			continue
		}
		keys[p.item.Key] = struct{}{}
		size += len(p.item.Body)
		list = append(list, p)
	}
	clear(q.waiting[len(rest):])
	q.waiting = rest
	if len(list) == 0 {
		q.writers--
	}
	return list
}

// writeAll writes puts and answers them. When it fails for one of them the others are written all the same.
func (q *Queue) writeAll(list []*put) {
	start := time.Now()
	err := q.store(list)
	if err == nil {
		for _, p := range list {
			close(p.done)
		}
		q.arrived()
		return
	}
	if len(list) > 1 && !q.down(err) {
		for i, p := range list {
			if q.writeAll([]*put{p}); time.Since(start) > maxApart {
				for _, p := range list[i+1:] {
					q.running.Go(func() { q.again(p, err) })
				}
				return
			}
		}
		return
	}
	// The server is away, or somebody else's transaction holds a key. Others need not wait for that.
	for _, p := range list {
		if !passing(err) || q.ctx.Err() != nil {
			p.end(q, err)
			continue
		}
		q.running.Go(func() { q.again(p, err) })
	}
}

// down reports whether an error is about the server, not about what was to be written.
func (q *Queue) down(err error) bool {
	code := codeOf(err)
	return q.ctx.Err() != nil || passing(err) && code != codeLockTimeout || code == codeReadOnly || code == codeDiskFull
}

// again waits a moment and puts it back in the row.
func (q *Queue) again(p *put, err error) {
	delay := min(maxDelay, max(minDelay, patience-time.Until(p.until))/2)
	if time.Now().Add(delay).After(p.until) || !q.wait(p.ctx, delay, nil) || q.enqueue(p) != nil {
		p.end(q, err)
	}
}

func (p *put) end(q *Queue, err error) {
	switch {
	case q.ctx.Err() != nil:
		p.err = delivery.ErrClosed
	case p.ctx.Err() != nil:
		p.err = p.ctx.Err()
	case codeOf(err) == codeLockTimeout:
		p.err = fmt.Errorf("pgqueue: another transaction that goes on has submitted the same key: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		p.err = fmt.Errorf("pgqueue: the server does not answer: %w", err)
	default:
		p.err = described(err)
	}
	close(p.done)
}

// store writes puts in one transaction.
func (q *Queue) store(list []*put) error {
	n := len(list)
	var (
		keys      = make([]pgtype.UUID, n)
		tokens    = make([]int64, n)
		lanes     = make([]string, n)
		groups    = make([]pgtype.UUID, n)
		bodies    = make([][]byte, n)
		submitted = make([]int64, n)
		expires   = make([]int64, n)
	)
	until := time.Time{}
	byKey := make(map[delivery.Key]*put, n)
	for i, p := range list {
		keys[i], tokens[i], lanes[i], groups[i] = uuidOf(p.item.Key), p.token, p.item.Lane, uuidOf(p.item.Group)
		bodies[i], submitted[i], expires[i] = notNil(p.item.Body), nanos(p.item.Submitted), nanos(p.item.Expires)
		byKey[p.item.Key] = p
		p.added = false
		if p.until.After(until) {
			until = p.until
		}
	}
	ctx, cancel := context.WithDeadline(q.end, until.Add(time.Second))
	defer cancel()
	return q.transact(ctx, func(b *pgx.Batch) {
		b.Queue(q.sql.put, keys, tokens, lanes, groups, bodies, submitted, expires, micros(q.window), slot()).
			Query(func(rows pgx.Rows) error {
				var key pgtype.UUID
				_, err := pgx.ForEachRow(rows, []any{&key}, func() error {
					byKey[key.Bytes].added = true
					return nil
				})
				return err
			})
	})
}

// notNil makes no bytes none instead of null.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
