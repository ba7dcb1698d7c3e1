package appevents

import (
	"encoding/json"
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

	// Thread is the person and the business, also for echoes, where Meta names the business as the sender. PSID is ""
	// when Meta did not say who it was, or knows the person only by a user_ref.
	Thread() Thread

	// Time is when it happened, in UTC, zero when Meta sent none. Meta mixes seconds and milliseconds: numbers below
	// 1e11 are taken as seconds.
	Time() time.Time

	// Standby reports that another app owns the conversation, and this one only listens: do not answer.
	Standby() bool

	// DedupeKey is equal for redeliveries of the same event and different for different events, such as a message, its
	// echo, its edits, its deletion and its standby copy, which share a message ID. It holds IDs, numbers and hashes,
	// no text of the person.
	DedupeKey() string

	// Raw is a copy of the exact bytes of this event within the body.
	Raw() json.RawMessage

	// Err is a [*WebhookItemError] when parts of the event had a form that could not be read, else nil. The rest of
	// the event is there, and Raw has all of it.
	Err() error
}

// Party is one side of an event.
type Party struct {
	// ID is the page-scoped or Instagram-scoped ID of a person, or the ID of a Page or professional account.
	ID ID

	// UserRef identifies a guest of the chat or checkbox plugin, who has no ID yet.
	UserRef string
}

// HopContext is what an app left for the next one when it passed the conversation on.
type HopContext struct {
	AppID    ID
	Metadata string
}

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

// DeliveryEvent reports that messages of the business have reached the person.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-deliveries
type DeliveryEvent struct {
	inbound
	MIDs      []string  // may be empty: only Watermark is always sent
	Watermark time.Time // everything sent before it was delivered
}

// ReadEvent reports that the person has read. Messenger sends the watermark, Instagram the message.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-reads
type ReadEvent struct {
	inbound
	Watermark time.Time // Messenger: everything sent before it was read
	MID       string    // Instagram: the message that was seen
}

// EditEvent reports that a person has changed a message.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-edits
type EditEvent struct {
	inbound
	MID     string
	Text    string // the new text; Instagram may leave it out
	NumEdit int    // which edit this is; Instagram may say 0
}

// ReactionEvent reports a reaction to a message.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-reactions
type ReactionEvent struct {
	inbound
	MID      string
	Action   string // "react" or "unreact"
	Reaction string // "love", "smile", "other", …; "" on unreact
	Emoji    string // "" on unreact
}

// AccountLinkingEvent reports that a person linked or unlinked their account with the business.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_account_linking
type AccountLinkingEvent struct {
	inbound
	Status            string // "linked" or "unlinked"
	AuthorizationCode string // only when linked
}

// PostbackEvent reports a tap on a button, a menu item, an ice breaker or Get Started.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_postbacks
type PostbackEvent struct {
	inbound
	MID      string // may be ""
	Title    string
	Payload  string    // "" in standby: only the app that sent the button gets it
	Referral *Referral // how the person came, when this opens the conversation
}

// ReferralEvent reports that a person came back to an existing conversation through a link, an ad or a plugin.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_referrals
type ReferralEvent struct {
	inbound
	Referral
	Lead []LeadAnswer // lead ads: the answers given
}

// LeadAnswer is one answer in a lead ad's conversation.
type LeadAnswer struct {
	Question string
	Answer   string
}

// OptinEvent reports that a person agreed to be written to.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_optins
type OptinEvent struct {
	inbound
	Type    string // "notification_messages", "one_time_notif_req", or "" for the plugins
	Ref     string // plugins: the data-ref of the page the person was on
	UserRef string // checkbox plugin: also in Sender().UserRef when there is no sender
	Payload string
	Title   string

	// Marketing messages.
	NotificationToken     string // notification_messages_token
	NotificationTimezone  string // notification_messages_timezone
	NotificationFrequency string // notification_messages_frequency
	NotificationStatus    string // notification_messages_status: "STOP NOTIFICATIONS", "RESUME NOTIFICATIONS"
	TokenExpiry           time.Time
	TokenStatus           string // user_token_status

	// One-time notification (retired).
	OneTimeToken string // one_time_notif_token
}

// The values of HandoverEvent.Action.
const (
	HandoverPass    = "pass_thread_control"
	HandoverTake    = "take_thread_control"
	HandoverRequest = "request_thread_control"
	HandoverRoles   = "app_roles"
)

// HandoverEvent reports that control of a conversation moved between apps, or is asked for.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_handovers
type HandoverEvent struct {
	inbound
	Action              string // one of the Handover constants
	NewOwnerAppID       ID     // pass, take
	PreviousOwnerAppID  ID     // pass, take; "" when the conversation was idle
	RequestedOwnerAppID ID     // request
	Metadata            string
	Roles               map[ID][]string // app_roles: app ID to its roles
}

// PolicyEvent reports a warning, a block or its end by Meta against the Page's app.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_policy_enforcement
type PolicyEvent struct {
	inbound
	Action string // "warning", "block", "unblock"
	Reason string // "" on unblock
}

// GamePlayEvent reports that a person has played a round of an Instant Game.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_game_plays
type GamePlayEvent struct {
	inbound
	GameID      ID
	PlayerID    ID
	Locale      string
	ContextType string // "SOLO", "THREAD", "GROUP"
	ContextID   ID
	Score       int64
	Payload     string // JSON text set by the game
}

// OrderEvent is a cart sent by a person (send_cart).
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/send_cart
type OrderEvent struct {
	inbound
	Products []OrderProduct
	Note     string
}

// OrderProduct is one line of a cart.
type OrderProduct struct {
	ID         ID
	RetailerID string
	Name       string
	UnitPrice  float64 // in units of Currency, not cents
	Currency   string  // ISO 4217
	Quantity   int
}

// ResponseFeedbackEvent reports what a person thinks of one message of the business.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/response_feedback
type ResponseFeedbackEvent struct {
	inbound
	Feedback string // "Good response" or "Bad response"
	MID      string
}

// FeedbackEvent is a filled-in customer feedback template (messaging_feedback). Its time is when it was submitted.
//
// https://developers.facebook.com/docs/messenger-platform/send-messages/templates/customer-feedback-template
type FeedbackEvent struct {
	inbound
	Screens []FeedbackScreen
}

// FeedbackScreen holds the answers of one screen by the question IDs of the template.
type FeedbackScreen struct {
	ID        string
	Questions map[string]FeedbackAnswer
}

// FeedbackAnswer is the answer to one question.
type FeedbackAnswer struct {
	Type     string          // "csat", "nps", "ces", "free_form"
	Payload  string          // the score, or the text of free_form
	FollowUp *FeedbackAnswer // the answer to the follow-up question
}

// TemplateStatusEvent reports the review of a utility message template. Meta names the field both
// message_template_status_update and messenger_template_status_update. The fields are those documented for WhatsApp's
// field of the same name; what Messenger sends is in Raw in any case.
type TemplateStatusEvent struct {
	inbound
	Event        string // "APPROVED", "REJECTED", …
	TemplateID   ID
	TemplateName string
	Language     string
	Reason       string
}

// CallEvent reports about a call (field "calls") or the answer to the question whether the business may call
// ("call_permission_reply"); [WebhookEvent.Field] tells which.
//
// https://developers.facebook.com/docs/messenger-platform/calling
type CallEvent struct {
	inbound
	CallID    string
	CallFrom  ID
	CallTo    ID
	Event     string // "connect", "call_status", "media_update", "terminate"
	Direction string // "user_initiated", "business_initiated"
	Status    string // of a terminated call: "Completed", "Failed"; else call_status
	Start     time.Time
	End       time.Time
	Duration  time.Duration

	// Answer to a permission request.
	Response string    // "approve" or "reject"
	Expires  time.Time // when the permission ends
}

// ChangeEvent is an element of "changes": a field that is not part of a conversation, such as comments or an integrity
// notice, or the Test button of the dashboard. Where the value holds a conversation's event, the event has its own
// type instead. For "changed_fields", which carries no values, Value is nil.
//
// https://developers.facebook.com/docs/graph-api/webhooks/reference/page
type ChangeEvent struct {
	inbound
	value string
}

// Value is a copy of the change's value, nil when there is none. Decode it into [MarketingMessage] where that fits, or
// into a type of your own.
func (e *ChangeEvent) Value() json.RawMessage { return copyRaw(e.value) }

// UnknownEvent is an event of a kind this package has no type for, or whose form made it unreadable as its kind; Err
// tells the latter. It is also what everything for another product than Messenger and Instagram becomes. Where the
// subscription field is known all the same, Field has it: "group_feed" (see [GroupPost]), "messaging_payments" (see
// [Payment]), "messaging_customer_information" and others.
type UnknownEvent struct {
	inbound

	// Key is the JSON key that names the event, "" when there is none.
	Key string

	value string
}

// Value is a copy of what stands under Key, nil when there is none.
func (e *UnknownEvent) Value() json.RawMessage { return copyRaw(e.value) }
