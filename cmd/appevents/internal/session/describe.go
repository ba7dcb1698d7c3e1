package session

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/appevents/appevents-go"
)

// About is what a webhook is about. Nothing in it was written by a person but Text.
type About struct {
	Field   string   // of the first event; "" when it is not known
	Fields  []string // of all events
	Page    string
	Person  string // "" where Meta names nobody
	Summary string // "text of 12 characters", "postback BUY_MUG"
	Text    string // what the person wrote
	Events  int
	Standby bool
}

// Describe says what a body is about. A body that cannot be read is about nothing.
func Describe(body []byte) About {
	payload, err := appevents.ParseWebhook(body)
	if err != nil {
		return About{Summary: "a body that cannot be read"}
	}
	var about About
	for event := range payload.Events() {
		thread, field := event.Thread(), event.Field()
		if about.Events == 0 {
			about.Field, about.Standby = field, event.Standby()
			about.Summary, about.Text = summarize(event)
		}
		about.Page = cmp.Or(about.Page, string(thread.PageID))
		about.Person = cmp.Or(about.Person, string(thread.PSID))
		if field != "" && !slices.Contains(about.Fields, field) {
			about.Fields = append(about.Fields, field)
		}
		about.Events++
	}
	if about.Events > 1 {
		about.Summary += fmt.Sprintf(", and %d more", about.Events-1)
	}
	return about
}

// summarize names what an event is without what the person wrote. Payloads and refs are the bot's own words.
func summarize(event appevents.WebhookEvent) (summary, text string) {
	switch e := event.(type) {
	case *appevents.MessageEvent:
		return message(&e.Message), e.Text
	case *appevents.EchoEvent:
		return "echo of " + message(&e.Message), e.Text
	case *appevents.PostbackEvent:
		return "postback " + short(e.Payload), ""
	case *appevents.ReferralEvent:
		return "referral " + short(cmp.Or(e.Ref, string(e.AdID))), ""
	case *appevents.OptinEvent:
		return "opt-in " + short(cmp.Or(e.Type, e.Ref, e.Payload)), ""
	case *appevents.EditEvent:
		return "edited message", e.Text
	case *appevents.ReactionEvent:
		return "reaction", ""
	}
	return cmp.Or(event.Field(), "an event without a known field"), ""
}

func message(m *appevents.Message) string {
	var parts []string
	if m.QuickReply != nil {
		parts = append(parts, "quick reply "+short(m.QuickReply.Payload))
	} else if m.Text != "" {
		n := utf8.RuneCountInString(m.Text)
		parts = append(parts, fmt.Sprintf("text of %d characters", n))
		if n == 1 {
			parts = []string{"text of 1 character"}
		}
	}
	for _, a := range m.Attachments {
		parts = append(parts, short(string(a.Type)))
	}
	if m.Referral != nil {
		parts = append(parts, "through an ad or link")
	}
	if len(parts) == 0 {
		return "message"
	}
	return strings.Join(parts, ", ")
}

func short(s string) string {
	const most = 60
	s = strings.ToValidUTF8(s, "\ufffd")
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return s
}
