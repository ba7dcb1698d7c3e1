package memqueue

import "time"

// WithClock sets where the time comes from.
func WithClock(now func() time.Time) Option {
	return func(q *Queue) {
		if now != nil {
			q.now = now
		}
	}
}
