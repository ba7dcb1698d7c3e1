package delivery

import (
	"math/bits"
	"time"
)

// failed notes a failure that says something about the lane.
func (h *health) failed(t *ticket, now time.Time, r *result, c *change) {
	n := t.node
	late := r.took > slowTime
	n.record(now, true, late)
	if t.began.Before(n.good) {
		n.run = 0 // it has answered since this request began
	}
	if late {
		n.silent = n.silent || n.hangs(t.began, now)
	}
	if n.mostlyLate() {
		n.limit = max(1, n.limit/2)
		n.lates = 0
	}
	edge := n.edge
	if edge != nil && r.unsent {
		edge.unconnected++
		if edge.unconnected >= maxUnconnected && !edge.open {
			edge.past.lastError, edge.past.lastErrorAt = r.why, now
			h.open(edge, now, r.class, c)
		}
	}
	for _, s := range t.held {
		if s.hold.class == r.class {
			h.holdUp(s, now, r, tokenDelays, c)
			continue
		}
		s.hold.until = now.Add(lastProbe) // not what it waits for, but no answer either
		c.stopped = append(c.stopped, s)
	}
	for _, s := range t.open {
		s.cause = r.class
		from := now
		if late {
			from = t.began // what it took is a part of the distance
		}
		s.probeAt = latest(now, from.Add(h.distance(now.Sub(s.opened))))
		if s != n {
			continue
		}
		if edge.mostlyDown(now) {
			edge.probeRate = edgeProbes
			s.probeAt = latest(s.probeAt, edge.nextSlot(now))
		}
	}
	if n.run >= openRunAmong {
		n.setDown(true)
	}
	switch {
	case r.class == classPermission && n.hold.class == classNone && (n.failing(late, now) || n.open && len(t.open) > 0):
		h.close(n, now, c) // others may go again, too
		h.holdUp(n, now, r, tokenDelays, c)
	case !n.open && n.hold.class == classNone && n.failing(late, now):
		h.open(n, now, r.class, c)
	case len(t.open) > 0:
		c.stopped = append(c.stopped, t.open...)
	}
}

// record notes an outcome.
func (n *node) record(now time.Time, failed, late bool) {
	n.last = now
	n.window, n.lates = n.window<<1, n.lates<<1
	n.seen = min(n.seen+1, windowSize)
	if !failed {
		n.run, n.good = 0, now
		return
	}
	n.run++
	n.window |= 1
	if late {
		n.lates |= 1
	}
}

func (n *node) share(of uint32) (count int, share float64) {
	count = bits.OnesCount32(of & (1<<n.seen - 1))
	return count, float64(count) / float64(n.seen)
}

func (n *node) mostlyLate() bool {
	_, share := n.share(n.lates)
	return n.seen >= lateSeen && share >= lateShare
}

// hangs reports whether a request that timed out was one of several, nothing was heard since about when it began, and
// requests of the lane did not use to time out.
func (n *node) hangs(began, now time.Time) bool {
	count, _ := n.share(n.lates)
	return count <= hanging && !n.heard.After(began.Add(slowTime)) &&
		len(n.starts) >= hanging-1 && now.Sub(n.starts[hanging-2]) > slowTime
}

// failing reports whether hardly anything gets through.
func (n *node) failing(late bool, now time.Time) bool {
	failures, share := n.share(n.window)
	switch {
	case failures == n.seen && (failures >= firstFailing || late):
		return true
	case n.run >= openRun, n.run >= openRunAmong && n.edge.mostlyDown(now):
		return true
	default:
		return n.seen >= minSeen && share >= openShare
	}
}

// open stops a lane or an edge but for probes.
func (h *health) open(n *node, now time.Time, cause class, c *change) {
	n.open, n.opened, n.cause = true, now, cause
	n.probeAt = now.Add(h.distance(0))
	n.limit = firstLimit
	if n.edge != nil {
		n.setDown(true)
		n.edge.openLanes[n] = struct{}{}
		if n.edge.mostlyDown(now) {
			n.probeAt = latest(n.probeAt, n.edge.nextSlot(now))
		}
	}
	c.stopped = append(c.stopped, n)
}

// close lets a lane or an edge go again.
func (h *health) close(n *node, now time.Time, c *change) {
	if !n.open {
		return
	}
	n.open, n.unconnected = false, 0
	n.startAnew()
	c.goes = append(c.goes, n)
	if n.edge != nil {
		delete(n.edge.openLanes, n)
		n.edge.comeBack(now, c)
	}
}

// startAnew forgets the failures of a lane that has answered. What still hangs does not count.
func (n *node) startAnew() {
	n.window, n.lates, n.seen, n.run, n.silent = 0, 0, 1, 0, false
	n.limit = float64(firstLimit + len(n.starts))
	n.setDown(false)
}

// distance is how long to wait for the next probe of what has been open for so long.
func (h *health) distance(age time.Duration) time.Duration {
	d := max(firstProbe, age/probeGrowth)
	if age >= oldOpen {
		d = min(lastProbe, age/probeGrowthOld)
	}
	if d == lastProbe {
		return d
	}
	return d - time.Duration(float64(d/4)*h.random())
}

// mostlyDown reports whether most lanes of an edge do not answer. Those that nobody asked lately do not count.
func (n *node) mostlyDown(now time.Time) bool {
	if n == nil || n.down < minLanes*mostLanes {
		return false
	}
	n.survey(now)
	used := n.alive + n.down
	return used >= minLanes && float64(n.down) >= mostLanes*float64(used)
}

// survey counts the lanes of an edge that are alive, now and then.
func (n *node) survey(now time.Time) {
	if now.Sub(n.surveyed) < surveyTime {
		return
	}
	n.surveyed, n.alive = now, 0
	for _, lane := range n.lanes {
		if !lane.counted && now.Sub(lane.good) < aliveTime {
			n.alive++
		}
	}
}

// nextSlot is when the lanes of an edge that is mostly down may have their next probe.
func (n *node) nextSlot(now time.Time) time.Time {
	n.probeRate = max(n.probeRate, edgeProbes)
	n.slot = latest(n.slot, now).Add(time.Duration(float64(time.Second) / n.probeRate))
	return n.slot
}

// comeBack shortens the waits of the lanes of an edge of which one goes again: the others may too.
func (n *node) comeBack(now time.Time, c *change) {
	if n.probeRate < edgeProbes {
		n.probeRate = edgeProbes
	}
	n.probeRate *= edgeProbesStep
	at, step := now, time.Duration(float64(time.Second)/n.probeRate)
	for s := range n.openLanes {
		at = at.Add(step)
		if at.Before(s.probeAt) {
			s.probeAt = at
			c.goes = append(c.goes, s) // to be looked at again
		}
	}
	n.slot = at
	if len(n.openLanes) == 0 {
		n.probeRate = 0
	}
}

func (n *node) setDown(down bool) {
	if n.edge == nil || n.counted == down {
		return
	}
	n.counted = down
	if down {
		n.edge.down++
	} else {
		n.edge.down--
	}
}

func (n *node) setSlow(slow bool) {
	if n.slow == slow {
		return
	}
	n.slow = slow
	switch {
	case n.edge == nil:
	case slow:
		n.edge.slows++
	default:
		n.edge.slows--
	}
}
