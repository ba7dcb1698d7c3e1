package appevents_test

import (
	"encoding/json"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// storableCalls has one full call of each kind.
func storableCalls(t *testing.T) map[string]appevents.Call {
	t.Helper()
	person := appevents.UserData{Email: "canary@example.com", Phone: "+1 650 555 1212", LastName: "Canarius"}
	thread := appevents.Thread{PageID: "107001112223334", PSID: "18139494541428835"}
	event := appevents.Purchase(55.22, "USD")
	event.Time = time.Now().Add(-time.Hour)
	event.ID = "order-1"
	event.Params.Custom = map[string]any{"long": int64(18139494541428835), "note": "gift"}
	conversion, err := event.Conversion(thread)
	require.NoError(t, err)
	conversion.UserData = person
	return map[string]appevents.Call{
		"activity": &appevents.Activity{
			Thread: thread, UserData: person, Consent: appevents.ConsentAllowed, Events: []appevents.Event{event},
			Extra: map[string]string{"note": "x"},
		},
		"conversions": &appevents.ConversionCall{DatasetID: "5501", Conversions: []appevents.Conversion{conversion}},
		"install": &appevents.Install{
			Device: appevents.Device{AdvertiserID: "1111-1111-1111-1111"}, UserData: person,
			ClientIP: netip.MustParseAddr("192.0.2.1"), Consent: appevents.ConsentDenied, ConsiderViews: true,
		},
		"page activity": &appevents.PageActivity{
			Thread: thread, Target: appevents.TargetPage, Consent: appevents.ConsentAllowed,
			Events: []appevents.Event{event},
		},
	}
}

func TestMarshalCall_KeepsTheCallAndHashesThePerson(t *testing.T) {
	t.Parallel()
	for name, call := range storableCalls(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, call.Validate())
			stored, err := appevents.MarshalCall(call)
			require.NoError(t, err)
			for _, raw := range []string{"canary", "Canarius", "canarius", "650 555", "16505551212"} {
				require.NotContains(t, string(stored), raw)
			}
			back, err := appevents.UnmarshalCall(stored)
			require.NoError(t, err)
			require.IsType(t, call, back)
			require.NoError(t, back.Validate())
			require.Empty(t, back.Warnings())
			require.Equal(t, call.Scope(), back.Scope())
			again, err := appevents.MarshalCall(back)
			require.NoError(t, err)
			require.JSONEq(t, string(stored), string(again), "storing twice changes nothing")
		})
	}
}

// What MarshalCall's comment says of each field: personal data is stored as digests, all else as it was given.
func TestMarshalCall_StoresWhatItSays(t *testing.T) {
	t.Parallel()
	hashed := make(map[string]bool)
	for _, text := range []string{
		"canary-em@example.com", "+1 650 555 1212", "canaryfn", "canaryln", "canaryct", "canaryst", "canary-external",
	} {
		hashed[text] = true
	}
	person := appevents.UserData{
		Email: "canary-em@example.com", Phone: "+1 650 555 1212", FirstName: "canaryfn", LastName: "canaryln",
		City: "canaryct", State: "canaryst", ExternalID: "canary-external", Gender: "canary-unusable",
	}
	device := appevents.Device{AdvertiserID: "canary-advertiser", PushToken: "canary-push", UserID: "canary-user"}
	event := appevents.Event{
		Name: "visit", UserID: "canary-event-user", SessionID: "canary-session",
		Params: appevents.Params{SearchString: "canary-search", Custom: map[string]any{"note": "canary-custom"}},
	}
	asGiven := []string{
		"canary-advertiser", "canary-push", "canary-user", "canary-event-user", "canary-session", "canary-search",
		"canary-custom", "canary-receipts", "canary-referrer", "canary-extra", "192.0.2.77",
	}
	call := &appevents.Activity{
		Device: device, UserData: person, ClientIP: netip.MustParseAddr("192.0.2.77"), Consent: appevents.ConsentAllowed,
		Events: []appevents.Event{event}, Bundle: appevents.Bundle{Receipts: "canary-receipts"},
		Measurement: appevents.Measurement{InstallReferrer: "canary-referrer"},
		Extra:       map[string]string{"note": "canary-extra"},
	}
	conversion := appevents.Conversion{
		Name: "visit", UserData: person, App: &appevents.AppConversion{
			Device: device, ClientIP: netip.MustParseAddr("192.0.2.77"), Receipts: "canary-receipts",
			InstallReferrer: "canary-referrer",
		},
	}
	for kind, stored := range map[string]struct {
		call    appevents.Call
		asGiven []string
	}{
		"activity": {call, asGiven},
		"install": {&appevents.Install{
			Device: device, UserData: person, ClientIP: call.ClientIP, Bundle: call.Bundle, Measurement: call.Measurement,
		}, []string{"canary-push", "canary-receipts", "canary-referrer", "192.0.2.77"}},
		"conversions": {
			&appevents.ConversionCall{DatasetID: "1", Conversions: []appevents.Conversion{conversion}},
			[]string{"canary-push", "canary-receipts", "canary-referrer", "192.0.2.77"},
		},
	} {
		text, err := appevents.MarshalCall(stored.call)
		require.NoError(t, err)
		for raw := range hashed {
			require.NotContains(t, string(text), raw, kind)
		}
		require.NotContains(t, string(text), "canary-unusable", kind)
		for _, given := range stored.asGiven {
			require.Contains(t, string(text), given, kind)
		}
	}
}

// A time made from milliseconds makes a wrong call, but one that can be stored, read back and reported.
func TestMarshalCall_TimesFarInTheFuture(t *testing.T) {
	t.Parallel()
	for _, millis := range []int64{1700000000000, math.MaxInt32 * 1000} {
		far := time.Unix(millis, 0)
		event := appevents.Event{Name: "visit", Time: far}
		for path, call := range map[string]appevents.Call{
			"events[0].time": &appevents.Activity{
				Thread: aThread(), Consent: appevents.ConsentAllowed, Events: []appevents.Event{event},
			},
			"installed_at": installCall(func(in *appevents.Install) { in.InstalledAt = far }),
			"measurement.last_session": installCall(func(in *appevents.Install) {
				in.Measurement.LastSession = far
			}),
			"measurement.sources[0].source_event_time": installCall(func(in *appevents.Install) {
				in.Measurement.Sources = []appevents.AttributionSource{{EventTime: far}}
			}),
			"conversions[0].time": &appevents.ConversionCall{DatasetID: "1", Conversions: []appevents.Conversion{{
				Name: appevents.ConversionLeadSubmitted, Thread: aThread(), Time: far,
			}}},
		} {
			requireIssue(t, call.Validate(), path, appevents.RuleRange, "UnixMilli")
			stored, err := appevents.MarshalCall(call)
			require.NoError(t, err, path)
			requireIssue(t, call.Validate(), path, appevents.RuleRange, "UnixMilli") // it was left alone
			back, err := appevents.UnmarshalCall(stored)
			require.NoError(t, err, path)
			requireIssue(t, back.Validate(), path, appevents.RuleRange, "UnixMilli")
		}
	}
}

func TestCall_Scope(t *testing.T) {
	t.Parallel()
	calls := storableCalls(t)
	require.Equal(t, appevents.Scope{Kind: appevents.ScopeApp}, calls["activity"].Scope())
	require.Equal(t, appevents.Scope{Kind: appevents.ScopeApp}, calls["install"].Scope())
	require.Equal(t, appevents.Scope{Kind: appevents.ScopePage, ID: "107001112223334"}, calls["page activity"].Scope())
	require.Equal(t, appevents.Scope{Kind: appevents.ScopeDataset, ID: "5501"}, calls["conversions"].Scope())
	require.Equal(t, appevents.ScopePage, (*appevents.PageActivity)(nil).Scope().Kind)
	require.Equal(t, appevents.ScopeDataset, (*appevents.ConversionCall)(nil).Scope().Kind)
}

func TestCall_NilIsRefused(t *testing.T) {
	t.Parallel()
	_, err := appevents.MarshalCall(nil)
	require.Error(t, err)
	for _, call := range []appevents.Call{
		(*appevents.Activity)(nil), (*appevents.Install)(nil), (*appevents.PageActivity)(nil),
		(*appevents.ConversionCall)(nil),
	} {
		var invalid *appevents.ValidationError
		require.ErrorAs(t, call.Validate(), &invalid)
		require.Nil(t, call.Warnings())
		_, err := appevents.MarshalCall(call)
		require.Error(t, err)
	}
}

func TestUnmarshalCall_RefusesWhatIsNoCall(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `null`, `[]`, `{}`, `{"kind":"activity"}`, `{"kind":"activity","call":null}`, `{"kind":"other","call":{}}`,
		`{"kind":"activity","call":{}`, `{"kind":"activity","call":{}}}`, `{"kind":"activity","call":{}}{}`,
		`{"kind":"activity","call":{},}`, `{"kind":"activity","call":{}]}`, `{"kind":"activ","ity","call":{}}`,
		`{"kind":"activity","call":[]}`, `{"kind":"install","call":{"client_ip":"nowhere"}}`,
	} {
		_, err := appevents.UnmarshalCall([]byte(text))
		require.Error(t, err, text)
	}
}

func TestMarshalCall_WritesPlainJSON(t *testing.T) {
	t.Parallel()
	for name, call := range storableCalls(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stored, err := appevents.MarshalCall(call)
			require.NoError(t, err)
			var parts struct {
				Kind string          `json:"kind"`
				Call json.RawMessage `json:"call"`
			}
			require.NoError(t, json.Unmarshal(stored, &parts))
			again, err := json.Marshal(parts)
			require.NoError(t, err)
			require.Equal(t, string(again), string(stored))
		})
	}
}

func TestUnmarshalCall_ReadsWhatOthersWrote(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"kind":"conversions","call":{"dataset_id":"5501","conversions":[]}}`,
		` { "call" : {"dataset_id":"5501"}, "kind" : "conversions", "new": [1] } `,
		`{"kind":"conversions","call":{"dataset_id":"1"},"call":{"dataset_id":"5501"}}`, // as JSON has it: the last counts
		`{"kind":"activity","call":{},"kind":"conversions","call":{"dataset_id":"5501"}}`,
		`{"kind":"conversions","call":{"dataset_id":"5501"} }`,
	} {
		call, err := appevents.UnmarshalCall([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, appevents.Scope{Kind: appevents.ScopeDataset, ID: "5501"}, call.Scope(), text)
	}
}

func FuzzUnmarshalCall(f *testing.F) {
	f.Add([]byte(`{"kind":"activity","call":{"thread":{"page_id":"1","psid":2},"events":[{"name":"a","params":{"custom":{"a":1}}}]}}`))
	f.Add([]byte(`{"kind":"conversions","call":{"dataset_id":"1","conversions":[{"name":"Purchase","data":{"custom":{"a":[]}}}]}}`))
	f.Add([]byte(`{"kind":"install","call":{"client_ip":"::1","user_data":{"em":"x"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		call, err := appevents.UnmarshalCall(data)
		if err != nil {
			return
		}
		require.True(t, json.Valid(data), "only JSON is read")
		_ = call.Validate()
		_ = call.Warnings()
		stored, err := appevents.MarshalCall(call)
		if err != nil {
			return // a value that JSON cannot hold
		}
		back, err := appevents.UnmarshalCall(stored)
		require.NoError(t, err)
		require.Equal(t, call.Scope(), back.Scope())
	})
}
