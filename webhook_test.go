package appevents_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

const hookMessage = `{"object":"page","entry":[{"id":"107","time":1718000000456,"messaging":[{` + hookPeople +
	`,"message":{"mid":"m_1","text":"canary"}}]}]}`

// hookBatch is a delivery with a message for each mid, from as many people as asked for.
func hookBatch(people int, mids ...string) string {
	items := make([]string, len(mids))
	for i, mid := range mids {
		items[i] = fmt.Sprintf(`{"sender":{"id":"%d"},"recipient":{"id":"107"},"message":{"mid":"%s"}}`, i%people+1, mid)
	}
	return `{"object":"page","entry":[{"id":"107","messaging":[` + strings.Join(items, ",") + `]}]}`
}

func TestNewWebhook_RefusesUnusableConfigurations(t *testing.T) {
	t.Parallel()
	valid := appevents.WebhookConfig{AppSecrets: []string{"canary-secret"}, VerifyToken: "canary-token"}
	for field, change := range map[string]func(*appevents.WebhookConfig){
		"AppSecrets":   func(cfg *appevents.WebhookConfig) { cfg.AppSecrets = nil },
		"VerifyToken":  func(cfg *appevents.WebhookConfig) { cfg.VerifyToken = "" },
		"MaxBody":      func(cfg *appevents.WebhookConfig) { cfg.MaxBody = -1 },
		"Timeout":      func(cfg *appevents.WebhookConfig) { cfg.Timeout = -1 },
		"Concurrency":  func(cfg *appevents.WebhookConfig) { cfg.Concurrency = -1 },
		"DedupeWindow": func(cfg *appevents.WebhookConfig) { cfg.DedupeWindow = -1 },
		"DedupeEvents": func(cfg *appevents.WebhookConfig) { cfg.DedupeEvents = -1 },
	} {
		cfg := valid
		change(&cfg)
		hook, err := appevents.NewWebhook(cfg)
		var config *appevents.ConfigError
		require.ErrorAs(t, err, &config)
		require.Equal(t, "WebhookConfig."+field, config.Field)
		require.Nil(t, hook)
		require.NotContains(t, err.Error(), "canary")
	}
	empty := valid
	empty.AppSecrets = []string{""}
	_, err := appevents.NewWebhook(empty)
	require.ErrorContains(t, err, "WebhookConfig.AppSecrets: must not be empty")
	blank := valid
	blank.VerifyToken = "canary-token "
	_, err = appevents.NewWebhook(blank)
	require.ErrorContains(t, err, "white space")

	hook, err := appevents.NewWebhook(valid)
	require.NoError(t, err)
	for _, v := range []any{valid, &valid, hook} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			require.NotContains(t, fmt.Sprintf(verb, v), "canary")
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		require.NotContains(t, log.String(), "canary")
	}
}

func TestWebhook_Handshake(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, mode, token, challenge string
		status                       int
	}{
		{"right", "subscribe", hookToken, "1158201444", http.StatusOK},
		{"challenge with markup", "subscribe", hookToken, "<script>", http.StatusOK},
		{"wrong token", "subscribe", "guess", "1158201444", http.StatusForbidden},
		{"longer token", "subscribe", hookToken + "x", "1158201444", http.StatusForbidden},
		{"no token", "subscribe", "", "1158201444", http.StatusForbidden},
		{"other mode", "unsubscribe", hookToken, "1158201444", http.StatusForbidden},
		{"no mode", "", hookToken, "1158201444", http.StatusForbidden},
		{"no challenge", "subscribe", hookToken, "", http.StatusForbidden},
		{"endless challenge", "subscribe", hookToken, strings.Repeat("1", 1025), http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			hook := newHook(t, nil)
			query := url.Values{
				"hub.mode": {test.mode}, "hub.verify_token": {test.token}, "hub.challenge": {test.challenge},
			}
			w := hook.serve(httptest.NewRequest(http.MethodGet, "/any/path?"+query.Encode(), nil))
			require.Equal(t, test.status, w.Code)
			require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
			if test.status == http.StatusOK {
				require.Equal(t, test.challenge, w.Body.String())
				require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
				require.Empty(t, hook.reported())
				return
			}
			require.Equal(t, "forbidden", w.Body.String())
			require.Equal(t, []error{appevents.ErrBadHandshake}, hook.reported())
		})
	}
}

func TestWebhook_Answers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(r *http.Request)
		status int
		text   string
		err    error
	}{
		{"delivery", func(*http.Request) {}, http.StatusOK, "EVENT_RECEIVED", nil},
		{"content type with parameters", func(r *http.Request) {
			r.Header.Set("Content-Type", "Application/JSON ; charset=UTF-8")
		}, http.StatusOK, "EVENT_RECEIVED", nil},
		{"no content type", func(r *http.Request) { r.Header.Del("Content-Type") }, http.StatusOK, "EVENT_RECEIVED", nil},
		{"form", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}, http.StatusUnsupportedMediaType, "unsupported media type", appevents.ErrWebhookBody},
		{"unsigned", func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") },
			http.StatusForbidden, "forbidden", appevents.ErrNotSigned},
		{"badly signed", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256=") },
			http.StatusForbidden, "forbidden", appevents.ErrBadSignatureHeader},
		{"forged", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("a", 64)) },
			http.StatusForbidden, "forbidden", appevents.ErrSignatureMismatch},
		{"altered", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(hookMessage + " ")) },
			http.StatusForbidden, "forbidden", appevents.ErrSignatureMismatch},
		{"cut off", func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(hookMessage), iotest.ErrReader(io.ErrUnexpectedEOF)))
		}, http.StatusBadRequest, "bad request", io.ErrUnexpectedEOF},
		{"no body at all", func(r *http.Request) { r.Body = nil }, http.StatusForbidden, "forbidden",
			appevents.ErrSignatureMismatch},
		{"limited before", func(r *http.Request) { r.Body = http.MaxBytesReader(nil, r.Body, 10) },
			http.StatusRequestEntityTooLarge, "body too large", appevents.ErrWebhookBody},
		{"PUT", func(r *http.Request) { r.Method = http.MethodPut }, http.StatusMethodNotAllowed, "method not allowed", nil},
		{"HEAD", func(r *http.Request) { r.Method = http.MethodHead }, http.StatusMethodNotAllowed, "method not allowed", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			hook := newHook(t, nil)
			called := 0
			appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error {
				called++
				require.Equal(t, "m_1", e.MID)
				return nil
			})
			r := hook.request(hookMessage)
			test.change(r)
			w := hook.serve(r)
			require.Equal(t, test.status, w.Code)
			require.Equal(t, test.text, w.Body.String())
			require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
			require.Equal(t, test.status == http.StatusOK, called == 1)
			require.Equal(t, test.status == http.StatusMethodNotAllowed, w.Header().Get("Allow") == "GET, POST")
			unread := test.status == http.StatusRequestEntityTooLarge || test.status == http.StatusBadRequest ||
				test.status == http.StatusUnsupportedMediaType
			require.Equal(t, unread, w.Header().Get("Connection") == "close")
			errs := hook.reported()
			if test.err == nil {
				require.Empty(t, errs)
				return
			}
			require.Len(t, errs, 1)
			require.ErrorIs(t, errs[0], test.err)
			require.NotContains(t, errs[0].Error(), "canary")
		})
	}
}

func TestWebhook_LimitsTheBody(t *testing.T) {
	t.Parallel()
	for _, chunked := range []bool{false, true} {
		for extra, status := range map[int]int{
			-1: http.StatusRequestEntityTooLarge, 0: http.StatusOK, 1: http.StatusOK, 100000: http.StatusOK,
		} {
			hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.MaxBody = int64(len(hookMessage) + extra) })
			r := hook.request(hookMessage)
			r.Body = io.NopCloser(iotest.OneByteReader(r.Body))
			if chunked {
				r.ContentLength = -1
			}
			require.Equal(t, status, hook.serve(r).Code, "%v %d", chunked, extra)
		}
	}

	// The limit holds whatever the sender announces, and by default it is 4 MiB.
	hook := newHook(t, nil)
	r := hook.request(hookMessage)
	r.ContentLength = 1 << 40
	require.Equal(t, http.StatusRequestEntityTooLarge, hook.serve(r).Code)

	counter := &countingReader{}
	r = hook.request(hookMessage)
	r.ContentLength, r.Body = -1, io.NopCloser(counter)
	require.Equal(t, http.StatusRequestEntityTooLarge, hook.serve(r).Code)
	require.Greater(t, counter.n, 4<<20)
	require.Less(t, counter.n, 9<<20)

	large := strings.Repeat(" ", 3<<20) + hookMessage
	require.Equal(t, http.StatusOK, hook.deliver(large).Code)
}

// countingReader never ends.
type countingReader struct{ n int }

func (r *countingReader) Read(p []byte) (int, error) {
	r.n += len(p)
	return len(p), nil
}

func TestWebhook_UnreadableBodiesAreNotAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`not JSON`, ``, `{"object":"page"}`, `{"object":"page","entry":[`} {
		hook := newHook(t, nil)
		require.Equal(t, http.StatusOK, hook.deliver(body).Code)
		errs := hook.reported()
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], appevents.ErrNotWebhook)
	}

	// Nor is a delivery because of one odd event; its trouble is reported, its siblings arrive.
	hook := newHook(t, nil)
	var mids []string
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error {
		mids = append(mids, e.MID)
		return nil
	})
	w := hook.deliver(`{"object":"page","entry":[{"id":"107","messaging":[
		{"message":"odd"},{"message":{"mid":"m_1","text":{}}},{"message":{"mid":"m_2"}}]}]}`)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, []string{"m_1", "m_2"}, mids)
	errs := hook.reported()
	require.Len(t, errs, 2)
	var partly *appevents.WebhookItemError
	require.ErrorAs(t, errs[0], &partly)
	require.ErrorAs(t, errs[1], &partly)
}

func TestWebhook_ZeroValueRefuses(t *testing.T) {
	t.Parallel()
	var hook appevents.Webhook
	appevents.On(&hook, func(context.Context, appevents.WebhookEvent) error {
		t.Error("called")
		return nil
	})
	for _, r := range []*http.Request{
		newHook(t, nil).request(hookMessage),
		httptest.NewRequest(http.MethodGet, "/?hub.mode=subscribe&hub.challenge=1&hub.verify_token=", nil),
		httptest.NewRequest(http.MethodGet, "/?hub.mode=subscribe&hub.challenge=1", nil),
		newHook(t, nil).request(""),
	} {
		w := httptest.NewRecorder()
		hook.ServeHTTP(w, r)
		require.NotEqual(t, http.StatusOK, w.Code)
	}
}

func TestWebhook_SeveralAppsAndSHA1(t *testing.T) {
	t.Parallel()
	other, err := appevents.NewVerifier("other-app")
	require.NoError(t, err)
	hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.AppSecrets = []string{"other-app", hookSecret} })
	require.Equal(t, http.StatusOK, hook.deliver(hookMessage).Code)
	r := hook.request(hookMessage)
	r.Header.Set("X-Hub-Signature-256", other.Sign([]byte(hookMessage)))
	require.Equal(t, http.StatusOK, hook.serve(r).Code)

	for accept, status := range map[bool]int{false: http.StatusForbidden, true: http.StatusOK} {
		hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.AcceptSHA1 = accept })
		r := hook.request(`{"object":"page","entry":[]}`)
		r.Header.Del("X-Hub-Signature-256")
		r.Header.Set("X-Hub-Signature", "sha1=8140dad690593c0a964005080d6c445e7921d6f3")
		require.Equal(t, status, hook.serve(r).Code)
	}
}

func TestWebhook_BehindRouters(t *testing.T) {
	t.Parallel()
	hook := newHook(t, nil)
	mux := http.NewServeMux()
	mux.Handle("/plain", hook)
	mux.Handle("POST /method/{page}", hook)
	mux.Handle("/strip/", http.StripPrefix("/strip", hook))
	mux.Handle("/rest/", http.StripPrefix("/rest/webhook", hook))
	mux.Handle("/wrapped", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Routers such as chi and gorilla hand on a request with a context of theirs, and a writer that hides the rest.
		hook.ServeHTTP(struct{ http.ResponseWriter }{w}, r.WithContext(context.WithValue(r.Context(), hook, "route")))
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for _, path := range []string{"/plain", "/method/107", "/strip/webhook", "/rest/webhook", "/wrapped"} {
		r := hook.request(hookMessage)
		r.RequestURI = ""
		var err error
		r.URL, err = url.Parse(server.URL + path)
		require.NoError(t, err)
		resp, err := server.Client().Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.Equal(t, "EVENT_RECEIVED", string(body))
	}
}

func TestWebhook_SlowSendersDoNotHoldIt(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*http.Server){
		"no server time-out": func(*http.Server) {},
		"server time-out":    func(s *http.Server) { s.ReadTimeout = 50 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hook := newHook(t, func(cfg *appevents.WebhookConfig) {
				if cfg.Timeout = 50 * time.Millisecond; name == "server time-out" {
					cfg.Timeout = time.Hour
				}
			})
			server := httptest.NewUnstartedServer(hook)
			configure(server.Config)
			server.Start()
			t.Cleanup(server.Close)
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
			require.NoError(t, err)
			answer, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Contains(t, string(answer), "400 Bad Request")
			require.ErrorIs(t, <-hook.errs, appevents.ErrWebhookBody)
		})
	}

	// The time for the body is not the time for the connection: it carries more deliveries later.
	hook := newHook(t, nil)
	server := httptest.NewServer(hook)
	t.Cleanup(server.Close)
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(hookMessage))
		require.NoError(t, err)
		req.Header = hook.request(hookMessage).Header
		resp, err := server.Client().Do(req)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
}
