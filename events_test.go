// Tests of events.go and events_encode.go. Those of events_validate.go and custom.go are in rules_test.go.

package appevents_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// wireText returns the one element of custom_events that e becomes, as it leaves.
func wireText(tb testing.TB, e appevents.Event) string {
	tb.Helper()
	tap := newWireTap(tb)
	_, err := tap.client.LogActivity(tb.Context(), withEvent(e))
	require.NoError(tb, err)
	text := tap.form(tb, 0).Get("custom_events")
	require.True(tb, json.Valid([]byte(text)))
	return text[1 : len(text)-1]
}

func TestEvent_OnTheWire(t *testing.T) {
	t.Parallel()
	type kilos float64
	type count uint8
	type label string
	type answer bool
	for _, test := range []struct {
		name  string
		event appevents.Event
		want  string
	}{
		{"a name alone", appevents.Event{Name: "visit"}, `{"_eventName":"visit"}`},
		{"an explicit zero value", appevents.Event{Name: "visit", Value: new(0.0)}, `{"_eventName":"visit","_valueToSum":0}`},
		{"a whole value", appevents.Event{Name: "visit", Value: new(5.0)}, `{"_eventName":"visit","_valueToSum":5}`},
		{"a negative value", appevents.Event{Name: "visit", Value: new(-0.01)}, `{"_eventName":"visit","_valueToSum":-0.01}`},
		{"a large value", appevents.Event{Name: "visit", Value: new(123456789012345680.0)}, `{"_eventName":"visit","_valueToSum":123456789012345680}`},
		{"a huge value", appevents.Event{Name: "visit", Value: new(1e21)}, `{"_eventName":"visit","_valueToSum":1e+21}`},
		{"a tiny value", appevents.Event{Name: "visit", Value: new(1e-7)}, `{"_eventName":"visit","_valueToSum":1e-7}`},
		{"a value that is no round binary number", appevents.Event{Name: "visit", Value: new(0.30000000000000004)}, `{"_eventName":"visit","_valueToSum":0.30000000000000004}`},
		{"a time in whole seconds", appevents.Event{Name: "visit", Time: time.Unix(1700000000, 999999999)}, `{"_eventName":"visit","_logTime":1700000000}`},
		{"a time in any zone", appevents.Event{Name: "visit", Time: time.Unix(1700000000, 0).In(time.FixedZone("", 3600))}, `{"_eventName":"visit","_logTime":1700000000}`},
		{"an ID", appevents.Event{Name: "visit", ID: "order-1"}, `{"_eventName":"visit","event_id":"order-1"}`},
		{"a session and a user", appevents.Event{Name: "visit", SessionID: "s", UserID: "u"}, `{"_eventName":"visit","_session_id":"s","_app_user_id":"u"}`},
		{"implicit", appevents.Event{Name: "visit", Implicit: true}, `{"_eventName":"visit","_implicitlyLogged":1}`},
		{"timed", appevents.Event{Name: "visit", Timed: true}, `{"_eventName":"visit","_isTimedEvent":1}`},
		{"text that JSON escapes", appevents.Event{Name: "visit", ID: "\"\\\n\u2028<&>😊"}, `{"_eventName":"visit","event_id":"\"\\\n\u2028<&>😊"}`},

		{"one product ID is text", withParams(appevents.Params{ContentIDs: []string{"1234"}}), `{"_eventName":"visit","fb_content_id":"1234"}`},
		{"one that reads as a list is in one", withParams(appevents.Params{ContentIDs: []string{"[5"}}), `{"_eventName":"visit","fb_content_id":"[\"[5\"]"}`},
		{"after white space too", withParams(appevents.Params{ContentIDs: []string{"\t[]"}}), `{"_eventName":"visit","fb_content_id":"[\"\\t[]\"]"}`},
		{"several are a list in text", withParams(appevents.Params{ContentIDs: []string{"1234", "5678"}}), `{"_eventName":"visit","fb_content_id":"[\"1234\",\"5678\"]"}`},
		{"product IDs of any text", withParams(appevents.Params{ContentIDs: []string{"a\"b", `c\d`, "é\n", "\x7f"}}), `{"_eventName":"visit","fb_content_id":"[\"a\\\"b\",\"c\\\\d\",\"é\\n\",\"` + "\x7f" + `\"]"}`},
		{"a quote in the only product ID", withParams(appevents.Params{ContentIDs: []string{`a"`}}), `{"_eventName":"visit","fb_content_id":"a\""}`},
		{"control characters and separators in product IDs", withParams(appevents.Params{ContentIDs: []string{"a\nb", "\u2028", "\x00"}}), `{"_eventName":"visit","fb_content_id":"[\"a\\nb\",\"\\u2028\",\"\\u0000\"]"}`},
		{"quotes and backslashes in product IDs", withParams(appevents.Params{ContentIDs: []string{`"`, `\`}}), `{"_eventName":"visit","fb_content_id":"[\"\\\"\",\"\\\\\"]"}`},
		{"one product", withParams(appevents.Params{Contents: []appevents.Content{{ID: "1234", Quantity: 2}}}), `{"_eventName":"visit","fb_content":"[{\"id\":\"1234\",\"quantity\":2}]"}`},
		{"several products", withParams(appevents.Params{Contents: []appevents.Content{{ID: "1", Quantity: 1, ItemPrice: 9.99}, {ID: `"`, Quantity: 20}}}), `{"_eventName":"visit","fb_content":"[{\"id\":\"1\",\"quantity\":1,\"item_price\":9.99},{\"id\":\"\\\"\",\"quantity\":20}]"}`},
		{"no products in an empty list", withParams(appevents.Params{Contents: []appevents.Content{}, ContentIDs: []string{}, Custom: map[string]any{}}), `{"_eventName":"visit"}`},
		{"counts", withParams(appevents.Params{NumItems: 3, MaxRatingValue: 5}), `{"_eventName":"visit","fb_max_rating_value":5,"fb_num_items":3}`},
		{"flags set", withParams(appevents.Params{Success: new(true), PaymentInfoAvailable: new(true)}), `{"_eventName":"visit","fb_payment_info_available":1,"fb_success":1}`},
		{"flags cleared", withParams(appevents.Params{Success: new(false), PaymentInfoAvailable: new(false)}), `{"_eventName":"visit","fb_payment_info_available":0,"fb_success":0}`},

		{"keys of your own in order", withParams(appevents.Params{Custom: map[string]any{"b": "1", "a": "2", "B": "3", "_c": "4"}}), `{"_eventName":"visit","B":"3","_c":"4","a":"2","b":"1"}`},
		{"an empty text of your own", withParams(appevents.Params{Custom: map[string]any{"a": ""}}), `{"_eventName":"visit","a":""}`},
		{"integers", withParams(appevents.Params{Custom: map[string]any{
			"a": int8(-8), "b": int16(-16), "c": int32(-32), "d": int64(math.MinInt64), "e": -1,
			"f": uint8(8), "g": uint16(16), "h": uint32(32), "i": uint64(math.MaxUint64), "j": uint(1), "k": count(3),
			"l": time.Second,
		}}), `{"_eventName":"visit","a":-8,"b":-16,"c":-32,"d":-9223372036854775808,"e":-1,"f":8,"g":16,"h":32,"i":18446744073709551615,"j":1,"k":3,"l":1000000000}`},
		{"fractions", withParams(appevents.Params{Custom: map[string]any{
			"a": 0.123456789012345, "b": float32(0.1), "c": kilos(2.5), "d": json.Number("1.50e+2"), "e": math.Copysign(0, -1),
			"f": float32(16777216),
		}}), `{"_eventName":"visit","a":0.123456789012345,"b":0.1,"c":2.5,"d":1.50e+2,"e":-0,"f":16777216}`},
		{"texts and bools of other types", withParams(appevents.Params{Custom: map[string]any{
			"a": label("x"), "b": answer(true), "c": answer(false), "d": true, "e": appevents.EventContact,
		}}), `{"_eventName":"visit","a":"x","b":1,"c":0,"d":1,"e":"Contact"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, wireText(t, test.event))
		})
	}
}

func withParams(p appevents.Params) appevents.Event { return appevents.Event{Name: "visit", Params: p} }

// An event alone is checked like an event of a call, with paths from its own root.
func TestEvent_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, everyParameter().Validate())
	e := appevents.Purchase(math.NaN(), "")
	e.Params.Contents = []appevents.Content{{ID: "1"}}
	require.Equal(t, []string{
		"value range", "params.fb_currency required", "params.fb_content[0].quantity required",
	}, pathsAndRules(issuesOf(t, e.Validate())))
}

func TestEvent_Warnings(t *testing.T) {
	t.Parallel()
	hundred := strings.Repeat("ä", 100)
	long := hundred + "x"
	for _, test := range []struct {
		name  string
		event appevents.Event
		want  []string
	}{
		{"nothing to say", everyParameter(), nil},
		{"an install is a call", appevents.Event{Name: "MOBILE_APP_INSTALL"}, []string{"name reserved"}},
		{"a purchase without a value", appevents.Event{Name: appevents.EventPurchase}, []string{"value required"}},
		{"a purchase of nothing", appevents.Purchase(0, "USD"), nil},
		{"a refund", appevents.Purchase(-1, "USD"), []string{"value range"}},
		{"a negative number that is no price", appevents.Event{Name: "temperature", Value: new(-1.0)}, nil},
		{"100 characters", withParams(appevents.Params{
			AdType: hundred, Description: hundred, Level: hundred, OrderID: hundred, RegistrationMethod: hundred,
			SearchString: hundred, Custom: map[string]any{"a": hundred},
		}), nil},
		{"101 characters", withParams(appevents.Params{
			AdType: long, Description: long, Level: long, OrderID: long, RegistrationMethod: long, SearchString: long,
			Custom: map[string]any{"b": long, "a": appevents.ID(long), "c": 1},
		}), []string{
			"params.fb_ad_type length", "params.fb_description length", "params.fb_level length",
			"params.fb_order_id length", "params.fb_registration_method length", "params.fb_search_string length",
			"params.a length", "params.b length",
		}},
		{"contents are exempt", withParams(appevents.Params{
			ContentType: long, ContentIDs: []string{long, long}, Contents: []appevents.Content{{ID: long, Quantity: 1}},
		}), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, test.event.Validate(), "advice is never an error")
			require.Equal(t, test.want, pathsAndRules(test.event.Warnings()))
		})
	}
}

// A name that is nearly a standard one is sent, with a warning that says which one reports know.
func TestEvent_Warnings_NearlyAStandardName(t *testing.T) {
	t.Parallel()
	for name, want := range map[appevents.EventName]string{
		"Purchase": "fb_mobile_purchase", "purchase": "fb_mobile_purchase", "fb_mobile_purchas": "fb_mobile_purchase",
		"fb_mobile_purchases": "fb_mobile_purchase", "Purchse": "fb_mobile_purchase", "mobile_purchase": "fb_mobile_purchase",
		"AddToCart": "fb_mobile_add_to_cart", "add_to_cart": "fb_mobile_add_to_cart", "Add To Cart": "fb_mobile_add_to_cart",
		"fb_mobile_add_to_card": "fb_mobile_add_to_cart", "addtocart": "fb_mobile_add_to_cart",
		"Lead": "lead_submitted", "LeadSubmitted": "lead_submitted", "lead": "lead_submitted",
		"lead_submited": "lead_submitted", "ViewContent": "fb_mobile_content_view",
		"fb_mobile_view_content": "fb_mobile_content_view", "InitiateCheckout": "fb_mobile_initiated_checkout",
		"CompleteRegistration": "fb_mobile_complete_registration", "Search": "fb_mobile_search",
		"AddPaymentInfo": "fb_mobile_add_payment_info", "contact": "Contact", "Subscribed": "Subscribe",
		"start_trial": "StartTrial", "fb_mobile_spend_credits": "fb_mobile_spent_credits",
		"SpentCredits": "fb_mobile_spent_credits", "TutorialCompletion": "fb_mobile_tutorial_completion",
	} {
		e := appevents.Event{Name: name}
		require.NoError(t, e.Validate())
		warnings := e.Warnings()
		require.Equal(t, []string{"name unknown"}, pathsAndRules(warnings), name)
		require.True(t, strings.HasSuffix(warnings[0].Message, ": use "+want), "%s: %s", name, warnings[0].Message)
	}
	for _, name := range []appevents.EventName{
		"visit", "order_placed", "test_drive", "OrderShipped", "QualifiedLead", "leave", "plead", "research", "level", "a",
		"started", "quiz_completed", "donation", "fb_mobile_launch", "_x", "purchase_of_a_mug", "gold rate",
	} {
		require.Empty(t, appevents.Event{Name: name}.Warnings(), name)
	}
	for _, spec := range appevents.StandardEvents() {
		if spec.Name != appevents.EventPurchase {
			require.Empty(t, appevents.Event{Name: spec.Name}.Warnings(), spec.Name)
		}
	}
}

// Slips that make a call count wrongly, on every edge that takes them.
func TestWarnings_SlipsOfACall(t *testing.T) {
	t.Parallel()
	same := appevents.Thread{PageID: "18139494541428833", PSID: "18139494541428833"}
	twice := []appevents.Event{{Name: "a", ID: "1"}, {Name: "b"}, {Name: "c"}, {Name: "a", ID: "1"}, {Name: "a", ID: "2"}, {Name: "d", ID: "1"}}
	lead := appevents.Conversion{Name: appevents.ConversionLeadSubmitted, Thread: same, ID: "1"}
	other := lead
	other.ID, other.Thread = "2", aThread()
	for name, test := range map[string]struct {
		call appevents.Call
		want []string
	}{
		"activity": {
			&appevents.Activity{Thread: same, Consent: appevents.ConsentAllowed, Events: twice},
			[]string{"events[3].id conflict", "events[5].id conflict", "thread.psid conflict"},
		},
		"page activity": {
			&appevents.PageActivity{Thread: same, Consent: appevents.ConsentAllowed, Events: twice},
			[]string{"events[3].id conflict", "events[5].id conflict", "thread.psid conflict"},
		},
		"conversions": {
			&appevents.ConversionCall{DatasetID: "5501", Conversions: []appevents.Conversion{lead, other, lead}},
			[]string{"conversions[0].thread.psid conflict", "conversions[2].thread.psid conflict", "conversions[2].id conflict"},
		},
		"none": {botCall(func(a *appevents.Activity) { a.Events = []appevents.Event{{Name: "a"}, {Name: "a"}} }), nil},
	} {
		require.NoError(t, test.call.Validate(), name)
		require.Equal(t, test.want, pathsAndRules(test.call.Warnings()), name)
	}
	require.Contains(t, (&appevents.Activity{Events: twice}).Warnings()[0].Message, "events[0]")
}

// An event survives storage with every digit, and is the same on the wire afterwards.
func TestEvent_JSON(t *testing.T) {
	t.Parallel()
	before := everyParameter()
	stored, err := json.Marshal(before)
	require.NoError(t, err)
	var after appevents.Event
	require.NoError(t, json.Unmarshal(stored, &after))
	require.Equal(t, wireText(t, before), wireText(t, after))
	require.Contains(t, wireText(t, after), `"int":18139494541428835`)

	// Zero fields are not stored, and unset pointers stay unset.
	stored, err = json.Marshal(appevents.Contact())
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"Contact"}`, string(stored))

	// The forms a program may have stored itself.
	for text, want := range map[string]appevents.Params{
		`null`:                 {},
		`{}`:                   {},
		`{"fb_success":false}`: {Success: new(false)},
		`{"custom":{"a":9007199254740993,"b":true,"c":"x"}}`: {
			Custom: map[string]any{"a": json.Number("9007199254740993"), "b": true, "c": "x"},
		},
		`{"fb_currency":"USD","new_field":[1]}`: {Currency: "USD"},
	} {
		var got appevents.Params
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{`[]`, `"a"`, `{"fb_num_items":"3"}`, `{"custom":[]}`} {
		require.Error(t, json.Unmarshal([]byte(text), new(appevents.Params)), text)
	}
	require.Error(t, new(appevents.Params).UnmarshalJSON(nil))
}
