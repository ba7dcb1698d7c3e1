package natsqueue

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// A server finds the next message of a stream at once, but that of one subject only by looking at all in between. When
// many lanes have something, a stretch of the stream is therefore read in its order, for all of them at once. Turns and
// claims go as they do without; only what a lane would ask the server for is known already.

const (
	// minWalk is from how many lanes on that would ask the server a stretch is read.
	minWalk = 8

	// A stretch has at most so many messages and about so many bytes.
	maxWalk   = 4096
	walkBytes = 8 << 20

	// walkAge is how long a stretch is used: somebody may delete calls by hand.
	walkAge = 5 * time.Second

	// When little of a stretch was of use, no other is read for a while, each time for longer.
	minWalkPause = 100 * time.Millisecond
	maxWalkPause = 10 * time.Second
)

// walk is a stretch of the stream of calls. What is in it does not change.
type walk struct {
	from, to   uint64 // of all there was from one place to before the other, nothing is missing
	more       bool   // there was more behind it
	calls      map[string][]message
	size       int
	began      time.Time
	reconnects uint64 // when it was read

	used atomic.Int64
}

// of returns the calls of a subject from a place on, and whether the stretch has that place.
func (w *walk) of(subject string, seq uint64) (msgs []message, ok bool) {
	if w == nil || seq < w.from || seq >= w.to {
		return nil, false
	}
	msgs = w.calls[subject]
	i, _ := slices.BinarySearchFunc(msgs, seq, func(m message, seq uint64) int {
		if m.seq < seq {
			return -1
		}
		return 1
	})
	return msgs[i:], true
}

// walked returns what is known of a subject from a place on, and from where on nothing is known.
func (q *Queue) walked(subject string, seq uint64, limit, maxBytes int) (msgs []message, more bool, from uint64) {
	q.mu.Lock()
	w := q.walk
	q.mu.Unlock()
	seq = max(seq, 1)
	list, ok := w.of(subject, seq)
	if !ok || !q.isFresh(w) {
		return nil, true, seq
	}
	n, bytes := 0, 0
	for n < min(len(list), limit) && bytes < maxBytes {
		bytes += len(list[n].data)
		n++
	}
	w.used.Add(int64(n))
	return slices.Clone(list[:n]), n < len(list) || w.more, w.to
}

// isFresh reports whether a stretch may be used. A server that starts again may have lost what it wrote last, and give
// the places away again.
func (q *Queue) isFresh(w *walk) bool {
	return time.Since(w.began) < walkAge && w.reconnects == q.js.Conn().Stats().Reconnects
}

// walkFor reads a stretch of the stream when most of the lanes would have to ask the server.
func (q *Queue) walkFor(ctx context.Context, lanes []*lane) {
	if len(lanes) < minWalk {
		return
	}
	w := q.nextWalk(lanes)
	if w == nil {
		return
	}
	msgs, more, err := q.readOnce(ctx, q.calls, ">", w.to, maxWalk, walkBytes)
	if err != nil {
		return // the lanes ask for themselves
	}
	for _, m := range msgs {
		w.calls[m.subject] = append(w.calls[m.subject], m)
		w.to = m.seq + 1
	}
	w.size, w.more = w.size+len(msgs), more
	q.mu.Lock()
	q.walk = w
	q.mu.Unlock()
}

// nextWalk returns what is to be read from its end on, or nil.
func (q *Queue) nextWalk(lanes []*lane) *walk {
	q.mu.Lock()
	defer q.mu.Unlock()
	old := q.walk
	if old != nil && !q.isFresh(old) {
		old = nil
	}
	behind := 0 // how many need what comes after the stretch
	var places []uint64
	for _, ln := range lanes {
		msgs, ok := old.of(ln.subject, max(ln.next, 1))
		switch {
		case len(msgs) > 0:
			continue
		case ok:
			behind++
		}
		places = append(places, max(ln.next, 1))
	}
	if len(places) < max(minWalk, len(lanes)/2) {
		return nil
	}
	now := time.Now()
	if q.walk != nil {
		if 4*q.walk.used.Load() <= int64(q.walk.size) {
			q.walkPause = min(max(2*q.walkPause, minWalkPause), maxWalkPause)
			q.walkAgain = now.Add(q.walkPause)
		} else {
			q.walkPause = 0
		}
		q.walk = nil
	}
	if now.Before(q.walkAgain) {
		return nil
	}
	w := &walk{calls: make(map[string][]message), began: now, reconnects: q.js.Conn().Stats().Reconnects}
	if 2*behind >= len(places) && q.carry(old, w) {
		return w
	}
	w.from = mostFrom(places)
	w.to = w.from
	return w
}

// carry makes a stretch go on where the one before it ends, with what is not claimed of that. It returns false when
// that is too much. The caller holds mu.
func (q *Queue) carry(old, w *walk) bool {
	bytes := 0
	for subject, msgs := range old.calls {
		if ln := q.lanes[laneName(strings.TrimPrefix(subject, q.name+".calls."))]; ln != nil {
			msgs, _ = old.of(subject, max(ln.next, old.from))
		}
		if len(msgs) > 0 {
			w.calls[subject] = slices.Clip(msgs)
			w.size += len(msgs)
		}
		for i := range msgs {
			bytes += len(msgs[i].data)
		}
	}
	if w.size > maxWalk || bytes > walkBytes {
		clear(w.calls)
		w.size = 0
		return false
	}
	w.from, w.to, w.began, w.reconnects = old.from, old.to, old.began, old.reconnects
	return true
}

// mostFrom returns the place from which on a stretch has most of the places, the first such one.
func mostFrom(places []uint64) (from uint64) {
	slices.Sort(places)
	most, to := 0, 0
	for i, place := range places {
		for to < len(places) && places[to] < place+maxWalk {
			to++
		}
		if n := to - i; n > most {
			most, from = n, place
		}
	}
	return from
}

// endWalk forgets the stretch.
func (q *Queue) endWalk() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.walk = nil
}
