package appevents_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

func TestClient_WithTimeout_BoundsOneRequest(t *testing.T) {
	t.Parallel()
	slowSource := appevents.TokenFunc(func(ctx context.Context, _ appevents.Scope) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	for name, test := range map[string]struct {
		opts    []appevents.Option
		limit   time.Duration // of the caller
		elapsed time.Duration
		outcome appevents.Outcome
	}{
		"default":           {elapsed: 10 * time.Second, outcome: appevents.OutcomeUnknown},
		"option":            {[]appevents.Option{appevents.WithTimeout(3 * time.Second)}, 0, 3 * time.Second, appevents.OutcomeUnknown},
		"caller's deadline": {nil, time.Second, time.Second, appevents.OutcomeUnknown},
		"slow token source": {
			[]appevents.Option{appevents.WithTokenSource(slowSource)}, 0, 10 * time.Second, appevents.OutcomeNotSent,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := newMock(t, hang).client(t, test.opts...)
				ctx := t.Context()
				if test.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.limit)
					defer cancel()
				}
				start := time.Now()
				_, err := client.LogActivity(ctx, purchase())
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, test.outcome, appevents.OutcomeOf(err))
				require.Equal(t, test.elapsed, time.Since(start))
			})
		})
	}
}

// A transport may go on reading a body after it was answered. What is written for the repeat must not reach it.
func TestRetry_LeavesTheBodyOfAnEarlierRequestAlone(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *appevents.Client) error{
		"form": func(ctx context.Context, c *appevents.Client) error {
			_, err := c.LogActivity(ctx, purchase())
			return err
		},
		"JSON": func(ctx context.Context, c *appevents.Client) error {
			_, err := c.SendConversions(ctx, convDataset, lead(1), lead(2))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var bodies []io.Reader
				client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithAppSecret(coreSecret),
					appevents.WithProofTime(), appevents.WithRetry(appevents.RetryPolicy{BaseDelay: time.Minute, MaxDelay: time.Hour}),
					appevents.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						if bodies = append(bodies, r.Body); len(bodies) < 3 {
							return httpmock.NewStringResponse(500, `{"error":{"code":2,"is_transient":true}}`), nil
						}
						return httpmock.NewStringResponse(200, `{"events_received":2}`), nil
					})}))
				require.NoError(t, call(t.Context(), client))
				require.Len(t, bodies, 3)
				seen := make(map[string]bool)
				for _, body := range bodies {
					text, err := io.ReadAll(body)
					require.NoError(t, err)
					_, stamp, ok := strings.Cut(string(text), "appsecret_time")
					require.True(t, ok, "%s", text)
					require.Equal(t, 1, strings.Count(string(text), "appsecret_proof"))
					require.Equal(t, name == "JSON", json.Valid(text))
					seen[stamp] = true
				}
				require.Len(t, seen, 3, "each request has its own time")
			})
		})
	}
}
