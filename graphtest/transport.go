package graphtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// maxHold is how long Timeout keeps a call at most.
const maxHold = time.Minute

var errClosed = errors.New("graphtest: the server is closed")

// begin registers one exchange, unless the server is closed.
func (g *graph) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.closed:
		return false
	default:
		g.active.Add(1)
		return true
	}
}

// pause waits for d, or until the caller gives up or the server closes; it reports whether it waited the whole time.
func (g *graph) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-g.closed:
	}
	return false
}

// ServeHTTP answers one call. The faults of the connection need one that can be hijacked; on another kind they abort
// the handler, as [http.ErrAbortHandler] does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.g().begin() {
		http.Error(w, errClosed.Error(), http.StatusServiceUnavailable)
		return
	}
	defer s.g().active.Done()
	a := s.g().exchange(r, r.Body)
	ctx := r.Context()

	switch a.fault.kind {
	case Reset, ResetEarly:
		hangUp(w)
		return
	case Timeout:
		s.g().pause(ctx, maxHold)
		hangUp(w)
		return
	case SlowHeaders:
		s.g().pause(ctx, a.fault.wait)
	}

	maps.Copy(w.Header(), a.header)
	if a.status >= 200 && a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	rc := http.NewResponseController(w)
	switch a.fault.kind {
	case Truncate:
		_, _ = w.Write(a.body[:len(a.body)/2])
		// net/http closes a connection on which less was written than announced.
	case SlowBody:
		_ = rc.Flush()
		drip := newDrip(ctx, s.g(), a)
		for {
			n, err := drip.next()
			if err != nil {
				return
			}
			_, _ = w.Write(n)
			_ = rc.Flush()
		}
	case Unsolicited:
		_, _ = w.Write(a.body)
		_ = rc.Flush()
		conn, buf, err := rc.Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			len(a.body), a.body)
		_ = buf.Flush()
	default:
		_, _ = w.Write(a.body)
	}
}

// hangUp resets the connection.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // not a plain connection: dropping the exchange is the nearest thing
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // close with RST
	}
	_ = conn.Close()
}

// RoundTrip answers one call in memory: the server as the Transport of an [http.Client], with no socket and so usable
// inside testing/synctest. Faults of the connection come back as the errors net/http would return for them.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	var body io.Reader
	if r.Body != nil {
		defer r.Body.Close()
		body = r.Body
	}
	ctx := r.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if !s.g().begin() {
		return nil, errClosed
	}
	defer s.g().active.Done()
	a := s.g().exchange(r, body)

	switch a.fault.kind {
	case Reset, ResetEarly:
		return nil, errReset
	case Timeout:
		s.g().pause(ctx, maxHold)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, io.EOF
	case SlowHeaders:
		s.g().pause(ctx, a.fault.wait)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}

	resp := &http.Response{
		Status:        strconv.Itoa(a.status) + " " + http.StatusText(a.status),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.header,
		ContentLength: int64(len(a.body)),
		Request:       r,
		Body:          io.NopCloser(bytes.NewReader(a.body)),
	}
	switch a.fault.kind {
	case Truncate:
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(a.body[:len(a.body)/2]), failingReader{io.ErrUnexpectedEOF}))
	case SlowBody:
		resp.Body = io.NopCloser(newDrip(ctx, s.g(), a))
	}
	return resp, nil
}

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// drip hands out a body in a few pieces with pauses between them.
type drip struct {
	ctx   context.Context
	g     *graph
	rest  []byte
	piece int
	pause time.Duration
	ready []byte
}

const drops = 5 // pieces a dripped body is cut into

func newDrip(ctx context.Context, g *graph, a answer) *drip {
	return &drip{ctx: ctx, g: g, rest: a.body, piece: len(a.body)/drops + 1, pause: a.fault.wait / drops}
}

// next waits and returns the next piece, or io.EOF, or the reason why the caller left.
func (d *drip) next() ([]byte, error) {
	if len(d.rest) == 0 {
		return nil, io.EOF
	}
	if !d.g.pause(d.ctx, d.pause) && d.ctx.Err() != nil {
		return nil, context.Cause(d.ctx)
	}
	n := min(d.piece, len(d.rest))
	piece := d.rest[:n]
	d.rest = d.rest[n:]
	return piece, nil
}

// Read implements io.Reader.
func (d *drip) Read(p []byte) (int, error) {
	if len(d.ready) == 0 {
		piece, err := d.next()
		if err != nil {
			return 0, err
		}
		d.ready = piece
	}
	n := copy(p, d.ready)
	d.ready = d.ready[n:]
	return n, nil
}
