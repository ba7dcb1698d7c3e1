package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

// The buttons the bot sends.
const (
	payloadShowMugs  = "SHOW_MUGS"
	payloadBuyMug    = "BUY_MUG"
	payloadWantOffer = "WANT_OFFER" // the last of its flow: after qualifying questions, and contact details given
)

// bot says which webhook leads to which calls. It remembers nothing: any process may get the next webhook.
type bot struct {
	dispatcher *delivery.Dispatcher
	datasetID  appevents.ID // "": no conversions
	log        *slog.Logger
}

// newBot returns the bot's webhook.
func newBot(s *settings, dispatcher *delivery.Dispatcher, log *slog.Logger) (http.Handler, error) {
	b := &bot{dispatcher: dispatcher, datasetID: appevents.ID(s.datasetID), log: log}
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets:  []string{s.appSecret},
		VerifyToken: s.verifyToken,
		// The conversations of a large webhook share the queue's flushes instead of waiting for one each.
		Concurrency: 16,
		SkipStandby: true, // what another app handles is for that app to log
		OnError:     func(ctx context.Context, err error) { log.WarnContext(ctx, "webhook", "error", err) },
	})
	if err != nil {
		return nil, err
	}
	// Echoes of the bot's own messages are EchoEvents and reach none of these.
	appevents.On(hook, b.message)
	appevents.On(hook, b.postback)
	appevents.On(hook, b.referral)
	return hook, nil
}

// message is somebody writing, or tapping a quick reply.
func (b *bot) message(ctx context.Context, m *appevents.MessageEvent) error {
	if m.QuickReply != nil {
		return b.button(ctx, m, m.QuickReply.Payload)
	}
	return b.activity(ctx, m, appevents.Contact())
}

// postback is somebody pressing a button, maybe the first one, after coming through a link.
func (b *bot) postback(ctx context.Context, p *appevents.PostbackEvent) error {
	if err := b.button(ctx, p, p.Payload); err != nil || p.Referral == nil {
		return err
	}
	return b.opened(ctx, p, p.Referral)
}

// referral is somebody coming back through a link or an ad.
func (b *bot) referral(ctx context.Context, r *appevents.ReferralEvent) error {
	return b.opened(ctx, r, &r.Referral)
}

// button logs what a button means. One that means nothing here is no error: Meta would send it again and again.
func (b *bot) button(ctx context.Context, from appevents.WebhookEvent, payload string) error {
	var event appevents.Event
	switch payload {
	case payloadShowMugs:
		event = appevents.ViewContent("MUG-BLUE")
	case payloadBuyMug:
		event = appevents.Purchase(55.22, "USD")
	case payloadWantOffer:
		event = appevents.LeadSubmitted()
	default:
		return nil
	}
	if err := b.activity(ctx, from, event); err != nil {
		return err
	}
	return b.conversion(ctx, from, event)
}

// opened logs through which link or ad somebody came, as an event of our own.
func (b *bot) opened(ctx context.Context, from appevents.WebhookEvent, r *appevents.Referral) error {
	event := appevents.Event{Name: "conversation_opened"}
	event.Params.Custom = map[string]any{"link_source": r.Source, "link_ref": r.Ref}
	return b.activity(ctx, from, event)
}

// activity logs an event to /activities, for the reports of the app. That knows conversations on Messenger only.
func (b *bot) activity(ctx context.Context, from appevents.WebhookEvent, event appevents.Event) error {
	if from.Thread().Channel != appevents.ChannelMessenger {
		return nil
	}
	return b.submit(ctx, from, "activity "+string(event.Name), &appevents.Activity{
		Thread:  from.Thread(),
		Consent: appevents.ConsentAllowed, // state what the person chose
		Events:  []appevents.Event{identify(event, from)},
	})
}

// conversion logs an event to the dataset of the Page, for ads to be measured by.
func (b *bot) conversion(ctx context.Context, from appevents.WebhookEvent, event appevents.Event) error {
	if b.datasetID == "" {
		return nil
	}
	conversion, err := identify(event, from).Conversion(from.Thread())
	if err != nil {
		return b.refused(ctx, err)
	}
	return b.submit(ctx, from, "conversion "+string(event.Name), &appevents.ConversionCall{
		DatasetID:   b.datasetID,
		Conversions: []appevents.Conversion{conversion},
	})
}

// identify gives an event the time and the identity of the webhook it comes from: both stay the same however often Meta
// sends that and however late the event goes out.
func identify(event appevents.Event, from appevents.WebhookEvent) appevents.Event {
	event.Time, event.ID = from.Time(), from.DedupeKey()
	return event
}

// submit makes a call durable. The word tells the calls that one webhook leads to apart, so that a webhook that comes
// again, because only some of them were accepted or the answer was lost, adds just what is missing.
func (b *bot) submit(ctx context.Context, from appevents.WebhookEvent, word string, call appevents.Call) error {
	return b.refused(ctx, b.dispatcher.Submit(ctx, from.DedupeKey()+" "+word, call))
}

// refused drops the errors that no repetition mends, such as a person without an ID: they are for somebody to look
// at. All others go back to Meta as a failure, which sends the webhook again, for up to 36 hours.
func (b *bot) refused(ctx context.Context, err error) error {
	var invalid *appevents.ValidationError
	if !errors.As(err, &invalid) && !errors.Is(err, delivery.ErrTooLarge) {
		return err
	}
	b.log.ErrorContext(ctx, "not logged: the call is wrong", "error", err)
	return nil
}
