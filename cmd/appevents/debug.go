package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/appevents/appevents-go/internal/redact"
)

// maxDebugBody bounds what --debug prints of a body.
const maxDebugBody = 4 << 10

// transport is next, with every request and the status of its answer on standard error when --debug is given.
func (p *program) transport(next http.RoundTripper) http.RoundTripper {
	if !p.debug {
		return next
	}
	return &debugTransport{program: p, next: next}
}

// A debugTransport prints requests, without credentials.
type debugTransport struct {
	program *program
	next    http.RoundTripper
	mu      sync.Mutex // whole requests, also of several at once
}

// RoundTrip prints a request and what became of it.
func (d *debugTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	var body string
	if req.Body != nil && req.GetBody != nil {
		if copied, err := req.GetBody(); err == nil {
			data, _ := io.ReadAll(io.LimitReader(copied, maxDebugBody+1))
			copied.Close()
			body = d.body(data)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "debug: %s %s\n", req.Method, d.url(req.URL))
	names := make([]string, 0, len(req.Header))
	for name := range req.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.Join(req.Header[name], ", ")
		if secretHeader.MatchString(name) {
			value = redact.Placeholder
		}
		fmt.Fprintf(&b, "debug:   %s: %s\n", name, printable(d.program.withoutSecrets(value)))
	}
	if body != "" {
		fmt.Fprintf(&b, "debug:   %s\n", body)
	}
	d.print(b.String())
	begin := time.Now()
	resp, err := d.next.RoundTrip(req)
	took := millis(inMillis(time.Since(begin)))
	if err != nil {
		why := printable(d.program.withoutSecrets(redact.Error(err).Error()))
		d.print(fmt.Sprintf("debug: failed after %s: %s\n", took, why))
		return nil, err
	}
	d.print(fmt.Sprintf("debug: answered %d after %s\n", resp.StatusCode, took))
	return resp, nil
}

func (d *debugTransport) print(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = io.WriteString(d.program.stderr, text)
}

var (
	secretHeader = regexp.MustCompile(`(?i)(authorization|cookie|signature|token|secret)`)
	secretParam  = regexp.MustCompile(`(?i)(token|secret|proof|password|signature)`)

	// secretMember finds members of a JSON object and fields of a form that hold a credential.
	secretMember = regexp.MustCompile(`(?i)((?:"[a-z_.]*(?:token|secret|proof|password)[a-z_]*"\s*:\s*")|` +
		`(?:(?:^|&)[a-z_.]*(?:token|secret|proof|password)[a-z_]*=))[^"&\s]*`)
)

// url is an address without credentials.
func (d *debugTransport) url(u *url.URL) string {
	shown := *u
	if shown.User != nil {
		shown.User = url.User("redacted")
	}
	query := shown.Query()
	for name, values := range query {
		for i := range values {
			if secretParam.MatchString(name) {
				values[i] = "redacted"
			}
		}
	}
	shown.RawQuery, shown.Fragment = query.Encode(), ""
	return d.program.withoutSecrets(shown.String())
}

// body is the beginning of a body, on one line.
func (d *debugTransport) body(data []byte) string {
	long := len(data) > maxDebugBody
	data = bytes.TrimSpace(data[:min(len(data), maxDebugBody)])
	text := strings.ToValidUTF8(string(data), "")
	if !utf8.Valid(data) && !long {
		return fmt.Sprintf("(%d bytes that are no text)", len(data))
	}
	text = printable(d.program.withoutSecrets(secretMember.ReplaceAllString(text, "${1}"+redact.Placeholder)))
	if long {
		text += "…"
	}
	return text
}
