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
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
	"github.com/appevents/appevents-go/cmd/appevents/testdata/shop"
	"github.com/appevents/appevents-go/graphtest"
)

const (
	testApp   = "1517776481860111"
	testToken = "EAAcanarytoken0123456789"
)

// A stageTest is a running emulator with the shop as its bot, which can be changed.
type stageTest struct {
	t      *testing.T
	client invocation
	url    string // of the emulator
	hook   string // of the bot
	bot    atomic.Pointer[http.Handler]
}

// open starts an emulator with a bot.
func openStage(t *testing.T) *stageTest {
	t.Helper()
	s := &stageTest{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if bot := s.bot.Load(); bot != nil {
			(*bot).ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	s.hook = server.URL + "/webhook"
	ctx, cancel := context.WithCancel(t.Context())
	file := filepath.Join(t.TempDir(), "addr")
	p := &program{stdin: strings.NewReader(""), stdout: new(buffer), stderr: new(buffer), environ: []string{
		"APP_SECRET=" + testSecret, "VERIFY_TOKEN=verify", "APP_ID=" + testApp, "PAGE_ACCESS_TOKEN=" + testToken,
	}}
	code := make(chan int, 1)
	go func() {
		code <- p.run(ctx, []string{"emulate", "--addr", "127.0.0.1:0", "--addr-file", file, "--bot", s.hook})
	}()
	t.Cleanup(func() {
		cancel()
		require.Zero(t, <-code, p.stderr)
	})
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(file)
		s.url = "http://" + strings.TrimSpace(string(data))
		return err == nil
	}, time.Minute, time.Millisecond, "%s", p.stderr)
	s.client = invocation{env: []string{"APPEVENTS_EMULATOR=" + s.url, "APP_SECRET=" + testSecret}}
	s.shop(shop.Config{})
	return s
}

// shop puts a new bot in the place of the last one.
func (s *stageTest) shop(cfg shop.Config) {
	s.t.Helper()
	cfg.AppID, cfg.AppSecret, cfg.PageToken, cfg.GraphURL = testApp, testSecret, testToken, s.url
	bot, err := shop.New(cfg)
	require.NoError(s.t, err)
	s.bot.Store(&bot)
}

func (s *stageTest) get(path string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	require.NoError(s.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, 200, resp.StatusCode, string(body))
	return string(body)
}

// turn makes somebody do something.
func (s *stageTest) turn(args ...string) {
	s.t.Helper()
	got := s.client.run(s.t, append([]string{"trigger"}, args...)...)
	require.Zero(s.t, got.code, got.stderr+got.stdout)
}

// hostile is what people write to break a file it ends up in.
const hostile = "a \"quote\", a `tick`, $(touch pwned) `touch pwned` ${HOME} ' '\\'' \\ %s {{.}} {{`x`}} NOW_MS */ // \n\r\t \u2028 \u202e é 😀 </script> @/etc/passwd"

// twelveTurns is a conversation of two people.
func (s *stageTest) twelveTurns() {
	lee := "6543210987654322"
	s.turn("messaging_postbacks/get_started")
	s.turn("messages", "--text", "hello")
	s.turn("messages", "--text", hostile)
	s.turn("messages/quick_reply", "--text", "Large", "--payload", "SIZE_L")
	s.turn("messaging_postbacks", "--payload", "BUY_MUG")
	s.turn("messages", "--text", "kim@example.com")
	s.turn("messages", "--text", "hello", "--from", lee)
	s.turn("messaging_postbacks", "--payload", "BUY_MUG", "--from", lee)
	s.turn("messaging_referrals/ad", "--from", lee)
	s.turn("messages", "--text", "lee@example.com", "--from", lee)
	s.turn("message_reads")
	s.turn("messages", "--text", "bye", "--set", "message.nlp={\"intents\":[],\"n\":0.5}")
}

// keep writes a session file.
func (s *stageTest) keep() string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "session.ndjson")
	require.NoError(s.t, os.WriteFile(file, []byte(s.get("/-/api/export")), 0o600))
	return file
}

// A conversation is recorded; its Go test and "replay --check" say that the bot logs the same, and that it does not once
// an event of the bot is changed.
func TestSessionBecomesATest(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.twelveTurns()
	file, source := s.keep(), s.get("/-/api/export?as=go")
	require.Equal(t, 12, strings.Count(source, "graphtest.Deliver("), source)
	require.NotContains(t, source, "recorded(", "constructors make all of these")
	for _, canary := range []string{testSecret, testToken} {
		require.NotContains(t, source+s.get("/-/api/export")+s.get("/-/api/export?as=curl"), canary)
	}
	printed := s.client.run(t, "replay", file, "--as", "go")
	require.Equal(t, result{stdout: source}, printed, "the command makes the same of the file")

	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	bot, err := os.ReadFile("testdata/shop/shop.go")
	require.NoError(t, err)
	write("go.mod", "module example.test/bot\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/appevents/appevents-go v0.1.0\n"+
		"\tgithub.com/stretchr/testify v1.12.1\n)\n\nreplace github.com/appevents/appevents-go => "+root+"\n")
	write("go.sum", string(sums))
	write("shop/shop.go", string(bot))
	write("session_test.go", source)
	test := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=all", "-count=1", ".")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOTOOLCHAIN=local")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	const stub = "\tt.Fatal(\"newBot has to return the webhook of your bot\")\n\treturn nil\n"
	require.Contains(t, source, stub)
	filled := strings.Replace(source, stub, `	bot, err := shop.New(shop.Config{AppID: "1", AppSecret: appSecret, PageToken: "any", GraphURL: graphURL})
	require.NoError(t, err)
	return bot
`, 1)
	filled = strings.Replace(filled, "import (\n", "import (\n\t\"example.test/bot/shop\"\n", 1)
	write("session_test.go", filled)
	out, err := test()
	require.NoError(t, err, "%s\n%s", out, filled)

	write("shop/shop.go", strings.Replace(string(bot), "Price = 55.22", "Price = 49.5", 1))
	out, err = test()
	require.Error(t, err)
	require.Contains(t, out, "--- FAIL: TestSession")
	require.Contains(t, out, "49.5 USD")
	require.Contains(t, out, "55.22 USD")

	// The same from the command line.
	s.shop(shop.Config{})
	got := s.client.run(t, "replay", file, "--check", "--settle", "1ms", "--wait", "1m")
	require.Zero(t, got.code, got.stdout+got.stderr)
	require.Equal(t, "the same 9 events\n", got.stdout)
	require.Contains(t, got.stderr, "12 of 12 webhooks delivered, 0 not taken by the bot")

	s.shop(shop.Config{Price: 49.5})
	got = s.client.run(t, "replay", file, "--check", "--settle", "1ms", "--wait", "1m")
	require.Equal(t, exitNo, got.code, got.stdout+got.stderr)
	require.Contains(t, got.stdout, "@@ person 6543210987654322 @@")
	require.Regexp(t, `(?m)^- .*\(fb_mobile_purchase\) 55.22 USD +webhook 5: postback BUY_MUG$`, got.stdout)
	require.Regexp(t, `(?m)^\+ .*\(fb_mobile_purchase\) 49.5 USD +webhook 5: postback BUY_MUG$`, got.stdout)
	require.NotContains(t, got.stdout, "kim@example.com", "a difference repeats nothing that people wrote")
	golden(t, "replay-diff.txt", strings.ReplaceAll(got.stdout, file, "session.ndjson"))

	s.shop(shop.Config{Price: 49.5})
	got = s.client.run(t, "replay", file, "--check", "--json", "--settle", "1ms", "--wait", "1m")
	require.Equal(t, exitNo, got.code)
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	require.Len(t, lines, 13)
	var last struct {
		Schema int
		Check  struct {
			Same        bool
			Differences []session.Difference
		}
	}
	require.NoError(t, json.Unmarshal([]byte(lines[12]), &last))
	require.False(t, last.Check.Same)
	require.Len(t, last.Check.Differences, 2)

	// What the bot does now becomes the session.
	s.shop(shop.Config{Price: 49.5})
	got = s.client.run(t, "replay", file, "--update", "--settle", "1ms", "--wait", "0s")
	require.Zero(t, got.code, got.stdout+got.stderr)
	s.shop(shop.Config{Price: 49.5})
	got = s.client.run(t, "replay", file, "--check", "--settle", "1ms", "--wait", "1m")
	require.Zero(t, got.code, got.stdout+got.stderr)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// A bot that answers first and logs later has the time that it needs, however slow the machine is.
func TestReplayWaitsForABotThatLogsLater(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.turn("messages", "--text", "hello")
	s.turn("messaging_postbacks", "--payload", "BUY_MUG")
	file := s.keep()
	before := bytes.Count([]byte(s.get("/-/api/exchanges")), []byte(`"direction":"webhook"`))

	later := make(chan struct{})
	s.shop(shop.Config{Later: later})
	done := make(chan result, 1)
	go func() { done <- s.client.run(t, "replay", file, "--check", "--settle", "1ms", "--wait", "10m") }()
	for n := range 2 {
		// The second webhook is delivered only once the events of the first have come.
		require.Eventually(t, func() bool {
			return strings.Count(s.get("/-/api/exchanges"), `"direction":"webhook"`) == before+n+1
		}, time.Minute, time.Millisecond)
		later <- struct{}{}
	}
	got := <-done
	require.Zero(t, got.code, got.stdout+got.stderr)
}

func TestReplayNamesWhatIsMissingAndWhatIsNew(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.turn("messages", "--text", "hello")
	file := s.keep()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		old, new string
		want     string
	}{
		"missing": {`"events":[{`, `"events":[{"name":"Gone","person":"6543210987654321"},{`, "- Gone"},
		"person":  {`"person":"6543210987654321","edge"`, `"person":"77","edge"`, "@@ person 77 @@"},
		"name":    {`fb_mobile_content_view`, `fb_mobile_purchase`, "- Purchase"},
		"refused": {`"edge":"activities"`, `"edge":"activities","refused":true`, ", refused"},
		"nothing": {`"calls":[`, `"x":[`, ""},
	} {
		changed := filepath.Join(t.TempDir(), name)
		require.Contains(t, string(text), tt.old)
		require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(text), tt.old, tt.new, 1)), 0o600))
		s.shop(shop.Config{})
		got := s.client.run(t, "replay", changed, "--check", "--settle", "1ms", "--wait", "1ms")
		require.Equal(t, exitNo, got.code, name)
		if tt.want == "" {
			require.Contains(t, got.stderr, "does not say which events")
			continue
		}
		require.Contains(t, got.stdout, tt.want)
	}
}

func TestReplayStraightToABot(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.turn("messages", "--text", "hello")
	s.turn("messaging_postbacks", "--payload", "BUY_MUG")
	file := s.keep()
	for _, speed := range []string{"0", "10", "1000000"} {
		s.shop(shop.Config{})
		got := s.client.run(t, "replay", file, "--to", s.hook, "--check", "--settle", "1ms", "--wait", "1m", "--speed", speed)
		require.Zero(t, got.code, got.stdout+got.stderr)
	}
	got := s.client.run(t, "replay", file, "--to", s.hook, "--as-recorded", "--check", "--settle", "1ms", "--wait", "1m")
	require.Zero(t, got.code, "the bot did not know these IDs yet: "+got.stdout+got.stderr)
	got = s.client.run(t, "replay", file, "--to", s.hook, "--as-recorded", "--check", "--settle", "1ms", "--wait", "1ms")
	require.Equal(t, exitNo, got.code, "and now it does")

	nobody := invocation{env: []string{"APP_SECRET=" + testSecret, "APPEVENTS_EMULATOR=127.0.0.1:1"}}
	got = nobody.run(t, "replay", file, "--to", s.hook)
	require.Zero(t, got.code, "no emulator is needed: "+got.stderr)
	require.Regexp(t, `(?m)^ok webhook 1  text of 5 characters  bot 200 in `, got.stdout)
	got = nobody.run(t, "replay", file, "--to", s.hook, "--check")
	require.Equal(t, exitNotSent, got.code)
	got = nobody.run(t, "replay", file)
	require.Equal(t, exitNotSent, got.code)
	require.Contains(t, got.stderr, "no emulator at")
	got = invocation{env: []string{"APP_SECRET=another"}}.run(t, "replay", file, "--to", s.hook)
	require.Equal(t, exitNo, got.code, "the bot refuses what it should")
	require.Contains(t, got.stdout, "FAIL webhook 2")
	got = invocation{}.run(t, "replay", file, "--to", s.hook)
	require.Equal(t, exitCredentials, got.code)
	got = s.client.run(t, "replay", file, "--to", nowhere+"/?secret=canary")
	require.Equal(t, exitNotSent, got.code)
	require.NotContains(t, got.stdout+got.stderr, "canary")
}

// A session of real people is delivered to the emulator's Page.
func TestReplayOfAnotherPage(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	file := filepath.Join(t.TempDir(), "real.ndjson")
	w := session.Webhook{Body: graphtest.Text("hello", graphtest.From("7000000000000001"), graphtest.To("109"))}
	line, err := w.Line()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, line, 0o600))
	got := s.client.run(t, "replay", file, "--update", "--settle", "1ms")
	require.Zero(t, got.code, got.stdout+got.stderr)
	require.Contains(t, got.stderr, "Page 109 of the session is 107001112223334 here")
	updated, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(updated), `"name":"fb_mobile_content_view","person":"7000000000000001"`)
	require.Contains(t, string(updated), `\"id\":\"109\"`, "the webhook stays as it was recorded")
	s.shop(shop.Config{})
	got = s.client.run(t, "replay", file, "--check", "--settle", "1ms", "--wait", "1m")
	require.Zero(t, got.code, got.stdout+got.stderr)

	got = s.client.run(t, "replay", file, "--as-recorded")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "--as-recorded: the emulator does not know the Page")

	other := session.Webhook{Body: graphtest.Text("hello", graphtest.To("110"))}
	more, err := other.Line()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(updated, more...), 0o600))
	got = s.client.run(t, "replay", file)
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "2 Pages that the emulator does not know")
}

func TestReplayRefusesWhatIsNoSession(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tt := range map[string]struct{ text, want string }{
		"empty":    {"", "holds no webhook"},
		"damaged":  {"{\"schema\":1,\"body\":\"{}\"}\n{\"schema\":1,\"bo\n", "line 2 is damaged"},
		"foreign":  {"{\"schema\":1,\"body\":\"{}\"}\n\n{\"id\":1}\n", `line 3 is not a line of a session: "schema" is missing`},
		"exchange": {"{\"id\":1,\"direction\":\"call\"}\n", "line 1 is an exchange of the emulator"},
		"state":    {`{"Schema":1,"Rev":3,"NextID":4}`, "line 1 is the state that --session keeps"},
		"later":    {`{"schema":2,"body":"{}"}`, "line 1 has schema 2"},
	} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(tt.text), 0o600))
		got := invocation{}.run(t, "replay", file)
		require.Equal(t, exitNo, got.code, name)
		require.Contains(t, got.stderr, tt.want, name)
		require.Equal(t, 1, strings.Count(got.stderr, "\n"), got.stderr)
	}
	require.Equal(t, exitUsage, invocation{}.run(t, "replay", filepath.Join(dir, "nowhere")).code)
	for _, args := range [][]string{
		{"--speed", "-1"}, {"--speed", "NaN"}, {"--wait", "-1s"}, {"--to", "ftp://x"}, {"--app-secret-file", "f"},
	} {
		got := invocation{}.run(t, append([]string{"replay", filepath.Join(dir, "damaged")}, args...)...)
		require.Equal(t, exitUsage, got.code, args)
	}
	require.Equal(t, exitUsage, invocation{}.run(t, "replay", "-", "--update").code)
}

func TestReplayOfACutOffFileGoesOn(t *testing.T) {
	t.Parallel()
	bot, requests := newBot(t)
	w := session.Webhook{Body: graphtest.Text("hello")}
	line, err := w.Line()
	require.NoError(t, err)
	got := invocation{env: signing.env, stdin: string(line) + string(line[:40])}.run(t, "replay", "-", "--to", bot.URL)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "line 2 was cut off and is left out")
	require.Equal(t, http.MethodPost, (<-requests).Method)
}

func TestReplayIsInterrupted(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.turn("messages", "--text", "hello")
	file := s.keep()
	ctx, interrupt := context.WithCancel(t.Context())
	s.shop(shop.Config{Later: make(chan struct{})})
	done := make(chan result, 1)
	go func() { done <- s.client.runCtx(ctx, "replay", file, "--check", "--wait", "10m") }()
	require.Eventually(t, func() bool {
		var got struct{ Turns []emulator.Turn }
		require.NoError(t, json.Unmarshal([]byte(s.get("/-/api/turns")), &got))
		return len(got.Turns) == 2
	}, time.Minute, time.Millisecond)
	interrupt()
	require.Equal(t, exitInterrupted, (<-done).code)
}

// At a speed, a webhook waits for its time.
func TestReplayAtASpeed(t *testing.T) {
	t.Parallel()
	bot, requests := newBot(t)
	var text []byte
	for n := range 2 {
		w := session.Webhook{AfterMS: int64(n) * 3_600_000, Body: graphtest.Text("hello")}
		line, err := w.Line()
		require.NoError(t, err)
		text = append(text, line...)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	var stdout, stderr buffer
	p := &program{stdin: bytes.NewReader(text), stdout: &stdout, stderr: &stderr, environ: signing.env}
	code := make(chan int, 1)
	go func() { code <- p.run(ctx, []string{"replay", "-", "--to", bot.URL, "--speed", "10"}) }()
	require.Eventually(t, func() bool { return strings.Contains(stdout.String(), "ok webhook 1") },
		time.Minute, time.Millisecond)
	interrupt()
	require.Equal(t, exitInterrupted, <-code)
	require.Contains(t, stderr.String(), "1 of 2 webhooks delivered")
	require.Len(t, requests, 1)
	i := invocation{env: signing.env, stdin: string(text)}
	require.Zero(t, i.run(t, "replay", "-", "--to", bot.URL).code, "without a speed it does not")
}

// Each output of replay is JSON when that is asked for, whatever happens.
func TestReplayInJSON(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.turn("messages", "--text", "hello")
	s.turn("messages", "--text", "hello", "--from", "6543210987654322")
	file := s.keep()
	for name, args := range map[string][]string{
		"plain": nil, "check": {"--check", "--settle", "1ms"}, "to": {"--to", s.hook}, "update": {"--update", "--settle", "1ms"},
	} {
		s.shop(shop.Config{})
		got := s.client.run(t, append([]string{"replay", file, "--json"}, args...)...)
		require.Zero(t, got.code, name+got.stderr)
		for line := range strings.Lines(got.stdout) {
			var o map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &o), line)
			require.EqualValues(t, 1, o["schema"])
		}
		require.NotEmpty(t, got.stdout)
	}
	got := invocation{env: []string{"APPEVENTS_EMULATOR=127.0.0.1:1"}}.run(t, "replay", file, "--json")
	require.Equal(t, exitNotSent, got.code)
	require.Empty(t, got.stdout)
	require.True(t, json.Valid([]byte(got.stderr)), got.stderr)
}
