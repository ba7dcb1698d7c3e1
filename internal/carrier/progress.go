package carrier

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// Progress is how far one request got; the zero value is ready. The transport reports on goroutines of its own, and
// after a cancellation even later than the request's return; hence the atomics, and the rule that doubt counts as sent.
type Progress struct {
	trace        httptrace.ClientTrace
	watched      atomic.Bool // the transport reports progress: it is net/http, or wraps it
	wroteHeaders atomic.Bool // the request began to leave
	writeFailed  atomic.Bool // but was not written to its end, so the server cannot have acted on it
	sentBefore   atomic.Bool // it may have been sent on an earlier connection
}

// Context returns the context to make the request with.
func (p *Progress) Context(ctx context.Context) context.Context {
	p.trace = httptrace.ClientTrace{
		GetConn: func(string) {
			if p.wroteHeaders.Load() && !p.writeFailed.Load() {
				p.sentBefore.Store(true)
			}
			p.watched.Store(true)
			p.wroteHeaders.Store(false)
			p.writeFailed.Store(false)
		},
		WroteHeaders: func() { p.wroteHeaders.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) { p.writeFailed.Store(info.Err != nil) },
	}
	return httptrace.WithClientTrace(ctx, &p.trace)
}

// Nothing reports whether the server cannot have acted on the request, which failed with err.
func (p *Progress) Nothing(transport http.RoundTripper, err error) bool {
	if p.watched.Load() {
		// net/http repeats only what was not sent, so each connection starts afresh. A transport around it may not.
		_, plain := transport.(*http.Transport)
		return (plain || !p.sentBefore.Load()) && (!p.wroteHeaders.Load() || p.writeFailed.Load())
	}
	// A transport of another make: believe it only where the error itself proves that no connection came about.
	var (
		dial    *net.OpError
		dns     *net.DNSError
		certErr *tls.CertificateVerificationError
	)
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &dns) || errors.As(err, &certErr)
}
