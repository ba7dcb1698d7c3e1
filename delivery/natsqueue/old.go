package natsqueue

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery/internal/record"
)

// Older versions stored all calls on one subject, NAME.calls, and leased them with a consumer. Their calls are sorted
// into the lanes once nobody leases them there any more. Processes of such a version may go on to store calls, but not
// to lease them.

// oldConsumer is the consumer that older versions shared.
const oldConsumer = "dispatchers"

// narrow keeps the consumer of older versions from handing out what is stored by lane.
func (q *Queue) narrow(ctx context.Context, s jetstream.Stream) error {
	return q.insist(ctx, func(ctx context.Context) error {
		consumer, err := s.Consumer(ctx, oldConsumer)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		config := consumer.CachedInfo().Config
		if config.FilterSubject != "" {
			return nil
		}
		config.FilterSubject = q.name + ".calls"
		_, err = s.UpdateConsumer(ctx, config)
		return err
	})
}

// sortOld moves what an older version stored into the lanes, by way of the later calls, and returns when to go on.
func (q *Queue) sortOld(ctx context.Context) (again time.Time, err error) {
	q.mu.Lock()
	old := q.old
	q.mu.Unlock()
	if !old {
		return time.Time{}, nil
	}
	if again, err = q.retire(ctx); err != nil || !again.IsZero() {
		return again, err
	}
	begun, err := q.allBegun(ctx)
	if err != nil {
		return time.Time{}, err
	}
	some := false
	for seq := uint64(1); seq > 0 && ctx.Err() == nil; {
		some = some || seq > 1
		if seq, err = q.moveChunk(ctx, q.calls, q.name+".calls", seq, func(m *message) outgoing {
			r := parse(m.data)
			r.Begun = begun(m.seq)
			return outgoing{
				subject: q.laterSubject(r.Lane, time.Time{}), id: movedID("moved", m.seq, r.Key),
				data: record.Append(nil, &r),
			}
		}); err != nil {
			return time.Time{}, err
		}
	}
	if some {
		return time.Now().Add(oldEvery), nil // whoever stored them may go on
	}
	q.mu.Lock()
	q.old = false
	q.mu.Unlock()
	return time.Time{}, nil
}

// oldEvery is how often it is looked for more as long as an older version goes on to store calls.
const oldEvery = time.Second

// retireLook is how often it is looked whether the last leases of an older version have ended.
const retireLook = 200 * time.Millisecond

// retire ends the consumer of older versions: it hands out nothing more, and is deleted when the leases it gave are
// settled or over. It returns when to look again, and the zero time when the consumer is gone.
func (q *Queue) retire(ctx context.Context) (again time.Time, err error) {
	err = q.insist(ctx, func(ctx context.Context) error {
		again = time.Time{}
		consumer, err := q.calls.Consumer(ctx, oldConsumer)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		info := consumer.CachedInfo()
		if q.retireAt.IsZero() {
			if _, err := q.calls.PauseConsumer(ctx, oldConsumer, q.clock.true().Add(stateTTL)); err != nil {
				return err
			}
			q.retireAt = time.Now().Add(info.Config.AckWait)
			again = time.Now()
			return nil
		}
		if info.NumAckPending > 0 && time.Now().Before(q.retireAt) {
			again = time.Now().Add(retireLook)
			return nil
		}
		return q.calls.DeleteConsumer(ctx, oldConsumer)
	})
	return again, err
}
