// Package shop is a small bot for tests: it sells mugs, answers people, and logs what happens.
package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/appevents/appevents-go"
)

// Price is what a mug costs.
const Price = 55.22

// A Config is what the bot needs.
type Config struct {
	AppID, AppSecret, PageToken string
	GraphURL                    string
	Price                       float64       // defaults to Price
	Later                       chan struct{} // when set, the bot answers first and logs once it can receive from here
}

// New returns the bot's webhook.
func New(cfg Config) (http.Handler, error) {
	if cfg.Price == 0 {
		cfg.Price = Price
	}
	client, err := appevents.New(cfg.AppID, appevents.WithAppSecret(cfg.AppSecret), appevents.WithBaseURL(cfg.GraphURL))
	if err != nil {
		return nil, err
	}
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets: []string{cfg.AppSecret}, VerifyToken: "verify", DedupeWindow: time.Hour,
	})
	if err != nil {
		return nil, err
	}
	b := &bot{cfg: cfg, client: client, asked: map[appevents.Thread]bool{}}
	appevents.On(hook, func(ctx context.Context, m *appevents.MessageEvent) error {
		b.mu.Lock()
		asked := b.asked[m.Thread()]
		b.mu.Unlock()
		switch {
		case m.QuickReply != nil && m.QuickReply.Payload == "SIZE_L":
			return b.log(ctx, m, "Large it is.", appevents.AddToCart(cfg.Price, "USD"))
		case asked && strings.Contains(m.Text, "@"):
			return b.log(ctx, m, "Thanks, we will write.", appevents.LeadSubmitted())
		}
		return b.log(ctx, m, "You said: "+m.Text, appevents.ViewContent("MUG-BLUE"))
	})
	appevents.On(hook, func(ctx context.Context, p *appevents.PostbackEvent) error {
		if p.Payload != "BUY_MUG" {
			var person struct {
				Name string `json:"first_name"`
			}
			psid := string(p.Thread().PSID)
			if err := b.graph(ctx, http.MethodGet, "/"+psid+"?fields=first_name", nil, &person); err != nil || person.Name == "" {
				return fmt.Errorf("who is this? %w", err)
			}
			return b.say(ctx, psid, "Hello, "+person.Name+"!")
		}
		b.mu.Lock()
		b.asked[p.Thread()] = true
		b.mu.Unlock()
		return b.log(ctx, p, "Bought. How can we reach you?", appevents.Purchase(cfg.Price, "USD"))
	})
	return hook, nil
}

type bot struct {
	cfg    Config
	client *appevents.Client
	mu     sync.Mutex
	asked  map[appevents.Thread]bool
}

// log answers the person and logs the event.
func (b *bot) log(ctx context.Context, from appevents.WebhookEvent, text string, event appevents.Event) error {
	event.Time, event.ID = from.Time(), from.DedupeKey()
	work := func(ctx context.Context) error {
		if err := b.say(ctx, string(from.Thread().PSID), text); err != nil {
			return err
		}
		_, err := b.client.LogActivity(ctx, &appevents.Activity{
			Thread: from.Thread(), Consent: appevents.ConsentAllowed, Events: []appevents.Event{event},
		})
		return err
	}
	if b.cfg.Later == nil {
		return work(ctx)
	}
	go func() {
		<-b.cfg.Later
		_ = work(context.Background())
	}()
	return nil
}

// say sends a message.
func (b *bot) say(ctx context.Context, psid, text string) error {
	body, err := json.Marshal(map[string]any{
		"recipient": map[string]string{"id": psid}, "messaging_type": "RESPONSE", "message": map[string]string{"text": text},
	})
	if err != nil {
		return err
	}
	var answer struct {
		MessageID string `json:"message_id"`
	}
	err = b.graph(ctx, http.MethodPost, "/me/messages", body, &answer)
	if err == nil && answer.MessageID == "" {
		err = errors.New("the answer has no message_id")
	}
	return err
}

// graph makes a call of Graph that the SDK has no method for.
func (b *bot) graph(ctx context.Context, method, path string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, b.cfg.GraphURL+"/v26.0"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+b.cfg.PageToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("graph answered %d", resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
