package graphtest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

func insights(object string, pairs ...string) request {
	q := url.Values{}
	for n := 0; n < len(pairs); n += 2 {
		q.Add(pairs[n], pairs[n+1])
	}
	return request{method: http.MethodGet, path: "/v26.0/" + object + "/insights?" + q.Encode(), token: "canary-token"}
}

func TestInsights_Checks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		req  request
		want []string
	}{
		{"nothing", insights("act_5"), nil},
		{"a campaign", insights("5", "fields", "actions,spend", "level", "campaign", "date_preset", "last_7d"), nil},
		{"everything", insights("5", "time_range", `{"since":"2026-11-01","until":"2026-11-07"}`, "time_increment", "7",
			"action_attribution_windows", `["7d_click","1d_view","skan_click"]`, "action_breakdowns", `["action_type"]`,
			"breakdowns", "age,gender", "filtering", `[{"field":"spend"}]`, "sort", `["spend_descending"]`, "limit", "500",
			"default_summary", "true", "action_report_time", "mixed", "use_account_attribution_setting", "1",
			"use_unified_attribution_setting", "false"), nil},
		{"ranges", insights("5", "time_ranges", `[{"since":"2026-11-01","until":"2026-11-07"}]`, "time_increment", "monthly"), nil},
		{"no version", request{method: "GET", path: "/act_5/insights", token: "t"}, []string{"path version 100"}},
		{"no token", request{method: "GET", path: "/v26.0/act_5/insights"}, []string{"access_token required 104"}},
		{"the token in the query", request{method: "GET", path: "/v26.0/act_5/insights?access_token=canary-token"},
			[]string{"access_token token-in-query"}},
		{"another kind of object", insights("campaign"), []string{"path object 803"}},
		{"DELETE", request{method: "DELETE", path: "/v26.0/5/insights", token: "t"}, []string{"method method 100/33"}},
		{"an unknown parameter", insights("5", "window", "7"), []string{"window unknown"}},
		{"a repeated parameter", insights("5", "level", "ad", "level", "ad"), []string{"level twice"}},
		{"no field names", insights("5", "fields", `["actions"]`), []string{"fields form 100"}},
		{"an unknown level", insights("5", "level", "page"), []string{"level enum 100"}},
		{"an unknown preset", insights("5", "date_preset", "last_5d"), []string{"date_preset enum 100"}},
		{"a range that is no object", insights("5", "time_range", "2026"), []string{"time_range time-range 100"}},
		{"a range without an end", insights("5", "time_range", `{"since":"2026-11-01"}`), []string{"time_range time-range 100"}},
		{"a range that ends before it begins", insights("5", "time_range", `{"since":"2026-11-02","until":"2026-11-01"}`),
			[]string{"time_range time-range 100"}},
		{"a range of other dates", insights("5", "time_range", `{"since":"01.11.2026","until":"07.11.2026"}`),
			[]string{"time_range time-range 100"}},
		{"ranges that are none", insights("5", "time_ranges", `[1]`), []string{"time_ranges time-range 100"}},
		{"a preset and a range", insights("5", "date_preset", "today", "time_range",
			`{"since":"2026-11-01","until":"2026-11-07"}`), []string{"date_preset unexpected"}},
		{"91 days", insights("5", "time_increment", "91"), []string{"time_increment enum 100"}},
		{"an unknown window", insights("5", "action_attribution_windows", `["2d_click"]`),
			[]string{"action_attribution_windows enum 100"}},
		{"windows that are numbers", insights("5", "breakdowns", `[1]`), []string{"breakdowns enum 100"}},
		{"filters that are no objects", insights("5", "filtering", `["a"]`), []string{"filtering array 100"}},
		{"no rows", insights("5", "limit", "0"), []string{"limit int64 100"}},
		{"too many rows", insights("5", "limit", "501"), []string{"limit int64 100"}},
		{"a foreign cursor", insights("5", "after", "MQZDZD"), []string{"after cursor 100"}},
		{"a summary of another kind", insights("5", "default_summary", "yes"), []string{"default_summary bool 100"}},
		{"an unknown report time", insights("5", "action_report_time", "now"), []string{"action_report_time enum 100"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			requireCall(t, setup(), tc.req, tc.want)
		})
	}
	without := graphtest.WithToken("canary-token", graphtest.Grant{Permissions: []string{"page_events"}})
	requireCall(t, setup(without), insights("5"), []string{"access_token permission 200"})
	requireCall(t, setup(without), request{method: "GET", path: "/v26.0/77", token: "canary-token"},
		[]string{"access_token permission 200", "path object 100/33"}[:1])
}

type page struct {
	Data   []map[string]any
	Paging struct {
		Cursors struct{ Before, After string }
		Next    string
	}
}

func getPage(t *testing.T, s *graphtest.Server, q request) page {
	t.Helper()
	got := send(t, s, q)
	require.Equal(t, http.StatusOK, got.status, got.body)
	var p page
	require.NoError(t, json.Unmarshal([]byte(got.body), &p))
	return p
}

func TestInsights_Rows(t *testing.T) {
	t.Parallel()
	p := getPage(t, setup(), insights("5", "fields", "actions"))
	require.Len(t, p.Data, 1)
	require.Contains(t, p.Data[0], "actions")
	require.Contains(t, p.Data[0], "date_start")
	require.NotContains(t, p.Data[0], "spend", "not asked for")
	require.Contains(t, getPage(t, setup(), insights("5")).Data[0], "spend", "all when nothing is asked for")

	require.Empty(t, getPage(t, setup(graphtest.WithInsights("5")), insights("5")).Data)
	bad := setup(graphtest.WithInsights("5", "[]"))
	require.Equal(t, http.StatusInternalServerError, send(t, bad, insights("5")).status)
}

func TestInsights_Paging(t *testing.T) {
	t.Parallel()
	var rows []string
	for n := range 60 {
		rows = append(rows, `{"n":"`+strconv.Itoa(n)+`","date_start":"2026-11-01"}`)
	}
	s := setup(graphtest.WithInsights("5", rows...))
	var seen []string
	after, pages := "", 0
	for {
		q := insights("5", "fields", "n")
		if after != "" {
			q = insights("5", "fields", "n", "after", after)
		}
		p := getPage(t, s, q)
		for _, row := range p.Data {
			seen = append(seen, row["n"].(string))
		}
		pages++
		if p.Paging.Next == "" {
			require.Len(t, p.Data, 10)
			break
		}
		require.Len(t, p.Data, 25)
		next, err := url.Parse(p.Paging.Next)
		require.NoError(t, err)
		require.Equal(t, "canary-token", next.Query().Get("access_token"), "as Graph does")
		require.Equal(t, "n", next.Query().Get("fields"))
		require.Equal(t, p.Paging.Cursors.After, next.Query().Get("after"))
		require.Equal(t, s.URL+"/v26.0/5/insights", next.Scheme+"://"+next.Host+next.Path)
		after = p.Paging.Cursors.After
	}
	require.Equal(t, 3, pages)
	require.Len(t, seen, 60)
	require.Equal(t, "59", seen[59])
	require.Empty(t, s.Problems())

	p := getPage(t, s, insights("5", "limit", "2", "after", after))
	require.Len(t, p.Data, 2)
	far := getPage(t, s, insights("6", "after", after))
	require.Empty(t, far.Data, "a cursor past the end")

	live := graphtest.NewServer(t, graphtest.WithInsights("5", rows...))
	p = getPage(t, live, insights("5"))
	resp, err := http.Get(p.Paging.Next)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, []string{"access_token token-in-query"}, brief(live.Problems()), "a client that follows next is found out")
}

func TestInsights_Report(t *testing.T) {
	t.Parallel()
	s := setup(graphtest.WithInsights("5", `{"spend":"1","clicks":"2"}`))
	start := insights("5", "fields", "spend")
	start.method = http.MethodPost
	got := send(t, s, start)
	require.JSONEq(t, `{"report_run_id":"7700000001"}`, got.body)

	require.Contains(t, send(t, s, insights("7700000001")).body, "not complete")
	poll := request{method: "GET", path: "/v26.0/7700000001?fields=async_status,async_percent_completion", token: "canary-token"}
	for _, want := range []string{
		`{"id":"7700000001","async_status":"Job Not Started","async_percent_completion":0}`,
		`{"id":"7700000001","async_status":"Job Running","async_percent_completion":50}`,
		`{"id":"7700000001","async_status":"Job Completed","async_percent_completion":100}`,
		`{"id":"7700000001","async_status":"Job Completed","async_percent_completion":100}`,
	} {
		require.JSONEq(t, want, send(t, s, poll).body)
	}
	require.Equal(t, "report", last(t, s).Edge)
	p := getPage(t, s, insights("7700000001"))
	require.Equal(t, []map[string]any{{"spend": "1"}}, p.Data, "the fields asked for at the start")

	poll.path = "/v26.0/7700000001"
	require.JSONEq(t, `{"id":"7700000001"}`, send(t, s, poll).body)
	poll.path = "/v26.0/7700000001?window=1"
	requireCall(t, s, poll, []string{"window unknown"})
	poll.path = "/v26.0/7799999999"
	requireCall(t, s, poll, []string{"path object 100/33"})
	poll.path = "/7700000001"
	requireCall(t, s, poll, []string{"path version 100"})

	s.Inject(graphtest.On("report", graphtest.Reply(200, `{"async_status":"Job Failed","error_code":100}`)))
	poll.path = "/v26.0/7700000001"
	require.Contains(t, send(t, s, poll).body, "Job Failed")
}

func TestInsights_ReportsAreBounded(t *testing.T) {
	t.Parallel()
	s := setup()
	start := insights("5")
	start.method = http.MethodPost
	for range 1000 {
		require.Equal(t, http.StatusOK, send(t, s, start).status)
	}
	requireCall(t, s, start, []string{"path too-many 100"})
}

func TestDebugToken(t *testing.T) {
	t.Parallel()
	s := setup(graphtest.WithAppID(appID), graphtest.WithAppSecret(appSecret),
		graphtest.WithToken("good", graphtest.Grant{Type: graphtest.TokenPage, Pages: []string{"901"},
			Permissions: []string{"pages_messaging", "page_events"}, ExpiresAt: now.Add(time.Hour)}),
		graphtest.WithToken("expired", graphtest.Grant{Expired: true, AppID: "772"}),
		graphtest.WithToken("ended", graphtest.Grant{ExpiresAt: now}),
		graphtest.WithToken("revoked", graphtest.Grant{Subcode: 458}),
		graphtest.WithToken("all", graphtest.Grant{Type: graphtest.TokenSystemUser}))
	inspect := func(token string) map[string]any {
		got := send(t, s, request{method: "GET", path: "/v26.0/debug_token?input_token=" + url.QueryEscape(token),
			token: appID + "|" + appSecret})
		require.Equal(t, http.StatusOK, got.status, got.body)
		var out struct{ Data map[string]any }
		require.NoError(t, json.Unmarshal([]byte(got.body), &out))
		return out.Data
	}
	data := inspect("good")
	require.Equal(t, true, data["is_valid"])
	require.Equal(t, "PAGE", data["type"])
	require.Equal(t, appID, data["app_id"])
	require.Equal(t, "901", data["profile_id"])
	require.InDelta(t, now.Add(time.Hour).Unix(), data["expires_at"], 0)
	require.Equal(t, []any{"pages_messaging", "page_events"}, data["scopes"])
	require.Contains(t, data["granular_scopes"], map[string]any{"scope": "page_events", "target_ids": []any{"901"}})

	data = inspect("all")
	require.Equal(t, "SYSTEM_USER", data["type"])
	require.Contains(t, data["scopes"], "page_events")
	require.Contains(t, data["granular_scopes"], map[string]any{"scope": "page_events"}, "no ids: not limited")
	require.InDelta(t, 0, data["expires_at"], 0, "never")

	for token, subcode := range map[string]float64{"expired": 463, "ended": 463, "revoked": 458} {
		data = inspect(token)
		require.Equal(t, false, data["is_valid"], token)
		require.InDelta(t, subcode, data["error"].(map[string]any)["subcode"], 0, token)
	}
	require.Equal(t, "772", inspect("expired")["app_id"])
	require.Positive(t, inspect("expired")["expires_at"])
	require.Equal(t, false, inspect("unknown")["is_valid"])
	require.Equal(t, "APP", inspect(appID + "|" + appSecret)["type"])
	require.Equal(t, false, inspect(appID + "|guess")["is_valid"])

	q := request{method: "GET", path: "/v26.0/debug_token", token: appID + "|" + appSecret}
	requireCall(t, s, q, []string{"input_token required 100"})
	q.path = "/debug_token?input_token=good"
	requireCall(t, s, q, nil)
	q.path += "&colour=1"
	requireCall(t, s, q, []string{"colour unknown"})
	q.token = "unknown"
	requireCall(t, s, q, []string{"access_token token 190", "colour unknown"})
	q.token = ""
	requireCall(t, s, q, []string{"access_token required 104", "colour unknown"})
	q.token, q.method, q.path = "good", "POST", "/debug_token"
	requireCall(t, s, q, []string{"method method 100/33"})

	s = setup()
	require.Equal(t, true, inspectAny(t, s)["is_valid"], "any token is good when none was declared")
}

func inspectAny(t *testing.T, s *graphtest.Server) map[string]any {
	t.Helper()
	got := send(t, s, request{method: "GET", path: "/v26.0/debug_token?input_token=any", token: "caller"})
	var out struct{ Data map[string]any }
	require.NoError(t, json.Unmarshal([]byte(got.body), &out))
	return out.Data
}

func TestInsights_RowsBelongToTheirObject(t *testing.T) {
	t.Parallel()
	s := setup(graphtest.WithInsights("5", `{"spend":"1"}`), graphtest.WithInsights("act_6", `{"spend":"2"}`))
	for object, want := range map[string]string{"5": `[{"spend":"1"}]`, "act_6": `[{"spend":"2"}]`, "6": `[]`, "act_5": `[]`, "7": `[]`} {
		require.JSONEq(t, want, rowsOf(t, s, object), object)
	}

	// A report's rows are those of its object.
	start := insights("7")
	start.method = http.MethodPost
	require.Equal(t, http.StatusOK, send(t, s, start).status)
	for range 3 {
		send(t, s, request{method: "GET", path: "/v26.0/7700000001", token: "canary-token"})
	}
	require.JSONEq(t, `[]`, rowsOf(t, s, "7700000001"))

	// Without any, every object has leads to show.
	require.Contains(t, rowsOf(t, setup(), "7"), "lead_grouped")
}

// rowsOf returns the data of the first page of the object's insights.
func rowsOf(t *testing.T, s *graphtest.Server, object string) string {
	t.Helper()
	var page struct {
		Data json.RawMessage `json:"data"`
	}
	require.NoError(t, json.Unmarshal([]byte(send(t, s, insights(object)).body), &page))
	return string(page.Data)
}
