package appevents

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/loose"
)

func TestParseUsage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header string
		value  string
		want   Usage
	}{
		"app": {
			"X-App-Usage", `{"call_count":12,"total_cputime":3,"total_time":4}`,
			Usage{App: CallUsage{Calls: 12, CPU: 3, Time: 4}},
		},
		"app over the limit": {"X-App-Usage", `{"call_count":130}`, Usage{App: CallUsage{Calls: 130}}},
		"fractions and text": {
			"X-App-Usage", `{"call_count":"12.5","total_cputime":"3%","total_time":0.25}`,
			Usage{App: CallUsage{Calls: 12.5, CPU: 3, Time: 0.25}},
		},
		"page": {
			"X-Page-Usage", `{"call_count":1,"total_cputime":2,"total_time":3}`,
			Usage{Page: CallUsage{Calls: 1, CPU: 2, Time: 3}},
		},
		"page, old form":          {"X-Page-Usage", `{"call_volume":7,"cpu_time":8}`, Usage{Page: CallUsage{Calls: 7, CPU: 8}}},
		"page, bare":              {"X-Page-Usage", `42`, Usage{Page: CallUsage{Calls: 42}}},
		"page, bare text":         {"X-Page-Usage", `"42.5%"`, Usage{Page: CallUsage{Calls: 42.5}}},
		"page, odd member":        {"X-Page-Usage", `{"call_count":[],"total_time":3,"new":{}}`, Usage{Page: CallUsage{Time: 3}}},
		"page, negative":          {"X-Page-Usage", `{"call_count":-1}`, Usage{}},
		"page, not a number":      {"X-Page-Usage", `{"call_count":"NaN","total_time":"Inf"}`, Usage{}},
		"page, broken":            {"X-Page-Usage", `{"call_count":1`, Usage{}},
		"page, another kind":      {"X-Page-Usage", `[1]`, Usage{}},
		"page, null":              {"X-Page-Usage", `null`, Usage{}},
		"page, garbage":           {"X-Page-Usage", "\x00\xff", Usage{}},
		"page, empty":             {"X-Page-Usage", "", Usage{}},
		"ad account, other kinds": {"X-Ad-Account-Usage", `{"acc_id_util_pct":{},"ads_api_access_tier":7}`, Usage{}},
		"ad account, broken":      {"X-Ad-Account-Usage", `9.6`, Usage{}},
		"ad account": {
			"X-Ad-Account-Usage", `{"acc_id_util_pct":9.67,"reset_time_duration":100,"ads_api_access_tier":"standard_access"}`,
			Usage{AdAccount: AdsUsage{Account: 9.67, Reset: 100 * time.Second, Tier: "standard_access"}},
		},
		"ad account, endless": {
			"X-Ad-Account-Usage", `{"reset_time_duration":1e300}`, Usage{AdAccount: AdsUsage{Reset: 24 * time.Hour}},
		},
		"insights": {
			"X-FB-Ads-Insights-Throttle", `{"app_id_util_pct":1.5,"acc_id_util_pct":0.5,"ads_api_access_tier":"development_access"}`,
			Usage{Insights: AdsUsage{App: 1.5, Account: 0.5, Tier: "development_access"}},
		},
		"insights, broken": {"X-FB-Ads-Insights-Throttle", `"x"`, Usage{}},
		"business": {
			"X-Business-Use-Case-Usage",
			`{"901":[{"type":"messenger","call_count":28,"total_cputime":2,"total_time":3,"estimated_time_to_regain_access":0}]}`,
			Usage{Business: []BusinessUsage{{ID: "901", Type: "messenger", CallUsage: CallUsage{Calls: 28, CPU: 2, Time: 3}}}},
		},
		"business, several": {
			"X-Business-Use-Case-Usage",
			`{"901":[{"type":"pages","call_count":1},{"type":"messenger","call_count":2}],
			 "902":[{"type":"ads_insights","estimated_time_to_regain_access":1.5,"ads_api_access_tier":"standard_access"}]}`,
			Usage{Business: []BusinessUsage{
				{ID: "901", Type: "pages", CallUsage: CallUsage{Calls: 1}},
				{ID: "901", Type: "messenger", CallUsage: CallUsage{Calls: 2}},
				{ID: "902", Type: "ads_insights", RegainAccess: 90 * time.Second, Tier: "standard_access"},
			}},
		},
		"business, repeated key": {
			"X-Business-Use-Case-Usage", `{"901":[{"type":"pages","call_count":1}],"901":[{"type":"messenger","call_count":2}]}`,
			Usage{Business: []BusinessUsage{
				{ID: "901", Type: "pages", CallUsage: CallUsage{Calls: 1}},
				{ID: "901", Type: "messenger", CallUsage: CallUsage{Calls: 2}},
			}},
		},
		"business, without the list": {
			"X-Business-Use-Case-Usage", `{"901":{"type":"new_type","call_count":1}}`,
			Usage{Business: []BusinessUsage{{ID: "901", Type: "new_type", CallUsage: CallUsage{Calls: 1}}}},
		},
		"business, odd siblings": {
			"X-Business-Use-Case-Usage", `{"900":null,"901":[7,"x",[],{"type":5,"call_count":"8"}],"902":false,"903":[{"type":"pages"}]}`,
			Usage{Business: []BusinessUsage{
				{ID: "901", CallUsage: CallUsage{Calls: 8}}, {ID: "903", Type: "pages"},
			}},
		},
		"business, cut short": {
			"X-Business-Use-Case-Usage", `{"901":[{"type":"pages"}],"902":[{"type":`,
			Usage{Business: []BusinessUsage{{ID: "901", Type: "pages"}}},
		},
		"business, endless": {
			"X-Business-Use-Case-Usage", `{"1":[{"estimated_time_to_regain_access":99999999}]}`,
			Usage{Business: []BusinessUsage{{ID: "1", RegainAccess: 24 * time.Hour}}},
		},
		"business, another kind": {"X-Business-Use-Case-Usage", `[{"type":"pages"}]`, Usage{}},
		"business, garbage":      {"X-Business-Use-Case-Usage", `}{`, Usage{}},
		"another header":         {"X-Usage", `{"call_count":1}`, Usage{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			header.Set(test.header, test.value)
			require.Equal(t, test.want, parseUsage(header))
		})
	}
}

func TestParseUsage_BoundsWhatItKeeps(t *testing.T) {
	t.Parallel()
	list := `{"901":[` + strings.Repeat(`{"type":"pages"},`, 999) + `{}]}`
	keys := `{` + strings.Repeat(`"901":[{"type":"pages"}],`, 999) + `"902":[]}`
	for _, value := range []string{list, keys} {
		require.Len(t, parseUsage(http.Header{"X-Business-Use-Case-Usage": {value}}).Business, 256)
	}
}

func TestUsage_Max(t *testing.T) {
	t.Parallel()
	require.Zero(t, Usage{}.Max())
	for _, usage := range []Usage{
		{App: CallUsage{Calls: 90, CPU: 1}}, {App: CallUsage{CPU: 90}}, {Page: CallUsage{Time: 90, Calls: 3}},
		{AdAccount: AdsUsage{Account: 90}, App: CallUsage{Calls: 1}}, {Insights: AdsUsage{App: 90}},
		{Insights: AdsUsage{Account: 90}},
		{Business: []BusinessUsage{{}, {CallUsage: CallUsage{CPU: 90}}, {CallUsage: CallUsage{Calls: 89}}}},
	} {
		require.InDelta(t, 90, usage.Max(), 0)
	}
}

// mockClient returns a client whose every call is answered by respond.
func mockClient(t *testing.T, respond httpmock.Responder, opts ...Option) *Client {
	t.Helper()
	transport := httpmock.NewMockTransport()
	transport.RegisterNoResponder(respond)
	client, err := New("771", append(opts, WithHTTPClient(&http.Client{Transport: transport}))...)
	require.NoError(t, err)
	return client
}

func TestUsage_ComesWithResultsAndErrors(t *testing.T) {
	t.Parallel()
	header := http.Header{
		"X-App-Usage":  {`{"call_count":1}`},
		"X-Page-Usage": {`{"call_count":2}`},
	}
	want := Usage{App: CallUsage{Calls: 1}, Page: CallUsage{Calls: 2}}
	call := &Activity{
		Thread: Thread{PageID: "901", PSID: "15"}, Consent: ConsentDenied, Events: []Event{LeadSubmitted()},
	}
	result, err := mockClient(t, httpmock.NewStringResponder(200, `{"success":true}`).HeaderSet(header)).
		LogActivity(t.Context(), call)
	require.NoError(t, err)
	require.Equal(t, want, result.Usage)
	for _, body := range []string{`{"error":{"code":100}}`, "<html>"} {
		_, err = mockClient(t, httpmock.NewStringResponder(400, body).HeaderSet(header)).LogActivity(t.Context(), call)
		var graph *GraphError
		require.ErrorAs(t, err, &graph)
		require.Equal(t, want, graph.Usage)
	}
}

func TestGraphError_RetryAfter(t *testing.T) {
	t.Parallel()
	const (
		throttled = `{"error":{"code":80006,"message":"too many calls"}}`
		invalid   = `{"error":{"code":100,"message":"no"}}`
	)
	business := func(value string) http.Header { return http.Header{"X-Business-Use-Case-Usage": {value}} }
	after := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	for name, test := range map[string]struct {
		body   string
		header http.Header
		want   time.Duration
	}{
		"nothing said":  {throttled, nil, 0},
		"minutes":       {throttled, business(`{"901":[{"estimated_time_to_regain_access":5}]}`), 5 * time.Minute},
		"no wait":       {throttled, business(`{"901":[{"estimated_time_to_regain_access":0}]}`), 0},
		"own Page only": {throttled, business(`{"902":[{"estimated_time_to_regain_access":90}],"901":[{"estimated_time_to_regain_access":5}]}`), 5 * time.Minute},
		"own app only":  {throttled, business(`{"902":[{"estimated_time_to_regain_access":90}],"771":[{"estimated_time_to_regain_access":7}]}`), 7 * time.Minute},
		"own of several products": {
			throttled, business(`{"901":[{"estimated_time_to_regain_access":5},{"estimated_time_to_regain_access":6}],"9":[{"estimated_time_to_regain_access":90}]}`), 6 * time.Minute,
		},
		"own says no wait":    {throttled, business(`{"902":[{"estimated_time_to_regain_access":90}],"901":[{"estimated_time_to_regain_access":0}]}`), 0},
		"somebody else's":     {throttled, business(`{"902":[{"estimated_time_to_regain_access":9}]}`), 9 * time.Minute},
		"minutes capped":      {throttled, business(`{"901":[{"estimated_time_to_regain_access":1000000}]}`), 24 * time.Hour},
		"not throttled":       {invalid, business(`{"901":[{"estimated_time_to_regain_access":5}]}`), 0},
		"account at limit":    {throttled, http.Header{"X-Ad-Account-Usage": {`{"acc_id_util_pct":100,"reset_time_duration":90}`}}, 90 * time.Second},
		"account below limit": {throttled, http.Header{"X-Ad-Account-Usage": {`{"acc_id_util_pct":99.9,"reset_time_duration":90}`}}, 0},
		"seconds":             {throttled, after("120"), 2 * time.Minute},
		"half a second":       {throttled, after("0.5"), 500 * time.Millisecond},
		"seconds elsewhere":   {`<html>`, after("30"), 30 * time.Second},
		"negative":            {throttled, after("-5"), 0},
		"no number":           {throttled, after("NaN"), 0},
		"seconds capped":      {throttled, after("99999999999"), 24 * time.Hour},
		"infinite":            {throttled, after("Inf"), 24 * time.Hour},
		"words":               {throttled, after("tomorrow"), 0},
		"date":                {throttled, after("Sat, 01 Jan 2000 00:10:00 GMT"), 10 * time.Minute},
		"date capped":         {throttled, after("Fri, 01 Jan 2100 00:00:00 GMT"), 24 * time.Hour},
		"date gone by":        {throttled, after("Fri, 31 Dec 1999 00:00:00 GMT"), 0},
		"the longer of two": {throttled, http.Header{
			"Retry-After": {"30"}, "X-Business-Use-Case-Usage": {`{"901":[{"estimated_time_to_regain_access":5}]}`},
		}, 5 * time.Minute},
		"the longer is seconds": {throttled, http.Header{
			"Retry-After": {"3000"}, "X-Business-Use-Case-Usage": {`{"901":[{"estimated_time_to_regain_access":5}]}`},
		}, 50 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // where it is 2000-01-01 00:00:00 UTC
				requests := 0
				respond := func(r *http.Request) (*http.Response, error) {
					requests++
					return httpmock.NewStringResponder(400, test.body).HeaderSet(test.header)(r)
				}
				_, err := mockClient(t, respond).LogActivity(t.Context(), &Activity{
					Thread: Thread{PageID: "901", PSID: "15"}, Consent: ConsentDenied, Events: []Event{LeadSubmitted()},
				})
				var graph *GraphError
				require.ErrorAs(t, err, &graph)
				require.Equal(t, test.want, graph.RetryAfter)
				require.Equal(t, 1, requests, "nothing is repeated before that time")
			})
		})
	}
}

func FuzzParseUsage(f *testing.F) {
	for _, seed := range []string{
		`{"call_count":12,"total_cputime":3,"total_time":4}`, `{"call_volume":1,"cpu_time":2}`, `42`, `"7%"`, ``, `null`, `[`,
		`{"acc_id_util_pct":9.67,"reset_time_duration":100,"ads_api_access_tier":"standard_access"}`,
		`{"app_id_util_pct":1.5,"acc_id_util_pct":0}`,
		`{"901":[{"type":"messenger","call_count":28,"estimated_time_to_regain_access":3}],"901":[{}],"902":{}}`,
		`{"901":[{"call_count":1e400}]}`, `{"a":{"b":[{}]}}`, "Sat, 01 Jan 2000 00:10:00 GMT", "1e999",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		usage := parseUsage(http.Header{
			headerAppUsage: {value}, headerPageUsage: {value}, headerAccountUsage: {value}, headerInsightsUsage: {value},
			headerBusinessUsage: {value},
		})
		percents := []float64{usage.AdAccount.Account, usage.Insights.App, usage.Insights.Account, usage.Max()}
		waits := []time.Duration{usage.AdAccount.Reset, usage.regainAccess("901"), loose.RetryAfter(value, now)}
		for _, u := range []CallUsage{usage.App, usage.Page} {
			percents = append(percents, u.Calls, u.CPU, u.Time)
		}
		require.LessOrEqual(t, len(usage.Business), maxBusinessUsage)
		for _, b := range usage.Business {
			percents = append(percents, b.Calls, b.CPU, b.Time)
			waits = append(waits, b.RegainAccess)
		}
		for _, p := range percents {
			require.False(t, p < 0 || math.IsNaN(p) || math.IsInf(p, 0), "%v", p)
		}
		for _, w := range waits {
			require.True(t, w >= 0 && w <= loose.MaxWait, "%v", w)
		}
		_, err := json.Marshal(usage)
		require.NoError(t, err)
	})
}
