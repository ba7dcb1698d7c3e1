package appevents_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// proxyTarget names the variable that makes this test binary the program under test: net/http reads the proxy settings
// once per process, so they must be there when it starts.
const proxyTarget = "APPEVENTS_PROXY_TARGET"

// TestProxyProgram is the program under test, not a test.
func TestProxyProgram(t *testing.T) {
	t.Parallel()
	target := os.Getenv(proxyTarget) //nolint:forbidigo // the program is told by its environment
	if target == "" {
		return
	}
	opts := []appevents.Option{appevents.WithBaseURL(target), oneAttempt()}
	client := mustClient(t, opts...)
	_, err := client.LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	proxied, err := client.Clone(appevents.WithProxyFromEnvironment())
	require.NoError(t, err)
	_, err = proxied.LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	again, err := proxied.Clone(appevents.WithMaxEvents(2))
	require.NoError(t, err)
	_, err = again.LogInstall(t.Context(), install())
	require.NoError(t, err)
}

func TestProxy_IsTakenFromTheEnvironmentOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	record := func(calls *[]string) *httptest.Server {
		return serve(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			*calls = append(*calls, string(body))
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, coreSuccess)
		})
	}
	var direct, viaProxy []string
	graph, proxy := record(&direct), record(&viaProxy)
	// Not the loopback address, which net/http never asks a proxy for, and yet this machine.
	target := strings.Replace(graph.URL, "127.0.0.1", "0.0.0.0", 1)
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyProgram$")
	program.Env = []string{
		proxyTarget + "=" + target, "HTTP_PROXY=" + proxy.URL, "http_proxy=" + proxy.URL, "NO_PROXY=", "no_proxy=",
	}
	out, err := program.CombinedOutput()
	require.NoError(t, err, "%s", out)
	graph.Close() // waits for what it still does
	proxy.Close()
	require.Len(t, direct, 1, "the environment says otherwise, and nobody asked for it")
	require.Contains(t, direct[0], "CUSTOM_APP_EVENTS")
	require.Len(t, viaProxy, 2)
	require.Contains(t, viaProxy[0], "CUSTOM_APP_EVENTS")
	require.Contains(t, viaProxy[1], "MOBILE_APP_INSTALL")
}

func TestProxy_OfTheEnvironmentOrOfAClient(t *testing.T) {
	t.Parallel()
	own, environment := appevents.WithHTTPClient(new(http.Client)), appevents.WithProxyFromEnvironment()
	for _, opts := range [][]appevents.Option{{own, environment}, {environment, own}} {
		_, err := appevents.New(coreApp, opts...)
		require.EqualError(t, err, "appevents: WithProxyFromEnvironment: cannot be combined with WithHTTPClient")
	}
	_, err := mustClient(t, own).Clone(environment)
	require.EqualError(t, err, "appevents: WithProxyFromEnvironment: cannot be combined with WithHTTPClient")
	_, err = mustClient(t, environment).Clone(own)
	require.NoError(t, err, "the client's own transport says which proxy")
}

func TestProxy_OfATransportThatTheProgramReplaced(t *testing.T) { //nolint:paralleltest // it changes what all share
	std := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = std })
	calls := 0
	http.DefaultTransport = roundTrip(func(*http.Request) (*http.Response, error) {
		calls++
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(coreSuccess))}, nil
	})
	_, err := mustClient(t).LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	require.Equal(t, 1, calls)
	_, err = appevents.New(coreApp, appevents.WithProxyFromEnvironment())
	require.ErrorContains(t, err, "has no effect on the http.DefaultTransport that the program has set")
}
