package appevents_test

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
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

// TestMain fails the run when a goroutine of this module, or a connection it opened, outlives the tests. Servers that
// speak unasked make net/http write to the standard logger, once for each: that is not what the tests look at.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
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

func TestClient_PrintsNothingButAppAndURL(t *testing.T) {
	t.Parallel()
	client := mustClient(t, appevents.WithAccessToken(coreToken))
	const want = "appevents.Client(app 771, https://graph.facebook.com)"
	require.Equal(t, want, client.String())
	require.Equal(t, want, client.GoString())
	require.Equal(t, want, client.LogValue().String())
	require.Equal(t, "appevents.Client(nil)", (*appevents.Client)(nil).String())
}
