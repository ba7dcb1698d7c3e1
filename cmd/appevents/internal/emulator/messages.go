package emulator

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/appevents/appevents-go/graphtest"
)

// The Send API's limits: https://developers.facebook.com/docs/messenger-platform/reference/send-api.
const (
	maxText         = 2000
	maxQuickReplies = 13
	maxButtons      = 3
	maxElements     = 10
	window          = 24 * time.Hour
	humanWindow     = 7 * 24 * time.Hour
)

// outgoing is the message of a send.
type outgoing struct {
	Text         string
	Metadata     string
	QuickReplies []struct {
		Type    string `json:"content_type"`
		Title   string
		Payload string
	} `json:"quick_replies"`
	Attachment *struct {
		Type    string
		Payload struct {
			URL          string
			AttachmentID text   `json:"attachment_id"`
			TemplateType string `json:"template_type"`
			Text         string
			Buttons      []Button
			Elements     []struct {
				Title    string
				Subtitle string
				ImageURL string `json:"image_url"`
				Buttons  []Button
			}
			RecipientName string `json:"recipient_name"`
			OrderNumber   string `json:"order_number"`
			Currency      string
			Summary       struct {
				TotalCost json.Number `json:"total_cost"`
			}
		}
	}
}

// sendMessage is POST /{page}/messages.
func sendMessage(e *Emulator, c *call) (any, *Error) {
	var to struct {
		ID      text
		UserRef text `json:"user_ref"`
		Phone   text `json:"phone_number"`
		Comment text `json:"comment_id"`
		Post    text `json:"post_id"`
		Token   text `json:"notification_messages_token"`
		OneTime text `json:"one_time_notif_token"`
	}
	if c.x.Method != "POST" {
		return nil, &Error{Code: 100, Subcode: 33, Message: "Unsupported get request."}
	}
	c.params.decode("recipient", &to)
	other := to.UserRef + to.Phone + to.Comment + to.Post + to.Token + to.OneTime
	if to.ID == "" && other == "" {
		return nil, invalid("recipient", "must be non-empty")
	}
	person := e.person(c.pageID(), string(to.ID))
	if to.ID != "" && person == nil {
		return nil, &Error{Code: 100, Subcode: 2018001, Message: "(#100) No matching user found",
			Hint: "the person has never written to this Page"}
	}
	answer := map[string]string{}
	if person != nil {
		answer["recipient_id"] = person.PSID
	}
	action := c.params.text("sender_action")
	if action != "" {
		return answer, e.senderAction(person, action)
	}
	var m outgoing
	if !c.params.decode("message", &m) {
		return nil, invalid("message", "must be an object")
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	tag, kind := c.params.text("tag"), c.params.text("messaging_type")
	if kind == "" {
		c.x.Problems = append(c.x.Problems, Problem{
			Field: "messaging_type", Rule: "required", Message: "say RESPONSE, UPDATE or MESSAGE_TAG",
		})
	}
	if person != nil && person.Owner != "" {
		return nil, &Error{Code: 10, Message: "(#10) Message failed to send because another app is controlling this " +
			"thread now.", Hint: "the conversation was passed to app " + person.Owner + "; take_thread_control"}
	}
	if person != nil && other == "" {
		if err := e.inWindow(person, tag); err != nil {
			return nil, err
		}
	}
	if a := m.Attachment; a != nil && a.Payload.AttachmentID != "" && c.page != nil &&
		!slices.Contains(c.page.Attachments, string(a.Payload.AttachmentID)) {
		return nil, invalid("message[attachment][payload][attachment_id]", "is none that was uploaded for this Page")
	}
	mid := newMID()
	answer["message_id"] = mid
	if person == nil {
		return answer, nil
	}
	person.Typing = false
	b := m.bubble()
	b.MID, b.Page, b.PSID, b.FromBot, b.Time = mid, person.Page, person.PSID, true, e.now()
	b.Exchange, b.Turn = c.x.ID, c.x.Turn
	if id := c.params.text("persona_id"); id != "" {
		for _, p := range c.page.Personas {
			if p.ID == id {
				b.Persona = p.Name
			}
		}
		if b.Persona == "" {
			return nil, invalid("persona_id", "is not a persona of the Page")
		}
	}
	e.bubble(b)
	c.x.Summary = truncate(b.words(), 120)
	if t := e.turn(c.x.Turn); t != nil {
		t.Replies++
		t.Silent = len(t.Events) == 0
	}
	e.follow(c, person, b, m, mid)
	return answer, nil
}

func newMID() string {
	var random [24]byte
	_, _ = rand.Read(random[:]) // never fails
	return "m_" + base64.RawURLEncoding.EncodeToString(random[:])
}

func (e *Emulator) senderAction(p *Person, action string) *Error {
	switch action {
	case "typing_on", "typing_off", "mark_seen", "react", "unreact":
		if p != nil {
			p.Typing = action == "typing_on"
		}
		return nil
	}
	return invalid("sender_action", "must be one of {typing_on, typing_off, mark_seen, react, unreact}")
}

// inWindow judges the 24 hours after a person's last message.
func (e *Emulator) inWindow(p *Person, tag string) *Error {
	since := e.later().Sub(p.LastWrote)
	outside := &Error{Code: 10, Subcode: 2018278,
		Message: "(#10) This message is sent outside of allowed window.",
		Hint:    "more than 24 hours after the person's last message; a message tag may allow it"}
	switch tag {
	case "":
		if p.LastWrote.IsZero() || since > window {
			return outside
		}
	case "HUMAN_AGENT":
		if since > humanWindow {
			return outside
		}
	case "ACCOUNT_UPDATE", "CONFIRMED_EVENT_UPDATE", "POST_PURCHASE_UPDATE", "CUSTOMER_FEEDBACK":
	default:
		return invalid("tag", "is not a message tag")
	}
	return nil
}

func (m *outgoing) check() *Error {
	a := m.Attachment
	switch {
	case m.Text == "" && a == nil:
		return invalid("message", "must have text or an attachment")
	case m.Text != "" && a != nil:
		return invalid("message", "must not have both text and an attachment")
	case utf8.RuneCountInString(m.Text) > maxText:
		return invalid("message[text]", "must be at most %d characters long", maxText)
	case len(m.QuickReplies) > maxQuickReplies:
		return invalid("message[quick_replies]", "must have at most %d elements", maxQuickReplies)
	}
	for n, q := range m.QuickReplies {
		if (q.Type == "text" || q.Type == "") && (q.Title == "" || q.Payload == "") {
			return invalid(fmt.Sprintf("message[quick_replies][%d]", n), "must have a title and a payload")
		}
	}
	if a == nil {
		return nil
	}
	p := &a.Payload
	switch a.Type {
	case "image", "audio", "video", "file":
		return nil
	case "template":
	default:
		return invalid("message[attachment][type]", "must be one of {image, audio, video, file, template}")
	}
	buttons := func(list []Button, least int, at string) *Error {
		if len(list) < least || len(list) > maxButtons {
			return invalid(at, "must have %d to %d elements", least, maxButtons)
		}
		for n, b := range list {
			if b.Type == "postback" && b.Payload == "" {
				return invalid(fmt.Sprintf("%s[%d][payload]", at, n), "is required")
			}
			if b.Type == "web_url" && b.URL == "" {
				return invalid(fmt.Sprintf("%s[%d][url]", at, n), "is required")
			}
		}
		return nil
	}
	switch p.TemplateType {
	case "button":
		if p.Text == "" {
			return invalid("message[attachment][payload][text]", "is required")
		}
		return buttons(p.Buttons, 1, "message[attachment][payload][buttons]")
	case "generic":
		if len(p.Elements) == 0 || len(p.Elements) > maxElements {
			return invalid("message[attachment][payload][elements]", "must have 1 to %d elements", maxElements)
		}
		for n, element := range p.Elements {
			at := fmt.Sprintf("message[attachment][payload][elements][%d]", n)
			if element.Title == "" {
				return invalid(at+"[title]", "is required")
			}
			if err := buttons(element.Buttons, 0, at+"[buttons]"); err != nil {
				return err
			}
		}
	case "media", "receipt", "product", "coupon", "customer_feedback", "customer_information", "notification_messages",
		"one_time_notif_req", "list", "open_graph", "airline_boardingpass", "airline_checkin", "airline_itinerary",
		"airline_update", "structured_information":
	default:
		return invalid("message[attachment][payload][template_type]", "is not a kind of template")
	}
	return nil
}

// bubble is the message as the page shows it.
func (m *outgoing) bubble() *Message {
	b := &Message{Kind: "text", Text: m.Text}
	if a := m.Attachment; a != nil {
		b.Kind, b.URL = a.Type, a.Payload.URL
		if a.Type == "template" {
			b.Kind, b.Text, b.Buttons = a.Payload.TemplateType, a.Payload.Text, a.Payload.Buttons
			for _, el := range a.Payload.Elements {
				b.Cards = append(b.Cards, Card{el.Title, el.Subtitle, el.ImageURL, el.Buttons})
			}
			if b.Kind == "receipt" {
				b.Text = strings.TrimSpace(fmt.Sprintf("Receipt %s %s %s", a.Payload.OrderNumber,
					a.Payload.Summary.TotalCost, a.Payload.Currency))
			}
		}
	}
	for _, q := range m.QuickReplies {
		title := q.Title
		if title == "" {
			title = q.Type
		}
		b.Buttons = append(b.Buttons, Button{Type: "quick_reply", Title: title, Payload: q.Payload})
	}
	return b
}

func (b *Message) words() string {
	switch {
	case b.Text != "":
		return b.Text
	case len(b.Cards) > 0:
		return b.Cards[0].Title
	}
	return b.Kind
}

// follow queues the echo and the receipts of a send. They wait their turn, so that the bot hears of them after the
// answer to its call.
func (e *Emulator) follow(c *call, p *Person, b *Message, m outgoing, mid string) {
	opts := []graphtest.PayloadOption{
		graphtest.From(p.PSID), graphtest.To(p.Page), graphtest.At(e.now()), graphtest.MID(mid),
	}
	for _, next := range []struct {
		field string
		body  func() graphtest.Payload
	}{
		{"message_echoes", func() graphtest.Payload { return e.echo(c, p, m, mid) }},
		{"message_deliveries", func() graphtest.Payload { return graphtest.Delivered([]string{mid}, opts...) }},
		{"message_reads", func() graphtest.Payload { return graphtest.Read(opts...) }},
	} {
		if e.wanted(next.field, p.Page, true) != "" {
			continue
		}
		wh := webhook{
			field: next.field, page: p.Page, psid: p.PSID, body: next.body(), auto: true, turn: c.x.Turn,
			summary: truncate(b.words(), 80),
		}
		select {
		case e.auto <- wh:
		default: // a bot that never answers does not make memory grow
		}
	}
}

// echo is the webhook in which a bot hears its own message, whole.
func (e *Emulator) echo(c *call, p *Person, m outgoing, mid string) graphtest.Payload {
	var message map[string]json.RawMessage
	c.params.decode("message", &message)
	app := json.RawMessage(e.creds.AppID)
	if !json.Valid(app) {
		app, _ = json.Marshal(e.creds.AppID) // a string
	}
	members := map[string]any{"mid": mid, "is_echo": true, "app_id": app}
	if m.Text != "" {
		members["text"] = m.Text
	}
	if m.Metadata != "" {
		members["metadata"] = m.Metadata
	}
	if raw, ok := message["attachment"]; ok {
		members["attachments"] = []json.RawMessage{raw}
	}
	body := graphtest.Item("message", members, graphtest.From(p.Page), graphtest.To(p.PSID), graphtest.At(e.now()))
	// The entry of an echo is the Page's, although the person is its recipient.
	return graphtest.Payload(strings.Replace(string(body), `"id":"`+p.PSID+`","time"`, `"id":"`+p.Page+`","time"`, 1))
}
