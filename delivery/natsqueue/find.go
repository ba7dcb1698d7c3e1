package natsqueue

import (
	"context"
	"sync/atomic"
)

// scanners bounds how many requests at a time look through what was leased before.
const scanners = 32

// finder finds calls of a lane that are free.
type finder struct {
	*Queue
	lane            *lane
	claims          *claims
	limit, maxBytes int

	msgs    []message
	before  bool // they were leased before
	more    bool // there may be more
	changed bool // the claims are not what they were
}

// find finds calls that were leased before and are free again, or else such as were never leased.
func (f *finder) find(ctx context.Context) error {
	for {
		for len(f.claims.Free) > 0 && len(f.msgs) == 0 {
			if err := f.scan(ctx); err != nil {
				return err
			}
		}
		if len(f.msgs) > 0 {
			f.before, f.more = true, true
			return nil
		}
		msgs, more, from := f.walked(f.lane.subject, f.claims.Next, f.limit, f.maxBytes)
		if len(msgs) == 0 {
			var err error
			if msgs, more, err = f.read(ctx, f.calls, f.lane.subject, from, f.limit, f.maxBytes); err != nil {
				return err
			}
		}
		f.more = more
		if len(msgs) == 0 {
			// Who answered may not have heard of the last ones, and a machine may have lost its memory.
			first, err := f.next(ctx, f.calls, f.lane.subject, 1)
			if err != nil || first == nil {
				return err
			}
			if first.seq < f.claims.Next && !f.claims.knows(first.seq) {
				f.claims.found(first.seq)
				continue
			}
			if first.seq < f.claims.Next {
				first, err = f.next(ctx, f.calls, f.lane.subject, f.claims.Next)
			}
			if err != nil || first == nil {
				return err
			}
			msgs, f.more = []message{*first}, true
		}
		f.msgs = msgs
		f.claims.Next = msgs[len(msgs)-1].seq + 1
		return nil
	}
}

// scan looks through the first calls that are free again. Only the leader knows which are still there.
func (f *finder) scan(ctx context.Context) error {
	free := f.claims.Free[0]
	width := max((free.To-free.From)/scanners+1, 1)
	type part struct {
		from, to, upTo uint64
		msgs           []message
	}
	var parts []part
	for from := free.From; from <= free.To; from += width {
		parts = append(parts, part{from: from, to: min(from+width-1, free.To), upTo: from - 1})
	}
	var bytes atomic.Int64
	if err := f.each(len(parts), func(i int) error {
		p := &parts[i]
		for p.upTo < p.to && len(p.msgs) < f.limit && bytes.Load() < int64(f.maxBytes) {
			m, err := f.next(ctx, f.calls, f.lane.subject, p.upTo+1)
			if err != nil {
				return err
			}
			if m == nil || m.seq > p.to {
				p.upTo = p.to
				break
			}
			p.upTo = m.seq
			p.msgs = append(p.msgs, *m)
			bytes.Add(int64(len(m.data)))
		}
		return nil
	}); err != nil {
		return err
	}
	upTo := free.From - 1
	for _, p := range parts {
		for _, m := range p.msgs {
			if len(f.msgs) == f.limit {
				break
			}
			f.msgs = append(f.msgs, m)
			upTo = m.seq
		}
		if len(f.msgs) == f.limit || p.upTo < p.to {
			break
		}
		upTo = p.to
	}
	f.claims.taken(upTo)
	f.changed = true
	return nil
}
