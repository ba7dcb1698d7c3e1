package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/graphtest"
)

// demo shows an order and its event rolling back and committing together. The credentials guard nothing: they only ever
// reach the stand-in.
func demo(ctx context.Context, config *pgxpool.Config, stdout io.Writer) (err error) {
	const appID, appSecret = "1517776481860111", "demo-app-secret"
	graph, err := graphtest.Start(graphtest.WithAppID(appID), graphtest.WithAppSecret(appSecret))
	if err != nil {
		return err
	}
	defer graph.Close()
	schema, drop, err := ownSchema(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	s := settings{
		appID: appID, appSecret: appSecret, baseURL: graph.URL, queue: []pgqueue.Option{pgqueue.WithSchema(schema)},
	}
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

// ownSchema makes a schema for everything the demonstration stores, and has config lead there: a database may hold a
// queue whose calls wait for Meta. drop removes it again.
func ownSchema(ctx context.Context, config *pgxpool.Config) (name string, drop func() error, err error) {
	name = "outbox_demo_" + strings.ToLower(rand.Text())
	quoted := pgx.Identifier{name}.Sanitize()
	execute := func(ctx context.Context, sql string) error {
		conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		_, err = conn.Exec(ctx, sql)
		return errors.Join(err, conn.Close(ctx))
	}
	if err := execute(ctx, "CREATE SCHEMA "+quoted); err != nil {
		return "", nil, err
	}
	config.ConnConfig.RuntimeParams["search_path"] = quoted
	return name, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return execute(ctx, "DROP SCHEMA "+quoted+" CASCADE")
	}, nil
}
