package appevents_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// Every kind of answer in testdata/responses, read by both calls to /activities.
func TestActivityResult(t *testing.T) {
	t.Parallel()
	clicked, seen := time.Unix(1699990000, 0).UTC(), time.Unix(1699980000, 0).UTC()
	for _, test := range []struct {
		file string
		drop string
		want *appevents.Claim
	}{
		{"success", "", nil},
		{"success_with_more", "", nil},
		{"drop_reason", "duplicate install", nil},
		{"drop_reason_of_another_kind", "", nil},
		{"claim_click", "", &appevents.Claim{
			IsFB: true, IsPaid: true, IsExternal: true, IsInstagram: true, IsModeled: true, IsSameIP: true,
			IsPlayableAd: true, IsAAACampaign: true, IsMobileDataTermsSigned: true, ClickTime: clicked,
			AccountID: "18139494541428835", AdID: "6002", AdGroupID: "6003", AdGroupName: "Ad", AdObjectiveName: "APP_INSTALLS",
			CampaignID: "6004", CampaignName: "Ad set", CampaignGroupID: "6005", CampaignGroupName: "Campaign",
			CreativeID: "6006", AppLinkClass: "com.example.Main", AppLinkURL: "example://mug", AppLinkArgs: json.RawMessage(`{"a":1}`),
			DeviceModel: "iPhone15,3", OSVersion: "17.4", EngagementType: "click", TraceID: "trace-1", FBCLID: "fbclid-1",
			EventID: "event-1", Vertical: "retail", SubVertical: "mugs", AdvertiserRegion: "EU",
			AdditionalTouchpoints: json.RawMessage(`[{"ad_id":"6007"}]`),
		}},
		{"claim_view_through", "", &appevents.Claim{IsFB: true, IsViewThrough: true, ViewTime: seen, AdID: "6002", CampaignID: "6004"}},
		{"claim_odd_kinds", "", &appevents.Claim{
			IsPaid: true, ClickTime: clicked, AdID: "18139494541428835", CampaignName: "Ad set",
		}},
		{"claim_times", "", &appevents.Claim{ClickTime: clicked, ViewTime: seen}},
		{"deferred_app_link", "", &appevents.Claim{AppLinkURL: "example://mug", AppLinkArgs: json.RawMessage(`"{\"a\":1}"`)}},
		{"not_claimed", "", &appevents.Claim{}},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			body, err := os.ReadFile(filepath.Join("testdata", "responses", test.file+".json"))
			require.NoError(t, err)
			tap := newWireTap(t)
			tap.answer = func(int, *http.Request) (*http.Response, error) {
				resp := httpmock.NewBytesResponse(http.StatusOK, body)
				resp.Header.Set("X-Fb-Trace-Id", "trace")
				resp.Header.Set("Facebook-Api-Version", "v26.0")
				return resp, nil
			}
			install, err := tap.client.LogInstall(t.Context(), installCall(func(*appevents.Install) {}))
			require.NoError(t, err)
			activity, err := tap.client.LogActivity(t.Context(), appCall(func(*appevents.Activity) {}))
			require.NoError(t, err)
			require.Equal(t, 0, install.Events)
			require.Equal(t, 1, activity.Events)
			for _, got := range []*appevents.ActivityResult{install, activity} {
				require.Equal(t, test.drop, got.DropReason)
				require.Equal(t, test.want, got.Claim)
				require.Equal(t, 1, got.Requests)
				require.Equal(t, 1, got.Attempts)
				require.Equal(t, http.StatusOK, got.StatusCode)
				require.Equal(t, "trace", got.TraceID)
				require.False(t, got.Drifted())
				require.Equal(t, string(body), string(got.Raw), "nothing is lost")
			}
		})
	}
}

// {"success":false} is a failure, whatever it says besides.
func TestActivityResult_Failure(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t).answers(`{"success":false,"drop_reason":"none of ours","is_fb":true}`)
	result, err := tap.client.LogInstall(t.Context(), installCall(func(*appevents.Install) {}))
	require.Nil(t, result)
	require.Equal(t, appevents.OutcomeRefused, appevents.OutcomeOf(err))
}

// Of several requests, the last answer is kept, and the last claim and reason that Graph gave.
func TestActivityResult_OfSeveralRequests(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithMaxEvents(1))
	answers := []string{`{"success":true,"ad_id":"1"}`, `{"success":true,"drop_reason":"late"}`, `{"success":true}`}
	tap.answer = func(n int, _ *http.Request) (*http.Response, error) {
		return httpmock.NewStringResponse(http.StatusOK, answers[n-1]), nil
	}
	got, err := tap.client.LogActivity(t.Context(), appCall(func(a *appevents.Activity) { a.Events = numbered(3) }))
	require.NoError(t, err)
	require.Equal(t, &appevents.Claim{AdID: "1"}, got.Claim)
	require.Equal(t, "late", got.DropReason)
	require.Equal(t, answers[2], string(got.Raw))
	require.Equal(t, 3, got.Requests)
	require.Equal(t, 3, got.Events)
}

// Each of the members that make an answer a claim does so alone.
func TestActivityResult_WhatMakesAClaim(t *testing.T) {
	t.Parallel()
	for member, want := range map[string]*appevents.Claim{
		`"is_fb":false`:                  {},
		`"ad_id":1`:                      {AdID: "1"},
		`"campaign_id":"2"`:              {CampaignID: "2"},
		`"click_time":1699990000`:        {ClickTime: time.Unix(1699990000, 0).UTC()},
		`"view_time":"1699980000"`:       {ViewTime: time.Unix(1699980000, 0).UTC()},
		`"applink_url":"example://a"`:    {AppLinkURL: "example://a"},
		`"applink_class":"a.B"`:          {AppLinkClass: "a.B"},
		`"applink_args":{"a":1}`:         {AppLinkArgs: json.RawMessage(`{"a":1}`)},
		`"is_fb":null`:                   nil,
		`"trace_id":"a"`:                 nil,
		`"ad_id":null,"click_time":null`: nil,
	} {
		tap := newWireTap(t).answers(`{"success":true,` + member + `}`)
		got, err := tap.client.LogInstall(t.Context(), installCall(func(*appevents.Install) {}))
		require.NoError(t, err)
		require.Equal(t, want, got.Claim, member)
	}
}

func TestClaim_Times(t *testing.T) {
	t.Parallel()
	moment := time.Unix(1699990000, 0).UTC()
	for text, want := range map[string]time.Time{
		`1699990000`:                 moment,
		`"1699990000"`:               moment,
		`"2023-11-14T19:26:40Z"`:     moment,
		`"2023-11-14T19:26:40+0000"`: moment,
		`"2023-11-14T20:26:40+0100"`: moment,
		`0`:                          {},
		`"0"`:                        {},
		`-1699990000`:                {},
		`1699990000.5`:               {},
		`99999999999999999999`:       {},
		`1699990000000`:              {}, // milliseconds: no year that JSON can hold
		`253402300799`:               time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		`"9999-12-31T23:59:59-0100"`: {},
		`"0001-01-01T00:00:00Z"`:     {},
		`"1970-01-01T00:00:00Z"`:     {},
		`"yesterday"`:                {},
		`""`:                         {},
		`true`:                       {},
		`null`:                       {},
		`[1699990000]`:               {},
		`{}`:                         {},
	} {
		var got appevents.Claim
		require.NoError(t, json.Unmarshal([]byte(`{"ad_id":"1","click_time":`+text+`,"view_time":`+text+`}`), &got), text)
		require.Equal(t, appevents.Claim{AdID: "1", ClickTime: want, ViewTime: want}, got, text)
	}
	for _, text := range []string{`1`, `"a"`, `[]`, `true`} {
		require.Error(t, json.Unmarshal([]byte(text), new(appevents.Claim)), text)
	}
}

// Answers come from outside: whatever they hold, reading them neither fails nor panics, one odd member hides no other,
// and what was read is the same after storage.
func FuzzClaim(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "responses", "*.json"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(body)
	}
	f.Add([]byte(`{"click_time":"\"1","view_time":1699990000000}`))
	f.Add([]byte(`{"CLICK_TIME":1,"Click_Time":"2","ad_id":"\ud800"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var members map[string]json.RawMessage
		isObject := json.Unmarshal(body, &members) == nil
		var claim appevents.Claim
		require.Equal(t, isObject, json.Unmarshal(body, &claim) == nil)
		if !isObject {
			return
		}
		stored, err := json.Marshal(claim)
		require.NoError(t, err)
		var again appevents.Claim
		require.NoError(t, json.Unmarshal(stored, &again))
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(stored), string(twice))
	})
}
