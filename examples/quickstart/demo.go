package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// The demo's app, Page and person. The secrets guard nothing: they only ever reach the stand-in.
const (
	demoAppID       = "1517776481860111"
	demoAppSecret   = "demo-app-secret"
	demoPageToken   = "demo-page-token"
	demoVerifyToken = "demo-verify-token"
	demoPage        = "107001112223334"
	demoPerson      = "6543210987654321"
)

// errWrong is returned when something else happened than must have.
var errWrong = errors.New("quickstart: the conversation went wrong, see above")

type makeBot func(client *appevents.Client, appSecret, verifyToken string, log *slog.Logger) (http.Handler, error)

// demo starts the stand-in and the bot, holds the conversation and checks what came of it.
func demo(ctx context.Context, p *printer, newBot makeBot) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	graph, err := graphtest.Start(
		graphtest.WithAppID(demoAppID),
		graphtest.WithAppSecret(demoAppSecret),
		graphtest.WithRequireProof(),
		graphtest.WithToken(demoPageToken, graphtest.Grant{
			Type: graphtest.TokenPage, Pages: []string{demoPage}, Permissions: []string{"page_events"},
		}),
	)
	if err != nil {
		return err
	}
	defer graph.Close()
	url, stopped, err := startBot(ctx, graph.URL, newBot)
	if err != nil {
		return err
	}
	defer func() {
		cancel()
		err = errors.Join(err, <-stopped)
	}()

	p.title("A conversation with a bot, and the app events it logs")
	p.note("Graph API stand-in at " + graph.URL + ", bot at " + url)
	t := talk{ctx: ctx, p: p, url: url, graph: graph}
	t.hold()
	if t.err != nil {
		return t.err
	}
	p.verdict(t.wrong)
	if len(t.wrong) > 0 {
		return errWrong
	}
	return nil
}

// startBot serves the bot on loopback until ctx ends; then stopped tells how that went.
func startBot(ctx context.Context, graphURL string, newBot makeBot) (url string, stopped <-chan error, err error) {
	tokens := appevents.TokenFunc(func(_ context.Context, scope appevents.Scope) (string, error) {
		if scope.Kind == appevents.ScopePage {
			return demoPageToken, nil
		}
		return "", nil // the client makes the app token from the secret
	})
	client, err := appevents.New(demoAppID,
		appevents.WithBaseURL(graphURL),
		appevents.WithAppSecret(demoAppSecret),
		appevents.WithTokenSource(tokens),
	)
	if err != nil {
		return "", nil, err
	}
	hook, err := newBot(client, demoAppSecret, demoVerifyToken, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listener, hook) }()
	return "http://" + listener.Addr().String() + "/webhook", done, nil
}

// talk is the conversation: it plays Meta towards the bot and compares what the bot logs.
type talk struct {
	ctx   context.Context //nolint:containedctx // one conversation, one context
	p     *printer
	url   string
	graph *graphtest.Server
	calls int // of the stand-in, shown so far
	wrong []string
	err   error
}

// want is a call that must arrive.
type want struct {
	edge   string
	event  string
	value  float64 // 0: none
	target string
	fields map[string]string
}

func (t *talk) hold() {
	who := []graphtest.PayloadOption{graphtest.From(demoPerson), graphtest.To(demoPage)}
	mb1 := map[string]string{
		"event": "CUSTOM_APP_EVENTS", "extinfo": `["mb1"]`, "page_id": demoPage, "page_scoped_user_id": demoPerson,
		"advertiser_tracking_enabled": "1", "application_tracking_enabled": "1",
	}

	t.handshake()

	t.deliver("a text message: \"Is the blue mug in stock?\"", graphtest.Text("Is the blue mug in stock?", who...),
		want{edge: "activities", event: "fb_mobile_content_view", fields: mb1})

	buy := graphtest.Postback(payloadBuyMug, who...)
	t.deliver("the button \"Buy the mug\" (postback "+payloadBuyMug+")", buy,
		want{edge: "activities", event: "fb_mobile_purchase", value: 55.22, fields: mb1})

	t.deliver("contact details after the qualifying question: \"It is for a company, 50 of them. Write to …\"",
		graphtest.Text("It is for a company, 50 of them. Write to kim@company.example", who...),
		want{edge: "activities", event: "lead_submitted", fields: mb1},
		want{edge: "page_activities", event: "lead_submitted", target: "page", fields: map[string]string{
			"page_id": strconv.Quote(demoPage), "page_scoped_user_id": strconv.Quote(demoPerson),
			"logging_source": `"messenger_bot"`, "logging_target": `"page"`,
			"advertiser_tracking_enabled": "1", "application_tracking_enabled": "1",
		}})

	t.deliver("the bot's own reply comes back as an echo: no event",
		graphtest.Echo("Thank you! We will write to you. Ours is hello@mugs.example", who...))

	t.deliver("the postback is delivered again: no second event", buy)

	t.send("a forged request: refused", "not-the-app-secret", graphtest.Postback(payloadBuyMug, who...),
		http.StatusForbidden)
}

// handshake confirms the webhook as the App Dashboard does.
func (t *talk) handshake() {
	d, err := graphtest.Handshake(t.ctx, t.url, demoVerifyToken)
	if err != nil {
		t.err = err
		return
	}
	t.p.inbound("GET /webhook?hub.mode=subscribe&hub.verify_token=…&hub.challenge=…", "Meta confirms the webhook", d)
	if !d.Acknowledged {
		t.fail("the bot did not return the challenge")
	}
	t.outbound("the handshake", nil)
}

// deliver posts a payload signed by Meta and checks the answer and the calls that follow from it.
func (t *talk) deliver(what string, payload graphtest.Payload, wants ...want) {
	t.send(what, demoAppSecret, payload, http.StatusOK, wants...)
}

func (t *talk) send(what, appSecret string, payload graphtest.Payload, status int, wants ...want) {
	if t.err != nil {
		return
	}
	d, err := graphtest.Send(t.ctx, t.url, appSecret, payload)
	if err != nil {
		t.err = err
		return
	}
	t.p.inbound("POST /webhook  X-Hub-Signature-256: "+graphtest.Sign(appSecret, payload)[:20]+"…", what, d)
	if d.Status != status {
		t.fail("%s: the bot answered %d, not %d", what, d.Status, status)
	}
	t.outbound(what, wants)
}

// outbound shows the calls that arrived since last time and compares them with what must have arrived. The bot calls
// before it answers, so they are all there.
func (t *talk) outbound(what string, wants []want) {
	calls := t.graph.Calls()[t.calls:]
	t.calls += len(calls)
	for _, c := range calls {
		t.p.outbound(c)
		for _, problem := range c.Problems {
			t.fail("%s: %s", c.Path, problem)
		}
	}
	if len(calls) != len(wants) {
		t.fail("%s: %d calls arrived, not %d", what, len(calls), len(wants))
		return
	}
	for i, w := range wants {
		t.compare(calls[i], w)
	}
}

func (t *talk) compare(c graphtest.Call, w want) {
	if c.Edge != w.edge || c.ObjectID != demoAppID || c.Method != http.MethodPost || !c.Accepted {
		t.fail("%s %s (%d) is not an accepted POST to /%s/%s", c.Method, c.Path, c.Status, demoAppID, w.edge)
	}
	if c.TokenIn != "header" || c.Proof != graphtest.ProofValid {
		t.fail("%s: the token must come in the header, with a valid proof", c.Path)
	}
	if len(c.Events) != 1 || c.Events[0].Name != w.event {
		t.fail("%s: the event is not %s", c.Path, w.event)
		return
	}
	event := c.Events[0]
	if got := event.Value; (got == nil) != (w.value == 0) || got != nil && *got != w.value {
		t.fail("%s: the value of %s is wrong", c.Path, w.event)
	}
	if w.value != 0 && event.Params["fb_currency"] != "USD" {
		t.fail("%s: the currency of %s is not USD", c.Path, w.event)
	}
	for _, name := range slices.Sorted(maps.Keys(w.fields)) {
		if got, ok := c.Field(name); !ok || got != w.fields[name] {
			t.fail("%s: %s is %s, not %s", c.Path, name, got, w.fields[name])
		}
	}
}

func (t *talk) fail(format string, args ...any) {
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}
