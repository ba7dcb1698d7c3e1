package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

func TestDemo_ShowsTheConversationAndItsEvents(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, demo(t.Context(), newPrinter(&out, false), newBot), out.String())
	text := out.String()
	for _, want := range []string{
		"200 ", "403 ", "fb_mobile_content_view", "fb_mobile_purchase", "55.22", "USD", "lead_submitted",
		`["mb1"]`, "/activities", "/page_activities", "Meta has retired this edge", "exactly the right events",
	} {
		require.Contains(t, text, want)
	}
	for _, secret := range []string{demoAppSecret, demoPageToken, "\x1b["} {
		require.NotContains(t, text, secret)
	}
}

// The README shows part of what "make demo" prints, with an ellipsis where something differs each time or is long.
func TestDemo_IsWhatTheReadmeShows(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, demo(t.Context(), newPrinter(&out, false), newBot), out.String())
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, shown, found := strings.Cut(string(readme), "<!-- make demo -->\n```\n")
	require.True(t, found)
	shown, _, _ = strings.Cut(shown, "```")
	rest := out.String()
	for line := range strings.Lines(shown) {
		for i, part := range strings.Split(strings.TrimSpace(line), "…") {
			at := strings.Index(rest, strings.TrimSpace(part))
			require.GreaterOrEqual(t, at, 0, "part %d of %q does not come next", i, line)
			rest = rest[at+len(strings.TrimSpace(part)):]
		}
	}
}

func TestDemo_PaintsOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, demo(t.Context(), newPrinter(&out, true), newBot))
	require.Contains(t, out.String(), "\x1b[")
}

// Each bot here leaves out one thing the real one does; the demo must notice.
func TestDemo_NoticesABotThat(t *testing.T) {
	t.Parallel()
	purchase := func(event appevents.WebhookEvent, value float64, currency string) *appevents.Activity {
		return &appevents.Activity{
			Thread: event.Thread(), Consent: appevents.ConsentAllowed,
			Events: []appevents.Event{appevents.Purchase(value, currency)},
		}
	}
	hook := func(secret, token string, register func(*appevents.Webhook)) (http.Handler, error) {
		w, err := appevents.NewWebhook(appevents.WebhookConfig{AppSecrets: []string{secret}, VerifyToken: token})
		if err == nil {
			register(w)
		}
		return w, err
	}
	tests := map[string]struct {
		bot  makeBot
		want string
	}{
		"accepts forged requests": {
			want: "a forged request: refused: the bot answered 200, not 403",
			bot: func(c *appevents.Client, secret, token string, log *slog.Logger) (http.Handler, error) {
				bot, err := newBot(c, secret, token, log)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet {
						bot.ServeHTTP(w, r)
						return
					}
					w.WriteHeader(http.StatusOK)
				}), err
			},
		},
		"ignores the handshake": {
			want: "did not return the challenge",
			bot: func(*appevents.Client, string, string, *slog.Logger) (http.Handler, error) {
				return http.NotFoundHandler(), nil
			},
		},
		"logs a redelivery again": {
			want: "again: no second event: 1 calls arrived, not 0",
			bot: func(c *appevents.Client, secret, token string, _ *slog.Logger) (http.Handler, error) {
				return hook(secret, token, func(w *appevents.Webhook) {
					appevents.On(w, func(ctx context.Context, p *appevents.PostbackEvent) error {
						_, err := c.LogActivity(ctx, purchase(p, 55.22, "USD"))
						return err
					})
				})
			},
		},
		"takes an echo for a message": {
			want: "as an echo: no event: 1 calls arrived, not 0",
			bot: func(c *appevents.Client, secret, token string, _ *slog.Logger) (http.Handler, error) {
				return hook(secret, token, func(w *appevents.Webhook) {
					appevents.On(w, func(ctx context.Context, e *appevents.EchoEvent) error {
						_, err := c.LogActivity(ctx, purchase(e, 1, "USD"))
						return err
					})
				})
			},
		},
		"logs another price": {
			want: "the value of fb_mobile_purchase is wrong",
			bot: func(c *appevents.Client, secret, token string, _ *slog.Logger) (http.Handler, error) {
				return hook(secret, token, func(w *appevents.Webhook) {
					appevents.On(w, func(ctx context.Context, p *appevents.PostbackEvent) error {
						_, err := c.LogActivity(ctx, purchase(p, 55.23, "USD"))
						return err
					})
				})
			},
		},
		"logs nothing": {
			want: "0 calls arrived, not 1",
			bot: func(_ *appevents.Client, secret, token string, _ *slog.Logger) (http.Handler, error) {
				return hook(secret, token, func(*appevents.Webhook) {})
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.ErrorIs(t, demo(t.Context(), newPrinter(&out, false), test.bot), errWrong)
			require.Contains(t, out.String(), test.want)
		})
	}
}

func TestLive_SaysExactlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	env := map[string]string{"APP_ID": "1", "PAGE_ACCESS_TOKEN": "secret-token"}
	err := serveLive(t.Context(), &bytes.Buffer{}, "127.0.0.1:0", func(name string) string { return env[name] })
	require.ErrorContains(t, err, "APP_SECRET")
	require.ErrorContains(t, err, "VERIFY_TOKEN")
	require.NotContains(t, err.Error(), "APP_ID")
	require.NotContains(t, err.Error(), "PAGE_ACCESS_TOKEN")
	require.NotContains(t, err.Error(), "secret-token")
}

func TestLive_ServesUntilStopped(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"APP_ID": "1", "APP_SECRET": "app-secret", "PAGE_ACCESS_TOKEN": "page-token", "VERIFY_TOKEN": "verify",
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log := newLineWriter()
	done := make(chan error, 1)
	go func() { done <- serveLive(ctx, log, "127.0.0.1:0", func(name string) string { return env[name] }) }()
	line := <-log.lines
	_, url, found := strings.Cut(strings.TrimSpace(line), "webhook=")
	require.True(t, found, line)
	resp, err := http.Get(url + "?hub.mode=subscribe&hub.verify_token=verify&hub.challenge=42")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	cancel()
	require.NoError(t, <-done)
}

// lineWriter hands out the lines of a log.
type lineWriter struct{ lines chan string }

func newLineWriter() *lineWriter { return &lineWriter{lines: make(chan string, 100)} }

func (w *lineWriter) Write(p []byte) (int, error) {
	w.lines <- string(p)
	return len(p), nil
}
