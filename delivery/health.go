package delivery

import (
	"slices"
	"time"
)

// The policy: when a lane may be used, and how much. A failure delays its own call; see retryAt. A lane stops only when
// hardly anything gets through. docs/delivery.md explains these figures to operators.
const (
	// A lane opens, that is, its calls wait but for single probes, when most of its latest requests failed.
	windowSize   = 32   // requests looked at
	minSeen      = 10   // of which at least so many are needed
	openShare    = 0.85 // and this share of failures
	firstFailing = 3    // or when the first failed, and nothing else was seen; one is enough if it took slowTime
	openRun      = 16   // or when as many failed in a row,
	openRunAmong = 4    // of which so many suffice while most lanes of the edge are down
	cautiousRun  = 5    // from as many in a row on, one request at a time until the next answer
	hanging      = 3    // or when as many hang, and nothing has answered meanwhile, one in hangTime
	hangTime     = 5 * time.Second
	windowTTL    = 5 * time.Minute

	// Then single requests find out when it goes again, at growing distances. The last is below half a minute by what
	// getting up to speed takes.
	firstProbe     = 500 * time.Millisecond
	probeGrowth    = 4                // the distance is the time since the lane opened, divided by this,
	probeGrowthOld = 2                // and by this
	oldOpen        = 20 * time.Second // after as long
	lastProbe      = 29*time.Second + 500*time.Millisecond
	probeWorkers   = 4 // probes take at most one in so many workers
	mostLanes      = 0.75
	minLanes       = 8                      // from as many on, "most lanes of an edge" means something
	aliveTime      = 10 * time.Second       // how long a lane that answered is thought to be alive
	surveyTime     = 500 * time.Millisecond // how often that is counted
	edgeProbes     = 3.0                    // a second, of all lanes of an edge while most are down
	edgeProbesStep = 4                      // times as many after each success, so that they come back together

	// An edge opens when no connection came about for this many requests in a row, whatever their lanes.
	maxUnconnected = 5

	// Concurrency of a lane: it grows by one with each answer, and halves when most of the latest requests timed out.
	firstLimit = 2
	lateShare  = 0.8
	lateSeen   = 16

	// Fairness, while other lanes have work.
	laneShare  = 8                // a lane has at most one in so many workers, and of the calls that may be leased
	slowShare  = 12               // slow lanes together one in so many, or their share of the lanes if that is more
	keptShare  = 8                // lanes that have not answered lately leave one in so many workers, and have one each
	slowTime   = time.Second      // a request that takes longer is slow
	workTime   = time.Second      // how long a lane that had work is thought to have more
	forgetTime = 30 * time.Minute // without requests

	// An unclear refusal, or one that looks permanent, is held against a call after so many of them, each with a success
	// of others in between.
	maxStrikes = 10
	maxPanics  = 3
)

// Waits that outlive a process. They are written to the queue.
var (
	// throttleDelays are for a limit when Graph named no time: 5 s, doubling to an hour.
	throttleDelays = doubling(5*time.Second, time.Hour)

	// policyDelays are for a block for breaking a policy: there is no point in hurrying.
	policyDelays = doubling(time.Hour, 24*time.Hour)

	// tokenDelays are for a token that was not accepted, and for a permission, Page or dataset that is missing. A new
	// token is tried at once.
	tokenDelays = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
)

const (
	// The token source is asked whether it has another token at growing distances.
	firstAsk = time.Second
	lastAsk  = 30 * time.Second

	// quietTimes is after how many times its length without another a wait is forgotten, one step at a time.
	quietTimes = 2
)

func doubling(first, last time.Duration) (list []time.Duration) {
	for d := first; d < last; d *= 2 {
		list = append(list, d)
	}
	return append(list, last)
}

// result is how a request ended, as far as its lane is concerned.
type result struct {
	class    class // classNone when Graph took it or refused it for what it holds
	accepted bool  // Graph took something
	unsent   bool  // there was no connection
	took     time.Duration
	asked    time.Duration // how long Graph wants us to stay away
	why      string
	code     int // Graph's
	token    tokenOf
}

// node is what is known about a lane or an edge. It has no lock and no clock of its own.
type node struct {
	name string
	edge *node // nil of an edge

	starts  []time.Time // of the requests under way, in their order
	limit   float64     // how many may be
	window  uint32      // one bit for each of the latest outcomes, newest lowest: failed
	lates   uint32      // the same: timed out
	seen    int         // of windowSize
	run     int         // failures in a row
	silent  bool        // requests hang, and nothing was heard since they began
	proven  bool        // it has answered lately
	slow    bool        // it takes its time
	counted bool        // in edge.down
	last    time.Time   // when it was used
	good    time.Time   // when it answered
	heard   time.Time   // when a request did not hang

	open    bool // only probes go
	opened  time.Time
	probeAt time.Time
	cause   class

	hold hold
	pace pace
	seat seat
	past past

	// Of an edge: its lanes. Those that answered in the last aliveTime are alive, as of the latest survey.
	alive       int
	surveyed    time.Time
	lanes       map[string]*node
	openLanes   map[*node]struct{}
	down, slows int
	unconnected int       // failures in a row
	slot        time.Time // of the next probe while most lanes are down
	probeRate   float64
}

// hold is a wait for something that outlives the process.
type hold struct {
	class   class // throttled, policy, token or permission; classNone for none
	until   time.Time
	why     string
	probe   *ticket   // that finds out whether it is over
	level   int       // how often it was needed
	levelOf class     // for this
	ended   time.Time // when the latest one ended
	token   tokenOf
	askAt   time.Time
	asks    int
	asking  bool
}

// past is for people who look in.
type past struct {
	requests, failures [2]int // this span and the one before
	span               time.Time
	lastError          string
	lastErrorAt        time.Time
}

const pastSpan = 2 * time.Minute

func (p *past) turn(now time.Time) {
	if age := now.Sub(p.span); age >= pastSpan {
		p.requests, p.failures = [2]int{0, p.requests[0]}, [2]int{0, p.failures[0]}
		if age >= 2*pastSpan {
			p.requests, p.failures = [2]int{}, [2]int{}
		}
		p.span = now
	}
}

func (p *past) note(now time.Time, r *result) {
	p.turn(now)
	p.requests[0]++
	if r.class != classNone {
		p.failures[0]++
		p.lastError, p.lastErrorAt = r.why, now
	}
}

// health is what is known about all lanes.
type health struct {
	workers  int
	nodes    map[string]*node
	random   func() float64
	probing  int // requests under way: probes,
	slow     int // of slow lanes,
	unproven int // of lanes that have not answered lately
	accepted uint64
	quick    time.Time // when a quick lane had work
	work     [2]struct {
		lane *node
		at   time.Time
	}
}

func newHealth(workers int, random func() float64) *health {
	return &health{workers: workers, nodes: make(map[string]*node), random: random}
}

// node returns what is known about a lane, from now on.
func (h *health) node(name string) *node {
	n := h.nodes[name]
	if n == nil {
		n = &node{name: name, limit: firstLimit}
		if edge := edgeOf(name); edge != name {
			n.edge = h.node(edge)
			n.edge.lanes[name] = n
		} else {
			n.lanes, n.openLanes = make(map[string]*node), make(map[*node]struct{})
		}
		h.nodes[name] = n
	}
	return n
}

// forget drops lanes that were not used for long, also those that did not work by then: nobody knows whether they do.
func (h *health) forget(now time.Time) {
	for name, n := range h.nodes {
		if n.edge == nil || len(n.starts) > 0 || n.seat.inUse() || n.hold.asking ||
			now.Sub(n.last) < forgetTime || !n.pace.forgotten(now) {
			continue
		}
		if _, waits := n.waits(now); waits {
			continue
		}
		n.setDown(false)
		n.setSlow(false)
		n.open, n.hold = false, hold{} // an alarm may still point at it
		delete(n.edge.openLanes, n)
		delete(n.edge.lanes, name)
		delete(h.nodes, name)
	}
}

// sawWork notes that a lane has something to do. The two latest lanes are enough to know whether others have.
func (h *health) sawWork(n *node, now time.Time) {
	if n.open || n.hold.class != classNone {
		return
	}
	if h.work[0].lane != n {
		h.work[1] = h.work[0]
	}
	h.work[0].lane, h.work[0].at = n, now
	if n.proven && !n.slow {
		h.quick = now
	}
}

func (h *health) othersWork(n *node, now time.Time) bool {
	for _, w := range h.work {
		if w.lane != nil && w.lane != n {
			return now.Sub(w.at) < workTime
		}
	}
	return false
}

// allowance is how many requests a lane may have under way.
func (h *health) allowance(n *node, now time.Time) int {
	limit := min(h.workers, max(1, int(n.limit)))
	if h.othersWork(n, now) {
		limit = min(limit, h.share())
		if !n.proven {
			limit = 1
		}
	}
	if n.run >= cautiousRun {
		limit = 1
	}
	return limit
}

// share is how many workers a lane has while others have work.
func (h *health) share() int { return max(1, h.workers/laneShare) }

// blocked returns until when a lane or its edge must be left alone, now if the end of a probe is waited for, and false
// when neither.
func (n *node) blocked(now time.Time) (at time.Time, blocked bool) {
	if at, blocked = n.waits(now); !blocked && n.edge != nil {
		return n.edge.waits(now)
	}
	return at, blocked
}

// waits is blocked for a lane or an edge by itself.
func (n *node) waits(now time.Time) (at time.Time, waits bool) {
	switch {
	case n.hold.class != classNone && (n.hold.until.After(now) || n.hold.probe != nil):
		return latest(n.hold.until, now), true
	case n.open && n.probeAt.After(now):
		return n.probeAt, true
	case n.paced(now):
		return n.pace.next, true
	default:
		return time.Time{}, false
	}
}

// paced reports whether the next request is so far away that none should wait for it here.
func (n *node) paced(now time.Time) bool { return n.pace.next.After(now.Add(paceAhead)) }

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// probes reports whether the next request of a lane is a probe.
func (n *node) probes() bool {
	for s := n; s != nil; s = s.edge {
		if s.open || s.hold.class != classNone {
			return true
		}
	}
	return false
}

// may reports whether a request of a lane may start now, or else when to look again; the zero time if only the end of
// another request can change it.
func (h *health) may(n *node, now time.Time) (at time.Time, ok bool) {
	if at, blocked := n.blocked(now); blocked {
		return at, false
	}
	for s := n; s != nil; s = s.edge {
		if s.pace.next.After(now) {
			return s.pace.next, false
		}
	}
	if len(n.starts) > 0 && now.Sub(n.starts[0]) > slowTime {
		n.setSlow(true)
	}
	wanted := now.Sub(h.quick) < workTime
	if n.silent && len(n.starts) > 0 {
		if at := n.starts[len(n.starts)-1].Add(hangTime); at.After(now) {
			return at, false
		}
	}
	switch {
	case !n.probes() && len(n.starts) >= h.allowance(n, now): // of probes there is one, whatever else hangs
		return time.Time{}, false
	case n.probes() && h.probing >= max(1, h.workers/probeWorkers):
		return time.Time{}, false
	case wanted && n.slow && h.slow >= h.slowWorkers(n.edge, now):
		return h.quick.Add(workTime), false
	case !n.proven && !n.probes() && h.unproven >= h.workers-h.workers/keptShare && h.othersWork(n, now):
		return now.Add(workTime), false
	}
	return time.Time{}, true
}

// slowWorkers is how many requests the slow lanes of an edge may have under way while others have work.
func (h *health) slowWorkers(edge *node, now time.Time) int {
	n := h.workers / slowShare
	if edge != nil {
		edge.survey(now)
		n = max(n, h.workers*edge.slows/max(1, edge.slows, edge.alive+edge.down))
	}
	return max(1, n)
}

// ticket is a request under way.
type ticket struct {
	node           *node
	began          time.Time
	open, held     []*node // what it is the probe of
	slow, unproven bool
}

// start begins a request of a lane that may.
func (h *health) start(n *node, now time.Time) *ticket {
	if len(n.starts) == 0 && now.Sub(n.last) > windowTTL {
		n.seen, n.run, n.silent, n.proven = 0, 0, false, false
	}
	t := &ticket{node: n, began: now, slow: n.slow, unproven: !n.proven}
	for s := n; s != nil; s = s.edge {
		s.last = now
		if s.hold.class != classNone {
			s.hold.probe = t
			t.held = append(t.held, s)
		}
		if s.open {
			s.probeAt = now.Add(max(hangTime, h.distance(now.Sub(s.opened)))) // unless this one ends before
			t.open = append(t.open, s)
		}
		s.pace.spend(now)
	}
	n.starts = append(n.starts, now)
	if len(t.open)+len(t.held) > 0 {
		h.probing++
	}
	if t.slow {
		h.slow++
	}
	if t.unproven {
		h.unproven++
	}
	h.sawWork(n, now)
	return t
}

// change is what a request changed about lanes.
type change struct {
	stopped []*node // nothing but probes
	goes    []*node
}

// end ends a request. A nil result says that it was not made.
func (h *health) end(t *ticket, now time.Time, r *result) (c change) {
	n := t.node
	for i, began := range n.starts {
		if began.Equal(t.began) {
			n.starts = append(n.starts[:i], n.starts[i+1:]...)
			break
		}
	}
	if len(t.open)+len(t.held) > 0 {
		h.probing--
	}
	if t.slow {
		h.slow--
	}
	if t.unproven {
		h.unproven--
	}
	// Another probe was answered, or another request made the lane wait anew.
	t.open = slices.DeleteFunc(t.open, func(s *node) bool { return !s.open || s.opened.After(t.began) })
	t.held = slices.DeleteFunc(t.held, func(s *node) bool { return s.hold.probe != t })
	for _, s := range t.open {
		if r == nil {
			s.probeAt = now
		}
	}
	for _, s := range t.held {
		s.hold.probe = nil
	}
	if r == nil {
		return c
	}
	n.past.note(now, r)
	if n.edge != nil && !r.unsent {
		n.edge.unconnected = 0
	}
	n.setSlow(r.took > slowTime || len(n.starts) > 0 && now.Sub(n.starts[0]) > slowTime)
	if r.class == classNone || r.took <= slowTime {
		n.silent, n.heard = false, now
	}
	switch r.class {
	case classNone:
		h.succeeded(t, now, r, &c)
	case classThrottled, classPolicy, classToken:
		for _, s := range t.open {
			h.close(s, now, &c) // it answers; what it says is a matter of its own
		}
		h.held(t, now, r, &c)
	default:
		h.failed(t, now, r, &c)
	}
	return c
}

func (h *health) succeeded(t *ticket, now time.Time, r *result, c *change) {
	n := t.node
	n.record(now, false, false)
	n.proven = true
	n.limit = min(float64(h.workers), n.limit+1)
	n.setDown(false)
	if r.accepted {
		h.accepted++
	}
	for s := n; s != nil; s = s.edge {
		if r.accepted {
			s.pace.accept(now, s.hold.class == classThrottled && !slices.Contains(t.held, s))
		}
		// A token that others in flight are accepted with is good, whatever a single answer said.
		if s.hold.class == classToken && r.accepted && r.token.same(s.hold.token) {
			s.lift(now, c)
		}
	}
	for _, s := range t.held {
		s.lift(now, c)
	}
	for _, s := range t.open {
		h.close(s, now, c)
	}
}
