package appevents_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

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

func TestClient_SendsNoBodyOfUnknownLength(t *testing.T) {
	t.Parallel()
	var sent []*http.Request
	client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r)
			return httpmock.NewStringResponse(http.StatusOK, `{"id":"5501"}`), nil
		}),
	}))
	_, err := client.EnsureDataset(t.Context(), corePage) // a POST without parameters
	require.NoError(t, err)
	_, err = client.LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	require.Equal(t, http.NoBody, sent[0].Body)
	require.Zero(t, sent[0].ContentLength)
	require.Positive(t, sent[1].ContentLength)
	again, err := sent[1].GetBody() // net/http repeats on another connection what was not sent
	require.NoError(t, err)
	body, err := io.ReadAll(again)
	require.NoError(t, err)
	require.Len(t, body, int(sent[1].ContentLength))
}

// The base URL may hold a path, escaped or not, and a port.
func TestClient_KeepsThePathOfTheBaseURL(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://graph.example":             "https://graph.example/v26.0/771/activities",
		"https://graph.example:/":           "https://graph.example/v26.0/771/activities",
		"http://graph.example:8080/a/b/":    "http://graph.example:8080/a/b/v26.0/771/activities",
		"http://graph.example/a%2Fb/c%20d/": "http://graph.example/a%2Fb/c%20d/v26.0/771/activities",
		"http://[::1]:80/a b":               "http://[::1]:80/a%20b/v26.0/771/activities",
	} {
		m := newMock(t, success())
		_, err := m.client(t, appevents.WithBaseURL(base)).LogActivity(t.Context(), purchase())
		require.NoError(t, err)
		require.Equal(t, want, m.requests()[0].url)
	}
}
