package normalize

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func isASCII(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		if (s[0]|s[1]|s[2]|s[3]|s[4]|s[5]|s[6]|s[7])&utf8.RuneSelf != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lowerAlnum returns an ASCII letter in lower case, an ASCII digit as it is, and 0 for anything else.
func lowerAlnum(r rune) byte {
	switch {
	case 'a' <= r|0x20 && r|0x20 <= 'z':
		return byte(r | 0x20) //nolint:gosec // a letter of ASCII by now
	case '0' <= r && r <= '9':
		return byte(r)
	}
	return 0
}

// isText reports whether r is a letter, a mark on one, or a number, in any script.
func isText(r rune) bool { return unicode.In(r, unicode.L, unicode.M, unicode.N) }

// fold returns s, which is valid UTF-8, in lower case and in composed form (NFC), without the characters nobody sees
// but for joiners, which decide how the letters beside them look.
// Full-width characters become the ASCII ones they stand for, and with digits set the decimal digits of every script
// become 0 to 9.
func fold(s string, digits bool) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch {
		case '\uFF01' <= r && r <= '\uFF5E':
			r -= '\uFF01' - '!'
		case r >= utf8.RuneSelf && isInvisible(r) && !isJoiner(r):
			continue
		case r >= utf8.RuneSelf && digits:
			r = asciiDigit(r)
		}
		b.WriteRune(r)
	}
	return compose(lower(b.String()))
}

// compose returns s in composed form (NFC).
func compose(s string) string { return limitMarks(norm.NFC.String(limitMarks(s))) }

// limitMarks drops the marks that no script would stack on one letter. Without them a normal form is normal: package
// norm itself breaks up runs of more than 30.
func limitMarks(s string) string {
	const most = 8
	marks := 0
	return strings.Map(func(r rune) rune {
		switch {
		case !unicode.Is(unicode.M, r):
			marks = 0
		case marks == most:
			return -1
		default:
			marks++
		}
		return r
	}, s)
}

// isInvisible reports whether r shows nothing: zero-width spaces and joiners, marks of writing direction, soft
// hyphens, byte order marks, variation selectors, fillers.
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// isJoiner reports whether r is the zero-width joiner or non-joiner, with which Persian, Kurdish and Sinhala spell.
func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// withoutStrayJoiners removes the joiners that do not stand between letters.
func withoutStrayJoiners(s string) string {
	if !strings.ContainsFunc(s, isJoiner) {
		return s
	}
	var b strings.Builder
	last := ' '
	for i, r := range s {
		if isJoiner(r) {
			next, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
			if !unicode.In(last, unicode.L, unicode.M) || !unicode.IsLetter(next) {
				continue
			}
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

// asciiDigit returns 0 to 9 for a decimal digit of any script, and other runes as they are.
func asciiDigit(r rune) rune {
	if !unicode.IsDigit(r) {
		return r
	}
	first := r
	for unicode.IsDigit(first - 1) {
		first--
	}
	return '0' + (r-first)%10 // Unicode lays decimal digits out in ascending runs of ten, some back to back
}

// lower is Unicode's full lower-casing without a language, as JavaScript and Python do it: unlike [strings.ToLower] it
// ends a Greek word in ς and keeps the dot of İ.
func lower(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i, r := range s {
		switch {
		case r == 'Σ' && endsWord(s, i):
			b.WriteRune('ς')
		case r == 'İ':
			b.WriteString("i\u0307")
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// endsWord is Unicode's Final_Sigma (The Unicode Standard, table 3-17) for the Σ at s[i:]: a cased letter comes before
// it and none after it, not counting the characters that case passes over.
func endsWord(s string, i int) bool {
	before := strings.TrimRightFunc(s[:i], isCaseIgnorable)
	after := strings.TrimLeftFunc(s[i+len("Σ"):], isCaseIgnorable)
	last, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	return isCased(last) && !isCased(next)
}

// isCased is Unicode's property Cased.
func isCased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// isCaseIgnorable is Unicode's property Case_Ignorable.
func isCaseIgnorable(r rune) bool {
	switch r {
	case '\'', '.', '\u2018', '\u2019', '\u2024', '\uFE52', '\uFF07', '\uFF0E', // Word_Break=MidNumLet, Single_Quote
		':', '\u00B7', '\u0387', '\u055F', '\u05F4', '\u2027', '\uFE13', '\uFE55', '\uFF1A': // Word_Break=MidLetter
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}
