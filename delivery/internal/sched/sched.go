// Package sched holds what queues in one process have in common: whose turn it is among the lanes, which lanes are
// paused, what is leased and until when, and whom to wake. Nothing here locks: the queue does.
package sched

import (
	"context"
	"maps"
	"slices"
	"time"
)

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

// Shift moves the end of every lease: the clock was set back by d, and what was to end after a while still does.
func (h *Holds) Shift(d time.Duration) {
	for i := range h.ends {
		h.ends[i].until = h.ends[i].until.Add(-d)
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

// Wait returns nil when changed or freed is closed, when the time at has come, which is never when at is zero, or
// after a minute of waiting for it, and the context's error when ctx ends first.
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

// jump is how far a clock must go back to have been set: smaller steps are waited for.
const jump = time.Second

// Clock notices when the time of day was set back. A queue reads it before it looks at times, and moves them by what it
// says: what was to happen after a while still does. The zero value is ready.
type Clock struct{ last time.Time }

// Read takes the present time and returns by how much the clock was set back since the last reading, mostly 0. Times
// with a monotonic reading are never set back.
func (c *Clock) Read(now time.Time) (back time.Duration) {
	if d := c.last.Sub(now); !c.last.IsZero() && d > jump {
		back = d
	}
	c.last = now
	return back
}
