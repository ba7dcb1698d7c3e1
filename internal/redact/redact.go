// Package redact takes credentials out of texts, URLs and errors.
package redact

import (
	"errors"
	"net/url"
	"strings"
)

// Placeholder stands where a secret was.
const Placeholder = "[redacted]"

// maxText bounds the text of an error: what a server sent can be quoted in one, a whole header for example.
const maxText = 2 << 10

// URL returns raw without user info, query and fragment.
func URL(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i]
	}
	if scheme, rest, ok := strings.Cut(raw, "://"); ok {
		authority, path, _ := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			return scheme + "://" + strings.TrimSuffix(authority[at+1:]+"/"+path, "/")
		}
	}
	return raw
}

// Error returns err fit to be shown: every *url.Error in the chain is rebuilt without its query, and an error whose
// text holds a secret, or is longer than 2 KiB, is replaced by one with a clean, short text that still answers
// errors.Is. The given error is never changed: its URL may belong to a live request.
func Error(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // the chain is walked one link at a time
		return &url.Error{Op: u.Op, URL: cut(Text(URL(u.URL), secrets...)), Err: Error(u.Err, secrets...)}
	}
	if clean(err, secrets) {
		return err
	}
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return masked{
		text:    cut(Text(withoutQueries(err.Error(), err), secrets...)),
		is:      func(target error) bool { return errors.Is(err, target) },
		timeout: ok && timeout.Timeout(),
	}
}

// cut shortens a text, between characters.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// withoutQueries shortens the URLs that the links of err quote in text.
func withoutQueries(text string, err error) string {
	if u, ok := err.(*url.Error); ok && URL(u.URL) != u.URL { //nolint:errorlint // one link at a time
		text = strings.ReplaceAll(text, u.URL, URL(u.URL))
	}
	switch x := err.(type) { //nolint:errorlint // one link at a time
	case interface{ Unwrap() error }:
		if inner := x.Unwrap(); inner != nil {
			text = withoutQueries(text, inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range x.Unwrap() {
			if inner != nil {
				text = withoutQueries(text, inner)
			}
		}
	}
	return text
}

// clean reports whether no link of the chain below err needs work.
func clean(err error, secrets []string) bool {
	if text := err.Error(); len(text) > maxText || Text(text, secrets...) != text {
		return false
	}
	if u, ok := err.(*url.Error); ok && URL(u.URL) != u.URL { //nolint:errorlint // one link at a time
		return false
	}
	switch x := err.(type) { //nolint:errorlint // one link at a time
	case interface{ Unwrap() error }:
		inner := x.Unwrap()
		return inner == nil || clean(inner, secrets)
	case interface{ Unwrap() []error }:
		for _, inner := range x.Unwrap() {
			if inner != nil && !clean(inner, secrets) {
				return false
			}
		}
	}
	return true
}

// masked is an error with a clean text. The original hides in a closure: fmt prints functions as addresses.
type masked struct {
	text    string
	is      func(error) bool
	timeout bool
}

func (m masked) Error() string        { return m.text }
func (m masked) Is(target error) bool { return m.is(target) }

// Timeout keeps net.Error callers working.
func (m masked) Timeout() bool { return m.timeout }

// Temporary completes net.Error.
func (m masked) Temporary() bool { return false }
