package jsonscan

import (
	"math"
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// plainText marks the ASCII bytes that stand for themselves inside a JSON string.
var plainText = func() (t [utf8.RuneSelf]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// AppendString appends s as a JSON string, quotes included. HTML characters are left alone, the line separators
// U+2028 and U+2029 are escaped, and each byte that is not valid UTF-8 becomes the escape of U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	done := 0 // s[:done] is written
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if !plainText[c] {
				dst = append(dst, s[done:i]...)
				dst = appendEscape(dst, c)
				done = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, s[done:i]...)
			dst = append(dst, `\ufffd`...)
			done = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, s[done:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			done = i + size
		}
		i += size
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}

// appendEscape appends the escape of an ASCII byte that cannot stand for itself.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
	}
}

// AppendFloat appends f in the shortest form that reads back as f: plain digits for everyday magnitudes, an exponent
// below 1e-6 and from 1e21 on. JSON has no NaN and no infinities: they become null, so callers refuse them first.
func AppendFloat(dst []byte, f float64) []byte {
	if out, ok := appendPrice(dst, f); ok {
		return out
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if abs := math.Abs(f); abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// strconv pads the exponent to two digits ("1e-07"), JSON text by convention does not.
	if n := len(dst); dst[n-2] == '0' && dst[n-3] == '-' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// appendPrice appends a number that two decimals say exactly, as they do a price, in a fraction of strconv's time. The
// text is the shortest: no two decimals of up to 15 digits are the same float64.
func appendPrice(dst []byte, f float64) (out []byte, ok bool) {
	abs := math.Abs(f)
	if !(abs > 0 && abs < 1e13) {
		return dst, false
	}
	cents := uint64(abs*100 + 0.5)
	if float64(cents)/100 != abs {
		return dst, false
	}
	if f < 0 {
		dst = append(dst, '-')
	}
	dst = strconv.AppendUint(dst, cents/100, 10)
	switch tenth, last := byte(cents/10%10), byte(cents%10); {
	case last != 0:
		dst = append(dst, '.', '0'+tenth, '0'+last)
	case tenth != 0:
		dst = append(dst, '.', '0'+tenth)
	}
	return dst, true
}
