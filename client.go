package appevents

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"

	"github.com/appevents/appevents-go/internal/carrier"
	"github.com/appevents/appevents-go/internal/lookup"
	"github.com/appevents/appevents-go/internal/secret"
)

const (
	defaultTimeout = 10 * time.Second

	// defaultMaxEvents is the queue length at which Meta's own SDKs send, hardMaxEvents the most they ever hold.
	defaultMaxEvents = 100
	hardMaxEvents    = 1000
)

// Client sends app events to the Graph API. Make one with [New] and share it: it is immutable and safe for concurrent
// use. Calls on a nil or zero Client fail with a [*ConfigError]. Printing a Client shows no credential.
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

	// While the options are read.
	tokenOption string // which of them set the token source
	envProxy    bool
}

// Option sets one property of a [Client]. The order of options does not matter; giving two that exclude each other,
// or one with a value that cannot work, makes [New] and [Client.Clone] return a [*ConfigError].
type Option func(*config) error

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

// Clone returns a copy of c changed by opts. It shares connections with c unless opts contain another HTTP client.
func (c *Client) Clone(opts ...Option) (*Client, error) {
	if err := c.made(); err != nil {
		return nil, err
	}
	return c.config.with(opts)
}

func (c config) with(opts []Option) (*Client, error) {
	c.tokenOption, c.envProxy = "", false
	for _, opt := range opts {
		if opt == nil {
			return nil, &ConfigError{Field: "options", Reason: "an option is nil"}
		}
		if err := opt(&c); err != nil {
			return nil, err
		}
	}
	if c.signer.timed && c.signer.secret.Reveal() == "" {
		return nil, &ConfigError{Field: "WithProofTime", Reason: "needs WithAppSecret"}
	}
	if c.signer.signed == nil {
		c.signer.signed = secret.Hide(&lookup.Recent[string, credentials]{Max: maxSigned})
	}
	if reason := c.http.RefusesProxy(); c.envProxy && reason != "" {
		return nil, &ConfigError{Field: "WithProxyFromEnvironment", Reason: reason}
	}
	if c.http.Given == nil && (c.http.Pool == nil || c.envProxy) {
		c.http.Pool = secret.Hide(carrier.NewPool(c.envProxy))
	}
	return &Client{config: c}, nil
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

// GoString returns String.
func (c *Client) GoString() string { return c.String() }

// Format prints String for every verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs String.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.String()) }
