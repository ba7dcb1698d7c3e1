package emulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/graphtest"
)

const otherPage = "108001112223335"

// as calls Graph with a token and a JSON body, nil for none.
func (r *rig) as(token, method, path string, body any) (status int, answer string, header http.Header) {
	r.t.Helper()
	var data []byte
	if body != nil {
		data, _ = json.Marshal(body)
	}
	req := httptest.NewRequestWithContext(r.t.Context(), method, r.url+path, bytes.NewReader(data))
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	return resp.StatusCode, readAll(resp.Body), resp.Header
}

// errorOf is code and subcode of an answer, "" when it is none.
func errorOf(t *testing.T, answer string) string {
	t.Helper()
	var e struct {
		Error *struct {
			Code    int
			Subcode int `json:"error_subcode"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &e), answer)
	if e.Error == nil {
		return ""
	}
	return fmt.Sprintf("%d/%d", e.Error.Code, e.Error.Subcode)
}

func (r *rig) api(path string, in map[string]any) emulator.State {
	r.t.Helper()
	var s emulator.State
	require.Equal(r.t, 200, r.post("/-/api/"+path, in, &s), "%s %v", path, in)
	return s
}

func (r *rig) tokens() emulator.Tokens {
	r.t.Helper()
	var out emulator.Tokens
	require.Equal(r.t, 200, r.get("/-/api/tokens", &out))
	return out
}

func conversion(page, psid string) map[string]any {
	return map[string]any{"data": []any{map[string]any{
		"event_name": "LeadSubmitted", "event_time": time.Now().Unix(), "action_source": "business_messaging",
		"messaging_channel": "messenger", "user_data": map[string]string{"page_id": page, "page_scoped_user_id": psid},
	}}}
}

// Each way in which a token dies has its subcode on every edge, and /debug_token describes it instead of refusing.
func TestDeadTokens(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{AcceptPageActivities: true})
	creds := r.e.Credentials()
	app := creds.AppID + "|" + creds.AppSecret
	for state, subcode := range map[string]int{
		"expired": 463, "password_changed": 460, "revoked": 458, "checkpoint": 459, "unconfirmed": 464, "invalid": 467,
		"role_lost": 492,
	} {
		s := r.api("grants", map[string]any{"token": state})
		require.Equal(t, state, s.Pages[0].Token)
		for _, path := range []string{
			"/v26.0/me", "/v26.0/me/messages", "/v26.0/" + page + "/dataset", "/v26.0/" + creds.AppID + "/activities",
			"/v26.0/1234/events", "/v26.0/1/insights", "/v26.0/" + kim, "/v20.0/" + creds.AppID + "/page_activities",
		} {
			status, answer, _ := r.as(creds.PageAccessToken, http.MethodPost, path, map[string]any{})
			require.Equal(t, fmt.Sprintf("190/%d", subcode), errorOf(t, answer), "%s %s", state, path)
			require.Equal(t, http.StatusUnauthorized, status)
		}
		_, answer, _ := r.as(app, http.MethodGet, "/v26.0/debug_token?input_token="+creds.PageAccessToken, nil)
		require.Contains(t, answer, `"is_valid":false`)
		require.Contains(t, answer, fmt.Sprintf(`"subcode":%d`, subcode))
	}
	s := r.api("grants", map[string]any{"token": "valid"})
	require.Equal(t, "valid", s.Pages[0].Token)
	_, answer, _ := r.as(creds.PageAccessToken, http.MethodGet, "/v26.0/me", nil)
	require.Empty(t, errorOf(t, answer))

	s = r.api("grants", map[string]any{"expires": "-1s"})
	require.Equal(t, "expired", s.Pages[0].Token)
	_, answer, _ = r.as(creds.PageAccessToken, http.MethodGet, "/v26.0/me", nil)
	require.Equal(t, "190/463", errorOf(t, answer))
	r.api("grants", map[string]any{"token": "valid"})
	_, answer, _ = r.as(creds.PageAccessToken, http.MethodGet, "/v26.0/me", nil)
	require.Empty(t, errorOf(t, answer))
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{AcceptPageActivities: true})
	r.say("hi")
	creds := r.e.Credentials()
	message := map[string]any{"recipient": map[string]string{"id": kim}, "message": map[string]string{"text": "x"}}
	for _, tt := range []struct {
		permission, method, path string
		body                     any
	}{
		{"pages_messaging", http.MethodPost, "/v26.0/me/messages", message},
		{"pages_messaging", http.MethodGet, "/v26.0/" + kim, nil},
		{"pages_messaging", http.MethodGet, "/v26.0/me/custom_labels", nil},
		{"pages_messaging", http.MethodGet, "/v26.0/me/conversations", nil},
		{"pages_messaging", http.MethodGet, "/v26.0/me/thread_owner?recipient=" + kim, nil},
		{"pages_manage_metadata", http.MethodGet, "/v26.0/me/subscribed_apps", nil},
		{"page_events", http.MethodPost, "/v26.0/" + page + "/dataset", map[string]any{}},
		{"page_events", http.MethodPost, "/v26.0/1234/events", conversion(page, kim)},
		{"ads_read", http.MethodGet, "/v26.0/1234/insights?fields=actions", nil},
	} {
		s := r.api("grants", map[string]any{"deny": tt.permission})
		require.Equal(t, []string{tt.permission}, s.Pages[0].Denied)
		require.NotContains(t, s.Pages[0].Granted, tt.permission)
		status, answer, _ := r.as(creds.PageAccessToken, tt.method, tt.path, tt.body)
		require.Equal(t, "200/0", errorOf(t, answer), tt.path)
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, answer, tt.permission)
		s = r.api("grants", map[string]any{"allow": tt.permission})
		require.Empty(t, s.Pages[0].Denied)
		_, answer, _ = r.as(creds.PageAccessToken, tt.method, tt.path, tt.body)
		require.Empty(t, errorOf(t, answer), "%s: %s", tt.path, answer)
	}
	_, answer, _ := r.as(creds.PageAccessToken, http.MethodGet, "/v26.0/debug_token?input_token="+creds.PageAccessToken, nil)
	require.Contains(t, answer, `"page_events"`)
	r.api("grants", map[string]any{"deny": "all"})
	_, answer, _ = r.as(creds.PageAccessToken, http.MethodGet, "/v26.0/debug_token?input_token="+creds.PageAccessToken, nil)
	require.Contains(t, answer, `"scopes":[]`)
	require.Equal(t, []string{}, r.api("grants", map[string]any{"reset": true}).Pages[0].Denied)
}

func TestAnotherAppsSecret(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	creds := r.e.Credentials()
	ask := func(secret string) string {
		signed := "/v26.0/me?appsecret_proof=" + hmacHex(secret, creds.PageAccessToken)
		_, answer, _ := r.as(creds.PageAccessToken, http.MethodGet, signed, nil)
		return errorOf(t, answer)
	}
	require.Empty(t, ask(creds.AppSecret))
	require.Equal(t, "100/0", ask("0123456789abcdef"))
	require.Equal(t, "other", r.api("grants", map[string]any{"secret": "other"}).Secret)
	require.Equal(t, "100/0", ask(creds.AppSecret))
	_, answer, _ := r.as(creds.AppID+"|"+creds.AppSecret, http.MethodGet, "/v26.0/"+creds.AppID+"/subscriptions", nil)
	require.Equal(t, "190/0", errorOf(t, answer))
	r.say("signed by the other app")
	require.NotEqual(t, graphtest.Sign(creds.AppSecret, []byte(r.bot.bodies[0])),
		r.bot.header[0].Get("X-Hub-Signature-256"))
	require.Equal(t, "own", r.api("grants", map[string]any{"secret": "own"}).Secret)
	require.Empty(t, ask(creds.AppSecret))
}

func TestSeveralPages(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	creds := r.e.Credentials()
	r.api("pages", map[string]any{"id": otherPage, "name": "Tea House"})
	var ada emulator.Person
	require.Equal(t, 200, r.post("/-/api/person", map[string]string{"name": "Ada", "page": otherPage}, &ada))
	second := r.tokens().Pages[otherPage]
	require.NotContains(t, r.tokens().Pages, page, "a token that may be real stays where it is")

	_, answer, _ := r.as(second, http.MethodGet, "/v26.0/me?fields=id,name", nil)
	require.JSONEq(t, `{"id":"`+otherPage+`","name":"Tea House"}`, answer)
	require.Equal(t, 200, r.post("/-/api/say", map[string]string{"text": "hi", "page": otherPage}, nil))
	text := func(psid string) map[string]any {
		return map[string]any{"recipient": map[string]string{"id": psid}, "message": map[string]string{"text": "hello"}}
	}
	_, answer, _ = r.as(second, http.MethodPost, "/v26.0/me/messages", text(ada.PSID))
	require.Empty(t, errorOf(t, answer))
	_, answer, _ = r.as(second, http.MethodPost, "/v26.0/me/messages", text(kim))
	require.Equal(t, "100/2018001", errorOf(t, answer), "a person of another Page")
	_, answer, _ = r.as(creds.PageAccessToken, http.MethodPost, "/v26.0/me/messages", text(ada.PSID))
	require.Equal(t, "100/2018001", errorOf(t, answer))
	_, answer, _ = r.as(second, http.MethodGet, "/v26.0/"+kim, nil)
	require.Equal(t, "100/33", errorOf(t, answer))
	_, answer, _ = r.as(second, http.MethodGet, "/v26.0/"+page+"/subscribed_apps", nil)
	require.Equal(t, "100/33", errorOf(t, answer), "another Page")

	_, answer, _ = r.as(creds.PageAccessToken, http.MethodPost, "/v26.0/1234/events", conversion(page, ada.PSID))
	require.Equal(t, "100/2804073", errorOf(t, answer))
	_, answer, _ = r.as(creds.PageAccessToken, http.MethodPost, "/v26.0/1234/events", conversion(otherPage, ada.PSID))
	require.Equal(t, "200/0", errorOf(t, answer), "the token of another Page")
	_, answer, _ = r.as(second, http.MethodPost, "/v26.0/1234/events", conversion(otherPage, ada.PSID))
	require.Empty(t, errorOf(t, answer))

	// The person who connected the Pages sees both, but for those whose grant was taken.
	user := r.tokens().User
	_, answer, _ = r.as(user, http.MethodGet, "/v26.0/me/accounts", nil)
	require.Contains(t, answer, second)
	require.Contains(t, answer, creds.PageAccessToken)
	_, answer, _ = r.as(user, http.MethodGet, "/v26.0/"+otherPage+"?fields=access_token", nil)
	require.Contains(t, answer, second)
	r.api("grants", map[string]any{"page": otherPage, "deny": "pages_show_list,page_events"})
	_, answer, _ = r.as(user, http.MethodGet, "/v26.0/me/accounts", nil)
	require.NotContains(t, answer, second)
	_, answer, _ = r.as(second, http.MethodPost, "/v26.0/1234/events", conversion(otherPage, ada.PSID))
	require.Equal(t, "200/0", errorOf(t, answer))
	_, answer, _ = r.as(creds.PageAccessToken, http.MethodPost, "/v26.0/1234/events", conversion(page, kim))
	require.Empty(t, errorOf(t, answer))
	_, answer, _ = r.as(creds.PageAccessToken, http.MethodGet, "/v26.0/me/accounts", nil)
	require.Equal(t, "100/0", errorOf(t, answer))
	_, answer, _ = r.as(creds.AppID+"|"+creds.AppSecret, http.MethodGet, "/v26.0/debug_token?input_token="+user, nil)
	require.Contains(t, answer, `"target_ids":["`+page+`","`+otherPage+`"]`)
	require.Contains(t, answer, `{"scope":"page_events","target_ids":["`+page+`"]}`)

	// No token is in the record.
	_, all := r.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/-/api/exchanges", nil))
	for _, secret := range []string{second, user, creds.PageAccessToken, creds.AppSecret} {
		require.NotContains(t, all, secret)
	}
}

func TestDatasets(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	token := r.e.Credentials().PageAccessToken
	send := func(dataset string) string {
		_, answer, _ := r.as(token, http.MethodPost, "/v26.0/"+dataset+"/events", conversion(page, kim))
		return errorOf(t, answer)
	}
	require.Empty(t, send("1234"), "until one is declared, all exist")
	_, answer, _ := r.as(token, http.MethodGet, "/v26.0/"+page+"/dataset", nil)
	require.Equal(t, "100/33", errorOf(t, answer))
	_, made, _ := r.as(token, http.MethodPost, "/v26.0/"+page+"/dataset", nil)
	_, again, _ := r.as(token, http.MethodPost, "/v26.0/"+page+"/dataset", nil)
	require.Equal(t, made, again)
	var d struct{ ID, Name string }
	_, answer, _ = r.as(token, http.MethodGet, "/v26.0/"+page+"/dataset", nil)
	require.NoError(t, json.Unmarshal([]byte(answer), &d))
	require.JSONEq(t, `{"id":"`+d.ID+`"}`, made)
	require.Empty(t, send(d.ID))
	s := r.e.State()
	require.Equal(t, d.ID, s.Pages[0].Dataset)
	require.Equal(t, []string{page}, s.Datasets[0].Pages)

	r.api("pages", map[string]any{"id": otherPage, "name": "Tea House"})
	r.api("datasets", map[string]any{"id": "77", "pages": otherPage})
	r.api("datasets", map[string]any{"id": "78"})
	require.Equal(t, "100/2804065", send("77"), "attached to another Page")
	require.Equal(t, "100/2804131", send("78"), "attached to no Page")
	require.Equal(t, "100/33", send("1234"), "now others do not exist")
	require.Empty(t, send(d.ID))
	r.api("datasets", map[string]any{"id": d.ID, "remove": true})
	require.Equal(t, "100/33", send(d.ID))
	r.api("datasets", map[string]any{"id": "78", "pages": page})
	require.Empty(t, send("78"))
}

// Only what app and Page are both subscribed to is delivered, once the bot subscribes to anything.
func TestSubscriptionsAtBothLevels(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	creds := r.e.Credentials()
	app := creds.AppID + "|" + creds.AppSecret
	skipped := func() string { return r.say("hi").Skipped }
	subscribeApp := func(fields string) {
		_, answer, _ := r.as(app, http.MethodPost, "/v26.0/"+creds.AppID+"/subscriptions", map[string]any{
			"object": "page", "fields": fields, "callback_url": "https://bot.example/webhook", "verify_token": creds.VerifyToken,
		})
		require.Empty(t, errorOf(t, answer))
	}
	subscribePage := func(method, fields string) {
		_, answer, _ := r.as(creds.PageAccessToken, method, "/v26.0/"+page+"/subscribed_apps",
			map[string]any{"subscribed_fields": fields})
		require.Empty(t, errorOf(t, answer))
	}
	require.Empty(t, skipped(), "before the bot subscribes to anything")
	subscribeApp("messages")
	require.Contains(t, skipped(), "the Page is not subscribed to messages")
	require.True(t, r.e.State().AppSet)
	require.False(t, r.e.State().Pages[0].PageSubscribed)
	subscribePage(http.MethodPost, "messaging_postbacks")
	require.Contains(t, skipped(), "the Page is not subscribed to messages: POST /"+page+"/subscribed_apps")
	subscribePage(http.MethodPost, "messages,messaging_postbacks")
	require.Empty(t, skipped())
	var out struct{ Exchanges []emulator.Exchange }
	r.post("/-/api/trigger", map[string]string{"field": "messaging_postbacks"}, &out)
	require.Contains(t, out.Exchanges[0].Skipped, "the app is not subscribed to messaging_postbacks")
	subscribePage(http.MethodDelete, "")
	require.Contains(t, skipped(), "the Page is not subscribed")
	subscribePage(http.MethodPost, "messages")
	_, answer, _ := r.as(app, http.MethodDelete, "/v26.0/"+creds.AppID+"/subscriptions", nil)
	require.Empty(t, errorOf(t, answer))
	require.Contains(t, skipped(), "the app is not subscribed")
}

func TestClockAndUsageHeaders(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := start(t, emulator.Config{Now: func() time.Time { return now }})
	token := r.e.Credentials().PageAccessToken
	for _, path := range []string{"/v26.0/me", "/v26.0/1/insights?fields=actions", "/v26.0/nothing/here"} {
		r.api("clock", map[string]any{"reset": true})
		r.api("usage", map[string]any{"percent": 0})
		_, _, header := r.as(token, http.MethodGet, path, nil)
		require.Equal(t, "Sat, 21 Nov 2026 12:00:00 GMT", header.Get("Date"))
		require.Equal(t, "appevents", header.Get(emulator.EmulatorHeader))
		require.Empty(t, header.Get("X-App-Usage"))
		require.Equal(t, "-10m0s", r.api("clock", map[string]any{"skew": "-10m"}).Skew)
		require.Equal(t, 95, r.api("usage", map[string]any{"percent": 95}).Usage)
		_, _, header = r.as(token, http.MethodGet, path, nil)
		require.Equal(t, "Sat, 21 Nov 2026 11:50:00 GMT", header.Get("Date"))
		require.Contains(t, header.Get("X-App-Usage"), `"call_count":95`)
		require.Contains(t, header.Get("X-Business-Use-Case-Usage"), `"call_count":95`)
	}
	// A throttled answer keeps the headers that say when calls are welcome again.
	r.api("faults", map[string]any{"fault": "throttle"})
	_, _, header := r.as(token, http.MethodPost, "/v26.0/"+page+"/dataset", map[string]any{})
	require.Contains(t, header.Get("X-Business-Use-Case-Usage"), `"call_count":100`)
	_, _, header = r.as(token, http.MethodGet, "/v20.0/me", nil)
	require.Equal(t, "v21.0", header.Get("Facebook-Api-Version"), "an expired version is served by the next one")
}

func TestSwitchesRefuseWhatCannotBe(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	for path, list := range map[string][]map[string]any{
		"grants": {{"deny": "everything"}, {"allow": "x"}, {"token": "tired"}, {"expires": "soon"}, {"secret": "none"},
			{"data_access": "1y"}, {"page": "1"}, {"nonsense": 1}},
		"pages":    {{"id": "x", "name": "y"}, {"id": "0", "name": "y"}, {"id": "5"}, {"id": strings.Repeat("9", 20), "name": "y"}},
		"datasets": {{"id": "x"}, {"id": "5", "pages": "1"}, {"id": "5", "remove": true}, {}},
		"usage":    {{"percent": -1}, {"percent": 2000}},
		"clock":    {{"skew": "yesterday"}},
	} {
		for _, in := range list {
			require.GreaterOrEqual(t, r.post("/-/api/"+path, in, nil), 400, "%s %v", path, in)
		}
	}
	require.Equal(t, []string{}, r.e.State().Pages[0].Denied)
	// A form, and a query without a body, say the same as JSON.
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/-/api/grants?deny=ads_read", nil)
	status, _ := r.do(req)
	require.Equal(t, 200, status)
	req = httptest.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/-/api/usage",
		strings.NewReader(url.Values{"percent": {"80"}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, _ = r.do(req)
	require.Equal(t, 200, status)
	require.Equal(t, []string{"ads_read"}, r.e.State().Pages[0].Denied)
	require.Equal(t, 80, r.e.State().Usage)
	for n := range 60 {
		r.post("/-/api/pages", map[string]any{"id": fmt.Sprint(900000 + n), "name": "one of many"}, nil)
	}
	require.Len(t, r.e.State().Pages, 50)
}

func TestSwitchesOutliveARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "session.json")
	r := start(t, emulator.Config{SessionFile: file})
	r.api("grants", map[string]any{"token": "revoked", "deny": "page_events"})
	r.api("pages", map[string]any{"id": otherPage, "name": "Tea House"})
	r.api("datasets", map[string]any{"id": "77", "pages": otherPage})
	r.graph(http.MethodPost, "/v26.0/me/custom_labels", nil)
	token := r.tokens().Pages[otherPage]
	require.NoError(t, r.e.Close())
	again := start(t, emulator.Config{SessionFile: file})
	s := again.e.State()
	require.Equal(t, "revoked", s.Pages[0].Token)
	require.Equal(t, []string{"page_events"}, s.Pages[0].Denied)
	require.Equal(t, "77", s.Pages[1].Dataset)
	require.Equal(t, token, again.tokens().Pages[otherPage])
	s = again.api("reset", map[string]any{})
	require.Equal(t, "valid", s.Pages[0].Token)
	require.Len(t, s.Pages, 2)
}
