package graphtest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// sdkCalls are requests in the form in which Meta's own SDKs send them.
func sdkCalls(t *testing.T) map[string]request {
	t.Helper()
	const events = "/v26.0/5501/events"
	lead := func(more string) string {
		return fmt.Sprintf(`{"event_name":"LeadSubmitted","event_time":%d,"action_source":"business_messaging",`+
			`"messaging_channel":"messenger","user_data":{"em":[%q],"page_id":"901","page_scoped_user_id":"7702"%s}`,
			now.Unix()-60, hash, more)
	}
	app := func(user, data string) string {
		return fmt.Sprintf(`{"event_name":"Purchase","event_time":%d,"action_source":"app","event_id":"p-1",`+
			`"user_data":{%s},"custom_data":{"value":12.5,"currency":"usd","contents":[{"id":"mug","quantity":1,"item_price":12.5}]},`+
			`"app_data":{%s}`, now.Unix()-60, user, data)
	}
	const flags = `"application_tracking_enabled":true,"advertiser_tracking_enabled":false`
	activity := map[string]string{
		"event": "CUSTOM_APP_EVENTS", "anon_id": "XZ11223344-5566-7788", "sdk": "android", "format": "json",
		"application_tracking_enabled": "true", "advertiser_id_collection_enabled": "true",
		"application_package_name": "com.example.mugs", "app_user_id": "77", "data_processing_options": "[]",
		"data_processing_options_country": "0", "data_processing_options_state": "0", "installer_package": "com.android.vending",
		"extinfo": `["a2","com.example.mugs",771,"7.7.1","14","Pixel 8","nb_NO","CET","Telenor",1080,2400,"2.75",8,128,64,"Europe/Oslo"]`,
		"ud":      `{"em":"` + hash + "," + hash + `","country":"` + hash + `"}`,
	}
	text := `[{"_eventName":"fb_mobile_purchase","_eventName_md5":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f","_logTime":` +
		fmt.Sprint(now.Unix()-60) + `,"_ui":"MainActivity","_session_id":"e9f0","_valueToSum":55.22,"fb_currency":"USD",` +
		`"_implicitlyLogged":"1"}]`

	var upload bytes.Buffer
	parts := multipart.NewWriter(&upload)
	for name, value := range activity {
		require.NoError(t, parts.WriteField(name, value))
	}
	file, err := parts.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="custom_events_file"; filename="custom_events_file"`},
		"Content-Type":        {"content/unknown"},
	})
	require.NoError(t, err)
	_, err = file.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, parts.Close())

	phone := map[string]string{
		"event": "CUSTOM_APP_EVENTS", "anon_id": "XZ11223344-5566-7788", "advertiser_tracking_enabled": "0",
		"application_tracking_enabled": "1", "advertiser_id_collection_enabled": "1", "custom_events": text, "ud": "{}",
		"extinfo":     `["i2","com.example.mugs","771","7.7.1","18.1","iPhone16,2","nb_NO","CET","",430,932,"3.00",6,128,64,"Europe/Oslo"]`,
		"url_schemes": `["fb771"]`, "campaign_ids": "abc",
	}
	body, err := json.Marshal(phone)
	require.NoError(t, err)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err = zip.Write(body)
	require.NoError(t, err)
	require.NoError(t, zip.Close())

	return map[string]request{
		"Node, a lead": {path: events + "?access_token=t", typ: jsonType, body: `{"data":[` + lead("") + `,"opt_out":false}],` +
			`"partner_agent":null,"test_event_code":null,"namespace_id":null,"upload_id":null,"upload_tag":null,` +
			`"upload_source":null,"access_token":"t","id":"5501"}`},
		"Node, an app event": {path: events + "?access_token=t", typ: jsonType, body: `{"data":[` + app(
			`"em":["`+hash+`"],"ge":[],"madid":"ABCD","anon_id":"x","app_user_id":"`+hash+`"`, flags+`,"campaign_ids":null,`+
				`"extinfo":{"0":"i2","1":"com.example.mugs","2":"771","3":"7.7.1","4":"18.1","5":"iPhone","6":"nb_NO","7":"CET",`+
				`"8":"","9":390,"10":844,"11":3,"12":6,"13":128,"14":64,"15":"Europe/Oslo"},"url_schemes":null`) +
			`,"advertiser_tracking_enabled":true}],"access_token":"t","id":"5501"}`},
		"Node, with the entries that are set": {path: events + "?access_token=t", typ: jsonType, body: `{"data":[` + app(
			`"madid":"ABCD"`, flags+`,"extinfo":{"0":"a2","4":"14"}`) + `}],"id":"5501"}`},
		"Python, a lead": {path: events + "?access_token=t", typ: form, body: url.Values{
			"data": {`[` + quote(lead("")+`,"custom_data":{"value":12.5,"currency":"usd"}}`) + `]`},
		}.Encode()},
		"Python, an app event": {path: events, token: "t", typ: form, body: url.Values{
			"data": {`[` + quote(app(`"madid":"ABCD"`, flags+`,"extinfo":["a2","com.example.mugs",null,null,"14",null,null,null,`+
				`null,null,null,2.75,null,null,null,null]`)+`}`) + `]`}, "partner_agent": {"acme_bot"},
		}.Encode()},
		"PHP and Java, an app event": {path: events, typ: form, body: url.Values{
			"data": {`[` + app(`"external_id":[12345,"x"],"madid":"`+hash+`"`, `"app_user_id":"77",`+flags+`,"extinfo":["i2",null,`+
				`"771","7.7.1","18.1",null,null,null,null,390,844,3.5,6,128,64,null]`) + `}]`}, "access_token": {"t"},
		}.Encode()},
		"Java, nulls kept": {path: events, typ: jsonType, token: "t", body: `{"data":[` + lead(`,"ph":null,"fbc":null`) +
			`,"custom_data":{"value":12.5,"currency":"usd","contents":null,"order_id":null},"app_data":null,"event_id":null,` +
			`"data_processing_options":null,"event_source_url":null}]}`},
		"Android": {path: "/v21.0/771/activities?access_token=771%7Cclient", typ: parts.FormDataContentType(), body: upload.String()},
		"iOS": {path: "/v21.0/771/activities", typ: jsonType, body: packed.String(),
			header: http.Header{"Content-Encoding": {"gzip"}}},
		"a business SDK's activity, as JSON": {path: "/v26.0/771/activities", typ: jsonType, body: `{"event":"CUSTOM_APP_EVENTS",` +
			`"advertiser_id":"11","advertiser_tracking_enabled":true,"application_tracking_enabled":false,"id":"771",` +
			`"vendor_id":null,"extinfo":{"0":"a2","4":"14"},"custom_events":[{"_eventName":"Contact"}]}`},
	}
}

// quote returns the JSON text of s.
func quote(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

// What Meta's own SDKs send is accepted, and passes WithStrict.
func TestMetasOwnSDKs(t *testing.T) {
	t.Parallel()
	for name, call := range sdkCalls(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tb := newFakeTB(t)
			tb.run(func() {
				s := graphtest.NewServer(tb, graphtest.WithStrict(), graphtest.WithClock(atNow))
				got := send(t, s, call)
				require.Equal(t, http.StatusOK, got.status, got.body)
				require.Len(t, last(t, s).Events, 1)
				for _, p := range s.Problems() {
					require.True(t, p.Tolerated, p)
				}
			})
			require.Empty(t, tb.errors)
		})
	}
}

func TestToleratedProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		req       request
		want      string
		tolerated bool
	}{
		{"a token in the URL", request{path: "/v26.0/771/activities?access_token=t", typ: form, body: bot().body},
			"access_token token-in-query", true},
		{"a flag as text", bot("advertiser_tracking_enabled=false"), "advertiser_tracking_enabled flag", true},
		{"a flag as other text", bot("advertiser_tracking_enabled=False"), "advertiser_tracking_enabled flag", false},
		{"no flag from an SDK without an ID", device("advertiser_id", "anon_id=x", "sdk=android", "advertiser_tracking_enabled"),
			"advertiser_tracking_enabled required", true},
		{"no flag from an SDK with an ID", device("sdk=android", "advertiser_tracking_enabled"),
			"advertiser_tracking_enabled required", false},
		{"no flag from others", device("advertiser_id", "anon_id=x", "advertiser_tracking_enabled"),
			"advertiser_tracking_enabled required", false},
		{"another ID in the body", bot("id=772"), "id conflict", false},
		{"too many hashes", device("ud=" + `{"em":"` + strings.Repeat(hash+",", 5) + hash + `"}`), "ud[em] hash", false},
		{"hashes and more", device("ud=" + `{"em":"` + hash + `,john"}`), "ud[em] hash", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := setup()
			require.Equal(t, http.StatusOK, send(t, s, tc.req).status)
			require.Equal(t, []string{tc.want}, brief(s.Problems()))
			require.Equal(t, tc.tolerated, s.Problems()[0].Tolerated)
		})
	}

	// The same token twice is a habit, two tokens are a mistake.
	for body, tolerated := range map[string]bool{"t": true, "u": false} {
		s := setup()
		send(t, s, request{path: "/v26.0/771/activities", token: "t", typ: form, body: bot("access_token=" + body).body})
		require.Equal(t, []string{"access_token twice"}, brief(s.Problems()))
		require.Equal(t, tolerated, s.Problems()[0].Tolerated)
	}
}
