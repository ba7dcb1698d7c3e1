package appevents_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	appevents "github.com/appevents/appevents-go"
)

// A bot that answers a tap on a button, and its test: a delivery signed the way Meta signs it.
func ExampleOn() {
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets:  []string{"app-secret"},
		VerifyToken: "verify-token",
		OnError:     func(_ context.Context, err error) { fmt.Println(err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	appevents.On(hook, func(_ context.Context, p *appevents.PostbackEvent) error {
		fmt.Println(p.Thread().PSID, "tapped", p.Payload)
		return nil
	})
	server := httptest.NewServer(hook) // your server: http.Handle("/webhook", hook)
	defer server.Close()

	body := `{"object":"page","entry":[{"id":"107001112223334","time":1718000000456,"messaging":[{
		"sender":{"id":"6543210987654321"},"recipient":{"id":"107001112223334"},"timestamp":1718000000123,
		"postback":{"mid":"m_AbC123","title":"Buy","payload":"BUY_MUG"}}]}]}`
	verifier, err := appevents.NewVerifier("app-secret")
	if err != nil {
		log.Fatal(err)
	}
	for _, signature := range []string{verifier.Sign([]byte(body)), "sha256=forged"} {
		req, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Hub-Signature-256", signature)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
		fmt.Println(resp.Status)
	}
	// Output:
	// 6543210987654321 tapped BUY_MUG
	// 200 OK
	// appevents: webhook signature header is malformed
	// 403 Forbidden
}

// Meta checks a new endpoint with a GET request, which the handler answers by itself.
func ExampleNewWebhook() {
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets:  []string{"app-secret"},
		VerifyToken: "verify-token",
	})
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	hook.ServeHTTP(w, httptest.NewRequest(http.MethodGet,
		"/webhook?hub.mode=subscribe&hub.verify_token=verify-token&hub.challenge=1158201444", nil))
	fmt.Println(w.Code, w.Body)

	_, err = appevents.NewWebhook(appevents.WebhookConfig{AppSecrets: []string{"app-secret"}})
	fmt.Println(err)
	// Output:
	// 200 1158201444
	// appevents: WebhookConfig.VerifyToken: must not be empty
}

// An error that no repetition would change does not make Meta send the webhook again. What counts as one can be widened.
func ExampleIsPermanent() {
	errSoldOut := errors.New("sold out")
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets:  []string{"app-secret"},
		VerifyToken: "verify-token",
		IsPermanent: func(err error) bool { return errors.Is(err, errSoldOut) || appevents.IsPermanent(err) },
		OnError:     func(_ context.Context, err error) { fmt.Println("reported:", err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	appevents.On(hook, func(_ context.Context, p *appevents.PostbackEvent) error {
		switch p.Payload {
		case "BUY_MUG":
			return errSoldOut
		case "BUY_NOTHING":
			return appevents.Purchase(-1, "").Validate()
		default:
			return errors.New("database not reachable")
		}
	})
	verifier, err := appevents.NewVerifier("app-secret")
	if err != nil {
		log.Fatal(err)
	}
	for _, payload := range []string{"BUY_MUG", "BUY_NOTHING", "BUY_LATER"} {
		body := `{"object":"page","entry":[{"id":"107","messaging":[{"sender":{"id":"654"},"recipient":{"id":"107"},
			"postback":{"payload":"` + payload + `"}}]}]}`
		r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
		r.Header.Set("X-Hub-Signature-256", verifier.Sign([]byte(body)))
		w := httptest.NewRecorder()
		hook.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// reported: sold out
	// 200
	// reported: appevents: invalid call: params.fb_currency: must be set because the value is a price (required)
	// 200
	// reported: database not reachable
	// 500
}

// Without the handler, for example behind a queue: check the raw bytes first, then parse the same bytes.
func ExampleParseWebhook() {
	body := []byte(`{"object":"page","entry":[{"id":"107001112223334","time":1718000000456,"messaging":[
		{"sender":{"id":"6543210987654321"},"recipient":{"id":"107001112223334"},"timestamp":1718000000123,
			"message":{"mid":"m_1","text":"Is the blue mug in stock?"}},
		{"sender":{"id":"107001112223334"},"recipient":{"id":"6543210987654321"},"timestamp":1718000000200,
			"message":{"mid":"m_2","text":"Yes, 4 left","is_echo":true,"app_id":1517776481860111}},
		{"sender":{"id":"6543210987654321"},"recipient":{"id":"107001112223334"},"timestamp":1718000000300,
			"something_new":{"a":1}}]}]}`)
	payload, err := appevents.ParseWebhook(body)
	if err != nil {
		log.Fatal(err) // not a webhook at all
	}
	for event := range payload.Events() {
		switch e := event.(type) {
		case *appevents.MessageEvent:
			fmt.Printf("%s %s wrote %q\n", e.Time().Format("15:04:05.000"), e.Thread().PSID, e.Text)
		case *appevents.EchoEvent:
			fmt.Printf("%s app %s told %s %q\n", e.Time().Format("15:04:05.000"), e.AppID, e.Thread().PSID, e.Text)
		case *appevents.UnknownEvent:
			fmt.Printf("%s %s: %s\n", e.Time().Format("15:04:05.000"), e.Key, e.Value())
		}
	}
	// Output:
	// 06:13:20.123 6543210987654321 wrote "Is the blue mug in stock?"
	// 06:13:20.200 app 1517776481860111 told 6543210987654321 "Yes, 4 left"
	// 06:13:20.300 something_new: {"a":1}
}

// One endpoint for several apps, or an app secret being replaced: any of the secrets will do.
func ExampleNewVerifier() {
	verifier, err := appevents.NewVerifier("new-secret", "old-secret")
	if err != nil {
		log.Fatal(err)
	}
	old, err := appevents.NewVerifier("old-secret")
	if err != nil {
		log.Fatal(err)
	}
	body := []byte(`{"object":"page","entry":[]}`)
	header := http.Header{}
	header.Set("X-Hub-Signature-256", old.Sign(body))
	fmt.Println(verifier.Verify(body, header))
	fmt.Println(verifier.Verify([]byte(`{"object":"page","entry":[{}]}`), header))
	fmt.Println(verifier.Verify(body, http.Header{}))
	// Output:
	// <nil>
	// appevents: webhook signature does not match
	// appevents: webhook is not signed
}

// While Meta changes how stickers are sent, one sticker arrives as two attachments.
func ExampleMessage_FoldStickers() {
	payload, err := appevents.ParseWebhook([]byte(`{"object":"page","entry":[{"messaging":[{"message":{"mid":"m_1","attachments":[
		{"type":"sticker","payload":{"url":"https://cdn.example.invalid/like.png","sticker_id":369239263222822}},
		{"type":"image","payload":{"url":"https://cdn.example.invalid/like.png","sticker_id":369239263222822}}]}}]}]}`))
	if err != nil {
		log.Fatal(err)
	}
	for event := range payload.Events() {
		message := event.(*appevents.MessageEvent)
		fmt.Println(len(message.Attachments), "attachments,", len(message.FoldStickers()), "to show")
	}
	// Output: 2 attachments, 1 to show
}
