// Package redact takes credentials out of texts, URLs and errors.
package redact

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Placeholder stands where a secret was.
const Placeholder = "[redacted]"

// minSecret keeps a one-letter test secret from shredding every text.
const minSecret = 4

// Text replaces every secret in s, however URLs and JSON escape it.
func Text(s string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) < minSecret || len(secret) > len(s) {
			continue
		}
		s = strings.ReplaceAll(s, secret, Placeholder)
		if strings.ContainsAny(s, "%+") {
			s = escaped(s, secret, inURL)
		}
		if strings.Contains(s, `\`) {
			s = escaped(s, secret, inJSON)
		}
	}
	return s
}

// escaped replaces a secret of which characters may be escaped. char returns how many bytes of the secret s begins
// with, a character or a byte of it, and how many bytes of s that takes: 0 when s begins with something else.
func escaped(s, secret string, char func(s, secret string) (size, length int)) string {
	var out strings.Builder
	done := 0
	for i := 0; i < len(s); i++ {
		n, rest := i, secret
		for rest != "" {
			size, length := char(s[n:], rest)
			if length == 0 {
				break
			}
			rest, n = rest[size:], n+length
		}
		if rest == "" {
			out.WriteString(s[done:i])
			out.WriteString(Placeholder)
			done, i = n, n-1
		}
	}
	return out.String() + s[done:]
}

func inURL(s, secret string) (size, length int) {
	switch {
	case s == "":
		return 0, 0
	case s[0] == '%':
		if value, ok := hex(s[1:], 2); ok && value == rune(secret[0]) {
			return 1, 3
		}
		return 0, 0
	case s[0] == '+' && secret[0] == ' ', s[0] == secret[0]:
		return 1, 1
	}
	return 0, 0
}

func inJSON(s, secret string) (size, length int) {
	want, size := utf8.DecodeRuneInString(secret)
	switch {
	case strings.HasPrefix(s, `\u`):
		unit, ok := hex(s[2:], 4)
		length = 6
		if ok && utf16.IsSurrogate(unit) && strings.HasPrefix(s[6:], `\u`) {
			var low rune
			low, ok = hex(s[8:], 4)
			unit, length = utf16.DecodeRune(unit, low), 12
		}
		if ok && unit == want {
			return size, length
		}
	case len(s) > 1 && s[0] == '\\':
		if n := strings.IndexByte("bfnrt", s[1]); n >= 0 && want == rune("\b\f\n\r\t"[n]) {
			return size, 2
		}
		if strings.IndexByte(`"\/`, s[1]) >= 0 && s[1] == secret[0] {
			return size, 2
		}
	case strings.HasPrefix(s, secret[:size]):
		return size, size
	}
	return 0, 0
}

// hex reads the first n characters of s.
func hex(s string, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	value, err := strconv.ParseUint(s[:n], 16, 16)
	return rune(value), err == nil
}

// Bytes is Text for bytes. It returns b itself when no secret fits into it.
func Bytes(b []byte, secrets ...string) []byte {
	for _, secret := range secrets {
		if minSecret <= len(secret) && len(secret) <= len(b) {
			return []byte(Text(string(b), secrets...))
		}
	}
	return b
}

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
// text holds a secret is replaced by one with a clean text that still answers errors.Is. The given error is never
// changed: its URL may belong to a live request.
func Error(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // the chain is walked one link at a time
		return &url.Error{Op: u.Op, URL: Text(URL(u.URL), secrets...), Err: Error(u.Err, secrets...)}
	}
	if clean(err, secrets) {
		return err
	}
	text := Text(withoutQueries(err.Error(), err), secrets...)
	return masked{text: text, is: func(target error) bool { return errors.Is(err, target) }}
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
	if text := err.Error(); Text(text, secrets...) != text {
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
	text string
	is   func(error) bool
}

func (m masked) Error() string        { return m.text }
func (m masked) Is(target error) bool { return m.is(target) }

// Timeout keeps net.Error callers working.
func (m masked) Timeout() bool {
	return strings.Contains(m.text, "timeout") || strings.Contains(m.text, "deadline")
}

// Temporary completes net.Error.
func (m masked) Temporary() bool { return false }
