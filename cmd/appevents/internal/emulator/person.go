package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
	"github.com/appevents/appevents-go/graphtest"
)

// An InputError says what is wrong with what a caller of the API asked for.
type InputError struct {
	Field   string
	Message string
	missing bool // what was named does not exist
}

func (e *InputError) Error() string { return e.Field + " " + e.Message }

// Say is what a person writes.
type Say struct {
	Text       string `json:"text"`
	PSID       string `json:"psid"`
	Page       string `json:"page"`
	QuickReply string `json:"quick_reply"` // payload of the quick reply that was tapped
}

// Trigger is a webhook to send. See the package comment.
type Trigger struct {
	Field     string          `json:"field"`
	PSID      string          `json:"psid"`
	Page      string          `json:"page"`
	Text      string          `json:"text"`
	Payload   string          `json:"payload"`
	Title     string          `json:"title"`
	Ref       string          `json:"ref"`
	Ad        string          `json:"ad"`
	MID       string          `json:"mid"`
	Body      json.RawMessage `json:"body"`
	Sign      string          `json:"sign"`
	Standby   bool            `json:"standby"`
	Instagram bool            `json:"instagram"`
	Times     int             `json:"times"`
}

// choose returns the person meant, the first one when none is named.
func (e *Emulator) choose(page, psid string) (Person, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.s.People {
		if (psid == "" || p.PSID == psid) && (page == "" || p.Page == page) {
			return *p, nil
		}
	}
	return Person{}, &InputError{Field: "psid", Message: "is nobody who writes to this Page; POST /-/api/person first",
		missing: true}
}

// Say lets a person write to the bot and returns when the bot has answered the webhook.
func (e *Emulator) Say(ctx context.Context, in Say) (Exchange, error) {
	if strings.TrimSpace(in.Text) == "" {
		return Exchange{}, &InputError{Field: "text", Message: "is required"}
	}
	if len(in.Text) > 20000 {
		return Exchange{}, &InputError{Field: "text", Message: "is longer than a message may be"}
	}
	p, err := e.choose(in.Page, in.PSID)
	if err != nil {
		return Exchange{}, err
	}
	t := Trigger{Field: "messages/text", PSID: p.PSID, Page: p.Page, Text: in.Text}
	switch {
	case in.QuickReply != "":
		t.Field, t.Payload = "messages/quick_reply", in.QuickReply
	case p.Ad != "" && p.LastWrote.IsZero():
		t.Field, t.Ad, t.Ref = "messages/ad_referral", p.Ad, p.Ref
	}
	list, err := e.Trigger(ctx, t)
	if err != nil {
		return Exchange{}, err
	}
	return list[0], nil
}

// Trigger sends a webhook. When it is asked to do so several times, those after the first are redeliveries of the same
// bytes, as Meta sends a webhook again whose answer it did not get.
func (e *Emulator) Trigger(ctx context.Context, in Trigger) ([]Exchange, error) {
	switch in.Sign {
	case "", "unsigned", "wrong", "sha1-only":
	default:
		return nil, &InputError{Field: "sign", Message: "must be empty, unsigned, wrong or sha1-only"}
	}
	if in.Times < 0 || in.Times > 100 {
		return nil, &InputError{Field: "times", Message: "must be 1 to 100"}
	}
	wh, err := e.webhook(in)
	if err != nil {
		return nil, err
	}
	list := []Exchange{e.deliver(ctx, wh)}
	wh.again, wh.bubble = list[0].ID, nil // from here on the same bytes, which the person has not written again
	for range max(in.Times, 1) - 1 {
		list = append(list, e.deliver(ctx, wh))
	}
	return list, nil
}

// webhook makes the webhook that was asked for.
func (e *Emulator) webhook(in Trigger) (webhook, error) {
	if len(in.Body) > 0 {
		body := []byte(in.Body)
		var text string
		if json.Unmarshal(in.Body, &text) == nil { // a form sends it as text, whose bytes then are the body
			body = []byte(text)
		}
		if !json.Valid(body) || len(body) > 1<<20 {
			return webhook{}, &InputError{Field: "body", Message: "must be a JSON object below 1 MiB"}
		}
		field := in.Field
		if field == "" {
			field = "webhook"
		}
		page, psid := who(body)
		wh := webhook{field: field, page: page, psid: psid, body: body, sign: in.Sign}
		about := session.Describe(body)
		wh.summary = truncate(or(about.Text, about.Summary), 120)
		if about.Events > 0 && (about.Field == "messages" || about.Field == "messaging_postbacks") {
			kind := map[string]string{"messages": "text", "messaging_postbacks": "postback"}[about.Field]
			wh.bubble = &Message{PSID: psid, Page: page, Kind: kind, Text: or(about.Text, about.Summary)}
		}
		return wh, nil
	}
	p, err := e.choose(in.Page, in.PSID)
	if err != nil {
		return webhook{}, err
	}
	mid := newMID()
	opts := []graphtest.PayloadOption{graphtest.At(e.now()), graphtest.MID(mid)}
	if in.Instagram {
		opts = append(opts, graphtest.OnInstagram())
	}
	opts = append(opts, graphtest.From(p.PSID), graphtest.To(p.Page))
	if p.Owner != "" && (strings.HasPrefix(in.Field, "messages") || strings.HasPrefix(in.Field, "messaging_postbacks")) {
		in.Standby = true // another app has the conversation
	}
	if in.Standby {
		opts = append(opts, graphtest.InStandby())
	}
	body, summary, shown := build(in, p, opts)
	if body == nil {
		sample, ok := graphtest.Samples()[in.Field]
		if !ok {
			return webhook{}, &InputError{Field: "field", Message: "is no webhook field or variant: " +
				"appevents trigger --list has them", missing: true}
		}
		body, summary = retarget(sample, p), in.Field
	}
	wh := webhook{field: in.Field, page: p.Page, psid: p.PSID, body: body, sign: in.Sign, summary: truncate(summary, 120)}
	if shown != "" {
		wh.bubble = &Message{PSID: p.PSID, Page: p.Page, Kind: shown, Text: summary}
		if strings.HasPrefix(in.Field, "messages") {
			wh.bubble.MID = mid
		}
	}
	return wh, nil
}

// retarget puts a person and a Page into a sample.
func retarget(sample graphtest.Payload, p Person) graphtest.Payload {
	for _, swap := range [][2]string{
		{graphtest.DefaultPSID, p.PSID}, {graphtest.DefaultPageID, p.Page},
	} {
		sample = bytes.ReplaceAll(sample, []byte(`"`+swap[0]+`"`), []byte(`"`+swap[1]+`"`))
	}
	return sample
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// build makes what a person does, from a field and its details. The body is nil for a field that only has a sample.
// shown is the kind of the bubble.
func build(in Trigger, p Person, opts []graphtest.PayloadOption) (body graphtest.Payload, summary, shown string) {
	ad := func() map[string]any {
		return map[string]any{"ref": or(in.Ref, "spring_1"), "ad_id": or(in.Ad, or(p.Ad, "6302572858686")),
			"source": "ADS", "type": "OPEN_THREAD"}
	}
	postback := func(title, payload string, referral any) graphtest.Payload {
		members := map[string]any{"mid": newMID(), "title": title, "payload": payload}
		if referral != nil {
			members["referral"] = referral
		}
		if in.Standby {
			delete(members, "payload")
		}
		return graphtest.Item("postback", members, opts...)
	}
	switch in.Field {
	case "messages", "messages/text":
		text := or(in.Text, "hello")
		return graphtest.Text(text, opts...), text, "text"
	case "messages/quick_reply":
		text := or(in.Text, or(in.Title, "Yes"))
		return graphtest.QuickReply(text, or(in.Payload, "CONFIRM_YES"), opts...), text, "quick_reply"
	case "messages/ad_referral":
		text := or(in.Text, "Hi")
		return graphtest.Message(map[string]any{"text": text, "referral": ad()}, opts...), text, "text"
	case "messaging_postbacks":
		title, payload := or(in.Title, or(in.Text, "Button")), or(in.Payload, "GET_STARTED")
		return postback(title, payload, nil), title + " (" + payload + ")", "postback"
	case "messaging_postbacks/get_started":
		payload := or(in.Payload, "GET_STARTED")
		var referral any
		if p.Ad != "" && p.LastWrote.IsZero() || in.Ad != "" {
			referral = ad()
		}
		return postback("Get started", payload, referral), "Get started (" + payload + ")", "postback"
	case "messaging_referrals":
		return graphtest.Referral(or(in.Ref, "flyer-7"), opts...), "came through a link", "referral"
	case "messaging_referrals/ad":
		return graphtest.Item("referral", ad(), opts...), "came through an ad", "referral"
	case "messaging_optins":
		return graphtest.Optin(or(in.Ref, "footer"), opts...), "opted in", "optin"
	case "messaging_optins/notification":
		return graphtest.NotificationOptin(or(in.Payload, "topic-mugs"), or(in.Title, "Mug news"), opts...),
			"agreed to messages", "optin"
	case "message_reads":
		return graphtest.Read(opts...), "has read all", ""
	case "message_deliveries":
		var mids []string
		if in.MID != "" {
			mids = []string{in.MID}
		}
		return graphtest.Delivered(mids, opts...), "messages delivered", ""
	case "message_reactions":
		return graphtest.Reaction(or(in.MID, "m_a1"), "love", "❤️", opts...), "❤️", "reaction"
	}
	return nil, "", ""
}

// AddPerson adds somebody who can write to a Page, or changes them when the PSID is known.
func (e *Emulator) AddPerson(in Person) (Person, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	in.Name = strings.TrimSpace(in.Name)
	if in.Name == "" || len(in.Name) > 200 {
		return Person{}, &InputError{Field: "name", Message: "must be 1 to 200 bytes long"}
	}
	in.Page = or(in.Page, e.cfg.PageID)
	if e.pageByID(in.Page) == nil {
		return Person{}, &InputError{Field: "page", Message: "is not a Page of the emulator", missing: true}
	}
	if in.PSID == "" {
		for n := int64(6543210987654321); ; n++ {
			if in.PSID = fmt.Sprint(n); e.person("", in.PSID) == nil {
				break
			}
		}
	}
	if strings.Trim(in.PSID, "0123456789") != "" || len(in.PSID) > 19 || in.PSID[0] == '0' {
		return Person{}, &InputError{Field: "psid", Message: "must be a number"}
	}
	in.FirstName, in.LastName, _ = strings.Cut(in.Name, " ")
	in.Locale, in.Typing, in.Owner = or(in.Locale, "en_US"), false, ""
	if p := e.person(in.Page, in.PSID); p != nil {
		in.LastWrote, in.Owner = p.LastWrote, p.Owner
		*p = in
		e.touch()
		return in, nil
	}
	if len(e.s.People) >= maxPeople {
		return Person{}, &InputError{Field: "name", Message: fmt.Sprintf("at most %d people are kept", maxPeople)}
	}
	e.s.People = append(e.s.People, &in)
	e.touch()
	return in, nil
}
