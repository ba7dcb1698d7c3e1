package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/internal/names"
)

// webhookDeadline is what Meta grants a bot for its answer.
const webhookDeadline = 5 * time.Second

type triggerCommand struct {
	emulatorAt
	secretFlags

	Field          string   `arg:"" optional:"" help:"Webhook field, with a variant behind a slash; see --list."`
	List           bool     `help:"List the fields and variants."`
	To             string   `placeholder:"URL" help:"Sign here and post there, without an emulator."`
	From           string   `placeholder:"PSID" help:"The person."`
	Page           string   `placeholder:"ID" help:"The Page."`
	Text           string   `placeholder:"TEXT" help:"Text of the message."`
	Payload        string   `placeholder:"PAYLOAD" help:"Payload of the postback, quick reply or opt-in."`
	Ad             string   `placeholder:"ID" help:"The ad that led the person here."`
	Set            []string `sep:"none" placeholder:"PATH=JSON" help:"Change a member, such as message.nlp.intents=[]; repeatable."` //nolint:lll // a tag
	File           string   `placeholder:"FILE" help:"Send this body, - for standard input."`
	Times          int      `default:"1" placeholder:"N" help:"Send it so often; more than once are redeliveries [${default}]."` //nolint:lll // a tag
	Unsigned       bool     `xor:"sign" help:"Send no signature."`
	WrongSignature bool     `xor:"sign" help:"Sign with another secret."`
	SHA1Only       bool     `name:"sha1-only" xor:"sign" help:"Send only the older X-Hub-Signature."`
	Standby        bool     `help:"Send it to the standby channel."`
	Instagram      bool     `help:"Send it as Instagram does."`
}

// Run sends a webhook. The answer is yes when the bot answered 2xx each time.
func (c *triggerCommand) Run(ctx context.Context, p *program) error {
	if c.List {
		return c.list(p)
	}
	switch {
	case c.Field == "" && c.File == "":
		return usageError(`which webhook? "appevents trigger --list" lists the fields`)
	case c.Field != "" && c.File != "":
		return usageError("give a field or --file, not both")
	case c.Times < 1 || c.Times > 1000:
		return usageError("--times must be 1 to 1000")
	case c.Field != "" && !knownField(c.fieldName()):
		return usageError("unknown webhook field%s", nearest(c.Field, triggerFields()))
	}
	for _, id := range []string{c.From, c.Page, c.Ad} {
		if !decimal(id) {
			return usageError("--from, --page and --ad take IDs: decimal digits")
		}
	}
	if c.To != "" {
		return c.direct(ctx, p)
	}
	return c.throughEmulator(ctx, p)
}

func decimal(id string) bool { return id == "" || names.Digits(id) }

func (c *triggerCommand) list(p *program) error {
	if p.json {
		for _, name := range triggerFields() {
			if err := p.printJSON(object{"field": name}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range triggerFields() {
		if err := p.print("%s", name); err != nil {
			return err
		}
	}
	return nil
}

func (c *triggerCommand) sign() string {
	switch {
	case c.Unsigned:
		return "unsigned"
	case c.WrongSignature:
		return "wrong"
	case c.SHA1Only:
		return "sha1-only"
	default:
		return ""
	}
}

// throughEmulator has the emulator send it, so that it becomes part of the record.
func (c *triggerCommand) throughEmulator(ctx context.Context, p *program) error {
	if c.AppSecretFile != "" {
		return usageError("--app-secret-file goes with --to: the emulator signs with its own secret")
	}
	client, err := c.client(p)
	if err != nil {
		return err
	}
	order := map[string]any{
		"field": c.fieldName(), "psid": c.From, "page": c.Page, "text": c.Text, "payload": c.Payload, "ad": c.Ad,
		"sign": c.sign(), "standby": c.Standby, "instagram": c.Instagram, "times": c.Times,
	}
	if c.File != "" || len(c.Set) > 0 {
		body, err := c.body(p)
		if err != nil {
			return err
		}
		if !json.Valid(body) {
			return usageError("--file: the body is not JSON; --to sends it all the same")
		}
		order["body"] = json.RawMessage(body)
	}
	var request bytes.Buffer
	enc := json.NewEncoder(&request)
	enc.SetEscapeHTML(false) // the body is sent as it is written here
	if err := enc.Encode(order); err != nil {
		return err
	}
	var result struct {
		Exchanges []emulator.Exchange `json:"exchanges"`
		OK        bool                `json:"ok"`
	}
	err = client.call(ctx, http.MethodPost, "/-/api/trigger", request.Bytes(), &result)
	if _, refused := errors.AsType[*statusError](err); refused {
		return fail(exitNo, "%w", err)
	}
	if err != nil {
		return err
	}
	unanswered, unsent := false, false
	for _, x := range result.Exchanges {
		if err := p.printExchange(x); err != nil {
			return err
		}
		unsent = unsent || x.Unsent
		unanswered = unanswered || x.Status == 0 && x.Skipped == "" && !x.Unsent
	}
	switch {
	case result.OK:
		return nil
	case unanswered:
		return fail(exitUnknown, "the bot gave no answer")
	case unsent:
		return fail(exitNotSent, "not sent: the bot does not listen")
	default:
		return answerNo()
	}
}

// direct signs and posts, once for each time.
func (c *triggerCommand) direct(ctx context.Context, p *program) error {
	if _, ok := webURL(c.To); !ok {
		return usageError("--to must be the http or https URL of a webhook")
	}
	var err error
	secret := credential{value: rand.Text()} // what a forger has
	if !c.Unsigned && !c.WrongSignature {
		if secret, err = p.appSecret(c.secretFlags, c.bodySource()); err != nil {
			return err
		}
	}
	body, err := c.body(p)
	if err != nil {
		return err
	}
	header := c.header(secret.value, body)
	var refused error
	for range c.Times {
		status, took, err := p.post(ctx, c.To, header, body)
		if err != nil {
			return err
		}
		ok := status/100 == 2
		if p.json {
			err = p.printJSON(object{"url": withoutQuery(c.To), "status": status, "ok": ok,
				"duration_ms": inMillis(took)})
		} else {
			word := stateOK
			if !ok {
				word = stateFail
			}
			err = p.print("%s bot %d in %s", p.state(p.stdout, word), status, millis(inMillis(took)))
		}
		if err != nil {
			return err
		}
		if !ok {
			refused = answerNo()
		}
	}
	return refused
}

// bodySource is where the body comes from, as appSecret wants to know it.
func (c *triggerCommand) bodySource() string {
	if c.File == "" {
		return "made here"
	}
	return c.File
}

func (c *triggerCommand) header(secret string, body []byte) http.Header {
	if c.Unsigned {
		secret = ""
	}
	header := webhookHeader(secret, body)
	if c.SHA1Only {
		header.Del("X-Hub-Signature-256")
	}
	return header
}

// post sends one webhook. An error says whether it was sent.
func (p *program) post(
	ctx context.Context, target string, header http.Header, body []byte,
) (int, time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, webhookDeadline, errors.New("no answer within 5 s"))
	defer cancel()
	sent := &sentBody{Reader: bytes.NewReader(body)}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, sent)
	if err != nil {
		return 0, 0, usageError("--to must be the URL of a webhook")
	}
	req.ContentLength, req.Header = int64(len(body)), header
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	client := http.Client{
		Transport:     p.transport(&http.Transport{Proxy: nil, DisableKeepAlives: true}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	begin := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		err = withoutURL(err)
		switch {
		case errors.Is(err, context.Canceled):
			return 0, 0, err
		case sent.read:
			return 0, 0, fail(exitUnknown, "sent, but there was no answer: %w", err)
		default:
			return 0, 0, fail(exitNotSent, "not sent: %w", err)
		}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, time.Since(begin), nil
}

// A sentBody notices that somebody read it, which happens only on an open connection.
type sentBody struct {
	io.Reader

	read bool
}

func (s *sentBody) Read(b []byte) (int, error) {
	s.read = true
	return s.Reader.Read(b)
}
