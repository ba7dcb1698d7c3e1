package appevents_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// storedCalls are the calls in testdata/stored, by file. Every field of every kind of call is set in one of them. A file
// is never rewritten: queues hold what older versions stored. A new field gets a new file.
func storedCalls() map[string]appevents.Call {
	past := time.Date(2025, 11, 20, 12, 30, 15, 250_000_000, time.UTC)
	person := appevents.UserData{
		Email: "jsmith@example.com", Phone: "+1 (650) 555-4444", FirstName: "John", LastName: "Smith", Gender: "female",
		BirthDate: "5/26/1991", City: "Menlo Park", State: "California", Zip: "94025-1234", Country: "USA",
		ExternalID: "Customer-7",
	}
	device := appevents.Device{
		AdvertiserID: "1111-1111-1111-1111", Attribution: "abcDEF0123456789ghiJKL", AnonID: "XZ1111", VendorID: "2222",
		UserID: "customer-3", PlayerID: "4444", PushToken: "5555", WindowsAttributionID: "6666",
	}
	info := appevents.ExtInfo{
		Platform: appevents.Android, PackageName: "com.example.shop", BuildNumber: "771", AppVersion: "7.7.1",
		OSVersion: "10.1.1", DeviceModel: "OnePlus6", Locale: "en_US", TimezoneAbbreviation: "GMT-1",
		Carrier: "TMobile", ScreenWidth: 1920, ScreenHeight: 1080, ScreenDensity: 2.5, CPUCores: 2, StorageGB: 128,
		FreeStorageGB: 8, Timezone: "America/New_York",
	}
	bundle := appevents.Bundle{
		ID: "com.example.shop", Version: "771", ShortVersion: "7.7.1", Installer: "com.android.vending",
		SDKVersion: "18.0", Receipts: "receipt_1::data;;;", URLSchemes: []string{"fb771", `odd"one`},
		PackageName: "com.example.shop", Migration: "b", SDK: "android", SkippedEvents: 7,
		ReadsAdvertiserID: new(true), CircuitBreakerActive: new(false), CircuitBreakerTimeout: 1500 * time.Millisecond,
	}
	measurement := appevents.Measurement{
		EventID: "request-1", InstallID: "install-1", InstallReferrer: "utm_source=a&b=c", GoogleInstallReferrer: "g",
		MetaInstallReferrer: "m", AttributionReferrer: "a", CampaignIDs: "c1", ClickID: "k1", IsFB: new(false),
		Sources: []appevents.AttributionSource{{
			AdID: "18139494541428835", AdGroupID: "2", EngagementTime: past, EngagementType: "click",
			EventTime: past.Add(time.Hour), EventID: "e", InstallID: "i", AuditingToken: "t",
			AttributionMethod: "last_touch", IsPrimary: new(true),
		}},
		WhatsAppOptIn: new(true),
	}
	event := everyParameter()
	event.Time = past
	event.Params.Custom = map[string]any{
		"text": "a", "int": json.Number("18139494541428835"), "float": json.Number("1.5"), "yes": true,
	}
	event.Operational = appevents.OperationalParams{
		IAP:          map[string]any{"sku": `a"b`, "amount": json.Number("18139494541428835.5"), "restored": false},
		DeferralLink: map[string]any{"clicks": json.Number("7"), "direct": true},
	}
	processing := appevents.DataProcessing{LimitedDataUse: true, Declared: true, Country: 1, State: 1000}
	mixed := appevents.Consent{Advertiser: appevents.Denied, Application: appevents.Allowed}
	conversion := fullConversion()
	conversion.Time, conversion.UserData, conversion.DataProcessing = past, person, processing
	conversion.Thread.Channel = appevents.ChannelInstagram
	conversion.Data.Custom["points"] = json.Number("42")
	byWhatsApp, byApp := whatsApp(), fullApp()
	byWhatsApp.WhatsApp.PageID = "901"
	byApp.App.Device, byApp.App.ExtInfo = device, info
	return map[string]appevents.Call{
		"install": &appevents.Install{
			Device: device, ExtInfo: info, UserData: person, ClientIP: netip.MustParseAddr("198.51.100.7"), Consent: mixed,
			DataProcessing: processing, InstalledAt: past, ConsiderViews: true, IncludeDwellData: true,
			IncludeVideoData: true, Bundle: bundle, Measurement: measurement, AllowAnonID: true,
			Extra: map[string]string{"debug": "all"},
		},
		"install_sessions": &appevents.Install{
			Device: device, Consent: mixed, Measurement: appevents.Measurement{
				IsRedownload: new(true), LastNewInstall: past.Add(-time.Hour), LastSession: past.Add(-time.Minute),
			},
		},
		"activity_device": &appevents.Activity{
			Device: device, ExtInfo: info, UserData: person, ClientIP: netip.MustParseAddr("2001:db8::1"), Consent: mixed,
			DataProcessing: processing, Events: []appevents.Event{event, appevents.Purchase(55.22, "USD")},
			ConsiderViews: true, IncludeDwellData: true, IncludeVideoData: true, Bundle: bundle, Measurement: measurement,
			Extra: map[string]string{"debug": "all"},
		},
		"activity_thread": &appevents.Activity{
			Thread: aThread(), UserData: person, Consent: appevents.ConsentAllowed,
			Events: []appevents.Event{event, appevents.LeadSubmitted()},
		},
		"page_activity": &appevents.PageActivity{
			Thread: aThread(), Target: appevents.TargetAppAndPage, Source: appevents.SourceDetection, Consent: mixed,
			Events: []appevents.Event{event},
		},
		"conversions": &appevents.ConversionCall{
			DatasetID: "5501", Conversions: []appevents.Conversion{conversion, byWhatsApp, byApp},
		},
	}
}

// What an older version stored is read as the same call, and stored again it is the same text.
func TestStored(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "stored", "*.json"))
	require.NoError(t, err)
	calls := storedCalls()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Join("testdata", "stored"), 0o750))
		for name, call := range calls {
			file := filepath.Join("testdata", "stored", name+".json")
			if _, err := os.Stat(file); err == nil {
				continue // never rewritten
			}
			text, err := appevents.MarshalCall(call)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o600))
		}
	}
	require.Len(t, files, len(calls))
	set := make(map[string]bool)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		stored := strings.TrimSuffix(string(text), "\n")

		fromNew, err := appevents.MarshalCall(calls[name])
		require.NoError(t, err, name)
		require.Equal(t, stored, string(fromNew), name)
		got, err := appevents.UnmarshalCall([]byte(stored))
		require.NoError(t, err, name)
		require.Equal(t, hashedCall(t, calls[name]), got, name)
		again, err := appevents.MarshalCall(got)
		require.NoError(t, err, name)
		require.Equal(t, stored, string(again), name)
		collectSet(reflect.ValueOf(got).Elem(), set)
	}
	for field, ok := range set {
		require.True(t, ok, "no stored call sets %s", field)
	}
}

// hashedCall is call as it comes back from storage: with digests in place of personal data.
func hashedCall(t *testing.T, call appevents.Call) appevents.Call {
	t.Helper()
	hash := func(u *appevents.UserData) {
		var err error
		*u, err = u.Hashed()
		require.NoError(t, err)
	}
	switch c := call.(type) {
	case *appevents.Install:
		hash(&c.UserData)
	case *appevents.Activity:
		hash(&c.UserData)
	case *appevents.ConversionCall:
		for i := range c.Conversions {
			hash(&c.Conversions[i].UserData)
		}
	}
	return call
}

// collectSet notes for every field below v, by type, whether it is set anywhere.
func collectSet(v reflect.Value, set map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			collectSet(v.Elem(), set)
		}
	case reflect.Slice:
		for i := range v.Len() {
			collectSet(v.Index(i), set)
		}
	case reflect.Struct:
		if v.Type().PkgPath() != reflect.TypeFor[appevents.Event]().PkgPath() {
			return
		}
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			set[name] = set[name] || !v.Field(i).IsZero()
			collectSet(v.Field(i), set)
		}
	}
}
