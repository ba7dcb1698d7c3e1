package natsqueue

import (
	"encoding/json"
	"slices"
	"time"
)

// claims says which calls of a lane are leased. It is kept in the bucket, and whoever changes it says what it was
// before, so that no call is claimed twice. A call below Next is held, free, or settled and deleted.
type claims struct {
	Next uint64 `json:"next"`           // calls from here on in the stream were never leased
	Held []span `json:"held,omitempty"` // in the order of From
	Free []span `json:"free,omitempty"` // in the order of From
}

// span is the calls of the lane between two places in the stream, both included.
type span struct {
	From  uint64 `json:"from"`
	To    uint64 `json:"to"`
	Until int64  `json:"until,omitempty"` // end of the lease, the servers' time in milliseconds
	By    string `json:"by,omitempty"`    // whose lease it is
}

func (s span) has(seq uint64) bool { return s.From <= seq && seq <= s.To }

func byFrom(a, b span) int {
	switch {
	case a.From < b.From:
		return -1
	case a.From > b.From:
		return 1
	default:
		return 0
	}
}

const (
	maxPlace = 1 << 60 // no stream gets so far
	maxFound = 1 << 20 // how many places are looked at that nobody knows
)

// parseClaims reads stored claims. Of what cannot be read nothing is known.
func parseClaims(data []byte) claims {
	var c claims
	if json.Unmarshal(data, &c) != nil {
		return claims{}
	}
	if c.Next > maxPlace {
		return claims{}
	}
	for _, list := range [][]span{c.Held, c.Free} {
		slices.SortFunc(list, byFrom)
		for _, s := range list {
			if s.From == 0 || s.From > s.To || s.To >= c.Next {
				return claims{}
			}
		}
	}
	return c
}

func (c *claims) clone() claims {
	return claims{Next: c.Next, Held: slices.Clone(c.Held), Free: slices.Clone(c.Free)}
}

// tidy drops what by has held and settled, and frees what is held longer than its lease. It reports whether anything
// was freed.
func (c *claims) tidy(by string, open []uint64, now time.Time) (freed bool) {
	over := func(s span) bool { return s.Until <= now.UnixMilli() }
	c.Held = slices.DeleteFunc(c.Held, func(s span) bool {
		settled := s.By == by && !slices.ContainsFunc(open, s.has)
		if !settled && over(s) {
			c.Free = append(c.Free, span{From: s.From, To: s.To})
			freed = true
		}
		return settled || over(s)
	})
	c.merge()
	return freed
}

// hold claims calls. Those that by holds next to each other for the same time make one span.
func (c *claims) hold(s span) {
	c.Held = append(c.Held, s)
	slices.SortFunc(c.Held, byFrom)
	c.merge()
}

// merge joins spans with none of others between them: what lies between them is settled, or another lane's.
func (c *claims) merge() {
	slices.SortFunc(c.Held, byFrom)
	slices.SortFunc(c.Free, byFrom)
	between := func(list []span, a, b uint64) bool {
		i, _ := slices.BinarySearchFunc(list, a, func(s span, seq uint64) int {
			if s.To < seq {
				return -1
			}
			return 1
		})
		return i < len(list) && list[i].From < b
	}
	join := func(list, others []span) []span {
		kept := list[:0]
		for _, s := range list {
			if n := len(kept); n > 0 {
				last := &kept[n-1]
				if last.Until == s.Until && last.By == s.By && !between(others, last.To, s.From) {
					last.To = max(last.To, s.To)
					continue
				}
			}
			kept = append(kept, s)
		}
		return kept
	}
	c.Held = join(c.Held, c.Free)
	c.Free = join(c.Free, c.Held)
}

// release frees one call that by holds, and reports whether by held it. Merge when all are released.
func (c *claims) release(by string, seq uint64) bool {
	i := slices.IndexFunc(c.Held, func(s span) bool { return s.By == by && s.has(seq) })
	if i < 0 {
		return false
	}
	s := c.Held[i]
	var rest []span
	if s.From < seq {
		left := s
		left.To = seq - 1
		rest = append(rest, left)
	}
	if seq < s.To {
		right := s
		right.From = seq + 1
		rest = append(rest, right)
	}
	c.Held = slices.Replace(c.Held, i, i+1, rest...)
	c.Free = append(c.Free, span{From: seq, To: seq})
	return true
}

// taken frees less: the calls up to a place are taken, or were not there.
func (c *claims) taken(upTo uint64) {
	for len(c.Free) > 0 && c.Free[0].To <= upTo {
		c.Free = c.Free[1:]
	}
	if len(c.Free) > 0 {
		c.Free[0].From = max(c.Free[0].From, upTo+1)
	}
}

// knows reports whether a call is held or free.
func (c *claims) knows(seq uint64) bool {
	has := func(s span) bool { return s.has(seq) }
	return slices.ContainsFunc(c.Held, has) || slices.ContainsFunc(c.Free, has)
}

// found frees a call that nobody knows, and those after it that nobody knows either: a machine that lost what it wrote
// last gives its places away again.
func (c *claims) found(seq uint64) {
	to := min(c.Next-1, seq+maxFound)
	for _, s := range slices.Concat(c.Held, c.Free) {
		if s.From > seq {
			to = min(to, s.From-1)
		}
	}
	c.Free = append(c.Free, span{From: seq, To: to})
	c.merge()
}

// end is when the next lease ends; false when nothing is held.
func (c *claims) end() (until time.Time, ok bool) {
	for _, s := range c.Held {
		if t := time.UnixMilli(s.Until); !ok || t.Before(until) {
			until, ok = t, true
		}
	}
	return until, ok
}
