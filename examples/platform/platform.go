package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

// platform logs for the Pages of many customers: one app, one webhook, one queue, and a token for each Page.
type platform struct {
	pages      *directory
	tokens     *appevents.TokenCache
	dispatcher *delivery.Dispatcher
	tally      *tally
	log        *slog.Logger
}

// config is what a platform is made of.
type config struct {
	appID, appSecret, verifyToken string
	baseURL                       string
	pages                         *directory
	queue                         delivery.Queue
	log                           *slog.Logger
}

func newPlatform(c config) (*platform, error) {
	p := &platform{pages: c.pages, tally: newTally(c.pages), log: c.log}
	// Every request asks for its token. The cache looks each up once, and again when it expires or Graph refuses it.
	var err error
	if p.tokens, err = appevents.NewTokenCache(c.pages.token); err != nil {
		return nil, err
	}
	client, err := appevents.New(c.appID,
		appevents.WithBaseURL(c.baseURL), appevents.WithAppSecret(c.appSecret), appevents.WithTokenSource(p.tokens))
	if err != nil {
		return nil, err
	}
	// Every dataset is a lane of its own: what is wrong with one holds up no other. The workers are shared.
	p.dispatcher, err = delivery.New(client, c.queue,
		delivery.WithWorkers(64), delivery.WithObserver(p.tally.settled), delivery.WithLogger(c.log))
	return p, err
}

// webhook returns the one endpoint all Pages are subscribed to.
func (p *platform) webhook(c config) (http.Handler, error) {
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets:  []string{c.appSecret},
		VerifyToken: c.verifyToken,
		Concurrency: 64, // Meta puts the events of many Pages into one webhook; they share the queue's flushes
		SkipStandby: true,
		OnError:     func(ctx context.Context, err error) { p.log.WarnContext(ctx, "webhook", "error", err) },
	})
	if err != nil {
		return nil, err
	}
	appevents.On(hook, p.postback)
	return hook, nil
}

// postback is somebody buying something from one of the Pages.
func (p *platform) postback(ctx context.Context, from *appevents.PostbackEvent) error {
	if from.Payload != payloadBuy {
		return nil
	}
	dataset, ok := p.pages.dataset(from.Thread().PageID)
	if !ok {
		return nil // a customer who has left: Meta may go on for a while
	}
	event := appevents.Purchase(55.22, "USD")
	event.Time, event.ID = from.Time(), from.DedupeKey()
	conversion, err := event.Conversion(from.Thread())
	if err == nil {
		err = p.dispatcher.Submit(ctx, from.DedupeKey(), &appevents.ConversionCall{
			DatasetID: dataset, Conversions: []appevents.Conversion{conversion},
		})
	}
	if invalid := (*appevents.ValidationError)(nil); errors.As(err, &invalid) {
		p.log.ErrorContext(ctx, "not logged: the call is wrong", "error", err)
		return nil // the same webhook again would be no better
	}
	return err
}

// reconnect takes the new token of a Page whose owner has logged in again. Calls that were waiting for it, or for a
// permission that was missing, go by themselves, and at once when the lane is told so.
func (p *platform) reconnect(ctx context.Context, page appevents.ID, token string) error {
	scope, old := p.pages.reconnect(page, token)
	p.tokens.Invalidate(scope, old)
	return p.dispatcher.ResumeLane(ctx, "events/"+string(scope.ID))
}
