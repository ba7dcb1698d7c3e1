package appevents

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
)

// inbound is what all events share. Events point at their entry because what it says can come after them in the body.
type inbound struct {
	entry     *Entry
	raw       string // the event's bytes
	sender    Party
	recipient Party
	hops      []HopContext
	issues    []Issue

	field  string // the subscription field where Meta names it
	mid    string // message or call the event is about
	detail string // what else tells events about the same mid apart
	millis int64  // Unix time, 0 when unknown

	kind     eventKind
	standby  bool
	outgoing bool // the business is the sender
}

// eventKind tells the events apart for Field and DedupeKey.
type eventKind uint8

const (
	kindUnknown eventKind = iota
	kindAccountLinking
	kindCall
	kindCallPermission
	kindChange
	kindDeleted
	kindDelivery
	kindEcho
	kindEchoDeleted
	kindEdit
	kindFeedback
	kindGamePlay
	kindHandover
	kindMessage
	kindOptin
	kindOrder
	kindPolicy
	kindPostback
	kindReaction
	kindRead
	kindReferral
	kindResponseFeedback
	kindTemplateStatus
)

// eventKinds has the word a kind has in a de-duplication key, and its subscription field by product.
var eventKinds = [...]struct{ word, messenger, instagram string }{
	kindUnknown:          {"unknown", "", ""},
	kindAccountLinking:   {"account_linking", "messaging_account_linking", "messaging_account_linking"},
	kindCall:             {"call", "calls", "calls"},
	kindCallPermission:   {"call_permission", "call_permission_reply", "call_permission_reply"},
	kindChange:           {"change", "", ""},
	kindDeleted:          {"message.deleted", "messages", "messages"},
	kindDelivery:         {"delivery", "message_deliveries", "message_deliveries"},
	kindEcho:             {"echo", "message_echoes", "messages"},
	kindEchoDeleted:      {"echo.deleted", "message_echoes", "messages"},
	kindEdit:             {"edit", "message_edits", "message_edit"},
	kindFeedback:         {"feedback", "messaging_feedback", "messaging_feedback"},
	kindGamePlay:         {"game_play", "messaging_game_plays", "messaging_game_plays"},
	kindHandover:         {"handover", "messaging_handovers", "messaging_handover"},
	kindMessage:          {"message", "messages", "messages"},
	kindOptin:            {"optin", "messaging_optins", "messaging_optins"},
	kindOrder:            {"order", "send_cart", "send_cart"},
	kindPolicy:           {"policy", "messaging_policy_enforcement", "messaging_policy_enforcement"},
	kindPostback:         {"postback", "messaging_postbacks", "messaging_postbacks"},
	kindReaction:         {"reaction", "message_reactions", "message_reactions"},
	kindRead:             {"read", "message_reads", "messaging_seen"},
	kindReferral:         {"referral", "messaging_referrals", "messaging_referral"},
	kindResponseFeedback: {"response_feedback", "response_feedback", "response_feedback"},
	kindTemplateStatus:   {"template_status", "message_template_status_update", "message_template_status_update"},
}

const (
	objectPage      = "page"
	objectInstagram = "instagram"
)

// Field implements [WebhookEvent].
func (e *inbound) Field() string {
	switch {
	case e.field != "":
		return e.field
	case e.Object() == objectInstagram:
		return eventKinds[e.kind].instagram
	default:
		return eventKinds[e.kind].messenger
	}
}

// Sender is who the event comes from: the person, or for an [EchoEvent] the business. It is zero where Meta names
// nobody.
func (e *inbound) Sender() Party { return e.sender }

// Recipient is whom the event is addressed to: the business, or for an [EchoEvent] the person.
func (e *inbound) Recipient() Party { return e.recipient }

// HopContext is what other apps left when they passed the conversation on, nil when there is none.
func (e *inbound) HopContext() []HopContext {
	if e.hops == nil && e.entry != nil {
		return e.entry.HopContext
	}
	return e.hops
}

// Thread implements [WebhookEvent].
func (e *inbound) Thread() Thread {
	if !isConversational(e.Object()) {
		return Thread{}
	}
	account := e.account()
	person, business := e.sender, e.recipient
	if e.outgoing || account != "" && e.sender.ID == account {
		person, business = e.recipient, e.sender
	}
	if business.ID != "" {
		account = business.ID
	}
	thread := Thread{PageID: account, PSID: person.ID}
	if e.Object() == objectInstagram {
		thread.Channel = ChannelInstagram
	}
	return thread
}

// Time implements [WebhookEvent].
func (e *inbound) Time() time.Time {
	if e.millis == 0 && e.entry != nil {
		switch e.kind {
		case kindChange, kindFeedback, kindTemplateStatus:
			return e.entry.Time // the time they happened stands there
		}
	}
	return unixMillis(e.millis)
}

// Standby implements [WebhookEvent].
func (e *inbound) Standby() bool { return e.standby }

// Raw implements [WebhookEvent].
func (e *inbound) Raw() json.RawMessage { return copyRaw(e.raw) }

// Err implements [WebhookEvent].
func (e *inbound) Err() error {
	if len(e.issues) == 0 {
		return nil
	}
	return &WebhookItemError{Issues: e.issues}
}

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
	key = append(key, eventKinds[e.kind].word...)
	if e.mid != "" {
		key = append(key, '/')
		key = appendKeyPart(key, e.mid)
		switch e.kind {
		case kindMessage, kindDeleted, kindEcho, kindEchoDeleted, kindPostback:
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
	case e.kind == kindDelivery || e.kind == kindRead:
		// The watermark tells them apart.
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

// Object is what the webhook is about: "page", which is also meant where Meta leaves it out, "instagram", or the word
// of another product.
func (e *inbound) Object() string {
	if e.entry == nil || e.entry.object == "" {
		return objectPage
	}
	return e.entry.object
}

func (e *inbound) common() *inbound { return e }

// account is the ID of the entry. The dashboard's test events have "0" there, which is nobody.
func (e *inbound) account() ID {
	if e.entry == nil || e.entry.ID == "0" {
		return ""
	}
	return e.entry.ID
}

func (e *inbound) businessID() ID {
	if t := e.Thread(); t.PageID != "" {
		return t.PageID
	}
	return e.account()
}

// isConversational reports whether an object's events are typed.
func isConversational(object string) bool { return object == objectPage || object == objectInstagram }

// unixMillis is the time of a Unix time in milliseconds, zero for 0.
func unixMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func copyRaw(raw string) json.RawMessage {
	if raw == "" {
		return nil
	}
	return json.RawMessage(raw)
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
