package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
)

// metaFlags say which Graph API is asked, and as whom.
type metaFlags struct {
	App         string `group:"Meta" placeholder:"ID" help:"The app [$$APPEVENTS_APP_ID, $$APP_ID]."`
	secretFlags `group:"Meta"`
	tokenFlags  `group:"Meta"`
	graphAt     `group:"Meta"`
}

// base is where requests go.
func (g *graphAt) base() string {
	return strings.TrimSuffix(cmp.Or(g.BaseURL, "https://graph.facebook.com"), "/")
}

// real reports whether requests leave this machine, and the host they go to.
func (g *graphAt) real() (host string, leaves bool) {
	u, err := url.Parse(g.base())
	if err != nil {
		return "", true
	}
	return u.Host, !isLoopback(u.Hostname())
}

// connect makes a client for an app. Its error repeats no credential.
func (g *graphAt) connect(app string, options ...appevents.Option) (*appevents.Client, error) {
	options = append(options, appevents.WithBaseURL(g.base()))
	if g.GraphVersion != "" {
		options = append(options, appevents.WithVersion(g.GraphVersion))
	}
	client, err := appevents.New(app, options...)
	if err != nil {
		return nil, usageError("%w", bare{err})
	}
	return client, nil
}

// toGraph carries requests that somebody looks at. Proxies of the environment are for other hosts than this machine.
func (p *program) toGraph() http.RoundTripper {
	if p.graph != nil {
		return p.transport(p.graph)
	}
	return p.transport(&http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: 1 << 20, ForceAttemptHTTP2: true,
	})
}

// appID is the app, which every command needs.
func (m *metaFlags) appID(p *program) (string, error) {
	if m.App != "" {
		return m.App, nil
	}
	app, err := p.credential("APP_ID")
	if err == nil && app.value == "" {
		err = &failure{
			code: exitCredentials, err: errors.New("no app"), hint: "set APPEVENTS_APP_ID or APP_ID, or give --app",
		}
	}
	return app.value, err
}

// A sender is a client with what there is to say about it.
type sender struct {
	*appevents.Client
	app  string
	host string
	real bool // not on this machine
}

// client makes the client of a command. A dry run needs no credentials.
func (m *metaFlags) client(
	ctx context.Context, p *program, dry, needsToken bool, options ...appevents.Option,
) (*sender, error) {
	app, err := m.appID(p)
	if err != nil {
		return nil, err
	}
	var secret credential
	if m.AppSecretFile != "" {
		secret, err = p.appSecret(m.secretFlags, noBody)
	} else {
		secret, err = p.credential("APP_SECRET")
	}
	if err != nil {
		return nil, err
	}
	token, err := m.token(ctx, p, needsToken && !dry)
	if err != nil {
		return nil, err
	}
	if dry && token.value == "" {
		token.value = "none"
	}
	s := &sender{app: app}
	s.host, s.real = m.real()
	if secret.value != "" {
		options = append(options, appevents.WithAppSecret(secret.value))
	}
	if token.value != "" {
		options = append(options, appevents.WithAccessToken(token.value))
	}
	switch {
	case dry:
	case p.debug, p.graph != nil:
		options = append(options, appevents.WithHTTPClient(&http.Client{Transport: p.toGraph()}))
	case s.real:
		options = append(options, appevents.WithProxyFromEnvironment())
	}
	s.Client, err = m.connect(app, options...)
	return s, err
}

// token is the access token. Without need it is the zero credential when there is none: the app token serves
// /activities.
func (m *metaFlags) token(ctx context.Context, p *program, need bool) (credential, error) {
	if need || m.AccessTokenFile != "" {
		return p.accessToken(ctx, m.tokenFlags)
	}
	return p.foundToken(ctx, "ACCESS_TOKEN")
}

// callFailure gives the error of a call its exit code, and a throttled one the time.
func callFailure(err error) error {
	code := codeOf(err)
	if graph, ok := errors.AsType[*appevents.GraphError](err); ok && code == exitThrottled && graph.RetryAfter > 0 {
		return fail(code, "%w: not before %s", bare{err}, time.Now().Add(graph.RetryAfter).Format(time.TimeOnly))
	}
	return fail(code, "%w", bare{err})
}

// A bare is an error of the SDK without its prefix: the program is called the same.
type bare struct{ error }

// Error is the text after the prefix.
func (b bare) Error() string { return strings.TrimPrefix(b.error.Error(), "appevents: ") }

// Unwrap returns the error.
func (b bare) Unwrap() error { return b.error }

// sendCall sends a call. The error says what became of the whole; rest is what of it was not accepted and may be sent
// again without being counted twice, nil when nothing is known to be.
func (s *sender) sendCall(ctx context.Context, call appevents.Call) (rest appevents.Call, err error) {
	switch c := call.(type) {
	case *appevents.Activity:
		_, err = s.LogActivity(ctx, c)
		own := *c
		own.Events = restOf(c.Events, err)
		return restCall(&own, len(own.Events), err), err
	case *appevents.PageActivity: //nolint:staticcheck // see edgeOf
		_, err = s.LogPageActivity(ctx, c) //nolint:staticcheck // see edgeOf
		own := *c
		own.Events = restOf(c.Events, err)
		return restCall(&own, len(own.Events), err), err
	case *appevents.Install:
		_, err = s.LogInstall(ctx, c)
		return restCall(c, len(restOf([]struct{}{{}}, err)), err), err
	case *appevents.ConversionCall:
		result, err := s.SendConversions(ctx, string(c.DatasetID), c.Conversions...)
		if err != nil && len(result.Failed) == 0 { // nothing was tried
			return c, err
		}
		own := appevents.ConversionCall{DatasetID: c.DatasetID}
		worst := err
		for i, f := range result.Failed {
			if i == 0 || rank(codeOf(f.Err)) < rank(codeOf(worst)) {
				worst = f.Err
			}
			if appevents.OutcomeOf(f.Err) != appevents.OutcomeUnknown {
				own.Conversions = append(own.Conversions, c.Conversions[f.Index])
			}
		}
		return restCall(&own, len(own.Conversions), err), worst
	default:
		return nil, errors.New("a call of this kind cannot be sent")
	}
}

// restOf are the events that were not accepted, nor perhaps accepted.
func restOf[T any](events []T, err error) []T {
	partial, ok := errors.AsType[*appevents.PartialError](err)
	unknown := appevents.OutcomeOf(err) == appevents.OutcomeUnknown
	switch {
	case err == nil, !ok && unknown:
		return nil
	case !ok:
		return events
	case unknown:
		return events[min(partial.Failed, len(events)):]
	default:
		return events[min(partial.Accepted, len(events)):]
	}
}

func restCall(call appevents.Call, n int, err error) appevents.Call {
	if err == nil || n == 0 {
		return nil
	}
	return call
}

// rank orders exit codes for several lines: the first of these that occurred is that of the program.
func rank(code int) int {
	for i, c := range []int{exitUnknown, exitCredentials, exitThrottled, exitNotSent, exitNo} {
		if c == code {
			return i
		}
	}
	return len(outcomes)
}
