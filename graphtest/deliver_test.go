package graphtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// seen is one request as a bot's handler got it.
type seen struct {
	method, uri, host, proto string
	header                   http.Header
	length                   int64
	body                     string
}

// recorder is a bot that answers with the given statuses in turn, the last one for ever.
func recorder(requests *[]seen, statuses ...int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		*requests = append(*requests, seen{r.Method, r.RequestURI, r.Host, r.Proto, r.Header.Clone(), r.ContentLength, string(data)})
		w.Header().Set("X-Bot", "yes")
		w.WriteHeader(statuses[min(len(*requests), len(statuses))-1])
		_, _ = io.WriteString(w, "EVENT_RECEIVED")
	})
}

func TestDeliver_SameRequestInProcessAndOverSocket(t *testing.T) {
	t.Parallel()
	p := graphtest.Postback("BUY_MUG")
	var inProcess, overSocket []seen
	d := graphtest.Deliver(t, recorder(&inProcess, 200), appSecret, p)
	require.True(t, d.Acknowledged)
	require.Equal(t, 1, d.Attempts)
	require.Equal(t, 200, d.Status)
	require.Equal(t, "EVENT_RECEIVED", string(d.Body))
	require.Equal(t, "yes", d.Header.Get("X-Bot"))

	server := httptest.NewServer(recorder(&overSocket, 200))
	defer server.Close()
	require.True(t, graphtest.Deliver(t, server, appSecret, p).Acknowledged)
	require.True(t, graphtest.Deliver(t, server.URL+"/webhook", appSecret, p).Acknowledged)
	require.Equal(t, overSocket[0], overSocket[1])

	a, b := inProcess[0], overSocket[0]
	require.Equal(t, "POST", a.method)
	require.Equal(t, "/webhook", a.uri)
	require.Equal(t, p.String(), a.body)
	require.Equal(t, graphtest.Sign(appSecret, p), a.header.Get("X-Hub-Signature-256"))
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.Equal(t, "facebookexternalua", a.header.Get("User-Agent"))
	require.Equal(t, int64(len(p)), a.length)
	b.header.Del("Connection")
	a.host, b.host = "", ""
	require.Equal(t, a, b)
}

func TestDeliver_RepeatsUntilAcknowledged(t *testing.T) {
	t.Parallel()
	tb := newFakeTB(t)
	var requests []seen
	d := graphtest.Deliver(tb, recorder(&requests, 500, 302, 200), appSecret, graphtest.Text("Hi"))
	require.True(t, d.Acknowledged)
	require.Equal(t, 3, d.Attempts)
	require.Equal(t, requests[0], requests[2], "a redelivery is the same request")
	require.Empty(t, tb.errors)
	require.Len(t, tb.logs, 2)

	requests = nil
	d = graphtest.Deliver(tb, recorder(&requests, 204), appSecret, graphtest.Text("Hi"))
	require.False(t, d.Acknowledged, "only 200 is an acknowledgement")
	require.Equal(t, 3, d.Attempts)
	require.Equal(t, 204, d.Status)
	require.Len(t, requests, 3)
	require.Equal(t, []string{"graphtest: the bot did not acknowledge the payload with 200 in 3 deliveries"}, tb.errors)
}

func TestDeliver_WrongKindOfBot(t *testing.T) {
	t.Parallel()
	for _, bot := range []any{nil, 5, "", "not a url", "://", (*httptest.Server)(nil)} {
		tb := newFakeTB(t)
		tb.run(func() { graphtest.Deliver(tb, bot, appSecret, graphtest.Text("Hi")) })
		require.True(t, tb.fatal, "%v", bot)
		require.Contains(t, tb.errors[0], "must be an http.Handler")
	}
}

func TestSend_IsOneAttempt(t *testing.T) {
	t.Parallel()
	var requests []seen
	d, err := graphtest.Send(t.Context(), recorder(&requests, 403), "wrong", graphtest.Text("Hi"))
	require.NoError(t, err, "an unwelcome answer is an answer")
	require.Equal(t, 403, d.Status)
	require.False(t, d.Acknowledged)
	require.Equal(t, 1, d.Attempts)
	_, err = graphtest.Send(t.Context(), recorder(&requests, 200), "", graphtest.Text("Hi"))
	require.NoError(t, err)
	require.Len(t, requests, 2)
	require.NotContains(t, requests[1].header, "X-Hub-Signature-256", "unsigned")

	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	d, err = graphtest.Send(t.Context(), server.URL+"/hook?key=canary", appSecret, graphtest.Text("Hi"))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")
	require.False(t, d.Acknowledged)

	redirect := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusFound))
	defer redirect.Close()
	d, err = graphtest.Send(t.Context(), redirect.URL, appSecret, graphtest.Text("Hi"))
	require.NoError(t, err)
	require.Equal(t, http.StatusFound, d.Status, "redirects are not followed")
}

func TestSend_SurvivesTheBot(t *testing.T) {
	t.Parallel()
	panics := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh no") })
	_, err := graphtest.Send(t.Context(), panics, appSecret, graphtest.Text("Hi"))
	require.ErrorContains(t, err, "the handler panicked: oh no")

	exits := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() })
	_, err = graphtest.Send(t.Context(), exits, appSecret, graphtest.Text("Hi"))
	require.ErrorContains(t, err, "ended its goroutine")

	short := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "short")
	}))
	defer short.Close()
	_, err = graphtest.Send(t.Context(), short, appSecret, graphtest.Text("Hi"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	long := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) })
	d, err := graphtest.Send(t.Context(), long, appSecret, graphtest.Text("Hi"))
	require.NoError(t, err)
	require.Len(t, d.Body, 1<<20, "what is kept is bounded")
}

func TestSend_WaitsFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var saw atomic.Bool
		slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			saw.Store(true)
		})
		start := time.Now()
		d, err := graphtest.Send(t.Context(), slow, appSecret, graphtest.Text("Hi"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(start))
		require.Equal(t, 5*time.Second, d.Duration)
		synctest.Wait()
		require.True(t, saw.Load(), "the handler is told that the caller left")

		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, err = graphtest.Send(ctx, slow, appSecret, graphtest.Text("Hi"))
		require.ErrorIs(t, err, cause)
		synctest.Wait()
	})
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	answer := func(edit func(string) string, status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			if r.Method != http.MethodGet || q.Get("hub.mode") != "subscribe" || q.Get("hub.verify_token") != "canary verify&" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, edit(q.Get("hub.challenge")))
		})
	}
	same := func(s string) string { return s }
	for name, tc := range map[string]struct {
		bot   http.Handler
		token string
		want  bool
	}{
		"right":           {answer(same, 200), "canary verify&", true},
		"refused":         {answer(same, 200), "guess", false},
		"another status":  {answer(same, 202), "canary verify&", false},
		"a trailing line": {answer(func(s string) string { return s + "\n" }, 200), "canary verify&", false},
		"in quotes":       {answer(func(s string) string { return `"` + s + `"` }, 200), "canary verify&", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := graphtest.Handshake(t.Context(), tc.bot, tc.token)
			require.NoError(t, err)
			require.Equal(t, tc.want, d.Acknowledged)
			server := httptest.NewServer(tc.bot)
			defer server.Close()
			d, err = graphtest.Handshake(t.Context(), server.URL+"/hook?app=1", tc.token)
			require.NoError(t, err)
			require.Equal(t, tc.want, d.Acknowledged)
		})
	}
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := graphtest.Handshake(t.Context(), server.URL, "canary verify&")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")
	_, err = graphtest.Handshake(t.Context(), 5, "x")
	require.Error(t, err)
}
