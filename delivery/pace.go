package delivery

import (
	"math"
	"time"

	"github.com/appevents/appevents-go"
)

// How fast a lane returns after it was throttled: at a rate that falls when Graph throttles and grows while it does
// not.
const (
	firstRate    = 1.0              // requests a second when nothing is known
	minRate      = 1.0 / 60         // and at least
	maxRate      = 1000.0           // from which on there is none
	rateCut      = 0.9              // of what Graph took lately is what it will take, probably
	rateReturn   = 0.7              // of that is what a lane returns with,
	rateStep     = 1.1              // times as much after each request below it. Above it, the rate gains
	rateSeek     = 0.03             // of itself more is the step as long as that is not known,
	rateSeekTime = 0.07             // and at most so much: twice as much after ten seconds
	rateRegain   = 0.25             // of it in
	regainCalls  = 200              // this many requests,
	regainTime   = 5 * time.Minute  // and no sooner
	measureTime  = time.Hour        // the window of Graph's limits
	minMeasure   = time.Second      // less says nothing about a rate
	calmCalls    = 20               // requests that Graph took make up for one that it throttled
	usageFrom    = time.Second      // below, what the Pacer suggests is not needed
	paceMemory   = 2 * time.Hour    // without being throttled; then it is forgotten
	aheadTime    = 10 * time.Second // what a lane with a rate has waiting here
	paceAhead    = 2 * time.Second  // a request that must wait for longer waits in the queue
	usageMemory  = 10 * time.Second // how long the wait that the usage headers suggest is kept to
)

// pace spaces the requests of a lane or an edge out. The zero value does not.
type pace struct {
	rate      float64 // requests a second; 0 for as many as there are
	ceiling   float64 // what Graph takes, probably; 0 when that is not known
	next      time.Time
	since     time.Time // when accepted was 0
	accepted  int
	throttled time.Time
	measuring bool // since it was throttled

	usage   time.Duration // between requests, by the usage headers
	usageAt time.Time
}

// spend takes a request's turn.
func (p *pace) spend(now time.Time) {
	gap := time.Duration(0)
	if p.rate > 0 {
		gap = time.Duration(float64(time.Second) / p.rate)
	}
	if gap > 0 {
		p.next = latest(p.next, now.Add(-gap/2)).Add(gap) // a turn that comes a little late is not lost
	}
	if now.Sub(p.usageAt) < usageMemory {
		p.next = latest(p.next, now.Add(p.usage))
	}
}

// accept notes a request that Graph took. One that was under way when the wait began says nothing about its end.
func (p *pace) accept(now time.Time, waits bool) {
	if p.measuring && !waits {
		p.measure(now)
	}
	if p.since.IsZero() {
		p.since = now
	}
	p.accepted++
	switch {
	case p.rate == 0:
		if age := now.Sub(p.since); age > measureTime { // what counts is the latest rate
			p.since, p.accepted = p.since.Add(age/2), p.accepted/2
		}
	case now.Sub(p.throttled) > paceMemory, p.rate > maxRate:
		p.rate, p.ceiling = 0, 0
	case p.ceiling == 0:
		p.rate += min(rateSeek*p.rate, rateSeekTime)
	case p.rate < p.ceiling:
		p.rate *= rateStep
	default:
		p.rate += rateRegain * min(p.rate/regainCalls, 1/regainTime.Seconds())
	}
}

// throttle notes that Graph refused a request for their number. What it takes is known when it takes one again.
func (p *pace) throttle(now time.Time) { p.throttled, p.measuring = now, true }

// measure sets the rate by what Graph took since it was last measured, the wait included.
func (p *pace) measure(now time.Time) {
	p.measuring = false
	measured := float64(p.accepted) / max(minMeasure, now.Sub(p.since)).Seconds()
	switch {
	case p.accepted > 0 && p.rate > 0:
		if p.ceiling == 0 { // it is between what was tried and what was taken
			measured = math.Sqrt(measured * p.rate)
		}
		p.ceiling = max(minRate, rateCut*min(p.rate, max(measured, p.rate/2)))
		p.rate = max(minRate, rateReturn*p.ceiling)
	case p.rate == 0: // a burst and a wait do not say much: it is sought
		p.rate, p.ceiling = max(minRate, rateReturn*measured), 0
		if p.accepted == 0 {
			p.rate = firstRate
		}
	}
	p.since, p.accepted = now, 0
}

func (p *pace) forgotten(now time.Time) bool { return p.rate == 0 || now.Sub(p.throttled) > paceMemory }

// ahead reports whether as much of a lane waits here as its rate allows for a while.
func (n *node) ahead() bool {
	return n.pace.rate > 0 && float64(n.seat.waiting) >= 1+n.pace.rate*aheadTime.Seconds()
}

// suggest keeps to the wait between requests that the usage headers suggest.
func (p *pace) suggest(d time.Duration, now time.Time) {
	// The Pacer begins to wait at 75 % of a limit, and waits for two seconds just below it. That would leave a fifth of a
	// large limit unused, so only the upper half counts.
	if d < 2*usageFrom {
		d = max(0, 2*(d-usageFrom))
	}
	p.usage, p.usageAt = d, now
	if d > 0 {
		p.next = latest(p.next, now.Add(d))
	}
}

// tokenOf is a token as far as it may be known.
type tokenOf struct {
	scope       appevents.Scope
	fingerprint string
	call        appevents.Call // one that carries it
}

func (t tokenOf) same(other tokenOf) bool {
	return t.scope == other.scope && t.fingerprint == other.fingerprint
}

// held notes an answer that makes lanes wait: a limit, a block, a token.
func (h *health) held(t *ticket, now time.Time, r *result, c *change) {
	n := t.node
	switch r.class {
	case classThrottled:
		for _, name := range throttledLanes(n.name, r.code) {
			s := h.node(name)
			if s.hold.class == classNone || !s.hold.until.After(now) { // those that were under way count as one
				if !s.pace.measuring { // it was taken for a while
					s.hold.level = max(0, s.hold.level-s.pace.accepted/calmCalls)
				}
				s.pace.throttle(now)
			}
			h.holdUp(s, now, r, throttleDelays, c)
		}
	case classPolicy:
		h.holdUp(n, now, r, policyDelays, c)
	case classToken:
		h.holdUp(h.node(tokenLane(n.name)), now, r, tokenDelays, c)
	}
	for _, s := range t.held { // of another lane than the one that waits now
		if s.hold.class != classNone && !s.hold.until.After(now) {
			s.hold.until = now.Add(lastProbe)
			c.stopped = append(c.stopped, s)
		}
	}
}

// holdUp makes a lane wait.
func (h *health) holdUp(s *node, now time.Time, r *result, delays []time.Duration, c *change) {
	o := &s.hold
	again := o.class == r.class && o.until.After(now) // another that was under way
	if o.class != classNone && o.class != r.class && o.until.After(now.Add(r.asked)) && r.class == classThrottled {
		return // it waits for something that takes longer
	}
	newToken := r.class == classToken && !r.token.same(o.token)
	if newToken {
		o.level, again = 0, false
	}
	if !again {
		if o.class == classNone {
			o.decay(now, delays)
		}
		o.level = min(o.level+1, len(delays))
	}
	wait := r.asked
	if wait == 0 {
		wait = delays[o.level-1]
		wait += time.Duration(float64(wait/10) * h.random()) // those that wait do not come back all at once
	}
	if until := now.Add(wait); !again || until.After(o.until) {
		if again && r.asked == 0 {
			return
		}
		o.until = until
	}
	o.class, o.why, o.probing = r.class, r.why, false
	if r.class == classToken && (newToken || o.askAt.IsZero()) {
		o.token, o.asks = r.token, 0
		o.askAt = now.Add(firstAsk)
	}
	s.limit = firstLimit
	c.stopped = append(c.stopped, s)
}

// decay forgets old waits one at a time.
func (o *hold) decay(now time.Time, delays []time.Duration) {
	for o.level > 0 && !o.ended.IsZero() {
		quiet := quietTimes * delays[o.level-1]
		if now.Sub(o.ended) < quiet {
			return
		}
		o.ended = o.ended.Add(quiet)
		o.level--
	}
}

// lift ends a wait. How often it was needed is kept.
func (n *node) lift(now time.Time, c *change) {
	if n.hold.class == classNone {
		return
	}
	level := n.hold.level
	if n.hold.class == classToken || n.hold.class == classPermission {
		level = 0
	}
	n.hold = hold{level: level, ended: now}
	n.startAnew()
	c.goes = append(c.goes, n)
}
