package appevents

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultWebhookBody    = 4 << 20
	defaultWebhookTimeout = 4 * time.Second // Meta gives up after 5
	maxChallenge          = 1 << 10

	firstBody   = 4 << 10  // the memory a body starts with
	maxKeptBody = 64 << 10 // memory kept for the next body; larger pieces go to the garbage collector
)

// What a [Webhook] tells OnError besides the errors of a [Verifier], of [ParseWebhook], of events and of functions.
var (
	// ErrBadHandshake means a verification request had another verify token, or was none.
	ErrBadHandshake = errors.New("appevents: webhook verification request refused")

	// ErrWebhookBody means the body could not be read, or is larger than WebhookConfig.MaxBody.
	ErrWebhookBody = errors.New("appevents: webhook body not read")

	// ErrWebhookTimeout means time ran out before every event was handled. Meta will send them again.
	ErrWebhookTimeout = errors.New("appevents: webhook events left unhandled at the deadline")
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

	// Timeout bounds the handling of one request: the context of the functions ends then. Meta takes an answer that
	// comes after 5 seconds for a failure. Defaults to 4 seconds.
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

	// OnError is told everything that goes wrong: refused requests, events that were partly unreadable, and the errors
	// and panics of functions. Nobody is told when it is nil. It may be called from several goroutines at once, should
	// return quickly, and its errors are safe to log as long as those of your functions are.
	OnError func(context.Context, error)
}

// String leaves out the credentials.
func (c WebhookConfig) String() string { return "appevents.WebhookConfig" + redacted }

// Format leaves out the credentials under every fmt verb.
func (c WebhookConfig) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue leaves out the credentials in structured logs.
func (c WebhookConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Webhook is the [http.Handler] of a webhook endpoint. Make one with [NewWebhook], register functions with [On], and
// mount it on the path of the callback URL, directly or behind any router: it does not look at the path.
//
// GET is Meta's verification of the endpoint. POST delivers events: the body is read up to the limit, its signature
// checked over the raw bytes, then it is parsed and each event is given to the functions registered for its type.
// Answers are fixed texts:
//
//	200  every function returned nil, or there was nothing to call
//	400  the body could not be read
//	403  the verify token or the signature is missing or wrong
//	405  another method
//	413  the body is larger than MaxBody
//	415  the content type is not JSON
//	500  a function failed, panicked, or time ran out
//
// Meta repeats a delivery that was not answered with 200 within 5 seconds, and unsubscribes an endpoint that keeps
// failing for an hour. So hand slow work to a queue and return. After a 500 all events of the delivery come again,
// also those that were handled: [WebhookEvent.DedupeKey] tells them, and WebhookConfig.DedupeWindow can skip them.
// A genuine body that is no webhook is answered with 200 and reported, because repeating it would not make it one.
//
// A Webhook is safe for concurrent use. When the [http.Server] has no ReadTimeout, a body must arrive within
// WebhookConfig.Timeout; set ReadHeaderTimeout on the server to bound the rest.
type Webhook struct {
	verifier    *Verifier
	verifyToken secret
	maxBody     int64
	timeout     time.Duration
	concurrency int
	skipStandby bool
	onError     func(context.Context, error)
	seen        *seenEvents // nil without a window
	bodies      sync.Pool   // of *bodyBuffer

	mu        sync.Mutex // held while functions are added
	functions atomic.Pointer[[]webhookFunc]
}

// A webhookFunc is a function registered with On. It reports false when the event is not of its type.
type webhookFunc func(ctx context.Context, event WebhookEvent) (mine bool, err error)

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
		verifyToken: newSecret(cfg.VerifyToken),
		maxBody:     orDefault(cfg.MaxBody, defaultWebhookBody),
		timeout:     orDefault(cfg.Timeout, defaultWebhookTimeout),
		concurrency: orDefault(cfg.Concurrency, 1),
		skipStandby: cfg.SkipStandby,
		onError:     cfg.OnError,
	}
	if cfg.DedupeWindow > 0 {
		w.seen = newSeenEvents(cfg.DedupeWindow, orDefault(cfg.DedupeEvents, defaultDedupeEvents))
	}
	return w, nil
}

func negative[T ~int | ~int64](v T) string {
	if v < 0 {
		return "must not be negative"
	}
	return ""
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// On registers fn for the events of type E, one of the event types, or [WebhookEvent] for all of them. Echoes are only
// given to functions for [*EchoEvent] and for [WebhookEvent].
//
// Functions are called in the order they were registered, the next one also when one fails. Standby events are given to
// them too, see [WebhookEvent.Standby], unless WebhookConfig.SkipStandby is set. A panic is recovered and counts as a
// failure. Register before serving; doing it later is safe, and counts from the next request on.
func On[E WebhookEvent](w *Webhook, fn func(context.Context, E) error) {
	w.register(func(ctx context.Context, event WebhookEvent) (bool, error) {
		e, ok := event.(E)
		if !ok {
			return false, nil
		}
		return true, fn(ctx, e)
	})
}

func (w *Webhook) register(fn webhookFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	functions := append(w.registered(), fn)
	w.functions.Store(&functions)
}

// registered returns the functions; its capacity is its length, so that appending copies.
func (w *Webhook) registered() []webhookFunc {
	if functions := w.functions.Load(); functions != nil {
		return (*functions)[:len(*functions):len(*functions)]
	}
	return nil
}

// ServeHTTP implements [http.Handler].
func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		w.handshake(rw, r)
	case http.MethodPost:
		status := w.receive(rw, r)
		switch status {
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
			rw.Header().Set("Connection", "close") // rather than reading the rest of the body
		}
		answer(rw, status)
	default:
		rw.Header().Set("Allow", "GET, POST")
		answer(rw, http.StatusMethodNotAllowed)
	}
}

// answers are the bodies of the statuses a Webhook gives.
var answers = map[int]string{
	http.StatusOK:                    "EVENT_RECEIVED",
	http.StatusBadRequest:            "bad request",
	http.StatusForbidden:             "forbidden",
	http.StatusMethodNotAllowed:      "method not allowed",
	http.StatusRequestEntityTooLarge: "body too large",
	http.StatusUnsupportedMediaType:  "unsupported media type",
	http.StatusInternalServerError:   "events not handled",
}

func answer(rw http.ResponseWriter, status int) { answerText(rw, status, answers[status]) }

func answerText(rw http.ResponseWriter, status int, text string) {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = io.WriteString(rw, text) //nolint:gosec // the challenge is reflected on purpose, as text not to be sniffed
}

// handshake answers the verification of the endpoint: the challenge, and nothing else, for the right token.
func (w *Webhook) handshake(rw http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	challenge := query.Get("hub.challenge")
	if query.Get("hub.mode") != "subscribe" || !w.isVerifyToken(query.Get("hub.verify_token")) ||
		challenge == "" || len(challenge) > maxChallenge {
		w.report(r.Context(), ErrBadHandshake)
		answer(rw, http.StatusForbidden)
		return
	}
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	answerText(rw, http.StatusOK, challenge)
}

// isVerifyToken compares in constant time, the length included.
func (w *Webhook) isVerifyToken(token string) bool {
	want, got := sha256.Sum256([]byte(w.verifyToken.reveal())), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && token != ""
}

// receive handles one delivery and returns the status of the answer.
func (w *Webhook) receive(rw http.ResponseWriter, r *http.Request) int {
	payload, status := w.accept(rw, r)
	if payload == nil {
		return status
	}
	ctx, cancel := context.WithTimeout(r.Context(), w.timeout)
	defer cancel()
	if !w.dispatch(ctx, payload) {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// accept reads, verifies and parses the body. Without a payload, the status is the answer.
func (w *Webhook) accept(rw http.ResponseWriter, r *http.Request) (*Payload, int) {
	resume := boundRead(rw, r, w.timeout)
	if !isJSON(r.Header.Get("Content-Type")) {
		w.report(r.Context(), fmt.Errorf("%w: content type is not JSON", ErrWebhookBody))
		return nil, http.StatusUnsupportedMediaType
	}
	buf, _ := w.bodies.Get().(*bodyBuffer)
	if buf == nil {
		buf = &bodyBuffer{}
	}
	defer func() {
		if cap(buf.data) <= maxKeptBody {
			w.bodies.Put(buf)
		}
	}()
	if err := buf.read(r.Body, r.ContentLength, w.maxBody); err != nil {
		w.report(r.Context(), err)
		if errors.Is(err, errBodyTooLarge) {
			return nil, http.StatusRequestEntityTooLarge
		}
		return nil, http.StatusBadRequest
	}
	resume()
	if err := w.verify(buf.data, r.Header); err != nil {
		w.report(r.Context(), err)
		return nil, http.StatusForbidden
	}
	payload, err := ParseWebhook(buf.data)
	if err != nil {
		w.report(r.Context(), err)
		return nil, http.StatusOK
	}
	return payload, http.StatusOK
}

// verify refuses everything for a Webhook that was not made by NewWebhook.
func (w *Webhook) verify(body []byte, header http.Header) error {
	if w.verifier == nil {
		return ErrSignatureMismatch
	}
	return w.verifier.Verify(body, header)
}

// boundRead gives the sender until the time-out to send its body, when the server lets it take forever. The function
// it returns ends that, and is for a body that was read to its end: of any other the server reads the rest.
func boundRead(rw http.ResponseWriter, r *http.Request, timeout time.Duration) (resume func()) {
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	if server == nil || server.ReadTimeout > 0 {
		return func() {}
	}
	control := http.NewResponseController(rw)
	if control.SetReadDeadline(time.Now().Add(timeout)) != nil {
		return func() {} // a wrapped writer that cannot
	}
	return func() { _ = control.SetReadDeadline(time.Time{}) }
}

// errBodyTooLarge is ErrWebhookBody for a body above the limit.
var errBodyTooLarge = fmt.Errorf("%w: larger than WebhookConfig.MaxBody", ErrWebhookBody)

// bodyBuffer is memory for a body. Nothing that is parsed from it points into it.
type bodyBuffer struct{ data []byte }

// read fills the buffer with a body of the given length, -1 when unknown, if it is within the limit.
func (b *bodyBuffer) read(body io.Reader, length, limit int64) error {
	b.data = b.data[:0]
	if length > limit {
		return errBodyTooLarge
	}
	if cap(b.data) == 0 {
		b.data = make([]byte, 0, firstBody)
	}
	for body != nil {
		if len(b.data) == cap(b.data) {
			b.data = slices.Grow(b.data, len(b.data)) // what arrives counts, not the length announced
		}
		n, err := body.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		if int64(len(b.data)) > limit {
			return errBodyTooLarge
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
				return errBodyTooLarge
			}
			return fmt.Errorf("%w: %w", ErrWebhookBody, err)
		}
	}
	return nil
}

// isJSON reports whether a content type is JSON or missing.
func isJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.TrimSpace(mediaType)
	return mediaType == "" || strings.EqualFold(mediaType, "application/json")
}

// report tells OnError. What it panics with has nowhere to go, and must not end the process.
func (w *Webhook) report(ctx context.Context, err error) {
	if w.onError == nil {
		return
	}
	defer func() { _ = recover() }()
	w.onError(ctx, err)
}

// PanicError is what a function registered with [On] panicked with, as told to OnError. The value itself stays out of
// it, since it may hold what a person wrote; only the texts of the Go runtime's own errors are shown.
type PanicError struct {
	Field string // subscription field of the event
	Cause string // the runtime's error text, or the type of the value
	Stack []byte // of the panicking goroutine
}

// Error names the field and the cause.
func (e *PanicError) Error() string {
	return "appevents: webhook function panicked on " + orDefault(e.Field, "an unknown event") + ": " + e.Cause
}

func newPanicError(event WebhookEvent, value any) *PanicError {
	cause := fmt.Sprintf("%T", value)
	if err, ok := value.(runtime.Error); ok {
		cause = err.Error()
	}
	return &PanicError{Field: event.Field(), Cause: cause, Stack: debug.Stack()}
}
