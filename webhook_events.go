package appevents

import (
	"encoding/json"
	"strconv"
	"time"
)

// WebhookEvent is one thing Meta reports. The concrete types are [*MessageEvent], [*EchoEvent], [*DeliveryEvent],
// [*ReadEvent], [*EditEvent], [*ReactionEvent], [*AccountLinkingEvent], [*PostbackEvent], [*ReferralEvent],
// [*OptinEvent], [*HandoverEvent], [*PolicyEvent], [*GamePlayEvent], [*OrderEvent], [*ResponseFeedbackEvent],
// [*FeedbackEvent], [*TemplateStatusEvent], [*CallEvent], [*ChangeEvent] and [*UnknownEvent]. New kinds arrive as
// [*UnknownEvent] or [*ChangeEvent] first, so a switch over the types needs a default.
//
// Everything in an event is optional on the wire: a field Meta did not send has its zero value. An event owns its
// memory and may be kept; one kept event keeps the body of its webhook in memory. Reading an event from several
// goroutines is safe.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events
type WebhookEvent interface {
	// Field is the name of Meta's subscription field, for example "messages" or "message_echoes", in the spelling of
	// the product: "messaging_referrals" on Messenger, "messaging_referral" on Instagram. It is "" when unknown.
	Field() string

	// Thread is the person and the business, also for echoes, in which Meta names the business as the sender. PSID is ""
	// when Meta did not say who the person is, or knows them only by a user_ref.
	Thread() Thread

	// Sender is who the event comes from: the person, or for an [*EchoEvent] the business. It is zero when Meta names
	// nobody.
	Sender() Party

	// Recipient is who the event is addressed to: the business, or for an [*EchoEvent] the person.
	Recipient() Party

	// Time is when it happened, in UTC. It is zero when Meta sent no time. Meta mixes seconds and milliseconds: numbers
	// below 1e11 are taken as seconds.
	Time() time.Time

	// Standby reports whether another app owns the conversation, so that this one only listens: do not answer.
	Standby() bool

	// DedupeKey is the same for every delivery of an event and differs between events: a message, its echo, its edits,
	// its deletion and its standby copy share a message ID but no key. It holds IDs, numbers and hashes, and nothing that
	// a person wrote.
	DedupeKey() string

	// Raw is a copy of the exact bytes of this event within the body.
	Raw() json.RawMessage

	// Err is a [*WebhookItemError] when parts of the event could not be read, otherwise nil. The rest of the event is
	// there, and Raw has all of it.
	Err() error
}

// Party is one side of an event.
type Party struct {
	ID      ID     // a person, page-scoped or Instagram-scoped, or a Page or professional account
	UserRef string // a guest of the chat or checkbox plugin, who has no ID yet
}

// HopContext is what an app left for the next one when it passed on the conversation.
type HopContext struct {
	AppID    ID     `webhook:"app_id"`
	Metadata string `webhook:"metadata"`
}

// Entry is the part of a body that is about one Page or account.
type Entry struct {
	ID         ID           // the Page or professional account; "0" in test events of the dashboard, "" when absent
	Time       time.Time    // when Meta sent the notification, in UTC: later than its events. Zero when absent
	HopContext []HopContext // routing context that Meta sometimes sends for the whole entry

	object string
}

// inbound is what all events share. Events point at their entry because what it says can come after them in the body.
type inbound struct {
	entry     *Entry
	raw       string // the event's bytes
	sender    Party
	recipient Party
	hops      []HopContext
	issues    []Issue

	kind   *eventKind // nil when unknown
	field  string     // the subscription field where Meta names it
	mid    string     // message or telephone call the event is about
	detail string     // what else tells events about the same mid apart
	millis int64      // Unix time, 0 when unknown

	standby  bool
	outgoing bool // the business is the sender
}

// eventKind is what sets the events of one kind apart.
type eventKind struct {
	word                 string // in a DedupeKey
	messenger, instagram string // subscription fields; without the second the first is meant
	is                   kindTraits
}

type kindTraits uint8

const (
	keyIsMID  kindTraits = 1 << iota // nothing but the message ID tells two of them apart
	timeless                         // what they say tells them apart also when they have no time of their own
	entryTime                        // they happened at the time of their entry
)

const objectPage, objectInstagram = "page", "instagram"

func (e *inbound) common() *inbound            { return e }
func (e *inbound) about() (mid, detail string) { return "", "" }

// Field implements [WebhookEvent].
func (e *inbound) Field() string {
	switch {
	case e.field != "" || e.kind == nil:
		return e.field
	case e.Object() == objectInstagram && e.kind.instagram != "":
		return e.kind.instagram
	default:
		return e.kind.messenger
	}
}

// Object is what the webhook is about: "page", "instagram", or Meta's word for another product. It is "page" when Meta
// leaves it out.
func (e *inbound) Object() string {
	if e.entry == nil || e.entry.object == "" {
		return objectPage
	}
	return e.entry.object
}

// Sender implements [WebhookEvent].
func (e *inbound) Sender() Party { return e.sender }

// Recipient implements [WebhookEvent].
func (e *inbound) Recipient() Party { return e.recipient }

// HopContext is what other apps left when they passed on the conversation, nil when there is none.
func (e *inbound) HopContext() []HopContext {
	if e.hops == nil && e.entry != nil {
		return e.entry.HopContext
	}
	return e.hops
}

// account is the ID of the entry. The dashboard's test events have "0" there, which is nobody.
func (e *inbound) account() ID {
	if e.entry == nil || e.entry.ID == "0" {
		return ""
	}
	return e.entry.ID
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

// isConversational reports whether an object's events are typed.
func isConversational(object string) bool { return object == objectPage || object == objectInstagram }

// Time implements [WebhookEvent].
func (e *inbound) Time() time.Time {
	switch {
	case e.millis != 0:
		return time.UnixMilli(e.millis).UTC()
	case e.kind != nil && e.kind.is&entryTime != 0 && e.entry != nil:
		return e.entry.Time
	default:
		return time.Time{}
	}
}

// Standby implements [WebhookEvent].
func (e *inbound) Standby() bool { return e.standby }

// Raw implements [WebhookEvent].
func (e *inbound) Raw() json.RawMessage { return copyRaw(e.raw) }

func copyRaw(raw string) json.RawMessage {
	if raw == "" {
		return nil
	}
	return json.RawMessage(raw)
}

// Err implements [WebhookEvent].
func (e *inbound) Err() error {
	if len(e.issues) == 0 {
		return nil
	}
	return &WebhookItemError{Issues: e.issues}
}

// DeliveryEvent reports that messages of the business have reached the person.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-deliveries
type DeliveryEvent struct {
	inbound
	MIDs      []string  `webhook:"mids"`      // may be empty: only Watermark is always sent
	Watermark time.Time `webhook:"watermark"` // everything sent before it was delivered
}

// ReadEvent reports that the person has read messages. Messenger sends the watermark, Instagram the message.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-reads
type ReadEvent struct {
	inbound
	Watermark time.Time `webhook:"watermark"` // Messenger: everything sent before it was read
	MID       string    `webhook:"mid"`       // Instagram: the message that was seen
}

func (e *ReadEvent) about() (mid, detail string) { return e.MID, "" }

// EditEvent reports that a person has changed a message.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-edits
type EditEvent struct {
	inbound
	MID     string `webhook:"mid"`
	Text    string `webhook:"text"`     // the new text; Instagram may leave it out
	NumEdit int    `webhook:"num_edit"` // which edit this is; Instagram may say 0
}

func (e *EditEvent) about() (mid, detail string) { return e.MID, strconv.Itoa(e.NumEdit) }

// ReactionEvent reports a reaction to a message.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-reactions
type ReactionEvent struct {
	inbound
	MID      string `webhook:"mid"`
	Action   string `webhook:"action"`   // "react" or "unreact"
	Reaction string `webhook:"reaction"` // "love", "smile", "other", …; "" on unreact
	Emoji    string `webhook:"emoji"`    // "" on unreact
}

func (e *ReactionEvent) about() (mid, detail string) { return e.MID, e.Action }

// AccountLinkingEvent reports that a person linked or unlinked their account with the business.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_account_linking
type AccountLinkingEvent struct {
	inbound
	Status            string `webhook:"status"`             // "linked" or "unlinked"
	AuthorizationCode string `webhook:"authorization_code"` // only when linked
}

// PostbackEvent reports a tap on a button, a menu item, an ice breaker or Get Started.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_postbacks
type PostbackEvent struct {
	inbound
	MID      string    `webhook:"mid"` // may be ""
	Title    string    `webhook:"title"`
	Payload  string    `webhook:"payload"`  // "" in standby: only the app that sent the button gets it
	Referral *Referral `webhook:"referral"` // how the person came, when this opens the conversation
}

func (e *PostbackEvent) about() (mid, detail string) { return e.MID, "" }

// ReferralEvent reports that a person came to an existing conversation through a link, an ad or a plugin.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_referrals
type ReferralEvent struct {
	inbound
	Referral
	Lead []LeadAnswer // the answers of a lead ad, nil for other referrals
}

// LeadAnswer is one answer in a lead ad's conversation.
type LeadAnswer struct {
	Question string `webhook:"question"`
	Answer   string `webhook:"answer"`
}

// OptinEvent reports that a person agreed to receive messages.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_optins
type OptinEvent struct {
	inbound
	Type    string `webhook:"type"`     // "notification_messages", "one_time_notif_req", or "" for the plugins
	Ref     string `webhook:"ref"`      // plugins: the data-ref of the page the person was on
	UserRef string `webhook:"user_ref"` // checkbox plugin: also in Sender().UserRef when there is no sender
	Payload string `webhook:"payload"`
	Title   string `webhook:"title"`

	// Marketing messages.
	NotificationToken     string    `webhook:"notification_messages_token"`
	NotificationTimezone  string    `webhook:"notification_messages_timezone"`
	NotificationFrequency string    `webhook:"notification_messages_frequency"`
	NotificationStatus    string    `webhook:"notification_messages_status"` // "STOP NOTIFICATIONS", "RESUME …"
	TokenExpiry           time.Time `webhook:"token_expiry_timestamp"`
	TokenStatus           string    `webhook:"user_token_status"`

	// One-time notification (retired).
	OneTimeToken string `webhook:"one_time_notif_token"`
}

// The values of HandoverEvent.Action.
const (
	HandoverPass    = "pass_thread_control"
	HandoverTake    = "take_thread_control"
	HandoverRequest = "request_thread_control"
	HandoverRoles   = "app_roles"
)

// HandoverEvent reports that control of a conversation moved from one app to another, or that an app asked for it.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_handovers
type HandoverEvent struct {
	inbound
	Action              string          // one of the Handover constants
	NewOwnerAppID       ID              `webhook:"new_owner_app_id"`       // pass, take
	PreviousOwnerAppID  ID              `webhook:"previous_owner_app_id"`  // pass, take; "" when the conversation was idle
	RequestedOwnerAppID ID              `webhook:"requested_owner_app_id"` // request
	Metadata            string          `webhook:"metadata"`
	Roles               map[ID][]string `webhook:"app_roles"` // app ID to its roles
}

// PolicyEvent reports that Meta warned, blocked or unblocked the app of the Page.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_policy_enforcement
type PolicyEvent struct {
	inbound
	Action string `webhook:"action"` // "warning", "block", "unblock"
	Reason string `webhook:"reason"` // "" on unblock
}

// GamePlayEvent reports that a person has played a round of an Instant Game.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_game_plays
type GamePlayEvent struct {
	inbound
	GameID      ID     `webhook:"game_id"`
	PlayerID    ID     `webhook:"player_id"`
	Locale      string `webhook:"locale"`
	ContextType string `webhook:"context_type"` // "SOLO", "THREAD", "GROUP"
	ContextID   ID     `webhook:"context_id"`
	Score       int64  `webhook:"score"`
	Payload     string `webhook:"payload"` // JSON text set by the game
}

// OrderEvent reports a cart that a person sent (send_cart).
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/send_cart
type OrderEvent struct {
	inbound
	Products []OrderProduct `webhook:"products"`
	Note     string         `webhook:"note"`
}

// OrderProduct is one line of a cart.
type OrderProduct struct {
	ID         ID      `webhook:"id"`
	RetailerID string  `webhook:"retailer_id"`
	Name       string  `webhook:"name"`
	UnitPrice  float64 `webhook:"unit_price"` // in units of Currency, not cents
	Currency   string  `webhook:"currency"`   // ISO 4217
	Quantity   int     `webhook:"quantity"`
}

// ResponseFeedbackEvent reports how a person rated one message of the business.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/response_feedback
type ResponseFeedbackEvent struct {
	inbound
	Feedback string `webhook:"feedback"` // "Good response" or "Bad response"
	MID      string `webhook:"mid"`
}

func (e *ResponseFeedbackEvent) about() (mid, detail string) { return e.MID, "" }

// FeedbackEvent reports a completed customer feedback template (messaging_feedback). Its time is when it was submitted.
//
// https://developers.facebook.com/docs/messenger-platform/send-messages/templates/customer-feedback-template
type FeedbackEvent struct {
	inbound
	Screens []FeedbackScreen `webhook:"feedback_screens"`
}

// FeedbackScreen holds the answers of one screen. The keys are the question IDs of the template.
type FeedbackScreen struct {
	ID        string                    `webhook:"screen_id"`
	Questions map[string]FeedbackAnswer `webhook:"questions"`
}

// FeedbackAnswer is the answer to one question.
type FeedbackAnswer struct {
	Type     string          `webhook:"type"`      // "csat", "nps", "ces", "free_form"
	Payload  string          `webhook:"payload"`   // the score, or the text of free_form
	FollowUp *FeedbackAnswer `webhook:"follow_up"` // the answer to the follow-up question
}

// TemplateStatusEvent reports the review of a utility message template. Meta calls the field both
// message_template_status_update and messenger_template_status_update. The fields here are those that Meta documents
// for WhatsApp. Raw has all that Messenger sends.
type TemplateStatusEvent struct {
	inbound
	Event        string `webhook:"event"` // "APPROVED", "REJECTED", …
	TemplateID   ID     `webhook:"message_template_id"`
	TemplateName string `webhook:"message_template_name"`
	Language     string `webhook:"message_template_language"`
	Reason       string `webhook:"reason"`
}

// CallEvent reports on a phone call (field "calls"), or how a person answered a request for permission to call them
// ("call_permission_reply"). [WebhookEvent.Field] tells which.
//
// https://developers.facebook.com/docs/messenger-platform/calling
type CallEvent struct {
	inbound
	CallID    string        `webhook:"id"`
	CallFrom  ID            `webhook:"from"`
	CallTo    ID            `webhook:"to"`
	Event     string        `webhook:"event"`              // "connect", "call_status", "media_update", "terminate"
	Direction string        `webhook:"call_direction"`     // "user_initiated", "business_initiated"
	Status    string        `webhook:"status,call_status"` // of a terminated call: "Completed", "Failed"; else call_status
	Start     time.Time     `webhook:"start_time"`
	End       time.Time     `webhook:"end_time"`
	Duration  time.Duration `webhook:"duration"`

	// Answer to a permission request.
	Response string    `webhook:"response"`             // "approve" or "reject"
	Expires  time.Time `webhook:"expiration_timestamp"` // when the permission ends
}

func (e *CallEvent) about() (mid, detail string) { return e.CallID, e.Event }

// ChangeEvent is an element of "changes" that belongs to no conversation, such as a comment, an integrity notice, or a
// test sent from the dashboard. A change that holds an event of a conversation becomes an event of its own type
// instead. For "changed_fields", which carries no values, Value is nil.
//
// https://developers.facebook.com/docs/graph-api/webhooks/reference/page
type ChangeEvent struct {
	inbound
	value string
}

// Value is a copy of the change's value, nil when there is none. Decode it into a [MarketingMessage] where that fits,
// or into a type of your own.
func (e *ChangeEvent) Value() json.RawMessage { return copyRaw(e.value) }

// UnknownEvent is an event that this package has no type for, an event that could not be read as its kind (Err then
// says why), or any event of a product other than Messenger and Instagram. Field has the subscription field if it is
// known: "group_feed" (see [GroupPost]), "messaging_payments", "messaging_customer_information" and others.
type UnknownEvent struct {
	inbound

	// Key is the JSON key that names the event, "" when there is none.
	Key string

	value string
}

// Value is a copy of the value of Key, nil when there is none.
func (e *UnknownEvent) Value() json.RawMessage { return copyRaw(e.value) }

// Referral says how a person came to the conversation.
type Referral struct {
	Source      string     `webhook:"source"` // "ADS", "SHORTLINK", "CUSTOMER_CHAT_PLUGIN", …
	Type        string     `webhook:"type"`   // "OPEN_THREAD", "LEAD_COMPLETE", "LEAD_INCOMPLETE"
	Ref         string     `webhook:"ref"`    // the ref parameter of the link, the ad or the plugin
	AdID        ID         `webhook:"ad_id"`
	RefererURI  string     `webhook:"referer_uri"`   // the site the plugin was on
	IsGuestUser bool       `webhook:"is_guest_user"` // chat plugin
	ProductID   ID         `webhook:"product.id"`    // shop: the product the person asks about
	Ad          *AdContext `webhook:"ads_context_data"`
}

// AdContext describes the ad a person came through.
type AdContext struct {
	Title     string `webhook:"ad_title"`
	PhotoURL  string `webhook:"photo_url"`
	VideoURL  string `webhook:"video_url"`
	PostID    string `webhook:"post_id"`
	ProductID ID     `webhook:"product_id"`
	FlowID    ID     `webhook:"flow_id"`
}
