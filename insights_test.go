package appevents_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// readInsights collects the rows of an iteration up to its error.
func readInsights(t *testing.T, client *appevents.Client, object string, q appevents.InsightsQuery) ([]appevents.InsightsRow, error) {
	t.Helper()
	var rows []appevents.InsightsRow
	for row, err := range client.Insights(t.Context(), object, q) {
		if err != nil {
			require.Equal(t, appevents.InsightsRow{}, row)
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func insightsAnswer(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "responses", name))
	require.NoError(t, err)
	return string(body)
}

func TestInsights_ReadsARow(t *testing.T) {
	t.Parallel()
	m := newMock(t, answer(200, insightsAnswer(t, "insights_campaigns.json")))
	rows, err := readInsights(t, m.client(t, appevents.WithAccessToken(coreToken)), "act_15", appevents.InsightsQuery{})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	row := rows[0]
	require.Equal(t, appevents.ID("15"), row.AccountID)
	require.Equal(t, appevents.ID("120210000000000001"), row.CampaignID)
	require.Equal(t, "Spring", row.CampaignName)
	require.Equal(t, "2026-11-01", row.DateStart)
	require.Equal(t, "2026-11-07", row.DateStop)
	require.Equal(t, appevents.Decimal("88.10"), row.Spend)
	require.Equal(t, "14", row.Leads().String())
	require.Equal(t, "30", row.ConversationsStarted().String(), "the parts of a breakdown are added up")
	require.Equal(t, "0", row.Action("nobody.did_this").String())
	cost, ok := row.CostPerLead(2)
	require.True(t, ok)
	require.Equal(t, "6.29", cost.String())
	require.Equal(t, "instagram", row.Text("publisher_platform"))
	require.Equal(t, "4321", row.Text("impressions"))
	require.Equal(t, "7", row.Text("a_number"))
	require.Empty(t, row.Text("actions"))
	require.Empty(t, row.Text("absent"))

	lead := row.Actions[0]
	require.Equal(t, appevents.ActionLeadGrouped, lead.Type)
	require.Equal(t, map[appevents.AttributionWindow]appevents.Decimal{
		appevents.WindowClick7Days: "12", appevents.WindowView1Day: "2", appevents.WindowDataDriven: "13.5",
	}, lead.Windows)
	require.Empty(t, lead.Breakdowns)
	require.Equal(t, map[string]string{"action_device": "iphone", "action_target_id": "7"}, row.Actions[1].Breakdowns)
	require.Equal(t, "6.292857", row.CostPerAction[0].Value.String())
	require.Equal(t, "120.5", row.ActionValues[0].Value.String())

	empty := rows[1]
	require.Equal(t, "0", empty.Leads().String())
	require.True(t, empty.Spend.IsZero())
	cost, ok = empty.CostPerLead(2)
	require.False(t, ok)
	require.Equal(t, "0", cost.String())

	var sent, back any
	text, err := json.Marshal(row)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &sent))
	require.NoError(t, json.Unmarshal(row.Raw, &back))
	require.Equal(t, back, sent)
	text, err = json.Marshal(appevents.InsightsRow{})
	require.NoError(t, err)
	require.Equal(t, "{}", string(text))
}

// insightsRows are rows with the numbers 0 to n-1 as leads.
func insightsRows(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"actions":[{"action_type":"onsite_conversion.lead_grouped","value":"%d"}],"spend":"1.10"}`, i)
	}
	return rows
}

func TestInsights_FollowsTheCursorAndNeverTheLink(t *testing.T) {
	t.Parallel()
	graph := graphtest.New(graphtest.WithInsights("act_15", insightsRows(120)...))
	var infos []appevents.CallInfo
	client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithAppSecret(coreSecret),
		appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) { infos = append(infos, info) }),
		appevents.WithHTTPClient(&http.Client{Transport: graph}))
	query := appevents.InsightsQuery{PageSize: 50}
	rows, err := readInsights(t, client, "act_15", query)
	require.NoError(t, err)
	require.Len(t, rows, 120)
	var total appevents.Decimal
	for i, row := range rows {
		require.Equal(t, strconv.Itoa(i), row.Leads().String())
		require.NotContains(t, fmt.Sprintf("%+v %s", row, row.Raw), coreToken)
		total = total.Add(row.Spend)
	}
	require.Equal(t, "132.00", total.String())
	calls := graph.Calls()
	require.Len(t, calls, 3)
	for i, call := range calls {
		require.Empty(t, call.Problems)
		require.Equal(t, "header", call.TokenIn)
		_, after := call.Field("after")
		require.Equal(t, i > 0, after)
		require.Equal(t, appevents.Scope{Kind: appevents.ScopeAd, ID: "15"}, infos[i].Scope)
		require.Equal(t, "insights", infos[i].Edge)
	}

	again, err := readInsights(t, client, "act_15", query)
	require.NoError(t, err)
	require.Len(t, again, 120)
}

func TestInsights_ReadsNoMoreThanTheLoopAsksFor(t *testing.T) {
	t.Parallel()
	graph := graphtest.New(graphtest.WithInsights("15", insightsRows(60)...))
	client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: graph}))
	rows := client.Insights(t.Context(), "15", appevents.InsightsQuery{PageSize: 20})
	require.Zero(t, graph.Count(), "nothing is read before the loop")
	n := 0
	for _, err := range rows {
		require.NoError(t, err)
		if n++; n == 21 {
			break
		}
	}
	require.Equal(t, 2, graph.Count())
	n = 0
	for range rows {
		n++
	}
	require.Equal(t, 60, n, "a second loop begins at the first row")
}

func TestInsights_AnErrorEndsTheLoop(t *testing.T) {
	t.Parallel()
	const first = `{"data":[{"spend":"1"}],"paging":{"cursors":{"after":"A"},"next":"https://graph.facebook.com/x?access_token=` + coreToken + `"}}`
	for name, test := range map[string]struct {
		second httpmock.Responder
		text   string
	}{
		"refused":         {answer(400, `{"error":{"code":200,"message":"m"}}`), "needs the ads_read permission"},
		"throttled":       {answer(400, `{"error":{"code":80000,"message":"m"}}`), "stop calling for a while"},
		"no data":         {answer(200, `{"paging":{}}`), "the answer holds no insights"},
		"null":            {answer(200, `{"data":null}`), "the answer holds no insights"},
		"not a list":      {answer(200, `{"data":{"spend":"1"}}`), "the answer holds no insights"},
		"row is a text":   {answer(200, `{"data":["x"]}`), "the answer holds no insights"},
		"spend":           {answer(200, `{"data":[{"spend":"a lot"}]}`), "the column spend cannot be read"},
		"exponent":        {answer(200, `{"data":[{"spend":1e3}]}`), "the column spend cannot be read"},
		"actions":         {answer(200, `{"data":[{"actions":"x"}]}`), "the column actions cannot be read"},
		"action":          {answer(200, `{"data":[{"actions":["x"]}]}`), "the column actions cannot be read"},
		"action value":    {answer(200, `{"data":[{"actions":[{"value":"NaN"}]}]}`), "the column actions cannot be read"},
		"action window":   {answer(200, `{"data":[{"actions":[{"7d_click":"x"}]}]}`), "the column actions cannot be read"},
		"no cursor":       {answer(200, `{"data":[],"paging":{"next":"https://x"}}`), "does not say where it begins"},
		"the same cursor": {answer(200, `{"data":[],"paging":{"cursors":{"after":"A"},"next":"https://x"}}`), "does not say where it begins"},
		"an HTML page":    {answer(502, `<html>`), "the answer is an HTML page"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, answer(200, first), test.second)
			rows, err := readInsights(t, m.client(t, appevents.WithAccessToken(coreToken), oneAttempt()), "15", appevents.InsightsQuery{})
			require.Len(t, rows, 1)
			require.ErrorContains(t, err, "appevents: read insights: ")
			require.ErrorContains(t, err, test.text)
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), coreToken)
		})
	}
}

func TestInsights_EndsWhenGraphDoesNot(t *testing.T) {
	t.Parallel()
	pages := 0
	edge := roundTrip(func(*http.Request) (*http.Response, error) {
		pages++
		return httpmock.NewStringResponse(200, fmt.Sprintf(`{"data":[],"paging":{"cursors":{"after":"%d"},"next":"x"}}`, pages)), nil
	})
	client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: edge}))
	rows, err := readInsights(t, client, "15", appevents.InsightsQuery{})
	require.Empty(t, rows)
	require.ErrorContains(t, err, "the rows do not end after 10000 pages")
	require.Equal(t, 10_000, pages)
}

func TestInsights_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n := 0
		for _, err := range newMock(t, hang).client(t, appevents.WithAccessToken(coreToken)).
			Insights(ctx, "15", appevents.InsightsQuery{}) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			n++
		}
		require.Equal(t, 1, n)
	})
}

func FuzzInsightsRow(f *testing.F) {
	f.Add(`{"spend":"88.10","actions":[{"action_type":"lead","value":"1","7d_click":"1","action_device":"x"}]}`)
	f.Add(`{"spend":1e9,"actions":null,"account_id":15,"date_start":null}`)
	f.Add(`{"actions":[{"value":"1","28d_view":{}}],"reach":"-1.50"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var row appevents.InsightsRow
		if json.Unmarshal([]byte(text), &row) != nil {
			return
		}
		for _, number := range []appevents.Decimal{row.Spend, row.Reach, row.Leads(), row.ConversationsStarted()} {
			if _, ok := number.Int64(); ok && !json.Valid([]byte(number.String())) && strings.Trim(number.String(), "-0123456789.") != "" {
				t.Errorf("odd number %q", number)
			}
		}
		_, _ = row.CostPerLead(2)
		if out, err := json.Marshal(row); err != nil || !json.Valid(out) {
			t.Errorf("%v: %s", err, out)
		}
	})
}
