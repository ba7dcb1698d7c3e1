package appevents_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// reader is a client over a mock, without waits between repeats.
func reader(t *testing.T, mock *httpmock.MockTransport, opts ...appevents.Option) *appevents.Client {
	t.Helper()
	client, err := appevents.New("771", append([]appevents.Option{
		appevents.WithAccessToken("canary-token"), appevents.WithAppSecret("canary-secret"),
		appevents.WithHTTPClient(&http.Client{Transport: mock}),
		appevents.WithRetry(appevents.RetryPolicy{BaseDelay: 1, MaxDelay: 1}),
	}, opts...)...)
	require.NoError(t, err)
	return client
}

func intoInfos(infos *[]appevents.CallInfo) appevents.Option {
	return appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) { *infos = append(*infos, info) })
}

func TestGet_GoesTheWayOfEveryCall(t *testing.T) {
	t.Parallel()
	mock := httpmock.NewMockTransport()
	var seen *http.Request
	mock.RegisterResponder(http.MethodGet, "=~.", func(r *http.Request) (*http.Response, error) {
		seen = r
		return httpmock.NewStringResponse(200, `{"id":"901","echo":"canary-token"}`), nil
	})
	var infos []appevents.CallInfo
	client := reader(t, mock, appevents.WithVersion("v25.0"), intoInfos(&infos))
	var out struct {
		ID   appevents.ID
		Echo string
	}
	require.NoError(t, client.Get(t.Context(), "/901/subscribed_apps", url.Values{"fields": {"id,name"}}, &out))
	require.Equal(t, "/v25.0/901/subscribed_apps", seen.URL.Path)
	require.Equal(t, "id,name", seen.URL.Query().Get("fields"))
	require.Len(t, seen.URL.Query().Get("appsecret_proof"), 64)
	require.Equal(t, "Bearer canary-token", seen.Header.Get("Authorization"))
	require.Equal(t, appevents.ID("901"), out.ID)
	require.NotContains(t, out.Echo, "canary")
	require.Equal(t, "get", infos[0].Op)
	require.Equal(t, "subscribed_apps", infos[0].Edge)

	require.NoError(t, client.Get(t.Context(), "m_a-b.c$d:e=", nil, nil))
	require.Equal(t, "/v25.0/m_a-b.c$d:e=", seen.URL.Path)
	require.Equal(t, "node", infos[1].Edge)
}

func TestGet_TokenByPath(t *testing.T) {
	t.Parallel()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodGet, "=~.", httpmock.NewStringResponder(200, `{"id":"1"}`))
	for path, want := range map[string]appevents.Scope{
		"771/subscriptions":    {Kind: appevents.ScopeApp, ID: "771"},
		"app":                  {Kind: appevents.ScopeApp, ID: "771"},
		"/901/conversations":   {Kind: appevents.ScopePage, ID: "901"},
		"me/accounts":          {Kind: appevents.ScopePage},
		"m_1":                  {Kind: appevents.ScopePage},
		"act_55/adaccount":     {Kind: appevents.ScopePage},
		"99999999999999999999": {Kind: appevents.ScopePage},
	} {
		var infos []appevents.CallInfo
		client := reader(t, mock, intoInfos(&infos))
		require.NoError(t, client.Get(t.Context(), path, nil, nil))
		require.Equal(t, want, infos[0].Scope, path)
	}
}

func TestGet_RefusesWhatIsNotAPathAndWhatIsACredential(t *testing.T) {
	t.Parallel()
	mock := httpmock.NewMockTransport() // without a responder: every request is an error
	client := reader(t, mock)
	for _, path := range []string{
		"", "/", "//", "https://evil.example/me", "//evil.example/me", "me?access_token=canary", "me#x", "../me", "me/..",
		"me/./x", "me//x", "me/", "v26.0/me", "/v26.0/me", "v26.0", "a b", "me%2f..", "mé", "me\n", "a/b/c/d/e/f/g",
		`me\x`, "user@host/me", ".", strings.Repeat("a", 1001),
	} {
		err := client.Get(t.Context(), path, nil, nil)
		var invalid *appevents.ValidationError
		require.ErrorAs(t, err, &invalid, "%q", path)
		require.Equal(t, "path", invalid.Issues[0].Path)
		require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err))
		require.NotContains(t, err.Error(), "canary")
	}
	for _, name := range []string{
		"access_token", "appsecret_proof", "appsecret_time", "client_secret", "input_token", "fb_exchange_token",
		"verify_token", "Access_Token", "method", "batch",
	} {
		err := client.Get(t.Context(), "me", url.Values{name: {"canary"}}, nil)
		var invalid *appevents.ValidationError
		require.ErrorAs(t, err, &invalid, name)
		require.Equal(t, appevents.RuleReserved, invalid.Issues[0].Rule)
		require.NotContains(t, err.Error(), "canary")
	}
	require.Zero(t, mock.GetTotalCallCount())
}

func TestGet_Errors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status   int
		body     string
		want     error
		requests int
	}{
		"expired":   {401, `{"error":{"code":190,"error_subcode":463}}`, appevents.ErrAuth, 1},
		"refused":   {403, `{"error":{"code":200}}`, appevents.ErrPermission, 1},
		"missing":   {400, `{"error":{"code":100,"error_subcode":33}}`, appevents.ErrNotFound, 1},
		"transient": {500, `{"error":{"code":2,"is_transient":true}}`, appevents.ErrTransient, 3},
		"throttled": {400, `{"error":{"code":4}}`, appevents.ErrThrottled, 1},
		"odd":       {200, `{"id":{}}`, nil, 1},
		"list":      {200, `[1]`, nil, 1},
	} {
		mock := httpmock.NewMockTransport()
		mock.RegisterResponder(http.MethodGet, "=~.", httpmock.NewStringResponder(tt.status, tt.body))
		var out struct{ ID appevents.ID }
		err := reader(t, mock).Get(t.Context(), "901", nil, &out)
		var graph *appevents.GraphError
		require.ErrorAs(t, err, &graph, name)
		require.Equal(t, "get", graph.Op)
		if tt.want != nil {
			require.ErrorIs(t, err, tt.want, name)
		}
		require.Equal(t, tt.requests, mock.GetTotalCallCount(), name)
	}
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodGet, "=~.", httpmock.NewErrorResponder(errors.New("canary-token and canary-secret")))
	err := reader(t, mock).Get(t.Context(), "901", nil, nil)
	var call *appevents.CallError
	require.ErrorAs(t, err, &call)
	require.NotContains(t, err.Error(), "canary")
}
