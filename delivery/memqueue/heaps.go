package memqueue

import "time"

// byID is a heap of items, oldest first.
type byID []*entry

func (h byID) Len() int           { return len(h) }
func (h byID) Less(i, j int) bool { return h[i].id < h[j].id }
func (h byID) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byID) Push(x any)        { *h = append(*h, x.(*entry)) } //nolint:errcheck // of a caller here
func (h *byID) Pop() any          { return pop(h) }

// byDue is a heap of items that wait, the next due first.
type byDue []*entry

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h byDue) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byDue) Push(x any)        { *h = append(*h, x.(*entry)) } //nolint:errcheck // of a caller here
func (h *byDue) Pop() any          { return pop((*byID)(h)) }

// next returns when the first item is due, or the zero time.
func (h byDue) next() time.Time {
	if len(h) == 0 {
		return time.Time{}
	}
	return h[0].due
}

func pop(h *byID) *entry {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
