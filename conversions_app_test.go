package appevents_test

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// fullApp is a conversion with every field of an app.
func fullApp() appevents.Conversion {
	c := appConversion()
	c.ID = "e-1"
	c.App = &appevents.AppConversion{
		Device: appevents.Device{
			AdvertiserID: "38400000-8cf0-11bd-b23e-10b96e40000d", AnonID: "XZ1", UserID: "u-7", VendorID: "v-1",
			PushToken: "p-1", WindowsAttributionID: "w-1",
		},
		ExtInfo: appevents.ExtInfo{
			Platform: appevents.IOS, PackageName: "com.example", OSVersion: "17.4", ScreenDensity: 2, Timezone: "Europe/Berlin",
		},
		Consent:   appevents.Consent{Advertiser: appevents.Denied, Application: appevents.Allowed},
		ClientIP:  netip.MustParseAddr("::ffff:203.0.113.7"),
		Installer: "com.android.vending", Receipts: "receipt_1::data;;;", URLSchemes: []string{"example", "fb771"},
		InstallReferrer: "utm", CampaignIDs: "c-1",
		ConsiderViews: true, IncludeDwellData: true, IncludeVideoData: true,
	}
	return c
}

// appUser is a conversion of an app whose person is known by user data alone.
func appUser() appevents.Conversion {
	c := appConversion()
	c.App.Device = appevents.Device{}
	c.UserData = appevents.UserData{Email: "John_Smith@gmail.com"}
	return c
}

func TestConversion_Validate_OfAnApp(t *testing.T) {
	t.Parallel()
	type conversion = appevents.Conversion
	user := func(u appevents.UserData) func(*conversion) {
		return func(c *conversion) { c.App.Device, c.UserData = appevents.Device{}, u }
	}
	for name, test := range map[string]struct {
		change func(c *conversion)
		want   []string
	}{
		"valid":              {func(*conversion) {}, nil},
		"everything":         {func(c *conversion) { *c = fullApp() }, nil},
		"no extinfo":         {func(c *conversion) { c.App.ExtInfo = appevents.ExtInfo{} }, []string{"app.ext_info (required)"}},
		"no OS version":      {func(c *conversion) { c.App.ExtInfo.OSVersion = "" }, []string{"app.ext_info.os_version (required)"}},
		"consent not stated": {func(c *conversion) { c.App.Consent = appevents.Consent{} }, []string{"app.consent.advertiser (required)", "app.consent.application (required)"}},
		"attribution":        {func(c *conversion) { c.App.Device.Attribution = "abcdefghijklmnopqrstuv" }, []string{"app.device.attribution (conflict)"}},
		"player":             {func(c *conversion) { c.App.Device.PlayerID = "1" }, []string{"app.device.player_id (conflict)"}},
		"broken device":      {func(c *conversion) { c.App.Device.AnonID = "\xff" }, []string{"app.device.anon_id (format)"}},
		"no device's IP":     {func(c *conversion) { c.App.ClientIP = netip.IPv4Unspecified() }, []string{"app.client_ip (format)"}},
		"multicast IP":       {func(c *conversion) { c.App.ClientIP = netip.MustParseAddr("224.0.0.1") }, []string{"app.client_ip (format)"}},
		"dwell data":         {func(c *conversion) { c.App.IncludeDwellData = true }, []string{"app.consider_views (required)"}},
		"video data":         {func(c *conversion) { c.App.IncludeVideoData = true }, []string{"app.consider_views (required)"}},
		"broken receipts":    {func(c *conversion) { c.App.Receipts = "\xff" }, []string{"app.receipts (format)"}},
		"broken installer":   {func(c *conversion) { c.App.Installer = "\xff" }, []string{"app.installer (format)"}},
		"empty scheme":       {func(c *conversion) { c.App.URLSchemes = []string{""} }, []string{"app.url_schemes[0] (required)"}},
		"broken scheme":      {func(c *conversion) { c.App.URLSchemes = []string{"\xff"} }, []string{"app.url_schemes[0] (format)"}},
		"name":               {func(c *conversion) { c.Name = "-" }, []string{"name (format)"}},
		"old":                {func(c *conversion) { c.Time = time.Now().Add(-8 * 24 * time.Hour) }, []string{"time (range)"}},
		"nobody":             {user(appevents.UserData{}), []string{"user_data (required)"}},
		"vendor is nobody":   {func(c *conversion) { c.App.Device = appevents.Device{VendorID: "v"} }, []string{"user_data (required)"}},
		"anonymous ID":       {func(c *conversion) { c.App.Device = appevents.Device{AnonID: "XZ1"} }, nil},
		"user ID":            {func(c *conversion) { c.App.Device = appevents.Device{UserID: "7"} }, nil},
		"email":              {user(appevents.UserData{Email: "a@example.com"}), nil},
		"place":              {user(appevents.UserData{City: "Paris", Country: "FR", State: "IDF", Zip: "75001", Gender: "f"}), []string{"user_data (required)"}},
		"birth date":         {user(appevents.UserData{BirthDate: "19970216"}), []string{"user_data (required)"}},
		"first name, gender": {user(appevents.UserData{FirstName: "Mary", Gender: "f"}), []string{"user_data (required)"}},
		"last name, gender":  {user(appevents.UserData{LastName: "Smith", Gender: "f"}), []string{"user_data (required)"}},
		"both names":         {user(appevents.UserData{FirstName: "Mary", LastName: "Smith"}), nil},
		"birth date, place":  {user(appevents.UserData{BirthDate: "19970216", City: "Paris"}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := appConversion()
			test.change(&c)
			require.Equal(t, test.want, problemsOf(t, c.Validate()))
		})
	}
}

// appActivity is a valid call to /activities about a device.
func appActivity() *appevents.Activity {
	return &appevents.Activity{
		Device:         appevents.Device{AdvertiserID: "38400000-8cf0-11bd-b23e-10b96e40000d"},
		ExtInfo:        appevents.ExtInfo{Platform: appevents.Android, OSVersion: "14"},
		Consent:        appevents.ConsentDenied,
		DataProcessing: appevents.DataProcessing{Declared: true},
		Bundle:         appevents.Bundle{Installer: "com.android.vending", Receipts: "r"},
		Events: []appevents.Event{
			{Name: "SecretLevel", ID: "own"}, appevents.CompleteTutorial(true), appevents.Purchase(1, "USD"),
		},
	}
}

func TestActivity_Conversions_OfADevice(t *testing.T) {
	t.Parallel()
	activity := appActivity()
	all, err := activity.Conversions()
	require.NoError(t, err)
	require.Len(t, all, 3)
	for i, name := range []appevents.ConversionName{"SecretLevel", "TutorialCompletion", "Purchase"} {
		require.Equal(t, name, all[i].Name)
		require.Equal(t, activity.Consent, all[i].App.Consent)
		require.Equal(t, "com.android.vending", all[i].App.Installer)
		require.Equal(t, "r", all[i].App.Receipts)
		require.True(t, all[i].DataProcessing.Declared)
	}
	require.Equal(t, "own", all[0].ID)
	require.NotEqual(t, all[1].ID, all[2].ID)
	again, err := activity.Conversions()
	require.NoError(t, err)
	require.Equal(t, all, again)
	seen := map[string]string{all[1].ID: "the device"}
	for name, change := range map[string]func(a *appevents.Activity){
		"another device": func(a *appevents.Activity) { a.Device.AdvertiserID = "48400000-8cf0-11bd-b23e-10b96e40000d" },
		"anonymous ID":   func(a *appevents.Activity) { a.Device.AnonID = "XZ1" },
		"user ID":        func(a *appevents.Activity) { a.Device.UserID = "7" },
		"vendor ID":      func(a *appevents.Activity) { a.Device.VendorID = "7" },
		"package":        func(a *appevents.Activity) { a.ExtInfo.PackageName = "com.example" },
		"user data":      func(a *appevents.Activity) { a.UserData.Email = "a@example.com" },
		"another person": func(a *appevents.Activity) { a.UserData.Email = "b@example.com" },
	} {
		changed := appActivity()
		change(changed)
		other, err := changed.Conversions()
		require.NoError(t, err)
		require.NotContains(t, seen, other[1].ID, name)
		seen[other[1].ID] = name
	}

	graph := graphtest.New()
	client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: graph}))
	_, err = client.SendConversions(t.Context(), convDataset, all...)
	require.NoError(t, err)
	require.Empty(t, graph.Problems())
	require.Equal(t, "app", graph.Calls()[0].Events[1].Source)
}

func TestConversion_Validate_SaysWhyAPersonIsNotNamed(t *testing.T) {
	t.Parallel()
	c := appConversion()
	c.App.Device = appevents.Device{}
	require.ErrorContains(t, c.Validate(), "user_data: name the person: ")
	c.UserData.City = "Paris"
	require.ErrorContains(t, c.Validate(), "user_data: fits too many people: ")
}

func TestActivity_Conversions_OfAThread(t *testing.T) {
	t.Parallel()
	activity := purchase()
	activity.UserData.Email = "a@example.com"
	all, err := activity.Conversions()
	require.NoError(t, err)
	want, err := activity.Events[0].Conversion(activity.Thread)
	require.NoError(t, err)
	want.UserData = activity.UserData
	require.Equal(t, []appevents.Conversion{want}, all)
}

func TestActivity_Conversions_RefuseWhatHasNoCounterpart(t *testing.T) {
	t.Parallel()
	type activity = appevents.Activity
	for name, test := range map[string]struct {
		call   *activity
		change func(a *activity)
		want   []string
	}{
		"invalid":     {appActivity(), func(a *activity) { a.Consent = appevents.Consent{} }, []string{"consent.advertiser (required)", "consent.application (required)"}},
		"no extinfo":  {appActivity(), func(a *activity) { a.ExtInfo = appevents.ExtInfo{} }, []string{"ext_info (required)"}},
		"attribution": {appActivity(), func(a *activity) { a.Device.Attribution = "abcdefghijklmnopqrstuv" }, []string{"device.attribution (conflict)"}},
		"vague user":  {appActivity(), func(a *activity) { a.Device, a.UserData = appevents.Device{}, appevents.UserData{City: "Paris"} }, []string{"user_data (required)"}},
		"bundle": {appActivity(), func(a *activity) {
			a.Bundle = appevents.Bundle{ID: "i", Version: "v", ShortVersion: "s", SDKVersion: "k"}
		}, []string{"bundle.id (conflict)", "bundle.version (conflict)", "bundle.short_version (conflict)", "bundle.sdk_version (conflict)"}},
		"bundle of an SDK": {appActivity(), func(a *activity) {
			a.Bundle = appevents.Bundle{
				PackageName: "p", Migration: "m", SDK: "s", SkippedEvents: 1, ReadsAdvertiserID: new(true),
				CircuitBreakerActive: new(true), CircuitBreakerTimeout: time.Second,
			}
		}, []string{
			"bundle.package_name (conflict)", "bundle.migration (conflict)", "bundle.sdk (conflict)",
			"bundle.skipped_events (conflict)", "bundle.reads_advertiser_id (conflict)",
			"bundle.circuit_breaker_active (conflict)", "bundle.circuit_breaker_timeout (conflict)",
		}},
		"WhatsApp":              {appActivity(), func(a *activity) { a.Measurement.WhatsAppOptIn = new(false) }, []string{"measurement.whatsapp_opt_in (conflict)"}},
		"install":               {appActivity(), func(a *activity) { a.Measurement.InstallID = "i" }, []string{"measurement.install_id (conflict)"}},
		"Google's referrer":     {appActivity(), func(a *activity) { a.Measurement.GoogleInstallReferrer = "i" }, []string{"measurement.google_install_referrer (conflict)"}},
		"Meta's referrer":       {appActivity(), func(a *activity) { a.Measurement.MetaInstallReferrer = "i" }, []string{"measurement.meta_install_referrer (conflict)"}},
		"attribution referrer":  {appActivity(), func(a *activity) { a.Measurement.AttributionReferrer = "i" }, []string{"measurement.attribution_referrer (conflict)"}},
		"click":                 {appActivity(), func(a *activity) { a.Measurement.ClickID = "i" }, []string{"measurement.click_id (conflict)"}},
		"attributed":            {appActivity(), func(a *activity) { a.Measurement.IsFB = new(true) }, []string{"measurement.is_fb (conflict)"}},
		"sources":               {appActivity(), func(a *activity) { a.Measurement.Sources = make([]appevents.AttributionSource, 1) }, []string{"measurement.sources (conflict)"}},
		"event ID of a call":    {appActivity(), func(a *activity) { a.Measurement.EventID = "i" }, []string{"measurement.event_id (conflict)"}},
		"extra":                 {appActivity(), func(a *activity) { a.Extra = map[string]string{"x": "1"} }, []string{"extra (conflict)"}},
		"session":               {appActivity(), func(a *activity) { a.Events[1].SessionID = "s" }, []string{"events[1].session_id (conflict)"}},
		"custom shadows":        {appActivity(), func(a *activity) { a.Events[0].Params.Custom = map[string]any{"status": "x"} }, []string{"events[0].params.status (reserved)"}},
		"thread: name":          {purchase(), func(a *activity) { a.Events[0].Name = "SecretLevel" }, []string{"events[0].name (unknown)"}},
		"thread: denied":        {purchase(), func(a *activity) { a.Consent = appevents.ConsentDenied }, []string{"consent (conflict)"}},
		"thread: partly denied": {purchase(), func(a *activity) { a.Consent.Application = appevents.Denied }, []string{"consent (conflict)"}},
		"thread: address":       {purchase(), func(a *activity) { a.ClientIP = netip.MustParseAddr("203.0.113.7") }, []string{"client_ip (conflict)"}},
		"thread: installer":     {purchase(), func(a *activity) { a.Bundle.Installer = "i" }, []string{"bundle (conflict)"}},
		"thread: schemes":       {purchase(), func(a *activity) { a.Bundle.URLSchemes = []string{"s"} }, []string{"bundle (conflict)"}},
		"thread: referrer":      {purchase(), func(a *activity) { a.Measurement.InstallReferrer = "r" }, []string{"measurement (conflict)"}},
		"thread: campaign":      {purchase(), func(a *activity) { a.Measurement.CampaignIDs = "c" }, []string{"measurement (conflict)"}},
		"thread: views":         {purchase(), func(a *activity) { a.ConsiderViews = true }, []string{"consider_views (conflict)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.change(test.call)
			all, err := test.call.Conversions()
			require.Equal(t, test.want, problemsOf(t, err))
			require.Nil(t, all)
		})
	}
	_, err := (*appevents.Activity)(nil).Conversions()
	require.Error(t, err)
}

func TestInstall_Conversion(t *testing.T) {
	t.Parallel()
	in := install()
	in.ExtInfo = appevents.ExtInfo{Platform: appevents.Android, OSVersion: "14"}
	in.InstalledAt = time.Now().Add(-time.Hour)
	in.Measurement.InstallReferrer = "utm"
	c, err := in.Conversion()
	require.NoError(t, err)
	require.Equal(t, appevents.ConversionName("MobileAppInstall"), c.Name)
	require.Equal(t, in.InstalledAt, c.Time)
	require.Equal(t, "utm", c.App.InstallReferrer)
	require.NotEmpty(t, c.ID)

	graph := graphtest.New()
	client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: graph}))
	_, err = client.SendConversions(t.Context(), convDataset, c)
	require.NoError(t, err)
	require.Empty(t, graph.Problems())

	in.Measurement.EventID = "mine"
	c, err = in.Conversion()
	require.NoError(t, err)
	require.Equal(t, "mine", c.ID)

	in.Device.Attribution = "abcdefghijklmnopqrstuv"
	_, err = in.Conversion()
	require.Equal(t, []string{"device.attribution (conflict)"}, problemsOf(t, err))
	_, err = (*appevents.Install)(nil).Conversion()
	require.Error(t, err)
}
