package normalize

import "strings"

// appendPhone: digits only, with the country code, without leading zeros. Where the country is known and the number is
// written as people dial it at home, the country's code is put before it. Where that cannot be told the number stays as
// it is, with a doubt.
func appendPhone(dst []byte, s, country string) ([]byte, Problem) {
	const shortest, longest = 7, 15 // the longest is E.164's
	start, zeros, plus := len(dst), 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case '1' <= c && c <= '9' || c == '0' && len(dst) > start:
			dst = append(dst, c)
		case c == '0':
			zeros++
		case c == '+' && len(dst) == start:
			plus = true
		}
	}
	switch n := len(dst) - start; {
	case n == 0:
		return dst, None
	case n < shortest || n > longest:
		return dst, PhoneLength
	case plus || zeros > 1: // 00 is what people dial for the plus sign
		return dst, None
	}
	number := dst[start:]
	plan := dialPlanOf(country)
	switch {
	case plan.code == "1" && zeros == 1 && string(number[:2]) == "11" && len(number) > shortest+2:
		return append(dst[:start], number[2:]...), None // 011 is their 00
	case plan.code == "7" && number[0] == '8' && len(number) == 11:
		number[0] = '7' // 8 is their 0
		return dst, None
	}
	if !plan.national(number, zeros > 0) {
		if plan.international(number, zeros > 0) {
			return dst, None
		}
		return dst, PhoneNational
	}
	prefix := plan.code
	if plan.keepsZero && zeros > 0 {
		prefix += "0"
	}
	switch n := len(prefix) + len(number); {
	case n > longest, zeros > 0 && plan.min <= n && n <= plan.max && plan.code != "39":
		return dst, PhoneNational // too long, or so short that it lacks the area code
	}
	return prepend(dst, start, prefix), None
}

// A dialPlan is how a country's telephone numbers are written.
type dialPlan struct {
	code      string // of the country; "" when it is not known
	trunk     bool   // a 0 stands before numbers at home, and not abroad
	keepsZero bool   // it stands abroad too
	min, max  int    // digits of numbers that are written without a 0 at home; 0 where that does not tell them
}

// national reports whether number is surely one without country code. zero says that a 0 stood before it.
func (p *dialPlan) national(number []byte, zero bool) bool {
	switch n := len(number); {
	case zero:
		return p.trunk || p.keepsZero
	case n < p.min || n > p.max:
		return false
	case p.code == "1": // area code and exchange begin with 2 to 9
		return number[0] > '1' && number[3] > '1'
	case p.code == "39": // mobile numbers, but not the code and a line: 39 06 123456
		return number[0] == '3' && string(number[:3]) != "390"
	case p.code == "86": // mobile numbers
		return number[0] == '1'
	}
	return true
}

// international reports whether number surely has its country code, or at least most likely. zero says that a 0 stood
// before it.
func (p *dialPlan) international(number []byte, zero bool) bool {
	const longestNational = 10 // of most countries
	switch n := len(number); {
	case zero || n < longestNational:
		return false
	case p.code == "":
		return n > longestNational
	case p.code == "1":
		return n == 11 && number[0] == '1'
	default:
		return strings.HasPrefix(string(number), p.code)
	}
}

// dialPlanOf returns the country's plan, or one that decides nothing.
func dialPlanOf(country string) dialPlan {
	if country == "" {
		return dialPlan{}
	}
	for entry := range strings.FieldsSeq(dialPlans) {
		if entry[:2] != country {
			continue
		}
		rest := entry[2:]
		p := dialPlan{code: rest[:digits(rest)]}
		rest = rest[len(p.code):]
		for rest != "" {
			flag := rest[0]
			rest = rest[1:]
			switch n := digits(rest); flag {
			case 't':
				p.trunk = true
			case 'k':
				p.keepsZero = true
			case 'n':
				p.min = decimal(rest[:n])
				p.max = p.min
				rest = rest[n:]
			case '-':
				p.max = decimal(rest[:n])
				rest = rest[n:]
			}
		}
		return p
	}
	return dialPlan{}
}

// dialPlans has an entry for each country whose numbers tell by their look whether they lack the country code: the
// country, its code, then t where the 0 at home falls away abroad, k where it stays, and n with the digits of numbers
// that are written without a 0 at home.
const dialPlans = `
	ag1n10 ai1n10 as1n10 bb1n10 bm1n10 bs1n10 ca1n10 dm1n10 do1n10 gd1n10 gu1n10 jm1n10 kn1n10 ky1n10 lc1n10 mp1n10
	ms1n10 pr1n10 sx1n10 tc1n10 tt1n10 us1n10 vc1n10 vg1n10 vi1n10 um1n10
	ae971t al355t ar54t at43t au61t ba387t bd880t be32t bg359t bo591t br55tn10-11 ch41t cn86tn11 co57n10 cz420n9 de49t
	dk45n8 dz213t ec593t eg20t es34n9 fi358t ax358t fr33t gb44t gg44t im44t je44t ge995t gh233t gr30n10 hk852n8 hr385t
	id62t ie353t il972t in91tn10 iq964t ir98t it39kn10 sm378k va39k jo962t jp81t ke254t kh855t kr82t lb961t lk94t ma212t
	md373t me382t mk389t mm95t mx52n10 my60t ng234t nl31t no47n8 sj47n8 np977t nz64t pe51tn9 ph63t pk92t pl48n9
	ps970t pt351n9 py595t ro40t rs381t ru7n10 kz7n10 rw250t sa966t sd249t se46t sg65n8 si386t sk421t sy963t th66t tr90t
	tw886t tz255t ua380t ug256t uy598t uz998n9 ve58t vn84t xk383t ye967t za27t zm260t zw263t re262t gp590t mq596t gf594t
	yt262t pm508t cl56n9 cr506n8 gt502n8 sv503n8 hn504n8 ni505n8 pa507n8 cy357n8 lv371n8 tn216n8 qa974n8 kw965n8 om968n8
	bh973n8`
