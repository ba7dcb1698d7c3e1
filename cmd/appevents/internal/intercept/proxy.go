package intercept

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	idleTimeout = 2 * time.Minute
)

// A Proxy is the emulator's port: it serves the emulator, and is a forward proxy for programs on this machine. Calls to
// Graph's hosts end at the emulator; others are passed on untouched, or refused.
type Proxy struct {
	// Emulator gets every request that is for Graph or for the port itself.
	Emulator http.Handler

	// TLS speaks for Graph's hosts.
	TLS *tls.Config

	// Offline refuses every host that is neither Graph's nor on this machine.
	Offline bool

	// Upstream finds the proxy that leads to other hosts, as http.ProxyFromEnvironment does; nil means none.
	Upstream func(*http.Request) (*url.URL, error)

	// Refused, when set, is told of every host that was refused.
	Refused func(host string)

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

// ServeHTTP tells what the port is asked as a proxy from what it is asked itself.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodConnect && !r.URL.IsAbs():
		p.Emulator.ServeHTTP(w, r)
	case !fromLoopback(r):
		// Somebody opened the port to a network: the emulator may be shared, an open proxy never.
		http.Error(w, "appevents: the proxy serves this machine only", http.StatusForbidden)
	case r.Method == http.MethodConnect:
		p.connect(w, r)
	default:
		p.absolute(w, r)
	}
}

// Close ends the connections that were taken over.
func (p *Proxy) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for conn := range p.open {
		conn.Close()
	}
}

func (p *Proxy) track(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if p.open == nil {
		p.open = make(map[net.Conn]struct{})
	}
	p.open[conn] = struct{}{}
	return true
}

func (p *Proxy) forget(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
	conn.Close()
}

// absolute answers "POST https://graph.facebook.com/… HTTP/1.1", as axios sent through a proxy for years, and plain
// HTTP to other hosts.
func (p *Proxy) absolute(w http.ResponseWriter, r *http.Request) {
	host := strings.ToLower(r.URL.Hostname())
	if isGraph(host) || p.isSelf(r) {
		r.Host = r.URL.Host
		r.URL.Scheme, r.URL.Host = "", ""
		r.RequestURI = r.URL.RequestURI()
		p.Emulator.ServeHTTP(w, r)
		return
	}
	if p.refuses(w, host) {
		return
	}
	target := *r.URL
	forward := &httputil.ReverseProxy{
		Rewrite:   func(out *httputil.ProxyRequest) { out.Out.URL, out.Out.Host = &target, r.Host },
		Transport: &http.Transport{Proxy: p.Upstream, DisableKeepAlives: true, DisableCompression: true},
		ErrorLog:  log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "appevents: "+host+" was not reached", http.StatusBadGateway)
		},
	}
	forward.ServeHTTP(w, r)
}

// isSelf reports whether a request in absolute form is for this port.
func (p *Proxy) isSelf(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || r.URL.Scheme != "http" {
		return false
	}
	_, port, err := net.SplitHostPort(local.String())
	return err == nil && r.URL.Port() == port && isLocal(r.URL.Hostname())
}

func (p *Proxy) refuses(w http.ResponseWriter, host string) bool {
	if !p.Offline || isLocal(host) {
		return false
	}
	if p.Refused != nil {
		p.Refused(host)
	}
	http.Error(w, "appevents: "+host+" is refused: the emulator runs with --offline", http.StatusForbidden)
	return true
}

// connect answers CONNECT.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		http.Error(w, "appevents: CONNECT needs host and port", http.StatusBadRequest)
		return
	}
	graph := isGraph(strings.ToLower(strings.TrimSuffix(host, ".")))
	var remote net.Conn
	if !graph {
		if p.refuses(w, host) {
			return
		}
		if remote, err = p.dial(r.Context(), net.JoinHostPort(host, port)); err != nil {
			http.Error(w, "appevents: "+host+" was not reached", http.StatusBadGateway)
			return
		}
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		if remote != nil {
			remote.Close()
		}
		http.Error(w, "appevents: this connection cannot be a tunnel", http.StatusInternalServerError)
		return
	}
	if !p.track(client) {
		client.Close()
		if remote != nil {
			remote.Close()
		}
		return
	}
	_ = client.SetDeadline(time.Time{})
	if _, err = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		p.forget(client)
		if remote != nil {
			remote.Close()
		}
		return
	}
	conn := &bufferedConn{Conn: client, r: buffered.Reader}
	if graph {
		p.serveGraph(conn)
		p.forget(client)
		return
	}
	p.tunnel(conn, remote)
	p.forget(client)
}

// serveGraph is Graph's end of a tunnel. Some programs speak plain HTTP through it.
func (p *Proxy) serveGraph(conn *bufferedConn) {
	var end net.Conn = conn
	if first, err := conn.r.Peek(1); err == nil && first[0] == 0x16 { // a TLS handshake
		end = tls.Server(conn, p.TLS)
	}
	done := make(chan struct{})
	server := &http.Server{
		Handler:           p.Emulator,
		ReadHeaderTimeout: dialTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          log.New(io.Discard, "", 0), // a client that does not trust us says so itself
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				close(done)
			}
		},
	}
	_ = server.Serve(&oneConn{conn: end, done: done})
}

// tunnel copies both ways until either side is done.
func (p *Proxy) tunnel(client, remote net.Conn) {
	if !p.track(remote) {
		remote.Close()
		return
	}
	defer p.forget(remote)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(remote, client)
		closeWrite(remote)
	}()
	_, _ = io.Copy(client, remote)
	closeWrite(client)
	client.Close() // what the program still sends has no reader
	<-ended
}

func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// dial connects to another host, through the proxy that leads there if there is one.
func (p *Proxy) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var dialer net.Dialer
	host, _, _ := net.SplitHostPort(address)
	var through *url.URL
	if p.Upstream != nil && !isLocal(host) {
		var err error
		through, err = p.Upstream(&http.Request{URL: &url.URL{Scheme: "https", Host: address}})
		if err != nil {
			return nil, err
		}
	}
	if through == nil {
		return dialer.DialContext(ctx, "tcp", address)
	}
	if through.Scheme != "http" {
		return nil, fmt.Errorf("a proxy of scheme %q is not supported", through.Scheme)
	}
	proxy := through.Host
	if through.Port() == "" {
		proxy = net.JoinHostPort(through.Hostname(), "80")
	}
	conn, err := dialer.DialContext(ctx, "tcp", proxy)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if user := through.User; user != nil {
		password, _ := user.Password()
		request += "Proxy-Authorization: Basic " +
			base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)) + "\r\n"
	}
	if _, err = io.WriteString(conn, request+"\r\n"); err != nil {
		conn.Close()
		return nil, err
	}
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // the tunnel
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New("the proxy refused: " + resp.Status)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &bufferedConn{Conn: conn, r: reader}, nil
}

func isGraph(host string) bool { return slices.Contains(Hosts(), host) }

// isLocal reports whether a host is this machine.
func isLocal(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && isLocal(host)
}

// A bufferedConn reads first what has been read ahead.
type bufferedConn struct {
	net.Conn

	r *bufio.Reader
}

func (c *bufferedConn) Read(b []byte) (int, error) { return c.r.Read(b) }

func (c *bufferedConn) CloseWrite() error {
	closeWrite(c.Conn)
	return nil
}

// A oneConn is a listener with one connection. Accept blocks until that is closed, so that Serve returns with it.
type oneConn struct {
	conn net.Conn
	once sync.Once
	done <-chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	var conn net.Conn
	l.once.Do(func() { conn = l.conn })
	if conn != nil {
		return conn, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }
