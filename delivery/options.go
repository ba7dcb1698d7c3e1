package delivery

import (
	"context"
	"log/slog"
	"time"

	"github.com/appevents/appevents-go"
)

// Policy says what becomes of a call whose outcome is unknown: it was sent and no usable answer came, or the process
// that sent it died or lost its queue before the answer was written down.
type Policy uint8

const (
	// AtLeastOnce sends it again: nothing is lost, and an event can be counted twice. It is the default.
	//
	// On /activities and /page_activities Meta documents no de-duplication for messaging events; for app events it
	// counts those with the same Event.ID once where it de-duplicates at all. Conversions carry a stable ID, yet for
	// business messaging Meta says that it does not de-duplicate. A repeated install is for Meta to attribute once.
	AtLeastOnce Policy = iota

	// AtMostOnce buries it with [ReasonUnknown]: nothing is counted twice, and it is yours to decide about each such
	// call. Every request is noted in the queue before it is made, which costs one more write.
	AtMostOnce
)

// String returns "at least once" or "at most once".
func (p Policy) String() string {
	if p == AtMostOnce {
		return "at most once"
	}
	return "at least once"
}

const (
	defaultWorkers  = 64
	maxWorkers      = 1024
	defaultMaxAge   = 7 * 24 * time.Hour
	defaultMinDelay = time.Second
	defaultMaxDelay = 5 * time.Minute
	defaultGrace    = 10 * time.Second
)

// config is what the options build.
type config struct {
	workers  int
	policy   Policy
	maxAge   time.Duration
	minDelay time.Duration
	maxDelay time.Duration
	grace    time.Duration
	logger   *slog.Logger
	observer func(context.Context, Settled)
}

// Option sets one property of a [Dispatcher]. One with a value that cannot work makes [New] return an
// [*appevents.ConfigError].
type Option func(*config) error

func optionError(option, reason string) error {
	return &appevents.ConfigError{Field: "delivery." + option, Reason: reason}
}

// WithWorkers sets how many requests are under way at a time at most. Defaults to 64; at most 1,024.
func WithWorkers(n int) Option {
	return func(c *config) error {
		if n < 1 || n > maxWorkers {
			return optionError("WithWorkers", "must be between 1 and 1024")
		}
		c.workers = n
		return nil
	}
}

// WithPolicy sets what becomes of calls whose outcome is unknown. Defaults to [AtLeastOnce].
func WithPolicy(p Policy) Option {
	return func(c *config) error {
		if p > AtMostOnce {
			return optionError("WithPolicy", "must be AtLeastOnce or AtMostOnce")
		}
		c.policy = p
		return nil
	}
}

// WithMaxAge sets how long after its Submit a call is given up and buried with [ReasonExpired]. Conversions expire
// seven days after their event in any case: Meta refuses older ones. Defaults to seven days.
func WithMaxAge(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return optionError("WithMaxAge", "the age must be positive")
		}
		c.maxAge = d
		return nil
	}
}

// WithRetryDelay sets the wait after the first failed attempt, which doubles with each further one, and its cap. Up to
// half of every wait is random. Defaults to one second and five minutes.
func WithRetryDelay(first, longest time.Duration) Option {
	return func(c *config) error {
		if first <= 0 || longest < first {
			return optionError("WithRetryDelay", "the first delay must be positive and not exceed the longest")
		}
		c.minDelay, c.maxDelay = first, longest
		return nil
	}
}

// WithGrace sets how long requests under way may go on when [Dispatcher.Run] is told to stop. Defaults to 10 s; 0 cuts
// them off.
func WithGrace(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return optionError("WithGrace", "the time must not be negative")
		}
		c.grace = d
		return nil
	}
}

// WithLogger logs lanes that pause and resume, calls that are buried, and trouble with the queue. No body and no
// credential is logged. Defaults to silence.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		if logger == nil {
			return optionError("WithLogger", "the logger is nil")
		}
		c.logger = logger
		return nil
	}
}

// WithObserver calls fn for every call that was delivered, buried, or failed and will be tried again, once the queue
// knows it. It runs on the dispatcher's goroutines, several at a time and in no order, so it must be quick; a panic in
// it is contained and logged.
func WithObserver(fn func(context.Context, Settled)) Option {
	return func(c *config) error {
		if fn == nil {
			return optionError("WithObserver", "the function is nil")
		}
		c.observer = fn
		return nil
	}
}

// Settled describes what became of a call, for an observer.
type Settled struct {
	ID       string        // names the call within the queue
	Lane     string        // such as "activities/901"; see [Item]
	Verdict  Verdict       // [Done], [Retry] or [Bury]
	Reason   Reason        // why it was buried
	Attempts int           // deliveries tried, this one included
	Age      time.Duration // since Submit
	RetryAt  time.Time     // when it is due again, at the earliest
	Err      error         // nil when it was delivered; safe to log
}
