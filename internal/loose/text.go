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
