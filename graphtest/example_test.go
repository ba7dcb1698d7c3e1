package graphtest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/appevents/appevents-go/graphtest"
)

func Example() {
	graph, err := graphtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer graph.Close()

	// Any client will do; this one forgets the currency and puts the token into the URL.
	resp, err := http.PostForm(graph.URL+"/v26.0/771/activities?access_token=771|very-secret", url.Values{
		"event":                        {"CUSTOM_APP_EVENTS"},
		"custom_events":                {`[{"_eventName":"fb_mobile_purchase","_valueToSum":55.22}]`},
		"advertiser_tracking_enabled":  {"1"},
		"application_tracking_enabled": {"1"},
		"extinfo":                      {`["mb1"]`},
		"page_id":                      {"107001112223334"},
		"page_scoped_user_id":          {"6543210987654321"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.StatusCode, string(answer))

	call := graph.Calls()[0]
	fmt.Println(call.Edge, call.Events[0].Name, *call.Events[0].Value)
	for _, p := range call.Problems {
		fmt.Println(p)
	}
	// Output:
	// 200 {"success":true}
	// activities fb_mobile_purchase 55.22
	// access_token: a token in the URL leaks into logs; send it in the Authorization header [token-in-query]
	// custom_events[0].fb_currency: the value of this event is a price, so it needs a currency [required]
}

// A call as it was on the wire, with its credentials removed.
func ExampleCall() {
	graph := graphtest.New()
	req, err := http.NewRequest(http.MethodPost, graph.URL+"/v20.0/771/page_activities",
		strings.NewReader(`{"page_id":"901","page_scoped_user_id":"7702","logging_source":"messenger_bot",
			"custom_events":[{"_eventName":"lead_submitted"}],
			"advertiser_tracking_enabled":1,"application_tracking_enabled":1}`))
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer page-token")
	resp, err := graph.RoundTrip(req)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()

	call := graph.Calls()[0]
	fmt.Println(call.Method, call.Path)
	fmt.Println("Authorization:", call.Header.Get("Authorization"))
	for _, f := range call.Fields {
		fmt.Printf("%s %s=%s\n", f.In, f.Name, f.Value)
	}
	fmt.Println(call.HasToken("page-token"), len(call.Problems))
	// Output:
	// POST /v20.0/771/page_activities
	// Authorization: Bearer (redacted)
	// json page_id="901"
	// json page_scoped_user_id="7702"
	// json logging_source="messenger_bot"
	// json custom_events=[{"_eventName":"lead_submitted"}]
	// json advertiser_tracking_enabled=1
	// json application_tracking_enabled=1
	// true 0
}

func ExampleServer_Inject() {
	graph := graphtest.New()
	client := http.Client{Transport: graph}
	get := func() {
		resp, err := client.Get(graph.URL + "/v26.0/act_5/insights")
		if err != nil {
			fmt.Println("no answer:", graph.Calls()[graph.Count()-1].Fault)
			return
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode, resp.Header.Get("X-Business-Use-Case-Usage"))
	}

	graph.Inject(graphtest.ThrottleFor(10*time.Minute), graphtest.Reset, graphtest.Transient)
	get()
	get()
	get()
	// Output:
	// 400 {"act_5":[{"type":"ads_insights","call_count":100,"total_cputime":25,"total_time":25,"estimated_time_to_regain_access":10}]}
	// no answer: reset
	// 500
}

func ExampleWithToken() {
	graph := graphtest.New(graphtest.WithToken("page-token", graphtest.Grant{
		Type: graphtest.TokenPage, Pages: []string{"901"}, Permissions: []string{"pages_messaging"},
	}))
	req, err := http.NewRequest(http.MethodPost, graph.URL+"/v26.0/901/dataset", nil)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer page-token")
	resp, err := graph.RoundTrip(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.StatusCode, string(answer))
	// Output:
	// 403 {"error":{"message":"(#200) App does not have page_events permission","type":"OAuthException","code":200,"is_transient":false,"fbtrace_id":"Astandin00000001"}}
}

func ExampleSend() {
	const appSecret = "app-secret"
	bot := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("X-Hub-Signature-256") != graphtest.Sign(appSecret, body) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Println("the bot got", len(body), "bytes")
	})

	hello := graphtest.Text("Is the blue mug in stock?", graphtest.MID("m_1"), graphtest.At(time.Unix(1718000000, 0)))
	for _, secret := range []string{appSecret, "a guess", ""} {
		d, err := graphtest.Send(context.Background(), bot, secret, hello)
		fmt.Println(d.Status, d.Acknowledged, err)
	}
	// Output:
	// the bot got 246 bytes
	// 200 true <nil>
	// 403 false <nil>
	// 403 false <nil>
}

func ExamplePostback() {
	fmt.Println(graphtest.Postback("BUY_MUG", graphtest.From("7702"), graphtest.To("901"), graphtest.MID("m_1"),
		graphtest.At(time.Unix(1718000000, 0))))
	// Output:
	// {"object":"page","entry":[{"id":"901","time":1718000000000,"messaging":[{"sender":{"id":"7702"},"recipient":{"id":"901"},"timestamp":1718000000000,"postback":{"mid":"m_1","title":"Button","payload":"BUY_MUG"}}]}]}
}
