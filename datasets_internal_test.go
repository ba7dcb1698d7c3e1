package appevents

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"
)

func TestDatasetCache_IsBounded(t *testing.T) {
	t.Parallel()
	transport := httpmock.NewMockTransport()
	transport.RegisterNoResponder(httpmock.NewStringResponder(http.StatusOK, `{"id":"5501"}`))
	client, err := New("771", WithAccessToken("t"), WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	cache, err := NewDatasetCache(client)
	require.NoError(t, err)
	require.Equal(t, maxCachedDatasets, cache.datasets.Max)
	cache.datasets.Max = 4
	for i := range 4 {
		_, err := cache.Ensure(t.Context(), ID(strconv.Itoa(i+1)))
		require.NoError(t, err)
	}
	id, err := cache.Ensure(t.Context(), ID(strings.Repeat("9", 18)))
	require.NoError(t, err)
	require.Equal(t, ID("5501"), id)
	require.Equal(t, 4, cache.datasets.Len())
}
