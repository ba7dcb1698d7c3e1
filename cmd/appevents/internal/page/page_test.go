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
