package appevents_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
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

const convDataset = "5501"

// lead is a valid conversion whose ID is its number.
func lead(n int) appevents.Conversion {
	return appevents.Conversion{
		Name: appevents.ConversionLeadSubmitted, ID: strconv.Itoa(n),
		Thread: appevents.Thread{PageID: corePage, PSID: appevents.ID(strconv.Itoa(7_000_000 + n))},
	}
}

func leads(n int) []appevents.Conversion {
	all := make([]appevents.Conversion, n)
	for i := range all {
		all[i] = lead(i)
	}
	return all
}

// strictEdge is the all-or-nothing edge: it takes a request only when none of its events is bad.
type strictEdge struct {
	bad      map[int]bool
	received []int // how often each event was taken
	sizes    []int // of the requests
	longest  int   // body, in bytes
	fault    func(request int) *http.Response
	last     string // body
}

func newStrictEdge(n int, bad ...int) *strictEdge {
	e := &strictEdge{bad: make(map[int]bool), received: make([]int, n)}
	for _, i := range bad {
		e.bad[i] = true
	}
	return e
}

// RoundTrip reads the event IDs out of the body, which is all that matters here; graphtest looks at the rest.
func (e *strictEdge) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	e.last, e.longest = string(body), max(e.longest, len(body))
	var ids []int
	for _, part := range strings.Split(e.last, `"event_id":"`)[1:] {
		text, _, _ := strings.Cut(part, `"`)
		id, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	e.sizes = append(e.sizes, len(ids))
	if e.fault != nil {
		if resp := e.fault(len(e.sizes)); resp != nil {
			return resp, nil
		}
	}
	if slices.ContainsFunc(ids, func(id int) bool { return e.bad[id] }) {
		return httpmock.NewStringResponse(http.StatusBadRequest, `{"error":{"message":"Invalid parameter","type":`+
			`"OAuthException","code":100,"error_subcode":2804003,"is_transient":false,`+
			`"error_data":{"blame_field_specs":[["data","event_time"]]}}}`), nil
	}
	for _, id := range ids {
		e.received[id]++
	}
	return httpmock.NewStringResponse(http.StatusOK, fmt.Sprintf(`{"events_received":%d}`, len(ids))), nil
}

func (e *strictEdge) client(t testing.TB, opts ...appevents.Option) *appevents.Client {
	t.Helper()
	return mustClient(t, append(opts, appevents.WithAccessToken(coreToken),
		appevents.WithHTTPClient(&http.Client{Transport: e}))...)
}

// requireIsolated checks that the bad events were found and every other arrived exactly once.
func requireIsolated(t *testing.T, e *strictEdge, result *appevents.ConversionsResult, err error) {
	t.Helper()
	var bad []int
	for i, times := range e.received {
		if e.bad[i] {
			bad = append(bad, i)
			require.Zero(t, times, i)
		} else {
			require.Equal(t, 1, times, "event %d", i)
		}
	}
	require.Equal(t, len(e.received)-len(bad), result.Received)
	require.Equal(t, len(e.sizes), result.Requests)
	if len(bad) == 0 {
		require.NoError(t, err)
		require.Empty(t, result.Failed)
		return
	}
	var failed *appevents.ConversionsError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, result.Failed, failed.Failed)
	require.Equal(t, len(e.received), failed.Total)
	require.ErrorIs(t, err, appevents.ErrInvalidParameter)
	require.Equal(t, appevents.OutcomeRefused, appevents.OutcomeOf(err))
	found := make([]int, len(result.Failed))
	for i, failure := range result.Failed {
		found[i] = failure.Index
		require.Equal(t, appevents.OutcomeRefused, appevents.OutcomeOf(failure.Err))
	}
	require.Equal(t, bad, found)
}

func TestSendConversions_OneBadAmongAThousand(t *testing.T) {
	t.Parallel()
	for _, bad := range []int{0, 1, 124, 125, 499, 500, 501, 750, 998, 999} {
		t.Run(strconv.Itoa(bad), func(t *testing.T) {
			t.Parallel()
			edge := newStrictEdge(1000, bad)
			result, err := edge.client(t).SendConversions(t.Context(), convDataset, leads(1000)...)
			requireIsolated(t, edge, result, err)
			require.LessOrEqual(t, result.Requests, 21)
			if bad == 999 { // what is left over is bad without asking
				require.Equal(t, 12, result.Requests)
			}
			require.ErrorContains(t, err, fmt.Sprintf("appevents: send conversions: 1 of 1000 not accepted: "+
				"conversions[%d]: graph error 100/2804003 (HTTP 400): Invalid parameter [data.event_time]; "+
				"event_time is more than 7 days ago", bad))
		})
	}
}

func TestSendConversions_AnySetOfBadOnesIsIsolated(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(20261120, 5))
	for round := range 100 {
		n := 1 + random.IntN(80)
		density := random.Float64() * random.Float64()
		if round == 0 {
			n, density = 2300, 0.01 // several requests
		}
		var bad []int
		for i := range n {
			if random.Float64() < density {
				bad = append(bad, i)
			}
		}
		edge := newStrictEdge(n, bad...)
		result, err := edge.client(t).SendConversions(t.Context(), convDataset, leads(n)...)
		requireIsolated(t, edge, result, err)
		halvings := 1
		for size := min(n, 1000); size > 1; size = (size + 1) / 2 {
			halvings++
		}
		whole := (n + 999) / 1000
		require.LessOrEqual(t, result.Requests, whole+2*halvings*len(bad), "n %d, bad %v", n, bad)
		require.LessOrEqual(t, result.Requests, 2*n)
	}
}

func TestSendConversions_StopsLookingWhenAllAreBad(t *testing.T) {
	t.Parallel()
	edge := newStrictEdge(1001)
	for i := range 1000 {
		edge.bad[i] = true // as when a dataset is not linked to the Page
	}
	result, err := edge.client(t).SendConversions(t.Context(), convDataset, leads(1001)...)
	require.ErrorIs(t, err, appevents.ErrInvalidParameter)
	require.LessOrEqual(t, result.Requests, 160)
	require.Equal(t, 1, result.Received, "the next request is sent all the same")
	require.Len(t, result.Failed, 1000)
	refused := 0
	for i, failure := range result.Failed {
		require.Equal(t, i, failure.Index)
		if appevents.OutcomeOf(failure.Err) == appevents.OutcomeRefused {
			refused++
			continue
		}
		require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(failure.Err))
		require.ErrorIs(t, failure.Err, appevents.ErrInvalidParameter)
		require.ErrorContains(t, failure.Err, "not sent: refused together with others, and not tried alone: ")
	}
	require.GreaterOrEqual(t, refused, 64)
	require.Less(t, refused, 70)
}

func TestSendConversions_ABadClusterIsNoReasonToStop(t *testing.T) {
	t.Parallel()
	edge := newStrictEdge(1000)
	for i := range 200 {
		edge.bad[i] = true
	}
	result, err := edge.client(t).SendConversions(t.Context(), convDataset, leads(1000)...)
	requireIsolated(t, edge, result, err)
}

func TestSendConversions_SendsAThousandAtATime(t *testing.T) {
	t.Parallel()
	edge := newStrictEdge(2001)
	result, err := edge.client(t).SendConversions(t.Context(), convDataset, leads(2001)...)
	requireIsolated(t, edge, result, err)
	require.Equal(t, []int{1000, 1000, 1}, edge.sizes)
	require.Equal(t, 1, result.Attempts)
	require.JSONEq(t, `{"events_received":1}`, string(result.Raw))
}

func TestSendConversions_BoundsTheBody(t *testing.T) {
	t.Parallel()
	const megabyte = 1 << 20
	heavy := func(n, size int) appevents.Conversion {
		c := lead(n)
		c.Data.Custom = map[string]any{"note": strings.Repeat("x", size)}
		return c
	}
	edge := newStrictEdge(7)
	all := make([]appevents.Conversion, 0, 7)
	for n := range 5 {
		all = append(all, heavy(n, 300<<10))
	}
	all = append(all, heavy(5, megabyte), lead(6))
	result, err := edge.client(t, appevents.WithPartnerAgent("acme")).SendConversions(t.Context(), convDataset, all...)
	require.Equal(t, []int{3, 3}, edge.sizes)
	require.LessOrEqual(t, edge.longest, megabyte)
	require.Equal(t, 6, result.Received)
	require.Len(t, result.Failed, 1)
	var invalid *appevents.ValidationError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, []appevents.Issue{{
		Path: "conversions[5]", Rule: appevents.RuleLength, Message: "must take less than a megabyte",
	}}, invalid.Issues)

	exact := newStrictEdge(2)
	_, err = exact.client(t).SendConversions(t.Context(), convDataset, heavy(0, 100))
	require.NoError(t, err)
	room := megabyte - len(exact.last)
	result, err = exact.client(t).SendConversions(t.Context(), convDataset, heavy(1, 100+room), heavy(0, 100+room+1))
	require.Equal(t, []string{"conversions[1] (length)"}, problemsOf(t, err))
	require.Len(t, exact.last, megabyte, "the limit itself")
	require.Equal(t, 1, result.Received)
}

func TestSendConversions_InvalidOnesDoNotSpoilTheOthers(t *testing.T) {
	t.Parallel()
	edge := newStrictEdge(4, 2)
	all := leads(4)
	all[0].Name = "Lead"
	all[3].Thread.PSID = ""
	result, err := edge.client(t).SendConversions(t.Context(), convDataset, all...)
	require.Equal(t, []int{0, 1, 0, 0}, edge.received)
	require.Equal(t, []int{2, 1, 1}, edge.sizes)
	require.Equal(t, 1, result.Received)
	require.Len(t, result.Failed, 3)
	var invalid *appevents.ValidationError
	require.ErrorAs(t, result.Failed[0].Err, &invalid)
	require.Equal(t, "conversions[0].name", invalid.Issues[0].Path)
	require.ErrorIs(t, result.Failed[1].Err, appevents.ErrInvalidParameter)
	require.ErrorAs(t, result.Failed[2].Err, &invalid)
	require.Equal(t, "conversions[3].thread.psid", invalid.Issues[0].Path)
	for i, index := range []int{0, 2, 3} {
		require.Equal(t, index, result.Failed[i].Index)
	}
	require.ErrorContains(t, err, "3 of 4 not accepted: conversions[0]: invalid call: conversions[0].name: ")
}

func TestSendConversions_RefusesACallThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dataset string
		all     []appevents.Conversion
		path    string
		failed  int
	}{
		"nothing to send":   {convDataset, nil, "conversions", 0},
		"no dataset":        {"", leads(2), "dataset_id", 2},
		"not an ID":         {"../me", leads(2), "dataset_id", 2},
		"leading zero":      {"0551", leads(1), "dataset_id", 1},
		"invalid ones also": {"x", []appevents.Conversion{{}}, "conversions[0].thread", 1},
		"two conversations": {convDataset, []appevents.Conversion{{Name: "Purchase", Value: new(1.0), Thread: convThread(),
			WhatsApp: whatsApp().WhatsApp, Data: appevents.ConversionData{Currency: "EUR"}}}, "conversions[0]", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := newMock(t).client(t, appevents.WithAccessToken(coreToken)).
				SendConversions(t.Context(), test.dataset, test.all...)
			require.NotNil(t, result)
			require.Zero(t, result.Requests)
			require.Len(t, result.Failed, test.failed)
			var invalid *appevents.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, test.path, invalid.Issues[0].Path)
			require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err))
		})
	}
}

// conversionOutcomes counts the failures of a result by outcome.
func conversionOutcomes(result *appevents.ConversionsResult) map[appevents.Outcome]int {
	counts := make(map[appevents.Outcome]int)
	for _, failure := range result.Failed {
		counts[appevents.OutcomeOf(failure.Err)]++
	}
	return counts
}

func TestSendConversions_WhatEndsTheCall(t *testing.T) {
	t.Parallel()
	reply := func(status int, body string) *http.Response { return httpmock.NewStringResponse(status, body) }
	for name, test := range map[string]struct {
		reply   *http.Response
		is      error
		outcome appevents.Outcome
	}{
		"throttled":            {reply(400, `{"error":{"code":80004,"message":"m"}}`), appevents.ErrThrottled, appevents.OutcomeRefused},
		"token":                {reply(401, `{"error":{"code":190,"message":"m"}}`), appevents.ErrAuth, appevents.OutcomeRefused},
		"permission":           {reply(403, `{"error":{"code":200,"message":"m"}}`), appevents.ErrPermission, appevents.OutcomeRefused},
		"no such dataset":      {reply(400, `{"error":{"code":100,"error_subcode":33,"message":"m"}}`), appevents.ErrNotFound, appevents.OutcomeRefused},
		"policy":               {reply(400, `{"error":{"code":368,"message":"m"}}`), appevents.ErrPolicy, appevents.OutcomeRefused},
		"transient":            {reply(500, `{"error":{"code":2,"message":"m"}}`), appevents.ErrTransient, appevents.OutcomeRefused},
		"transient parameter":  {reply(500, `{"error":{"code":100,"message":"m","is_transient":true}}`), appevents.ErrTransient, appevents.OutcomeRefused},
		"another parameter":    {reply(400, `{"error":{"code":2500,"message":"m"}}`), appevents.ErrInvalidParameter, appevents.OutcomeRefused},
		"no answer":            {reply(200, ``), appevents.ErrUnknownOutcome, appevents.OutcomeUnknown},
		"gateway":              {reply(502, `<html>`), appevents.ErrUnknownOutcome, appevents.OutcomeUnknown},
		"fewer received":       {reply(200, `{"events_received":999}`), appevents.ErrUnknownOutcome, appevents.OutcomeUnknown},
		"more received":        {reply(200, `{"events_received":1001}`), appevents.ErrUnknownOutcome, appevents.OutcomeUnknown},
		"nothing said":         {reply(200, `{"success":true}`), appevents.ErrUnknownOutcome, appevents.OutcomeUnknown},
		"not a number":         {reply(200, `{"events_received":[1000]}`), appevents.ErrUnknownOutcome, appevents.OutcomeUnknown},
		"in the first of many": {reply(200, `{"messages":"x"}`), appevents.ErrUnknownOutcome, appevents.OutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			edge := newStrictEdge(3000)
			edge.fault = func(request int) *http.Response {
				if request == 2 {
					return test.reply
				}
				return nil
			}
			all := leads(3000)
			all[2500].Name = "Lead"
			result, err := edge.client(t, oneAttempt()).SendConversions(t.Context(), convDataset, all...)
			require.Equal(t, []int{1000, 1000}, edge.sizes, "nothing is sent afterwards")
			require.Equal(t, 1000, result.Received)
			require.Len(t, result.Failed, 2000)
			require.ErrorIs(t, err, test.is)
			for i, failure := range result.Failed {
				require.Equal(t, 1000+i, failure.Index)
				switch {
				case i < 1000:
					require.ErrorIs(t, failure.Err, test.is)
					require.Equal(t, test.outcome, appevents.OutcomeOf(failure.Err))
				case i == 1500:
					var invalid *appevents.ValidationError
					require.ErrorAs(t, failure.Err, &invalid)
				default:
					require.NotErrorIs(t, failure.Err, appevents.ErrUnknownOutcome)
					require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(failure.Err))
				}
			}
			if test.outcome == appevents.OutcomeUnknown {
				require.Equal(t, appevents.OutcomeUnknown, appevents.OutcomeOf(err), "the worst decides")
			}
			require.ErrorContains(t, err, "; conversions[2000] to [2499]: not sent: an earlier request of the call failed; ")
		})
	}
}

func TestSendConversions_SaysHowManyWereReceived(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"events_received":1}`:  "2 events were sent, 1 received",
		`{"events_received":""}`: "the answer does not say how many events were received",
		`{"id":"1"}`:             "the answer does not say how many events were received",
	} {
		_, err := newMock(t, answer(200, body)).client(t, appevents.WithAccessToken(coreToken)).
			SendConversions(t.Context(), convDataset, leads(2)...)
		require.ErrorContains(t, err, want, body)
	}
}

func TestSendConversions_WhatEndsTheCallWhileHalving(t *testing.T) {
	t.Parallel()
	edge := newStrictEdge(8, 0, 7)
	edge.fault = func(request int) *http.Response {
		if request == 4 { // of [0,8) [0,4) [4,8) and a quarter
			return httpmock.NewStringResponse(http.StatusBadGateway, "")
		}
		return nil
	}
	result, err := edge.client(t).SendConversions(t.Context(), convDataset, leads(8)...)
	require.ErrorIs(t, err, appevents.ErrUnknownOutcome)
	require.Equal(t, appevents.OutcomeUnknown, appevents.OutcomeOf(err))
	require.Equal(t, []int{8, 4, 4, 2}, edge.sizes)
	require.Zero(t, result.Received)
	require.Len(t, result.Failed, 8)
	require.Equal(t, map[appevents.Outcome]int{appevents.OutcomeUnknown: 2, appevents.OutcomeNotSent: 6}, conversionOutcomes(result))
}

func TestSendConversions_ATimeoutIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMock(t, answer(http.StatusBadRequest, `{"error":{"code":100,"error_subcode":2804003}}`), hang)
		result, err := m.client(t, appevents.WithAccessToken(coreToken), appevents.WithTimeout(time.Second)).
			SendConversions(t.Context(), convDataset, leads(4)...)
		require.Equal(t, appevents.OutcomeUnknown, appevents.OutcomeOf(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, map[appevents.Outcome]int{appevents.OutcomeUnknown: 2, appevents.OutcomeNotSent: 2}, conversionOutcomes(result))
		require.Equal(t, 2, result.Requests)
	})
}

func TestSendConversions_WithoutATokenSendsNothing(t *testing.T) {
	t.Parallel()
	result, err := newMock(t).client(t).SendConversions(t.Context(), convDataset, leads(1500)...)
	require.ErrorIs(t, err, appevents.ErrNoToken)
	require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err))
	require.Zero(t, result.Requests)
	require.Len(t, result.Failed, 1500)
	require.ErrorIs(t, result.Failed[1499].Err, appevents.ErrNoToken)
	require.ErrorContains(t, err, "1500 of 1500 not accepted: conversions[0] to [1499]: not sent: ")
}

func TestSendConversions_AsksForTheTokenOfTheDataset(t *testing.T) {
	t.Parallel()
	var scopes []appevents.Scope
	source := appevents.TokenFunc(func(_ context.Context, scope appevents.Scope) (string, error) {
		scopes = append(scopes, scope)
		return coreToken, nil
	})
	var seen []appevents.CallInfo
	m := newMock(t, answer(http.StatusOK, `{"events_received":1}`))
	_, err := m.client(t, appevents.WithTokenSource(source),
		appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) { seen = append(seen, info) })).
		SendConversions(t.Context(), convDataset, lead(1))
	require.NoError(t, err)
	require.Equal(t, []appevents.Scope{{Kind: appevents.ScopeDataset, ID: convDataset}}, scopes)
	require.Len(t, seen, 1)
	require.Equal(t, "send conversions", seen[0].Op)
	require.Equal(t, "events", seen[0].Edge)
	sent := m.requests()[0]
	require.Equal(t, http.MethodPost, sent.method)
	require.Equal(t, "https://graph.facebook.com/v26.0/5501/events", sent.url)
	require.Equal(t, "application/json", sent.header.Get("Content-Type"))
}

func TestSendConversions_RepeatsWhatGraphCallsTransient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMock(t, transient(), answer(http.StatusOK, `{"events_received":1}`))
		result, err := m.client(t, appevents.WithAccessToken(coreToken)).SendConversions(t.Context(), convDataset, lead(1))
		require.NoError(t, err)
		require.Equal(t, 1, result.Requests)
		require.Equal(t, 2, result.Attempts)
	})
}

func TestSendConversions_KeepsMetasMessages(t *testing.T) {
	t.Parallel()
	many := `"` + strings.Repeat(`m","`, 150) + `m"`
	m := newMock(t,
		answer(http.StatusOK, `{"events_received":1000,"messages":["slow down",{"code":7}]}`),
		answer(http.StatusOK, `{"events_received":"1","messages":[`+many+`]}`))
	result, err := m.client(t, appevents.WithAccessToken(coreToken)).SendConversions(t.Context(), convDataset, leads(1001)...)
	require.NoError(t, err)
	require.Equal(t, []string{"slow down", `{"code":7}`, "m"}, result.Messages[:3])
	require.Len(t, result.Messages, 100)
}

func TestSendConversions_SendsTheClientsOptions(t *testing.T) {
	t.Parallel()
	edge := newStrictEdge(2)
	client := edge.client(t, appevents.WithPartnerAgent("acme_bot"), appevents.WithTestEventCode("TEST4711"))
	_, err := client.SendConversions(t.Context(), convDataset, lead(0))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(edge.last, `],"partner_agent":"acme_bot","test_event_code":"TEST4711"}`), edge.last)
	_, err = edge.client(t).SendConversions(t.Context(), convDataset, lead(1))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(edge.last, `}}]}`), edge.last)
}

func TestWithPartnerAgent_AndWithTestEventCode_RefuseWhatMetaWould(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		option appevents.Option
		field  string
	}{
		"no letters":    {appevents.WithPartnerAgent("12345"), "WithPartnerAgent"},
		"one letter":    {appevents.WithPartnerAgent("a12345"), "WithPartnerAgent"},
		"23 characters": {appevents.WithPartnerAgent(strings.Repeat("a", 23)), "WithPartnerAgent"},
		"control":       {appevents.WithPartnerAgent("ab\n"), "WithPartnerAgent"},
		"empty":         {appevents.WithPartnerAgent(""), "WithPartnerAgent"},
		"empty code":    {appevents.WithTestEventCode(""), "WithTestEventCode"},
		"long code":     {appevents.WithTestEventCode(strings.Repeat("T", 101)), "WithTestEventCode"},
		"odd code":      {appevents.WithTestEventCode("TEST 1"), "WithTestEventCode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := appevents.New(coreApp, test.option)
			var wrong *appevents.ConfigError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, test.field, wrong.Field)
		})
	}
	for _, option := range []appevents.Option{
		appevents.WithPartnerAgent("ab"), appevents.WithPartnerAgent(strings.Repeat("Z", 22)),
		appevents.WithTestEventCode("T"), appevents.WithTestEventCode(strings.Repeat("T", 100)),
	} {
		_, err := appevents.New(coreApp, option)
		require.NoError(t, err)
	}
}

func TestSendConversions_AgainstTheStandIn(t *testing.T) {
	t.Parallel()
	graph := graphtest.New(graphtest.WithDataset(convDataset, corePage))
	client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithAppSecret(coreSecret),
		appevents.WithHTTPClient(&http.Client{Transport: graph}))
	all := leads(3)
	all[1].Thread.PageID = "902" // not attached: 2804065
	result, err := client.SendConversions(t.Context(), convDataset, all...)
	require.ErrorContains(t, err, "conversions[1]: graph error 100/2804065")
	require.Equal(t, 2, result.Received)
	var graphErr *appevents.GraphError
	require.ErrorAs(t, result.Failed[0].Err, &graphErr)
	require.Equal(t, 2804065, graphErr.Subcode)
}

// The error of the call and those of single conversions must not share memory.
func TestSendConversions_BlamesTheDatasetAndNotTheNeighbour(t *testing.T) {
	t.Parallel()
	nameless := lead(1)
	nameless.Name = "no such name"
	result, err := newMock(t).client(t).SendConversions(t.Context(), "", lead(0), nameless, lead(2))
	var failed *appevents.ConversionsError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, failed.Failed, result.Failed)
	paths := make([]string, len(result.Failed))
	for i, failure := range result.Failed {
		require.Equal(t, i, failure.Index)
		require.Equal(t, i == 1, failure.Alone)
		paths[i] = issuesOf(t, failure.Err)[0].Path
	}
	require.Equal(t, []string{"dataset_id", "conversions[1].name", "dataset_id"}, paths)
	require.ErrorContains(t, err, "conversions[0]: invalid call: dataset_id: must be set")
}

func TestSendConversions_SaysWhichWereTriedAlone(t *testing.T) {
	t.Parallel()
	alone := func(failed []appevents.ConversionFailure) map[int]bool {
		got := make(map[int]bool)
		for _, failure := range failed {
			got[failure.Index] = failure.Alone
		}
		return got
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		edge := newStrictEdge(5, 1, 3)
		result, err := edge.client(t).SendConversions(t.Context(), convDataset, leads(5)...)
		require.Error(t, err)
		require.Equal(t, map[int]bool{1: true, 3: true}, alone(result.Failed))
	})
	t.Run("ended together", func(t *testing.T) {
		t.Parallel()
		edge := newStrictEdge(3)
		edge.fault = func(int) *http.Response {
			return httpmock.NewStringResponse(http.StatusForbidden, `{"error":{"code":200}}`)
		}
		result, err := edge.client(t).SendConversions(t.Context(), convDataset, leads(3)...)
		require.ErrorIs(t, err, appevents.ErrPermission)
		require.Equal(t, map[int]bool{0: false, 1: false, 2: false}, alone(result.Failed))
		result, err = edge.client(t).SendConversions(t.Context(), convDataset, leads(1)...)
		require.ErrorIs(t, err, appevents.ErrPermission)
		require.Equal(t, map[int]bool{0: true}, alone(result.Failed))
	})
	t.Run("not looked into", func(t *testing.T) {
		t.Parallel()
		bad := make([]int, 1000)
		for i := range bad {
			bad[i] = i
		}
		result, err := newStrictEdge(1000, bad...).client(t).SendConversions(t.Context(), convDataset, leads(1000)...)
		require.Error(t, err)
		for index, tried := range alone(result.Failed) {
			graph := new(appevents.GraphError)
			require.ErrorAs(t, result.Failed[index].Err, &graph)
			require.Equal(t, tried, appevents.OutcomeOf(result.Failed[index].Err) == appevents.OutcomeRefused, index)
		}
	})
}
