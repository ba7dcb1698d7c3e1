package graphtest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// lead is one valid messaging conversion; edits of the form `"key":value` are appended, `-key` drops a member.
func lead(edits ...string) string {
	members := []string{
		`"event_name":"LeadSubmitted"`, fmt.Sprintf(`"event_time":%d`, now.Unix()-60), `"event_id":"lead-8841"`,
		`"action_source":"business_messaging"`, `"messaging_channel":"messenger"`,
		`"user_data":{"page_id":"901","page_scoped_user_id":"7702"}`, `"custom_data":{"value":12.5,"currency":"EUR"}`,
	}
	for _, e := range edits {
		key, _, _ := strings.Cut(strings.TrimPrefix(e, "-"), ":")
		kept := members[:0:0]
		for _, m := range members {
			if !strings.HasPrefix(m, `"`+strings.Trim(key, `"`)+`":`) {
				kept = append(kept, m)
			}
		}
		members = kept
		if !strings.HasPrefix(e, "-") {
			members = append(members, e)
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func conversions(list ...string) request {
	return request{path: "/v26.0/5501/events", token: "canary-token", typ: jsonType,
		body: `{"data":[` + strings.Join(list, ",") + `],"partner_agent":"acme_bot"}`}
}

func TestConversions_Checks(t *testing.T) {
	t.Parallel()
	const at = "data[0]"
	top := func(body string) request {
		return request{path: "/v26.0/5501/events", token: "t", typ: jsonType, body: body}
	}
	aged := func(d time.Duration) string { return fmt.Sprintf(`"event_time":%d`, now.Add(-d).Unix()) }
	instagram := func(user string) string {
		return lead(`"messaging_channel":"instagram"`, `"user_data":{`+user+`}`)
	}
	whatsapp := func(user string) string {
		return lead(`"messaging_channel":"whatsapp"`, `"user_data":{`+user+`}`)
	}
	user := func(members string) string {
		return lead(`"user_data":{"page_id":"901","page_scoped_user_id":"7702",` + members + `}`)
	}
	web := func(members string) string {
		return lead(`"action_source":"website"`, "-messaging_channel", `"event_name":"Lead"`, `"user_data":{`+members+`}`)
	}
	custom := func(members string) string { return lead(`"custom_data":{` + members + `}`) }
	app := func(appData string) string {
		return lead(`"action_source":"app"`, "-messaging_channel", `"user_data":{"madid":"1"}`, `"app_data":{`+appData+`}`)
	}
	const flags = `"advertiser_tracking_enabled":1,"application_tracking_enabled":0,`
	const info = `"extinfo":["a2","","","","14","","","","","","","","","","",""]`
	long := strings.TrimSuffix(strings.Repeat(lead()+",", 1001), ",")

	for _, tc := range []struct {
		name string
		req  request
		want []string
	}{
		{"a lead", conversions(lead()), nil},
		{"two events", conversions(lead(), lead(`"event_name":"Purchase"`)), nil},
		{"a form", request{path: "/v26.0/5501/events", token: "t", typ: form,
			body: url.Values{"data": {"[" + lead() + "]"}}.Encode()}, nil},
		{"each event as text", request{path: "/v26.0/5501/events", token: "t", typ: jsonType,
			body: `{"data":[` + fmt.Sprintf("%q", lead()) + `]}`}, nil},
		{"no version", request{path: "/5501/events", token: "t", typ: jsonType, body: conversions(lead()).body},
			[]string{"path version 100"}},
		{"no token", request{path: "/v26.0/5501/events", typ: jsonType, body: conversions(lead()).body},
			[]string{"access_token required 104"}},
		{"a dataset that is no number", request{path: "/v26.0/abc/events", token: "t", typ: jsonType,
			body: conversions(lead()).body}, []string{"path object 803"}},

		{"no data", top(`{}`), []string{"data required 100"}},
		{"data that is no array", top(`{"data":1}`), []string{"data array 100"}},
		{"no events", top(`{"data":[]}`), []string{"data length 100"}},
		{"a thousand and one events", top(`{"data":[` + long + `]}`), []string{"data length 100"}},
		{"an unknown parameter", top(`{"data":[` + lead() + `],"colour":1}`), []string{"colour unknown"}},
		{"parameters with nothing to check", top(`{"data":[` + lead() + `],"platforms":1,"progress":1,"trace":1}`), nil},
		{"a test code that is a number", top(`{"data":[` + lead() + `],"test_event_code":1}`),
			[]string{"test_event_code string"}},
		{"a partner agent of 23", top(`{"data":[` + lead() + `],"partner_agent":"` + strings.Repeat("a", 23) + `"}`),
			[]string{"partner_agent form"}},
		{"a partner agent with one letter", top(`{"data":[` + lead() + `],"partner_agent":"a1"}`),
			[]string{"partner_agent form"}},
		{"a partner agent that is a number", top(`{"data":[` + lead() + `],"partner_agent":1}`),
			[]string{"partner_agent form"}},
		{"a repeated parameter", request{path: "/v26.0/5501/events?partner_agent=acme", token: "t", typ: jsonType,
			body: conversions(lead()).body}, []string{"partner_agent twice"}},

		{"an event that is no object", conversions("1"), []string{at + " object 100"}},
		{"an event that is broken text", conversions(`"{"`), []string{at + " object 100"}},
		{"a repeated key", conversions(`{"opt_out":true,` + lead(`"opt_out":true`)[1:]), []string{at + ".opt_out twice"}},
		{"every optional member", conversions(lead(`"opt_out":true`, `"data_processing_options":["LDU"]`,
			`"data_processing_options_country":1`, `"data_processing_options_state":1000`,
			`"customer_segmentation":"new_customer_to_business"`, `"advanced_measurement_table":"t"`,
			`"event_source_url":"https://a.example"`, `"referrer_url":"https://a.example"`,
			`"original_event_data":{"event_name":"a","event_time":1,"order_id":"1","event_id":"1"}`,
			`"attribution_data":{"ad_id":"1","scope":"click"}`)), nil},
		{"an unknown member", conversions(lead(`"eventid":"1"`)), []string{at + ".eventid unknown"}},
		{"an event id that is a number", conversions(lead(`"event_id":1`)), []string{at + ".event_id string"}},
		{"an opt-out that is a number", conversions(lead(`"opt_out":1`)), []string{at + ".opt_out bool"}},
		{"unknown processing options", conversions(lead(`"data_processing_options":["X"]`)),
			[]string{at + ".data_processing_options enum"}},
		{"a country that is text", conversions(lead(`"data_processing_options_country":"1"`)),
			[]string{at + ".data_processing_options_country int64"}},
		{"an unknown member of the original event", conversions(lead(`"original_event_data":{"x":1}`)),
			[]string{at + ".original_event_data.x unknown"}},
		{"attribution data that is no object", conversions(lead(`"attribution_data":1`)),
			[]string{at + ".attribution_data object"}},
		{"custom data that is no object", conversions(lead(`"custom_data":1`)), []string{at + ".custom_data object 100"}},

		{"no name", conversions(lead("-event_name")), []string{at + ".event_name required 100"}},
		{"a custom name", conversions(lead(`"event_name":"my_event"`)), []string{at + ".event_name event-name 100/2804066"}},
		{"a standard name that messaging lacks", conversions(lead(`"event_name":"Lead"`)),
			[]string{at + ".event_name event-name 100/2804066"}},
		{"no time", conversions(lead("-event_time")), []string{at + ".event_time required 100"}},
		{"a time of another kind", conversions(lead(`"event_time":"today"`)), []string{at + ".event_time int64 100"}},
		{"a time as text", conversions(lead(fmt.Sprintf(`"event_time":"%d"`, now.Unix()))), []string{at + ".event_time int64"}},
		{"seven days ago", conversions(lead(aged(7 * 24 * time.Hour))), nil},
		{"more than seven days ago", conversions(lead(aged(7*24*time.Hour + time.Second))),
			[]string{at + ".event_time too-old 100/2804003"}},
		{"62 days ago in a shop", conversions(lead(aged(62*24*time.Hour), `"action_source":"physical_store"`,
			"-messaging_channel", `"user_data":{"em":"`+hash+`"}`)), nil},
		{"63 days ago in a shop", conversions(lead(aged(63*24*time.Hour), `"action_source":"physical_store"`,
			"-messaging_channel", `"user_data":{"em":"`+hash+`"}`)), []string{at + ".event_time too-old 100/2804003"}},
		{"now", conversions(lead(aged(0))), nil},
		{"the future", conversions(lead(aged(-time.Second))), []string{at + ".event_time future 100/2804004"}},
		{"milliseconds", conversions(lead(fmt.Sprintf(`"event_time":%d`, now.UnixMilli()))),
			[]string{at + ".event_time milliseconds 100/2804004"}},
		{"no source", conversions(lead("-action_source", "-messaging_channel", `"user_data":{"em":"`+hash+`"}`)),
			[]string{at + ".action_source enum 100"}},
		{"an unknown source", conversions(lead(`"action_source":"bot"`, "-messaging_channel", `"user_data":{"em":"`+hash+`"}`)),
			[]string{at + ".action_source enum 100"}},
		{"no channel", conversions(lead("-messaging_channel")), []string{at + ".messaging_channel required 100/2804063"}},
		{"an unknown channel", conversions(lead(`"messaging_channel":"sms"`)), []string{at + ".messaging_channel enum 100"}},
		{"a channel outside messaging", conversions(lead(`"action_source":"email"`, `"user_data":{"em":"`+hash+`"}`)),
			[]string{at + ".messaging_channel unexpected"}},

		{"no user data", conversions(lead("-user_data")), []string{at + ".user_data required 100/2804050",
			at + ".user_data.page_id required 100/2804069", at + ".user_data.page_scoped_user_id required 100"}},
		{"no Page", conversions(lead(`"user_data":{"page_scoped_user_id":"7702"}`)),
			[]string{at + ".user_data.page_id required 100/2804069"}},
		{"no person", conversions(lead(`"user_data":{"page_id":"901"}`)),
			[]string{at + ".user_data.page_scoped_user_id required 100"}},
		{"an empty person", conversions(lead(`"user_data":{"page_id":901,"page_scoped_user_id":""}`)),
			[]string{at + ".user_data.page_scoped_user_id id 100", at + ".user_data.page_scoped_user_id required 100"}},
		{"a Page that is no number", conversions(lead(`"user_data":{"page_id":"p","page_scoped_user_id":"7702"}`)),
			[]string{at + ".user_data.page_id id 100"}},
		{"a negative Page", conversions(lead(`"user_data":{"page_id":-1,"page_scoped_user_id":"7702"}`)),
			[]string{at + ".user_data.page_id id 100"}},
		{"instagram", conversions(instagram(`"ig_account_id":"1784","ig_sid":"112","instagram_business_account_id":"1784"`)), nil},
		{"instagram without an account", conversions(instagram(`"ig_sid":"112"`)),
			[]string{at + ".user_data.ig_account_id required 100/2804079"}},
		{"instagram without a person", conversions(instagram(`"ig_account_id":"1784"`)),
			[]string{at + ".user_data.ig_sid required 100/2804075"}},
		{"instagram with an address", conversions(instagram(`"ig_account_id":"1784","ig_sid":"112","client_ip_address":"1"`)),
			[]string{at + ".user_data.client_ip_address unexpected 100/2804064"}},
		{"messenger with an address", conversions(user(`"client_user_agent":"a"`)),
			[]string{at + ".user_data.client_user_agent unexpected"}},
		{"whatsapp", conversions(whatsapp(`"whatsapp_business_account_id":"55","ctwa_clid":"c"`)), nil},
		{"whatsapp with a Page", conversions(whatsapp(`"page_id":"55","ctwa_clid":"c"`)), nil},
		{"whatsapp without an account", conversions(whatsapp(`"ctwa_clid":"c"`)),
			[]string{at + ".user_data.page_id required 100/2804116"}},
		{"whatsapp without a click", conversions(whatsapp(`"page_id":"55"`)), []string{at + ".user_data.ctwa_clid required"}},
		{"every hashed key", conversions(user(`"em":"` + hash + `","ph":["` + hash + `"],"fn":"` + hash + `","ln":"` + hash +
			`","ge":"` + hash + `","db":"` + hash + `","ct":"` + hash + `","st":"` + hash + `","zp":"` + hash +
			`","country":"` + hash + `","external_id":["raw","` + hash + `"]`)), nil},
		{"a marked hash", conversions(user(`"em":"` + hash + `.AQQCAQIB"`)), nil},
		{"a wrong mark", conversions(user(`"em":"` + hash + `.A"`)), []string{at + ".user_data.em hash"}},
		{"raw data", conversions(user(`"em":"jane@example.com"`)), []string{at + ".user_data.em hash"}},
		{"raw data in a list", conversions(user(`"em":["` + hash + `","jane"]`)), []string{at + ".user_data.em hash"}},
		{"an external id that is a number", conversions(user(`"external_id":5`)), []string{at + ".user_data.external_id hash"}},
		{"an empty browser", conversions(web(`"em":"` + hash + `","client_user_agent":""`)),
			[]string{at + ".user_data.client_user_agent string"}},
		{"an unknown key", conversions(user(`"email":"` + hash + `"`)), []string{at + ".user_data.email unknown"}},
		{"keys that are not hashed", conversions(user(`"madid":"a","anon_id":"b","fb_login_id":"c","subscription_id":"d",` +
			`"lead_id":123456789012345,"fbc":"fb.1.1795170000000.abc","fbp":"fb.1.1795170000000.123"`)), nil},
		{"an empty advertiser id", conversions(user(`"madid":""`)), []string{at + ".user_data.madid string"}},
		{"a short lead id", conversions(user(`"lead_id":"12"`)), []string{at + ".user_data.lead_id form"}},
		{"a malformed click cookie", conversions(user(`"fbc":"abc"`)), []string{at + ".user_data.fbc form"}},
		{"too little", conversions(web(`"ct":"` + hash + `","country":"` + hash + `","client_user_agent":"a"`)),
			[]string{at + ".user_data too-weak 100/2804050"}},
		{"a birth date only", conversions(web(`"db":"` + hash + `"`)), []string{at + ".user_data too-weak 100/2804050"}},
		{"a first name and gender", conversions(web(`"fn":"` + hash + `","ge":"` + hash + `"`)),
			[]string{at + ".user_data too-weak 100/2804050"}},
		{"a last name and gender", conversions(web(`"ln":"` + hash + `","ge":"` + hash + `"`)),
			[]string{at + ".user_data too-weak 100/2804050"}},
		{"both names", conversions(web(`"fn":"` + hash + `","ln":"` + hash + `"`)), nil},
		{"nobody", conversions(web(``)), []string{at + ".user_data too-weak 100/2804050"}},

		{"a value without a currency", conversions(custom(`"value":1`)),
			[]string{at + ".custom_data.currency required 100/2804023"}},
		{"a purchase without a value", conversions(lead(`"event_name":"Purchase"`, `"custom_data":{"currency":"EUR"}`)),
			[]string{at + ".custom_data.value required 100/2804009"}},
		{"a purchase without anything", conversions(lead(`"event_name":"Purchase"`, "-custom_data")),
			[]string{at + ".custom_data.value required 100/2804009"}},
		{"a value as text", conversions(custom(`"value":"1.5","currency":"EUR"`)), []string{at + ".custom_data.value number"}},
		{"a value that is no number", conversions(custom(`"value":"much","currency":"EUR"`)),
			[]string{at + ".custom_data.value number 100"}},
		{"a currency in small letters", conversions(custom(`"value":1,"currency":"eur"`)), nil},
		{"a currency that does not exist", conversions(custom(`"value":1,"currency":"XYZ"`)),
			[]string{at + ".custom_data.currency currency"}},
		{"everything about the goods", conversions(custom(`"contents":[{"id":"1","quantity":1,"item_price":2.5,"title":"a",` +
			`"description":"a","brand":"a","category":"a","delivery_category":"in_store"}],"content_ids":["1",2],` +
			`"content_type":"product","content_name":"a","content_category":"a","num_items":1,"order_id":"1",` +
			`"search_string":"a","status":"a","item_number":"1","delivery_category":"curbside","predicted_ltv":1,` +
			`"net_revenue":1,"my_own":{"a":1}`)), nil},
		{"contents that are no array", conversions(custom(`"contents":"1"`)), []string{at + ".custom_data.contents array"}},
		{"a content without an id", conversions(custom(`"contents":[{"quantity":1}]`)),
			[]string{at + ".custom_data.contents[0].id required 100/2804008"}},
		{"a content of the wrong kinds", conversions(custom(`"contents":[{"id":"1","quantity":0,"item_price":"1","brand":1,` +
			`"delivery_category":"air","colour":1}]`)), []string{at + ".custom_data.contents[0].quantity int64",
			at + ".custom_data.contents[0].item_price number", at + ".custom_data.contents[0].brand string",
			at + ".custom_data.contents[0].delivery_category enum", at + ".custom_data.contents[0].colour unknown"}},
		{"custom data of the wrong kinds", conversions(custom(`"content_ids":"1","content_type":"music","num_items":"1",` +
			`"order_id":1,"predicted_ltv":"1","delivery_category":"air"`)), []string{at + ".custom_data.content_ids array",
			at + ".custom_data.content_type enum", at + ".custom_data.num_items int64", at + ".custom_data.order_id string",
			at + ".custom_data.predicted_ltv number", at + ".custom_data.delivery_category enum"}},

		{"an app event", conversions(app(flags + info)), nil},
		{"an app event with everything", conversions(app(flags + info + `,"campaign_ids":"1","install_referrer":"1",` +
			`"installer_package":"1","url_schemes":["fb1"],"vendor_id":"1","windows_attribution_id":"1","device_token":"1",` +
			`"consider_views":true,"include_dwell_data":true,"include_video_data":false,"receipt_data":"1"`)), nil},
		{"app data elsewhere", conversions(lead(`"app_data":{}`)), []string{at + ".app_data unexpected"}},
		{"an app event without app data", conversions(lead(`"action_source":"app"`, "-messaging_channel",
			`"user_data":{"madid":"1"}`)), []string{at + ".app_data required"}},
		{"app data that is no object", conversions(lead(`"action_source":"app"`, "-messaging_channel",
			`"user_data":{"madid":"1"}`, `"app_data":1`)), []string{at + ".app_data object 100"}},
		{"an app event without flags", conversions(app(info)), []string{at + ".app_data.advertiser_tracking_enabled required",
			at + ".app_data.application_tracking_enabled required"}},
		{"an app event with a flag of another value", conversions(app(flags + info + `,"consider_views":2`)),
			[]string{at + ".app_data.consider_views flag"}},
		{"an app event without extinfo", conversions(app(flags + `"vendor_id":"1"`)),
			[]string{at + ".app_data.extinfo required 100/2804043"}},
		{"an app event with extinfo as text", conversions(app(flags + `"extinfo":"[]"`)),
			[]string{at + ".app_data.extinfo required 100/2804043"}},
		{"an app event with an OS version that is not set", conversions(app(flags + strings.Replace(info, `"14"`, `null`, 1))),
			[]string{at + ".app_data.extinfo[4] required 100/2804043"}},
		{"an app event without an OS version", conversions(app(flags + strings.Replace(info, `"14"`, `""`, 1))),
			[]string{at + ".app_data.extinfo[4] required 100/2804043"}},
		{"an app event with a bad member", conversions(app(flags + info + `,"url_schemes":"fb1","vendor_id":1,"x":1`)),
			[]string{at + ".app_data.url_schemes array", at + ".app_data.vendor_id string", at + ".app_data.x unknown"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			requireCall(t, setup(), tc.req, tc.want)
		})
	}
}

func TestConversions_MessagingNames(t *testing.T) {
	t.Parallel()
	const names = "Purchase LeadSubmitted InitiateCheckout AddToCart ViewContent OrderCreated OrderShipped OrderDelivered " +
		"OrderCanceled OrderReturned CartAbandoned QualifiedLead RatingProvided ReviewProvided"
	for name := range strings.FieldsSeq(names) {
		requireCall(t, setup(), conversions(lead(`"event_name":"`+name+`"`)), nil)
	}
}

func TestConversions_AllOrNothing(t *testing.T) {
	t.Parallel()
	s := setup()
	got := send(t, s, conversions(lead(), lead(`"event_name":"Lead"`), lead()))
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Contains(t, got.body, `"error_subcode":2804066`)
	require.NotContains(t, got.body, "data[1]", "the envelope names no event")
	require.NotContains(t, got.body, "events_received")
	call := last(t, s)
	require.False(t, call.Accepted)
	require.Equal(t, []string{"data[1].event_name event-name 100/2804066"}, brief(call.Problems))

	got = send(t, s, conversions(lead(), lead()))
	require.JSONEq(t, `{"events_received":2,"messages":[],"fbtrace_id":"`+last(t, s).TraceID+`"}`, got.body)
}

func TestConversions_Recorded(t *testing.T) {
	t.Parallel()
	call := requireCall(t, setup(), conversions(lead(`"custom_data":{"value":12.5,"currency":"EUR","order_id":"o1"}`)), nil)
	require.Equal(t, "events", call.Edge)
	require.Equal(t, "5501", call.ObjectID)
	require.Equal(t, "901", call.PageID)
	require.Equal(t, "7702", call.PSID)
	e := call.Events[0]
	require.Equal(t, "LeadSubmitted", e.Name)
	require.Equal(t, "lead-8841", e.ID)
	require.InDelta(t, 12.5, *e.Value, 0)
	require.Equal(t, now.Add(-time.Minute), e.Time)
	require.Equal(t, "messenger", e.Channel)
	require.Equal(t, "business_messaging", e.Source)
	require.Equal(t, "901", e.PageID)
	require.Equal(t, "7702", e.PSID)
	require.Equal(t, map[string]any{"currency": "EUR", "order_id": "o1"}, e.Params)

	whatsapp := lead(`"messaging_channel":"whatsapp"`, `"user_data":{"whatsapp_business_account_id":"55","ctwa_clid":"c"}`)
	require.Equal(t, "55", requireCall(t, setup(), conversions(whatsapp), nil).Events[0].PageID)
	instagram := lead(`"messaging_channel":"instagram"`, `"user_data":{"ig_account_id":"1784","ig_sid":"112"}`)
	require.Equal(t, "112", requireCall(t, setup(), conversions(instagram), nil).Events[0].PSID)
}

func TestConversions_Permissions(t *testing.T) {
	t.Parallel()
	instagram := lead(`"messaging_channel":"instagram"`, `"user_data":{"ig_account_id":"1784","ig_sid":"112"}`)
	whatsapp := lead(`"messaging_channel":"whatsapp"`, `"user_data":{"page_id":"901","ctwa_clid":"c"}`)
	for _, tc := range []struct {
		event      string
		permission string
	}{
		{lead(), "page_events"}, {instagram, "instagram_manage_events"}, {whatsapp, "whatsapp_business_manage_events"},
	} {
		with := graphtest.WithToken("canary-token", graphtest.Grant{Permissions: []string{tc.permission}})
		requireCall(t, setup(with), conversions(tc.event), nil)
		without := graphtest.WithToken("canary-token", graphtest.Grant{Permissions: []string{"pages_messaging"}})
		got := requireCall(t, setup(without), conversions(tc.event), []string{"access_token permission 200"})
		require.Equal(t, http.StatusForbidden, got.Status)
	}
	other := graphtest.WithToken("canary-token", graphtest.Grant{Type: graphtest.TokenPage, Pages: []string{"902"}})
	requireCall(t, setup(other), conversions(lead()), []string{"access_token page 200"})
}

func TestDataset(t *testing.T) {
	t.Parallel()
	dataset := func(method, page string) request {
		return request{method: method, path: "/v26.0/" + page + "/dataset", token: "token"}
	}
	s := setup()
	require.Contains(t, send(t, s, dataset("GET", "901")).body, `"error_subcode":33`)
	first := send(t, s, dataset("POST", "901"))
	require.JSONEq(t, `{"id":"5500000001"}`, first.body)
	require.Equal(t, first.body, send(t, s, dataset("POST", "901")).body, "idempotent")
	require.JSONEq(t, `{"id":"5500000001","name":"Dataset of 901"}`, send(t, s, dataset("GET", "901")).body)
	require.JSONEq(t, `{"id":"5500000002"}`, send(t, s, dataset("POST", "902")).body)

	own := conversions(lead())
	own.path = "/v26.0/5500000001/events"
	requireCall(t, s, own, nil)
	own.path = "/v26.0/5500000002/events"
	requireCall(t, s, own, []string{"data[0].user_data dataset 100/2804065"})
	requireCall(t, s, conversions(lead()), nil) // other datasets exist as long as none is declared

	declared := setup(graphtest.WithDataset("5501", "901", "1784"), graphtest.WithDataset("5502"))
	require.JSONEq(t, `{"id":"5501"}`, send(t, declared, dataset("POST", "901")).body)
	requireCall(t, declared, conversions(lead()), nil)
	requireCall(t, declared, conversions(lead(`"user_data":{"page_id":"902","page_scoped_user_id":"7702"}`)),
		[]string{"data[0].user_data dataset 100/2804065"})
	requireCall(t, declared, conversions(lead(`"messaging_channel":"instagram"`, `"user_data":{"ig_account_id":"1","ig_sid":"2"}`)),
		[]string{"data[0].user_data dataset 100/2804133"})
	requireCall(t, declared, conversions(lead(`"messaging_channel":"whatsapp"`, `"user_data":{"page_id":"1","ctwa_clid":"2"}`)),
		[]string{"data[0].user_data dataset 100/2804132"})
	requireCall(t, declared, conversions(lead(`"action_source":"email"`, "-messaging_channel", `"user_data":{"em":"`+hash+`"}`)), nil)
	bare := conversions(lead())
	bare.path = "/v26.0/5502/events"
	requireCall(t, declared, bare, []string{"data[0].user_data dataset 100/2804131"})
	bare.path = "/v26.0/5503/events"
	requireCall(t, declared, bare, []string{"path dataset 100/33"})

	named := dataset("POST", "903")
	named.path += "?dataset_name=Shop&colour=blue&empty="
	requireCall(t, s, named, []string{"colour unknown", "empty unknown"})
	named.path = "/v26.0/903/dataset?dataset_name=a&dataset_name=b"
	requireCall(t, s, named, []string{"dataset_name twice"})
	named.path = "/v26.0/903/dataset?dataset_name="
	requireCall(t, s, named, []string{"dataset_name empty"})
	requireCall(t, s, dataset("DELETE", "903"), []string{"method method 100/33"})
	requireCall(t, s, request{path: "/v26.0/903/dataset"}, []string{"access_token required 104"})

	weak := setup(graphtest.WithToken("token", graphtest.Grant{Permissions: []string{}}))
	requireCall(t, weak, dataset("POST", "901"), []string{"access_token permission 200"})
	foreign := setup(graphtest.WithToken("token", graphtest.Grant{Type: graphtest.TokenPage, Pages: []string{"902"}}))
	requireCall(t, foreign, dataset("POST", "901"), []string{"access_token page 200"})
}
