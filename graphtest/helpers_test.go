package graphtest_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// now is the time of the servers in these tests.
var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func atNow() time.Time { return now }

const (
	appID     = "771"
	appSecret = "canary-app-secret"
	form      = "application/x-www-form-urlencoded"
	jsonType  = "application/json"
	hash      = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
)

// setup returns a server without a socket whose clock stands at now.
func setup(opts ...graphtest.Option) *graphtest.Server {
	return graphtest.New(append([]graphtest.Option{graphtest.WithClock(atNow)}, opts...)...)
}

// request is one call to a server.
type request struct {
	method string // POST by default
	path   string
	token  string // sent in the Authorization header
	header http.Header
	typ    string
	body   string
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

func (q request) build(t testing.TB, base string) *http.Request {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), q.method, base+q.path, strings.NewReader(q.body))
	require.NoError(t, err)
	maps.Copy(r.Header, q.header)
	if q.typ != "" {
		r.Header.Set("Content-Type", q.typ)
	}
	if q.token != "" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	return r
}

// send sends the request through the server's RoundTrip.
func send(t testing.TB, s *graphtest.Server, q request) reply {
	t.Helper()
	return read(s.RoundTrip(q.build(t, s.URL)))
}

func read(resp *http.Response, err error) reply {
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return reply{status: resp.StatusCode, header: resp.Header, body: string(data), err: err}
}

// last returns the call recorded last.
func last(t testing.TB, s *graphtest.Server) graphtest.Call {
	t.Helper()
	calls := s.Calls()
	require.NotEmpty(t, calls)
	return calls[len(calls)-1]
}

// brief writes problems as "field rule" and, when refused, "field rule code" or "field rule code/subcode".
func brief(problems []graphtest.Problem) []string {
	out := []string{}
	for _, p := range problems {
		s := p.Field + " " + p.Rule
		if p.Code != 0 {
			s += fmt.Sprintf(" %d", p.Code)
		}
		if p.Subcode != 0 {
			s += fmt.Sprintf("/%d", p.Subcode)
		}
		out = append(out, s)
	}
	return out
}

// values builds form values from "name=value" edits of a base: "name" alone removes it.
func values(base url.Values, edits ...string) url.Values {
	v := maps.Clone(base)
	for _, e := range edits {
		name, value, set := strings.Cut(e, "=")
		if set {
			v[name] = []string{value}
		} else {
			delete(v, name)
		}
	}
	return v
}

// bot is the call of seed 000: a purchase in a Messenger thread.
func bot(edits ...string) request {
	return request{path: "/v26.0/771/activities", typ: form, body: values(url.Values{
		"event":                        {"CUSTOM_APP_EVENTS"},
		"custom_events":                {`[{"_eventName":"fb_mobile_purchase","_valueToSum":55.22,"fb_currency":"USD"}]`},
		"advertiser_tracking_enabled":  {"1"},
		"application_tracking_enabled": {"1"},
		"extinfo":                      {`["mb1"]`},
		"page_id":                      {"901"},
		"page_scoped_user_id":          {"7702"},
	}, edits...).Encode()}
}

// device is a custom event of a phone.
func device(edits ...string) request {
	return request{path: "/v26.0/771/activities", typ: form, body: values(url.Values{
		"event":                        {"CUSTOM_APP_EVENTS"},
		"custom_events":                {`[{"_eventName":"Contact"}]`},
		"advertiser_tracking_enabled":  {"1"},
		"application_tracking_enabled": {"1"},
		"advertiser_id":                {"1111-1111-1111-1111"},
	}, edits...).Encode()}
}

// events is a device call with one event made of these members.
func events(members string) request {
	return device(`custom_events=[{"_eventName":"Contact",` + members + `}]`)
}
