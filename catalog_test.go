package appevents_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// The table of the App Events guide (with what its later edition adds), and the Messenger guide's lead: each event with
// its constructor, what that makes of it on the wire, and the parameters the guide lists.
func TestStandardEvents_MatchTheGuide(t *testing.T) {
	t.Parallel()
	guide := []struct {
		constant appevents.EventName
		wire     string
		event    appevents.Event
		json     string // after the name
		params   string
		value    bool
	}{
		{appevents.EventAdClick, "AdClick", appevents.AdClick("banner"), `"fb_ad_type":"banner"`, "fb_ad_type", false},
		{appevents.EventAdImpression, "AdImpression", appevents.AdImpression("native"), `"fb_ad_type":"native"`, "fb_ad_type", true},
		{appevents.EventContact, "Contact", appevents.Contact(), ``, "", false},
		{appevents.EventCustomizeProduct, "CustomizeProduct", appevents.CustomizeProduct(), ``, "", false},
		{appevents.EventDonate, "Donate", appevents.Donate(), ``, "", false},
		{appevents.EventFindLocation, "FindLocation", appevents.FindLocation(), ``, "", false},
		{appevents.EventSchedule, "Schedule", appevents.Schedule(), ``, "", false},
		{appevents.EventStartTrial, "StartTrial", appevents.StartTrial(9.99, "USD"), `"_valueToSum":9.99,"fb_currency":"USD"`, "fb_order_id fb_currency", true},
		{appevents.EventSubmitApplication, "SubmitApplication", appevents.SubmitApplication(), ``, "", false},
		{appevents.EventSubscribe, "Subscribe", appevents.Subscribe(9.99, "USD"), `"_valueToSum":9.99,"fb_currency":"USD"`, "fb_order_id fb_currency", true},
		{appevents.EventUnlockAchievement, "fb_mobile_achievement_unlocked", appevents.UnlockAchievement("first mug"), `"fb_description":"first mug"`, "fb_description", false},
		{appevents.EventActivateApp, "fb_mobile_activate_app", appevents.ActivateApp(), ``, "", false},
		{appevents.EventAddPaymentInfo, "fb_mobile_add_payment_info", appevents.AddPaymentInfo(true), `"fb_success":1`, "fb_success", false},
		{appevents.EventAddToCart, "fb_mobile_add_to_cart", appevents.AddToCart(8, "EUR"), `"_valueToSum":8,"fb_currency":"EUR"`, "fb_content_type fb_content_id fb_currency", true},
		{appevents.EventAddToWishlist, "fb_mobile_add_to_wishlist", appevents.AddToWishlist(8, "EUR"), `"_valueToSum":8,"fb_currency":"EUR"`, "fb_content_type fb_content_id fb_currency", true},
		{appevents.EventCompleteRegistration, "fb_mobile_complete_registration", appevents.CompleteRegistration("Email"), `"fb_registration_method":"Email"`, "fb_registration_method", false},
		{appevents.EventViewContent, "fb_mobile_content_view", appevents.ViewContent("1234"), `"fb_content_id":"1234"`, "fb_content_type fb_content_id fb_currency", true},
		{appevents.EventInitiateCheckout, "fb_mobile_initiated_checkout", appevents.InitiateCheckout(16, "EUR"), `"_valueToSum":16,"fb_currency":"EUR"`, "fb_content_type fb_content_id fb_num_items fb_payment_info_available fb_currency", true},
		{appevents.EventAchieveLevel, "fb_mobile_level_achieved", appevents.AchieveLevel("7"), `"fb_level":"7"`, "fb_level", false},
		{appevents.EventPurchase, "fb_mobile_purchase", appevents.Purchase(55.22, "USD"), `"_valueToSum":55.22,"fb_currency":"USD"`, "fb_num_items fb_content_type fb_content_id fb_currency", true},
		{appevents.EventRate, "fb_mobile_rate", appevents.Rate(4.5, 5), `"_valueToSum":4.5,"fb_max_rating_value":5`, "fb_content_type fb_content_id fb_max_rating_value", true},
		{appevents.EventSearch, "fb_mobile_search", appevents.Search("mug"), `"fb_search_string":"mug"`, "fb_content_type fb_search_string fb_success", false},
		{appevents.EventSpendCredits, "fb_mobile_spent_credits", appevents.SpendCredits(10), `"_valueToSum":10`, "fb_content_type fb_content_id", true},
		{appevents.EventCompleteTutorial, "fb_mobile_tutorial_completion", appevents.CompleteTutorial(false), `"fb_success":0`, "fb_success fb_content_id", false},
		{appevents.EventLeadSubmitted, "lead_submitted", appevents.LeadSubmitted(), ``, "", false},
	}
	specs := make(map[appevents.EventName]appevents.EventSpec)
	for _, spec := range appevents.StandardEvents() {
		require.NotContains(t, specs, spec.Name)
		specs[spec.Name] = spec
	}
	require.Len(t, guide, 25)
	require.Len(t, specs, len(guide))

	for _, want := range guide {
		t.Run(want.wire, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want.wire, string(want.constant))
			require.Equal(t, want.constant, want.event.Name)
			require.NoError(t, want.event.Validate())
			require.Empty(t, want.event.Warnings())
			wire := `{"_eventName":"` + want.wire + `"`
			if want.json != "" {
				wire += "," + want.json
			}
			require.Equal(t, wire+"}", wireText(t, want.event))

			spec := specs[want.constant]
			require.NotEmpty(t, spec.Label)
			require.Equal(t, want.value, spec.Value != "")
			require.False(t, spec.ValueIsPrice && !want.value)
			var expected []string
			for _, p := range spec.Params {
				require.NotEmpty(t, p.Label)
				require.Equal(t, paramTypes()[p.Name], p.Type)
				if p.Expected {
					expected = append(expected, p.Name)
				}
				require.Equal(t, p.Name == appevents.ParamCurrency, p.Required)
				if p.Name == appevents.ParamContent {
					require.False(t, p.Expected, "it may stand in for fb_content_id")
				}
			}
			require.ElementsMatch(t, strings.Fields(want.params), expected)
			require.Equal(t, slices.Contains(expected, "fb_content_id"),
				slices.ContainsFunc(spec.Params, func(p appevents.ParamSpec) bool { return p.Name == "fb_content" }))
			require.Equal(t, []appevents.Edge{appevents.EdgeActivities, appevents.EdgePageActivities}, spec.Edges[:2])
			onConversions := slices.Contains([]string{
				"fb_mobile_purchase", "lead_submitted", "fb_mobile_initiated_checkout", "fb_mobile_add_to_cart",
				"fb_mobile_content_view",
			}, want.wire)
			require.Equal(t, onConversions, slices.Contains(spec.Edges, appevents.EdgeConversions))
		})
	}
}

// paramTypes is the parameter table of the guide.
func paramTypes() map[string]appevents.ParamType {
	return map[string]appevents.ParamType{
		"fb_ad_type": "text", "fb_content": "contents", "fb_content_id": "text_list", "fb_content_type": "text",
		"fb_currency": "text", "fb_description": "text", "fb_level": "text", "fb_max_rating_value": "int",
		"fb_num_items": "int", "fb_order_id": "text", "fb_payment_info_available": "bool",
		"fb_registration_method": "text", "fb_search_string": "text", "fb_success": "bool",
	}
}

// What a visual editor reads, so it changes on purpose only.
func TestStandardEvents_Golden(t *testing.T) {
	t.Parallel()
	text, err := json.MarshalIndent(appevents.StandardEvents(), "", "  ")
	require.NoError(t, err)
	file := filepath.Join("testdata", "standard_events.json")
	if *update {
		require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(text)+"\n")

	var back []appevents.EventSpec
	require.NoError(t, json.Unmarshal(want, &back))
	require.Equal(t, appevents.StandardEvents(), back)
}

// In one order, and each caller's own: changing one list changes no other.
func TestStandardEvents_OwnCopy(t *testing.T) {
	t.Parallel()
	events, again := appevents.StandardEvents(), appevents.StandardEvents()
	require.Equal(t, again, events)
	require.True(t, slices.IsSortedFunc(events, func(a, b appevents.EventSpec) int {
		return strings.Compare(a.Label, b.Label)
	}))
	for i := range events {
		events[i].Name, events[i].Edges[0] = "changed", "changed"
		for k := range events[i].Params {
			events[i].Params[k].Name = "changed"
			for n := range events[i].Params[k].Values {
				events[i].Params[k].Values[n] = "changed"
			}
		}
		_ = append(events[i].Edges[:1], "appended")
	}
	require.Equal(t, again, appevents.StandardEvents())
	for _, spec := range events {
		for _, p := range spec.Params {
			for _, value := range p.Values {
				require.Equal(t, "changed", value)
			}
		}
	}
}

// Every parameter has a field named after it, and the field alone puts exactly that parameter on the wire.
func TestParams_EveryFieldHasAWireName(t *testing.T) {
	t.Parallel()
	values := map[string]struct {
		params appevents.Params
		wire   string
	}{
		"fb_ad_type":                {appevents.Params{AdType: "banner"}, `"banner"`},
		"fb_content":                {appevents.Params{Contents: []appevents.Content{{ID: "1", Quantity: 1}}}, `"[{\"id\":\"1\",\"quantity\":1}]"`},
		"fb_content_id":             {appevents.Params{ContentIDs: []string{"1"}}, `"1"`},
		"fb_content_type":           {appevents.Params{ContentType: "product"}, `"product"`},
		"fb_currency":               {appevents.Params{Currency: "USD"}, `"USD"`},
		"fb_description":            {appevents.Params{Description: "d"}, `"d"`},
		"fb_level":                  {appevents.Params{Level: "1"}, `"1"`},
		"fb_max_rating_value":       {appevents.Params{MaxRatingValue: 5}, `5`},
		"fb_num_items":              {appevents.Params{NumItems: 2}, `2`},
		"fb_order_id":               {appevents.Params{OrderID: "o"}, `"o"`},
		"fb_payment_info_available": {appevents.Params{PaymentInfoAvailable: new(false)}, `0`},
		"fb_registration_method":    {appevents.Params{RegistrationMethod: "Email"}, `"Email"`},
		"fb_search_string":          {appevents.Params{SearchString: "s"}, `"s"`},
		"fb_success":                {appevents.Params{Success: new(true)}, `1`},
	}
	fields := reflect.TypeFor[appevents.Params]()
	for i := range fields.NumField() {
		wire, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		if wire == "custom" {
			continue
		}
		test, ok := values[wire]
		require.True(t, ok, "%s has no documented wire name", fields.Field(i).Name)
		require.False(t, reflect.ValueOf(test.params).Field(i).IsZero(), wire)
		require.Equal(t, `{"_eventName":"visit","`+wire+`":`+test.wire+`}`, wireText(t, withParams(test.params)))
		delete(values, wire)
	}
	require.Empty(t, values)
}

func TestConstants(t *testing.T) {
	t.Parallel()
	for wire, constant := range map[string]string{
		"fb_ad_type": appevents.ParamAdType, "fb_content": appevents.ParamContent,
		"fb_content_id": appevents.ParamContentID, "fb_content_type": appevents.ParamContentType,
		"fb_currency": appevents.ParamCurrency, "fb_description": appevents.ParamDescription,
		"fb_level": appevents.ParamLevel, "fb_max_rating_value": appevents.ParamMaxRatingValue,
		"fb_num_items": appevents.ParamNumItems, "fb_order_id": appevents.ParamOrderID,
		"fb_payment_info_available": appevents.ParamPaymentInfoAvailable,
		"fb_registration_method":    appevents.ParamRegistrationMethod,
		"fb_search_string":          appevents.ParamSearchString, "fb_success": appevents.ParamSuccess,
		"ad_type":                           appevents.ParamSDKAdType,
		"fb_messenger_bot_message_received": string(appevents.EventBotMessageReceived),
		"fb_messenger_bot_message_sent":     string(appevents.EventBotMessageSent),
		"fb_messenger_bot_postback_called":  string(appevents.EventBotPostbackCalled),
		"fb_messenger_bot_started":          string(appevents.EventBotStarted),
		"fb_messenger_bot_stopped":          string(appevents.EventBotStopped),
		"fb_messenger_bot_thread_deleted":   string(appevents.EventBotThreadDeleted),
		"activities":                        string(appevents.EdgeActivities),
		"page_activities":                   string(appevents.EdgePageActivities),
		"events":                            string(appevents.EdgeConversions),
	} {
		require.Equal(t, wire, constant)
	}
}

// The currencies of ISO 4217 that people pay with, and words that look like some.
func TestCurrencies(t *testing.T) {
	t.Parallel()
	for code := range strings.FieldsSeq("AED AUD BRL CAD CHF CNY EUR GBP INR JPY KWD MXN NGN SLE SSP TRY UAH USD VES " +
		"XAF XCD XCG XOF XPF ZAR ZWG") {
		require.NoError(t, with(appevents.Params{Currency: code}).Validate(), code)
	}
	for _, code := range []string{
		"usd", "Usd", "US", "USDX", "US$", "$", " ", "USD ", " USD", "   ", "D A", "DEM", "HRK", "XAU", "XTS", "XXX", "BTC",
		"AED AFN", "ÄÖ",
	} {
		requireIssue(t, with(appevents.Params{Currency: code}).Validate(),
			"events[0].params.fb_currency", appevents.RuleFormat, "ISO 4217")
	}
}
