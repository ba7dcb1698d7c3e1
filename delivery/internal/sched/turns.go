package sched

import (
	"container/heap"
	"slices"
	"strings"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// Turns takes turns between the lanes that have something to lease. A lane that is paused or skipped costs nothing
// until that ends. The zero value is ready.
type Turns struct {
	lanes  map[string]*lane
	ring   []*lane            // in the order of their turns
	pauses map[string]*paused // by lane
	ends   byEnd              // of pauses; those that have changed since are skipped
	parked int                // ready lanes that wait for the end of a pause

	// aside are the lanes that the set skips, as it was after its n-th removal.
	aside   map[string]*lane
	above   map[string]int // how many of them are below a lane
	skips   *delivery.LaneSet
	removed uint64
}

type lane struct {
	name  string
	ready bool
	place place
}

// place is where a lane is listed.
type place uint8

const (
	nowhere place = iota
	inRing
	isParked // in the parked list of a pause
	isAside
)

// paused is what is known about the pauses of one lane, and the lanes at and below it that wait for their end.
type paused struct {
	own    [2]delivery.Pause // the dispatchers', a person's
	parked []*lane
}

func (p *paused) until() time.Time {
	if p.own[1].Until.After(p.own[0].Until) {
		return p.own[1].Until
	}
	return p.own[0].Until
}

// Ready notes that a lane has something to lease.
func (t *Turns) Ready(name string) {
	l := t.lanes[name]
	if l == nil {
		if t.lanes == nil {
			t.lanes = make(map[string]*lane)
		}
		l = &lane{name: name}
		t.lanes[name] = l
	}
	if l.place == isParked && !l.ready {
		t.parked++
	}
	l.ready = true
	if l.place == nowhere {
		t.queue(l)
	}
}

// Empty notes that a lane has nothing to lease.
func (t *Turns) Empty(name string) {
	if l := t.lanes[name]; l != nil {
		if l.place == isParked && l.ready {
			t.parked--
		}
		l.ready = false
	}
}

// queue lists a lane where it has to wait.
func (t *Turns) queue(l *lane) {
	if p := t.holding(l.name); p != nil {
		l.place = isParked
		p.parked = append(p.parked, l)
		if l.ready {
			t.parked++
		}
		return
	}
	l.place = inRing
	t.ring = append(t.ring, l)
}

// holding returns the longest pause of a lane and those above it, or nil.
func (t *Turns) holding(name string) (longest *paused) {
	if len(t.pauses) == 0 {
		return nil
	}
	for ; name != ""; name = delivery.ParentLane(name) {
		if p := t.pauses[name]; p != nil && (longest == nil || p.until().After(longest.until())) {
			longest = p
		}
	}
	return longest
}

// Next returns the lane whose turn it is, and false when no lane but those to skip has something to lease now.
func (t *Turns) Next(now time.Time, skip *delivery.LaneSet) (string, bool) {
	t.expire(now)
	t.look(skip)
	for range len(t.ring) {
		l := t.ring[0]
		t.ring = t.ring[1:]
		l.place = nowhere
		switch {
		case !l.ready:
			delete(t.lanes, l.name)
		case t.holding(l.name) != nil:
			t.queue(l)
		case skip.Has(l.name):
			t.putAside(l, 1)
		default:
			l.place = inRing
			t.ring = append(t.ring, l)
			return l.name, true
		}
	}
	return "", false
}

// putAside notes that a lane is skipped, or with -1 that it is not any more.
func (t *Turns) putAside(l *lane, n int) {
	if t.aside == nil {
		t.aside, t.above = make(map[string]*lane), make(map[string]int)
	}
	if n > 0 {
		l.place = isAside
		t.aside[l.name] = l
	} else {
		delete(t.aside, l.name)
	}
	for name := delivery.ParentLane(l.name); name != ""; name = delivery.ParentLane(name) {
		if t.above[name] += n; t.above[name] == 0 {
			delete(t.above, name)
		}
	}
}

// look takes the lanes back into the ring that are not skipped any more, as far as that is known.
func (t *Turns) look(skip *delivery.LaneSet) {
	names, removed, all := skip.Removed(t.removed)
	if t.skips != skip {
		all = true // another set, of which nothing is known
	}
	t.skips, t.removed = skip, removed
	if len(t.aside) == 0 {
		return
	}
	back := func(l *lane) {
		t.putAside(l, -1)
		t.queue(l)
	}
	for _, name := range names {
		if l := t.aside[name]; l != nil {
			back(l)
		}
		all = all || t.above[name] > 0
	}
	if all {
		list := make([]*lane, 0, len(t.aside))
		for _, l := range t.aside {
			list = append(list, l)
		}
		slices.SortFunc(list, func(a, b *lane) int { return strings.Compare(a.name, b.name) })
		for _, l := range list {
			back(l)
		}
	}
}

// Pause pauses a lane and those below it, as the dispatchers do.
func (t *Turns) Pause(name string, until, now time.Time) (resumed bool) {
	return t.Set(delivery.Pause{Lane: name, Until: until}, now)
}

// Set sets one of the two pauses of a lane. It reports whether that let a lane go.
func (t *Turns) Set(p delivery.Pause, now time.Time) (resumed bool) {
	t.expire(now)
	was := t.pauses[p.Lane]
	slot := 0
	if p.Manual {
		slot = 1
	}
	if !p.Until.After(now) {
		if was == nil || was.own[slot].Until.IsZero() {
			return false
		}
		was.own[slot] = delivery.Pause{}
		t.release(p.Lane, was)
		return true
	}
	if was == nil {
		if t.pauses == nil {
			t.pauses = make(map[string]*paused)
		}
		was = new(paused)
		t.pauses[p.Lane] = was
	}
	resumed = p.Until.Before(was.own[slot].Until)
	was.own[slot] = p
	if resumed {
		t.release(p.Lane, was)
	}
	heap.Push(&t.ends, pauseEnd{until: p.Until, lane: p.Lane})
	if len(t.ends) > 2*len(t.pauses)+minEnds {
		t.rebuild()
	}
	return resumed
}

// release lists the lanes anew that wait for a pause, which may have ended.
func (t *Turns) release(name string, p *paused) {
	if p.until().IsZero() {
		delete(t.pauses, name)
	}
	waiting := p.parked
	p.parked = nil
	for _, l := range waiting {
		if l.ready {
			t.parked--
		}
		t.queue(l)
	}
}

// expire ends the pauses whose time is over.
func (t *Turns) expire(now time.Time) {
	for len(t.ends) > 0 && !t.ends[0].until.After(now) {
		name := t.ends[0].lane
		heap.Pop(&t.ends)
		p := t.pauses[name]
		if p == nil {
			continue
		}
		for i := range p.own {
			if !p.own[i].Until.After(now) {
				p.own[i] = delivery.Pause{}
			}
		}
		if p.until().IsZero() {
			t.release(name, p)
		}
	}
}

func (t *Turns) rebuild() {
	t.ends = t.ends[:0]
	for name, p := range t.pauses {
		for i := range p.own {
			if until := p.own[i].Until; !until.IsZero() {
				t.ends = append(t.ends, pauseEnd{until: until, lane: name})
			}
		}
	}
	heap.Init(&t.ends)
}

// Shift moves the end of every pause: the clock was set back by d, and what was to end after a while still does.
func (t *Turns) Shift(d time.Duration) {
	for _, p := range t.pauses {
		for i := range p.own {
			if !p.own[i].Until.IsZero() {
				p.own[i].Until = p.own[i].Until.Add(-d)
			}
		}
	}
	t.rebuild()
}

// PausedUntil returns until when a lane or one above it is paused, and the zero time when none is.
func (t *Turns) PausedUntil(name string, now time.Time) time.Time {
	t.expire(now)
	if p := t.holding(name); p != nil {
		return p.until()
	}
	return time.Time{}
}

// Pauses returns the pause of each paused lane that lasts longest, in no order.
func (t *Turns) Pauses(now time.Time) []delivery.Pause {
	t.expire(now)
	list := make([]delivery.Pause, 0, len(t.pauses))
	for _, p := range t.pauses {
		longest := p.own[0]
		if p.own[1].Until.After(longest.Until) {
			longest = p.own[1]
		}
		list = append(list, longest)
	}
	return list
}

// Wake returns when the next pause ends while a lane waits for the end of one, and the zero time when none does.
func (t *Turns) Wake(now time.Time) time.Time {
	t.expire(now)
	if t.parked == 0 || len(t.ends) == 0 {
		return time.Time{}
	}
	return t.ends[0].until
}

// Paused counts the lanes with a pause that has not ended.
func (t *Turns) Paused(now time.Time) int {
	t.expire(now)
	return len(t.pauses)
}

type pauseEnd struct {
	until time.Time
	lane  string
}

// byEnd is a heap, the next to end first.
type byEnd []pauseEnd

func (h byEnd) Len() int           { return len(h) }
func (h byEnd) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h byEnd) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byEnd) Push(x any)        { *h = append(*h, x.(pauseEnd)) } //nolint:errcheck // of a caller here
func (h *byEnd) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
