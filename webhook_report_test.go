// Tests of webhook_dispatch.go and webhook.go: what goes wrong, and who is told.

package appevents_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// hookLog is what a Webhook logged, a map for each line.
func hookLog(t *testing.T, out *bytes.Buffer) (lines []map[string]any) {
	t.Helper()
	dec := json.NewDecoder(out)
	for {
		var line map[string]any
		err := dec.Decode(&line)
		if errors.Is(err, io.EOF) {
			return lines
		}
		require.NoError(t, err)
		delete(line, "time")
		lines = append(lines, line)
	}
}

func TestWebhook_LogsWhatGoesWrong(t *testing.T) {
	t.Parallel()
	const canaryMessage = `{"object":"page","entry":[{"id":"107","messaging":[{"sender":{"id":"654"},"recipient":{"id":"107"},
		"message":{"mid":"m_1","text":"canary"}}]}]}`
	get := func(query string) func(*testHook) *http.Request {
		return func(*testHook) *http.Request { return httptest.NewRequest(http.MethodGet, "/?"+query, nil) }
	}
	post := func(body string, change func(r *http.Request)) func(*testHook) *http.Request {
		return func(h *testHook) *http.Request {
			r := h.request(body)
			if change != nil {
				change(r)
			}
			return r
		}
	}
	header := func(name, value string) func(r *http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	const refused, failed = "appevents: webhook request refused", "appevents: webhook function failed"
	for _, test := range []struct {
		name    string
		request func(*testHook) *http.Request
		fail    error
		want    map[string]any
	}{
		{"fine", post(canaryMessage, nil), nil, nil},
		{"handshake", get("hub.mode=subscribe&hub.verify_token=" + hookToken + "&hub.challenge=1"), nil, nil},
		{"mode", get("hub.mode=canary&hub.verify_token=" + hookToken + "&hub.challenge=1"), nil,
			map[string]any{"level": "WARN", "msg": refused, "check": "hub.mode", "error": appevents.ErrBadHandshake.Error()}},
		{"token", get("hub.mode=subscribe&hub.verify_token=canary&hub.challenge=1"), nil,
			map[string]any{"level": "WARN", "msg": refused, "check": "hub.verify_token", "error": appevents.ErrBadHandshake.Error()}},
		{"challenge", get("hub.mode=subscribe&hub.verify_token=" + hookToken), nil,
			map[string]any{"level": "WARN", "msg": refused, "check": "hub.challenge", "error": appevents.ErrBadHandshake.Error()}},
		{"not signed", post(canaryMessage, func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }), nil,
			map[string]any{"level": "WARN", "msg": refused, "error": appevents.ErrNotSigned.Error()}},
		{"signature of another kind", post(canaryMessage, header("X-Hub-Signature-256", "canary")), nil,
			map[string]any{"level": "WARN", "msg": refused, "error": appevents.ErrBadSignatureHeader.Error()}},
		{"wrong secret", post(canaryMessage, header("X-Hub-Signature-256", "sha256="+strings.Repeat("ca", 32))), nil,
			map[string]any{"level": "WARN", "msg": refused, "error": appevents.ErrSignatureMismatch.Error()}},
		{"form", post(canaryMessage, header("Content-Type", "text/canary")), nil,
			map[string]any{"level": "WARN", "msg": refused, "error": "appevents: webhook body not read: content type is not JSON"}},
		{"compressed", post(canaryMessage, header("Content-Encoding", "gzip")), nil,
			map[string]any{"level": "WARN", "msg": refused, "error": "appevents: webhook body not read: it is compressed"}},
		{"not JSON", post("canary", nil), nil, map[string]any{"level": "WARN", "msg": "appevents: webhook body unreadable",
			"error": "appevents: not a webhook envelope: invalid JSON at byte 0"}},
		{"partly", post(`{"entry":[{"messaging":[{"message":{"mid":{"canary":1}}}]}]}`, nil), nil,
			map[string]any{"level": "WARN", "msg": "appevents: webhook event partly unreadable", "field": "messages",
				"error": "appevents: webhook event partly unreadable: message.mid: must be text (type)"}},
		{"function", post(canaryMessage, nil), errors.New("queue full"),
			map[string]any{"level": "ERROR", "msg": failed, "field": "messages", "permanent": false, "error": "queue full"}},
		{"function, for good", post(canaryMessage, nil), &appevents.ValidationError{},
			map[string]any{"level": "ERROR", "msg": failed, "field": "messages", "permanent": true,
				"error": "appevents: invalid call"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.Logger = slog.New(slog.NewJSONHandler(&out, nil)) })
			appevents.On(hook.Webhook, func(context.Context, *appevents.MessageEvent) error { return test.fail })
			w := hook.serve(test.request(hook))
			require.NotContains(t, out.String(), "canary")
			require.NotContains(t, out.String(), hookToken)
			require.NotContains(t, out.String(), hookSecret)
			lines, errs := hookLog(t, &out), hook.reported()
			if test.want == nil {
				require.Equal(t, http.StatusOK, w.Code)
				require.Empty(t, lines)
				require.Empty(t, errs)
				return
			}
			require.Equal(t, []map[string]any{test.want}, lines)
			require.Len(t, errs, 1, "OnError is told the same")
			require.Equal(t, test.want["error"], errs[0].Error())
		})
	}
}

func TestWebhook_LogsPanicsAndDeadlines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logged := func(cfg *appevents.WebhookConfig) {
		cfg.Logger, cfg.OnError = slog.New(slog.NewJSONHandler(&out, nil)), nil
	}
	hook := newHook(t, logged)
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error { panic(e.Text) })
	require.Equal(t, http.StatusInternalServerError, hook.deliver(hookMessage).Code)
	require.NotContains(t, out.String(), "canary")
	lines := hookLog(t, &out)
	require.Len(t, lines, 1)
	require.Contains(t, lines[0]["stack"], "TestWebhook_LogsPanicsAndDeadlines")
	require.Equal(t, "appevents: webhook function panicked on messages: string", lines[0]["error"])

	synctest.Test(t, func(t *testing.T) {
		hook := newHook(t, logged)
		appevents.On(hook.Webhook, func(ctx context.Context, _ *appevents.MessageEvent) error {
			<-ctx.Done()
			return nil
		})
		require.Equal(t, http.StatusInternalServerError, hook.deliver(hookBatch(1, "a", "b")).Code)
		require.Equal(t, []map[string]any{{"level": "ERROR", "msg": "appevents: webhook timed out",
			"error": "appevents: webhook events left unhandled at the deadline: context deadline exceeded"}}, hookLog(t, &out))
	})

	// What listens may itself be broken.
	for name, logger := range map[string]*slog.Logger{"panics": slog.New(brokenHandler{}), "none": nil} {
		hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.Logger = logger })
		appevents.On(hook.Webhook, func(context.Context, *appevents.MessageEvent) error { return brokenError{} })
		require.Equal(t, http.StatusInternalServerError, hook.deliver(hookMessage).Code, name)
		require.Len(t, hook.reported(), 1)
	}
}

type brokenHandler struct{ slog.Handler }

func (brokenHandler) Enabled(context.Context, slog.Level) bool { panic("broken") }

type brokenError struct{}

func (brokenError) Error() string { panic("broken") }

func TestIsPermanent(t *testing.T) {
	t.Parallel()
	invalid := &appevents.ValidationError{Issues: []appevents.Issue{{Path: "consent", Rule: appevents.RuleRequired}}}
	refused := func(code int) error { return &appevents.GraphError{StatusCode: http.StatusBadRequest, Code: code} }
	full := errors.New("queue full")
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"nil":                         {nil, false},
		"another":                     {full, false},
		"invalid":                     {invalid, true},
		"invalid, wrapped":            {fmt.Errorf("order 5: %w", invalid), true},
		"invalid, wrapped twice":      {fmt.Errorf("a: %w", fmt.Errorf("b: %w", invalid)), true},
		"parameter":                   {refused(100), true},
		"permission":                  {refused(200), true},
		"policy":                      {refused(368), true},
		"unknown object":              {refused(803), true},
		"unknown code":                {refused(9999), true},
		"throttled":                   {refused(613), false},
		"token":                       {refused(190), false},
		"transient":                   {refused(2), false},
		"transient by its own word":   {&appevents.GraphError{StatusCode: 400, Code: 9999, Transient: true}, false},
		"too many requests":           {&appevents.GraphError{StatusCode: 429}, false},
		"gateway":                     {&appevents.GraphError{StatusCode: 503}, false},
		"not sent":                    {&appevents.CallError{Outcome: appevents.OutcomeNotSent, Err: full}, false},
		"unknown outcome":             {&appevents.CallError{Outcome: appevents.OutcomeUnknown, Err: refused(100)}, false},
		"no token":                    {appevents.ErrNoToken, false},
		"deadline":                    {context.DeadlineExceeded, false},
		"both for good":               {errors.Join(invalid, refused(100)), true},
		"one for good":                {errors.Join(invalid, full), false},
		"the other for good":          {fmt.Errorf("%w, %w", full, invalid), false},
		"some conversions":            {conversionsError(invalid, refused(2)), false},
		"all conversions":             {conversionsError(invalid, refused(100)), true},
		"part of the events":          {&appevents.PartialError{Accepted: 1, Err: refused(100)}, true},
		"part of the events, for now": {&appevents.PartialError{Accepted: 1, Err: refused(2)}, false},
		"nil of the type":             {(*appevents.ValidationError)(nil), false},
		"nothing joined":              {emptyError{}, false},
	} {
		require.Equal(t, test.want, appevents.IsPermanent(test.err), name)
	}
}

func conversionsError(errs ...error) error {
	e := &appevents.ConversionsError{Total: len(errs)}
	for i, err := range errs {
		e.Failed = append(e.Failed, appevents.ConversionFailure{Index: i, Err: err})
	}
	return e
}

type emptyError struct{}

func (emptyError) Error() string   { return "nothing" }
func (emptyError) Unwrap() []error { return nil }

func TestWebhook_PermanentErrorsAreNotAskedForAgain(t *testing.T) {
	t.Parallel()
	invalid := fmt.Errorf("order: %w", &appevents.ValidationError{})
	full := errors.New("queue full")
	never := func(error) bool { return false }
	for _, test := range []struct {
		name        string
		isPermanent func(error) bool
		errs        []error // of the functions
		status      int
	}{
		{"permanent", nil, []error{invalid}, http.StatusOK},
		{"refused for good", nil, []error{&appevents.GraphError{StatusCode: 400, Code: 100}}, http.StatusOK},
		{"throttled", nil, []error{&appevents.GraphError{StatusCode: 400, Code: 4}}, http.StatusInternalServerError},
		{"another", nil, []error{full}, http.StatusInternalServerError},
		{"both", nil, []error{invalid, full}, http.StatusInternalServerError},
		{"both, the other way round", nil, []error{full, invalid}, http.StatusInternalServerError},
		{"two permanent", nil, []error{invalid, invalid}, http.StatusOK},
		{"switched off", never, []error{invalid}, http.StatusInternalServerError},
		{"own rule", func(err error) bool { return errors.Is(err, full) }, []error{full}, http.StatusOK},
		{"own rule panics", func(error) bool { panic("broken") }, []error{invalid}, http.StatusInternalServerError},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, concurrency := range []int{1, 2} {
				hook := newHook(t, func(cfg *appevents.WebhookConfig) {
					cfg.IsPermanent, cfg.Concurrency = test.isPermanent, concurrency
				})
				called := 0
				for _, err := range test.errs {
					appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error {
						if e.MID != "bad" {
							return nil
						}
						called++
						return err
					})
				}
				require.Equal(t, test.status, hook.deliver(hookBatch(2, "good", "bad")).Code)
				require.Equal(t, len(test.errs), called)
				require.Equal(t, test.errs, hook.reported(), "it is reported all the same")
			}
		})
	}

	// In a window it counts as handled: when a sibling brings the delivery back, it is not tried again.
	hook := newHook(t, func(cfg *appevents.WebhookConfig) { cfg.DedupeWindow = time.Hour })
	calls := map[string]int{}
	appevents.On(hook.Webhook, func(_ context.Context, e *appevents.MessageEvent) error {
		calls[e.MID]++
		return map[string]error{"invalid": invalid, "full": full}[e.MID]
	})
	for range 3 {
		require.Equal(t, http.StatusInternalServerError, hook.deliver(hookBatch(1, "fine", "invalid", "full")).Code)
	}
	require.Equal(t, map[string]int{"fine": 1, "invalid": 1, "full": 3}, calls)
}

func TestWebhook_BodiesReadByMiddleware(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		middleware func(r *http.Request)
		status     int
		err        error
	}{
		"leaves it alone": {func(*http.Request) {}, http.StatusOK, nil},
		"reads all":       {func(r *http.Request) { _, _ = io.ReadAll(r.Body) }, http.StatusBadRequest, appevents.ErrBodyConsumed},
		"reads a part": {func(r *http.Request) { _, _ = io.ReadFull(r.Body, make([]byte, 10)) }, http.StatusBadRequest,
			appevents.ErrBodyConsumed},
		"closes it": {func(r *http.Request) { _ = r.Body.Close() }, http.StatusBadRequest, appevents.ErrBodyConsumed},
		"takes it":  {func(r *http.Request) { r.Body = http.NoBody }, http.StatusBadRequest, appevents.ErrBodyConsumed},
		"parses a form": {func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			_ = r.ParseForm()
			r.Header.Set("Content-Type", "application/json")
		}, http.StatusBadRequest, appevents.ErrBodyConsumed},
		"hands on a copy": {func(r *http.Request) {
			data, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(data))
		}, http.StatusOK, nil},
		"hands on something longer": {func(r *http.Request) {
			data, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(data) + " "))
		}, http.StatusForbidden, appevents.ErrSignatureMismatch},
		"reads nothing, wrong secret": {func(r *http.Request) {
			r.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
		}, http.StatusForbidden, appevents.ErrSignatureMismatch},
	} {
		for _, chunked := range []bool{false, true} {
			if chunked && name == "reads a part" {
				continue // nothing says how long it was
			}
			hook := newHook(t, nil)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				test.middleware(r)
				hook.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			r := hook.request(hookMessage)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, r.Body)
			require.NoError(t, err)
			req.Header, req.ContentLength = r.Header, r.ContentLength
			if chunked {
				req.ContentLength = -1
			}
			resp, err := server.Client().Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, test.status, resp.StatusCode, "%s %v", name, chunked)
			errs := hook.reported()
			if test.err == nil {
				require.Empty(t, errs)
				continue
			}
			require.Len(t, errs, 1)
			require.ErrorIs(t, errs[0], test.err, "%s %v", name, chunked)
			if test.status == http.StatusBadRequest {
				require.ErrorIs(t, errs[0], appevents.ErrWebhookBody)
				require.NotErrorIs(t, errs[0], appevents.ErrSignatureMismatch)
			}
		}
	}
}

func TestWebhook_NilAndZeroAnswerClearly(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]*appevents.Webhook{"nil": nil, "zero": {}} {
		require.NotPanics(t, func() {
			appevents.On(hook, func(context.Context, appevents.WebhookEvent) error {
				t.Error("called")
				return nil
			})
		}, name)
		server := httptest.NewServer(hook)
		t.Cleanup(server.Close)
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodHead} {
			for _, body := range []string{"", hookMessage} {
				req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/?hub.mode=subscribe&hub.challenge=1",
					strings.NewReader(body))
				require.NoError(t, err)
				req.Header = newHook(t, nil).request(body).Header
				resp, err := server.Client().Do(req)
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
				if method != http.MethodHead {
					require.Contains(t, string(text), "appevents.NewWebhook")
				}
			}
		}
	}
}

// The context of a function behaves as that of context.WithTimeout, which it saves where nobody needs it.
func TestWebhook_Context(t *testing.T) {
	t.Parallel()
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		hook := newHook(t, nil)
		var kept, child context.Context
		var cancel context.CancelFunc
		appevents.On(hook.Webhook, func(ctx context.Context, e *appevents.MessageEvent) error {
			kept = ctx //nolint:fatcontext // to look at it afterwards
			require.NoError(t, ctx.Err())
			require.Nil(t, ctx.Value(key{}))
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, 4*time.Second, time.Until(deadline))
			switch e.MID {
			case "asks late":
				<-time.After(4 * time.Second)
				require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded, "without a timer")
				<-ctx.Done()
				require.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
			case "waits":
				inner, cancel := context.WithCancel(context.WithValue(ctx, key{}, 1))
				defer cancel()
				<-inner.Done()
				require.ErrorIs(t, inner.Err(), context.DeadlineExceeded)
				require.ErrorIs(t, context.Cause(inner), context.DeadlineExceeded)
				require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			case "leaves one behind":
				child, cancel = context.WithTimeout(ctx, time.Hour)
			}
			return nil
		})
		for _, mid := range []string{"quick", "asks late", "waits", "leaves one behind"} {
			hook.deliver(hookBatch(1, mid))
			// It ends with the answer at the latest, as the request's own does.
			<-kept.Done()
			require.Error(t, kept.Err())
		}

		// Why it ended does not change when somebody asks later.
		hook = newHook(t, nil)
		appevents.On(hook.Webhook, func(ctx context.Context, e *appevents.MessageEvent) error {
			kept = ctx //nolint:fatcontext // to look at it afterwards
			<-time.After(5 * time.Second)
			if e.MID == "asks" {
				require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			}
			return nil
		})
		for mid, want := range map[string]error{"asks": context.DeadlineExceeded, "does not": context.Canceled} {
			hook.deliver(hookBatch(1, mid))
			for range 2 {
				require.ErrorIs(t, kept.Err(), want)
				<-kept.Done()
			}
		}
		<-child.Done()
		require.ErrorIs(t, child.Err(), context.Canceled)
		cancel()

		// The request's own deadline and end count.
		hook = newHook(t, nil)
		appevents.On(hook.Webhook, func(ctx context.Context, e *appevents.MessageEvent) error {
			deadline, _ := ctx.Deadline()
			require.Equal(t, time.Second, time.Until(deadline))
			require.Equal(t, 1, ctx.Value(key{}))
			<-ctx.Done()
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			return nil
		})
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, 1), time.Second)
		defer cancel()
		hook.serve(hook.request(hookMessage).WithContext(ctx))

		hook = newHook(t, nil)
		ctx, cancel = context.WithCancel(t.Context())
		appevents.On(hook.Webhook, func(ctx context.Context, e *appevents.MessageEvent) error {
			cancel()
			require.ErrorIs(t, ctx.Err(), context.Canceled)
			<-ctx.Done()
			return nil
		})
		hook.serve(hook.request(hookMessage).WithContext(ctx))
	})
}
