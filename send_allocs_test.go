//go:build !race

package appevents_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// BenchmarkLogActivity shows what of this is net/http's and the transport's.
func TestLogActivity_Allocations(t *testing.T) { //nolint:paralleltest // it counts allocations
	client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithAppSecret(coreSecret),
		appevents.WithHTTPClient(&http.Client{Transport: memory{}}))
	call := purchase()
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		if _, err := client.LogActivity(t.Context(), call); err != nil {
			panic(err)
		}
	}), 22.0)
}
