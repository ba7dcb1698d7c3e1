package normalize

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"
)

//go:embed states.txt
var stateTable string

// states maps the country, and behind it the key of a state's name or its code, to the code. It is built at the first
// use.
var states = sync.OnceValue(func() map[string]string {
	const nameLen = 16 // on average
	names := make(map[string]string, len(stateTable)/nameLen)
	for line := range strings.Lines(stateTable) {
		if line[0] == '#' {
			continue
		}
		country, code, rest := line[:2], line[3:5], line[6:]
		names[country+code] = code
		for name := range strings.SplitSeq(rest, "|") {
			names[string(AppendNameKey([]byte(country), name))] = code
		}
	}
	return names
})

// state returns the code of the state or province that s names, and "" for anything else. country is "us" or "ca".
func state(country, s string) string {
	var buf [64]byte
	key := AppendNameKey(append(buf[:0], country...), s)
	names := states()
	if code := names[string(key)]; code != "" || len(key) < len("usstatexx") {
		return code
	}
	// "State of New York", "New York State". Without its accent "Province de N.-É." were Nebraska.
	for _, before := range [...]string{
		"", "state", "commonwealth", "territory", "estadode", "etatde", "territoirede", "territoiredu",
		"province", "provincede", "provincedu", "provincedel",
	} {
		name, ok := strings.CutPrefix(string(key[len(country):]), before)
		if !ok {
			continue
		}
		for _, behind := range [...]string{"", "state", "territory", "province"} {
			name, ok := strings.CutSuffix(name, behind)
			if !ok || len(name) <= longestPlain && !isASCII(s) {
				continue
			}
			var buf [64]byte
			if code := names[string(append(append(buf[:0], country...), name...))]; code != "" {
				return code
			}
		}
	}
	return ""
}

// appendState: two letters for states of the United States and provinces of Canada, given by code or name; elsewhere
// lower case without punctuation and spaces, since names such as Florida are places of other countries too.
func appendState(dst []byte, s string, ascii bool, country string) ([]byte, Problem) {
	p := place{country: country}
	if usPostal(country) {
		p.country = "us"
	}
	local := p.country == "us" || p.country == "ca"
	switch {
	case local || country == "":
		if code := p.state(s); code != "" {
			return append(dst, code...), None
		}
	default:
		s = withoutCountry(s, country)
	}
	start := len(dst)
	dst = appendLetters(dst, s, ascii)
	if len(dst) > start && (country == "us" || country == "ca" || country == "" && p.mixed(s)) {
		return dst, StateName
	}
	return dst, None
}

// A place is what is known of where a state lies, while the text of the state is read.
type place struct {
	country string // "us", "ca", or "" when it can be both
	code    string // the state's; "" while it is not known
	sure    bool   // the country stands in the text, or the state is written out
}

// state reads s as a state with what people put around it: its code, the country, the postal code, the city. It
// returns the state's code, or "" when s is something else or speaks of two states.
func (p *place) state(s string) string {
	for _, country := range [...]string{"us", "ca"} {
		if p.country == "" || p.country == country {
			if code := state(country, s); code != "" {
				return code
			}
		}
	}
	if q := *p; q.read(s) {
		return q.code
	}
	// The city first, and the state behind a comma, or its code behind a blank.
	if i := strings.LastIndexByte(s, ' '); p.country != "" && i > 0 && i+len(" NY") == len(s) {
		either := strings.HasSuffix(strings.ToLower(s[:i]), " or") // "NY or NJ"
		if q, city := *p, *p; q.read(s[i:]) && !city.read(s[:i]) && !either {
			return q.code
		}
	}
	for rest := s; ; {
		city, behind, ok := strings.Cut(rest, ",")
		if q := *p; !ok || q.read(city) {
			return "" // "New York, NJ" has two
		}
		if q := *p; q.read(behind) && (q.sure || p.country != "") {
			return q.code
		}
		rest = behind
	}
}

// mixed reports whether a part of s, which as a whole is no state, is one: so that it cannot be told which is meant.
func (p *place) mixed(s string) bool {
	for strength := comma; strength <= strongestSeparator; strength++ {
		for rest := s; ; {
			i, width := indexSeparator(rest, strength)
			if i < 0 {
				if q := *p; rest != s && q.read(rest) {
					return true
				}
				break
			}
			if q := *p; q.read(rest[:i]) {
				return true
			}
			rest = rest[i+width:]
		}
	}
	return false
}

// read reads s as nothing but names and codes of one state, its country and a postal code, in any order.
func (p *place) read(s string) bool {
	const most = 12
	var starts, ends [most]int
	n, last := 0, rune(0)
	for i, r := range s {
		kind := wordKind(r)
		if kind != 0 && (kind != wordKind(last) || n == 0) {
			if n == most {
				return false
			}
			starts[n] = i
			n++
		}
		if kind != 0 {
			ends[n-1] = i + utf8.RuneLen(r)
		}
		last = r
	}
	return p.words(s, starts[:n], ends[:n]) && p.code != ""
}

// wordKind tells letters, digits and what is neither (0) apart.
func wordKind(r rune) int {
	switch c := lowerAlnum(r); {
	case c >= 'a', r >= utf8.RuneSelf && (isText(r) || isInvisible(r)):
		return 1
	case c != 0:
		return 2
	}
	return 0
}

// words reads the words of s that begin and end there, the longest names first.
func (p *place) words(s string, starts, ends []int) bool {
	if len(starts) == 0 {
		return true
	}
	for n := len(starts); n > 0; n-- {
		name := s[starts[0]:ends[n-1]]
		for meaning := range numMeanings {
			q := *p
			if q.means(meaning, name) && q.words(s, starts[n:], ends[n:]) {
				*p = q
				return true
			}
		}
	}
	return false
}

// What a name in the text of a state can be.
const (
	usState = iota
	province
	country
	postalCode
	numMeanings
)

// means notes what the name says in one of its meanings, and reports whether it goes with what is known.
func (p *place) means(meaning int, name string) bool {
	switch meaning {
	case usState:
		return p.isState("us", name)
	case province:
		return p.isState("ca", name)
	case country:
		return p.isCountry(name)
	default:
		return p.isPostalCode(name)
	}
}

func (p *place) isState(country, name string) bool {
	if p.country != "" && p.country != country {
		return false
	}
	code := state(country, name)
	if code == "" || p.code != "" && p.code != code {
		return false
	}
	p.country, p.code, p.sure = country, code, p.sure || len(name) > len("N.Y.")
	return true
}

func (p *place) isCountry(name string) bool {
	code := countryName(name)
	if code != "us" && code != "ca" || p.country != "" && p.country != code {
		return false
	}
	p.country, p.sure = code, true
	return true
}

// isPostalCode takes ZIP and ZIP+4 of the United States and K1A 0B1 of Canada.
func (p *place) isPostalCode(s string) bool {
	const longest = 9
	var form [longest]byte
	n := 0
	for _, r := range s {
		c := lowerAlnum(r)
		switch {
		case c == 0:
			continue
		case n == longest:
			return false
		case c >= 'a':
			c = 'a'
		default:
			c = '0'
		}
		form[n] = c
		n++
	}
	switch string(form[:n]) {
	case "00000", "000000000":
		return p.country != "ca"
	case "a0a0a0":
		return p.country != "us"
	}
	return false
}

// withoutCountry takes the name of the person's country off the end of the name of a state: "Bayern, Deutschland".
func withoutCountry(s, country string) string {
	name := strings.TrimRight(s, " )]")
	if i := strings.LastIndexAny(name, ",(["); i > 0 && Country(name[i+1:]) == country {
		return name[:i]
	}
	return s
}
