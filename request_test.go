package appevents_test

import (
	"net/http"
	"testing"

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
