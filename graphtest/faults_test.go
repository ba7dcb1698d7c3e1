package graphtest_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// Each fault, once over a socket and once in memory: what the caller sees, and whether the data was taken.
func TestFaults(t *testing.T) {
	t.Parallel()
	const success = `{"success":true}`
	gone := func(t *testing.T, r reply) {
		t.Helper()
		require.Error(t, r.err)
		require.True(t, errors.Is(r.err, syscall.ECONNRESET) || errors.Is(r.err, io.EOF), "%v", r.err)
		require.Zero(t, r.status)
	}
	answer := func(status int, contains ...string) func(*testing.T, reply) {
		return func(t *testing.T, r reply) {
			t.Helper()
			require.NoError(t, r.err)
			require.Equal(t, status, r.status, r.body)
			for _, text := range contains {
				require.Contains(t, r.body, text)
			}
		}
	}
	for _, tc := range []struct {
		fault graphtest.Fault
		name  string
		taken bool
		check func(*testing.T, reply)
	}{
		{graphtest.None, "", true, answer(200, success)},
		{graphtest.Throttle, "throttle", false, func(t *testing.T, r reply) {
			answer(400, `"code":4`, `"is_transient":true`)(t, r)
			require.JSONEq(t, `{"call_count":100,"total_cputime":25,"total_time":25}`, r.header.Get("X-App-Usage"))
			require.JSONEq(t, `{"901":[{"type":"messenger","call_count":100,"total_cputime":25,"total_time":25,`+
				`"estimated_time_to_regain_access":5}]}`, r.header.Get("X-Business-Use-Case-Usage"))
		}},
		{graphtest.ThrottleFor(61 * time.Second), "throttle", false, func(t *testing.T, r reply) {
			require.Contains(t, r.header.Get("X-Business-Use-Case-Usage"), `"estimated_time_to_regain_access":2}`)
		}},
		{graphtest.Transient, "transient", false, answer(500, `"code":2`, `"is_transient":true`)},
		{graphtest.Unavailable, "unavailable", false, func(t *testing.T, r reply) {
			answer(503, "<html>", "503 Service Unavailable")(t, r)
			require.Contains(t, r.header.Get("Content-Type"), "text/html")
			require.Empty(t, r.header.Get("Facebook-Api-Version"))
		}},
		{graphtest.HTML, "html", false, answer(502, "<html>", "502 Bad Gateway")},
		{graphtest.Reset, "reset", true, gone},
		{graphtest.ResetEarly, "reset early", false, gone},
		{graphtest.Truncate, "truncate", true, func(t *testing.T, r reply) {
			require.Equal(t, 200, r.status)
			require.ErrorIs(t, r.err, io.ErrUnexpectedEOF)
			require.Equal(t, success[:len(success)/2], r.body)
		}},
		{graphtest.Empty, "empty", false, func(t *testing.T, r reply) {
			answer(200)(t, r)
			require.Empty(t, r.body)
		}},
		{graphtest.False, "false", false, func(t *testing.T, r reply) {
			answer(200)(t, r)
			require.Equal(t, "false", r.body)
		}},
		{graphtest.NotSuccess, "not success", false, answer(200, `{"success":false}`)},
		{graphtest.ExpiredToken, "expired token", false, answer(401, `"code":190`, `"error_subcode":463`)},
		{graphtest.MissingPermission, "missing permission", false,
			answer(403, `"code":200`, "(#200) App does not have page_events permission")},
		{graphtest.VersionDrift, "version drift", true, func(t *testing.T, r reply) {
			answer(200, success)(t, r)
			require.Equal(t, "v21.0", r.header.Get("Facebook-Api-Version"))
		}},
		{graphtest.Slow(time.Millisecond), "slow headers", true, answer(200, success)},
		{graphtest.Drip(5 * time.Millisecond), "slow body", true, answer(200, success)},
		{graphtest.Duplicate, "duplicate", true, func(t *testing.T, r reply) {
			answer(200)(t, r)
			require.Equal(t, success+success, r.body)
		}},
		{graphtest.Unsolicited, "unsolicited", true, answer(200, success)},
		{graphtest.Error(100, 33), "error 100/33", false, answer(400, `"code":100`, `"error_subcode":33`,
			`"type":"GraphMethodException"`)},
		{graphtest.Error(1, 0), "error 1/0", false, answer(500, `"code":1`)},
		{graphtest.Error(368, 0), "error 368/0", false, answer(400, `"code":368`)},
		{graphtest.Error(294, 0), "error 294/0", false, answer(403, `"code":294`, "(#294)")},
		{graphtest.Error(190, 460), "error 190/460", false, answer(401, "changed their password")},
		{graphtest.Error(100, 2804066), "error 100/2804066", false, answer(400, `"error_subcode":2804066`,
			"error_user_title")},
		{graphtest.Error(80001, 0), "error 80001/0", false, func(t *testing.T, r reply) {
			answer(400, `"code":80001`)(t, r)
			require.Contains(t, r.header.Get("X-Business-Use-Case-Usage"), `"type":"pages"`)
			require.Empty(t, r.header.Get("X-App-Usage"))
		}},
		{graphtest.Reply(200, `{"success":true,"drop_reason":"old"}`), "reply 200", true,
			answer(200, `{"success":true,"drop_reason":"old"}`)},
		{graphtest.Reply(400, `{}`), "reply 400", false, answer(400, `{}`)},
		{graphtest.Redirect("http://elsewhere.invalid/"), "redirect", false, func(t *testing.T, r reply) {
			answer(302)(t, r)
			require.Equal(t, "http://elsewhere.invalid/", r.header.Get("Location"))
		}},
	} {
		for _, where := range []string{"memory", "socket"} {
			name := tc.name
			if name == "" {
				name = "none"
			}
			t.Run(name+" in "+where, func(t *testing.T) {
				t.Parallel()
				var s *graphtest.Server
				var r reply
				if where == "memory" {
					s = setup()
					s.Inject(tc.fault)
					r = send(t, s, bot())
				} else {
					s = graphtest.NewServer(t, graphtest.WithClock(atNow))
					s.Inject(tc.fault)
					r = overSocket(t, s, bot())
				}
				tc.check(t, r)
				call := last(t, s)
				require.Equal(t, tc.name, call.Fault)
				require.Equal(t, tc.taken, call.Accepted)
				require.Equal(t, r.status, call.Status)
				if r.header.Get("X-Fb-Trace-Id") != "" {
					require.Equal(t, call.TraceID, r.header.Get("X-Fb-Trace-Id"))
				}
				if tc.name != "reset early" {
					require.Len(t, call.Events, 1)
				} else {
					require.Empty(t, call.Fields, "the body was not read")
				}
				after := send(t, s, bot())
				require.Equal(t, success, after.body, "a fault is used up by one call")
				require.Empty(t, last(t, s).Fault)
			})
		}
	}
}

// overSocket sends the request over the server's real socket, without reusing connections or following redirects.
func overSocket(t *testing.T, s *graphtest.Server, q request) reply {
	t.Helper()
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return read(client.Do(q.build(t, s.URL)))
}

func TestFaults_RefusalsWinOverSuccess(t *testing.T) {
	t.Parallel()
	s := setup()
	s.Inject(graphtest.Duplicate, graphtest.Reset, graphtest.Transient)
	require.Equal(t, http.StatusBadRequest, send(t, s, bot("event")).status, "a wrong call stays refused")
	require.False(t, last(t, s).Accepted)
	require.Error(t, send(t, s, bot("event")).err)
	require.False(t, last(t, s).Accepted, "what would have been refused was not taken")
	require.Equal(t, http.StatusInternalServerError, send(t, s, bot("event")).status)
	require.Equal(t, []string{"event required 100"}, brief(last(t, s).Problems), "checks run in spite of the fault")
}

func TestFaults_Order(t *testing.T) {
	t.Parallel()
	s := setup()
	other := bot("page_id=902")
	s.Inject(graphtest.None, nil, graphtest.Times(2, graphtest.HTML), graphtest.On("events", graphtest.Empty),
		graphtest.OnPage("902", graphtest.False), graphtest.NotSuccess)
	var got []string
	for _, q := range []request{bot(), bot(), bot(), bot(), bot(), other, other, conversions(lead())} {
		send(t, s, q)
		got = append(got, last(t, s).Fault)
	}
	require.Equal(t, []string{"", "html", "html", "not success", "", "false", "", "empty"}, got)
}

func TestFaults_EarlyResetKeepsItsPlace(t *testing.T) {
	t.Parallel()
	s := setup()
	s.Inject(graphtest.HTML, graphtest.ResetEarly, graphtest.On("events", graphtest.ResetEarly),
		graphtest.OnPage("901", graphtest.ResetEarly))
	require.Equal(t, http.StatusBadGateway, send(t, s, bot()).status)
	require.Error(t, send(t, s, bot()).err)
	require.Empty(t, last(t, s).Fields)
	require.Error(t, send(t, s, bot()).err, "aimed at a Page")
	require.NotEmpty(t, last(t, s).Fields, "so the body was read")
	require.False(t, last(t, s).Accepted)
	require.NoError(t, send(t, s, bot()).err)
	require.Error(t, send(t, s, conversions(lead())).err)
}

func TestFaults_Timeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := graphtest.New()
		client := http.Client{Transport: s, Timeout: 3 * time.Second}
		s.Inject(graphtest.Timeout, graphtest.Timeout)

		start := time.Now()
		got := read(client.Do(bot().build(t, s.URL)))
		var timeout net.Error
		require.ErrorAs(t, got.err, &timeout)
		require.True(t, timeout.Timeout())
		require.Equal(t, 3*time.Second, time.Since(start))
		call := last(t, s)
		require.True(t, call.Accepted, "the caller cannot know")
		require.Zero(t, call.Status)
		require.Len(t, call.Events, 1)

		start = time.Now()
		got = send(t, s, bot())
		require.ErrorIs(t, got.err, io.EOF)
		require.Equal(t, time.Minute, time.Since(start), "the hold is bounded")

		cause := errors.New("the caller's reason")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, err := s.RoundTrip(bot().build(t, s.URL).WithContext(ctx))
		require.ErrorIs(t, err, cause)
		require.Equal(t, 2, s.Count(), "a call cancelled before it began never arrived")
	})
}

func TestFaults_TimeoutOverSocketEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	s.Inject(graphtest.Timeout)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	req := bot().build(t, s.URL).WithContext(ctx)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	require.NoError(t, s.Wait(t.Context(), 1))
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	s.Close() // returns at once: the handler has seen the caller leave, or Close ends it
}

func TestFaults_CloseEndsTimeout(t *testing.T) {
	t.Parallel()
	s, err := graphtest.Start()
	require.NoError(t, err)
	s.Inject(graphtest.Timeout)
	done := make(chan error, 1)
	req := bot().build(t, s.URL)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	require.NoError(t, s.Wait(t.Context(), 1))
	s.Close()
	require.Error(t, <-done)
}

func TestFaults_Slow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := graphtest.New()
		s.Inject(graphtest.SlowHeaders, graphtest.Slow(time.Minute), graphtest.SlowBody, graphtest.Drip(time.Hour))

		start := time.Now()
		require.NoError(t, send(t, s, bot()).err)
		require.Equal(t, time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := s.RoundTrip(bot().build(t, s.URL).WithContext(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)

		start = time.Now()
		resp, err := s.RoundTrip(bot().build(t, s.URL))
		require.NoError(t, err)
		require.Zero(t, time.Since(start), "the headers came at once")
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.JSONEq(t, `{"success":true}`, string(data))
		require.InDelta(t, time.Second, time.Since(start), float64(200*time.Millisecond))

		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		resp, err = s.RoundTrip(bot().build(t, s.URL).WithContext(ctx))
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, resp.Body.Close())
	})
}

func TestFaults_SlowOverSocketIsSlow(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	s.Inject(graphtest.Slow(time.Hour), graphtest.Drip(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	req := bot().build(t, s.URL).WithContext(ctx)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	require.NoError(t, s.Wait(t.Context(), 1))
	cancel()
	require.ErrorIs(t, <-done, context.Canceled, "no headers yet")

	ctx, cancel = context.WithCancel(t.Context())
	resp, err := http.DefaultClient.Do(bot().build(t, s.URL).WithContext(ctx))
	require.NoError(t, err, "the headers come at once")
	cancel()
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, context.Canceled, "the body does not")
	require.NoError(t, resp.Body.Close())
}

func TestFaults_UnsolicitedSendsASecondResponse(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	s.Inject(graphtest.Unsolicited)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	req := bot().build(t, s.URL)
	require.NoError(t, req.Write(conn))
	r := bufio.NewReader(conn)
	for range 2 {
		resp, err := http.ReadResponse(r, req)
		require.NoError(t, err)
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.JSONEq(t, `{"success":true}`, string(data))
	}
}

func TestFaults_ThrottleByEdge(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		req  request
		code string
		kind string
		id   string
	}{
		{bot(), `"code":4`, "messenger", "901"},
		{device(), `"code":4`, "messenger", "771"},
		{pageEvent("token"), `"code":80006`, "messenger", "901"},
		{conversions(lead()), `"code":80004`, "ads_management", "901"},
		{request{path: "/v26.0/901/dataset", token: "token"}, `"code":80006`, "messenger", "901"},
		{request{method: "GET", path: "/v26.0/act_5/insights", token: "token"}, `"code":80000`, "ads_insights", "act_5"},
	} {
		s := setup()
		s.Inject(graphtest.Throttle)
		got := send(t, s, tc.req)
		require.Equal(t, http.StatusBadRequest, got.status)
		require.Contains(t, got.body, tc.code)
		require.Contains(t, got.header.Get("X-Business-Use-Case-Usage"), `{"`+tc.id+`":[{"type":"`+tc.kind+`"`)
	}
}

func TestFaults_CallsBeforeTheThrottlesTimeAreNoted(t *testing.T) {
	t.Parallel()
	clock := now
	s := graphtest.New(graphtest.WithClock(func() time.Time { return clock }))
	noted := func(q request) bool {
		got := send(t, s, q)
		require.Equal(t, http.StatusOK, got.status, "it is only noted")
		return strings.Contains(strings.Join(brief(last(t, s).Problems), " "), "call throttled")
	}
	otherApp := bot()
	otherApp.path = "/v26.0/772/activities"

	s.Inject(graphtest.ThrottleFor(2 * time.Minute))
	send(t, s, bot())
	require.True(t, noted(bot()))
	require.True(t, noted(bot("page_id=902")), "the app is throttled")
	require.False(t, noted(otherApp))
	require.False(t, noted(pageEventOf("901", "/v20.0/772")))
	clock = clock.Add(2*time.Minute - time.Nanosecond)
	require.True(t, noted(bot()))
	clock = clock.Add(time.Nanosecond)
	require.False(t, noted(bot()), "welcome again")

	s.Inject(graphtest.Throttle)
	send(t, s, pageEventOf("901", "/v20.0/772"))
	require.True(t, noted(pageEventOf("901", "/v20.0/772")))
	require.False(t, noted(pageEventOf("902", "/v20.0/772")), "another Page")
	s.Reset()
	require.False(t, noted(pageEventOf("901", "/v20.0/772")), "Reset forgets it")

	s.Inject(graphtest.Error(80004, 0))
	send(t, s, conversions(lead()))
	require.True(t, noted(conversions(lead())))
}

func pageEventOf(page, prefix string) request {
	r := pageEvent("token")
	r.body = strings.ReplaceAll(r.body, `"901"`, `"`+page+`"`)
	r.path = prefix + "/page_activities"
	return r
}

func TestFaults_Random(t *testing.T) {
	t.Parallel()
	schedule := func(seed uint64, faults ...graphtest.Fault) []string {
		s := setup()
		s.Inject(graphtest.Random(seed, 200, faults...))
		for range 200 {
			send(t, s, bot())
		}
		var names []string
		for _, c := range s.Calls() {
			names = append(names, c.Fault)
		}
		return names
	}
	first := schedule(1)
	require.Equal(t, first, schedule(1))
	require.NotEqual(t, first, schedule(2))
	for _, name := range []string{"", "transient", "unavailable", "html", "empty", "false", "reset", "reset early",
		"truncate", "duplicate"} {
		require.Contains(t, first, name)
	}
	for _, name := range schedule(3, graphtest.HTML) {
		require.Contains(t, []string{"", "html"}, name)
	}
}

func TestWithFaults(t *testing.T) {
	t.Parallel()
	s := setup(graphtest.WithFaults(func(c graphtest.Call) graphtest.Fault {
		switch {
		case c.PageID == "902":
			return graphtest.Unavailable
		case c.PageID == "903":
			return graphtest.Times(0, graphtest.HTML)
		}
		return nil
	}))
	s.Inject(graphtest.HTML)
	require.Equal(t, http.StatusBadGateway, send(t, s, bot("page_id=902")).status, "injected faults come first")
	for range 3 {
		require.Equal(t, http.StatusServiceUnavailable, send(t, s, bot("page_id=902")).status)
		require.Equal(t, http.StatusOK, send(t, s, bot("page_id=903")).status)
		require.Equal(t, http.StatusOK, send(t, s, bot()).status)
	}
}

func TestFaultKind_String(t *testing.T) {
	t.Parallel()
	require.Equal(t, "none", graphtest.None.String())
	require.Equal(t, "unsolicited", graphtest.Unsolicited.String())
	require.Equal(t, "fault 200", graphtest.FaultKind(200).String())
	s := setup()
	s.Inject(graphtest.FaultKind(200))
	require.NoError(t, send(t, s, bot()).err)
}
