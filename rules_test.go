package appevents_test

import (
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// validator is what every call and every event has in common.
type validator interface{ Validate() error }

// A rule is one sentence of the documentation: a value it accepts, a value it refuses, and how the refusal reads.
type rule struct {
	name     string
	accepted validator
	refused  validator
	path     string
	rule     string
	message  string // part of the message, where path and rule do not tell two checks apart
}

// aThread is a Messenger conversation; both IDs are longer than a float64 can count.
func aThread() appevents.Thread {
	return appevents.Thread{PageID: "18139494541428833", PSID: "18139494541428835"}
}

// botCall is a valid call about a Messenger conversation, then changed.
func botCall(change func(*appevents.Activity)) *appevents.Activity {
	a := &appevents.Activity{
		Thread: aThread(), Consent: appevents.ConsentAllowed, Events: []appevents.Event{appevents.Contact()},
	}
	change(a)
	return a
}

// appCall is a valid call about an app installation, then changed.
func appCall(change func(*appevents.Activity)) *appevents.Activity {
	a := &appevents.Activity{
		Device: appevents.Device{AdvertiserID: "1111-1111-1111-1111"}, Consent: appevents.ConsentAllowed,
		Events: []appevents.Event{appevents.Contact()},
	}
	change(a)
	return a
}

// installCall is a valid install, then changed.
func installCall(change func(*appevents.Install)) *appevents.Install {
	in := &appevents.Install{
		Device: appevents.Device{AdvertiserID: "1111-1111-1111-1111"}, Consent: appevents.ConsentDenied,
	}
	change(in)
	return in
}

// pageCall is a valid call to page_activities, then changed.
func pageCall(change func(*appevents.PageActivity)) *appevents.PageActivity {
	p := &appevents.PageActivity{
		Thread: aThread(), Consent: appevents.ConsentAllowed, Events: []appevents.Event{appevents.LeadSubmitted()},
	}
	change(p)
	return p
}

// withEvent is a valid call with this one event.
func withEvent(e appevents.Event) *appevents.Activity {
	return botCall(func(a *appevents.Activity) { a.Events = []appevents.Event{e} })
}

// named is an event with this name.
func named(name appevents.EventName) *appevents.Activity {
	return withEvent(appevents.Event{Name: name})
}

// at is an event that happened then.
func at(t time.Time) *appevents.Activity { return withEvent(appevents.Event{Name: "visit", Time: t}) }

// valued is an event with this value.
func valued(name appevents.EventName, value float64) *appevents.Activity {
	return withEvent(appevents.Event{Name: name, Value: &value})
}

// with is an event with these parameters.
func with(p appevents.Params) *appevents.Activity {
	return withEvent(appevents.Event{Name: "visit", Params: p})
}

// custom is an event with one parameter of its own.
func custom(key string, value any) *appevents.Activity {
	return with(appevents.Params{Custom: map[string]any{key: value}})
}

// customs is an event with n parameters of its own.
func customs(n int, p appevents.Params) *appevents.Activity {
	p.Custom = make(map[string]any, n)
	for i := range n {
		p.Custom["p"+strconv.Itoa(i)] = i
	}
	return with(p)
}

// content is an event with a good product and this one.
func content(c appevents.Content) *appevents.Activity {
	return with(appevents.Params{Contents: []appevents.Content{{ID: "1234", Quantity: 2}, c}})
}

func device(d appevents.Device) *appevents.Activity {
	return appCall(func(a *appevents.Activity) { a.Device = d })
}

func thread(t appevents.Thread) *appevents.Activity {
	return botCall(func(a *appevents.Activity) { a.Thread = t })
}

func consent(c appevents.Consent) *appevents.Activity {
	return botCall(func(a *appevents.Activity) { a.Consent = c })
}

// extInfo is a call with good device information, then changed.
func extInfo(change func(*appevents.ExtInfo)) *appevents.Activity {
	return appCall(func(a *appevents.Activity) {
		a.ExtInfo = appevents.ExtInfo{Platform: appevents.Android, OSVersion: "14"}
		change(&a.ExtInfo)
	})
}

func processing(d appevents.DataProcessing) *appevents.Activity {
	return appCall(func(a *appevents.Activity) { a.DataProcessing = d })
}

func clientIP(ip string) *appevents.Activity {
	return appCall(func(a *appevents.Activity) { a.ClientIP = netip.MustParseAddr(ip) })
}

func bundle(b appevents.Bundle) *appevents.Install {
	return installCall(func(in *appevents.Install) { in.Bundle = b })
}

func measurement(m appevents.Measurement) *appevents.Install {
	return installCall(func(in *appevents.Install) { in.Measurement = m })
}

func source(s appevents.AttributionSource) *appevents.Install {
	return measurement(appevents.Measurement{Sources: []appevents.AttributionSource{{}, s}})
}

// appLinkQuery is a valid look-up, then changed.
func appLinkQuery(change func(*appevents.AppLinkQuery)) appevents.AppLinkQuery {
	q := appevents.AppLinkQuery{
		Device: appevents.Device{AdvertiserID: "1111-1111-1111-1111"}, Consent: appevents.ConsentAllowed,
	}
	change(&q)
	return q
}

// operational is an event with this debugging data.
func operational(o appevents.OperationalParams) *appevents.Activity {
	return withEvent(appevents.Event{Name: "visit", Operational: o})
}

func extra(name, value string) *appevents.Install {
	return installCall(func(in *appevents.Install) { in.Extra = map[string]string{name: value} })
}

// The rules of Meta's documentation that a call can break. Everything is reported with the path and the rule of the one
// problem it has.
func TestRules(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 40)
	past := time.Unix(1700000000, 0)
	in2004 := time.Date(2004, 1, 1, 0, 0, 0, 0, time.UTC)
	mobileCookie := "abcDEF0123456789ghiJKL"

	rules := []rule{
		// Event names: ^[0-9a-zA-Z_][0-9a-zA-Z _-]{0,39}$
		{"an event has a name", named("x"), named(""), "events[0].name", "required", ""},
		{
			"a name has at most 40 characters", named(appevents.EventName(long)),
			named(appevents.EventName(long + "x")), "events[0].name", "format", "",
		},
		{"a name does not start with a hyphen", named("a-b"), named("-b"), "events[0].name", "format", ""},
		{"a name does not start with a space", named("a b"), named(" b"), "events[0].name", "format", ""},
		{"a name may start with an underscore", named("_visit"), named("~visit"), "events[0].name", "format", ""},
		{"a name is ASCII", named("cafe"), named("café"), "events[0].name", "format", ""},
		{
			"the automatic names are Meta's", named("messenger_bot_started"), named(appevents.EventBotStarted),
			"events[0].name", "reserved", "twice",
		},
		{
			"the prefix of automatic names is Meta's", named("fb_messenger_bots"), named("fb_messenger_bot_new_user"),
			"events[0].name", "reserved", "twice",
		},

		// Values
		{"a value is a number", valued("visit", 0), valued("visit", math.NaN()), "events[0].value", "range", ""},
		{
			"a value is finite", valued("visit", math.MaxFloat64), valued("visit", math.Inf(1)),
			"events[0].value", "range", "",
		},
		{
			"a value is finite downwards", valued("visit", -math.MaxFloat64), valued("visit", math.Inf(-1)),
			"events[0].value", "range", "",
		},
		{
			"a rating is not negative", withEvent(appevents.Rate(0, 5)), withEvent(appevents.Rate(-0.5, 5)),
			"events[0].value", "range", "rating",
		},
		{
			"a rating stays on its scale", withEvent(appevents.Rate(5, 5)), withEvent(appevents.Rate(5.5, 5)),
			"events[0].value", "range", "fb_max_rating_value",
		},
		{
			"only a rating has a scale",
			withEvent(appevents.Event{Name: "visit", Value: new(7.0), Params: appevents.Params{MaxRatingValue: 5}}),
			withEvent(appevents.Rate(7, 5)), "events[0].value", "range", "",
		},
		{
			"a scale has an upper end", withEvent(appevents.Rate(7, 0)), with(appevents.Params{MaxRatingValue: -1}),
			"events[0].params.fb_max_rating_value", "range", "",
		},
		{
			"a price has a currency", withEvent(appevents.Purchase(1, "EUR")), withEvent(appevents.Purchase(1, "")),
			"events[0].params.fb_currency", "required", "",
		},

		// Times
		{
			"a time is not in the future", at(time.Now().Add(50 * time.Second)), at(time.Now().Add(10 * time.Minute)),
			"events[0].time", "range", "future",
		},
		{"a time is not before 2004", at(in2004), at(in2004.Add(-time.Second)), "events[0].time", "range", "2004"},
		{
			"a time is not in milliseconds", at(past), at(time.Unix(past.UnixMilli(), 0)),
			"events[0].time", "range", "UnixMilli",
		},

		// Parameters
		{
			"a currency is in capitals", with(appevents.Params{Currency: "JPY"}),
			with(appevents.Params{Currency: "jpy"}), "events[0].params.fb_currency", "format", "",
		},
		{
			"a currency is money people pay with", with(appevents.Params{Currency: "UAH"}),
			with(appevents.Params{Currency: "XXX"}), "events[0].params.fb_currency", "format", "",
		},
		{
			"a currency is one code", with(appevents.Params{Currency: "ZWG"}),
			with(appevents.Params{Currency: "USD UYI"}), "events[0].params.fb_currency", "format", "",
		},
		{
			"items are counted upwards", with(appevents.Params{NumItems: 1}), with(appevents.Params{NumItems: -1}),
			"events[0].params.fb_num_items", "range", "",
		},
		{
			"a product ID is not empty", with(appevents.Params{ContentIDs: []string{"1", "2"}}),
			with(appevents.Params{ContentIDs: []string{"1", ""}}), "events[0].params.fb_content_id[1]", "required", "",
		},
		{
			"a product has an ID", content(appevents.Content{ID: "5678", Quantity: 1}),
			content(appevents.Content{Quantity: 1}), "events[0].params.fb_content[1].id", "required", "",
		},
		{
			"a product has a quantity", content(appevents.Content{ID: "5678", Quantity: 1}),
			content(appevents.Content{ID: "5678"}), "events[0].params.fb_content[1].quantity", "required", "",
		},
		{
			"a quantity is at least 1", content(appevents.Content{ID: "5678", Quantity: 9}),
			content(appevents.Content{ID: "5678", Quantity: -1}),
			"events[0].params.fb_content[1].quantity", "range", "",
		},
		{
			"a price is not negative", content(appevents.Content{ID: "5678", Quantity: 1, ItemPrice: 0.01}),
			content(appevents.Content{ID: "5678", Quantity: 1, ItemPrice: -0.01}),
			"events[0].params.fb_content[1].item_price", "range", "",
		},
		{
			"a price is a number", content(appevents.Content{ID: "5678", Quantity: 1, ItemPrice: 1e9}),
			content(appevents.Content{ID: "5678", Quantity: 1, ItemPrice: math.NaN()}),
			"events[0].params.fb_content[1].item_price", "range", "",
		},
		{
			"a price is finite", content(appevents.Content{ID: "5678", Quantity: 1}),
			content(appevents.Content{ID: "5678", Quantity: 1, ItemPrice: math.Inf(1)}),
			"events[0].params.fb_content[1].item_price", "range", "",
		},
		{
			"a parameter name follows the rule for event names", custom(long, 1), custom(long+"x", 1),
			"events[0].params.custom", "format", "",
		},
		{"a parameter name is not empty", custom("_", 1), custom("", 1), "events[0].params.custom", "format", ""},
		{
			"a parameter name does not start with a hyphen", custom("a-", 1), custom("-a", 1),
			"events[0].params.custom", "format", "",
		},
		{
			"a parameter name that has a field is not repeated", custom(appevents.ParamSDKAdType, "banner"),
			custom(appevents.ParamAdType, "banner"), "events[0].params.fb_ad_type", "reserved", "Params.AdType",
		},
		{
			"a parameter is text, a number or a bool", custom("color", "red"), custom("color", []string{"red"}),
			"events[0].params.color", "type", "",
		},
		{"a parameter has a value", custom("color", ""), custom("color", nil), "events[0].params.color", "type", ""},
		{
			"a number parameter is finite", custom("weight", 1.5), custom("weight", math.Inf(-1)),
			"events[0].params.weight", "range", "",
		},
		{
			"a float32 parameter is finite", custom("weight", float32(1.5)), custom("weight", float32(math.NaN())),
			"events[0].params.weight", "range", "",
		},
		{
			"a json.Number is a JSON number", custom("weight", json.Number("1.5e3")),
			custom("weight", json.Number("0x1p4")), "events[0].params.weight", "range", "",
		},
		{
			"a json.Number is a number", custom("weight", json.Number("-0")), custom("weight", json.Number("true")),
			"events[0].params.weight", "range", "",
		},
		{
			"a json.Number is not too large", custom("weight", json.Number("1e308")),
			custom("weight", json.Number("1e309")), "events[0].params.weight", "range", "",
		},

		// Events, consent, data processing
		{
			"a call has events", botCall(func(*appevents.Activity) {}),
			botCall(func(a *appevents.Activity) { a.Events = nil }), "events", "required", "",
		},
		{
			"the advertiser choice is stated", consent(appevents.ConsentDenied),
			consent(appevents.Consent{Application: appevents.Allowed}), "consent.advertiser", "required", "",
		},
		{
			"the application choice is stated", consent(appevents.ConsentAllowed),
			consent(appevents.Consent{Advertiser: appevents.Denied}), "consent.application", "required", "",
		},
		{
			"a choice is allowed or denied",
			consent(appevents.Consent{Advertiser: appevents.Denied, Application: appevents.Allowed}),
			consent(appevents.Consent{Advertiser: 3, Application: appevents.Allowed}),
			"consent.advertiser", "unknown", "",
		},
		{
			"a country code is not negative", processing(appevents.DataProcessing{LimitedDataUse: true, Country: 1}),
			processing(appevents.DataProcessing{LimitedDataUse: true, Country: -1}),
			"data_processing.country", "range", "",
		},
		{
			"a state code is not negative",
			processing(appevents.DataProcessing{LimitedDataUse: true, Country: 1, State: 1000}),
			processing(appevents.DataProcessing{LimitedDataUse: true, Country: 1, State: -1}),
			"data_processing.state", "range", "",
		},
		{
			"a country needs options", processing(appevents.DataProcessing{Declared: true, Country: 1}),
			processing(appevents.DataProcessing{Country: 1}), "data_processing", "conflict", "",
		},
		{
			"a state needs options", processing(appevents.DataProcessing{Declared: true, Country: 1, State: 1000}),
			processing(appevents.DataProcessing{Country: 1, State: 1000}), "data_processing", "conflict", "",
		},
		{
			"a state needs a country", processing(appevents.DataProcessing{Declared: true}),
			processing(appevents.DataProcessing{Declared: true, State: 1000}),
			"data_processing.country", "required", "",
		},

		// Who: the server's rule for custom events
		{
			"somebody is named", device(appevents.Device{AdvertiserID: "1"}), device(appevents.Device{}),
			"", "required", "name the person",
		},
		{
			"attribution names somebody, your own ID does not", device(appevents.Device{Attribution: mobileCookie}),
			device(appevents.Device{UserID: "1"}), "", "required", "name the person",
		},
		{
			"an anonymous ID names somebody, a vendor ID does not", device(appevents.Device{AnonID: "XZ1"}),
			device(appevents.Device{VendorID: "1"}), "", "required", "name the person",
		},
		{
			"a player ID names somebody, a push token does not", device(appevents.Device{PlayerID: "1"}),
			device(appevents.Device{PushToken: "1"}), "", "required", "name the person",
		},
		{"user data names somebody, a Windows token does not", appCall(func(a *appevents.Activity) {
			a.Device, a.UserData.Email = appevents.Device{}, "jsmith@example.com"
		}), device(appevents.Device{WindowsAttributionID: "1"}), "", "required", "name the person"},
		{
			"a thread needs a Page", thread(aThread()), thread(appevents.Thread{PSID: "1"}),
			"thread.page_id", "required", "",
		},
		{
			"a thread needs a person", thread(aThread()), thread(appevents.Thread{PageID: "1"}),
			"thread.psid", "required", "",
		},
		{
			"an ID is digits", thread(appevents.Thread{PageID: "1", PSID: "9"}),
			thread(appevents.Thread{PageID: "a1", PSID: "9"}), "thread.page_id", "format", "digits",
		},
		{
			"an ID has no sign", thread(appevents.Thread{PageID: "1", PSID: "9"}),
			thread(appevents.Thread{PageID: "1", PSID: "-9"}), "thread.psid", "format", "digits",
		},
		{
			"an ID does not start with a zero", thread(appevents.Thread{PageID: "10", PSID: "9"}),
			thread(appevents.Thread{PageID: "01", PSID: "9"}), "thread.page_id", "format", "zero",
		},
		{
			"an ID is not zero", thread(appevents.Thread{PageID: "1", PSID: "9"}),
			thread(appevents.Thread{PageID: "0", PSID: "9"}), "thread.page_id", "range", "",
		},
		{
			"an ID has 63 bits", thread(appevents.Thread{PageID: "9223372036854775807", PSID: "9"}),
			thread(appevents.Thread{PageID: "9223372036854775808", PSID: "9"}), "thread.page_id", "range", "",
		},
		{
			"an ID has less than 64 bits", thread(aThread()),
			thread(appevents.Thread{PageID: "18446744073709551616", PSID: "9"}), "thread.page_id", "range", "",
		},
		{
			"Instagram is not logged here", thread(aThread()),
			thread(appevents.Thread{Channel: appevents.ChannelInstagram, PageID: "1", PSID: "9"}),
			"thread.channel", "conflict", "SendConversions",
		},
		{
			"a thread is not a device", botCall(func(*appevents.Activity) {}),
			botCall(func(a *appevents.Activity) { a.Device.UserID = "1" }), "device", "conflict", "",
		},
		{"a thread has no device information", botCall(func(*appevents.Activity) {}), botCall(func(a *appevents.Activity) {
			a.ExtInfo = appevents.ExtInfo{Platform: appevents.IOS, OSVersion: "17.4"}
		}), "ext_info", "conflict", "mb1"},

		{
			"user data without anything usable names nobody",
			appCall(func(a *appevents.Activity) { a.Device, a.UserData.Phone = appevents.Device{}, "+44 20 7946 0000" }),
			appCall(func(a *appevents.Activity) { a.Device, a.UserData.Phone = appevents.Device{}, "none" }),
			"", "required", "name the person",
		},

		// Installs: the rule of the guide
		{
			"an install has an advertiser ID or attribution",
			installCall(func(in *appevents.Install) { in.Device = appevents.Device{Attribution: mobileCookie} }),
			installCall(func(in *appevents.Install) { in.Device = appevents.Device{AnonID: "XZ1"} }),
			"device", "required", "",
		},
		{
			"an anonymous ID may be enough for an install",
			installCall(func(in *appevents.Install) { in.Device, in.AllowAnonID = appevents.Device{AnonID: "XZ1"}, true }),
			installCall(func(in *appevents.Install) { in.Device, in.AllowAnonID = appevents.Device{}, true }),
			"device", "required", "",
		},
		{
			"an install is not in the future", installCall(func(in *appevents.Install) { in.InstalledAt = past }),
			installCall(func(in *appevents.Install) { in.InstalledAt = time.Now().Add(time.Hour) }),
			"installed_at", "range", "future",
		},
		{
			"dwell data is about views",
			installCall(func(in *appevents.Install) { in.ConsiderViews, in.IncludeDwellData = true, true }),
			installCall(func(in *appevents.Install) { in.IncludeDwellData = true }), "consider_views", "required", "",
		},
		{
			"video data is about views",
			appCall(func(a *appevents.Activity) { a.ConsiderViews, a.IncludeVideoData = true, true }),
			appCall(func(a *appevents.Activity) { a.IncludeVideoData = true }), "consider_views", "required", "",
		},

		// Device
		{
			"attribution is 22 letters and digits", device(appevents.Device{Attribution: mobileCookie}),
			device(appevents.Device{Attribution: mobileCookie[1:]}), "device.attribution", "format", "",
		},
		{"a client IP is not unspecified", clientIP("192.168.0.99"), clientIP("0.0.0.0"), "client_ip", "format", ""},
		{
			"a client IP is not unspecified in IPv6", clientIP("fd45:f238:3b40:23b1:ffff:ffff:ffff:abcd"),
			clientIP("::"), "client_ip", "format", "",
		},
		{
			"a client IP is not unspecified behind a mapping", clientIP("::ffff:192.168.0.99"),
			clientIP("::ffff:0.0.0.0"), "client_ip", "format", "",
		},
		{"a client IP is one address", clientIP("198.51.100.7"), clientIP("224.0.0.1"), "client_ip", "format", ""},

		// Personal data, whose own rules are tested beside it
		{
			"personal data is no digest but SHA-256",
			installCall(func(in *appevents.Install) { in.UserData.Email = strings.Repeat("0", 64) }),
			installCall(func(in *appevents.Install) { in.UserData.Email = strings.Repeat("0", 32) }),
			"user_data.em", "format", "",
		},

		// Extended device information
		{
			"device information has a platform", extInfo(func(x *appevents.ExtInfo) { x.Platform = appevents.IOS }),
			extInfo(func(x *appevents.ExtInfo) { x.Platform = "" }), "ext_info.platform", "required", "",
		},
		{
			"the platform is Android or iOS", extInfo(func(x *appevents.ExtInfo) { x.Platform = appevents.Android }),
			extInfo(func(x *appevents.ExtInfo) { x.Platform = "mb1" }), "ext_info.platform", "unknown", "",
		},
		{
			"a screen has a width", extInfo(func(x *appevents.ExtInfo) { x.ScreenWidth = 1 }),
			extInfo(func(x *appevents.ExtInfo) { x.ScreenWidth = -1 }), "ext_info.screen_width", "range", "",
		},
		{
			"a screen has a height", extInfo(func(x *appevents.ExtInfo) { x.ScreenHeight = 1 }),
			extInfo(func(x *appevents.ExtInfo) { x.ScreenHeight = -1 }), "ext_info.screen_height", "range", "",
		},
		{
			"cores are counted upwards", extInfo(func(x *appevents.ExtInfo) { x.CPUCores = 1 }),
			extInfo(func(x *appevents.ExtInfo) { x.CPUCores = -1 }), "ext_info.cpu_cores", "range", "",
		},
		{
			"storage is -1 when unknown", extInfo(func(x *appevents.ExtInfo) { x.StorageGB = -1 }),
			extInfo(func(x *appevents.ExtInfo) { x.StorageGB = -2 }), "ext_info.storage_gb", "range", "",
		},
		{
			"free storage is -1 when unknown", extInfo(func(x *appevents.ExtInfo) { x.FreeStorageGB = -1 }),
			extInfo(func(x *appevents.ExtInfo) { x.FreeStorageGB = -2 }), "ext_info.free_storage_gb", "range", "",
		},
		{
			"a density is not negative", extInfo(func(x *appevents.ExtInfo) { x.ScreenDensity = 0.1 }),
			extInfo(func(x *appevents.ExtInfo) { x.ScreenDensity = -0.1 }), "ext_info.screen_density", "range", "",
		},
		{
			"a density is a number", extInfo(func(x *appevents.ExtInfo) { x.ScreenDensity = 2 }),
			extInfo(func(x *appevents.ExtInfo) { x.ScreenDensity = math.NaN() }),
			"ext_info.screen_density", "range", "",
		},
		{
			"a density is finite", extInfo(func(x *appevents.ExtInfo) { x.ScreenDensity = 4 }),
			extInfo(func(x *appevents.ExtInfo) { x.ScreenDensity = math.Inf(1) }),
			"ext_info.screen_density", "range", "",
		},

		// Debugging data
		{
			"debugging data is text, a number or a bool", operational(appevents.OperationalParams{IAP: map[string]any{"a": true}}),
			operational(appevents.OperationalParams{IAP: map[string]any{"a": nil}}),
			"events[0].operational.iap_parameters.a", "type", "",
		},
		{
			"a number of debugging data is finite",
			operational(appevents.OperationalParams{DeferralLink: map[string]any{"a": 1.5}}),
			operational(appevents.OperationalParams{DeferralLink: map[string]any{"a": math.NaN()}}),
			"events[0].operational.deferral_link_parameters.a", "range", "",
		},
		{
			"a key of debugging data follows the rule for event names",
			operational(appevents.OperationalParams{DeferralLink: map[string]any{"_eventName": 1}}),
			operational(appevents.OperationalParams{DeferralLink: map[string]any{`a"`: 1}}),
			"events[0].operational.deferral_link_parameters", "format", "",
		},
		{
			"a page activity has no debugging data",
			pageCall(func(p *appevents.PageActivity) { p.Events[0].Screen, p.Events[0].Background = "cart", true }),
			pageCall(func(p *appevents.PageActivity) { p.Events[0].Operational.IAP = map[string]any{"a": 1} }),
			"events[0].operational", "conflict", "/activities",
		},

		// Look-ups of deferred app links
		{
			"a look-up has an advertiser ID, attribution or an anonymous ID",
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.Device = appevents.Device{AnonID: "XZ1"} }),
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.Device = appevents.Device{VendorID: "1", PlayerID: "1"} }),
			"device", "required", "anonymous ID",
		},
		{
			"attribution is enough for a look-up",
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.Device = appevents.Device{Attribution: mobileCookie} }),
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.Device = appevents.Device{UserID: "1"} }),
			"device", "required", "attribution",
		},
		{
			"the device of a look-up is valid", appLinkQuery(func(q *appevents.AppLinkQuery) { q.Device.Attribution = mobileCookie }),
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.Device.Attribution = "short" }), "device.attribution", "format", "",
		},
		{
			"a look-up states consent", appLinkQuery(func(*appevents.AppLinkQuery) {}),
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.Consent.Application = 0 }), "consent.application", "required", "",
		},
		{
			"device information of a look-up has a platform",
			appLinkQuery(func(q *appevents.AppLinkQuery) {
				q.ExtInfo = appevents.ExtInfo{Platform: appevents.IOS, OSVersion: "17.4"}
			}),
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.ExtInfo.OSVersion = "17.4" }),
			"ext_info.platform", "required", "",
		},
		{
			"the client IP of a look-up is one of a device",
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.ClientIP = netip.MustParseAddr("198.51.100.7") }),
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.ClientIP = netip.IPv4Unspecified() }), "client_ip", "format", "",
		},
		{
			"a country of a look-up needs options",
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.DataProcessing.LimitedDataUse = true }),
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.DataProcessing.Country = 1 }), "data_processing", "conflict", "",
		},
		{
			"the bundle of a look-up is valid", appLinkQuery(func(q *appevents.AppLinkQuery) { q.Bundle.SkippedEvents = 1 }),
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.Bundle.SkippedEvents = -1 }),
			"bundle.skipped_events", "range", "",
		},
		{
			"an extra parameter of a look-up has no field",
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.Extra = map[string]string{"note": "1"} }),
			appLinkQuery(func(q *appevents.AppLinkQuery) { q.Extra = map[string]string{"bundle_id": "1"} }),
			"extra.bundle_id", "reserved", "use Bundle",
		},

		// Bundle and measurement
		{
			"events are skipped upwards", bundle(appevents.Bundle{SkippedEvents: 1}),
			bundle(appevents.Bundle{SkippedEvents: -1}), "bundle.skipped_events", "range", "",
		},
		{
			"a circuit breaker waits for milliseconds", bundle(appevents.Bundle{CircuitBreakerTimeout: time.Millisecond}),
			bundle(appevents.Bundle{CircuitBreakerTimeout: time.Millisecond - 1}),
			"bundle.circuit_breaker_timeout", "range", "",
		},
		{
			"a circuit breaker waits forwards", bundle(appevents.Bundle{CircuitBreakerTimeout: time.Hour}),
			bundle(appevents.Bundle{CircuitBreakerTimeout: -time.Hour}), "bundle.circuit_breaker_timeout", "range", "",
		},
		{
			"a URL scheme is not empty", bundle(appevents.Bundle{URLSchemes: []string{"fb1"}}),
			bundle(appevents.Bundle{URLSchemes: []string{"fb1", ""}}), "bundle.url_schemes[1]", "required", "",
		},
		{
			"the ad of a source is an ID", source(appevents.AttributionSource{AdID: "1"}),
			source(appevents.AttributionSource{AdID: "a"}), "measurement.sources[1].source_ad_id", "format", "",
		},
		{
			"the ad group of a source is an ID", source(appevents.AttributionSource{AdGroupID: "1"}),
			source(appevents.AttributionSource{AdGroupID: "0"}),
			"measurement.sources[1].source_adgroup_id", "range", "",
		},
		{
			"the last install is past", measurement(appevents.Measurement{LastNewInstall: past}),
			measurement(appevents.Measurement{LastNewInstall: time.Now().Add(time.Hour)}),
			"measurement.last_new_install", "range", "future",
		},
		{
			"the last session is past", measurement(appevents.Measurement{LastSession: past}),
			measurement(appevents.Measurement{LastSession: time.Unix(past.UnixMilli(), 0)}),
			"measurement.last_session", "range", "UnixMilli",
		},
		{
			"the engagement of a source is past", source(appevents.AttributionSource{EngagementTime: past}),
			source(appevents.AttributionSource{EngagementTime: time.Unix(1, 0)}),
			"measurement.sources[1].source_ad_engagement_time", "range", "",
		},
		{
			"the event of a source is past", source(appevents.AttributionSource{EventTime: past}),
			source(appevents.AttributionSource{EventTime: time.Unix(1, 0)}),
			"measurement.sources[1].source_event_time", "range", "",
		},

		// Parameters outside the model
		{"an extra parameter has a name", extra("a", "1"), extra("", "1"), "extra", "format", ""},
		{
			"an extra name has letters, digits and underscores", extra("a_1", "1"), extra("ud[em]", "1"),
			"extra", "format", "",
		},
		{
			"an extra name has at most 100 characters", extra(strings.Repeat("x", 100), "1"),
			extra(strings.Repeat("x", 101), "1"), "extra", "format", "",
		},
		{
			"an extra parameter is not a credential", extra("note", "1"), extra("access_token", "1"),
			"extra.access_token", "reserved", "",
		},
		{
			"an extra parameter changes no meaning", extra("note", "1"), extra("method", "GET"),
			"extra.method", "reserved", "",
		},
		{
			"an extra parameter has no field", extra("debug", "all"), extra("advertiser_id", "1"),
			"extra.advertiser_id", "reserved", "Device",
		},

		// page_activities
		{
			"a page activity has events", pageCall(func(*appevents.PageActivity) {}),
			pageCall(func(p *appevents.PageActivity) { p.Events = []appevents.Event{} }), "events", "required", "",
		},
		{
			"the events of a page activity are valid", pageCall(func(*appevents.PageActivity) {}),
			pageCall(func(p *appevents.PageActivity) { p.Events = []appevents.Event{appevents.Contact(), {}} }),
			"events[1].name", "required", "",
		},
		{
			"a page activity has a thread", pageCall(func(*appevents.PageActivity) {}),
			pageCall(func(p *appevents.PageActivity) { p.Thread.PSID = "" }), "thread.psid", "required", "",
		},
		{
			"a page activity is about Messenger", pageCall(func(*appevents.PageActivity) {}),
			pageCall(func(p *appevents.PageActivity) { p.Thread.Channel = appevents.ChannelInstagram }),
			"thread.channel", "conflict", "",
		},
		{
			"a page activity states consent", pageCall(func(*appevents.PageActivity) {}),
			pageCall(func(p *appevents.PageActivity) { p.Consent.Advertiser = 0 }),
			"consent.advertiser", "required", "",
		},
		{
			"a target is known", pageCall(func(p *appevents.PageActivity) { p.Target = "APP_AND_PAGE" }),
			pageCall(func(p *appevents.PageActivity) { p.Target = "page_and_app" }), "target", "unknown", "",
		},
		{
			"a source is known", pageCall(func(p *appevents.PageActivity) { p.Source = "Detection" }),
			pageCall(func(p *appevents.PageActivity) { p.Source = "messenger" }), "source", "unknown", "",
		},

		// No call at all
		{
			"an activity is not nil", botCall(func(*appevents.Activity) {}), (*appevents.Activity)(nil),
			"", "required", "log activity",
		},
		{
			"an install is not nil", installCall(func(*appevents.Install) {}), (*appevents.Install)(nil),
			"", "required", "log install",
		},
		{
			"a page activity is not nil", pageCall(func(*appevents.PageActivity) {}), (*appevents.PageActivity)(nil),
			"", "required", "log page activity",
		},
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, r.accepted.Validate())
			requireIssue(t, r.refused.Validate(), r.path, r.rule, r.message)
		})
	}
}

// Every text of every call is UTF-8, whatever else it may hold.
func TestRules_TextsAreUTF8(t *testing.T) {
	t.Parallel()
	for path, call := range map[string]func(s string) validator{
		"events[0].id":         func(s string) validator { return withEvent(appevents.Event{Name: "visit", ID: s}) },
		"events[0].session_id": func(s string) validator { return withEvent(appevents.Event{Name: "visit", SessionID: s}) },
		"events[0].user_id":    func(s string) validator { return withEvent(appevents.Event{Name: "visit", UserID: s}) },
		"events[0].screen":     func(s string) validator { return withEvent(appevents.Event{Name: "visit", Screen: s}) },
		"events[0].operational.iap_parameters.a": func(s string) validator {
			return operational(appevents.OperationalParams{IAP: map[string]any{"a": s}})
		},
		"events[0].params.fb_ad_type":                      func(s string) validator { return with(appevents.Params{AdType: s}) },
		"events[0].params.fb_content_type":                 func(s string) validator { return with(appevents.Params{ContentType: s}) },
		"events[0].params.fb_description":                  func(s string) validator { return with(appevents.Params{Description: s}) },
		"events[0].params.fb_level":                        func(s string) validator { return with(appevents.Params{Level: s}) },
		"events[0].params.fb_order_id":                     func(s string) validator { return with(appevents.Params{OrderID: s}) },
		"events[0].params.fb_registration_method":          func(s string) validator { return with(appevents.Params{RegistrationMethod: s}) },
		"events[0].params.fb_search_string":                func(s string) validator { return with(appevents.Params{SearchString: s}) },
		"events[0].params.fb_content_id[0]":                func(s string) validator { return with(appevents.Params{ContentIDs: []string{s}}) },
		"events[0].params.fb_content[1].id":                func(s string) validator { return content(appevents.Content{ID: s, Quantity: 1}) },
		"events[0].params.color":                           func(s string) validator { return custom("color", s) },
		"events[0].params.page":                            func(s string) validator { return custom("page", appevents.ID(s)) },
		"device.advertiser_id":                             func(s string) validator { return device(appevents.Device{AdvertiserID: s}) },
		"device.anon_id":                                   func(s string) validator { return device(appevents.Device{AnonID: s}) },
		"device.vendor_id":                                 func(s string) validator { return device(appevents.Device{AnonID: "1", VendorID: s}) },
		"device.user_id":                                   func(s string) validator { return device(appevents.Device{AnonID: "1", UserID: s}) },
		"device.player_id":                                 func(s string) validator { return device(appevents.Device{PlayerID: s}) },
		"device.push_token":                                func(s string) validator { return device(appevents.Device{AnonID: "1", PushToken: s}) },
		"device.windows_attribution_id":                    func(s string) validator { return device(appevents.Device{AnonID: "1", WindowsAttributionID: s}) },
		"ext_info.os_version":                              func(s string) validator { return extInfo(func(x *appevents.ExtInfo) { x.OSVersion = s }) },
		"ext_info.package_name":                            func(s string) validator { return extInfo(func(x *appevents.ExtInfo) { x.PackageName = s }) },
		"ext_info.build_number":                            func(s string) validator { return extInfo(func(x *appevents.ExtInfo) { x.BuildNumber = s }) },
		"ext_info.app_version":                             func(s string) validator { return extInfo(func(x *appevents.ExtInfo) { x.AppVersion = s }) },
		"ext_info.device_model":                            func(s string) validator { return extInfo(func(x *appevents.ExtInfo) { x.DeviceModel = s }) },
		"ext_info.locale":                                  func(s string) validator { return extInfo(func(x *appevents.ExtInfo) { x.Locale = s }) },
		"ext_info.timezone_abbr":                           func(s string) validator { return extInfo(func(x *appevents.ExtInfo) { x.TimezoneAbbreviation = s }) },
		"ext_info.carrier":                                 func(s string) validator { return extInfo(func(x *appevents.ExtInfo) { x.Carrier = s }) },
		"ext_info.timezone":                                func(s string) validator { return extInfo(func(x *appevents.ExtInfo) { x.Timezone = s }) },
		"bundle.id":                                        func(s string) validator { return bundle(appevents.Bundle{ID: s}) },
		"bundle.version":                                   func(s string) validator { return bundle(appevents.Bundle{Version: s}) },
		"bundle.short_version":                             func(s string) validator { return bundle(appevents.Bundle{ShortVersion: s}) },
		"bundle.installer":                                 func(s string) validator { return bundle(appevents.Bundle{Installer: s}) },
		"bundle.receipts":                                  func(s string) validator { return bundle(appevents.Bundle{Receipts: s}) },
		"bundle.package_name":                              func(s string) validator { return bundle(appevents.Bundle{PackageName: s}) },
		"bundle.migration":                                 func(s string) validator { return bundle(appevents.Bundle{Migration: s}) },
		"bundle.sdk":                                       func(s string) validator { return bundle(appevents.Bundle{SDK: s}) },
		"bundle.sdk_version":                               func(s string) validator { return bundle(appevents.Bundle{SDKVersion: s}) },
		"bundle.url_schemes[0]":                            func(s string) validator { return bundle(appevents.Bundle{URLSchemes: []string{s}}) },
		"measurement.event_id":                             func(s string) validator { return measurement(appevents.Measurement{EventID: s}) },
		"measurement.install_id":                           func(s string) validator { return measurement(appevents.Measurement{InstallID: s}) },
		"measurement.install_referrer":                     func(s string) validator { return measurement(appevents.Measurement{InstallReferrer: s}) },
		"measurement.google_install_referrer":              func(s string) validator { return measurement(appevents.Measurement{GoogleInstallReferrer: s}) },
		"measurement.meta_install_referrer":                func(s string) validator { return measurement(appevents.Measurement{MetaInstallReferrer: s}) },
		"measurement.attribution_referrer":                 func(s string) validator { return measurement(appevents.Measurement{AttributionReferrer: s}) },
		"measurement.campaign_ids":                         func(s string) validator { return measurement(appevents.Measurement{CampaignIDs: s}) },
		"measurement.click_id":                             func(s string) validator { return measurement(appevents.Measurement{ClickID: s}) },
		"measurement.sources[1].source_ad_engagement_type": func(s string) validator { return source(appevents.AttributionSource{EngagementType: s}) },
		"measurement.sources[1].source_event_id":           func(s string) validator { return source(appevents.AttributionSource{EventID: s}) },
		"measurement.sources[1].source_install_id":         func(s string) validator { return source(appevents.AttributionSource{InstallID: s}) },
		"measurement.sources[1].source_auditing_token":     func(s string) validator { return source(appevents.AttributionSource{AuditingToken: s}) },
		"measurement.sources[1].source_attribution_method": func(s string) validator { return source(appevents.AttributionSource{AttributionMethod: s}) },
		"extra.note":                                       func(s string) validator { return extra("note", s) },
	} {
		require.NoError(t, call("caf\u00e9 \x00\u2028 😊").Validate(), path)
		requireIssue(t, call("caf\xe9").Validate(), path, appevents.RuleFormat, "UTF-8")
	}
}

// requireIssue asserts that a call was refused for exactly one reason.
func requireIssue(tb testing.TB, err error, path, rule, message string) {
	tb.Helper()
	issues := issuesOf(tb, err)
	require.Len(tb, issues, 1)
	require.Equal(tb, path, issues[0].Path)
	require.Equal(tb, rule, issues[0].Rule)
	require.Contains(tb, issues[0].Message, message)
}

func issuesOf(tb testing.TB, err error) []appevents.Issue {
	tb.Helper()
	var invalid *appevents.ValidationError
	require.ErrorAs(tb, err, &invalid)
	return invalid.Issues
}

// The characters of a name, one at a time: the first, and any other.
func TestRules_NamesByCharacter(t *testing.T) {
	t.Parallel()
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	for b := range 256 {
		c := string([]byte{byte(b)})
		first, other := strings.Contains(letters, c), strings.Contains(letters+" -", c)
		require.Equal(t, first, named(appevents.EventName(c+"x")).Validate() == nil, "%q first", c)
		require.Equal(t, other, named(appevents.EventName("x"+c)).Validate() == nil, "%q second", c)
		require.Equal(t, first, custom(c+"x", 1).Validate() == nil, "%q first in a parameter", c)
		require.Equal(t, other, custom("x"+c, 1).Validate() == nil, "%q second in a parameter", c)
	}
}

func TestRules_AutomaticEvents(t *testing.T) {
	t.Parallel()
	for _, name := range []appevents.EventName{
		appevents.EventBotMessageReceived, appevents.EventBotMessageSent, appevents.EventBotPostbackCalled,
		appevents.EventBotStarted, appevents.EventBotStopped, appevents.EventBotThreadDeleted,
	} {
		requireIssue(t, named(name).Validate(), "events[0].name", appevents.RuleReserved, "logs this event by itself")
	}
}

func TestRules_PricesNeedACurrency(t *testing.T) {
	t.Parallel()
	prices := map[appevents.EventName]bool{
		"AdImpression": true, "StartTrial": true, "Subscribe": true, "fb_mobile_add_to_cart": true,
		"fb_mobile_add_to_wishlist": true, "fb_mobile_content_view": true, "fb_mobile_initiated_checkout": true,
		"fb_mobile_purchase": true,
	}
	for _, spec := range appevents.StandardEvents() {
		require.NoError(t, named(spec.Name).Validate(), "%s without a value", spec.Name)
		require.Equal(t, prices[spec.Name], spec.ValueIsPrice, spec.Name)
		if err := valued(spec.Name, 1).Validate(); prices[spec.Name] {
			requireIssue(t, err, "events[0].params.fb_currency", appevents.RuleRequired, "price")
		} else {
			require.NoError(t, err, spec.Name)
		}
	}
	require.NoError(t, valued("my_event", 1).Validate())
}

// Meta's limit of 25 is one of an event name over all calls, so a call beyond it is sent with a warning. Each typed
// parameter counts.
func TestWarnings_ParameterCount(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]appevents.Params{
		"ad type":             {AdType: "banner"},
		"contents":            {Contents: []appevents.Content{{ID: "1", Quantity: 1}, {ID: "2", Quantity: 1}}},
		"content IDs":         {ContentIDs: []string{"1", "2"}},
		"content type":        {ContentType: "product"},
		"currency":            {Currency: "USD"},
		"description":         {Description: "d"},
		"level":               {Level: "1"},
		"max rating":          {MaxRatingValue: 5},
		"items":               {NumItems: 1},
		"order ID":            {OrderID: "1"},
		"payment info":        {PaymentInfoAvailable: new(false)},
		"registration method": {RegistrationMethod: "Email"},
		"search":              {SearchString: "mug"},
		"success":             {Success: new(false)},
	} {
		require.Empty(t, customs(24, p).Warnings(), name)
		require.NoError(t, customs(25, p).Validate(), name)
		require.Equal(t, []string{"events[0].params length"}, pathsAndRules(customs(25, p).Warnings()), name)
	}
	require.Empty(t, customs(25, appevents.Params{Contents: []appevents.Content{}, ContentIDs: []string{}}).Warnings())
}

// What Custom must not set, and the field that the message names instead.
func TestRules_ReservedKeys(t *testing.T) {
	t.Parallel()
	for key, home := range map[string]string{
		"_eventName": "Event.Name", "_eventName_md5": "Event.Name", "_valueToSum": "Event.Value",
		"_logTime": "Event.Time", "event_id": "Event.ID", "_session_id": "Event.SessionID",
		"_app_user_id": "Event.UserID", "_implicitlyLogged": "Event.Implicit", "_isTimedEvent": "Event.Timed",
		"_ui": "Event.Screen", "_inBackground": "Event.Background",
		"fb_ad_type": "Params.AdType", "fb_content": "Params.Contents", "fb_content_id": "Params.ContentIDs",
		"fb_content_type": "Params.ContentType", "fb_currency": "Params.Currency",
		"fb_description": "Params.Description", "fb_level": "Params.Level",
		"fb_max_rating_value": "Params.MaxRatingValue", "fb_num_items": "Params.NumItems",
		"fb_order_id": "Params.OrderID", "fb_payment_info_available": "Params.PaymentInfoAvailable",
		"fb_registration_method": "Params.RegistrationMethod", "fb_search_string": "Params.SearchString",
		"fb_success": "Params.Success",
	} {
		requireIssue(t, custom(key, "1").Validate(), "events[0].params."+key, appevents.RuleReserved, "use "+home)
	}
	require.NoError(t, custom("fb_mobile_launch_source", "com.example").Validate())
	require.NoError(t, custom("_appVersion", "1.0").Validate())
}

// What Extra must not set, and the field that the message names instead.
func TestRules_ExtraParameters(t *testing.T) {
	t.Parallel()
	homes := map[string]string{
		"use LogActivity, LogInstall or DeferredAppLink": "event",
		"use Activity.Events":                            "custom_events",
		"use Activity.Events, of which":                  "custom_events_file",
		"use Event.Operational":                          "operational_parameters",
		"no longer uses":                                 "auto_publish",
		"Consent":                                        "advertiser_tracking_enabled application_tracking_enabled",
		"Activity.Thread":                                "page_id page_scoped_user_id",
		"ExtInfo":                                        "extinfo",
		"UserData":                                       "ud",
		"DataProcessing":                                 "data_processing_options data_processing_options_country data_processing_options_state",
		"use DataProcessing.LimitedDataUse":              "limited_data_use",
		"Device": "advertiser_id anon_id app_user_id attribution device_token user_id user_id_type vendor_id " +
			"windows_attribution_id",
		"Bundle": "advertiser_id_collection_enabled application_package_name bundle_id bundle_short_version " +
			"bundle_version circuit_breaker_timeout_ms installer_package is_circuit_breaker_active migration_bundle " +
			"num_skipped_events receipt_data sdk sdk_version url_schemes",
		"Measurement": "add_to_messaging_customer_base_for_whatsapp attribution_referrer attribution_sources " +
			"campaign_ids click_id event_id google_install_referrer install_id install_referrer is_fb " +
			"meta_install_referrer is_redownload last_new_install_time last_session_time",
		"Install.InstalledAt": "install_timestamp",
		"ConsiderViews":       "consider_views",
		"IncludeDwellData":    "include_dwell_data",
		"IncludeVideoData":    "include_video_data",
		"options":             "access_token appsecret_proof appsecret_time",
		"changes what":        "format method suppress_http_code",
	}
	for home, names := range homes {
		for name := range strings.FieldsSeq(names) {
			requireIssue(t, extra(name, "1").Validate(), "extra."+name, appevents.RuleReserved, home)
			activity := appCall(func(a *appevents.Activity) { a.Extra = map[string]string{name: "1"} })
			requireIssue(t, activity.Validate(), "extra."+name, appevents.RuleReserved, home)
		}
	}
	for _, free := range []string{"debug", "locale", "a_parameter_of_tomorrow"} {
		require.NoError(t, extra(free, "1").Validate())
	}

	// A look-up has not all of these fields, and says so.
	for name, home := range map[string]string{
		"bundle_id": "use Bundle", "event": "use LogActivity, LogInstall or DeferredAppLink", "ud": "does not take it",
		"click_id": "does not take it", "consider_views": "does not take it", "include_dwell_data": "does not take it",
		"include_video_data": "does not take it", "install_timestamp": "use Install.InstalledAt",
		"access_token": "options",
	} {
		q := appLinkQuery(func(q *appevents.AppLinkQuery) { q.Extra = map[string]string{name: "1"} })
		requireIssue(t, q.Validate(), "extra."+name, appevents.RuleReserved, home)
	}
}

// A state with neither a country nor options to limit is wrong twice.
func TestRules_StateAlone(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"data_processing conflict", "data_processing.country required"},
		pathsAndRules(issuesOf(t, processing(appevents.DataProcessing{State: 1000}).Validate())))
}

// Refusals never repeat what was refused, and name the field an author would look for.
func TestRules_MessagesHoldNoValues(t *testing.T) {
	t.Parallel()
	const private = "jane@example.com"
	for _, call := range []validator{
		named(private), custom(private, 1), custom("who", struct{ Name string }{private}),
		with(appevents.Params{Currency: private}), thread(appevents.Thread{PageID: private, PSID: "1"}),
		device(appevents.Device{Attribution: private}), extra(private, "1"), extra("note", private+"\xff"),
		pageCall(func(p *appevents.PageActivity) { p.Target, p.Source = private, private }),
		operational(appevents.OperationalParams{IAP: map[string]any{private: 1}}),
		extInfo(func(x *appevents.ExtInfo) { x.Platform = private }),
	} {
		require.Error(t, call.Validate())
		require.NotContains(t, call.Validate().Error(), "jane")
	}
}

// Everything wrong with a call is reported at once, in the order of its fields.
func TestRules_AllAtOnce(t *testing.T) {
	t.Parallel()
	value := math.Inf(1)
	call := &appevents.Activity{
		Device:  appevents.Device{Attribution: "short"},
		ExtInfo: appevents.ExtInfo{ScreenWidth: -1},
		Events: []appevents.Event{
			{Name: "ok"},
			{Name: "-", Value: &value, Time: time.Unix(0, 0), Params: appevents.Params{
				NumItems: -1, Contents: []appevents.Content{{}}, Custom: map[string]any{"b": nil, "a": nil},
			}},
			{Name: "fb_mobile_purchase", Value: new(1.0)},
		},
		ClientIP:         netip.IPv4Unspecified(),
		DataProcessing:   appevents.DataProcessing{Country: -1},
		IncludeDwellData: true,
		Extra:            map[string]string{"ud": "", "event": ""},
	}
	var paths []string
	for _, issue := range issuesOf(t, call.Validate()) {
		paths = append(paths, issue.Path+" "+issue.Rule)
	}
	require.Equal(t, []string{
		"events[1].name format",
		"events[1].value range",
		"events[1].time range",
		"events[1].params.fb_num_items range",
		"events[1].params.fb_content[0].id required",
		"events[1].params.fb_content[0].quantity required",
		"events[1].params.a type",
		"events[1].params.b type",
		"events[2].params.fb_currency required",
		"device.attribution format",
		"ext_info.platform required",
		"ext_info.screen_width range",
		"consent.advertiser required",
		"consent.application required",
		"data_processing.country range",
		"data_processing conflict",
		"consider_views required",
		"client_ip format",
		"extra.event reserved",
		"extra.ud reserved",
	}, paths)
}
