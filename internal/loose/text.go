// Package loose reads what others wrote: texts of any length and content, and JSON that keeps to no type.
package loose

import (
	"strconv"
	"strings"
	"unicode"
)

// Cut shortens a text to about n bytes, between characters.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// OneLine keeps a text from breaking a log line.
func OneLine(s string) string {
	clean := func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}
	return strings.Map(clean, strings.ToValidUTF8(s, "?"))
}

// maxQuoted bounds what Loggable returns, as a log quotes it.
const maxQuoted = 3 << 10

// Loggable shortens a text by what becomes of it in a log: quoted, some characters take ten bytes.
func Loggable(s string) string {
	for len(strconv.Quote(s)) > maxQuoted {
		s = Cut(s, len(s)*3/4)
	}
	return s
}

// WithoutIndices is a path as all elements of a list have it: "events[].params.fb_currency".
func WithoutIndices(path string) string {
	var out []byte
	for i := range len(path) {
		if c := path[i]; c < '0' || c > '9' || len(out) == 0 || out[len(out)-1] != '[' {
			out = append(out, c)
		}
	}
	return string(out)
}

// Path writes the steps of a path, names and indices, as in "custom_events[0]._eventName".
func Path(steps []any) string {
	var path []byte
	for _, step := range steps {
		switch s := step.(type) {
		case string:
			if len(path) > 0 {
				path = append(path, '.')
			}
			path = append(path, s...)
		case float64:
			path = append(strconv.AppendInt(append(path, '['), int64(s), 10), ']')
		}
	}
	return string(path)
}
