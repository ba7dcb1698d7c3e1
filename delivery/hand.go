package delivery

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	minLease      = 32       // calls leased at a time, at least where there are as many
	maxLease      = 1000     // and at most
	maxBatch      = 1000     // calls of one batch: what the Conversions API takes
	maxHandBytes  = 64 << 20 // bytes of leased calls, as far as their sizes can be foreseen
	mergeAttempts = 2        // failed attempts after which a call travels in smaller and smaller company
)

// hand holds the leased calls until a worker takes them: merged by group, in turns by lane. It also knows which lanes
// are in trouble.
type hand struct {
	workers   int
	maxEvents int
	floor     int // calls to lease at a time at least: what is not leased cannot be merged
	figures   *figures

	mu      sync.Mutex
	changed sync.Cond
	closed  bool
	open    map[Group]*batch // batches that still take calls
	lanes   map[string][]*batch
	ring    []string // lanes that have batches, in the order of their turns
	stuck   int      // settlements the queue does not take
	waiting int      // batches not yet taken
	leased  int      // calls, those under way included
	bytes   int
	perCall float64 // how many calls a batch got lately
	perBody int     // how many bytes a call had lately, at least 1
	states  map[string]*laneState
}

// batch is calls of one group, to travel in one request.
type batch struct {
	lane   string
	group  Group
	leases []*Lease
	since  time.Time
	limit  int      // calls it may have
	probes []string // lanes in trouble whose fate this request decides
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

func newHand(workers, maxEvents int, f *figures) *hand {
	h := &hand{
		workers: workers, maxEvents: maxEvents, floor: max(minLease, 8*workers), figures: f, open: make(map[Group]*batch),
		lanes: make(map[string][]*batch), perCall: 1, perBody: MaxBody,
		states: make(map[string]*laneState),
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
		batches := 2*h.workers - h.waiting
		calls := min(h.workers*maxBatch-h.leased, (maxHandBytes-h.bytes+h.perBody-1)/h.perBody)
		if h.stuck == 0 && batches > 0 && calls > 0 {
			return min(max(h.floor, int(float64(batches)*h.perCall)), calls, maxLease)
		}
		h.changed.Wait()
	}
	return 0
}

// add takes leased calls in. It returns those that must go back because their lane is paused, and the lanes of which
// nothing else must be leased: those, and the ones of which a request is about to find out whether they go again.
func (h *hand) add(leases []*Lease, now time.Time) (back []*Lease, paused []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	batches, bytes := 0, 0
	for _, l := range leases {
		bytes += len(l.Body)
		b := h.open[l.Group]
		if l.Group.IsZero() || b == nil || b.lane != l.Lane || len(b.leases) >= min(b.limit, h.limit(l)) {
			b = &batch{lane: l.Lane, group: l.Group, since: now, limit: maxBatch}
			if lane := h.admit(b, now, l.Until); lane != "" {
				back = append(back, l)
				if !slices.Contains(paused, lane) {
					paused = append(paused, lane)
				}
				continue
			}
			batches++
			paused = append(paused, b.probes...)
			h.push(b)
		}
		b.limit = min(b.limit, h.limit(l))
		b.leases = append(b.leases, l)
		h.leased++
		h.bytes += len(l.Body)
	}
	if len(leases) > 0 { // larger at once, smaller step by step
		h.perBody = max(1, bytes/len(leases), h.perBody/2)
	}
	if batches > 0 {
		h.perCall = 0.7*h.perCall + 0.3*float64(len(leases)-len(back))/float64(batches)
	}
	h.figures.inHand.Store(int64(h.leased))
	h.changed.Broadcast()
	return back, paused
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

// admit returns the lane whose pause a batch must wait for, or "" when there is none. Then it becomes the probe of
// lanes in trouble whose pause is over, which takes until the end of its lease at most.
func (h *hand) admit(b *batch, now, until time.Time) (paused string) {
	for lane := b.lane; lane != ""; lane = ParentLane(lane) {
		if s := h.states[lane]; s != nil && (s.probing || s.until.After(now)) {
			return lane
		}
	}
	for lane := b.lane; lane != ""; lane = ParentLane(lane) {
		if s := h.states[lane]; s != nil {
			s.probing, s.until = true, until
			b.probes = append(b.probes, lane)
		}
	}
	return ""
}

// pausedUntil is until when a lane is to be left alone, or a time that is over.
func (h *hand) pausedUntil(lane string) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.states[lane]; s != nil {
		return s.until
	}
	return time.Time{}
}

func (h *hand) push(b *batch) {
	if len(h.lanes[b.lane]) == 0 {
		h.ring = append(h.ring, b.lane)
	}
	h.lanes[b.lane] = append(h.lanes[b.lane], b)
	h.waiting++
	if !b.group.IsZero() {
		h.open[b.group] = b
	}
}

// take waits for a batch, and returns nil once the hand is closed.
func (h *hand) take() *batch {
	h.mu.Lock()
	defer h.mu.Unlock()
	for (len(h.ring) == 0 || h.stuck > 0) && !h.closed {
		h.changed.Wait()
	}
	if h.closed {
		return nil
	}
	return h.pop()
}

// pop takes the batch whose turn it is.
func (h *hand) pop() *batch {
	lane := h.ring[0]
	h.ring = h.ring[1:]
	b := h.lanes[lane][0]
	if rest := h.lanes[lane][1:]; len(rest) > 0 {
		h.lanes[lane] = rest
		h.ring = append(h.ring, lane)
	} else {
		delete(h.lanes, lane)
	}
	if h.open[b.group] == b {
		delete(h.open, b.group)
	}
	h.waiting--
	h.changed.Broadcast()
	return b
}

// settled takes calls that were settled out of the account.
func (h *hand) settled(leases []*Lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leased -= len(leases)
	for _, l := range leases {
		h.bytes -= len(l.Body)
	}
	h.figures.inHand.Store(int64(h.leased))
	h.changed.Broadcast()
}

// stick notes that the queue does not take a settlement, and unstick that it does or never will. Until then nothing new
// is sent: what cannot be written down would be sent again.
func (h *hand) stick() { h.addStuck(1) }

func (h *hand) unstick() { h.addStuck(-1) }

func (h *hand) addStuck(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stuck += n
	h.changed.Broadcast()
}

// close lets nothing be taken any more and returns the batches that were not.
func (h *hand) close() (rest []*batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for len(h.ring) > 0 {
		rest = append(rest, h.pop())
	}
	h.changed.Broadcast()
	return rest
}

// withdraw takes the batches that wait out of a lane and those below it.
func (h *hand) withdraw(lane string) (rest []*batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ring := h.ring[:0:0]
	for _, name := range h.ring {
		if !within(name, lane) {
			ring = append(ring, name)
			continue
		}
		for _, b := range h.lanes[name] {
			if h.open[b.group] == b {
				delete(h.open, b.group)
			}
			rest = append(rest, b)
			h.waiting--
		}
		delete(h.lanes, name)
	}
	h.ring = ring
	h.changed.Broadcast()
	return rest
}

// within reports whether a lane is another or below it.
func within(lane, above string) bool {
	return lane == above || len(lane) > len(above) && lane[:len(above)] == above && lane[len(above)] == '/'
}

// trouble notes that a lane failed and returns until when it is to be left alone. delay says how long for the n-th
// failure in a row. A pause that lasts longer already is kept.
func (h *hand) trouble(lane string, now time.Time, delay func(failures int) time.Duration) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.state(lane)
	if !s.until.After(now) || s.probing {
		s.failures++ // several requests that fail together are one failure
		s.until = time.Time{}
	}
	s.probing, s.waiting = false, false
	if until := now.Add(delay(s.failures)); until.After(s.until) {
		s.until = until
	}
	return s.until
}

// refusedToken notes that Graph did not accept a token and returns until when to leave the lane alone.
func (h *hand) refusedToken(lane, fingerprint string, now time.Time, random float64) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.state(lane)
	if s.waiting && s.token == fingerprint {
		s.failures++
	} else {
		s.failures = 1
	}
	s.probing, s.waiting, s.token = false, true, fingerprint
	s.until = now.Add(backoff(tokenDelay, maxTokenDelay, s.failures, random))
	return s.until
}

// refused reports whether a lane waits for another token than this one.
func (h *hand) refused(lane, fingerprint string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.states[lane]
	return s != nil && s.waiting && s.token == fingerprint
}

func (h *hand) state(lane string) *laneState {
	s := h.states[lane]
	if s == nil {
		s = new(laneState)
		h.states[lane] = s
	}
	return s
}

// recovered forgets the trouble of the lanes that a probe found to go again, and returns them.
func (h *hand) recovered(probes []string) (lanes []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, lane := range probes {
		if s := h.states[lane]; s != nil && s.probing {
			delete(h.states, lane)
			lanes = append(lanes, lane)
		}
	}
	return lanes
}

// unproven ends probes that found nothing out: the next call of the lane is the next probe.
func (h *hand) unproven(probes []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, lane := range probes {
		if s := h.states[lane]; s != nil && s.probing {
			s.probing, s.until = false, time.Time{}
		}
	}
}
