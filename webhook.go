package appevents

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/appevents/appevents-go/internal/bounded"
	"github.com/appevents/appevents-go/internal/deadline"
	"github.com/appevents/appevents-go/internal/redact"
	"github.com/appevents/appevents-go/internal/secret"
	"github.com/appevents/appevents-go/internal/turns"
)

const (
	defaultWebhookBody    = 4 << 20
	defaultWebhookTimeout = 4 * time.Second // Meta gives up after 5
	defaultDedupeEvents   = 100_000
	maxChallenge          = 1 << 10

	firstBody   = 4 << 10  // the memory a body starts with
	maxKeptBody = 64 << 10 // memory kept for the next body; larger pieces go to the garbage collector
)

// The errors that a [Webhook] passes to OnError, besides those of a [Verifier], of [ParseWebhook], of events and of
// functions.
var (
	// ErrBadHandshake means that a verification request was malformed or had the wrong verify token.
	ErrBadHandshake = errors.New("appevents: webhook verification request refused")

	// ErrWebhookBody means the body could not be read, is larger than WebhookConfig.MaxBody, is compressed, or is not
	// JSON.
	ErrWebhookBody = errors.New("appevents: webhook body not read")

	// ErrBodyConsumed means that a middleware read the body before the [Webhook] did, so that its signature cannot be
	// checked. It matches ErrWebhookBody. Put the Webhook before the middleware, or pass on a body that can be read.
	ErrBodyConsumed = fmt.Errorf("%w: something before this handler has read it", ErrWebhookBody)
)

// WebhookConfig is what [NewWebhook] needs. AppSecrets and VerifyToken are required, the rest has defaults. Printing a
// WebhookConfig shows neither.
type WebhookConfig struct {
	// AppSecrets are the secrets of the apps that share this endpoint; see [NewVerifier].
	AppSecrets []string

	// VerifyToken is the text entered beside the callback URL in the dashboard.
	VerifyToken string

	// MaxBody is the largest body accepted, in bytes. Meta documents no limit. Defaults to 4 MiB.
	MaxBody int64

	// Timeout bounds the handling of one request: the context of the functions ends then. For Meta an answer
	// after more than 5 seconds is a failure. Defaults to 4 seconds.
	Timeout time.Duration

	// Concurrency is how many threads of one request are handled at the same time. Events of the same thread are
	// always handled one after the other, in order. Defaults to 1.
	Concurrency int

	// DedupeWindow makes the Webhook remember, in memory and for this long, which events were handled, and skip their
	// redeliveries. It suits a bot of one process that may handle an event twice after a restart; a durable queue with
	// [WebhookEvent.DedupeKey] as its key needs no window. Defaults to 0, which is off.
	DedupeWindow time.Duration

	// DedupeEvents bounds the window: when it is full the oldest event is forgotten. Defaults to 100000.
	DedupeEvents int

	// SkipStandby leaves out the events of conversations another app owns.
	SkipStandby bool

	// AcceptSHA1 also takes the older signature header; see [Verifier.AcceptSHA1].
	AcceptSHA1 bool

	// IsPermanent reports whether an error of a function would come back every time. Such an error is reported, and the
	// event counts as handled, because Meta would send the same webhook again for an hour and then unsubscribe the
	// endpoint. nil means the package's own [IsPermanent]; a function that returns false makes every error ask for a
	// repetition.
	IsPermanent func(error) bool

	// Logger is told everything that goes wrong: refused requests and which check failed, events that were partly
	// unreadable, and the errors and panics of functions. No secret, signature or content of a body is logged, besides
	// what your functions put into their errors. Nothing is logged when it is nil.
	Logger *slog.Logger

	// OnError is called with the same problems, as errors. It may be called from several goroutines at once and should
	// return quickly. The errors are safe to log as long as those of your functions are.
	OnError func(context.Context, error)
}

// String leaves out the credentials.
func (c WebhookConfig) String() string { return "appevents.WebhookConfig" + redact.Placeholder }

// Format leaves out the credentials under the verbs of fmt. fmt does not ask it for %p, which is for pointers, nor
// about an unexported field of another struct: there they can show.
func (c WebhookConfig) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue leaves out the credentials in structured logs.
func (c WebhookConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText leaves out the credentials in JSON and other encodings.
func (c WebhookConfig) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Webhook is the [http.Handler] of a webhook endpoint. Make one with [NewWebhook], register functions with [On], and
// mount it on the path of the callback URL, directly or behind any router: it does not look at the path.
//
// GET is Meta's verification of the endpoint. POST delivers events: the body is read up to the limit, its signature
// checked over the raw bytes, then it is parsed and each event is given to the functions registered for its type.
// Answers are fixed texts:
//
//	200  every function returned nil or a permanent error, or there was nothing to call
//	400  the body could not be read
//	403  the verify token or the signature is missing or wrong
//	405  another method
//	413  the body is larger than MaxBody
//	415  the content type is not JSON, or the body is compressed
//	500  a function failed, panicked, or time ran out; or the Webhook was not made by NewWebhook
//
// Meta repeats a delivery that was not answered with 200 within 5 seconds, and unsubscribes an endpoint that keeps
// failing for an hour. So hand slow work to a queue and return. After a 500 all events of the delivery come again, also
// those that were handled: [WebhookEvent.DedupeKey] recognises them, and WebhookConfig.DedupeWindow can skip them. What
// no repetition would change is answered with 200 and reported: a genuine body that is not a webhook, and an error of a
// function that is permanent (see WebhookConfig.IsPermanent).
//
// A Webhook is safe for concurrent use. A nil or zero Webhook answers every request with 500.
//
// When the [http.Server] has no ReadTimeout, the body of any request must arrive within WebhookConfig.Timeout. The rest
// is the server's to bound: slow or large headers (ReadHeaderTimeout, MaxHeaderBytes), connections that are idle
// (IdleTimeout), answers that are not read (WriteTimeout), how many connections there are, and the body when a
// middleware's ResponseWriter has neither SetReadDeadline nor Unwrap (ReadTimeout).
type Webhook struct {
	verifier    *Verifier
	verifyToken secret.Text
	maxBody     int64
	timeout     time.Duration
	bodies      sync.Pool // of *bodyBuffer
	dispatcher  eventDispatcher
}

// NewWebhook returns a handler without functions, or a [*ConfigError].
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	verifier, err := NewVerifier(cfg.AppSecrets...)
	if err != nil {
		var config *ConfigError
		errors.As(err, &config)
		return nil, &ConfigError{Field: "WebhookConfig.AppSecrets", Reason: config.Reason}
	}
	if cfg.AcceptSHA1 {
		verifier = verifier.AcceptSHA1()
	}
	for _, check := range []struct {
		field, reason string
	}{
		{"VerifyToken", secretProblem(cfg.VerifyToken)},
		{"MaxBody", negative(cfg.MaxBody)},
		{"Timeout", negative(cfg.Timeout)},
		{"Concurrency", negative(cfg.Concurrency)},
		{"DedupeWindow", negative(cfg.DedupeWindow)},
		{"DedupeEvents", negative(cfg.DedupeEvents)},
	} {
		if check.reason != "" {
			return nil, &ConfigError{Field: "WebhookConfig." + check.field, Reason: check.reason}
		}
	}
	w := &Webhook{
		verifier:    verifier,
		verifyToken: secret.New(cfg.VerifyToken),
		maxBody:     cmp.Or(cfg.MaxBody, defaultWebhookBody),
		timeout:     cmp.Or(cfg.Timeout, defaultWebhookTimeout),
		dispatcher: eventDispatcher{
			troubles:    troubles{onError: cfg.OnError, logger: cfg.Logger},
			concurrency: cmp.Or(cfg.Concurrency, 1),
			skipStandby: cfg.SkipStandby,
			isPermanent: cfg.IsPermanent,
		},
	}
	if cfg.IsPermanent == nil {
		w.dispatcher.isPermanent = IsPermanent
	}
	if cfg.DedupeWindow > 0 {
		w.dispatcher.seen = turns.New(cfg.DedupeWindow, cmp.Or(cfg.DedupeEvents, defaultDedupeEvents))
	}
	return w, nil
}

func negative[T ~int | ~int64](v T) string {
	if v < 0 {
		return "must not be negative"
	}
	return ""
}

// On registers fn for the events of type E, one of the event types, or [WebhookEvent] for all of them. Echoes are only
// given to functions for [*EchoEvent] and for [WebhookEvent].
//
// Functions are called in the order they were registered, also after one of them failed. They get standby events too
// (see [WebhookEvent.Standby]), unless WebhookConfig.SkipStandby is set. A panic is recovered and counts as a failure.
// Register functions before serving; doing so later is safe, and takes effect with the next request. On a nil Webhook,
// which refuses every request, On does nothing.
func On[E WebhookEvent](w *Webhook, fn func(context.Context, E) error) {
	if w == nil {
		return
	}
	w.dispatcher.register(func(ctx context.Context, event WebhookEvent) (bool, error) {
		e, ok := event.(E)
		if !ok {
			return false, nil
		}
		return true, fn(ctx, e)
	})
}

// ServeHTTP implements [http.Handler].
func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	switch {
	case w == nil || w.verifier == nil:
		boundBody(rw, r, defaultWebhookTimeout, false)
		answerText(rw, http.StatusInternalServerError, []byte("webhook not set up: make it with appevents.NewWebhook"))
	case r.Method == http.MethodGet:
		boundBody(rw, r, w.timeout, false)
		w.handshake(rw, r)
	case r.Method == http.MethodPost:
		status := w.receive(rw, r)
		switch status {
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
			rw.Header().Set("Connection", "close") // rather than reading the rest of the body
		}
		answer(rw, status)
	default:
		boundBody(rw, r, w.timeout, false)
		rw.Header().Set("Allow", "GET, POST")
		answer(rw, http.StatusMethodNotAllowed)
	}
}

// answers are the bodies of the statuses a Webhook gives.
var answers = map[int][]byte{
	http.StatusOK:                    []byte("EVENT_RECEIVED"),
	http.StatusBadRequest:            []byte("bad request"),
	http.StatusForbidden:             []byte("forbidden"),
	http.StatusMethodNotAllowed:      []byte("method not allowed"),
	http.StatusRequestEntityTooLarge: []byte("body too large"),
	http.StatusUnsupportedMediaType:  []byte("unsupported media type"),
	http.StatusInternalServerError:   []byte("events not handled"),
}

func answer(rw http.ResponseWriter, status int) { answerText(rw, status, answers[status]) }

// plainText is shared by all answers; its capacity is its length, so that appending copies.
var plainText = []string{"text/plain; charset=utf-8"}

func answerText(rw http.ResponseWriter, status int, text []byte) {
	rw.Header()["Content-Type"] = plainText
	rw.WriteHeader(status)
	_, _ = rw.Write(text) //nolint:gosec // the challenge is reflected on purpose, as text not to be sniffed
}

// handshake answers the verification of the endpoint: the challenge, and nothing else, for the right token.
func (w *Webhook) handshake(rw http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	challenge := query.Get("hub.challenge")
	failed := ""
	switch {
	case query.Get("hub.mode") != "subscribe":
		failed = "hub.mode"
	case !w.isVerifyToken(query.Get("hub.verify_token")):
		failed = "hub.verify_token"
	case challenge == "", len(challenge) > maxChallenge:
		failed = "hub.challenge"
	}
	if failed != "" {
		w.refuse(r, ErrBadHandshake, slog.String("check", failed))
		answer(rw, http.StatusForbidden)
		return
	}
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	answerText(rw, http.StatusOK, []byte(challenge))
}

// isVerifyToken compares in constant time, the length included.
func (w *Webhook) isVerifyToken(token string) bool {
	want, got := sha256.Sum256([]byte(w.verifyToken.Reveal())), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && token != ""
}

// refuse reports a request that is not let through.
func (w *Webhook) refuse(r *http.Request, err error, attrs ...slog.Attr) {
	w.dispatcher.report(r.Context(), slog.LevelWarn, "appevents: webhook request refused", err, attrs...)
}

// receive handles one delivery and returns the status of the answer.
func (w *Webhook) receive(rw http.ResponseWriter, r *http.Request) int {
	payload, status := w.accept(rw, r)
	if payload == nil {
		return status
	}
	ctx := &deadline.Context{Context: r.Context(), At: time.Now().Add(w.timeout)}
	defer ctx.End()
	if !w.dispatcher.dispatch(ctx, payload.events) {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// accept reads, verifies and parses the body. Without a payload, the status is the answer.
func (w *Webhook) accept(rw http.ResponseWriter, r *http.Request) (*Payload, int) {
	buf, _ := w.bodies.Get().(*bodyBuffer)
	if buf == nil {
		buf = &bodyBuffer{}
	}
	defer func() {
		if cap(buf.data) <= maxKeptBody {
			w.bodies.Put(buf)
		}
	}()
	status, err := w.read(buf, rw, r)
	if err != nil {
		w.refuse(r, err)
		return nil, status
	}
	if err := w.verifier.Verify(buf.data, r.Header); err != nil {
		status := http.StatusForbidden
		if errors.Is(err, ErrSignatureMismatch) && buf.isIncomplete(r) {
			status, err = http.StatusBadRequest, ErrBodyConsumed
		}
		w.refuse(r, err)
		return nil, status
	}
	payload, err := ParseWebhook(buf.data)
	if err != nil {
		w.dispatcher.report(r.Context(), slog.LevelWarn, "appevents: webhook body unreadable", err)
		return nil, http.StatusOK
	}
	return payload, http.StatusOK
}

// read reads the body, if it is of a kind that Meta sends. With an error, the status is the answer.
func (w *Webhook) read(buf *bodyBuffer, rw http.ResponseWriter, r *http.Request) (status int, err error) {
	bounded := boundBody(rw, r, w.timeout, true)
	encoding := r.Header.Get("Content-Encoding")
	switch {
	case !isJSON(r.Header.Get("Content-Type")):
		err = fmt.Errorf("%w: content type is not JSON", ErrWebhookBody)
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		err = fmt.Errorf("%w: it is compressed", ErrWebhookBody)
	}
	if err != nil {
		return http.StatusUnsupportedMediaType, err
	}
	err = buf.read(r.Body, r.ContentLength, w.maxBody)
	switch {
	case errors.Is(err, errBodyTooLarge):
		return http.StatusRequestEntityTooLarge, err
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return http.StatusBadRequest, ErrBodyConsumed
	case err != nil:
		return http.StatusBadRequest, err
	}
	if bounded {
		_ = http.NewResponseController(rw).SetReadDeadline(time.Time{}) // the time for a body, not for the functions
	}
	if len(buf.data) > 1 && buf.data[0] == 0x1f && buf.data[1] == 0x8b { // how gzip begins, also without the header
		return http.StatusUnsupportedMediaType, fmt.Errorf("%w: it is compressed", ErrWebhookBody)
	}
	return 0, nil
}

// boundBody bounds the reading of a request's body where the server lets it take forever, and reports whether it did.
// That also matters for a body that nobody wants, since the server itself reads on: there, and where no bound can be
// set, the connection ends with the answer, which then need not wait for the body.
func boundBody(rw http.ResponseWriter, r *http.Request, timeout time.Duration, wanted bool) bool {
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	if server == nil || server.ReadTimeout > 0 || r.Body == nil || r.Body == http.NoBody {
		return false
	}
	bounded := http.NewResponseController(rw).SetReadDeadline(time.Now().Add(timeout)) == nil
	if !bounded || !wanted {
		rw.Header().Set("Connection", "close")
	}
	return bounded
}

// errBodyTooLarge is ErrWebhookBody for a body above the limit.
var errBodyTooLarge = fmt.Errorf("%w: larger than WebhookConfig.MaxBody", ErrWebhookBody)

// bodyBuffer is memory for a body. Nothing that is parsed from it points into it.
type bodyBuffer struct{ data []byte }

// read fills the buffer with a body of the given length, -1 when unknown, if it is within the limit.
func (b *bodyBuffer) read(body io.Reader, length, limit int64) (err error) {
	b.data = b.data[:0]
	if length > limit {
		return errBodyTooLarge
	}
	if body == nil {
		return nil
	}
	if cap(b.data) == 0 {
		b.data = make([]byte, 0, firstBody)
	}
	if b.data, err = bounded.Read(b.data, body, limit); err == nil {
		return nil
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || errors.Is(err, bounded.ErrTooLong) {
		return errBodyTooLarge
	}
	return fmt.Errorf("%w: %w", ErrWebhookBody, err)
}

// isIncomplete reports whether a body that was read without an error is shorter than announced: net/http does not let
// the sender do that, so something in between has read from it.
func (b *bodyBuffer) isIncomplete(r *http.Request) bool {
	return r.Body != nil && (int64(len(b.data)) < r.ContentLength || len(b.data) == 0 && r.ContentLength < 0)
}

// isJSON reports whether a content type is JSON or missing.
func isJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.TrimSpace(mediaType)
	return mediaType == "" || strings.EqualFold(mediaType, "application/json")
}
