package appevents_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"reflect"
	"runtime"
	"slices"
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

const (
	coreApp     = "771"
	corePage    = "901"
	corePSID    = "3291192954316443"
	coreToken   = "EAAcoretoken0123456789"
	coreSecret  = "5ec3e7c0de5ec3e7c0de5ec3e7c0de00"
	coreSuccess = `{"success":true}`
)

// TestMain fails the run when a goroutine of this module, or a connection it opened, outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leftovers(5 * time.Second); left != "" {
			_, _ = os.Stderr.WriteString("goroutines left behind:\n\n" + left + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// leftovers returns the stacks that are still there when the patience ends.
func leftovers(patience time.Duration) string {
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		var left []string
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			ours := strings.Contains(stack, "appevents-go") || strings.Contains(stack, "net/http.")
			if ours && !strings.Contains(stack, "appevents-go_test.TestMain(") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return ""
		}
		if time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}

// purchase is a valid call to /activities.
func purchase() *appevents.Activity {
	return &appevents.Activity{
		Thread:  appevents.Thread{PageID: corePage, PSID: corePSID},
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{appevents.Purchase(55.22, "USD")},
	}
}

// pagePurchase is a valid call to /page_activities.
func pagePurchase() *appevents.PageActivity {
	return &appevents.PageActivity{
		Thread:  appevents.Thread{PageID: corePage, PSID: corePSID},
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{appevents.Purchase(55.22, "USD")},
	}
}

// install is a valid report of an installation.
func install() *appevents.Install {
	return &appevents.Install{
		Device:  appevents.Device{AdvertiserID: "38400000-8cf0-11bd-b23e-10b96e40000d"},
		Consent: appevents.ConsentAllowed,
	}
}

func mustClient(t testing.TB, opts ...appevents.Option) *appevents.Client {
	t.Helper()
	client, err := appevents.New(coreApp, opts...)
	require.NoError(t, err)
	return client
}

// oneAttempt turns automatic repeats off.
func oneAttempt() appevents.Option { return appevents.WithRetry(appevents.RetryPolicy{MaxAttempts: 1}) }

// sentRequest is what a mock received.
type sentRequest struct {
	method string
	url    string
	header http.Header
	body   string
	at     time.Time
}

// mock answers one request after the other from a list, and fails the test when more come.
type mock struct {
	*httpmock.MockTransport
	mu   sync.Mutex
	sent []sentRequest
}

func newMock(t testing.TB, answers ...httpmock.Responder) *mock {
	t.Helper()
	m := &mock{MockTransport: httpmock.NewMockTransport()}
	m.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		m.mu.Lock()
		n := len(m.sent)
		m.sent = append(m.sent, sentRequest{
			method: r.Method, url: r.URL.String(), header: r.Header.Clone(), body: string(body), at: time.Now(),
		})
		m.mu.Unlock()
		if n >= len(answers) {
			t.Errorf("request %d was not expected: %s %s", n+1, r.Method, r.URL.Path)
			return nil, errors.New("not expected")
		}
		return answers[n](r)
	})
	return m
}

func (m *mock) client(t testing.TB, opts ...appevents.Option) *appevents.Client {
	t.Helper()
	return mustClient(t, append(opts, appevents.WithHTTPClient(&http.Client{Transport: m}))...)
}

func (m *mock) requests() []sentRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent)
}

func answer(status int, body string) httpmock.Responder {
	return httpmock.NewStringResponder(status, body)
}

func success() httpmock.Responder { return answer(http.StatusOK, coreSuccess) }

func transient() httpmock.Responder {
	return answer(http.StatusInternalServerError, `{"error":{"message":"try later","code":2,"is_transient":true}}`)
}

// hang answers nothing until the caller gives up.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestNew_RefusesOptionsThatCannotWork(t *testing.T) {
	t.Parallel()
	const canary = "canaryCredential"
	source := appevents.TokenFunc(func(context.Context, appevents.Scope) (string, error) { return canary, nil })
	type options = []appevents.Option
	retry := func(p appevents.RetryPolicy) options { return options{appevents.WithRetry(p)} }
	for name, test := range map[string]struct {
		opts  options
		field string
	}{
		"nil option":               {options{nil}, "options"},
		"empty token":              {options{appevents.WithAccessToken("")}, "WithAccessToken"},
		"blank token":              {options{appevents.WithAccessToken(" \t")}, "WithAccessToken"},
		"token with line break":    {options{appevents.WithAccessToken(canary + "\n")}, "WithAccessToken"},
		"token with accent":        {options{appevents.WithAccessToken(canary + "é")}, "WithAccessToken"},
		"nil token source":         {options{appevents.WithTokenSource(nil)}, "WithTokenSource"},
		"nil token function":       {options{appevents.WithTokenSource(appevents.TokenFunc(nil))}, "WithTokenSource"},
		"token, then source":       {options{appevents.WithAccessToken(canary), appevents.WithTokenSource(source)}, "WithTokenSource"},
		"source, then token":       {options{appevents.WithTokenSource(source), appevents.WithAccessToken(canary)}, "WithAccessToken"},
		"empty secret":             {options{appevents.WithAppSecret("")}, "WithAppSecret"},
		"blank secret":             {options{appevents.WithAppSecret("\n")}, "WithAppSecret"},
		"secret with line break":   {options{appevents.WithAppSecret(canary + "\n")}, "WithAppSecret"},
		"proof time, no secret":    {options{appevents.WithProofTime()}, "WithProofTime"},
		"version empty":            {options{appevents.WithVersion("")}, "WithVersion"},
		"version without v":        {options{appevents.WithVersion("26.0")}, "WithVersion"},
		"version without minor":    {options{appevents.WithVersion("v26")}, "WithVersion"},
		"version with empty minor": {options{appevents.WithVersion("v26.")}, "WithVersion"},
		"version with empty major": {options{appevents.WithVersion("v.0")}, "WithVersion"},
		"version with patch":       {options{appevents.WithVersion("v26.0.1")}, "WithVersion"},
		"version capital":          {options{appevents.WithVersion("V26.0")}, "WithVersion"},
		"version zero":             {options{appevents.WithVersion("v0.0")}, "WithVersion"},
		"version negative":         {options{appevents.WithVersion("v-1.0")}, "WithVersion"},
		"version with blank":       {options{appevents.WithVersion("v26.0 ")}, "WithVersion"},
		"version with path":        {options{appevents.WithVersion("v26.0/../x")}, "WithVersion"},
		"version too long":         {options{appevents.WithVersion("v12345678901.0")}, "WithVersion"},
		"base URL empty":           {options{appevents.WithBaseURL("")}, "WithBaseURL"},
		"base URL without scheme":  {options{appevents.WithBaseURL("graph.facebook.com")}, "WithBaseURL"},
		"base URL relative":        {options{appevents.WithBaseURL("/graph")}, "WithBaseURL"},
		"base URL without host":    {options{appevents.WithBaseURL("https:///graph")}, "WithBaseURL"},
		"base URL opaque":          {options{appevents.WithBaseURL("https:graph")}, "WithBaseURL"},
		"base URL of files":        {options{appevents.WithBaseURL("ftp://graph.example")}, "WithBaseURL"},
		"base URL broken":          {options{appevents.WithBaseURL("https://[::1/" + canary)}, "WithBaseURL"},
		"base URL with user":       {options{appevents.WithBaseURL("https://me:" + canary + "@graph.example")}, "WithBaseURL"},
		"base URL with query":      {options{appevents.WithBaseURL("https://graph.example/?access_token=" + canary)}, "WithBaseURL"},
		"base URL with empty query": {
			options{appevents.WithBaseURL("https://graph.example/?")}, "WithBaseURL",
		},
		"base URL with fragment":    {options{appevents.WithBaseURL("https://graph.example/#" + canary)}, "WithBaseURL"},
		"nil HTTP client":           {options{appevents.WithHTTPClient(nil)}, "WithHTTPClient"},
		"zero timeout":              {options{appevents.WithTimeout(0)}, "WithTimeout"},
		"negative timeout":          {options{appevents.WithTimeout(-time.Second)}, "WithTimeout"},
		"negative attempts":         {retry(appevents.RetryPolicy{MaxAttempts: -1}), "WithRetry"},
		"too many attempts":         {retry(appevents.RetryPolicy{MaxAttempts: 21}), "WithRetry"},
		"negative base delay":       {retry(appevents.RetryPolicy{BaseDelay: -1}), "WithRetry"},
		"negative maximum delay":    {retry(appevents.RetryPolicy{MaxDelay: -1}), "WithRetry"},
		"base delay over the limit": {retry(appevents.RetryPolicy{BaseDelay: 2, MaxDelay: 1}), "WithRetry"},
		"no events":                 {options{appevents.WithMaxEvents(0)}, "WithMaxEvents"},
		"too many events":           {options{appevents.WithMaxEvents(1001)}, "WithMaxEvents"},
		"nil logger":                {options{appevents.WithLogger(nil)}, "WithLogger"},
		"nil observer":              {options{appevents.WithObserver(nil)}, "WithObserver"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused := func(client *appevents.Client, err error) {
				t.Helper()
				require.Nil(t, client)
				var config *appevents.ConfigError
				require.ErrorAs(t, err, &config)
				require.Equal(t, test.field, config.Field)
				require.NotEmpty(t, config.Reason)
				require.Contains(t, err.Error(), test.field)
				require.NotContains(t, err.Error(), canary)
			}
			refused(appevents.New(coreApp, test.opts...))
			refused(mustClient(t).Clone(test.opts...))
		})
	}
}

func TestNew_TakesTheEdgesOfEveryRange(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]appevents.Option{
		"one attempt":       appevents.WithRetry(appevents.RetryPolicy{MaxAttempts: 1}),
		"twenty attempts":   appevents.WithRetry(appevents.RetryPolicy{MaxAttempts: 20}),
		"equal delays":      appevents.WithRetry(appevents.RetryPolicy{BaseDelay: time.Second, MaxDelay: time.Second}),
		"long base delay":   appevents.WithRetry(appevents.RetryPolicy{BaseDelay: time.Hour}),
		"one event":         appevents.WithMaxEvents(1),
		"thousand events":   appevents.WithMaxEvents(1000),
		"short timeout":     appevents.WithTimeout(1),
		"two-digit minor":   appevents.WithVersion("v2.12"),
		"plain http":        appevents.WithBaseURL("http://127.0.0.1:8080"),
		"base URL and path": appevents.WithBaseURL("https://gateway.example/meta/graph//"),
		"app token":         appevents.WithAccessToken(appevents.AppToken(coreApp, coreSecret)),
	} {
		_, err := appevents.New(coreApp, opt)
		require.NoError(t, err, name)
	}
}

func TestNew_RefusesAnAppIDThatIsNone(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "0", "-1", "abc", " 771", "771|secret", "9223372036854775808", "77.1", "７７１"} {
		_, err := appevents.New(id)
		var config *appevents.ConfigError
		require.ErrorAs(t, err, &config, id)
		require.Equal(t, "app ID", config.Field)
	}
	client, err := appevents.New("9223372036854775807")
	require.NoError(t, err)
	require.Equal(t, appevents.ID("9223372036854775807"), client.AppID())
}

func TestNew_OptionsMayComeInAnyOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMock(t, slices.Repeat([]httpmock.Responder{success()}, 20)...)
		opts := []appevents.Option{
			appevents.WithAccessToken(coreToken),
			appevents.WithProofTime(),
			appevents.WithAppSecret(coreSecret),
			appevents.WithTokenInBody(),
			appevents.WithVersion("v25.0"),
			appevents.WithBaseURL("https://gateway.example/graph/"),
			appevents.WithTimeout(3 * time.Second),
			appevents.WithHTTPClient(&http.Client{Transport: m}),
			appevents.WithRetry(appevents.RetryPolicy{MaxAttempts: 1}),
			appevents.WithMaxEvents(7),
		}
		for range len(opts) {
			opts = append(opts[1:], opts[0])
			for range 2 {
				slices.Reverse(opts)
				_, err := mustClient(t, opts...).LogActivity(t.Context(), purchase())
				require.NoError(t, err)
			}
		}
		all := m.requests()
		require.Len(t, all, 20)
		for _, r := range all {
			require.Equal(t, all[0], r)
		}
		require.Equal(t, "https://gateway.example/graph/v25.0/771/activities", all[0].url)
	})
}

func TestClient_SendsTheDocumentedHeaders(t *testing.T) {
	t.Parallel()
	m := newMock(t, success(), success())
	client := m.client(t, appevents.WithAccessToken(coreToken))
	_, err := client.LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	_, err = client.LogPageActivity(t.Context(), pagePurchase())
	require.NoError(t, err)
	sent := m.requests()
	require.Equal(t, "https://graph.facebook.com/v26.0/771/activities", sent[0].url)
	require.Equal(t, http.Header{
		"Accept":        {"application/json"},
		"Authorization": {"Bearer " + coreToken},
		"Content-Type":  {"application/x-www-form-urlencoded"},
		"User-Agent":    {"appevents-go/" + appevents.Version},
	}, sent[0].header)
	require.Equal(t, "https://graph.facebook.com/v20.0/771/page_activities", sent[1].url)
	require.Equal(t, []string{"application/json"}, sent[1].header["Content-Type"])
	for _, r := range sent {
		require.Equal(t, http.MethodPost, r.method)
		require.NotContains(t, r.url+r.body, coreToken)
	}
}

func TestClient_Clone_ChangesTheCopyOnly(t *testing.T) {
	t.Parallel()
	m := newMock(t, slices.Repeat([]httpmock.Responder{success()}, 3)...)
	original := m.client(t, appevents.WithAccessToken(coreToken), appevents.WithVersion("v24.0"))
	source := appevents.TokenFunc(func(context.Context, appevents.Scope) (string, error) { return "other-token", nil })
	clone, err := original.Clone(appevents.WithTokenSource(source), appevents.WithVersion("v25.0"),
		appevents.WithBaseURL("https://elsewhere.example"))
	require.NoError(t, err)
	require.Equal(t, original.AppID(), clone.AppID())
	for _, client := range []*appevents.Client{original, clone, original} {
		_, err = client.LogActivity(t.Context(), purchase())
		require.NoError(t, err)
	}
	sent := m.requests()
	require.Equal(t, sent[0].url, sent[2].url)
	require.Equal(t, sent[0].header, sent[2].header)
	require.Equal(t, sent[0].body, sent[1].body)
	require.Equal(t, "https://graph.facebook.com/v24.0/771/activities", sent[0].url)
	require.Equal(t, "Bearer "+coreToken, sent[0].header.Get("Authorization"))
	require.Equal(t, "https://elsewhere.example/v25.0/771/activities", sent[1].url)
	require.Equal(t, "Bearer other-token", sent[1].header.Get("Authorization"))
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

func TestClient_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var seen, observed atomic.Int32
	transport := httpmock.NewMockTransport()
	transport.RegisterNoResponder(func(*http.Request) (*http.Response, error) {
		if seen.Add(1)%5 == 0 {
			return httpmock.NewStringResponse(http.StatusInternalServerError, "<html>"), nil
		}
		return httpmock.NewStringResponse(http.StatusOK, coreSuccess), nil
	})
	client := mustClient(t, appevents.WithHTTPClient(&http.Client{Transport: transport}),
		appevents.WithAppSecret(coreSecret), appevents.WithLogger(slog.New(slog.DiscardHandler)),
		appevents.WithObserver(func(context.Context, appevents.CallInfo) { observed.Add(1) }))
	shared := purchase()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 10 {
				clone, err := client.Clone(appevents.WithVersion("v25.0"))
				require.NoError(t, err)
				for _, c := range []*appevents.Client{client, clone} {
					if _, err := c.LogActivity(t.Context(), shared); err != nil {
						require.ErrorIs(t, err, appevents.ErrUnknownOutcome)
					}
					require.NotEmpty(t, c.String())
				}
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 160, seen.Load())
	require.EqualValues(t, 160, observed.Load())
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

func TestClient_WithTimeout_BoundsOneRequest(t *testing.T) {
	t.Parallel()
	slowSource := appevents.TokenFunc(func(ctx context.Context, _ appevents.Scope) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	for name, test := range map[string]struct {
		opts    []appevents.Option
		limit   time.Duration // of the caller
		elapsed time.Duration
		outcome appevents.Outcome
	}{
		"default":           {elapsed: 10 * time.Second, outcome: appevents.OutcomeUnknown},
		"option":            {[]appevents.Option{appevents.WithTimeout(3 * time.Second)}, 0, 3 * time.Second, appevents.OutcomeUnknown},
		"caller's deadline": {nil, time.Second, time.Second, appevents.OutcomeUnknown},
		"slow token source": {
			[]appevents.Option{appevents.WithTokenSource(slowSource)}, 0, 10 * time.Second, appevents.OutcomeNotSent,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := newMock(t, hang).client(t, test.opts...)
				ctx := t.Context()
				if test.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.limit)
					defer cancel()
				}
				start := time.Now()
				_, err := client.LogActivity(ctx, purchase())
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, test.outcome, appevents.OutcomeOf(err))
				require.Equal(t, test.elapsed, time.Since(start))
			})
		})
	}
}

func TestClient_WithObserver_SeesEveryRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		usage := http.Header{"X-App-Usage": {`{"call_count":12,"total_cputime":3,"total_time":4}`}}
		served := http.Header{"Facebook-Api-Version": {"v26.0"}}
		m := newMock(t, transient().HeaderSet(usage).Delay(2*time.Second), success().HeaderSet(served), success())
		var infos []appevents.CallInfo
		client := m.client(t, appevents.WithAccessToken(coreToken), appevents.WithObserver(
			func(_ context.Context, info appevents.CallInfo) { infos = append(infos, info) }))
		result, err := client.LogActivity(t.Context(), purchase())
		require.NoError(t, err)
		require.Equal(t, 2, result.Attempts)
		_, err = client.LogPageActivity(t.Context(), pagePurchase())
		require.NoError(t, err)
		require.Len(t, infos, 3)

		require.ErrorIs(t, infos[0].Err, appevents.ErrTransient)
		infos[0].Err = nil
		require.Equal(t, appevents.CallInfo{
			Op: "log activity", Edge: "activities", Scope: appevents.Scope{Kind: appevents.ScopeApp, ID: coreApp},
			Attempt: 1, Duration: 2 * time.Second, Outcome: appevents.OutcomeRefused, StatusCode: 500, Version: "v26.0",
			Usage: appevents.Usage{App: appevents.CallUsage{Calls: 12, CPU: 3, Time: 4}},
		}, infos[0])
		require.Equal(t, appevents.CallInfo{
			Op: "log activity", Edge: "activities", Scope: appevents.Scope{Kind: appevents.ScopeApp, ID: coreApp},
			Attempt: 2, Outcome: appevents.OutcomeAccepted, StatusCode: 200, Version: "v26.0", ServedVersion: "v26.0",
		}, infos[1])
		require.Equal(t, appevents.CallInfo{
			Op: "log page activity", Edge: "page_activities",
			Scope:   appevents.Scope{Kind: appevents.ScopePage, ID: corePage},
			Attempt: 1, Outcome: appevents.OutcomeAccepted, StatusCode: 200, Version: "v20.0",
		}, infos[2])
	})
}

func TestClient_WithObserver_MayKeepTheErrorItWasGiven(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		last httpmock.Responder
		want appevents.Outcome
	}{
		"refused":  {graphAnswer(100, false), appevents.OutcomeRefused},
		"not sent": {unsent(), appevents.OutcomeNotSent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var infos []appevents.CallInfo
				var readers sync.WaitGroup
				client := newMock(t, broken(), test.last).client(t,
					appevents.WithRetry(appevents.RetryPolicy{MaxAttempts: 2, RetryUnknown: true}),
					appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) {
						infos = append(infos, info)
						readers.Go(func() { _ = info.Err.Error() })
					}))
				_, err := client.LogActivity(t.Context(), purchase())
				readers.Wait()
				require.Equal(t, appevents.OutcomeUnknown, appevents.OutcomeOf(err), "of the call")
				require.Equal(t, test.want, appevents.OutcomeOf(infos[1].Err), "of its last request")
				require.Equal(t, test.want, infos[1].Outcome)
			})
		})
	}
}

func TestClient_WithObserver_SurvivesItsPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	observer := appevents.WithObserver(func(context.Context, appevents.CallInfo) { panic(coreToken) })
	loud := newMock(t, success()).client(t, observer, appevents.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	silent := newMock(t, success()).client(t, observer)
	for _, client := range []*appevents.Client{loud, silent} {
		_, err := client.LogActivity(t.Context(), purchase())
		require.NoError(t, err)
	}
	require.Contains(t, log.String(), "the observer panicked")
	require.Contains(t, log.String(), "level=ERROR")
	require.NotContains(t, log.String(), coreToken)
}

func TestClient_WithLogger_UsesStableAttributes(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := func(level slog.Level) appevents.Option {
		log.Reset()
		return appevents.WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: level})))
	}
	record := func() map[string]any {
		t.Helper()
		require.Equal(t, 1, strings.Count(log.String(), "\n"), "one line per request")
		var fields map[string]any
		require.NoError(t, json.Unmarshal(log.Bytes(), &fields))
		require.NotEmpty(t, fields["time"])
		require.Contains(t, fields, "duration")
		delete(fields, "time")
		delete(fields, "duration")
		return fields
	}

	_, err := newMock(t, success()).client(t, logger(slog.LevelDebug)).LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"level": "DEBUG", "msg": "appevents: graph request", "op": "log activity", "edge": "activities", "attempt": 1.0,
		"outcome": "accepted", "status": 200.0, "version": "v26.0",
	}, record())

	drift := http.Header{"Facebook-Api-Version": {"v27.0"}}
	refusal := answer(http.StatusBadRequest, `{"error":{"message":"no such parameter","code":100}}`).HeaderSet(drift)
	_, err = newMock(t, refusal).client(t, logger(slog.LevelInfo)).LogInstall(t.Context(), install())
	require.Error(t, err)
	require.Equal(t, map[string]any{
		"level": "WARN", "msg": "appevents: graph request", "op": "log install", "edge": "activities", "attempt": 1.0,
		"outcome": "refused", "status": 400.0, "version": "v26.0", "served_version": "v27.0", "error": err.Error(),
	}, record())

	_, err = newMock(t, success()).client(t, logger(slog.LevelInfo)).LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	require.Empty(t, log.String(), "success is no news")
}

func TestClient_PrintsNothingButAppAndURL(t *testing.T) {
	t.Parallel()
	client := mustClient(t, appevents.WithAccessToken(coreToken))
	const want = "appevents.Client(app 771, https://graph.facebook.com)"
	require.Equal(t, want, client.String())
	require.Equal(t, want, client.GoString())
	require.Equal(t, want, client.LogValue().String())
	require.Equal(t, "appevents.Client(nil)", (*appevents.Client)(nil).String())
}
