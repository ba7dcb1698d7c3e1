package appevents_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// inspect asks a stand-in that answers with body about the token "canary-input-token".
func inspect(t *testing.T, status int, body string) (info *appevents.TokenInfo, seen *http.Request, err error) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodGet, "https://graph.facebook.com/v26.0/debug_token",
		func(r *http.Request) (*http.Response, error) {
			seen = r
			return httpmock.NewStringResponse(status, body), nil
		})
	client, err := appevents.New("771", appevents.WithAppSecret("app-secret"),
		appevents.WithHTTPClient(&http.Client{Transport: mock}))
	require.NoError(t, err)
	info, err = client.InspectToken(t.Context(), "canary-input-token")
	return info, seen, err
}

const tokenAnswer = `{"data":{"app_id":"771","application":"Demo","type":"PAGE","is_valid":true,"issued_at":1790000000,
 "expires_at":0,"data_access_expires_at":4102444800,"user_id":"15","profile_id":"901",
 "scopes":["pages_messaging","page_events"],
 "granular_scopes":[{"scope":"page_events","target_ids":["901"]}]}}`

func TestInspectToken_ReadsWhatGraphKnows(t *testing.T) {
	t.Parallel()
	info, request, err := inspect(t, http.StatusOK, tokenAnswer)
	require.NoError(t, err)
	require.Equal(t, "canary-input-token", request.URL.Query().Get("input_token"))
	require.Equal(t, "Bearer 771|app-secret", request.Header.Get("Authorization"))
	require.Equal(t, appevents.ID("771"), info.AppID)
	require.Equal(t, "Demo", info.Application)
	require.Equal(t, "PAGE", info.Type)
	require.True(t, info.Valid)
	require.Equal(t, appevents.ID("15"), info.UserID)
	require.Equal(t, appevents.ID("901"), info.ProfileID)
	require.Equal(t, time.Unix(1790000000, 0).UTC(), info.IssuedAt)
	require.True(t, info.ExpiresAt.IsZero())
	require.Equal(t, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), info.DataAccessExpiresAt)
	require.Equal(t, []string{"pages_messaging", "page_events"}, info.Scopes)
	verdict := info.MayLogFor("901")
	require.True(t, verdict.Allowed)
	require.Equal(t, "yes", verdict.String())
}

func TestTokenInfo_MayLogFor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer string
		page   appevents.ID
		want   string
	}{
		"another Page": {
			answer: tokenAnswer, page: "902",
			want: "no: it is the token of Page 901, not of Page 902; " +
				"the permission page_events was not granted for Page 902",
		},
		"a user token for every Page": {
			answer: `{"data":{"app_id":771,"type":"USER","is_valid":true,"scopes":["page_events"],
				"granular_scopes":[{"scope":"page_events"}]}}`,
			page: "902", want: "yes",
		},
		"granted without granular scopes": {
			answer: `{"data":{"app_id":"771","type":"USER","is_valid":true,"scopes":["page_events"]}}`,
			page:   "902", want: "yes",
		},
		"no permission": {
			answer: `{"data":{"app_id":"771","type":"USER","is_valid":true,"scopes":["pages_messaging"]}}`,
			page:   "901", want: "no: the permission page_events is missing: ask for it at login",
		},
		"another app": {
			answer: `{"data":{"app_id":"772","type":"USER","is_valid":true,"scopes":["page_events"]}}`,
			page:   "901", want: "no: it belongs to app 772, not to app 771",
		},
		"expired": {
			answer: `{"data":{"app_id":"771","is_valid":false,"expires_at":1000000000,"scopes":["page_events"],
				"error":{"code":190,"subcode":463,"message":"Session has expired"}}}`,
			page: "901", want: "no: the token expired on 2001-09-09T01:46:40Z: get a new one",
		},
		"revoked": {
			answer: `{"data":{"app_id":"771","is_valid":false,"expires_at":0,"scopes":["page_events"],
				"error":{"code":190,"subcode":460,"message":"x"}}}`,
			page: "901", want: "no: the token is not valid: the password was changed: get a new token",
		},
		"invalid for no known reason": {
			answer: `{"data":{"is_valid":false,"scopes":["page_events"]}}`,
			page:   "901", want: "no: the token is not valid: get a new one",
		},
		"data access over": {
			answer: `{"data":{"is_valid":true,"data_access_expires_at":1000000000,"scopes":["page_events"]}}`,
			page:   "901", want: "no: its access to data ended on 2001-09-09T01:46:40Z: the person must log in again",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, _, err := inspect(t, http.StatusOK, test.answer)
			require.NoError(t, err)
			verdict := info.MayLogFor(test.page)
			require.Equal(t, test.want, verdict.String())
			require.Equal(t, test.want == "yes", verdict.Allowed)
		})
	}
	require.False(t, (*appevents.TokenInfo)(nil).MayLogFor("901").Allowed)
}

func TestInspectToken_ErrorsDoNotShowTheToken(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		body   string
		is     error
	}{
		"a bad calling token": {http.StatusBadRequest,
			`{"error":{"message":"canary-input-token is malformed","type":"OAuthException","code":190}}`, appevents.ErrAuth},
		"no data":      {http.StatusOK, `{"debug":"canary-input-token"}`, nil},
		"an HTML page": {http.StatusBadGateway, `<html>canary-input-token</html>`, appevents.ErrUnknownOutcome},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, _, err := inspect(t, test.status, test.body)
			require.Nil(t, info)
			var graph *appevents.GraphError
			require.ErrorAs(t, err, &graph)
			require.Equal(t, test.status, graph.StatusCode)
			require.NotContains(t, err.Error()+string(graph.Body), "canary")
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
		})
	}
}

func TestInspectToken_RefusesAnEmptyToken(t *testing.T) {
	t.Parallel()
	client, err := appevents.New("771", appevents.WithAppSecret("app-secret"))
	require.NoError(t, err)
	_, err = client.InspectToken(t.Context(), " ")
	var invalid *appevents.ValidationError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "token", invalid.Issues[0].Path)
}
