package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/graphtest"
)

const leadsToken = "EAABleadscanary0123456789"

// leadsRun runs leads against graph, inside a bubble: waits cost nothing.
func leadsRun(t *testing.T, graph http.RoundTripper, args ...string) (got result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var stdout, stderr buffer
		p := &program{
			stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, graph: graph,
			environ: []string{"APP_ID=771", "ACCESS_TOKEN=" + leadsToken},
		}
		code := p.run(t.Context(), append([]string{"leads"}, args...))
		got = result{code, stdout.String(), stderr.String()}
	})
	require.NotContains(t, got.stdout+got.stderr, "canary")
	require.NotContains(t, got.stdout+got.stderr, "\x1b")
	return got
}

// adRow is a row of one ad and day.
func adRow(campaign, ad string, day, leads int, spend string) string {
	name, _ := json.Marshal(campaign)
	return fmt.Sprintf(`{"account_id":"15","account_name":"Mug Shop","account_currency":"EUR","campaign_id":"81",`+
		`"campaign_name":%s,"adset_id":"82","adset_name":"Grown-ups","ad_id":"83","ad_name":%q,`+
		`"actions":[{"action_type":%q,"value":"%d"},{"action_type":%q,"value":"7"}],"spend":%q,"reach":"900",`+
		`"date_start":"2026-11-%02d","date_stop":"2026-11-%02d"}`,
		name, ad, appevents.ActionLeadGrouped, leads, appevents.ActionConversationStarted, spend, day, day)
}

func TestLeads(t *testing.T) {
	t.Parallel()
	graph := graphtest.New(graphtest.WithInsights("act_15",
		adRow("Spring", "Red mug", 1, 4, "10.00"), adRow("Spring", "Red mug", 2, 0, "3.5")))
	got := leadsRun(t, graph, "act_15", "--since", "2026-11-01", "--until", "2026-11-02", "--level", "ad", "--by", "day")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, strings.Join([]string{
		"CAMPAIGN\tAD SET\tAD\tID\tDAY\tLEADS\tCOST PER LEAD\tCONVERSATIONS\tSPEND\tCURRENCY",
		"Spring\tGrown-ups\tRed mug\t83\t2026-11-01\t4\t2.50\t7\t10.00\tEUR",
		"Spring\tGrown-ups\tRed mug\t83\t2026-11-02\t0\t\t7\t3.5\tEUR", "",
	}, "\n"), got.stdout)
	require.Empty(t, got.stderr)
	call := graph.Calls()[0]
	require.Empty(t, call.Problems)
	for name, want := range map[string]string{
		"level": "ad", "time_increment": "1", "time_range": `{"since":"2026-11-01","until":"2026-11-02"}`,
	} {
		value, _ := call.Field(name)
		require.Equal(t, want, value)
	}
}

func TestLeads_Levels(t *testing.T) {
	t.Parallel()
	row := adRow("Spring", "Red mug", 1, 4, "10.00")
	for _, tt := range []struct {
		object, level, want string
		asked               string
	}{
		{"act_15", "", "CAMPAIGN\tID\tSINCE\tUNTIL\tLEADS", "campaign"},
		{"act_15", "account", "ACCOUNT\tID\tSINCE\tUNTIL\tLEADS", "account"},
		{"act_15", "adset", "CAMPAIGN\tAD SET\tID\tSINCE", "adset"},
		{"81", "", "CAMPAIGN\tAD SET\tAD\tID\tSINCE", "ad"},
	} {
		graph := graphtest.New(graphtest.WithInsights(tt.object, row))
		args := []string{tt.object, "--preset", "last_7d"}
		if tt.level != "" {
			args = append(args, "--level", tt.level)
		}
		got := leadsRun(t, graph, args...)
		require.Zero(t, got.code, got.stderr)
		require.Contains(t, got.stdout, tt.want)
		require.NotContains(t, got.stdout, "REACH")
		level, _ := graph.Calls()[0].Field("level")
		require.Equal(t, tt.asked, level)
		require.Empty(t, graph.Problems())
	}
}

func TestLeads_JSON(t *testing.T) {
	t.Parallel()
	graph := graphtest.New(graphtest.WithInsights("act_15", adRow("Spring", "Red mug", 1, 4, "10.00"),
		`{"ad_id":"99","actions":[{"action_type":"onsite_conversion.lead_grouped","value":"2"}]}`))
	got := leadsRun(t, graph, "act_15", "--level", "ad", "--json")
	require.Zero(t, got.code, got.stderr)
	list := jsonLines(t, got.stdout)
	require.Len(t, list, 2)
	require.Equal(t, map[string]any{
		"schema": 1.0, "account_id": "15", "account_name": "Mug Shop", "campaign_id": "81", "campaign_name": "Spring",
		"adset_id": "82", "adset_name": "Grown-ups", "ad_id": "83", "ad_name": "Red mug", "since": "2026-11-01",
		"until": "2026-11-01", "leads": 4.0, "cost_per_lead": "2.50", "conversations": 7.0, "spend": "10.00", "currency": "EUR",
	}, list[0])
	require.Nil(t, list[1]["spend"], "what Meta did not say is not zero")
	require.Nil(t, list[1]["cost_per_lead"])
	require.EqualValues(t, 2, list[1]["leads"])
}

func TestLeads_CSVIsSafeInASpreadsheet(t *testing.T) {
	t.Parallel()
	campaigns := []string{
		"Spring", "=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r\n=1", " =1", "＝1", "a, \"b\"\nc", "Dé\x1b[2J",
	}
	var list []string
	for _, campaign := range campaigns {
		list = append(list, adRow(campaign, "ad", 1, 1, "-2.50"))
	}
	got := leadsRun(t, graphtest.New(graphtest.WithInsights("act_15", list...)), "act_15", "--csv")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, len(campaigns)+1, strings.Count(got.stdout, "\r\n"))
	records, err := csv.NewReader(strings.NewReader(got.stdout)).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, len(campaigns)+1)
	for i, want := range []string{
		"Spring", "'=cmd|' /C calc'!A0", "'+1", "'-1+1", "'@SUM(A1)", "' =1", "'  =1", "' =1", "'＝1", `a, "b" c`, "Dé�[2J",
	} {
		require.Equal(t, want, records[i+1][0])
		require.Equal(t, "-2.50", records[i+1][7], "figures are left alone")
	}
}

func TestLeads_Pages(t *testing.T) {
	t.Parallel()
	const n = 3*leadsPage + 7
	list := make([]string, n)
	for i := range list {
		list[i] = adRow("Spring", fmt.Sprint("ad ", i), 1, i, "1.00")
	}
	graph := graphtest.New(graphtest.WithInsights("act_15", list...))
	got := leadsRun(t, graph, "act_15", "--level", "ad")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, n+1, strings.Count(got.stdout, "\n"))
	require.Equal(t, 4, graph.Count())
	require.NotContains(t, got.stderr, "\r")
}

func TestLeads_LongRangesAreReports(t *testing.T) {
	t.Parallel()
	row := adRow("Spring", "ad", 1, 4, "10.00")
	for _, args := range [][]string{
		{"--since", "2026-01-01", "--until", "2026-06-30", "--by", "day"}, {"--preset", "last_year", "--by", "day"},
	} {
		graph := graphtest.New(graphtest.WithInsights("act_15", row))
		got := leadsRun(t, graph, append([]string{"act_15"}, args...)...)
		require.Zero(t, got.code, got.stderr)
		require.Contains(t, got.stdout, "Spring\t81")
		require.Equal(t, http.MethodPost, graph.Calls()[0].Method)
		require.Empty(t, graph.Problems())
	}
}

func TestLeads_TooMuchDataBecomesAReport(t *testing.T) {
	t.Parallel()
	for _, fault := range []graphtest.Fault{
		graphtest.Error(100, 1487534),
		graphtest.Reply(http.StatusInternalServerError,
			`{"error":{"code":1,"message":"Please reduce the amount of data you're asking for, then retry your request"}}`),
	} {
		graph := graphtest.New(graphtest.WithInsights("act_15", adRow("Spring", "ad", 1, 4, "10.00")))
		graph.Inject(fault)
		got := leadsRun(t, graph, "act_15")
		require.Zero(t, got.code, got.stderr)
		require.Contains(t, got.stdout, "Spring\t81")
		require.Contains(t, got.stderr, "makes a report")
	}
}

func TestLeads_NoneIsSaidInWords(t *testing.T) {
	t.Parallel()
	got := leadsRun(t, graphtest.New(graphtest.WithInsights("act_16", "{}")), "act_15")
	require.Zero(t, got.code)
	require.Contains(t, got.stderr, "no leads")
	require.Equal(t, "CAMPAIGN\tID\tSINCE\tUNTIL\tLEADS\tCOST PER LEAD\tCONVERSATIONS\tSPEND\tCURRENCY\n", got.stdout)
	got = leadsRun(t, graphtest.New(graphtest.WithInsights("act_15", adRow("Spring", "ad", 1, 0, "3"))), "act_15", "--json")
	require.Zero(t, got.code)
	require.Contains(t, got.stderr, "no leads")
	require.Len(t, jsonLines(t, got.stdout), 1)
}

func TestLeads_Errors(t *testing.T) {
	t.Parallel()
	const n = leadsPage + 1
	list := make([]string, n)
	for i := range list {
		list[i] = adRow("Spring", fmt.Sprint("ad ", i), 1, i, "1.00")
	}
	for _, tt := range []struct {
		name  string
		fault graphtest.Fault
		code  int
		want  string
	}{
		{"throttled", graphtest.Throttle, exitThrottled, "not before "},
		{"token", graphtest.ExpiredToken, exitCredentials, "190"},
		{"permission", graphtest.MissingPermission, exitCredentials, "ads_read"},
		{"reset", graphtest.Times(3, graphtest.Reset), exitUnknown, ""},
		{"truncated", graphtest.Times(3, graphtest.Truncate), exitUnknown, ""},
		{"gateway", graphtest.Times(3, graphtest.HTML), exitUnknown, ""},
		{"once reset", graphtest.Reset, exitDone, ""},
		{"once truncated", graphtest.Truncate, exitDone, ""},
	} {
		for _, first := range []bool{true, false} {
			for _, format := range []string{"", "--json", "--csv"} {
				t.Run(fmt.Sprint(tt.name, first, format), func(t *testing.T) {
					t.Parallel()
					graph := graphtest.New(graphtest.WithInsights("act_15", list...))
					if !first {
						graph.Inject(graphtest.None)
					}
					graph.Inject(tt.fault)
					args := []string{"act_15", "--level", "ad"}
					if format != "" {
						args = append(args, format)
					}
					got := leadsRun(t, graph, args...)
					require.Equal(t, tt.code, got.code, got.stderr)
					lines := strings.Count(got.stdout, "\n")
					header := 1
					if format == "--json" {
						header = 0
						jsonLines(t, got.stdout)
					}
					switch {
					case tt.code == exitDone:
						require.Equal(t, n+header, lines)
						return
					case first:
						require.Zero(t, lines)
					default:
						require.Equal(t, leadsPage+header, lines, "what was read is printed")
						require.Contains(t, got.stderr, "only the first 200 rows")
					}
					require.Contains(t, got.stderr, tt.want)
					if format == "--json" {
						require.Len(t, jsonLines(t, got.stderr), 1)
					}
				})
			}
		}
	}
}

func TestLeads_Usage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"Mug Shop"}, "the object must be"},
		{[]string{"act_"}, "the object must be"},
		{[]string{"act_15", "--since", "1.11.2026"}, "--since must be a day"},
		{[]string{"act_15", "--since", "2026-02-30"}, "--since must be a day"},
		{[]string{"act_15", "--until", "2026-11-01"}, "--until needs --since"},
		{[]string{"act_15", "--since", "2026-11-02", "--until", "2026-11-01"}, "--until is before --since"},
		{[]string{"act_15", "--since", "2199-01-01"}, "--since is after today"},
		{[]string{"act_15", "--preset", "last_7d", "--since", "2026-11-02"}, "exclude each other"},
		{[]string{"act_15", "--preset", "last_7days"}, `did you mean "last_7d"?`},
		{[]string{"act_15", "--level", "page"}, "--level must be one of"},
		{[]string{"act_15", "--csv", "--json"}, "exclude each other"},
	} {
		got := leadsRun(t, graphtest.New(), tt.args...)
		require.Equal(t, exitUsage, got.code, tt.args)
		require.Empty(t, got.stdout)
		require.Contains(t, got.stderr, tt.want)
	}
	got := invocation{env: []string{"APP_ID=771"}}.run(t, "leads", "act_15")
	require.Equal(t, exitCredentials, got.code)
	require.Contains(t, got.stderr, "no access token")
}

func TestLeads_Totals(t *testing.T) {
	t.Parallel()
	l := (&leadsCommand{}).printer(&program{}, appevents.LevelCampaign)
	for _, r := range []leadsRow{
		{Leads: "4", Conversations: "9", Spend: new("10.00"), Currency: "EUR"},
		{Leads: "2", Conversations: "1", Spend: new("2.6"), Currency: "EUR"},
		{Leads: "0", Conversations: "0", Spend: new("1"), Currency: "USD"},
		{Leads: "5", Conversations: "0", Currency: ""},
	} {
		l.add(&r)
	}
	require.Equal(t, "11", l.leads.String())
	for i, want := range []string{
		"total,,,,6,2.10,10,12.60,EUR", "total,,,,0,,0,1,USD", "total,,,,5,,0,,", // never a cost of zero that nobody stated
	} {
		require.Equal(t, want, strings.Join(l.total(l.totals[i]), ","))
	}
}

// emulated is the emulator without a socket.
type emulated struct{ *emulator.Emulator }

func (e emulated) RoundTrip(req *http.Request) (*http.Response, error) {
	recorded := httptest.NewRecorder()
	e.ServeHTTP(recorded, req)
	return recorded.Result(), nil
}

// The emulator knows which of its people came through an ad, and answers /insights from the leads of the session.
func TestLeads_OfTheEmulator(t *testing.T) {
	t.Parallel()
	meta, err := emulator.New(emulator.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = meta.Close() })
	creds := meta.Credentials()
	run := func(args ...string) result {
		var stdout, stderr buffer
		p := &program{
			stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, graph: emulated{meta},
			environ: []string{
				"APP_ID=" + creds.AppID, "ACCESS_TOKEN=" + creds.AppID + "|" + creds.AppSecret,
				"APPEVENTS_BASE_URL=http://127.0.0.1:8226",
			},
		}
		code := p.run(t.Context(), args)
		return result{code, stdout.String(), stderr.String()}
	}
	const viaAd = "6543210987654322"
	sent := run("send", "lead_submitted", "--page", creds.PageID, "--psid", viaAd, "--consent", "allowed")
	require.Zero(t, sent.code, sent.stderr)
	got := run("leads", "act_15", "--level", "ad", "--json")
	require.Zero(t, got.code, got.stderr)
	list := jsonLines(t, got.stdout)
	require.Len(t, list, 1)
	require.Equal(t, "6302572858686", list[0]["ad_id"])
	require.EqualValues(t, 1, list[0]["leads"])
	require.Nil(t, list[0]["cost_per_lead"], "the emulator spends nothing, and says nothing of it")
}
