package appevents

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/redact"
)

const (
	defaultBaseURL = "https://graph.facebook.com"
	defaultTimeout = 10 * time.Second

	// defaultMaxEvents is the queue length at which Meta's own SDKs send, hardMaxEvents the most they ever hold.
	defaultMaxEvents = 100
	hardMaxEvents    = 1000

	// maxBody bounds an answer kept in memory, maxInsightsBody one that holds rows.
	maxBody         = 1 << 20
	maxInsightsBody = 8 << 20

	// maxResponseHeaders bounds the headers of an answer, maxHeaderText what is kept of one of them.
	maxResponseHeaders = 1 << 20
	maxHeaderText      = 256
)

// Client sends app events to the Graph API. Make one with [New] and share it: it is immutable and safe for concurrent
// use. Printing a Client shows no credential.
type Client struct{ config }

// config is what the options build. It is copied by value and never changed afterwards.
type config struct {
	appID     ID
	tokens    hidden[TokenSource]
	appSecret secret
	proofTime bool
	tokenBody bool

	version   string // as asked for with WithVersion, else ""
	baseURL   string // no trailing slash
	http      hidden[*http.Client]
	ownHTTP   bool // http came with WithHTTPClient
	timeout   time.Duration
	retry     RetryPolicy
	maxEvents int

	partnerAgent  string // sent with conversions
	testEventCode string

	logger   *slog.Logger
	observer func(context.Context, CallInfo)
}

// ConfigError is an option or a configuration field that cannot work. It never repeats a credential.
type ConfigError struct {
	// Field names the option or field: "WithTimeout", "WebhookConfig.VerifyToken".
	Field string

	// Reason says what would be right.
	Reason string
}

// Error names the field and the reason.
func (e *ConfigError) Error() string { return "appevents: " + e.Field + ": " + e.Reason }

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

func (b *build) setTokens(option string, source TokenSource) error {
	if b.tokenOption != "" && b.tokenOption != option {
		return optionError(option, "cannot be combined with "+b.tokenOption)
	}
	b.tokenOption, b.tokens = option, hide(source)
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
		b.appSecret = newSecret(appSecret)
		return nil
	}
}

// WithProofTime makes the appsecret_proof expire after five minutes: it covers the time, sent as appsecret_time. It
// needs [WithAppSecret] and a clock that is right.
func WithProofTime() Option {
	return func(b *build) error {
		b.proofTime = true
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
		b.baseURL = strings.TrimRight(u.String(), "/")
		return nil
	}
}

// WithHTTPClient sets the HTTP client. It is copied, never modified; redirects are not followed whatever it says.
// Defaults to a client with pooled connections of its own, which takes no proxy and at most 1 MiB of headers; see
// [WithProxyFromEnvironment]. A program that has set [http.DefaultTransport] to a RoundTripper of another type has that
// used as it is.
func WithHTTPClient(client *http.Client) Option {
	return func(b *build) error {
		if client == nil {
			return optionError("WithHTTPClient", "the client is nil")
		}
		own := *client
		own.CheckRedirect = keepRedirect
		b.http, b.ownHTTP = hide(&own), true
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

// WithLogger logs every request: at debug level when it succeeded, at warning level when it failed. No body and no
// credential is logged. Defaults to silence.
func WithLogger(logger *slog.Logger) Option {
	return func(b *build) error {
		if logger == nil {
			return optionError("WithLogger", "the logger is nil")
		}
		b.logger = logger
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
		b.observer = fn
		return nil
	}
}

// New returns a client for the app with the given ID. With no options it can log to /activities without a token; most
// programs give [WithAccessToken] or [WithTokenSource], and [WithAppSecret].
func New(appID string, opts ...Option) (*Client, error) {
	if rule, message := ID(appID).issue(); rule != "" {
		return nil, &ConfigError{Field: "app ID", Reason: message}
	}
	return config{
		appID:     ID(appID),
		baseURL:   defaultBaseURL,
		timeout:   defaultTimeout,
		retry:     RetryPolicy{}.withDefaults(),
		maxEvents: defaultMaxEvents,
	}.with(opts)
}

// Clone returns a copy of c changed by opts. It shares connections with c unless opts hold another HTTP client.
func (c *Client) Clone(opts ...Option) (*Client, error) { return c.config.with(opts) }

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
	if b.proofTime && b.appSecret.reveal() == "" {
		return nil, optionError("WithProofTime", "needs WithAppSecret")
	}
	if _, ok := http.DefaultTransport.(*http.Transport); b.envProxy && (b.ownHTTP || !ok) {
		reason := "cannot be combined with WithHTTPClient"
		if !b.ownHTTP {
			reason = "has no effect on the http.DefaultTransport that the program has set"
		}
		return nil, optionError("WithProxyFromEnvironment", reason)
	}
	if b.http == nil || b.envProxy {
		b.http = hide(&http.Client{Transport: defaultTransport(b.envProxy), CheckRedirect: keepRedirect})
	}
	return &Client{config: b.config}, nil
}

// keepRedirect makes a redirect an answer like any other: no Graph edge redirects, and credentials must not follow.
func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// isPlain reports whether a transport is net/http's own.
func isPlain(transport http.RoundTripper) bool {
	if transport == nil {
		transport = http.DefaultTransport
	}
	_, ok := transport.(*http.Transport)
	return ok
}

// defaultTransport is the standard one with room for a busy bot: it keeps many idle connections to the one host.
func defaultTransport(envProxy bool) http.RoundTripper {
	std, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport // somebody wrapped it on purpose, for tracing say
	}
	t := std.Clone()
	t.Proxy = nil // it reads the environment
	if envProxy {
		t.Proxy = http.ProxyFromEnvironment
	}
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 5 * time.Second
	t.MaxIdleConns = 256
	t.MaxIdleConnsPerHost = 256
	t.MaxResponseHeaderBytes = maxResponseHeaders
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return t
}

// AppID returns the ID of the app the client logs for.
func (c *Client) AppID() ID { return c.appID }

// MaxEvents returns how many events of one person travel in one request; see [WithMaxEvents].
func (c *Client) MaxEvents() int { return c.maxEvents }

// String names the app and the base URL, and no credential.
func (c *Client) String() string {
	if c == nil {
		return "appevents.Client(nil)"
	}
	return "appevents.Client(app " + string(c.appID) + ", " + c.baseURL + ")"
}

// GoString returns the same as String.
func (c *Client) GoString() string { return c.String() }

// Format prints String for every verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs String.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// CallInfo describes one request for an observer.
type CallInfo struct {
	Op            string        // the operation: "log activity"
	Edge          string        // the last part of the path: "activities"
	Scope         Scope         // the object the token had to speak for
	Attempt       int           // 1 for the first request of a call
	Duration      time.Duration // from resolving the token to the last byte of the answer
	Outcome       Outcome       // what became of the request
	StatusCode    int           // HTTP status, 0 without an answer
	Err           error         // nil on success; safe to log
	Version       string        // the Graph version asked for
	ServedVersion string        // the Graph version that answered, "" when unknown
	Usage         Usage         // the rate-limit state sent with the answer
}

// Response describes the answer to a successful call. Results embed it.
type Response struct {
	StatusCode int             `json:"status_code"`
	TraceID    string          `json:"trace_id,omitzero"` // x-fb-trace-id: what Meta's support asks for
	Usage      Usage           `json:"usage,omitzero"`
	Attempts   int             `json:"attempts"` // requests made, repeats included
	Raw        json.RawMessage `json:"raw,omitzero"`

	// RequestedVersion is the Graph version asked for; Version the one that answered, "" when Graph did not say.
	RequestedVersion string `json:"requested_version"`
	Version          string `json:"version,omitzero"`
}

// Drifted reports whether another Graph version answered than was asked for, which Graph does without an error when a
// version has expired.
func (r Response) Drifted() bool { return r.Version != "" && r.Version != r.RequestedVersion }

// unusable returns the error of an answer that reports success but lacks what it must hold.
func (r Response) unusable(op, message string) *GraphError {
	return &GraphError{
		Op: op, StatusCode: r.StatusCode, Message: message, TraceID: r.TraceID, Version: r.Version, Usage: r.Usage,
		Attempts: r.Attempts,
	}
}

// redact blanks the given secrets in everything a result shows, should the answer repeat one: paging links do.
func (r *Response) redact(secrets []string) {
	for _, text := range [...]*string{&r.TraceID, &r.Version, &r.Usage.AdAccount.Tier, &r.Usage.Insights.Tier} {
		*text = redact.Text(*text, secrets...)
	}
	for i := range r.Usage.Business {
		b := &r.Usage.Business[i]
		b.ID, b.Type = ID(redact.Text(string(b.ID), secrets...)), redact.Text(b.Type, secrets...)
		b.Tier = redact.Text(b.Tier, secrets...)
	}
	r.Raw = redact.Bytes(r.Raw, secrets...)
}

// The operations, as errors, logs and observers name them.
const (
	opEnsureDataset   = "ensure dataset"
	opInsights        = "read insights"
	opInsightsReport  = "run insights report"
	opLogActivity     = "log activity"
	opLogInstall      = "log install"
	opDeferredAppLink = "look up deferred app link"
	opLogPageActivity = "log page activity"
	opSendConversions = "send conversions"
)

// A request describes a call; only Client.do turns it into HTTP.
type request struct {
	op       string
	method   string
	path     []string // node and edge
	name     string   // what observers call the edge, "" for the last part of the path
	version  string
	scope    Scope
	noToken  bool // the edge takes calls without a token
	encoding encoding
	body     []byte     // for POST
	query    url.Values // for GET
	clientIP netip.Addr
	related  ID       // a second object whose limits count: the Page of a thread
	maxBody  int      // bounds the answer, 0 for what fits every answer but rows
	secrets  []string // parameters that must not show up in errors

	// retiredBy reports whether a refusal means that the edge is gone.
	retiredBy func(*GraphError) bool
}

func (r *request) edge() string {
	if r.name != "" {
		return r.name
	}
	return r.path[len(r.path)-1]
}

// encoding is how a body is written; it knows how to add a credential to one.
type encoding uint8

const (
	formEncoding encoding = iota
	jsonEncoding
)

func (e encoding) contentType() string {
	if e == jsonEncoding {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}

// withField returns body plus one text field, in new memory.
func (e encoding) withField(body []byte, name, value string) []byte {
	out := make([]byte, 0, len(body)+len(name)+len(value)+8)
	if e == jsonEncoding {
		quoted, _ := json.Marshal(value) // a string always marshals
		out = append(out, bytes.TrimSuffix(body, []byte("}"))...)
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, '"'), name...)
		out = append(append(out, `":`...), quoted...)
		return append(out, '}')
	}
	out = append(out, body...)
	if len(out) > 0 {
		out = append(out, '&')
	}
	out = append(append(out, name...), '=')
	return append(out, url.QueryEscape(value)...)
}

// do runs a call to its end: requests, waits and repeats. On success the body is a JSON object without an error.
func (c *Client) do(ctx context.Context, r *request) (Response, error) {
	maybeReceived := false
	for attempt := 1; ; attempt++ {
		resp, err := c.attempt(ctx, r, attempt)
		if err == nil {
			return resp, nil
		}
		maybeReceived = maybeReceived || OutcomeOf(err) == OutcomeUnknown
		if ctx.Err() == nil && c.retry.again(err, attempt) {
			delay := c.retry.delay(attempt)
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > delay {
				waitErr := sleep(ctx, delay)
				if waitErr == nil {
					continue
				}
				err = &CallError{
					Op: r.op, Outcome: OutcomeNotSent, Attempts: attempt, Err: errors.Join(waitErr, err),
				}
			}
		}
		if maybeReceived {
			err = asUnknown(err)
		}
		return Response{}, err
	}
}

// asUnknown corrects the outcome of a call one of whose earlier requests may have been received. It changes a copy:
// the observer was given err.
func asUnknown(err error) error {
	switch e := err.(type) { //nolint:errorlint // attempt returns these types unwrapped
	case *CallError:
		own := *e
		own.Outcome = OutcomeUnknown
		return &own
	case *GraphError:
		own := *e
		own.unknown = true
		return &own
	}
	return err
}

// attempt makes one request and tells the observer and the logger.
func (c *Client) attempt(ctx context.Context, r *request, n int) (resp Response, err error) {
	start := time.Now()
	resp, err = c.send(ctx, r)
	resp.Attempts = n
	switch e := err.(type) { //nolint:errorlint // send returns these types unwrapped
	case *CallError:
		e.Op, e.Attempts = r.op, n
		if !e.retryable {
			e.Attempts-- // this request was not started
		}
	case *GraphError:
		e.Op, e.Attempts = r.op, n
	}
	if c.observer != nil || c.logger != nil {
		c.report(ctx, CallInfo{
			Op: r.op, Edge: r.edge(), Scope: r.scope, Attempt: n, Duration: time.Since(start), Outcome: OutcomeOf(err),
			StatusCode: resp.StatusCode, Err: err, Version: r.version, ServedVersion: resp.Version, Usage: resp.Usage,
		})
	}
	return resp, err
}

func (c *Client) report(ctx context.Context, info CallInfo) {
	if c.observer != nil {
		func() {
			defer func() {
				if v := recover(); v != nil && c.logger != nil {
					c.logger.ErrorContext(ctx, "appevents: the observer panicked", "op", info.Op)
				}
			}()
			c.observer(ctx, info)
		}()
	}
	if c.logger == nil {
		return
	}
	level := slog.LevelDebug
	if info.Err != nil {
		level = slog.LevelWarn
	}
	if !c.logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("op", info.Op), slog.String("edge", info.Edge), slog.Int("attempt", info.Attempt),
		slog.Duration("duration", info.Duration), slog.String("outcome", info.Outcome.String()),
		slog.Int("status", info.StatusCode), slog.String("version", info.Version))
	if info.ServedVersion != "" && info.ServedVersion != info.Version {
		attrs = append(attrs, slog.String("served_version", oneLine(info.ServedVersion)))
	}
	if info.Err != nil {
		attrs = append(attrs, slog.String("error", loggable(info.Err.Error())))
	}
	c.logger.LogAttrs(ctx, level, "appevents: graph request", attrs...)
}

// send makes one request. Its error is a *CallError or a *GraphError, free of credentials.
func (c *Client) send(ctx context.Context, r *request) (Response, error) {
	if err := ctx.Err(); err != nil {
		return Response{}, &CallError{Outcome: OutcomeNotSent, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	cred, err := c.credentials(ctx, r.scope, r.noToken)
	if err != nil {
		return Response{}, &CallError{Outcome: OutcomeNotSent, Err: redact.Error(err, c.appSecret.reveal())}
	}
	secrets := append([]string{cred.token, cred.proof, c.appSecret.reveal()}, r.secrets...)
	progress := progress{wrapped: !isPlain(c.http.get().Transport)}
	req, err := c.newRequest(httptrace.WithClientTrace(ctx, progress.trace()), r, cred)
	if err != nil {
		return Response{}, &CallError{Outcome: OutcomeNotSent, Err: redact.Error(err, secrets...)}
	}
	httpResp, err := c.http.get().Do(req)
	if err != nil {
		return Response{}, &CallError{
			Outcome: progress.outcome(err), Err: redact.Error(err, secrets...), retryable: true,
		}
	}
	defer httpResp.Body.Close()
	limit := cmp.Or(r.maxBody, maxBody)
	body, readErr := io.ReadAll(io.LimitReader(httpResp.Body, int64(limit)+1))
	if len(body) > limit {
		readErr = fmt.Errorf("the answer is longer than %d bytes", limit)
	}
	resp, graphErr := c.decode(r, httpResp, body, readErr, secrets)
	if graphErr == nil {
		return resp, nil
	}
	if invalidator, ok := c.tokens.get().(TokenInvalidator); ok && graphErr.Is(ErrAuth) {
		invalidator.Invalidate(r.scope, cred.token)
	}
	return resp, graphErr
}

func (c *Client) newRequest(ctx context.Context, r *request, cred credentials) (*http.Request, error) {
	var target strings.Builder
	target.Grow(len(c.baseURL) + 64)
	target.WriteString(c.baseURL)
	target.WriteByte('/')
	target.WriteString(r.version)
	for _, element := range r.path {
		target.WriteByte('/')
		target.WriteString(url.PathEscape(element))
	}
	var fields [3][2]string // credentials that travel beside the parameters
	n := 0
	add := func(name, value string) {
		if value != "" {
			fields[n] = [2]string{name, value}
			n++
		}
	}
	if c.tokenBody {
		add("access_token", cred.token)
	}
	add("appsecret_proof", cred.proof)
	add("appsecret_time", cred.time)

	var (
		req *http.Request
		err error
	)
	if r.method == http.MethodGet {
		query := make(url.Values, len(r.query)+n)
		maps.Copy(query, r.query)
		for _, f := range fields[:n] {
			query.Set(f[0], f[1])
		}
		if len(query) > 0 {
			target.WriteString("?" + query.Encode())
		}
		req, err = http.NewRequestWithContext(ctx, r.method, target.String(), http.NoBody)
	} else {
		body := r.body
		for _, f := range fields[:n] {
			body = r.encoding.withField(body, f[0], f[1])
		}
		req, err = http.NewRequestWithContext(ctx, r.method, target.String(), bytes.NewReader(body))
	}
	if err != nil {
		return nil, err
	}
	if r.method != http.MethodGet {
		req.Header["Content-Type"] = []string{r.encoding.contentType()}
	}
	req.Header["Accept"] = []string{"application/json"}
	req.Header["User-Agent"] = []string{"appevents-go/" + Version}
	if cred.token != "" && !c.tokenBody {
		req.Header["Authorization"] = []string{"Bearer " + cred.token}
	}
	if r.clientIP.IsValid() {
		req.Header["X-Forwarded-For"] = []string{r.clientIP.Unmap().WithZone("").String()}
	}
	return req, nil
}

// decode turns an answer into a Response and, unless it is a success, a *GraphError. Both are free of the secrets.
func (c *Client) decode(
	r *request, h *http.Response, body []byte, readErr error, secrets []string,
) (Response, *GraphError) {
	resp := Response{
		StatusCode:       h.StatusCode,
		TraceID:          cut(headerValue(h.Header, "X-Fb-Trace-Id"), maxHeaderText),
		Usage:            parseUsage(h.Header),
		Raw:              body,
		RequestedVersion: r.version,
		Version:          cut(headerValue(h.Header, "Facebook-Api-Version"), maxHeaderText),
	}
	resp.redact(secrets)
	body = resp.Raw
	success := h.StatusCode >= 200 && h.StatusCode <= 299
	if success && readErr == nil && isPlainSuccess(body) {
		return resp, nil
	}
	e := &GraphError{Op: r.op, StatusCode: h.StatusCode, Version: resp.Version, Usage: resp.Usage}
	fields, n, isObject := members(body, "error", "error_description", "success")
	isObject = isObject && readErr == nil
	switch {
	case isObject && present(fields["error"]):
		var description string
		_ = json.Unmarshal(fields["error_description"], &description)
		if !e.readEnvelope(fields["error"], description) {
			e.Message = "the answer holds an error of an unknown form"
		}
	case isObject && isFalse(fields["success"]):
		e.Message = "the answer says success: false"
	case isObject && success && n > 0:
		return resp, nil
	default:
		e.Message, e.cause = describe(body, readErr), readErr
		// A gateway that gave up, or an answer cut short, says nothing about what Graph did.
		e.unknown = success && !isFalse(bytes.TrimSpace(body)) || h.StatusCode >= 500
	}
	e.Body = body[:min(len(body), 2*maxErrorBody)] // cut to size once secrets are blanked
	if e.TraceID == "" {
		e.TraceID = resp.TraceID
	}
	e.RetryAfter = parseRetryAfter(headerValue(h.Header, "Retry-After"), time.Now())
	if e.Is(ErrThrottled) {
		e.RetryAfter = max(e.RetryAfter, resp.Usage.regainAccess(r.scope.ID, r.related))
	}
	e.retired = r.retiredBy != nil && r.retiredBy(e)
	e.redact(secrets)
	return resp, e
}

// isPlainSuccess recognises the usual answer without decoding it.
func isPlainSuccess(body []byte) bool { return string(bytes.TrimSpace(body)) == `{"success":true}` }

// present reports whether a member of an object is there and not null.
func present(value json.RawMessage) bool { return len(value) > 0 && string(value) != "null" }

// isFalse reports whether a JSON value says no.
func isFalse(value []byte) bool {
	switch string(value) {
	case "false", `"false"`, "0", `"0"`:
		return true
	}
	return false
}

// describe says what a body that is no answer looks like.
func describe(body []byte, readErr error) string {
	trimmed := bytes.TrimSpace(body)
	switch {
	case readErr != nil:
		return "the answer was cut short"
	case len(trimmed) == 0:
		return "the answer is empty"
	case isFalse(trimmed):
		return "the answer is the bare word false"
	case trimmed[0] == '<':
		return "the answer is an HTML page"
	case json.Valid(trimmed):
		return "the answer is JSON of an unknown form"
	default:
		return "the answer is not JSON"
	}
}
