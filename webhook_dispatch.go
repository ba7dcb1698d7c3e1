package appevents

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// dispatch gives every event to the functions and reports whether all of them succeeded.
func (w *Webhook) dispatch(ctx context.Context, payload *Payload) bool {
	functions := w.registered()
	if w.concurrency == 1 || len(payload.events) == 1 {
		return w.handleAll(ctx, functions, payload.events)
	}

	// One lane for each thread, in the order of their first events.
	var order []Thread
	lanes := make(map[Thread][]WebhookEvent)
	for _, event := range payload.events {
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
	for range min(w.concurrency, len(order)) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(order)); i = next.Add(1) - 1 {
				if w.handleAll(ctx, functions, lanes[order[i]]) {
					done.Add(1)
				}
			}
		})
	}
	wait.Wait()
	return done.Load() == int64(len(order))
}

// handleAll handles events one after the other, those after a failed one too.
func (w *Webhook) handleAll(ctx context.Context, functions []webhookFunc, events []WebhookEvent) bool {
	success := true
	for _, event := range events {
		if w.skipStandby && event.Standby() {
			continue
		}
		if err := event.Err(); err != nil {
			w.report(ctx, err)
		}
		if ctx.Err() != nil {
			w.report(ctx, fmt.Errorf("%w: %w", ErrWebhookTimeout, context.Cause(ctx)))
			return false
		}
		if !w.handleOnce(ctx, functions, event) {
			success = false
		}
	}
	return success
}

// handleOnce handles an event unless the window knows that it was.
func (w *Webhook) handleOnce(ctx context.Context, functions []webhookFunc, event WebhookEvent) bool {
	if w.seen == nil {
		return w.handle(ctx, functions, event)
	}
	key := event.DedupeKey()
	turn, err := w.seen.begin(ctx, key)
	switch {
	case err != nil:
		w.report(ctx, fmt.Errorf("%w: %w", ErrWebhookTimeout, err))
		return false
	case turn.handled:
		return true
	}
	success := false
	defer func() { w.seen.end(key, turn, success) }() // also when a function ends its goroutine
	success = w.handle(ctx, functions, event)
	return success
}

// handle calls the functions for an event's type.
func (w *Webhook) handle(ctx context.Context, functions []webhookFunc, event WebhookEvent) bool {
	success := true
	for _, fn := range functions {
		if err := call(ctx, fn, event); err != nil {
			success = false
			w.report(ctx, err)
		}
	}
	return success
}

// call runs one function and makes an error of its panic.
func call(ctx context.Context, fn webhookFunc, event WebhookEvent) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = newPanicError(event, value)
		}
	}()
	_, err = fn(ctx, event)
	return err
}
