package appevents_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

func TestOn_OrderTypesAndFailures(t *testing.T) {
	t.Parallel()
	hook := newHook(t, nil)
	var calls []string
	fail := map[string]error{}
	note := func(name string) error {
		calls = append(calls, name)
		return fail[name]
	}
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error { return note("first " + e.MID) })
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.PostbackEvent) error { return note("postback " + e.MID) })
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error { return note("second " + e.MID) })
	appevents.On(hook.Webhook, func(_ context.Context, e appevents.WebhookEvent) error { return note("all " + e.Field()) })
	body := `{"object":"page","entry":[{"id":"107","messaging":[{"message":{"mid":"m_1"}},{"postback":{"mid":"p_1"}},
		{"message":{"mid":"m_2"}},{"read":{}}]}]}`
	want := []string{
		"first m_1", "second m_1", "all messages", "postback p_1", "all messaging_postbacks",
		"first m_2", "second m_2", "all messages", "all message_reads",
	}
	require.Equal(t, http.StatusOK, hook.deliver(body).Code)
	require.Equal(t, want, calls)
	require.Empty(t, hook.reported())

	// One failure: everything is still tried, and all is asked for again.
	for _, name := range []string{"first m_1", "postback p_1", "all message_reads"} {
		calls = nil
		fail = map[string]error{name: errors.New("queue full")}
		w := hook.deliver(body)
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.Equal(t, "events not handled", w.Body.String())
		require.Equal(t, want, calls)
		require.Equal(t, []error{fail[name]}, hook.reported())
	}
}

func TestOn_EventsComeInTheOrderOfTheBody(t *testing.T) {
	t.Parallel()
	hook := newHook(t, nil)
	var mids []string
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error {
		mids = append(mids, e.MID)
		return nil
	})
	require.Equal(t, http.StatusOK, hook.deliver(hookBatch(2, "a", "b", "a2", "b2")).Code)
	require.Equal(t, []string{"a", "b", "a2", "b2"}, mids)
}

// One function for all events can ask each who it is from and for.
func TestOn_EveryEventHasParties(t *testing.T) {
	t.Parallel()
	hook := newHook(t, nil)
	seen := map[string]int{}
	appevents.On(hook.Webhook, func(_ context.Context, e appevents.WebhookEvent) error {
		sender, recipient, thread := e.Sender(), e.Recipient(), e.Thread()
		if sender.ID != "" && recipient.ID != "" && thread.PSID != "" {
			require.ElementsMatch(t, []appevents.ID{sender.ID, recipient.ID}, []appevents.ID{thread.PageID, thread.PSID})
			seen[fmt.Sprintf("%T", e)]++
		}
		return nil
	})
	for file, body := range hookSamples(t) {
		require.Equal(t, http.StatusOK, hook.deliver(string(body)).Code, file)
	}
	require.Greater(t, seen["*appevents.MessageEvent"], 20)
	require.Positive(t, seen["*appevents.EchoEvent"])
	require.Positive(t, seen["*appevents.CallEvent"])
	require.Positive(t, seen["*appevents.UnknownEvent"])
}

func TestOn_WithoutFunctionsEverythingIsReceived(t *testing.T) {
	t.Parallel()
	hook := newHook(t, nil)
	for file, body := range hookSamples(t) {
		require.Equal(t, http.StatusOK, hook.deliver(string(body)).Code, file)
	}
	require.Empty(t, hook.reported())
}

func TestOn_PanicsAreFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		panic func(e *appevents.MessageEvent)
		cause string
	}{
		{"text of the person", func(e *appevents.MessageEvent) { panic(e.Text) }, "string"},
		{"error", func(e *appevents.MessageEvent) { panic(errors.New(e.Text)) }, "*errors.errorString"},
		{"index", func(e *appevents.MessageEvent) { e.Attachments[2].Type = "x" }, "runtime error: index out of range [2] with length 0"},
		{"nil", func(*appevents.MessageEvent) { panic(nil) }, "panic called with nil argument"},
		{"abort", func(*appevents.MessageEvent) { panic(http.ErrAbortHandler) }, "*errors.errorString"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			hook := newHook(t, nil)
			siblings := 0
			appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error {
				test.panic(e)
				return nil
			})
			appevents.On(hook.Webhook, func(context.Context, *appevents.MessageEvent) error {
				siblings++
				return nil
			})
			require.Equal(t, http.StatusInternalServerError, hook.deliver(hookMessage).Code)
			require.Equal(t, 1, siblings)
			errs := hook.reported()
			require.Len(t, errs, 1)
			var panicked *appevents.PanicError
			require.ErrorAs(t, errs[0], &panicked)
			require.Equal(t, "messages", panicked.Field)
			require.Equal(t, test.cause, panicked.Cause)
			require.Contains(t, string(panicked.Stack), "TestOn_PanicsAreFailures")
			require.Equal(t, "appevents: webhook function panicked on messages: "+test.cause, errs[0].Error())
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				require.NotContains(t, fmt.Sprintf(verb, errs[0]), "canary")
			}
		})
	}

	// A missing function is found at the first event.
	hook := newHook(t, nil)
	appevents.On[*appevents.MessageEvent](hook.Webhook, nil)
	require.Equal(t, http.StatusInternalServerError, hook.deliver(hookMessage).Code)
	require.ErrorContains(t, hook.reported()[0], "nil pointer")

	// A panic of OnError itself stays inside.
	hook = newHook(t, func(cfg *appevents.WebhookConfig) {
		cfg.Concurrency = 2
		cfg.OnError = func(context.Context, error) { panic("again") }
	})
	appevents.On(hook.Webhook, func(context.Context, *appevents.MessageEvent) error { panic("once") })
	require.Equal(t, http.StatusInternalServerError, hook.deliver(hookBatch(2, "a", "b")).Code)

	// Nobody needs to listen.
	hook = newHook(t, func(cfg *appevents.WebhookConfig) { cfg.OnError = nil })
	appevents.On(hook.Webhook, func(context.Context, *appevents.MessageEvent) error { panic("once") })
	require.Equal(t, http.StatusInternalServerError, hook.deliver(hookMessage).Code)
}

func TestWebhook_Deadline(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.Timeout = timeout })
			want := timeout
			if want == 0 {
				want = 4 * time.Second
			}
			start := time.Now()
			var mids []string
			appevents.On(hook.Webhook, func(ctx context.Context, e *appevents.MessageEvent) error {
				mids = append(mids, e.MID)
				deadline, ok := ctx.Deadline()
				require.True(t, ok)
				require.Equal(t, start.Add(want), deadline)
				if e.MID == "slow" {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			})
			w := hook.deliver(hookBatch(1, "a", "slow", "late", "later"))
			require.Equal(t, http.StatusInternalServerError, w.Code)
			require.Equal(t, want, time.Since(start))
			require.Equal(t, []string{"a", "slow"}, mids, "nothing is started after the deadline")
			errs := hook.reported()
			require.Len(t, errs, 2)
			require.Equal(t, context.DeadlineExceeded, errs[0])
			require.ErrorIs(t, errs[1], appevents.ErrWebhookTimeout)
			require.ErrorIs(t, errs[1], context.DeadlineExceeded)
		})
	}
}

func TestWebhook_ContextComesFromTheRequest(t *testing.T) {
	t.Parallel()
	type key struct{}
	hook := newHook(t, nil)
	appevents.On(hook.Webhook, func(ctx context.Context, _ *appevents.MessageEvent) error {
		require.Equal(t, "trace", ctx.Value(key{}))
		return nil
	})
	r := hook.request(hookMessage)
	require.Equal(t, http.StatusOK, hook.serve(r.WithContext(context.WithValue(r.Context(), key{}, "trace"))).Code)

	cancelled, cancel := context.WithCancel(r.Context())
	cancel()
	require.Equal(t, http.StatusInternalServerError,
		hook.serve(hook.request(hookMessage).WithContext(cancelled)).Code)
	require.ErrorIs(t, hook.reported()[0], context.Canceled)
}

func TestWebhook_ConcurrencyIsBoundedAndKeepsThreadsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.Concurrency = 3 })
		var (
			mu            sync.Mutex
			running, most int
			order         = map[appevents.ID][]string{}
		)
		appevents.On(hook.Webhook, func(ctx context.Context, e *appevents.MessageEvent) error {
			mu.Lock()
			running++
			most = max(most, running)
			order[e.Thread().PSID] = append(order[e.Thread().PSID], e.MID)
			mu.Unlock()
			<-time.After(100 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			if e.MID == "c" {
				return errors.New("failed")
			}
			return nil
		})
		start := time.Now()
		w := hook.deliver(hookBatch(5, "a", "b", "c", "d", "e", "a2", "b2", "c2", "d2", "e2"))
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.Equal(t, 3, most)
		require.Equal(t, map[appevents.ID][]string{
			"1": {"a", "a2"}, "2": {"b", "b2"}, "3": {"c", "c2"}, "4": {"d", "d2"}, "5": {"e", "e2"},
		}, order)
		require.Equal(t, 400*time.Millisecond, time.Since(start), "five threads of 200 ms in three lanes")
		require.Len(t, hook.reported(), 1)

		w = hook.deliver(hookBatch(5, "a", "b", "d", "e"))
		require.Equal(t, http.StatusOK, w.Code)
	})
}

func TestWebhook_FunctionsThatEndTheirGoroutineAreFailures(t *testing.T) {
	t.Parallel()
	hook := newHook(t, func(cfg *appevents.WebhookConfig) {
		cfg.Concurrency = 2
		cfg.DedupeWindow = time.Minute
	})
	end := true
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error {
		if e.MID == "a" && end {
			runtime.Goexit()
		}
		return nil
	})
	body := hookBatch(2, "a", "b")
	require.Equal(t, http.StatusInternalServerError, hook.deliver(body).Code)
	end = false
	require.Equal(t, http.StatusOK, hook.deliver(body).Code, "the turn was given back")
}

func TestOn_IsSafeWhileServing(t *testing.T) {
	t.Parallel()
	hook := newHook(t, nil)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 50 {
				appevents.On(hook.Webhook, func(context.Context, *appevents.MessageEvent) error { return nil })
			}
		})
		wait.Go(func() {
			for range 50 {
				if w := hook.deliver(hookMessage); w.Code != http.StatusOK {
					t.Error(w.Code)
				}
			}
		})
	}
	wait.Wait()
	calls := 0
	appevents.On(hook.Webhook, func(context.Context, *appevents.MessageEvent) error {
		calls++
		return nil
	})
	hook.deliver(hookMessage)
	require.Equal(t, 1, calls)
}

func TestWebhook_DedupeWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.DedupeWindow = time.Minute })
		calls := map[string]int{}
		var fail error
		appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error {
			calls[e.MID]++
			if e.MID == "b" {
				return fail
			}
			return nil
		})

		// A failure: only the failed one is tried again.
		fail = errors.New("queue full")
		require.Equal(t, http.StatusInternalServerError, hook.deliver(hookBatch(1, "a", "b", "c")).Code)
		fail = nil
		require.Equal(t, http.StatusOK, hook.deliver(hookBatch(1, "a", "b", "c")).Code)
		require.Equal(t, map[string]int{"a": 1, "b": 2, "c": 1}, calls)

		// All handled: nothing is called, also within one delivery.
		require.Equal(t, http.StatusOK, hook.deliver(hookBatch(1, "a", "b", "c", "a", "d", "d")).Code)
		require.Equal(t, map[string]int{"a": 1, "b": 2, "c": 1, "d": 1}, calls)

		// Until the window ends.
		<-time.After(time.Minute - time.Nanosecond)
		hook.deliver(hookBatch(1, "a"))
		require.Equal(t, 1, calls["a"])
		<-time.After(time.Nanosecond)
		hook.deliver(hookBatch(1, "a"))
		require.Equal(t, 2, calls["a"])
	})
}

func TestWebhook_DedupeWindowIsBounded(t *testing.T) {
	t.Parallel()
	hook := newHook(t, func(cfg *appevents.WebhookConfig) {
		cfg.DedupeWindow = time.Hour
		cfg.DedupeEvents = 3
	})
	var calls []string
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error {
		calls = append(calls, e.MID)
		return nil
	})
	for _, mid := range []string{"a", "b", "c", "a", "d", "a", "d", "c", "b"} {
		require.Equal(t, http.StatusOK, hook.deliver(hookBatch(1, mid)).Code)
	}
	// d pushed a out, a pushed b out, b pushed c out.
	require.Equal(t, []string{"a", "b", "c", "d", "a", "b"}, calls)
}

func TestWebhook_ConcurrentDuplicatesWait(t *testing.T) {
	t.Parallel()
	for _, succeed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.DedupeWindow = time.Minute })
			var mu sync.Mutex
			calls := 0
			appevents.On(hook.Webhook, func(context.Context, *appevents.MessageEvent) error {
				mu.Lock()
				calls++
				first := calls == 1
				mu.Unlock()
				<-time.After(time.Second)
				if first && !succeed {
					return errors.New("queue full")
				}
				return nil
			})
			codes := make([]int, 3)
			var wait sync.WaitGroup
			for i := range codes {
				wait.Go(func() { codes[i] = hook.deliver(hookMessage).Code })
			}
			wait.Wait()
			if succeed {
				require.Equal(t, []int{200, 200, 200}, codes)
				require.Equal(t, 1, calls)
				return
			}
			require.ElementsMatch(t, []int{500, 200, 200}, codes)
			require.Equal(t, 2, calls)
		})
	}

	// Waiting ends with the deadline, and then the event was not handled as far as this delivery knows.
	synctest.Test(t, func(t *testing.T) {
		hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.DedupeWindow = time.Minute })
		release := make(chan struct{})
		appevents.On(hook.Webhook, func(context.Context, *appevents.MessageEvent) error {
			<-release
			return nil
		})
		done := make(chan int)
		go func() { done <- hook.deliver(hookMessage).Code }()
		synctest.Wait()
		require.Equal(t, http.StatusInternalServerError, hook.deliver(hookMessage).Code)
		require.ErrorIs(t, hook.reported()[0], appevents.ErrWebhookTimeout)
		close(release)
		require.Equal(t, http.StatusOK, <-done)
	})
}
