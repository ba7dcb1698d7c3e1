package names

import (
	"strconv"
	"strings"
)

// A Version is a parsed "v26.0".
type Version struct{ Major, Minor int }

// ParseVersion reads "v26.0"; ok is false for any other form.
func ParseVersion(s string) (v Version, ok bool) {
	rest, found := strings.CutPrefix(s, "v")
	if !found || len(rest) > 8 {
		return v, false
	}
	major, minor, found := strings.Cut(rest, ".")
	if !found || !Digits(major) || !Digits(minor) {
		return v, false
	}
	v.Major, _ = strconv.Atoi(major)
	v.Minor, _ = strconv.Atoi(minor)
	return v, v.Major > 0
}

// After reports whether v is newer than o.
func (v Version) After(o Version) bool {
	return v.Major > o.Major || v.Major == o.Major && v.Minor > o.Minor
}

// Digits reports whether s is decimal digits and nothing else.
func Digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
