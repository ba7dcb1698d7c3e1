package appevents_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// claimed answers an install as Graph does when an ad led to it.
type claimed struct{}

func (claimed) RoundTrip(*http.Request) (*http.Response, error) {
	const body = `{"is_fb":true,"click_time":1699990000,"ad_id":"6002","campaign_id":"6004","campaign_name":"Mugs, spring"}`
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// A server reports the installation of a mobile app, with the app token and the address of the device, and learns which
// ad led to it.
func ExampleClient_LogInstall() {
	client, err := appevents.New("771",
		appevents.WithAppSecret("app-secret"), // on servers only
		appevents.WithHTTPClient(&http.Client{Transport: claimed{}}))
	if err != nil {
		log.Fatal(err)
	}

	result, err := client.LogInstall(context.Background(), &appevents.Install{
		Device: appevents.Device{AdvertiserID: "38400000-8cf0-11bd-b23e-10b96e40000d"},
		ExtInfo: appevents.ExtInfo{
			Platform: appevents.Android, PackageName: "com.example.mugs", BuildNumber: "771", AppVersion: "7.7.1",
			OSVersion: "14", DeviceModel: "Pixel 8", Locale: "en_US",
		},
		ClientIP:      netip.MustParseAddr("198.51.100.7"),
		Consent:       appevents.ConsentAllowed,
		InstalledAt:   time.Unix(1700000000, 0),
		ConsiderViews: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	if claim := result.Claim; claim != nil {
		fmt.Println("ad", claim.AdID, "of", claim.CampaignName, "clicked at", claim.ClickTime)
		fmt.Println("seen only:", claim.IsViewThrough)
	}
	// Output:
	// ad 6002 of Mugs, spring clicked at 2023-11-14 19:26:40 +0000 UTC
	// seen only: false
}

// On its first start, an app asks its server where it should open: at what the ad was about that led to its
// installation.
func ExampleClient_DeferredAppLink() {
	graph := graphtest.New(graphtest.WithAppLink(`{"applink_url":"mugs://mug/1234","ad_id":"6002"}`))
	client, err := appevents.New("771",
		appevents.WithAppSecret("app-secret"), // on servers only
		appevents.WithHTTPClient(&http.Client{Transport: graph}))
	if err != nil {
		log.Fatal(err)
	}

	result, err := client.DeferredAppLink(context.Background(), appevents.AppLinkQuery{
		Device:   appevents.Device{AdvertiserID: "38400000-8cf0-11bd-b23e-10b96e40000d"},
		ClientIP: netip.MustParseAddr("198.51.100.7"),
		Consent:  appevents.ConsentAllowed,
	})
	if err != nil {
		log.Fatal(err)
	}
	if claim := result.Claim; claim != nil && claim.AppLinkURL != "" {
		fmt.Println("open", claim.AppLinkURL)
	}
	// Output:
	// open mugs://mug/1234
}

// A person in California asked for their data not to be used beyond what is needed.
func ExampleDataProcessing() {
	graph := graphtest.New()
	client, err := appevents.New("771", appevents.WithHTTPClient(&http.Client{Transport: graph}))
	if err != nil {
		log.Fatal(err)
	}

	_, err = client.LogActivity(context.Background(), &appevents.Activity{
		Thread:         appevents.Thread{PageID: "108000000000001", PSID: "3290000000000001"},
		Consent:        appevents.ConsentDenied,
		DataProcessing: appevents.DataProcessing{LimitedDataUse: true, Country: 1, State: 1000},
		Events:         []appevents.Event{appevents.Contact()},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{
		"data_processing_options", "data_processing_options_country", "data_processing_options_state",
	} {
		value, _ := graph.Calls()[0].Field(name)
		fmt.Println(name+":", value)
	}
	// Output:
	// data_processing_options: ["LDU"]
	// data_processing_options_country: 1
	// data_processing_options_state: 1000
}

// Events of one person that do not fit in one request travel in several. When one of these fails, the error tells
// which events were accepted, which failed and which were not sent.
func ExamplePartialError() {
	graph := graphtest.New()
	client, err := appevents.New("771",
		appevents.WithMaxEvents(2), // 100 unless set
		appevents.WithHTTPClient(&http.Client{Transport: graph}))
	if err != nil {
		log.Fatal(err)
	}
	call := &appevents.Activity{
		Thread:  appevents.Thread{PageID: "108000000000001", PSID: "3290000000000001"},
		Consent: appevents.ConsentAllowed,
		Events: []appevents.Event{
			appevents.ViewContent("mug-1"), appevents.ViewContent("mug-2"), appevents.AddToCart(27.61, "USD"),
			appevents.InitiateCheckout(27.61, "USD"), appevents.Purchase(27.61, "USD"),
		},
	}

	graph.Inject(graphtest.None, graphtest.Throttle) // the second request is throttled
	_, err = client.LogActivity(context.Background(), call)
	var partial *appevents.PartialError
	if errors.As(err, &partial) && errors.Is(err, appevents.ErrThrottled) {
		fmt.Println("accepted:", partial.Accepted, "of", partial.Total)
		fmt.Println("failed:", partial.Failed-partial.Accepted)
		fmt.Println("not sent:", partial.Total-partial.Failed)
		call.Events = call.Events[partial.Accepted:] // what is left, for later
	}
	fmt.Println("left, from", call.Events[0].Name)
	// Output:
	// accepted: 2 of 5
	// failed: 2
	// not sent: 1
	// left, from fb_mobile_add_to_cart
}

// The Messaging Events API ended in September 2025. A platform that served many Pages through it logs the same events
// to /activities.
func ExampleClient_LogPageActivity() {
	graph := graphtest.New(graphtest.WithoutPageActivities())
	client, err := appevents.New("771",
		appevents.WithAccessToken("page-access-token"),
		appevents.WithHTTPClient(&http.Client{Transport: graph}))
	if err != nil {
		log.Fatal(err)
	}
	thread := appevents.Thread{PageID: "108000000000001", PSID: "3290000000000001"}
	events := []appevents.Event{appevents.LeadSubmitted()}

	_, err = client.LogPageActivity(context.Background(), &appevents.PageActivity{
		Thread:  thread,
		Target:  appevents.TargetAppAndPage,
		Consent: appevents.ConsentAllowed,
		Events:  events,
	})
	fmt.Println("retired:", errors.Is(err, appevents.ErrRetired))

	_, err = client.LogActivity(context.Background(), &appevents.Activity{
		Thread:  thread,
		Consent: appevents.ConsentAllowed,
		Events:  events,
	})
	fmt.Println("error:", err)
	for _, call := range graph.Calls() {
		fmt.Println(call.Version, call.Edge, call.Events[0].Name, "accepted:", call.Accepted)
	}
	// Output:
	// retired: true
	// error: <nil>
	// v20.0 page_activities lead_submitted accepted: false
	// v26.0 activities lead_submitted accepted: true
}
