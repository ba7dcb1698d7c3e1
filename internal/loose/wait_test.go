package loose_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/loose"
)

func TestWait(t *testing.T) {
	t.Parallel()
	for _, count := range []float64{0, -1, math.NaN(), math.Inf(-1)} {
		require.Zero(t, loose.Wait(count, time.Minute), count)
	}
	require.Equal(t, 90*time.Second, loose.Wait(1.5, time.Minute))
	require.Equal(t, loose.MaxWait, loose.Wait(1e300, time.Minute))
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "30": 30 * time.Second, "1e999": 0, "999999999": loose.MaxWait,
		"Fri, 20 Nov 2026 00:01:00 GMT": time.Minute, "Thu, 19 Nov 2026 00:01:00 GMT": 0,
		"Fri, 20 Nov 2099 00:01:00 GMT": loose.MaxWait,
	} {
		require.Equal(t, want, loose.RetryAfter(text, now), text)
	}
}
