package appevents

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
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
