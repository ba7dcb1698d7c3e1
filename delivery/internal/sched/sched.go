// Package sched holds what queues in one process have in common: whose turn it is among the lanes, which lanes are
// paused, what is leased and until when, and whom to wake. Nothing here locks: the queue does.
package sched

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// Turns takes turns between the lanes that have something to lease. The zero value is ready.
type Turns struct {
	lanes  map[string]*lane
	ring   []string             // lanes in the order of their turns, each at most once
	pauses map[string]time.Time // until when, by lane
}

type lane struct {
	ready  bool
	inRing bool
}

// Ready notes that a lane has something to lease.
func (t *Turns) Ready(name string) {
	l := t.lanes[name]
	if l == nil {
		if t.lanes == nil {
			t.lanes = make(map[string]*lane)
		}
		l = new(lane)
		t.lanes[name] = l
	}
	l.ready = true
	if !l.inRing {
		l.inRing = true
		t.ring = append(t.ring, name)
	}
}

// Empty notes that a lane has nothing to lease.
func (t *Turns) Empty(name string) {
	if l := t.lanes[name]; l != nil {
		l.ready = false
	}
}

// Next returns the lane whose turn it is, and false when no lane but those to skip has something to lease now.
func (t *Turns) Next(now time.Time, skip *delivery.LaneSet) (string, bool) {
	for range len(t.ring) {
		name := t.ring[0]
		t.ring = t.ring[1:]
		l := t.lanes[name]
		if !l.ready {
			delete(t.lanes, name)
			continue
		}
		t.ring = append(t.ring, name)
		if t.PausedUntil(name, now).IsZero() && !skip.Has(name) {
			return name, true
		}
	}
	return "", false
}

// Pause pauses a lane and those below it. It reports whether that let a lane go.
func (t *Turns) Pause(name string, until, now time.Time) (resumed bool) {
	before, was := t.pauses[name]
	if !until.After(now) {
		delete(t.pauses, name)
		return was
	}
	if t.pauses == nil {
		t.pauses = make(map[string]time.Time)
	}
	t.pauses[name] = until
	return was && until.Before(before)
}

// PausedUntil returns until when a lane or one above it is paused, and the zero time when none is.
func (t *Turns) PausedUntil(name string, now time.Time) time.Time {
	var latest time.Time
	if len(t.pauses) == 0 {
		return latest
	}
	for ; name != ""; name = delivery.ParentLane(name) {
		until, ok := t.pauses[name]
		switch {
		case !ok:
		case !until.After(now):
			delete(t.pauses, name)
		case until.After(latest):
			latest = until
		}
	}
	return latest
}

// Wake returns when the first of the lanes that only wait for the end of a pause has its turn, and the zero time when
// none does.
func (t *Turns) Wake(now time.Time) time.Time {
	var first time.Time
	if len(t.pauses) == 0 {
		return first
	}
	for name, l := range t.lanes {
		if !l.ready {
			continue
		}
		if until := t.PausedUntil(name, now); !until.IsZero() && (first.IsZero() || until.Before(first)) {
			first = until
		}
	}
	return first
}

// Paused counts the pauses that have not ended.
func (t *Turns) Paused(now time.Time) int {
	for name, until := range t.pauses {
		if !until.After(now) {
			delete(t.pauses, name)
		}
	}
	return len(t.pauses)
}

// Holds are the leases given out, all for the same time. The zero value is ready.
type Holds struct {
	held map[uint64]Held
	ends []end // in the order of their ends; those of ended leases are skipped
	last uint64
}

// Held is a leased item.
type Held struct {
	ID      uint64
	Lane    string
	receipt uint64
}

type end struct {
	id, receipt uint64
	until       time.Time
}

// minEnds keeps few ends from being tidied again and again. Beyond it at most half of them are of ended leases: one
// lease that lasts must not keep the ends of all that came after it.
const minEnds = 1024

// Hold leases an item and returns the receipt.
func (h *Holds) Hold(id uint64, lane string, until time.Time) (receipt uint64) {
	h.last++
	h.Restore(id, h.last, lane, until)
	return h.last
}

// Restore gives a lease that was dropped its place back.
func (h *Holds) Restore(id, receipt uint64, lane string, until time.Time) {
	if h.held == nil {
		h.held = make(map[uint64]Held)
	}
	h.held[id] = Held{ID: id, Lane: lane, receipt: receipt}
	if len(h.ends) >= 2*len(h.held)+minEnds {
		h.ends = slices.DeleteFunc(h.ends, func(e end) bool { return !h.Valid(e.id, e.receipt) })
	}
	i := len(h.ends) // nearly always the place, since all leases last equally long
	for i > 0 && h.ends[i-1].until.After(until) {
		i--
	}
	h.ends = slices.Insert(h.ends, i, end{id: id, receipt: receipt, until: until})
}

// Held reports whether an item is leased.
func (h *Holds) Held(id uint64) bool {
	_, ok := h.held[id]
	return ok
}

// Valid reports whether a receipt is for the present lease of an item.
func (h *Holds) Valid(id, receipt uint64) bool {
	held, ok := h.held[id]
	return ok && held.receipt == receipt
}

// Drop ends the lease of an item, whoever has it.
func (h *Holds) Drop(id uint64) { delete(h.held, id) }

// Expire ends the leases whose time is over and returns their items.
func (h *Holds) Expire(now time.Time) (over []Held) {
	for {
		until := h.Wake()
		if until.IsZero() || until.After(now) {
			return over
		}
		id := h.ends[0].id
		over = append(over, h.held[id])
		delete(h.held, id)
	}
}

// IDs returns the items that are leased, in no order.
func (h *Holds) IDs() []uint64 { return slices.Collect(maps.Keys(h.held)) }

// Wake returns when the next lease ends, and the zero time when nothing is leased.
func (h *Holds) Wake() time.Time {
	for len(h.ends) > 0 {
		if first := h.ends[0]; h.Valid(first.id, first.receipt) {
			return first.until
		}
		h.ends = h.ends[1:]
	}
	h.ends = nil
	return time.Time{}
}

// Signal wakes all who wait. The zero value is ready.
type Signal struct{ ch chan struct{} }

// Changed returns a channel that is closed by the next Notify.
func (s *Signal) Changed() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

// Notify wakes those who asked for the channel.
func (s *Signal) Notify() {
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// maxWait bounds a wait for a time of day: clocks are set, and machines sleep.
const maxWait = time.Minute

// Wait returns nil when changed or freed is closed, when the time at has come, which is never when at is zero, or after a
// minute of waiting for it, and the context's error when ctx ends first.
func Wait(ctx context.Context, changed, freed <-chan struct{}, at time.Time) error {
	var due <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(min(time.Until(at), maxWait))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-changed:
	case <-freed:
	case <-due:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Earliest returns the earliest of the times that are not zero.
func Earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
