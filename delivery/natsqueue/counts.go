package natsqueue

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/sched"
)

// maxCounts is how often the figures are asked for again while calls are put off.
const maxCounts = 5

// Counts implements [delivery.Queue]. The figures are those of the streams, for all dispatchers and since the streams
// were made; only Duplicates counts this process alone. While calls are moved between the streams, the figures can be
// off by those under way for a moment. Each call asks the servers.
func (q *Queue) Counts(ctx context.Context) (delivery.Counts, error) {
	if err := q.usable(); err != nil {
		return delivery.Counts{}, err
	}
	var (
		calls, later, buried jetstream.StreamState
		oldest               [2]time.Time // of those that hold pending calls
		unburied             int64
	)
	state := func(s jetstream.Stream, into *jetstream.StreamState) error {
		info, err := q.info(ctx, s)
		if err == nil {
			*into = info.State
		}
		return err
	}
	if err := q.each(3, func(i int) (err error) {
		switch i {
		case 0:
			// A call on its way between these two is in the first or the last state of the later ones, if not among
			// the calls; unless it went there and back meanwhile.
			for try := 0; ; try++ {
				var first jetstream.StreamState
				err = errors.Join(state(q.later, &first), state(q.calls, &calls), state(q.later, &later))
				moved := first.LastSeq != later.LastSeq
				if first.Msgs > later.Msgs {
					later = first
				}
				if err != nil || !moved || try == maxCounts {
					break
				}
			}
			if calls.Msgs > 0 {
				oldest[0] = q.submitted(ctx, q.calls, &calls)
			}
			if later.Msgs > 0 {
				oldest[1] = q.submitted(ctx, q.later, &later)
			}
		case 1:
			err = state(q.buried, &buried)
		default:
			unburied, _, err = q.unburied(ctx)
		}
		return err
	}); err != nil {
		return delivery.Counts{}, err
	}
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
	c.Dropped = min(max(c.Buried-c.Kept-unburied, 0), c.Buried-c.Kept)
	q.mu.Lock()
	defer q.mu.Unlock()
	c.Duplicates, c.PausedLanes = q.duplicates, q.turns.Paused(q.clock.now())
	return c, nil
}

// submitted returns when the first call of a stream was accepted. It may have been in another stream before.
func (q *Queue) submitted(ctx context.Context, s jetstream.Stream, state *jetstream.StreamState) time.Time {
	m, err := q.get(ctx, s, getRequest{Seq: state.FirstSeq})
	if err != nil || m == nil {
		return q.clock.read(state.FirstTime) // it is gone by now, or nobody can tell
	}
	return q.submittedAt(m)
}

// submittedAt returns when a call was accepted, or else when it was stored.
func (q *Queue) submittedAt(m *message) time.Time {
	if it := q.clock.readItem(parse(m.data).Item, m.time); !it.Submitted.IsZero() {
		return it.Submitted
	}
	return q.clock.read(m.time)
}

// Lanes implements [delivery.Queue]. It asks the servers for the first call of each lane: let a person wait for it, not
// a request. Calls that an older version of this package stored are in no lane yet.
func (q *Queue) Lanes(ctx context.Context) ([]delivery.LaneCounts, error) {
	if err := q.usable(); err != nil {
		return nil, err
	}
	type place struct {
		lane    string
		stream  jetstream.Stream
		subject string // of all its calls there
	}
	lanes := make(map[string]delivery.LaneCounts)
	places := make(map[place]struct{})
	for _, kind := range []struct {
		stream         jetstream.Stream
		prefix, suffix string
	}{{q.calls, q.name + ".calls.", ""}, {q.later, q.name + ".later.", ".*"}} {
		info, err := q.info(ctx, kind.stream, jetstream.WithSubjectFilter(kind.prefix+">"))
		if err != nil {
			return nil, err
		}
		for subject, n := range info.State.Subjects {
			part, _, _ := strings.Cut(strings.TrimPrefix(subject, kind.prefix), ".")
			lane := laneName(part)
			c := lanes[lane]
			c.Lane, c.Pending = lane, c.Pending+int64(n) //nolint:gosec // a number of messages
			lanes[lane] = c
			places[place{lane, kind.stream, kind.prefix + part + kind.suffix}] = struct{}{}
		}
	}
	var mu sync.Mutex
	list := slices.Collect(maps.Keys(places))
	if err := q.each(len(list), func(i int) error {
		p := list[i]
		q.gets <- struct{}{}
		defer func() { <-q.gets }()
		first, _, err := q.read(ctx, p.stream, p.subject, 1, 1, 0)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		c := lanes[p.lane]
		if len(first) == 0 { // it is gone by now
			c.Oldest = sched.Earliest(c.Oldest, q.clock.wall())
		} else {
			c.Oldest = sched.Earliest(c.Oldest, q.submittedAt(&first[0]))
		}
		lanes[p.lane] = c
		return nil
	}); err != nil {
		return nil, err
	}
	q.mu.Lock()
	pauses := q.turns.Pauses(q.clock.now())
	q.mu.Unlock()
	for _, p := range pauses {
		c := lanes[p.Lane]
		c.Lane, c.PausedUntil, c.Note, c.Manual = p.Lane, q.clock.read(p.Until), p.Note, p.Manual
		lanes[p.Lane] = c
	}
	return slices.SortedFunc(maps.Values(lanes), func(a, b delivery.LaneCounts) int {
		return strings.Compare(a.Lane, b.Lane)
	}), nil
}
