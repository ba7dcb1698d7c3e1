// Package normalize brings personal data into the one written form Meta hashes, so that equal data gives equal
// digests. Its functions are pure: same input, same answer, nothing kept.
//
// The rules are those of Meta's page "Customer Information Parameters" and of the App Events guide; where the two say
// nothing, the reading that a person filling in a form would expect. The doc comment of appevents.UserData lists where
// that differs from Meta's own libraries.
package normalize

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Key is a kind of personal data.
type Key uint8

// The kinds, in the order they are sent.
const (
	Email Key = iota
	Phone
	FirstName
	LastName
	Gender
	BirthDate
	City
	State
	Zip
	CountryCode
	ExternalID

	NumKeys = iota
)

// Problem says why a value has no normal form, or what is doubtful about the one it has. The zero value means that all
// is well.
type Problem uint8

// The problems. Only [Digest] is a mistake of the program; the others happen with what people type.
const (
	None          Problem = iota
	Empty                 // nothing usable is left
	TooLong               // more than MaxLen bytes
	Encoding              // not UTF-8
	Digest                // a digest other than SHA-256
	EmailForm             // not plausibly an address
	PhoneLength           // fewer than 7 or more than 15 digits
	NoLetter              // a name or city without a letter
	GenderWord            // not a word for female or male
	DateForm              // not readable as a date with a four-digit year
	Calendar              // a day the calendar does not have
	DateRange             // before 1900 or in the future
	StateName             // no state of the country, or two
	ZipForm               // not a postal code
	CountryName           // no country
	PhoneNational         // a phone number that may lack its country code; it has a normal form all the same

	NumProblems = iota
)

// Doubt reports whether the value has a normal form in spite of the problem.
func (p Problem) Doubt() bool { return p == PhoneNational }

const (
	// MaxLen is the most bytes a value, and its normal form, may have. No honest value comes near it.
	MaxLen = 1024

	// MaxHashedLen is the length of the longest digest Append passes through: 64 digits and an appendix.
	MaxHashedLen = hexLen + 9

	hexLen         = 64 // digits of a SHA-256 digest
	shortestDigest = 32 // digits of an MD5 digest
)

// Context is what one value's normal form depends on beside the value.
type Context struct {
	// Country decides how states and postal codes are read: what [Country] returns for the person's country, so "" when
	// it is not known. A value of the kind CountryCode is not looked up again.
	Country string

	// Now is when no one can have been born after.
	Now time.Time
}

// Append appends the normal form of s, a value of the given kind, to dst. When s is a SHA-256 digest already, that
// digest in lower case is appended instead and hashed is true. With a problem other than a [Problem.Doubt] dst is
// returned as it was. ASCII input costs no allocation beyond growing dst.
func Append(dst []byte, key Key, s string, in *Context) (out []byte, hashed bool, p Problem) {
	s = Trim(s)
	if len(s) > MaxLen {
		return dst, false, TooLong
	}
	start := len(dst)
	if len(s) >= shortestDigest {
		switch digest(withoutAppendix(s)) {
		case sha256Digest:
			dst = append(dst, s...)
			for i := start; i < start+hexLen; i++ {
				dst[i] |= 0x20 // A-F to a-f; digits have the bit set
			}
			return dst, true, None
		case otherDigest:
			if key != ExternalID { // whose form is the caller's: a UUID without dashes is no digest
				return dst, false, Digest
			}
		}
	}
	ascii := isASCII(s)
	if !ascii {
		if !utf8.ValidString(s) {
			return dst, false, Encoding
		}
		if key != ExternalID {
			s = fold(s, key == Phone || key == BirthDate || key == Zip)
		}
	}
	if s == "" {
		return dst, false, Empty
	}
	switch key {
	case Email:
		out, p = appendEmail(dst, s, ascii)
	case Phone:
		out, p = appendPhone(dst, s, in.Country)
	case FirstName, LastName, City:
		out, p = appendName(dst, s, ascii)
	case Gender:
		out, p = appendGender(dst, s, ascii)
	case BirthDate:
		out, p = appendBirthDate(dst, s, in.Now)
	case State:
		out, p = appendState(dst, s, ascii, in.Country)
	case Zip:
		out, p = appendZip(dst, s, in.Country)
	case CountryCode:
		code := in.Country
		if code == "" {
			code = Country(s)
		}
		if out = append(dst, code...); code == "" {
			p = CountryName
		}
	default:
		out = append(dst, s...)
	}
	switch n := len(out) - start; {
	case p != None && !p.Doubt():
		return dst, false, p
	case n == 0:
		return dst, false, Empty
	case n > MaxLen:
		return dst, false, TooLong
	case n >= shortestDigest && key != ExternalID && digest(out[start:]) != noDigest:
		return dst, false, Digest // one with something between its digits
	}
	return out, false, p
}

// Trim removes white space, control characters and invisible formatting characters from both ends of s.
func Trim(s string) string {
	for s != "" && s[0] <= ' ' {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] <= ' ' {
		s = s[:len(s)-1]
	}
	if s != "" && (s[0] >= 0x7f || s[len(s)-1] >= 0x7f) {
		return strings.TrimFunc(s, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
		})
	}
	return s
}

type digestKind uint8

const (
	noDigest digestKind = iota
	sha256Digest
	otherDigest
)

// digest says what kind of digest s is the hexadecimal text of, by its length.
func digest[T string | []byte](s T) digestKind {
	kind := otherDigest
	switch len(s) {
	case hexLen:
		kind = sha256Digest
	case shortestDigest, 40, 56, 96, 128: // MD5, SHA-1, SHA-224, SHA-384, SHA-512
	default:
		return noDigest
	}
	for i := range len(s) {
		if c := lowerAlnum(rune(s[i])); c == 0 || c > 'f' {
			return noDigest
		}
	}
	return kind
}

// withoutAppendix cuts off what Meta's parameter builder puts behind a digest: ".AQQCAQIB" (version and origin, eight
// characters) or, in older versions, ".AQ" (two).
func withoutAppendix(s string) string {
	if i := len(s) - 9; i > 0 && s[i] == '.' {
		for j := i + 1; j < len(s); j++ {
			if c := s[j]; lowerAlnum(rune(c)) == 0 && c != '-' && c != '_' {
				return s
			}
		}
		return s[:i]
	}
	if i := len(s) - 3; i > 0 && s[i] == '.' {
		switch s[i+1:] {
		case "AQ", "Ag", "Aw", "BA", "BQ", "Bg":
			return s[:i]
		}
	}
	return s
}

// appendEmail: trimmed, lower case. Nothing is taken out of an address, no dots and no plus tag; what cannot be one is
// refused. s is ASCII, or folded.
func appendEmail(dst []byte, s string, ascii bool) ([]byte, Problem) {
	const maxLocal, maxAddress = 64, 254 // RFC 5321, 4.5.3.1
	at := strings.IndexByte(s, '@')
	if at < 1 || at > maxLocal || len(s) > maxAddress {
		return dst, EmailForm
	}
	start := len(dst)
	dst = append(dst, s...)
	address := dst[start:]
	for i, c := range address[:at] {
		if l := lowerAlnum(rune(c)); l != 0 {
			address[i] = l
		} else if c < utf8.RuneSelf && !isAddressSymbol(c) {
			return dst, EmailForm
		}
	}
	domain := address[at+1:]
	label, dots, numeric := 0, 0, true // where the current label begins; whether it has digits only
	for i, c := range domain {
		l := lowerAlnum(rune(c))
		switch {
		case l != 0:
			domain[i] = l
			numeric = numeric && l <= '9'
		case c == '.':
			if i == label || domain[i-1] == '-' {
				return dst, EmailForm
			}
			label, numeric = i+1, true
			dots++
		case c == '-' && i > label, c >= utf8.RuneSelf:
			numeric = false
		default:
			return dst, EmailForm
		}
	}
	if n := len(domain); dots == 0 || n-label < 2 || numeric || domain[n-1] == '-' {
		return dst, EmailForm // no top-level domain, or a number in its place
	}
	if !ascii && strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf && !isText(r) }) {
		return dst, EmailForm
	}
	return dst, None
}

// isAddressSymbol reports whether c may stand in the local part of an address beside letters and digits.
func isAddressSymbol(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '/', '=', '?', '^', '_', '`', '{', '|', '}', '~':
		return true
	}
	return false
}

// appendName: lower case, no punctuation, symbols or spaces; letters and digits of every script stay, and the joiners
// between letters.
func appendName(dst []byte, s string, ascii bool) ([]byte, Problem) {
	start := len(dst)
	dst = appendLetters(dst, s, ascii)
	letter := false
	for _, c := range dst[start:] {
		letter = letter || c >= 'a'
	}
	if !ascii && letter {
		letter = strings.ContainsFunc(string(dst[start:]), unicode.IsLetter)
	}
	if !letter && len(dst) > start {
		return dst, NoLetter
	}
	return dst, None
}

// appendLetters appends the letters, with their marks, and the digits of s in lower case. s is ASCII, or folded.
func appendLetters(dst []byte, s string, ascii bool) []byte {
	if ascii {
		for i := range len(s) {
			if c := lowerAlnum(rune(s[i])); c != 0 {
				dst = append(dst, c)
			}
		}
		return dst
	}
	kept := strings.Map(func(r rune) rune {
		if isText(r) || isJoiner(r) {
			return r
		}
		return -1
	}, s)
	// What was taken out may have stood between a letter and its accent.
	return append(dst, compose(withoutStrayJoiners(kept))...)
}
