// Package turns lets each key be handled once, and by one goroutine at a time.
package turns

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Window remembers the keys of handled events for a while, and lets only one goroutine at a time handle a key.
type Window struct {
	window time.Duration
	most   int // handled keys remembered

	mu    sync.Mutex
	turns map[string]*Turn
	queue []expiry // handled keys, the oldest at first
	first int
}

// expiry is when a handled key is forgotten.
type expiry struct {
	key     string
	expires time.Time
}

// Turn is the handling of one key.
type Turn struct {
	done    chan struct{} // closed when it ends
	Handled bool          // also when it was handled before
}

// New returns an empty window that remembers at most the given number of keys, each for the given time.
func New(window time.Duration, most int) *Window {
	return &Window{window: window, most: most, turns: make(map[string]*Turn)}
}

// Begin waits while somebody else handles key. The turn it returns says that key is handled already, or is the
// caller's, to be given to End.
func (s *Window) Begin(ctx context.Context, key string) (*Turn, error) {
	for {
		turn, mine := s.turn(key)
		if mine {
			return turn, nil
		}
		select {
		case <-turn.done:
			if turn.Handled {
				return turn, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// turn returns the turn of key, which is the caller's if there was none.
func (s *Window) turn(key string) (turn *Turn, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	if turn = s.turns[key]; turn != nil {
		return turn, false
	}
	turn = &Turn{done: make(chan struct{})}
	s.turns[key] = turn
	return turn, true
}

// End ends a turn. Only success is remembered: after a failure the redelivery is another chance.
func (s *Window) End(key string, turn *Turn, success bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn.Handled = success
	close(turn.done)
	if !success {
		delete(s.turns, key)
		return
	}
	s.queue = append(s.queue, expiry{key: key, expires: time.Now().Add(s.window)})
	s.forget()
}

// forget drops the keys that are too old or too many.
func (s *Window) forget() {
	now := time.Now()
	for s.first < len(s.queue) && (len(s.queue)-s.first > s.most || !now.Before(s.queue[s.first].expires)) {
		delete(s.turns, s.queue[s.first].key)
		s.queue[s.first] = expiry{}
		s.first++
	}
	if s.first > len(s.queue)/2 {
		s.queue = slices.Delete(s.queue, 0, s.first)
		s.first = 0
	}
}
