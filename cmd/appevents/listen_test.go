package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
	"github.com/appevents/appevents-go/graphtest"
)

const (
	listenSecret = "canary-app-secret"
	listenToken  = "canary-verify-token"
)

// A receiving is "appevents listen" in this process.
type receiving struct {
	t              *testing.T
	url            string
	stdout, stderr buffer
	stop           context.CancelFunc
	code           chan int
}

func listen(t *testing.T, args ...string) *receiving {
	t.Helper()
	l := &receiving{t: t, code: make(chan int, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	l.stop = cancel
	file := filepath.Join(t.TempDir(), "addr")
	p := &program{stdin: strings.NewReader(""), stdout: &l.stdout, stderr: &l.stderr, retryPause: time.Millisecond,
		environ: []string{"APP_SECRET=" + listenSecret, "VERIFY_TOKEN=" + listenToken}}
	args = append([]string{"listen", "--addr", "127.0.0.1:0", "--addr-file", file}, args...)
	go func() { l.code <- p.run(ctx, args) }()
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(file)
		l.url = "http://" + strings.TrimSpace(string(data)) + "/webhook"
		return err == nil
	}, time.Minute, time.Millisecond, "%s", &l.stderr)
	t.Cleanup(func() {
		cancel()
		for _, canary := range []string{listenSecret, listenToken, "canary-query"} {
			require.NotContains(t, l.stdout.String()+l.stderr.String(), canary)
		}
	})
	return l
}

// end stops it and returns its exit code.
func (l *receiving) end() int {
	l.stop()
	return <-l.code
}

func (l *receiving) deliver(p graphtest.Payload) {
	l.t.Helper()
	got, err := graphtest.Send(l.t.Context(), l.url, listenSecret, p)
	require.NoError(l.t, err)
	require.Equal(l.t, 200, got.Status)
}

// A sink is a target that keeps what it gets.
type sink struct {
	*httptest.Server

	mu       sync.Mutex
	bodies   []string
	headers  []http.Header
	statuses []int // of the next answers; 200 after that
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.statuses) > 0 {
			w.WriteHeader(s.statuses[0])
			s.statuses = s.statuses[1:]
			return
		}
		s.bodies, s.headers = append(s.bodies, string(body)), append(s.headers, r.Header.Clone())
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies)
}

func TestListenShowsAndPassesOn(t *testing.T) {
	t.Parallel()
	all, buttons := newSink(t), newSink(t)
	l := listen(t, "--forward", all.URL+"/hook?key=canary-query", "--forward", "messaging_postbacks,message_reads="+buttons.URL)
	confirmed, err := graphtest.Handshake(t.Context(), l.url, listenToken)
	require.NoError(t, err)
	require.True(t, confirmed.Acknowledged)
	confirmed, err = graphtest.Handshake(t.Context(), l.url, "wrong")
	require.NoError(t, err)
	require.Equal(t, 403, confirmed.Status)

	text, button := graphtest.Text("canary words é/"), graphtest.Postback("BUY_MUG")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.url, bytes.NewReader(text))
	require.NoError(t, err)
	req.Header = (&triggerCommand{}).header(listenSecret, text)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	l.deliver(button)
	for _, secret := range []string{"", "another secret"} {
		forged, err := graphtest.Send(t.Context(), l.url, secret, graphtest.Text("forged"))
		require.NoError(t, err)
		require.Equal(t, 403, forged.Status)
	}
	require.Eventually(t, func() bool { return all.count() == 2 && buttons.count() == 1 }, time.Minute, time.Millisecond)
	require.Zero(t, l.end(), l.stderr.String())

	require.ElementsMatch(t, []string{string(text), string(button)}, all.bodies, "byte for byte")
	require.Equal(t, string(button), buttons.bodies[0])
	for n, body := range all.bodies {
		require.Equal(t, graphtest.Sign(listenSecret, []byte(body)), all.headers[n].Get("X-Hub-Signature-256"))
		require.Equal(t, body == string(text), all.headers[n].Get("X-Hub-Signature") != "", "as it was received")
		require.Equal(t, "application/json", all.headers[n].Get("Content-Type"))
		require.Equal(t, "facebookexternalua", all.headers[n].Get("User-Agent"))
	}
	require.Regexp(t, `(?m)^\d\d:\d\d:\d\d  messages  text of 15 characters  Page 107001112223334  person …4321$`, l.stdout.String())
	require.Regexp(t, `(?m)^\d\d:\d\d:\d\d  messaging_postbacks  postback BUY_MUG  Page`, l.stdout.String())
	require.NotContains(t, l.stdout.String()+l.stderr.String(), "canary")
	require.NotContains(t, l.stdout.String(), graphtest.DefaultPSID)
	require.NotContains(t, l.stdout.String(), "forged")
	require.Contains(t, l.stderr.String(), "webhook is not signed")
	require.Contains(t, l.stderr.String(), "webhook signature does not match")
	require.Contains(t, l.stderr.String(), "2 webhooks received, 3 requests refused, 2 webhooks passed on to "+all.URL+"/hook")
}

func TestListenShowsTextWhenAsked(t *testing.T) {
	t.Parallel()
	l := listen(t, "--show-text")
	l.deliver(graphtest.Text("hello\x1b[31m\u202e"))
	require.Zero(t, l.end())
	require.Contains(t, l.stdout.String(), `person `+graphtest.DefaultPSID+`  "hello`)
	require.NotContains(t, l.stdout.String(), "\x1b")
	require.NotContains(t, l.stdout.String(), "\u202e")
}

func TestListenInJSON(t *testing.T) {
	t.Parallel()
	target := newSink(t)
	l := listen(t, "--json", "--forward", target.URL, "--record", filepath.Join(t.TempDir(), "s.ndjson"))
	l.deliver(graphtest.Text("canary words"))
	l.deliver(graphtest.Payload("signed, but no JSON"))
	require.Eventually(t, func() bool { return target.count() == 2 }, time.Minute, time.Millisecond)
	require.Zero(t, l.end(), l.stderr.String())
	var lines []map[string]any
	for line := range strings.Lines(l.stdout.String()) {
		var o map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &o), line)
		require.EqualValues(t, 1, o["schema"])
		lines = append(lines, o)
	}
	require.Len(t, lines, 4)
	require.Equal(t, true, lines[0]["listening"])
	require.Equal(t, []any{"messages"}, lines[1]["fields"])
	require.Equal(t, "…4321", lines[1]["person"])
	require.Equal(t, map[string]any{
		"received": 2.0, "refused": 1.0, "recorded": 2.0, "not_recorded": 0.0,
		"targets": []any{map[string]any{"url": target.URL, "passed_on": 2.0, "dropped": 0.0}},
	}, lines[3]["tally"], "what is genuine but unreadable is said, passed on and recorded")
	require.NotContains(t, l.stdout.String(), "canary")
}

// Whatever a target does, Meta gets its answer.
func TestListenDoesNotWaitForTargets(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var held atomic.Int64
	stuck := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		held.Add(1)
		<-release
	}))
	defer stuck.Close()
	defer close(release)
	good := newSink(t)
	l := listen(t, "--forward", stuck.URL, "--forward", good.URL)
	sent := map[string][]string{}
	for n := range 50 {
		person := strings.Repeat("7", 10+n%5)
		text := graphtest.Text("hi", graphtest.From(person))
		sent[person] = append(sent[person], string(text))
		l.deliver(text)
	}
	require.Eventually(t, func() bool { return good.count() == 50 }, time.Minute, time.Millisecond)
	require.Positive(t, held.Load())
	got := map[string][]string{}
	for _, body := range good.bodies {
		person := session.Describe([]byte(body)).Person
		got[person] = append(got[person], body)
	}
	require.Equal(t, sent, got, "those of one conversation in order")
}

func TestListenTriesAgain(t *testing.T) {
	t.Parallel()
	target := newSink(t)
	target.statuses = []int{503, 500, 429}
	l := listen(t, "--forward", target.URL, "--retry-for", "10m")
	l.deliver(graphtest.Text("one"))
	require.Eventually(t, func() bool { return target.count() == 1 }, time.Minute, time.Millisecond)
	target.mu.Lock()
	target.statuses = []int{404}
	target.mu.Unlock()
	l.deliver(graphtest.Text("two"))
	l.deliver(graphtest.Text("three"))
	require.Eventually(t, func() bool { return target.count() == 2 }, time.Minute, time.Millisecond)
	require.Equal(t, exitNotSent, l.end())
	require.Contains(t, l.stderr.String(), "it answered 503; webhooks wait and are tried again")
	require.Contains(t, l.stderr.String(), "takes webhooks again")
	require.Contains(t, l.stderr.String(), "it answered 404; 1 webhook dropped so far")
	require.Contains(t, l.stderr.String(), "2 webhooks passed on to "+target.URL+" and 1 dropped")
	require.Contains(t, l.stderr.String(), "1 webhook not passed on")
}

func TestListenGivesUpAfterItsTime(t *testing.T) {
	t.Parallel()
	l := listen(t, "--forward", nowhere+"/?k=canary-query", "--retry-for", "0s")
	l.deliver(graphtest.Text("one"))
	require.Eventually(t, func() bool { return strings.Contains(l.stderr.String(), "1 webhook dropped so far") },
		time.Minute, time.Millisecond)
	require.Equal(t, exitNotSent, l.end())
}

func TestForwardingIsBounded(t *testing.T) {
	t.Parallel()
	var stderr buffer
	target, err := newTarget(&program{stderr: &stderr}, "messages=http://127.0.0.1:1/x?canary", time.Minute)
	require.NoError(t, err)
	messages := session.About{Fields: []string{"messages"}, Person: "1"}
	for range maxWaiting + 100 {
		target.offer(messages, []byte("{}"), nil)
	}
	target.offer(session.About{Fields: []string{"message_reads"}}, []byte("{}"), nil)
	require.EqualValues(t, maxWaiting, target.waiting.Load())
	require.EqualValues(t, 100, target.dropped.Load())
	require.Equal(t, 3, strings.Count(stderr.String(), "its queue is full"), "the 1st, the 10th and the 100th")

	large, err := newTarget(&program{stderr: &stderr}, "http://127.0.0.1:1/", time.Minute)
	require.NoError(t, err)
	for range 20 {
		large.offer(messages, make([]byte, maxWebhook), nil)
	}
	require.EqualValues(t, maxWaitingBytes/maxWebhook, large.waiting.Load())

	// What waits when the program ends is dropped and counted, and nothing comes after.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	large.start()
	large.stop(ctx)
	large.offer(messages, []byte("{}"), nil)
	require.EqualValues(t, 21, large.dropped.Load())
	require.Zero(t, large.waiting.Load())
	require.NotContains(t, stderr.String(), "canary")
}

func TestListenRecords(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "session.ndjson")
	old := session.Webhook{Body: graphtest.Text("from before")}
	line, err := old.Line()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(line, line[:30]...), 0o644)) // too open
	l := listen(t, "--record", file)
	text := graphtest.Text("hello")
	l.deliver(text)
	l.deliver(graphtest.Postback("BUY_MUG"))
	forged, err := graphtest.Send(t.Context(), l.url, "another secret", text)
	require.NoError(t, err)
	require.Equal(t, 403, forged.Status)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 4, bytes.Count(data, []byte("\n")), "it is there before Meta is answered")
	require.Zero(t, l.end(), l.stderr.String())
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	_, _, err = session.Read(bytes.NewReader(data))
	require.ErrorContains(t, err, "line 2 is damaged", "what was cut off before stays apart")
	list, _, err := session.Read(bytes.NewReader(bytes.Join(bytes.SplitAfter(data, []byte("\n"))[2:], nil)))
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, string(text), string(list[0].Body))
	require.Zero(t, list[0].AfterMS)
	require.Equal(t, "messaging_postbacks", list[1].Field)
	require.Nil(t, list[0].Calls, "nobody knows what the bot did")
	for _, canary := range []string{listenSecret, listenToken} {
		require.NotContains(t, string(data), canary)
	}
	require.Contains(t, l.stderr.String(), "2 webhooks recorded")
}

func TestListenRedacts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "session.ndjson")
	l := listen(t, "--record", file, "--redact")
	l.deliver(graphtest.Text("canary words"))
	l.deliver(graphtest.Text("canary words"))
	l.deliver(graphtest.QuickReply("canary", "SIZE_L"))
	l.deliver(graphtest.Payload("canary, no JSON"))
	require.Equal(t, exitNo, l.end(), "what cannot be redacted is not recorded, and that is said")
	require.Contains(t, l.stderr.String(), "1 webhook not recorded")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(data), "canary")
	require.NotContains(t, string(data), graphtest.DefaultPSID)
	list, _, err := session.Read(bytes.NewReader(data))
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, list[0].Person, list[1].Person)
	require.Equal(t, session.Describe(list[0].Body).Text, session.Describe(list[1].Body).Text)
	require.Equal(t, "quick reply SIZE_L", session.Describe(list[2].Body).Summary)

	bot, requests := newBot(t)
	got := signing.run(t, "replay", file, "--to", bot.URL)
	require.Zero(t, got.code, got.stderr)
	require.Len(t, requests, 3)
}

// A disk that is full stops neither the answers nor the forwarding.
func TestListenSaysWhatItCouldNotRecord(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("NOT RUN: there is no /dev/full")
	}
	target := newSink(t)
	l := listen(t, "--record", "/dev/full", "--forward", target.URL)
	l.deliver(graphtest.Text("hello"))
	require.Eventually(t, func() bool { return target.count() == 1 }, time.Minute, time.Millisecond)
	require.Equal(t, exitNo, l.end())
	require.Contains(t, l.stderr.String(), "not recorded: the session file")
	require.Contains(t, l.stderr.String(), "1 webhook not recorded")
}

// brokenWriter is standard output whose reader has gone.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestListenOutlivesItsReader(t *testing.T) {
	t.Parallel()
	var stderr buffer
	l := &listener{p: &program{stdout: brokenWriter{}, stderr: &stderr}, lines: make(chan func() error, 1)}
	l.show(time.Now(), session.About{}, 1)
	l.show(time.Now(), session.About{}, 1) // nobody prints, nobody waits
	l.print(<-l.lines)
	require.EqualValues(t, 2, l.unseen.Load())
	require.NoError(t, l.tally(nil))
	require.Contains(t, stderr.String(), "2 lines not shown")
}

func TestListenUsage(t *testing.T) {
	t.Parallel()
	both := invocation{env: []string{"APP_SECRET=s", "VERIFY_TOKEN=v"}}
	for _, tt := range []struct {
		i    invocation
		args []string
		code int
		want string
	}{
		{both, []string{"--redact"}, exitUsage, "--redact goes with --record"},
		{both, []string{"--forward", "ftp://x"}, exitUsage, "--forward takes [FIELD=]URL"},
		{both, []string{"--forward", "mesages=http://127.0.0.1/"}, exitUsage, `did you mean "messages"?`},
		{both, []string{"--retry-for", "-1s"}, exitUsage, "--retry-for"},
		{both, []string{"--addr", "127.0.0.1:99999"}, exitNo, "--addr"},
		{both, []string{"--addr", "127.0.0.1:0", "--record", "/nowhere/at/all"}, exitNo, "--record"},
		{invocation{}, nil, exitCredentials, "no app secret"},
		{invocation{env: []string{"APP_SECRET=s"}}, nil, exitCredentials, "no verify token"},
		{invocation{env: []string{"APP_SECRET= s", "VERIFY_TOKEN=v"}}, nil, exitCredentials, "white space"},
	} {
		got := tt.i.run(t, append([]string{"listen"}, tt.args...)...)
		require.Equal(t, tt.code, got.code, tt.args)
		require.Contains(t, got.stderr, tt.want)
		require.Empty(t, got.stdout)
	}
}
