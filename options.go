package appevents

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func (b *build) setTokens(option string, source TokenSource) error {
	if b.tokenOption != "" && b.tokenOption != option {
		return optionError(option, "cannot be combined with "+b.tokenOption)
	}
	b.tokenOption, b.signer.source = option, hide(source)
	return nil
}

// WithAccessToken sets one access token for every call. Use [WithTokenSource] when tokens differ by Page.
func WithAccessToken(token string) Option {
	return func(b *build) error {
		switch {
		case strings.TrimSpace(token) == "":
			return optionError("WithAccessToken", "the token is empty")
		case !sendable(token):
			return optionError("WithAccessToken", "the token holds "+notSendable)
		}
		return b.setTokens("WithAccessToken", staticToken{newSecret(token)})
	}
}

// WithTokenSource sets where the access token of each call comes from.
func WithTokenSource(source TokenSource) Option {
	return func(b *build) error {
		if fn, ok := source.(TokenFunc); source == nil || ok && fn == nil {
			return optionError("WithTokenSource", "the source is nil")
		}
		return b.setTokens("WithTokenSource", source)
	}
}

// WithAppSecret makes the client sign every token with an appsecret_proof (part of the URL for reads, which have no
// body), and lets calls in the app's own name use the app token when no other token is configured for them. Keep it off
// clients and out of repositories.
func WithAppSecret(appSecret string) Option {
	return func(b *build) error {
		switch {
		case strings.TrimSpace(appSecret) == "":
			return optionError("WithAppSecret", "the secret is empty")
		case !sendable(appSecret):
			return optionError("WithAppSecret", "the secret holds "+notSendable)
		}
		b.signer.secret, b.signer.signed = newSecret(appSecret), nil
		return nil
	}
}

// WithProofTime makes the appsecret_proof expire after five minutes: it covers the time, sent as appsecret_time. It
// needs [WithAppSecret] and a clock that is right.
func WithProofTime() Option {
	return func(b *build) error {
		b.signer.timed = true
		return nil
	}
}

// WithTokenInBody sends the access token as the access_token field of the body instead of the Authorization header: the
// documented form, for proxies that strip the header. Reads have no body: their URL then holds the token.
func WithTokenInBody() Option {
	return func(b *build) error {
		b.tokenBody = true
		return nil
	}
}

// WithVersion sets the Graph API version, such as "v25.0". Defaults to [DefaultGraphVersion]; only page_activities,
// which no newer version has, defaults to v20.0.
func WithVersion(version string) Option {
	return func(b *build) error {
		if _, ok := parseGraphVersion(version); !ok {
			return optionError("WithVersion", `the version must look like "v26.0"`)
		}
		b.version = version
		return nil
	}
}

// WithBaseURL sends calls elsewhere than to https://graph.facebook.com: to a stand-in in tests, or through a gateway.
// It may hold a path. Credentials travel to that host.
func WithBaseURL(rawURL string) Option {
	return func(b *build) error {
		u, err := url.Parse(rawURL)
		switch {
		case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Host == "":
			return optionError("WithBaseURL", "want an absolute http or https URL")
		case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
			return optionError("WithBaseURL", "the URL must not hold user info, a query or a fragment")
		}
		u.Host = strings.TrimSuffix(u.Host, ":")
		u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
		b.baseURL = *u
		return nil
	}
}

// WithHTTPClient sets the HTTP client whose Transport, Jar and Timeout each request uses, as they are at that time. It
// is never modified, and redirects are not followed whatever it says. Defaults to pooled connections of the Client's
// own, which take no proxy (see [WithProxyFromEnvironment]) and at most 1 MiB of headers; a program that replaces
// [http.DefaultTransport], for tests or tracing, reaches its own.
func WithHTTPClient(client *http.Client) Option {
	return func(b *build) error {
		if client == nil {
			return optionError("WithHTTPClient", "the client is nil")
		}
		b.http.given = hide(client)
		return nil
	}
}

// WithProxyFromEnvironment sends calls through the proxy that the environment names, in HTTPS_PROXY, HTTP_PROXY and
// NO_PROXY as [http.ProxyFromEnvironment] reads them. Without it nothing is read from the environment. It excludes
// [WithHTTPClient], whose transport has a Proxy field of its own. The proxy sees the host of the calls, and no more of
// those to an https address.
func WithProxyFromEnvironment() Option {
	return func(b *build) error {
		b.envProxy = true
		return nil
	}
}

// WithTimeout bounds one request, from dialling to the last byte of the answer. Defaults to 10 s. The context given
// to a method bounds the whole call, repeats and waits included.
func WithTimeout(d time.Duration) Option {
	return func(b *build) error {
		if d <= 0 {
			return optionError("WithTimeout", "the timeout must be positive")
		}
		b.timeout = d
		return nil
	}
}

// WithRetry sets when a failed request is repeated. See [RetryPolicy] for the defaults.
func WithRetry(policy RetryPolicy) Option {
	return func(b *build) error {
		policy = policy.withDefaults()
		if reason := policy.validate(); reason != "" {
			return optionError("WithRetry", reason)
		}
		b.retry = policy
		return nil
	}
}

// WithMaxEvents sets how many events of one person travel in one request; longer lists are split. Defaults to 100, at
// most 1,000.
func WithMaxEvents(n int) Option {
	return func(b *build) error {
		if n < 1 || n > hardMaxEvents {
			return optionError("WithMaxEvents", "must be between 1 and 1000")
		}
		b.maxEvents = n
		return nil
	}
}

// WithLogger logs every request: at debug level when it succeeded, at warning level when it failed. It also logs what
// the Warnings of a call list, each kind about a field once a minute. No body and no credential is logged. Defaults to
// silence.
func WithLogger(logger *slog.Logger) Option {
	return func(b *build) error {
		if logger == nil {
			return optionError("WithLogger", "the logger is nil")
		}
		b.watcher.logger, b.watcher.warned = logger, hide(new(warned))
		return nil
	}
}

// WithObserver calls fn once per request, repeats included, after it ended and before the method returns. It runs on
// the caller's goroutine, so it must be quick; a panic in it is contained and logged.
func WithObserver(fn func(context.Context, CallInfo)) Option {
	return func(b *build) error {
		if fn == nil {
			return optionError("WithObserver", "the function is nil")
		}
		b.watcher.observer = fn
		return nil
	}
}
