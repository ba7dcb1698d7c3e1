package natsqueue

import (
	"strings"
	"time"

	"github.com/appevents/appevents-go"
)

const (
	defaultName        = "APPEVENTS"
	defaultReplicas    = 1
	defaultLeaseTime   = time.Minute
	defaultWindow      = 48 * time.Hour
	defaultBuriedAge   = 30 * 24 * time.Hour
	defaultBuriedLimit = 250_000
)

// config is what the options build. What no option was given for is zero: it is taken from what exists, or else the
// default.
type config struct {
	name        string
	replicas    int
	leaseTime   time.Duration
	window      time.Duration
	maxBytes    int64
	buriedAge   time.Duration
	buriedLimit int
	wall        func() time.Time // tells the time of day
}

// Option sets one property of a [Queue]. One with a value that cannot work makes [Open] return an
// [*appevents.ConfigError].
type Option func(*config) error

func optionError(option, reason string) error {
	return &appevents.ConfigError{Field: "natsqueue." + option, Reason: reason}
}

const nameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// WithName sets the name of the stream and its subjects, from which the other names are made: letters, digits, hyphens
// and underscores, at most 100. Queues of different names have nothing in common. Defaults to APPEVENTS.
func WithName(name string) Option {
	return func(c *config) error {
		if name == "" || len(name) > 100 || strings.Trim(name, nameCharacters) != "" {
			return optionError("WithName", "must be up to 100 letters, digits, hyphens and underscores")
		}
		c.name = name
		return nil
	}
}

// WithReplicas sets on how many servers the queue is kept: 1, 3 or 5. [Open] fails when it exists with fewer. Defaults
// to what exists, and to 1 for a new queue.
func WithReplicas(n int) Option {
	return func(c *config) error {
		if n != 1 && n != 3 && n != 5 {
			return optionError("WithReplicas", "must be 1, 3 or 5")
		}
		c.replicas = n
		return nil
	}
}

// WithLeaseTime sets how long the leases of this process last: a request must be over by then. Others may have another
// one. Defaults to one minute.
func WithLeaseTime(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return optionError("WithLeaseTime", "the time must be positive")
		}
		c.leaseTime = d
		return nil
	}
}

// WithWindow sets how long the servers remember a key, in their memory: about 150 bytes each. [Open] fails when the
// queue exists with a shorter window. Defaults to what exists, and to 48 hours for a new queue: Meta repeats a webhook
// for up to 36. At least 100 ms; windows shorter than a few minutes are for tests, since the queue itself relies on
// them when a call that it moves meets an outage.
func WithWindow(d time.Duration) Option {
	return func(c *config) error {
		if d < 100*time.Millisecond {
			return optionError("WithWindow", "must be at least 100 ms")
		}
		c.window = d
		return nil
	}
}

// WithMaxBytes bounds the calls that wait, in bytes as stored on one server: Put fails with [delivery.ErrFull] once
// those to deliver now take this much, or those for later do. [Open] fails when the queue exists with another limit.
// Defaults to what exists, and to no limit but the servers' own for a new queue.
func WithMaxBytes(n int64) Option {
	return func(c *config) error {
		if n < 1 {
			return optionError("WithMaxBytes", "must be positive")
		}
		c.maxBytes = n
		return nil
	}
}

// WithBuriedAge sets how long a buried call is kept before the servers drop it. Like the limit of [WithBuriedLimit] it
// is a property of the queue, and changes for all. Defaults to what was set before, and to 30 days for a new queue. At
// least 100 ms.
func WithBuriedAge(d time.Duration) Option {
	return func(c *config) error {
		if d < 100*time.Millisecond {
			return optionError("WithBuriedAge", "must be at least 100 ms")
		}
		c.buriedAge = d
		return nil
	}
}

// WithBuriedLimit sets how many buried calls are kept; then the servers drop the oldest for new ones. Defaults to what
// was set before, and to 250,000 for a new queue, which take a quarter of the bytes of [WithMaxBytes] at most, or 1 MiB
// where that is more.
func WithBuriedLimit(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return optionError("WithBuriedLimit", "must be positive")
		}
		c.buriedLimit = n
		return nil
	}
}
