// Tests of webhook_decode.go.

package appevents_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// One test for each thing real traffic has been seen to break parsers with.

const hookPeople = `"sender":{"id":"654"},"recipient":{"id":"107"},"timestamp":1718000000123`

func TestWebhook_R1_UnknownEventsSpoilNothing(t *testing.T) {
	t.Parallel()
	events := hookParse(t, []byte(`{"object":"page","entry":[{"id":"107","messaging":[
		{`+hookPeople+`,"brand_new_event":{"a":1}},
		{`+hookPeople+`,"message_request":"accept"},
		{`+hookPeople+`,"message":"a text where an object belongs"},
		{},
		17,
		null,
		{`+hookPeople+`,"message":{"mid":"m_1","text":{"not":"text"},"is_echo":"perhaps"}},
		{`+hookPeople+`,"message":{"mid":"m_2","text":"fine"}}
	]}]}`))
	require.Len(t, events, 8)

	brandNew := events[0].(*appevents.UnknownEvent)
	require.Equal(t, "brand_new_event", brandNew.Key)
	require.JSONEq(t, `{"a":1}`, string(brandNew.Value()))
	require.NoError(t, brandNew.Err())
	require.Equal(t, appevents.ID("654"), brandNew.Thread().PSID)

	request := events[1].(*appevents.UnknownEvent)
	require.Equal(t, "message_request", request.Key)
	require.JSONEq(t, `"accept"`, string(request.Value()))

	wrong := events[2].(*appevents.UnknownEvent)
	require.Equal(t, "message", wrong.Key)
	require.Equal(t, "messages", wrong.Field())
	var partly *appevents.WebhookItemError
	require.ErrorAs(t, wrong.Err(), &partly)
	require.Equal(t, []appevents.Issue{{Path: "message", Rule: appevents.RuleType, Message: "must be an object"}},
		partly.Issues)

	require.Equal(t, "appevents: webhook event partly unreadable: message: must be an object (type)", wrong.Err().Error())

	require.Empty(t, events[3].(*appevents.UnknownEvent).Key)
	require.Error(t, events[4].(*appevents.UnknownEvent).Err())
	require.IsType(t, &appevents.UnknownEvent{}, events[5])

	half := events[6].(*appevents.MessageEvent)
	require.Equal(t, "m_1", half.MID)
	require.ErrorAs(t, half.Err(), &partly)
	require.Equal(t, []appevents.Issue{
		{Path: "message.text", Rule: appevents.RuleType, Message: "must be text"},
		{Path: "message.is_echo", Rule: appevents.RuleType, Message: "must be true or false"},
	}, partly.Issues)
	require.Equal(t, "appevents: webhook event partly unreadable: message.text: must be text (type); and 1 more",
		half.Err().Error())

	fine := events[7].(*appevents.MessageEvent)
	require.Equal(t, "fine", fine.Text)
	require.NoError(t, fine.Err())
}

func TestWebhook_R2_EntriesWithoutMessaging(t *testing.T) {
	t.Parallel()
	events := hookParse(t, []byte(`{"object":"page","entry":[
		{"id":"107","standby":[{`+hookPeople+`,"read":{"watermark":1718000000000}}]},
		{"id":"107","time":1718000000,"changes":[{"field":"feed","value":{"item":"like"}}]},
		{"id":"107","time":1718000000,"calls":[{"id":"c_1","event":"connect"}]},
		{"id":"107","time":1718000000,"changed_fields":["messages","feed"]},
		{"id":"107","messaging":null},
		{"id":"107","messaging":[]},
		{"id":"107"},
		{`+hookPeople+`,"call_permission_reply":{"response":"reject"}},
		{"id":"107","time":1718000000,"field":"comments","value":{"id":"1790"}},
		{"id":"107","time":1718000000,"messaging":[{`+hookPeople+`,"read":{}}],"new_list":[{"x":1}],"note":"ignored"},
		{"id":"107","messaging":{"message":{}}},
		{"id":"107","time":1718000000,"brand_new_event":{"a":1}}
	]}`))
	kinds := make([]string, len(events))
	for i, e := range events {
		kinds[i] = strings.TrimPrefix(fmt.Sprintf("%T", e), "*appevents.") + " " + e.Field()
	}
	require.Equal(t, []string{
		"ReadEvent message_reads",
		"ChangeEvent feed",
		"CallEvent calls",
		"ChangeEvent messages", "ChangeEvent feed",
		"CallEvent call_permission_reply",
		"ChangeEvent comments",
		"ReadEvent message_reads", "UnknownEvent ",
		"UnknownEvent ",
		"UnknownEvent ",
	}, kinds)
	require.Equal(t, "brand_new_event", events[10].(*appevents.UnknownEvent).Key)
	require.JSONEq(t, `[{"x":1}]`, string(events[8].Raw()))
	require.Len(t, hookParse(t, []byte(`{"object":"page","entry":[{"id":"107","time":1718000000,"hop_context":{},
		"messaging":[],"standby":[],"changes":[],"changed_fields":[],"calls":[],"new_list":[]}]}`)), 1)
	bare := hookOnly[*appevents.ChangeEvent](t, `{"object":"page","entry":[{"id":"107","time":1718000000,"field":"x"}]}`)
	require.Nil(t, bare.Value())
	require.Equal(t, "new_list", events[8].(*appevents.UnknownEvent).Key)
	require.ErrorContains(t, events[9].Err(), "must be a list")
	require.Equal(t, "reject", events[5].(*appevents.CallEvent).Response)
	require.Equal(t, appevents.ID("107"), events[6].Thread().PageID)
}

func TestWebhook_R3_DashboardTests(t *testing.T) {
	t.Parallel()

	// The old form names only the Page.
	change := hookOnly[*appevents.ChangeEvent](t, `{"object":"page","entry":[{"id":"0","time":1718000000,
		"changes":[{"field":"messages","value":{"page_id":107}}]}]}`)
	require.Equal(t, "messages", change.Field())
	require.Equal(t, appevents.Thread{PageID: "107"}, change.Thread())
	require.Equal(t, time.Unix(1718000000, 0).UTC(), change.Time())

	// The new one wraps an event, in an envelope or bare.
	value := `{"field":"messages","value":{"sender":{"id":"12334"},"recipient":{"id":"23245"},
		"timestamp":"1527459824","message":{"mid":"random_mid","text":"random_text"}}}`
	for _, body := range []string{
		value,
		"[" + value + "]",
		`{"object":"page","entry":[{"id":"0","time":1718000000,"changes":[` + value + `]}]}`,
	} {
		event := hookOnly[*appevents.MessageEvent](t, body)
		require.Equal(t, "random_text", event.Text)
		require.Equal(t, "messages", event.Field())
		require.Equal(t, appevents.Thread{PageID: "23245", PSID: "12334"}, event.Thread())
		require.Equal(t, time.Unix(1527459824, 0).UTC(), event.Time())
		require.JSONEq(t, value, string(event.Raw()))
	}

	// An echo without app_id.
	echo := hookItem[*appevents.EchoEvent](t, `{"sender":{"id":"107"},"recipient":{"id":"654"},"timestamp":"1527459824",
		"message":{"mid":"random_mid","is_echo":true}}`)
	require.Empty(t, echo.AppID)
}

func TestWebhook_R4_IDsAreStringsOrNumbers(t *testing.T) {
	t.Parallel()
	for _, quote := range []string{"", `"`} {
		id := func(s string) string { return quote + s + quote }
		event := hookOnly[*appevents.MessageEvent](t, `{"object":"page","entry":[{"id":`+id("18139494541428835")+
			`,"messaging":[{"sender":{"id":`+id("6543210987654321")+`},"recipient":{"id":`+id("18139494541428835")+
			`},"message":{"mid":"m","app_id":`+id("9007199254740993")+`}}]}]}`)
		require.Equal(t, appevents.Thread{PageID: "18139494541428835", PSID: "6543210987654321"}, event.Thread())
		require.Equal(t, appevents.ID("9007199254740993"), event.AppID)
		require.NoError(t, event.Err())
	}
	for _, bad := range []string{`1.5`, `1e3`, `true`, `{}`, `[]`} {
		event := hookItem[*appevents.MessageEvent](t, `{"sender":{"id":`+bad+`},"message":{"mid":"m"}}`)
		require.Empty(t, event.Sender().ID)
		require.ErrorContains(t, event.Err(), "sender.id: must be a string or an integer", bad)
	}
}

func TestWebhook_R5_SenderIsOptional(t *testing.T) {
	t.Parallel()

	// Nobody at all: the Page is still known.
	policy := hookItem[*appevents.PolicyEvent](t, `{"recipient":{"id":"107"},"policy_enforcement":{"action":"warning"}}`)
	require.Equal(t, appevents.Thread{PageID: "107"}, policy.Thread())
	edit := hookItem[*appevents.EditEvent](t, `{"message_edit":{"mid":"m_1","num_edit":0}}`)
	require.Equal(t, appevents.Thread{PageID: "107"}, edit.Thread())

	// A guest of the chat plugin.
	guest := hookItem[*appevents.PostbackEvent](t, `{"sender":{"user_ref":105917555039643},"recipient":{"id":"107"},
		"postback":{"payload":"hey"}}`)
	require.Equal(t, appevents.Thread{PageID: "107"}, guest.Thread())
	require.Equal(t, appevents.Party{UserRef: "105917555039643"}, guest.Sender())

	// The checkbox plugin says who it was inside the event.
	optin := hookItem[*appevents.OptinEvent](t, `{"recipient":{"id":"107"},"optin":{"ref":"checkout","user_ref":"ref-77"}}`)
	require.Equal(t, appevents.Thread{PageID: "107"}, optin.Thread())
	require.Equal(t, "ref-77", optin.Sender().UserRef)
	require.Equal(t, "ref-77", optin.UserRef)

	known := hookItem[*appevents.OptinEvent](t, `{"sender":{"id":"654"},"optin":{"user_ref":"ref-77"}}`)
	require.Equal(t, appevents.Party{ID: "654"}, known.Sender())

	// Both at once.
	both := hookItem[*appevents.ReferralEvent](t, `{"sender":{"id":"654","user_ref":"ref-77"},"recipient":{"id":"107"},
		"referral":{"ref":"r"}}`)
	require.Equal(t, appevents.Party{ID: "654", UserRef: "ref-77"}, both.Sender())
	require.Equal(t, appevents.ID("654"), both.Thread().PSID)

	// Guests do not share keys, and what the business named them does not show.
	other := hookItem[*appevents.PostbackEvent](t, `{"sender":{"user_ref":"ann@example.invalid"},
		"recipient":{"id":"107"},"postback":{"payload":"hey"}}`)
	require.NotEqual(t, guest.DedupeKey(), other.DedupeKey())
	require.NotContains(t, other.DedupeKey(), "ann")
}

func TestWebhook_R6_AttachmentTypesAreOpen(t *testing.T) {
	t.Parallel()
	event := hookItem[*appevents.MessageEvent](t, `{`+hookPeople+`,"message":{"mid":"m","text":"look","attachments":[
		{"type":"hologram","payload":{"url":"https://cdn.example.invalid/h","depth":3}},
		{"type":"image","payload":{"url":"https://cdn.example.invalid/i"}},
		"what", 5]}}`)
	require.Equal(t, "look", event.Text)
	require.Len(t, event.Attachments, 4)
	require.Equal(t, appevents.AttachmentType("hologram"), event.Attachments[0].Type)
	require.Equal(t, "https://cdn.example.invalid/h", event.Attachments[0].URL)
	require.JSONEq(t, `{"url":"https://cdn.example.invalid/h","depth":3}`, string(event.Attachments[0].Payload()))
	require.Equal(t, appevents.AttachmentImage, event.Attachments[1].Type)
	require.Zero(t, event.Attachments[2])
	require.ErrorContains(t, event.Err(), "message.attachments: must be an object (type); and 1 more")
}

func TestWebhook_R7_AttachmentPayloads(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, attachment, url, title, payload string }{
		{"absent", `{"type":"ephemeral"}`, "", "", ""},
		{"null", `{"type":"fallback","payload":null}`, "", "", ""},
		{"beside", `{"title":"Mug","url":"u","type":"fallback","payload":null}`, "u", "Mug", ""},
		{"capitals", `{"title":"Mug","URL":"u","type":"fallback","payload":null}`, "u", "Mug", ""},
		{"inside", `{"type":"fallback","payload":{"url":"u","title":"Mug"}}`, "u", "Mug", `{"url":"u","title":"Mug"}`},
		{"no url", `{"type":"fallback","payload":{"title":"Gone"}}`, "", "Gone", `{"title":"Gone"}`},
		{"both, inside first", `{"payload":{"url":"in","title":"In"},"url":"out","title":"Out"}`, "in", "In",
			`{"url":"in","title":"In"}`},
		{"both, outside first", `{"url":"out","title":"Out","payload":{"url":"in","title":"In"}}`, "in", "In",
			`{"url":"in","title":"In"}`},
		{"mixed", `{"url":"out","title":"","payload":{"template_type":"media","title":"In"}}`, "out", "In",
			`{"template_type":"media","title":"In"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			event := hookItem[*appevents.MessageEvent](t, `{"message":{"attachments":[`+test.attachment+`]}}`)
			require.NoError(t, event.Err())
			require.Len(t, event.Attachments, 1)
			a := event.Attachments[0]
			require.Equal(t, []string{test.url, test.title, test.payload}, []string{a.URL, a.Title, string(a.Payload())})
		})
	}
	event := hookItem[*appevents.MessageEvent](t, `{"message":{"attachments":[{"type":"image","payload":"u"}]}}`)
	require.ErrorContains(t, event.Err(), "message.attachments.payload: must be an object")
	require.JSONEq(t, `"u"`, string(event.Attachments[0].Payload()))
}

func TestWebhook_R8_StickersFold(t *testing.T) {
	t.Parallel()
	const (
		sticker = `{"type":"sticker","payload":{"url":"s","sticker_id":369239263222822}}`
		copied  = `{"type":"image","payload":{"url":"s","sticker_id":"369239263222822"}}`
		other   = `{"type":"image","payload":{"url":"s","sticker_id":1}}`
		image   = `{"type":"image","payload":{"url":"i"}}`
	)
	for _, test := range []struct{ all, folded []string }{
		{[]string{sticker, copied}, []string{sticker}},
		{[]string{copied, sticker}, []string{sticker}},
		{[]string{image, copied, sticker, other}, []string{image, sticker, other}},
		{[]string{copied}, []string{copied}},
		{[]string{sticker}, []string{sticker}},
		{[]string{image, image}, []string{image, image}},
		{nil, nil},
	} {
		event := hookItem[*appevents.MessageEvent](t, `{"message":{"attachments":[`+strings.Join(test.all, ",")+`]}}`)
		var got []string
		for _, a := range event.FoldStickers() {
			got = append(got, `{"type":"`+string(a.Type)+`","payload":`+string(a.Payload())+`}`)
		}
		require.Equal(t, test.folded, got)
		require.Len(t, event.Attachments, len(test.all), "the message itself keeps all")
	}
}

func TestWebhook_R9_ReferralsMayBeNearlyEmpty(t *testing.T) {
	t.Parallel()
	postback := hookItem[*appevents.PostbackEvent](t, `{`+hookPeople+`,"postback":{"payload":"MENU",
		"referral":{"source":"CUSTOMER_CHAT_PLUGIN"}}}`)
	require.Equal(t, &appevents.Referral{Source: "CUSTOMER_CHAT_PLUGIN"}, postback.Referral)
	require.NoError(t, postback.Err())

	event := hookItem[*appevents.ReferralEvent](t, `{`+hookPeople+`,"referral":{"ref":null,"ad_id":6302572858686,
		"ads_context_data":null,"product":null}}`)
	require.Equal(t, appevents.Referral{AdID: "6302572858686"}, event.Referral)
	require.NoError(t, event.Err())
}

func TestWebhook_R10_DeliveriesMayLackMessagesAndTime(t *testing.T) {
	t.Parallel()
	event := hookItem[*appevents.DeliveryEvent](t, `{"sender":{"id":"654"},"recipient":{"id":"107"},
		"delivery":{"watermark":"1718000000000"}}`)
	require.Empty(t, event.MIDs)
	require.Equal(t, time.UnixMilli(1718000000000).UTC(), event.Watermark)
	require.True(t, event.Time().IsZero())
	require.NoError(t, event.Err())

	event = hookItem[*appevents.DeliveryEvent](t, `{"timestamp":0,"delivery":{"mids":["a","b"],"seq":1}}`)
	require.Equal(t, []string{"a", "b"}, event.MIDs)
	require.True(t, event.Watermark.IsZero())
	require.True(t, event.Time().IsZero())
}

func TestWebhook_R11_SecondsAndMilliseconds(t *testing.T) {
	t.Parallel()
	second := time.Unix(1718000000, 0).UTC()
	for stamp, want := range map[string]time.Time{
		`1718000000`:         second,
		`"1718000000"`:       second,
		`1718000000123`:      second.Add(123 * time.Millisecond),
		`"1718000000123"`:    second.Add(123 * time.Millisecond),
		`1.718e12`:           second,
		`1`:                  time.Unix(1, 0).UTC(),
		`99999999999`:        time.Unix(99999999999, 0).UTC(),
		`100000000000`:       time.UnixMilli(100000000000).UTC(),
		`253402300799999`:    time.UnixMilli(253402300799999).UTC(),
		`0`:                  {},
		`"0"`:                {},
		`""`:                 {},
		`null`:               {},
		`-5`:                 {},
		`253402300800000`:    {},
		`1.5`:                {},
		`"yesterday"`:        {},
		`{}`:                 {},
		`999999999999999999`: {},
	} {
		event := hookItem[*appevents.ReadEvent](t, `{"timestamp":`+stamp+`,"read":{"watermark":`+stamp+`}}`)
		require.Equal(t, want, event.Time(), stamp)
		require.Equal(t, want, event.Watermark, stamp)
		unreadable := strings.ContainsAny(stamp, "-.y{") && want.IsZero() || len(stamp) > 14 && want.IsZero()
		require.Equal(t, unreadable, event.Err() != nil, stamp)
	}
	item := hookItem[*appevents.ReadEvent](t, `{"read":{"watermark":1}}`)
	require.True(t, item.Time().IsZero(), "the entry's time is not the event's")
}

func TestWebhook_R12_EchoesAreNoMessages(t *testing.T) {
	t.Parallel()
	body := `{"object":"page","entry":[{"id":"107","messaging":[
		{"sender":{"id":"107"},"recipient":{"id":"654"},"message":{"mid":"m_1","is_echo":true,"text":"from us"}},
		{"sender":{"id":"654"},"recipient":{"id":"107"},"message":{"mid":"m_2","is_echo":false,"text":"from them"}},
		{"sender":{"id":"107"},"recipient":{"id":"654"},"message":{"mid":"m_3","is_echo":"true"}}
	]}]}`
	hook := newHook(t, nil)
	var messages, echoes, all []string
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error {
		messages = append(messages, e.MID)
		return nil
	})
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.EchoEvent) error {
		echoes = append(echoes, e.MID)
		require.Equal(t, appevents.Thread{PageID: "107", PSID: "654"}, e.Thread(), "the person's thread")
		require.Equal(t, "message_echoes", e.Field())
		return nil
	})
	appevents.On(hook.Webhook, func(_ context.Context, e appevents.WebhookEvent) error {
		all = append(all, e.Field())
		return nil
	})
	require.Equal(t, http.StatusOK, hook.deliver(body).Code)
	require.Equal(t, []string{"m_2"}, messages)
	require.Equal(t, []string{"m_1", "m_3"}, echoes)
	require.Equal(t, []string{"message_echoes", "messages", "message_echoes"}, all)
}

func TestWebhook_R13_EchoesWithoutApp(t *testing.T) {
	t.Parallel()
	for appID, want := range map[string]appevents.ID{
		``: "", `"app_id":null,`: "", `"app_id":26390203743090,`: "26390203743090", `"app_id":"15177",`: "15177",
	} {
		echo := hookItem[*appevents.EchoEvent](t, `{"sender":{"id":"107"},"recipient":{"id":"654"},
			"message":{`+appID+`"mid":"m","is_echo":true}}`)
		require.Equal(t, want, echo.AppID)
		require.NoError(t, echo.Err())
	}
}

func TestWebhook_R14_StandbyIsMarked(t *testing.T) {
	t.Parallel()
	body := `{"object":"page","entry":[{"id":"107",
		"standby":[{` + hookPeople + `,"message":{"mid":"m_1"}},{` + hookPeople + `,"postback":{"title":"Talk to us"}}],
		"messaging":[{` + hookPeople + `,"message":{"mid":"m_1"}}]}]}`
	events := hookParse(t, []byte(body))
	require.Len(t, events, 3)
	require.Equal(t, []bool{true, true, false}, []bool{events[0].Standby(), events[1].Standby(), events[2].Standby()})
	require.NotEqual(t, events[0].DedupeKey(), events[2].DedupeKey())
	require.Empty(t, events[1].(*appevents.PostbackEvent).Payload)

	test := hookOnly[*appevents.MessageEvent](t, `{"field":"standby","value":{`+hookPeople+`,"message":{"mid":"m_1"}}}`)
	require.True(t, test.Standby())
	require.Equal(t, "messages", test.Field())

	for skip, want := range map[bool]int{false: 3, true: 1} {
		hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.SkipStandby = skip })
		got := 0
		appevents.On(hook.Webhook, func(context.Context, appevents.WebhookEvent) error {
			got++
			return nil
		})
		require.Equal(t, http.StatusOK, hook.deliver(body).Code)
		require.Equal(t, want, got)
	}
}

func TestWebhook_R15_RedeliveriesHaveTheSameKey(t *testing.T) {
	t.Parallel()
	for file, body := range hookSamples(t) {
		var compact, again []string
		for _, e := range hookParse(t, body) {
			again = append(again, e.DedupeKey())
		}
		var buf strings.Builder
		var doc json.RawMessage = body
		require.NoError(t, json.NewEncoder(&buf).Encode(doc))
		for _, e := range hookParse(t, []byte(buf.String())) {
			compact = append(compact, e.DedupeKey())
		}
		require.Equal(t, again, compact, file)
	}
}

func TestWebhook_R16_SignaturesCoverRawBytes(t *testing.T) {
	t.Parallel()
	var golden struct {
		Vectors []struct {
			Name   string
			Secret string `json:"app_secret"`
			Body   string `json:"body_utf8"`
			Len    int    `json:"body_len"`
			SHA256 string `json:"x_hub_signature_256"`
			SHA1   string `json:"x_hub_signature"`
		}
	}
	hookGolden(t, "signature_vectors.json", &golden)
	require.Len(t, golden.Vectors, 4)
	for _, v := range golden.Vectors {
		verifier, err := appevents.NewVerifier(v.Secret)
		require.NoError(t, err)
		require.Len(t, v.Body, v.Len)
		require.Equal(t, v.SHA256, verifier.Sign([]byte(v.Body)), v.Name)
		require.NoError(t, verifier.Verify([]byte(v.Body), http.Header{"X-Hub-Signature-256": {v.SHA256}}))
		require.NoError(t, verifier.AcceptSHA1().Verify([]byte(v.Body), http.Header{"X-Hub-Signature": {v.SHA1}}))
	}
	// The same event with its text decoded is other bytes, and is refused.
	escaped, decoded := golden.Vectors[1], golden.Vectors[2]
	verifier, err := appevents.NewVerifier(escaped.Secret)
	require.NoError(t, err)
	require.ErrorIs(t, verifier.Verify([]byte(decoded.Body), http.Header{"X-Hub-Signature-256": {escaped.SHA256}}),
		appevents.ErrSignatureMismatch)
	// What was verified is what is parsed.
	event := hookOnly[*appevents.MessageEvent](t, escaped.Body)
	require.Equal(t, "äöå 😊 https://example.invalid/a", event.Text)
}

func TestWebhook_R17_InstagramEditsAndChanges(t *testing.T) {
	t.Parallel()
	edit := hookOnly[*appevents.EditEvent](t, `{"object":"instagram","entry":[{"id":"178","messaging":[
		{"timestamp":1718000000123,"message_edit":{"mid":"aWdf","num_edit":"0"}}]}]}`)
	require.Equal(t, "message_edit", edit.Field())
	require.Equal(t, appevents.Thread{Channel: appevents.ChannelInstagram, PageID: "178"}, edit.Thread())
	require.NoError(t, edit.Err())

	edit = hookOnly[*appevents.EditEvent](t, `{"object":"instagram","entry":[{"id":"178","time":1718000000,"changes":[
		{"field":"message_edit","value":{"timestamp":1718000000123,"message_edit":{"mid":"aWdf","num_edit":3}}}]}]}`)
	require.Equal(t, 3, edit.NumEdit)

	// Words of messaging inside another field's value stay a change.
	for _, value := range []string{
		`{"message":"lovely","from":{"id":"1"}}`, `{"message":{"text":"x"}}`, `{"order":{"id":"5"}}`, `[]`, `5`, `"x"`,
	} {
		change := hookOnly[*appevents.ChangeEvent](t, `{"object":"instagram","entry":[{"id":"178","time":1718000000,
			"changes":[{"field":"comments","value":`+value+`}]}]}`)
		require.JSONEq(t, value, string(change.Value()))
		require.NoError(t, change.Err())
	}
	change := hookOnly[*appevents.ChangeEvent](t, `{"object":"instagram","entry":[{"id":"178","changes":[
		{"field":"comments","value":null}]}]}`)
	require.Nil(t, change.Value())
}

func TestWebhook_R18_InstagramUnsend(t *testing.T) {
	t.Parallel()
	item := func(flags string) string {
		return `{"object":"instagram","entry":[{"id":"178","messaging":[{"sender":{"id":"112"},"recipient":{"id":"178"},
			"message":{"mid":"aWdf"` + flags + `}}]}]}`
	}
	sent := hookOnly[*appevents.MessageEvent](t, item(``))
	require.False(t, sent.IsDeleted)
	for _, yes := range []string{`true`, `"true"`, `1`} {
		unsent := hookOnly[*appevents.MessageEvent](t, item(`,"is_deleted":`+yes))
		require.True(t, unsent.IsDeleted)
		require.NotEqual(t, sent.DedupeKey(), unsent.DedupeKey())
		echo := hookOnly[*appevents.EchoEvent](t, item(`,"is_echo":true,"is_deleted":`+yes))
		require.True(t, echo.IsDeleted)
		require.NotEqual(t, unsent.DedupeKey(), echo.DedupeKey())
	}
}

func TestWebhook_R19_RawKeepsWhatIsNew(t *testing.T) {
	t.Parallel()
	item := `{ ` + hookPeople + `, "message": {"mid":"m", "brand_new": [1, {"a": "\u00e4"}]}, "also_new": true }`
	event := hookItem[*appevents.MessageEvent](t, item)
	require.Equal(t, item, string(event.Raw()))

	// It is the caller's copy.
	raw := event.Raw()
	copy(raw, strings.Repeat("x", len(raw)))
	require.Equal(t, item, string(event.Raw()))
	require.Equal(t, "m", event.MID)
}

func TestWebhook_R20_HandoversWithNull(t *testing.T) {
	t.Parallel()
	for item, want := range map[string]appevents.HandoverEvent{
		`"request_thread_control":{"requested_owner_app_id":123,"metadata":null}`: {
			Action: appevents.HandoverRequest, RequestedOwnerAppID: "123"},
		`"pass_thread_control":{"previous_owner_app_id":null,"new_owner_app_id":"123","metadata":"to support"}`: {
			Action: appevents.HandoverPass, NewOwnerAppID: "123", Metadata: "to support"},
		`"take_thread_control":{"previous_owner_app_id":"5","new_owner_app_id":26390203743090}`: {
			Action: appevents.HandoverTake, PreviousOwnerAppID: "5", NewOwnerAppID: "26390203743090"},
		`"app_roles":{"123":["primary_receiver"],"5":["secondary_receiver","other"]}`: {
			Action: appevents.HandoverRoles,
			Roles:  map[appevents.ID][]string{"123": {"primary_receiver"}, "5": {"secondary_receiver", "other"}}},
	} {
		got := hookItem[*appevents.HandoverEvent](t, `{`+hookPeople+`,`+item+`}`)
		require.NoError(t, got.Err())
		require.Equal(t, "messaging_handovers", got.Field())
		require.Equal(t,
			[]any{want.Action, want.NewOwnerAppID, want.PreviousOwnerAppID, want.RequestedOwnerAppID, want.Metadata, want.Roles},
			[]any{got.Action, got.NewOwnerAppID, got.PreviousOwnerAppID, got.RequestedOwnerAppID, got.Metadata, got.Roles})
	}
}

// testHook is a Webhook with what it reports.
type testHook struct {
	*appevents.Webhook
	tb       testing.TB
	verifier *appevents.Verifier
	errs     chan error
}

const (
	hookSecret = "test-app-secret"
	hookToken  = "test-verify-token"
)

func newHook(tb testing.TB, configure func(*appevents.WebhookConfig)) *testHook {
	tb.Helper()
	h := &testHook{tb: tb, errs: make(chan error, 1000)}
	cfg := appevents.WebhookConfig{
		AppSecrets:  []string{hookSecret},
		VerifyToken: hookToken,
		OnError:     func(_ context.Context, err error) { h.errs <- err },
	}
	if configure != nil {
		configure(&cfg)
	}
	var err error
	h.Webhook, err = appevents.NewWebhook(cfg)
	require.NoError(tb, err)
	h.verifier, err = appevents.NewVerifier(hookSecret)
	require.NoError(tb, err)
	return h
}

// request is a delivery as Meta sends it.
func (h *testHook) request(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Hub-Signature-256", h.verifier.Sign([]byte(body)))
	return r
}

func (h *testHook) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func (h *testHook) deliver(body string) *httptest.ResponseRecorder {
	h.tb.Helper()
	return h.serve(h.request(body))
}

// reported drains what OnError was told.
func (h *testHook) reported() (errs []error) {
	for {
		select {
		case err := <-h.errs:
			errs = append(errs, err)
		default:
			return errs
		}
	}
}
