package appevents

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
)

// An exchange is one HTTP request, in one piece of memory, and how far it got. The transport reports that on goroutines
// of its own, and after a cancellation even later than the request's return; hence the atomics, and the rule that doubt
// counts as sent.
type exchange struct {
	url    url.URL
	body   bytes.Reader
	header [5]string

	trace        httptrace.ClientTrace
	wrapped      bool        // the transport is not net/http's own and may repeat what was sent
	watched      atomic.Bool // the transport reports progress: it is net/http, or wraps it
	wroteHeaders atomic.Bool // the request began to leave
	writeFailed  atomic.Bool // but was not written to its end, so Graph cannot have acted on it
	sentBefore   atomic.Bool // a wrapped transport may have sent it on an earlier connection
}

func newExchange(transport http.RoundTripper) *exchange {
	_, plain := transport.(*http.Transport)
	return &exchange{wrapped: !plain}
}

// request makes the HTTP request for r.
func (x *exchange) request(ctx context.Context, c *Client, r *request, cred credentials) *http.Request {
	x.url = c.baseURL
	path := "/" + r.version
	if r.node != "" {
		path += "/" + string(r.node)
	}
	if r.edge != "" {
		path += "/" + r.edge
	}
	x.url.Path += path
	if x.url.RawPath != "" {
		x.url.RawPath += path // nodes and edges have no character that needs an escape
	}
	fields := [...][2]string{
		{"access_token", ""}, {"appsecret_proof", cred.proof}, {"appsecret_time", cred.time},
	}
	if c.tokenBody {
		fields[0][1] = cred.token
	}
	req := &http.Request{
		Method: r.method, URL: &x.url, Host: x.url.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(x.header)), Body: http.NoBody,
	}
	header := x.header[:0]
	set := func(canonical, value string) {
		header = append(header, value)
		req.Header[canonical] = slices.Clip(header[len(header)-1:])
	}
	if r.method == http.MethodGet {
		x.url.RawQuery = queryOf(r.query, fields[:])
	} else {
		body := r.encoding.withFields(r.body, fields[:])
		if len(body) > 0 { // else net/http would take the length for unknown
			x.body.Reset(body)
			req.Body, req.ContentLength = io.NopCloser(&x.body), int64(len(body))
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		}
		set("Content-Type", r.encoding.contentType())
	}
	set("Accept", "application/json")
	set("User-Agent", "appevents-go/"+Version)
	if cred.token != "" && !c.tokenBody {
		set("Authorization", cred.bearer)
	}
	if r.clientIP.IsValid() {
		set("X-Forwarded-For", r.clientIP.Unmap().WithZone("").String())
	}
	return req.WithContext(x.watch(ctx))
}

// queryOf writes the query of a read.
func queryOf(params url.Values, fields [][2]string) string {
	query := make(url.Values, len(params)+len(fields))
	maps.Copy(query, params)
	for _, f := range fields {
		if f[1] != "" {
			query.Set(f[0], f[1])
		}
	}
	return query.Encode()
}

// watch returns a context that reports the progress of the request it is for.
func (x *exchange) watch(ctx context.Context) context.Context {
	x.trace = httptrace.ClientTrace{
		GetConn: func(string) {
			// net/http itself repeats only what was not sent, so each connection starts afresh.
			if x.wrapped && x.wroteHeaders.Load() && !x.writeFailed.Load() {
				x.sentBefore.Store(true)
			}
			x.watched.Store(true)
			x.wroteHeaders.Store(false)
			x.writeFailed.Store(false)
		},
		WroteHeaders: func() { x.wroteHeaders.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) { x.writeFailed.Store(info.Err != nil) },
	}
	return httptrace.WithClientTrace(ctx, &x.trace)
}

// outcome says what became of a request that failed with err and brought no answer.
func (x *exchange) outcome(err error) Outcome {
	if x.watched.Load() {
		if !x.sentBefore.Load() && (!x.wroteHeaders.Load() || x.writeFailed.Load()) {
			return OutcomeNotSent
		}
		return OutcomeUnknown
	}
	// A transport of another make: believe it only where the error itself proves that no connection came about.
	var (
		dial    *net.OpError
		dns     *net.DNSError
		certErr *tls.CertificateVerificationError
	)
	if errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &dns) || errors.As(err, &certErr) {
		return OutcomeNotSent
	}
	return OutcomeUnknown
}
