package appevents

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// Outcome says what became of a call that failed.
type Outcome uint8

// The outcomes of a call. The zero value means that the error at hand says nothing about a call.
const (
	OutcomeNone     Outcome = iota
	OutcomeAccepted         // Graph answered with success
	OutcomeNotSent          // the request never left completely: Graph cannot have acted on it
	OutcomeRefused          // Graph, or a gateway before it, answered with a refusal
	OutcomeUnknown          // it was sent, but no usable answer came back: Graph may have acted on it
)

// String returns "accepted", "not sent", "refused", "unknown" or "none".
func (o Outcome) String() string {
	switch o {
	case OutcomeAccepted:
		return "accepted"
	case OutcomeNotSent:
		return "not sent"
	case OutcomeRefused:
		return "refused"
	case OutcomeUnknown:
		return "unknown"
	default:
		return "none"
	}
}

// OutcomeOf returns what became of the call that failed with err: [OutcomeAccepted] for nil, [OutcomeNotSent],
// [OutcomeRefused] or [OutcomeUnknown] for errors of this package, and [OutcomeNone] for any other error.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return OutcomeAccepted
	}
	var (
		graph   *GraphError
		call    *CallError
		invalid *ValidationError
	)
	switch {
	case errors.As(err, &call): // first: it may hold the GraphError of an earlier request
		return call.Outcome
	case errors.As(err, &graph):
		return graph.Outcome()
	case errors.As(err, &invalid):
		return OutcomeNotSent
	default:
		return OutcomeNone
	}
}

// progress watches how far a request got. Its hooks run on the transport's goroutines, and after a cancellation even
// later than the request's return; hence the atomics, and the rule that doubt counts as sent.
type progress struct {
	wrapped      bool        // the transport is not net/http's own and may repeat what was sent
	watched      atomic.Bool // the transport reports progress: it is net/http, or wraps it
	wroteHeaders atomic.Bool // the request began to leave
	writeFailed  atomic.Bool // but was not written to its end, so Graph cannot have acted on it
	sentBefore   atomic.Bool // a wrapped transport may have sent it on an earlier connection
}

func (p *progress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
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
