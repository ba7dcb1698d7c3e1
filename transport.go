package appevents

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// maxResponseHeaders bounds the headers of an answer.
const maxResponseHeaders = 1 << 20

// standardTransport is net/http's own. A program that puts something else in its place, for tests or tracing say, wants
// every request to go there.
var standardTransport = http.DefaultTransport

// transport is where a request goes: it is looked up each time, because tests put stand-ins into an [http.Client] or
// into [http.DefaultTransport] before or after the Client is made.
func (c *Client) transport() http.RoundTripper {
	own := c.http.get()
	switch {
	case own != nil && own.Transport != nil:
		return own.Transport
	case own != nil, http.DefaultTransport != standardTransport:
		return http.DefaultTransport
	default:
		return c.pool.get()
	}
}

// newPool returns the standard transport with room for a busy bot: it keeps many idle connections to the one host.
func newPool(envProxy bool) http.RoundTripper {
	std, ok := standardTransport.(*http.Transport)
	if !ok {
		return standardTransport // somebody wrapped it before the program began, for tracing say
	}
	t := std.Clone()
	t.Proxy = nil // it reads the environment
	if envProxy {
		t.Proxy = http.ProxyFromEnvironment
	}
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 5 * time.Second
	t.MaxIdleConns = 256
	t.MaxIdleConnsPerHost = 256
	t.MaxResponseHeaderBytes = maxResponseHeaders
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return t
}
