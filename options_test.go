package appevents_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

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
