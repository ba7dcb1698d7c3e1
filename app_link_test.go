package appevents_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// Everything a look-up can say, on the wire.
func TestClient_DeferredAppLink(t *testing.T) {
	t.Parallel()
	var scopes []appevents.Scope
	var ops []string
	tap := newWireTap(t,
		appevents.WithTokenSource(appevents.TokenFunc(func(_ context.Context, scope appevents.Scope) (string, error) {
			scopes = append(scopes, scope)
			return appevents.AppToken("771", "rest-of-token"), nil
		})),
		appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) { ops = append(ops, info.Op) }))
	result, err := tap.client.DeferredAppLink(t.Context(), appevents.AppLinkQuery{
		Device: appevents.Device{
			AdvertiserID: "1111-1111-1111-1111", Attribution: "abcDEF0123456789ghiJKL", AnonID: "XZ1111", VendorID: "2222",
			UserID: "customer-3", PlayerID: "4444",
		},
		ExtInfo:        appevents.ExtInfo{Platform: appevents.IOS, PackageName: "com.example.shop", OSVersion: "17.4"},
		ClientIP:       netip.MustParseAddr("2001:db8::1"),
		Consent:        appevents.Consent{Advertiser: appevents.Denied, Application: appevents.Allowed},
		DataProcessing: appevents.DataProcessing{LimitedDataUse: true, Country: 1, State: 1000},
		Bundle: appevents.Bundle{
			ID: "com.example.shop", PackageName: "com.example.shop", URLSchemes: []string{"fb771"},
			CircuitBreakerTimeout: time.Second,
		},
		Extra: map[string]string{"debug": "all"},
	})
	require.NoError(t, err)
	require.Equal(t, &appevents.Claim{}, result.Claim, "Meta answered, and no link was waiting")
	require.Equal(t, 1, result.Requests)
	require.Zero(t, result.Events)
	require.Len(t, tap.sent, 1)
	requireGolden(t, "deferred_app_link", tap.sent[0])
	tap.requireAccepted(t)
	require.Equal(t, "DEFERRED_APP_LINK", tap.graph.Calls()[0].Activity)
	require.Equal(t, []appevents.Scope{{Kind: appevents.ScopeApp, ID: "771"}}, scopes)
	require.Equal(t, []string{"look up deferred app link"}, ops)
}

// Each of the three identifiers is enough, nothing else is sent, and no token is needed.
func TestClient_DeferredAppLink_Identifiers(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t)
	for name, device := range map[string]appevents.Device{
		"advertiser_id": {AdvertiserID: "abcDEF0123456789ghiJKL"},
		"attribution":   {Attribution: "abcDEF0123456789ghiJKL"},
		"anon_id":       {AnonID: "abcDEF0123456789ghiJKL"},
	} {
		_, err := tap.client.DeferredAppLink(t.Context(),
			appevents.AppLinkQuery{Device: device, Consent: appevents.ConsentAllowed})
		require.NoError(t, err)
		require.Equal(t, url.Values{
			"event": {"DEFERRED_APP_LINK"}, "advertiser_tracking_enabled": {"1"}, "application_tracking_enabled": {"1"},
			name: {"abcDEF0123456789ghiJKL"},
		}, tap.form(t, len(tap.sent)-1))
	}
	tap.requireAccepted(t)
}

// What Meta may answer: a link in whole or in part, or that there is none.
func TestClient_DeferredAppLink_Answers(t *testing.T) {
	t.Parallel()
	query := appLinkQuery(func(*appevents.AppLinkQuery) {})
	for body, want := range map[string]*appevents.Claim{
		`{"applink_url":"example://mug","applink_class":"a.B","applink_args":{"a":1},"click_time":1699990000,"is_fb":true}`: {
			AppLinkURL: "example://mug", AppLinkClass: "a.B", AppLinkArgs: json.RawMessage(`{"a":1}`), IsFB: true,
			ClickTime: time.Unix(1699990000, 0).UTC(),
		},
		`{"applink_args":"{\"a\":1}"}`:          {AppLinkArgs: json.RawMessage(`"{\"a\":1}"`)},
		`{"is_fb":false,"applink_url":null}`:    {},
		`{"applink_url":null}`:                  nil,
		`{"success":true}`:                      nil,
		`{"success":true,"drop_reason":"late"}`: nil,
	} {
		tap := newWireTap(t).answers(body)
		result, err := tap.client.DeferredAppLink(t.Context(), query)
		require.NoError(t, err, body)
		require.Equal(t, want, result.Claim, body)
		require.Equal(t, body, string(result.Raw))
	}

	tap := newWireTap(t, appevents.WithVersion("v25.0"))
	tap.graph.Inject(graphtest.MissingPermission)
	result, err := tap.client.DeferredAppLink(t.Context(), query)
	require.Nil(t, result)
	require.ErrorIs(t, err, appevents.ErrPermission)
	require.ErrorContains(t, err, "look up deferred app link")
	require.Equal(t, "/v25.0/771/activities", tap.sent[0].Path)

	tap.answer = func(int, *http.Request) (*http.Response, error) {
		return httpmock.NewStringResponse(http.StatusOK, `{"success":false}`), nil
	}
	_, err = tap.client.DeferredAppLink(t.Context(), query)
	require.Equal(t, appevents.OutcomeRefused, appevents.OutcomeOf(err))
}

// A refused look-up sends nothing.
func TestClient_DeferredAppLink_SendsNothingInvalid(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t)
	result, err := tap.client.DeferredAppLink(t.Context(), appevents.AppLinkQuery{})
	require.Nil(t, result)
	require.Equal(t, []string{"device required", "consent.advertiser required", "consent.application required"},
		pathsAndRules(issuesOf(t, err)))
	require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err))
	require.Empty(t, tap.sent)
}

func TestAppLinkQuery_Warnings(t *testing.T) {
	t.Parallel()
	query := appLinkQuery(func(*appevents.AppLinkQuery) {})
	require.Nil(t, query.Warnings())
	query.Device.AdvertiserID = "00000000-0000-0000-0000-000000000000"
	require.Equal(t, []string{"device.advertiser_id format"}, pathsAndRules(query.Warnings()))
}

// A look-up is answered at once or not at all: it cannot be stored for later.
func TestAppLinkQuery_IsNoCall(t *testing.T) {
	t.Parallel()
	for _, query := range []any{appevents.AppLinkQuery{}, new(appevents.AppLinkQuery)} {
		_, isCall := query.(appevents.Call)
		require.False(t, isCall)
	}
}
