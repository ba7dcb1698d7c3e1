package appevents

import (
	"context"
	"slices"
	"sync"
	"time"
)

const defaultDedupeEvents = 100_000

// seenEvents remembers the keys of handled events for a while, and lets only one goroutine at a time handle a key.
type seenEvents struct {
	window time.Duration
	most   int // handled keys remembered

	mu    sync.Mutex
	turns map[string]*seenTurn
	queue []seenKey // handled keys, the oldest at first
	first int
}

type seenKey struct {
	key     string
	expires time.Time
}

// seenTurn is the handling of one key.
type seenTurn struct {
	done    chan struct{} // closed when it ends
	handled bool
}

func newSeenEvents(window time.Duration, most int) *seenEvents {
	return &seenEvents{window: window, most: most, turns: make(map[string]*seenTurn)}
}

// begin waits while somebody else handles key. The turn it returns says that key is handled already, or is the
// caller's, to be given to end.
func (s *seenEvents) begin(ctx context.Context, key string) (*seenTurn, error) {
	for {
		turn, mine := s.turn(key)
		if mine {
			return turn, nil
		}
		select {
		case <-turn.done:
			if turn.handled {
				return turn, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// turn returns the turn of key, which is the caller's if there was none.
func (s *seenEvents) turn(key string) (turn *seenTurn, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	if turn = s.turns[key]; turn != nil {
		return turn, false
	}
	turn = &seenTurn{done: make(chan struct{})}
	s.turns[key] = turn
	return turn, true
}

// end ends a turn. Only success is remembered: after a failure the redelivery is another chance.
func (s *seenEvents) end(key string, turn *seenTurn, success bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn.handled = success
	close(turn.done)
	if !success {
		delete(s.turns, key)
		return
	}
	s.queue = append(s.queue, seenKey{key: key, expires: time.Now().Add(s.window)})
	s.forget()
}

// forget drops the keys that are too old or too many.
func (s *seenEvents) forget() {
	now := time.Now()
	for s.first < len(s.queue) && (len(s.queue)-s.first > s.most || !now.Before(s.queue[s.first].expires)) {
		delete(s.turns, s.queue[s.first].key)
		s.queue[s.first] = seenKey{}
		s.first++
	}
	if s.first > len(s.queue)/2 {
		s.queue = slices.Delete(s.queue, 0, s.first)
		s.first = 0
	}
}
