package normalize

import (
	"compress/flate"
	_ "embed"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

//go:generate go run ./gencountries

// countryTable has a line for each country: its code, and the other codes and the names by which it is known, as
// [AppendNameKey] spells them. It is the ISO 3166-1 table with the names that Unicode's CLDR has in the countries' own
// and in the most used languages, and with the names in gencountries/names.txt, all packed with compress/flate. Three
// codes are not ISO's: UK and EL, which the European Union writes for GB and GR, and XK, which stands for Kosovo in the
// range ISO leaves to its users.
//
//go:embed countries.flate
var countryTable string

// countries maps the names and codes to the country's code. It is built at the first use.
var countries = sync.OnceValue(func() map[string]string {
	const nameLen = 16 // on average
	table := unpack(countryTable)
	names := make(map[string]string, len(table)/nameLen)
	for line := range strings.Lines(table) {
		code, _, _ := strings.Cut(line, " ")
		for name := range strings.FieldsSeq(line) {
			names[name] = code
		}
	}
	return names
})

// unpack returns the text in the file, which is ours and whole.
func unpack(file string) string {
	text, err := io.ReadAll(flate.NewReader(strings.NewReader(file)))
	if err != nil {
		return ""
	}
	return string(text)
}

// Country returns the ISO 3166-1 alpha-2 code, in lower case, that s means, and "" when s is no country. It takes
// alpha-2 and alpha-3 codes and names, without regard to case, accents, punctuation and the words "and", "of" and
// "the", and several of them together when they mean the same country: "United States (US)", "Österreich / Austria".
func Country(s string) string {
	if s = Trim(s); len(s) > MaxLen || !utf8.ValidString(s) {
		return ""
	}
	if !isASCII(s) {
		s = spellFlags(s)
	}
	if code := countryName(s); code != "" {
		return code
	}
	// "India, Republic of", "India (Republic of)"
	if i := strings.IndexAny(s, ",("); i > 0 {
		if code := countryName(strings.TrimRight(s[i+1:], ") ") + " " + s[:i]); code != "" {
			return code
		}
	}
	return countryNames(s, strongestSeparator)
}

// countryNames is Country for several names with separators up to the given strength between them.
func countryNames(s string, strongest int) string {
	if code := countryName(s); code != "" {
		return code
	}
	if strongest == noSeparator {
		return codeBeside(s)
	}
	code, rest := "", s
	for rest != "" {
		name := rest
		if i, width := indexSeparator(rest, strongest); i < 0 {
			rest = ""
		} else {
			name, rest = rest[:i], rest[i+width:]
		}
		if Trim(name) == "" {
			continue
		}
		c := countryNames(name, strongest-1)
		if code = sameCountry(code, c); c == "" || code == "" {
			return ""
		}
	}
	return code
}

// codeBeside reads a name with a code before or behind it, "DE Germany", "Germany-DE", or with an article, "La France".
func codeBeside(s string) string {
	const longest = 3
	s = Trim(s)
	if i := strings.IndexAny(s, " -"); i > 0 && i <= longest {
		code, name := countryName(s[:i]), countryName(s[i+1:])
		if code != "" && code == name {
			return code
		}
		switch strings.ToLower(s[:i]) {
		case "la", "le", "les", "los", "las", "il", "lo", "die", "der", "das", "os":
			if name != "" && (code == "" || s[:i] != strings.ToUpper(s[:i])) { // LA is Laos
				return name
			}
		}
	}
	if i := strings.LastIndexAny(s, " -"); i > 0 && len(s)-1-i <= longest {
		if code := countryName(s[i+1:]); code != "" && countryName(s[:i]) == code {
			return code
		}
	}
	return ""
}

// countryName is Country for a single name.
func countryName(s string) string {
	var buf [64]byte
	return countries()[string(AppendNameKey(buf[:0], s))]
}

// sameCountry returns the country two codes mean when they go together: the same one, or a territory and the country
// it belongs to. An empty a goes with every b.
func sameCountry(a, b string) string {
	switch {
	case a == "" || a == b || sovereign(b) == a:
		return b
	case sovereign(a) == b:
		return a
	}
	return ""
}

// sovereign returns the country whose name people put behind that of a territory with a code of its own, and "none"
// for all others.
func sovereign(code string) string {
	switch code {
	case "as", "gu", "mp", "pr", "um", "vi":
		return "us"
	case "ai", "bm", "fk", "gg", "gi", "gs", "im", "io", "je", "ky", "ms", "pn", "sh", "tc", "vg":
		return "gb"
	case "bl", "gf", "gp", "mf", "mq", "nc", "pf", "pm", "re", "tf", "wf", "yt":
		return "fr"
	case "aw", "bq", "cw", "sx":
		return "nl"
	case "cc", "cx", "hm", "nf":
		return "au"
	case "ck", "nu", "tk":
		return "nz"
	case "fo", "gl":
		return "dk"
	case "bv", "sj":
		return "no"
	case "hk", "mo", "tw":
		return "cn"
	case "ax":
		return "fi"
	}
	return "none"
}

// spellFlags replaces the flags of countries, which are letters to a computer, by their codes in brackets.
func spellFlags(s string) string {
	const a, z = '\U0001F1E6', '\U0001F1FF'
	if !strings.ContainsFunc(s, func(r rune) bool { return a <= r && r <= z }) {
		return s
	}
	var b strings.Builder
	letters := 0
	for _, r := range s {
		if r < a || r > z {
			b.WriteRune(r)
			continue
		}
		if letters++; letters%2 == 1 {
			b.WriteByte('(')
		}
		b.WriteRune(r - a + 'a')
		if letters%2 == 0 {
			b.WriteByte(')')
		}
	}
	return b.String()
}
