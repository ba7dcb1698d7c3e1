package natsqueue_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/natsqueue"
	"github.com/appevents/appevents-go/graphtest"
)

// A webhook handler submits a purchase, and a dispatcher, here in the same process, delivers it. The servers are
// stand-ins: yours are a NATS server with JetStream and Meta's.
func Example() {
	serverURL, stopServer := exampleServer()
	defer stopServer()
	graph, err := graphtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer graph.Close()

	nc, err := nats.Connect(serverURL, nats.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	queue, err := natsqueue.Open(ctx, js) // with natsqueue.WithReplicas(3) on a cluster
	if err != nil {
		log.Fatal(err)
	}
	defer queue.Close()

	client, err := appevents.New("771", appevents.WithAccessToken("app-token"), appevents.WithBaseURL(graph.URL))
	if err != nil {
		log.Fatal(err)
	}
	dispatcher, err := delivery.New(client, queue, delivery.WithObserver(func(_ context.Context, s delivery.Settled) {
		fmt.Println(s.Lane, s.Verdict)
		cancel() // one call is enough here
	}))
	if err != nil {
		log.Fatal(err)
	}
	purchase := &appevents.Activity{
		Thread:  appevents.Thread{PageID: "901", PSID: "2001"},
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{appevents.Purchase(55.22, "USD")},
	}
	for range 2 { // the webhook comes twice
		if err := dispatcher.Submit(ctx, "key of the webhook event", purchase); err != nil {
			log.Fatal(err)
		}
	}
	if err := dispatcher.Run(ctx); err != nil {
		log.Fatal(err)
	}
	s := dispatcher.Stats()
	fmt.Println(s.Accepted, "accepted:", s.Delivered, "delivered,", s.Duplicates, "duplicate")
	// Output:
	// activities/901 delivered
	// 2 accepted: 1 delivered, 1 duplicate
}

// exampleServer starts a NATS server in this process.
func exampleServer() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "natsqueue")
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: dir,
	})
	if err != nil {
		log.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		log.Fatal("the server does not start")
	}
	return s.ClientURL(), func() {
		s.Shutdown()
		s.WaitForShutdown()
		os.RemoveAll(dir)
	}
}
