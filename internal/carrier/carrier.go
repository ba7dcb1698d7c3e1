// Package carrier brings HTTP requests to where a program wants them to go. It knows how a body is written, which
// transport takes it, and how far it got.
package carrier

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxResponseHeaders bounds the headers of an answer.
const maxResponseHeaders = 1 << 20

// standard is net/http's own transport, nil if a program replaced it before this package was initialised. A program
// that puts something else in its place, for tests or tracing say, wants every request to go there.
var standard, _ = http.DefaultTransport.(*http.Transport)

// Carrier is what requests go through. It looks at the caller's http.Client and at [http.DefaultTransport] each time,
// because tests put stand-ins into them before or after a Client is made.
type Carrier struct {
	// Given returns the caller's client, Pool our own connections; nil where there is none. They are functions because
	// those print as addresses.
	Given func() *http.Client
	Pool  func() http.RoundTripper
}

func (c Carrier) given() *http.Client {
	if c.Given == nil {
		return nil
	}
	return c.Given()
}

// Transport is where a request goes now.
func (c Carrier) Transport() http.RoundTripper {
	given := c.given()
	if given != nil && given.Transport != nil {
		return given.Transport
	}
	// Asserted, because not every transport can be compared.
	if now, ok := http.DefaultTransport.(*http.Transport); given == nil && ok && now == standard {
		return c.Pool()
	}
	return http.DefaultTransport
}

// RefusesProxy says why a proxy of the environment would have no effect, "" when it would have one.
func (c Carrier) RefusesProxy() string {
	if c.Given != nil {
		return "cannot be combined with WithHTTPClient"
	}
	if _, ok := http.DefaultTransport.(*http.Transport); !ok {
		return "has no effect on the http.DefaultTransport that the program has set"
	}
	return ""
}

// Timeout is the shorter of ours and the caller's.
func (c Carrier) Timeout(ours time.Duration) time.Duration {
	if given := c.given(); given != nil && given.Timeout > 0 {
		return min(ours, given.Timeout)
	}
	return ours
}

// RoundTrip is http.Client.Do without redirects, which no Graph edge has and credentials must not follow, and without
// the copies that it makes for them.
func (c Carrier) RoundTrip(transport http.RoundTripper, req *http.Request) (*http.Response, error) {
	var jar http.CookieJar
	if given := c.given(); given != nil && given.Jar != nil {
		jar = given.Jar
		for _, cookie := range jar.Cookies(req.URL) {
			req.AddCookie(cookie)
		}
	}
	resp, err := transport.RoundTrip(req)
	if err == nil && resp == nil {
		err = errors.New("the transport returned neither an answer nor an error")
	}
	if err != nil {
		return nil, &url.Error{Op: req.Method, URL: req.URL.String(), Err: err}
	}
	if jar != nil {
		if cookies := resp.Cookies(); len(cookies) > 0 {
			jar.SetCookies(req.URL, cookies)
		}
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, nil
}

// NewPool returns the standard transport with room for a busy bot: it keeps many idle connections to the one host.
func NewPool(envProxy bool) http.RoundTripper {
	if standard == nil {
		return http.DefaultTransport
	}
	t := standard.Clone()
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
