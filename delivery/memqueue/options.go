package memqueue

import "time"

// Defaults of the options.
const (
	defaultCapacity  = 1_000_000
	defaultLeaseTime = time.Minute
	defaultWindow    = 48 * time.Hour
	defaultBuriedAge = 30 * 24 * time.Hour
	buriedShare      = 4 // buried items take at most a quarter of the capacity
)

// Option changes a [Queue].
type Option func(*Queue)

// WithCapacity sets how many items the queue holds, buried ones included; more are refused with [delivery.ErrFull]. It
// remembers as many keys, and forgets the oldest before its time for a newer one. Defaults to 1,000,000. Values below 1
// are ignored.
func WithCapacity(n int) Option {
	return func(q *Queue) {
		if n > 0 {
			q.capacity = n
		}
	}
}

// WithLeaseTime sets how long a lease lasts. Defaults to one minute. Values below 1 are ignored.
func WithLeaseTime(d time.Duration) Option {
	return func(q *Queue) {
		if d > 0 {
			q.leaseTime = d
		}
	}
}

// WithWindow sets how long a key is remembered, unless there are too many (see [WithCapacity]). Defaults to 48 hours:
// Meta repeats a webhook for up to 36. Values below 1 are ignored.
func WithWindow(d time.Duration) Option {
	return func(q *Queue) {
		if d > 0 {
			q.window = d
		}
	}
}

// WithBuriedAge sets how long a buried item is kept before it is dropped. Defaults to 30 days. Values below 1 are
// ignored.
func WithBuriedAge(d time.Duration) Option {
	return func(q *Queue) {
		if d > 0 {
			q.buriedAge = d
		}
	}
}

// WithBuriedLimit sets how many buried items are kept; then the oldest are dropped for new ones. Defaults to a quarter
// of the capacity. Values below 1 are ignored.
func WithBuriedLimit(n int) Option {
	return func(q *Queue) {
		if n > 0 {
			q.buriedLimit = n
		}
	}
}
