package emulator

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Meta's older header, beside the newer one
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/appevents/appevents-go/graphtest"
)

// deadline is what Meta grants a bot for its answer.
const deadline = 5 * time.Second

// webhook is one delivery to the bot.
type webhook struct {
	field   string
	page    string
	psid    string
	body    []byte
	summary string
	sign    string // "", "unsigned", "wrong", "sha1-only"
	again   int64
	auto    bool
	probe   bool
	turn    int64
	bubble  *Message
}

// sendAuto delivers echoes and receipts, one after the other.
func (e *Emulator) sendAuto() {
	for {
		select {
		case wh := <-e.auto:
			e.deliver(e.ctx, wh)
		case <-e.ctx.Done():
			return
		}
	}
}

// open records a webhook that is about to be sent.
func (e *Emulator) open(wh webhook) (x *Exchange, bot string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x = &Exchange{
		Time: e.now(), Direction: DirWebhook, Kind: wh.field, Summary: wh.summary, Page: wh.page, PSID: wh.psid,
		Person: e.personName(wh.page, wh.psid), Again: wh.again, Auto: wh.auto, Sign: wh.sign, Turn: wh.turn,
		Method: http.MethodPost, Path: botPath(e.bot), Request: string(wh.body),
	}
	switch {
	case e.bot == "":
		x.Skipped = "there is no bot yet"
	case !wh.probe:
		x.Skipped = e.wanted(wh.field, wh.page, wh.auto)
	}
	e.add(x)
	if !wh.auto && !wh.probe {
		t := &Turn{
			ID: e.s.NextTurn, Time: x.Time, Page: x.Page, PSID: x.PSID, Person: x.Person, Kind: x.Kind,
			Summary: x.Summary, Webhook: x.ID, Again: x.Again, Events: []string{},
		}
		e.s.NextTurn++
		e.s.Turns = append(e.s.Turns, t)
		x.Turn = t.ID
		if p := e.person(wh.page, wh.psid); p != nil && wh.again == 0 {
			if wh.field == "messaging_handovers/pass" {
				p.Owner = "" // the conversation comes back
			}
			switch wh.field {
			case "message_reads", "message_deliveries":
			default:
				p.LastWrote = e.later()
			}
		}
	}
	if t := e.turn(x.Turn); t != nil {
		t.Exchanges = append(t.Exchanges, x.ID)
	}
	if wh.bubble != nil {
		wh.bubble.Exchange, wh.bubble.Turn, wh.bubble.Time = x.ID, x.Turn, x.Time
		e.bubble(wh.bubble)
	}
	return x, e.bot
}

func botPath(bot string) string {
	u, err := url.Parse(bot)
	if err != nil || bot == "" {
		return "/"
	}
	return u.Path
}

// deliver sends one webhook and records what came of it.
func (e *Emulator) deliver(ctx context.Context, wh webhook) Exchange {
	x, bot := e.open(wh)
	var got reply
	if x.Skipped == "" {
		got = e.post(ctx, bot, wh.body, wh.sign)
	}
	answered := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	x.answered = answered
	x.Done, x.Status, x.Failure, x.Unsent = true, got.status, got.failure, got.unsent
	x.DurationMS = millis(got.took)
	x.Accepted = got.status == http.StatusOK
	e.resize(x, x.Request, e.clean(truncate(string(got.body), maxShown)))
	if t := e.turn(x.Turn); t != nil && t.Webhook == x.ID {
		t.Status, t.AnswerMS = x.Status, x.DurationMS
	}
	if x.Skipped == "" && !wh.probe {
		e.judgeWebhook(x)
	}
	e.update(x)
	return x.clone()
}

// reply is what a bot answered.
type reply struct {
	status  int
	body    []byte
	took    time.Duration
	failure string
	unsent  bool // nothing has left: no connection came about
}

func (e *Emulator) post(ctx context.Context, bot string, body []byte, sign string) reply {
	header := http.Header{
		"Content-Type": {"application/json"}, "Accept": {"*/*"}, "User-Agent": {"facebookexternalua"},
	}
	secret := e.creds.AppSecret
	e.mu.Lock()
	other := e.s.OtherSecret
	e.mu.Unlock()
	if sign == "wrong" || other {
		secret = strings.Repeat("0", 32) // that of another app
	}
	if sign != "unsigned" {
		if !e.cfg.NoSHA1 || sign == "sha1-only" {
			mac := hmac.New(sha1.New, []byte(secret))
			mac.Write(body)
			header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(mac.Sum(nil)))
		}
		if sign != "sha1-only" {
			header.Set("X-Hub-Signature-256", graphtest.Sign(secret, body))
		}
	}
	return e.request(ctx, http.MethodPost, bot, header, body)
}

// request asks the bot once and reads its answer.
func (e *Emulator) request(ctx context.Context, method, target string, header http.Header, body []byte) reply {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	stop := context.AfterFunc(e.ctx, cancel)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return reply{failure: "the bot's URL is none"}
	}
	req.Header = header
	start := time.Now() // how long it took is measured by the real clock
	resp, err := e.client.Do(req)
	if err == nil {
		defer resp.Body.Close()
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err == nil {
			return reply{status: resp.StatusCode, body: data, took: time.Since(start)}
		}
	}
	got := reply{took: time.Since(start), failure: "no answer: "}
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err // without the address, which may hold the verify token
	}
	dial, _ := errors.AsType[*net.OpError](err)
	switch got.unsent = dial != nil && dial.Op == "dial"; {
	case errors.Is(err, syscall.ECONNREFUSED):
		got.failure = "not sent: nobody listens at " + req.URL.Host
	case got.unsent:
		got.failure = "not sent: " + err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		got.failure = "no answer within 5 s"
	default:
		got.failure += err.Error()
	}
	return got
}

// Handshake asks the bot to confirm its webhook, as Meta does when it is set up.
func (e *Emulator) Handshake(ctx context.Context) error {
	return e.shakeHands(ctx, e.creds.VerifyToken)
}

// openHandshake records a handshake that is about to be tried. One that fails is tried again and again until the bot is
// right: those attempts are one exchange, so that they do not push everything else out of the record. The lock is held.
func (e *Emulator) openHandshake(bot string) *Exchange {
	if n := len(e.s.Exchanges); n > 0 {
		last := e.s.Exchanges[n-1]
		if last.Kind == "handshake" && last.Done && last.Failure != "" && last.Path == botPath(bot) {
			last.Time, last.Done = e.now(), false
			e.update(last)
			return last
		}
	}
	x := &Exchange{
		Time: e.now(), Direction: DirWebhook, Kind: "handshake", Summary: "confirm the webhook", Method: http.MethodGet,
		Path: botPath(bot),
	}
	e.add(x)
	return x
}

func (e *Emulator) shakeHands(ctx context.Context, token string) error {
	e.mu.Lock()
	bot := e.bot
	if bot == "" {
		e.mu.Unlock()
		return errors.New("emulator: there is no bot yet")
	}
	x := e.openHandshake(bot)
	challenge := fmt.Sprint(1158200000 + e.s.Rev)
	e.mu.Unlock()

	u, _ := url.Parse(bot) // SetBot has seen to it
	query := u.Query()
	query.Set("hub.mode", "subscribe")
	query.Set("hub.challenge", challenge)
	query.Set("hub.verify_token", token)
	u.RawQuery = query.Encode()
	header := http.Header{"Accept": {"*/*"}, "User-Agent": {"facebookexternalua"}}
	got := e.request(ctx, http.MethodGet, u.String(), header, nil)

	var err error
	doubt := ""
	switch answer := string(got.body); {
	case got.failure != "":
		err = errors.New(got.failure)
	case got.status == http.StatusNotFound:
		err = fmt.Errorf("the bot answered 404 instead of 200: is %s the path of its webhook?", x.Path)
	case got.status == http.StatusForbidden || got.status == http.StatusUnauthorized:
		err = fmt.Errorf("the bot answered %d instead of 200: has it another verify token?", got.status)
	case got.status != http.StatusOK:
		err = fmt.Errorf("the bot answered %d instead of 200", got.status)
	case strings.TrimSpace(answer) != challenge:
		err = errors.New("the bot did not answer with the challenge alone")
	case answer != challenge:
		doubt = "white space surrounds the challenge in the bot's answer; Meta asks for the challenge alone"
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	x.Done, x.Status, x.Failure, x.Accepted = true, got.status, got.failure, err == nil
	x.DurationMS = millis(got.took)
	e.shake = handshake{state: "ok", doubt: doubt, took: got.took}
	x.Problems = nil
	if doubt != "" {
		x.Problems = []Problem{{Field: "hub.challenge", Rule: "alone", Message: doubt}}
	}
	if err != nil {
		e.shake = handshake{state: "failed", why: err.Error(), took: got.took}
		x.Failure = err.Error()
	}
	e.update(x)
	return err
}

// Again delivers a recorded webhook once more, byte for byte.
func (e *Emulator) Again(ctx context.Context, id int64) (Exchange, error) {
	e.mu.Lock()
	x := e.find(id)
	if x == nil || x.Direction != DirWebhook || x.Request == "" {
		e.mu.Unlock()
		return Exchange{}, &InputError{Field: "id", Message: "is not a webhook that is still kept", missing: true}
	}
	wh := webhook{
		field: x.Kind, page: x.Page, psid: x.PSID, body: []byte(x.Request), summary: x.Summary, sign: x.Sign, again: x.ID,
	}
	if x.Again != 0 {
		wh.again = x.Again
	}
	e.mu.Unlock()
	return e.deliver(ctx, wh), nil
}

// who finds page and person in a webhook's body.
func who(body []byte) (page, psid string) {
	type id struct{ ID text }
	var b struct {
		Entry []struct {
			ID        text
			Messaging []struct{ Sender, Recipient id }
			Standby   []struct{ Sender, Recipient id }
		}
	}
	if json.Unmarshal(body, &b) != nil || len(b.Entry) == 0 {
		return "", ""
	}
	page = string(b.Entry[0].ID)
	items := append(b.Entry[0].Messaging, b.Entry[0].Standby...)
	if len(items) == 0 {
		return page, ""
	}
	if psid = string(items[0].Sender.ID); psid == page {
		psid = string(items[0].Recipient.ID)
	}
	return page, psid
}
