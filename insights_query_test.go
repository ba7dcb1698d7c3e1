package appevents_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

func TestInsights_AsksForWhatTheQuerySays(t *testing.T) {
	t.Parallel()
	day := func(d int) time.Time { return time.Date(2026, 11, d, 23, 0, 0, 0, time.FixedZone("", -12*3600)) }
	for name, test := range map[string]struct {
		query appevents.InsightsQuery
		want  url.Values
	}{
		"zero": {appevents.InsightsQuery{}, url.Values{
			"fields": {"account_id,actions,cost_per_action_type,spend,impressions,reach"},
		}},
		"leads per campaign": {appevents.InsightsQuery{Level: appevents.LevelCampaign, Preset: appevents.Last7Days}, url.Values{
			"fields":      {"account_id,campaign_id,campaign_name,actions,cost_per_action_type,spend,impressions,reach"},
			"level":       {"campaign"},
			"date_preset": {"last_7d"},
		}},
		"ad sets": {appevents.InsightsQuery{Level: appevents.LevelAdSet}, url.Values{
			"fields": {"account_id,campaign_id,campaign_name,adset_id,adset_name,actions,cost_per_action_type,spend,impressions,reach"},
			"level":  {"adset"},
		}},
		"ads": {appevents.InsightsQuery{Level: appevents.LevelAd}, url.Values{
			"fields": {"account_id,campaign_id,campaign_name,adset_id,adset_name,ad_id,ad_name,actions,cost_per_action_type,spend,impressions,reach"},
			"level":  {"ad"},
		}},
		"everything": {appevents.InsightsQuery{
			Fields: []string{"actions", "spend"}, Level: appevents.LevelAccount, Since: day(1), Until: day(7),
			Increment: appevents.IncrementDays(7), Windows: []appevents.AttributionWindow{appevents.WindowClick7Days, appevents.WindowView1Day},
			AccountAttribution: true, UnifiedAttribution: true,
			Breakdowns:       []appevents.Breakdown{appevents.BreakdownPublisherPlatform},
			ActionBreakdowns: []appevents.ActionBreakdown{appevents.ActionBreakdownType, appevents.ActionBreakdownDevice},
			ReportTime:       appevents.ReportAtConversion,
			Filters:          []appevents.InsightsFilter{{Field: "campaign.id", Operator: "IN", Value: []string{"1", "2"}}},
			Sort:             []string{"spend_descending"}, PageSize: 100,
		}, url.Values{
			"fields": {"actions,spend"}, "level": {"account"}, "time_range": {`{"since":"2026-11-01","until":"2026-11-07"}`},
			"time_increment": {"7"}, "action_attribution_windows": {`["7d_click","1d_view"]`},
			"use_account_attribution_setting": {"true"}, "use_unified_attribution_setting": {"true"},
			"breakdowns": {`["publisher_platform"]`}, "action_breakdowns": {`["action_type","action_device"]`},
			"action_report_time": {"conversion"}, "filtering": {`[{"field":"campaign.id","operator":"IN","value":["1","2"]}]`},
			"sort": {`["spend_descending"]`}, "limit": {"100"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, answer(200, `{"data":[]}`))
			rows, err := readInsights(t, m.client(t, appevents.WithAccessToken(coreToken)), "act_15", test.query)
			require.NoError(t, err)
			require.Empty(t, rows)
			sent, err := url.Parse(m.requests()[0].url)
			require.NoError(t, err)
			require.Equal(t, "/v26.0/act_15/insights", sent.Path)
			require.Equal(t, test.want, sent.Query())

			graph := graphtest.New()
			client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: graph}))
			_, err = readInsights(t, client, "act_15", test.query)
			require.NoError(t, err)
			require.Empty(t, graph.Problems())
		})
	}
}

func TestInsights_RefusesAQueryThatCannotWork(t *testing.T) {
	t.Parallel()
	now := time.Now()
	type query = appevents.InsightsQuery
	for name, test := range map[string]struct {
		object string
		query  query
		want   []string
	}{
		"no object":          {"", query{}, []string{"object_id (required)"}},
		"act_ alone":         {"act_", query{}, []string{"object_id (required)"}},
		"path":               {"1/../2", query{}, []string{"object_id (format)"}},
		"level":              {"1", query{Level: "page"}, []string{"level (unknown)"}},
		"since alone":        {"1", query{Since: now}, []string{"until (required)"}},
		"until alone":        {"1", query{Until: now}, []string{"since (required)"}},
		"backwards":          {"1", query{Since: now, Until: now.AddDate(0, 0, -1)}, []string{"until (range)"}},
		"preset and range":   {"1", query{Since: now, Until: now, Preset: appevents.Today}, []string{"preset (conflict)"}},
		"preset":             {"1", query{Preset: "last week"}, []string{"preset (format)"}},
		"no days":            {"1", query{Increment: appevents.IncrementDays(0)}, []string{"increment (range)"}},
		"too many days":      {"1", query{Increment: appevents.IncrementDays(91)}, []string{"increment (range)"}},
		"increment":          {"1", query{Increment: "weekly"}, []string{"increment (range)"}},
		"page size":          {"1", query{PageSize: -1}, []string{"page_size (range)"}},
		"field":              {"1", query{Fields: []string{"spend", "a,b"}}, []string{"fields[1] (format)"}},
		"window":             {"1", query{Windows: []appevents.AttributionWindow{""}}, []string{"windows[0] (format)"}},
		"breakdown":          {"1", query{Breakdowns: []appevents.Breakdown{`"`}}, []string{"breakdowns[0] (format)"}},
		"breakdown, actions": {"1", query{ActionBreakdowns: []appevents.ActionBreakdown{" "}}, []string{"action_breakdowns[0] (format)"}},
		"sort":               {"1", query{Sort: []string{"a b"}}, []string{"sort[0] (format)"}},
		"report time":        {"1", query{ReportTime: "now!"}, []string{"report_time (format)"}},
		"long word":          {"1", query{Fields: []string{strings.Repeat("a", 101)}}, []string{"fields[0] (format)"}},
		"filter":             {"1", query{Filters: []appevents.InsightsFilter{{}}}, []string{"filters[0].field (format)", "filters[0].operator (format)"}},
		"filter value":       {"1", query{Filters: []appevents.InsightsFilter{{Field: "a", Operator: "IN", Value: func() {}}}}, []string{"filters (type)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newMock(t).client(t, appevents.WithAccessToken(coreToken))
			_, err := readInsights(t, client, test.object, test.query)
			require.Equal(t, test.want, problemsOf(t, err))
			_, err = client.StartInsightsReport(t.Context(), test.object, test.query)
			require.Equal(t, test.want, problemsOf(t, err))
		})
	}
	for _, q := range []query{
		{Since: now, Until: now}, {Increment: appevents.IncrementDaily}, {Increment: appevents.IncrementMonthly},
		{Increment: appevents.IncrementAllDays}, {Increment: appevents.IncrementDays(90)},
		{Sort: []string{"actions:onsite_conversion.lead_grouped_descending"}}, {Breakdowns: []appevents.Breakdown{"dma"}},
	} {
		_, err := readInsights(t, newMock(t, answer(200, `{"data":[]}`)).client(t, appevents.WithAccessToken(coreToken)), "1", q)
		require.NoError(t, err)
	}
}
