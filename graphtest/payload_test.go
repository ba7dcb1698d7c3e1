package graphtest_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// compact returns the payload with the escapes removed that only its bytes show.
func compact(t *testing.T, p graphtest.Payload) string {
	t.Helper()
	var v any
	dec := json.NewDecoder(bytes.NewReader(p))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&v), "%s", p)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(v))
	return strings.TrimSpace(out.String())
}

// Each constructor against the shape in the documents.
func TestPayloads(t *testing.T) {
	t.Parallel()
	at := graphtest.At(time.UnixMilli(1718000000123))
	mid := graphtest.MID("m_1")
	opts := []graphtest.PayloadOption{at, mid, nil}
	item := func(members string) string {
		return `{"object":"page","entry":[{"id":"107001112223334","time":1718000000123,"messaging":[{` +
			`"sender":{"id":"6543210987654321"},"recipient":{"id":"107001112223334"},"timestamp":1718000000123,` + members + `}]}]}`
	}
	echo := func(members string) string {
		return strings.NewReplacer(`"sender":{"id":"6543210987654321"}`, `"sender":{"id":"107001112223334"}`,
			`"recipient":{"id":"107001112223334"}`, `"recipient":{"id":"6543210987654321"}`).Replace(item(members))
	}
	anonymous := func(members string) string {
		return strings.Replace(item(members), `"sender":{"id":"6543210987654321"},`, "", 1)
	}
	changes := func(field, value string) string {
		return `{"object":"page","entry":[{"id":"107001112223334","time":1718000000,"changes":[{"field":"` + field +
			`","value":` + value + `}]}]}`
	}
	instagram := func(p string) string {
		return strings.NewReplacer("6543210987654321", "1122334455667788", "107001112223334", "17841400000000001",
			`"object":"page"`, `"object":"instagram"`).Replace(p)
	}
	cart := []graphtest.Product{{ID: 123, RetailerID: "MUG-BLUE", Name: "Blue mug", UnitPrice: 11.5, Currency: "THB", Quantity: 2}}

	for name, tc := range map[string]struct {
		got  graphtest.Payload
		want string
	}{
		"Text":       {graphtest.Text("Hi", opts...), item(`"message":{"mid":"m_1","text":"Hi"}`)},
		"QuickReply": {graphtest.QuickReply("Yes", "Y", opts...), item(`"message":{"mid":"m_1","text":"Yes","quick_reply":{"payload":"Y"}}`)},
		"TextReply":  {graphtest.TextReply("this", "m_0", opts...), item(`"message":{"mid":"m_1","text":"this","reply_to":{"mid":"m_0"}}`)},
		"Attachment": {graphtest.Attachment("image", "https://a/b", opts...),
			item(`"message":{"mid":"m_1","attachments":[{"type":"image","payload":{"url":"https://a/b"}}]}`)},
		"Attachment without content": {graphtest.Attachment("ephemeral", "", opts...),
			item(`"message":{"mid":"m_1","attachments":[{"type":"ephemeral"}]}`)},
		"Sticker": {graphtest.Sticker(369239263222822, opts...), item(`"message":{"mid":"m_1","attachments":[{"type":"sticker",` +
			`"payload":{"url":"https://cdn.example.invalid/sticker.png","sticker_id":369239263222822}}]}`)},
		"Message": {graphtest.Message(map[string]any{"text": "/help", "commands": []any{map[string]any{"name": "help"}}}, opts...),
			item(`"message":{"mid":"m_1","commands":[{"name":"help"}],"text":"/help"}`)},
		"Unsend": {graphtest.Unsend("m_0", opts...), instagram(item(`"message":{"mid":"m_0","is_deleted":true}`))},
		"Echo": {graphtest.Echo("Hi", opts...),
			echo(`"message":{"mid":"m_1","is_echo":true,"app_id":1517776481860111,"text":"Hi"}`)},
		"Echo on Instagram": {graphtest.Echo("Hi", append(opts, graphtest.OnInstagram())...),
			instagram(echo(`"message":{"mid":"m_1","is_echo":true,"text":"Hi"}`))},
		"InboxEcho":             {graphtest.InboxEcho("Hi", opts...), echo(`"message":{"mid":"m_1","is_echo":true,"text":"Hi"}`)},
		"Delivered":             {graphtest.Delivered([]string{"m_0"}, opts...), item(`"delivery":{"mids":["m_0"],"watermark":1718000000123}`)},
		"Delivered without ids": {graphtest.Delivered(nil, opts...), item(`"delivery":{"watermark":1718000000123}`)},
		"Read":                  {graphtest.Read(opts...), item(`"read":{"watermark":1718000000123}`)},
		"Read on Instagram":     {graphtest.Read(append(opts, graphtest.OnInstagram())...), instagram(item(`"read":{"mid":"m_1"}`))},
		"Edit":                  {graphtest.Edit("m_0", "red", 2, opts...), item(`"message_edit":{"mid":"m_0","text":"red","num_edit":2}`)},
		"Reaction": {graphtest.Reaction("m_0", "love", "❤️", opts...),
			item(`"reaction":{"reaction":"love","emoji":"❤️","action":"react","mid":"m_0"}`)},
		"Reaction taken back": {graphtest.Reaction("m_0", "", "", opts...), item(`"reaction":{"action":"unreact","mid":"m_0"}`)},
		"AccountLinking": {graphtest.AccountLinking("ac_1", opts...),
			item(`"account_linking":{"status":"linked","authorization_code":"ac_1"}`)},
		"AccountLinking undone": {graphtest.AccountLinking("", opts...), item(`"account_linking":{"status":"unlinked"}`)},
		"Postback":              {graphtest.Postback("BUY", opts...), item(`"postback":{"mid":"m_1","title":"Button","payload":"BUY"}`)},
		"Postback in standby": {graphtest.Postback("BUY", append(opts, graphtest.InStandby())...),
			strings.Replace(item(`"postback":{"mid":"m_1","title":"Button"}`), `"messaging"`, `"standby"`, 1)},
		"ReferredPostback": {graphtest.ReferredPostback("START", "f7", opts...), item(`"postback":{"mid":"m_1","title":"Get started",` +
			`"payload":"START","referral":{"ref":"f7","source":"SHORTLINK","type":"OPEN_THREAD"}}`)},
		"Referral": {graphtest.Referral("f7", opts...), item(`"referral":{"ref":"f7","source":"SHORTLINK","type":"OPEN_THREAD"}`)},
		"AdReferral": {graphtest.AdReferral("s", "63", opts...), item(`"referral":{"ref":"s","ad_id":"63","source":"ADS",` +
			`"type":"OPEN_THREAD","ads_context_data":{"ad_title":"Spring mugs","photo_url":"https://cdn.example.invalid/ad.jpg"}}`)},
		"LeadReferral": {graphtest.LeadReferral("63", "City?", "Oslo", opts...), strings.Replace(item(
			`"referral":{"source":"ADS","type":"LEAD_COMPLETE","ad_id":"63"},"lead":{"data":[{"question":"City?","answer":"Oslo"}]}`),
			`"timestamp":1718000000123`, `"timestamp":1718000000`, 1)},
		"Optin":         {graphtest.Optin("footer", opts...), item(`"optin":{"ref":"footer"}`)},
		"CheckboxOptin": {graphtest.CheckboxOptin("c", "r", opts...), anonymous(`"optin":{"ref":"c","user_ref":"r"}`)},
		"NotificationOptin": {graphtest.NotificationOptin("topic", "News", opts...), item(`"optin":{"type":"notification_messages",` +
			`"payload":"topic","title":"News","notification_messages_token":"1234567890123456789",` +
			`"notification_messages_timezone":"Europe/Oslo","token_expiry_timestamp":1749536000123,"user_token_status":"NOT_REFRESHED"}`)},
		"HandoverPass": {graphtest.HandoverPass("", "12", "m", opts...),
			item(`"pass_thread_control":{"previous_owner_app_id":null,"new_owner_app_id":"12","metadata":"m"}`)},
		"HandoverTake": {graphtest.HandoverTake("11", "12", "m", opts...),
			item(`"take_thread_control":{"previous_owner_app_id":"11","new_owner_app_id":"12","metadata":"m"}`)},
		"HandoverRequest": {graphtest.HandoverRequest(12, "", opts...),
			item(`"request_thread_control":{"requested_owner_app_id":12,"metadata":null}`)},
		"AppRoles": {graphtest.AppRoles("12", []string{"primary_receiver"}, opts...),
			anonymous(`"app_roles":{"12":["primary_receiver"]}`)},
		"Policy":        {graphtest.Policy("block", "spam", opts...), anonymous(`"policy_enforcement":{"action":"block","reason":"spam"}`)},
		"Policy lifted": {graphtest.Policy("unblock", "", opts...), anonymous(`"policy_enforcement":{"action":"unblock"}`)},
		"GamePlay": {graphtest.GamePlay("g", "p", 120, opts...), item(`"game_play":{"game_id":"g","player_id":"p","locale":"nb_NO",` +
			`"context_type":"SOLO","score":120,"payload":"{\"level\":3}"}`)},
		"Order": {graphtest.Order("wrap", cart, opts...), item(`"order":{"products":[{"id":123,"retailer_id":"MUG-BLUE",` +
			`"name":"Blue mug","unit_price":11.5,"currency":"THB","quantity":2}],"note":"wrap"}`)},
		"Order of nothing": {graphtest.Order("", nil, opts...), item(`"order":{"products":[]}`)},
		"ResponseFeedback": {graphtest.ResponseFeedback("m_0", true, opts...),
			item(`"response_feedback":{"feedback":"Good response","mid":"m_0"}`)},
		"ResponseFeedback bad": {graphtest.ResponseFeedback("m_0", false, opts...),
			item(`"response_feedback":{"feedback":"Bad response","mid":"m_0"}`)},
		"Feedback": {graphtest.Feedback("q", "5", "quick!", opts...), strings.Replace(item(`"messaging_feedback":{"feedback_screens":[`+
			`{"screen_id":0,"questions":{"q":{"type":"csat","payload":"5","follow_up":{"type":"free_form","payload":"quick!"}}}}]}`),
			`"timestamp":1718000000123,`, "", 1)},
		"CustomerInformation": {graphtest.CustomerInformation("city", "Oslo", opts...), item(`"messaging_customer_information":` +
			`{"screens":[{"screen_id":"0","responses":[{"key":"city","value":"Oslo"}]}]}`)},
		"GroupFeed": {graphtest.GroupFeed("55", "56", opts...), `{"object":"page","entry":[{"id":"107001112223334",` +
			`"time":1718000000123,"messaging":[{"recipient":{"id":"107001112223334"},"from":{"id":"6543210987654321",` +
			`"name":"Sample Person"},"group_id":"55","comment_id":"56","post_id":"58","created_time":1718000000}]}]}`},
		"Calling": {graphtest.Calling("c", "connect", opts...), `{"object":"page","entry":[{"id":"107001112223334","time":1718000000,` +
			`"calls":[{"id":"c","to":"107001112223334","from":"6543210987654321","event":"connect","timestamp":1718000000,` +
			`"call_direction":"user_initiated"}]}]}`},
		"Calling ended": {graphtest.Calling("c", "terminate", opts...), `{"object":"page","entry":[{"id":"107001112223334",` +
			`"time":1718000000,"calls":[{"id":"c","event":"terminate","timestamp":1718000000,"status":"Completed",` +
			`"start_time":1717999880,"end_time":1718000000,"duration":120}]}]}`},
		"CallPermission": {graphtest.CallPermission("approve", opts...), `{"object":"page","entry":[{"sender":` +
			`{"id":"6543210987654321"},"recipient":{"id":"107001112223334"},"timestamp":1718000000,"call_permission_reply":` +
			`{"response":"approve","expiration_timestamp":"1718604800"}}]}`},
		"TemplateStatus": {graphtest.TemplateStatus("shipped", "APPROVED", opts...), changes("message_template_status_update",
			`{"event":"APPROVED","message_template_id":1234,"message_template_name":"shipped",`+
				`"message_template_language":"en_US","reason":"NONE"}`)},
		"MarketingMessage": {graphtest.MarketingMessage("reads", 99, opts...), changes("marketing_message_reads",
			`{"recipient_id":99,"app_id":1517776481860111,"timestamp":1718000000,"mid":"m_1",`+
				`"marketing_message_tracking_id":"98ecd977-245a-4ec0-a8e0-8b8ecaad8030"}`)},
		"Changes": {graphtest.Changes("feed", map[string]any{"verb": "add"}, opts...), changes("feed", `{"verb":"add"}`)},
		"Item":    {graphtest.Item("message_request", "accept", opts...), item(`"message_request":"accept"`)},
		"an Item that is no JSON": {graphtest.Item("bad", math.NaN(), opts...), `{"object":"page","entry":[{"id":"107001112223334",` +
			`"error":"graphtest: payload: json: error calling MarshalJSON for type graphtest.object: graphtest: payload: ` +
			`json: error calling MarshalJSON for type graphtest.object: graphtest: payload: json: error calling MarshalJSON for ` +
			`type graphtest.object: graphtest: payload: json: unsupported value: NaN"}]}`},
		"other people": {graphtest.Text("Hi", at, mid, graphtest.From("1"), graphtest.To("2")), `{"object":"page","entry":[{"id":"2",` +
			`"time":1718000000123,"messaging":[{"sender":{"id":"1"},"recipient":{"id":"2"},"timestamp":1718000000123,` +
			`"message":{"mid":"m_1","text":"Hi"}}]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.JSONEq(t, tc.want, compact(t, tc.got))
			if name != "an Item that is no JSON" {
				require.Less(t, strings.Index(tc.got.String(), `"object"`), strings.Index(tc.got.String(), `"entry"`),
					"members keep Meta's order")
			}
		})
	}
}

func TestPayload_IsWrittenLikeMetas(t *testing.T) {
	t.Parallel()
	p := graphtest.Text("äöå 😊 https://example.invalid/a \"q\" \\ \n <50% @", graphtest.MID("m"))
	require.Contains(t, p.String(),
		`"text":"\u00e4\u00f6\u00e5 \ud83d\ude0a https:\/\/example.invalid\/a \"q\" \\ \n <50% @"`)
	for _, b := range p {
		require.Less(t, b, byte(0x80))
	}
	raw := graphtest.Changes("feed", json.RawMessage(`{"a":"x\/y\\/z"}`))
	require.Contains(t, raw.String(), `"a":"x\/y\\\/z"`, "what is escaped already stays as it is")
}

func TestPayload_EachIsANewEvent(t *testing.T) {
	t.Parallel()
	first, second := graphtest.Postback("X"), graphtest.Postback("X")
	require.NotEqual(t, first, second)
	first, second = graphtest.Text("X", graphtest.OnInstagram()), graphtest.Text("X", graphtest.OnInstagram())
	require.NotEqual(t, first, second)
	mids := map[string]bool{}
	for range 100 {
		var body struct {
			Entry []struct {
				Messaging []struct{ Postback struct{ MID string } }
			}
		}
		require.NoError(t, json.Unmarshal(graphtest.Postback("X"), &body))
		mids[body.Entry[0].Messaging[0].Postback.MID] = true
	}
	require.Len(t, mids, 100)
}

func TestBatch(t *testing.T) {
	t.Parallel()
	one, two := graphtest.Text("one"), graphtest.Text("two")
	got := compact(t, graphtest.Batch(one, two, graphtest.Payload("broken")))
	require.Equal(t, 2, strings.Count(got, `"messaging"`))
	require.Less(t, strings.Index(got, "one"), strings.Index(got, "two"))
	require.Contains(t, compact(t, graphtest.Batch(graphtest.Text("x", graphtest.OnInstagram()))), `"object":"instagram"`)
	require.JSONEq(t, `{"object":"page","entry":[]}`, compact(t, graphtest.Batch()))
}

func TestSamples(t *testing.T) {
	t.Parallel()
	// Every field of Meta's list of webhook events, and the newer ones the documents know the shape of.
	const fields = "message_deliveries message_echoes message_edits message_reactions message_reads messages " +
		"messaging_account_linking messaging_feedback messaging_game_plays messaging_handovers/pass messaging_optins " +
		"messaging_policy_enforcement messaging_postbacks messaging_referrals instagram/messaging_seen " +
		"messenger_template_status_update response_feedback send_cart standby calls call_permission_reply group_feed " +
		"messaging_customer_information business_integrity messaging_integrity marketing_message_echoes " +
		"message_template_status_update messaging_payments unknown batch"
	samples := graphtest.Samples()
	for field := range strings.FieldsSeq(fields) {
		require.Contains(t, samples, field)
	}
	for name, p := range samples {
		got := compact(t, p)
		require.Equal(t, strings.HasPrefix(name, "instagram/"), strings.Contains(got, `"object":"instagram"`), name)
		require.Equal(t, strings.Contains(name, "standby"), strings.Contains(got, `"standby":`), name)
		require.NotContains(t, got, `"error"`, name)
	}
	require.NotEqual(t, samples["messages"], graphtest.Samples()["messages"])
}

func TestSign(t *testing.T) {
	t.Parallel()
	const escaped = `{"object":"page","entry":[{"id":"1","time":1718000000456,"messaging":[{"sender":{"id":"2"},` +
		`"recipient":{"id":"1"},"timestamp":1718000000123,"message":{"mid":"m_1",` +
		`"text":"\u00e4\u00f6\u00e5 \ud83d\ude0a https:\/\/example.invalid\/a"}}]}]}`
	for body, want := range map[string]string{
		`{"object":"page","entry":[]}`: "sha256=1a82db3abc2fa71a3fffecfedef579a8468a44850cd8a83a0c56974faff81689",
		escaped:                        "sha256=0f5e189a521de0442eab543d4e4c08c95f59f9296c823099ca316d5b7e51a6e3",
		"":                             "sha256=a7dfadfa864dba471c925e814eca5ee032a7ded01574b16ac33dd477b5d6d0f7",
	} {
		require.Equal(t, want, graphtest.Sign("test-app-secret", []byte(body)))
	}
	made := graphtest.Text("äöå 😊 https://example.invalid/a", graphtest.From("2"), graphtest.To("1"), graphtest.MID("m_1"),
		graphtest.At(time.UnixMilli(1718000000123)))
	//nolint:testifylint // the exact bytes count, not the JSON they mean
	require.Equal(t, strings.Replace(escaped, "1718000000456", "1718000000123", 1), made.String())
}
