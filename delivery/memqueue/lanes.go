package memqueue

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// pending are the items of a lane that wait or are leased.
type pending struct {
	count int
	order []*entry // oldest first; those that are gone are skipped
}

func (p *pending) add(e *entry) {
	p.count++
	if len(p.order) > 2*p.count+64 {
		p.order = slices.DeleteFunc(p.order, func(e *entry) bool { return e.gone })
	}
	p.order = append(p.order, e)
}

// oldest is when the oldest item was submitted; the zero time when there is none.
func (p *pending) oldest() time.Time {
	for len(p.order) > 0 && p.order[0].gone {
		p.order[0] = nil
		p.order = p.order[1:]
	}
	if len(p.order) == 0 {
		return time.Time{}
	}
	return p.order[0].Submitted
}

// Lanes implements [delivery.Queue].
func (q *Queue) Lanes(context.Context) ([]delivery.LaneCounts, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.usable(); err != nil {
		return nil, err
	}
	lanes := make(map[string]delivery.LaneCounts, len(q.lanes))
	for name, p := range q.lanes {
		lanes[name] = delivery.LaneCounts{Lane: name, Pending: int64(p.count), Oldest: p.oldest()}
	}
	for _, p := range q.turns.Pauses(q.time()) {
		c := lanes[p.Lane]
		c.Lane, c.PausedUntil, c.Note, c.Manual = p.Lane, p.Until, p.Note, p.Manual
		lanes[p.Lane] = c
	}
	list := make([]delivery.LaneCounts, 0, len(lanes))
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		list = append(list, lanes[name])
	}
	return list, nil
}
