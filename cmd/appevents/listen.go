package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/cmd/appevents/internal/files"
	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
)

// maxWebhook is the largest body that is taken, as appevents.WebhookConfig has it.
const maxWebhook = 4 << 20

type listenCommand struct {
	secretFlags

	Addr     string        `default:":8080" placeholder:"HOST:PORT" help:"Where to listen; port 0 takes a free one [${default}]."` //nolint:lll // a tag
	AddrFile string        `placeholder:"FILE" help:"Write the address there once it is known."`
	Forward  []string      `sep:"none" placeholder:"[FIELD=]URL" help:"Pass webhooks on to URL: all, or those of a field, or of several with commas between; repeatable."` //nolint:lll // a tag
	RetryFor time.Duration `default:"5m" placeholder:"TIME" help:"How long a webhook is tried again that a URL did not take [${default}]."`                                //nolint:lll // a tag
	Record   string        `placeholder:"FILE" help:"Append what comes to a session file, for replay."`
	Redact   bool          `help:"Replace what people wrote, and their IDs, in that file."`
	ShowText bool          `help:"Show what people wrote, and their whole IDs."`
}

// Help says what the flags cannot.
func (listenCommand) Help() string {
	return "Meta has to reach the address over HTTPS, through a tunnel or a proxy. The app secret and the verify token " +
		"come from APP_SECRET and VERIFY_TOKEN, also behind APPEVENTS_ and as ..._FILE. Meta is answered at once; each " +
		"URL has a queue of 1000 webhooks of its own, and gets the bytes and signatures as they came. What is dropped is " +
		"counted and said."
}

// Run serves until it is told to stop, which is its normal end.
func (c *listenCommand) Run(ctx context.Context, p *program) (err error) {
	if c.Redact && c.Record == "" {
		return usageError("--redact goes with --record")
	}
	if c.RetryFor < 0 {
		return usageError("--retry-for must not be negative")
	}
	l := &listener{p: p, showText: c.ShowText, lines: make(chan func() error, maxLines)}
	for _, text := range c.Forward {
		t, err := newTarget(p, text, c.RetryFor)
		if err != nil {
			return err
		}
		l.targets = append(l.targets, t)
	}
	secret, err := p.appSecret(c.secretFlags, "none")
	if err != nil {
		return err
	}
	token, err := p.credential("VERIFY_TOKEN")
	if err != nil {
		return err
	}
	if token.value == "" {
		return fail(exitCredentials, "no verify token: set APPEVENTS_VERIFY_TOKEN or VERIFY_TOKEN")
	}
	if l.hook, err = appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets: []string{secret.value}, VerifyToken: token.value, MaxBody: maxWebhook, OnError: l.refused,
	}); err != nil {
		return fail(exitCredentials, "%w", err)
	}
	socket, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return fail(exitNo, "--addr: %w", err)
	}
	if c.Record != "" {
		if l.record, err = openRecorder(c.Record); err != nil {
			return errors.Join(err, socket.Close())
		}
		if c.Redact {
			l.record.redactor = session.NewRedactor(secret.value)
		}
	}
	if c.AddrFile != "" {
		if err := files.Replace(c.AddrFile, []byte(reachable(socket.Addr())+"\n")); err != nil {
			return errors.Join(fail(exitNo, "--addr-file: %w", err), socket.Close())
		}
	}
	return l.serve(ctx, socket)
}

// A listener takes webhooks and passes them on.
type listener struct {
	p        *program
	hook     *appevents.Webhook
	targets  []*target
	record   *recorder // nil: nothing is recorded
	showText bool

	lines    chan func() error // to print; whoever answers Meta does not wait for a terminal
	received atomic.Int64
	rejected atomic.Int64
	unseen   atomic.Int64 // lines that were not printed
}

// maxLines bounds what waits to be printed.
const maxLines = 1000

func (l *listener) serve(ctx context.Context, socket net.Listener) error {
	url := "http://" + reachable(socket.Addr())
	server := &http.Server{
		Handler: l, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(socket) }()
	for _, t := range l.targets {
		t.start()
	}
	var err error
	if l.p.json {
		err = l.p.printJSON(object{"listening": true, "url": url})
	}
	l.p.note("listening on %s; give Meta the HTTPS address that leads here", url)
	for running := err == nil; running; {
		select {
		case line := <-l.lines:
			l.print(line)
		case <-ctx.Done():
			running = false
		case err = <-served:
			running = false
		}
	}
	stopped, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(l.p.grace, defaultGrace))
	defer cancel()
	_ = server.Shutdown(stopped)
	closeErr := server.Close()
	for _, t := range l.targets {
		t.stop(stopped)
	}
	for len(l.lines) > 0 {
		l.print(<-l.lines)
	}
	var recordErr error
	if l.record != nil {
		recordErr = l.record.close()
	}
	return errors.Join(err, closeErr, l.tally(recordErr))
}

// tally prints what was done. The error says what was not.
func (l *listener) tally(recordErr error) error {
	result := object{"received": l.received.Load(), "refused": l.rejected.Load()}
	words := []string{
		counted(l.received.Load(), "webhook") + " received", counted(l.rejected.Load(), "request") + " refused",
	}
	var targets []object
	dropped := int64(0)
	for _, t := range l.targets {
		passed, lost := t.passed.Load(), t.dropped.Load()
		targets = append(targets, object{"url": t.name, "passed_on": passed, "dropped": lost})
		words = append(words, counted(passed, "webhook")+" passed on to "+t.name+" and "+grouped(lost)+" dropped")
		dropped += lost
	}
	if targets != nil {
		result["targets"] = targets
	}
	if l.record != nil {
		result["recorded"], result["not_recorded"] = l.record.written, l.record.lost
		words = append(words, counted(l.record.written, "webhook")+" recorded")
	}
	if n := l.unseen.Load(); n > 0 {
		result["not_shown"] = n
		words = append(words, counted(n, "line")+" not shown")
	}
	var err error
	if l.p.json {
		err = l.p.printJSON(object{"tally": result})
	}
	l.p.note("%s", strings.Join(words, ", "))
	switch {
	case l.record != nil && (l.record.lost > 0 || recordErr != nil):
		err = errors.Join(err, fail(exitNo, "%s not recorded", counted(l.record.lost, "webhook")), recordErr)
	case dropped > 0:
		err = errors.Join(err, fail(exitNotSent, "%s not passed on", counted(dropped, "webhook")))
	}
	return err
}

// ServeHTTP lets the webhook of the SDK judge a request, and takes in what it accepts before Meta hears so.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		l.hook.ServeHTTP(&held{ResponseWriter: w, accepted: func() { l.p.note("the handshake is answered") }}, r)
		return
	}
	var body bytes.Buffer
	r.Body = &tee{ReadCloser: r.Body, copied: &body}
	l.hook.ServeHTTP(&held{ResponseWriter: w, accepted: func() { l.take(time.Now(), body.Bytes(), r.Header) }}, r)
}

// A tee keeps what is read. The webhook bounds it.
type tee struct {
	io.ReadCloser

	copied *bytes.Buffer
}

func (t *tee) Read(b []byte) (int, error) {
	n, err := t.ReadCloser.Read(b)
	t.copied.Write(b[:n])
	return n, err
}

// A held answer calls accepted before a 200 goes out.
type held struct {
	http.ResponseWriter

	accepted func()
}

func (h *held) WriteHeader(status int) {
	if status == http.StatusOK {
		h.accepted()
	}
	h.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the webhook set deadlines.
func (h *held) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// refused is told what the webhook did not like.
func (l *listener) refused(_ context.Context, err error) {
	if _, partly := errors.AsType[*appevents.WebhookItemError](err); partly {
		return // it was taken all the same
	}
	l.rejected.Add(1)
	l.p.note("%s refused: %s", l.p.state(l.p.stderr, stateWarn), errorText(err))
}

// take records, passes on and shows a genuine webhook.
func (l *listener) take(at time.Time, body []byte, header http.Header) {
	l.received.Add(1)
	about := session.Describe(body)
	if l.record != nil {
		if err := l.record.write(at, about, body); err != nil {
			l.p.note("%s not recorded: %s", l.p.state(l.p.stderr, stateFail), printable(err.Error()))
		}
	}
	for _, t := range l.targets {
		t.offer(about, body, header)
	}
	l.show(at, about, len(body))
}

// show prints a line. It names people by the end of their ID and leaves out what they wrote, unless asked otherwise.
func (l *listener) show(at time.Time, about session.About, size int) {
	person, text := masked(about.Person), ""
	if l.showText {
		person, text = about.Person, about.Text
	}
	line := func() error {
		shown := []string{at.Format(time.TimeOnly), cmp.Or(strings.Join(about.Fields, ","), "unknown"), about.Summary}
		if about.Page != "" {
			shown = append(shown, "Page "+about.Page)
		}
		if person != "" {
			shown = append(shown, "person "+person)
		}
		if about.Standby {
			shown = append(shown, "standby")
		}
		if text != "" {
			shown = append(shown, `"`+text+`"`)
		}
		_, err := io.WriteString(l.p.stdout, printable(strings.Join(shown, "  "))+"\n")
		return err
	}
	if l.p.json {
		line = func() error {
			o := object{
				"time": at.UTC().Format(time.RFC3339Nano), "fields": about.Fields, "page": about.Page, "person": person,
				"summary": about.Summary, "events": about.Events, "standby": about.Standby, "bytes": size,
			}
			if l.showText {
				o["text"] = text
			}
			return l.p.printJSON(o)
		}
	}
	select {
	case l.lines <- line:
	default:
		l.unseen.Add(1)
	}
}

// print writes a line. Webhooks are taken whether or not somebody reads.
func (l *listener) print(line func() error) {
	if err := line(); err != nil && l.unseen.Add(1) == 1 {
		l.p.note("standard output is gone: %s; webhooks are taken all the same", printable(err.Error()))
	}
}

// masked is the end of an ID.
func masked(id string) string {
	const shown = 4
	if len(id) <= 2*shown {
		return strings.Repeat("…", min(len(id), 1))
	}
	return "…" + id[len(id)-shown:]
}
