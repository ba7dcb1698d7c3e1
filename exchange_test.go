package appevents_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// listen returns a listener on loopback that hands each connection to serve.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		group.Wait()
	})
	return l.Addr().String()
}

// refusing returns an address on loopback that refuses connections as long as the test runs. The port of a listener
// that was closed would soon be that of another test's server; this one is the local end of a connection.
func refusing(t *testing.T) (address string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listen(t, func(conn net.Conn) {
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().String()
}

// reset closes a connection so that the other side sees a reset, not an end.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// hijack takes the connection of a request from its server.
func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

// serve starts a server whose complaints about broken connections stay silent.
func serve(t *testing.T, start func(*httptest.Server), handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(server)
	t.Cleanup(server.Close)
	return server
}

// closeIdle closes the connections of a transport when the test ends.
func closeIdle(t *testing.T, transport *http.Transport) *http.Client {
	t.Helper()
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func requireCallError(t *testing.T, err error, want appevents.Outcome) *appevents.CallError {
	t.Helper()
	var call *appevents.CallError
	require.ErrorAs(t, err, &call)
	require.Equal(t, want, call.Outcome, "%v", err)
	require.Equal(t, want, appevents.OutcomeOf(err))
	require.Equal(t, want == appevents.OutcomeUnknown, errors.Is(err, appevents.ErrUnknownOutcome))
	return call
}

func TestOutcome_OfAFailedDialIsNotSent(t *testing.T) {
	t.Parallel()
	client := mustClient(t, appevents.WithBaseURL("http://"+refusing(t)), quick())
	_, err := client.LogActivity(t.Context(), purchase())
	call := requireCallError(t, err, appevents.OutcomeNotSent)
	require.Equal(t, 3, call.Attempts, "repeated, for nothing was sent")
	require.Equal(t, "log activity", call.Op)
}

// quick makes repeats wait for next to nothing.
func quick() appevents.Option {
	return appevents.WithRetry(appevents.RetryPolicy{BaseDelay: 1, MaxDelay: 1})
}

func TestOutcome_OfAFailedHandshakeIsNotSent(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	count := func(http.ResponseWriter, *http.Request) { arrived.Add(1) }
	untrusted := serve(t, (*httptest.Server).StartTLS, count)
	_, err := mustClient(t, appevents.WithBaseURL(untrusted.URL), quick()).LogActivity(t.Context(), purchase())
	requireCallError(t, err, appevents.OutcomeNotSent)
	var certificate *tls.CertificateVerificationError
	require.ErrorAs(t, err, &certificate)

	plain := serve(t, (*httptest.Server).Start, count)
	_, err = mustClient(t, appevents.WithBaseURL("https"+strings.TrimPrefix(plain.URL, "http")), quick()).
		LogActivity(t.Context(), purchase())
	requireCallError(t, err, appevents.OutcomeNotSent)
	require.Zero(t, arrived.Load())
}

// watchedConn tells when the first bytes have been handed to the network.
type watchedConn struct {
	net.Conn
	wrote chan struct{}
	once  sync.Once
}

func (c *watchedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.once.Do(func() { close(c.wrote) })
	return n, err
}

func TestOutcome_OfAResetBeforeReadingIsUnknown(t *testing.T) {
	t.Parallel()
	wrote := make(chan struct{})
	address := listen(t, func(conn net.Conn) {
		<-wrote // and not read
		reset(conn)
	})
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &watchedConn{Conn: conn, wrote: wrote}, err
	}}
	client := mustClient(t, appevents.WithBaseURL("http://"+address), appevents.WithHTTPClient(closeIdle(t, transport)))
	_, err := client.LogActivity(t.Context(), purchase())
	call := requireCallError(t, err, appevents.OutcomeUnknown)
	require.Equal(t, 1, call.Attempts, "not repeated")
}

func TestOutcome_OfAResetInTheMiddleOfTheBodyIsNotSent(t *testing.T) {
	t.Parallel()
	address := listen(t, func(conn net.Conn) {
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		_, _ = conn.Read(make([]byte, 1))
		reset(conn)
	})
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetWriteBuffer(4 << 10)
		}
		return conn, err
	}}
	client := mustClient(t, appevents.WithBaseURL("http://"+address), appevents.WithHTTPClient(closeIdle(t, transport)),
		oneAttempt())
	large := purchase()
	large.Events[0].Params.Description = strings.Repeat("x", 1<<20)
	_, err := client.LogActivity(t.Context(), large)
	requireCallError(t, err, appevents.OutcomeNotSent)
}

func TestOutcome_OfAResetAfterReadingIsUnknown(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	server := serve(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		reset(hijack(w))
	})
	_, err := mustClient(t, appevents.WithBaseURL(server.URL)).LogActivity(t.Context(), purchase())
	requireCallError(t, err, appevents.OutcomeUnknown)
	require.EqualValues(t, 1, arrived.Load())
}

func TestOutcome_OverHTTP2(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	var fail atomic.Bool
	server := serve(t, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.StartTLS()
	}, func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		if r.ProtoMajor != 2 || fail.Load() {
			panic(http.ErrAbortHandler) // resets the stream
		}
		_, _ = io.WriteString(w, coreSuccess)
	})
	client := mustClient(t, appevents.WithBaseURL(server.URL), appevents.WithHTTPClient(server.Client()))
	_, err := client.LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	fail.Store(true)
	_, err = client.LogActivity(t.Context(), purchase())
	requireCallError(t, err, appevents.OutcomeUnknown)
	require.EqualValues(t, 2, arrived.Load())
}

func TestOutcome_OfATimeoutWaitingForHeadersIsUnknown(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	server := serve(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	})
	ctx := overdue{Context: t.Context(), done: arrived}
	_, err := mustClient(t, appevents.WithBaseURL(server.URL)).LogActivity(ctx, purchase())
	requireCallError(t, err, appevents.OutcomeUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// overdue is a context whose time is up when done is closed, however slow the machine.
type overdue struct {
	context.Context
	done chan struct{}
}

func (c overdue) Done() <-chan struct{} { return c.done }

func (c overdue) Err() error {
	select {
	case <-c.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestOutcome_OfATruncatedBodyIsUnknown(t *testing.T) {
	t.Parallel()
	for name, response := range map[string]string{
		"announced length": "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n" + coreSuccess,
		"chunks":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" + coreSuccess + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				conn := hijack(w)
				_, _ = io.WriteString(conn, response)
				_ = conn.Close()
			})
			_, err := mustClient(t, appevents.WithBaseURL(server.URL)).LogActivity(t.Context(), purchase())
			var graph *appevents.GraphError
			require.ErrorAs(t, err, &graph)
			require.Equal(t, http.StatusOK, graph.StatusCode)
			require.ErrorIs(t, err, appevents.ErrUnknownOutcome)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Equal(t, appevents.OutcomeUnknown, appevents.OutcomeOf(err))
		})
	}
}

func TestOutcome_OfCancellingAtEachStage(t *testing.T) {
	t.Parallel()
	hold := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	half := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "90")
		_, _ = io.WriteString(w, coreSuccess)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		stage   func(ctx context.Context, cancel context.CancelFunc, server *httptest.Server) http.RoundTripper
		outcome appevents.Outcome
		arrived int32
	}{
		"before the call": {hold, func(_ context.Context, cancel context.CancelFunc, _ *httptest.Server) http.RoundTripper {
			cancel()
			return new(http.Transport)
		}, appevents.OutcomeNotSent, 0},
		"while dialling": {hold, func(ctx context.Context, cancel context.CancelFunc, _ *httptest.Server) http.RoundTripper {
			return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			}}
		}, appevents.OutcomeNotSent, 0},
		"while waiting": {hold, func(_ context.Context, cancel context.CancelFunc, server *httptest.Server) http.RoundTripper {
			handler := server.Config.Handler
			server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				cancel()
				handler.ServeHTTP(w, r)
			})
			return new(http.Transport)
		}, appevents.OutcomeUnknown, 1},
		"while reading": {half, func(_ context.Context, cancel context.CancelFunc, _ *httptest.Server) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				defer cancel() // once the headers are here
				return http.DefaultTransport.RoundTrip(r)
			})
		}, appevents.OutcomeUnknown, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var arrived atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				arrived.Add(1)
				test.handler(w, r)
			}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			transport := test.stage(ctx, cancel, server)
			server.Start()
			t.Cleanup(server.Close)
			client := mustClient(t, appevents.WithBaseURL(server.URL),
				appevents.WithHTTPClient(&http.Client{Transport: transport}),
				appevents.WithRetry(appevents.RetryPolicy{RetryUnknown: true, BaseDelay: 1, MaxDelay: 1}))
			_, err := client.LogActivity(ctx, purchase())
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, test.outcome, appevents.OutcomeOf(err), "%v", err)
			require.Equal(t, test.outcome == appevents.OutcomeUnknown, errors.Is(err, appevents.ErrUnknownOutcome))
			require.Equal(t, test.arrived, arrived.Load(), "a cancelled call is not repeated")
		})
	}
}

func TestOutcome_OfCancellingTheHandshakeIsNotSent(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	returned := make(chan struct{})
	address := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1)) // the client's greeting
		cancel()
		<-returned
		reset(conn)
	})
	_, err := mustClient(t, appevents.WithBaseURL("https://"+address)).LogActivity(ctx, purchase())
	close(returned)
	requireCallError(t, err, appevents.OutcomeNotSent)
	require.ErrorIs(t, err, context.Canceled)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOutcome_OfATransportThatRepeatsByItself(t *testing.T) {
	t.Parallel()
	server := serve(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		reset(hijack(w))
	})
	nowhere := refusing(t)
	var trips atomic.Int32
	repeating := roundTrip(func(r *http.Request) (*http.Response, error) {
		trips.Add(1)
		for _, host := range []string{strings.TrimPrefix(server.URL, "http://"), nowhere} {
			again := r.Clone(r.Context())
			again.URL.Host = host
			again.Body, _ = r.GetBody()
			resp, err := http.DefaultTransport.RoundTrip(again)
			if err == nil {
				return resp, nil
			}
			if host == nowhere {
				return nil, err
			}
		}
		return nil, errors.New("unreachable")
	})
	// The last thing that happened is a failed dial, but the server may have acted on the request before it.
	_, err := mustClient(t, appevents.WithBaseURL("http://graph.invalid"),
		appevents.WithHTTPClient(&http.Client{Transport: repeating})).LogActivity(t.Context(), purchase())
	requireCallError(t, err, appevents.OutcomeUnknown)
	require.EqualValues(t, 1, trips.Load())
}

func TestOutcome_OfATransportThatReportsNoProgress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want appevents.Outcome
	}{
		"dial":        {&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}, appevents.OutcomeNotSent},
		"name":        {&net.DNSError{Err: "no such host", Name: "graph.invalid"}, appevents.OutcomeNotSent},
		"certificate": {&tls.CertificateVerificationError{Err: errors.New("expired")}, appevents.OutcomeNotSent},
		"wrapped":     {fmt.Errorf("mesh: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), appevents.OutcomeNotSent},
		"read":        {&net.OpError{Op: "read", Net: "tcp", Err: errors.New("reset")}, appevents.OutcomeUnknown},
		"end":         {io.EOF, appevents.OutcomeUnknown},
		"text":        {errors.New("dial tcp: refused"), appevents.OutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newMock(t, httpmock.NewErrorResponder(test.err)).client(t, oneAttempt()).
				LogActivity(t.Context(), purchase())
			requireCallError(t, err, test.want)
			require.ErrorIs(t, err, test.err)
		})
	}
}
