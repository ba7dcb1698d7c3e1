package delivery

import (
	"context"
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
	LaneProbing    LaneState = "probing"    // most requests failed: single ones find out when it goes again
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

// Lanes returns the lanes that have pending calls, a pause, or requests lately, in the order of their names. It asks the
// queue. The other figures are this dispatcher's: others that share the queue have their own.
func (d *Dispatcher) Lanes(ctx context.Context) ([]LaneStatus, error) {
	counts, err := d.queue.Lanes(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]LaneStatus, 0, len(counts))
	for _, c := range counts {
		list = append(list, LaneStatus{Lane: c.Lane, Pending: c.Pending, Oldest: c.Oldest, State: LaneOpen})
		if s := &list[len(list)-1]; !c.PausedUntil.IsZero() {
			s.State, s.Until, s.Why = LaneProbing, c.PausedUntil, c.Note
			if c.Manual {
				s.State = LanePaused
			}
		}
	}
	slices.SortFunc(list, func(a, b LaneStatus) int { return strings.Compare(a.Lane, b.Lane) })
	return list, nil
}

// maxNote bounds what a person can write about a pause.
const maxNote = 500

// PauseLane keeps the calls of a lane, and of those below it, from being sent until a time, or until [Dispatcher.ResumeLane]
// when the time is zero. Requests under way go on. Everyone who shares the queue observes it, and it outlives this
// process when the queue does. The note says why: [Dispatcher.Lanes] shows it. A lane that does not exist, a time that
// has passed and a note of more than 500 bytes are refused with an [*appevents.ValidationError].
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
	return d.queue.Pause(ctx, Pause{Lane: lane, Until: until, Note: strings.ToValidUTF8(note, ""), Manual: true})
}

// ResumeLane ends a pause of [Dispatcher.PauseLane], and makes the dispatcher look at once whether what else holds the
// lane up is over. A name that is no lane's is refused with an [*appevents.ValidationError].
func (d *Dispatcher) ResumeLane(ctx context.Context, lane string) error {
	if err := checkLane(lane); err != nil {
		return err
	}
	return d.queue.Pause(ctx, Pause{Lane: lane, Manual: true})
}

// checkLane refuses what cannot be the name of a lane.
func checkLane(lane string) error {
	edge, object, below := strings.Cut(lane, "/")
	switch edge {
	case laneActivities, lanePageActivities, laneConversions:
	default:
		return invalid("lane", appevents.RuleFormat, `must begin with "activities", "page_activities" or "events"`)
	}
	if below && !isID(object) {
		return invalid("lane", appevents.RuleFormat, "must end with the ID of a Page or dataset, in digits")
	}
	return nil
}

// isID reports whether a text can be an ID of Graph's.
func isID(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "0123456789") == ""
}
