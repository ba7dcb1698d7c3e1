package appevents

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"
)

// DedupeKey implements [WebhookEvent].
//
// A message, an echo and a postback are identified by their message ID. The others need more: who, when, and what, the
// last as a hash.
func (e *inbound) DedupeKey() string {
	key := make([]byte, 0, 128)
	key = appendKeyPart(key, e.Object())
	key = append(key, '/')
	key = appendKeyPart(key, string(e.businessID()))
	key = append(key, '/')
	if e.standby {
		key = append(key, "standby."...)
	}
	kind := e.kind
	if kind == nil {
		kind = &eventKind{word: "unknown"}
	}
	key = append(key, kind.word...)
	if e.mid != "" {
		key = append(key, '/')
		key = appendKeyPart(key, e.mid)
		if kind.is&keyIsMID != 0 {
			return string(key)
		}
	}
	if e.field != "" {
		key = append(key, '/')
		key = appendKeyPart(key, e.field)
	}
	key = append(key, '/')
	key = appendKeyPart(key, string(e.sender.ID))
	if e.sender.UserRef != "" {
		key = append(key, '.')
		key = appendHash(key, e.sender.UserRef) // chosen by the business: it may say who the person is
	}
	key = append(key, '/')
	switch {
	case e.millis != 0:
		key = strconv.AppendInt(key, e.millis, 10)
	case kind.is&timeless != 0:
	case e.entry != nil && !e.entry.Time.IsZero():
		key = append(key, 'e')
		key = strconv.AppendInt(key, e.entry.Time.UnixMilli(), 10)
	}
	key = append(key, '/')
	if e.detail != "" {
		return string(appendKeyPart(key, e.detail))
	}
	var compact bytes.Buffer // white space between tokens is no difference
	if json.Compact(&compact, []byte(e.raw)) != nil {
		return string(appendHash(key, e.raw))
	}
	return string(appendHash(key, compact.String()))
}

func (e *inbound) businessID() ID {
	if t := e.Thread(); t.PageID != "" {
		return t.PageID
	}
	return e.account()
}

const (
	maxKeyPart  = 256 // longer parts of a key are hashed
	keyHashSize = 16  // bytes of a hash that go into a key
)

// appendKeyPart appends s, or its hash if s is long or could be taken for more than one part.
func appendKeyPart(key []byte, s string) []byte {
	if len(s) > maxKeyPart {
		return appendHash(key, s)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '/' || c == '~' || c == '@' {
			return appendHash(key, s)
		}
	}
	return append(key, s...)
}

// appendHash appends "~", which no other part starts with, and a hash of s.
func appendHash(key []byte, s string) []byte {
	sum := sha256.Sum256([]byte(s))
	key = append(key, '~')
	return hex.AppendEncode(key, sum[:keyHashSize])
}

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
