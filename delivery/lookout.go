package delivery

import (
	"container/heap"
	"context"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
)

// This file is what a hand knows besides its batches: which lanes the queue is to leave out, when to look at a lane
// again, and what others ask of it.

// soon is when what is overdue is done.
const soon = time.Millisecond

// wants reports whether more of a lane, or of the lanes of an edge, should be leased.
func (h *hand) wants(n *node, now time.Time) bool {
	_, waits := n.waits(now)
	switch {
	case waits:
		return false
	case n.ahead():
		return false
	case n.open, n.hold.class != classNone:
		return n.seat.waiting == 0
	case n.edge == nil: // its lanes have their own word
		return true
	case n.seat.waiting == 0:
		return true
	case n.seat.waiting >= aheadBatches*h.health.allowance(n, now):
		return false
	case h.health.othersWork(n, now):
		return n.seat.leased < max(maxBatch, h.workers*maxBatch/laneShare) && n.seat.bytes < maxHandBytes/laneShare
	default:
		return true
	}
}

// refresh tells the queue what to leave out, and when that ends.
func (h *hand) refresh(n *node, now time.Time) {
	for s := n; s != nil; s = s.edge {
		wants := h.wants(s, now)
		if wants == s.seat.skipped {
			if s.seat.skipped = !wants; wants {
				h.skip.Remove(s.name)
			} else {
				h.skip.Add(s.name)
			}
		}
		h.setAlarm(s, h.lookAt(s, now), now)
	}
}

// lookAt is when a lane is to be looked at again, if nothing happens to it before: the earliest moment to come. The
// zero time says that there is none: nothing holds it up, or the end of a request will say more.
func (h *hand) lookAt(n *node, now time.Time) (at time.Time) {
	if until, waits := n.waits(now); waits {
		at = until
	} else if n.seat.waiting > 0 {
		at = n.pace.next
	}
	if o := &n.hold; o.class == classToken && !o.asking {
		// The time to ask can have passed while a request was under way.
		if ask := latest(o.askAt, now.Add(soon)); !at.After(now) || ask.Before(at) {
			at = ask
		}
	}
	return at
}

// setAlarm has a lane looked at again.
func (h *hand) setAlarm(n *node, at, now time.Time) {
	if !at.After(now) || !n.seat.alarm.IsZero() && !at.Before(n.seat.alarm) {
		return
	}
	n.seat.alarm = at
	heap.Push(&h.alarms, alarm{at: at, node: n})
	if h.alarms[0].node == n {
		h.wakeWatch()
	}
}

// wakeWatch has whoever watches ask anew when to come again.
func (h *hand) wakeWatch() {
	select {
	case h.alarm <- struct{}{}:
	default:
	}
}

// due looks at the lanes whose time has come. It returns those whose token is to be asked for, whether the queue is to
// be told again what it did not take, and when to come again.
func (h *hand) due(now time.Time) (ask []*node, tell bool, next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Sub(h.tidied) >= maxWatch {
		h.health.forget(now) // before tokens are asked for: a lane that waits for one is in use
	}
	for len(h.alarms) > 0 {
		a := h.alarms[0]
		if a.at.After(now) {
			next = a.at
			break
		}
		heap.Pop(&h.alarms)
		if !a.node.seat.alarm.Equal(a.at) {
			continue // there was an earlier one
		}
		a.node.seat.alarm = time.Time{}
		o := &a.node.hold
		if o.class == classToken && !o.asking && !o.askAt.After(now) {
			o.asking = true
			ask = append(ask, a.node)
		}
		h.refresh(a.node, now)
	}
	switch again := h.words.again; {
	case again.IsZero():
	case !again.After(now):
		tell, h.words.again = true, time.Time{}
	case next.IsZero() || again.Before(next):
		next = again
	}
	if now.Sub(h.tidied) >= maxWatch {
		h.tidied = now
		for _, n := range h.stranded() {
			h.refresh(n, now)
		}
	}
	h.moved(now)
	return ask, tell, next
}

// stranded returns the lanes that are left out although nothing will end that: no alarm, no request, no call that is on
// its way back to the queue. There should be none. Their calls would wait for ever, so due looks for them.
func (h *hand) stranded() (list []*node) {
	busy := make(map[*node]bool)
	for _, n := range h.health.nodes {
		if n.seat.leased > 0 || len(n.starts) > 0 {
			busy[n], busy[n.edge] = true, true
		}
	}
	for _, n := range h.health.nodes {
		if n.seat.skipped && n.seat.alarm.IsZero() && !busy[n] {
			list = append(list, n)
		}
	}
	return list
}

// asked notes what the token source said about the token a lane waits for, and reports whether the lane goes again.
func (h *hand) asked(n *node, fingerprint string, now time.Time) (goes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := &n.hold
	o.asking = false
	if o.class != classToken {
		return false
	}
	o.asks++
	o.askAt = now.Add(backoff(firstAsk, lastAsk, o.asks+1, 0))
	if goes = fingerprint != "" && fingerprint != o.token.fingerprint; goes {
		o.until, o.level = now, 0 // the next request decides
	}
	h.refresh(n, now)
	h.moved(now)
	return goes
}

// hurry makes the next request of a lane due. Whatever the queue knows about it, an earlier process may have told it
// something else.
func (h *hand) hurry(name string, now time.Time) *node {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.health.node(name)
	n.probeAt, n.pace.next = now, now
	if n.hold.class != classNone {
		n.hold.until = now
	}
	h.doubt(n, true)
	h.refresh(n, now)
	h.moved(now)
	return n
}

// view is what others than the hand may know of a lane.
type view struct {
	hold   class
	open   bool
	opened time.Time
	until  time.Time
	why    string
}

func (h *hand) look(n *node, now time.Time) view {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := view{hold: n.hold.class, open: n.open, opened: n.opened, why: n.past.lastError}
	v.until, _ = n.blocked(now)
	if v.hold != classNone {
		v.until, v.why = n.hold.until, n.hold.why
	}
	return v
}

// tokenCall is a call that would carry the token a lane waits for, or nil.
func (h *hand) tokenCall(n *node) appevents.Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return n.hold.token.call
}

// observe learns from the usage headers how far apart the requests of a lane should be.
func (h *hand) observe(n *node, usage appevents.Usage, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	edge, object, _ := strings.Cut(n.name, "/")
	pacer := h.pacers[edge == laneConversions] // limits of Marketing API calls are apart from the others
	scope := appevents.Scope{Kind: appevents.ScopePage, ID: appevents.ID(object)}
	pacer.Observe(context.Background(), appevents.CallInfo{Scope: scope, Usage: usage})
	app, own := pacer.Delay(""), pacer.Delay(scope.ID)
	if own == app || usageOf(usage, scope.ID) == 0 {
		own = 0 // it is the app's limit that comes near, or none
	}
	if usage.App.Max() == 0 {
		app = 0
	}
	n.pace.suggest(own, now)
	if n.edge != nil {
		n.edge.pace.suggest(app, now)
	}
}

// usageOf is how much of its own limits a Page or dataset has used, in percent.
func usageOf(usage appevents.Usage, object appevents.ID) float64 {
	percent := usage.Page.Max()
	for _, b := range usage.Business {
		if b.ID == object {
			percent = max(percent, b.Max(), 100*min(1, b.RegainAccess.Seconds()))
		}
	}
	return percent
}

// alarm says when a lane is to be looked at again.
type alarm struct {
	at   time.Time
	node *node
}

// alarms is a heap, the next first.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)        { *a = append(*a, x.(alarm)) } //nolint:errcheck // of a caller here
func (a *alarms) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = alarm{}
	*a = old[:len(old)-1]
	return last
}
