package page_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/page"
)

// written lets people and a bot write a text wherever the page shows one, and returns the page with all its details.
func written(t testing.TB, e *emulator.Emulator, text string) string {
	t.Helper()
	do := func(method, path, media, body string) string {
		req := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
		req.Header.Set("Content-Type", media)
		req.Header.Set("Authorization", "Bearer "+e.Credentials().PageAccessToken)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, req)
		return w.Body.String()
	}
	e.Reset()
	p, err := e.AddPerson(emulator.Person{Name: "P " + text, Ad: "1", Ref: text})
	require.NoError(t, err)
	for _, in := range []emulator.Trigger{
		{Field: "messages", Text: "M " + text}, {Field: "messaging_postbacks", Title: "T " + text, Payload: "P " + text},
		{Field: "messages/quick_reply", Text: "Q " + text, Payload: text}, {Field: "messaging_referrals", Ref: text},
	} {
		in.PSID = p.PSID
		_, err := e.Trigger(t.Context(), in)
		require.NoError(t, err)
	}
	quoted, err := json.Marshal("B " + text)
	require.NoError(t, err)
	for _, message := range []string{
		`{"text":TEXT,"quick_replies":[{"content_type":"text","title":TEXT,"payload":TEXT}]}`,
		`{"attachment":{"type":"template","payload":{"template_type":"generic","elements":[{"title":TEXT,"subtitle":TEXT,
		  "image_url":TEXT,"buttons":[{"type":"web_url","title":TEXT,"url":TEXT},{"type":"postback","title":TEXT,
		  "payload":TEXT},{"type":"phone_number","title":TEXT,"payload":TEXT}]}]}}}`,
		`{"attachment":{"type":"image","payload":{"url":TEXT}}}`,
	} {
		do(http.MethodPost, "/v26.0/me/messages", "application/json", `{"messaging_type":"RESPONSE","recipient":{"id":"`+
			p.PSID+`"},"message":`+strings.ReplaceAll(message, "TEXT", string(quoted))+`}`)
	}
	do(http.MethodPost, "/v26.0/me/messenger_profile", "application/json", strings.ReplaceAll(`{"get_started":{"payload":TEXT},
		"greeting":[{"locale":"default","text":TEXT}],"ice_breakers":[{"question":TEXT,"payload":TEXT}],"persistent_menu":[
		{"locale":"default","call_to_actions":[{"type":"postback","title":TEXT,"payload":TEXT}]}]}`, "TEXT", string(quoted)))
	do(http.MethodPost, "/v26.0/1517776481860111/activities", "application/x-www-form-urlencoded", url.Values{
		"event": {"CUSTOM_APP_EVENTS"}, "page_id": {e.Credentials().PageID}, "page_scoped_user_id": {p.PSID},
		"custom_events": {`[{"_eventName":"Contact","fb_description":` + string(quoted) + `,"fb_currency":` + string(quoted) + `,
			"_valueToSum":1}]`},
	}.Encode())
	do(http.MethodPost, "/v26.0/nothing/"+url.PathEscape("x"+text), "application/json", `{"x":`+string(quoted)+`}`)

	body := do(http.MethodGet, "/?person="+p.PSID, "", "")
	list, _, _ := e.Exchanges(0, 0)
	for _, x := range list {
		body += do(http.MethodGet, "/-/call/"+itoa(x.ID), "", "")
	}
	return body
}

func newEmulator(t testing.TB) *emulator.Emulator {
	t.Helper()
	e, err := emulator.New(emulator.Config{Page: page.New, Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// skeleton is what makes elements and attributes of a page. A text that stays text has no part in it.
func skeleton(body string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>"`, r) {
			return r
		}
		return -1
	}, body)
}

var hostileTexts = []string{
	hostile, `"><svg onload=alert(1)>`, `'--><script>alert(1)</script>`, `</textarea></pre></title><b>`, "`${alert(1)}`",
	`javascript:alert(1)`, `&lt;b&gt;`, `{{.}}`, "'; rm -rf / #", "a\u202eb\u2066", "\x01\x02", "]]>", `\u003cscript\u003e`,
}

func TestHostileTextsStayText(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	want := skeleton(written(t, e, "harmless"))
	require.Greater(t, len(want), 3000)
	for _, text := range hostileTexts {
		body := written(t, e, text)
		require.Equal(t, want, skeleton(body), "%q makes elements", text)
		require.NotContains(t, body, e.Credentials().PageAccessToken)
		require.NotContains(t, body, e.Credentials().AppSecret)
	}
}

// What turns, hides, moves or covers what stands beside it does not get into any text of the page; what a form sends back
// is as it was.
func TestTextOfOthersKeepsToItsCell(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	for _, text := range []string{
		"a\u202eb", "a\u2069\u2069\u202eb", "\u2067\u202b\u200f\u061c", "a\u200bb\ufeff\u00ad", "a\u200d", "a\U000e0041b", "a\u2028b",
		"\x1b[2K\x07\b\u009b2K\u0085", "a" + strings.Repeat("\u0337\u0301", 40), "\u20e0\u0338a", "\u3164",
	} {
		body := written(t, e, text)
		require.Contains(t, body, `name="payload" value="B `+text+`"`)
		for part := range strings.SplitSeq(body, "<") {
			_, shown, _ := strings.Cut(part, ">")
			marks := 0
			for i, r := range shown {
				if marks++; !unicode.Is(unicode.M, r) {
					marks = 0
				}
				require.False(t, marks > 5 || marks > 0 && i == 0, "%q: marks in %q", text, shown)
				require.False(t, r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl), "%q: %q", text, shown)
			}
		}
	}
	body := written(t, e, "line\nline \u202e")
	require.Contains(t, body, "line\nline �</p>", "lines of a message stay")
	require.Contains(t, body, `\u202e`, "and in what was sent it can be told what it is")
}

// What can be copied is text too, and a shell or a compiler reads the text in it as text.
func TestWhatCanBeCopied(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	evil := `'; touch /tmp/x; echo "` + "`id`"
	x := s.act(emulator.Trigger{Field: "messages", Text: evil, PSID: kim})
	s.graph("/v26.0/"+s.e.Credentials().AppID+"/activities", url.Values{
		"event": {"CUSTOM_APP_EVENTS"}, "custom_events": {`[{"_eventName":"Contact","fb_description":"` + `it's` + `"}]`},
		"advertiser_tracking_enabled": {"1"}, "application_tracking_enabled": {"1"}, "extinfo": {`["mb1"]`},
		"page_id": {s.e.Credentials().PageID}, "page_scoped_user_id": {kim},
	})
	turns := s.e.Turns(0)
	calls := turns[len(turns)-1].Exchanges
	_, body := get(t, s.url+"/-/call/"+itoa(calls[len(calls)-1]))
	require.Contains(t, body, `data-copy="curl-`)
	require.Contains(t, body, "it&#39;\\&#39;&#39;s", "quoted for the shell, and then for HTML")
	require.Contains(t, body, "$ACCESS_TOKEN")
	require.Contains(t, body, "which Ads Manager reports", "it is explained")
	_, body = get(t, s.url+"/-/call/"+itoa(x.ID))
	require.Contains(t, body, `data-copy="go-`)
	require.NotContains(t, body, `data-copy="curl-`, "a webhook is no call")
	require.Contains(t, body, "graphtest.")
	resp, _ := get(t, s.url+"/-/call/999")
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}
