package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// pageSubscriptions is /{page}/subscribed_apps.
func pageSubscriptions(e *Emulator, c *call) (any, *Error) {
	if c.page == nil {
		return getPage(e, c)
	}
	s := &c.page.Subscribed
	switch c.x.Method {
	case http.MethodGet:
		if !s.Set {
			return map[string]any{"data": []any{}}, nil
		}
		return map[string]any{"data": []any{map[string]any{
			"id": e.creds.AppID, "name": "emulated app", "subscribed_fields": s.Fields,
		}}}, nil
	case http.MethodDelete:
		*s = subscription{Ended: true}
		return map[string]bool{"success": true}, nil
	}
	fields := c.params.list("subscribed_fields")
	if len(fields) == 0 {
		return nil, invalid("subscribed_fields", "must be non-empty")
	}
	if bad := unknownField(fields); bad != "" {
		return nil, invalid("subscribed_fields", "has the unknown field %s", bad)
	}
	*s = subscription{Set: true, Fields: fields}
	return map[string]bool{"success": true}, nil
}

// appSubscriptions is /{app}/subscriptions. The address in it is recorded; webhooks go where the emulator was told.
func appSubscriptions(e *Emulator, c *call) (any, *Error) {
	s := &e.s.App
	switch c.x.Method {
	case http.MethodGet:
		if !s.Set {
			return map[string]any{"data": []any{}}, nil
		}
		fields := []map[string]string{}
		for _, name := range s.Fields {
			fields = append(fields, map[string]string{"name": name, "version": "v26.0"})
		}
		return map[string]any{"data": []any{map[string]any{
			"object": s.Object, "callback_url": s.Callback, "active": true, "fields": fields,
		}}}, nil
	case http.MethodDelete:
		*s = subscription{Ended: true}
		return map[string]bool{"success": true}, nil
	}
	fields, callback, token := c.params.list("fields"), c.params.text("callback_url"), c.params.text("verify_token")
	object := c.params.text("object")
	if object == "" {
		return nil, invalid("object", "is required")
	}
	if callback == "" {
		return nil, invalid("callback_url", "is required")
	}
	if bad := unknownField(fields); bad != "" {
		return nil, invalid("fields", "has the unknown field %s", bad)
	}
	if e.bot != "" {
		e.mu.Unlock() // the bot answers, and may call Graph while it does
		err := e.shakeHands(e.ctx, token)
		e.mu.Lock()
		if err != nil {
			return nil, &Error{Code: 2200, Message: "(#2200) Callback verification failed with the following errors: " +
				err.Error()}
		}
	}
	*s = subscription{Set: true, Fields: fields, Callback: truncate(callback, 500), Object: object}
	return map[string]bool{"success": true}, nil
}

// webhookFields are the fields one can subscribe to that reach a Messenger bot, and some of Pages that bots list too.
const webhookFields = " messages message_echoes message_deliveries message_reads message_edits message_reactions " +
	"messaging_account_linking messaging_postbacks messaging_referrals messaging_optins messaging_handovers " +
	"messaging_policy_enforcement messaging_game_plays send_cart response_feedback messaging_feedback standby " +
	"messaging_customer_information messenger_template_status_update message_template_status_update calls " +
	"call_permission_reply group_feed business_integrity messaging_integrity feed messaging_payments " +
	"messaging_pre_checkouts messaging_checkout_updates message_context messaging_appointments inbox_labels " +
	"messaging_direct_sends messaging_fblogin_account_linking mention name picture conversations leadgen ratings " +
	"messaging_seen message_edit messaging_referral messaging_handover comments live_comments mentions "

func unknownField(fields []string) string {
	for _, name := range fields {
		if !strings.Contains(webhookFields, " "+name+" ") && !strings.HasPrefix(name, "marketing_message") {
			return truncate(name, 60)
		}
	}
	return ""
}

// wanted says whether a webhook's field reaches the bot, and if not, why. Until the bot subscribes to anything, what a
// person does reaches it, and echoes and receipts do not. From then on the Page delivers the fields it is subscribed
// to, and of those the ones of the app. An app that was never subscribed counts as subscribed to all: that is mostly
// done in the dashboard, for which the handshake stands. The lock is held.
func (e *Emulator) wanted(field, page string, auto bool) string {
	field, _, _ = strings.Cut(strings.TrimPrefix(field, "instagram/"), "/")
	var s subscription
	if p := e.pageByID(page); p != nil {
		s = p.Subscribed
	}
	app := e.s.App
	touched := app.Set || app.Ended || s.Set || s.Ended
	switch {
	case !touched && auto:
		return "the bot subscribed to nothing"
	case !touched || !strings.Contains(webhookFields, " "+field+" "):
		return ""
	case app.Ended || app.Set && !slices.Contains(app.Fields, field):
		return "the app is not subscribed to " + field + ": POST /" + e.creds.AppID + "/subscriptions"
	case !slices.Contains(s.Fields, field):
		return "the Page is not subscribed to " + field + ": POST /" + page + "/subscribed_apps"
	}
	return ""
}

// rawButtons reads buttons of the Messenger profile.
func rawButtons(raw json.RawMessage) []Button {
	var list []struct {
		Type, Title, Payload, URL, Question string
		Actions                             []Button `json:"call_to_actions"`
		Locale                              string
	}
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	var out []Button
	for _, b := range list {
		switch {
		case b.Actions != nil:
			if b.Locale == "" || b.Locale == "default" {
				out = append(out, b.Actions...)
			}
		case b.Question != "":
			out = append(out, Button{Type: "postback", Title: b.Question, Payload: b.Payload})
		default:
			out = append(out, Button{Type: b.Type, Title: b.Title, Payload: b.Payload, URL: b.URL})
		}
	}
	return out
}
