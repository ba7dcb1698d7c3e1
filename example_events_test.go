package appevents_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// Somebody bought two mugs in a Messenger conversation.
func ExamplePurchase() {
	graph := graphtest.New() // stands in for graph.facebook.com
	client, err := appevents.New("771", appevents.WithHTTPClient(&http.Client{Transport: graph}))
	if err != nil {
		log.Fatal(err)
	}

	purchase := appevents.Purchase(55.22, "USD")
	purchase.ID = "order-1001" // where Meta de-duplicates, it does so by ID and name
	purchase.Params.Contents = []appevents.Content{{ID: "mug-1", Quantity: 2, ItemPrice: 27.61}}
	purchase.Params.ContentType = "product"

	result, err := client.LogActivity(context.Background(), &appevents.Activity{
		Thread:  appevents.Thread{PageID: "108000000000001", PSID: "3290000000000001"},
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{purchase},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("accepted:", result.Events)
	for _, name := range []string{"extinfo", "page_id", "page_scoped_user_id", "custom_events"} {
		value, _ := graph.Calls()[0].Field(name)
		fmt.Println(name+":", value)
	}
	// Output:
	// accepted: 1
	// extinfo: ["mb1"]
	// page_id: 108000000000001
	// page_scoped_user_id: 3290000000000001
	// custom_events: [{"_eventName":"fb_mobile_purchase","_valueToSum":55.22,"event_id":"order-1001","fb_content":"[{\"id\":\"mug-1\",\"quantity\":2,\"item_price\":27.61}]","fb_content_type":"product","fb_currency":"USD"}]
}

// A person answered the qualifying questions and left contact details. The event has no parameters of Meta's; some of
// your own tell leads apart.
func ExampleLeadSubmitted() {
	graph := graphtest.New()
	client, err := appevents.New("771", appevents.WithHTTPClient(&http.Client{Transport: graph}))
	if err != nil {
		log.Fatal(err)
	}

	lead := appevents.LeadSubmitted()
	lead.Params.Custom = map[string]any{"flow": "test drive", "questions": 2, "wants_call": true}

	_, err = client.LogActivity(context.Background(), &appevents.Activity{
		Thread:  appevents.Thread{PageID: "108000000000001", PSID: "3290000000000001"},
		Consent: appevents.Consent{Advertiser: appevents.Denied, Application: appevents.Allowed},
		Events:  []appevents.Event{lead},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"advertiser_tracking_enabled", "application_tracking_enabled", "custom_events"} {
		value, _ := graph.Calls()[0].Field(name)
		fmt.Println(name+":", value)
	}
	// Output:
	// advertiser_tracking_enabled: 0
	// application_tracking_enabled: 1
	// custom_events: [{"_eventName":"lead_submitted","flow":"test drive","questions":2,"wants_call":1}]
}

// A platform lets the owners of Pages build bots in a visual editor. The list of events and a form for each come from
// StandardEvents; what the editor saves is an Event as JSON, in which parameters have their wire names.
func ExampleStandardEvents() {
	events := appevents.StandardEvents()
	fmt.Println("The list, first of", len(events))
	for _, event := range events[:4] {
		fmt.Printf("  <option value=%q>%s</option>\n", event.Name, event.Label)
	}

	for _, event := range events {
		if event.Name != appevents.EventPurchase {
			continue
		}
		fmt.Println("The form of", event.Label)
		fmt.Println("  number, the", event.Value)
		for _, param := range event.Params {
			line := fmt.Sprintf("  %s, %s", param.Type, param.Label)
			if param.Required {
				line += ", required with a number"
			}
			if len(param.Values) > 0 {
				line += ": " + strings.Join(param.Values, " or ")
			}
			fmt.Println(line)
		}
	}

	saved := `{"name": "fb_mobile_purchase", "value": 55.22, "params": {"fb_content_id": ["mug-1", ""], "fb_num_items": 2}}`
	var event appevents.Event
	if err := json.Unmarshal([]byte(saved), &event); err != nil {
		log.Fatal(err)
	}
	fmt.Println("What to mark red")
	if invalid, ok := errors.AsType[*appevents.ValidationError](event.Validate()); ok {
		for _, issue := range invalid.Issues {
			fmt.Println(" ", issue)
		}
	}
	// Output:
	// The list, first of 25
	//   <option value="fb_mobile_level_achieved">Achieve Level</option>
	//   <option value="fb_mobile_activate_app">Activate App</option>
	//   <option value="fb_mobile_add_payment_info">Add Payment Info</option>
	//   <option value="fb_mobile_add_to_cart">Add to Cart</option>
	// The form of Purchase
	//   number, the price paid
	//   int, Number of items
	//   text, Content type: product or product_group
	//   text_list, Product IDs
	//   contents, Products
	//   text, Currency, required with a number
	// What to mark red
	//   params.fb_currency: must be set because the value is a price (required)
	//   params.fb_content_id[1]: must be set (required)
}

// All problems are reported at once, each with the field and the rule.
func ExampleEvent_Validate() {
	event := appevents.Purchase(55.22, "usd")
	event.Params.NumItems = -1
	event.Params.Custom = map[string]any{"fb_content_type": "product", "colors": []string{"red", "blue"}}

	if invalid, ok := errors.AsType[*appevents.ValidationError](event.Validate()); ok {
		for _, issue := range invalid.Issues {
			fmt.Println(issue.Path, "|", issue.Rule, "|", issue.Message)
		}
	}
	// Output:
	// params.fb_currency | format | must be an ISO 4217 code in capitals, such as USD
	// params.fb_num_items | range | must not be negative
	// params.colors | type | must be a string, a number or a bool
	// params.fb_content_type | reserved | use Params.ContentType
}

// A warning is advice: the event is valid and will be sent.
func ExampleEvent_Warnings() {
	refund := appevents.Purchase(-55.22, "USD")
	fmt.Println(refund.Validate())
	for _, issue := range refund.Warnings() {
		fmt.Println(issue)
	}
	// Output:
	// <nil>
	// value: a negative price lowers the reported sum (range)
}
