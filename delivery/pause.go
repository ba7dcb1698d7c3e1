package delivery

import (
	"context"
	"log/slog"
	"time"
)

// What the queue is told about lanes: until when one is to be left alone, or that it goes again. It is told by whoever
// changed that, of a lane by one at a time, for the queue may take its time: words on a lane must not overtake each
// other.

// setPause tells the queue about a lane. When somebody else is doing so, that one goes on until the queue has the
// latest word: setPause returns at once, or with await when that is done.
func (d *Dispatcher) setPause(ctx context.Context, n *node, await bool) error {
	for {
		p, due, busy := d.hand.word(n, time.Now())
		switch {
		case busy != nil && await:
			select {
			case <-busy:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		case !due:
			return nil
		}
		err := d.queue.Pause(ctx, p)
		d.hand.told(n, p.Until, err == nil, time.Now())
		if err != nil {
			return err
		}
	}
}

// pause tells the queue about a lane. What it does not take is told again; see retell.
func (r *run) pause(n *node) (ok bool) {
	err := r.setPause(r.writes, n, false)
	if err != nil && r.writes.Err() == nil {
		r.log(slog.LevelWarn, "delivery: a lane could not be paused",
			slog.String("lane", n.name), slog.String("error", err.Error()))
	}
	return err == nil
}

// retell tells the queue what it did not take before. When it still does not, that is for another time.
func (r *run) retell() {
	for _, n := range r.hand.untold(time.Now()) {
		if !r.pause(n) {
			return
		}
	}
}

// words is how the queue takes what it is told about lanes.
type words struct {
	unsure  int       // lanes of which it may not have the latest word
	refused int       // words in a row
	again   time.Time // when it is told them again; zero when that is under way, or there are none
}

// word is what the queue is to be told about a lane; told must follow. It is not due when the queue knows, or when
// somebody tells it something about this lane, until busy is closed: that one asks for the next word then.
func (h *hand) word(n *node, now time.Time) (p Pause, due bool, busy <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p = Pause{Lane: n.name}
	if n.hold.class != classNone && n.hold.until.After(now) {
		p.Until, p.Note = n.hold.until, n.hold.why
	}
	s := &n.seat
	if s.telling != nil || p.Until.Equal(s.paused) && !s.unsure {
		return p, false, s.telling
	}
	s.telling = make(chan struct{})
	return p, true, nil
}

// told notes whether the queue has taken a word on a lane. What it did not take it may know all the same.
func (h *hand) told(n *node, until time.Time, ok bool, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(n.seat.telling)
	n.seat.telling = nil
	h.doubt(n, !ok)
	if ok {
		n.seat.paused, h.words.refused = until, 0
		return
	}
	n.seat.paused = latest(n.seat.paused, until)
	h.words.refused++
	h.words.again = now.Add(backoff(queueDelay, maxQueueDelay, h.words.refused, jitter()))
	h.wakeWatch()
}

// doubt notes whether the queue may know something else about a lane than it was told.
func (h *hand) doubt(n *node, unsure bool) {
	switch {
	case n.seat.unsure == unsure:
	case unsure:
		h.words.unsure++
	default:
		h.words.unsure--
	}
	n.seat.unsure = unsure
}

// untold returns the lanes of which the queue may not have the latest word. Pauses that are over need none.
func (h *hand) untold(now time.Time) (list []*node) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.words.unsure == 0 {
		return nil
	}
	for _, n := range h.health.nodes {
		switch {
		case !n.seat.unsure:
		case n.seat.paused.After(now), n.hold.class != classNone && n.hold.until.After(now):
			list = append(list, n)
		default:
			h.doubt(n, false)
		}
	}
	return list
}
