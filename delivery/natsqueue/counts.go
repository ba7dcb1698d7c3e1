package natsqueue

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/sched"
)

// Counts implements [delivery.Queue]. The figures are those of the streams, for all dispatchers and since the streams
// were made; only Duplicates counts this process alone. While calls are moved between the streams, the figures can be
// off by those under way for a moment. Each call asks the servers.
func (q *Queue) Counts(ctx context.Context) (delivery.Counts, error) {
	if q.ctx.Err() != nil {
		return delivery.Counts{}, delivery.ErrClosed
	}
	var (
		streams = [...]jetstream.Stream{q.calls, q.later, q.buried}
		states  [len(streams)]jetstream.StreamState
		oldest  [2]time.Time // of those that hold pending calls
	)
	if err := q.each(len(streams), func(i int) error {
		err := q.insist(ctx, func(ctx context.Context) error {
			info, err := streams[i].Info(ctx)
			if err == nil {
				states[i] = info.State
			}
			return err
		})
		if err == nil && i < len(oldest) && states[i].Msgs > 0 {
			oldest[i] = q.submitted(ctx, streams[i], &states[i])
		}
		return err
	}); err != nil {
		return delivery.Counts{}, err
	}
	calls, later, buried := states[0], states[1], states[2]
	n := func(v uint64) int64 { return int64(v) } //nolint:gosec // sequence numbers
	c := delivery.Counts{
		// What comes back from later takes a second place among the calls.
		Stored: n(calls.LastSeq) - (n(later.LastSeq) - n(later.Msgs)),
		Buried: n(buried.LastSeq),
		Kept:   n(buried.Msgs),
	}
	// A call on its way from one stream to another can be in both, and the streams were not asked at the same instant.
	c.Stored = max(c.Stored, c.Buried)
	c.Pending = min(n(calls.Msgs)+n(later.Msgs), c.Stored-c.Buried)
	c.Delivered = c.Stored - c.Buried - c.Pending
	if c.Pending > 0 {
		c.Oldest = sched.Earliest(oldest[:]...)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	c.Duplicates, c.PausedLanes = q.duplicates, q.pauses.Paused(time.Now())
	return c, nil
}

// submitted returns when the first call of a stream was accepted. It may have been in another stream before.
func (q *Queue) submitted(ctx context.Context, s jetstream.Stream, state *jetstream.StreamState) time.Time {
	msg, err := s.GetMsg(ctx, state.FirstSeq)
	if err == nil {
		if t := parse(msg.Data).Submitted; !t.IsZero() {
			return t
		}
	}
	return state.FirstTime // it is gone by now, or nobody can tell
}
