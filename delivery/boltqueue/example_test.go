package boltqueue_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
)

// A purchase is on the disk when Submit returns: the program can die at once, and the next one delivers it.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	client, err := appevents.New("771", appevents.WithAccessToken("token"))
	if err != nil {
		log.Fatal(err)
	}

	submit := func() {
		queue, err := boltqueue.Open(filepath.Join(dir, "events.db"))
		if err != nil {
			log.Fatal(err) // wraps boltqueue.ErrLocked while another process has it open
		}
		defer func() { _ = queue.Close() }()
		dispatcher, err := delivery.New(client, queue)
		if err != nil {
			log.Fatal(err)
		}
		// The same webhook, delivered twice by Meta.
		for range 2 {
			err = dispatcher.Submit(context.Background(), "m_AbC", &appevents.Activity{
				Thread:  appevents.Thread{PageID: "901", PSID: "7001"},
				Consent: appevents.ConsentAllowed,
				Events:  []appevents.Event{appevents.Purchase(55.22, "USD")},
			})
			if errors.Is(err, delivery.ErrFull) {
				log.Fatal("make room on the disk; what is in the queue is safe: ", err)
			}
			if err != nil {
				log.Fatal(err)
			}
		}
		stats := dispatcher.Stats()
		fmt.Printf("%d accepted, %d of them duplicates, %d pending\n", stats.Accepted, stats.Duplicates, stats.Pending)
	}
	submit()
	submit() // the key is known after a restart too
	// Output:
	// 2 accepted, 1 of them duplicates, 1 pending
	// 4 accepted, 3 of them duplicates, 1 pending
}
