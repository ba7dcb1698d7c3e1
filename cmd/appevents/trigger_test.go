package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
	"github.com/appevents/appevents-go/graphtest"
)

// A bot that verifies signatures and keeps what it got.
func newBot(t *testing.T) (*httptest.Server, <-chan *http.Request) {
	t.Helper()
	verifier, err := appevents.NewVerifier(testSecret)
	require.NoError(t, err)
	requests := make(chan *http.Request, 10)
	bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		requests <- r
		if r.Method == http.MethodGet && r.FormValue("hub.verify_token") == "v" {
			_, _ = io.WriteString(w, r.FormValue("hub.challenge"))
			return
		}
		if verifier.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(bot.Close)
	return bot, requests
}

var signing = invocation{env: []string{"APP_SECRET=" + testSecret}}

func TestTriggerSignsAndPostsItself(t *testing.T) {
	t.Parallel()
	bot, requests := newBot(t)
	got := signing.run(t, "trigger", "messages", "--text", "hi/ü", "--from", "11", "--page", "22", "--to", bot.URL+"/hook?k=v")
	require.Zero(t, got.code, got.stderr)
	require.Regexp(t, `^ok bot 200 in \d+(\.\d)? ms\n$`, got.stdout)
	r := <-requests
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, "/hook?k=v", r.URL.String())
	require.Contains(t, string(body), `"text":"hi\/\u00fc"`, "Meta's escaping")
	require.Contains(t, string(body), `"sender":{"id":"11"}`)
	require.Contains(t, string(body), `"recipient":{"id":"22"}`)
	require.Equal(t, graphtest.Sign(testSecret, body), r.Header.Get("X-Hub-Signature-256"))
	require.Regexp(t, `^sha1=[0-9a-f]{40}$`, r.Header.Get("X-Hub-Signature"))

	if openssl, err := exec.LookPath("openssl"); err != nil {
		t.Log("NOT RUN: openssl is not installed")
	} else {
		cmd := exec.CommandContext(t.Context(), openssl, "dgst", "-sha256", "-hmac", testSecret)
		cmd.Stdin = bytes.NewReader(body)
		out, err := cmd.Output()
		require.NoError(t, err)
		digits := strings.TrimPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256=")
		require.Contains(t, string(out), digits)
	}
}

func TestTriggerForgeries(t *testing.T) {
	t.Parallel()
	bot, requests := newBot(t)
	for flag, want := range map[string][2]bool{ // whether it has the header with sha256, and that with sha1
		"--unsigned": {false, false}, "--wrong-signature": {true, true}, "--sha1-only": {false, true},
	} {
		got := signing.run(t, "trigger", "messages", flag, "--to", bot.URL)
		require.Equal(t, exitNo, got.code)
		require.Contains(t, got.stdout, "FAIL bot 403")
		require.Empty(t, got.stderr)
		header := (<-requests).Header
		require.Equal(t, want, [2]bool{header.Get("X-Hub-Signature-256") != "", header.Get("X-Hub-Signature") != ""}, flag)
	}
	got := invocation{}.run(t, "trigger", "messages", "--unsigned", "--to", bot.URL)
	require.Equal(t, exitNo, got.code, "it needs no secret")
	<-requests
	got = invocation{}.run(t, "trigger", "messages", "--to", bot.URL)
	require.Equal(t, exitCredentials, got.code)
}

func TestTriggerThroughTheEmulatorSaysWhetherItWasSent(t *testing.T) {
	t.Parallel()
	e, err := emulator.New(emulator.Config{BotURL: nowhere})
	require.NoError(t, err)
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		require.NoError(t, e.Close())
		server.Close()
	})
	got := invocation{env: []string{"APPEVENTS_EMULATOR=" + server.URL}}.run(t, "trigger", "messages")
	require.Equal(t, exitNotSent, got.code)
	require.Contains(t, got.stdout, "not sent: nobody listens at 127.0.0.1:1")
	require.Contains(t, got.stderr, "not sent: the bot does not listen")

	// A session delivered again fares the same, whichever way it goes.
	w := session.Webhook{Body: graphtest.Text("hello")}
	line, err := w.Line()
	require.NoError(t, err)
	again := invocation{env: []string{"APP_SECRET=" + testSecret, "APPEVENTS_EMULATOR=" + server.URL}, stdin: string(line)}
	for _, args := range [][]string{nil, {"--to", nowhere}} {
		got = again.run(t, append([]string{"replay", "-"}, args...)...)
		require.Equal(t, exitNotSent, got.code, got.stderr)
		require.Contains(t, got.stderr, "not sent")
		require.Contains(t, got.stderr, "0 of 1 webhook delivered")
	}
}

func TestTriggerSaysWhetherItWasSent(t *testing.T) {
	t.Parallel()
	got := signing.run(t, "trigger", "messages", "--to", nowhere+"/?secret=canary")
	require.Equal(t, exitNotSent, got.code)
	require.Contains(t, got.stderr, "not sent")
	require.NotContains(t, got.stderr, "canary")

	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}))
	defer silent.Close()
	got = signing.run(t, "trigger", "messages", "--to", silent.URL+"/?secret=canary")
	require.Equal(t, exitUnknown, got.code)
	require.Contains(t, got.stderr, "no answer")
	require.NotContains(t, got.stderr, "canary")
	got = signing.run(t, "trigger", "messages", "--emulator", nowhere)
	require.Equal(t, exitNotSent, got.code)
	require.Contains(t, got.stderr, "no emulator at")
}

func TestTriggerBodies(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "body")
	require.NoError(t, os.WriteFile(file, []byte("{ \"a\" : 1 }\n"), 0o600))
	bot, requests := newBot(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--file", file}, "{ \"a\" : 1 }\n"},
		{[]string{"messages", "--set", `message.nlp={"x":[1]}`}, `"nlp":{"x":[1]}}}`},
		{[]string{"messages", "--set", "message.text=plain words", "--set", "entry.0.id=5"}, `"text":"plain words"`},
		{[]string{"messages", "--set", `message.text="é/"`}, `"text":"\u00e9\/"`},
		{[]string{"messages/quick_reply", "--payload", "SIZE_L"}, `"quick_reply":{"payload":"SIZE_L"}`},
		{[]string{"messaging_postbacks", "--payload", "BUY"}, `"payload":"BUY"`},
		{[]string{"messaging_referrals/ad", "--ad", "77"}, `"ad_id":"77"`},
		{[]string{"messages", "--instagram"}, `"object":"instagram"`},
		{[]string{"messages", "--standby"}, `"standby":[{`},
		{[]string{"messaging_postbacks/get_started"}, `"payload":"GET_STARTED"`},
	} {
		got := signing.run(t, append([]string{"trigger", "--json", "--to", bot.URL}, tt.args...)...)
		require.Zero(t, got.code, "%v %s", tt.args, got.stderr)
		require.True(t, json.Valid([]byte(got.stdout)), got.stdout)
		body, err := io.ReadAll((<-requests).Body)
		require.NoError(t, err)
		require.Contains(t, string(body), tt.want, tt.args)
	}
	for _, args := range [][]string{
		{"messages", "--set", "message.text.deep=1"}, {"messages", "--set", "nothing"}, {"messages", "--set", "a.b.c=1"},
		{"messaging_postbacks", "--text", "hi"}, {"messages", "--ad", "77"}, {"messages", "--file", file},
	} {
		got := signing.run(t, append([]string{"trigger", "--to", bot.URL}, args...)...)
		require.Equal(t, exitUsage, got.code, args)
	}
}

func TestEveryFieldCanBeTriggered(t *testing.T) {
	t.Parallel()
	bot, requests := newBot(t)
	for field := range strings.Lines(invocation{}.run(t, "trigger", "--list").stdout) {
		field = strings.TrimSpace(field)
		got := signing.run(t, "trigger", field, "--from", "11", "--to", bot.URL)
		require.Zero(t, got.code, field)
		body, err := io.ReadAll((<-requests).Body)
		require.NoError(t, err)
		_, err = appevents.ParseWebhook(body)
		require.NoError(t, err, field)
	}
}

// withEmulator runs emulate in this process until the test ends.
func withEmulator(t *testing.T, bot string, args ...string) (invocation, *buffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr buffer
	p := &program{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		environ: []string{"APP_SECRET=" + testSecret, "VERIFY_TOKEN=v", "APP_ID=1517776481860111"}}
	file := filepath.Join(t.TempDir(), "addr")
	code := make(chan int, 1)
	args = append([]string{"emulate", "--addr", "127.0.0.1:0", "--addr-file", file}, args...)
	if bot != "" {
		args = append(args, "--bot", bot)
	}
	go func() { code <- p.run(ctx, args) }()
	t.Cleanup(func() {
		cancel()
		require.Zero(t, <-code, &stderr)
	})
	var address string
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(file)
		address = strings.TrimSpace(string(data))
		return err == nil
	}, time.Minute, time.Millisecond, "%s", &stderr)
	client := invocation{env: []string{"APPEVENTS_EMULATOR=http://" + address}}
	require.Zero(t, client.run(t, "wait", "--ready").code)
	return client, &stdout
}

func TestTriggerThroughTheEmulator(t *testing.T) {
	t.Parallel()
	bot, requests := newBot(t)
	client, recorded := withEmulator(t, bot.URL)
	require.Equal(t, http.MethodGet, (<-requests).Method, "the handshake")
	got := client.run(t, "trigger", "messages", "--text", "hi/ü")
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, "ok bot 200")
	body, err := io.ReadAll((<-requests).Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"text":"hi\/\u00fc"`)

	got = client.run(t, "trigger", "messages", "--set", `message.text="é/"`, "--json")
	require.Zero(t, got.code, got.stderr)
	require.True(t, json.Valid([]byte(got.stdout)))
	body, err = io.ReadAll((<-requests).Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"text":"\u00e9\/"`, "sent as it is written here")

	for _, flag := range []string{"--unsigned", "--wrong-signature", "--sha1-only"} {
		got = client.run(t, "trigger", "messages", flag)
		require.Equal(t, exitNo, got.code, flag)
		require.Contains(t, got.stdout, "FAIL bot 403")
		<-requests
	}
	require.Eventually(t, func() bool { return strings.Contains(recorded.String(), "--> messages") },
		time.Minute, time.Millisecond, "emulate prints what happens")
}

func TestTriggerWithoutABotIsRefused(t *testing.T) {
	t.Parallel()
	client, _ := withEmulator(t, "")
	got := client.run(t, "trigger", "messages")
	require.NotZero(t, got.code)
}

// logEvent makes the call that a bot makes.
func logEvent(t *testing.T, client invocation, name string) {
	t.Helper()
	base := strings.TrimPrefix(client.env[0], "APPEVENTS_EMULATOR=")
	sdk, err := appevents.New("1517776481860111", appevents.WithAppSecret(testSecret), appevents.WithBaseURL(base))
	require.NoError(t, err)
	_, err = sdk.LogActivity(t.Context(), &appevents.Activity{
		Thread:  appevents.Thread{PageID: graphtest.DefaultPageID, PSID: graphtest.DefaultPSID},
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{{Name: appevents.EventName(name)}},
	})
	require.NoError(t, err)
}

func TestWait(t *testing.T) {
	t.Parallel()
	client, _ := withEmulator(t, "")
	got := client.run(t, "wait", "--event", "Contact", "--timeout", "30ms")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "0 of 1 within 30ms")

	logEvent(t, client, "Contact")
	require.Equal(t, result{}, client.run(t, "wait", "--event", "contact"), "it has happened before")
	require.Zero(t, client.run(t, "wait", "--event", "Contact", "--psid", graphtest.DefaultPSID).code)
	require.Equal(t, exitNo, client.run(t, "wait", "--psid", "1", "--timeout", "30ms").code)
	require.Equal(t, exitNo, client.run(t, "wait", "--count", "2", "--timeout", "30ms").code)

	later := make(chan result, 1)
	go func() { later <- client.run(t, "wait", "--count", "2", "--json") }()
	logEvent(t, client, "Contact")
	got = <-later
	require.Zero(t, got.code, got.stderr)
	for line := range strings.Lines(got.stdout) {
		require.True(t, json.Valid([]byte(line)))
	}
}

func TestWaitForNobody(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"wait", "--ready"}, {"wait"}} {
		var stdout, stderr buffer
		attempts := 0
		p := &program{stdout: &stdout, stderr: &stderr, environ: []string{"APPEVENTS_EMULATOR=127.0.0.1:1"},
			pause: func(context.Context) bool { // the time is over after the third attempt
				attempts++
				return attempts < 3
			}}
		require.Equal(t, exitNotSent, p.run(t.Context(), append(args, "--timeout=1h")))
		require.Equal(t, 3, attempts)
		require.Contains(t, stderr.String(), "no emulator at")
	}
	nobody := invocation{env: []string{"APPEVENTS_EMULATOR=127.0.0.1:1"}}
	require.Equal(t, exitNotSent, nobody.run(t, "tail").code)
}

func TestInterruptedCommandsEndWith130(t *testing.T) {
	t.Parallel()
	client, _ := withEmulator(t, "")
	for _, args := range [][]string{{"tail"}, {"wait", "--event", "Contact"}, {"wait", "--timeout", "1h"}} {
		ctx, interrupt := context.WithCancel(t.Context())
		interrupt()
		got := client.runCtx(ctx, args...)
		require.Equal(t, exitInterrupted, got.code, args)
		require.Contains(t, got.stderr, "interrupted")
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	client, _ := withEmulator(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	outputs := make(map[string]*buffer)
	codes := make(chan int, 4)
	for name, args := range map[string][]string{
		"all": {"tail"}, "json": {"tail", "--json"}, "event": {"tail", "--event", "Donate"}, "edge": {"tail", "--edge", "nothing"},
	} {
		out := new(buffer)
		outputs[name] = out
		p := &program{stdin: strings.NewReader(""), stdout: out, stderr: new(buffer), environ: client.env}
		go func() { codes <- p.run(ctx, args) }()
	}
	require.Eventually(t, func() bool { // tail starts with what happens from now on
		logEvent(t, client, "Contact")
		logEvent(t, client, "Donate")
		return strings.Contains(outputs["all"].String(), "Donate") && outputs["event"].String() != "" &&
			outputs["json"].String() != ""
	}, time.Minute, 10*time.Millisecond)
	cancel()
	for range outputs {
		require.Equal(t, exitInterrupted, <-codes)
	}
	require.NotContains(t, outputs["event"].String(), "Contact")
	require.Empty(t, outputs["edge"].String())
	for line := range strings.Lines(outputs["json"].String()) {
		require.True(t, json.Valid([]byte(line)), line)
	}
}
