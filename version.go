package appevents

import (
	"strconv"
	"strings"
)

// Version is the version of this module, sent in the User-Agent header.
const Version = "0.1.0"

// DefaultGraphVersion is the Graph API version a [Client] asks for unless [WithVersion] says otherwise.
const DefaultGraphVersion = "v26.0"

// lastPageActivitiesVersion is the last Graph version that has the page_activities edge.
const lastPageActivitiesVersion = "v20.0"

// A graphVersion is a parsed "v26.0".
type graphVersion struct{ major, minor int }

// parseGraphVersion reads "v26.0"; ok is false for any other form.
func parseGraphVersion(s string) (v graphVersion, ok bool) {
	rest, found := strings.CutPrefix(s, "v")
	if !found || len(rest) > 8 {
		return v, false
	}
	major, minor, found := strings.Cut(rest, ".")
	if !found || !digits(major) || !digits(minor) {
		return v, false
	}
	v.major, _ = strconv.Atoi(major)
	v.minor, _ = strconv.Atoi(minor)
	return v, v.major > 0
}

func (v graphVersion) after(o graphVersion) bool {
	return v.major > o.major || v.major == o.major && v.minor > o.minor
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
