package natsqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
)

const (
	// atOnce is how many buried calls are asked for, or taken away, at a time.
	atOnce = 256

	// askBytes is about how much is asked for at a time: what comes too late on a busy machine is asked for again.
	askBytes = 4 << 20
)

// Buried implements [delivery.Queue].
func (q *Queue) Buried(ctx context.Context, from string, limit int) (list []delivery.Buried, err error) {
	if err := q.usable(); err != nil {
		return nil, err
	}
	seq, err := strconv.ParseUint(cmp.Or(from, "1"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("natsqueue: %w", delivery.ErrNotFound)
	}
	for width := 1; len(list) < limit; width = min(2*width, atOnce) {
		// The first one may be far away, the others are mostly side by side.
		first, err := q.next(ctx, q.buried, q.name+".buried", seq)
		if err != nil || first == nil {
			return list, err
		}
		width = min(width, max(askBytes/(len(first.data)+1), 1))
		msgs := make([]*message, min(width, limit-len(list)))
		msgs[0] = first
		if err := q.each(len(msgs)-1, func(i int) (err error) {
			msgs[i+1], err = q.get(ctx, q.buried, getRequest{Seq: first.seq + uint64(i) + 1}) //nolint:gosec // small
			return err
		}); err != nil {
			return list, err
		}
		for _, m := range msgs {
			if m != nil {
				list = append(list, q.buriedOf(m))
			}
		}
		seq = first.seq + uint64(len(msgs))
	}
	return list, nil
}

func (q *Queue) buriedOf(m *message) delivery.Buried {
	r := parse(m.data)
	at := m.time
	if at.IsZero() {
		at = r.BuriedAt
	}
	return delivery.Buried{
		Item: q.clock.readItem(r.Item, m.time), ID: strconv.FormatUint(m.seq, 10), Reason: r.Reason,
		Attempts: r.Attempts, FirstError: r.FirstError, LastError: r.LastError, BuriedAt: q.clock.read(at),
	}
}

// Unbury implements [delivery.Queue]. It stops at the first error other than that a call is not there; what it did
// until then counts.
func (q *Queue) Unbury(ctx context.Context, list ...delivery.Unburial) (done int, err error) {
	if err := q.usable(); err != nil {
		return 0, err
	}
	missing := 0
	for from := 0; from < len(list) && err == nil; from += atOnce {
		part := list[from:min(from+atOnce, len(list))]
		var n int
		n, err = q.unbury(ctx, part)
		done += n
		missing += len(part) - n
	}
	if done > 0 {
		// When nobody learns of it, they count as dropped.
		err = errors.Join(err, q.addUnburied(context.WithoutCancel(ctx), done))
	}
	if err == nil && missing > 0 {
		err = fmt.Errorf("natsqueue: %d of %d: %w", missing, len(list), delivery.ErrNotFound)
	}
	return done, err
}

// unbury takes some buried calls away and returns how many were there.
func (q *Queue) unbury(ctx context.Context, list []delivery.Unburial) (done int, err error) {
	seqs := make([]uint64, len(list)) // 0 for those that are not there
	for i, u := range list {
		if seq, err := strconv.ParseUint(u.ID, 10, 64); err == nil {
			seqs[i] = seq
		}
	}
	if slices.ContainsFunc(list, func(u delivery.Unburial) bool { return u.Again != nil }) {
		if err := q.present(ctx, list, seqs); err != nil {
			return 0, err
		}
	}
	var again []outgoing
	for i, u := range list {
		if seqs[i] > 0 && u.Again != nil {
			// The ID makes a second try, after an error or by somebody else, find it done.
			again = append(again, outgoing{
				subject: q.callsSubject(u.Again.Lane), id: movedID("unburied", seqs[i], u.Again.Key),
				data: record.Append(nil, &record.Record{Item: q.clock.storedItem(*u.Again)}),
			})
		}
	}
	if err := q.publishAll(ctx, again); err != nil {
		return 0, err
	}
	var n atomic.Int64
	err = q.each(len(list), func(i int) error {
		if seqs[i] == 0 {
			return nil
		}
		was, err := q.remove(ctx, q.buried, seqs[i])
		if was {
			n.Add(1)
		}
		return err
	})
	return int(n.Load()), err
}

// unburied returns how many buried calls were taken away, and the revision of that figure. Without one it is 0.
func (q *Queue) unburied(ctx context.Context) (n int64, revision uint64, err error) {
	m, err := q.get(ctx, q.marks, getRequest{Last: q.stateSubject(unburiedKey)})
	if err != nil || m == nil {
		return 0, 0, err
	}
	n, err = strconv.ParseInt(string(m.data), 10, 64)
	if err != nil {
		n = 0
	}
	return max(n, 0), m.seq, nil
}

// addUnburied adds to the number of buried calls that were taken away. All that are gone besides were dropped.
func (q *Queue) addUnburied(ctx context.Context, more int) error {
	return q.insist(ctx, func(ctx context.Context) error {
		n, revision, err := q.unburied(ctx)
		if err != nil {
			return err
		}
		return q.setUnburied(ctx, n+int64(more), revision)
	})
}

// maxDeleted is of up to how many calls the server is asked which were taken away.
const maxDeleted = 500

// present sets those places to 0 where there is nothing to submit again. Taking away needs no such question.
func (q *Queue) present(ctx context.Context, list []delivery.Unburial, seqs []uint64) error {
	info, err := q.info(ctx, q.buried)
	if err == nil && info.State.NumDeleted > 0 && info.State.NumDeleted <= maxDeleted {
		info, err = q.info(ctx, q.buried, jetstream.WithDeletedDetails(true))
	}
	if err != nil {
		return err
	}
	s := &info.State
	return q.each(len(seqs), func(i int) (err error) {
		_, gone := slices.BinarySearch(s.Deleted, seqs[i])
		switch {
		case seqs[i] < s.FirstSeq || seqs[i] > s.LastSeq || gone:
			seqs[i] = 0
		case list[i].Again != nil && s.NumDeleted != len(s.Deleted):
			var m *message
			if m, err = q.get(ctx, q.buried, getRequest{Seq: seqs[i]}); m == nil {
				seqs[i] = 0
			}
		}
		return err
	})
}

// setUnburied stores the number. It is kept for ever, unlike everything else in the bucket.
func (q *Queue) setUnburied(ctx context.Context, n int64, revision uint64) error {
	_, err := q.js.PublishMsg(ctx, &nats.Msg{
		Subject: q.ownPrefix() + q.stateSubject(unburiedKey), Data: []byte(strconv.FormatInt(n, 10)),
		Header: nats.Header{jetstream.MsgTTLHeader: {"never"}},
	}, jetstream.WithExpectLastSequencePerSubject(revision), jetstream.WithRetryAttempts(0))
	return err
}
