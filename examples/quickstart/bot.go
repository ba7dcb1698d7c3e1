package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/appevents/appevents-go"
)

// bot sells one mug on Messenger and tells Meta what happens in its conversations.
type bot struct {
	client *appevents.Client
	log    *slog.Logger

	mu        sync.Mutex
	qualified map[appevents.Thread]bool // conversations in which the qualifying question was asked
}

const payloadBuyMug = "BUY_MUG"

// contact finds an e-mail address or a phone number. It only decides whether there is one; nothing of it is kept.
var contact = regexp.MustCompile(`[^\s@]+@[^\s@]+\.[^\s@]+|\+?\d[\d ()-]{6,}\d`)

// newBot returns the bot's webhook.
func newBot(client *appevents.Client, appSecret, verifyToken string, log *slog.Logger) (http.Handler, error) {
	b := &bot{client: client, log: log, qualified: make(map[appevents.Thread]bool)}
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets:  []string{appSecret},
		VerifyToken: verifyToken,
		// Meta delivers a webhook again when it is not sure of the answer.
		DedupeWindow: time.Hour,
		OnError: func(ctx context.Context, err error) {
			log.WarnContext(ctx, "webhook", "error", err)
		},
	})
	if err != nil {
		return nil, err
	}
	// Echoes of the bot's own messages are EchoEvents and reach neither function.
	appevents.On(hook, b.message)
	appevents.On(hook, b.postback)
	return hook, nil
}

// message is somebody writing. Contact details make a lead only after the qualifying question was asked.
func (b *bot) message(ctx context.Context, m *appevents.MessageEvent) error {
	thread := m.Thread()
	b.mu.Lock()
	lead := b.qualified[thread] && contact.MatchString(m.Text)
	b.mu.Unlock()
	if !lead {
		return b.activity(ctx, m, appevents.ViewContent("MUG-BLUE"))
	}
	if err := b.lead(ctx, m); err != nil {
		return err
	}
	b.mu.Lock()
	delete(b.qualified, thread) // one lead for each round of questions
	b.mu.Unlock()
	return nil
}

// postback is somebody pressing a button.
func (b *bot) postback(ctx context.Context, p *appevents.PostbackEvent) error {
	if p.Payload != payloadBuyMug {
		return nil
	}
	if err := b.activity(ctx, p, appevents.Purchase(55.22, "USD")); err != nil {
		return err
	}
	// Here a bot thanks and asks: "Is it for a company? How many do you need, and how can we reach you?"
	b.mu.Lock()
	b.qualified[p.Thread()] = true
	b.mu.Unlock()
	return nil
}

// activity logs an event of a conversation to /activities.
func (b *bot) activity(ctx context.Context, from appevents.WebhookEvent, event appevents.Event) error {
	event.Time, event.ID = from.Time(), from.DedupeKey()
	_, err := b.client.LogActivity(ctx, &appevents.Activity{
		Thread:  from.Thread(),
		Consent: appevents.ConsentAllowed, // state what the person chose
		Events:  []appevents.Event{event},
	})
	return err
}

// lead logs a lead to /activities and, as far as Meta still takes it there, for the owner of the Page.
func (b *bot) lead(ctx context.Context, m *appevents.MessageEvent) error {
	if err := b.activity(ctx, m, appevents.LeadSubmitted()); err != nil {
		return err
	}
	event := appevents.LeadSubmitted()
	event.Time, event.ID = m.Time(), m.DedupeKey()
	_, err := b.client.LogPageActivity(ctx, &appevents.PageActivity{ //nolint:staticcheck // shows the retired edge too
		Thread:  m.Thread(),
		Target:  appevents.TargetPage,
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{event},
	})
	if errors.Is(err, appevents.ErrRetired) {
		b.log.InfoContext(ctx, "the lead is on /activities only: Meta has retired /page_activities")
		return nil
	}
	return err
}
