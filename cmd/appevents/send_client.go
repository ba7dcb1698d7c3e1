package main

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
)

// metaFlags say which Graph API is asked, and as whom.
type metaFlags struct {
	App         string `placeholder:"ID" help:"The app [$$APPEVENTS_APP_ID, $$APP_ID]."`
	secretFlags `group:"Meta"`
	tokenFlags  `group:"Meta"`
	graphAt     `group:"Meta"`
}

// graphURL is where Meta is.
const graphURL = "https://graph.facebook.com"

// base is where requests go.
func (m *metaFlags) base() string {
	if m.BaseURL == "" {
		return graphURL
	}
	return strings.TrimSuffix(m.BaseURL, "/")
}

// real reports whether requests leave this machine, and the host they go to.
func (m *metaFlags) real() (host string, leaves bool) {
	u, err := url.Parse(m.base())
	if err != nil {
		return "", true
	}
	name := strings.ToLower(u.Hostname())
	ip, err := netip.ParseAddr(name)
	return u.Host, name != "localhost" && !(err == nil && ip.IsLoopback())
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
	app := credential{m.App, "--app"}
	if app.value == "" {
		var err error
		if app, err = p.credential("APP_ID"); err != nil {
			return nil, err
		}
	}
	if app.value == "" {
		return nil, &failure{
			code: exitCredentials, err: errors.New("no app"), hint: "set APPEVENTS_APP_ID or APP_ID, or give --app",
		}
	}
	var (
		secret credential
		err    error
	)
	if m.AppSecretFile != "" {
		secret, err = p.appSecret(m.secretFlags, "read already")
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
	s := &sender{app: app.value}
	s.host, s.real = m.real()
	all := []appevents.Option{appevents.WithBaseURL(m.base())}
	if m.GraphVersion != "" {
		all = append(all, appevents.WithVersion(m.GraphVersion))
	}
	if secret.value != "" {
		all = append(all, appevents.WithAppSecret(secret.value))
	}
	if token.value != "" {
		all = append(all, appevents.WithAccessToken(token.value))
	}
	switch {
	case dry:
	case p.graph != nil:
		all = append(all, appevents.WithHTTPClient(&http.Client{Transport: p.transport(p.graph)}))
	case p.debug:
		next := http.DefaultTransport
		if !s.real { // proxies are for other hosts
			next = &http.Transport{Proxy: nil}
		}
		all = append(all, appevents.WithHTTPClient(&http.Client{Transport: p.transport(next)}))
	case s.real:
		all = append(all, appevents.WithProxyFromEnvironment())
	}
	s.Client, err = appevents.New(app.value, append(all, options...)...)
	if err != nil { // it repeats no credential
		return nil, fail(exitUsage, "%w", bare{err})
	}
	return s, nil
}

// token is the access token. Without need it is the zero credential when there is none: the app token serves
// /activities.
func (m *metaFlags) token(ctx context.Context, p *program, need bool) (credential, error) {
	if need || m.AccessTokenFile != "" {
		return p.accessToken(ctx, m.tokenFlags)
	}
	token, err := p.credential("ACCESS_TOKEN")
	if err != nil || token.value != "" || p.config == nil {
		return token, err
	}
	if value, path := p.config.lookup(keyTokenCommand); value != nil {
		return p.runTokenCommand(ctx, value, path)
	}
	return credential{}, nil
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
