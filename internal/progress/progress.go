// Package progress watches how far an HTTP request got.
package progress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// Watch is about one request; the zero value is ready. The transport reports on goroutines of its own, and after a
// cancellation even later than the request's return; hence the atomics, and the rule that doubt counts as sent.
type Watch struct {
	trace        httptrace.ClientTrace
	watched      atomic.Bool // the transport reports progress: it is net/http, or wraps it
	wroteHeaders atomic.Bool // the request began to leave
	writeFailed  atomic.Bool // but was not written to its end, so the server cannot have acted on it
	sentBefore   atomic.Bool // it may have been sent on an earlier connection
}

// Context returns the context to make the request with.
func (w *Watch) Context(ctx context.Context) context.Context {
	w.trace = httptrace.ClientTrace{
		GetConn: func(string) {
			if w.wroteHeaders.Load() && !w.writeFailed.Load() {
				w.sentBefore.Store(true)
			}
			w.watched.Store(true)
			w.wroteHeaders.Store(false)
			w.writeFailed.Store(false)
		},
		WroteHeaders: func() { w.wroteHeaders.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) { w.writeFailed.Store(info.Err != nil) },
	}
	return httptrace.WithClientTrace(ctx, &w.trace)
}

// Nothing reports whether the server cannot have acted on the request, which failed with err.
func (w *Watch) Nothing(transport http.RoundTripper, err error) bool {
	if w.watched.Load() {
		// net/http repeats only what was not sent, so each connection starts afresh. A transport around it may not.
		_, plain := transport.(*http.Transport)
		return (plain || !w.sentBefore.Load()) && (!w.wroteHeaders.Load() || w.writeFailed.Load())
	}
	// A transport of another make: believe it only where the error itself proves that no connection came about.
	var (
		dial    *net.OpError
		dns     *net.DNSError
		certErr *tls.CertificateVerificationError
	)
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &dns) || errors.As(err, &certErr)
}
