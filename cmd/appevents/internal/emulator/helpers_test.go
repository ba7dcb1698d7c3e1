package emulator_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// rig is an emulator on a port and a bot that it delivers to.
type rig struct {
	t   *testing.T
	e   *emulator.Emulator
	url string
	bot *bot
}

// bot answers webhooks with 200 and lets a test do more, before it answers.
type bot struct {
	mu     sync.Mutex
	bodies []string
	header []http.Header
	status int
	on     func(body string)
	heard  chan string
}

func (b *bot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, r.URL.Query().Get("hub.challenge"))
		return
	}
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	b.bodies, b.header = append(b.bodies, string(body)), append(b.header, r.Header.Clone())
	on, status := b.on, b.status
	b.mu.Unlock()
	if on != nil {
		on(string(body))
	}
	if status != 0 {
		w.WriteHeader(status)
	}
	select {
	case b.heard <- string(body):
	default:
	}
}

func start(t *testing.T, cfg emulator.Config) *rig {
	t.Helper()
	b := &bot{heard: make(chan string, 100)}
	botServer := httptest.NewServer(b)
	t.Cleanup(botServer.Close)
	if cfg.BotURL == "" {
		cfg.BotURL = botServer.URL + "/webhook"
	}
	cfg.Seed = 1
	e, err := emulator.New(cfg)
	require.NoError(t, err)
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		require.NoError(t, e.Close())
		server.Close()
	})
	return &rig{t, e, server.URL, b}
}

// do sends a request and returns status and body.
func (r *rig) do(req *http.Request) (int, string) {
	r.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	return resp.StatusCode, string(body)
}

func (r *rig) get(path string, v any) int {
	r.t.Helper()
	status, body := r.do(httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+path, nil))
	if v != nil {
		require.NoError(r.t, json.Unmarshal([]byte(body), v), body)
	}
	return status
}

func (r *rig) post(path string, in, out any) int {
	r.t.Helper()
	data, err := json.Marshal(in)
	require.NoError(r.t, err)
	req := httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+path, bytes.NewReader(data))
	req.Header.Set("Content-Type", "application/json")
	status, body := r.do(req)
	if out != nil {
		require.NoError(r.t, json.Unmarshal([]byte(body), out), body)
	}
	return status
}

// graph calls Graph with the Page's token and a JSON body.
func (r *rig) graph(method, path string, body any) (int, string) {
	var data []byte
	if body != nil {
		data, _ = json.Marshal(body)
	}
	req := httptest.NewRequestWithContext(r.t.Context(), method, r.url+path, bytes.NewReader(data))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.e.Credentials().PageAccessToken)
	return r.do(req)
}

// reply sends a text as the bot does.
func (r *rig) reply(text string) (int, string) {
	return r.graph(http.MethodPost, "/v26.0/me/messages", map[string]any{
		"recipient": map[string]string{"id": kim}, "messaging_type": "RESPONSE", "message": map[string]string{"text": text},
	})
}

// log sends an event to /activities.
func (r *rig) log(event map[string]any, more ...string) (int, string) {
	events, _ := json.Marshal([]any{event})
	form := url.Values{
		"event": {"CUSTOM_APP_EVENTS"}, "custom_events": {string(events)}, "advertiser_tracking_enabled": {"1"},
		"application_tracking_enabled": {"1"}, "extinfo": {`["mb1"]`}, "page_id": {page}, "page_scoped_user_id": {kim},
	}
	for n := 0; n+1 < len(more); n += 2 {
		form.Set(more[n], more[n+1])
	}
	req := httptest.NewRequestWithContext(r.t.Context(), http.MethodPost,
		r.url+"/v26.0/"+r.e.Credentials().AppID+"/activities", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r.do(req)
}

func (r *rig) say(text string) emulator.Exchange {
	r.t.Helper()
	var x emulator.Exchange
	require.Equal(r.t, 200, r.post("/-/api/say", map[string]string{"text": text}, &x))
	return x
}

func (r *rig) turns() []emulator.Turn {
	r.t.Helper()
	var out struct{ Turns []emulator.Turn }
	require.Equal(r.t, 200, r.get("/-/api/turns", &out))
	return out.Turns
}

func (r *rig) counted() map[string]emulator.Counted {
	r.t.Helper()
	var out map[string]emulator.Counted
	require.Equal(r.t, 200, r.get("/-/api/counted", &out))
	return out
}

func (r *rig) rules() []string {
	r.t.Helper()
	var s emulator.State
	require.Equal(r.t, 200, r.get("/-/api/state", &s))
	var names []string
	for _, f := range s.Findings {
		names = append(names, f.Rule)
	}
	return names
}

const (
	page = "107001112223334"
	kim  = "6543210987654321"
	lee  = "6543210987654322"
)

func readAll(r io.Reader) string {
	data, _ := io.ReadAll(r) // truncated answers are what some faults are about
	return string(data)
}
