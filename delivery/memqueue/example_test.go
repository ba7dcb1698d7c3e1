package memqueue_test

import (
	"context"
	"fmt"
	"log"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
)

// In a test of your own, the queue in memory takes the place of the one in a file.
func ExampleNew() {
	client, err := appevents.New("771", appevents.WithAccessToken("token"))
	if err != nil {
		log.Fatal(err)
	}
	dispatcher, err := delivery.New(client, memqueue.New(memqueue.WithCapacity(1000)))
	if err != nil {
		log.Fatal(err)
	}
	err = dispatcher.Submit(context.Background(), "m_AbC", &appevents.Activity{
		Thread:  appevents.Thread{PageID: "901", PSID: "7001"},
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{appevents.Purchase(55.22, "USD")},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(dispatcher.Stats().Pending, "pending")
	// Output: 1 pending
}
