package delivery

import (
	"math"
	"time"

	"github.com/appevents/appevents-go"
)

// How fast a lane goes under a limit: at a rate that is measured, falls when the limit is reached, and grows while it
// is not. Nobody says how long the window of a limit is. How long a lane had to wait until it went again tells its
// order of magnitude; that is the lane's scale, and slow growth on that scale is what keeps refusals rare.
const (
	firstRate   = 1.0              // requests a second when nothing is known
	minRate     = 1.0 / 60         // and at least
	maxRate     = 1000.0           // from which on there is none
	rateFirst   = 0.7              // of what was taken, the wait included, is the first rate; it doubles in a scale
	rateNear    = 0.9              // or this, when it stopped before the limit
	rateCut     = 0.95             // of what was taken lately is what will be taken, probably: the ceiling
	rateReturn  = 0.7              // of that is what a lane returns with,
	rateStep    = 1.1              // times as much after each request, up to the ceiling
	rateCeiling = 0.08             // more than the ceiling is the rate after two scales, and the growth is cubic
	minSeek     = 10 * time.Second // a scale is no shorter,
	minScale    = time.Minute      // nor is one above the ceiling,
	maxScale    = time.Hour        // nor any longer: the window of most of Graph's limits
	scaleWait   = 50               // a wait without a hint lasts at least a scale divided by this
	minMeasure  = time.Second      // less says nothing about a rate
	calmCalls   = 20               // requests that Graph took make up for one that it throttled
	paceMemory  = 24 * time.Hour   // without reaching a limit; then it is forgotten
	aheadTime   = 10 * time.Second // what a lane with a rate has waiting here
	paceAhead   = 2 * time.Second  // a request that must wait for longer waits in the queue

	// What the usage headers say, in percent of the limit.
	usedNear   = 85.0 // a lane without a rate sends single requests at growing distances, to see how long this lasts
	usedLittle = 77.5 // until so little is used again
	usedCalm   = 90.0 // a rate does not grow above this
	usedFull   = 97.0 // and is cut from here on
	firstGap   = 500 * time.Millisecond
	gapGrowth  = 1.5
	maxGap     = time.Minute
	maxGapFull = 5 * time.Minute // from usedFull on
	usedMemory = time.Minute     // older figures say nothing
)

// pace spaces the requests of a lane or an edge out. The zero value does not.
type pace struct {
	rate     float64 // requests a second; 0 for as many as there are
	ceiling  float64 // what Graph takes, probably; 0 when that is not known
	next     time.Time
	since    time.Time // when accepted was 0
	accepted int       // requests
	before   float64   // in the scale before that, once there is a rate

	limited   time.Time     // when the limit was reached
	window    float64       // requests a second in the scale before that
	measuring bool          // since then nothing was taken, or gap is not 0
	gap       time.Duration // between requests while a limit is nearly reached and there is no rate yet
	scale     time.Duration // 0 when no limit was reached yet
	calm      time.Duration // at the ceiling or above
	grown     time.Time     // when the rate grew
	used      float64       // percent of the limit
	usedAt    time.Time
}

// spend takes a request's turn.
func (p *pace) spend(now time.Time) {
	gap := p.gap
	if p.rate > 0 {
		gap = max(gap, time.Duration(float64(time.Second)/p.rate))
	}
	if gap > 0 {
		p.next = latest(p.next, now.Add(-gap/2)).Add(gap) // a turn that comes a little late is not lost
	}
	if p.gap > 0 {
		longest := maxGap
		if p.used >= usedFull {
			longest = maxGapFull
		}
		p.gap = min(longest, time.Duration(gapGrowth*float64(p.gap)))
	}
}

// accept notes a request that Graph took. One that was under way when the wait began says nothing about its end.
func (p *pace) accept(now time.Time, waits bool) {
	if p.measuring && p.gap == 0 && !waits {
		p.measure(now)
	}
	if p.since.IsZero() {
		p.since = now
	}
	if p.rate > 0 {
		p.turn(now)
		p.grow(now)
	}
	p.accepted++
	if p.rate > 0 {
		return
	}
	if age := now.Sub(p.since); age > maxScale && !p.measuring { // what counts is the latest rate
		p.since, p.accepted = p.since.Add(age/2), p.accepted/2
	}
}

// turn begins to count anew after each scale.
func (p *pace) turn(now time.Time) {
	switch age := now.Sub(p.since); {
	case age >= 2*p.scale:
		p.since, p.before, p.accepted = now, 0, 0
	case age >= p.scale:
		p.since, p.before, p.accepted = p.since.Add(p.scale), float64(p.accepted), 0
	}
}

// latelyTaken is how many requests a second were taken in the latest scale.
func (p *pace) latelyTaken(now time.Time) float64 {
	p.turn(now)
	rest := 1 - now.Sub(p.since).Seconds()/p.scale.Seconds()
	return (float64(p.accepted) + rest*p.before) / p.scale.Seconds()
}

// grow raises the rate.
func (p *pace) grow(now time.Time) {
	dt := min(now.Sub(p.grown), p.scale)
	p.grown = now
	if p.used > usedCalm && now.Sub(p.usedAt) < usedMemory {
		dt = 0
	}
	switch {
	case now.Sub(p.limited) > paceMemory, p.rate > maxRate:
		*p = pace{next: p.next}
	case p.ceiling == 0:
		p.rate *= math.Exp2(dt.Seconds() / p.scale.Seconds())
	case p.rate < p.ceiling && p.calm == 0:
		p.rate = min(p.ceiling, p.rate*rateStep)
	default:
		p.calm += dt
		p.rate = p.above(p.calm)
	}
}

// above is the rate after a while at the ceiling and above.
func (p *pace) above(calm time.Duration) float64 {
	x := calm.Seconds() / (2 * max(minScale, p.scale).Seconds())
	return p.ceiling * (1 + rateCeiling*x*x*x)
}

// throttle notes that Graph refused a request for their number. What it takes is known when it takes one again.
func (p *pace) throttle(now time.Time) {
	if !p.measuring {
		p.reached(now)
		p.measuring = true
	}
	p.gap = 0
}

// reached notes that the limit is. That it is again so soon means that its window is longer than was thought.
func (p *pace) reached(now time.Time) {
	if p.rate > 0 {
		p.window = p.latelyTaken(now)
		if p.ceiling > 0 && now.Sub(p.limited) < p.scale {
			p.setScale(2 * p.scale)
		}
	}
	p.limited = now
}

// setScale makes the scale longer. What was taken in the part that is new to it is not known: as much as lately.
func (p *pace) setScale(d time.Duration) {
	d = min(maxScale, max(minSeek, d))
	if d > p.scale {
		p.before = p.window*d.Seconds() - float64(p.accepted)
		p.scale = d
	}
}

// measure sets the rate by what Graph took until the limit was reached; without a rate, by what it took since the
// beginning, the wait included.
func (p *pace) measure(now time.Time) {
	near := p.gap > 0
	p.measuring, p.gap = false, 0
	wait := now.Sub(p.limited)
	if p.rate == 0 {
		p.window = float64(p.accepted) / max(minMeasure, now.Sub(p.since)).Seconds()
		p.since, p.accepted = now, 0
		p.setScale(wait)
		switch {
		case p.window == 0:
			p.rate = firstRate
		case near:
			p.rate = max(minRate, rateNear*p.window)
		default:
			p.rate = max(minRate, rateFirst*p.window)
		}
		p.grown = now
		return
	}
	// What a window took on average is no less than the rate at its beginning, a scale ago at most.
	least := p.rate / 2
	switch {
	case p.ceiling == 0:
		least = rateFirst * p.rate
	case p.calm > p.scale:
		least = p.above(p.calm - p.scale)
	}
	p.setScale(wait)
	p.ceiling = max(minRate, rateCut*min(p.rate, max(p.window, least)))
	p.rate = max(minRate, rateReturn*p.ceiling)
	p.calm, p.grown = 0, now
}

func (p *pace) forgotten(now time.Time) bool {
	return p.rate == 0 && p.gap == 0 || now.Sub(p.limited) > paceMemory
}

// suggest learns from the wait that the usage headers suggest to a Pacer.
func (p *pace) suggest(d time.Duration, now time.Time) {
	if d > pacerLongest { // Graph named the time
		p.next = latest(p.next, now.Add(d))
		return
	}
	p.used, p.usedAt = pacerFrom+(100-pacerFrom)*d.Seconds()/pacerLongest.Seconds(), now
	switch {
	case p.gap > 0:
		if p.used < usedLittle || now.Sub(p.limited) > maxScale {
			p.measure(now)
			p.next = now
		}
	case p.measuring:
	case p.rate == 0:
		if p.used >= usedNear {
			p.reached(now)
			p.measuring, p.gap = true, firstGap
			p.next = latest(p.next, now.Add(p.gap))
		}
	case p.used >= usedFull:
		if p.rate > rateCut*p.latelyTaken(now) && now.Sub(p.limited) > max(minScale, p.scale)/4 {
			p.reached(now)
			p.measure(now)
		}
		if p.used >= 100 {
			p.next = latest(p.next, now.Add(p.scale/scaleWait))
		}
	}
}

// The Pacer begins to wait at this percentage of a limit, and waits so long just below it.
const (
	pacerFrom    = 75.0
	pacerLongest = 2 * time.Second
)

// ahead reports whether as much of a lane waits here as its rate allows for a while.
func (n *node) ahead() bool {
	return n.pace.rate > 0 && float64(n.seat.waiting) >= 1+n.pace.rate*aheadTime.Seconds()
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
	least := delays[0]
	if r.class == classThrottled {
		least = r.asked
	}
	if o.class != classNone && o.class != r.class && o.until.After(now.Add(least)) {
		return // it waits for something that takes longer
	}
	newToken := r.class == classToken && !r.token.same(o.token)
	if newToken || o.levelOf != r.class { // how often it waited for something else says nothing
		o.level, o.levelOf, again = 0, r.class, false
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
		if r.class == classThrottled {
			wait = max(wait, s.pace.scale/scaleWait)
		}
		wait += time.Duration(float64(wait/10) * h.random()) // those that wait do not come back all at once
	}
	if until := now.Add(wait); !again || until.After(o.until) {
		if again && r.asked == 0 {
			return
		}
		o.until = until
	}
	o.class, o.why, o.probe = r.class, r.why, nil
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
	n.hold = hold{level: level, levelOf: n.hold.levelOf, ended: now}
	n.startAnew()
	c.goes = append(c.goes, n)
}
