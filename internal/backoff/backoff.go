// Package backoff waits between attempts, longer each time.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Delay is the wait after the attempt-th attempt, counted from 1: base, doubled with each further one up to limit. Half
// of it is random.
func Delay(base, limit time.Duration, attempt int) time.Duration {
	d := limit
	if shift := attempt - 1; shift < 30 && base<<shift>>shift == base {
		d = min(base<<shift, limit)
	}
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secrecy
}

// Sleep waits for d or until ctx ends, and then returns its error.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
