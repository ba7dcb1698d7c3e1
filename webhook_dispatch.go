package appevents

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/appevents/appevents-go/internal/turns"
)

// ErrWebhookTimeout is passed to OnError when time ran out before every event was handled. Meta will send them again.
var ErrWebhookTimeout = errors.New("appevents: webhook events left unhandled at the deadline")

// A webhookFunc is a function registered with On. It reports false when the event is not of its type.
type webhookFunc func(ctx context.Context, event WebhookEvent) (mine bool, err error)

// eventDispatcher gives events to the functions for their types.
type eventDispatcher struct {
	troubles
	concurrency int
	skipStandby bool
	isPermanent func(error) bool
	seen        *turns.Window // nil without a window

	mu        sync.Mutex // held while functions are added
	functions atomic.Pointer[[]webhookFunc]
}

func (d *eventDispatcher) register(fn webhookFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	functions := append(d.registered(), fn)
	d.functions.Store(&functions)
}

// registered returns the functions; its capacity is its length, so that appending copies.
func (d *eventDispatcher) registered() []webhookFunc {
	if functions := d.functions.Load(); functions != nil {
		return (*functions)[:len(*functions):len(*functions)]
	}
	return nil
}

// dispatch gives every event to the functions and reports whether all were handled as well as they can be.
func (d *eventDispatcher) dispatch(ctx context.Context, events []WebhookEvent) bool {
	functions := d.registered()
	if d.concurrency == 1 || len(events) == 1 {
		return d.handleAll(ctx, functions, events)
	}

	// One lane for each thread, in the order of their first events.
	var order []Thread
	lanes := make(map[Thread][]WebhookEvent)
	for _, event := range events {
		thread := event.Thread()
		if lanes[thread] == nil {
			order = append(order, thread)
		}
		lanes[thread] = append(lanes[thread], event)
	}
	var (
		wait sync.WaitGroup
		next atomic.Int64
		done atomic.Int64 // lanes without a failure
	)
	for range min(d.concurrency, len(order)) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(order)); i = next.Add(1) - 1 {
				if d.handleAll(ctx, functions, lanes[order[i]]) {
					done.Add(1)
				}
			}
		})
	}
	wait.Wait()
	return done.Load() == int64(len(order))
}

// handleAll handles events one after the other, those after a failed one too.
func (d *eventDispatcher) handleAll(ctx context.Context, functions []webhookFunc, events []WebhookEvent) bool {
	success := true
	for _, event := range events {
		if d.skipStandby && event.Standby() {
			continue
		}
		if err := event.Err(); err != nil {
			d.report(ctx, slog.LevelWarn, "appevents: webhook event partly unreadable", err,
				slog.String("field", event.Field()))
		}
		if ctx.Err() != nil {
			d.timedOut(ctx, context.Cause(ctx))
			return false
		}
		if !d.handleOnce(ctx, functions, event) {
			success = false
		}
	}
	return success
}

func (d *eventDispatcher) timedOut(ctx context.Context, cause error) {
	d.report(ctx, slog.LevelError, "appevents: webhook timed out", fmt.Errorf("%w: %w", ErrWebhookTimeout, cause))
}

// handleOnce handles an event unless the window knows that it was.
func (d *eventDispatcher) handleOnce(ctx context.Context, functions []webhookFunc, event WebhookEvent) bool {
	if d.seen == nil {
		return d.handle(ctx, functions, event)
	}
	key := event.DedupeKey()
	turn, err := d.seen.Begin(ctx, key)
	switch {
	case err != nil:
		d.timedOut(ctx, err)
		return false
	case turn.Handled:
		return true
	}
	success := false
	defer func() { d.seen.End(key, turn, success) }() // also when a function ends its goroutine
	success = d.handle(ctx, functions, event)
	return success
}

// handle calls the functions for an event's type. What failed for good counts as handled.
func (d *eventDispatcher) handle(ctx context.Context, functions []webhookFunc, event WebhookEvent) bool {
	success := true
	for _, fn := range functions {
		if err := run(ctx, fn, event); err != nil {
			permanent := d.permanent(err)
			success = success && permanent
			d.report(ctx, slog.LevelError, "appevents: webhook function failed", err,
				slog.String("field", event.Field()), slog.Bool("permanent", permanent))
		}
	}
	return success
}

// run runs one function and makes an error of its panic.
func run(ctx context.Context, fn webhookFunc, event WebhookEvent) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = newPanicError(event, value)
		}
	}()
	_, err = fn(ctx, event)
	return err
}

// permanent asks the user's function, whose panic means no.
func (d *eventDispatcher) permanent(err error) (yes bool) {
	defer func() { _ = recover() }()
	return d.isPermanent(err)
}

// IsPermanent reports whether an error of this package would come back however often the same call is repeated: a
// [*ValidationError], or a refusal by Graph ([OutcomeRefused]) for another reason than [ErrThrottled], [ErrTransient],
// [ErrAuth] or trouble of the server itself. An error that wraps several others, joined or with two %w, is permanent
// when all of them are. It is what a [Webhook] goes by: see WebhookConfig.IsPermanent.
func IsPermanent(err error) bool {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself: each branch has to be permanent
	case *ValidationError:
		return e != nil
	case *CallError:
		return false
	case *GraphError:
		return e != nil && e.Outcome() == OutcomeRefused && e.StatusCode < http.StatusInternalServerError &&
			e.StatusCode != http.StatusTooManyRequests && !e.Is(ErrThrottled) && !e.Is(ErrTransient) && !e.Is(ErrAuth)
	case interface{ Unwrap() error }:
		return IsPermanent(e.Unwrap())
	case interface{ Unwrap() []error }:
		errs := e.Unwrap()
		return len(errs) > 0 && !slices.ContainsFunc(errs, func(err error) bool { return !IsPermanent(err) })
	default:
		return false
	}
}

// troubles is who wants to hear what goes wrong.
type troubles struct {
	onError func(context.Context, error)
	logger  *slog.Logger
}

// report tells OnError and the log. What these panic with has nowhere to go, and must not end the process.
func (t *troubles) report(ctx context.Context, level slog.Level, message string, err error, attrs ...slog.Attr) {
	if t.logger != nil {
		t.log(ctx, level, message, err, attrs)
	}
	if t.onError != nil {
		defer func() { _ = recover() }()
		t.onError(ctx, err)
	}
}

func (t *troubles) log(ctx context.Context, level slog.Level, message string, err error, attrs []slog.Attr) {
	defer func() { _ = recover() }()
	attrs = append(attrs, slog.String("error", err.Error()))
	if panicked := (*PanicError)(nil); errors.As(err, &panicked) {
		attrs = append(attrs, slog.String("stack", string(panicked.Stack)))
	}
	t.logger.LogAttrs(ctx, level, message, attrs...) //nolint:sloglint // the messages are those of report's callers
}

// PanicError is what OnError gets when a function registered with [On] panicked. The value of the panic stays out of
// it, since it may hold what a person wrote; only the texts of the Go runtime's own errors are shown.
type PanicError struct {
	Field string // subscription field of the event
	Cause string // the runtime's error text, or the type of the value
	Stack []byte // of the panicking goroutine
}

// Error names the field and the cause.
func (e *PanicError) Error() string {
	return "appevents: webhook function panicked on " + cmp.Or(e.Field, "an unknown event") + ": " + e.Cause
}

func newPanicError(event WebhookEvent, value any) *PanicError {
	cause := fmt.Sprintf("%T", value)
	if err, ok := value.(runtime.Error); ok {
		cause = err.Error()
	}
	return &PanicError{Field: event.Field(), Cause: cause, Stack: debug.Stack()}
}
