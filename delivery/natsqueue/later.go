package natsqueue

import (
	"context"
	"math/rand/v2"
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

	// chunk is how many calls of a lane are brought back before it is looked whether the lane still goes.
	chunk      = 100
	chunkBytes = 4 << 20
)

// bringBack brings calls back whose time has come and whose lane goes.
func (q *Queue) bringBack() {
	for {
		at := time.Now().Add(lookEvery/2 + rand.N(lookEvery)) //nolint:gosec // not to look all at once
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
	q.nextLook = sched.Earliest(q.nextLook, at)
	q.mu.Unlock()
	q.lookNow()
}

// bringDue brings back what is due and returns when the next call is.
func (q *Queue) bringDue(ctx context.Context) (next time.Time, err error) {
	info, err := q.later.Info(ctx, jetstream.WithSubjectFilter(q.name+".later.>"))
	if err != nil {
		return time.Time{}, err
	}
	for subject := range info.State.Subjects {
		lane, due, ok := q.parseLater(subject)
		if !ok {
			continue
		}
		if due.After(time.Now()) {
			next = sched.Earliest(next, due)
			continue
		}
		for seq := uint64(1); seq > 0 && ctx.Err() == nil; {
			if until := q.pausedUntil(lane); !until.IsZero() {
				next = sched.Earliest(next, until)
				break
			}
			if seq, err = q.bringChunk(ctx, subject, seq); err != nil {
				return time.Time{}, err
			}
		}
	}
	return next, nil
}

// laterSubject is where a call waits until due. Times far away are rounded up, so that the calls of a lane do not have
// a subject each: all subjects are looked at again and again.
func (q *Queue) laterSubject(lane string, due time.Time) string {
	millis := int64(0)
	if !due.IsZero() {
		step := int64(1)
		switch wait := time.Until(due); {
		case wait >= 10*time.Second:
			step = 1000
		case wait >= time.Second:
			step = 100
		}
		millis = (due.UnixMilli()/step + 1) * step // never early
	}
	return q.name + ".later." + token(lane) + "." + strconv.FormatInt(millis, 10)
}

func (q *Queue) parseLater(subject string) (lane string, due time.Time, ok bool) {
	part, millis, found := strings.Cut(strings.TrimPrefix(subject, q.name+".later."), ".")
	lane, ok = fromToken(part)
	n, err := strconv.ParseInt(millis, 10, 64)
	return lane, time.UnixMilli(n), ok && found && err == nil
}

// bringChunk brings some calls of a subject back, from a place in the stream on, and returns where the next ones are,
// or 0 when there are none. Others may be about the same: the IDs see to it that each call comes back once.
func (q *Queue) bringChunk(ctx context.Context, subject string, seq uint64) (next uint64, err error) {
	msgs, err := q.get(ctx, getRequest{Batch: chunk, MaxBytes: chunkBytes, Seq: seq, Subject: subject})
	if err != nil || len(msgs) == 0 {
		return 0, err
	}
	seqs := make([]uint64, len(msgs))
	for i, msg := range msgs {
		if seqs[i], err = strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64); err != nil {
			return 0, err
		}
	}
	ctx = context.WithoutCancel(ctx) // a call brought back must not stay where it was
	return seqs[len(seqs)-1] + 1, q.each(len(msgs), func(i int) error {
		r := parse(msgs[i].Data)
		if _, err := q.publish(ctx, q.name+".calls", movedID("again", seqs[i], r.Key), record.Append(nil, &r)); err != nil {
			return err
		}
		return q.remove(ctx, q.later, seqs[i])
	})
}
