package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/appevents/appevents-go/graphtest"
)

// strangerPSID is nobody: what a bot does in good faith stays out of a real conversation.
const strangerPSID = "1000000000000001"

// A webhookChecker tries a webhook as Meta and as a forger.
type webhookChecker struct {
	d      *doctor
	url    string
	limit  time.Duration
	client *http.Client
	told   bool // something is not ok
	ms     float64
}

func checkWebhookURL(address string) error {
	if _, ok := webURL(address); !ok {
		return usageError("--webhook must look like https://bot.example/webhook")
	}
	return nil
}

func (d *doctor) webhookChecker() *webhookChecker {
	return &webhookChecker{d: d, url: d.c.Webhook, limit: webhookDeadline, client: &http.Client{
		Transport: d.p.transport(&http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableCompression: true, DisableKeepAlives: true,
		}),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // Meta follows none
		},
	}}
}

// webhookAnswer is what came back.
type webhookAnswer struct {
	status int
	body   string
	took   time.Duration
	err    error
}

func (a webhookAnswer) accepted() bool { return a.err == nil && a.status >= 200 && a.status < 300 }

// what is the answer in words. It names no address: that may hold a secret.
func (w *webhookChecker) what(a webhookAnswer) string {
	switch {
	case a.err == nil:
		return fmt.Sprintf("answered %d", a.status)
	case errors.Is(a.err, context.DeadlineExceeded):
		return fmt.Sprintf("did not answer within %s", w.limit)
	}
	return "was not reached: " + a.err.Error()
}

func (w *webhookChecker) ask(
	ctx context.Context, method, target string, header http.Header, body []byte,
) webhookAnswer {
	ctx, cancel := context.WithTimeout(ctx, w.limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return webhookAnswer{err: errors.New("the address cannot be asked")}
	}
	req.Header = header
	begin := time.Now()
	resp, err := w.client.Do(req)
	if err == nil {
		defer resp.Body.Close()
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10)); err == nil {
			return webhookAnswer{status: resp.StatusCode, body: string(data), took: time.Since(begin)}
		}
	}
	return webhookAnswer{err: withoutURL(err), took: time.Since(begin)}
}

// check makes all the attempts. Each that fails is a line of its own.
func (w *webhookChecker) check(ctx context.Context) {
	if u, err := url.Parse(w.url); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		w.add(stateWarn, exitNo, "Meta takes https with a certificate of a known authority only", "give it an https address")
	}
	if !w.handshake(ctx) || ctx.Err() != nil {
		return
	}
	if !w.signed(ctx) || ctx.Err() != nil {
		return
	}
	w.forged(ctx)
	if !w.told && ctx.Err() == nil {
		w.d.add(finding{State: stateOK, Millis: w.ms,
			Message: "confirmed, took a signed webhook in " + millis(w.ms) + ", refused forged ones"})
	}
}

func (w *webhookChecker) add(state string, code int, message string, fixes ...string) {
	w.told = true
	w.d.add(finding{State: state, Message: message, Fixes: fixes, code: code})
}

// handshake confirms the webhook as Meta does, and then with a verify token that is wrong. It returns false when nobody
// is there.
func (w *webhookChecker) handshake(ctx context.Context) bool {
	fix := "answer GET with hub.challenge alone where hub.verify_token is yours, else with 403: appevents.NewWebhook does"
	if w.d.verify.value == "" {
		w.add(stateWarn, 0, "the handshake was not tried: no verify token", "set APPEVENTS_VERIFY_TOKEN or VERIFY_TOKEN")
	} else {
		a, challenge := w.greet(ctx, w.d.verify.value)
		switch {
		case a.err != nil && !errors.Is(a.err, context.DeadlineExceeded):
			w.add(stateFail, exitNotSent, "it "+w.what(a), "start the bot, or name its webhook with --webhook")
			return false
		case a.err != nil || a.status != http.StatusOK:
			w.add(stateFail, exitNo, "the handshake: it "+w.what(a)+" instead of 200", fix,
				"VERIFY_TOKEN here and in the bot must be the same")
		case strings.TrimSpace(a.body) == challenge && a.body != challenge:
			w.add(stateWarn, 0, "the handshake: white space surrounds the challenge in the answer", fix)
		case a.body != challenge:
			w.add(stateFail, exitNo, "the handshake: the answer is not the challenge alone", fix)
		}
	}
	a, challenge := w.greet(ctx, "not-"+rand.Text())
	if a.accepted() && strings.Contains(a.body, challenge) {
		w.add(stateFail, exitNo, "it confirms any verify token", fix)
	}
	return true
}

func (w *webhookChecker) greet(ctx context.Context, token string) (webhookAnswer, string) {
	challenge := fmt.Sprint(time.Now().UnixNano() % 1e10)
	u, _ := url.Parse(w.url) // checkWebhookURL has seen to it
	query := u.Query()
	query.Set("hub.mode", "subscribe")
	query.Set("hub.challenge", challenge)
	query.Set("hub.verify_token", token)
	u.RawQuery = query.Encode()
	header := webhookHeader("", nil)
	header.Del("Content-Type")
	return w.ask(ctx, http.MethodGet, u.String(), header, nil), challenge
}

// body is a webhook on which a bot does nothing: somebody it does not know has read everything.
func (w *webhookChecker) body() []byte {
	page := w.d.page
	if page == "" {
		page = graphtest.DefaultPageID
	}
	return graphtest.Read(graphtest.From(strangerPSID), graphtest.To(page), graphtest.At(time.Now()))
}

// post sends a webhook signed with a secret, with none for "".
func (w *webhookChecker) post(ctx context.Context, secret string) webhookAnswer {
	body := w.body()
	return w.ask(ctx, http.MethodPost, w.url, webhookHeader(secret, body), body)
}

// signed sends what Meta would. It returns false when nobody is there.
func (w *webhookChecker) signed(ctx context.Context) bool {
	if w.d.secret.value == "" {
		w.add(stateWarn, 0, "no signed webhook was tried: no app secret", "set APPEVENTS_APP_SECRET or APP_SECRET")
		return true
	}
	a := w.post(ctx, w.d.secret.value)
	w.ms = inMillis(a.took)
	late := "answer first and work afterwards: package delivery takes events in durably"
	switch {
	case a.err != nil && !errors.Is(a.err, context.DeadlineExceeded):
		w.add(stateFail, exitNotSent, "it "+w.what(a), "start the bot, or name its webhook with --webhook")
		return false
	case a.err != nil:
		w.add(stateFail, exitNo, "a signed webhook: it "+w.what(a)+": Meta delivers again, and after an hour no more", late)
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		w.add(stateFail, exitNo, fmt.Sprintf("a signed webhook was refused (%d): the bot has another app secret, or does "+
			"not verify the raw body", a.status), "set the bot's APP_SECRET to that of app "+string(w.d.signed.AppID()),
			"`appevents verify` names the mistake")
	case a.status != http.StatusOK:
		w.add(stateFail, exitNo, fmt.Sprintf("a signed webhook was answered %d instead of 200: Meta delivers again, and "+
			"after an hour no more", a.status), "answer 200 to every webhook whose signature is right")
	case a.took > w.limit/2:
		w.d.add(finding{State: stateWarn, Millis: w.ms, Fixes: []string{late},
			Message: "a signed webhook took " + millis(w.ms) + " of " + w.limit.String()})
		w.told = true
	}
	return true
}

// forged sends what only a forger would.
func (w *webhookChecker) forged(ctx context.Context) {
	fix := "verify X-Hub-Signature-256 over the raw body before anything else: appevents.NewWebhook does"
	for _, try := range []struct{ name, secret string }{
		{"without a signature", ""}, {"with a wrong signature", "not-" + rand.Text()},
	} {
		if w.post(ctx, try.secret).accepted() {
			w.add(stateFail, exitNo, "it accepts webhooks "+try.name+": anybody can forge them", fix)
		}
	}
}
