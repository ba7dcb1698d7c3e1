package delivery

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
)

// LaneState is what a dispatcher does about a lane.
type LaneState string

// The states of a lane.
const (
	LaneOpen       LaneState = "open"       // its calls are sent
	LaneProbing    LaneState = "probing"    // most requests failed: single ones find out when it works again
	LaneThrottled  LaneState = "throttled"  // Graph refused requests for their number
	LaneToken      LaneState = "token"      // Graph did not accept the token, or there is none
	LanePermission LaneState = "permission" // a permission is missing, or the Page or dataset was not found
	LanePolicy     LaneState = "policy"     // Graph blocks it for breaking a policy
	LanePaused     LaneState = "paused"     // a person paused it
)

// LaneStatus is what is known about a lane: an edge, and the Page or dataset after a slash.
type LaneStatus struct {
	Lane    string
	Pending int64     // calls waiting or under way, of this lane alone
	Oldest  time.Time // when the oldest of them was submitted; zero when none is pending, may be approximate

	// State is of this lane, or of the one above it when that holds it up.
	State LaneState
	Until time.Time // when the next request is made at the earliest; zero when nothing holds it up
	Why   string    // the note of a person, or the error that holds it up; safe to log

	// These are this dispatcher's, and zero for a lane it has not used lately.
	LastError   string    // of the latest request that failed; safe to log
	LastErrorAt time.Time // when that was
	Requests    int       // requests lately: in the last minutes, more or less
	Failures    int       // how many of them failed
	Concurrency int       // how many requests the lane may have under way at a time
	UnderWay    int       // how many it has
}

// Lanes returns the lanes that have pending calls, a pause, or requests lately, in the order of their names. An edge is
// among them, under its name alone, when something holds up all of its lanes. It asks the queue. The other figures are
// this dispatcher's: others that share the queue have their own.
func (d *Dispatcher) Lanes(ctx context.Context) ([]LaneStatus, error) {
	counts, err := d.queue.Lanes(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	list := d.hand.lanes(now)
	for _, c := range counts {
		s := list[c.Lane]
		if s == nil {
			s = &LaneStatus{Lane: c.Lane, State: LaneOpen, Concurrency: firstLimit}
			list[c.Lane] = s
		}
		s.Pending, s.Oldest = c.Pending, notAfter(c.Oldest, now)
		switch {
		case !c.PausedUntil.After(now):
		case c.Manual:
			s.State, s.Until, s.Why = LanePaused, c.PausedUntil, c.Note
		case s.State == LaneOpen: // by another dispatcher, or an earlier process
			s.State, s.Until, s.Why = LaneThrottled, c.PausedUntil, c.Note
		}
	}
	names := slices.Sorted(maps.Keys(list))
	all := make([]LaneStatus, 0, len(names))
	for _, name := range names {
		s := list[name]
		if edge := list[edgeOf(name)]; edge != nil && edge != s && s.State == LaneOpen && edge.State != LaneOpen {
			s.State, s.Until, s.Why = edge.State, edge.Until, edge.Why
		}
		all = append(all, *s)
	}
	return all, nil
}

// lanes is what is known about lanes, but for what the queue knows.
func (h *hand) lanes(now time.Time) map[string]*LaneStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make(map[string]*LaneStatus, len(h.health.nodes))
	for name, n := range h.health.nodes {
		if (n.edge == nil || n.last.IsZero()) && !n.open && n.hold.class == classNone && len(n.starts) == 0 {
			continue // an edge with nothing to tell, or a lane that was not used
		}
		n.past.turn(now)
		s := &LaneStatus{
			Lane: name, State: n.state(), LastError: n.past.lastError, LastErrorAt: n.past.lastErrorAt,
			Requests: n.past.requests[0] + n.past.requests[1], Failures: n.past.failures[0] + n.past.failures[1],
			Concurrency: h.health.allowance(n, now), UnderWay: len(n.starts),
		}
		switch {
		case n.hold.class != classNone:
			s.Until, s.Why = n.hold.until, n.hold.why
		case n.open:
			s.Until, s.Why = n.probeAt, n.past.lastError
		}
		list[name] = s
	}
	return list
}

func (n *node) state() LaneState {
	switch n.hold.class {
	case classThrottled:
		return LaneThrottled
	case classToken:
		return LaneToken
	case classPermission:
		return LanePermission
	case classPolicy:
		return LanePolicy
	}
	if n.open {
		return LaneProbing
	}
	return LaneOpen
}

// maxNote bounds what a person can write about a pause.
const maxNote = 500

// PauseLane keeps the calls of a lane, and of those below it, from being sent until a time, or until
// [Dispatcher.ResumeLane] when the time is zero. Requests under way go on. Everyone who shares the queue observes it,
// and it outlives this process when the queue does. The note says why: [Dispatcher.Lanes] shows it. A lane that does
// not exist, a time that has passed and a note of more than 500 bytes are refused with an
// [*appevents.ValidationError].
func (d *Dispatcher) PauseLane(ctx context.Context, lane string, until time.Time, note string) error {
	if err := checkLane(lane); err != nil {
		return err
	}
	now := time.Now()
	switch {
	case until.IsZero():
		until = now.AddDate(100, 0, 0)
	case !until.After(now):
		return invalid("until", appevents.RuleRange, "must be in the future, or zero for a pause without an end")
	}
	if len(note) > maxNote {
		return invalid("note", appevents.RuleLength, "must not exceed 500 bytes")
	}
	err := d.queue.Pause(ctx, Pause{Lane: lane, Until: until, Note: strings.ToValidUTF8(note, ""), Manual: true})
	if err != nil {
		return err
	}
	var back []Settlement
	for _, b := range d.hand.withdrawLane(lane) { // what was leased, and not yet sent
		back = append(back, release(b.leases)...)
		defer d.hand.settled(b.node, b.leases)
	}
	if len(back) > 0 {
		_ = d.queue.Settle(ctx, back...) // otherwise their leases end
	}
	return nil
}

// ResumeLane ends a pause of [Dispatcher.PauseLane], and makes the dispatcher look at once whether what else holds the
// lane up is over, in the queue too. A name that is no lane's is refused with an [*appevents.ValidationError].
func (d *Dispatcher) ResumeLane(ctx context.Context, lane string) error {
	if err := checkLane(lane); err != nil {
		return err
	}
	if err := d.queue.Pause(ctx, Pause{Lane: lane, Manual: true}); err != nil {
		return err
	}
	return d.setPause(ctx, d.hand.hurry(lane, time.Now()), true)
}

// checkLane refuses what cannot be the name of a lane.
func checkLane(lane string) error {
	edge, object, below := strings.Cut(lane, "/")
	switch edge {
	case laneActivities, lanePageActivities, laneConversions:
	default:
		return invalid("lane", appevents.RuleFormat, `must begin with "activities", "page_activities" or "events"`)
	}
	if below && !isID(object) && lane != laneActivities+"/"+appObject {
		return invalid("lane", appevents.RuleFormat, "must end with the ID of a Page or dataset, in digits")
	}
	return nil
}

// isID reports whether a text can be an ID of Graph's.
func isID(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "0123456789") == ""
}
