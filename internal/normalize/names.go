package normalize

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// longestPlain is how many letters a name may have that keeps its accents.
const longestPlain = 3

// AppendNameKey appends what tells s, the name of a country or state, from other names to dst: its letters in lower
// case, without accents and small words. Names of up to three letters keep their accents: without them Áo, which is
// Vietnamese for Austria, were AO, which is Angola. Nothing is appended when s has digits. s must be UTF-8.
func AppendNameKey(dst []byte, s string) []byte {
	if isASCII(s) {
		return appendNameLetters(dst, s)
	}
	start := len(dst)
	s = fold(s, false)
	dst = appendNameLetters(dst, withoutAccents(s))
	if utf8.RuneCount(dst[start:]) <= longestPlain {
		dst = appendNameLetters(dst[:start], s)
	}
	return dst
}

// appendNameLetters appends the letters of the words of s that make a difference. s is ASCII, or folded.
func appendNameLetters(dst []byte, s string) []byte {
	// "Bahamas, The" and "the Bahamas", "Trinidad & Tobago" and "Trinidad and Tobago", "U.S.A." and "USA" are one each.
	start, word, dotted := len(dst), len(dst), false
	for _, r := range s {
		switch c := lowerAlnum(r); {
		case c >= 'a':
			dst = append(dst, c)
			continue
		case c != 0:
			return dst[:start] // a digit
		case r >= utf8.RuneSelf && (unicode.In(r, unicode.L, unicode.M)):
			dst = utf8.AppendRune(dst, r)
			continue
		case r >= utf8.RuneSelf && isInvisible(r):
			continue
		case r >= utf8.RuneSelf && unicode.IsNumber(r):
			return dst[:start]
		case string(dst[word:]) == "st":
			dst = append(dst[:word], "saint"...) // "St. Lucia", but not ST, which is São Tomé and Príncipe
		}
		dotted = r == '.' || dotted && len(dst) == word
		if len(dst)-word <= longestSmall {
			if dst = endWord(dst, start, word); !dotted {
				dst = joinWord(dst, start, word)
			}
		}
		word = len(dst)
	}
	return endWord(dst, start, word)
}

// longestSmall is how many letters the words have that endWord and joinWord may drop.
const longestSmall = 3

// endWord drops the word that begins at dst[word] when it makes no difference between names. The name begins at
// dst[start].
func endWord(dst []byte, start, word int) []byte {
	switch string(dst[word:]) {
	case "the":
		return dst[:word]
	case "and", "of":
		if word > start { // AND is Andorra
			return dst[:word]
		}
	}
	return dst
}

// joinWord drops the word that begins at dst[word] when it only joins the words around it, in some language. Where it
// has a dot it is an abbreviation instead, as in U.A.E. and N.-E.
func joinWord(dst []byte, start, word int) []byte {
	switch string(dst[word:]) {
	case "e", "en", "et", "i", "og", "och", "und", "y", "и":
		if word > start {
			return dst[:word]
		}
	}
	return dst
}

// withoutAccents takes the accents off the letters of s, which is folded, and spells letters that many keyboards lack
// as people without them do. Marks without which a script cannot be read stay.
func withoutAccents(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFD.String(s) {
		switch r {
		case 'ı':
			r = 'i'
		case 'ø':
			r = 'o'
		case 'đ', 'ð':
			r = 'd'
		case 'ł':
			r = 'l'
		case 'ħ':
			r = 'h'
		case 'ß':
			b.WriteString("ss")
			continue
		case 'æ':
			b.WriteString("ae")
			continue
		case 'œ':
			b.WriteString("oe")
			continue
		case 'þ':
			b.WriteString("th")
			continue
		case 'ى', 'ی': // Arabic and Persian keyboards
			r = 'ي'
		case 'ک':
			r = 'ك'
		case 'ة', 'ہ':
			r = 'ه'
		}
		if !isAccent(r) {
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(b.String())
}

// isAccent reports whether r is a mark or sign that people leave out when they write in a hurry.
func isAccent(r rune) bool {
	switch {
	case '\u0300' <= r && r <= '\u036f': // of Latin, Greek and Cyrillic letters
	case '\u02b9' <= r && r <= '\u02bf': // apostrophes that count as letters, such as the okina
	case '\u064b' <= r && r <= '\u0655', r == '\u0640', r == '\u0670': // Arabic vowels, hamzas and the filler
	case '\u0591' <= r && r <= '\u05c7': // Hebrew points
	default:
		return false
	}
	return true
}

// How strongly a separator parts one name from another: a comma may also stand within a name, and a dash often does.
const (
	noSeparator = iota
	comma
	colon // also a dash between spaces
	strongestSeparator
)

// indexSeparator returns where the first separator of that strength is in s, and its length.
func indexSeparator(s string, strength int) (at, width int) {
	for i, r := range s {
		is := noSeparator
		switch r {
		case '(', ')', '[', ']', '{', '}', '<', '>', '/', '|', ';', '=', '\n':
			is = strongestSeparator
		case ':':
			is = colon
		case '-', '\u2013', '\u2014':
			if strings.HasSuffix(s[:i], " ") || strings.HasPrefix(s[i+utf8.RuneLen(r):], " ") {
				is = colon
			}
		case ',', '\u3001', '\u060c':
			is = comma
		}
		if is == strength {
			return i, utf8.RuneLen(r)
		}
	}
	return -1, 0
}
