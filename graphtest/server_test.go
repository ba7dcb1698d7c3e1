package graphtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// fakeTB records what a helper reports to a test.
type fakeTB struct {
	testing.TB
	ctx      context.Context
	mu       sync.Mutex
	errors   []string
	logs     []string
	fatal    bool
	cleanups []func()
}

func newFakeTB(t *testing.T) *fakeTB { return &fakeTB{TB: t, ctx: t.Context()} }

func (f *fakeTB) Helper()                  {}
func (f *fakeTB) Context() context.Context { return f.ctx }
func (f *fakeTB) Cleanup(fn func())        { f.cleanups = append(f.cleanups, fn) }
func (f *fakeTB) Errorf(format string, a ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors = append(f.errors, fmt.Sprintf(format, a...))
}

func (f *fakeTB) Logf(format string, a ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, fmt.Sprintf(format, a...))
}

func (f *fakeTB) Fatalf(format string, a ...any) {
	f.Errorf(format, a...)
	f.fatal = true
	runtime.Goexit()
}

// run calls fn the way a test runs, on a goroutine that Fatalf may end, and then the cleanups.
func (f *fakeTB) run(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	<-done
	for _, c := range f.cleanups {
		c()
	}
}

func TestNewServer_OverSocket(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t, graphtest.WithClock(atNow), graphtest.WithUsage(42), graphtest.WithHeader("X-Page-Usage", "{}"))
	got := overSocket(t, s, bot())
	require.NoError(t, got.err)
	require.JSONEq(t, `{"success":true}`, got.body)
	require.Equal(t, "application/json; charset=UTF-8", got.header.Get("Content-Type"))
	require.JSONEq(t, `{"call_count":42,"total_cputime":0,"total_time":0}`, got.header.Get("X-App-Usage"))
	require.Equal(t, "{}", got.header.Get("X-Page-Usage"))
	require.Equal(t, "fb_mobile_purchase", s.Calls()[0].Events[0].Name)
	require.Empty(t, s.Problems())
}

func TestNewServer_ClosesWithTheTest(t *testing.T) {
	t.Parallel()
	tb := newFakeTB(t)
	var s *graphtest.Server
	tb.run(func() {
		s = graphtest.NewServer(tb)
		send(t, s, bot("event"))
	})
	require.Empty(t, tb.errors, "problems fail the test only when asked to")
	require.Error(t, overSocket(t, s, bot()).err)
	require.Error(t, send(t, s, bot()).err)
	require.Len(t, s.Calls(), 1, "the record stays")
	s.Close()
}

func TestWithStrict(t *testing.T) {
	t.Parallel()
	tb := newFakeTB(t)
	tb.run(func() {
		s := graphtest.NewServer(tb, graphtest.WithStrict(), graphtest.WithClock(atNow))
		send(t, s, bot())
		require.Empty(t, tb.errors)
		send(t, s, bot("colour=blue"))
	})
	require.Equal(t, []string{"graphtest: call 1, POST /v26.0/771/activities: colour: the edge has no such parameter [unknown]"},
		tb.errors)
}

func TestServer_IsAHandler(t *testing.T) {
	t.Parallel()
	s := setup()
	front := httptest.NewServer(http.StripPrefix("/graph", s))
	defer front.Close()
	resp, err := http.DefaultClient.Do(bot().build(t, front.URL+"/graph"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Empty(t, s.Problems())

	s.Inject(graphtest.Reset)
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		s.ServeHTTP(httptest.NewRecorder(), bot().build(t, "http://graph.invalid"))
	}, "on a connection that cannot be hijacked the exchange is aborted")
	s.Close()
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, bot().build(t, "http://graph.invalid"))
	require.Equal(t, http.StatusServiceUnavailable, rec.Code)
}

func TestNew_HasNoAddress(t *testing.T) {
	t.Parallel()
	require.Equal(t, "http://graph.invalid", graphtest.New().URL)
	require.Equal(t, http.StatusOK, send(t, graphtest.New(nil), bot()).status, "a nil option is none")
}

func TestResponder_InHTTPMock(t *testing.T) {
	t.Parallel()
	mock := httpmock.NewMockTransport()
	mock.RegisterNoResponder(graphtest.Responder(graphtest.WithAppID("772")))
	mock.RegisterResponder("POST", "http://graph.invalid/v26.0/771/activities", graphtest.Responder())
	client := http.Client{Transport: mock}
	got := read(client.Do(bot().build(t, "http://graph.invalid")))
	require.NoError(t, got.err)
	require.JSONEq(t, `{"success":true}`, got.body)
	q := bot()
	q.path = "/v25.0/771/activities"
	require.Equal(t, http.StatusBadRequest, read(client.Do(q.build(t, "http://graph.invalid"))).status)
}

func TestServer_VersionsAndHeaders(t *testing.T) {
	t.Parallel()
	served := func(s *graphtest.Server, q request) http.Header {
		return send(t, s, q).header
	}
	at := func(path string, q request) request {
		q.path = path
		return q
	}
	s := setup()
	require.Equal(t, "v26.0", served(s, at("/771/activities", bot())).Get("Facebook-Api-Version"))
	require.Equal(t, "v23.0", served(s, at("/v23.0/771/activities", bot())).Get("Facebook-Api-Version"))
	old := served(s, at("/v17.0/771/activities", bot()))
	require.Equal(t, "v21.0", old.Get("Facebook-Api-Version"))
	require.Empty(t, old.Get("X-Ad-Api-Version-Warning"))
	old = served(s, at("/v17.0/5501/events", conversions(lead())))
	require.Contains(t, old.Get("X-Ad-Api-Version-Warning"), "from v17.0 to v21.0")
	require.Empty(t, served(s, at("/v99.0/771/activities", bot())).Get("Facebook-Api-Version"))

	s = setup(graphtest.WithVersions("v30.0", "v9.0"), graphtest.WithVersions())
	require.Equal(t, "v9.0", served(s, at("/v8.0/771/activities", bot())).Get("Facebook-Api-Version"))
	require.Equal(t, "v30.0", served(s, at("/v10.0/771/activities", bot())).Get("Facebook-Api-Version"))
	s.Inject(graphtest.VersionDrift)
	require.Equal(t, "v30.0", served(s, at("/v9.0/771/activities", bot())).Get("Facebook-Api-Version"))
	s = setup(graphtest.WithVersions("v30.0"))
	s.Inject(graphtest.VersionDrift)
	require.Equal(t, "v1.0", served(s, at("/v30.0/771/activities", bot())).Get("Facebook-Api-Version"))
}

func TestServer_RecordIsBounded(t *testing.T) {
	t.Parallel()
	s := setup(graphtest.WithMaxCalls(2))
	for _, page := range []string{"1", "2", "3"} {
		send(t, s, bot("page_id="+page))
	}
	calls := s.Calls()
	require.Len(t, calls, 2)
	require.Equal(t, "2", calls[0].PageID, "the oldest made room")
	require.Equal(t, 3, s.Count())
	s.Inject(graphtest.HTML)
	s.Reset()
	require.Zero(t, s.Count())
	require.Empty(t, s.Calls())
	require.Equal(t, http.StatusOK, send(t, s, bot()).status, "faults are forgotten too")

	s = setup(graphtest.WithMaxCalls(-1))
	send(t, s, bot())
	require.Empty(t, s.Calls())
	require.Equal(t, 1, s.Count())
}

func TestServer_ProblemsAreBounded(t *testing.T) {
	t.Parallel()
	s := setup()
	send(t, s, device("custom_events=["+strings.Repeat(`1,`, 2000)+"1]"))
	require.Len(t, s.Problems(), 1000)
}

func TestServer_WaitAndObserve(t *testing.T) {
	t.Parallel()
	seen := make(chan graphtest.Call, 1)
	s := graphtest.NewServer(t, graphtest.WithObserver(func(c graphtest.Call) { seen <- c }))
	req := bot().build(t, s.URL)
	go func() {
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	require.NoError(t, s.Wait(t.Context(), 1))
	require.Equal(t, "fb_mobile_purchase", (<-seen).Events[0].Name)

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	require.EqualError(t, s.Wait(ctx, 2), "graphtest: waiting for 2 calls, got 1: enough")
	require.NoError(t, s.Wait(ctx, 1), "already there")
}

func TestServer_IncompleteBody(t *testing.T) {
	t.Parallel()
	s := setup()
	r := bot().build(t, s.URL)
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("event="), brokenReader{}))
	_, err := s.RoundTrip(r)
	require.Error(t, err)
	call := last(t, s)
	require.Equal(t, []string{"body incomplete"}, brief(call.Problems))
	require.False(t, call.Accepted)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestServer_ConcurrentUse(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 25
	s := graphtest.NewServer(t, graphtest.WithClock(atNow))
	s.Inject(graphtest.Times(workers, graphtest.HTML))
	var wg sync.WaitGroup
	for n := range workers {
		wg.Go(func() {
			for range each {
				send(t, s, bot(fmt.Sprintf("page_id=%d", n+1)))
				s.Inject(graphtest.Random(uint64(n), 1, graphtest.Duplicate))
			}
			_ = fmt.Sprint(s, s.Calls(), s.Problems())
		})
	}
	wg.Wait()
	require.Equal(t, workers*each, s.Count())
	calls := s.Calls()
	traces := map[string]bool{}
	for k, c := range calls {
		traces[c.TraceID] = true
		require.Equal(t, fmt.Sprintf("Astandin%08d", k+1), c.TraceID, "in the order of arrival")
	}
	require.Len(t, traces, workers*each)
}
