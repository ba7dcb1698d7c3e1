// Package plain shows what people and bots wrote so that it keeps to its place: it cannot move the cursor, turn the
// reading direction of what stands beside it, hide in it or pile up over it.
package plain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// maxMarks is how many marks one letter may have: as many as Hebrew and Tibetan need. What covers the lines around it
// has dozens.
const maxMarks = 5

// Text is s on one line: line breaks and tabs become spaces. See [Lines] for the rest.
func Text(s string) string { return replace(s, true) }

// Lines is s with U+FFFD for what controls a terminal or the reading direction, is invisible, or is too many marks on
// one letter. The joiners and selectors that Persian, the scripts of India and emoji need stay where they have a use.
func Lines(s string) string { return replace(s, false) }

func replace(s string, oneLine bool) string {
	if isPlain(s, oneLine) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	marks := maxMarks // since the last letter; none may stand in front, where it would go onto what is there before
	last := rune(0)   // that was written
	for _, r := range s {
		switch {
		case isBreak(r) && (oneLine || r > unicode.MaxASCII):
			r = ' '
		case isBreak(r):
		case isJoiner(r):
			if last < firstJoined || isJoiner(last) || last == unicode.ReplacementChar {
				r = unicode.ReplacementChar
			}
		case unicode.Is(unicode.Variation_Selector, r):
			if marks > 0 || last <= unicode.MaxASCII && !strings.ContainsRune("0123456789#*", last) {
				r = unicode.ReplacementChar
			}
			marks++
		case hidden(r):
			r = unicode.ReplacementChar
		case unicode.Is(unicode.M, r):
			if marks++; marks > maxMarks {
				if last == unicode.ReplacementChar {
					continue
				}
				r = unicode.ReplacementChar
			}
		default:
			marks = 0
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

// firstJoined is where the scripts begin that know joiners.
const firstJoined = '\u0590'

func isPlain(s string, oneLine bool) bool {
	for i := range len(s) {
		if (s[i] < ' ' || s[i] > '~') && (oneLine || !isBreak(rune(s[i]))) {
			return false
		}
	}
	return true
}

func isBreak(r rune) bool {
	return r == '\n' || r == '\t' || r == '\r' || r == '\u2028' || r == '\u2029'
}

func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// hidden reports whether a character controls what is around it, or shows nothing.
func hidden(r rune) bool {
	return r > '~' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point,
		unicode.Noncharacter_Code_Point) || r < ' '
}

// JSON is a text in JSON with everything escaped that [Lines] would replace, and joiners. It means the same.
func JSON(s string) string {
	if isPlain(s, false) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	marks := 0
	for _, r := range s {
		switch {
		case r == '"':
			marks = maxMarks // a mark behind it would go onto the quote
		case r < unicode.MaxASCII:
			marks = 0
		case hidden(r), isBreak(r):
			marks = maxMarks + 1
		case unicode.Is(unicode.M, r):
			marks++
		default:
			marks = 0
		}
		if marks <= maxMarks {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}
