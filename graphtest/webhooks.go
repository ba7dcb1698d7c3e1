package graphtest

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// Text is a message with text (field messages).
func Text(text string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.message("text", text)
}

// QuickReply is the message a tapped quick reply sends (field messages).
func QuickReply(text, payload string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.message("text", text, "quick_reply", object{"payload", payload})
}

// TextReply is a message that answers an earlier one (field messages).
func TextReply(text, toMID string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.message("text", text, "reply_to", object{"mid", toMID})
}

// Attachment is a message with one attachment (field messages): kind "image", "audio", "video", "file", "reel", "post",
// "share" and so on, with the URL of its content. Kinds without content, such as "ephemeral", take an empty url.
func Attachment(kind, url string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	attachment := object{"type", kind, "payload", object{"url", url}}
	if url == "" {
		attachment = object{"type", kind}
	}
	return e.message("attachments", []object{attachment})
}

// Sticker is a message with a sticker (field messages).
func Sticker(id int64, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	content := object{"url", "https://cdn.example.invalid/sticker.png", "sticker_id", id}
	return e.message("attachments", []object{{"type", "sticker", "payload", content}})
}

// Message is a message with these members beside its mid, in alphabetical order (field messages), for shapes without a
// constructor of their own. The values must be something encoding/json can write.
func Message(members map[string]any, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	var list []any
	for _, name := range slices.Sorted(maps.Keys(members)) {
		list = append(list, name, members[name])
	}
	return e.message(list...)
}

func (e *event) message(members ...any) Payload {
	return e.payload(e.item("message", append(object{"mid", e.mid}, members...)))
}

// Unsend says that the person took back the message with this mid (field messages, Instagram).
func Unsend(mid string, opts ...PayloadOption) Payload {
	e := newEvent(append([]PayloadOption{OnInstagram()}, opts...))
	return e.payload(e.item("message", object{"mid", mid, "is_deleted", true}))
}

// Echo is a message the bot itself sent (field message_echoes; on Instagram messages).
func Echo(text string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	message := object{"mid", e.mid, "is_echo", true, "app_id", int64(DefaultEchoAppID), "text", text}
	if e.instagram {
		message = object{"mid", e.mid, "is_echo", true, "text", text}
	}
	return e.payload(e.outgoing("message", message))
}

// InboxEcho is a message that a human sent for the Page, without an app ID (field message_echoes).
func InboxEcho(text string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.outgoing("message", object{"mid", e.mid, "is_echo", true, "text", text}))
}

// Delivered says that messages reached the person: these, and all before the event's time (field message_deliveries).
func Delivered(mids []string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	receipt := object{"mids", mids, "watermark", e.at.UnixMilli()}
	if len(mids) == 0 {
		receipt = object{"watermark", e.at.UnixMilli()}
	}
	return e.payload(e.item("delivery", receipt))
}

// Read says that the person has read all up to the event's time (field message_reads), or on Instagram the message that
// [MID] names (field messaging_seen).
func Read(opts ...PayloadOption) Payload {
	e := newEvent(opts)
	if e.instagram {
		return e.payload(e.item("read", object{"mid", e.mid}))
	}
	return e.payload(e.item("read", object{"watermark", e.at.UnixMilli()}))
}

// Edit says that the person changed a message for the nth time (field message_edits; on Instagram message_edit).
func Edit(mid, text string, n int, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item("message_edit", object{"mid", mid, "text", text, "num_edit", n}))
}

// Reaction says that the person reacted to a message, for instance with "love" and "❤️" (field message_reactions).
// An empty reaction takes an earlier one back.
func Reaction(mid, reaction, emoji string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	action := "react"
	if reaction == "" {
		action = "unreact"
	}
	return e.payload(e.item("reaction",
		object{"reaction", optional(reaction), "emoji", optional(emoji), "action", action, "mid", mid}))
}

// AccountLinking says that the person linked an account, with the authorization code, or with an empty code that the
// person unlinked it (field messaging_account_linking).
func AccountLinking(authorizationCode string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	status := "linked"
	if authorizationCode == "" {
		status = "unlinked"
	}
	return e.payload(e.item("account_linking",
		object{"status", status, "authorization_code", optional(authorizationCode)}))
}

// Postback says that the person pressed a button (field messaging_postbacks).
func Postback(payload string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	postback := object{"mid", e.mid, "title", "Button", "payload", payload}
	if e.standby {
		postback = object{"mid", e.mid, "title", "Button"}
	}
	return e.payload(e.item("postback", postback))
}

// ReferredPostback is the postback of a new thread that was opened through an m.me link (field messaging_postbacks).
func ReferredPostback(payload, ref string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item("postback", object{"mid", e.mid, "title", "Get started", "payload", payload,
		"referral", object{"ref", ref, "source", "SHORTLINK", "type", "OPEN_THREAD"}}))
}

// Referral says that the person came back to the thread through a link (field messaging_referrals; on Instagram
// messaging_referral).
func Referral(ref string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item("referral", object{"ref", ref, "source", "SHORTLINK", "type", "OPEN_THREAD"}))
}

// AdReferral says that the person came back to the thread through an ad (field messaging_referrals).
func AdReferral(ref, adID string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item("referral", object{"ref", ref, "ad_id", adID, "source", "ADS", "type", "OPEN_THREAD",
		"ads_context_data", object{"ad_title", "Spring mugs", "photo_url", "https://cdn.example.invalid/ad.jpg"}}))
}

// LeadReferral says that the person completed the questions of a lead ad (field messaging_referrals). Its timestamp is
// in seconds, as Meta's is.
func LeadReferral(adID, question, answer string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(object{"sender", ids(e.from), "recipient", ids(e.to), "timestamp", e.at.Unix(),
		"referral", object{"source", "ADS", "type", "LEAD_COMPLETE", "ad_id", adID},
		"lead", object{"data", []object{{"question", question, "answer", answer}}}})
}

// Optin says that the person opted in through the Send to Messenger plugin (field messaging_optins).
func Optin(ref string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item("optin", object{"ref", ref}))
}

// CheckboxOptin says that a person not yet known opted in through the checkbox plugin: there is no sender, only a
// user_ref (field messaging_optins).
func CheckboxOptin(ref, userRef string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.anonymous("optin", object{"ref", ref, "user_ref", userRef}))
}

// NotificationOptin says that the person agreed to marketing messages (field messaging_optins). The token in it is made
// up.
func NotificationOptin(payload, title string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item("optin", object{"type", "notification_messages", "payload", payload, "title", title,
		"notification_messages_token", "1234567890123456789", "notification_messages_timezone", "Europe/Oslo",
		"token_expiry_timestamp", e.at.AddDate(1, 0, 0).UnixMilli(), "user_token_status", "NOT_REFRESHED"}))
}

// HandoverPass says that another app passed the thread to newOwner, or that it was idle when previousOwner is empty
// (field messaging_handovers; on Instagram messaging_handover).
func HandoverPass(previousOwner, newOwner, metadata string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item("pass_thread_control", object{"previous_owner_app_id", orNull(previousOwner),
		"new_owner_app_id", newOwner, "metadata", metadata}))
}

// HandoverTake says that newOwner took the thread away from previousOwner (field messaging_handovers).
func HandoverTake(previousOwner, newOwner, metadata string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item("take_thread_control", object{"previous_owner_app_id", orNull(previousOwner),
		"new_owner_app_id", newOwner, "metadata", metadata}))
}

// HandoverRequest says that an app asks for the thread (field messaging_handovers). The app ID is a number, as Meta's
// is.
func HandoverRequest(appID int64, metadata string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item("request_thread_control",
		object{"requested_owner_app_id", appID, "metadata", orNull(metadata)}))
}

// AppRoles says which roles an app has on the Page (field messaging_handovers). It has no sender.
func AppRoles(appID string, roles []string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.anonymous("app_roles", object{appID, roles}))
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Policy says that Meta acts on a breach of policy: action "warning", "block" or "unblock" (field
// messaging_policy_enforcement). It has no sender.
func Policy(action, reason string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.anonymous("policy_enforcement", object{"action", action, "reason", optional(reason)}))
}

// GamePlay says that the person played a round (field messaging_game_plays).
func GamePlay(gameID, playerID string, score int64, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item("game_play", object{"game_id", gameID, "player_id", playerID, "locale", "nb_NO",
		"context_type", "SOLO", "score", score, "payload", `{"level":3}`}))
}

// A Product is one line of an [Order].
type Product struct {
	ID         int64 // the product's ID, a number on the wire
	RetailerID string
	Name       string
	UnitPrice  float64
	Currency   string
	Quantity   int
}

// Order is a cart sent by the person (field send_cart).
func Order(note string, products []Product, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	lines := []object{}
	for _, p := range products {
		lines = append(lines, object{"id", p.ID, "retailer_id", p.RetailerID, "name", p.Name, "unit_price", p.UnitPrice,
			"currency", p.Currency, "quantity", p.Quantity})
	}
	return e.payload(e.item("order", object{"products", lines, "note", optional(note)}))
}

// ResponseFeedback says that the person found a message good or bad (field response_feedback).
func ResponseFeedback(mid string, good bool, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	feedback := "Bad response"
	if good {
		feedback = "Good response"
	}
	return e.payload(e.item("response_feedback", object{"feedback", feedback, "mid", mid}))
}

// Feedback is an answered customer feedback template with one CSAT question (field messaging_feedback). It has no
// timestamp, as Meta's has none.
func Feedback(questionID, score, comment string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	question := object{"type", "csat", "payload", score}
	if comment != "" {
		question = append(question, "follow_up", object{"type", "free_form", "payload", comment})
	}
	return e.payload(object{"sender", ids(e.from), "recipient", ids(e.to), "messaging_feedback",
		object{"feedback_screens", []object{{"screen_id", 0, "questions", object{questionID, question}}}}})
}

// CustomerInformation is an answered structured information template (field messaging_customer_information). Meta does
// not document its shape.
func CustomerInformation(key, value string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	screen := object{"screen_id", "0", "responses", []object{{"key", key, "value", value}}}
	return e.payload(e.item("messaging_customer_information", object{"screens", []object{screen}}))
}

// GroupFeed is a comment in a group (field group_feed): an item with neither sender nor event key.
func GroupFeed(groupID, commentID string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(object{"recipient", ids(e.to), "from", object{"id", e.from, "name", "Sample Person"},
		"group_id", groupID, "comment_id", commentID, "post_id", "58", "created_time", e.at.Unix()})
}

// Calling is an event of a voice call (field calls): event "connect" or "terminate". Times are in seconds.
func Calling(callID, what string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	c := object{"id", callID, "to", e.to, "from", e.from, "event", what, "timestamp", e.at.Unix(),
		"call_direction", "user_initiated"}
	if what == "terminate" {
		c = object{"id", callID, "event", what, "timestamp", e.at.Unix(), "status", "Completed",
			"start_time", e.at.Add(-2 * time.Minute).Unix(), "end_time", e.at.Unix(), "duration", 120}
	}
	return e.entry(e.at.Unix(), "calls", []object{c})
}

// CallPermission is the person's answer, "approve" or "reject", to a request to call (field call_permission_reply). It
// stands in entry itself.
func CallPermission(response string, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.envelope(object{"sender", ids(e.from), "recipient", ids(e.to), "timestamp", e.at.Unix(),
		"call_permission_reply", object{"response", response,
			"expiration_timestamp", strconv.FormatInt(e.at.AddDate(0, 0, 7).Unix(), 10)}})
}

// TemplateStatus says that the review of a message template ended, for instance with "APPROVED" (field
// message_template_status_update, which one page of Meta's calls messenger_template_status_update). Meta does not
// document the value; this is WhatsApp's.
func TemplateStatus(name, status string, opts ...PayloadOption) Payload {
	return Changes("message_template_status_update", object{"event", status, "message_template_id", 1234,
		"message_template_name", name, "message_template_language", "en_US", "reason", "NONE"}, opts...)
}

// MarketingMessage is an event of a marketing message: what is "echoes", "deliveries", "reads", "clicks" or
// "delivery_failed" (fields marketing_message_...). IDs are numbers, as in Meta's samples.
func MarketingMessage(what string, recipientID int64, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return Changes("marketing_message_"+what, object{"recipient_id", recipientID, "app_id", int64(DefaultEchoAppID),
		"timestamp", e.at.Unix(), "mid", e.mid, "marketing_message_tracking_id", "98ecd977-245a-4ec0-a8e0-8b8ecaad8030"},
		opts...)
}

// Changes is any event that comes as a changed field with a value, as feed, comments and integrity events do, and the
// Test button of the App Dashboard. The value must be something encoding/json can write.
func Changes(field string, value any, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.entry(e.at.Unix(), "changes", []object{{"field", field, "value", value}})
}

// Item is any messaging event: its key beside sender, recipient and timestamp, and its value, something encoding/json
// can write. It makes the events that have no constructor of their own and those Meta has yet to invent.
func Item(key string, value any, opts ...PayloadOption) Payload {
	e := newEvent(opts)
	return e.payload(e.item(key, value))
}
