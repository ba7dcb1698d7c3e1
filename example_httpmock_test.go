package appevents_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jarcoal/httpmock"

	appevents "github.com/appevents/appevents-go"
)

// sellMug is a function of a bot that is to be tested: it logs a purchase.
func sellMug(ctx context.Context, client *appevents.Client, thread appevents.Thread) error {
	_, err := client.LogActivity(ctx, &appevents.Activity{
		Thread:  thread,
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{appevents.Purchase(9.5, "USD")},
	})
	return err
}

// A unit test with httpmock: here with a transport of its own, so that tests run in parallel. [httpmock.Activate] and
// [httpmock.ActivateNonDefault] work too, before or after New. Package graphtest knows more of what Graph does.
func ExampleWithHTTPClient_httpmock() {
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodPost, "https://graph.facebook.com/v26.0/771/activities",
		func(r *http.Request) (*http.Response, error) {
			fmt.Println(r.FormValue("event"), r.FormValue("custom_events"))
			return httpmock.NewStringResponse(http.StatusOK, `{"success":true}`), nil
		})
	client, err := appevents.New("771", appevents.WithHTTPClient(&http.Client{Transport: mock}))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = sellMug(context.Background(), client, appevents.Thread{PageID: "901", PSID: "3290000000000001"})
	fmt.Println(err, mock.GetTotalCallCount())

	mock.RegisterResponder(http.MethodPost, "https://graph.facebook.com/v26.0/771/activities",
		httpmock.NewStringResponder(http.StatusBadRequest, `{"error":{"message":"Expired","code":190,"error_subcode":463}}`))
	err = sellMug(context.Background(), client, appevents.Thread{PageID: "901", PSID: "3290000000000001"})
	fmt.Println(err)
	// Output:
	// CUSTOM_APP_EVENTS [{"_eventName":"fb_mobile_purchase","_valueToSum":9.5,"fb_currency":"USD"}]
	// <nil> 1
	// appevents: log activity: graph error 190/463 (HTTP 400): Expired; the token has expired: get a new token
}
