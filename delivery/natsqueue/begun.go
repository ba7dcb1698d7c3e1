package natsqueue

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
)

// Of a call with which a request may be under way there is a mark in the bucket, by its place in the stream.

// begin marks that a request with the call of a message may be under way.
func (q *Queue) begin(ctx context.Context, seq uint64) error {
	return q.insist(ctx, func(ctx context.Context) error {
		_, err := q.state.PutString(ctx, begunPrefix+strconv.FormatUint(seq, 10), "1")
		return err
	})
}

// forget removes the mark, and leaves nothing in its place as deleting the key would.
func (q *Queue) forget(ctx context.Context, seq uint64) error {
	return q.insist(ctx, func(ctx context.Context) error {
		return q.marks.Purge(ctx, jetstream.WithPurgeSubject(q.begunSubject(strconv.FormatUint(seq, 10))))
	})
}

// begunSubject is the subject of a mark in the stream that keeps the bucket.
func (q *Queue) begunSubject(id string) string {
	return q.stateSubject(begunPrefix + id)
}

// findBegun finds out of which calls an earlier holder began a request and then went away. Where hardly any holder can
// have been, what was known a moment ago will do.
func (q *Queue) findBegun(ctx context.Context, leases []*delivery.Lease, before bool) error {
	q.begun.Lock()
	defer q.begun.Unlock()
	if before || time.Since(q.begun.asked) > begunAge {
		began := time.Now()
		has, err := q.allBegun(ctx)
		if err != nil {
			return err
		}
		q.begun.has, q.begun.asked = has, began
	}
	for _, l := range leases {
		l.Begun = l.Begun || q.begun.has(l.Receipt.(*receipt).seq) //nolint:errcheck // our own
	}
	return nil
}

// begunAge is how old what is known about begun calls may be for those that were hardly leased before.
const begunAge = time.Second

// begun is what is known about begun calls.
type begun struct {
	sync.Mutex

	asked time.Time
	has   func(seq uint64) bool
}

// allBegun finds the calls that are marked as begun.
func (q *Queue) allBegun(ctx context.Context) (has func(seq uint64) bool, err error) {
	info, err := q.info(ctx, q.marks, jetstream.WithSubjectFilter(q.begunSubject(">")))
	if err != nil {
		return nil, err
	}
	return func(seq uint64) bool {
		_, ok := info.State.Subjects[q.begunSubject(strconv.FormatUint(seq, 10))]
		return ok
	}, nil
}
