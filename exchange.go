package appevents

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/appevents/appevents-go/internal/carrier"
	"github.com/appevents/appevents-go/internal/deadline"
)

// An exchange is one HTTP request, in one piece of memory, how long it may take, and how far it got.
type exchange struct {
	bound  deadline.Context
	url    url.URL
	body   bytes.Reader
	header [5]string
	sent   carrier.Progress
}

// request makes the HTTP request for r.
func (x *exchange) request(c *Client, r *request, cred credentials) *http.Request {
	x.url = c.baseURL
	var path [128]byte
	x.url.Path = string(r.appendPath(append(path[:0], c.baseURL.Path...)))
	if x.url.RawPath != "" {
		x.url.RawPath = string(r.appendPath([]byte(x.url.RawPath))) // there is nothing to escape in a path of Graph
	}
	fields := [...][2]string{
		{"access_token", ""}, {"appsecret_proof", cred.proof}, {"appsecret_time", cred.time},
	}
	if c.tokenBody {
		fields[0][1] = cred.token
	}
	req := &http.Request{
		Method: r.method, URL: &x.url, Host: x.url.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(x.header)), Body: http.NoBody,
	}
	header := x.header[:0]
	set := func(canonical, value string) {
		header = append(header, value)
		req.Header[canonical] = slices.Clip(header[len(header)-1:])
	}
	if r.method == http.MethodGet {
		x.url.RawQuery = queryOf(r.query, fields[:])
	} else {
		body := r.encoding.WithFields(r.body, fields[:])
		if len(body) > 0 { // else net/http would take the length for unknown
			x.body.Reset(body)
			req.Body, req.ContentLength = io.NopCloser(&x.body), int64(len(body))
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		}
		set("Content-Type", r.encoding.ContentType())
	}
	set("Accept", "application/json")
	set("User-Agent", "appevents-go/"+Version)
	if cred.token != "" && !c.tokenBody {
		set("Authorization", cred.bearer)
	}
	if r.clientIP.IsValid() {
		set("X-Forwarded-For", r.clientIP.Unmap().WithZone("").String())
	}
	return req.WithContext(x.sent.Context(&x.bound))
}

// appendPath writes the path of a request.
func (r *request) appendPath(dst []byte) []byte {
	for _, part := range [...]string{r.version, string(r.node), r.edge} {
		if part != "" {
			dst = append(append(dst, '/'), part...)
		}
	}
	return dst
}

// queryOf writes the query of a read.
func queryOf(params url.Values, fields [][2]string) string {
	query := make(url.Values, len(params)+len(fields))
	maps.Copy(query, params)
	for _, f := range fields {
		if f[1] != "" {
			query.Set(f[0], f[1])
		}
	}
	return query.Encode()
}
