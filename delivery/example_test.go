package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
)

func Example() {
	graph := graphtest.New() // in place of Meta
	client, err := appevents.New("771", appevents.WithBaseURL(graph.URL), appevents.WithAppSecret("app-secret"),
		appevents.WithHTTPClient(&http.Client{Transport: graph}))
	if err != nil {
		log.Fatal(err)
	}
	queue := memqueue.New() // boltqueue.Open("events.db") survives the process
	defer queue.Close()
	settled := make(chan delivery.Settled)
	dispatcher, err := delivery.New(client, queue,
		delivery.WithObserver(func(_ context.Context, s delivery.Settled) { settled <- s }))
	if err != nil {
		log.Fatal(err)
	}

	// In the webhook handler:
	ctx := context.Background()
	purchase := &appevents.Activity{
		Thread:  appevents.Thread{PageID: "901", PSID: "7001"},
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{appevents.Purchase(55.22, "USD")},
	}
	for range 2 { // the same webhook again
		if err := dispatcher.Submit(ctx, "mid.abc", purchase); err != nil {
			log.Fatal(err) // answer with 500: Meta delivers the webhook again
		}
	}

	// In the background, until the program is told to stop:
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- dispatcher.Run(ctx) }()

	s := <-settled
	fmt.Println(s.Lane, s.Verdict, s.Attempts)
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	stats := dispatcher.Stats()
	fmt.Println(stats.Accepted, "accepted,", stats.Delivered, "delivered,", stats.Duplicates, "duplicate")
	fmt.Println(graph.Calls()[0].Events[0].Name)
	// Output:
	// activities/901 delivered 1
	// 2 accepted, 1 delivered, 1 duplicate
	// fb_mobile_purchase
}

// What Graph refuses for good is put aside with the reason, to be sent again after a fix.
func ExampleDispatcher_Buried() {
	graph := graphtest.New()
	graph.Inject(graphtest.Error(100, 2804065)) // the dataset and the Page do not belong together
	client, err := appevents.New("771", appevents.WithBaseURL(graph.URL), appevents.WithAccessToken("token"),
		appevents.WithHTTPClient(&http.Client{Transport: graph}))
	if err != nil {
		log.Fatal(err)
	}
	queue := memqueue.New()
	defer queue.Close()
	settled := make(chan delivery.Settled)
	dispatcher, err := delivery.New(client, queue,
		delivery.WithObserver(func(_ context.Context, s delivery.Settled) { settled <- s }))
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- dispatcher.Run(ctx) }()

	err = dispatcher.Submit(ctx, "mid.abc", &appevents.ConversionCall{
		DatasetID: "5501",
		Conversions: []appevents.Conversion{{
			Name: appevents.ConversionLeadSubmitted, Thread: appevents.Thread{PageID: "901", PSID: "7001"},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println((<-settled).Reason)

	for call, err := range dispatcher.Buried(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(call.Lane, call.Reason, call.Attempts)
		// Somebody has connected the dataset to the Page meanwhile.
		if err := dispatcher.Resubmit(ctx, call.ID, nil); err != nil && !errors.Is(err, delivery.ErrNotFound) {
			log.Fatal(err)
		}
	}
	fmt.Println((<-settled).Verdict)
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// refused
	// events/5501 refused 1
	// delivered
}
