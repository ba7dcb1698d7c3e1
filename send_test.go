package appevents_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

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
