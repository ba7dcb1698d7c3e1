package delivery

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/appevents/appevents-go"
)

const (
	minLease      = 32       // calls leased at a time, at least where there are as many
	maxLease      = 1000     // and at most
	maxBatch      = 1000     // calls of one batch: what the Conversions API takes
	maxHandBytes  = 64 << 20 // bytes of leased calls, as far as their sizes can be foreseen
	mergeAttempts = 2        // failed attempts after which a call travels in smaller and smaller company
	aheadBatches  = 2        // batches leased for each request that may be under way
)

// hand holds the leased calls until a worker takes them: merged by group, in turns by lane, as the health of their
// lanes allows. It tells the queue which lanes to leave out.
type hand struct {
	workers   int
	maxEvents int
	floor     int // calls to lease at a time at least: what is not leased cannot be merged
	figures   *figures
	skip      LaneSet // lanes to lease nothing of

	mu      sync.Mutex
	changed sync.Cond
	closed  bool
	open    map[Group]*batch // batches that still take calls
	ring    []*node          // lanes that have batches, in the order of their turns
	idle    []chan *batch    // workers that wait
	stuck   int              // settlements the queue does not take
	waiting int              // batches not yet taken
	leased  int              // calls, those under way included
	bytes   int
	perCall float64 // how many calls a batch got lately
	perBody int     // how many bytes a call had lately, at least 1
	health  *health
	strikes strikes
	ages    ages
	alarms  alarms
	words   words
	tidied  time.Time
	alarm   chan struct{} // tells that the next alarm is earlier than before
	pacers  map[bool]*appevents.Pacer
}

// seat is what a lane has in the hand. That of an edge counts the batches of its lanes.
type seat struct {
	batches []*batch
	waiting int // batches
	leased  int // calls
	bytes   int
	skipped bool
	alarm   time.Time     // when it is looked at again
	paused  time.Time     // until when at most, as the queue knows
	unsure  bool          // the queue may know something else
	telling chan struct{} // open while somebody tells the queue
}

func (s *seat) inUse() bool {
	return s.waiting > 0 || s.leased > 0 || s.skipped || s.unsure || s.telling != nil
}

// batch is calls of one group, to travel in one request.
type batch struct {
	lane   string
	group  Group
	leases []*Lease
	since  time.Time
	limit  int // calls it may have
	node   *node
	ticket *ticket // once it was taken
}

// until is the end of the first lease to end.
func (b *batch) until() time.Time {
	first := b.leases[0].Until
	for _, l := range b.leases[1:] {
		if l.Until.Before(first) {
			first = l.Until
		}
	}
	return first
}

// stale reports whether what is left of the batch's lease may not suffice to send it.
func (b *batch) stale(now time.Time) bool { return now.Sub(b.since) > b.until().Sub(b.since)/2 }

func newHand(workers, maxEvents int, f *figures) *hand {
	h := &hand{
		workers: workers, maxEvents: maxEvents, floor: max(minLease, 2*workers), figures: f,
		open: make(map[Group]*batch), perCall: 1, perBody: MaxBody, health: newHealth(workers, jitter),
		alarm: make(chan struct{}, 1), strikes: make(strikes),
		ages:   ages{began: time.Now(), early: make(map[Key]time.Time)},
		pacers: map[bool]*appevents.Pacer{false: appevents.NewPacer(), true: appevents.NewPacer()},
	}
	h.changed.L = &h.mu
	return h
}

// wake makes those who wait look at their context.
func (h *hand) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed.Broadcast()
}

// room waits until there is room and returns how many calls to lease. It returns early when ctx ends and wake is
// called.
func (h *hand) room(ctx context.Context) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ctx.Err() == nil {
		batches := aheadBatches*h.workers - h.startable()
		calls := min(h.workers*maxBatch-h.leased, (maxHandBytes-h.bytes+h.perBody-1)/h.perBody)
		if h.stuck == 0 && batches > 0 && calls > 0 {
			return min(max(h.floor, int(float64(batches)*h.perCall)), calls, maxLease)
		}
		h.changed.Wait()
	}
	return 0
}

// startable counts the batches that wait for a worker, and not for others of their lane.
func (h *hand) startable() (n int) {
	if h.waiting < aheadBatches*h.workers {
		return h.waiting
	}
	now := time.Now()
	probes, slow, unproven := 0, 0, 0
	for _, lane := range h.ring {
		batches := min(lane.seat.waiting, aheadBatches*h.health.allowance(lane, now))
		switch {
		case lane.probes():
			probes++
		case lane.slow:
			slow += batches
		case !lane.proven:
			unproven += batches
		default:
			n += batches
		}
	}
	// Those that have to wait for a share of the workers do not keep others from being leased.
	return n + min(probes, max(1, h.workers/probeWorkers)) + min(slow, h.workers/slowShare) + min(unproven, h.workers)
}

// add takes leased calls in. It returns those that must go back because their lane waits.
func (h *hand) add(leases []*Lease, now time.Time) (back []*Lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	batches, bytes := 0, 0
	h.fewestFirst(leases)
	for _, l := range leases {
		bytes += len(l.Body)
		b := h.open[l.Group]
		if l.Group.IsZero() || b == nil || b.lane != l.Lane || len(b.leases) >= min(b.limit, h.limit(l)) {
			n := h.health.node(l.Lane)
			if !h.admits(n, now) {
				back = append(back, l)
				h.refresh(n, now)
				continue
			}
			b = &batch{lane: l.Lane, group: l.Group, since: now, limit: maxBatch, node: n}
			batches++
			h.push(b, now)
		}
		b.limit = min(b.limit, h.limit(l))
		b.leases = append(b.leases, l)
		h.count(b.node, 1, len(l.Body))
		h.refresh(b.node, now)
	}
	if len(leases) > 0 { // larger at once, smaller step by step
		h.perBody = max(1, bytes/len(leases), h.perBody/2)
	}
	if batches > 0 {
		h.perCall = 0.7*h.perCall + 0.3*float64(len(leases)-len(back))/float64(batches)
	}
	h.moved(now)
	return back
}

// fewestFirst puts the calls first that failed least, where a single one is to find out whether its lane goes again: a
// bad call must not be every probe.
func (h *hand) fewestFirst(leases []*Lease) {
	if slices.ContainsFunc(leases, func(l *Lease) bool { return l.Attempts > 0 && h.health.node(l.Lane).probes() }) {
		slices.SortStableFunc(leases, func(a, b *Lease) int { return cmp.Compare(a.Attempts, b.Attempts) })
	}
}

// limit is how many calls may travel with l. One that failed again and again is separated from the others step by step:
// it may be what makes them all fail.
func (h *hand) limit(l *Lease) int {
	limit := maxBatch
	if edgeOf(l.Lane) != laneConversions {
		limit = h.maxEvents
	}
	return max(1, limit>>min(max(l.Attempts-mergeAttempts, 0), 10))
}

// admits reports whether a lane may have another batch wait: one if that is a probe, none if it is left alone.
func (h *hand) admits(n *node, now time.Time) bool {
	for s := n; s != nil; s = s.edge {
		if (s.open || s.hold.class != classNone) && s.seat.waiting > 0 {
			return false
		}
	}
	_, blocked := n.blocked(now)
	return !blocked && !n.ahead()
}

// push adds a batch to those of its lane.
func (h *hand) push(b *batch, now time.Time) {
	n := b.node
	if len(n.seat.batches) == 0 {
		h.ring = append(h.ring, n)
	}
	n.seat.batches = append(n.seat.batches, b)
	h.wait(n, 1)
	h.health.sawWork(n, now)
	if !b.group.IsZero() {
		h.open[b.group] = b
	}
}

func (h *hand) wait(n *node, batches int) {
	h.waiting += batches
	for s := n; s != nil; s = s.edge {
		s.seat.waiting += batches
	}
}

func (h *hand) count(n *node, calls, bytes int) {
	h.leased += calls
	h.bytes += bytes
	n.seat.leased += calls
	n.seat.bytes += bytes
	h.figures.inHand.Store(int64(h.leased))
}

// take waits for a batch whose lane may send, and returns nil once the hand is closed.
func (h *hand) take() *batch {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	turn := make(chan *batch, 1)
	h.idle = append(h.idle, turn)
	h.moved(time.Now())
	h.mu.Unlock()
	return <-turn
}

// moved gives idle workers what may be sent by now, and has whoever leases look again.
func (h *hand) moved(now time.Time) {
	h.changed.Broadcast()
	for len(h.idle) > 0 && h.stuck == 0 && !h.closed {
		b := h.next(now)
		if b == nil {
			return
		}
		last := len(h.idle) - 1
		h.idle[last] <- b
		h.idle = h.idle[:last]
	}
}

// next takes the batch whose turn it is.
func (h *hand) next(now time.Time) *batch {
	for range len(h.ring) {
		n := h.ring[0]
		h.ring = h.ring[1:]
		at, ok := h.health.may(n, now)
		stale := n.seat.batches[0].stale(now)
		if !ok && !stale {
			h.ring = append(h.ring, n)
			h.setAlarm(n, at, now)
			continue
		}
		b := n.seat.batches[0]
		n.seat.batches = n.seat.batches[1:]
		if len(n.seat.batches) > 0 {
			h.ring = append(h.ring, n)
		}
		h.wait(n, -1)
		if h.open[b.group] == b {
			delete(h.open, b.group)
		}
		if !stale { // or else it goes back, and takes nobody's turn
			b.ticket = h.health.start(n, now)
		}
		h.refresh(n, now)
		return b
	}
	return nil
}

// done notes how the request of a batch ended; a nil result says that it was not made. It returns what that changed,
// and the batches that must go back.
func (h *hand) done(b *batch, r *result, now time.Time) (c change, back []*batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b.ticket == nil {
		return c, nil
	}
	c = h.health.end(b.ticket, now, r)
	b.ticket = nil
	for _, n := range c.stopped {
		back = append(back, h.withdraw(n)...)
		h.refresh(n, now)
	}
	for _, n := range c.goes {
		h.refresh(n, now)
	}
	for n := b.node; n != nil; n = n.edge {
		if n.paced(now) {
			back = append(back, h.withdraw(n)...)
		}
	}
	h.refresh(b.node, now)
	h.moved(now)
	return c, back
}

// settled takes calls that were settled out of the account.
func (h *hand) settled(n *node, leases []*Lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	bytes := 0
	for _, l := range leases {
		bytes += len(l.Body)
	}
	h.count(n, -len(leases), -bytes)
	now := time.Now()
	h.refresh(n, now)
	h.moved(now)
}

// stick notes that the queue does not take a settlement, and unstick that it does or never will. Until then nothing new
// is sent: what cannot be written down would be sent again.
func (h *hand) stick() { h.addStuck(1) }

func (h *hand) unstick() { h.addStuck(-1) }

func (h *hand) addStuck(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stuck += n
	h.moved(time.Now())
}

// close lets nothing be taken any more and returns the batches that were not.
func (h *hand) close() (rest []*batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for len(h.ring) > 0 {
		rest = append(rest, h.withdraw(h.ring[0])...)
	}
	for _, turn := range h.idle {
		turn <- nil
	}
	h.idle = nil
	h.changed.Broadcast()
	return rest
}

// withdraw takes the batches that wait out of a lane, and of an edge out of its lanes.
func (h *hand) withdraw(n *node) (rest []*batch) {
	h.ring = slices.DeleteFunc(h.ring, func(lane *node) bool {
		if lane != n && lane.edge != n {
			return false
		}
		for _, b := range lane.seat.batches {
			if h.open[b.group] == b {
				delete(h.open, b.group)
			}
			rest = append(rest, b)
		}
		h.wait(lane, -len(lane.seat.batches))
		lane.seat.batches = nil
		return true
	})
	return rest
}

// withdrawLane is withdraw for those who do not hold the lock.
func (h *hand) withdrawLane(name string) []*batch {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.health.nodes[name]; n != nil {
		return h.withdraw(n)
	}
	return nil
}
