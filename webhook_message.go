package appevents

import (
	"encoding/json"
	"slices"
	"time"
)

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

	// PriorMessage is what the person answers to when a plugin wrote first.
	PriorMessage *PriorMessage

	nlp string
}

// NLP is a copy of the legacy built-in language processing results, nil when there are none.
func (m *Message) NLP() json.RawMessage { return copyRaw(m.nlp) }

// FoldStickers returns the attachments with each sticker once. During Meta's change-over a sticker arrives both as
// [AttachmentSticker] and as an image with the same StickerID; the image is left out here. Attachments is not changed.
func (m *Message) FoldStickers() []Attachment {
	isCopy := func(a Attachment) bool {
		return a.Type == AttachmentImage && a.StickerID != "" &&
			slices.ContainsFunc(m.Attachments, func(other Attachment) bool {
				return other.Type == AttachmentSticker && other.StickerID == a.StickerID
			})
	}
	if !slices.ContainsFunc(m.Attachments, isCopy) {
		return m.Attachments
	}
	return slices.DeleteFunc(slices.Clone(m.Attachments), isCopy)
}

// QuickReply is the quick reply a person tapped; its title is the message's text.
type QuickReply struct{ Payload string }

// ReplyTo says what a message answers.
type ReplyTo struct {
	MID         string // "" when it answers a story
	IsSelfReply bool   // the person answers a message of their own
	Story       *Story // Instagram
}

// Story is the Instagram story a message answers.
type Story struct {
	ID  ID
	URL string
}

// PriorMessage identifies what was written before the person was known by an ID.
type PriorMessage struct {
	Source     string // "checkbox_plugin"
	Identifier string // the user_ref used then
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
	AttachmentImage       AttachmentType = "image" // also GIF
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

	StickerID   ID // sticker, and image during the change-over
	PostID      ID // post and ig_post on Messenger
	MediaID     ID // ig_post on Instagram
	ReelVideoID ID // reel, ig_reel

	Appointment *Appointment // appointment_booking
	Location    *Coordinates // location
	Template    *Template    // template, mostly in echoes
	Products    []Product    // template: the products a person asks about

	payload string
}

// Payload is a copy of the attachment's payload, nil when it has none.
func (a *Attachment) Payload() json.RawMessage { return copyRaw(a.payload) }

// Appointment is a booking made in the conversation.
type Appointment struct {
	BookingID string
	Status    string // "requested", "confirmed", "declined", "cancelled"
	Start     time.Time
	End       time.Time
	Timezone  string // IANA name
}

// Coordinates is a place on earth, in degrees.
type Coordinates struct {
	Lat  float64
	Long float64
}

// Product is an item of the Page's catalogue.
type Product struct {
	ID         ID
	RetailerID string
	ImageURL   string
	Title      string
	Subtitle   string
}

// Template is a structured message of the Send API. [Attachment.Payload] has the parts particular to its type.
type Template struct {
	Type     string // "button", "generic", "media", "receipt", …
	Text     string
	Elements []TemplateElement
	Buttons  []TemplateButton
}

// TemplateElement is one card of a template.
type TemplateElement struct {
	Title        string
	Subtitle     string
	ImageURL     string
	URL          string
	MediaType    string // media template: "image" or "video"
	AttachmentID ID
	Buttons      []TemplateButton
}

// TemplateButton is a button of a template.
type TemplateButton struct {
	Type    string // "web_url", "postback", …
	Title   string
	URL     string
	Payload string
}

// Referral says how a person came to the conversation.
type Referral struct {
	Source      string // "ADS", "SHORTLINK", "CUSTOMER_CHAT_PLUGIN", …
	Type        string // "OPEN_THREAD", "LEAD_COMPLETE", "LEAD_INCOMPLETE"
	Ref         string // the ref parameter of the link, the ad or the plugin
	AdID        ID
	RefererURI  string // the site the plugin was on
	IsGuestUser bool   // chat plugin
	ProductID   ID     // shop: the product the person asks about
	Ad          *AdContext
}

// AdContext describes the ad a person came through.
type AdContext struct {
	Title     string
	PhotoURL  string
	VideoURL  string
	PostID    string
	ProductID ID
	FlowID    ID
}
