package inspect_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/inspect"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
)

const (
	token    = "inspect-token-canary-77ab"
	psid     = "70010203040506"
	mail     = "kim@example.com"
	eventTag = "event-id-canary-0c1d"
	secret   = "app-secret-canary-90fe"
)

// bench is a dispatcher in memory and the handler over it.
type bench struct {
	*testing.T
	*delivery.Dispatcher

	queue   delivery.Queue
	graph   *graphtest.Server
	handler http.Handler
}

func newBench(t *testing.T, opts ...inspect.Option) *bench {
	t.Helper()
	return benchOver(t, memqueue.New(), opts...)
}

func benchOver(t *testing.T, queue delivery.Queue, opts ...inspect.Option) *bench {
	t.Helper()
	graph := graphtest.New()
	client, err := appevents.New("771", appevents.WithBaseURL(graph.URL), appevents.WithAppSecret(secret),
		appevents.WithHTTPClient(&http.Client{Transport: graph}))
	require.NoError(t, err)
	d, err := delivery.New(client, queue)
	require.NoError(t, err)
	return &bench{T: t, Dispatcher: d, queue: queue, graph: graph, handler: inspect.Handler(d, opts...)}
}

func purchase(page string) *appevents.Activity {
	event := appevents.Purchase(55.22, "USD")
	event.ID = eventTag
	return &appevents.Activity{
		Thread:   appevents.Thread{PageID: appevents.ID(page), PSID: psid},
		UserData: appevents.UserData{Email: mail},
		Consent:  appevents.ConsentAllowed,
		Events:   []appevents.Event{event},
	}
}

// bury submits n calls for a Page and puts them aside.
func (b *bench) bury(page string, n int, reason delivery.Reason) {
	b.Helper()
	for i := range n {
		require.NoError(b, b.Submit(b.Context(), fmt.Sprint(page, reason, i), purchase(page)))
	}
	for n > 0 {
		leases, err := b.queue.Lease(b.Context(), n, nil)
		require.NoError(b, err)
		list := make([]delivery.Settlement, len(leases))
		for i, l := range leases {
			list[i] = delivery.Settlement{
				Lease: l, Verdict: delivery.Bury, Reason: reason, Error: "graph: 100: a field is wrong",
			}
		}
		require.NoError(b, b.queue.Settle(b.Context(), list...))
		n -= len(leases)
	}
}

// ask sends a request and returns the answer.
func (b *bench) ask(method, target, bearer, body string) *httptest.ResponseRecorder {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), method, target, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

// get returns an answer that must be fine.
func (b *bench) get(target string) map[string]any {
	b.Helper()
	w := b.ask(http.MethodGet, target, "", "")
	require.Equal(b, http.StatusOK, w.Code, "%s: %s", target, w.Body)
	return decode(b.T, w)
}

func decode(t *testing.T, w *httptest.ResponseRecorder) (v map[string]any) {
	t.Helper()
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	in := json.NewDecoder(w.Body)
	in.UseNumber()
	require.NoError(t, in.Decode(&v))
	return v
}

// number is a figure in an answer.
func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

func TestStats(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.bury("901", 2, delivery.ReasonRefused)
	require.NoError(t, b.Submit(t.Context(), "waits", purchase("902")))
	require.NoError(t, b.Submit(t.Context(), "waits", purchase("902")))
	s := b.get("/stats")
	for name, want := range map[string]any{
		"accepted": number(4), "buried": number(2), "kept": number(2), "pending": number(1), "duplicates": number(1), "delivered": number(0), "dropped": number(0),
		"running": false, "paused_lanes": number(0), "seconds_stalled": number(0),
	} {
		require.Equal(t, want, s[name], name)
	}
	require.NotEmpty(t, s["oldest"])
	require.NotContains(t, s, "progress", "it never ran")
}

func TestLanes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	require.NoError(t, b.Submit(t.Context(), "1", purchase("901")))
	require.NoError(t, b.Submit(t.Context(), "2", purchase("902")))
	require.NoError(t, b.PauseLane(t.Context(), "activities/902", time.Time{}, "asked by the owner"))

	lanes := func(query string) (names []string) {
		for _, l := range b.get("/lanes" + query)["lanes"].([]any) {
			names = append(names, l.(map[string]any)["lane"].(string))
		}
		return names
	}
	require.Equal(t, []string{"activities/901", "activities/902"}, lanes(""))
	require.Equal(t, []string{"activities/902"}, lanes("?state=paused"))
	require.Equal(t, []string{"activities/901"}, lanes("?lane=activities/901"))
	require.Equal(t, []string{"activities/901", "activities/902"}, lanes("?lane=activities"))
	require.Empty(t, lanes("?lane=activities/90"), "not below it, although its name begins alike")

	paused := b.get("/lanes?state=paused")["lanes"].([]any)[0].(map[string]any)
	require.Equal(t, "asked by the owner", paused["why"])
	require.Equal(t, number(1), paused["pending"])
	require.NotEmpty(t, paused["until"])
}

func TestBuried(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.bury("901", 3, delivery.ReasonRefused)
	b.bury("902", 2, delivery.ReasonExpired)

	count := func(query string) int { return len(b.get("/buried" + query)["buried"].([]any)) }
	for query, want := range map[string]int{
		"": 5, "?reason=refused": 3, "?reason=expired": 2, "?reason=unreadable": 0, "?lane=activities/902": 2,
		"?lane=activities": 5, "?reason=refused&lane=activities/902": 0,
		"?since=2001-01-01T00:00:00Z": 5, "?until=2001-01-01T00:00:00Z": 0, "?since=2999-01-01T00:00:00Z": 0,
	} {
		require.Equal(t, want, count(query), query)
	}

	var ids []string
	from := ""
	for pages := 0; ; pages++ {
		require.Less(t, pages, 4)
		page := b.get("/buried?limit=2&from=" + from)
		for _, c := range page["buried"].([]any) {
			ids = append(ids, c.(map[string]any)["id"].(string))
		}
		next, more := page["next"].(string)
		if !more {
			break
		}
		from = next
	}
	require.Len(t, ids, 5)

	one := b.get("/buried/" + ids[0])
	for name, want := range map[string]any{
		"id": ids[0], "lane": "activities/901", "reason": "refused", "attempts": number(1), "kind": "activity",
		"events": []any{"fb_mobile_purchase"}, "last_error": "graph: 100: a field is wrong",
	} {
		require.Equal(t, want, one[name], name)
	}
	require.Equal(t, http.StatusNotFound, b.ask(http.MethodGet, "/buried/999", "", "").Code)
	require.Equal(t, http.StatusNotFound, b.ask(http.MethodGet, "/buried/x", "", "").Code)

	s := b.get("/buried/summary")
	require.Equal(t, number(5), s["total"])
	require.Equal(t, []any{
		map[string]any{"name": "refused", "count": number(3)}, map[string]any{"name": "expired", "count": number(2)},
	}, s["reasons"])
	require.Equal(t, []any{
		map[string]any{"name": "activities/901", "count": number(3)}, map[string]any{"name": "activities/902", "count": number(2)},
	}, s["lanes"])
	require.Len(t, s["days"], 1)
	require.Equal(t, number(2), b.get("/buried/summary?reason=expired")["total"])
}

func TestExport(t *testing.T) {
	t.Parallel()
	b := newBench(t, inspect.WithToken(token))
	b.bury("901", 2, delivery.ReasonRefused)
	lines := func(w *httptest.ResponseRecorder) (list []map[string]json.RawMessage) {
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "application/x-ndjson", w.Header().Get("Content-Type"))
		for in := bufio.NewScanner(w.Body); in.Scan(); {
			var line map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(in.Bytes(), &line))
			list = append(list, line)
		}
		return list
	}
	list := lines(b.ask(http.MethodGet, "/export", "", ""))
	require.Len(t, list, 2)
	require.NotContains(t, list[0], "call")

	require.Equal(t, http.StatusUnauthorized, b.ask(http.MethodGet, "/export?calls=true", "", "").Code)
	list = lines(b.ask(http.MethodGet, "/export?calls=true", token, ""))
	require.Len(t, list, 2)
	call, err := appevents.UnmarshalCall(list[0]["call"])
	require.NoError(t, err)
	require.Equal(t, appevents.ID(psid), call.(*appevents.Activity).Thread.PSID)
	require.Empty(t, lines(b.ask(http.MethodGet, "/export?reason=expired", "", "")))
}

// Whoever may only read sees nothing that belongs to a person, and no credential.
func TestReading_ShowsNothingPersonal(t *testing.T) {
	t.Parallel()
	b := newBench(t, inspect.WithToken(token))
	b.bury("901", 2, delivery.ReasonRefused)
	require.NoError(t, b.Submit(t.Context(), "webhook-key-canary-1", purchase("902")))
	hash, err := appevents.HashUserData(appevents.KeyEmail, mail)
	require.NoError(t, err)
	for _, path := range []string{
		"/", "/stats", "/lanes", "/buried", "/buried/1", "/buried/summary", "/export", "/metrics", "/live",
	} {
		w := b.ask(http.MethodGet, path, "", "")
		require.NotEqual(t, http.StatusNotFound, w.Code, path)
		for _, canary := range []string{psid, mail, hash, eventTag, token, secret, "55.22", "webhook-key-canary"} {
			require.NotContains(t, w.Body.String(), canary, path)
		}
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	}
}

func TestChanges_NeedTheToken(t *testing.T) {
	t.Parallel()
	const all = `{"all":true}`
	for name, test := range map[string]struct {
		opts   []inspect.Option
		header string
		status int
	}{
		"no token set":            {nil, "Bearer " + token, http.StatusForbidden},
		"empty token set":         {[]inspect.Option{inspect.WithToken("")}, "Bearer ", http.StatusForbidden},
		"none given":              {[]inspect.Option{inspect.WithToken(token)}, "", http.StatusUnauthorized},
		"another":                 {[]inspect.Option{inspect.WithToken(token)}, "Bearer " + token[1:], http.StatusUnauthorized},
		"another scheme":          {[]inspect.Option{inspect.WithToken(token)}, "Basic " + token, http.StatusUnauthorized},
		"the token without words": {[]inspect.Option{inspect.WithToken(token)}, token, http.StatusUnauthorized},
		"the token":               {[]inspect.Option{inspect.WithToken(token)}, "Bearer " + token, http.StatusOK},
		"a small b":               {[]inspect.Option{inspect.WithToken(token)}, "bearer " + token, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.opts...)
			b.bury("901", 1, delivery.ReasonRefused)
			for path, body := range map[string]string{
				"/buried/resubmit": all, "/buried/discard": all,
				"/lanes/pause": `{"lane":"activities/901"}`, "/lanes/resume": `{"lane":"activities/901"}`,
			} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
				r.Header.Set("Authorization", test.header)
				w := httptest.NewRecorder()
				b.handler.ServeHTTP(w, r)
				require.Equal(t, test.status, w.Code, "%s: %s", path, w.Body)
				require.NotContains(t, w.Body.String(), token)
				require.Equal(t, test.status == http.StatusUnauthorized, w.Header().Get("WWW-Authenticate") != "")
			}
			if test.status != http.StatusOK {
				require.EqualValues(t, 1, b.Stats().Kept, "nothing was changed")
			}
		})
	}
}

func TestResubmitAndDiscard(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body string
		done int
	}{
		"by ID":               {`{"ids":["1","3","99"]}`, 2},
		"by reason":           {`{"reason":"expired"}`, 2},
		"by lane":             {`{"lane":"activities/901"}`, 3},
		"by the lane above":   {`{"lane":"activities"}`, 5},
		"by reason and lane":  {`{"reason":"expired","lane":"activities/901"}`, 0},
		"since":               {`{"since":"2999-01-01T00:00:00Z"}`, 0},
		"until":               {`{"until":"2999-01-01T00:00:00Z"}`, 5},
		"all":                 {`{"all":true}`, 5},
		"by ID and by reason": {`{"ids":["1","5"],"reason":"expired"}`, 1},
	} {
		for _, path := range []string{"/buried/resubmit", "/buried/discard"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, inspect.WithToken(token))
				b.bury("901", 3, delivery.ReasonRefused)
				b.bury("902", 2, delivery.ReasonExpired)
				w := b.ask(http.MethodPost, path, token, test.body)
				require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
				require.Equal(t, number(test.done), decode(t, w)["done"])
				s := b.Stats()
				require.EqualValues(t, 5-test.done, s.Kept)
				require.Equal(t, s.Accepted, s.Delivered+s.Buried+s.Pending+s.Duplicates)
				if path == "/buried/resubmit" {
					require.EqualValues(t, test.done, s.Pending)
				} else {
					require.Zero(t, s.Pending)
				}
			})
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	b := newBench(t, inspect.WithToken(token))
	require.NoError(t, b.Submit(t.Context(), "1", purchase("901")))
	state := func() any { return b.get("/lanes")["lanes"].([]any)[0].(map[string]any)["state"] }
	w := b.ask(http.MethodPost, "/lanes/pause", token, `{"lane":"activities/901","for":"2h","note":"asked"}`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, "paused", state())
	w = b.ask(http.MethodPost, "/lanes/resume", token, `{"lane":"activities/901"}`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, "open", state())
	w = b.ask(http.MethodPost, "/lanes/pause", token, `{"lane":"activities/901"}`)
	require.Nil(t, decode(t, w)["until"], "it has no end")
	require.Equal(t, "paused", state())
}

func TestWrongRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t, inspect.WithToken(token))
	b.bury("901", 1, delivery.ReasonRefused)
	for _, test := range []struct {
		method, target, body string
		status               int
		path                 string
	}{
		{"GET", "/buried?limit=0", "", 400, "limit"},
		{"GET", "/buried?limit=1001", "", 400, "limit"},
		{"GET", "/buried?limit=many", "", 400, "limit"},
		{"GET", "/buried?since=yesterday", "", 400, "since"},
		{"GET", "/buried?until=2026-13-01T00:00:00Z", "", 400, "until"},
		{"GET", "/buried?raeson=refused", "", 400, "query"},
		{"GET", "/buried?reason=refused&reason=expired", "", 400, "reason"},
		{"GET", "/buried?%zz", "", 400, "query"},
		{"GET", "/buried/summary?limit=5", "", 400, "query"},
		{"GET", "/export?calls=perhaps", "", 400, "calls"},
		{"GET", "/lanes?reason=refused", "", 400, "query"},
		{"POST", "/buried/discard", "", 400, "body"},
		{"POST", "/buried/discard", "[]", 400, "body"},
		{"POST", "/buried/discard", `{"raeson":"refused"}`, 400, "body"},
		{"POST", "/buried/discard", `{"all":true}{"all":true}`, 400, "body"},
		{"POST", "/buried/discard", `{}`, 400, "all"},
		{"POST", "/buried/discard", `{"ids":[]}`, 400, "all"},
		{"POST", "/buried/discard", `{"all":true,"reason":"refused"}`, 400, "all"},
		{"POST", "/buried/discard", `{"ids":["` + strings.Repeat("1", 5<<20) + `"]}`, 413, "body"},
		{"POST", "/lanes/pause", `{"lane":"actvities/901"}`, 400, "lane"},
		{"POST", "/lanes/pause", `{"lane":"activities/901","for":"-1h"}`, 400, "for"},
		{"POST", "/lanes/pause", `{"lane":"activities/901","for":"1h","until":"2999-01-01T00:00:00Z"}`, 400, "for"},
		{"POST", "/lanes/pause", `{"lane":"activities/901","until":"2001-01-01T00:00:00Z"}`, 400, "until"},
		{"POST", "/lanes/pause", `{"lane":"activities/901","note":"` + strings.Repeat("x", 501) + `"}`, 400, "note"},
		{"POST", "/lanes/resume", `{}`, 400, "lane"},
	} {
		w := b.ask(test.method, test.target, token, test.body)
		name := test.method + " " + test.target + " " + test.body[:min(len(test.body), 60)]
		require.Equal(t, test.status, w.Code, "%s: %s", name, w.Body)
		problem := decode(t, w)["error"].(map[string]any)
		require.Equal(t, test.path, problem["path"], name)
		require.NotEmpty(t, problem["message"], name)
	}
	for target, status := range map[string]int{"/nothing": 404, "/buried/1/2": 404, "/lanes/pause": 405} {
		require.Equal(t, status, b.ask(http.MethodGet, target, "", "").Code, target)
	}
	require.EqualValues(t, 1, b.Stats().Kept)
}

func TestHandler_ClosedQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t, inspect.WithToken(token))
	b.bury("901", 1, delivery.ReasonRefused)
	require.NoError(t, b.queue.Close())
	for _, target := range []string{"/lanes", "/buried", "/buried/1", "/buried/summary"} {
		w := b.ask(http.MethodGet, target, "", "")
		require.Equal(t, http.StatusServiceUnavailable, w.Code, target)
		require.Contains(t, w.Body.String(), "the queue is closed", target)
	}
	require.Equal(t, http.StatusOK, b.ask(http.MethodGet, "/stats", "", "").Code)
	require.Contains(t, b.ask(http.MethodGet, "/metrics", "", "").Body.String(), "appevents_delivery_queue_up 0\n")
	require.Contains(t, b.ask(http.MethodGet, "/export", "", "").Body.String(), "the list is not complete")
	w := b.ask(http.MethodPost, "/buried/discard", token, `{"all":true}`)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
}

func TestHandler_NoDispatcher(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	inspect.Handler(nil, nil).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/stats", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), "there is no dispatcher")
}

func TestWithLogger(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	b := newBench(t, inspect.WithToken(token), inspect.WithLogger(nil),
		inspect.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
	b.bury("901", 1, delivery.ReasonRefused)
	b.ask(http.MethodPost, "/buried/discard", "wrong", `{"all":true}`)
	b.ask(http.MethodPost, "/buried/discard", token, `{"all":true}`)
	b.ask(http.MethodPost, "/lanes/pause", token, `{"lane":"activities/901"}`)
	b.ask(http.MethodPost, "/lanes/resume", token, `{"lane":"activities/901"}`)
	for _, want := range []string{"change refused", "how=discard", "calls=1", "lane paused", "lane resumed"} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), token)
}

// hanging is a queue that takes no settlement until it is let go.
type hanging struct {
	*memqueue.Queue

	let chan struct{}
}

func (q *hanging) Settle(ctx context.Context, list ...delivery.Settlement) error {
	select {
	case <-q.let:
	case <-ctx.Done():
		return ctx.Err()
	}
	return q.Queue.Settle(ctx, list...)
}

func TestLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := &hanging{Queue: memqueue.New(), let: make(chan struct{})}
		b := benchOver(t, queue, inspect.WithStall(30*time.Second), inspect.WithStall(0))
		live := func() int { synctest.Wait(); return b.ask(http.MethodGet, "/live", "", "").Code }
		require.Equal(t, http.StatusServiceUnavailable, live(), "it does not run")

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Dispatcher.Run(ctx) }()
		require.Equal(t, http.StatusOK, live())
		<-time.After(time.Hour)
		require.Equal(t, http.StatusOK, live(), "there was nothing to do")

		require.NoError(t, b.Submit(t.Context(), "1", purchase("901")))
		require.Equal(t, http.StatusOK, live())
		<-time.After(29 * time.Second)
		require.Equal(t, http.StatusOK, live())
		<-time.After(2 * time.Second)
		require.Equal(t, http.StatusServiceUnavailable, live(), "the outcome cannot be written")
		stall, err := b.get("/stats")["seconds_stalled"].(json.Number).Float64()
		require.NoError(t, err)
		require.GreaterOrEqual(t, stall, 30.0)

		close(queue.let)
		require.Equal(t, http.StatusOK, live())
		cancel()
		require.NoError(t, <-ended)
		require.Equal(t, http.StatusServiceUnavailable, live(), "it has stopped")
	})
}

// sample is a line of Prometheus' text format.
var sample = regexp.MustCompile(`^(appevents_delivery_[a-z_]+)(\{state="[a-z]+"\})? (\S+)$`)

func TestMetrics(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.bury("901", 2, delivery.ReasonRefused)
	require.NoError(t, b.Submit(t.Context(), "1", purchase("902")))
	require.NoError(t, b.PauseLane(t.Context(), "activities/902", time.Time{}, ""))
	w := b.ask(http.MethodGet, "/metrics", "", "")
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", w.Header().Get("Content-Type"))
	got := make(map[string]string)
	described := make(map[string]int)
	for line := range strings.Lines(w.Body.String()) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			described[strings.Fields(rest)[1]]++
			continue
		}
		m := sample.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		require.Equal(t, 2, described[m[1]], "%s has a type and a description before it", m[1])
		_, err := strconv.ParseFloat(m[3], 64)
		require.NoError(t, err)
		require.NotContains(t, got, m[1]+m[2], "named twice")
		got[m[1]+m[2]] = m[3]
	}
	for name, want := range map[string]string{
		"accepted_total": "3", "buried_total": "2", "kept": "2", "pending": "1", "running": "0", "queue_up": "1", "paused_lanes": "1",
		`lanes{state="paused"}`: "1", `lanes{state="open"}`: "0", `lanes{state="throttled"}`: "0", "requests_total": "0",
	} {
		value, ok := got["appevents_delivery_"+name]
		require.True(t, ok, name)
		require.Equal(t, want, value, name)
	}
}

// The handler is used below another path, over HTTP.
func TestHandler_BelowAnotherPath(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	mux := http.NewServeMux()
	mux.Handle("/-/queue/", http.StripPrefix("/-/queue", b.handler))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for path, status := range map[string]int{"/-/queue/": 200, "/-/queue/stats": 200, "/-/queue/nothing": 404} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		require.NoError(t, err)
		answer, err := server.Client().Do(r)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, answer.Body)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, status, answer.StatusCode, path)
	}
}
