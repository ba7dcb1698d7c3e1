package appevents_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// unsent fails like a dial: nothing reached anybody.
func unsent() httpmock.Responder {
	return httpmock.NewErrorResponder(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
}

// broken fails like a connection that died before the answer.
func broken() httpmock.Responder { return httpmock.NewErrorResponder(io.ErrUnexpectedEOF) }

func graphAnswer(code int, isTransient bool) httpmock.Responder {
	return answer(http.StatusBadRequest, fmt.Sprintf(`{"error":{"message":"m","code":%d,"is_transient":%t}}`, code, isTransient))
}

func TestRetry_RepeatsOnlyWhatIsSafe(t *testing.T) {
	t.Parallel()
	var (
		unknownToo = appevents.RetryPolicy{RetryUnknown: true}
		once       = appevents.RetryPolicy{MaxAttempts: 1}
		five       = appevents.RetryPolicy{MaxAttempts: 5}
	)
	type answers = []httpmock.Responder
	html := answer(http.StatusBadGateway, "<html>")
	for name, test := range map[string]struct {
		policy   appevents.RetryPolicy
		answers  answers // exactly these are asked for
		outcome  appevents.Outcome
		sentinel error
	}{
		"success":                    {answers: answers{success()}, outcome: appevents.OutcomeAccepted},
		"not sent, then success":     {answers: answers{unsent(), success()}, outcome: appevents.OutcomeAccepted},
		"never sent":                 {answers: answers{unsent(), unsent(), unsent()}, outcome: appevents.OutcomeNotSent},
		"never sent, five times":     {five, slices.Repeat(answers{unsent()}, 5), appevents.OutcomeNotSent, nil},
		"never sent, once":           {once, answers{unsent()}, appevents.OutcomeNotSent, nil},
		"transient, then success":    {answers: answers{transient(), transient(), success()}, outcome: appevents.OutcomeAccepted},
		"transient all along":        {answers: answers{transient(), transient(), transient()}, outcome: appevents.OutcomeRefused, sentinel: appevents.ErrTransient},
		"transient, once":            {once, answers{transient()}, appevents.OutcomeRefused, appevents.ErrTransient},
		"transient invalid":          {answers: answers{graphAnswer(100, true), success()}, outcome: appevents.OutcomeAccepted},
		"code 2, not transient":      {answers: answers{graphAnswer(2, false)}, outcome: appevents.OutcomeRefused, sentinel: appevents.ErrTransient},
		"code 1, not transient":      {answers: answers{graphAnswer(1, false)}, outcome: appevents.OutcomeRefused, sentinel: appevents.ErrTransient},
		"invalid":                    {answers: answers{graphAnswer(100, false)}, outcome: appevents.OutcomeRefused, sentinel: appevents.ErrInvalidParameter},
		"success false":              {answers: answers{answer(200, `{"success":false}`)}, outcome: appevents.OutcomeRefused},
		"throttled":                  {answers: answers{graphAnswer(4, false)}, outcome: appevents.OutcomeRefused, sentinel: appevents.ErrThrottled},
		"throttled, transient":       {answers: answers{graphAnswer(4, true)}, outcome: appevents.OutcomeRefused, sentinel: appevents.ErrThrottled},
		"throttled, unknown allowed": {unknownToo, answers{graphAnswer(80006, true)}, appevents.OutcomeRefused, appevents.ErrThrottled},
		"auth, transient":            {answers: answers{graphAnswer(190, true)}, outcome: appevents.OutcomeRefused, sentinel: appevents.ErrAuth},
		"permission, transient":      {answers: answers{graphAnswer(200, true)}, outcome: appevents.OutcomeRefused, sentinel: appevents.ErrPermission},
		"policy, transient":          {answers: answers{graphAnswer(368, true)}, outcome: appevents.OutcomeRefused, sentinel: appevents.ErrPolicy},
		"HTML":                       {answers: answers{html}, outcome: appevents.OutcomeUnknown, sentinel: appevents.ErrUnknownOutcome},
		"broken":                     {answers: answers{broken()}, outcome: appevents.OutcomeUnknown, sentinel: appevents.ErrUnknownOutcome},
		"broken, unknown allowed":    {unknownToo, answers{broken(), success()}, appevents.OutcomeAccepted, nil},
		"HTML, unknown allowed":      {unknownToo, answers{html, success()}, appevents.OutcomeAccepted, nil},
		"always broken, allowed":     {unknownToo, answers{broken(), html, broken()}, appevents.OutcomeUnknown, appevents.ErrUnknownOutcome},
		"refused HTML, allowed":      {unknownToo, answers{answer(404, "<html>")}, appevents.OutcomeRefused, nil},
		// One request that may have been received makes the call unknown, whatever came after it.
		"broken, then never sent": {unknownToo, answers{broken(), unsent(), unsent()}, appevents.OutcomeUnknown, appevents.ErrUnknownOutcome},
		"never sent, then broken": {unknownToo, answers{unsent(), unsent(), broken()}, appevents.OutcomeUnknown, appevents.ErrUnknownOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMock(t, test.answers...)
				result, err := m.client(t, appevents.WithRetry(test.policy)).LogActivity(t.Context(), purchase())
				require.Len(t, m.requests(), len(test.answers))
				require.Equal(t, test.outcome, appevents.OutcomeOf(err), "%v", err)
				requireOnly(t, err, test.sentinel)
				if err == nil {
					require.Equal(t, len(test.answers), result.Attempts)
					require.Equal(t, 1, result.Requests)
					return
				}
				require.Equal(t, len(test.answers), attempts(t, err))
			})
		})
	}
}

// attempts returns how many requests the error says were made.
func attempts(t *testing.T, err error) int {
	t.Helper()
	var (
		call  *appevents.CallError
		graph *appevents.GraphError
	)
	if errors.As(err, &call) {
		return call.Attempts
	}
	require.ErrorAs(t, err, &graph)
	return graph.Attempts
}

func TestRetry_ARefusalAfterAnUnknownRequestStaysUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMock(t, broken(), graphAnswer(190, false))
		_, err := m.client(t, appevents.WithRetry(appevents.RetryPolicy{RetryUnknown: true})).
			LogActivity(t.Context(), purchase())
		require.Equal(t, appevents.OutcomeUnknown, appevents.OutcomeOf(err))
		require.ErrorIs(t, err, appevents.ErrUnknownOutcome)
		require.ErrorIs(t, err, appevents.ErrAuth)
		require.Len(t, m.requests(), 2)
	})
}

func TestRetry_WaitsGrowAndAreCapped(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		policy appevents.RetryPolicy
		waits  []time.Duration // the longest; the shortest is half of it
	}{
		"default":       {appevents.RetryPolicy{}, []time.Duration{250 * ms, 500 * ms}},
		"default limit": {appevents.RetryPolicy{MaxAttempts: 9}, []time.Duration{250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 4000 * ms, 5000 * ms, 5000 * ms, 5000 * ms}},
		"own limit": {
			appevents.RetryPolicy{MaxAttempts: 5, BaseDelay: time.Second, MaxDelay: 3 * time.Second},
			[]time.Duration{1000 * ms, 2000 * ms, 3000 * ms, 3000 * ms},
		},
		"base over the default limit": {
			appevents.RetryPolicy{MaxAttempts: 3, BaseDelay: time.Minute}, []time.Duration{time.Minute, time.Minute},
		},
		"growth past what fits": {
			appevents.RetryPolicy{MaxAttempts: 20, BaseDelay: 100 * day, MaxDelay: 200 * day},
			append([]time.Duration{100 * day}, slices.Repeat([]time.Duration{200 * day}, 18)...),
		},
		"next to none": {appevents.RetryPolicy{MaxAttempts: 3, BaseDelay: 1, MaxDelay: 1}, []time.Duration{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := len(test.waits) + 1
				m := newMock(t, slices.Repeat([]httpmock.Responder{transient()}, n)...)
				_, err := m.client(t, appevents.WithRetry(test.policy)).LogActivity(t.Context(), purchase())
				require.ErrorIs(t, err, appevents.ErrTransient)
				sent := m.requests()
				require.Len(t, sent, n)
				for i, longest := range test.waits {
					waited := sent[i+1].at.Sub(sent[i].at)
					require.LessOrEqual(t, waited, longest, "wait %d", i)
					require.GreaterOrEqual(t, waited, longest/2, "wait %d", i)
				}
			})
		})
	}
}

func TestRetry_WaitsDiffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 20 {
			m := newMock(t, transient(), success())
			_, err := m.client(t).LogActivity(t.Context(), purchase())
			require.NoError(t, err)
			seen[m.requests()[1].at.Sub(m.requests()[0].at)] = true
		}
		require.Greater(t, len(seen), 10, "clients that fail together must not come back together")
	})
}

func TestRetry_StopsWhenTheDeadlineComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // the wait is at least 125 ms
		defer cancel()
		m := newMock(t, transient())
		start := time.Now()
		_, err := m.client(t).LogActivity(ctx, purchase())
		requireOnly(t, err, appevents.ErrTransient)
		require.NotErrorIs(t, err, context.DeadlineExceeded, "the refusal says more than the deadline")
		require.Zero(t, time.Since(start), "there is nothing to wait for")
		require.Equal(t, 1, attempts(t, err))
	})
}

func TestRetry_CancellingTheWaitSurfacesTheContext(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers []httpmock.Responder
		outcome appevents.Outcome
		cause   error
	}{
		"after a refusal":               {[]httpmock.Responder{transient()}, appevents.OutcomeNotSent, appevents.ErrTransient},
		"after a failed dial":           {[]httpmock.Responder{unsent()}, appevents.OutcomeNotSent, nil},
		"after an unknown one":          {[]httpmock.Responder{broken()}, appevents.OutcomeUnknown, io.ErrUnexpectedEOF},
		"after unknown and refused one": {[]httpmock.Responder{broken(), transient()}, appevents.OutcomeUnknown, appevents.ErrTransient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				m := newMock(t, test.answers...)
				client := m.client(t, appevents.WithRetry(appevents.RetryPolicy{
					MaxAttempts: 9, BaseDelay: time.Hour, MaxDelay: time.Hour, RetryUnknown: true,
				}))
				type result struct {
					err error
					at  time.Time
				}
				done := make(chan result)
				go func() {
					_, err := client.LogActivity(ctx, purchase())
					done <- result{err, time.Now()}
				}()
				var stopped time.Time
				for synctest.Wait(); ; synctest.Wait() {
					if stopped = time.Now(); len(m.requests()) == len(test.answers) {
						break
					}
					<-time.After(time.Minute)
				}
				cancel()
				r := <-done
				require.Equal(t, stopped, r.at, "at once")
				require.ErrorIs(t, r.err, context.Canceled)
				require.Equal(t, test.outcome, appevents.OutcomeOf(r.err), "%v", r.err)
				require.Equal(t, test.outcome == appevents.OutcomeUnknown, errors.Is(r.err, appevents.ErrUnknownOutcome))
				require.Equal(t, len(test.answers), attempts(t, r.err))
				require.NotContains(t, r.err.Error(), "\n")
				if test.cause != nil {
					require.ErrorIs(t, r.err, test.cause)
				}
			})
		})
	}
}

func TestRetry_DoesNotBeginAfterTheContextEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	requests := 0
	client := mustClient(t, appevents.WithHTTPClient(&http.Client{
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			requests++
			cancel()
			return transient()(r)
		}),
	}))
	_, err := client.LogActivity(ctx, purchase())
	requireOnly(t, err, appevents.ErrTransient)
	require.NotErrorIs(t, err, context.Canceled, "the answer came all the same")
	require.Equal(t, 1, requests)

	_, err = client.LogActivity(ctx, purchase())
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err))
	require.Zero(t, attempts(t, err), "no request was started")
	require.Equal(t, 1, requests)
}

func TestRetry_SendsTheSameRequestAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opts := []appevents.Option{
			appevents.WithAccessToken(coreToken), appevents.WithAppSecret(coreSecret),
			appevents.WithRetry(appevents.RetryPolicy{RetryUnknown: true}),
		}
		calls := map[string]func(*appevents.Client) error{
			"activity": func(c *appevents.Client) error {
				_, err := c.LogActivity(t.Context(), purchase())
				return err
			},
			"install": func(c *appevents.Client) error {
				_, err := c.LogInstall(t.Context(), install())
				return err
			},
			"page activity": func(c *appevents.Client) error {
				_, err := c.LogPageActivity(t.Context(), pagePurchase())
				return err
			},
		}
		for name, call := range calls {
			for _, extra := range [][]appevents.Option{nil, {appevents.WithTokenInBody()}} {
				m := newMock(t, unsent(), broken(), success())
				require.NoError(t, call(m.client(t, append(extra, opts...)...)), name)
				sent := m.requests()
				require.Len(t, sent, 3)
				require.NotEmpty(t, sent[0].body)
				for _, again := range sent[1:] {
					again.at = sent[0].at
					require.Equal(t, sent[0], again, name)
				}
			}
		}
	})
}

func TestRetry_AsksForTheTokenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		source := appevents.TokenFunc(func(context.Context, appevents.Scope) (string, error) {
			asked++
			return fmt.Sprintf("token-number-%d", asked), nil
		})
		m := newMock(t, transient(), success())
		_, err := m.client(t, appevents.WithTokenSource(source)).LogActivity(t.Context(), purchase())
		require.NoError(t, err)
		require.Equal(t, "Bearer token-number-1", m.requests()[0].header.Get("Authorization"))
		require.Equal(t, "Bearer token-number-2", m.requests()[1].header.Get("Authorization"))
	})
}

// watchedBody is a body that knows whether it was read to its end and closed.
type watchedBody struct {
	io.Reader
	ended, closed bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.ended = b.ended || err == io.EOF
	return n, err
}

func (b *watchedBody) Close() error {
	b.closed = true
	return nil
}

func TestRetry_DrainsAndClosesEveryBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var bodies []*watchedBody
		respond := func(status int, text string) httpmock.Responder {
			return func(*http.Request) (*http.Response, error) {
				for _, b := range bodies {
					require.True(t, b.ended && b.closed, "before the next request")
				}
				body := &watchedBody{Reader: strings.NewReader(text)}
				bodies = append(bodies, body)
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: body}, nil
			}
		}
		m := newMock(t, respond(500, `{"error":{"code":2,"is_transient":true}}`), respond(502, "<html>"), respond(200, coreSuccess))
		_, err := m.client(t, appevents.WithRetry(appevents.RetryPolicy{RetryUnknown: true})).
			LogActivity(t.Context(), purchase())
		require.NoError(t, err)
		require.Len(t, bodies, 3)
		for _, b := range bodies {
			require.True(t, b.ended && b.closed)
		}
	})
}

func TestRetry_NeverRepeatsWhatFailedBeforeTheRequest(t *testing.T) {
	t.Parallel()
	asked := 0
	failing := appevents.TokenFunc(func(context.Context, appevents.Scope) (string, error) {
		asked++
		return "", errors.New("the vault is sealed")
	})
	m := newMock(t)
	_, err := m.client(t, appevents.WithTokenSource(failing)).LogActivity(t.Context(), purchase())
	require.ErrorContains(t, err, "the vault is sealed")
	require.Equal(t, 1, asked)
	require.Zero(t, attempts(t, err))
	require.Empty(t, m.requests())
}
