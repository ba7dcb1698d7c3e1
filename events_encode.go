package appevents

import (
	"slices"

	"github.com/appevents/appevents-go/internal/wire"
)

// appendEvents writes a JSON array of flat objects.
func appendEvents(dst []byte, events []Event) []byte {
	size := 2
	for i := range events {
		size += events[i].size()
	}
	dst = append(slices.Grow(dst, size), '[')
	for i := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = events[i].append(dst)
	}
	return append(dst, ']')
}

// size is about how many bytes append writes: a buffer of that size seldom grows.
func (e *Event) size() int {
	q := &e.Params
	return 192 + len(q.Description) + len(q.SearchString) + 64*len(q.Contents) + 24*len(q.ContentIDs) + 48*len(q.Custom)
}

// append writes the event as /activities and /page_activities take it. The event must be valid.
func (e *Event) append(dst []byte) []byte {
	open := len(dst)
	dst = eventPlan.AppendJSON(dst, e)
	if !paramsPlan.IsZero(&e.Params) {
		dst = paramsPlan.AppendJSON(dst, &e.Params)
		dst = appendCustom(dst, e.Params.Custom)
	}
	return wire.CloseObject(dst, open)
}

// hasOperational reports whether any of the events has debugging data.
func hasOperational(events []Event) bool {
	for i := range events {
		if !events[i].Operational.isZero() {
			return true
		}
	}
	return false
}

// appendOperational writes the debugging data of the events: an object for each, empty for one without.
func appendOperational(dst []byte, events []Event) []byte {
	dst = append(dst, '[')
	for i := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = operationalPlan.AppendObject(dst, &events[i].Operational)
	}
	return append(dst, ']')
}
