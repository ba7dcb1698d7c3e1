package appevents

import (
	"strconv"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// webhookItem collects what one element of "messaging" or "standby" holds.
type webhookItem struct {
	base   inbound
	event  WebhookEvent // nil as long as no known key was found
	common *inbound     // of event
	rank   int          // of event's key: when several stand in one item, the lowest decides

	// Siblings of the key that names the event.
	prior *PriorMessage
	lead  []LeadAnswer

	// The first key that names no event, or names one and has a value of another kind; rather one whose subscription
	// field is known.
	strangeKey   string
	strangeValue string
	strangeKind  eventKind
	strangeKnown bool
	groupFeed    bool
}

// The ranks of the keys that can come together in one item.
const (
	rankMessage = iota
	rankPostback
	rankReferral
	rankOptin
	rankOther
)

// item reads an element of "messaging" or "standby".
func (p *webhookParser) item(entry *Entry, standby bool) {
	var it webhookItem
	p.readItem(&it)
	it.base.entry, it.base.standby = entry, standby
	p.add(it.finish())
}

// readItem reads an item; the entry it belongs to is for the caller to set.
func (p *webhookParser) readItem(it *webhookItem) {
	s := &p.scan
	s.Kind()
	start := s.Pos()
	p.issues = nil
	p.object(func(key string) { p.itemField(it, key) })
	it.base.raw = s.Span(start, s.Pos())
	it.base.issues = p.issues
	p.issues = nil
}

// finish makes the event.
func (it *webhookItem) finish() WebhookEvent {
	switch e := it.event.(type) {
	case nil:
		it.base.kind = it.strangeKind
		if it.base.field = fieldOfKey(it.strangeKey); it.groupFeed {
			it.base.field = "group_feed"
		}
		return &UnknownEvent{inbound: it.base, Key: it.strangeKey, value: it.strangeValue}
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
	*it.common = it.base
	return it.event
}

// itemField reads a key of an item. Items sit directly in an entry too, so the entry's own keys are known here.
func (p *webhookParser) itemField(it *webhookItem, key string) {
	switch key {
	case "id", "time":
	case "sender":
		it.base.sender = p.party()
	case "recipient":
		it.base.recipient = p.party()
	case "timestamp":
		it.base.millis = p.millis()
	case "hop_context":
		it.base.hops = p.hopContext()
	case "prior_message":
		it.prior = newFrom(p, p.priorMessage)
	case "lead":
		it.lead = p.leadAnswers()
	case "message":
		if p.begins(it, key, rankMessage, kindMessage) {
			p.messageEvent(it)
		}
	case "postback":
		if e := readEvent(p, it, key, rankPostback, kindPostback, p.postback); e != nil {
			it.base.mid = e.MID
		}
	case "referral":
		readEvent(p, it, key, rankReferral, kindReferral, p.referralEvent)
	case "optin":
		readEvent(p, it, key, rankOptin, kindOptin, p.optin)
	case "delivery":
		readEvent(p, it, key, rankOther, kindDelivery, p.delivery)
	case "read":
		if e := readEvent(p, it, key, rankOther, kindRead, p.read); e != nil {
			it.base.mid = e.MID
		}
	case "message_edit":
		if e := readEvent(p, it, key, rankOther, kindEdit, p.edit); e != nil {
			it.base.mid, it.base.detail = e.MID, strconv.Itoa(e.NumEdit)
		}
	case "reaction":
		if e := readEvent(p, it, key, rankOther, kindReaction, p.reaction); e != nil {
			it.base.mid, it.base.detail = e.MID, e.Action
		}
	case "account_linking":
		readEvent(p, it, key, rankOther, kindAccountLinking, p.accountLinking)
	case HandoverPass, HandoverTake, HandoverRequest:
		if e := readEvent(p, it, key, rankOther, kindHandover, p.handover); e != nil {
			e.Action = key
		}
	case HandoverRoles:
		if e := readEvent(p, it, key, rankOther, kindHandover, p.role); e != nil {
			e.Action = key
		}
	case "policy_enforcement", "policy-enforcement":
		readEvent(p, it, key, rankOther, kindPolicy, p.policy)
	case "game_play":
		readEvent(p, it, key, rankOther, kindGamePlay, p.gamePlay)
	case "order":
		readEvent(p, it, key, rankOther, kindOrder, p.order)
	case "response_feedback":
		if e := readEvent(p, it, key, rankOther, kindResponseFeedback, p.responseFeedback); e != nil {
			it.base.mid = e.MID
		}
	case "messaging_feedback":
		readEvent(p, it, key, rankOther, kindFeedback, p.feedback)
	case "call_permission_reply":
		readEvent(p, it, key, rankOther, kindCallPermission, p.callPermission)
	case "group_id":
		it.groupFeed = true // posts in a group have no key of their own around them
		it.strange(key, p.scan.Skip(), kindUnknown)
	default:
		it.strange(key, p.scan.Skip(), kindUnknown)
	}
}

// eventOf is a pointer to an event type.
type eventOf[T any] interface {
	*T
	WebhookEvent
	common() *inbound
}

// readEvent reads the value of a key that names an event of type T. It returns nil when the key decides nothing.
func readEvent[T any, E eventOf[T]](
	p *webhookParser, it *webhookItem, key string, rank int, kind eventKind, field func(e E, key string),
) E {
	if !p.begins(it, key, rank, kind) {
		return nil
	}
	e := E(new(T))
	it.event, it.common = e, e.common()
	p.object(func(key string) { field(e, key) })
	return e
}

// begins reports whether the value of key, which names an event, is to be read; else it is done with it.
func (p *webhookParser) begins(it *webhookItem, key string, rank int, kind eventKind) bool {
	switch is := p.scan.Kind(); {
	case is == jsonscan.Null:
		return false
	case is != jsonscan.Object:
		p.trouble("must be an object")
		it.strange(key, p.scan.Skip(), kind)
		return false
	case it.event != nil && rank >= it.rank:
		return false
	}
	it.rank = rank
	it.base.kind, it.base.outgoing = kind, false
	it.base.mid, it.base.detail = "", ""
	return true
}

// messageEvent reads a message, which turns out to be an echo or not.
func (p *webhookParser) messageEvent(it *webhookItem) {
	e := &MessageEvent{}
	it.event, it.common = e, &e.inbound
	echo := p.message(&e.Message)
	it.base.mid = e.MID
	if e.IsDeleted {
		it.base.kind = kindDeleted
	}
	if echo {
		it.event = (*EchoEvent)(e)
		it.base.outgoing = true
		it.base.kind = kindEcho
		if e.IsDeleted {
			it.base.kind = kindEchoDeleted
		}
	}
}

// strange remembers a key that makes no typed event.
func (it *webhookItem) strange(key, value string, kind eventKind) {
	known := kind != kindUnknown || fieldOfKey(key) != ""
	if it.strangeKey == "" || known && !it.strangeKnown {
		it.strangeKey, it.strangeValue, it.strangeKind, it.strangeKnown = key, value, kind, known
	}
}

// call reads an element of an entry's "calls".
func (p *webhookParser) call(entry *Entry) {
	s := &p.scan
	kind := s.Kind()
	start := s.Pos()
	p.issues = nil
	e := &CallEvent{}
	e.entry, e.kind = entry, kindCall
	p.object(func(key string) { p.callField(e, key) })
	if kind != jsonscan.Object {
		p.unreadable(entry, s.Span(start, s.Pos()), false, "an object")
		return
	}
	e.raw, e.mid, e.detail, e.issues = s.Span(start, s.Pos()), e.CallID, e.Event, p.issues
	p.add(e)
}

// changedField reads an element of "changed_fields".
func (p *webhookParser) changedField(entry *Entry) {
	s := &p.scan
	kind := s.Kind()
	start := s.Pos()
	name, _ := s.Text()
	raw := s.Span(start, s.Pos())
	if kind != jsonscan.String {
		p.unreadable(entry, raw, false, "text")
		return
	}
	p.add(&ChangeEvent{inbound: inbound{entry: entry, raw: raw, kind: kindChange, field: name}})
}

// change reads {"field", "value"}: an element of "changes", an entry, or a whole body.
func (p *webhookParser) change(entry *Entry) {
	s := &p.scan
	isObject := s.Kind() == jsonscan.Object
	start := s.Pos()
	p.issues = nil
	change := &ChangeEvent{inbound: inbound{entry: entry, kind: kindChange}}
	valueKind, others := jsonscan.Invalid, false
	p.object(func(key string) {
		switch key {
		case "field":
			change.field = p.text()
		case "value":
			valueKind = s.Kind()
			change.value = s.Skip()
		case "id", "time":
			// A change that sits directly in the entry.
		default:
			others = true
		}
	})
	change.raw, change.issues = s.Span(start, s.Pos()), p.issues
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
		p.issues = nil
		p.again(change.value, func() { p.add(p.changeEvent(change)) })
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
		e := &TemplateStatusEvent{inbound: change.inbound}
		e.kind = kindTemplateStatus
		p.object(func(key string) { p.templateStatus(e, key) })
		e.issues = append(e.issues, p.issues...)
		return e
	}
	var it webhookItem
	value := p.scan
	p.readItem(&it)
	// The Test button and some newer fields wrap an item of "messaging". Other fields have values in which the same
	// words mean something else.
	if it.event != nil && (it.base.sender != (Party{}) || it.base.recipient != (Party{}) || it.named(change.field)) {
		it.base.entry, it.base.raw = change.entry, change.raw
		if it.base.standby = change.field == "standby"; !it.base.standby {
			it.base.field = change.field
		}
		return it.finish()
	}
	p.scan = value
	p.object(func(key string) { p.changeValue(change, key) })
	change.outgoing = true
	return change
}

// named reports whether field is the subscription of the item's event.
func (it *webhookItem) named(field string) bool {
	names := eventKinds[it.base.kind]
	return field == names.messenger || field == names.instagram
}

// fieldOfKey is the subscription field of a key without a typed event, "" when it is not known.
func fieldOfKey(key string) string {
	switch key {
	case "call_settings":
		return "call_settings_update"
	case "checkout_update":
		return "messaging_checkout_updates"
	case "payment":
		return "messaging_payments"
	case "pre_checkout":
		return "messaging_pre_checkouts"
	case "agent_messages", "business_integrity", "call_settings_update", "inbox_labels", "marketing_message_clicks",
		"marketing_message_deliveries", "marketing_message_delivery_failed", "marketing_message_echoes",
		"marketing_message_reads", "marketing_messages_subscriber_upload_status", "message_context", "message_mention",
		"messaging_appointments", "messaging_customer_information", "messaging_direct_sends",
		"messaging_fblogin_account_linking", "messaging_in_thread_lead_form_submit", "messaging_integrity",
		"messaging_optouts", "user_action":
		return key
	default:
		return ""
	}
}
