package appevents_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// These are the tests of internal/carrier, through a Client.

// logsTo sends a call and expects it to be answered by whoever counts.
func logsTo(t *testing.T, client *appevents.Client, count func() int) {
	t.Helper()
	before := count()
	result, err := client.LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	require.Equal(t, 1, result.Attempts)
	require.Equal(t, before+1, count())
}

// httpmock replaces http.DefaultTransport or the transport of an http.Client. Whichever it does, and whenever, a client
// calls the stand-in while it is there and the real server when it is gone.
func TestClient_FollowsHTTPMock(t *testing.T) { //nolint:paralleltest // it replaces http.DefaultTransport
	arrived := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived++
		_, _ = w.Write([]byte(coreSuccess))
	}))
	t.Cleanup(server.Close)
	served := func() int { return arrived }
	mocked := func() int { return httpmock.GetTotalCallCount() }
	answer := func() {
		httpmock.RegisterResponder(http.MethodPost, server.URL+"/v26.0/771/activities",
			httpmock.NewStringResponder(http.StatusOK, coreSuccess))
	}
	base := appevents.WithBaseURL(server.URL)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	theirs := &http.Client{Transport: transport}
	before := map[string]*appevents.Client{
		"no client of the caller's": mustClient(t, base),
		"http.DefaultClient":        mustClient(t, base, appevents.WithHTTPClient(http.DefaultClient)),
	}

	httpmock.Activate()
	t.Cleanup(httpmock.DeactivateAndReset)
	answer()
	after := mustClient(t, base)
	cloned, err := before["no client of the caller's"].Clone(oneAttempt())
	require.NoError(t, err)
	logsTo(t, after, mocked)
	logsTo(t, cloned, mocked)
	for _, client := range before {
		logsTo(t, client, mocked)
	}
	own := mustClient(t, base, appevents.WithHTTPClient(theirs))
	logsTo(t, own, served) // a client of the caller's with a transport is not what Activate is about

	httpmock.DeactivateAndReset()
	logsTo(t, after, served)
	logsTo(t, cloned, served)
	for _, client := range before {
		logsTo(t, client, served)
	}

	httpmock.ActivateNonDefault(theirs)
	answer()
	logsTo(t, own, mocked)
	logsTo(t, mustClient(t, base, appevents.WithHTTPClient(theirs)), mocked)
	logsTo(t, after, served)
	httpmock.DeactivateNonDefault(theirs)
	logsTo(t, own, served)

	mock := httpmock.NewMockTransport()
	mock.RegisterNoResponder(httpmock.NewStringResponder(http.StatusOK, coreSuccess))
	logsTo(t, mustClient(t, base, appevents.WithHTTPClient(&http.Client{Transport: mock})), mock.GetTotalCallCount)
	http.DefaultClient.CloseIdleConnections()
}

// What a program makes the default transport is used, also when it is of net/http's own kind.
func TestClient_FollowsTheProgramsDefaultTransport(t *testing.T) { //nolint:paralleltest // it replaces http.DefaultTransport
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(coreSuccess))
	}))
	t.Cleanup(server.Close)
	client := mustClient(t, appevents.WithBaseURL(server.URL))
	standard := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = standard })
	dialled := 0
	own := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled++
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(own.CloseIdleConnections)
	count := func() int { return dialled }
	http.DefaultTransport = own
	logsTo(t, client, count)
	own.CloseIdleConnections()
	http.DefaultTransport = roundTrip(own.RoundTrip) // wrapped, for tracing say
	logsTo(t, client, count)
	http.DefaultTransport = standard
	_, err := client.LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	require.Equal(t, 2, dialled)
}

// The client does what http.Client would, besides following redirects.
func TestClient_UsesJarAndTimeoutOfTheCallersClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		theirs := &http.Client{Jar: jar, Timeout: 3 * time.Second, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.Header.Get("Cookie"))
			if len(sent) == 3 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			resp := httpmock.NewStringResponse(http.StatusOK, coreSuccess)
			resp.Header.Set("Set-Cookie", "sticky=7")
			return resp, nil
		})}
		client := mustClient(t, appevents.WithHTTPClient(theirs), oneAttempt())
		for range 2 {
			_, err := client.LogActivity(t.Context(), purchase())
			require.NoError(t, err)
		}
		require.Equal(t, []string{"", "sticky=7"}, sent)
		start := time.Now()
		_, err = client.LogActivity(t.Context(), purchase())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

// Transports of other makes do what they like.
func TestClient_SurvivesOddTransports(t *testing.T) {
	t.Parallel()
	send := func(transport roundTrip) error {
		client := mustClient(t, appevents.WithHTTPClient(&http.Client{Transport: transport}), oneAttempt())
		_, err := client.LogActivity(t.Context(), purchase())
		return err
	}
	err := send(func(*http.Request) (*http.Response, error) { return nil, nil })
	require.ErrorContains(t, err, "the transport returned neither an answer nor an error")
	require.ErrorIs(t, err, appevents.ErrUnknownOutcome)
	err = send(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: http.StatusOK}, nil })
	require.ErrorContains(t, err, "the answer is empty")
	err = send(func(r *http.Request) (*http.Response, error) {
		for name := range r.Header {
			r.Header[name] = append(r.Header[name], "more")
		}
		body, err := io.ReadAll(r.Body)
		if err == nil && !strings.Contains(string(body), "CUSTOM_APP_EVENTS") {
			err = errors.New("another body")
		}
		return httpmock.NewStringResponse(http.StatusOK, coreSuccess), err
	})
	require.NoError(t, err)
}

func TestClient_Clone_SharesConnections(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, coreSuccess)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := mustClient(t, appevents.WithBaseURL(server.URL))
	for range 4 {
		_, err := client.LogActivity(t.Context(), purchase())
		require.NoError(t, err)
		client, err = client.Clone(appevents.WithTimeout(time.Minute))
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, opened.Load())
}

func TestClient_KeepsConnectionsOfABusyBot(t *testing.T) {
	t.Parallel()
	const busy = 24
	var opened, inside atomic.Int32
	gates := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := inside.Add(1) - 1
		if n%busy == busy-1 {
			close(gates[n/busy])
		}
		<-gates[n/busy] // all requests of a round are under way at the same time
		_, _ = io.WriteString(w, coreSuccess)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := mustClient(t, appevents.WithBaseURL(server.URL), appevents.WithTimeout(time.Minute))
	for range 2 {
		var group sync.WaitGroup
		for range busy {
			group.Go(func() {
				_, err := client.LogActivity(t.Context(), purchase())
				require.NoError(t, err)
			})
		}
		group.Wait()
	}
	require.Less(t, opened.Load(), int32(busy*3/2), "connections of the first round serve the second")
}

func TestClient_LeavesTheCallersHTTPClientAlone(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	m := newMock(t, success())
	follow := func(*http.Request, []*http.Request) error { return nil }
	theirs := &http.Client{Transport: m, CheckRedirect: follow, Jar: jar, Timeout: time.Minute}
	client := mustClient(t, appevents.WithHTTPClient(theirs), appevents.WithTimeout(time.Second))
	_, err = client.LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	require.Same(t, m, theirs.Transport)
	require.Same(t, jar, theirs.Jar)
	require.Equal(t, time.Minute, theirs.Timeout)
	require.Equal(t, reflect.ValueOf(follow).Pointer(), reflect.ValueOf(theirs.CheckRedirect).Pointer())

	none := new(http.Client)
	mustClient(t, appevents.WithHTTPClient(none))
	require.Equal(t, new(http.Client), none)

	// What is invalid is not sent, whatever the caller does to its client.
	theirs.Transport = http.NewFileTransport(http.Dir(t.TempDir()))
	_, err = client.LogActivity(t.Context(), &appevents.Activity{})
	var invalid *appevents.ValidationError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, m.requests(), 1)
}

func TestClient_LeavesTheDefaultTransportAlone(t *testing.T) {
	t.Parallel()
	mustClient(t)
	std := http.DefaultTransport.(*http.Transport)
	require.Equal(t, 100, std.MaxIdleConns)
	require.Zero(t, std.MaxIdleConnsPerHost)
}

func TestClient_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) }))
	t.Cleanup(elsewhere.Close)
	var status atomic.Int32
	graph := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", elsewhere.URL+"/steal")
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(graph.Close)
	follow := func(*http.Request, []*http.Request) error { return nil }
	clients := map[string]*appevents.Client{
		"default client": mustClient(t, appevents.WithBaseURL(graph.URL), appevents.WithAccessToken(coreToken)),
		"caller's client": mustClient(t, appevents.WithBaseURL(graph.URL), appevents.WithAccessToken(coreToken),
			appevents.WithHTTPClient(&http.Client{Transport: new(http.Transport), CheckRedirect: follow})),
		"token in body": mustClient(t, appevents.WithBaseURL(graph.URL), appevents.WithAccessToken(coreToken),
			appevents.WithTokenInBody(), appevents.WithAppSecret(coreSecret)),
	}
	for name, client := range clients {
		for _, code := range []int{301, 302, 303, 307, 308} {
			status.Store(int32(code))
			_, err := client.LogActivity(t.Context(), purchase())
			var graphErr *appevents.GraphError
			require.ErrorAs(t, err, &graphErr, "%s, %d", name, code)
			require.Equal(t, code, graphErr.StatusCode)
			require.Equal(t, 1, graphErr.Attempts)
			require.Equal(t, appevents.OutcomeRefused, appevents.OutcomeOf(err))
			_, err = client.InspectToken(t.Context(), coreToken)
			require.ErrorAs(t, err, &graphErr, "%s, %d", name, code)
		}
	}
	require.Zero(t, arrived.Load(), "requests at the place redirected to")
}
