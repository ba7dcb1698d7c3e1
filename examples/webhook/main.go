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
	client, err := appevents.New(os.Getenv("APP_ID"), appevents.WithAppSecret(os.Getenv("APP_SECRET")))
	if err != nil {
		log.Fatal(err)
	}
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets:  []string{os.Getenv("APP_SECRET")},
		VerifyToken: os.Getenv("VERIFY_TOKEN"),
		Logger:      slog.Default(), // says what goes wrong: a wrong secret or token, a failed call
	})
	if err != nil {
		log.Fatal(err)
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
	http.Handle("/webhook", hook)
	server := &http.Server{
		Addr:           ":8080",
		ReadTimeout:    10 * time.Second, // headers and body
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	log.Fatal(server.ListenAndServe())
}
