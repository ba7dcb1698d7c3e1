// Webhook logs a purchase when somebody presses a bot's button: the smallest complete program.
package main

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/appevents/appevents-go"
)

func main() {
	secret := os.Getenv("APP_SECRET")
	client, err := appevents.New(os.Getenv("APP_ID"),
		appevents.WithAppSecret(secret), appevents.WithLogger(slog.Default()))
	if err != nil {
		log.Fatal(err)
	}
	bot, err := newBot(client, secret, os.Getenv("VERIFY_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/webhook", bot)
	server := &http.Server{
		Addr:           ":8080",
		ReadTimeout:    10 * time.Second, // headers and body
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	log.Fatal(server.ListenAndServe())
}

// newBot returns the bot's webhook.
func newBot(client *appevents.Client, appSecret, verifyToken string) (http.Handler, error) {
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets:  []string{appSecret},
		VerifyToken: verifyToken,
		Logger:      slog.Default(), // says what goes wrong: a wrong secret or token, a failed call
	})
	if err != nil {
		return nil, err
	}
	appevents.On(hook, func(ctx context.Context, p *appevents.PostbackEvent) error {
		if p.Payload != "BUY_MUG" {
			return nil
		}
		_, err := client.LogActivity(ctx, &appevents.Activity{
			Thread:  p.Thread(),
			Consent: appevents.ConsentAllowed, // state what the person chose
			Events:  []appevents.Event{appevents.Purchase(55.22, "USD")},
		})
		return err
	})
	return hook, nil
}
