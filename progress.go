package appevents

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// progress watches how far a request got. Its hooks run on the transport's goroutines, and after a cancellation even
// later than the request's return; hence the atomics, and the rule that doubt counts as sent.
type progress struct {
	wrapped      bool        // the transport is not net/http's own and may repeat what was sent
	watched      atomic.Bool // the transport reports progress: it is net/http, or wraps it
	wroteHeaders atomic.Bool // the request began to leave
	writeFailed  atomic.Bool // but was not written to its end, so Graph cannot have acted on it
	sentBefore   atomic.Bool // a wrapped transport may have sent it on an earlier connection
	trace        httptrace.ClientTrace
}

// watch returns a context that reports the progress of the request it is for.
func (p *progress) watch(ctx context.Context) context.Context {
	p.trace = httptrace.ClientTrace{
		GetConn: func(string) {
			// net/http itself repeats only what was not sent, so each connection starts afresh.
			if p.wrapped && p.wroteHeaders.Load() && !p.writeFailed.Load() {
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

// outcome says what became of a request that failed with err and brought no answer.
func (p *progress) outcome(err error) Outcome {
	if p.watched.Load() {
		if !p.sentBefore.Load() && (!p.wroteHeaders.Load() || p.writeFailed.Load()) {
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
