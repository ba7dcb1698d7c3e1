package natsqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
)

// Buried implements [delivery.Queue].
func (q *Queue) Buried(ctx context.Context, from string, limit int) (list []delivery.Buried, err error) {
	if q.ctx.Err() != nil {
		return nil, delivery.ErrClosed
	}
	seq := uint64(1)
	if from != "" {
		if seq, err = strconv.ParseUint(from, 10, 64); err != nil {
			return nil, fmt.Errorf("natsqueue: %w", delivery.ErrNotFound)
		}
	}
	for len(list) < limit {
		msg, err := q.next(ctx, q.buried, q.name+".buried", seq)
		if err != nil || msg == nil {
			return list, err
		}
		r := parse(msg.Data)
		list = append(list, delivery.Buried{
			Item: r.Item, ID: strconv.FormatUint(msg.Sequence, 10), Reason: r.Reason, Attempts: r.Attempts,
			FirstError: r.FirstError, LastError: r.LastError, BuriedAt: r.BuriedAt,
		})
		seq = msg.Sequence + 1
	}
	return list, nil
}

// next returns the first message of a subject from seq on, or nil.
func (q *Queue) next(
	ctx context.Context, s jetstream.Stream, subject string, seq uint64,
) (msg *jetstream.RawStreamMsg, err error) {
	err = q.insist(ctx, func(ctx context.Context) (err error) {
		msg, err = s.GetMsg(ctx, max(seq, 1), jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			msg, err = nil, nil
		}
		return err
	})
	return msg, err
}

// Unbury implements [delivery.Queue].
func (q *Queue) Unbury(ctx context.Context, list ...delivery.Unburial) (done int, err error) {
	for _, u := range list {
		switch e := q.unbury(ctx, u.ID, u.Again); {
		case e == nil:
			done++
		case errors.Is(e, delivery.ErrNotFound):
			err = e
		default:
			return done, e
		}
	}
	return done, err
}

// Lanes implements [delivery.Queue].
func (q *Queue) Lanes(context.Context) ([]delivery.LaneCounts, error) { return nil, nil }

func (q *Queue) unbury(ctx context.Context, id string, again *delivery.Item) error {
	if q.ctx.Err() != nil {
		return delivery.ErrClosed
	}
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil || seq == 0 {
		return fmt.Errorf("natsqueue: %w", delivery.ErrNotFound)
	}
	msg, err := q.next(ctx, q.buried, q.name+".buried", seq)
	if err != nil {
		return err
	}
	if msg == nil || msg.Sequence != seq {
		return fmt.Errorf("natsqueue: %w", delivery.ErrNotFound)
	}
	if again != nil {
		// The ID makes a second try, after an error or by somebody else, find it done.
		data := record.Append(nil, &record.Record{Item: *again})
		if _, err := q.publish(ctx, q.name+".calls", movedID("unburied", seq, again.Key), data); err != nil {
			return err
		}
	}
	return q.remove(ctx, q.buried, seq)
}

// remove deletes a message; one that is gone is fine.
func (q *Queue) remove(ctx context.Context, s jetstream.Stream, seq uint64) error {
	return q.insist(ctx, func(ctx context.Context) error { return q.delete(ctx, s, seq) })
}

// delete is one try of remove. DeleteMsg of package jetstream does not tell a message that is gone from one that stays.
func (q *Queue) delete(ctx context.Context, s jetstream.Stream, seq uint64) error {
	request := struct {
		Seq     uint64 `json:"seq"`
		NoErase bool   `json:"no_erase"`
	}{Seq: seq, NoErase: true}
	if err := q.ask(ctx, "STREAM.MSG.DELETE."+s.CachedInfo().Config.Name, request); !isGone(err) {
		return err
	}
	return nil
}
