package appevents

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/appevents/appevents-go/internal/jsonfill"
	"github.com/appevents/appevents-go/internal/jsonscan"
)

// MessageEvent is a message from a person. It is never an echo.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messages
type MessageEvent struct {
	inbound
	Message
}

// EchoEvent is a message the business sent, reported back to it: by this app, by another one, or by a person in the
// Page's inbox. Instagram sends echoes under the field "messages".
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-echoes
type EchoEvent struct {
	inbound
	Message
}

func (e *MessageEvent) about() (mid, detail string) { return e.MID, "" }
func (e *EchoEvent) about() (mid, detail string)    { return e.MID, "" }

// Message is what a [MessageEvent] or an [EchoEvent] carries. It may have text, attachments, both, or neither.
type Message struct {
	MID         string
	Text        string
	QuickReply  *QuickReply // the person tapped a quick reply
	ReplyTo     *ReplyTo
	Attachments []Attachment
	Referral    *Referral // the person wrote from a product page or an ad
	Commands    []string  // names of the commands in the text
	Tags        []string  // where the message was written: "customer_chat_plugin"
	StickerID   ID        // legacy copy of an attachment's sticker

	IsDeleted     bool // Instagram: the message was unsent; only MID is left
	IsUnsupported bool // the API cannot show this message
	IsSelf        bool // Instagram: the account wrote to itself, as in tests

	AppID    ID     // echo: the app that sent it; "" when a person or an older surface did
	Metadata string // echo: what the sending app put into the message

	PriorMessage *PriorMessage // what the person answers to when a plugin wrote first

	nlp string
}

// NLP is a copy of the legacy built-in language processing results, nil when there are none.
func (m *Message) NLP() json.RawMessage { return copyRaw(m.nlp) }

// FoldStickers returns the attachments with each sticker once. During Meta's change-over a sticker arrives both as
// [AttachmentSticker] and as an image with the same StickerID; the image is left out here. Attachments is not changed.
func (m *Message) FoldStickers() []Attachment {
	return slices.DeleteFunc(slices.Clone(m.Attachments), func(a Attachment) bool {
		return a.Type == AttachmentImage && a.StickerID != "" && slices.ContainsFunc(m.Attachments,
			func(other Attachment) bool { return other.Type == AttachmentSticker && other.StickerID == a.StickerID })
	})
}

// QuickReply is the quick reply a person tapped; its title is the message's text.
type QuickReply struct {
	Payload string `webhook:"payload"`
}

// ReplyTo says what a message answers.
type ReplyTo struct {
	MID         string `webhook:"mid"`           // "" when it answers a story
	IsSelfReply bool   `webhook:"is_self_reply"` // the person answers a message of their own
	Story       *Story `webhook:"story"`         // Instagram
}

// Story is the Instagram story a message answers.
type Story struct {
	ID  ID     `webhook:"id"`
	URL string `webhook:"url"`
}

// PriorMessage identifies what was written before the person was known by an ID.
type PriorMessage struct {
	Source     string `webhook:"source"`     // "checkbox_plugin"
	Identifier string `webhook:"identifier"` // the user_ref used then
}

// AttachmentType is an open set: Meta adds types without notice, and new ones pass through.
type AttachmentType string

// The attachment types Meta has documented or been seen to send.
const (
	AttachmentAppointment AttachmentType = "appointment_booking"
	AttachmentAudio       AttachmentType = "audio"
	AttachmentEphemeral   AttachmentType = "ephemeral" // Instagram, no payload
	AttachmentFallback    AttachmentType = "fallback"  // a link, or what the API cannot show
	AttachmentFile        AttachmentType = "file"
	AttachmentIGPost      AttachmentType = "ig_post"
	AttachmentIGReel      AttachmentType = "ig_reel"
	AttachmentIGStory     AttachmentType = "ig_story" // a story somebody shares; being mentioned in one is AttachmentStory
	AttachmentImage       AttachmentType = "image"    // also GIF
	AttachmentLikeHeart   AttachmentType = "like_heart"
	AttachmentLocation    AttachmentType = "location"
	AttachmentPost        AttachmentType = "post"
	AttachmentReel        AttachmentType = "reel"
	AttachmentShare       AttachmentType = "share"
	AttachmentSticker     AttachmentType = "sticker" // see Message.FoldStickers
	AttachmentStory       AttachmentType = "story_mention"
	AttachmentTemplate    AttachmentType = "template"
	AttachmentUnsupported AttachmentType = "unsupported_type"
	AttachmentVideo       AttachmentType = "video"
)

// Attachment is a part of a message. Which fields are set depends on Type, and any may be missing.
type Attachment struct {
	Type AttachmentType

	// URL and Title come from the payload, or from beside the type where Meta puts them for older shapes. A reel's URL
	// may be relative.
	URL   string
	Title string

	StickerID   ID `webhook:"sticker_id"`                      // sticker, and image during the change-over
	PostID      ID `webhook:"id"`                              // post and ig_post on Messenger
	MediaID     ID `webhook:"ig_post_media_id,story_media_id"` // ig_post and ig_story on Instagram
	ReelVideoID ID `webhook:"reel_video_id"`                   // reel, ig_reel

	Appointment *Appointment // appointment_booking
	Location    *Coordinates `webhook:"coordinates"` // location
	Template    *Template    // template, mostly in echoes
	Products    []Product    `webhook:"product.elements"` // template: the products a person asks about

	payload string
}

// Payload is a copy of the attachment's payload, nil when it has none.
func (a *Attachment) Payload() json.RawMessage { return copyRaw(a.payload) }

// Appointment is a booking made in the conversation.
type Appointment struct {
	BookingID string    `webhook:"booking_id"`
	Status    string    `webhook:"status"` // "requested", "confirmed", "declined", "cancelled"
	Start     time.Time `webhook:"start_time"`
	End       time.Time `webhook:"end_time"`
	Timezone  string    `webhook:"timezone"` // IANA name
}

// Coordinates is a place on earth, in degrees.
type Coordinates struct {
	Lat  float64 `webhook:"lat"`
	Long float64 `webhook:"long"`
}

// Product is an item of the Page's catalogue.
type Product struct {
	ID         ID     `webhook:"id"`
	RetailerID string `webhook:"retailer_id"`
	ImageURL   string `webhook:"image_url"`
	Title      string `webhook:"title"`
	Subtitle   string `webhook:"subtitle"`
}

// Template is a structured message of the Send API. [Attachment.Payload] has the parts particular to its type.
type Template struct {
	Type     string            `webhook:"template_type"` // "button", "generic", "media", "receipt", …
	Text     string            `webhook:"text"`
	Elements []TemplateElement `webhook:"elements"`
	Buttons  []TemplateButton  `webhook:"buttons"`
}

// TemplateElement is one card of a template.
type TemplateElement struct {
	Title        string           `webhook:"title"`
	Subtitle     string           `webhook:"subtitle"`
	ImageURL     string           `webhook:"image_url"`
	URL          string           `webhook:"url"`
	MediaType    string           `webhook:"media_type"` // media template: "image" or "video"
	AttachmentID ID               `webhook:"attachment_id"`
	Buttons      []TemplateButton `webhook:"buttons"`
}

// TemplateButton is a button of a template.
type TemplateButton struct {
	Type    string `webhook:"type"` // "web_url", "postback", …
	Title   string `webhook:"title"`
	URL     string `webhook:"url"`
	Payload string `webhook:"payload"`
}

type typedEvent interface {
	WebhookEvent
	common() *inbound
	about() (mid, detail string)
}

// listGrowth is what an event's place in a growing list takes, in bytes.
const listGrowth = 80

var (
	kindMessage     = eventKind{"message", "messages", "", keyIsMID}
	kindDeleted     = eventKind{"message.deleted", "messages", "", keyIsMID}
	kindEcho        = eventKind{"echo", "message_echoes", "messages", keyIsMID}
	kindEchoDeleted = eventKind{"echo.deleted", "message_echoes", "messages", keyIsMID}
	kindHandover    = eventKind{"handover", "messaging_handovers", "messaging_handover", 0}
)

// itemEvents are the keys that name an event, after "message". What the event holds is in the tags of its type. When
// several stand in one item, a message decides, then the first three of these, then what comes first in the body.
var itemEvents = [...]struct {
	key  string
	of   any // the zero event
	kind eventKind
}{
	{"postback", PostbackEvent{}, eventKind{"postback", "messaging_postbacks", "", keyIsMID}},
	{"referral", ReferralEvent{}, eventKind{"referral", "messaging_referrals", "messaging_referral", 0}},
	{"optin", OptinEvent{}, eventKind{"optin", "messaging_optins", "", 0}},
	{"delivery", DeliveryEvent{}, eventKind{"delivery", "message_deliveries", "", timeless}},
	{"read", ReadEvent{}, eventKind{"read", "message_reads", "messaging_seen", timeless}},
	{"message_edit", EditEvent{}, eventKind{"edit", "message_edits", "message_edit", 0}},
	{"reaction", ReactionEvent{}, eventKind{"reaction", "message_reactions", "", 0}},
	{"account_linking", AccountLinkingEvent{}, eventKind{"account_linking", "messaging_account_linking", "", 0}},
	{HandoverPass, HandoverEvent{}, kindHandover},
	{HandoverTake, HandoverEvent{}, kindHandover},
	{HandoverRequest, HandoverEvent{}, kindHandover},
	{HandoverRoles, HandoverEvent{}, kindHandover},
	{"policy_enforcement", PolicyEvent{}, eventKind{"policy", "messaging_policy_enforcement", "", 0}},
	{"policy-enforcement", PolicyEvent{}, eventKind{"policy", "messaging_policy_enforcement", "", 0}},
	{"game_play", GamePlayEvent{}, eventKind{"game_play", "messaging_game_plays", "", 0}},
	{"order", OrderEvent{}, eventKind{"order", "send_cart", "", 0}},
	{"response_feedback", ResponseFeedbackEvent{}, eventKind{"response_feedback", "response_feedback", "", 0}},
	{"messaging_feedback", FeedbackEvent{}, eventKind{"feedback", "messaging_feedback", "", entryTime}},
	{"call_permission_reply", CallEvent{}, eventKind{"call_permission", "call_permission_reply", "", 0}},
}

// webhookItem collects what one element of "messaging" or "standby" holds.
type webhookItem struct {
	base  inbound
	event typedEvent // nil as long as no known key was found
	rank  int        // of event's key: the lowest decides

	// Siblings of the key that names the event.
	prior *PriorMessage
	lead  []LeadAnswer

	// The first key that names no event, or names one and has a value of another kind; rather one whose subscription
	// field is known.
	strangeKey   string
	strangeValue string
	strangeKind  *eventKind
	groupFeed    bool // posts in a group have no key of their own around them
}

// eventReader reads events.
type eventReader struct{ jsonfill.Reader }

// issues returns what could not be read since the last call.
func (r *eventReader) issues() (issues []Issue) {
	for _, problem := range r.Problems() {
		issues = append(issues, Issue{Path: problem.Path, Rule: RuleType, Message: problem.Message})
	}
	return issues
}

// item reads an item of "messaging"; the entry it belongs to is for the caller to set.
func (r *eventReader) item(it *webhookItem) {
	s := &r.Scan
	s.Kind()
	start := s.Pos()
	r.Problems() // of the entry, which are nobody's
	r.Object(func(key string) { r.itemField(it, key) })
	it.base.raw = s.Span(start, s.Pos())
	it.base.issues = r.issues()
}

// itemField reads a key of an item. Items sit directly in an entry too, so the entry's own keys are known here.
func (r *eventReader) itemField(it *webhookItem, key string) {
	switch key {
	case "id", "time":
	case "sender":
		it.base.sender = r.party()
	case "recipient":
		it.base.recipient = r.party()
	case "timestamp":
		it.base.millis = r.Millis()
	case "message":
		if r.begins(it, key, 0, &kindMessage) {
			r.messageEvent(it)
		}
	case "hop_context":
		it.base.hops = r.hopContext()
	case "prior_message":
		it.prior = jsonfill.Object[PriorMessage](&r.Reader)
	case "lead":
		r.Object(func(key string) {
			if key == "data" {
				it.lead = jsonfill.List[LeadAnswer](&r.Reader, nil)
			}
		})
	default:
		r.rareField(it, key)
	}
}

// rareField reads a key of an item that names an event other than a message, or nothing known.
func (r *eventReader) rareField(it *webhookItem, key string) {
	for i := range itemEvents {
		row := &itemEvents[i]
		if row.key != key {
			continue
		}
		if r.begins(it, key, min(i+1, 4), &row.kind) {
			of := reflect.TypeOf(row.of)
			r.Spend(int(of.Size()) + listGrowth)
			it.event, _ = reflect.TypeAssert[typedEvent](reflect.New(of))
			if handover, ok := it.event.(*HandoverEvent); !ok {
				r.Fill(it.event)
			} else if handover.Action = key; !jsonfill.Field(&r.Reader, handover, key) { // app_roles are a field
				r.Fill(handover)
			}
		}
		return
	}
	it.groupFeed = it.groupFeed || key == "group_id"
	it.strange(key, r.Scan.Skip(), nil)
}

// begins reports whether the value of key, which names an event, is to be read now. Otherwise it has seen to it.
func (r *eventReader) begins(it *webhookItem, key string, rank int, kind *eventKind) bool {
	switch is := r.Scan.Kind(); {
	case is == jsonscan.Null:
		return false
	case is != jsonscan.Object:
		r.Note("must be an object")
		it.strange(key, r.Scan.Skip(), kind)
		return false
	case it.event != nil && rank >= it.rank:
		return false
	}
	it.rank, it.base.kind, it.base.outgoing = rank, kind, false
	return true
}

// strange remembers a key that makes no typed event.
func (it *webhookItem) strange(key, value string, kind *eventKind) {
	known := kind != nil || fieldOfKey(key) != ""
	if it.strangeKey == "" || known && it.strangeKind == nil && fieldOfKey(it.strangeKey) == "" {
		it.strangeKey, it.strangeValue, it.strangeKind = key, value, kind
	}
}

// messageEvent reads a message, which turns out to be an echo or not.
func (r *eventReader) messageEvent(it *webhookItem) {
	e := &MessageEvent{}
	r.Spend(int(unsafe.Sizeof(*e)) + listGrowth)
	it.event = e
	if echo := r.message(&e.Message); echo {
		it.event, it.base.outgoing, it.base.kind = (*EchoEvent)(e), true, &kindEcho
	}
	switch {
	case e.IsDeleted && it.base.outgoing:
		it.base.kind = &kindEchoDeleted
	case e.IsDeleted:
		it.base.kind = &kindDeleted
	}
}

// message reads the next value into m and reports whether it is an echo. Messages are most of the traffic, so they are
// read by hand; tags do the same for everything else.
func (r *eventReader) message(m *Message) (echo bool) {
	selfReply := false
	r.Object(func(key string) {
		switch key {
		case "mid":
			m.MID = r.Text()
		case "text":
			m.Text = r.Text()
		case "quick_reply":
			m.QuickReply = jsonfill.Object[QuickReply](&r.Reader)
		case "reply_to":
			m.ReplyTo = jsonfill.Object[ReplyTo](&r.Reader)
		case "is_self_reply":
			selfReply = r.Flag()
		case "attachments":
			m.Attachments = jsonfill.List(&r.Reader, r.attachment)
		case "referral":
			m.Referral = jsonfill.Object[Referral](&r.Reader)
		case "commands":
			m.Commands = r.Texts("name")
		case "tags":
			m.Tags = r.Texts("source")
		case "sticker_id":
			m.StickerID = ID(r.ID())
		case "is_echo":
			echo = r.Flag()
		case "is_deleted":
			m.IsDeleted = r.Flag()
		case "is_unsupported":
			m.IsUnsupported = r.Flag()
		case "is_self":
			m.IsSelf = r.Flag()
		case "app_id":
			m.AppID = ID(r.ID())
		case "metadata":
			m.Metadata = r.Text()
		case "nlp":
			m.nlp = r.Scan.Skip()
		}
	})
	if selfReply && m.ReplyTo != nil {
		m.ReplyTo.IsSelfReply = true
	}
	return echo
}

// attachment reads a key of an element of "attachments".
func (r *eventReader) attachment(a *Attachment, key string) {
	switch key {
	case "type":
		a.Type = AttachmentType(r.Text())
	case "title":
		a.Title = cmp.Or(a.Title, r.Text())
	case "url", "URL":
		a.URL = cmp.Or(a.URL, r.Text())
	case "payload":
		s := &r.Scan
		null := s.Kind() == jsonscan.Null
		start := s.Pos()
		r.Object(func(key string) { r.attachmentPayload(a, key) })
		if !null {
			a.payload = s.Span(start, s.Pos())
		}
	}
}

// attachmentPayload reads a key of an attachment's payload. The type may come later in the body and may be new, so the
// keys alone decide what is kept.
func (r *eventReader) attachmentPayload(a *Attachment, key string) {
	switch key {
	case "url", "story_media_url":
		a.URL = cmp.Or(r.Text(), a.URL)
	case "title":
		a.Title = cmp.Or(r.Text(), a.Title)
	default:
		_ = jsonfill.Field(&r.Reader, a, key) || jsonfill.Inline(&r.Reader, &a.Appointment, key) ||
			jsonfill.Inline(&r.Reader, &a.Template, key)
	}
}

func (r *eventReader) party() (v Party) {
	r.Object(func(key string) {
		switch key {
		case "id":
			v.ID = ID(r.ID())
		case "user_ref":
			v.UserRef = r.Text()
		}
	})
	return v
}

// hopContext reads one context or a list of them.
func (r *eventReader) hopContext() []HopContext {
	if r.Scan.Kind() == jsonscan.Array {
		return jsonfill.List[HopContext](&r.Reader, nil)
	}
	if hop := jsonfill.Object[HopContext](&r.Reader); hop != nil {
		return []HopContext{*hop}
	}
	return nil
}

// fieldOfKey is the subscription field of a key without a typed event, "" when it is not known.
func fieldOfKey(key string) string {
	if slices.Contains(untypedFields, key) {
		return key
	}
	return renamedFields[key]
}

var renamedFields = map[string]string{
	"call_settings": "call_settings_update", "checkout_update": "messaging_checkout_updates",
	"payment": "messaging_payments", "pre_checkout": "messaging_pre_checkouts",
}

var untypedFields = []string{
	"agent_messages", "business_integrity", "call_settings_update", "inbox_labels", "marketing_message_clicks",
	"marketing_message_deliveries", "marketing_message_delivery_failed", "marketing_message_echoes",
	"marketing_message_reads", "marketing_messages_subscriber_upload_status", "message_context", "message_mention",
	"messaging_appointments", "messaging_customer_information", "messaging_direct_sends",
	"messaging_fblogin_account_linking", "messaging_in_thread_lead_form_submit", "messaging_integrity",
	"messaging_optouts", "user_action",
}
