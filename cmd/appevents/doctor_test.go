package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/graphtest"
)

// A ward is an emulator and a bot that the doctor looks at.
type ward struct {
	t     *testing.T
	e     *emulator.Emulator
	graph string
	bot   string
	env   []string
	serve atomic.Pointer[http.HandlerFunc] // the bot
}

// Credentials that must not be printed.
const (
	canaryToken  = "EAAcanarycanary0123456789"
	canarySecret = "canary0123456789abcdef"
	canaryVerify = "canary-verify-token"
	wardPage     = graphtest.DefaultPageID
	wardApp      = "1517776481860111"
)

// healthyWard is one with nothing to complain about.
func healthyWard(t *testing.T, cfg emulator.Config) *ward {
	t.Helper()
	w := &ward{t: t}
	w.heal()
	bot := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*w.serve.Load())(rw, r) }))
	t.Cleanup(bot.Close)
	w.bot = bot.URL + "/webhook"
	cfg.AppID, cfg.AppSecret, cfg.PageToken, cfg.VerifyToken = wardApp, canarySecret, canaryToken, canaryVerify
	cfg.BotURL = w.bot
	e, err := emulator.New(cfg)
	require.NoError(t, err)
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		require.NoError(t, e.Close())
		server.Close()
	})
	w.e, w.graph = e, server.URL
	w.env = []string{
		"APPEVENTS_BASE_URL=" + server.URL, "APP_ID=" + wardApp, "APP_SECRET=" + canarySecret,
		"PAGE_ACCESS_TOKEN=" + canaryToken, "VERIFY_TOKEN=" + canaryVerify,
	}
	w.mend("POST /" + wardApp + "/subscriptions?object=page&fields=messages,messaging_postbacks&callback_url=" + w.bot +
		"&verify_token=$VERIFY_TOKEN")
	w.mend("POST /" + wardPage + "/subscribed_apps?subscribed_fields=messages,messaging_postbacks")
	w.mend("POST /" + wardPage + "/dataset")
	return w
}

// heal gives the ward a bot that does everything right.
func (w *ward) heal() {
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets: []string{canarySecret}, VerifyToken: canaryVerify,
	})
	require.NoError(w.t, err)
	w.answer(hook.ServeHTTP)
}

func (w *ward) answer(f http.HandlerFunc) { w.serve.Store(&f) }

// mend does what a line of the doctor's says: a call to Graph or to the emulator.
func (w *ward) mend(line string) {
	w.t.Helper()
	method, target, ok := strings.Cut(line, " ")
	require.True(w.t, ok, line)
	target = strings.ReplaceAll(target, "$VERIFY_TOKEN", canaryVerify)
	req := httptest.NewRequestWithContext(w.t.Context(), method, w.graph+target, nil)
	req.RequestURI = ""
	switch {
	case strings.HasPrefix(target, "/-/"):
	case strings.HasPrefix(target, "/"+wardApp):
		req.Header.Set("Authorization", "Bearer "+wardApp+"|"+canarySecret)
	default:
		req.Header.Set("Authorization", "Bearer "+canaryToken)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, 200, resp.StatusCode, "%s: %s", line, body)
}

// doctor runs it, looks for what must never be printed, and returns the findings.
func (w *ward) doctor(env []string, args ...string) (result, []finding) {
	w.t.Helper()
	call := invocation{env: append(slices.Clone(w.env), env...)}
	human := call.run(w.t, append([]string{"doctor"}, args...)...)
	got := call.run(w.t, append([]string{"doctor", "--json"}, args...)...)
	require.Equal(w.t, human.code, got.code)
	for _, text := range []string{human.stdout, human.stderr, got.stdout, got.stderr} {
		require.NotContains(w.t, text, "canary")
		require.NotContains(w.t, text, "\x1b")
		require.NotContains(w.t, text, "\r")
		for _, name := range []string{"Kim", "Lee", "Ada"} {
			require.NotContains(w.t, text, name, "the name of a person")
		}
	}
	var list []finding
	for line := range strings.Lines(got.stdout) {
		var f struct {
			Schema int
			finding
		}
		require.NoError(w.t, json.Unmarshal([]byte(line), &f), line)
		require.Equal(w.t, 1, f.Schema)
		require.Contains(w.t, doctorChecks, f.Check)
		require.Contains(w.t, []string{stateOK, stateWarn, stateFail}, f.State)
		if f.State == stateFail {
			require.NotEmpty(w.t, f.Message)
		}
		list = append(list, f.finding)
	}
	if len(list) > 0 {
		require.Regexp(w.t, `^app [0-9]+(, Page [0-9]+)? at http://127\.0\.0\.1:`, human.stderr, "the first line")
	}
	return human, list
}

// worst are the findings that are not ok, as "check: message".
func worst(list []finding, state string) []string {
	var out []string
	for _, f := range list {
		if f.State == state {
			out = append(out, f.Check+": "+f.Message)
		}
	}
	return out
}

func TestDoctor_Healthy(t *testing.T) {
	t.Parallel()
	w := healthyWard(t, emulator.Config{})
	got, list := w.doctor(nil, "--webhook", w.bot, "--strict")
	require.Zero(t, got.code, got.stdout)
	var checks []string
	for _, f := range list {
		checks = append(checks, f.Check)
		require.Equal(t, stateOK, f.State, f.Message)
		require.Empty(t, f.Fixes)
	}
	require.Equal(t, doctorChecks, checks)
	require.Contains(t, got.stderr, "app "+wardApp+" at "+w.graph)

	got, list = w.doctor(nil, "--only", "usage,token", "--page", wardPage)
	require.Zero(t, got.code)
	require.Len(t, list, 2)
	require.Equal(t, "token", list[0].Check)
	require.NotContains(t, got.stderr, "--webhook")
	got, _ = w.doctor(nil, "--debug")
	require.Contains(t, got.stderr, "the webhook was not checked")
	require.Contains(t, got.stderr, "debug: GET "+w.graph+"/v26.0/debug_token")
	require.Empty(t, invocation{env: w.env}.run(t, "doctor", "-q").stderr)
}

// Each trouble that the emulator can make is found by the right line, with the right exit code, and what stands below
// the line mends it.
func TestDoctor_FindsEachTroubleAndItsFixMendsIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cause  []string // calls that make the trouble
		bot    http.HandlerFunc
		env    []string
		args   []string
		check  string
		want   string // part of the message
		code   int
		byHand []string // what a person does: the environment afterwards
		others bool     // further lines FAIL for the same reason
	}{
		"no page_events": {cause: []string{"POST /-/api/grants?deny=page_events"}, check: "token",
			want: "not granted: page_events", code: exitCredentials, others: true},
		"no pages_messaging": {cause: []string{"POST /-/api/grants?deny=pages_messaging"}, check: "token",
			want: "not granted: pages_messaging", code: exitCredentials},
		"no pages_manage_metadata": {cause: []string{"POST /-/api/grants?deny=pages_manage_metadata"},
			check: "subscriptions", want: "could not be read", code: exitCredentials},
		"nothing granted": {cause: []string{"POST /-/api/grants?deny=all"}, check: "token",
			want: "not granted: pages_messaging, page_events", code: exitCredentials, others: true},
		"expired": {cause: []string{"POST /-/api/grants?token=expired"}, check: "token", want: "expired (190/463)",
			code: exitCredentials},
		"ran out": {cause: []string{"POST /-/api/grants?expires=-48h"}, check: "token", want: "190/463",
			code: exitCredentials},
		"password changed": {cause: []string{"POST /-/api/grants?token=password_changed"}, check: "token",
			want: "the password was changed (190/460)", code: exitCredentials},
		"revoked": {cause: []string{"POST /-/api/grants?token=revoked"}, check: "token",
			want: "the person removed the app (190/458)", code: exitCredentials},
		"role lost": {cause: []string{"POST /-/api/grants?token=role_lost"}, check: "token", want: "190/492",
			code: exitCredentials},
		"data access ended": {cause: []string{"POST /-/api/grants?data_access=-48h"}, check: "token",
			want: "data access ended on", code: exitCredentials},
		"token of nobody": {env: []string{"PAGE_ACCESS_TOKEN=EAAcanarynobody1"}, check: "token",
			want: "Graph does not accept it (190)", code: exitCredentials, byHand: []string{}},
		"no token": {env: []string{"PAGE_ACCESS_TOKEN="}, check: "token", want: "no access token",
			code: exitCredentials, byHand: []string{}},
		"token of another Page": {args: []string{"--page", "108001112223335"}, check: "token",
			want: "it is the token of Page " + wardPage, code: exitCredentials, byHand: []string{}, others: true},
		"another app's secret": {env: []string{"APP_SECRET=canaryofanotherapp"}, check: "proof",
			want: "not that of app " + wardApp, code: exitCredentials, byHand: []string{}},
		"another app's secret at Meta": {cause: []string{"POST /-/api/grants?secret=other"}, check: "proof",
			want: "not that of app " + wardApp, code: exitCredentials},
		"expired version": {env: []string{"APPEVENTS_VERSION=v20.0"}, check: "version",
			want: "v20.0 asked, ended 2026-09-24: Graph answers with v21.0", code: exitNo},
		"version long gone": {env: []string{"APPEVENTS_VERSION=v3.2"}, check: "version", want: "ended long ago",
			code: exitNo},
		"clock ahead": {cause: []string{"POST /-/api/clock?skew=-10m"}, check: "clock", want: "ahead of Graph's",
			code: exitNo},
		"clock behind": {cause: []string{"POST /-/api/clock?skew=2h"}, check: "clock", want: "behind Graph's",
			code: exitNo},
		"Page not subscribed": {cause: []string{"DELETE /" + wardPage + "/subscribed_apps"}, check: "subscriptions",
			want: "messages, messaging_postbacks: app yes, Page no. Messages will not arrive. Buttons will not arrive.",
			code: exitNo},
		"app not subscribed": {cause: []string{"DELETE /" + wardApp + "/subscriptions"}, check: "subscriptions",
			want: "app no, Page yes", code: exitNo},
		"neither": {cause: []string{"DELETE /" + wardApp + "/subscriptions", "DELETE /" + wardPage + "/subscribed_apps"},
			check: "subscriptions", want: "app no, Page no", code: exitNo},
		"buttons missing": {cause: []string{"POST /" + wardPage + "/subscribed_apps?subscribed_fields=messages"},
			check: "subscriptions", want: "messaging_postbacks: app yes, Page no. Buttons will not arrive.", code: exitNo},
		"no dataset": {cause: []string{"POST /-/api/datasets?id=5600000001&remove=true"}, check: "dataset",
			want: "none attached to the Page: conversions would get 2804131", code: exitNo},
		"wrong dataset": {env: []string{"APPEVENTS_DATASET=77"}, check: "dataset", want: "conversions would get 2804065",
			code: exitNo},
		"usage high": {cause: []string{"POST /-/api/usage?percent=95"}, check: "usage", want: "95 % of", code: exitNo},
		"usage full": {cause: []string{"POST /-/api/usage?percent=100"}, check: "usage", want: "calls are refused",
			code: exitThrottled},
		"bot takes forgeries": {bot: careless(true), check: "webhook",
			want: "accepts webhooks without a signature", code: exitNo, byHand: []string{}, others: true},
		"bot confirms anybody": {bot: careless(false), check: "webhook", want: "it confirms any verify token",
			code: exitNo, byHand: []string{}, others: true},
		"bot refuses the handshake": {bot: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
			check: "webhook", want: "the handshake: it answered 403 instead of 200", code: exitNo, byHand: []string{},
			others: true},
		"bot answers more than the challenge": {bot: func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%q", r.URL.Query().Get("hub.challenge"))
		}, check: "webhook", want: "not the challenge alone", code: exitNo, byHand: []string{}, others: true},
		"bot sends elsewhere": {bot: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, check: "webhook", want: "answered 302 instead of 200", code: exitNo, byHand: []string{}, others: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := healthyWard(t, emulator.Config{})
			for _, line := range tt.cause {
				w.mend(line)
			}
			args := tt.args
			if tt.bot != nil {
				w.answer(tt.bot)
				args = append(args, "--webhook", w.bot)
			}
			got, list := w.doctor(tt.env, args...)
			require.Equal(t, tt.code, got.code, got.stdout)
			failed := worst(list, stateFail)
			require.NotEmpty(t, failed)
			found := slices.ContainsFunc(failed, func(s string) bool {
				return strings.HasPrefix(s, tt.check+": ") && strings.Contains(s, tt.want)
			})
			require.True(t, found, "%v", failed)
			if !tt.others {
				require.Len(t, failed, 1)
			}
			mended, env := false, slices.Clone(tt.env)
			for _, f := range list {
				for _, fix := range f.Fixes {
					if strings.HasPrefix(fix, "POST /") && tt.byHand == nil {
						w.mend(fix)
						mended = true
					}
					if setting, ok := strings.CutPrefix(fix, "export "); ok {
						env = append(env, setting) // the last one counts
						mended = true
					}
				}
				if f.State == stateFail && f.Check == tt.check && tt.check != "subscriptions" {
					require.NotEmpty(t, f.Fixes, f.Message)
				}
			}
			if tt.byHand == nil {
				require.True(t, mended, "%+v", list)
			} else if args = nil; tt.bot != nil {
				w.heal()
				args = []string{"--webhook", w.bot}
			}
			if tt.byHand != nil {
				env = tt.byHand
			}
			got, list = w.doctor(env, args...)
			require.Zero(t, got.code, got.stdout)
			require.Empty(t, worst(list, stateFail))
		})
	}
}

// careless is a bot that verifies nothing, or no more than the signature.
func careless(takesAll bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, r.URL.Query().Get("hub.challenge"))
			return
		}
		if !takesAll && r.Header.Get("X-Hub-Signature-256") == "" {
			w.WriteHeader(http.StatusForbidden)
		}
	}
}

func TestDoctor_Warnings(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cause []string
		env   []string
		args  []string
		want  string
	}{
		"old version":     {nil, []string{"APPEVENTS_VERSION=v24.0"}, nil, "version: v24.0 asked, ends 2028-02-18; v26.0 is newest"},
		"expires soon":    {[]string{"POST /-/api/grants?expires=48h"}, nil, nil, "token: Page token of Mug Shop, expires on"},
		"data access":     {[]string{"POST /-/api/grants?data_access=48h"}, nil, nil, "token: Page token of Mug Shop"},
		"a little off":    {[]string{"POST /-/api/clock?skew=30s"}, nil, nil, "clock: "},
		"usage":           {[]string{"POST /-/api/usage?percent=80"}, nil, nil, "usage: 80 % of"},
		"no secret":       {nil, []string{"APP_SECRET="}, nil, "proof: no app secret"},
		"no verify token": {nil, []string{"VERIFY_TOKEN="}, []string{"BOT"}, "webhook: the handshake was not tried"},
		"other field": {[]string{"POST /" + wardPage + "/subscribed_apps?subscribed_fields=messages,messaging_postbacks,feed"},
			nil, nil, "subscriptions: feed: app no, Page yes."},
		"other webhook": {[]string{"POST /" + wardApp + "/subscriptions?object=page&fields=messages,messaging_postbacks&" +
			"callback_url=https://other.example/hook?key=canary&verify_token=$VERIFY_TOKEN"}, nil, []string{"BOT"},
			"subscriptions: webhooks go to https://other.example/hook, not"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := healthyWard(t, emulator.Config{})
			for _, line := range tt.cause {
				w.mend(line)
			}
			var args []string
			if tt.args != nil {
				args = []string{"--webhook", w.bot}
			}
			got, list := w.doctor(tt.env, args...)
			require.Zero(t, got.code, got.stdout)
			require.Contains(t, strings.Join(worst(list, stateWarn), "\n"), tt.want)
			got, _ = w.doctor(tt.env, append(args, "--strict")...)
			require.Equal(t, exitNo, got.code)
		})
	}
}

// Bots that write the challenge as a line are confirmed at Meta.
func TestDoctor_ChallengeWithWhiteSpace(t *testing.T) {
	t.Parallel()
	w := healthyWard(t, emulator.Config{})
	healthy := *w.serve.Load()
	bot := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		healthy(rw, r)
		if r.Method == http.MethodGet {
			_, _ = fmt.Fprintln(rw)
		}
	})
	w.serve.Store(&bot)
	got, list := w.doctor(nil, "--webhook", w.bot)
	require.Zero(t, got.code, got.stdout)
	require.Equal(t, []string{"webhook: the handshake: white space surrounds the challenge in the answer"},
		worst(list, stateWarn))
}

func TestDoctor_WhenGraphIsInTrouble(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		serve http.HandlerFunc // nil: nobody listens
		code  int
		want  string
	}{
		"nobody there": {nil, exitNotSent, "Graph was not reached"},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, exitUnknown,
			"Graph was not reached"},
		"throttled": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"error":{"code":4,"message":"(#4) limit"}}`)
		}, exitThrottled, "nothing is known about the token"},
		"nonsense": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<html>`) }, exitUnknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &ward{t: t, graph: nowhere}
			if tt.serve != nil {
				server := httptest.NewServer(tt.serve)
				t.Cleanup(server.Close)
				w.graph = server.URL
			}
			w.env = []string{
				"APPEVENTS_BASE_URL=" + w.graph, "APP_ID=771", "APP_SECRET=" + canarySecret, "ACCESS_TOKEN=" + canaryToken,
			}
			got, list := w.doctor(nil, "--page", "901")
			require.Equal(t, tt.code, got.code, got.stdout)
			require.Contains(t, strings.Join(worst(list, stateFail), "\n"), tt.want)
			if tt.code != exitThrottled {
				require.Len(t, worst(list, stateFail), 1, "said once")
			}
		})
	}
}

// The token of another app is told by its own description.
func TestDoctor_TokenOfAnotherApp(t *testing.T) {
	t.Parallel()
	graph := graphtest.NewServer(t, graphtest.WithAppSecret(canarySecret),
		graphtest.WithToken(canaryToken, graphtest.Grant{Type: graphtest.TokenPage, AppID: "999", Pages: []string{"901"}}))
	w := &ward{t: t, graph: graph.URL, env: []string{
		"APPEVENTS_BASE_URL=" + graph.URL, "APP_ID=771", "APP_SECRET=" + canarySecret, "ACCESS_TOKEN=" + canaryToken}}
	got, list := w.doctor(nil, "--only", "proof")
	require.Equal(t, exitCredentials, got.code)
	require.Equal(t, []string{"proof: the token belongs to app 999, the secret to app 771"}, worst(list, stateFail))
	require.NotContains(t, got.stdout, "/-/api", "it is not the emulator")
}

func TestDoctor_WebhookThatIsSlowOrGone(t *testing.T) {
	t.Parallel()
	w := healthyWard(t, emulator.Config{})
	late := make(chan struct{})
	w.answer(func(http.ResponseWriter, *http.Request) { <-late })
	t.Cleanup(func() { close(late) }) // before the server closes
	var stdout buffer
	c := &doctorCommand{Webhook: w.bot, metaFlags: metaFlags{graphAt: graphAt{BaseURL: w.graph}}}
	d, err := c.doctor(t.Context(), &program{stdout: &stdout, stderr: io.Discard, environ: w.env})
	require.NoError(t, err)
	d.current = "webhook"
	checker := d.webhookChecker()
	require.Equal(t, 5*time.Second, checker.limit)
	checker.limit = 100 * time.Millisecond
	checker.signed(t.Context())
	require.Len(t, d.findings, 1)
	require.Contains(t, d.findings[0].Message, "did not answer within 100ms")
	require.Equal(t, exitNo, d.findings[0].code)

	got, list := w.doctor(nil, "--webhook", nowhere+"/hook?key=canary", "--only", "webhook")
	require.Equal(t, exitNotSent, got.code)
	require.Contains(t, worst(list, stateFail)[0], "was not reached")
}

func TestDoctor_Usage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env  []string
		args []string
		code int
		want string
	}{
		{nil, nil, exitCredentials, "no app; set APPEVENTS_APP_ID"},
		{[]string{"APP_ID=x"}, nil, exitUsage, "app ID"},
		{nil, []string{"--only", "tokn"}, exitUsage, `did you mean "token"?`},
		{nil, []string{"--only", "webhook"}, exitUsage, "needs --webhook URL"},
		{nil, []string{"--page", "shop"}, exitUsage, "--page must be decimal digits"},
		{nil, []string{"--webhook", "bot"}, exitUsage, "--webhook must look like"},
		{[]string{"APP_ID=1", "APPEVENTS_VERSION=26"}, nil, exitUsage, "v26.0"},
		{[]string{"APP_ID=1", "APPEVENTS_BASE_URL=graph"}, nil, exitUsage, "absolute http or https URL"},
		{[]string{"APP_ID=1"}, []string{"--app-secret-file", "-", "--access-token-file", "-"}, exitUsage, "standard input cannot be"},
		{[]string{"APP_ID=1"}, []string{"--app-secret-file", "/nonexistent"}, exitCredentials, "--app-secret-file"},
	} {
		got := invocation{env: tt.env, stdin: canarySecret}.run(t, append([]string{"doctor"}, tt.args...)...)
		require.NotContains(t, got.stderr, "canary")
		require.Equal(t, tt.code, got.code, "%v %s", tt.args, got.stderr)
		require.Empty(t, got.stdout)
		require.Contains(t, got.stderr, tt.want)
	}
}

func TestDoctor_Golden(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		cause []string
		env   []string
	}{
		"healthy": {},
		"troubled": {cause: []string{
			"POST /-/api/datasets?id=5600000001&remove=true", "POST /-/api/usage?percent=95",
			"POST /" + wardPage + "/subscribed_apps?subscribed_fields=messages",
		}, env: []string{"APPEVENTS_VERSION=v24.0"}},
		"dead": {cause: []string{"POST /-/api/grants?token=password_changed"}, env: []string{"APPEVENTS_VERSION=v20.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := healthyWard(t, emulator.Config{Now: func() time.Time { return now }})
			for _, line := range tt.cause {
				w.mend(line)
			}
			got, _ := w.doctor(tt.env, "--only", "token,proof,version,subscriptions,dataset,usage")
			golden := filepath.Join("testdata", "doctor", name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o750))
				require.NoError(t, os.WriteFile(golden, []byte(got.stdout), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.stdout)
		})
	}
}
