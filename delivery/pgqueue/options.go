package pgqueue

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/appevents/appevents-go"
)

const (
	// DefaultSchema is where the tables are unless [WithSchema] says otherwise.
	DefaultSchema = "appevents"

	defaultLeaseTime   = time.Minute
	defaultWindow      = 48 * time.Hour
	defaultBuriedAge   = 30 * 24 * time.Hour
	defaultBuriedLimit = 250_000
	maxName            = 63 // bytes of an identifier in Postgres
)

// config is what the options build.
type config struct {
	schema      string
	leaseTime   time.Duration
	window      time.Duration
	buriedAge   time.Duration
	buriedLimit int
	asIs        bool
}

// Option sets one property of a [Queue]. One with a value that cannot work makes [Open] return an
// [*appevents.ConfigError].
type Option func(*config) error

func optionError(option, reason string) error {
	return &appevents.ConfigError{Field: "pgqueue." + option, Reason: reason}
}

// WithSchema sets the schema of the tables, which is made when it does not exist. Any name that Postgres takes will do;
// it is quoted. Queues in different schemas have nothing in common. Defaults to [DefaultSchema].
func WithSchema(name string) Option {
	return func(c *config) error {
		if err := checkSchema("WithSchema", name); err != nil {
			return err
		}
		c.schema = name
		return nil
	}
}

func checkSchema(option, name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return optionError(option, "the name must have from 1 to 63 bytes")
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return optionError(option, "the name must be UTF-8 without a zero byte")
	case strings.HasPrefix(name, "pg_"):
		return optionError(option, "names that begin with pg_ are the server's own")
	default:
		return nil
	}
}

// WithLeaseTime sets how long a lease lasts: a request must be over by then. Defaults to one minute.
func WithLeaseTime(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond {
			return optionError("WithLeaseTime", "must be at least 1 ms")
		}
		c.leaseTime = d
		return nil
	}
}

// WithWindow sets how long a key is remembered. Defaults to 48 hours: Meta repeats a webhook for up to 36. A remembered
// key takes about 150 bytes of the disk, indexes included.
func WithWindow(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond {
			return optionError("WithWindow", "must be at least 1 ms")
		}
		c.window = d
		return nil
	}
}

// WithBuriedAge sets how long a buried call is kept; then it is dropped. Every open queue sees to it, so let all
// processes that share a schema agree. Defaults to 30 days.
func WithBuriedAge(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Millisecond {
			return optionError("WithBuriedAge", "must be at least 1 ms")
		}
		c.buriedAge = d
		return nil
	}
}

// WithBuriedLimit sets how many buried calls are kept; then the oldest are dropped, in a moment. Let all processes that
// share a schema agree. Defaults to 250,000.
func WithBuriedLimit(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return optionError("WithBuriedLimit", "must be positive")
		}
		c.buriedLimit = n
		return nil
	}
}

// WithoutMigration makes [Open] change nothing: it fails with [ErrSchema] when the tables are not as it needs them. It
// is for those who run [Migrations] themselves.
func WithoutMigration() Option {
	return func(c *config) error {
		c.asIs = true
		return nil
	}
}
