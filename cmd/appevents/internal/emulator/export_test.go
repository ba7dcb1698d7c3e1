package emulator_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
	"github.com/appevents/appevents-go/graphtest"
)

func (r *rig) export(query string) string {
	r.t.Helper()
	status, body := r.do(httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+"/-/api/export?"+query, nil))
	require.Equal(r.t, 200, status, body)
	return body
}

func TestSessionHoldsWhatPeopleDidAndTheCallsInAnswer(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.graph(http.MethodPost, "/v26.0/me/messenger_profile", map[string]any{"get_started": map[string]string{"payload": "GO"}})
	r.bot.on = func(body string) {
		if strings.Contains(body, lee) {
			return
		}
		r.reply("yes")
		r.log(map[string]any{"_eventName": "fb_mobile_purchase", "_valueToSum": 1.5, "fb_currency": "USD"})
	}
	x := r.say("one")
	r.post("/-/api/say", map[string]string{"text": "two", "psid": lee}, nil)
	r.post("/-/api/trigger", map[string]any{"field": "messages/text", "sign": "wrong"}, nil)
	r.post("/-/api/probe", map[string]any{}, nil)
	_, err := r.e.Again(t.Context(), x.ID)
	require.NoError(t, err)
	r.post("/-/api/faults", map[string]any{"fault": "throttle", "edge": "activities", "times": 1}, nil)
	r.say("three")

	list := r.e.Session("", 0)
	var texts []string
	for _, w := range list {
		texts = append(texts, session.Describe(w.Body).Text)
		require.Equal(t, 200, w.Status)
		require.Equal(t, page, w.Page)
		require.Equal(t, "messages", w.Field)
	}
	require.Equal(t, []string{"one", "two", "one", "three"}, texts, "no forgery, probe or receipt")
	require.Len(t, list[0].Calls, 2, "not what the bot did before")
	require.Equal(t, "/me/messages", list[0].Calls[0].Path)
	require.Contains(t, list[0].Calls[0].Response, "message_id")
	amount := 1.5
	require.Equal(t, []session.Event{{
		Name: "fb_mobile_purchase", Value: &amount, Currency: "USD", Person: kim, Edge: "activities",
	}}, list[0].Events())
	require.NotNil(t, list[1].Calls)
	require.Empty(t, list[1].Calls)
	require.Equal(t, "throttle", list[3].Calls[1].Fault)
	require.True(t, list[3].Calls[1].Events[0].Refused)
	require.Empty(t, list[3].Events(), "a fault says nothing about the bot")

	require.Len(t, r.e.Session(lee, 0), 1)
	require.Len(t, r.e.Session("", r.turns()[0].ID), 1)
	require.Empty(t, r.e.Session("1", 0))
	require.Equal(t, 4, strings.Count(r.export("as=ndjson"), "\n"))
	require.Equal(t, 1, strings.Count(r.export("as=curl&psid="+lee), "curl -sS"))
	require.Equal(t, 1, strings.Count(r.export("as=go&turn=1"), "graphtest.Deliver("))
	for _, secret := range []string{r.e.Credentials().AppSecret, r.e.Credentials().PageAccessToken} {
		require.NotContains(t, r.export("as=ndjson")+r.export("as=go")+r.export("as=curl"), secret)
	}
	for _, bad := range []string{"as=pdf", "turn=x", "turn=0"} {
		status, _ := r.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/-/api/export?"+bad, nil))
		require.Equal(t, 400, status, bad)
	}
}

// A webhook that comes whole, as replay sends it, is seen in the conversation like any other.
func TestAWholeBodyIsPartOfTheConversation(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	for _, body := range []graphtest.Payload{graphtest.Text("from a session"), graphtest.Postback("BUY_MUG"), graphtest.Read()} {
		require.Equal(t, 200, r.post("/-/api/trigger", map[string]any{"body": body.String()}, nil))
	}
	var bubbles []string
	for _, m := range r.e.Messages(page, kim, 10) {
		bubbles = append(bubbles, m.Kind+": "+m.Text)
	}
	require.Equal(t, []string{"text: from a session", "postback: postback BUY_MUG"}, bubbles)
	require.Equal(t, "from a session", r.turns()[0].Summary)
}
