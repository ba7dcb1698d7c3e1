package page_test

import (
	"bufio"
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/page"
)

const (
	kim     = "6543210987654321"
	lee     = "6543210987654322"
	hostile = `<img src=x onerror=alert(1)><script>alert(2)</script>"'&`
)

func start(t *testing.T) (*emulator.Emulator, string) {
	t.Helper()
	bot := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(bot.Close)
	e, err := emulator.New(emulator.Config{BotURL: bot.URL + "/webhook", Page: page.New, Seed: 1})
	require.NoError(t, err)
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		require.NoError(t, e.Close())
		server.Close()
	})
	return e, server.URL
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

// botSends lets the bot send a message with text wherever there can be some.
func botSends(t *testing.T, e *emulator.Emulator, url string, message string) {
	t.Helper()
	body := `{"recipient":{"id":"` + kim + `"},"messaging_type":"RESPONSE","message":` + message + `}`
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v26.0/me/messages", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+e.Credentials().PageAccessToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
}

func escape(s string) string { return url.QueryEscape(s) }

func TestTextStaysText(t *testing.T) {
	t.Parallel()
	e, url := start(t)
	_, err := e.AddPerson(emulator.Person{Name: hostile})
	require.NoError(t, err)
	_, err = e.Say(t.Context(), emulator.Say{Text: hostile})
	require.NoError(t, err)
	text, err := json.Marshal(hostile)
	require.NoError(t, err)
	link := `"javascript:alert(3)"`
	botSends(t, e, url, `{"text":`+string(text)+`,"quick_replies":[{"content_type":"text","title":`+string(text)+
		`,"payload":`+string(text)+`}]}`)
	botSends(t, e, url, `{"attachment":{"type":"template","payload":{"template_type":"generic","elements":[{"title":`+
		string(text)+`,"image_url":`+link+`,"buttons":[{"type":"web_url","title":`+string(text)+`,"url":`+link+
		`},{"type":"postback","title":"x","payload":`+string(text)+`}]}]}}}`)
	form := "event=CUSTOM_APP_EVENTS&page_scoped_user_id=" + kim + "&custom_events=" + escape(`[{"_eventName":`+string(text)+`}]`)
	resp, err := http.DefaultTransport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodPost,
		url+"/v26.0/1517776481860111/activities?"+form, nil))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	botSends(t, e, url, `{"attachment":{"type":"image","payload":{"url":"https://evil.example/1.png"}}}`)

	_, body := get(t, url+"/")
	require.NotContains(t, body, "<img")
	require.NotContains(t, body, "<script>")
	tags := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(body, `""`) // what is left are elements and names of attributes
	require.NotRegexp(t, `<[^>]*\son[a-z]+\s*=`, tags, "no handler in any element")
	require.NotRegexp(t, `(href|src|action)="(javascript:|https?:|//)`, body)
	require.GreaterOrEqual(t, strings.Count(html.UnescapeString(body), "<img src=x onerror=alert(1)>"), 5)
	for _, m := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		require.Regexp(t, `^(/|#|\?)`, m[1])
	}
}

func TestThePageHasWhatItNeedsWithoutJavaScript(t *testing.T) {
	t.Parallel()
	e, url := start(t)
	x, err := e.Say(t.Context(), emulator.Say{Text: "hello there"})
	require.NoError(t, err)
	require.Equal(t, 200, x.Status)
	botSends(t, e, url, `{"text":"Outfits?","quick_replies":[{"content_type":"text","title":"Outfits","payload":"OUT"}]}`)
	resp, body := get(t, url+"/")
	require.Equal(t, 200, resp.StatusCode)
	csp := resp.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
		"img-src 'self' data:", "frame-ancestors 'none'"} {
		require.Contains(t, csp, part)
	}
	require.Equal(t, 1, strings.Count(body, "<h1"))
	for _, part := range []string{"hello there", "Outfits?", `payload=OUT`, "Kim Berg", "Lee Park", `role="log"`,
		`aria-live="polite"`, "Turn 1", "<main>", "<header>", `class="skip"`, "What Meta would count", "Funnel",
		"Deliver again", "Let 25 hours pass"} {
		require.Contains(t, body, part)
	}
	require.NotContains(t, body, "style=", "the policy would forbid it")
	require.Equal(t, "DENY", resp.Header.Get("X-Frame-Options"))
	require.Equal(t, "same-origin", resp.Header.Get("Referrer-Policy"), "plain forms need their Origin")
	for name, value := range map[string]string{"token": e.Credentials().PageAccessToken, "secret": e.Credentials().AppSecret,
		"verify token": e.Credentials().VerifyToken} {
		require.NotContains(t, body, value, name)
	}
	for _, asset := range []string{"/-/page.css", "/-/page.js", "/-/icon.svg"} {
		resp, _ := get(t, url+asset)
		require.Equal(t, 200, resp.StatusCode, asset)
		require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	}
	resp, _ = get(t, url+"/-/templates/page.html")
	require.Equal(t, 404, resp.StatusCode)
	_, body = get(t, url+"/?filter=problems")
	require.NotContains(t, body, `id="turn-1"`)
}

func TestAFormWithoutJavaScriptComesBackToThePage(t *testing.T) {
	t.Parallel()
	e, base := start(t)
	for path, form := range map[string]url.Values{
		"say":     {"text": {"typed"}, "psid": {kim}},
		"trigger": {"field": {"messaging_postbacks"}, "payload": {"BUY"}, "psid": {kim}},
		"faults":  {"fault": {"throttle"}, "edge": {""}, "page": {""}, "times": {"2"}},
		"clock":   {"advance": {"25h"}},
		"person":  {"name": {"Ada"}, "ad": {""}},
		"probe":   {},
		"again/1": {},
	} {
		if path == "again/1" {
			_, err := e.Say(t.Context(), emulator.Say{Text: "first"})
			require.NoError(t, err)
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+"/-/api/"+path,
			strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Accept", "text/html,application/xhtml+xml")
		req.Header.Set("Origin", base)
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		require.Equal(t, http.StatusSeeOther, resp.StatusCode, "%s: %s", path, answer)
		require.Regexp(t, `^/(\?person=\d+)?$`, resp.Header.Get("Location"))
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// What was shown stays, and a mistake is said on the page, once.
func TestAFormKeepsWhatWasShown(t *testing.T) {
	t.Parallel()
	_, base := start(t)
	post := func(path string, form url.Values) string {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+"/-/api/"+path,
			strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Accept", "text/html")
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusSeeOther, resp.StatusCode)
		return resp.Header.Get("Location")
	}
	show := url.Values{"show": {"filter=events&tab=leads&person=" + lee + "&evil=//evil.example&call=1"}}
	require.Equal(t, "/?filter=events&person="+lee+"&tab=leads", post("faults", url.Values{"fault": {"throttle"}, "show": show["show"]}))
	require.Equal(t, "/", post("probe", url.Values{"show": {"%zz"}}))
	require.Equal(t, "/?person="+lee, post("trigger", url.Values{
		"press": {"field=messages%2Fquick_reply&text=Yes&payload=YES"}, "psid": {lee},
	}))
	_, body := get(t, base+"/?person="+lee)
	require.Contains(t, body, `<p class="text">Yes</p>`)

	require.Equal(t, "/", post("faults", url.Values{"fault": {"<b>none</b>"}}))
	_, body = get(t, base+"/")
	require.Regexp(t, `id="said" role="status">✗ fault must be one of`, body)
	_, body = get(t, base+"/")
	require.Contains(t, body, `id="said" role="status"></p>`)
	_, body = get(t, base+"/?tab=nothing&filter=%3Cscript%3E&person=x&call=-1")
	require.Contains(t, body, `data-tab="counted" aria-current="true"`)
}

// What the token may do can be switched, and what arrives follows the subscriptions.
func TestSetup(t *testing.T) {
	t.Parallel()
	e, base := start(t)
	_, body := get(t, base+"/?tab=setup")
	require.Contains(t, body, `<button form="grants" name="deny" value="page_events"`)
	require.NoError(t, e.SetGrants(emulator.Grants{Deny: "page_events", Token: "expired"}))
	_, body = get(t, base+"/?tab=setup")
	require.Contains(t, body, `<button form="grants" name="allow" value="page_events"`)
	require.Contains(t, body, "✗ expired")
	require.Contains(t, body, "The bot has subscribed to nothing yet")
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+"/-/api/grants",
		strings.NewReader("allow=page_events&token=valid&show=tab%3Dsetup"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "text/html")
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "/?tab=setup", resp.Header.Get("Location"))
	_, body = get(t, base+"/?tab=setup")
	require.Contains(t, body, "✓ valid")

	req = httptest.NewRequestWithContext(t.Context(), http.MethodPost,
		base+"/v26.0/me/subscribed_apps?subscribed_fields=messages", nil)
	req.Header.Set("Authorization", "Bearer "+e.Credentials().PageAccessToken)
	resp, err = http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	_, body = get(t, base+"/?tab=setup")
	require.Regexp(t, `messages</th><td>no</td><td>yes</td><td><b class="ok">✓ yes`, body)
	require.Regexp(t, `messaging_postbacks</th><td>no</td><td>no</td><td><b class="bad">✗ no`, body)
}

// Pages, datasets, usage and Graph's clock are set by forms that need no JavaScript.
func TestSetupChangesThePlatform(t *testing.T) {
	t.Parallel()
	_, base := start(t)
	_, body := get(t, base+"/?tab=setup")
	require.NotContains(t, body, "Writes to", "there is one Page")
	require.Contains(t, body, "Any ID is one, until")
	require.Contains(t, body, "no usage headers are sent")
	for _, form := range []struct{ path, fields, want string }{
		{"pages", "id=108001112223335&name=Tea+House", `Tea House</bdi> <code>108001112223335</code>`},
		{"datasets", "id=77&name=&pages=108001112223335", `Dataset 77</bdi> <code>77</code> of 108001112223335 <button form="undeclare"`},
		{"datasets", "remove=1&id=77", `<dt>Datasets</dt><dd>No other ID is one.`},
		{"usage", "percent=95", `! 95 % of the limits used up`},
		{"usage", "percent=0", "no usage headers are sent"},
		{"clock", "skew=-10m", `Graph's Date is -10m0s off`},
		{"clock", "skew=soon", `✗ skew must be a duration such as 10m or -1h`},
		{"pages", "id=x&name=y", `✗ id must be a number`},
		{"person", "name=Ada&page=108001112223335", "Conversation · <bdi>Kim Berg</bdi>"},
	} {
		require.Contains(t, body, `action="/-/api/`+form.path+`"`)
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+"/-/api/"+form.path,
			strings.NewReader(form.fields+"&show=tab%3Dsetup"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Accept", "text/html")
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusSeeOther, resp.StatusCode)
		require.Contains(t, resp.Header.Get("Location"), "tab=setup")
		_, body = get(t, base+"/?tab=setup")
		require.Contains(t, body, form.want, form.fields)
	}
	require.Contains(t, body, "Writes to")
}

func TestFiltersAndTabsWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := openShop(t, emulator.Config{})
	s.session() // turns 1 and 2 are Lee's; 2, 4, 5, 6 and 7 have events, 6 and 7 problems
	for filter, want := range map[string][]string{
		"": {"1", "2", "3", "4", "5", "6", "7"}, "events": {"2", "4", "5", "6", "7"}, "problems": {"6", "7"},
		"person": {"3", "4", "5", "6", "7"},
	} {
		_, body := get(t, s.url+"/?filter="+filter+"&person="+kim)
		var got []string
		for _, m := range regexp.MustCompile(`id="turn-(\d+)"`).FindAllStringSubmatch(body, -1) {
			got = append(got, m[1])
		}
		require.Equal(t, want, got, filter)
	}
	for tab, want := range map[string]string{
		"counted": "Consent withheld", "leads": "Became a lead", "queue": "appevents queue stats",
		"replay": "logged again: Meta counts it twice", "setup": "Webhook fields", "probe": "Probe the bot",
		"unknown": "Every path that the bot asked for is emulated",
	} {
		_, body := get(t, s.url+"/?tab="+tab)
		for _, other := range []string{"counted", "leads", "queue", "replay", "setup", "probe", "unknown"} {
			_, panel, _ := strings.Cut(body, `<div id="tab-`+other+`"`)
			require.Equal(t, other != tab, strings.HasPrefix(panel, " hidden"), "%s in %s", other, tab)
			if other == tab {
				require.Contains(t, panel, want)
			}
		}
	}
	_, body := get(t, s.url+"/")
	for _, part := range []string{
		"<b>5 events</b> from 2 people, worth <b>110.44 USD</b>", "✗ 1 refused", "✗ 1 counted twice", "logged <b>Purchase</b>",
		"<bdi>55.22 USD</bdi> · counted twice", "24-hour window", "refused 2500", `<td>1</td><td>50 %</td>`, "delivered again",
	} {
		require.Contains(t, body, part)
	}
}

// A page of an earlier process, and one that missed something, is drawn anew; one that did not gets what changed.
func TestTheStreamResumes(t *testing.T) {
	t.Parallel()
	e, base := start(t)
	x, err := e.Say(t.Context(), emulator.Say{Text: "one"})
	require.NoError(t, err)
	_, err = e.Say(t.Context(), emulator.Say{Text: "two"})
	require.NoError(t, err)
	_, body := get(t, base+"/")
	boot := regexp.MustCompile(`data-boot="(\w+)"`).FindStringSubmatch(body)[1]
	first := func(query string) string {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, base+"/-/events?as=html&"+query, nil)
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var f struct{ ID, Mode string }
				require.NoError(t, json.Unmarshal([]byte(data), &f))
				return f.ID + " " + f.Mode
			}
		}
		return ""
	}
	after := "&after=" + itoa(x.Rev)
	require.Equal(t, "m-2 upsert", first("boot="+boot+after))
	require.Equal(t, "log inner", first("boot=earlier"+after))
	require.Equal(t, "log inner", first("boot="+boot+"&after=1000000"))
	require.Equal(t, "log inner", first("boot="+boot))
	e.Reset()
	require.Equal(t, "log inner", first("boot="+boot+after))
}

func TestTheStreamSendsWhatChanged(t *testing.T) {
	t.Parallel()
	e, base := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, base+"/-/events?as=html&person="+kim, nil)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "text/event-stream; charset=utf-8", resp.Header.Get("Content-Type"))

	type fragment struct{ ID, Mode, Parent, HTML string }
	lines := bufio.NewScanner(resp.Body)
	next := func(id string) fragment {
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var f fragment
			require.NoError(t, json.Unmarshal([]byte(data), &f))
			if f.ID == id {
				return f
			}
		}
		require.Fail(t, "the stream ended", "before %s: %v", id, lines.Err())
		return fragment{}
	}
	require.Equal(t, "inner", next("log").Mode)
	next("unknown")
	_, err = e.Say(t.Context(), emulator.Say{Text: hostile})
	require.NoError(t, err)
	f := next("m-1")
	require.Equal(t, "upsert", f.Mode)
	require.Equal(t, "log", f.Parent)
	require.NotContains(t, f.HTML, "<img")
	require.Contains(t, html.UnescapeString(f.HTML), hostile)
	f = next("turn-1")
	require.Equal(t, "rows", f.Parent)
}
