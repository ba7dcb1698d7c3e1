package appevents_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

func TestInsightsReport_RunsToItsRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		graph := graphtest.New(graphtest.WithInsights("act_15", insightsRows(70)...))
		var edges []string
		client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: graph}),
			appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) {
				edges = append(edges, info.Edge)
				require.Equal(t, appevents.Scope{Kind: appevents.ScopeAd, ID: "15"}, info.Scope)
			}))
		report, err := client.StartInsightsReport(t.Context(), "act_15", appevents.InsightsQuery{
			Level: appevents.LevelAd, Preset: appevents.Maximum, PageSize: 50,
		})
		require.NoError(t, err)
		var seen []appevents.ReportStatus
		require.NoError(t, report.Wait(t.Context(), func(s appevents.ReportStatus) { seen = append(seen, s) }))
		require.Equal(t, []appevents.ReportStatus{
			{State: "Job Not Started"}, {State: "Job Running", Percent: 50},
			{State: "Job Completed", Percent: 100},
		}, seen)
		n := 0
		for _, err := range report.Rows(t.Context()) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 70, n)
		require.Equal(t, []string{"insights", "report", "report", "report", "insights", "insights"}, edges)
		require.Empty(t, graph.Problems())
		limit, _ := graph.Calls()[4].Field("limit")
		require.Equal(t, "50", limit)

		resumed, err := client.InsightsReport("act_15", report.ID())
		require.NoError(t, err)
		require.NoError(t, resumed.Wait(t.Context(), nil))
		n = 0
		for _, err := range resumed.Rows(t.Context()) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 70, n)
	})
}

// newReport is a report whose every status comes from answers.
func newReport(t *testing.T, answers ...httpmock.Responder) (*appevents.InsightsReport, *mock) {
	t.Helper()
	m := newMock(t, answers...)
	report, err := m.client(t, appevents.WithAccessToken(coreToken), oneAttempt()).InsightsReport("15", "77")
	require.NoError(t, err)
	return report, m
}

func TestInsightsReport_Wait_LooksAtGrowingIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		running := answer(200, `{"id":"77","async_status":"Job Running","async_percent_completion":"40"}`)
		answers := slices.Repeat([]httpmock.Responder{running}, 9)
		report, m := newReport(t, append(answers, answer(200, `{"async_status":"Job Completed","async_percent_completion":100}`))...)
		require.NoError(t, report.Wait(t.Context(), nil))
		sent := m.requests()
		for i, longest := range []float64{1, 2, 4, 8, 16, 30, 30, 30, 30} {
			wait := sent[i+1].at.Sub(sent[i].at).Seconds()
			require.LessOrEqual(t, wait, longest)
			require.GreaterOrEqual(t, wait, longest/2)
		}
		u, err := url.Parse(sent[0].url)
		require.NoError(t, err)
		require.Equal(t, "/v26.0/77", u.Path)
	})
}

func TestInsightsReport_Status_AsksForErrorsOnlyWhereTheyExist(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"v24.0": "async_status,async_percent_completion",
		"v25.0": "async_status,async_percent_completion,error_code,error_subcode,error_message,error_user_title,error_user_msg",
	} {
		m := newMock(t, answer(200, `{"async_status":"Job Started"}`))
		report, err := m.client(t, appevents.WithAccessToken(coreToken), appevents.WithVersion(version)).InsightsReport("15", "77")
		require.NoError(t, err)
		status, err := report.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, appevents.ReportStatus{State: "Job Started"}, status)
		u, err := url.Parse(m.requests()[0].url)
		require.NoError(t, err)
		require.Equal(t, want, u.Query().Get("fields"))
	}
}

func TestInsightsReport_Wait_EndsWithAReportThatFailed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body, text string
		is         error
	}{
		"failed": {`{"async_status":"Job Failed","async_percent_completion":3}`,
			`appevents: run insights report: graph error (HTTP 200): the report ended as "Job Failed"`, nil},
		"skipped": {`{"async_status":"Job Skipped"}`, `the report ended as "Job Skipped"`, nil},
		"with a reason": {`{"async_status":"Job Failed","error_code":100,"error_subcode":7,"error_message":"too much",` +
			`"error_user_title":"T","error_user_msg":"M"}`, `graph error 100/7 (HTTP 200): the report ended as "Job Failed": too much`,
			appevents.ErrInvalidParameter},
		"no status": {`{"id":"77"}`, "the answer holds no status", nil},
		"odd":       {`{"async_status":7}`, "the answer holds no status", nil},
		"throttled": {`{"error":{"code":80000,"message":"m"}}`, "run insights report", appevents.ErrThrottled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, _ := newReport(t, answer(200, test.body))
			err := report.Wait(t.Context(), func(appevents.ReportStatus) { t.Error("progress after the end") })
			var graphErr *appevents.GraphError
			require.ErrorAs(t, err, &graphErr)
			require.ErrorContains(t, err, test.text)
			require.NotRegexp(t, `: $`, err.Error())
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
		})
	}
}

func TestInsightsReport_Wait_IsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		edge := roundTrip(func(*http.Request) (*http.Response, error) {
			looks++
			return httpmock.NewStringResponse(200, `{"async_status":"Job Running","async_percent_completion":400}`), nil
		})
		client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: edge}))
		report, err := client.InsightsReport("15", "77")
		require.NoError(t, err)
		start := time.Now()
		err = report.Wait(t.Context(), nil)
		require.ErrorIs(t, err, appevents.ErrTransient)
		require.ErrorContains(t, err, `the report is not complete but "Job Running", 100 percent`)
		require.Equal(t, 300, looks)
		require.InDelta(t, 2*time.Hour, time.Since(start), float64(time.Hour/2))
	})
}

func TestInsightsReport_Wait_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		report, _ := newReport(t, answer(200, `{"async_status":"Job Started"}`))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := report.Wait(ctx, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		requireCallError(t, err, appevents.OutcomeNotSent)
	})
}

func TestStartInsightsReport(t *testing.T) {
	t.Parallel()
	m := newMock(t, answer(200, `{"report_run_id":7700000000000001}`))
	report, err := m.client(t, appevents.WithAccessToken(coreToken)).
		StartInsightsReport(t.Context(), "act_15", appevents.InsightsQuery{Fields: []string{"spend"}, Preset: appevents.Maximum})
	require.NoError(t, err)
	require.Equal(t, appevents.ID("7700000000000001"), report.ID())
	sent := m.requests()[0]
	require.Equal(t, http.MethodPost, sent.method)
	require.Equal(t, "https://graph.facebook.com/v26.0/act_15/insights", sent.url)
	require.Equal(t, "date_preset=maximum&fields=spend", sent.body)

	for _, body := range []string{`{"success":true}`, `{"report_run_id":"x"}`, `{"report_run_id":[]}`} {
		_, err := newMock(t, answer(200, body)).client(t, appevents.WithAccessToken(coreToken)).
			StartInsightsReport(t.Context(), "15", appevents.InsightsQuery{})
		require.ErrorContains(t, err, "the answer holds no report ID", body)
	}
	_, err = newMock(t, answer(400, `{"error":{"code":200}}`)).client(t, appevents.WithAccessToken(coreToken)).
		StartInsightsReport(t.Context(), "15", appevents.InsightsQuery{})
	require.ErrorContains(t, err, "needs the ads_read permission")
	_, err = newMock(t).client(t).InsightsReport("x", "")
	require.Equal(t, []string{"object_id (format)", "id (required)"}, problemsOf(t, err))
}
