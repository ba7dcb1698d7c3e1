package appevents

import (
	"errors"
	"fmt"
	"iter"
	"unsafe"

	"github.com/appevents/appevents-go/internal/jsonfill"
	"github.com/appevents/appevents-go/internal/jsonscan"
)

// ErrNotWebhook is wrapped by the error of [ParseWebhook] for a body that is not a webhook envelope.
var ErrNotWebhook = errors.New("appevents: not a webhook envelope")

// Payload is the parsed body of one webhook.
type Payload struct {
	// Object says what the webhook is about: "page" for Messenger, "instagram", or another product of the app. It is ""
	// where Meta leaves it out.
	Object string

	// Entries are the Pages and accounts the body reports about, in order. Their events come from [Payload.Events].
	Entries []*Entry

	events []WebhookEvent

	// Nearly every body has one entry with one event: they need no memory of their own.
	first   Entry
	entries [1]*Entry
	event   [1]WebhookEvent
}

// Events iterates over the events in the order of the body, any number of times.
func (p *Payload) Events() iter.Seq[WebhookEvent] {
	return func(yield func(WebhookEvent) bool) {
		for _, event := range p.events {
			if !yield(event) {
				return
			}
		}
	}
}

// What one body can become is bounded, in number (entries, events and elements of their lists) and in memory. A body of
// 10 MiB with one short message in each entry stays below both; only an absurd one, such as a million empty objects, is
// refused.
const (
	maxWebhookParts   = 1 << 17
	memoryPerByte     = 9        // bytes for each byte of the body, besides a copy of it
	memoryOfShortBody = 60 << 10 // bytes that even the shortest may use
)

// ParseWebhook reads the body of a webhook, which should have been verified before (see [Verifier]). It copies what it
// keeps, so the caller may reuse body.
//
// It returns an error, matching [ErrNotWebhook], only when the body is not a webhook at all: not JSON, JSON without the
// envelope, or absurdly many parts for its length. Everything else becomes events: what is unknown is an
// [*UnknownEvent], and an event that is partly unreadable says so in its Err. The errors repeat nothing of the body.
// Parsing takes at most 12 times the memory of the body, or 64 KiB more than the body where that is more.
//
// It reads the envelope with "entry", a list of envelopes, and the bare "field" and "value" of the dashboard.
func ParseWebhook(body []byte) (*Payload, error) {
	payload := &Payload{}
	payload.Entries, payload.events = payload.entries[:0], payload.event[:0]
	reader := jsonfill.New(string(body), maxWebhookParts, max(memoryPerByte*len(body), memoryOfShortBody))
	p := webhookParser{payload: payload, eventReader: eventReader{reader}}

	found := false
	if p.Scan.Kind() == jsonscan.Array {
		p.Scan.Open(jsonscan.Array)
		for p.Scan.NextElem() {
			found = p.envelope() || found
		}
	} else {
		found = p.envelope()
	}
	switch err := p.Scan.End(); {
	case p.Full():
		return nil, fmt.Errorf("%w: more than %d parts, or too many for its length", ErrNotWebhook, maxWebhookParts)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotWebhook, err)
	case !found:
		return nil, ErrNotWebhook
	}
	return payload, nil
}

// webhookParser walks a body once. Only the rare shapes are read a second time, from their span. After a syntax error
// the walk ends by itself; what it has collected by then is thrown away.
type webhookParser struct {
	eventReader
	payload *Payload
}

// envelope reads {"object", "entry"} or {"field", "value"} and reports whether it was one. Anything else becomes an
// unknown event, which matters when it stands in a list with others.
func (p *webhookParser) envelope() bool {
	s := &p.Scan
	s.Kind()
	start := s.Pos()
	firstEntry, firstEvent := len(p.payload.Entries), len(p.payload.events)
	object, entries, field, value := "", false, false, false
	if s.Open(jsonscan.Object) {
		for key, ok := s.NextKey(); ok; key, ok = s.NextKey() {
			switch key {
			case "object":
				object, _ = s.Text()
			case "entry":
				if s.Open(jsonscan.Array) {
					entries = true
					for s.NextElem() {
						p.entry()
					}
				}
			case "field":
				field = s.Kind() == jsonscan.String
				s.Skip()
			case "value":
				value = true
				s.Skip()
			default:
				s.Skip()
			}
		}
	}
	switch {
	case p.Full():
		return false
	case entries:
	case field && value:
		entry := p.newEntry()
		p.Again(s.Span(start, s.Pos()), func() { p.change(entry) })
	default:
		p.unreadable(nil, s.Span(start, s.Pos()), false, "an envelope")
		return false
	}
	if p.payload.Object == "" {
		p.payload.Object = object
	}
	// The object may come after the entries.
	for _, entry := range p.payload.Entries[firstEntry:] {
		entry.object = object
	}
	if object != "" && !isConversational(object) {
		for i := firstEvent; i < len(p.payload.events) && !p.Full(); i++ {
			p.payload.events[i] = p.foreign(p.payload.events[i])
		}
	}
	return true
}

func (p *webhookParser) newEntry() *Entry {
	entry := &p.payload.first
	if len(p.payload.Entries) > 0 {
		entry = &Entry{}
	}
	if p.Spend(int(unsafe.Sizeof(*entry)) + listGrowth/2) {
		p.payload.Entries = append(p.payload.Entries, entry)
	}
	return entry
}

// entry reads one element of "entry".
func (p *webhookParser) entry() {
	s := &p.Scan
	s.Kind()
	start := s.Pos()
	entry := p.newEntry()
	if !s.Open(jsonscan.Object) {
		p.unreadable(entry, s.Span(start, s.Pos()), false, "an object")
		return
	}
	lists, loose, field := false, false, false
	for key, ok := s.NextKey(); ok; key, ok = s.NextKey() {
		switch key {
		case "id":
			id, _ := s.ID()
			entry.ID = ID(id)
		case "time":
			entry.Time = p.Time()
		case "hop_context":
			entry.HopContext = p.hopContext()
		case "messaging", "standby", "changes", "changed_fields", "calls":
			lists = true
			p.list(entry, key)
		default:
			loose, field = true, field || key == "field"
			s.Skip()
		}
	}
	if loose {
		p.Again(s.Span(start, s.Pos()), func() { p.looseEntry(entry, lists, field) })
	}
}

// list reads one of an entry's lists.
func (p *webhookParser) list(entry *Entry, name string) {
	s := &p.Scan
	kind, start := s.Kind(), s.Pos()
	if !s.Open(jsonscan.Array) {
		if kind != jsonscan.Null {
			p.unreadable(entry, s.Span(start, s.Pos()), name == "standby", "a list")
		}
		return
	}
	for s.NextElem() {
		switch name {
		case "changes":
			p.change(entry)
		case "changed_fields":
			p.changedField(entry)
		case "calls":
			p.phoneCall(entry)
		default:
			p.messaging(entry, name == "standby")
		}
	}
}

// looseEntry reads again an entry with keys of its own: an event that sits directly in it, or a list Meta has added.
func (p *webhookParser) looseEntry(entry *Entry, lists, field bool) {
	switch {
	case field && !lists:
		p.change(entry)
		return
	case !lists:
		p.messaging(entry, false)
		return
	}
	s := &p.Scan
	s.Open(jsonscan.Object)
	for key, ok := s.NextKey(); ok; key, ok = s.NextKey() {
		kind := s.Kind()
		value := s.Skip()
		switch key {
		case "hop_context", "messaging", "standby", "changes", "changed_fields", "calls":
			continue
		}
		if kind == jsonscan.Object || kind == jsonscan.Array {
			p.add(p.unknown(inbound{entry: entry, raw: value, field: fieldOfKey(key)}, key, value))
		}
	}
}

// unreadable adds what stands where Meta should have sent something else.
func (p *webhookParser) unreadable(entry *Entry, raw string, standby bool, want string) {
	p.add(p.unknown(inbound{
		entry: entry, raw: raw, standby: standby,
		issues: []Issue{{Rule: RuleType, Message: "must be " + want}},
	}, "", ""))
}

func (p *webhookParser) add(event WebhookEvent) {
	if !p.Full() {
		p.payload.events = append(p.payload.events, event)
	}
}

// foreign turns an event of another product into an unknown one: its fields would mean something else there.
func (p *webhookParser) foreign(event WebhookEvent) WebhookEvent {
	key, value := "", ""
	switch e := event.(type) {
	case *UnknownEvent:
		key, value = e.Key, e.value
	case *ChangeEvent:
		key, value = e.field, e.value
	}
	typed, _ := event.(typedEvent) // as all events made here are
	e := typed.common()
	return p.unknown(inbound{entry: e.entry, raw: e.raw, millis: e.millis, standby: e.standby}, key, value)
}

// messaging reads an element of "messaging" or "standby".
func (p *webhookParser) messaging(entry *Entry, standby bool) {
	it := webhookItem{base: inbound{entry: entry, standby: standby}}
	p.item(&it)
	p.add(p.finish(&it))
}

// phoneCall reads an element of "calls".
func (p *webhookParser) phoneCall(entry *Entry) {
	s := &p.Scan
	isObject := s.Kind() == jsonscan.Object
	start := s.Pos()
	p.Problems()
	e := &CallEvent{inbound: inbound{entry: entry, kind: &kindPhoneCall}}
	p.Spend(int(unsafe.Sizeof(*e)) + listGrowth)
	p.Object(func(key string) {
		if key == "timestamp" {
			e.millis = p.Millis()
		} else {
			jsonfill.Field(&p.Reader, e, key)
		}
	})
	if !isObject {
		p.unreadable(entry, s.Span(start, s.Pos()), false, "an object")
		return
	}
	e.sender.ID, e.recipient.ID = e.CallFrom, e.CallTo
	e.raw, e.issues = s.Span(start, s.Pos()), p.issues()
	e.mid, e.detail = e.about()
	p.add(e)
}

// changedField reads an element of "changed_fields".
func (p *webhookParser) changedField(entry *Entry) {
	s := &p.Scan
	isText := s.Kind() == jsonscan.String
	start := s.Pos()
	name, _ := s.Text()
	raw := s.Span(start, s.Pos())
	if !isText {
		p.unreadable(entry, raw, false, "text")
		return
	}
	p.add(p.newChange(inbound{entry: entry, raw: raw, field: name}))
}

func (p *webhookParser) newChange(base inbound) *ChangeEvent {
	p.Spend(int(unsafe.Sizeof(ChangeEvent{})) + listGrowth)
	base.kind = &kindChange
	return &ChangeEvent{inbound: base}
}

// change reads {"field", "value"}: an element of "changes", an entry, or a whole body.
func (p *webhookParser) change(entry *Entry) {
	s := &p.Scan
	isObject := s.Kind() == jsonscan.Object
	start := s.Pos()
	p.Problems()
	change := p.newChange(inbound{entry: entry})
	valueKind, others := jsonscan.Invalid, false
	p.Object(func(key string) {
		switch key {
		case "field":
			change.field = p.Text()
		case "value":
			valueKind = s.Kind()
			change.value = s.Skip()
		case "id", "time":
			// A change that sits directly in the entry.
		default:
			others = true
		}
	})
	change.raw, change.issues = s.Span(start, s.Pos()), p.issues()
	if !isObject {
		p.unreadable(entry, change.raw, false, "an object")
		return
	}
	if valueKind == jsonscan.Invalid && others {
		// Meta's samples of marketing messages have the fields beside "field".
		valueKind, change.value = jsonscan.Object, change.raw
	}
	switch valueKind {
	case jsonscan.Object:
		p.Again(change.value, func() { p.add(p.changeEvent(change)) })
	case jsonscan.Null:
		change.value = ""
		fallthrough
	default:
		p.add(change)
	}
}

// changeEvent makes of a change with an object as its value the event that is in it.
func (p *webhookParser) changeEvent(change *ChangeEvent) WebhookEvent {
	if change.field == "message_template_status_update" || change.field == "messenger_template_status_update" {
		return p.templateStatus(change.inbound)
	}
	var it webhookItem
	p.item(&it)
	// The Test button and some newer fields wrap an item of "messaging". Other fields have values in which the same
	// words mean something else.
	parties := it.base.sender != (Party{}) || it.base.recipient != (Party{})
	if it.event != nil && (parties || it.named(change.field)) {
		it.base.entry, it.base.raw = change.entry, change.raw
		if it.base.standby = change.field == "standby"; !it.base.standby {
			it.base.field = change.field
		}
		return p.finish(&it)
	}
	p.Again(change.value, func() { p.Object(func(key string) { p.changeValue(change, key) }) })
	if change.outgoing = !parties; parties {
		change.sender, change.recipient = it.base.sender, it.base.recipient
	}
	return change
}

// changeValue finds in a change's value when it happened and, unless it says so the way items do, who it is about: then
// the sender is the business.
func (p *webhookParser) changeValue(e *ChangeEvent, key string) {
	switch key {
	case "page_id":
		e.sender.ID = ID(p.ID())
	case "recipient_id":
		e.recipient.ID = ID(p.ID())
	case "timestamp", "created_time":
		if ms := p.Millis(); ms != 0 {
			e.millis = ms
		}
	}
}

// templateStatus reads the value of a change of that name.
func (p *webhookParser) templateStatus(base inbound) *TemplateStatusEvent {
	e := &TemplateStatusEvent{inbound: base}
	p.Spend(int(unsafe.Sizeof(*e)))
	e.kind = &kindTemplateStatus
	p.Object(func(key string) {
		if key == "timestamp" {
			e.millis = p.Millis()
		} else {
			jsonfill.Field(&p.Reader, e, key)
		}
	})
	e.issues = append(e.issues, p.issues()...)
	return e
}

// named reports whether field is the subscription of the item's event.
func (it *webhookItem) named(field string) bool {
	kind := it.base.kind
	return field == kind.messenger || field == kind.instagram && field != ""
}

var (
	kindChange         = eventKind{"change", "", "", entryTime}
	kindPhoneCall      = eventKind{"call", "calls", "", 0}
	kindTemplateStatus = eventKind{"template_status", "message_template_status_update", "", entryTime}
)

// finish makes the event of an item.
func (r *eventReader) finish(it *webhookItem) WebhookEvent {
	switch e := it.event.(type) {
	case nil:
		it.base.kind = it.strangeKind
		if it.base.field = fieldOfKey(it.strangeKey); it.groupFeed {
			it.base.field = "group_feed"
		}
		return r.unknown(it.base, it.strangeKey, it.strangeValue)
	case *MessageEvent:
		e.PriorMessage = it.prior
	case *EchoEvent:
		e.PriorMessage = it.prior
	case *ReferralEvent:
		e.Lead = it.lead
	case *OptinEvent:
		if it.base.sender == (Party{}) {
			it.base.sender.UserRef = e.UserRef // the checkbox plugin says only there who it was
		}
	}
	it.base.mid, it.base.detail = it.event.about()
	*it.event.common() = it.base
	return it.event
}

// unknown makes an event of what has no type.
func (r *eventReader) unknown(base inbound, key, value string) *UnknownEvent {
	r.Spend(int(unsafe.Sizeof(UnknownEvent{})+unsafe.Sizeof(Issue{})) + listGrowth)
	return &UnknownEvent{inbound: base, Key: key, value: value}
}

// MarketingMessage is the value of a [ChangeEvent] whose field is marketing_message_clicks, _deliveries,
// _delivery_failed, _echoes or _reads:
//
//	var message appevents.MarketingMessage
//	err := json.Unmarshal(change.Value(), &message)
//
// IDs of the person and the message are missing for subscribers from a custom audience.
//
// https://developers.facebook.com/docs/messenger-platform/marketing-messages
type MarketingMessage struct {
	PageID            ID     `json:"page_id"`
	AppID             ID     `json:"app_id"`
	BusinessID        ID     `json:"business_id"` // _delivery_failed
	RecipientID       ID     `json:"recipient_id"`
	MID               string `json:"mid"`
	MessageID         ID     `json:"message_id"`
	TrackingID        string `json:"marketing_message_tracking_id"`
	SubscriptionToken ID     `json:"messenger_subscription_token"`
	ErrorMessage      string `json:"error_message"` // _delivery_failed
}

// GroupPost is what an [UnknownEvent] whose field is group_feed reports: a post or comment in a group. Decode
// [WebhookEvent.Raw] into it.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/group_feed
type GroupPost struct {
	From struct {
		ID   ID     `json:"id"`
		Name string `json:"name"`
	} `json:"from"`
	GroupID   ID `json:"group_id"`
	PostID    ID `json:"post_id"`
	CommentID ID `json:"comment_id"`
	ParentID  ID `json:"parent_id"`
}
