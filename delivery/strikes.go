package delivery

import "time"

// maxStruck bounds how many calls in doubt are remembered.
const maxStruck = 1 << 16

// strikes are what speaks against calls, by key. It is forgotten when the process ends: then they are tried as often
// again.
type strikes map[Key]struck

type struck struct {
	against  int    // refusals while others got through
	panics   int    // while it was tried
	accepted uint64 // how many requests Graph had taken by the last refusal
}

// strikesOf is what speaks against a call.
func (h *hand) strikesOf(l *Lease) struck {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.strikes[l.Key]
}

// strike notes a failure of a call. It reports whether it panicked too often. A refusal counts against the call only if
// Graph took other requests since the one before: else all may fare alike.
func (h *hand) strike(l *Lease, c class) (panicked bool) {
	if !c.suspicious() && c != classPanic {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s, known := h.strikes[l.Key]
	if !known && len(h.strikes) >= maxStruck {
		for key := range h.strikes {
			delete(h.strikes, key) // any
			break
		}
	}
	if c == classPanic {
		s.panics++
	} else {
		if known && s.accepted < h.health.accepted {
			s.against++
		}
		s.accepted = h.health.accepted
	}
	if panicked = s.panics >= maxPanics; panicked {
		delete(h.strikes, l.Key)
	} else {
		h.strikes[l.Key] = s
	}
	return panicked
}

// expired reports whether a call is of no use any more.
func (h *hand) expired(l *Lease, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ages.expired(l, now, time.Since(h.ages.began))
}

// acquit forgets what is known about a call that is settled for good.
func (h *hand) acquit(list []conclusion) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.strikes) == 0 && len(h.ages.early) == 0 {
		return
	}
	for i := range list {
		if v := list[i].Verdict; v == Done || v == Bury {
			delete(h.strikes, list[i].Lease.Key)
			delete(h.ages.early, list[i].Lease.Key)
		}
	}
}
