package appevents

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"

	"github.com/appevents/appevents-go/internal/carrier"
)

const (
	defaultTimeout = 10 * time.Second

	// defaultMaxEvents is the queue length at which Meta's own SDKs send, hardMaxEvents the most they ever hold.
	defaultMaxEvents = 100
	hardMaxEvents    = 1000
)

// Client sends app events to the Graph API. Make one with [New] and share it: it is immutable and safe for concurrent
// use. The calls of a nil or zero Client fail with a [*ConfigError]. Printing a Client shows no credential.
type Client struct{ config }

// config is what the options build. It is copied by value and never changed afterwards.
type config struct {
	appID     ID
	signer    signer
	tokenBody bool

	version   string  // as asked for with WithVersion, else ""
	baseURL   url.URL // no trailing slash
	http      carrier.Carrier
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

// New returns a client for the app with the given ID. With no options it can log to /activities without a token; most
// programs give [WithAccessToken] or [WithTokenSource], and [WithAppSecret].
func New(appID string, opts ...Option) (*Client, error) {
	if rule, message := ID(appID).issue(); rule != "" {
		return nil, &ConfigError{Field: "app ID", Reason: message}
	}
	return config{
		appID:     ID(appID),
		signer:    signer{app: ID(appID)},
		baseURL:   url.URL{Scheme: "https", Host: "graph.facebook.com"},
		timeout:   defaultTimeout,
		retry:     RetryPolicy{}.withDefaults(),
		maxEvents: defaultMaxEvents,
	}.with(opts)
}

// Clone returns a copy of c changed by opts. It shares connections with c unless opts hold another HTTP client.
func (c *Client) Clone(opts ...Option) (*Client, error) {
	if err := c.made(); err != nil {
		return nil, err
	}
	return c.config.with(opts)
}

func (c config) with(opts []Option) (*Client, error) {
	b := build{config: c}
	for _, opt := range opts {
		if opt == nil {
			return nil, &ConfigError{Field: "options", Reason: "an option is nil"}
		}
		if err := opt(&b); err != nil {
			return nil, err
		}
	}
	if b.signer.timed && b.signer.secret.reveal() == "" {
		return nil, &ConfigError{Field: "WithProofTime", Reason: "needs WithAppSecret"}
	}
	if b.signer.signed == nil {
		b.signer.signed = hide(newSignatures())
	}
	if reason := b.http.RefusesProxy(); b.envProxy && reason != "" {
		return nil, &ConfigError{Field: "WithProxyFromEnvironment", Reason: reason}
	}
	if b.http.Given == nil && (b.http.Pool == nil || b.envProxy) {
		b.http.Pool = hide(carrier.NewPool(b.envProxy))
	}
	return &Client{config: b.config}, nil
}

// made returns the error of a Client that New did not make.
func (c *Client) made() error {
	if c == nil || c.appID == "" {
		return &ConfigError{Field: "Client", Reason: "is nil or zero: make one with New"}
	}
	return nil
}

// ready does the same for a call, which names its operation.
func (c *Client) ready(op *operation) error {
	if err := c.made(); err != nil {
		return &CallError{Op: op.name, Outcome: OutcomeNotSent, Err: err}
	}
	return nil
}

// AppID returns the ID of the app the client logs for.
func (c *Client) AppID() ID {
	if c == nil {
		return ""
	}
	return c.appID
}

// graphVersion is the version that calls ask for when their edge does not pin one.
func (c *Client) graphVersion() string {
	if c.version != "" {
		return c.version
	}
	return DefaultGraphVersion
}

// String names the app and the base URL, and no credential.
func (c *Client) String() string {
	if c == nil {
		return "appevents.Client(nil)"
	}
	return "appevents.Client(app " + string(c.appID) + ", " + c.baseURL.String() + ")"
}

// GoString returns the same as String.
func (c *Client) GoString() string { return c.String() }

// Format prints String for every verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs String.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.String()) }
