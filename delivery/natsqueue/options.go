package natsqueue

import (
	"strings"
	"time"

	"github.com/appevents/appevents-go"
)

const (
	defaultName       = "APPEVENTS"
	defaultReplicas   = 1
	defaultLeaseTime  = time.Minute
	defaultWindow     = 48 * time.Hour
	defaultAckPending = 20_000
)

// config is what the options build. What no option was given for is zero: it is taken from what exists, or else the
// default.
type config struct {
	name       string
	replicas   int
	leaseTime  time.Duration
	window     time.Duration
	ackPending int
	maxBytes   int64
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

// WithLeaseTime sets how long a lease lasts: a request must be over by then. It is a property of the queue and changes
// for all dispatchers, of which those that run already learn nothing: let them all agree, and shorten it only while
// none runs. Defaults to what was set before, and to one minute for a new queue.
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

// WithMaxAckPending bounds how many calls are leased at a time, by all dispatchers together. Like the lease time it
// changes for all. Defaults to what was set before, and to 20,000 for a new queue; each dispatcher leases up to 1,000
// for each of its workers.
func WithMaxAckPending(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return optionError("WithMaxAckPending", "must be positive")
		}
		c.ackPending = n
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
