// Package decimal computes with numbers kept as decimal text, without rounding them.
package decimal

import (
	"math/big"
	"strings"

	"github.com/appevents/appevents-go/internal/names"
)

// maxLen bounds the length of a number.
const maxLen = 64

// Valid reports whether s is a number: digits, perhaps with a minus sign and a fraction, but no exponent.
func Valid(s string) bool {
	if len(s) > maxLen {
		return false
	}
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	return names.Digits(whole) && (!point || names.Digits(fraction))
}

// Rat returns the number; what is not one counts as 0.
func Rat(s string) *big.Rat {
	r := new(big.Rat)
	if Valid(s) {
		_, _ = r.SetString(s) // knows more forms of numbers, and all of these
	}
	return r
}

// Add returns the exact sum, with as many decimals as the longer of the two.
func Add(a, b string) string {
	return new(big.Rat).Add(Rat(a), Rat(b)).FloatString(max(decimals(a), decimals(b)))
}

func decimals(s string) int {
	_, fraction, _ := strings.Cut(s, ".")
	return len(fraction)
}

// Quotient returns a divided by b, rounded half away from zero to so many decimals, 0 to 18. ok is false when b is 0.
func Quotient(a, b string, decimals int) (quotient string, ok bool) {
	divisor := Rat(b)
	if divisor.Sign() == 0 {
		return "0", false
	}
	return new(big.Rat).Quo(Rat(a), divisor).FloatString(min(max(decimals, 0), 18)), true
}
