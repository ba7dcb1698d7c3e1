package natsqueue

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery/internal/record"
	"github.com/appevents/appevents-go/delivery/internal/sched"
)

const (
	// lookEvery is how often the stream of later calls is looked at: another process may have left some there.
	lookEvery = 5 * time.Second

	// chunk is how many calls are moved at a time.
	chunk      = 200
	chunkBytes = 4 << 20
)

// bringBack brings calls back whose time has come.
func (q *Queue) bringBack() {
	for {
		at := time.Now().Add(lookEvery/2 + rand.N(lookEvery)) //nolint:gosec // not to look all at once
		if again, err := q.sortOld(q.ctx); err == nil {
			at = sched.Earliest(at, again)
		}
		if next, err := q.bringDue(q.ctx); err == nil {
			at = sched.Earliest(at, next)
		}
		q.mu.Lock()
		at = sched.Earliest(at, q.nextLook)
		q.nextLook = time.Time{}
		q.mu.Unlock()
		if q.waitLook(at) != nil {
			return
		}
	}
}

// waitLook waits until then, or until somebody says that there is something to look at.
func (q *Queue) waitLook(at time.Time) error { return sched.Wait(q.ctx, q.look, nil, at) }

// lookAt makes the goroutine look then at the latest.
func (q *Queue) lookAt(at time.Time) {
	q.mu.Lock()
	if !at.IsZero() {
		q.nextLook = sched.Earliest(q.nextLook, time.Now().Add(at.Sub(q.clock.wall())))
	}
	q.mu.Unlock()
	q.lookNow()
}

// bringDue brings back what is due and returns when the next call is. Calls of paused lanes come back too: they are in
// nobody's way.
func (q *Queue) bringDue(ctx context.Context) (next time.Time, err error) {
	info, err := q.info(ctx, q.later, jetstream.WithSubjectFilter(q.name+".later.>"))
	if err != nil {
		return time.Time{}, err
	}
	now := q.clock.now()
	dues := make(map[string]time.Time, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		due, ok := q.parseLater(subject)
		switch {
		case !ok || due.Sub(now) > stateTTL+time.Minute: // nonsense; nobody puts a call off for so long
			dues[subject] = time.Time{}
		case due.After(now):
			next = sched.Earliest(next, now.Add(due.Sub(now)))
		default:
			dues[subject] = due
		}
	}
	order := slices.SortedFunc(maps.Keys(dues), func(a, b string) int { return dues[a].Compare(dues[b]) })
	for _, subject := range order {
		for seq := uint64(1); seq > 0 && ctx.Err() == nil; {
			if seq, err = q.bringChunk(ctx, subject, seq); err != nil {
				return time.Time{}, err
			}
		}
	}
	if !next.IsZero() {
		next = time.Now().Add(next.Sub(q.clock.now()))
	}
	return next, nil
}

// laterSubject is where a call waits until due. Times far away are rounded up, so that the calls of a lane do not have
// a subject each: all subjects are looked at again and again.
func (q *Queue) laterSubject(lane string, due time.Time) string {
	millis := int64(0)
	if !due.IsZero() {
		step := int64(1)
		switch wait := due.Sub(q.clock.wall()); {
		case wait >= 10*time.Second:
			step = 1000
		case wait >= time.Second:
			step = 100
		}
		millis = (q.clock.stored(due).UnixMilli()/step + 1) * step // never early
	}
	return q.name + ".later." + token(lane) + "." + strconv.FormatInt(millis, 10)
}

func (q *Queue) parseLater(subject string) (due time.Time, ok bool) {
	part, millis, found := strings.Cut(strings.TrimPrefix(subject, q.name+".later."), ".")
	_, ok = fromToken(part)
	n, err := strconv.ParseInt(millis, 10, 64)
	return time.UnixMilli(n), ok && found && err == nil
}

// bringChunk brings some calls of a subject back, from a place in the stream on, and returns where the next ones are,
// or 0 when there are none. Others may be about the same: the IDs see to it that each call comes back once.
func (q *Queue) bringChunk(ctx context.Context, subject string, seq uint64) (next uint64, err error) {
	return q.moveChunk(ctx, q.later, subject, seq, func(m *message) outgoing {
		r := parse(m.data)
		return outgoing{
			subject: q.callsSubject(r.Lane), id: movedID("again", m.seq, r.Key), data: record.Append(nil, &r),
		}
	})
}

// moveChunk moves some messages of a subject to where to says, in their order.
func (q *Queue) moveChunk(
	ctx context.Context, from jetstream.Stream, subject string, seq uint64, to func(m *message) outgoing,
) (next uint64, err error) {
	msgs, _, err := q.read(ctx, from, subject, seq, chunk, chunkBytes)
	if err != nil || len(msgs) == 0 {
		return 0, err
	}
	moved := make([]outgoing, len(msgs))
	for i := range msgs {
		moved[i] = to(&msgs[i])
	}
	ctx = context.WithoutCancel(ctx) // what is moved must not stay where it was
	if err := q.publishAll(ctx, moved); err != nil {
		return 0, err
	}
	return msgs[len(msgs)-1].seq + 1, q.each(len(msgs), func(i int) error {
		_, err := q.remove(ctx, from, msgs[i].seq)
		return err
	})
}
