package carrier_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/carrier"
)

func TestNewPool(t *testing.T) {
	t.Parallel()
	std := http.DefaultTransport.(*http.Transport)
	plain := carrier.NewPool(false).(*http.Transport)
	require.Nil(t, plain.Proxy, "it would read the environment")
	require.NotNil(t, carrier.NewPool(true).(*http.Transport).Proxy)
	require.EqualValues(t, 1<<20, plain.MaxResponseHeaderBytes)
	require.Equal(t, 256, plain.MaxIdleConnsPerHost)
	require.NotNil(t, std.Proxy)
	require.Zero(t, std.MaxIdleConnsPerHost)
}

func TestCarrier_PrefersWhatIsGiven(t *testing.T) {
	t.Parallel()
	pool, own := new(http.Transport), new(http.Transport)
	ours := carrier.Carrier{Pool: func() http.RoundTripper { return pool }}
	require.Same(t, pool, ours.Transport())
	require.Equal(t, time.Minute, ours.Timeout(time.Minute))
	require.Empty(t, ours.RefusesProxy())

	client := &http.Client{Timeout: time.Second}
	theirs := carrier.Carrier{Given: func() *http.Client { return client }, Pool: ours.Pool}
	require.Same(t, http.DefaultTransport, theirs.Transport())
	require.Equal(t, time.Second, theirs.Timeout(time.Minute))
	require.Equal(t, time.Millisecond, theirs.Timeout(time.Millisecond))
	require.NotEmpty(t, theirs.RefusesProxy())
	client.Transport = own
	require.Same(t, own, theirs.Transport())
}
