package graphtest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// unboundURL is the URL of a server without a socket. The name can never resolve, so a client that does not go through
// the server reaches nothing.
const unboundURL = "http://graph.invalid"

// A Server stands in for graph.facebook.com. It is safe for concurrent use.
//
// It is an [http.Handler] and an [http.RoundTripper] too. Printing one shows its URL only.
type Server struct {
	// URL is the base URL for the client, without a trailing slash: "http://127.0.0.1:40123".
	URL string

	g     func() *graph // a function, which nothing that prints or dumps values looks behind
	http  *http.Server
	done  chan struct{} // closed when the accept loop has ended
	close sync.Once
}

// New returns a server without a socket, to be used as an http.RoundTripper or mounted as an http.Handler. Its URL is a
// name that never resolves.
func New(opts ...Option) *Server {
	g := newGraph(newConfig(opts))
	return &Server{URL: unboundURL, g: func() *graph { return g }}
}

// Start returns a server that listens on a free loopback port until Close. Tests use [NewServer] instead.
func Start(opts ...Option) (*Server, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("graphtest: listen: %w", err)
	}
	s := New(opts...)
	s.URL = "http://" + l.Addr().String()
	s.g().url = s.URL
	s.done = make(chan struct{})
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       time.Minute,
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // always ends with ErrServerClosed
	}()
	return s, nil
}

// NewServer starts a server for a test and closes it when the test ends.
func NewServer(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	s, err := Start(opts...)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(func() {
		s.Close()
		if s.g().cfg.strict {
			s.Check(tb)
		}
	})
	return s
}

// Responder returns the [Server.RoundTrip] of a new server, for httpmock.RegisterResponder and RegisterNoResponder. Use
// [New] to look at the calls afterwards.
func Responder(opts ...Option) func(*http.Request) (*http.Response, error) {
	return New(opts...).RoundTrip
}

// Close stops the server, ends calls that a fault holds open, and returns when no goroutine is left. The recorded calls
// stay readable. Closing again does nothing.
func (s *Server) Close() {
	s.close.Do(func() {
		s.g().mu.Lock()
		close(s.g().closed)
		s.g().mu.Unlock()
		if s.http != nil {
			_ = s.http.Close()
			<-s.done
		}
	})
	s.g().active.Wait()
}

// Inject queues faults; each meets the next call it matches. See [Fault].
func (s *Server) Inject(faults ...Fault) {
	s.g().mu.Lock()
	defer s.g().mu.Unlock()
	for _, f := range faults {
		if f != nil {
			s.g().faults = append(s.g().faults, f.plan()...)
		}
	}
}

// Calls returns copies of the recorded calls in the order of their arrival.
func (s *Server) Calls() []Call {
	s.g().mu.Lock()
	recorded := slices.Clone(s.g().calls) // never changed once recorded
	s.g().mu.Unlock()
	slices.SortFunc(recorded, func(a, b *Call) int { return cmp.Compare(a.seq, b.seq) })
	calls := make([]Call, len(recorded))
	for i, c := range recorded {
		calls[i] = c.clone()
	}
	return calls
}

// Count returns the number of calls since the start or the last Reset, including those no longer kept.
func (s *Server) Count() int {
	s.g().mu.Lock()
	defer s.g().mu.Unlock()
	return s.g().count
}

// Wait returns nil once Count is at least n, or the context's error.
func (s *Server) Wait(ctx context.Context, n int) error {
	for {
		s.g().mu.Lock()
		count, changed := s.g().count, s.g().changed
		s.g().mu.Unlock()
		if count >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("graphtest: waiting for %d calls, got %d: %w", n, count, context.Cause(ctx))
		}
	}
}

// Problems returns the problems of all recorded calls in order.
func (s *Server) Problems() []Problem {
	var all []Problem
	for _, c := range s.Calls() {
		all = append(all, c.Problems...)
	}
	return all
}

// Check reports every problem of every recorded call as an error of the test, but for those that are Tolerated.
func (s *Server) Check(tb testing.TB) {
	tb.Helper()
	for i, c := range s.Calls() {
		for _, p := range c.Problems {
			if !p.Tolerated {
				tb.Errorf("graphtest: call %d, %s %s: %s", i, c.Method, c.Path, p)
			}
		}
	}
}

// Reset forgets the recorded calls, the faults not yet used and what a [Throttle] asked for. Datasets and reports stay.
func (s *Server) Reset() {
	s.g().mu.Lock()
	defer s.g().mu.Unlock()
	s.g().calls, s.g().count, s.g().faults = nil, 0, nil
	clear(s.g().blocked)
	clear(s.g().names)
}

// String returns the URL and the number of calls.
func (s *Server) String() string {
	return fmt.Sprintf("graphtest.Server(%s, %d calls)", s.URL, s.Count())
}

// Format writes String for every verb, so that no verb prints a token or secret.
func (s *Server) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }
