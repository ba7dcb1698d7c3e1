package delivery

import (
	"iter"
	"maps"
	"slices"
	"sync"
)

// LaneSet is a set of lanes that changes while others read it. The zero value is empty and ready. A nil LaneSet is
// empty too, and cannot be changed. It is safe for concurrent use.
type LaneSet struct {
	mu      sync.RWMutex
	lanes   map[string]struct{}
	changed chan struct{}
	removed uint64   // how many lanes have left it
	latest  []string // the last of them
}

// maxLatest bounds how many lanes that left a set are remembered.
const maxLatest = 1024

// Add puts a lane into the set, and so all lanes below it.
func (s *LaneSet) Add(lane string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lanes == nil {
		s.lanes = make(map[string]struct{})
	}
	s.lanes[lane] = struct{}{}
}

// Remove takes a lane out of the set, and tells those who wait for it.
func (s *LaneSet) Remove(lane string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.lanes[lane]; !ok {
		return
	}
	delete(s.lanes, lane)
	if len(s.latest) == maxLatest {
		s.latest = slices.Delete(s.latest, 0, maxLatest/2)
	}
	s.latest = append(s.latest, lane)
	s.removed++
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Has reports whether a lane, or one above it, is in the set.
func (s *LaneSet) Has(lane string) bool {
	if s == nil {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.lanes) == 0 {
		return false
	}
	for ; lane != ""; lane = ParentLane(lane) {
		if _, ok := s.lanes[lane]; ok {
			return true
		}
	}
	return false
}

// Changed returns a channel that is closed when the next lane leaves the set. Ask for it before you look at the set. Of
// a nil set it is nil.
func (s *LaneSet) Changed() <-chan struct{} {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Removed returns the lanes that have left the set since its n-th removal, and how many removals there were by now. all
// is true when they are too many to remember: then any lane may have left. With it an engine looks again only at what
// may have changed.
func (s *LaneSet) Removed(n uint64) (lanes []string, removed uint64, all bool) {
	if s == nil {
		return nil, 0, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch since := s.removed - n; {
	case n > s.removed || since > uint64(len(s.latest)):
		return nil, s.removed, true
	case since == 0:
		return nil, s.removed, false
	default:
		return slices.Clone(s.latest[uint64(len(s.latest))-since:]), s.removed, false
	}
}

// All returns the lanes in the set at this moment, in the order of their names.
func (s *LaneSet) All() iter.Seq[string] {
	if s == nil {
		return func(func(string) bool) {}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Values(slices.Sorted(maps.Keys(s.lanes)))
}
