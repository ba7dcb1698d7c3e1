package graphtest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

func hmacHex(key, message string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

// pageEvent is a valid call to /page_activities with this token.
func pageEvent(token string) request {
	return request{path: "/v20.0/771/page_activities", token: token, typ: jsonType, body: `{
		"custom_events":[{"_eventName":"lead_submitted"}],"advertiser_tracking_enabled":1,"application_tracking_enabled":1,
		"page_id":"901","page_scoped_user_id":"7702","logging_source":"messenger_bot","logging_target":"page"}`}
}

func withHeader(r request, name, value string) request {
	r.header = http.Header{name: {value}}
	return r
}

func TestToken_Placement(t *testing.T) {
	t.Parallel()
	inBody := func(token string) request {
		r := pageEvent("")
		r.body = strings.Replace(r.body, "{", `{"access_token":"`+token+`",`, 1)
		return r
	}
	inQuery := pageEvent("")
	inQuery.path += "?access_token=canary"
	for _, tc := range []struct {
		name string
		req  request
		in   string
		want []string
	}{
		{"header", pageEvent("canary"), "header", nil},
		{"the old header", withHeader(pageEvent(""), "Authorization", "OAuth canary"), "header", nil},
		{"body", inBody("canary"), "body", nil},
		{"form", bot("access_token=canary"), "body", nil},
		{"query", inQuery, "query", []string{"access_token token-in-query"}},
		{"header and body", withHeader(inBody("canary"), "Authorization", "Bearer canary"), "header",
			[]string{"access_token twice"}},
		{"another scheme", withHeader(pageEvent(""), "Authorization", "Basic canary"), "header",
			[]string{"header.Authorization token"}},
		{"no scheme", withHeader(bot(), "Authorization", "canary"), "", []string{"header.Authorization token"}},
		{"a scheme and nothing", withHeader(bot(), "Authorization", "Bearer "), "header", []string{"access_token token 190"}},
		{"nothing where it is needed", pageEvent(""), "", []string{"access_token required 104"}},
		{"nothing where it is not", bot(), "", nil},
		{"a blank inside", withHeader(bot(), "Authorization", "Bearer a canary"), "header",
			[]string{"access_token token 190"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			call := requireCall(t, setup(), tc.req, tc.want)
			require.Equal(t, tc.in, call.TokenIn)
			require.Equal(t, tc.in != "" && len(tc.want) < 2 && !strings.Contains(tc.name, "inside") &&
				!strings.Contains(tc.name, "nothing") || tc.in == "header" && tc.name == "header and body",
				call.HasToken("canary"))
			require.NotContains(t, fmt.Sprintf("%+v", call), "canary")
		})
	}
}

func TestToken_Declared(t *testing.T) {
	t.Parallel()
	grants := []graphtest.Option{
		graphtest.WithAppID(appID), graphtest.WithAppSecret(appSecret),
		graphtest.WithToken("page", graphtest.Grant{Type: graphtest.TokenPage, Pages: []string{"901"},
			Permissions: []string{"page_events"}}),
		graphtest.WithToken("other-page", graphtest.Grant{Type: graphtest.TokenPage, Pages: []string{"902"}}),
		graphtest.WithToken("bare-page", graphtest.Grant{Type: graphtest.TokenPage, Permissions: []string{"pages_messaging"}}),
		graphtest.WithToken("all-pages", graphtest.Grant{Type: graphtest.TokenPage}),
		graphtest.WithToken("user", graphtest.Grant{}),
		graphtest.WithToken("system", graphtest.Grant{Type: graphtest.TokenSystemUser}),
		graphtest.WithToken("expired", graphtest.Grant{Type: graphtest.TokenPage, Expired: true}),
		graphtest.WithToken("ended", graphtest.Grant{Type: graphtest.TokenPage, ExpiresAt: now}),
		graphtest.WithToken("ending", graphtest.Grant{Type: graphtest.TokenPage, ExpiresAt: now.Add(time.Second)}),
		graphtest.WithToken("new-password", graphtest.Grant{Type: graphtest.TokenPage, Subcode: 460}),
	}
	onActivities := func(token string) request {
		r := bot()
		r.token = token
		return r
	}
	for _, tc := range []struct {
		name   string
		req    request
		kind   string
		status int
		want   []string
	}{
		{"the Page's token", pageEvent("page"), "page", 200, nil},
		{"a token for every Page", pageEvent("all-pages"), "page", 200, nil},
		{"a token that still lives", pageEvent("ending"), "page", 200, nil},
		{"another Page's token", pageEvent("other-page"), "page", 403, []string{"access_token page 200"}},
		{"no permission", pageEvent("bare-page"), "page", 403, []string{"access_token permission 200"}},
		{"a user's token", pageEvent("user"), "user", 403, []string{"access_token token-type 200"}},
		{"an expired token", pageEvent("expired"), "page", 401, []string{"access_token token 190/463"}},
		{"a token past its end", pageEvent("ended"), "page", 401, []string{"access_token token 190/463"}},
		{"a token with a subcode", pageEvent("new-password"), "page", 401, []string{"access_token token 190/460"}},
		{"an unknown token", pageEvent("made-up"), "", 401, []string{"access_token token 190"}},
		{"the app token", onActivities(appID + "|" + appSecret), "app", 200, nil},
		{"the app token with another secret", onActivities(appID + "|guess"), "app", 401, []string{"access_token token 190"}},
		{"another app's token", onActivities("772|" + appSecret), "app", 401, []string{"access_token token 190"}},
		{"a user's token on activities", onActivities("user"), "user", 200, nil},
		{"a Page token on activities", onActivities("page"), "page", 200, []string{"access_token token-type"}},
		{"a system user's token on activities", onActivities("system"), "system_user", 200,
			[]string{"access_token token-type"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := setup(grants...)
			call := requireCall(t, s, tc.req, tc.want)
			require.Equal(t, tc.status, call.Status)
			require.Equal(t, tc.kind, call.TokenKind)
			require.True(t, call.HasToken(tc.req.token))
		})
	}
	s := setup(graphtest.WithToken("page", graphtest.Grant{Type: graphtest.TokenPage}))
	requireCall(t, s, onActivities(appID+"|"+appSecret), []string{"access_token token 190"})
	s = setup()
	require.Equal(t, "app", requireCall(t, s, onActivities(appID+"|anything"), nil).TokenKind)
	s = setup(graphtest.WithAppID("772"))
	requireCall(t, s, bot(), []string{"path app 100/33"})
}

func TestProof(t *testing.T) {
	t.Parallel()
	const token = "demo-token"
	at := func(ago time.Duration) string { return strconv.FormatInt(now.Add(-ago).Unix(), 10) }
	valid := hmacHex(appSecret, token)
	call := func(token string, edits ...string) request {
		r := bot(edits...)
		r.token = token
		return r
	}
	with := graphtest.WithAppSecret(appSecret)
	must := graphtest.WithRequireProof()
	for _, tc := range []struct {
		name  string
		opts  []graphtest.Option
		req   request
		proof string
		want  []string
	}{
		{"valid", []graphtest.Option{with, must}, call(token, "appsecret_proof="+valid), graphtest.ProofValid, nil},
		{"absent", []graphtest.Option{with}, call(token), graphtest.ProofAbsent, nil},
		{"absent though needed", []graphtest.Option{with, must}, call(token), graphtest.ProofAbsent,
			[]string{"appsecret_proof required 100"}},
		{"not needed without a token", []graphtest.Option{with, must}, call(""), graphtest.ProofAbsent, nil},
		{"of another secret", []graphtest.Option{with}, call(token, "appsecret_proof="+hmacHex("other", token)),
			graphtest.ProofInvalid, []string{"appsecret_proof proof 100"}},
		{"of another token", []graphtest.Option{with}, call(token, "appsecret_proof="+hmacHex(appSecret, "other")),
			graphtest.ProofInvalid, []string{"appsecret_proof proof 100"}},
		{"unchecked", nil, call(token, "appsecret_proof="+valid), graphtest.ProofUnchecked, nil},
		{"of another form", nil, call(token, "appsecret_proof="+strings.ToUpper(valid)), graphtest.ProofUnchecked,
			[]string{"appsecret_proof form"}},
		{"without a token", nil, call("", "appsecret_proof="+valid), graphtest.ProofUnchecked,
			[]string{"appsecret_proof token"}},
		{"with a time", []graphtest.Option{with, must}, call(token, "appsecret_time="+at(5*time.Minute),
			"appsecret_proof="+hmacHex(appSecret, token+"|"+at(5*time.Minute))), graphtest.ProofValid, nil},
		{"with a time that was not signed", []graphtest.Option{with}, call(token, "appsecret_time="+at(0),
			"appsecret_proof="+valid), graphtest.ProofInvalid, []string{"appsecret_proof proof 100"}},
		{"too old", []graphtest.Option{with}, call(token, "appsecret_time="+at(301*time.Second),
			"appsecret_proof="+hmacHex(appSecret, token+"|"+at(301*time.Second))), graphtest.ProofExpired,
			[]string{"appsecret_time expired 100"}},
		{"too new", []graphtest.Option{with}, call(token, "appsecret_time="+at(-301*time.Second),
			"appsecret_proof="+hmacHex(appSecret, token+"|"+at(-301*time.Second))), graphtest.ProofExpired,
			[]string{"appsecret_time expired 100"}},
		{"with a time that is none", []graphtest.Option{with}, call(token, "appsecret_time=now", "appsecret_proof="+valid),
			graphtest.ProofInvalid, []string{"appsecret_time int64 100"}},
		{"a time alone", nil, call(token, "appsecret_time="+at(0)), graphtest.ProofAbsent,
			[]string{"appsecret_time required"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := requireCall(t, setup(tc.opts...), tc.req, tc.want)
			require.Equal(t, tc.proof, got.Proof)
		})
	}

	// The digests in the documents' tables.
	s := graphtest.New(graphtest.WithAppSecret("demo-secret"), graphtest.WithClock(func() time.Time {
		return time.Unix(1795176000, 0)
	}))
	requireCall(t, s, call(token, "appsecret_proof=a030b507b507af9c7222ad797fc9c7ba887306d08f725a71e42dff373952c1d2"), nil)
	requireCall(t, s, call(token, "appsecret_time=1795176000",
		"appsecret_proof=663f5a267fee35216d059f2c75d096f44cb7a7a1c8239902158bda6b24a1ee3c"), nil)
}

// Nothing that can be printed holds a credential, whatever the caller did with it.
func TestRecord_HoldsNoCredential(t *testing.T) {
	t.Parallel()
	const token, input = "canary-token", "canary-input-token"
	proof := hmacHex(appSecret, token)
	s := setup(graphtest.WithAppID(appID), graphtest.WithAppSecret(appSecret), graphtest.WithRequireProof(),
		graphtest.WithToken(token, graphtest.Grant{}), graphtest.WithToken(input, graphtest.Grant{}))

	inEverything := bot("access_token="+token, "appsecret_proof="+proof, "client_secret="+appSecret, "app_user_id="+token,
		`custom_events=[{"_eventName":"`+token+`","event_id":"`+proof+`","note":"`+token+`","list":["`+token+`",{"a":"`+token+`"}]}]`,
		token+"=1")
	inEverything.path = "/v26.0/" + token + "/activities?access_token=" + token
	inEverything.header = http.Header{
		"Authorization": {"Bearer " + token}, "Cookie": {"session=" + token}, "Proxy-Authorization": {"Basic " + token},
		"X-Forwarded-For": {token}, "X-Custom": {"a " + token + " b"},
	}
	send(t, s, inEverything)
	send(t, s, request{method: "GET", path: "/v26.0/debug_token?input_token=" + input, token: appID + "|" + appSecret})
	send(t, s, withHeader(bot(), "Authorization", token))
	s.Inject(graphtest.ResetEarly)
	send(t, s, inEverything)

	calls := s.Calls()
	require.Len(t, calls, 4)
	js, err := json.Marshal(calls)
	require.NoError(t, err)
	printed := string(js)
	byValue := reflect.ValueOf(s).Elem().Interface()
	for _, v := range []any{calls, s, byValue, s.Problems(), struct{ S *graphtest.Server }{s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			printed += fmt.Sprintf(verb, v)
		}
	}
	for _, secret := range []string{token, input, appSecret, proof} {
		require.NotContains(t, printed, secret)
		require.NotContains(t, printed, fmt.Sprintf("%x", secret))
		require.NotContains(t, printed, url.QueryEscape(fmt.Sprint([]byte(secret))))
	}
	require.Contains(t, printed, graphtest.Redacted)
	require.True(t, calls[0].HasToken(token))
	require.False(t, calls[0].HasToken(input))
	require.Contains(t, s.String(), "4 calls")
}
