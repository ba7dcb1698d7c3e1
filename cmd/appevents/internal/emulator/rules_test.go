package emulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// Each rule is shown by what breaks it and by its well-behaved neighbour. S1, S9 and S12 have tests of their own.
func TestRules(t *testing.T) {
	t.Parallel()
	lead := map[string]any{"_eventName": "lead_submitted"}
	usd := map[string]any{"_eventName": "fb_mobile_purchase", "_valueToSum": 1, "fb_currency": "USD"}
	conversion := func(r *rig, name string) {
		r.graph(http.MethodPost, "/v26.0/1234/events", map[string]any{"data": []any{map[string]any{
			"event_name": name, "event_time": time.Now().Unix(), "action_source": "business_messaging",
			"messaging_channel": "messenger", "user_data": map[string]string{"page_id": page, "page_scoped_user_id": kim},
			"custom_data": map[string]any{"currency": "USD", "value": 1},
		}}})
	}
	at := func(d time.Duration) map[string]any {
		return map[string]any{"_eventName": "rate", "_logTime": time.Now().Add(d).Unix()}
	}
	for _, tc := range []struct {
		name, rule string
		want       bool
		do         func(r *rig)
	}{
		{"same on both edges", "S2", true, func(r *rig) { r.say("hi"); r.log(usd); conversion(r, "Purchase") }},
		{"different on both edges", "S2", false, func(r *rig) { r.say("hi"); r.log(usd); conversion(r, "AddToCart") }},
		{"lead before a question", "S3", true, func(r *rig) { r.say("hi"); r.reply("Welcome."); r.log(lead) }},
		{"lead after a question", "S3", false, func(r *rig) { r.say("hi"); r.reply("Your name?"); r.say("Kim"); r.log(lead) }},
		{"second lead in a flow", "S3", true, func(r *rig) {
			r.say("hi")
			r.reply("Name?")
			r.log(lead)
			r.say("again")
			r.log(lead)
		}},
		{"second lead in a second flow", "S3", false, func(r *rig) {
			r.say("hi")
			r.reply("Name?")
			r.log(lead)
			r.post("/-/api/trigger", map[string]any{"field": "messaging_referrals/ad"}, nil)
			r.reply("Name?")
			r.log(lead)
		}},
		{"stranger", "S4", true, func(r *rig) { r.log(usd, "page_scoped_user_id", "777") }},
		{"person of the Page", "S4", false, func(r *rig) { r.log(usd) }},
		{"local time as UTC", "S5", true, func(r *rig) { r.say("hi"); r.log(at(-2 * time.Hour)) }},
		{"half a zone", "S5", true, func(r *rig) { r.say("hi"); r.log(at(-5*time.Hour - 30*time.Minute)) }},
		{"future", "S5", true, func(r *rig) { r.say("hi"); r.log(at(10 * time.Minute)) }},
		{"now", "S5", false, func(r *rig) { r.say("hi"); r.log(at(0)) }},
		{"automatic event", "S6", true, func(r *rig) { r.log(map[string]any{"_eventName": "fb_messenger_bot_conversation_started"}) }},
		{"own event", "S6", false, func(r *rig) { r.log(map[string]any{"_eventName": "bot_started"}) }},
		{"mixed currencies", "S7", true, func(r *rig) {
			r.log(usd)
			r.log(map[string]any{"_eventName": "fb_mobile_purchase", "_valueToSum": 1, "fb_currency": "NOK"})
		}},
		{"one currency", "S7", false, func(r *rig) { r.log(usd); r.log(usd) }},
		{"webhook refused", "S8", true, func(r *rig) { r.bot.status = 500; r.say("hi") }},
		{"webhook answered", "S8", false, func(r *rig) { r.say("hi"); r.reply("later") }},
		{"throttled and repeated", "S10", true, func(r *rig) {
			r.post("/-/api/faults", map[string]any{"fault": "throttle"}, nil)
			r.log(usd)
			r.log(usd)
		}},
		{"not throttled", "S10", false, func(r *rig) { r.log(usd); r.log(usd) }},
		{"token in URL", "S11", true, func(r *rig) {
			r.graph(http.MethodGet, "/v26.0/me?access_token="+r.e.Credentials().PageAccessToken, nil)
		}},
		{"token in header", "S11", false, func(r *rig) { r.graph(http.MethodGet, "/v26.0/me", nil) }},
		{"expired version", "S12", true, func(r *rig) { r.graph(http.MethodGet, "/v3.2/me", nil) }},
		{"living version", "S12", false, func(r *rig) { r.graph(http.MethodGet, "/v26.0/me", nil) }},
	} {
		t.Run(tc.rule+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, emulator.Config{})
			tc.do(r)
			rules := r.rules()
			require.Equal(t, tc.want, strings.Contains(strings.Join(rules, " ")+" ", tc.rule+" "), "%v", rules)
		})
	}
}

func TestWorkBeforeTheAnswerIsNoted(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.bot.on = func(string) { r.reply("hi") }
	x := r.say("hi")
	require.Len(t, x.Rules, 1)
	require.Equal(t, "S8", x.Rules[0].Rule)
	require.Equal(t, "note", x.Rules[0].Level)
}

func TestProbeFindsABotThatTakesForgeries(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	var report emulator.ProbeReport
	require.Equal(t, 200, r.post("/-/api/probe", struct{}{}, &report))
	require.False(t, report.OK)
	require.Len(t, report.Results, 3)
	require.Contains(t, r.rules(), "S9")
	require.Empty(t, r.bot.header[0].Get("X-Hub-Signature-256")+r.bot.header[0].Get("X-Hub-Signature"))
	require.NotEmpty(t, r.bot.header[1].Get("X-Hub-Signature-256"))
	require.Empty(t, r.bot.header[2].Get("X-Hub-Signature-256"))
	require.NotEmpty(t, r.bot.header[2].Get("X-Hub-Signature"))

	r = start(t, emulator.Config{})
	r.bot.status = http.StatusForbidden
	require.Equal(t, 200, r.post("/-/api/probe", struct{}{}, &report))
	require.True(t, report.OK)
	require.NotContains(t, r.rules(), "S9")
}

func TestFaultsMeetTheirCallOnEveryEdge(t *testing.T) {
	t.Parallel()
	for _, name := range append(emulator.FaultNames(), "error 80006/0") {
		if name == "timeout" {
			continue // holds a call for as long as the caller waits
		}
		for _, edge := range []string{"messages", "activities"} {
			t.Run(edge+" "+name, func(t *testing.T) {
				t.Parallel()
				r := start(t, emulator.Config{})
				r.say("hi")
				require.Equal(t, 200, r.post("/-/api/faults", map[string]any{"fault": name, "edge": edge, "times": 1}, nil))
				request := func() (int, string, error) {
					body := `{"recipient":{"id":"` + kim + `"},"message":{"text":"x"}}`
					path := "/v26.0/me/messages"
					if edge == "activities" {
						body = `{"event":"CUSTOM_APP_EVENTS","custom_events":[{"_eventName":"e"}],"page_id":"` + page +
							`","page_scoped_user_id":"` + kim + `"}`
						path = "/v26.0/" + r.e.Credentials().AppID + "/activities"
					}
					req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, strings.NewReader(body))
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("Authorization", "Bearer "+r.e.Credentials().PageAccessToken)
					resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
					if err != nil {
						return 0, "", err
					}
					defer resp.Body.Close()
					var b strings.Builder
					_, err = fmt.Fprint(&b, readAll(resp.Body))
					return resp.StatusCode, b.String(), err
				}
				status, body, err := request()
				list, _, _ := r.e.Exchanges(0, 0)
				require.Contains(t, []string{list[1].Fault, list[0].Fault}, name)
				met := list[slices.IndexFunc(list, func(x emulator.Exchange) bool { return x.Fault == name })]
				want := map[string]int{
					"throttle": 4, "error 80006/0": 80006, "transient": 2, "expired token": 190, "missing permission": 200,
				}[name]
				if want == 0 {
					require.Nil(t, met.Error, "the answer says nothing of Graph's")
				} else {
					require.NotNil(t, met.Error)
					require.Equal(t, want, met.Error.Code)
				}
				switch name {
				case "reset", "reset early":
					require.Error(t, err)
				case "throttle", "error 80006/0", "transient", "unavailable", "html", "expired token", "missing permission":
					require.GreaterOrEqual(t, status, 400, body)
				default:
					require.Equal(t, 200, status, body)
				}
				if name == "duplicate" {
					require.Equal(t, body[:len(body)/2], body[len(body)/2:])
				}
			})
		}
	}
}

func TestFaultsAreAimed(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.say("hi")
	r.post("/-/api/faults", map[string]any{"fault": "transient", "page": "999"}, nil)
	r.post("/-/api/faults", map[string]any{"fault": "unavailable", "edge": "activities"}, nil)
	status, _ := r.reply("x")
	require.Equal(t, 200, status)
	status, _ = r.log(map[string]any{"_eventName": "e"})
	require.Equal(t, 503, status)
	status, _ = r.log(map[string]any{"_eventName": "e"})
	require.Equal(t, 200, status)
	require.Len(t, r.e.State().Faults, 1)
	require.Equal(t, 400, r.post("/-/api/faults", map[string]any{"fault": "meteor"}, nil))
	require.Equal(t, 200, r.post("/-/api/faults", map[string]any{"clear": true}, nil))
	require.Empty(t, r.e.State().Faults)
}
