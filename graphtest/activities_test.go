package graphtest_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// Each case is one rule: what a call must look like to be found wrong, and exactly what is found.
func TestActivities_Checks(t *testing.T) {
	t.Parallel()
	device16 := func(slot int, value string) string {
		slots := strings.Split(`"a2","com.a","771","7.7","14","Pixel","nb_NO","CET","Telenor",1080,2400,"2.75",8,128,64,"Europe/Oslo"`, ",")
		slots[slot] = value
		return "extinfo=[" + strings.Join(slots, ",") + "]"
	}
	for _, tc := range []struct {
		name string
		req  request
		want []string // none means the call is right
	}{
		// The documents' own examples.
		{"the bot's purchase", bot(), nil},
		{"the bot's lead", bot(`custom_events=[{"_eventName":"lead_submitted"}]`), nil},
		{"an install", device("event=MOBILE_APP_INSTALL", "custom_events"), nil},
		{"an install with a mobile cookie", device("event=MOBILE_APP_INSTALL", "custom_events", "advertiser_id",
			"attribution=abcdefghijKLMNOPQRST12"), nil},
		{"a deferred link", device("event=DEFERRED_APP_LINK", "custom_events"), nil},
		{"no version", request{path: "/771/activities", typ: form, body: bot().body}, nil},
		{"a trailing slash", request{path: "/v26.0/771/activities/", typ: form, body: bot().body}, nil},
		{"parameters in the query", request{path: "/771/activities?" + bot().body}, nil},

		// Path, version, method, app.
		{"an unknown edge", request{path: "/v26.0/771/activity"}, []string{"path path 2500"}},
		{"a bad version", request{path: "/26.0/771/activities"}, []string{"path path 2500"}},
		{"an unknown version", request{path: "/v99.0/771/activities", typ: form, body: bot().body},
			[]string{"path version 2500"}},
		{"an expired version", request{path: "/v17.0/771/activities", typ: form, body: bot().body},
			[]string{"path version"}},
		{"a name instead of the app id", request{path: "/v26.0/me/activities", typ: form, body: bot().body},
			[]string{"path object 803"}},
		{"GET", request{method: "GET", path: "/v26.0/771/activities?" + bot().body}, []string{"method method 100/33"}},

		// Body.
		{"a body of no known type", request{path: "/v26.0/771/activities?" + bot().body, typ: "text/plain", body: "x"},
			[]string{"header.Content-Type content-type"}},
		{"a body without a type", request{path: "/v26.0/771/activities?" + bot().body, body: "x"},
			[]string{"header.Content-Type content-type"}},
		{"a foreign charset", request{path: "/v26.0/771/activities", typ: form + "; charset=latin1", body: bot().body},
			[]string{"header.Content-Type content-type"}},
		{"a broken escape", request{path: "/v26.0/771/activities", typ: form, body: bot().body + "&x=%zz"},
			[]string{"form escaping"}},
		{"bytes that are not UTF-8", bot("app_user_id=\xff"), []string{"app_user_id utf8"}},
		{"a JSON body that is no object", request{path: "/v26.0/771/activities?" + bot().body, typ: jsonType, body: "[]"},
			[]string{"body json 100"}},
		{"a JSON body that is broken", request{path: "/v26.0/771/activities?" + bot().body, typ: jsonType, body: `{"a":1`},
			[]string{"body json 100"}},
		{"a repeated JSON key", request{path: "/v26.0/771/activities?" + bot("page_id").body, typ: jsonType,
			body: `{"page_id":"901","page_id":"902"}`}, []string{"page_id twice", "page_id twice"}},
		{"a JSON body that is not UTF-8", request{path: "/v26.0/771/activities?" + bot().body, typ: jsonType,
			body: "{\"app_user_id\":\"\xff\"}"}, []string{"body utf8"}},
		{"a broken multipart body", request{path: "/v26.0/771/activities?" + bot().body,
			typ: "multipart/form-data; boundary=x", body: "--x\r\nbroken"}, []string{"body multipart 100"}},
		{"an unknown content encoding", request{path: "/v26.0/771/activities?" + bot().body, typ: form, body: "x",
			header: http.Header{"Content-Encoding": {"br"}}}, []string{"header.Content-Encoding encoding 100"}},
		{"a body that is not gzip", request{path: "/v26.0/771/activities?" + bot().body, typ: form, body: "x",
			header: http.Header{"Content-Encoding": {"gzip"}}}, []string{"body encoding 100"}},
		{"too many parameters", request{path: "/v26.0/771/activities?" + bot().body, typ: form,
			body: strings.Repeat("format=json&", 1000)}, []string{"body too-many 105", "format twice"}},

		// Parameters in general.
		{"an unknown parameter", bot("colour=blue"), []string{"colour unknown"}},
		{"a bracketed parameter other than ud", bot("extinfo[0]=a"), []string{"extinfo[0] unknown"}},
		{"a repeated parameter", request{path: "/v26.0/771/activities?event=CUSTOM_APP_EVENTS", typ: form, body: bot().body},
			[]string{"event twice"}},
		{"an empty parameter", bot("app_user_id="), []string{"app_user_id empty"}},
		{"a null parameter", jsonCall(bot().body, `{"vendor_id":null}`), nil},
		{"a number for a text", jsonCall(bot().body, `{"vendor_id":5}`), []string{"vendor_id string"}},
		{"parameters every edge takes", bot("debug=all", "format=json"), nil},
		{"parameters only the SDKs send", device("sdk=go", "num_skipped_events=1", "advertiser_id_collection_enabled=1",
			"application_package_name=com.a"), nil},
		{"every text parameter", device("app_user_id=1", "anon_id=XZ1", "user_id=1", "vendor_id=1", "device_token=1",
			"bundle_id=1", "bundle_version=1", "bundle_short_version=1", "installer_package=1", "migration_bundle=1",
			"receipt_data=1", "sdk_version=1", "install_referrer=1", "google_install_referrer=1",
			"meta_install_referrer=1", "install_id=1", "event_id=1", "attribution_referrer=1", "campaign_ids=1",
			"click_id=1", "windows_attribution_id=1", "user_id_type=INSTANT_GAMES_PLAYER_ID"), nil},
		{"every boolean", device("is_fb=1", "is_redownload=0", "consider_views=true", "include_dwell_data=FALSE", "include_video_data=0",
			"limited_data_use=0", "is_circuit_breaker_active=false", "circuit_breaker_timeout_ms=10",
			"add_to_messaging_customer_base_for_whatsapp=1", `url_schemes=["fb1"]`, "install_timestamp=1795170000.5"), nil},
		{"a boolean of another kind", device("consider_views=yes"), []string{"consider_views bool 100"}},
		{"a dead parameter", device("auto_publish=1"), []string{"auto_publish gone"}},
		{"a WhatsApp opt-in other than 0 or 1", device("add_to_messaging_customer_base_for_whatsapp=yes"),
			[]string{"add_to_messaging_customer_base_for_whatsapp flag"}},
		{"a negative count", device("num_skipped_events=-1"), []string{"num_skipped_events int64 100"}},
		{"url_schemes that are not texts", device("url_schemes=[1]"), []string{"url_schemes array 100"}},
		{"an install time in milliseconds", device("install_timestamp=1795170000000"),
			[]string{"install_timestamp milliseconds"}},
		{"an install time that is no number", device("install_timestamp=today"), []string{"install_timestamp time 100"}},
		{"a user id type that does not exist", device("user_id_type=PLAYER"), []string{"user_id_type enum 100"}},
		{"a mobile cookie of the wrong form", device("attribution=abc"), []string{"attribution form"}},
		{"a mobile cookie of 22 with a sign", device("attribution=abcdefghijKLMNOPQRST1!"), []string{"attribution form"}},
		{"a mobile cookie that is a UUID", device("attribution=0f8fad5b-d9cb-469f-a165-70867728950e"), nil},
		{"a mobile cookie that is nearly a UUID", device("attribution=0f8fad5b-d9cb-469f-a165-70867728950g"),
			[]string{"attribution form"}},
		{"a UUID with its dashes elsewhere", device("attribution=0f8fad5bd-9cb-469f-a165-70867728950e"),
			[]string{"attribution form"}},

		// Event and identifiers.
		{"no event", bot("event"), []string{"event required 100"}},
		{"an event that does not exist", bot("event=INSTALL"), []string{"event enum 100"}},
		{"custom events of nobody", device("advertiser_id"), []string{"event identifier 100"}},
		{"custom events of an empty ud", device("advertiser_id", "ud={}"), []string{"event identifier 100"}},
		{"custom events of an anonymous install", device("advertiser_id", "anon_id=XZ1"), nil},
		{"custom events of a player", device("advertiser_id", "user_id_type=INSTANT_GAMES_PLAYER_ID"), nil},
		{"custom events of hashed data", device("advertiser_id", "ud[em]="+hash), nil},
		{"an install of nobody", device("event=MOBILE_APP_INSTALL", "custom_events", "advertiser_id"),
			[]string{"event identifier 100"}},
		{"an install with an anonymous id only",
			device("event=MOBILE_APP_INSTALL", "custom_events", "advertiser_id", "anon_id=XZ1"), []string{"event identifier"}},
		{"a deferred link of nobody", device("event=DEFERRED_APP_LINK", "custom_events", "advertiser_id"),
			[]string{"event identifier"}},
		{"an install with custom events", device("event=MOBILE_APP_INSTALL"), []string{"custom_events unexpected"}},
		{"a deferred link with custom events", device("event=DEFERRED_APP_LINK"), []string{"custom_events unexpected"}},

		// Flags.
		{"a missing flag", device("advertiser_tracking_enabled"), []string{"advertiser_tracking_enabled required"}},
		{"the other flag missing", device("application_tracking_enabled"), []string{"application_tracking_enabled required"}},
		{"a flag as true", device("advertiser_tracking_enabled=true"), []string{"advertiser_tracking_enabled flag"}},
		{"a flag as 2", device("advertiser_tracking_enabled=2"), []string{"advertiser_tracking_enabled flag 100"}},
		{"flags as JSON numbers and strings", jsonCall(
			device("advertiser_tracking_enabled", "application_tracking_enabled").body,
			`{"advertiser_tracking_enabled":0,"application_tracking_enabled":"1"}`), nil},

		// Messenger identities.
		{"a Page id that is no number", bot("page_id=abc"), []string{"page_id int64 100"}},
		{"a Page id of zero", bot("page_id=0"), []string{"page_id int64 100"}},
		{"a PSID beyond 64 bits", bot("page_scoped_user_id=99999999999999999999"),
			[]string{"page_scoped_user_id int64 100"}},
		{"a PSID that went through a float", jsonCall(bot("page_scoped_user_id").body, `{"page_scoped_user_id":7.7e15}`),
			[]string{"page_scoped_user_id int64 100"}},
		{"ids as JSON numbers beyond 2^53", jsonCall(bot("page_id", "page_scoped_user_id").body,
			`{"page_id":18139494541428835,"page_scoped_user_id":18139494541428836}`), nil},
		{"mb1 without a Page", bot("page_id"), []string{"page_id required"}},
		{"mb1 without a person", bot("page_scoped_user_id", "anon_id=XZ1"), []string{"page_scoped_user_id required"}},
		{"mb1 with more", bot(`extinfo=["mb1","x"]`), []string{"extinfo mb1"}},
		{"a thread without extinfo", bot("extinfo"), []string{"extinfo required"}},
		{"a thread with a device", bot(device16(0, `"a2"`)), []string{"extinfo mb1"}},

		// Extended device info.
		{"extended info", device(device16(0, `"i2"`)), nil},
		{"extended info with unknowns", device(`extinfo=["a2","","","","8.1.0","","","","","",0,"",-1,-1,"13",""]`), nil},
		{"a density with a comma", device(device16(11, `"2,75"`)), nil},
		{"a build number as a number", device(device16(2, `771`)), nil},
		{"extended info that is no array", device("extinfo=a2"), []string{"extinfo array 100"}},
		{"extended info that is empty", device("extinfo=[]"), []string{"extinfo length"}},
		{"fifteen entries", device(`extinfo=["a2","","","","8","","","","",0,0,"",0,0,0]`), []string{"extinfo length"}},
		{"an unknown version of extinfo", device(device16(0, `"a3"`)), []string{"extinfo[0] version"}},
		{"no OS version", device(device16(4, `""`)), nil},
		{"a build number of another kind", device(device16(2, `true`)), []string{"extinfo[2] string"}},
		{"entries that are not set", device(`extinfo=["a2",null,null,null,"14",null,null,null,null,null,null,null,null,null,null,null]`), nil},
		{"an OS version that is not set", device(device16(4, `null`)), nil},
		{"an OS version that is a number", device(device16(4, `14`)), []string{"extinfo[4] string"}},
		{"a version of extinfo that is not set", device(device16(0, `null`)), []string{"extinfo[0] version"}},
		{"extended info as an object", device(`extinfo={"0":"i2","1":"com.a","4":"18.1","9":390,"11":3.5}`), nil},
		{"an object without the OS version", device(`extinfo={"0":"i2"}`), nil},
		{"an object with other keys", device(`extinfo={"0":"i2","4":"18.1","os":"18.1"}`), []string{"extinfo array 100"}},
		{"an object with a seventeenth entry", device(`extinfo={"0":"i2","4":"18.1","16":""}`), []string{"extinfo array 100"}},
		{"an object with keys like numbers", device(`extinfo={"00":"i2","4":"18.1"}`), []string{"extinfo array 100"}},
		{"a model that is a number", device(device16(5, `5`)), []string{"extinfo[5] string"}},
		{"a width that is no integer", device(device16(9, `"wide"`)), []string{"extinfo[9] int64"}},
		{"a density as a number", device(device16(11, `2.75`)), nil},
		{"a density of another kind", device(device16(11, `true`)), []string{"extinfo[11] density"}},
		{"a density that is no number", device(device16(11, `"fine"`)), []string{"extinfo[11] density"}},

		// User data.
		{"every user data key", device("ud[em]="+hash, "ud[fn]="+hash, "ud[ln]="+hash, "ud[ph]="+hash, "ud[ge]="+hash,
			"ud[db]="+hash, "ud[ct]="+hash, "ud[st]="+hash, "ud[zp]="+hash, "ud[cn]="+hash, "ud[external_id]="+hash,
			"ud[r1]="+hash), nil},
		{"user data as JSON text", device(`ud={"em":"` + hash + `"}`), nil},
		{"user data that is no object", device("ud=x"), []string{"ud object 100"}},
		{"an unknown user data key", device("ud[mail]=" + hash), []string{"ud[mail] unknown"}},
		{"raw user data", device("ud[em]=jane@example.com"), []string{"ud[em] hash"}},
		{"an upper-case hash", device("ud[em]=" + strings.ToUpper(hash)), []string{"ud[em] hash"}},
		{"MD5", device("ud[em]=" + hash[:32]), []string{"ud[em] hash"}},
		{"an array of hashes", device(`ud={"em":["` + hash + `"]}`), []string{"ud[em] hash"}},
		{"a key twice", request{path: "/v26.0/771/activities", typ: form,
			body: device("ud[em]="+hash).body + "&ud[em]=" + hash}, []string{"ud[em] twice", "ud[em] twice"}},
		{"both names of the country", device("ud[cn]="+hash, "ud[country]="+hash), []string{"ud[country] twice"}},
		{"both names of the birth date", device("ud[db]="+hash, "ud[dob]="+hash), []string{"ud[dob] twice"}},
		{"both names of the external id", device("ud[external_id]="+hash, "ud[extern_id]="+hash),
			[]string{"ud[extern_id] twice"}},

		// Data processing.
		{"limited data use", device(`data_processing_options=["LDU"]`, "data_processing_options_country=1",
			"data_processing_options_state=1000"), nil},
		{"no limited data use", device("data_processing_options=[]"), nil},
		{"options that are no array", device("data_processing_options=LDU"),
			[]string{"data_processing_options array 100"}},
		{"an unknown option", device(`data_processing_options=["X"]`), []string{"data_processing_options enum"}},
		{"a country without options", device("data_processing_options_country=1"),
			[]string{"data_processing_options_country required"}},
		{"a country without a state", device(`data_processing_options=["LDU"]`, "data_processing_options_country=1"),
			[]string{"data_processing_options required"}},
		{"a country that is no number", device(`data_processing_options=["LDU"]`, "data_processing_options_country=US",
			"data_processing_options_state=1000"), []string{"data_processing_options_country int64 100"}},

		// Attribution sources and operational parameters.
		{"attribution sources", device(`attribution_sources=[{"source_ad_id":1,"source_ad_engagement_time":1795170000,` +
			`"source_ad_engagement_type":"click","source_event_time":1795170000,"source_event_id":"1",` +
			`"source_install_id":"1","source_auditing_token":"1","source_attribution_method":"1",` +
			`"source_is_primary":true,"source_adgroup_id":"2"}]`), nil},
		{"attribution sources that are no objects", device("attribution_sources=[1]"),
			[]string{"attribution_sources array 100"}},
		{"an unknown member of a source", device(`attribution_sources=[{"x":1}]`),
			[]string{"attribution_sources[0].x unknown"}},
		{"a source of the wrong kinds", device(`attribution_sources=[{"source_ad_id":"a","source_event_time":"b",` +
			`"source_event_id":1,"source_is_primary":"d"}]`), []string{"attribution_sources[0].source_ad_id int64",
			"attribution_sources[0].source_event_time time", "attribution_sources[0].source_event_id string",
			"attribution_sources[0].source_is_primary bool"}},
		{"a source's time in milliseconds", device(`attribution_sources=[{"source_event_time":1795170000000}]`),
			[]string{"attribution_sources[0].source_event_time milliseconds"}},
		{"operational parameters", device(`operational_parameters=[{"iap_parameters":{}}]`), nil},
		{"operational parameters of another length",
			device(`operational_parameters=[{"iap_parameters":{}},{"deferral_link_parameters":{}}]`),
			[]string{"operational_parameters length"}},
		{"operational parameters of every kind", device(`operational_parameters=[{"iap_parameters":{"a":"b","c":1.5},` +
			`"deferral_link_parameters":{"d":1}}]`), nil},
		{"operational parameters without a segment", device(`operational_parameters=[{}]`), nil},
		{"operational parameters that are no objects", device(`operational_parameters=[1]`),
			[]string{"operational_parameters array 100"}},
		{"operational parameters of no events", device("event=DEFERRED_APP_LINK", "custom_events",
			`operational_parameters=[{}]`), []string{"operational_parameters length"}},
		{"a segment that is no object", device(`operational_parameters=[{"iap_parameters":[1]}]`),
			[]string{"operational_parameters[0].iap_parameters object"}},
		{"a segment of the wrong kinds", device(`operational_parameters=[{"iap_parameters":{"a":true,"käse":{}}}]`),
			[]string{"operational_parameters[0].iap_parameters.a value-kind",
				"operational_parameters[0].iap_parameters.käse param-name",
				"operational_parameters[0].iap_parameters.käse value-kind"}},
		{"an unknown segment", device(`operational_parameters=[{"x":{}}]`),
			[]string{"operational_parameters[0].x unknown"}},

		// The device's address.
		{"an IPv4 address", withIP(device(), "192.168.0.99"), nil},
		{"an IPv6 address", withIP(device(), "fd45:f238:3b40:23b1:ffff:ffff:ffff:abcd"), nil},
		{"two addresses", withIP(device(), "192.168.0.99, 10.0.0.1"), []string{"header.X-Forwarded-For ip"}},
		{"an address with a port", withIP(device(), "192.168.0.99:80"), []string{"header.X-Forwarded-For ip"}},
		{"an address with a zone", withIP(device(), "fe80::1%eth0"), []string{"header.X-Forwarded-For ip"}},
		{"the address in the body", device("client_ip=192.168.0.99"), []string{"client_ip unknown"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			requireCall(t, setup(), tc.req, tc.want)
		})
	}
}

// requireCall sends the call and requires exactly these problems, and that the answer agrees with them.
func requireCall(t *testing.T, s *graphtest.Server, req request, want []string) graphtest.Call {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	got := send(t, s, req)
	require.NoError(t, got.err)
	call := last(t, s)
	require.Equal(t, want, brief(call.Problems))
	refused := false
	for _, p := range call.Problems {
		refused = refused || p.Code != 0
		require.NotEmpty(t, p.Message)
	}
	require.Equal(t, refused, got.status != http.StatusOK, "%d %s", got.status, got.body)
	require.Equal(t, refused, strings.HasPrefix(got.body, `{"error":{`), got.body)
	require.Equal(t, got.status, call.Status)
	require.Equal(t, !refused, call.Accepted)
	return call
}

func jsonCall(query, body string) request {
	return request{path: "/v26.0/771/activities?" + query, typ: jsonType, body: body}
}

func withIP(r request, ip string) request {
	r.header = http.Header{"X-Forwarded-For": {ip}}
	return r
}

func TestActivities_EventChecks(t *testing.T) {
	t.Parallel()
	const at = "custom_events[0]"
	params := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"p%d":1,`, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	for _, tc := range []struct {
		name string
		req  request
		want []string
	}{
		{"no events", device("custom_events"), []string{"custom_events required 100"}},
		{"an empty list", device("custom_events=[]"), []string{"custom_events required 100"}},
		{"broken JSON", device(`custom_events=[{"_eventName":"a",}]`), []string{"custom_events json 100"}},
		{"an object", device(`custom_events={"_eventName":"a"}`), []string{"custom_events json 100"}},
		{"an event that is no object", device(`custom_events=["a"]`), []string{at + " object 100"}},
		{"an event without a name", device("custom_events=[{}]"), []string{at + "._eventName required 100"}},
		{"a thousand and one events", device("custom_events=[" + strings.Repeat(`{"_eventName":"a"},`, 1000) +
			`{"_eventName":"a"}]`), []string{"custom_events too-many"}},
		{"native JSON", jsonCall(device("custom_events").body, `{"custom_events":[{"_eventName":"a"}]}`), nil},
		{"JSON text inside JSON", jsonCall(device("custom_events").body, `{"custom_events":"[{\"_eventName\":\"a\"}]"}`), nil},

		{"a name of one letter", device(`custom_events=[{"_eventName":"a"}]`), nil},
		{"a name of forty with all signs", device(`custom_events=[{"_eventName":"_2345678901234567890 1234567890-12345678"}]`), nil},
		{"a name of forty-one", device(`custom_events=[{"_eventName":"12345678901234567890123456789012345678901"}]`),
			[]string{at + "._eventName event-name 100"}},
		{"a name with a leading dash", device(`custom_events=[{"_eventName":"-a"}]`),
			[]string{at + "._eventName event-name 100"}},
		{"a name with a leading blank", device(`custom_events=[{"_eventName":" a"}]`),
			[]string{at + "._eventName event-name 100"}},
		{"a name beyond ASCII", device(`custom_events=[{"_eventName":"å"}]`), []string{at + "._eventName event-name 100"}},
		{"a name that is a number", device(`custom_events=[{"_eventName":1}]`), []string{at + "._eventName event-name 100"}},
		{"an empty name", device(`custom_events=[{"_eventName":""}]`), []string{at + "._eventName event-name 100"}},
		{"an automatic name", bot(`custom_events=[{"_eventName":"fb_messenger_bot_started"}]`),
			[]string{at + "._eventName automatic"}},
		{"the MD5 of a name", events(`"_eventName_md5":"0cc175b9c0f1b6a831c399e269772661"`), nil},
		{"a wrong MD5", events(`"_eventName_md5":"0cc1"`), []string{at + "._eventName_md5 md5 100"}},
		{"a repeated key", events(`"a":1,"a":2`), []string{at + ".a twice"}},

		{"a value", events(`"_valueToSum":-1.5`), nil},
		{"a value as text", events(`"_valueToSum":"1.5"`), []string{at + "._valueToSum number"}},
		{"a value that is no number", events(`"_valueToSum":"much"`), []string{at + "._valueToSum number 100"}},
		{"a value of another kind", events(`"_valueToSum":null`), []string{at + "._valueToSum number 100"}},
		{"a value beyond a float", events(`"_valueToSum":1e999`), []string{at + "._valueToSum number 100"}},
		{"a time", events(`"_logTime":1795170000`), nil},
		{"a time in milliseconds", events(`"_logTime":1795170000000`), []string{at + "._logTime milliseconds"}},
		{"a time before 2004", events(`"_logTime":1`), []string{at + "._logTime time"}},
		{"a time in the future", events(fmt.Sprintf(`"_logTime":%d`, now.Unix()+601)), []string{at + "._logTime future"}},
		{"a time a little ahead", events(fmt.Sprintf(`"_logTime":%d`, now.Unix()+600)), nil},
		{"a time with a fraction", events(`"_logTime":1795170000.5`), []string{at + "._logTime int64 100"}},
		{"an event id", events(`"event_id":"e1"`), nil},
		{"an event id that is a number", events(`"event_id":1`), []string{at + ".event_id string"}},

		{"reserved fields", events(`"_session_id":"1","_app_user_id":"1","_ui":"a","_implicitlyLogged":"1",` +
			`"_inBackground":"1","_isTimedEvent":true,"_appVersion":"1"`), nil},
		{"an unknown reserved field", events(`"_isTimed":1`), []string{at + "._isTimed reserved"}},
		{"a background flag of another value", events(`"_inBackground":"2"`), []string{at + "._inBackground flag"}},
		{"a session id that is a number", events(`"_session_id":1`), []string{at + "._session_id string"}},
		{"a parameter's name", events(`"käse":1`), []string{at + ".käse param-name"}},
		{"twenty-six parameters, which the app's other calls may well share", events(params(26)), nil},
		{"a boolean", events(`"vip":true`), []string{at + ".vip value-kind"}},
		{"null", events(`"vip":null`), []string{at + ".vip value-kind"}},
		{"an array", events(`"vip":[1]`), []string{at + ".vip value-kind"}},
		{"an object", events(`"parameters":{"a":1}`), []string{at + ".parameters value-kind"}},
		{"a text of a hundred letters", events(`"note":"` + strings.Repeat("å", 100) + `"`), nil},
		{"a text of a hundred and one", events(`"note":"` + strings.Repeat("å", 101) + `"`), []string{at + ".note too-long 100"}},

		{"every standard parameter", events(`"fb_content":"[{\"id\":\"1\",\"quantity\":2,\"item_price\":1.5}]",` +
			`"fb_content_id":"[\"1\",\"2\"]","fb_content_type":"product","fb_currency":"EUR","fb_description":"d",` +
			`"fb_level":"3","fb_max_rating_value":5,"fb_num_items":2,"fb_order_id":"o","fb_payment_info_available":1,` +
			`"fb_registration_method":"Email","fb_search_string":"mug","fb_success":"0","fb_ad_type":"banner"`), nil},
		{"a currency in small letters", events(`"fb_currency":"usd"`), []string{at + ".fb_currency currency"}},
		{"a currency that does not exist", events(`"fb_currency":"XYZ"`), []string{at + ".fb_currency currency"}},
		{"half a currency", events(`"fb_currency":"D A"`), []string{at + ".fb_currency currency"}},
		{"a currency that is a number", events(`"fb_currency":840`), []string{at + ".fb_currency currency"}},
		{"a level that is a number", events(`"fb_level":3`), []string{at + ".fb_level string"}},
		{"a count with a fraction", events(`"fb_num_items":1.5`), []string{at + ".fb_num_items int64"}},
		{"a negative count", events(`"fb_num_items":-1`), []string{at + ".fb_num_items int64"}},
		{"a flag of another value", events(`"fb_success":"yes"`), []string{at + ".fb_success flag"}},

		{"contents longer than a hundred letters", events(`"fb_content":"[{\"id\":\"` + strings.Repeat("1", 200) +
			`\",\"quantity\":1}]"`), nil},
		{"contents as an array", events(`"fb_content":[{"id":"1","quantity":1}]`), []string{at + ".fb_content value-kind"}},
		{"contents that are broken JSON", events(`"fb_content":"[{\"id\": \"1234\", \"quantity\": 2,}]"`),
			[]string{at + ".fb_content content"}},
		{"contents that are empty", events(`"fb_content":"[]"`), []string{at + ".fb_content content"}},
		{"contents that are a number", events(`"fb_content":5`), []string{at + ".fb_content content"}},
		{"contents that are no objects", events(`"fb_content":"[1]"`), []string{at + ".fb_content[0] content"}},
		{"a content without an id", events(`"fb_content":"[{\"quantity\":1}]"`),
			[]string{at + ".fb_content[0].id required"}},
		{"a content without a quantity", events(`"fb_content":"[{\"id\":\"1\"}]"`),
			[]string{at + ".fb_content[0].quantity required"}},
		{"a content with a quantity of zero", events(`"fb_content":"[{\"id\":\"1\",\"quantity\":0}]"`),
			[]string{at + ".fb_content[0].quantity int64"}},
		{"a content with a quantity as text", events(`"fb_content":"[{\"id\":\"1\",\"quantity\":\"2\"}]"`),
			[]string{at + ".fb_content[0].quantity int64"}},
		{"a content with a price as text", events(`"fb_content":"[{\"id\":\"1\",\"quantity\":2,\"item_price\":\"1\"}]"`),
			[]string{at + ".fb_content[0].item_price number"}},
		{"a content id that is a number", events(`"fb_content_id":5`), []string{at + ".fb_content_id string"}},
		{"a content id that is empty", events(`"fb_content_id":""`), []string{at + ".fb_content_id empty"}},
		{"content ids that are numbers", events(`"fb_content_id":"[1]"`), []string{at + ".fb_content_id content"}},
		{"content ids that are broken JSON", events(`"fb_content_id":"[1"`), []string{at + ".fb_content_id content"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			requireCall(t, setup(), tc.req, tc.want)
		})
	}
}

func TestActivities_PricesNeedACurrency(t *testing.T) {
	t.Parallel()
	prices := "AdImpression StartTrial Subscribe fb_mobile_add_to_cart fb_mobile_add_to_wishlist fb_mobile_content_view " +
		"fb_mobile_initiated_checkout fb_mobile_purchase"
	others := "fb_mobile_rate fb_mobile_spent_credits Donate my_event"
	for name := range strings.FieldsSeq(prices + " " + others) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want []string
			if strings.Contains(prices, name) {
				want = []string{"custom_events[0].fb_currency required"}
			}
			requireCall(t, setup(), device(`custom_events=[{"_eventName":"`+name+`","_valueToSum":1}]`), want)
			requireCall(t, setup(), device(`custom_events=[{"_eventName":"`+name+`"}]`), nil)
		})
	}
}

func TestActivities_EventFile(t *testing.T) {
	t.Parallel()
	call := func(name, contentType string, extra ...string) request {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for _, pair := range append([]string{"event=CUSTOM_APP_EVENTS", "advertiser_id=1", "advertiser_tracking_enabled=1",
			"application_tracking_enabled=0"}, extra...) {
			k, v, _ := strings.Cut(pair, "=")
			require.NoError(t, w.WriteField(k, v))
		}
		header := textproto.MIMEHeader{}
		header.Set("Content-Disposition", `form-data; name="`+name+`"; filename="e.json"`)
		header.Set("Content-Type", contentType)
		part, err := w.CreatePart(header)
		require.NoError(t, err)
		_, err = part.Write([]byte(`[{"_eventName":"Contact"}]`))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return request{path: "/v26.0/771/activities", typ: w.FormDataContentType(), body: body.String()}
	}
	got := requireCall(t, setup(), call("custom_events_file", "application/json"), nil)
	require.Equal(t, "Contact", got.Events[0].Name)
	require.Equal(t, "multipart/form-data", got.ContentType)
	requireCall(t, setup(), call("custom_events_file", "content/unknown"), nil)
	requireCall(t, setup(), call("custom_events_file", "text/plain"), []string{"custom_events_file file"})
	requireCall(t, setup(), call("custom_events_file", "application/json", `custom_events=[{"_eventName":"a"}]`),
		[]string{"custom_events_file twice"})
	requireCall(t, setup(), call("vendor_id", "application/json", `custom_events=[{"_eventName":"a"}]`),
		[]string{"vendor_id file"})
	requireCall(t, setup(), device("custom_events", `custom_events_file=[{"_eventName":"Contact"}]`),
		[]string{"custom_events_file file"})
}

func TestActivities_Gzip(t *testing.T) {
	t.Parallel()
	pack := func(text string) request {
		var body bytes.Buffer
		w := gzip.NewWriter(&body)
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return request{path: "/v26.0/771/activities", typ: form, body: body.String(),
			header: http.Header{"Content-Encoding": {"gzip"}}}
	}
	s := setup()
	require.Equal(t, http.StatusOK, send(t, s, pack(bot().body)).status)
	require.Empty(t, s.Problems())

	bomb := pack(strings.Repeat("a", 1<<18))
	bomb.body = strings.Repeat(bomb.body, 33) // members of a gzip stream follow each other
	require.Equal(t, http.StatusBadRequest, send(t, s, bomb).status)
	require.Equal(t, "body encoding 100", brief(last(t, s).Problems)[0])
}

func TestActivities_BodyLimit(t *testing.T) {
	t.Parallel()
	s := setup()
	got := send(t, s, request{path: "/v26.0/771/activities", typ: form, body: strings.Repeat("a", 8<<20+1)})
	require.Equal(t, http.StatusRequestEntityTooLarge, got.status)
	require.Equal(t, []string{"body too-large"}, brief(last(t, s).Problems))
}

func TestActivities_Recorded(t *testing.T) {
	t.Parallel()
	s := setup()
	req := bot(`custom_events=[{"_eventName":"fb_mobile_purchase","_valueToSum":55.22,"fb_currency":"USD",` +
		`"_logTime":1795170000,"event_id":"e1","fb_num_items":2,"note":"a\"b"},{"_eventName":"lead_submitted"}]`)
	got := send(t, s, withIP(req, "192.0.2.7"))
	require.JSONEq(t, `{"success":true}`, got.body)
	require.Equal(t, "v26.0", got.header.Get("Facebook-Api-Version"))
	require.NotEmpty(t, got.header.Get("X-Fb-Trace-Id"))

	call := last(t, s)
	require.Equal(t, now, call.Time)
	require.Equal(t, "POST", call.Method)
	require.Equal(t, "/v26.0/771/activities", call.Path)
	require.Equal(t, "v26.0", call.Version)
	require.Equal(t, "v26.0", call.Served)
	require.Equal(t, "771", call.ObjectID)
	require.Equal(t, "activities", call.Edge)
	require.Equal(t, "192.0.2.7", call.ForwardedFor)
	require.Equal(t, form, call.ContentType)
	require.Equal(t, "CUSTOM_APP_EVENTS", call.Activity)
	require.Equal(t, "901", call.PageID)
	require.Equal(t, "7702", call.PSID)
	require.Equal(t, got.header.Get("X-Fb-Trace-Id"), call.TraceID)
	require.Empty(t, call.TokenIn)
	require.True(t, call.HasToken(""))
	require.Contains(t, call.Fields, graphtest.Field{In: "form", Name: "extinfo", Value: `["mb1"]`})
	value, ok := call.Field("page_id")
	require.True(t, ok)
	require.Equal(t, "901", value)
	_, ok = call.Field("nothing")
	require.False(t, ok)

	require.Len(t, call.Events, 2)
	e := call.Events[0]
	require.Equal(t, "fb_mobile_purchase", e.Name)
	require.InDelta(t, 55.22, *e.Value, 0)
	require.Equal(t, time.Unix(1795170000, 0).UTC(), e.Time)
	require.Equal(t, "e1", e.ID)
	require.Equal(t, "901", e.PageID)
	require.Equal(t, "7702", e.PSID)
	require.Equal(t, `a"b`, e.Params["note"])
	require.EqualValues(t, "2", e.Params["fb_num_items"])
	require.NotContains(t, e.Params, "_eventName")
	require.Nil(t, call.Events[1].Value)
	require.True(t, call.Events[1].Time.IsZero())

	// What the caller does to a copy does not reach the record.
	*e.Value = 1
	e.Params["note"] = "changed"
	call.Fields[0].Value = "changed"
	call.Header.Set("Content-Type", "changed")
	again := last(t, s)
	require.InDelta(t, 55.22, *again.Events[0].Value, 0)
	require.Equal(t, `a"b`, again.Events[0].Params["note"])
	require.NotEqual(t, "changed", again.Fields[0].Value)
	require.Equal(t, form, again.Header.Get("Content-Type"))
}

func TestActivities_ThousandEventNamesOfAnApp(t *testing.T) {
	t.Parallel()
	s := setup()
	var list []string
	for i := range 999 {
		list = append(list, fmt.Sprintf(`{"_eventName":"e%d"}`, i))
	}
	require.Equal(t, http.StatusOK, send(t, s, device("custom_events=["+strings.Join(list, ",")+"]")).status)
	require.Equal(t, http.StatusOK, send(t, s, device(`custom_events=[{"_eventName":"e1"}]`)).status, "a known name")

	got := send(t, s, device(`custom_events=[{"_eventName":"last"},{"_eventName":"one too many"}]`))
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Contains(t, got.body, "(#100) App ID: 771, Can only have up to 1000 events per app, one too many doesn't fit")
	require.False(t, last(t, s).Accepted)
	require.Equal(t, http.StatusOK, send(t, s, device(`custom_events=[{"_eventName":"another"}]`)).status,
		"the refused call took no place")
	other := device(`custom_events=[{"_eventName":"fresh"}]`)
	other.path = "/v26.0/772/activities"
	require.Equal(t, http.StatusOK, send(t, s, other).status, "another app")
	require.Equal(t, http.StatusBadRequest, send(t, s, device(`custom_events=[{"_eventName":"x"}]`)).status)
	s.Reset()
	require.Equal(t, http.StatusOK, send(t, s, device(`custom_events=[{"_eventName":"x"}]`)).status)
}

func TestActivities_GraphsOwnWords(t *testing.T) {
	t.Parallel()
	s := setup()
	require.Contains(t, send(t, s, device("advertiser_id")).body, "At least one of the parameter 'attribution', "+
		"'advertiser_id', 'anon_id', 'page_scoped_user_id', 'user_id_type' or 'ud' is required for the 'custom_app_events' activity")
	require.Contains(t, send(t, s, events(`"note":"`+strings.Repeat("a", 101)+`"`)).body,
		"(#100) This field must be at most 100 characters long.")
	got := send(t, s, bot("page_id=abc", "event"))
	require.JSONEq(t, `{"error":{"message":"(#100) Param page_id: must be a positive integer that fits in 64 bits",`+
		`"type":"OAuthException","code":100,"is_transient":false,"fbtrace_id":"Astandin00000003"}}`, got.body,
		"the first problem is the answer")
}

// A look-up is answered with the link, everything else as always.
func TestWithAppLink(t *testing.T) {
	t.Parallel()
	lookUp := device("event=DEFERRED_APP_LINK", "custom_events")
	require.JSONEq(t, `{"is_fb":false}`, send(t, setup(), lookUp).body)

	s := setup(graphtest.WithAppLink(`{"applink_url":"example://mug"}`))
	require.JSONEq(t, `{"applink_url":"example://mug"}`, send(t, s, lookUp).body)
	require.Equal(t, "DEFERRED_APP_LINK", last(t, s).Activity)
	require.True(t, last(t, s).Accepted)
	require.JSONEq(t, `{"success":true}`, send(t, s, device("event=MOBILE_APP_INSTALL", "custom_events")).body)
	require.JSONEq(t, `{"success":true}`, send(t, s, device()).body)
}

func TestPageActivities_Checks(t *testing.T) {
	t.Parallel()
	purchase := func(version, edits string) request {
		return request{path: version + "/771/page_activities", token: "page-token", typ: jsonType, body: `{
			"custom_events":[{"_eventName":"fb_mobile_purchase","_valueToSum":57.23,"fb_currency":"USD"}],
			"advertiser_tracking_enabled":1,"application_tracking_enabled":1,"page_id":901,"page_scoped_user_id":7702` + edits + `}`}
	}
	const bot = `,"logging_source":"messenger_bot"`
	raw := func(body string) request {
		return request{path: "/v20.0/771/page_activities", token: "page-token", typ: jsonType, body: body}
	}
	for _, tc := range []struct {
		name string
		req  request
		want []string
	}{
		{"the guide's purchase", purchase("/v20.0", bot+`,"logging_target":"page"`), nil},
		{"an older version", purchase("/v18.0", bot), nil},
		{"the reference's spelling", purchase("/v20.0", `,"logging_source":"DETECTION","logging_target":"APP_AND_PAGE"`), nil},
		{"the version that lost the edge", purchase("/v21.0", bot), []string{"path retired 2500"}},
		{"a living version", purchase("/v26.0", bot), []string{"path retired 2500"}},
		{"no version", purchase("", bot), []string{"path retired 2500"}},
		{"no source", purchase("/v20.0", ""), []string{"logging_source required"}},
		{"an unknown source", purchase("/v20.0", `,"logging_source":"bot"`), []string{"logging_source enum 100"}},
		{"an unknown target", purchase("/v20.0", bot+`,"logging_target":"pages"`), []string{"logging_target enum 100"}},
		{"parameters of the other edge", purchase("/v20.0", bot+`,"event":"CUSTOM_APP_EVENTS","extinfo":["mb1"],"ud":{},"advertiser_id":"1"`),
			[]string{"event unknown", "extinfo unknown", "ud unknown", "advertiser_id unknown"}},
		{"nothing", raw(`{}`), []string{"advertiser_tracking_enabled required", "application_tracking_enabled required",
			"page_scoped_user_id required 100", "page_id required", "logging_source required", "custom_events required"}},
		{"a wrong event", raw(`{"custom_events":[{"_eventName":"-"}],"advertiser_tracking_enabled":1,` +
			`"application_tracking_enabled":1,"page_id":901,"page_scoped_user_id":7702,"logging_source":"messenger_bot"}`),
			[]string{"custom_events[0]._eventName event-name 100"}},
		{"a PSID that is no number", raw(`{"custom_events":[{"_eventName":"a"}],"advertiser_tracking_enabled":1,` +
			`"application_tracking_enabled":1,"page_id":901,"page_scoped_user_id":"x","logging_source":"messenger_bot"}`),
			[]string{"page_scoped_user_id int64 100"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			requireCall(t, setup(), tc.req, tc.want)
		})
	}

	s := setup()
	call := requireCall(t, s, purchase("/v20.0", bot+`,"logging_target":"page"`), nil)
	require.Equal(t, "messenger_bot", call.Source)
	require.Equal(t, "page", call.Target)
	require.Equal(t, "901", call.PageID)
	require.Equal(t, "v20.0", call.Served)
	require.Contains(t, call.Fields, graphtest.Field{In: "json", Name: "logging_source", Value: `"messenger_bot"`})

	got := send(t, setup(), purchase("/v26.0", bot))
	require.Contains(t, got.body, `"message":"Unknown path components: /page_activities","type":"OAuthException","code":2500`)
	gone := setup(graphtest.WithoutPageActivities())
	requireCall(t, gone, purchase("/v20.0", bot), []string{"path retired 2500"})
}
