package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/pgqueue"
)

// payloadBuyMug is what the bot's button sends.
const payloadBuyMug = "BUY_MUG"

// orders is the shop's own table. The key of a webhook that leads to an order is part of it, so that a webhook that
// Meta sends again orders nothing again.
const orders = `
CREATE TABLE IF NOT EXISTS orders (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	webhook text NOT NULL UNIQUE,
	page text NOT NULL,
	person text NOT NULL,
	item text NOT NULL,
	price numeric NOT NULL
)`

// shop takes orders.
type shop struct {
	pool       *pgxpool.Pool
	dispatcher *delivery.Dispatcher
}

// newWebhook returns the shop's webhook.
func newWebhook(s *shop, appSecret, verifyToken string, log *slog.Logger) (http.Handler, error) {
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets:  []string{appSecret},
		VerifyToken: verifyToken,
		OnError:     func(ctx context.Context, err error) { log.WarnContext(ctx, "webhook", "error", err) },
	})
	if err != nil {
		return nil, err
	}
	appevents.On(hook, s.postback)
	return hook, nil
}

// postback is somebody pressing a button. An error goes back to Meta, which sends the webhook again.
func (s *shop) postback(ctx context.Context, p *appevents.PostbackEvent) error {
	if p.Payload != payloadBuyMug {
		return nil
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return s.order(ctx, tx, p) })
}

// order writes an order and the event that tells Meta of it, both in one transaction: there is no moment at which a
// crash leaves one of them without the other.
func (s *shop) order(ctx context.Context, tx pgx.Tx, from appevents.WebhookEvent) error {
	const item, price = "MUG-BLUE", 55.22
	thread := from.Thread()
	tag, err := tx.Exec(ctx,
		`INSERT INTO orders (webhook, page, person, item, price) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		from.DedupeKey(), string(thread.PageID), string(thread.PSID), item, price)
	if err != nil || tag.RowsAffected() == 0 {
		return err // no error: the order is there, and so is its event
	}
	event := appevents.Purchase(price, "USD")
	event.ID, event.Time = from.DedupeKey(), from.Time()
	return pgqueue.SubmitTx(ctx, s.dispatcher, tx, from.DedupeKey(), &appevents.Activity{
		Thread:  thread,
		Consent: appevents.ConsentAllowed, // state what the person chose
		Events:  []appevents.Event{event},
	})
}
