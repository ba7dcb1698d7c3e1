package appevents_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

func TestVersion_AsksForTheNewestUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	require.Equal(t, "v26.0", appevents.DefaultGraphVersion)
	require.Regexp(t, `^\d+\.\d+\.\d+$`, appevents.Version)
	for name, test := range map[string]struct {
		opts     []appevents.Option
		activity string
		page     string // "" = refused here
	}{
		"default":              {nil, "v26.0", "v20.0"},
		"the last of the edge": {[]appevents.Option{appevents.WithVersion("v20.0")}, "v20.0", "v20.0"},
		"older":                {[]appevents.Option{appevents.WithVersion("v19.0")}, "v19.0", "v19.0"},
		"much older":           {[]appevents.Option{appevents.WithVersion("v3.3")}, "v3.3", "v3.3"},
		"first without it":     {[]appevents.Option{appevents.WithVersion("v21.0")}, "v21.0", ""},
		"a little newer":       {[]appevents.Option{appevents.WithVersion("v20.1")}, "v20.1", ""},
		"newest":               {[]appevents.Option{appevents.WithVersion("v26.0")}, "v26.0", ""},
		"not known yet":        {[]appevents.Option{appevents.WithVersion("v100.0")}, "v100.0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, success(), success())
			asked, observed := 0, 0
			client := m.client(t, append(test.opts,
				appevents.WithTokenSource(appevents.TokenFunc(func(context.Context, appevents.Scope) (string, error) {
					asked++
					return coreToken, nil
				})),
				appevents.WithObserver(func(context.Context, appevents.CallInfo) { observed++ }))...)
			result, err := client.LogActivity(t.Context(), purchase())
			require.NoError(t, err)
			require.Equal(t, test.activity, result.RequestedVersion)
			require.Equal(t, "https://graph.facebook.com/"+test.activity+"/771/activities", m.requests()[0].url)

			result, err = client.LogPageActivity(t.Context(), pagePurchase())
			if test.page != "" {
				require.NoError(t, err)
				require.Equal(t, test.page, result.RequestedVersion)
				require.Equal(t, "https://graph.facebook.com/"+test.page+"/771/page_activities", m.requests()[1].url)
				return
			}
			requireOnly(t, err, appevents.ErrRetired)
			require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err))
			require.ErrorContains(t, err, "v20.0 was the last; log to /activities with LogActivity, or use SendConversions")
			require.Zero(t, attempts(t, err))
			require.Len(t, m.requests(), 1, "refused before anything was sent")
			require.Equal(t, 1, asked, "and before a token was asked for")
			require.Equal(t, 1, observed)
		})
	}
}

func TestVersion_DriftIsReported(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header  http.Header
		served  string
		drifted bool
	}{
		"same":    {http.Header{"Facebook-Api-Version": {"v26.0"}}, "v26.0", false},
		"another": {http.Header{"Facebook-Api-Version": {"v21.0"}}, "v21.0", true},
		"unknown": {nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen []appevents.CallInfo
			m := newMock(t, success().HeaderSet(test.header), graphAnswer(100, false).HeaderSet(test.header))
			client := m.client(t, appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) {
				seen = append(seen, info)
			}))
			result, err := client.LogActivity(t.Context(), purchase())
			require.NoError(t, err)
			require.Equal(t, test.served, result.Version)
			require.Equal(t, "v26.0", result.RequestedVersion)
			require.Equal(t, test.drifted, result.Drifted())

			_, err = client.LogActivity(t.Context(), purchase())
			var graph *appevents.GraphError
			require.ErrorAs(t, err, &graph)
			require.Equal(t, test.served, graph.Version)
			for _, info := range seen {
				require.Equal(t, "v26.0", info.Version)
				require.Equal(t, test.served, info.ServedVersion)
			}
		})
	}
}

func TestPageActivities_RefusalsThatMeanRetired(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		served string
		want   error
	}{
		"unknown path":              {400, `{"error":{"code":2500}}`, "", appevents.ErrRetired},
		"no such method":            {400, `{"error":{"code":3}}`, "", appevents.ErrRetired},
		"deprecated":                {400, `{"error":{"code":12}}`, "", appevents.ErrRetired},
		"version too old":           {400, `{"error":{"code":2635}}`, "", appevents.ErrRetired},
		"no such object":            {400, `{"error":{"code":100,"error_subcode":33}}`, "", appevents.ErrRetired},
		"parameter, newer version":  {400, `{"error":{"code":100}}`, "v21.0", appevents.ErrRetired},
		"not found":                 {404, ``, "", appevents.ErrRetired},
		"not found, HTML":           {404, `<html>`, "", appevents.ErrRetired},
		"gone":                      {410, `{}`, "", appevents.ErrRetired},
		"parameter":                 {400, `{"error":{"code":100}}`, "", appevents.ErrInvalidParameter},
		"parameter, own version":    {400, `{"error":{"code":100}}`, "v20.0", appevents.ErrInvalidParameter},
		"parameter, odd version":    {400, `{"error":{"code":100}}`, "newest", appevents.ErrInvalidParameter},
		"token":                     {401, `{"error":{"code":190}}`, "v21.0", appevents.ErrAuth},
		"token, with status 404":    {404, `{"error":{"code":190}}`, "", appevents.ErrAuth},
		"permission":                {403, `{"error":{"code":200}}`, "v21.0", appevents.ErrPermission},
		"permission, other code":    {403, `{"error":{"code":10}}`, "v21.0", appevents.ErrPermission},
		"throttled":                 {400, `{"error":{"code":4}}`, "v21.0", appevents.ErrThrottled},
		"throttled, Messenger":      {400, `{"error":{"code":80006}}`, "v21.0", appevents.ErrThrottled},
		"policy":                    {400, `{"error":{"code":368}}`, "v21.0", appevents.ErrPolicy},
		"trouble":                   {500, `{"error":{"code":2}}`, "v21.0", appevents.ErrTransient},
		"no such alias":             {404, `{"error":{"code":803}}`, "", appevents.ErrNotFound},
		"refusal without a code":    {400, `{"error":{"message":"no"}}`, "v21.0", nil},
		"gateway":                   {502, `<html>`, "", appevents.ErrUnknownOutcome},
		"gateway's own not found":   {503, ``, "", appevents.ErrUnknownOutcome},
		"success of another kind":   {200, `{}`, "v21.0", appevents.ErrUnknownOutcome},
		"success, but marked false": {200, `{"success":false}`, "v21.0", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			respond := answer(test.status, test.body)
			if test.served != "" {
				respond = respond.HeaderSet(http.Header{"Facebook-Api-Version": {test.served}})
			}
			m := newMock(t, respond)
			_, err := m.client(t, appevents.WithAccessToken(coreToken)).LogPageActivity(t.Context(), pagePurchase())
			requireOnly(t, err, test.want)
			if errors.Is(err, appevents.ErrRetired) {
				require.ErrorContains(t, err, "log to /activities with LogActivity, or use SendConversions")
				require.Equal(t, appevents.OutcomeRefused, appevents.OutcomeOf(err))
			}

			// The other edges are alive: there the same refusals keep their own meaning.
			_, err = newMock(t, respond).client(t).LogActivity(t.Context(), purchase())
			require.NotErrorIs(t, err, appevents.ErrRetired)
		})
	}
}
