package normalize

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// appendZip: lower case letters and digits, nothing between them; the first five digits in the United States.
func appendZip(dst []byte, s, country string) ([]byte, Problem) {
	const zip5, zip9, shortest, longest = 5, 9, 2, 16
	const zeros = "00000"
	s, number := withoutDecimals(s)
	start := len(dst)
	dash, digits := -1, 0 // what stood before the first dash; how many digits there are
	for _, r := range s {
		switch c := lowerAlnum(r); {
		case c != 0:
			dst = append(dst, c)
			if c <= '9' {
				digits++
			}
		case dash < 0 && (r == '-' || r >= utf8.RuneSelf && unicode.Is(unicode.Pd, r)):
			dash = len(dst) - start
		case isText(r):
			return dst, ZipForm // no postal code has other letters
		}
	}
	n := len(dst) - start
	switch {
	case n == 0:
		return dst, None
	case n < shortest || n > longest || digits == 0:
		return dst, ZipForm
	case usPostal(country):
		if digits != n {
			return dst, ZipForm
		}
		// What took the code for a number, or ZIP+4 for two, has dropped the zeros before it: those of New England and
		// Puerto Rico. Four digits alone may as well lack another one.
		missing := 0
		switch {
		case n == zip5 || n == zip9 || dash == zip5:
		case (dash == 3 || dash == 4) && n-dash == zip9-zip5:
			missing = zip5 - dash
		case dash < 0 && n < zip9 && (n == zip9-1 || number && (n == 3 || n == 4 || n == 7)):
			missing = zip9 - n
			if n < zip5 {
				missing = zip5 - n
			}
		default:
			return dst, ZipForm
		}
		dst = prepend(dst, start, zeros[:missing])
		return dst[:start+zip5], None
	case country == "" && dash == zip5 && n == zip9 && digits == n:
		return dst[:start+zip5], None // ZIP+4, by its look
	case country == "" && dash == zip5-1 && n == zip9-1 && digits == n:
		return prepend(dst, start, zeros[:1])[:start+zip5], None // likewise, less a zero
	case number:
		return prepend(dst, start, zeros[:max(zipLen(country)-n, 0)]), None
	}
	return dst, None
}

// withoutDecimals takes the ".0" off a postal code that a spreadsheet took for a number, and reports whether it did.
func withoutDecimals(s string) (string, bool) {
	if s[len(s)-1] != '0' {
		return s, false
	}
	t := strings.TrimRight(s, "0")
	if t == "" || t[len(t)-1] != '.' && t[len(t)-1] != ',' {
		return s, false
	}
	t = t[:len(t)-1]
	return t, t != "" && digits(t) == len(t)
}

// prepend puts the prefix before dst[start:].
func prepend(dst []byte, start int, prefix string) []byte {
	dst = append(dst, prefix...)
	copy(dst[start+len(prefix):], dst[start:len(dst)-len(prefix)])
	copy(dst[start:], prefix)
	return dst
}

// zipLen is how many digits each postal code has in a country where some begin with zero; 0 for other countries.
func zipLen(country string) int {
	switch country {
	case "au", "dk", "nz", "za":
		return 4
	case "cr", "de", "dz", "ee", "es", "fi", "fr", "it", "kr", "lt", "mx", "my", "pe", "tr", "ua":
		return 5
	case "cn", "kz", "ro", "sg":
		return 6
	}
	return 0
}

// usPostal reports whether addresses in the country have a state and a ZIP code of the United States.
func usPostal(country string) bool {
	switch country {
	case "us", "as", "gu", "mp", "pr", "um", "vi":
		return true
	}
	return false
}
