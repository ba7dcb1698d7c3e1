// Package zerotest shows that a queue which its constructor did not make says so. It is for tests.
package zerotest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// Run calls every method of a zero queue. None may panic or wait, and all but Close return an error that wraps
// [delivery.ErrClosed], so that Dispatcher.Run ends, and names the constructor.
func Run(t *testing.T, q delivery.Queue, constructor string) {
	t.Helper()
	ctx := t.Context()
	item := delivery.Item{
		Key: delivery.KeyOf("zero"), Lane: "activities/901", Body: []byte("{}"),
		Submitted: time.Now(), Expires: time.Now().Add(time.Hour),
	}
	for name, method := range map[string]func(context.Context) error{
		"Put": func(ctx context.Context) error {
			_, err := q.Put(ctx, item)
			return err
		},
		"Lease": func(ctx context.Context) error {
			_, err := q.Lease(ctx, 1, nil)
			return err
		},
		"Settle": func(ctx context.Context) error {
			return q.Settle(ctx, delivery.Settlement{Lease: &delivery.Lease{Item: item, ID: "1"}, Verdict: delivery.Done})
		},
		"Pause": func(ctx context.Context) error {
			return q.Pause(ctx, delivery.Pause{Lane: item.Lane, Until: time.Now().Add(time.Hour)})
		},
		"Lanes": func(ctx context.Context) error {
			_, err := q.Lanes(ctx)
			return err
		},
		"Buried": func(ctx context.Context) error {
			_, err := q.Buried(ctx, "", 1)
			return err
		},
		"Unbury": func(ctx context.Context) error {
			_, err := q.Unbury(ctx, delivery.Unburial{ID: "1"})
			return err
		},
		"Counts": func(ctx context.Context) error {
			_, err := q.Counts(ctx)
			return err
		},
	} {
		err, advice := method(ctx), "the queue is zero, make one with "+constructor
		if !errors.Is(err, delivery.ErrClosed) || !strings.Contains(err.Error(), advice) {
			t.Errorf("%s returned %v", name, err)
		}
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close returned %v", err)
	}
}
