package redact

import (
	"encoding/base64"
	"html"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// minSecret keeps a one-letter test secret from shredding every text.
	minSecret = 4

	// minPrefix is from where on the beginning of a secret counts as one: a text that was cut off shows no more.
	minPrefix = 8

	// maxLayers bounds how often a character may have been escaped, so that a row of backslashes costs no more than
	// its length.
	maxLayers = 5
)

// Text replaces every secret in s, in either case, also where a text was cut off inside one and shows [minPrefix] or
// more of its first characters. It knows them as they are and as URLs, JSON (both also escaped more than once), HTML
// and base64 write them; of a secret such as the app token, "id|secret", also what stands behind a bar alone.
func Text(s string, secrets ...string) string {
	if len(s) < minSecret {
		return s
	}
	forms, encoded := formsIn(s), holdsBase64(s)
	for _, secret := range secrets {
		if len(secret) < minSecret {
			continue
		}
		s = blank(s, secret, leastOf(secret), forms)
		if encoded {
			s = blankBase64(s, secret)
		}
		for rest := secret; ; {
			part, after, more := strings.Cut(rest, "|")
			if len(part) >= minPrefix && part != secret && !digits(part) {
				s = blank(s, part, minPrefix, forms)
				if encoded {
					s = blankBase64(s, part)
				}
			}
			if !more {
				break
			}
			rest = after
		}
	}
	return s
}

// Bytes is Text for bytes. It returns b itself when it holds no secret.
func Bytes(b []byte, secrets ...string) []byte {
	before := string(b)
	after := Text(before, secrets...)
	if after == before {
		return b
	}
	return []byte(after)
}

// leastOf is how much of a secret must be there to be blanked. The ID before the bar of an app token is no secret.
func leastOf(secret string) int {
	least := minPrefix
	if id, _, ok := strings.Cut(secret, "|"); ok && digits(id) {
		least += len(id) + 1
	}
	return min(least, len(secret))
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// A form is a way to write text. It returns how many bytes of the secret s begins with, a character or a byte of it,
// and how many bytes of s that takes: 0 when s begins with something else. Neither is empty.
type form func(s, secret string) (size, length int)

// formsIn lists the forms worth trying on s.
func formsIn(s string) []form {
	forms := append(make([]form, 0, 6), plain)
	if strings.ContainsAny(s, "%+") {
		forms = append(forms, inURL)
	}
	if strings.Contains(s, "%25") {
		forms = append(forms, inURLs)
	}
	if strings.Contains(s, `\`) {
		forms = append(forms, inJSON)
	}
	if strings.Contains(s, `\\`) {
		forms = append(forms, inJSONs)
	}
	if strings.Contains(s, "&") {
		forms = append(forms, inHTML)
	}
	return forms
}

// special are the characters that may stand for another one at the beginning of a secret.
var special = [256]bool{'%': true, '\\': true, '&': true, '+': true, '-': true, '_': true}

// blank replaces a secret in s, or least bytes and more of its beginning.
func blank(s, secret string, least int, forms []form) string {
	var out strings.Builder
	done, begins := 0, special
	begins[lower(secret[0])], begins[upper(secret[0])] = true, true
	for i := 0; i < len(s); i++ {
		if !begins[s[i]] {
			continue
		}
		longest, length := 0, 0
		for _, form := range forms {
			if n, end := match(s[i:], secret, form); n > longest {
				longest, length = n, end
			}
		}
		if longest >= least {
			out.WriteString(s[done:i])
			out.WriteString(Placeholder)
			done = i + length
			i = done - 1
		}
	}
	if done == 0 {
		return s
	}
	return out.String() + s[done:]
}

// match returns how much of a secret s begins with, and how many bytes of s that takes.
func match(s, secret string, form form) (size, length int) {
	for size < len(secret) && length < len(s) {
		n, taken := form(s[length:], secret[size:])
		if taken == 0 {
			break
		}
		size, length = size+n, length+taken
	}
	return size, length
}

func lower[C byte | rune](c C) C {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

func plain(s, secret string) (size, length int) {
	if lower(s[0]) == lower(secret[0]) {
		return 1, 1
	}
	return 0, 0
}

func inURL(s, secret string) (size, length int) {
	if s[0] == '%' {
		if value, ok := hex(s[1:], 2); ok && lower(value) == lower(rune(secret[0])) {
			return 1, 3
		}
		return 0, 0
	}
	if s[0] == '+' && secret[0] == ' ' {
		return 1, 1
	}
	return plain(s, secret)
}

// inURLs is inURL for what was escaped more than once, as in "%257C".
func inURLs(s, secret string) (size, length int) {
	layers := 0
	for layers < maxLayers && len(s) > 4 && s[:3] == "%25" {
		s, layers = "%"+s[3:], layers+1
	}
	if size, length = inURL(s, secret); size > 0 {
		length += 2 * layers
	}
	return size, length
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
		if ok && lower(unit) == lower(want) {
			return size, length
		}
		return 0, 0
	case len(s) > 1 && s[0] == '\\':
		if n := strings.IndexByte("bfnrt", s[1]); n >= 0 && want == rune("\b\f\n\r\t"[n]) {
			return size, 2
		}
		if strings.IndexByte(`"\/`, s[1]) >= 0 && s[1] == secret[0] {
			return size, 2
		}
		return 0, 0
	}
	return plain(s, secret)
}

// inJSONs is inJSON for a text within a text within a text: each layer doubles the backslashes.
func inJSONs(s, secret string) (size, length int) {
	slashes := 0
	for slashes < 1<<maxLayers && len(s) > slashes+1 && s[slashes] == '\\' && s[slashes+1] == '\\' {
		slashes++
	}
	if size, length = inJSON(s[slashes:], secret); size > 0 {
		length += slashes
	}
	return size, length
}

func inHTML(s, secret string) (size, length int) {
	if s[0] == '&' {
		end := strings.IndexByte(s[:min(len(s), 12)], ';') + 1
		if end < len("&lt;") {
			return plain(s, secret)
		}
		if text := html.UnescapeString(s[:end]); text != s[:end] && strings.HasPrefix(secret, text) {
			return len(text), end
		}
	}
	return plain(s, secret)
}

// hex reads the first n characters of s.
func hex(s string, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	value, err := strconv.ParseUint(s[:n], 16, 16)
	return rune(value), err == nil
}

const (
	base64Group = 3  // bytes encoded together
	base64Found = 12 // characters that are no coincidence
)

// holdsBase64 reports whether any part of a text can be base64.
func holdsBase64(s string) bool {
	run := 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/', c == '-', c == '_':
			if run++; run == base64Found {
				return true
			}
		default:
			run = 0
		}
	}
	return false
}

// blankBase64 replaces a secret within a longer text that was encoded, in either alphabet: it may begin at any of the
// three bytes that four characters stand for.
func blankBase64(s, secret string) string {
	const found = base64Found / 4 * base64Group // bytes
	for skip := range base64Group {
		if len(secret)-skip < found {
			break
		}
		whole := secret[skip:]
		whole = whole[:len(whole)/base64Group*base64Group]
		text := base64.StdEncoding.EncodeToString([]byte(whole[:found]))
		if !strings.Contains(s, text) && !strings.Contains(s, forURLs.Replace(text)) {
			continue
		}
		s = blank(s, base64.StdEncoding.EncodeToString([]byte(whole)), base64Found, []form{inBase64})
	}
	return s
}

// forURLs writes base64 in the alphabet for URLs. A text that mixes both is nobody's.
var forURLs = strings.NewReplacer("+", "-", "/", "_")

func inBase64(s, encoded string) (size, length int) {
	if standard(s[0]) != encoded[0] {
		return 0, 0
	}
	return 1, 1
}

// standard is a character of the alphabet for URLs in the usual one.
func standard(c byte) byte {
	switch c {
	case '-':
		return '+'
	case '_':
		return '/'
	}
	return c
}
