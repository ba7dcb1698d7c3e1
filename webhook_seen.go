package appevents

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/appevents/appevents-go/internal/turns"
)

// DedupeKey implements [WebhookEvent].
//
// A message, an echo and a postback are identified by their message ID. The others need more: who, when, and what, the
// last as a hash.
func (e *inbound) DedupeKey() string {
	key := make([]byte, 0, 128)
	key = turns.AppendPart(key, e.Object())
	key = append(key, '/')
	key = turns.AppendPart(key, string(e.businessID()))
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
		key = turns.AppendPart(key, e.mid)
		if kind.is&keyIsMID != 0 {
			return string(key)
		}
	}
	if e.field != "" {
		key = append(key, '/')
		key = turns.AppendPart(key, e.field)
	}
	key = append(key, '/')
	key = turns.AppendPart(key, string(e.sender.ID))
	if e.sender.UserRef != "" {
		key = append(key, '.')
		key = turns.AppendHash(key, e.sender.UserRef) // chosen by the business: it may say who the person is
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
		return string(turns.AppendPart(key, e.detail))
	}
	var compact bytes.Buffer // white space between tokens is no difference
	if json.Compact(&compact, []byte(e.raw)) != nil {
		return string(turns.AppendHash(key, e.raw))
	}
	return string(turns.AppendHash(key, compact.String()))
}

func (e *inbound) businessID() ID {
	if t := e.Thread(); t.PageID != "" {
		return t.PageID
	}
	return e.account()
}
