package delivery

import "time"

// clockSlack is how far ahead of this clock a call may have been submitted without this clock, or that of whoever
// submitted it, being taken for wrong.
const clockSlack = time.Minute

// ages judges how old calls are, although clocks are set.
type ages struct {
	began time.Time         // with the reading of the clock that is not set
	early map[Key]time.Time // when calls were first seen that come from the future
}

// expired reports whether a call is of no use any more, when the clock says now and so much time has passed since the
// beginning. Since then, no more time has passed than really
// has, wherever the clock was set meanwhile. A call from the future gets the life it was given, from when it was first
// seen.
func (a *ages) expired(l *Lease, now time.Time, passed time.Duration) bool {
	if l.Expires.IsZero() {
		return false
	}
	if steady := a.began.Round(0).Add(passed); steady.Before(now) {
		now = steady
	}
	end := l.Expires
	if life := end.Sub(l.Submitted); life > 0 && l.Submitted.After(now.Add(clockSlack)) {
		first, known := a.early[l.Key]
		if !known {
			if len(a.early) >= maxStruck {
				for key := range a.early {
					delete(a.early, key) // any
					break
				}
			}
			first = now
			a.early[l.Key] = now
		}
		if given := first.Add(life); given.Before(end) {
			end = given
		}
	}
	return !now.Before(end)
}

// notAfter is t, or now where t is in the future: nothing is younger than new.
func notAfter(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}
