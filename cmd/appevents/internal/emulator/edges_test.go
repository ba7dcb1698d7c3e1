package emulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

func TestMessagesAreChecked(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.say("hi")
	text := func(s string) map[string]any { return map[string]any{"text": s} }
	many := func(n int) []any {
		var list []any
		for range n {
			list = append(list, map[string]any{"content_type": "text", "title": "a", "payload": "b", "type": "postback"})
		}
		return list
	}
	template := func(payload map[string]any) map[string]any {
		return map[string]any{"attachment": map[string]any{"type": "template", "payload": payload}}
	}
	to := map[string]any{"id": kim}
	for name, tc := range map[string]struct {
		to, message map[string]any
		want        string // "" = accepted
	}{
		"text":            {to, text("x"), ""},
		"longest":         {to, text(strings.Repeat("ø", 2000)), ""},
		"too long":        {to, text(strings.Repeat("ø", 2001)), "2000 characters"},
		"nobody":          {nil, text("x"), "recipient"},
		"stranger":        {map[string]any{"id": "1"}, text("x"), "2018001"},
		"person's number": {map[string]any{"id": json.Number(kim)}, text("x"), ""},
		"empty":           {to, map[string]any{}, "text or an attachment"},
		"quick replies":   {to, map[string]any{"text": "x", "quick_replies": many(13)}, ""},
		"too many":        {to, map[string]any{"text": "x", "quick_replies": many(14)}, "quick_replies"},
		"buttons":         {to, template(map[string]any{"template_type": "button", "text": "x", "buttons": many(3)}), ""},
		"four buttons":    {to, template(map[string]any{"template_type": "button", "text": "x", "buttons": many(4)}), "buttons"},
		"generic":         {to, template(map[string]any{"template_type": "generic", "elements": []any{map[string]any{"title": "a"}}}), ""},
		"no elements":     {to, template(map[string]any{"template_type": "generic"}), "elements"},
		"unknown kind":    {to, template(map[string]any{"template_type": "carousel"}), "template_type"},
		"image":           {to, map[string]any{"attachment": map[string]any{"type": "image", "payload": map[string]any{"url": "x"}}}, ""},
		"not in window":   {map[string]any{"id": lee}, text("x"), "2018278"},
	} {
		in := map[string]any{"message": tc.message, "messaging_type": "RESPONSE"}
		if tc.to != nil {
			in["recipient"] = tc.to
		}
		status, body := r.graph(http.MethodPost, "/v26.0/me/messages", in)
		if tc.want == "" {
			require.Equal(t, 200, status, "%s: %s", name, body)
			require.Contains(t, body, `"message_id":"m_`)
			continue
		}
		require.GreaterOrEqual(t, status, 400, name)
		require.Contains(t, body, tc.want, name)
	}
}

func TestMessagesComeAsFormToo(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.say("hi")
	form := url.Values{"recipient": {`{"id":"` + kim + `"}`}, "message": {`{"text":"from a form"}`}}
	token := r.e.Credentials().PageAccessToken
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/me/messages?access_token="+token,
		strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body := r.do(req)
	require.Equal(t, 200, status, body)
	require.Equal(t, "from a form", r.e.Messages(page, kim, 1)[0].Text)
	list, _, _ := r.e.Exchanges(0, 0)
	data, err := json.Marshal(list)
	require.NoError(t, err)
	require.NotContains(t, string(data), token)
}

func TestTheWindowClosesAfterADay(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.say("hi")
	status, _ := r.reply("in time")
	require.Equal(t, 200, status)
	require.Equal(t, 200, r.post("/-/api/clock", map[string]string{"advance": "25h"}, nil))
	status, body := r.reply("too late")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "2018278")
	status, _ = r.log(map[string]any{"_eventName": "fine"})
	require.Equal(t, 200, status)
	r.say("hi again")
	status, _ = r.reply("in time")
	require.Equal(t, 200, status)
	require.Equal(t, 400, r.post("/-/api/clock", map[string]string{"advance": "tomorrow"}, nil))
}

func TestTokensOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{RequireProof: true})
	const foreign = "EAArealtokenofsomebody12345"
	for path, token := range map[string]string{"/v26.0/me": foreign, "/v26.0/me/messages": foreign, "/v26.0/" + kim: foreign} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path+"?access_token="+token, nil)
		status, body := r.do(req)
		require.Equal(t, http.StatusUnauthorized, status, path)
		require.Contains(t, body, `"code":190`)
	}
	status, body := r.graph(http.MethodGet, "/v26.0/me", nil)
	require.Equal(t, 400, status)
	require.Contains(t, body, "appsecret_proof")
	_, all := r.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/-/api/exchanges", nil))
	require.NotContains(t, all, foreign)
}

func TestProfileSubscriptionsAndPersonas(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	ok := func(method, path string, in any, part string) {
		t.Helper()
		status, body := r.graph(method, path, in)
		require.Equal(t, 200, status, body)
		require.Contains(t, body, part)
	}
	menu := []any{map[string]any{"locale": "default", "call_to_actions": []any{
		map[string]string{"type": "postback", "title": "Help", "payload": "HELP"}}}}
	status, body := r.graph(http.MethodPost, "/v26.0/me/messenger_profile", map[string]any{"persistent_menu": menu})
	require.Equal(t, 400, status)
	require.Contains(t, body, "Get Started")
	ok(http.MethodPost, "/v26.0/me/messenger_profile", map[string]any{
		"get_started": map[string]string{"payload": "START"}, "persistent_menu": menu}, "success")
	ok(http.MethodGet, "/v26.0/me/messenger_profile?fields=get_started", nil, `"START"`)
	require.Equal(t, "START", r.e.State().Pages[0].GetStarted)
	require.Equal(t, "Help", r.e.State().Pages[0].Menu[0].Title)
	ok(http.MethodDelete, "/v26.0/me/messenger_profile", map[string]any{"fields": []string{"persistent_menu"}}, "success")
	require.Empty(t, r.e.State().Pages[0].Menu)

	ok(http.MethodPost, "/v26.0/me/personas", map[string]string{"name": "Ann", "profile_picture_url": "https://x.example"}, "id")
	ok(http.MethodGet, "/v26.0/"+page+"/personas", nil, "Ann")
	ok(http.MethodPost, "/v26.0/me/nlp_configs", nil, "true")
	ok(http.MethodGet, "/v26.0/"+kim+"?fields=first_name,locale", nil, `"Kim"`)
	ok(http.MethodGet, "/v26.0/me", nil, "Mug Shop")

	app := r.e.Credentials()
	ok(http.MethodPost, "/v26.0/"+app.AppID+"/subscriptions", map[string]any{"object": "page", "fields": "messages,message_echoes",
		"callback_url": "https://bot.example/webhook", "verify_token": app.VerifyToken,
		"access_token": app.AppID + "|" + app.AppSecret}, "true")
	ok(http.MethodPost, "/v26.0/"+page+"/subscribed_apps", map[string]any{"subscribed_fields": []string{"messages", "message_echoes"}}, "true")
	ok(http.MethodGet, "/v26.0/"+page+"/subscribed_apps", nil, "message_echoes")
	require.Equal(t, "ok", r.e.State().Handshake)

	// A field that is not subscribed to does not arrive, and an echo does.
	var out struct{ Exchanges []emulator.Exchange }
	r.post("/-/api/trigger", map[string]string{"field": "messaging_postbacks"}, &out)
	require.Contains(t, out.Exchanges[0].Skipped, "messaging_postbacks")
	r.say("hi")
	<-r.bot.heard
	r.reply("answer")
	require.Contains(t, <-r.bot.heard, `"is_echo":true`)
	require.Len(t, r.turns(), 2, "an echo is part of the turn")
}

func TestUnknownPathsAreListed(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	status, body := r.graph(http.MethodPost, "/v26.0/me/teleport", nil)
	require.Equal(t, 400, status)
	require.Contains(t, body, `"code":2500`)
	require.Equal(t, []string{"/v26.0/me/teleport"}, r.e.State().Unknown)
}

func TestOddCallsAreAnswered(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	app := r.e.Credentials().AppID
	for _, path := range []string{
		"/", "//", "/v26.0", "/v26.0/", "/v", "/v99.0/me", "/me", "/me/messages", "/" + kim, "/" + app + "/subscriptions",
		"/me/messenger_profile", "/me/personas", "/me/subscribed_apps", "/me/nlp_configs", "/me/message_attachments", "/a/b/c",
		"/me/custom_labels", "/me/pass_thread_control", "/me/take_thread_control", "/me/thread_owner", "/me/conversations",
		"/me/accounts", "/me/dataset", "/" + kim + "/custom_labels", "/" + kim + "/label", "/m_x", "/t_", "/t_" + kim,
		"/t_" + kim + "/messages", "/debug_token", "/app", "/" + app, "/1/events",
		"/" + page + "/dataset", "/%2e%2e/x", "/-", "/-/api/nothing",
	} {
		for _, method := range []string{http.MethodPost, http.MethodDelete, http.MethodPut, http.MethodPatch} {
			for _, body := range []string{
				"", "{", "[]", "null", `{"recipient":[1],"message":"x","fields":{"a":1},"subscribed_fields":7}`, "%zz=1", "\x00\xff",
				`{"recipient":{"id":{}},"message":{"text":{}}}`, `{"persistent_menu":{"a":[]},"get_started":0}`,
				`{"batch":"[{}]","data":[{"user_data":7}]}`, `{"batch":[null,7],"fields":"a{b{c"}`,
				`{"batch":[{"method":"GET","relative_url":"%zz"},{"method":"POST","relative_url":"?batch=[]","body":"%zz"}]}`,
				`{"recipient":{"id":"` + kim + `"},"message":{"attachment":{"type":"template","payload":[]}}}`,
			} {
				for _, media := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data"} {
					req := httptest.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
					req.Header.Set("Content-Type", media)
					req.Header.Set("Authorization", "Bearer "+r.e.Credentials().PageAccessToken)
					status, _ := r.do(req) // do fails when the connection was dropped
					require.Less(t, status, 500, "%s %s %q", method, path, body)
				}
			}
		}
	}
	_, body := r.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/-/api/state", nil))
	require.True(t, json.Valid([]byte(body)))
}
