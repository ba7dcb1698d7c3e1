// Tests of webhook_parse.go, and of the keys of webhook_seen.go.

package appevents_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

func TestParseWebhook_RefusesWhatIsNoEnvelope(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, ` `, `null`, `true`, `5`, `"page"`, `[]`, `[5]`, `[{}]`, `{}`, `{"object":"page"}`, `{"object":"page","entry":null}`,
		`{"object":"page","entry":{}}`, `{"object":"page","entry":"x"}`, `{"field":"messages"}`, `{"value":{}}`,
		`{"field":5,"value":{}}`, `{"sender":{"id":"canary"},"message":{"text":"canary"}}`, `<html>canary</html>`,
		`{"object":"page","entry":[]} canary`, `{"object":"page","entry":[`, `{"object":"page","entry":[{"id":"canary}]}`,
		`{"object":"page","entry":[{"messaging":[{"message":{"text":canary}}]}]}`, "\ufeff" + `{"object":"page","entry":[]}`,
		`[{"object":"page","entry":[]}`, `{"object":"page","entry":[{"id":"1","changes":[{"field":}]}]}`,
		strings.Repeat("[", 10001) + strings.Repeat("]", 10001),
		`{"object":"page","entry":[{"x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}]}`,
	} {
		payload, err := appevents.ParseWebhook([]byte(body))
		require.ErrorIs(t, err, appevents.ErrNotWebhook, "%.60q", body)
		require.Nil(t, payload)
		require.NotContains(t, err.Error(), "canary")
	}
	_, err := appevents.ParseWebhook([]byte(`{"object":"page","entry":[{]}`))
	require.EqualError(t, err, "appevents: not a webhook envelope: invalid JSON at byte 27")
}

func TestParseWebhook_Envelopes(t *testing.T) {
	t.Parallel()
	const entry = `{"id":"107","messaging":[{"sender":{"id":"654"},"message":{"mid":"m"}}]}`
	for _, test := range []struct {
		name, body, object string
		entries, events    int
		channel            appevents.Channel
	}{
		{"page", `{"object":"page","entry":[` + entry + `]}`, "page", 1, 1, appevents.ChannelMessenger},
		{"instagram", `{"object":"instagram","entry":[` + entry + `]}`, "instagram", 1, 1, appevents.ChannelInstagram},
		{"object last", `{"entry":[` + entry + `],"object":"instagram"}`, "instagram", 1, 1, appevents.ChannelInstagram},
		{"no object", `{"entry":[` + entry + `]}`, "", 1, 1, appevents.ChannelMessenger},
		{"object of another kind", `{"object":["page"],"entry":[` + entry + `]}`, "", 1, 1, appevents.ChannelMessenger},
		{"no entries", `{"object":"page","entry":[]}`, "page", 0, 0, 0},
		{"several", `{"object":"page","entry":[` + entry + `,` + entry + `,` + entry + `]}`, "page", 3, 3, 0},
		{"list", `[{"object":"page","entry":[` + entry + `]}]`, "page", 1, 1, 0},
		{"list of two", `[{"object":"page","entry":[` + entry + `]},{"object":"page","entry":[` + entry + `]}]`, "page", 2, 2, 0},
		{"list of two products", `[{"object":"page","entry":[` + entry + `]},{"object":"user","entry":[]}]`, "page", 1, 1, 0},
		{"list with strangers", `[7,{"object":"page","entry":[` + entry + `]},{"x":1}]`, "page", 1, 3, 0},
		{"entries of other kinds", `{"object":"page","entry":[null,5,"x",[],` + entry + `]}`, "page", 5, 5, 0},
		{"unknown keys", `{"v":[1,{"a":null}],"object":"page","entry":[` + entry + `],"w":{}}`, "page", 1, 1, 0},
		{"escaped keys", `{"obj\u0065ct":"page","\u0065ntry":[` + entry + `]}`, "page", 1, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			payload, err := appevents.ParseWebhook([]byte(test.body))
			require.NoError(t, err)
			require.Equal(t, test.object, payload.Object)
			require.Len(t, payload.Entries, test.entries)
			events := slices.Collect(payload.Events())
			require.Len(t, events, test.events)
			messages := 0
			for _, e := range events {
				if m, ok := e.(*appevents.MessageEvent); ok {
					messages++
					require.Equal(t, appevents.Thread{Channel: test.channel, PageID: "107", PSID: "654"}, m.Thread())
					continue
				}
				require.IsType(t, &appevents.UnknownEvent{}, e)
				require.Error(t, e.Err())
				require.NotEmpty(t, e.Raw())
			}
			require.Equal(t, test.events == 0, messages == 0)
		})
	}
}

func TestParseWebhook_EntriesAndOrder(t *testing.T) {
	t.Parallel()
	payload, err := appevents.ParseWebhook([]byte(`{"object":"page","entry":[
		{"id":1,"time":1718000000456,"messaging":[{"message":{"mid":"a"}},{"message":{"mid":"b"}}]},
		{"messaging":[{"message":{"mid":"c"}}],"time":1718000000,"id":"2","hop_context":{"app_id":5,"metadata":"x"}},
		{"id":{},"time":"soon","messaging":[{"message":{"mid":"d"},"hop_context":{"app_id":6}}],"hop_context":[{"app_id":7},{}]}
	]}`))
	require.NoError(t, err)
	require.Len(t, payload.Entries, 3)
	require.Equal(t, []appevents.ID{"1", "2", ""},
		[]appevents.ID{payload.Entries[0].ID, payload.Entries[1].ID, payload.Entries[2].ID})
	require.Equal(t, time.UnixMilli(1718000000456).UTC(), payload.Entries[0].Time)
	require.Equal(t, time.Unix(1718000000, 0).UTC(), payload.Entries[1].Time)
	require.Zero(t, payload.Entries[2].Time)
	require.Equal(t, []appevents.HopContext{{AppID: "5", Metadata: "x"}}, payload.Entries[1].HopContext)
	require.Equal(t, []appevents.HopContext{{AppID: "7"}, {}}, payload.Entries[2].HopContext)

	var mids []string
	var hops [][]appevents.HopContext
	for e := range payload.Events() {
		m := e.(*appevents.MessageEvent)
		require.NoError(t, m.Err(), "an entry's trouble is not its items'")
		mids, hops = append(mids, m.MID), append(hops, m.HopContext())
	}
	require.Equal(t, []string{"a", "b", "c", "d"}, mids)
	require.Equal(t, [][]appevents.HopContext{nil, nil, {{AppID: "5", Metadata: "x"}}, {{AppID: "6"}}}, hops)

	// The iterator starts anew each time and stops when told.
	for range 2 {
		for e := range payload.Events() {
			require.Equal(t, "a", e.(*appevents.MessageEvent).MID)
			break
		}
	}
}

func TestParseWebhook_KeepsNothingOfTheBody(t *testing.T) {
	t.Parallel()
	for file, sample := range hookSamples(t) {
		body := bytes.Clone(sample)
		payload, err := appevents.ParseWebhook(body)
		require.NoError(t, err)
		for i := range body {
			body[i] = '#'
		}
		want := hookParse(t, sample)
		require.Equal(t, want, slices.Collect(payload.Events()), file)
	}
}

func TestParseWebhook_OtherProducts(t *testing.T) {
	t.Parallel()
	events := hookParse(t, []byte(`{"entry":[{"id":"1","time":1718000000,
		"changes":[{"field":"messages","value":{"messaging_product":"whatsapp"}}],
		"messaging":[{"sender":{"id":"2"},"recipient":{"id":"1"},"timestamp":1718000000123,"message":{"mid":"m"}}],
		"standby":[{"x":1}]}],"object":"whatsapp_business_account"}`))
	require.Len(t, events, 3)
	for _, e := range events {
		unknown := e.(*appevents.UnknownEvent)
		require.Equal(t, "whatsapp_business_account", unknown.Object())
		require.Empty(t, unknown.Field())
		require.True(t, unknown.Thread().IsZero())
		require.NotEmpty(t, unknown.Raw())
		require.Contains(t, unknown.DedupeKey(), "whatsapp_business_account/1/")
	}
	require.Equal(t, "messages", events[0].(*appevents.UnknownEvent).Key)
	require.JSONEq(t, `{"messaging_product":"whatsapp"}`, string(events[0].(*appevents.UnknownEvent).Value()))
	require.Equal(t, time.UnixMilli(1718000000123).UTC(), events[1].Time())
	require.True(t, events[2].Standby())
	require.Equal(t, "x", events[2].(*appevents.UnknownEvent).Key)
}

func TestParseWebhook_SeveralKeysInOneItem(t *testing.T) {
	t.Parallel()
	for item, want := range map[string]string{
		`"message":{"mid":"m"},"postback":{"title":"p"}`:                      "*appevents.MessageEvent messages",
		`"postback":{"title":"p"},"message":{"mid":"m"}`:                      "*appevents.MessageEvent messages",
		`"referral":{"ref":"r"},"postback":{"mid":"p"}`:                       "*appevents.PostbackEvent messaging_postbacks",
		`"optin":{"ref":"o"},"referral":{"ref":"r"}`:                          "*appevents.ReferralEvent messaging_referrals",
		`"read":{"mid":"x"},"optin":{"ref":"o"}`:                              "*appevents.OptinEvent messaging_optins",
		`"new":{"a":1},"read":{"watermark":1}`:                                "*appevents.ReadEvent message_reads",
		`"message":null,"read":{"watermark":1}`:                               "*appevents.ReadEvent message_reads",
		`"message":null`:                                                      "*appevents.UnknownEvent ",
		`"message":5,"postback":{"title":"p"}`:                                "*appevents.PostbackEvent messaging_postbacks",
		`"message":{"mid":"m"},"new":{"is_echo":true}`:                        "*appevents.MessageEvent messages",
		`"message":{"mid":"m"},"group_id":"5"`:                                "*appevents.MessageEvent messages",
		`"group_id":"5","from":{"id":"1"}`:                                    "*appevents.UnknownEvent group_feed",
		`"messaging_optouts":{}`:                                              "*appevents.UnknownEvent messaging_optouts",
		`"payment":{}`:                                                        "*appevents.UnknownEvent messaging_payments",
		`"pre_checkout":{}`:                                                   "*appevents.UnknownEvent messaging_pre_checkouts",
		`"checkout_update":{}`:                                                "*appevents.UnknownEvent messaging_checkout_updates",
		`"call_settings":{"audio_enabled":true}`:                              "*appevents.UnknownEvent call_settings_update",
		`"recipient_id":"5","call_settings":{}`:                               "*appevents.UnknownEvent call_settings_update",
		`"new":{},"message":5,"payment":{}`:                                   "*appevents.UnknownEvent messages",
		`"reaction":[]`:                                                       "*appevents.UnknownEvent message_reactions",
		`"message":{"mid":"m","is_echo":true},"postback":{"mid":"p"}`:         "*appevents.EchoEvent message_echoes",
		`"postback":{"mid":"p"},"message":{"mid":"m","is_echo":true}`:         "*appevents.EchoEvent message_echoes",
		`"reaction":{"mid":"p"},"message":{"mid":"m"},"message":{"mid":"m2"}`: "*appevents.MessageEvent messages",
	} {
		e := hookItem[appevents.WebhookEvent](t, `{`+hookPeople+`,`+item+`}`)
		require.Equal(t, want, fmt.Sprintf("%T %s", e, e.Field()), item)
		if !strings.Contains(want, "Echo") {
			require.Equal(t, appevents.Thread{PageID: "107", PSID: "654"}, e.Thread(), item)
		}
		if strings.Contains(want, "Message") {
			require.Equal(t, "page/107/message/m", e.DedupeKey(), item)
		}
	}

	// Any key that names an event may be null, of another kind, or come second.
	for _, key := range []string{
		"message", "postback", "referral", "optin", "delivery", "read", "message_edit", "reaction", "account_linking",
		"pass_thread_control", "take_thread_control", "request_thread_control", "app_roles", "policy_enforcement",
		"policy-enforcement", "game_play", "order", "response_feedback", "messaging_feedback", "call_permission_reply",
	} {
		nothing := hookItem[*appevents.UnknownEvent](t, `{"`+key+`":null}`)
		require.Empty(t, nothing.Key)
		require.NoError(t, nothing.Err())
		for _, odd := range []string{`5`, `"x"`, `[]`, `true`} {
			strange := hookItem[*appevents.UnknownEvent](t, `{"`+key+`":`+odd+`}`)
			require.Equal(t, key, strange.Key)
			require.NotEmpty(t, strange.Field())
			require.ErrorContains(t, strange.Err(), key+": must be an object")
		}
		hookItem[*appevents.MessageEvent](t, `{"message":{},"`+key+`":{}}`)
		empty := hookItem[appevents.WebhookEvent](t, `{"`+key+`":{}}`)
		require.NotEqual(t, "*appevents.UnknownEvent", fmt.Sprintf("%T", empty))
		require.NoError(t, empty.Err())
	}

	// Siblings belong to the event, wherever they stand.
	message := hookItem[*appevents.MessageEvent](t, `{"prior_message":{"source":"checkbox_plugin","identifier":"ref-77"},
		"message":{"mid":"m"},"hop_context":[{"app_id":5,"metadata":"x"}]}`)
	require.Equal(t, &appevents.PriorMessage{Source: "checkbox_plugin", Identifier: "ref-77"}, message.PriorMessage)
	require.Equal(t, []appevents.HopContext{{AppID: "5", Metadata: "x"}}, message.HopContext())
	echo := hookItem[*appevents.EchoEvent](t, `{"message":{"is_echo":true},"prior_message":{"source":"s"}}`)
	require.Equal(t, "s", echo.PriorMessage.Source)
	referral := hookItem[*appevents.ReferralEvent](t, `{"lead":{"data":[{"question":"City?","answer":"Oslo"}]},
		"referral":{"type":"LEAD_COMPLETE"}}`)
	require.Equal(t, []appevents.LeadAnswer{{Question: "City?", Answer: "Oslo"}}, referral.Lead)
}

func TestParseWebhook_Threads(t *testing.T) {
	t.Parallel()
	thread := func(page, psid appevents.ID) appevents.Thread { return appevents.Thread{PageID: page, PSID: psid} }
	for _, test := range []struct {
		name, entry, item string
		want              appevents.Thread
	}{
		{"person writes", `"id":"107"`, `"sender":{"id":"654"},"recipient":{"id":"107"},"message":{}`, thread("107", "654")},
		{"business writes", `"id":"107"`, `"sender":{"id":"107"},"recipient":{"id":"654"},"message":{"is_echo":true}`,
			thread("107", "654")},
		{"business is the sender", `"id":"107"`, `"sender":{"id":"107"},"recipient":{"id":"654"},"read":{}`,
			thread("107", "654")},
		{"business is the sender, ids mixed", `"id":107`, `"sender":{"id":"107"},"recipient":{"id":654},"read":{}`,
			thread("107", "654")},
		{"echo, entry unknown", `"x":1`, `"sender":{"id":"107"},"recipient":{"id":"654"},"message":{"is_echo":true}`,
			thread("107", "654")},
		{"echo without sender", `"id":"107"`, `"recipient":{"id":"654"},"message":{"is_echo":true}`, thread("107", "654")},
		{"no recipient", `"id":"107"`, `"sender":{"id":"654"},"message":{}`, thread("107", "654")},
		{"nobody", `"id":"107"`, `"message":{}`, thread("107", "")},
		{"nothing", `"x":1`, `"message":{}`, thread("", "")},
		{"test entry", `"id":"0"`, `"sender":{"id":"12334"},"recipient":{"id":"23245"},"message":{}`,
			thread("23245", "12334")},
		{"test entry with nobody", `"id":"0"`, `"message":{}`, thread("", "")},
		{"odd parties", `"id":"107"`, `"sender":null,"recipient":"107","message":{}`, thread("107", "")},
		{"written to itself", `"id":"107"`, `"sender":{"id":"107"},"recipient":{"id":"107"},"message":{}`, thread("107", "107")},
	} {
		e := hookOnly[appevents.WebhookEvent](t, `{"object":"page","entry":[{"messaging":[{`+test.item+`}],`+test.entry+`}]}`)
		require.Equal(t, test.want, e.Thread(), test.name)
	}
	for call, want := range map[string]appevents.Thread{
		`"from":"654","to":"107","call_direction":"user_initiated"`:     thread("107", "654"),
		`"from":"107","to":"654","call_direction":"business_initiated"`: thread("107", "654"),
		`"event":"terminate"`: thread("107", ""),
	} {
		e := hookOnly[*appevents.CallEvent](t, `{"object":"page","entry":[{"calls":[{`+call+`}],"id":"107"}]}`)
		require.Equal(t, want, e.Thread(), call)
	}
}

func TestWebhookEvent_DedupeKeysTellEventsApart(t *testing.T) {
	t.Parallel()
	body := func(object, page, list, item string) string {
		return `{"object":"` + object + `","entry":[{"id":"` + page + `","time":1718000000456,"` + list + `":[` + item + `]}]}`
	}
	const who = `"sender":{"id":"654"},"recipient":{"id":"107"},"timestamp":1718000000123,`
	keys := map[string]string{}
	for _, b := range []string{
		// All about the same message.
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"m"}}`),
		body("page", "107", "standby", `{`+who+`"message":{"mid":"m"}}`),
		body("instagram", "107", "messaging", `{`+who+`"message":{"mid":"m"}}`),
		body("page", "108", "messaging", `{"sender":{"id":"654"},"message":{"mid":"m"}}`),
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"m","is_echo":true}}`),
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"m","is_deleted":true}}`),
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"m","is_deleted":true,"is_echo":true}}`),
		body("page", "107", "messaging", `{`+who+`"message_edit":{"mid":"m","num_edit":1}}`),
		body("page", "107", "messaging", `{`+who+`"message_edit":{"mid":"m","num_edit":2}}`),
		body("page", "107", "messaging", `{`+who+`"reaction":{"mid":"m","action":"react"}}`),
		body("page", "107", "messaging", `{`+who+`"reaction":{"mid":"m","action":"unreact"}}`),
		body("page", "107", "messaging", `{"sender":{"id":"655"},"timestamp":1718000000123,"reaction":{"mid":"m","action":"react"}}`),
		body("page", "107", "messaging", `{"sender":{"id":"654"},"timestamp":1718000000124,"reaction":{"mid":"m","action":"react"}}`),
		body("instagram", "107", "messaging", `{`+who+`"read":{"mid":"m"}}`),
		body("page", "107", "messaging", `{`+who+`"response_feedback":{"mid":"m","feedback":"Good response"}}`),
		body("page", "107", "messaging", `{`+who+`"response_feedback":{"mid":"m","feedback":"Bad response"}}`),
		body("page", "107", "messaging", `{`+who+`"postback":{"mid":"m","payload":"A"}}`),
		// Without a message ID.
		body("page", "107", "messaging", `{`+who+`"message":{"text":"one"}}`),
		body("page", "107", "messaging", `{`+who+`"message":{"text":"two"}}`),
		body("page", "107", "messaging", `{`+who+`"postback":{"payload":"A"}}`),
		body("page", "107", "messaging", `{`+who+`"postback":{"payload":"B"}}`),
		body("page", "107", "messaging", `{"sender":{"user_ref":"a"},"postback":{"payload":"A"}}`),
		body("page", "107", "messaging", `{"sender":{"user_ref":"b"},"postback":{"payload":"A"}}`),
		body("page", "107", "messaging", `{`+who+`"delivery":{"watermark":1}}`),
		body("page", "107", "messaging", `{`+who+`"delivery":{"watermark":2}}`),
		body("page", "107", "messaging", `{`+who+`"pass_thread_control":{"metadata":"x"}}`),
		body("page", "107", "messaging", `{`+who+`"take_thread_control":{"metadata":"x"}}`),
		body("page", "107", "messaging", `{`+who+`"new_one":{"metadata":"x"}}`),
		body("page", "107", "messaging", `{`+who+`"new_two":{"metadata":"x"}}`),
		body("page", "107", "calls", `{"id":"m","event":"connect"}`),
		body("page", "107", "calls", `{"id":"m","event":"terminate"}`),
		body("page", "107", "changes", `{"field":"a","value":1}`),
		body("page", "107", "changes", `{"field":"b","value":1}`),
		body("page", "107", "changes", `{"field":"a","value":2}`),
		body("page", "107", "changed_fields", `"a"`),
		// IDs made to look like more than one part.
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"m/m"}}`),
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"~m"}}`),
		body("page", "107/message", "messaging", `{"message":{"mid":"m"}}`),
		body("page", "107", "messaging", `{"sender":{"id":"c"},"reaction":{"mid":"a/b"}}`),
		body("page", "107", "messaging", `{"sender":{"id":"b/c"},"reaction":{"mid":"a"}}`),
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"two words"}}`),
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"ünicode"}}`),
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"`+strings.Repeat("x", 2000)+`"}}`),
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"`+strings.Repeat("x", 2001)+`"}}`),
		// The first 16 bytes of the SHA-256 of 2000 times x, as if they were an ID.
		body("page", "107", "messaging", `{`+who+`"message":{"mid":"~`+hashOfTheLongID()+`"}}`),
	} {
		e := hookOnly[appevents.WebhookEvent](t, b)
		key := e.DedupeKey()
		require.NotContains(t, keys, key, "%s\n%s", b, keys[key])
		keys[key] = b
		require.Equal(t, key, e.DedupeKey())
		require.LessOrEqual(t, len(key), 512)
		for _, c := range []byte(key) {
			require.True(t, c > ' ' && c < 0x7f, key)
		}
	}
}

func hashOfTheLongID() string {
	sum := sha256.Sum256([]byte(strings.Repeat("x", 2000)))
	return hex.EncodeToString(sum[:16])
}

func TestWebhookEvent_DedupeKeysDoNotChange(t *testing.T) {
	t.Parallel()
	same := func(a, b string) {
		t.Helper()
		one, two := hookOnly[appevents.WebhookEvent](t, a), hookOnly[appevents.WebhookEvent](t, b)
		require.Equal(t, one.DedupeKey(), two.DedupeKey())
	}
	// Sent again in other company, at another time, with the object elsewhere.
	same(`{"object":"page","entry":[{"id":"107","time":1718000000456,"messaging":[{`+hookPeople+`,"postback":{"title":"x"}}]}]}`,
		`{"entry":[{"messaging":[{`+hookPeople+`,"postback":{"title":"x"}}],"time":1718000009999,"id":"107"}],"object":"page"}`)
	same(`{"object":"page","entry":[{"id":"107","time":1,"messaging":[{"delivery":{"watermark":1718000000000}}]}]}`,
		`{"object":"page","entry":[{"id":"107","time":2,"messaging":[{"delivery":{"watermark":1718000000000}}]}]}`)
	same(`{"object":"page","entry":[{"id":"107","time":1,"changes":[{"field":"f","value":{"timestamp":1718000000}}]}]}`,
		`{"object":"page","entry":[{"id":"107","time":2,"changes":[{"field":"f","value":{"timestamp":1718000000}}]}]}`)

	// Without a time of its own, the entry's tells two equal changes apart.
	change := func(time string) string {
		return hookOnly[*appevents.ChangeEvent](t, `{"object":"page","entry":[{"id":"107","time":`+time+
			`,"changes":[{"field":"f","value":{"event":"APPROVED"}}]}]}`).DedupeKey()
	}
	require.NotEqual(t, change("1718000000"), change("1718000001"))
}

func TestParseWebhook_MessageParts(t *testing.T) {
	t.Parallel()
	samples := hookSamples(t)
	message := func(file string) *appevents.MessageEvent {
		return hookOnly[*appevents.MessageEvent](t, string(samples[file]))
	}

	require.Equal(t, "CONFIRM_YES", message("message_quick_reply.json").QuickReply.Payload)
	require.Equal(t, &appevents.ReplyTo{MID: "m_previous01"}, message("message_reply_to.json").ReplyTo)
	require.Equal(t, &appevents.Story{ID: "1789", URL: "https://cdn.example.invalid/s"},
		message("ig_story_reply.json").ReplyTo.Story)
	require.Equal(t, []string{"flights"}, message("message_commands.json").Commands)
	require.Equal(t, []string{"customer_chat_plugin"}, message("message_tags.json").Tags)
	require.Equal(t, &appevents.Appointment{
		BookingID: "bk_5521", Status: "requested", Timezone: "America/Los_Angeles",
		Start: time.Unix(1739612400, 0).UTC(), End: time.Unix(1739616000, 0).UTC(),
	}, message("message_appointment.json").Attachments[0].Appointment)
	require.Equal(t, &appevents.Coordinates{Lat: 52.3765533, Long: 9.7389123},
		message("message_location_legacy.json").Attachments[0].Location)
	require.Equal(t, []appevents.Product{{
		ID: "4455667788", RetailerID: "MUG-BLUE", ImageURL: "https://cdn.example.invalid/mug.jpg", Title: "Blue mug",
		Subtitle: "$12",
	}}, message("message_product_template.json").Attachments[0].Products)
	require.Equal(t, appevents.ID("784512345678901"), message("message_reel.json").Attachments[0].ReelVideoID)
	require.Equal(t, appevents.ID("122100000000000001"), message("message_post.json").Attachments[0].PostID)
	require.Equal(t, appevents.ID("18139494541428835"), message("ig_ig_post.json").Attachments[0].MediaID)
	require.Equal(t, &appevents.Referral{
		Source: "ADS", Type: "OPEN_THREAD", Ref: "spring_1", AdID: "6302572858686",
		Ad: &appevents.AdContext{
			Title: "Spring mugs", PhotoURL: "https://cdn.example.invalid/ad.jpg",
			VideoURL: "https://cdn.example.invalid/ad.mp4", PostID: "107001112223334_99", ProductID: "4455667788",
			FlowID: "331122",
		},
	}, message("message_ad_referral.json").Referral)
	require.Equal(t, appevents.ID("4455667788"), message("message_shop_referral.json").Referral.ProductID)
	require.Contains(t, string(message("message_nlp.json").NLP()), `"detected_locales"`)
	require.Nil(t, message("message_text.json").NLP())
	require.True(t, message("message_is_unsupported.json").IsUnsupported)
	require.Equal(t, "Grüße 😊 <50% @ home/ou", message("message_text_escaped.json").Text)

	echo := hookOnly[*appevents.EchoEvent](t, string(samples["echo_template_button.json"]))
	require.Equal(t, &appevents.Template{Type: "button", Text: "Pick", Buttons: []appevents.TemplateButton{
		{Type: "web_url", Title: "Open", URL: "https://example.invalid/"},
	}}, echo.Attachments[0].Template)
	echo = hookOnly[*appevents.EchoEvent](t, string(samples["echo_template_media.json"]))
	require.Equal(t, &appevents.Template{Type: "media", Elements: []appevents.TemplateElement{
		{MediaType: "image", AttachmentID: "2457235337685388"},
	}}, echo.Attachments[0].Template)
	require.Equal(t, "https://www.facebook.com/commerce/update/", echo.Attachments[0].URL)

	echo = hookItem[*appevents.EchoEvent](t, `{"message":{"is_echo":true,"attachments":[{"type":"template","payload":
		{"elements":[{"title":"t","subtitle":"s","image_url":"i","url":"u","buttons":[{"type":"postback","payload":"P"}]}],
		"template_type":"generic"}}]}}`)
	require.Equal(t, &appevents.Template{Type: "generic", Elements: []appevents.TemplateElement{{
		Title: "t", Subtitle: "s", ImageURL: "i", URL: "u",
		Buttons: []appevents.TemplateButton{{Type: "postback", Payload: "P"}},
	}}}, echo.Attachments[0].Template)
}

func TestParseWebhook_InstagramStories(t *testing.T) {
	t.Parallel()
	item := func(message string) *appevents.MessageEvent {
		return hookOnly[*appevents.MessageEvent](t, `{"object":"instagram","entry":[{"id":"178","messaging":[{
			"sender":{"id":"112"},"recipient":{"id":"178"},"message":`+message+`}]}]}`)
	}
	for _, payload := range []string{
		`{"story_media_id":"18139494541428835","story_media_url":"https://cdn.example.invalid/s"}`,
		`{"story_media_url":"https://cdn.example.invalid/s","story_media_id":18139494541428835}`,
		`{"story_media_id":"18139494541428835","url":"https://cdn.example.invalid/s","story_media_url":null}`,
	} {
		e := item(`{"mid":"m","text":"look","attachments":[{"type":"ig_story","payload":` + payload + `}]}`)
		require.NoError(t, e.Err())
		a := e.Attachments[0]
		require.Equal(t, appevents.AttachmentIGStory, a.Type)
		require.Equal(t, "https://cdn.example.invalid/s", a.URL)
		require.Equal(t, appevents.ID("18139494541428835"), a.MediaID)
		require.JSONEq(t, payload, string(a.Payload()))
	}

	// Whether somebody answers themselves stands in reply_to; beside it, it is understood too.
	for message, want := range map[string]*appevents.ReplyTo{
		`{"reply_to":{"mid":"m_0","is_self_reply":true}}`:                       {MID: "m_0", IsSelfReply: true},
		`{"reply_to":{"mid":"m_0","is_self_reply":false}}`:                      {MID: "m_0"},
		`{"reply_to":{"is_self_reply":"true","story":{"id":1}}}`:                {IsSelfReply: true, Story: &appevents.Story{ID: "1"}},
		`{"is_self_reply":true,"reply_to":{"mid":"m_0"}}`:                       {MID: "m_0", IsSelfReply: true},
		`{"reply_to":{"mid":"m_0"},"is_self_reply":true}`:                       {MID: "m_0", IsSelfReply: true},
		`{"reply_to":{"mid":"m_0","is_self_reply":true},"is_self_reply":false}`: {MID: "m_0", IsSelfReply: true},
		`{"is_self_reply":true}`:                                                nil,
	} {
		e := item(message)
		require.NoError(t, e.Err())
		require.Equal(t, want, e.ReplyTo, message)
	}
}

// A change whose value has the parties of an item is about them.
func TestParseWebhook_ChangesNameTheirPerson(t *testing.T) {
	t.Parallel()
	for _, field := range []string{
		"messaging_customer_information", "messaging_in_thread_lead_form_submit", "messaging_optouts", "brand_new",
	} {
		value := `{"sender":{"id":"654"},"recipient":{"id":"107"},"timestamp":1718000000123,"` + field + `":{"screens":[]}}`
		for _, body := range []string{
			`{"object":"page","entry":[{"id":"107","time":1718000000,"changes":[{"field":"` + field + `","value":` + value + `}]}]}`,
			`{"object":"page","entry":[{"id":"0","time":1718000000,"changes":[{"value":` + value + `,"field":"` + field + `"}]}]}`,
			`{"field":"` + field + `","value":` + value + `}`,
		} {
			e := hookOnly[*appevents.ChangeEvent](t, body)
			require.NoError(t, e.Err())
			require.Equal(t, field, e.Field())
			require.Equal(t, appevents.Thread{PageID: "107", PSID: "654"}, e.Thread(), body)
			require.Equal(t, appevents.Party{ID: "654"}, e.Sender())
			require.Equal(t, appevents.Party{ID: "107"}, e.Recipient())
			require.Equal(t, time.UnixMilli(1718000000123).UTC(), e.Time())
			require.JSONEq(t, value, string(e.Value()))
		}
		instagram := hookOnly[*appevents.ChangeEvent](t, `{"object":"instagram","entry":[{"id":"178","changes":[{"field":"`+field+
			`","value":{"sender":{"id":112},"recipient":{"id":178}}}]}]}`)
		require.Equal(t, appevents.Thread{Channel: appevents.ChannelInstagram, PageID: "178", PSID: "112"}, instagram.Thread())
		fromUs := hookOnly[*appevents.ChangeEvent](t, `{"object":"page","entry":[{"id":"107","changes":[{"field":"`+field+
			`","value":{"sender":{"id":"107"},"recipient":{"id":"654"}}}]}]}`)
		require.Equal(t, appevents.Thread{PageID: "107", PSID: "654"}, fromUs.Thread())
	}
	one, other := hookOnly[*appevents.ChangeEvent](t, `{"field":"x","value":{"sender":{"id":"1"},"recipient":{"id":"107"}}}`),
		hookOnly[*appevents.ChangeEvent](t, `{"field":"x","value":{"sender":{"id":"2"},"recipient":{"id":"107"}}}`)
	require.NotEqual(t, one.DedupeKey(), other.DedupeKey())
}

func TestParseWebhook_OtherEvents(t *testing.T) {
	t.Parallel()
	samples := hookSamples(t)

	call := hookOnly[*appevents.CallEvent](t, string(samples["calls_terminate.json"]))
	require.Equal(t, []any{"c_Xy12", "terminate", "Completed", 2 * time.Minute},
		[]any{call.CallID, call.Event, call.Status, call.Duration})
	require.Equal(t, 2*time.Minute, call.End.Sub(call.Start))
	for hop, want := range map[string]string{`null`: "", `{}`: "", `[]`: "", `5`: "hop_context: must be an object"} {
		call := hookItem[*appevents.CallEvent](t, `{"call_permission_reply":{},"hop_context":`+hop+`}`)
		require.Empty(t, call.HopContext())
		if want == "" {
			require.NoError(t, call.Err())
			continue
		}
		require.ErrorContains(t, call.Err(), want)
	}
	for _, duration := range []string{"-1", "9223372037", `"long"`} {
		call = hookOnly[*appevents.CallEvent](t, `{"entry":[{"calls":[{"duration":`+duration+`}]}]}`)
		require.Zero(t, call.Duration)
		require.Error(t, call.Err())
	}
	permission := hookOnly[*appevents.CallEvent](t, string(samples["call_permission_reply.json"]))
	require.Equal(t, "approve", permission.Response)
	require.Equal(t, time.Unix(1718600000, 0).UTC(), permission.Expires)

	feedback := hookOnly[*appevents.FeedbackEvent](t, string(samples["messaging_feedback.json"]))
	require.Equal(t, []appevents.FeedbackScreen{{ID: "0", Questions: map[string]appevents.FeedbackAnswer{
		"q_csat": {Type: "csat", Payload: "5", FollowUp: &appevents.FeedbackAnswer{Type: "free_form", Payload: "quick!"}},
	}}}, feedback.Screens)
	require.Equal(t, time.UnixMilli(1718000000456).UTC(), feedback.Time(), "the entry has the time of submission")
	feedback = hookItem[*appevents.FeedbackEvent](t, `{"messaging_feedback":{"feedback_screens":[{"questions":{
		"name of a person":{"payload":{}},"q":5}}]}}`)
	require.ErrorContains(t, feedback.Err(), "messaging_feedback.feedback_screens.questions.*.payload: must be text")
	require.NotContains(t, feedback.Err().Error(), "name of a person")

	order := hookOnly[*appevents.OrderEvent](t, string(samples["send_cart.json"]))
	require.Equal(t, []appevents.OrderProduct{{
		ID: "123", RetailerID: "MUG-BLUE", Name: "Blue mug", UnitPrice: 11.5, Currency: "THB", Quantity: 2,
	}}, order.Products)
	require.Equal(t, "gift wrap", order.Note)

	optin := hookOnly[*appevents.OptinEvent](t, string(samples["optin_notification_stop.json"]))
	require.Equal(t, "STOP NOTIFICATIONS", optin.NotificationStatus)
	require.Equal(t, time.UnixMilli(1749536000000).UTC(), optin.TokenExpiry)

	optin = hookItem[*appevents.OptinEvent](t, `{"optin":{"notification_messages_frequency":"WEEKLY"}}`)
	require.Equal(t, "WEEKLY", optin.NotificationFrequency)

	game := hookItem[*appevents.GamePlayEvent](t, `{"game_play":{"context_id":5566,"score":"120","payload":"{}"}}`)
	require.Equal(t, appevents.ID("5566"), game.ContextID)
	require.Equal(t, int64(120), game.Score)

	for _, field := range []string{"message_template_status_update", "messenger_template_status_update"} {
		status := hookOnly[*appevents.TemplateStatusEvent](t, `{"object":"page","entry":[{"id":"107","time":1718000000,
			"changes":[{"value":{"event":"REJECTED","message_template_id":1234,"timestamp":1718000001},"field":"`+field+`"}]}]}`)
		require.Equal(t, field, status.Field())
		require.Equal(t, appevents.ID("1234"), status.TemplateID)
		require.Equal(t, "REJECTED", status.Event)
		require.Equal(t, time.Unix(1718000001, 0).UTC(), status.Time())
		require.Equal(t, appevents.Thread{PageID: "107"}, status.Thread())
	}

	flat := hookOnly[*appevents.ChangeEvent](t, `{"object":"page","entry":[{"id":"107","time":1718000000,
		"changes":[{"field":"marketing_message_reads","recipient_id":654,"page_id":107,"timestamp":1718000001}]}]}`)
	require.Equal(t, appevents.Thread{PageID: "107", PSID: "654"}, flat.Thread())
	require.Equal(t, time.Unix(1718000001, 0).UTC(), flat.Time())
	require.Contains(t, string(flat.Value()), "recipient_id")

	changed := hookOnly[*appevents.ChangeEvent](t, string(samples["entry_changed_fields_only.json"]))
	require.Nil(t, changed.Value())
	for _, odd := range []string{`"changed_fields":[5]`, `"changes":[5]`, `"calls":["x"]`} {
		unknown := hookOnly[*appevents.UnknownEvent](t, `{"object":"page","entry":[{"id":"107",`+odd+`}]}`)
		require.Error(t, unknown.Err(), odd)
	}
}

func TestParseWebhook_PartsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for item, want := range map[string]string{
		`"message":{"attachments":null,"commands":null,"tags":null,"reply_to":null}`: "",
		`"message":{"attachments":5}`:                                                     "message.attachments: must be a list",
		`"message":{"commands":{}}`:                                                       "message.commands: must be a list",
		`"message":{"commands":[5]}`:                                                      "message.commands: must be an object",
		`"message":{"commands":[{"name":[]}]}`:                                            "message.commands.name: must be text",
		`"message":{"reply_to":"m"}`:                                                      "message.reply_to: must be an object",
		`"message":{"reply_to":{"story":{"id":1.5}}}`:                                     "message.reply_to.story.id: must be a string",
		`"message":{"attachments":[{"payload":{"coordinates":{"lat":"north"}}}]}`:         "payload.coordinates.lat: must be a number",
		`"message":{"attachments":[{"payload":{"elements":[{"buttons":[{"url":{}}]}]}}]}`: "payload.elements.buttons.url: must be text",
		`"delivery":{"mids":"m"}`:                                                         "delivery.mids: must be a list",
		`"delivery":{"mids":[{}]}`:                                                        "delivery.mids: must be text",
		`"message_edit":{"num_edit":"two"}`:                                               "message_edit.num_edit: must be an integer",
		`"message_edit":{"num_edit":1.5}`:                                                 "message_edit.num_edit: must be an integer",
		`"order":{"products":[{"unit_price":"x"}]}`:                                       "order.products.unit_price: must be a number",
		`"app_roles":{"name of a person":"x"}`:                                            "app_roles.*: must be a list",
	} {
		e := hookItem[appevents.WebhookEvent](t, `{`+item+`}`)
		if want == "" {
			require.NoError(t, e.Err(), item)
			continue
		}
		require.ErrorContains(t, e.Err(), want, item)
		require.NotContains(t, e.Err().Error(), "person")
	}
	message := hookItem[*appevents.MessageEvent](t, `{"message":{"commands":[{"id":"x","name":"a"},{},{"name":"b"}]}}`)
	require.Equal(t, []string{"a", "b"}, message.Commands)
}

func TestParseWebhook_IsBounded(t *testing.T) {
	t.Parallel()

	// A delivery larger than Meta is known to send still works.
	body := benchBody(5000, 2)
	require.Len(t, hookParse(t, body), 10000)

	// An absurd one is refused, whatever it repeats.
	for around, element := range map[string]string{
		`{"object":"page","entry":[%s]}`:                                                                               `{},`,
		`{"object":"page","entry":[{"messaging":[%s]}]}`:                                                               `{},`,
		`{"object":"page","entry":[{"messaging":[{"message":{"attachments":[%s]}}]}]}`:                                 `{},`,
		`{"object":"page","entry":[{"messaging":[{"app_roles":{%s}}]}]}`:                                               `"1":[],`,
		`{"object":"page","entry":[{"messaging":[{"messaging_feedback":{"feedback_screens":[{"questions":{%s}}]}}]}]}`: `"q":{},`,
	} {
		many := strings.TrimSuffix(strings.Repeat(element, 135_000), ",")
		_, err := appevents.ParseWebhook(fmt.Appendf(nil, around, many))
		require.ErrorIs(t, err, appevents.ErrNotWebhook)
		require.ErrorContains(t, err, "more than 131072 parts")
	}

	// It ends there: what follows is not looked at.
	for _, list := range []string{`"messaging":[`, `"changes":[`, `"calls":[`, `"standby":[{"order":{"products":[`} {
		_, err := appevents.ParseWebhook([]byte(`{"object":"page","entry":[{` + list + strings.Repeat(`{},`, 135_000) + `not JSON`))
		require.ErrorContains(t, err, "parts", list)
		require.NotContains(t, err.Error(), "invalid JSON", list)
	}

	// In an ordinary delivery one list that is too long costs its end, and nothing else.
	long := hookParse(t, []byte(`{"object":"page","entry":[{"messaging":[{"message":{"mid":"a"}},{"message":{"mid":"b","attachments":[`+
		strings.Repeat(`{},`, 2000)+`{}]}},{"message":{"mid":"c"}}]}]}`))
	require.Len(t, long, 3)
	require.NoError(t, long[0].Err())
	require.EqualError(t, long[1].Err(),
		"appevents: webhook event partly unreadable: message.attachments: has too many elements (type)")
	require.Equal(t, "b", long[1].(*appevents.MessageEvent).MID)
	require.NotEmpty(t, long[1].(*appevents.MessageEvent).Attachments)
	require.Equal(t, "c", long[2].(*appevents.MessageEvent).MID)
	require.NoError(t, long[2].Err())

	// So is the trouble of one event.
	event := hookItem[*appevents.MessageEvent](t, `{"message":{"attachments":[`+strings.Repeat("5,", 1000)+`5]}}`)
	var partly *appevents.WebhookItemError
	require.ErrorAs(t, event.Err(), &partly)
	require.Len(t, partly.Issues, 8)
}

// Events of a user's own making, as in tests, are empty and nothing else.
func TestWebhookEvent_ZeroValues(t *testing.T) {
	t.Parallel()
	for _, e := range []appevents.WebhookEvent{
		&appevents.MessageEvent{}, &appevents.EchoEvent{}, &appevents.PostbackEvent{}, &appevents.CallEvent{},
		&appevents.ChangeEvent{}, &appevents.UnknownEvent{}, &appevents.FeedbackEvent{},
	} {
		require.Empty(t, e.Field())
		require.Zero(t, e.Thread())
		require.Zero(t, e.Time())
		require.False(t, e.Standby())
		require.NotEmpty(t, e.DedupeKey())
		require.Nil(t, e.Raw())
		require.NoError(t, e.Err())
		require.Empty(t, e.(interface{ HopContext() []appevents.HopContext }).HopContext())
	}
	for range (&appevents.Payload{}).Events() {
		t.Error("an event from nothing")
	}
}

func TestWebhookItemError_Error(t *testing.T) {
	t.Parallel()
	require.Equal(t, "appevents: webhook event partly unreadable", (*appevents.WebhookItemError)(nil).Error())
	require.Equal(t, "appevents: webhook event partly unreadable", (&appevents.WebhookItemError{}).Error())
}
