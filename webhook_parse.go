package appevents

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// ErrNotWebhook is wrapped by the error of [ParseWebhook] for a body that is no webhook envelope.
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

// Entry is what a body says about one Page or account.
type Entry struct {
	// ID is the Page or the Instagram professional account. It is "0" in test events of the dashboard, "" when absent.
	ID ID

	// Time is when Meta sent the notification, in UTC, which is not when its events happened. Zero when absent.
	Time time.Time

	// HopContext is the routing context Meta sometimes sends for the whole entry.
	HopContext []HopContext

	object string
}

// Events iterates over the events in the order of the body. It can be used any number of times.
func (p *Payload) Events() iter.Seq[WebhookEvent] {
	return func(yield func(WebhookEvent) bool) {
		for _, event := range p.events {
			if !yield(event) {
				return
			}
		}
	}
}

// WebhookItemError lists what could not be read in one event. The values are not repeated in it.
type WebhookItemError struct{ Issues []Issue }

// Error names the first problems, one line in all.
func (e *WebhookItemError) Error() string {
	if e == nil || len(e.Issues) == 0 {
		return "appevents: webhook event partly unreadable"
	}
	text := "appevents: webhook event partly unreadable: " + e.Issues[0].String()
	if more := len(e.Issues) - 1; more > 0 {
		text += "; and " + strconv.Itoa(more) + " more"
	}
	return text
}

const (
	// maxWebhookParts bounds what one body can become: entries, events and elements of their lists. A body of 10 MiB
	// with one short message in each entry stays well below it; only an absurd one, such as a million empty objects, is
	// refused.
	maxWebhookParts = 1 << 17

	// maxItemIssues bounds what is kept about one event.
	maxItemIssues = 8
)

// ParseWebhook reads the body of a webhook, which should have been verified before (see [Verifier]). It copies what it
// keeps, so the caller may reuse body.
//
// It returns an error, matching [ErrNotWebhook], only when the body is not a webhook at all: not JSON, or JSON without
// the envelope. Everything else becomes events: what is unknown is an [*UnknownEvent], and an event that is partly
// unreadable says so in its Err. The errors repeat nothing of the body.
//
// Accepted are the envelope with "entry", a list of envelopes, and the bare "field" and "value" of the dashboard.
func ParseWebhook(body []byte) (*Payload, error) {
	payload := &Payload{}
	payload.Entries, payload.events = payload.entries[:0], payload.event[:0]
	p := webhookParser{payload: payload, scan: jsonscan.New(string(body))}

	found := false
	if p.scan.Kind() == jsonscan.Array {
		p.scan.Open(jsonscan.Array)
		for p.scan.NextElem() {
			found = p.envelope() || found
		}
	} else {
		found = p.envelope()
	}
	switch err := p.scan.End(); {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotWebhook, err)
	case p.parts > maxWebhookParts:
		return nil, fmt.Errorf("%w: more than %d parts", ErrNotWebhook, maxWebhookParts)
	case !found:
		return nil, ErrNotWebhook
	}
	return payload, nil
}

// webhookParser walks a body once. Only the rare shapes are read a second time, from their span. After a syntax error
// the walk ends by itself; what it has collected by then is thrown away.
type webhookParser struct {
	payload *Payload
	scan    jsonscan.Scanner
	parts   int     // counted against maxWebhookParts
	issues  []Issue // of the event being read

	// The keys that lead to the value being read, for issues. No type here nests deeper.
	path  [8]string
	level int
}

// spend counts one more part and reports whether there is room for it.
func (p *webhookParser) spend() bool {
	p.parts++
	return p.parts <= maxWebhookParts
}

// again runs read with the parser on a span of the body.
func (p *webhookParser) again(span string, read func()) {
	outer, level := p.scan, p.level
	p.scan, p.level = jsonscan.New(span), 0
	read()
	p.scan, p.level = outer, level
}

// envelope reads {"object", "entry"} or {"field", "value"} and reports whether it was one. What is none becomes an
// unknown event, which matters when it stands in a list with others.
func (p *webhookParser) envelope() bool {
	s := &p.scan
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
	case entries:
	case field && value:
		entry := p.newEntry()
		p.again(s.Span(start, s.Pos()), func() { p.change(entry) })
	default:
		p.unreadable(&Entry{}, s.Span(start, s.Pos()), false, "an envelope")
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
		for i, event := range p.payload.events[firstEvent:] {
			p.payload.events[firstEvent+i] = foreign(event)
		}
	}
	return true
}

func (p *webhookParser) newEntry() *Entry {
	entry := &p.payload.first
	if len(p.payload.Entries) > 0 {
		entry = &Entry{}
	}
	if p.spend() {
		p.payload.Entries = append(p.payload.Entries, entry)
	}
	return entry
}

// An entryShape says what an entry holds.
type entryShape struct {
	lists bool // one of the known lists
	loose bool // keys that are not known
	field bool // "field", so the entry is a change itself
}

// entry reads one element of "entry".
func (p *webhookParser) entry() {
	s := &p.scan
	s.Kind()
	start := s.Pos()
	entry := p.newEntry()
	if !s.Open(jsonscan.Object) {
		p.unreadable(entry, s.Span(start, s.Pos()), false, "an object")
		return
	}
	var shape entryShape
	for key, ok := s.NextKey(); ok; key, ok = s.NextKey() {
		switch key {
		case "id":
			id, _ := s.ID()
			entry.ID = ID(id)
		case "time":
			entry.Time = p.time()
		case "hop_context":
			entry.HopContext = p.hopContext()
		case "messaging":
			shape.lists = true
			p.list(entry, false, func() { p.item(entry, false) })
		case "standby":
			shape.lists = true
			p.list(entry, true, func() { p.item(entry, true) })
		case "changes":
			shape.lists = true
			p.list(entry, false, func() { p.change(entry) })
		case "changed_fields":
			shape.lists = true
			p.list(entry, false, func() { p.changedField(entry) })
		case "calls":
			shape.lists = true
			p.list(entry, false, func() { p.call(entry) })
		default:
			shape.loose = true
			shape.field = shape.field || key == "field"
			s.Skip()
		}
	}
	if shape.loose {
		p.again(s.Span(start, s.Pos()), func() { p.looseEntry(entry, shape) })
	}
}

// looseEntry reads again an entry with keys of its own: an event that sits directly in it, or a list Meta has added.
func (p *webhookParser) looseEntry(entry *Entry, shape entryShape) {
	switch {
	case shape.field && !shape.lists:
		p.change(entry)
		return
	case !shape.lists:
		p.item(entry, false)
		return
	}
	s := &p.scan
	s.Open(jsonscan.Object)
	for key, ok := s.NextKey(); ok; key, ok = s.NextKey() {
		kind := s.Kind()
		value := s.Skip()
		switch key {
		case "hop_context", "messaging", "standby", "changes", "changed_fields", "calls":
			continue
		}
		if kind == jsonscan.Object || kind == jsonscan.Array {
			p.add(&UnknownEvent{
				inbound: inbound{entry: entry, raw: value, field: fieldOfKey(key)},
				Key:     key,
				value:   value,
			})
		}
	}
}

// list reads the elements of one of an entry's lists.
func (p *webhookParser) list(entry *Entry, standby bool, read func()) {
	s := &p.scan
	kind, start := s.Kind(), s.Pos()
	if !s.Open(jsonscan.Array) {
		if kind != jsonscan.Null {
			p.unreadable(entry, s.Span(start, s.Pos()), standby, "a list")
		}
		return
	}
	for s.NextElem() {
		read()
	}
}

// unreadable adds what stands where Meta should have sent something else.
func (p *webhookParser) unreadable(entry *Entry, raw string, standby bool, want string) {
	p.add(&UnknownEvent{inbound: inbound{
		entry: entry, raw: raw, standby: standby,
		issues: []Issue{{Rule: RuleType, Message: "must be " + want}},
	}})
}

func (p *webhookParser) add(event WebhookEvent) {
	if p.spend() {
		p.payload.events = append(p.payload.events, event)
	}
}

// foreign turns an event of another product into an unknown one: its fields would mean something else there.
func foreign(event WebhookEvent) WebhookEvent {
	unknown := &UnknownEvent{}
	switch e := event.(type) {
	case *UnknownEvent:
		unknown.Key, unknown.value = e.Key, e.value
	case *ChangeEvent:
		unknown.Key, unknown.value = e.field, e.value
	}
	if common, ok := event.(interface{ common() *inbound }); ok {
		from := common.common()
		unknown.inbound = inbound{entry: from.entry, raw: from.raw, millis: from.millis, standby: from.standby}
	}
	return unknown
}
