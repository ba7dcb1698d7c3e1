package appevents_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

func TestPacer_WaitsGrowTowardsTheLimit(t *testing.T) {
	t.Parallel()
	pacer := appevents.NewPacer()
	previous := time.Duration(-1)
	for _, percent := range []float64{0, 50, 75, 80, 90, 99, 100, 250} {
		pacer.Observe(t.Context(), appevents.CallInfo{
			Usage: appevents.Usage{App: appevents.CallUsage{CPU: percent}},
		})
		d := pacer.Delay("901")
		if percent <= 75 {
			require.Zero(t, d)
			continue
		}
		require.GreaterOrEqual(t, d, previous)
		require.Positive(t, d)
		require.LessOrEqual(t, d, 2*time.Second)
		previous = d
	}
	require.Equal(t, 2*time.Second, previous)
}

func TestPacer_KeepsPagesApart(t *testing.T) {
	t.Parallel()
	pacer := appevents.NewPacer()
	pacer.Observe(t.Context(), appevents.CallInfo{Usage: appevents.Usage{Business: []appevents.BusinessUsage{
		{ID: "901", CallUsage: appevents.CallUsage{Calls: 95}},
		{ID: "902", CallUsage: appevents.CallUsage{Calls: 10}},
	}}})
	pacer.Observe(t.Context(), appevents.CallInfo{
		Scope: pageScope("903"), Usage: appevents.Usage{Page: appevents.CallUsage{Time: 95}},
	})
	require.Positive(t, pacer.Delay("901"))
	require.Zero(t, pacer.Delay("902"))
	require.Positive(t, pacer.Delay("903"))
	require.Zero(t, pacer.Delay("904"))
	require.Zero(t, pacer.Delay(""))
}

func TestPacer_StaysAwayUntilTheTimeGraphNamed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header http.Header
		body   string
		wait   time.Duration
		other  bool // another Page waits as well
	}{
		"for the Page": {
			header: http.Header{"X-Business-Use-Case-Usage": {
				`{"901":[{"type":"messenger","call_count":100,"estimated_time_to_regain_access":7}]}`}},
			body: `{"error":{"message":"x","type":"OAuthException","code":80006}}`,
			wait: 7 * time.Minute,
		},
		"for the app": {
			header: http.Header{"Retry-After": {"90"}},
			body:   `{"error":{"message":"x","type":"OAuthException","code":4}}`,
			wait:   90 * time.Second, other: true,
		},
		"unnamed": {
			body: `{"error":{"message":"x","type":"OAuthException","code":4}}`,
			wait: time.Minute, other: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pacer := appevents.NewPacer()
				mock := httpmock.NewMockTransport()
				mock.RegisterNoResponder(httpmock.NewStringResponder(http.StatusBadRequest, test.body).HeaderSet(test.header))
				client, err := appevents.New("771", appevents.WithHTTPClient(&http.Client{Transport: mock}),
					appevents.WithObserver(pacer.Observe))
				require.NoError(t, err)
				_, err = client.LogActivity(t.Context(), &appevents.Activity{
					Thread: appevents.Thread{PageID: "901", PSID: "7702"}, Consent: appevents.ConsentAllowed,
					Events: []appevents.Event{appevents.LeadSubmitted()},
				})
				require.ErrorIs(t, err, appevents.ErrThrottled)
				require.Equal(t, test.wait, pacer.Delay("901"))
				require.Equal(t, test.other, pacer.Delay("902") > 0)

				start := time.Now()
				require.NoError(t, pacer.Wait(t.Context(), "901"))
				require.Equal(t, test.wait, time.Since(start))
				require.Zero(t, pacer.Delay("901"))
			})
		})
	}
}

func TestPacer_WaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pacer := appevents.NewPacer()
		require.NoError(t, pacer.Wait(t.Context(), "901"))
		pacer.Observe(t.Context(), appevents.CallInfo{Usage: appevents.Usage{App: appevents.CallUsage{Calls: 100}}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, pacer.Wait(ctx, "901"), context.DeadlineExceeded)
		require.ErrorIs(t, appevents.NewPacer().Wait(ctx, ""), context.DeadlineExceeded)
	})
}

func TestPacer_ForgetsOldFigures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pacer := appevents.NewPacer()
		pacer.Observe(t.Context(), appevents.CallInfo{Usage: appevents.Usage{App: appevents.CallUsage{Calls: 100}}})
		require.Positive(t, pacer.Delay(""))
		<-time.After(time.Hour + time.Second)
		require.Zero(t, pacer.Delay(""))
	})
}

func TestPacer_IsBounded(t *testing.T) {
	t.Parallel()
	pacer := appevents.NewPacer()
	for i := range 1<<16 + 10 {
		pacer.Observe(t.Context(), appevents.CallInfo{Usage: appevents.Usage{Business: []appevents.BusinessUsage{
			{ID: appevents.ID(strconv.Itoa(i + 1)), CallUsage: appevents.CallUsage{Calls: 100}},
		}}})
	}
	waiting := 0
	for i := range 1<<16 + 10 {
		if pacer.Delay(appevents.ID(strconv.Itoa(i+1))) > 0 {
			waiting++
		}
	}
	require.Equal(t, 1<<16, waiting)
}
