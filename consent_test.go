package appevents_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// Both flags are always sent, each after its own choice, on both edges.
func TestConsent_OnTheWire(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithAccessToken("token"))
	for _, test := range []struct {
		consent                 appevents.Consent
		advertiser, application string
	}{
		{appevents.ConsentAllowed, "1", "1"},
		{appevents.ConsentDenied, "0", "0"},
		{appevents.Consent{Advertiser: appevents.Allowed, Application: appevents.Denied}, "1", "0"},
		{appevents.Consent{Advertiser: appevents.Denied, Application: appevents.Allowed}, "0", "1"},
	} {
		for _, call := range []any{
			consent(test.consent),
			installCall(func(in *appevents.Install) { in.Consent = test.consent }),
		} {
			_, err := tap.send(t.Context(), call)
			require.NoError(t, err)
			form := tap.form(t, len(tap.sent)-1)
			require.Equal(t, test.advertiser, form.Get("advertiser_tracking_enabled"))
			require.Equal(t, test.application, form.Get("application_tracking_enabled"))
		}
		_, err := tap.send(t.Context(), pageCall(func(p *appevents.PageActivity) { p.Consent = test.consent }))
		require.NoError(t, err)
		params := tap.sent[len(tap.sent)-1].Params
		require.Equal(t, json.Number(test.advertiser), params["advertiser_tracking_enabled"])
		require.Equal(t, json.Number(test.application), params["application_tracking_enabled"])
	}
	tap.requireAccepted(t)
}

func TestTracking_Text(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		tracking appevents.Tracking
		text     string
		words    string
	}{
		{0, "", "not stated"},
		{appevents.Allowed, "allowed", "allowed"},
		{appevents.Denied, "denied", "denied"},
		{7, "", "not stated"},
	} {
		require.Equal(t, test.words, test.tracking.String())
		text, err := test.tracking.MarshalText()
		require.NoError(t, err)
		require.Equal(t, test.text, string(text))
	}
	for text, want := range map[string]appevents.Tracking{
		"": 0, "allowed": appevents.Allowed, "denied": appevents.Denied,
	} {
		got := appevents.Tracking(9)
		require.NoError(t, got.UnmarshalText([]byte(text)))
		require.Equal(t, want, got)
	}
	for _, text := range []string{"1", "true", "Allowed", "not stated"} {
		got := appevents.Denied
		require.Error(t, got.UnmarshalText([]byte(text)))
		require.Equal(t, appevents.Denied, got)
	}
}

func TestConsent_JSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]appevents.Consent{
		`{}`: {},
		`{"advertiser":"allowed","application":"allowed"}`: appevents.ConsentAllowed,
		`{"advertiser":"denied","application":"denied"}`:   appevents.ConsentDenied,
		`{"application":"denied"}`:                         {Application: appevents.Denied},
	} {
		stored, err := json.Marshal(want)
		require.NoError(t, err)
		require.Equal(t, text, string(stored))
		var got appevents.Consent
		require.NoError(t, json.Unmarshal(stored, &got))
		require.Equal(t, want, got)
	}
	require.Error(t, json.Unmarshal([]byte(`{"advertiser":1}`), new(appevents.Consent)), "flags of the wire are no choices")
}

func TestDataProcessing_OnTheWire(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t)
	for _, test := range []struct {
		options                 appevents.DataProcessing
		sent                    bool
		list, country, province string
	}{
		{appevents.DataProcessing{}, false, "", "", ""},
		{appevents.DataProcessing{Declared: true}, true, `[]`, "0", "0"},
		{appevents.DataProcessing{LimitedDataUse: true}, true, `["LDU"]`, "0", "0"},
		{appevents.DataProcessing{LimitedDataUse: true, Country: 1, State: 1000}, true, `["LDU"]`, "1", "1000"},
		{appevents.DataProcessing{Declared: true, Country: 1}, true, `[]`, "1", "0"},
	} {
		for _, call := range []any{
			processing(test.options),
			installCall(func(in *appevents.Install) { in.DataProcessing = test.options }),
			botCall(func(a *appevents.Activity) { a.DataProcessing = test.options }),
		} {
			_, err := tap.send(t.Context(), call)
			require.NoError(t, err)
			form := tap.form(t, len(tap.sent)-1)
			require.Equal(t, test.sent, form.Has("data_processing_options"))
			require.Equal(t, test.sent, form.Has("data_processing_options_country"))
			require.Equal(t, test.sent, form.Has("data_processing_options_state"))
			require.Equal(t, test.list, form.Get("data_processing_options"))
			require.Equal(t, test.country, form.Get("data_processing_options_country"))
			require.Equal(t, test.province, form.Get("data_processing_options_state"))
		}
	}
	tap.requireAccepted(t)
}
