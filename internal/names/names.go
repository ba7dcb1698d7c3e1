// Package names checks and compares names and codes. It knows nothing of the types they belong to.
package names

import (
	"sort"
	"strings"
)

// Identifier reports whether s can name an event or a parameter: ^[0-9a-zA-Z_][0-9a-zA-Z _-]{0,39}$, the server's rule
// for events, which the SDKs apply to parameters too.
func Identifier(s string) bool {
	if s == "" || len(s) > 40 || s[0] == '-' || s[0] == ' ' {
		return false
	}
	for i := range len(s) {
		if b := s[i]; !alphanumeric(b) && b != '_' && b != '-' && b != ' ' {
			return false
		}
	}
	return true
}

// Parameter reports whether s can name a parameter of a request: ASCII letters, digits and underscores.
func Parameter(s string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '_' {
			return false
		}
	}
	return s != ""
}

// MobileCookie reports whether s has a form of the "attribution" of a device: 22 letters and digits on Android, a UUID
// on iOS.
func MobileCookie(s string) bool {
	if len(s) != 22 && len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch b := s[i]; {
		case len(s) == 22:
			if !alphanumeric(b) {
				return false
			}
		case i == 8, i == 13, i == 18, i == 23:
			if b != '-' {
				return false
			}
		case (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'f'):
			return false
		}
	}
	return true
}

func alphanumeric(b byte) bool { return '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z' }

// Letters is a name without what people write differently: case, separators and the prefix of mobile events.
func Letters(name string) string {
	name = strings.TrimPrefix(strings.ToLower(name), "fb_")
	return strings.NewReplacer("mobile_", "", "_", "", "-", "", " ", "").Replace(name)
}

// Distance is how many letters must be inserted, deleted or replaced to turn a into b. Both are short: b is a known
// name, and a longer than twice that is too far away to look at.
func Distance(a, b string) int {
	if len(a) > 2*len(b) {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// currencies are the active codes of ISO 4217 for money people pay with, and those withdrawn since 2025, in order.
const currencies = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN " +
	"BZD CAD CDF CHF CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD " +
	"GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR " +
	"LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK " +
	"PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND " +
	"TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"

// Currency reports whether code is a currency.
func Currency(code string) bool {
	const size = len("USD ")
	i := sort.Search((len(currencies)+1)/size, func(i int) bool { return currencies[i*size:i*size+3] >= code })
	return i*size < len(currencies) && currencies[i*size:i*size+3] == code
}
