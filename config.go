package appevents

import (
	"net/url"
	"time"
)

const (
	defaultTimeout = 10 * time.Second

	// defaultMaxEvents is the queue length at which Meta's own SDKs send, hardMaxEvents the most they ever hold.
	defaultMaxEvents = 100
	hardMaxEvents    = 1000
)

// config is what the options build. It is copied by value and never changed afterwards.
type config struct {
	appID     ID
	signer    signer
	tokenBody bool

	version   string  // as asked for with WithVersion, else ""
	baseURL   url.URL // no trailing slash
	http      carrier
	timeout   time.Duration
	retry     RetryPolicy
	maxEvents int

	partnerAgent  string // sent with conversions
	testEventCode string

	watcher watcher
}

// Option sets one property of a [Client]. The order of options does not matter; giving two that exclude each other,
// or one with a value that cannot work, makes [New] and [Client.Clone] return a [*ConfigError].
type Option func(*build) error

// build is a config under construction.
type build struct {
	config
	tokenOption string // which option set the token source
	envProxy    bool
}

func optionError(option, reason string) error { return &ConfigError{Field: option, Reason: reason} }
