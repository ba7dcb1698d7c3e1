package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// demo shows an order and its event rolling back and committing together. The credentials guard nothing: they only ever
// reach the stand-in.
func demo(ctx context.Context, config *pgxpool.Config, stdout io.Writer) error {
	const appID, appSecret = "1517776481860111", "demo-app-secret"
	graph, err := graphtest.Start(graphtest.WithAppID(appID), graphtest.WithAppSecret(appSecret))
	if err != nil {
		return err
	}
	defer graph.Close()
	s := settings{appID: appID, appSecret: appSecret, baseURL: graph.URL}
	shop, closing, err := openShop(ctx, s, config)
	if err != nil {
		return err
	}
	defer closing()
	postback, err := parse(graphtest.Postback(payloadBuyMug))
	if err != nil {
		return err
	}
	show := func(what string) error {
		var count int
		err := shop.pool.QueryRow(ctx, `SELECT count(*) FROM orders WHERE webhook = $1`, postback.DedupeKey()).Scan(&count)
		stats := shop.dispatcher.Stats()
		fmt.Fprintf(stdout, "%-36s orders: %d   events waiting: %d, delivered: %d\n",
			what, count, stats.Pending, stats.Delivered)
		return err
	}

	if err := show("before"); err != nil {
		return err
	}
	declined := errors.New("the card is declined")
	err = pgx.BeginFunc(ctx, shop.pool, func(tx pgx.Tx) error {
		return errors.Join(shop.order(ctx, tx, postback), declined)
	})
	if !errors.Is(err, declined) {
		return err
	}
	if err := show("an order and its event, rolled back"); err != nil {
		return err
	}
	for _, what := range []string{"the same again, committed", "the same webhook, delivered twice"} {
		if err := shop.postback(ctx, postback); err != nil {
			return err
		}
		if err := show(what); err != nil {
			return err
		}
	}

	delivering, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- shop.dispatcher.Run(delivering) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for shop.dispatcher.Stats().Pending > 0 && delivering.Err() == nil {
		<-tick.C
	}
	stop()
	if err := <-ended; err != nil {
		return err
	}
	return show("sent to the stand-in for Meta")
}

// parse returns the button somebody pressed.
func parse(webhook graphtest.Payload) (*appevents.PostbackEvent, error) {
	payload, err := appevents.ParseWebhook(webhook)
	if err != nil {
		return nil, err
	}
	for event := range payload.Events() {
		if postback, ok := event.(*appevents.PostbackEvent); ok {
			return postback, nil
		}
	}
	return nil, errors.New("outbox: no button was pressed")
}
