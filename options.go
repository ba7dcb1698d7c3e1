package appevents

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/lookup"
	"github.com/appevents/appevents-go/internal/names"
	"github.com/appevents/appevents-go/internal/secret"
)

// option sets a property, unless reason says why that cannot work.
func option(name, reason string, set func(*config)) Option {
	return func(c *config) error {
		if reason != "" {
			return &ConfigError{Field: name, Reason: reason}
		}
		set(c)
		return nil
	}
}

// when returns the reason where something is wrong.
func when(wrong bool, reason string) string {
	if wrong {
		return reason
	}
	return ""
}

func tokenOption(name, reason string, source TokenSource) Option {
	return func(c *config) error {
		excluded := c.tokenOption != "" && c.tokenOption != name
		reason := cmp.Or(reason, when(excluded, "cannot be combined with "+c.tokenOption))
		return option(name, reason, func(c *config) { c.tokenOption, c.signer.source = name, secret.Hide(source) })(c)
	}
}

// WithAccessToken sets one access token for every call. Use [WithTokenSource] when tokens differ by Page.
func WithAccessToken(token string) Option {
	return tokenOption("WithAccessToken", secret.Unfit("token", token), staticToken{secret.New(token)})
}

// WithTokenSource sets where the access token of each call comes from.
func WithTokenSource(source TokenSource) Option {
	fn, ok := source.(TokenFunc)
	return tokenOption("WithTokenSource", when(source == nil || ok && fn == nil, "the source is nil"), source)
}

// WithAppSecret makes the client sign every token with an appsecret_proof (part of the URL for reads, which have no
// body), and lets calls in the app's own name use the app token when no other token is configured for them. Keep it off
// clients and out of repositories.
func WithAppSecret(appSecret string) Option {
	return option("WithAppSecret", secret.Unfit("secret", appSecret), func(c *config) {
		c.signer.secret, c.signer.signed = secret.New(appSecret), nil
	})
}

// WithProofTime makes the appsecret_proof expire after five minutes: it covers the time, sent as appsecret_time. It
// needs [WithAppSecret] and a clock that is not more than minutes wrong.
func WithProofTime() Option {
	return option("WithProofTime", "", func(c *config) { c.signer.timed = true })
}

// WithTokenInBody sends the access token as the access_token field of the body instead of the Authorization header: the
// documented form, for proxies that strip the header. Reads have no body: their URL then holds the token.
func WithTokenInBody() Option {
	return option("WithTokenInBody", "", func(c *config) { c.tokenBody = true })
}

// WithVersion sets the Graph API version, such as "v25.0". Defaults to [DefaultGraphVersion]; only page_activities,
// which no newer version has, defaults to v20.0.
func WithVersion(version string) Option {
	_, ok := names.ParseVersion(version)
	return option("WithVersion", when(!ok, `the version must look like "v26.0"`), func(c *config) { c.version = version })
}

// WithBaseURL replaces https://graph.facebook.com, for a stand-in in tests or for a gateway. The URL may have a path.
// Credentials are sent to its host.
func WithBaseURL(rawURL string) Option {
	u, err := url.Parse(rawURL)
	reason := ""
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		reason = "want an absolute http or https URL"
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		reason = "the URL must not hold user info, a query or a fragment"
	}
	return option("WithBaseURL", reason, func(c *config) {
		c.baseURL = *u
		c.baseURL.Host = strings.TrimSuffix(u.Host, ":")
		c.baseURL.Path, c.baseURL.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	})
}

// WithHTTPClient sets the HTTP client whose Transport, Jar and Timeout each request uses, as they are at that time. It
// is never modified, and redirects are not followed whatever it says. Defaults to pooled connections of the Client's
// own, which take no proxy (see [WithProxyFromEnvironment]) and at most 1 MiB of headers; a program that replaces
// [http.DefaultTransport], for tests or tracing, reaches its own.
func WithHTTPClient(client *http.Client) Option {
	return option("WithHTTPClient", when(client == nil, "the client is nil"), func(c *config) {
		c.http.Given = secret.Hide(client)
	})
}

// WithProxyFromEnvironment sends calls through the proxy that the environment names, in HTTPS_PROXY, HTTP_PROXY and
// NO_PROXY as [http.ProxyFromEnvironment] reads them. Without it nothing is read from the environment. It excludes
// [WithHTTPClient], whose transport has a Proxy field of its own. Of a call to an https address the proxy sees no more
// than the host.
func WithProxyFromEnvironment() Option {
	return option("WithProxyFromEnvironment", "", func(c *config) { c.envProxy = true })
}

// WithTimeout bounds one request, from dialling to the last byte of the answer. Defaults to 10 s. The context given
// to a method bounds the whole call, repeats and waits included.
func WithTimeout(d time.Duration) Option {
	return option("WithTimeout", when(d <= 0, "the timeout must be positive"), func(c *config) { c.timeout = d })
}

// WithRetry sets when a failed request is repeated. See [RetryPolicy] for the defaults.
func WithRetry(policy RetryPolicy) Option {
	policy = policy.withDefaults()
	return option("WithRetry", policy.validate(), func(c *config) { c.retry = policy })
}

// WithMaxEvents sets how many events of one person one request may hold. Longer lists are split. Defaults to 100; the
// highest value is 1,000.
func WithMaxEvents(n int) Option {
	return option("WithMaxEvents", when(n < 1 || n > hardMaxEvents, "must be between 1 and 1000"), func(c *config) {
		c.maxEvents = n
	})
}

// WithLogger logs every request: at debug level when it succeeded, at warning level when it failed. It also logs the
// Warnings of each call, each kind of warning about a field at most once a minute. No body and no credential is logged.
// By default nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return option("WithLogger", when(logger == nil, "the logger is nil"), func(c *config) {
		c.watcher.logger, c.watcher.warned = logger, secret.Hide(&lookup.Recent[warningKey, time.Time]{Max: maxWarned})
	})
}

// WithObserver calls fn once for each request, repeats included, after the request ended and before the method returns.
// fn runs on the caller's goroutine, so it must be quick. A panic in it is recovered and logged.
func WithObserver(fn func(context.Context, CallInfo)) Option {
	return option("WithObserver", when(fn == nil, "the function is nil"), func(c *config) { c.watcher.observer = fn })
}
