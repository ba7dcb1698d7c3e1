package appevents_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"slices"
	"strings"
	"time"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// exampleClient returns a client whose calls go to graph, a stand-in for Meta.
func exampleClient(graph *graphtest.Server) *appevents.Client {
	client, err := appevents.New("771",
		appevents.WithAccessToken("page-token"),
		appevents.WithHTTPClient(&http.Client{Transport: graph}),
	)
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// The events of one program, in a conversation on Messenger, on Instagram and on WhatsApp.
func ExampleClient_SendConversions() {
	graph := graphtest.New() // stands in for Meta
	client := exampleClient(graph)

	result, err := client.SendConversions(context.Background(), "5501",
		appevents.Conversion{
			Name:   appevents.ConversionPurchase,
			Value:  new(55.22),
			ID:     "order-8841",
			Thread: appevents.Thread{PageID: "901", PSID: "3291192954316443"},
			Data:   appevents.ConversionData{Currency: "EUR", OrderID: "8841"},
		},
		appevents.Conversion{
			Name:   appevents.ConversionOrderShipped,
			ID:     "shipped-8840",
			Thread: appevents.Thread{Channel: appevents.ChannelInstagram, PageID: "17841400000000001", PSID: "1254477777772919"},
			Data:   appevents.ConversionData{OrderID: "8840"},
		},
		appevents.Conversion{
			Name:     appevents.ConversionLeadSubmitted,
			ID:       "lead-17",
			WhatsApp: appevents.WhatsAppThread{AccountID: "330011", ClickID: "ARAkLkA8rmlFeiCktEJQ"},
		},
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Received, "received in", result.Requests, "request")
	for _, event := range graph.Calls()[0].Events {
		fmt.Println(event.Channel, event.Name)
	}
	// Output:
	// 3 received in 1 request
	// messenger Purchase
	// instagram OrderShipped
	// whatsapp LeadSubmitted
}

// One bad conversion does not spoil the others: it is found and reported by its index.
func ExampleClient_SendConversions_failures() {
	graph := graphtest.New(graphtest.WithDataset("5501", "901")) // Page 902 does not belong to this dataset
	client := exampleClient(graph)

	lead := func(page, person appevents.ID) appevents.Conversion {
		return appevents.Conversion{
			Name: appevents.ConversionLeadSubmitted, Thread: appevents.Thread{PageID: page, PSID: person},
		}
	}
	conversions := []appevents.Conversion{lead("901", "7702"), lead("902", "7703"), lead("901", "not an ID"), lead("901", "7705")}
	result, err := client.SendConversions(context.Background(), "5501", conversions...)
	fmt.Println(result.Received, "of", len(conversions), "received")

	if failed, ok := errors.AsType[*appevents.ConversionsError](err); ok {
		for _, failure := range failed.Failed {
			if invalid, ok := errors.AsType[*appevents.ValidationError](failure.Err); ok {
				fmt.Println(failure.Index, "not sent:", invalid.Issues[0])
			}
			if graphErr, ok := errors.AsType[*appevents.GraphError](failure.Err); ok {
				fmt.Println(failure.Index, "refused:", graphErr.Code, graphErr.Subcode)
			}
		}
	}
	// Output:
	// 2 of 4 received
	// 1 refused: 100 2804065
	// 2 not sent: conversions[2].thread.psid: must be decimal digits only (format)
}

// A program that logged to page_activities moves by one call: the same event, as a conversion.
func ExampleEvent_Conversion() {
	graph := graphtest.New() // stands in for Meta
	client := exampleClient(graph)

	thread := appevents.Thread{PageID: "901", PSID: "3291192954316443"} // from the webhook
	purchase := appevents.Purchase(57.23, "USD")
	purchase.Time = time.Now()

	conversion, err := purchase.Conversion(thread)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.SendConversions(context.Background(), "5501", conversion); err != nil {
		log.Fatal(err)
	}
	sent := graph.Calls()[0].Events[0]
	fmt.Println(sent.Name, *sent.Value, sent.Params["currency"], sent.ID == conversion.ID)

	_, err = appevents.CompleteRegistration("Email").Conversion(thread)
	fmt.Println(err)
	// Output:
	// Purchase 57.23 USD true
	// appevents: invalid call: name: is not an event of conversations (2804066); the nearest is LeadSubmitted (unknown)
}

// The dataset of a Page is made once and remembered.
func ExampleDatasetCache() {
	graph := graphtest.New() // stands in for Meta
	cache, err := appevents.NewDatasetCache(exampleClient(graph))
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		dataset, err := cache.Ensure(context.Background(), "901")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(dataset)
	}
	fmt.Println(graph.Count(), "request")
	// Output:
	// 5500000001
	// 5500000001
	// 5500000001
	// 1 request
}

// leadFlow asks qualifying questions, then for contact details, and reports a lead when they were given. A phone
// number that comes without the questions, to pay for something say, is not a lead.
type leadFlow struct {
	client    *appevents.Client
	dataset   string
	questions []string
	answers   map[appevents.Thread][]string // nil outside of the flow; keep it in a database
}

// receive handles what the person wrote, and returns what to answer.
func (f *leadFlow) receive(ctx context.Context, thread appevents.Thread, text string, at time.Time) (string, error) {
	given, inside := f.answers[thread]
	switch {
	case !inside && strings.Contains(text, "quote"):
		f.answers[thread] = []string{}
		return f.questions[0], nil
	case !inside:
		return "Thank you!", nil
	}
	given = append(given, text)
	if len(given) < len(f.questions) {
		f.answers[thread] = given
		return f.questions[len(given)], nil
	}
	delete(f.answers, thread)

	lead := appevents.LeadSubmitted()
	lead.Time = at
	lead.Params.Custom = map[string]any{"interest": given[0]}
	conversion, err := lead.Conversion(thread)
	if err != nil {
		return "", err
	}
	conversion.UserData = appevents.UserData{Email: given[len(given)-1]} // hashed before it is sent
	if _, err := f.client.SendConversions(ctx, f.dataset, conversion); err != nil {
		return "", err
	}
	return "We will call you back.", nil
}

// A lead is reported at the end of a flow that qualifies it: a question or two first, then contact details, asked for
// and given.
func ExampleLeadSubmitted_flow() {
	graph := graphtest.New() // stands in for Meta
	flow := &leadFlow{
		client:    exampleClient(graph),
		dataset:   "5501",
		questions: []string{"New car or used?", "When do you want to buy?", "Where can we reach you by email?"},
		answers:   make(map[appevents.Thread][]string),
	}
	buyer := appevents.Thread{PageID: "901", PSID: "3291192954316443"}
	customer := appevents.Thread{PageID: "901", PSID: "3291192954316444"}
	for _, message := range []struct {
		from appevents.Thread
		text string
	}{
		{buyer, "I would like a quote"},
		{customer, "Paid with +1 650 555 1212"},
		{buyer, "Used"},
		{buyer, "In spring"},
		{buyer, "mary@example.com"},
	} {
		answer, err := flow.receive(context.Background(), message.from, message.text, time.Now())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(">", message.text)
		fmt.Println(answer)
	}
	events := slices.Collect(func(yield func(string) bool) {
		for _, call := range graph.Calls() {
			for _, event := range call.Events {
				if !yield(event.Name + " of " + event.PSID) {
					return
				}
			}
		}
	})
	fmt.Println(events)
	// Output:
	// > I would like a quote
	// New car or used?
	// > Paid with +1 650 555 1212
	// Thank you!
	// > Used
	// When do you want to buy?
	// > In spring
	// Where can we reach you by email?
	// > mary@example.com
	// We will call you back.
	// [LeadSubmitted of 3291192954316443]
}
