package emulator_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

func hmacHex(secret, message string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

// ask calls Graph with the Page's token and decodes the answer; it must be a success.
func (r *rig) ask(method, path string, in, out any) {
	r.t.Helper()
	_, answer, _ := r.as(r.e.Credentials().PageAccessToken, method, path, in)
	require.Empty(r.t, errorOf(r.t, answer), "%s: %s", path, answer)
	if out != nil {
		require.NoError(r.t, json.Unmarshal([]byte(answer), out), answer)
	}
}

// refused calls Graph with the Page's token and returns code and subcode.
func (r *rig) refused(method, path string, in any) string {
	r.t.Helper()
	_, answer, _ := r.as(r.e.Credentials().PageAccessToken, method, path, in)
	return errorOf(r.t, answer)
}

type rows struct {
	Data []map[string]any
}

func TestLabels(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	var vip struct{ ID string }
	r.ask(http.MethodPost, "/v26.0/me/custom_labels", map[string]string{"page_label_name": "vip"}, &vip)
	require.Equal(t, "100/0", r.refused(http.MethodPost, "/v26.0/me/custom_labels", map[string]string{"page_label_name": "vip"}))
	require.Equal(t, "100/0", r.refused(http.MethodPost, "/v26.0/me/custom_labels", nil))
	r.ask(http.MethodPost, "/v26.0/"+vip.ID+"/label", map[string]string{"user": kim}, nil)
	r.ask(http.MethodPost, "/v26.0/"+vip.ID+"/label", map[string]string{"user": kim}, nil)
	require.Equal(t, "100/0", r.refused(http.MethodPost, "/v26.0/"+vip.ID+"/label", map[string]string{"user": "1"}))
	require.Equal(t, []string{kim}, r.e.State().Pages[0].Labels[0].People)
	var list rows
	r.ask(http.MethodGet, "/v26.0/"+kim+"/custom_labels", nil, &list)
	require.Equal(t, "vip", list.Data[0]["page_label_name"])
	r.ask(http.MethodGet, "/v26.0/"+lee+"/custom_labels", nil, &list)
	require.Empty(t, list.Data)
	r.ask(http.MethodGet, "/v26.0/"+page+"/custom_labels", nil, &list)
	require.Len(t, list.Data, 1)
	r.ask(http.MethodDelete, "/v26.0/"+vip.ID+"/label", map[string]string{"user": kim}, nil)
	r.ask(http.MethodGet, "/v26.0/"+kim+"/custom_labels", nil, &list)
	require.Empty(t, list.Data)
	r.ask(http.MethodGet, "/v26.0/"+vip.ID, nil, nil)
	r.ask(http.MethodDelete, "/v26.0/"+vip.ID, nil, nil)
	require.NotEmpty(t, r.refused(http.MethodGet, "/v26.0/"+vip.ID, nil))
	require.Empty(t, r.e.State().Pages[0].Labels)
}

func TestAttachmentsAreUploadedOnceAndSentByID(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.say("hi")
	image := func(payload map[string]any) map[string]any {
		return map[string]any{"recipient": map[string]string{"id": kim}, "message": map[string]any{
			"attachment": map[string]any{"type": "image", "payload": payload}}}
	}
	var made struct {
		ID string `json:"attachment_id"`
	}
	r.ask(http.MethodPost, "/v26.0/me/message_attachments", image(map[string]any{"url": "https://x.example/a.png"}), &made)
	require.Equal(t, "100/0", r.refused(http.MethodPost, "/v26.0/me/message_attachments", image(nil)))
	require.Equal(t, "100/0", r.refused(http.MethodPost, "/v26.0/me/message_attachments", map[string]any{"message": "x"}))
	r.ask(http.MethodPost, "/v26.0/me/messages", image(map[string]any{"attachment_id": made.ID}), nil)
	require.Equal(t, "100/0", r.refused(http.MethodPost, "/v26.0/me/messages", image(map[string]any{"attachment_id": "1"})))
}

// A conversation that was handed to another app arrives in standby, and cannot be written into.
func TestThreadControl(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.say("hi")
	to := map[string]any{"recipient": map[string]string{"id": kim}, "target_app_id": "26390203743090"}
	var list rows
	r.ask(http.MethodGet, "/v26.0/me/secondary_receivers?fields=id,name", nil, &list)
	require.Equal(t, "26390203743090", list.Data[0]["id"])
	owner := func() string {
		r.ask(http.MethodGet, "/v26.0/me/thread_owner?recipient="+kim, nil, &list)
		return fmt.Sprint(list.Data[0]["thread_owner"])
	}
	require.Contains(t, owner(), r.e.Credentials().AppID)
	r.ask(http.MethodPost, "/v26.0/me/pass_thread_control", to, nil)
	require.Contains(t, owner(), "26390203743090")
	require.Equal(t, "26390203743090", r.e.State().People[0].Owner)
	status, body := r.reply("may I?")
	require.Equal(t, http.StatusForbidden, status)
	require.Equal(t, "10/0", errorOf(t, body))
	r.say("to the other app")
	require.Contains(t, r.bot.bodies[len(r.bot.bodies)-1], `"standby"`)
	r.ask(http.MethodPost, "/v26.0/me/request_thread_control", to, nil)
	require.Contains(t, owner(), "26390203743090", "asking is not getting")
	r.ask(http.MethodPost, "/v26.0/me/take_thread_control", to, nil)
	require.Contains(t, owner(), r.e.Credentials().AppID)
	r.say("back")
	require.Contains(t, r.bot.bodies[len(r.bot.bodies)-1], `"messaging"`)
	r.ask(http.MethodPost, "/v26.0/me/pass_thread_control", to, nil)
	r.post("/-/api/trigger", map[string]string{"field": "messaging_handovers/pass"}, nil)
	require.Contains(t, owner(), r.e.Credentials().AppID, "the other app passed it back")
	require.Equal(t, "100/0", r.refused(http.MethodPost, "/v26.0/me/pass_thread_control", nil))
	require.Equal(t, "100/2018001", r.refused(http.MethodPost, "/v26.0/me/take_thread_control",
		map[string]any{"recipient": map[string]string{"id": "1"}}))
}

func TestConversationsAndMessages(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	var list rows
	r.ask(http.MethodGet, "/v26.0/me/conversations", nil, &list)
	require.Empty(t, list.Data)
	r.say("do you have mugs?")
	r.reply("Yes.")
	r.ask(http.MethodGet, "/v26.0/"+page+"/conversations?user_id="+kim+
		"&fields=participants{id,name},messages.limit(5){message,from{id}},message_count", nil, &list)
	require.Len(t, list.Data, 1)
	text, err := json.Marshal(list.Data[0])
	require.NoError(t, err)
	require.JSONEq(t, `["Yes.","do you have mugs?"]`, pluck(t, string(text), "messages", "message"))
	require.JSONEq(t, `["`+kim+`","`+page+`"]`, pluck(t, string(text), "participants", "id"))
	require.EqualValues(t, 2, list.Data[0]["message_count"])
	require.NotContains(t, list.Data[0], "updated_time")

	id := fmt.Sprint(list.Data[0]["id"])
	r.ask(http.MethodGet, "/v26.0/"+id+"/messages?fields=id,message,created_time", nil, &list)
	require.Len(t, list.Data, 2)
	var m map[string]any
	r.ask(http.MethodGet, "/v26.0/"+fmt.Sprint(list.Data[1]["id"])+"?fields=message,from,to", nil, &m)
	require.Equal(t, "do you have mugs?", m["message"])
	require.Equal(t, "Kim Berg", m["from"].(map[string]any)["name"])
	r.ask(http.MethodGet, "/v26.0/"+id, nil, &m)
	for path, want := range map[string]string{
		"/v26.0/m_none": "100/33", "/v26.0/t_1": "100/33", "/v26.0/" + id + "?fields=secret": "100/0",
		"/v26.0/me/conversations?fields=messages{secret}": "100/0",
	} {
		require.Equal(t, want, r.refused(http.MethodGet, path, nil), path)
	}
	for _, odd := range []string{"{", "}", "a{b{c{d{e{f{g", "a,,b", "{}{}", "messages{", "messages}", strings.Repeat("a{", 999)} {
		r.refused(http.MethodGet, "/v26.0/me/conversations?fields="+odd, nil)
	}
	// The Page beside it sees none of it.
	r.api("pages", map[string]any{"id": otherPage, "name": "Tea House"})
	_, answer, _ := r.as(r.tokens().Pages[otherPage], http.MethodGet, "/v26.0/"+id, nil)
	require.Equal(t, "100/33", errorOf(t, answer))
}

// pluck lists one member of the rows below another.
func pluck(t *testing.T, object, at, name string) string {
	t.Helper()
	var out map[string]rows
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(object), &all))
	require.NoError(t, json.Unmarshal([]byte(`{"x":`+string(all[at])+`}`), &out))
	var list []any
	for _, row := range out["x"].Data {
		list = append(list, row[name])
	}
	data, err := json.Marshal(list)
	require.NoError(t, err)
	return string(data)
}

func TestBatch(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.say("hi")
	creds := r.e.Credentials()
	send := func(items string, more ...string) []map[string]any {
		t.Helper()
		in := map[string]any{"batch": items}
		for n := 0; n+1 < len(more); n += 2 {
			in[more[n]] = more[n+1]
		}
		_, answer, _ := r.as(creds.PageAccessToken, http.MethodPost, "/v26.0/", in)
		var list []map[string]any
		require.NoError(t, json.Unmarshal([]byte(answer), &list), answer)
		return list
	}
	list := send(`[{"method":"GET","relative_url":"me?fields=name"},
		{"method":"POST","relative_url":"me/messages","body":"recipient={\"id\":\"`+kim+`\"}&message={\"text\":\"from a batch\"}"},
		{"method":"GET","relative_url":"me/teleport"},
		{"method":"GET","relative_url":"v25.0/me"},
		{"method":"GET","relative_url":"me?access_token=EAAforeign12345"},
		{"method":"POST","relative_url":"","body":"batch=[]"},
		{"relative_url":"me"}]`, "include_headers", "false")
	codes := []int{}
	for _, a := range list {
		codes = append(codes, int(a["code"].(float64)))
		require.NotContains(t, a, "headers")
	}
	require.Equal(t, []int{200, 200, 400, 200, 401, 400, 400}, codes)
	require.JSONEq(t, `{"id":"`+page+`","name":"Mug Shop"}`, list[0]["body"].(string))
	require.Equal(t, "from a batch", r.e.Messages(page, kim, 1)[0].Text)

	// Results of one call in the next, and the proof of the outer call for those without a token of their own.
	list = send(`[{"method":"GET","name":"who","relative_url":"me?fields=id"},
		{"method":"GET","relative_url":"{result=who:$.id}/conversations","depends_on":"who"},
		{"method":"GET","name":"broken","relative_url":"me/teleport"},
		{"method":"GET","relative_url":"me","depends_on":"broken"},
		{"method":"GET","relative_url":"{result=who:$.data[0].id}"}]`,
		"appsecret_proof", hmacHex(creds.AppSecret, creds.PageAccessToken))
	require.Nil(t, list[0], "a named success gives no answer of its own")
	require.EqualValues(t, 200, list[1]["code"])
	require.NotEmpty(t, list[1]["headers"])
	require.EqualValues(t, 400, list[2]["code"])
	require.EqualValues(t, 400, list[3]["code"])
	require.EqualValues(t, 400, list[4]["code"])

	// A connection that a fault ends is a call that was not finished.
	r.api("faults", map[string]any{"fault": "reset", "edge": "personas"})
	list = send(`[{"method":"GET","relative_url":"me/personas"},{"method":"GET","relative_url":"me"}]`)
	require.Nil(t, list[0])
	require.EqualValues(t, 200, list[1]["code"])

	for _, items := range []string{"[]", "{}", "x", "[" + strings.TrimSuffix(strings.Repeat("{},", 51), ",") + "]"} {
		require.Equal(t, "100/0", r.refused(http.MethodPost, "/", map[string]any{"batch": items}), items)
	}
	exchanges, _, _ := r.e.Exchanges(0, 0)
	data, err := json.Marshal(exchanges)
	require.NoError(t, err)
	require.NotContains(t, string(data), "EAAforeign12345")

	send(`[{"method":"POST","relative_url":"me/messages","body":"access_token=771%7Ccanary-secret-0&x=1",
		"headers":[{"name":"Authorization","value":"Bearer canary-token-1"}]}]`)
	_, all := r.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/-/api/exchanges", nil))
	require.NotContains(t, all, "canary")
}
