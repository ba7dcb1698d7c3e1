package emulator_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/graphtest"
)

func TestAConversationBecomesATurn(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.bot.on = func(string) {
		status, body := r.reply("What can I do?")
		require.Equal(t, 200, status, body)
		status, body = r.log(map[string]any{"_eventName": "fb_mobile_purchase", "_valueToSum": 55.22, "fb_currency": "USD"})
		require.Equal(t, 200, status, body)
	}
	x := r.say("hello <b>")
	require.Equal(t, 200, x.Status)
	require.True(t, x.Accepted)
	require.True(t, x.Done)
	require.Equal(t, "Kim Berg", x.Person)

	turns := r.turns()
	require.Len(t, turns, 1)
	require.Equal(t, []int64{1, 2, 3}, turns[0].Exchanges)
	require.Equal(t, []string{"fb_mobile_purchase"}, turns[0].Events)
	require.Equal(t, 1, turns[0].Replies)
	require.Equal(t, 200, turns[0].Status)
	require.False(t, turns[0].Silent)

	counted := r.counted()["fb_mobile_purchase"]
	require.Equal(t, 1, counted.Accepted)
	require.Equal(t, 1, counted.People)
	require.InDelta(t, 55.22, counted.Value["USD"], 0.001)
	require.Zero(t, counted.Twice)

	messages := r.e.Messages(page, kim, 10)
	require.Len(t, messages, 2)
	require.Equal(t, "hello <b>", messages[0].Text)
	require.True(t, messages[1].FromBot)
}

func TestWebhooksCarryBothSignatures(t *testing.T) {
	t.Parallel()
	for _, without := range []bool{false, true} {
		t.Run(fmt.Sprint("no sha1 ", without), func(t *testing.T) {
			t.Parallel()
			r := start(t, emulator.Config{NoSHA1: without})
			r.say("Grüße / 😊")
			secret := r.e.Credentials().AppSecret
			require.Contains(t, r.bot.bodies[0], `\u00fc`)
			require.Contains(t, r.bot.bodies[0], `\/`)
			require.Equal(t, graphtest.Sign(secret, []byte(r.bot.bodies[0])), r.bot.header[0].Get("X-Hub-Signature-256"))
			mac := hmac.New(sha1.New, []byte(secret))
			mac.Write([]byte(r.bot.bodies[0]))
			want := "sha1=" + hex.EncodeToString(mac.Sum(nil))
			if without {
				want = ""
			}
			require.Equal(t, want, r.bot.header[0].Get("X-Hub-Signature"))
		})
	}
}

func TestDeliverAgainCountsTwice(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.bot.on = func(string) { r.log(map[string]any{"_eventName": "customer_care_csat"}) }
	x := r.say("5")
	require.NotContains(t, r.rules(), "S1")
	require.Zero(t, r.counted()["customer_care_csat"].Twice)
	var again emulator.Exchange
	require.Equal(t, 200, r.post(fmt.Sprintf("/-/api/again/%d", x.ID), struct{}{}, &again))
	require.Equal(t, r.bot.bodies[0], r.bot.bodies[1], "byte for byte")
	require.Equal(t, x.ID, again.Again)
	require.Contains(t, r.rules(), "S1")
	require.Equal(t, 1, r.counted()["customer_care_csat"].Twice)
	require.Equal(t, 2, r.counted()["customer_care_csat"].Accepted)
	require.Equal(t, http.StatusNotFound, r.post("/-/api/again/999", struct{}{}, nil))
}

// A bot that de-duplicates by message ID has to recognise what comes again.
func TestTimesDeliversTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"messages", "messages/quick_reply", "messaging_postbacks", "messaging_optins"} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			r := start(t, emulator.Config{Now: everLater()})
			var out struct{ Exchanges []emulator.Exchange }
			require.Equal(t, 200, r.post("/-/api/trigger", map[string]any{"field": field, "times": 3}, &out))
			require.Len(t, out.Exchanges, 3)
			require.Len(t, r.bot.bodies, 3)
			for n, x := range out.Exchanges[1:] {
				require.Equal(t, out.Exchanges[0].ID, x.Again)
				require.Equal(t, r.bot.bodies[0], r.bot.bodies[n+1])
				require.Equal(t, r.bot.header[0].Get("X-Hub-Signature-256"), r.bot.header[n+1].Get("X-Hub-Signature-256"))
			}
			require.Len(t, r.e.Messages(page, kim, 10), 1, "the person did it once")
		})
	}
}

// everLater is a clock on which time passes between any two looks.
func everLater() func() time.Time {
	var seconds atomic.Int64
	return func() time.Time { return time.Date(2026, 11, 21, 12, 0, int(seconds.Add(1)), 0, time.UTC) }
}

// What does not arrive does not arrive the second time either.
func TestAgainKeepsToTheSubscriptions(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	status, answer := r.graph(http.MethodPost, "/v26.0/me/subscribed_apps?subscribed_fields=messages", nil)
	require.Equal(t, 200, status, answer)
	var out struct{ Exchanges []emulator.Exchange }
	r.post("/-/api/trigger", map[string]any{"field": "messaging_postbacks", "times": 2}, &out)
	for _, x := range out.Exchanges {
		require.Contains(t, x.Skipped, "the Page is not subscribed to messaging_postbacks")
	}
	require.Empty(t, r.bot.bodies)
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, before, after, state, words string }{
		{"challenge alone", "", "", "ok", ""},
		{"as a line", "", "\n", "ok", "white space surrounds the challenge"},
		{"white space on both sides", " \t", "\r\n", "ok", "white space surrounds the challenge"},
		{"in quotes", `"`, `"`, "failed", "did not answer with the challenge alone"},
		{"with words", "challenge: ", "", "failed", "did not answer with the challenge alone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprint(w, tc.before, r.URL.Query().Get("hub.challenge"), tc.after)
			}))
			t.Cleanup(bot.Close)
			r := start(t, emulator.Config{BotURL: bot.URL})
			for range 3 { // as long as it fails
				err := r.e.Handshake(t.Context())
				require.Equal(t, tc.state == "ok", err == nil, "%v", err)
			}
			state := r.e.State()
			require.Equal(t, tc.state, state.Handshake)
			require.Contains(t, state.HandshakeW+state.HandshakeE, tc.words)
			list, _, _ := r.e.Exchanges(0, 0)
			if tc.state == "failed" {
				require.Len(t, list, 1, "attempts do not fill the record")
				return
			}
			require.Len(t, list, 3)
			require.Equal(t, tc.words != "", len(list[0].Problems) > 0)
			require.Equal(t, tc.words, state.HandshakeW[:len(tc.words)])
		})
	}
}

func TestRetiredEdgeNamesTheWaysOut(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "/v8.0", "/v20.0", "/v26.0"} {
		r := start(t, emulator.Config{})
		status, body := r.graph(http.MethodPost, version+"/"+r.e.Credentials().AppID+"/page_activities", map[string]any{
			"custom_events": []any{map[string]any{"_eventName": "lead_submitted"}}, "page_id": page,
			"page_scoped_user_id": kim, "advertiser_tracking_enabled": 1, "application_tracking_enabled": 1,
		})
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, body, `"code":2500`)
		require.Contains(t, body, "/activities")
		require.Contains(t, body, "Conversions API")
		require.Equal(t, 1, r.counted()["lead_submitted"].Refused)
		require.Equal(t, map[string]int{"2500": 1}, r.counted()["lead_submitted"].RefusedBy)
		require.Contains(t, r.rules(), "S12")
	}
}

func TestForeignHostsAndOriginsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{Hosts: []string{"emulator.test"}})
	for _, path := range []string{"/", "/-/api/state", "/-/events", "/v26.0/me"} {
		for host, want := range map[string]bool{
			"evil.example": false, "127.0.0.1.nip.io:80": false, "": true, "localhost:1": true, "[::1]:80": true,
			"emulator.test": true,
		} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodHead, r.url+path, nil)
			if host != "" {
				req.Host = host
			}
			status, _ := r.do(req)
			require.Equal(t, want, status != http.StatusMisdirectedRequest, "%s at %s", host, path)
		}
		for _, header := range [][2]string{
			{"Origin", "http://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"},
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
				req := httptest.NewRequestWithContext(t.Context(), method, r.url+path, nil)
				req.Header.Set(header[0], header[1])
				status, _ := r.do(req)
				require.Equal(t, http.StatusForbidden, status, "%v %s %s", header, method, path)
			}
		}
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/-/api/reset", nil)
	req.Header.Set("Origin", r.url)
	status, _ := r.do(req)
	require.Equal(t, 200, status)
}
