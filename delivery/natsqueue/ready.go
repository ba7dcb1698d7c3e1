package natsqueue

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// sweepEvery is how often all lanes are looked through: what others say about them can be lost.
	sweepEvery = 5 * time.Second

	// keepLane is how long a lane without calls is remembered.
	keepLane = 10 * time.Minute

	// quietTime is how long a lane about which others were told is not told of again, unless it is needed then.
	quietTime = 2 * time.Millisecond
)

// lane is what this process knows about a lane.
type lane struct {
	name, part, subject, key string

	mu       sync.Mutex // held while the claims are looked at or changed
	claims   claims
	revision uint64
	known    bool

	// The rest is guarded by the queue's mu.
	open    map[uint64]time.Time // leased here and not settled, until then
	next    uint64               // Next of the claims
	stale   bool                 // somebody else has changed the claims
	looking bool                 // the claims are being looked at
	again   bool                 // meanwhile something was heard of the lane
	heard   time.Time            // when that was, the last time
	last    uint64               // the newest message that was told of
	count   int64                // how many calls there were when the lanes were looked through
	idle    int64                // how many there were when none could be leased
	others  bool                 // others have leased some
	wake    time.Time            // when the next lease ends
	timer   *time.Timer
}

// laneOf returns a lane by the last part of its subject. The caller holds mu.
func (q *Queue) laneOf(part string) *lane {
	name := laneName(part)
	ln := q.lanes[name]
	if ln == nil {
		ln = &lane{
			name: name, part: part, subject: q.name + ".calls." + part, key: claimsPrefix + part,
			open: make(map[uint64]time.Time),
		}
		if _, ok := fromToken(part); !ok { // which may be no part of a key
			ln.key = claimsPrefix + unreadable + "." + token(part)
		}
		q.lanes[name] = ln
	}
	return ln
}

// laneName is the name of a lane by the last part of its subject.
func laneName(part string) string {
	if name, ok := fromToken(part); ok {
		return name
	}
	return unreadable + "/" + part
}

// ready offers a lane that may have something to lease. The caller holds mu.
func (q *Queue) ready(ln *lane) {
	ln.heard = time.Now()
	if ln.looking {
		ln.again = true
		return
	}
	q.turns.Ready(ln.name)
	q.signal.Notify()
}

// wakeAtEnd offers a lane again when the next lease of it ends. The caller holds mu.
func (q *Queue) wakeAtEnd(ln *lane, c *claims) {
	ln.others = slices.ContainsFunc(c.Held, func(s span) bool { return s.By != q.id })
	at, ok := c.end()
	if !ok || ln.timer != nil && !at.Before(ln.wake) {
		return
	}
	if ln.timer != nil {
		ln.timer.Stop()
	}
	ln.wake = at
	var timer *time.Timer
	timer = time.AfterFunc(at.Sub(q.clock.true())+time.Millisecond, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if ln.timer != timer {
			return
		}
		ln.timer = nil
		if ln.others || len(ln.open) > 0 {
			q.ready(ln)
		}
	})
	ln.timer = timer
}

// The lines of what queues tell each other about lanes, on the subject NAME.ready: the last part of the lane's subject,
// a space, and the number of a new message or this.
const freed = "free"

// tell tells the others that a lane has something to lease: the message with this number, or, with 0, what was leased.
func (q *Queue) tell(part string, seq uint64) {
	q.mu.Lock()
	if q.leasing {
		q.hear(part, seq)
	}
	// A lane that was told of just now is told of again in a moment, with whatever comes until then.
	now := time.Now()
	t, ok := q.told[part]
	switch {
	case ok && t.pending:
		t.seq, t.free = max(t.seq, seq), t.free || seq == 0
		q.told[part] = t
		q.mu.Unlock()
		return
	case ok && now.Sub(t.at) < quietTime:
		q.told[part] = told{pending: true, at: t.at, seq: seq, free: seq == 0}
		q.mu.Unlock()
		time.AfterFunc(quietTime, func() { q.tellNow(part) })
		return
	}
	if len(q.told) > 10_000 {
		for part, t := range q.told {
			if !t.pending {
				delete(q.told, part)
			}
		}
	}
	q.told[part] = told{at: now}
	q.mu.Unlock()
	q.publishReady(part, seq, seq == 0)
}

// told is when the others were told of a lane, and what they are to be told next.
type told struct {
	at      time.Time
	pending bool
	seq     uint64
	free    bool
}

func (q *Queue) tellNow(part string) {
	q.mu.Lock()
	t := q.told[part]
	q.told[part] = told{at: time.Now()}
	q.mu.Unlock()
	q.publishReady(part, t.seq, t.free)
}

func (q *Queue) publishReady(part string, seq uint64, free bool) {
	line := part + " " + strconv.FormatUint(seq, 10)
	if free {
		line = part + " " + freed
	}
	_ = q.js.Conn().Publish(q.name+".ready", []byte(line)) // when it is lost, the sweep finds the lane
}

// onReady learns what others tell.
func (q *Queue) onReady(msg *nats.Msg) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for line := range bytes.Lines(msg.Data) {
		part, rest, ok := strings.Cut(string(bytes.TrimSpace(line)), " ")
		if !ok || part == "" {
			continue
		}
		seq := uint64(0)
		if rest != freed {
			var err error
			if seq, err = strconv.ParseUint(rest, 10, 64); err != nil {
				continue
			}
		}
		q.hear(part, seq)
	}
}

// hear notes what is told about a lane. The caller holds mu.
func (q *Queue) hear(part string, seq uint64) {
	ln := q.laneOf(part)
	if seq > 0 && (seq < ln.next || seq <= ln.last) {
		return // leased, or known
	}
	ln.last = max(ln.last, seq)
	ln.stale = ln.stale || seq == 0
	q.ready(ln)
}

// sweep looks through all lanes again and again.
func (q *Queue) sweep(sub *nats.Subscription) {
	nc := q.js.Conn()
	status := nc.StatusChanged(nats.CONNECTED)
	defer nc.RemoveStatusListener(status)
	defer func() { _ = sub.Unsubscribe() }()
	all := true // what was told may have been lost
	for {
		err := q.sweepOnce(q.ctx, all)
		q.mu.Lock()
		q.looked = true
		q.signal.Notify()
		q.mu.Unlock()
		wait := sweepEvery/2 + rand.N(sweepEvery) //nolint:gosec // not to look all at once
		if all = err != nil; all {
			wait = maxDelay
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-status:
			all = true
		case <-q.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

func (q *Queue) sweepOnce(ctx context.Context, all bool) error {
	began := time.Now()
	info, err := q.info(ctx, q.calls, jetstream.WithSubjectFilter(q.name+".>"))
	if err != nil {
		return err
	}
	old := info.State.Consumers > 0
	q.mu.Lock()
	defer q.mu.Unlock()
	present := make(map[string]struct{}, len(info.State.Subjects))
	for subject, n := range info.State.Subjects {
		part, ok := strings.CutPrefix(subject, q.name+".calls.")
		if !ok {
			old = true
			continue
		}
		ln := q.laneOf(part)
		present[ln.name] = struct{}{}
		count := int64(n) //nolint:gosec // a number of messages
		ln.count, ln.idle = count, min(ln.idle, count)
		if all || count > int64(len(ln.open)) && count > ln.idle {
			ln.stale = true
			q.ready(ln)
		}
	}
	if q.walk != nil && !q.isFresh(q.walk) {
		q.walk = nil // it takes memory
	}
	now := time.Now()
	for name, ln := range q.lanes {
		for seq, until := range ln.open {
			if now.Sub(until) > 2*q.leaseTime {
				delete(ln.open, seq) // long void
			}
		}
		if _, ok := present[name]; !ok && len(ln.open) == 0 && !ln.looking &&
			began.Sub(ln.heard) > keepLane {
			if ln.timer != nil {
				ln.timer.Stop()
			}
			q.turns.Empty(name)
			delete(q.lanes, name)
		}
	}
	if old {
		q.old = true
		q.lookNow()
	}
	return nil
}

// start sees to it that this process learns which lanes have something to lease, and that calls are brought back: a
// queue that only takes calls in need not.
func (q *Queue) start() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.leasing || q.closed {
		return nil
	}
	sub, err := q.js.Conn().Subscribe(q.name+".ready", q.onReady)
	if err != nil {
		return err
	}
	q.leasing = true
	q.running.Go(q.bringBack)
	q.running.Go(func() { q.sweep(sub) })
	return nil
}
