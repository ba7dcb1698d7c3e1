package jsonscan

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The methods in this file consume one value, whatever it is, and read it as the kind the caller needs. They return
// false when that is impossible; null is always the zero value. A value they cannot read is skipped, so that the walk
// goes on.

// Text reads a string, or the digits of a number.
func (s *Scanner) Text() (string, bool) {
	switch s.Kind() {
	case String:
		text := s.str()
		return text, !s.bad
	case Number:
		return s.Skip(), !s.bad
	case Null:
		s.Skip()
		return "", !s.bad
	default:
		s.Skip()
		return "", false
	}
}

// ID reads an identifier: a string, or an integer, whose digits are kept as they stand.
func (s *Scanner) ID() (string, bool) {
	number := s.Kind() == Number
	text, ok := s.Text()
	if number && strings.ContainsAny(text, ".eE") {
		return "", false
	}
	return text, ok
}

// Bool reads true or false, also quoted in any case, and the numbers 1 and 0.
func (s *Scanner) Bool() (bool, bool) {
	var text string
	switch s.Kind() {
	case Null:
		s.Skip()
		return false, !s.bad
	case String:
		text = s.str()
	default:
		text = s.Skip()
	}
	switch {
	case text == "1" || strings.EqualFold(text, "true"):
		return true, true
	case text == "0" || strings.EqualFold(text, "false"):
		return false, !s.bad
	default:
		return false, false
	}
}

// Int64 reads an integer, also quoted. A fraction of zero and an exponent are allowed when the number is exact.
func (s *Scanner) Int64() (int64, bool) {
	if s.Kind() == Number {
		if n, end := plainInt(s.src, s.pos); end > 0 {
			s.pos = end
			return n, true
		}
	}
	text, ok := s.number()
	if !ok || text == "" {
		return 0, ok
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// plainInt reads what most numbers are: at most 18 digits and nothing else. It returns 0 as the end for any other.
func plainInt(src string, pos int) (n int64, end int) {
	start := pos
	for ; pos < len(src) && src[pos]-'0' <= 9; pos++ {
		if pos-start == 18 || pos > start && n == 0 {
			return 0, 0 // may overflow, or a zero in front of others
		}
		n = 10*n + int64(src[pos]-'0')
	}
	if pos == start || pos < len(src) && (src[pos] == '.' || src[pos]|0x20 == 'e') {
		return 0, 0
	}
	return n, pos
}

// Float64 reads a number, also quoted.
func (s *Scanner) Float64() (float64, bool) {
	text, ok := s.number()
	if !ok || text == "" {
		return 0, ok
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, false
	}
	return f, true
}

// number reads the text of a number, also quoted; null and the empty string are "".
func (s *Scanner) number() (string, bool) {
	quoted := s.Kind() == String
	text, ok := s.Text()
	if quoted {
		// Only what JSON calls a number: strconv would also take "0x1p-2", "1_000" and "inf".
		text = strings.TrimSpace(text)
		ok = ok && (text == "" || numberEnd(text, 0) == len(text))
	}
	return text, ok
}

// decode resolves the escapes in raw and replaces what is not UTF-8. It also returns how much memory that took.
func decode(raw string, f form) (text string, taken int) {
	valid := f&formUnicode == 0 || utf8.ValidString(raw)
	if f&formEscaped == 0 && valid {
		return raw, 0
	}
	taken = len(raw)
	if !valid {
		taken = 3 * len(raw) // each byte may become U+FFFD
	}
	var b strings.Builder
	b.Grow(taken)
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '\\':
			i = decodeEscape(&b, raw, i)
		case c < utf8.RuneSelf:
			end := i + 1
			for end < len(raw) && raw[end] != '\\' && raw[end] < utf8.RuneSelf {
				end++
			}
			b.WriteString(raw[i:end])
			i = end
		default:
			r, size := utf8.DecodeRuneInString(raw[i:])
			b.WriteRune(r) // utf8.RuneError is U+FFFD
			i += size
		}
	}
	return b.String(), taken
}

// decodeEscape writes the character of the escape at i, known to be well formed, and returns the position after it.
func decodeEscape(b *strings.Builder, raw string, i int) int {
	switch c := raw[i+1]; c {
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'u':
		return decodeUnicode(b, raw, i)
	default:
		b.WriteByte(c)
	}
	return i + 2
}

// decodeUnicode writes the character of the \u escape at i. Two escapes can be one character; a surrogate without its
// other half is replaced.
func decodeUnicode(b *strings.Builder, raw string, i int) int {
	r := hex4(raw[i+2:])
	i += 6
	if !utf16.IsSurrogate(r) {
		b.WriteRune(r)
		return i
	}
	if strings.HasPrefix(raw[i:], `\u`) {
		if pair := utf16.DecodeRune(r, hex4(raw[i+2:])); pair != utf8.RuneError {
			b.WriteRune(pair)
			return i + 6
		}
	}
	b.WriteRune(utf8.RuneError)
	return i
}

func hex4(s string) rune {
	return rune(hexValue(s[0]))<<12 | rune(hexValue(s[1]))<<8 | rune(hexValue(s[2]))<<4 | rune(hexValue(s[3]))
}
