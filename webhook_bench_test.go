package appevents_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// Each benchmark runs the plain way beside this package's, so that a ratio can be read from one run:
//
//	go test -run '^$' -bench Webhook -benchmem .

const benchSecret = "0123456789abcdef0123456789abcdef"

const benchItem = `{"sender":{"id":"6543210987654321"},"recipient":{"id":"107001112223334"},"timestamp":1718000000123,` +
	`"message":{"mid":"m_AbC123dEf456-gHi_789","text":"Is the blue mug in stock?"}}`

func benchBody(entries, items int) []byte {
	entry := `{"id":"107001112223334","time":1718000000456,"messaging":[` +
		strings.TrimSuffix(strings.Repeat(benchItem+",", items), ",") + `]}`
	return []byte(`{"object":"page","entry":[` + strings.TrimSuffix(strings.Repeat(entry+",", entries), ",") + `]}`)
}

// The plain way: the same values in structs for encoding/json, with the raw bytes of each item kept.
type (
	plainEnvelope struct {
		Object string `json:"object"`
		Entry  []struct {
			ID        appevents.ID      `json:"id"`
			Time      int64             `json:"time"`
			Messaging []json.RawMessage `json:"messaging"`
		} `json:"entry"`
	}
	plainParty struct {
		ID      appevents.ID `json:"id"`
		UserRef string       `json:"user_ref"`
	}
	plainItem struct {
		Sender    plainParty    `json:"sender"`
		Recipient plainParty    `json:"recipient"`
		Timestamp int64         `json:"timestamp"`
		Message   *plainMessage `json:"message"`
	}
	plainMessage struct {
		MID         string                 `json:"mid"`
		Text        string                 `json:"text"`
		QuickReply  *appevents.QuickReply  `json:"quick_reply"`
		ReplyTo     *appevents.ReplyTo     `json:"reply_to"`
		Attachments []appevents.Attachment `json:"attachments"`
		Referral    *appevents.Referral    `json:"referral"`
		IsEcho      bool                   `json:"is_echo"`
		IsDeleted   bool                   `json:"is_deleted"`
		AppID       appevents.ID           `json:"app_id"`
		Metadata    string                 `json:"metadata"`
		NLP         json.RawMessage        `json:"nlp"`
	}
	plainEvent struct {
		raw    json.RawMessage
		thread appevents.Thread
		time   time.Time
		item   plainItem
	}
)

func plainVerify(body []byte, header http.Header) bool {
	digits, ok := strings.CutPrefix(header.Get("X-Hub-Signature-256"), "sha256=")
	if !ok {
		return false
	}
	given, err := hex.DecodeString(digits)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(benchSecret))
	mac.Write(body)
	return hmac.Equal(mac.Sum(nil), given)
}

func plainParse(body []byte) ([]*plainEvent, error) {
	var envelope plainEnvelope
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, err
	}
	var events []*plainEvent
	for _, entry := range envelope.Entry {
		for _, raw := range entry.Messaging {
			event := &plainEvent{raw: raw}
			if err := json.Unmarshal(raw, &event.item); err != nil {
				return nil, err
			}
			event.thread = appevents.Thread{PageID: entry.ID, PSID: event.item.Sender.ID}
			event.time = time.UnixMilli(event.item.Timestamp)
			events = append(events, event)
		}
	}
	return events, nil
}

func hookSigned(tb testing.TB, body []byte) (*appevents.Verifier, http.Header) {
	tb.Helper()
	v, err := appevents.NewVerifier(benchSecret)
	require.NoError(tb, err)
	return v, http.Header{"X-Hub-Signature-256": {v.Sign(body)}}
}

func BenchmarkWebhookVerifyAndParse(b *testing.B) {
	for _, size := range []struct {
		name           string
		entries, items int
	}{{"one", 1, 1}, {"batch100", 1, 100}, {"entries100", 100, 1}} {
		body := benchBody(size.entries, size.items)
		verifier, header := hookSigned(b, body)
		b.Run(size.name+"/floor", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if !plainVerify(body, header) {
					b.Fatal("not verified")
				}
				events, err := plainParse(body)
				if err != nil || len(events) != size.entries*size.items {
					b.Fatal(err)
				}
			}
		})
		b.Run(size.name+"/appevents", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := verifier.Verify(body, header); err != nil {
					b.Fatal(err)
				}
				payload, err := appevents.ParseWebhook(body)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for range payload.Events() {
					n++
				}
				if n != size.entries*size.items {
					b.Fatal(n)
				}
			}
		})
	}
}

func BenchmarkWebhookVerify(b *testing.B) {
	body := benchBody(1, 1)
	verifier, header := hookSigned(b, body)
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !plainVerify(body, header) {
				b.Fatal("not verified")
			}
		}
	})
	b.Run("appevents", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := verifier.Verify(body, header); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWebhookSize shows that the time for a byte does not grow with the body.
func BenchmarkWebhookSize(b *testing.B) {
	for _, kib := range []int{10, 100, 1024, 10240} {
		body := benchBody(kib<<10/len(benchBody(1, 1)), 1)
		b.Run(fmt.Sprintf("%dKiB", kib), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := appevents.ParseWebhook(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// quietWriter is a ResponseWriter that costs nothing, on a connection that can be bounded.
type quietWriter struct {
	header http.Header
	status int
}

func (w *quietWriter) Header() http.Header             { return w.header }
func (w *quietWriter) WriteHeader(status int)          { w.status = status }
func (w *quietWriter) Write(p []byte) (int, error)     { return len(p), nil }
func (w *quietWriter) SetReadDeadline(time.Time) error { return nil }

type rereadBody struct{ bytes.Reader }

func (*rereadBody) Close() error { return nil }

// hookServe returns a function that gives a message to hook the way a server without time-outs does, and returns the
// status. Nothing in it allocates.
func hookServe(tb testing.TB, hook http.Handler) (serve func() int) {
	tb.Helper()
	data := benchBody(1, 1)
	_, header := hookSigned(tb, data)
	header.Set("Content-Type", "application/json")
	ctx, cancel := context.WithCancel(context.WithValue(tb.Context(), http.ServerContextKey, new(http.Server)))
	tb.Cleanup(cancel)
	body := new(rereadBody)
	r := httptest.NewRequest(http.MethodPost, "/", body).WithContext(ctx)
	r.Header, r.ContentLength = header, int64(len(data))
	w := &quietWriter{header: http.Header{}}
	return func() int {
		body.Reset(data)
		clear(w.header)
		hook.ServeHTTP(w, r)
		return w.status
	}
}

func hookQuiet(tb testing.TB, fn func(context.Context, *appevents.MessageEvent) error) *appevents.Webhook {
	tb.Helper()
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{AppSecrets: []string{benchSecret}, VerifyToken: "verify"})
	require.NoError(tb, err)
	appevents.On(hook, fn)
	return hook
}

// BenchmarkWebhookServeHTTP gives one message to the handler in memory. Its floor is what cannot be spared: reading,
// verifying and parsing the body. "-done" has a function that uses its context, as one that makes requests does.
func BenchmarkWebhookServeHTTP(b *testing.B) {
	verifier, _ := hookSigned(b, nil)
	body := make([]byte, 4096)
	floor := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := r.Body.Read(body)
		if verifier.Verify(body[:n], r.Header) == nil {
			if _, err := appevents.ParseWebhook(body[:n]); err == nil {
				w.WriteHeader(http.StatusOK)
			}
		}
	})
	for _, side := range []struct {
		name    string
		handler http.Handler
	}{
		{"floor", floor},
		{"appevents", hookQuiet(b, func(context.Context, *appevents.MessageEvent) error { return nil })},
		{"appevents-done", hookQuiet(b, func(ctx context.Context, _ *appevents.MessageEvent) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			default:
				return nil
			}
		})},
	} {
		b.Run(side.name, func(b *testing.B) {
			serve := hookServe(b, side.handler)
			b.ReportAllocs()
			for b.Loop() {
				if serve() != http.StatusOK {
					b.Fatal("not accepted")
				}
			}
		})
	}
}

// BenchmarkWebhookHandler sends one message over a loopback socket, to a handler that only reads the body and to the
// whole Webhook.
func BenchmarkWebhookHandler(b *testing.B) {
	body := benchBody(1, 1)
	verifier, _ := hookSigned(b, body)
	hook := hookQuiet(b, func(context.Context, *appevents.MessageEvent) error { return nil })

	for _, side := range []struct {
		name    string
		handler http.Handler
	}{
		{"floor", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "EVENT_RECEIVED")
		})},
		{"appevents", hook},
	} {
		b.Run(side.name, func(b *testing.B) {
			server := httptest.NewServer(side.handler)
			defer server.Close()
			signature := verifier.Sign(body)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				client := &http.Client{Transport: &http.Transport{}}
				defer client.CloseIdleConnections()
				for pb.Next() {
					req, err := http.NewRequest(http.MethodPost, server.URL, bytes.NewReader(body))
					if err != nil {
						b.Error(err)
						return
					}
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("X-Hub-Signature-256", signature)
					resp, err := client.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						b.Error(resp.Status)
						return
					}
				}
			})
		})
	}
}
