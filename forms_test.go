package appevents_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// specOf is the description of a standard event.
func specOf(tb testing.TB, name appevents.EventName) appevents.EventSpec {
	tb.Helper()
	for _, spec := range appevents.StandardEvents() {
		if spec.Name == name {
			return spec
		}
	}
	tb.Fatalf("no standard event %s", name)
	return appevents.EventSpec{}
}

func ExampleEventSpec_Parse() {
	var purchase appevents.EventSpec
	for _, spec := range appevents.StandardEvents() { // the same list that the form was built from
		if spec.Name == appevents.EventPurchase {
			purchase = spec
		}
	}
	event, err := purchase.Parse("55.22", map[string]string{"fb_currency": "usd", "fb_content_id": "mug-1, mug-2"})
	fmt.Println(event.Name, *event.Value, event.Params.Currency, event.Params.ContentIDs, err)

	_, err = purchase.Parse("much", map[string]string{"fb_num_items": "two"})
	var invalid *appevents.ValidationError
	if ok := asValidationError(err, &invalid); ok {
		for _, issue := range invalid.Issues {
			fmt.Println(issue.Path+":", issue.Message)
		}
	}
	// Output:
	// fb_mobile_purchase 55.22 USD [mug-1 mug-2] <nil>
	// value: The value must be a number, such as 9.99
	// params.fb_num_items: Number of items must be a whole number, such as 3
}

func asValidationError(err error, to **appevents.ValidationError) bool {
	invalid, ok := err.(*appevents.ValidationError) //nolint:errorlint // Parse returns no other
	*to = invalid
	return ok
}

func TestEventSpec_Parse(t *testing.T) {
	t.Parallel()
	products := []appevents.Content{{ID: "mug-1", Quantity: 2, ItemPrice: 9.99}}
	for name, test := range map[string]struct {
		event  appevents.EventName
		value  string
		params map[string]string
		want   appevents.Event
	}{
		"nothing typed": {event: appevents.EventContact, want: appevents.Contact()},
		"empty fields": {
			event: appevents.EventPurchase, value: " ", params: map[string]string{"fb_currency": "\t", "fb_num_items": ""},
			want: appevents.Event{Name: appevents.EventPurchase},
		},
		"every type": {
			event: appevents.EventInitiateCheckout, value: " 1299.5 ", params: map[string]string{
				"fb_currency": " eur ", "fb_content_type": "product", "fb_num_items": "3", "fb_payment_info_available": "Yes",
				"fb_content": `[{"id":"mug-1","quantity":2,"item_price":9.99}]`, "fb_content_id": "a,b\nc",
			},
			want: appevents.Event{Name: appevents.EventInitiateCheckout, Value: new(1299.5), Params: appevents.Params{
				Currency: "EUR", ContentType: "product", NumItems: 3, PaymentInfoAvailable: new(true), Contents: products,
				ContentIDs: []string{"a", "b", "c"},
			}},
		},
		"a choice against": {
			event: appevents.EventSearch, params: map[string]string{"fb_success": "off", "fb_search_string": "mug, red"},
			want: appevents.Event{Name: appevents.EventSearch, Params: appevents.Params{
				SearchString: "mug, red", Success: new(false),
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := specOf(t, test.event)
			got, err := spec.Parse(test.value, test.params)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

// The rules that StandardEvents states are those of Parse: each parameter of each event takes what its type says, and
// the suggested values.
func TestEventSpec_Parse_EveryParameter(t *testing.T) {
	t.Parallel()
	good := map[appevents.ParamType]string{
		appevents.TypeBool: "yes", appevents.TypeContents: `[{"id":"1","quantity":1}]`, appevents.TypeInt: "5",
		appevents.TypeText: "a text", appevents.TypeTextList: "a, b",
	}
	bad := map[appevents.ParamType]string{
		appevents.TypeBool: "perhaps", appevents.TypeContents: "mug", appevents.TypeInt: "five", appevents.TypeText: "\xff",
		appevents.TypeTextList: `["a"`,
	}
	for _, spec := range appevents.StandardEvents() {
		for _, param := range spec.Params {
			texts := append([]string{good[param.Type]}, param.Values...)
			if param.Name == appevents.ParamCurrency {
				texts = []string{"USD", "jpy"}
			}
			for _, text := range texts {
				event, err := spec.Parse("", map[string]string{param.Name: text})
				require.NoError(t, err, param.Name)
				require.Contains(t, wireText(t, event), `"`+param.Name+`":`)
			}
			_, err := spec.Parse("", map[string]string{param.Name: bad[param.Type]})
			issues := issuesOf(t, err)
			require.Len(t, issues, 1)
			require.Equal(t, "params."+param.Name, issues[0].Path)
			require.True(t, strings.HasPrefix(issues[0].Message, param.Label+" must be "), issues[0].Message)
		}
	}
}

func TestEventSpec_Parse_Refuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		event  appevents.EventName
		value  string
		params map[string]string
		want   []string // path, rule and message
	}{
		"a value where there is none": {
			event: appevents.EventContact, value: "1", want: []string{"value conflict The value must be empty: this event has none"},
		},
		"a price without a currency": {
			event: appevents.EventPurchase, value: "1", want: []string{
				"params.fb_currency required Currency must be set because the value is a price",
			},
		},
		"a currency of the wrong form, said once": {
			event: appevents.EventPurchase, value: "1", params: map[string]string{"fb_currency": "euro"}, want: []string{
				"params.fb_currency format Currency must be an ISO 4217 code in capitals, such as USD",
			},
		},
		"a list, said once": {
			event: appevents.EventPurchase, params: map[string]string{"fb_content": `[{"id":""},{"id":""}]`}, want: []string{
				"params.fb_content required Products must be set",
			},
		},
		"a negative number": {
			event: appevents.EventPurchase, params: map[string]string{"fb_num_items": "-1"}, want: []string{
				"params.fb_num_items range Number of items must not be negative",
			},
		},
		"a parameter of another event": {
			event: appevents.EventPurchase, params: map[string]string{"fb_level": "7"}, want: []string{
				"params.fb_level unknown Level must be empty: this event does not take it",
			},
		},
		"unknown parameters, not repeated": {
			event: appevents.EventPurchase, params: map[string]string{"jane@example.com": "1", "color": "red"}, want: []string{
				"params unknown The form has a field that this event does not know",
			},
		},
		"several": {
			event: appevents.EventRate, value: "7", params: map[string]string{"fb_max_rating_value": "5", "fb_content_id": "[1]"},
			want: []string{
				`params.fb_content_id type Product IDs must be a list, such as mug-1, mug-2 or ["mug-1", "mug-2"]`,
				"value range The value must not exceed the highest rating, fb_max_rating_value",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event, err := specOf(t, test.event).Parse(test.value, test.params)
			require.Zero(t, event)
			var got []string
			for _, issue := range issuesOf(t, err) {
				got = append(got, issue.Path+" "+issue.Rule+" "+issue.Message)
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestEventSpec_Parse_AllowCustom(t *testing.T) {
	t.Parallel()
	spec := specOf(t, appevents.EventContact)
	spec.AllowCustom = true
	event, err := spec.Parse("3", map[string]string{"color": "red", "points": "007", "fb_level": "7", "empty": " "})
	require.NoError(t, err)
	require.Equal(t, appevents.Event{Name: appevents.EventContact, Value: new(3.0), Params: appevents.Params{
		Level: "7", Custom: map[string]any{"color": "red", "points": "007"},
	}}, event)

	// A program's own event needs no more than its name; its own parameters may have labels.
	own := appevents.EventSpec{Name: "test_drive", AllowCustom: true}
	event, err = own.Parse("", map[string]string{"dealer": "Berlin"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"dealer": "Berlin"}, event.Params.Custom)

	for path, params := range map[string]map[string]string{
		"params.custom":   {"-": "1"},
		"params._logTime": {"_logTime": "1"},
	} {
		_, err = own.Parse("", params)
		require.Equal(t, path, issuesOf(t, err)[0].Path)
	}
	_, err = appevents.EventSpec{}.Parse("", nil)
	requireIssue(t, err, "name", appevents.RuleRequired, "must be set")
}

// A spec that went through JSON, to an editor and back, reads the same.
func TestEventSpec_JSON(t *testing.T) {
	t.Parallel()
	spec := specOf(t, appevents.EventPurchase)
	spec.AllowCustom = true
	text, err := json.Marshal(spec)
	require.NoError(t, err)
	var back appevents.EventSpec
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, spec, back)
}

// Whatever is typed, the answer is a valid event or issues that a person can be shown.
func FuzzEventSpec_Parse(f *testing.F) {
	f.Add(uint8(15), "55.22", "fb_currency", "usd", "fb_content", `[{"id":"a","quantity":1}]`, false)
	f.Add(uint8(0), "-", "fb_level", "", "x y", "\xff", true)
	f.Fuzz(func(t *testing.T, n uint8, value, key1, text1, key2, text2 string, custom bool) {
		specs := appevents.StandardEvents()
		spec := specs[int(n)%len(specs)]
		spec.AllowCustom = custom
		event, err := spec.Parse(value, map[string]string{key1: text1, key2: text2})
		if err == nil {
			require.NoError(t, event.Validate())
			return
		}
		seen := make(map[string]bool)
		for _, issue := range issuesOf(t, err) {
			require.False(t, seen[issue.Path], "one issue for each field")
			seen[issue.Path] = true
			require.NotEmpty(t, issue.Rule)
		}
	})
}
