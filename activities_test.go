package appevents_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

var update = flag.Bool("update", false, "rewrite the golden files below testdata/requests")

// wireTap keeps what a client sends, and lets the stand-in Graph API answer.
type wireTap struct {
	client *appevents.Client
	graph  *graphtest.Server
	sent   []wireRequest
	answer func(n int, req *http.Request) (*http.Response, error) // takes the place of graph; n counts from 1
}

// wireRequest is a request as it left, decoded.
type wireRequest struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitzero"`
	Params  map[string]any    `json:"params"`

	body []byte
}

func newWireTap(tb testing.TB, opts ...appevents.Option) *wireTap {
	tb.Helper()
	tap := &wireTap{graph: graphtest.New()}
	transport := httpmock.NewMockTransport()
	transport.RegisterNoResponder(func(req *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		require.NoError(tb, err)
		req.Body = io.NopCloser(bytes.NewReader(body))
		tap.sent = append(tap.sent, decodeRequest(tb, req, body))
		if tap.answer != nil {
			return tap.answer(len(tap.sent), req)
		}
		return tap.graph.RoundTrip(req)
	})
	opts = append([]appevents.Option{
		appevents.WithHTTPClient(&http.Client{Transport: transport}),
		appevents.WithRetry(appevents.RetryPolicy{MaxAttempts: 1}),
	}, opts...)
	client, err := appevents.New("771", opts...)
	require.NoError(tb, err)
	tap.client = client
	return tap
}

// answers lets tap answer every call with this JSON.
func (w *wireTap) answers(body string) *wireTap {
	w.answer = func(int, *http.Request) (*http.Response, error) {
		return httpmock.NewStringResponse(http.StatusOK, body), nil
	}
	return w
}

// form returns the parameters of the n-th request, a form, with the texts as they left.
func (w *wireTap) form(tb testing.TB, n int) url.Values {
	tb.Helper()
	require.Greater(tb, len(w.sent), n)
	form, err := url.ParseQuery(string(w.sent[n].body))
	require.NoError(tb, err)
	return form
}

// decodeRequest reads a request the way Graph does, with JSON inside texts decoded too (see decodeJSON).
func decodeRequest(tb testing.TB, req *http.Request, body []byte) wireRequest {
	tb.Helper()
	require.Empty(tb, req.URL.RawQuery, "parameters belong in the body")
	out := wireRequest{
		Method: req.Method, Path: req.URL.Path, Headers: map[string]string{}, Params: map[string]any{}, body: body,
	}
	for _, name := range []string{"Authorization", "Content-Type", "X-Forwarded-For"} {
		if values := req.Header.Values(name); len(values) > 0 {
			out.Headers[name] = strings.Join(values, " | ")
		}
	}
	switch req.Header.Get("Content-Type") {
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		require.NoError(tb, err)
		for name, values := range form {
			require.Len(tb, values, 1, name)
			out.Params[name] = decodeJSON(values[0])
		}
	case "application/json":
		var object any
		require.NoError(tb, decodeExactly(string(body), &object))
		out.Params = decodeJSON(object).(map[string]any)
	default:
		tb.Errorf("unexpected content type %q", req.Header.Get("Content-Type"))
	}
	return out
}

// decodeJSON replaces every text that holds a JSON array or object by {"json in a text": value}.
func decodeJSON(value any) any {
	switch v := value.(type) {
	case string:
		var nested any
		if len(v) > 0 && (v[0] == '[' || v[0] == '{') && decodeExactly(v, &nested) == nil {
			return map[string]any{"json in a text": decodeJSON(nested)}
		}
	case []any:
		for i := range v {
			v[i] = decodeJSON(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = decodeJSON(v[name])
		}
	}
	return value
}

// decodeExactly decodes one JSON value and keeps every digit of its numbers.
func decodeExactly(text string, to any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("data after the value: %w", err)
	}
	return nil
}

// requireGolden compares a request with testdata/requests/name.json, parameter by parameter.
func requireGolden(tb testing.TB, name string, got wireRequest) {
	tb.Helper()
	file := filepath.Join("testdata", "requests", name+".json")
	if *update {
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		require.NoError(tb, e.Encode(got))
		require.NoError(tb, os.WriteFile(file, text.Bytes(), 0o600))
	}
	text, err := os.ReadFile(file)
	require.NoError(tb, err)
	var want wireRequest
	require.NoError(tb, decodeExactly(string(text), &want))
	got.body = nil
	require.Equal(tb, want, got)
}

// requireAccepted asserts that the stand-in found nothing wrong with any call.
func (w *wireTap) requireAccepted(tb testing.TB) {
	tb.Helper()
	require.Len(tb, w.graph.Calls(), len(w.sent))
	for i, call := range w.graph.Calls() {
		require.Empty(tb, call.Problems, "call %d", i)
		require.True(tb, call.Accepted)
	}
}

// send makes a call, whichever it is.
func (w *wireTap) send(ctx context.Context, call any) (*appevents.ActivityResult, error) {
	switch c := call.(type) {
	case *appevents.Activity:
		return w.client.LogActivity(ctx, c)
	case *appevents.Install:
		return w.client.LogInstall(ctx, c)
	case *appevents.PageActivity:
		return w.client.LogPageActivity(ctx, c)
	}
	return nil, fmt.Errorf("unexpected call %T", call)
}

// The purchase that the App Events guide shows, with its trailing commas removed.
func guidePurchase() appevents.Event {
	e := appevents.Purchase(21.97, "GBP")
	e.Params.Contents = []appevents.Content{{ID: "1234", Quantity: 2}, {ID: "5678", Quantity: 1}}
	e.Params.ContentType = "product"
	return e
}

// everyParameter is an event with every field set.
func everyParameter() appevents.Event {
	return appevents.Event{
		Name: "Everything-1 _", Value: new(-0.5), Time: time.Unix(1700000000, 999999999), ID: "event-1",
		SessionID: "session-1", UserID: "user-1", Screen: "cart", Implicit: true, Timed: true, Background: true,
		Params: appevents.Params{
			AdType: "banner", Contents: []appevents.Content{{ID: `4"2`, Quantity: 2, ItemPrice: 10.99}, {ID: "b", Quantity: 1}},
			ContentIDs: []string{"1234", `5\6`}, ContentType: "product", Currency: "EUR", Description: "Tasse, weiß",
			Level: "12", MaxRatingValue: 5, NumItems: 3, OrderID: "order-1", PaymentInfoAvailable: new(true),
			RegistrationMethod: "Email", SearchString: "mug & <saucer>", Success: new(false),
			Custom: map[string]any{
				"text": "a", "int": int64(18139494541428835), "float": 1.5, "float32": float32(0.1), "yes": true,
				"no": false, "json": json.Number("18139494541428835.5"), "_appVersion": "1.0",
				"page": appevents.ID("18139494541428833"),
			},
		},
	}
}

// everySegment is debugging data of every kind.
func everySegment() appevents.OperationalParams {
	return appevents.OperationalParams{
		IAP:          map[string]any{"sku": `a"b`, "amount": json.Number("18139494541428835.5"), "restored": false},
		DeferralLink: map[string]any{"clicks": int64(18139494541428835), "direct": true, "source": ""},
	}
}

// The calls of the guides, each as its example sends it, and calls that use everything.
func TestRequests(t *testing.T) {
	t.Parallel()
	past := time.Unix(1700000000, 0)
	everyDevice := appevents.Device{
		AdvertiserID: "1111-1111-1111-1111", Attribution: "1e3b2d5c-0A9B-4c7d-8e6f-123456789abc", AnonID: "XZ1111",
		VendorID: "2222", UserID: "customer-3", PlayerID: "4444", PushToken: "5555", WindowsAttributionID: "6666",
	}
	android := appevents.ExtInfo{
		Platform: appevents.Android, PackageName: "com.example.shop", BuildNumber: "771", AppVersion: "7.7.1",
		OSVersion: "10.1.1", DeviceModel: "OnePlus6", Locale: "en_US", TimezoneAbbreviation: "GMT-1",
		Carrier: "TMobile", ScreenWidth: 1920, ScreenHeight: 1080, ScreenDensity: 2, CPUCores: 2, StorageGB: 128,
		FreeStorageGB: 8, Timezone: "America/New_York",
	}
	everyBundle := appevents.Bundle{
		ID: "com.example.shop", Version: "771", ShortVersion: "7.7.1", Installer: "com.android.vending",
		SDKVersion: "18.0", Receipts: "receipt_1::data;;;", URLSchemes: []string{"fb771", `odd"one`},
		PackageName: "com.example.shop", Migration: "b", SDK: "android", SkippedEvents: 7,
		ReadsAdvertiserID: new(true), CircuitBreakerActive: new(false),
		CircuitBreakerTimeout: 1500*time.Millisecond + 999*time.Microsecond,
	}
	everyMeasurement := appevents.Measurement{
		EventID: "request-1", InstallID: "install-1", InstallReferrer: "utm_source=a&b=c",
		GoogleInstallReferrer: "g", MetaInstallReferrer: "m", AttributionReferrer: "a", CampaignIDs: "c1",
		ClickID: "k1", IsFB: new(false),
		Sources: []appevents.AttributionSource{{
			AdID: "18139494541428835", AdGroupID: "2", EngagementTime: past, EngagementType: "click",
			EventTime: past.Add(time.Hour), EventID: "e", InstallID: "i", AuditingToken: "t",
			AttributionMethod: "last_touch", IsPrimary: new(true),
		}, {IsPrimary: new(false)}},
		IsRedownload: new(true), LastNewInstall: past.Add(-time.Hour), LastSession: past.Add(-time.Minute),
		WhatsAppOptIn: new(true),
	}
	appToken := appevents.WithAccessToken(appevents.AppToken("771", "rest-of-token"))
	pageToken := appevents.WithAccessToken("PAGE_ACCESS_TOKEN")

	for _, test := range []struct {
		golden string
		opts   []appevents.Option
		call   any
	}{
		// App Events for experiences in Messenger: without a token, as its examples are.
		{"messenger_purchase", nil, botCall(func(a *appevents.Activity) {
			a.Events = []appevents.Event{appevents.Purchase(55.22, "USD")}
		})},
		{"messenger_lead", nil, botCall(func(a *appevents.Activity) {
			a.Events = []appevents.Event{appevents.LeadSubmitted()}
		})},

		// The Messaging Events API, on its last version and on the one the newer example names.
		{"page_purchase", []appevents.Option{pageToken}, pageCall(func(p *appevents.PageActivity) {
			p.Events, p.Target = []appevents.Event{appevents.Purchase(57.23, "USD")}, appevents.TargetPage
		})},
		{"page_lead", []appevents.Option{pageToken}, pageCall(func(p *appevents.PageActivity) {
			p.Events, p.Target = []appevents.Event{appevents.LeadSubmitted()}, appevents.TargetPage
		})},
		{"page_purchase_v18", []appevents.Option{pageToken, appevents.WithVersion("v18.0")}, pageCall(func(p *appevents.PageActivity) {
			p.Events, p.Target = []appevents.Event{appevents.Purchase(57.23, "USD")}, appevents.TargetPage
		})},
		{"page_lead_v18", []appevents.Option{pageToken, appevents.WithVersion("v18.0")}, pageCall(func(p *appevents.PageActivity) {
			p.Events, p.Target = []appevents.Event{appevents.LeadSubmitted()}, appevents.TargetPage
		})},

		// The App Events API.
		{"app_install", []appevents.Option{appToken}, installCall(func(*appevents.Install) {})},
		{"app_install_attribution", []appevents.Option{appToken}, installCall(func(in *appevents.Install) {
			in.Device = appevents.Device{Attribution: "abcDEF0123456789ghiJKL"}
			in.Consent = appevents.ConsentAllowed
		})},
		{"app_purchase", []appevents.Option{appToken}, appCall(func(a *appevents.Activity) {
			a.Events = []appevents.Event{guidePurchase()}
		})},
		{"app_purchase_user_data", []appevents.Option{appToken}, appCall(func(a *appevents.Activity) {
			a.Events, a.UserData.Email = []appevents.Event{guidePurchase()}, "jsmith@example.com"
		})},
		{"app_every_user_data", []appevents.Option{appToken}, appCall(func(a *appevents.Activity) {
			a.UserData = appevents.UserData{
				Email: "jsmith@example.com", FirstName: "John", LastName: "Smith", Phone: "+1 (650) 555-4444",
				ExternalID: "a@example.com", Gender: "female", BirthDate: "5/26/1991", City: "Menlo Park",
				State: "California", Zip: "94025-1234", Country: "USA",
			}
		})},
		{"app_forwarded_ipv6", []appevents.Option{appToken}, appCall(func(a *appevents.Activity) {
			a.ClientIP = netip.MustParseAddr("fd45:f238:3b40:23b1:ffff:ffff:ffff:abcd")
		})},
		{"app_forwarded_ipv4", []appevents.Option{appToken}, appCall(func(a *appevents.Activity) {
			a.ClientIP = netip.MustParseAddr("192.168.0.99")
		})},

		// Everything at once.
		{"every_event_parameter", nil, botCall(func(a *appevents.Activity) {
			a.Events = []appevents.Event{everyParameter(), appevents.Contact()}
		})},
		{"every_install_parameter", []appevents.Option{appToken}, &appevents.Install{
			Device: everyDevice, ExtInfo: android, ClientIP: netip.MustParseAddr("198.51.100.7"),
			Consent:        appevents.Consent{Advertiser: appevents.Denied, Application: appevents.Allowed},
			DataProcessing: appevents.DataProcessing{LimitedDataUse: true, Country: 1, State: 1000},
			InstalledAt:    past.Add(999 * time.Millisecond),
			ConsiderViews:  true, IncludeDwellData: true, IncludeVideoData: true,
			Bundle: everyBundle, Measurement: everyMeasurement,
			Extra: map[string]string{"debug": "all"},
		}},
		{"every_activity_parameter", []appevents.Option{appToken}, &appevents.Activity{
			Device: everyDevice, ExtInfo: android, ClientIP: netip.MustParseAddr("2001:db8::1"),
			Consent:        appevents.Consent{Advertiser: appevents.Allowed, Application: appevents.Denied},
			DataProcessing: appevents.DataProcessing{Declared: true},
			Events:         []appevents.Event{appevents.Contact()},
			ConsiderViews:  true, IncludeDwellData: true, IncludeVideoData: true,
			Bundle: everyBundle, Measurement: everyMeasurement,
			Extra: map[string]string{"debug": "all"},
		}},
		{"operational_parameters", nil, botCall(func(a *appevents.Activity) {
			all, some := appevents.Purchase(55.22, "USD"), appevents.Contact()
			all.Operational, some.Operational.IAP = everySegment(), map[string]any{"n": 1}
			some.Operational.DeferralLink = map[string]any{}
			a.Events = []appevents.Event{appevents.Contact(), all, some}
		})},
		{"page_defaults", []appevents.Option{pageToken}, pageCall(func(*appevents.PageActivity) {})},
		{"page_every_parameter", []appevents.Option{pageToken}, pageCall(func(p *appevents.PageActivity) {
			p.Target, p.Source = "App_And_Page", "DETECTION"
			p.Consent = appevents.Consent{Advertiser: appevents.Denied, Application: appevents.Allowed}
			p.Events = []appevents.Event{everyParameter(), appevents.LeadSubmitted()}
		})},
	} {
		t.Run(test.golden, func(t *testing.T) {
			t.Parallel()
			tap := newWireTap(t, test.opts...)
			_, err := tap.send(t.Context(), test.call)
			require.NoError(t, err)
			require.Len(t, tap.sent, 1)
			requireGolden(t, test.golden, tap.sent[0])
			tap.requireAccepted(t)

			// Stored and read back, the call is the same request.
			stored, err := appevents.MarshalCall(test.call.(appevents.Call))
			require.NoError(t, err)
			restored, err := appevents.UnmarshalCall(stored)
			require.NoError(t, err)
			_, err = tap.send(t.Context(), restored)
			require.NoError(t, err)
			require.Len(t, tap.sent, 2)
			require.Equal(t, string(tap.sent[0].body), string(tap.sent[1].body))
			require.Equal(t, tap.sent[0].Headers, tap.sent[1].Headers)
		})
	}
}

// Every call says, in its errors, what it was, and asks for the token of the object it is about.
func TestClient_OperationsAndScopes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		call  any
		op    string
		scope appevents.Scope
	}{
		{botCall(func(*appevents.Activity) {}), "log activity", appevents.Scope{Kind: appevents.ScopeApp, ID: "771"}},
		{installCall(func(*appevents.Install) {}), "log install", appevents.Scope{Kind: appevents.ScopeApp, ID: "771"}},
		{pageCall(func(*appevents.PageActivity) {}), "log page activity", appevents.Scope{Kind: appevents.ScopePage, ID: aThread().PageID}},
	} {
		t.Run(test.op, func(t *testing.T) {
			t.Parallel()
			var scopes []appevents.Scope
			var edges []string
			tap := newWireTap(t,
				appevents.WithTokenSource(appevents.TokenFunc(func(_ context.Context, scope appevents.Scope) (string, error) {
					scopes = append(scopes, scope)
					return "token", nil
				})),
				appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) {
					edges = append(edges, info.Op+" "+info.Edge)
				}))
			tap.graph.Inject(graphtest.MissingPermission)
			_, err := tap.send(t.Context(), test.call)
			var graphErr *appevents.GraphError
			require.ErrorAs(t, err, &graphErr)
			require.Equal(t, test.op, graphErr.Op)
			require.Equal(t, []appevents.Scope{test.scope}, scopes)
			require.Len(t, edges, 1)
			require.Contains(t, edges[0], test.op+" ")
		})
	}
}

// The version of the client is the version of the call, but where an edge has a last one.
func TestClient_LogActivity_Version(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithVersion("v25.0"))
	for _, call := range []any{botCall(func(*appevents.Activity) {}), installCall(func(*appevents.Install) {})} {
		result, err := tap.send(t.Context(), call)
		require.NoError(t, err)
		require.Equal(t, "v25.0", result.RequestedVersion)
		require.False(t, result.Drifted())
	}
	require.Equal(t, "/v25.0/771/activities", tap.sent[0].Path)
	require.Equal(t, "/v25.0/771/activities", tap.sent[1].Path)
}

// How long to stay away is read from the limits of the app and of the Page that a call is about.
func TestClient_LogActivity_UsageOfTheThread(t *testing.T) {
	t.Parallel()
	for id, call := range map[string]any{
		"18139494541428833": botCall(func(*appevents.Activity) {}), "771": pageCall(func(*appevents.PageActivity) {}),
	} {
		tap := newWireTap(t, appevents.WithAccessToken("token"))
		tap.answer = func(int, *http.Request) (*http.Response, error) {
			resp := httpmock.NewStringResponse(http.StatusBadRequest, `{"error":{"message":"(#80006)","code":80006}}`)
			resp.Header.Set("X-Business-Use-Case-Usage", `{"`+id+
				`":[{"type":"pages","call_count":100,"total_cputime":1,"total_time":1,"estimated_time_to_regain_access":7}],`+
				`"1":[{"type":"pages","call_count":100,"total_cputime":1,"total_time":1,"estimated_time_to_regain_access":70}]}`)
			return resp, nil
		}
		_, err := tap.send(t.Context(), call)
		require.ErrorIs(t, err, appevents.ErrThrottled)
		var graphErr *appevents.GraphError
		require.ErrorAs(t, err, &graphErr)
		require.Equal(t, 7*time.Minute, graphErr.RetryAfter)
	}
}

// A refused call sends nothing.
func TestClient_LogActivity_SendsNothingInvalid(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithAccessToken("token"))
	for _, call := range []any{
		appCall(func(a *appevents.Activity) { a.Consent = appevents.Consent{} }),
		installCall(func(in *appevents.Install) { in.Consent = appevents.Consent{} }),
		pageCall(func(p *appevents.PageActivity) { p.Consent = appevents.Consent{} }),
		(*appevents.Activity)(nil), (*appevents.Install)(nil), (*appevents.PageActivity)(nil),
	} {
		result, err := tap.send(t.Context(), call)
		var invalid *appevents.ValidationError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err))
		require.Nil(t, result)
	}
	require.Empty(t, tap.sent)
}

// A call that sets nothing optional sends nothing optional.
func TestClient_LogActivity_SendsNothingUnasked(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t)
	_, err := tap.client.LogActivity(t.Context(), appCall(func(*appevents.Activity) {}))
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"event":                        {"CUSTOM_APP_EVENTS"},
		"custom_events":                {`[{"_eventName":"Contact"}]`},
		"advertiser_id":                {"1111-1111-1111-1111"},
		"advertiser_tracking_enabled":  {"1"},
		"application_tracking_enabled": {"1"},
	}, tap.form(t, 0))

	// Debugging data made but empty is none.
	_, err = tap.client.LogActivity(t.Context(), appCall(func(a *appevents.Activity) {
		a.Events[0].Operational = appevents.OperationalParams{IAP: map[string]any{}, DeferralLink: map[string]any{}}
	}))
	require.NoError(t, err)
	require.Equal(t, tap.form(t, 0), tap.form(t, 1))

	// Lists made but empty are no lists.
	_, err = tap.client.LogInstall(t.Context(), installCall(func(in *appevents.Install) {
		in.Bundle.URLSchemes, in.Measurement.Sources = []string{}, []appevents.AttributionSource{}
		in.Extra = map[string]string{}
	}))
	require.NoError(t, err)
	require.Len(t, tap.form(t, 2), 4)
}

// Each group of parameters is sent when any of its fields is set.
func TestClient_LogInstall_SendsSingleFields(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t)
	for name, in := range map[string]*appevents.Install{
		"anon_id=a":                                     installCall(func(in *appevents.Install) { in.Device.AnonID = "a" }),
		"vendor_id=a":                                   installCall(func(in *appevents.Install) { in.Device.VendorID = "a" }),
		"app_user_id=a":                                 installCall(func(in *appevents.Install) { in.Device.UserID = "a" }),
		"device_token=a":                                installCall(func(in *appevents.Install) { in.Device.PushToken = "a" }),
		"windows_attribution_id=a":                      installCall(func(in *appevents.Install) { in.Device.WindowsAttributionID = "a" }),
		"user_id=a":                                     installCall(func(in *appevents.Install) { in.Device.PlayerID = "a" }),
		"install_timestamp=1700000000":                  installCall(func(in *appevents.Install) { in.InstalledAt = time.Unix(1700000000, 0) }),
		"consider_views=1":                              installCall(func(in *appevents.Install) { in.ConsiderViews = true }),
		"bundle_id=a":                                   bundle(appevents.Bundle{ID: "a"}),
		"bundle_version=a":                              bundle(appevents.Bundle{Version: "a"}),
		"bundle_short_version=a":                        bundle(appevents.Bundle{ShortVersion: "a"}),
		"installer_package=a":                           bundle(appevents.Bundle{Installer: "a"}),
		"sdk_version=a":                                 bundle(appevents.Bundle{SDKVersion: "a"}),
		`url_schemes=["a"]`:                             bundle(appevents.Bundle{URLSchemes: []string{"a"}}),
		"application_package_name=a":                    bundle(appevents.Bundle{PackageName: "a"}),
		"migration_bundle=a":                            bundle(appevents.Bundle{Migration: "a"}),
		"receipt_data=a":                                bundle(appevents.Bundle{Receipts: "a"}),
		"sdk=a":                                         bundle(appevents.Bundle{SDK: "a"}),
		"num_skipped_events=1":                          bundle(appevents.Bundle{SkippedEvents: 1}),
		"advertiser_id_collection_enabled=1":            bundle(appevents.Bundle{ReadsAdvertiserID: new(true)}),
		"advertiser_id_collection_enabled=0":            bundle(appevents.Bundle{ReadsAdvertiserID: new(false)}),
		"is_circuit_breaker_active=1":                   bundle(appevents.Bundle{CircuitBreakerActive: new(true)}),
		"is_circuit_breaker_active=0":                   bundle(appevents.Bundle{CircuitBreakerActive: new(false)}),
		"circuit_breaker_timeout_ms=1":                  bundle(appevents.Bundle{CircuitBreakerTimeout: time.Millisecond}),
		"add_to_messaging_customer_base_for_whatsapp=1": measurement(appevents.Measurement{WhatsAppOptIn: new(true)}),
		"add_to_messaging_customer_base_for_whatsapp=0": measurement(appevents.Measurement{WhatsAppOptIn: new(false)}),
		"event_id=a":                                    measurement(appevents.Measurement{EventID: "a"}),
		"install_id=a":                                  measurement(appevents.Measurement{InstallID: "a"}),
		"install_referrer=a":                            measurement(appevents.Measurement{InstallReferrer: "a"}),
		"google_install_referrer=a":                     measurement(appevents.Measurement{GoogleInstallReferrer: "a"}),
		"meta_install_referrer=a":                       measurement(appevents.Measurement{MetaInstallReferrer: "a"}),
		"attribution_referrer=a":                        measurement(appevents.Measurement{AttributionReferrer: "a"}),
		"campaign_ids=a":                                measurement(appevents.Measurement{CampaignIDs: "a"}),
		"click_id=a":                                    measurement(appevents.Measurement{ClickID: "a"}),
		"is_fb=1":                                       measurement(appevents.Measurement{IsFB: new(true)}),
		"is_fb=0":                                       measurement(appevents.Measurement{IsFB: new(false)}),
		"is_redownload=1":                               measurement(appevents.Measurement{IsRedownload: new(true)}),
		"is_redownload=0":                               measurement(appevents.Measurement{IsRedownload: new(false)}),
		"last_new_install_time=1700000000":              measurement(appevents.Measurement{LastNewInstall: time.Unix(1700000000, 0)}),
		"last_session_time=1700000000":                  measurement(appevents.Measurement{LastSession: time.Unix(1700000000, 0)}),
		`attribution_sources=[{"source_ad_id":1},{"source_is_primary":true}]`: measurement(appevents.Measurement{
			Sources: []appevents.AttributionSource{{AdID: "1"}, {IsPrimary: new(true)}},
		}),
		"note=": extra("note", ""),
	} {
		_, err := tap.client.LogInstall(t.Context(), in)
		require.NoError(t, err, name)
		form := tap.form(t, len(tap.sent)-1)
		key, value, _ := strings.Cut(name, "=")
		require.Equal(t, []string{value}, form[key], name)
		require.Equal(t, key == "user_id", form.Has("user_id_type"))
		want := 5
		if key == "user_id" {
			want++
		}
		require.Len(t, form, want, name)
	}
}

// Beside a thread, whose parameters are always the same, any group of others may stand alone.
func TestClient_LogActivity_SendsSingleGroups(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t)
	for want, change := range map[string]func(*appevents.Activity){
		"":                        func(*appevents.Activity) {},
		"ud[cn]":                  func(a *appevents.Activity) { a.UserData.Country = "de" },
		"data_processing_options": func(a *appevents.Activity) { a.DataProcessing.Declared = true },
		"consider_views":          func(a *appevents.Activity) { a.ConsiderViews = true },
		"bundle_id":               func(a *appevents.Activity) { a.Bundle.ID = "a" },
		"url_schemes":             func(a *appevents.Activity) { a.Bundle.URLSchemes = []string{"a"} },
		"click_id":                func(a *appevents.Activity) { a.Measurement.ClickID = "a" },
		"attribution_sources": func(a *appevents.Activity) {
			a.Measurement.Sources = []appevents.AttributionSource{{AdID: "1"}}
		},
		"receipt_data":               func(a *appevents.Activity) { a.Bundle.Receipts = "a" },
		"circuit_breaker_timeout_ms": func(a *appevents.Activity) { a.Bundle.CircuitBreakerTimeout = time.Second },
		"operational_parameters": func(a *appevents.Activity) {
			a.Events[0].Operational.DeferralLink = map[string]any{"a": 1}
		},
		"debug": func(a *appevents.Activity) { a.Extra = map[string]string{"debug": "all"} },
	} {
		_, err := tap.client.LogActivity(t.Context(), botCall(change))
		require.NoError(t, err)
		form := tap.form(t, len(tap.sent)-1)
		if want != "" {
			require.Len(t, form[want], 1, want)
			delete(form, want)
		}
		delete(form, "data_processing_options_country")
		delete(form, "data_processing_options_state")
		require.Equal(t, url.Values{
			"event":                        {"CUSTOM_APP_EVENTS"},
			"custom_events":                {`[{"_eventName":"Contact"}]`},
			"advertiser_tracking_enabled":  {"1"},
			"application_tracking_enabled": {"1"},
			"extinfo":                      {`["mb1"]`},
			"page_id":                      {"18139494541428833"},
			"page_scoped_user_id":          {"18139494541428835"},
		}, form)
	}
	tap.requireAccepted(t)
}

func TestClient_LogActivity_ClientIP(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t)
	for _, ip := range []struct{ given, sent string }{
		{"192.168.0.99", "192.168.0.99"},
		{"fd45:f238:3b40:23b1:ffff:ffff:ffff:abcd", "fd45:f238:3b40:23b1:ffff:ffff:ffff:abcd"},
		{"2001:0DB8::0001", "2001:db8::1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"fe80::1%eth0", "fe80::1"},
		{"::ffff:192.0.2.1%eth0", "192.0.2.1"},
	} {
		addr := netip.MustParseAddr(ip.given)
		_, err := tap.client.LogActivity(t.Context(), appCall(func(a *appevents.Activity) { a.ClientIP = addr }))
		require.NoError(t, err)
		_, err = tap.client.LogInstall(t.Context(), installCall(func(in *appevents.Install) { in.ClientIP = addr }))
		require.NoError(t, err)
		for _, req := range tap.sent[len(tap.sent)-2:] {
			require.Equal(t, ip.sent, req.Headers["X-Forwarded-For"])
			require.NotContains(t, string(req.body), ip.sent)
			require.NotContains(t, string(req.body), url.QueryEscape(ip.sent))
		}

		// It was for that call only.
		_, err = tap.client.LogActivity(t.Context(), appCall(func(*appevents.Activity) {}))
		require.NoError(t, err)
		require.NotContains(t, tap.sent[len(tap.sent)-1].Headers, "X-Forwarded-For")
	}
	tap.requireAccepted(t)
}

// Each of the six identifiers the server asks for is enough, and reaches the wire.
func TestClient_LogActivity_Identifiers(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t)
	for want, change := range map[string]func(*appevents.Activity){
		"advertiser_id":       func(a *appevents.Activity) { a.Device.AdvertiserID = "1" },
		"attribution":         func(a *appevents.Activity) { a.Device.Attribution = "abcDEF0123456789ghiJKL" },
		"anon_id":             func(a *appevents.Activity) { a.Device.AnonID = "XZ1" },
		"user_id_type":        func(a *appevents.Activity) { a.Device.PlayerID = "1" },
		"ud[em]":              func(a *appevents.Activity) { a.UserData.Email = "jsmith@example.com" },
		"page_scoped_user_id": func(a *appevents.Activity) { a.Thread = aThread() },
	} {
		call := &appevents.Activity{Consent: appevents.ConsentAllowed, Events: []appevents.Event{appevents.Contact()}}
		change(call)
		_, err := tap.client.LogActivity(t.Context(), call)
		require.NoError(t, err, want)
		require.True(t, tap.form(t, len(tap.sent)-1).Has(want), want)
	}
	tap.requireAccepted(t)
}

// An anonymous ID alone passes where the caller allows it; the stand-in knows that only Meta's iOS SDK does so.
func TestClient_LogInstall_AllowAnonID(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t)
	in := installCall(func(in *appevents.Install) { in.Device = appevents.Device{AnonID: "XZ1"} })
	_, err := tap.client.LogInstall(t.Context(), in)
	requireIssue(t, err, "device", appevents.RuleRequired, "")
	in.AllowAnonID = true
	_, err = tap.client.LogInstall(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"event": {"MOBILE_APP_INSTALL"}, "anon_id": {"XZ1"}, "advertiser_tracking_enabled": {"0"},
		"application_tracking_enabled": {"0"},
	}, tap.form(t, 0))
	require.True(t, tap.graph.Calls()[0].Accepted)
}

// numbered is n events that know their place.
func numbered(n int) []appevents.Event {
	events := make([]appevents.Event, n)
	for i := range events {
		events[i] = appevents.Event{Name: "visit", ID: strconv.Itoa(i)}
	}
	return events
}

func TestClient_LogActivity_SplitsEvents(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		opts   []appevents.Option
		events int
		want   []int
	}{
		{"one event is one request", nil, 1, []int{1}},
		{"100 events fit by default", nil, 100, []int{100}},
		{"101 events do not", nil, 101, []int{100, 1}},
		{"250 events are three requests", nil, 250, []int{100, 100, 50}},
		{"a limit of 1", []appevents.Option{appevents.WithMaxEvents(1)}, 3, []int{1, 1, 1}},
		{"the hard limit", []appevents.Option{appevents.WithMaxEvents(1000)}, 1001, []int{1000, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, call := range []any{
				botCall(func(a *appevents.Activity) { a.Events = numbered(test.events) }),
				pageCall(func(p *appevents.PageActivity) { p.Events = numbered(test.events) }),
			} {
				tap := newWireTap(t, append(test.opts, appevents.WithAccessToken("token"))...)
				result, err := tap.send(t.Context(), call)
				require.NoError(t, err)
				require.Equal(t, test.events, result.Events)
				require.Equal(t, len(test.want), result.Requests)

				// In order, each once, and apart from the events every request is the same.
				next := 0
				calls := tap.graph.Calls()
				require.Len(t, calls, len(test.want))
				for i, c := range calls {
					require.Len(t, c.Events, test.want[i])
					for _, e := range c.Events {
						require.Equal(t, strconv.Itoa(next), e.ID)
						next++
					}
					require.Len(t, c.Fields, len(calls[0].Fields))
					require.Equal(t, calls[0].PSID, c.PSID)
				}
				require.Equal(t, test.events, next)
				tap.requireAccepted(t)
			}
		})
	}
}

// Debugging data runs parallel to the events of its own request, and is missing where none of them has any.
func TestClient_LogActivity_SplitsOperationalParameters(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithMaxEvents(2))
	call := botCall(func(a *appevents.Activity) {
		a.Events = numbered(5)
		a.Events[0].Operational.IAP = map[string]any{"n": 0}
		a.Events[4].Operational.DeferralLink = map[string]any{"n": 4}
	})
	_, err := tap.client.LogActivity(t.Context(), call)
	require.NoError(t, err)
	for n, want := range [][]string{
		{`[{"iap_parameters":{"n":0}},{}]`}, nil, {`[{"deferral_link_parameters":{"n":4}}]`},
	} {
		require.Equal(t, want, tap.form(t, n)["operational_parameters"])
	}
	tap.requireAccepted(t)
}

func TestWithMaxEvents(t *testing.T) {
	t.Parallel()
	for _, n := range []int{-1, 0, 1001} {
		_, err := appevents.New("771", appevents.WithMaxEvents(n))
		var config *appevents.ConfigError
		require.ErrorAs(t, err, &config)
		require.Equal(t, "WithMaxEvents", config.Field)
	}
}

// When events travel in several requests, the error tells the fate of every one of them.
func TestPartialError(t *testing.T) {
	t.Parallel()
	refused := func(*http.Request) (*http.Response, error) {
		return httpmock.NewStringResponse(http.StatusBadRequest, `{"error":{"message":"(#100) no","code":100}}`), nil
	}
	lost := func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }
	for _, test := range []struct {
		name            string
		fails           int // which request
		with            func(*http.Request) (*http.Response, error)
		accepted, until int
		outcome         appevents.Outcome
		is              error
		text            string
	}{
		{"first", 1, refused, 0, 2, appevents.OutcomeRefused, appevents.ErrInvalidParameter, "events [0,0) accepted, [0,2) failed, the rest not sent: "},
		{"middle", 2, refused, 2, 4, appevents.OutcomeRefused, appevents.ErrInvalidParameter, "events [0,2) accepted, [2,4) failed, the rest not sent: "},
		{"last", 3, refused, 4, 5, appevents.OutcomeRefused, appevents.ErrInvalidParameter, "events [0,4) accepted, [4,5) failed: "},
		{"unknown outcome", 2, lost, 2, 4, appevents.OutcomeUnknown, appevents.ErrUnknownOutcome, "outcome unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, call := range []any{
				botCall(func(a *appevents.Activity) { a.Events = numbered(5) }),
				pageCall(func(p *appevents.PageActivity) { p.Events = numbered(5) }),
			} {
				tap := newWireTap(t, appevents.WithMaxEvents(2), appevents.WithAccessToken("token"))
				tap.answer = func(n int, req *http.Request) (*http.Response, error) {
					if n == test.fails {
						return test.with(req)
					}
					return tap.graph.RoundTrip(req)
				}
				result, err := tap.send(t.Context(), call)
				require.Nil(t, result)
				var partial *appevents.PartialError
				require.ErrorAs(t, err, &partial)
				require.Equal(t, test.accepted, partial.Accepted)
				require.Equal(t, test.until, partial.Failed)
				require.Equal(t, 5, partial.Total)
				require.Equal(t, test.outcome, appevents.OutcomeOf(err))
				require.ErrorIs(t, err, test.is)
				require.ErrorContains(t, err, test.text)
				require.Len(t, tap.sent, test.fails, "nothing was sent after the failure")
				require.Len(t, tap.graph.Calls(), test.fails-1)
			}
		})
	}
}

// A call that fits in one request has nothing partial about it.
func TestPartialError_NotForASingleRequest(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithMaxEvents(2)).answers(`{"success":false}`)
	_, err := tap.client.LogActivity(t.Context(), botCall(func(a *appevents.Activity) { a.Events = numbered(2) }))
	var partial *appevents.PartialError
	require.NotErrorAs(t, err, &partial)
	require.Equal(t, appevents.OutcomeRefused, appevents.OutcomeOf(err))
}

// endsWith is a body that calls end when it is closed.
type endsWith struct {
	io.ReadCloser
	end func()
}

func (b endsWith) Close() error {
	b.end()
	return b.ReadCloser.Close()
}

// The context ends between two requests: the events of the first are accounted for.
func TestPartialError_Cancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	tap := newWireTap(t, appevents.WithMaxEvents(1))
	tap.answer = func(_ int, req *http.Request) (*http.Response, error) {
		answer := httpmock.NewStringResponse(http.StatusOK, `{"success":true}`)
		answer.Body = endsWith{answer.Body, cancel}
		return answer, nil
	}
	_, err := tap.client.LogActivity(ctx, botCall(func(a *appevents.Activity) { a.Events = numbered(3) }))
	var partial *appevents.PartialError
	require.ErrorAs(t, err, &partial)
	require.Equal(t, 1, partial.Accepted)
	require.Equal(t, 2, partial.Failed)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err))
	require.Len(t, tap.sent, 1)
}

func TestPartialError_Zero(t *testing.T) {
	t.Parallel()
	for _, err := range []*appevents.PartialError{nil, {}} {
		require.Equal(t, "appevents: some events were not accepted", err.Error())
		require.NoError(t, err.Unwrap())
	}
}

// Calls belong to the caller: sending changes nothing in them.
func TestClient_LogActivity_LeavesTheCallAlone(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithMaxEvents(1))
	call := func() *appevents.Activity {
		return appCall(func(a *appevents.Activity) {
			a.Events = []appevents.Event{everyParameter(), everyParameter()}
			a.Extra = map[string]string{"note": "1"}
			a.Bundle.URLSchemes = []string{"b", "a"}
		})
	}
	a := call()
	_, err := tap.client.LogActivity(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, call(), a)
}

func TestActivity_Warnings(t *testing.T) {
	t.Parallel()
	hidden := "00000000-0000-0000-0000-000000000000"
	call := appCall(func(a *appevents.Activity) {
		a.Device.AdvertiserID, a.UserData.Phone = hidden, "none"
		a.Events = []appevents.Event{appevents.Contact(), appevents.Purchase(-1, "USD")}
	})
	require.NoError(t, call.Validate())
	require.Equal(t, []string{"events[1].value range", "device.advertiser_id format", "user_data.ph required"},
		pathsAndRules(call.Warnings()))

	in := installCall(func(in *appevents.Install) { in.Device.AdvertiserID, in.UserData.Email = hidden, "none" })
	require.NoError(t, in.Validate())
	require.Equal(t, []string{"device.advertiser_id format", "user_data.em format"}, pathsAndRules(in.Warnings()))

	require.Nil(t, botCall(func(*appevents.Activity) {}).Warnings())
	require.Nil(t, installCall(func(*appevents.Install) {}).Warnings())
	require.Nil(t, (*appevents.Activity)(nil).Warnings())
	require.Nil(t, (*appevents.Install)(nil).Warnings())
}

func pathsAndRules(issues []appevents.Issue) []string {
	var out []string
	for _, issue := range issues {
		out = append(out, issue.Path+" "+issue.Rule)
	}
	return out
}
