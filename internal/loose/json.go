package loose

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// Number reads a JSON number or a string holding one, also with a percent sign. Anything else, and nonsense, leaves it
// as it is.
type Number float64

// UnmarshalJSON never fails.
func (n *Number) UnmarshalJSON(data []byte) error {
	f, err := strconv.ParseFloat(string(bytes.Trim(data, `"% `)), 64)
	if err == nil && f >= 0 && !math.IsInf(f, 0) {
		*n = Number(f)
	}
	return nil
}

// Int returns the number as a code, at most 2^31.
func (n Number) Int() int { return int(min(n, 1<<31)) }

// Text reads a JSON string. Any other kind leaves it as it is.
type Text string

// UnmarshalJSON never fails.
func (t *Text) UnmarshalJSON(data []byte) error {
	var s string
	if len(data) > 0 && data[0] == '"' && json.Unmarshal(data, &s) == nil {
		*t = Text(s)
	}
	return nil
}

// Scalar returns the text of a JSON string, the digits of a number, and "" for any other kind.
func Scalar(data []byte) string {
	switch {
	case len(data) == 0:
		return ""
	case data[0] == '-' || data[0] >= '0' && data[0] <= '9':
		return string(data)
	}
	var t Text
	_ = t.UnmarshalJSON(data)
	return string(t)
}

// Time reads whole Unix seconds, as a number or text, and RFC 3339, with or without a colon in the zone. Anything else
// leaves it as it is, and so does a time before 1970 or after 9999, which JSON cannot hold.
type Time struct{ time.Time }

// UnmarshalJSON never fails.
func (t *Time) UnmarshalJSON(data []byte) error {
	text := Scalar(data)
	seconds, err := strconv.ParseInt(text, 10, 64)
	at := time.Unix(seconds, 0)
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05-0700"} {
		if err != nil {
			at, err = time.Parse(layout, text)
		}
	}
	if at = at.UTC(); err == nil && at.Unix() > 0 && at.Year() <= 9999 {
		t.Time = at
	}
	return nil
}

// Members returns the named members of a JSON object, the last of each name, and how many the object has in all; ok is
// false when text is no JSON object. It keeps nothing of the others, however many there are.
func Members(text []byte, names ...string) (found map[string]json.RawMessage, n int, ok bool) {
	s := jsonscan.New(string(text))
	if !s.Open(jsonscan.Object) {
		return nil, 0, false
	}
	found = make(map[string]json.RawMessage, len(names))
	for name, more := s.NextKey(); more; name, more = s.NextKey() {
		value := s.Skip()
		n++
		if slices.Contains(names, name) {
			found[name] = json.RawMessage(value)
		}
	}
	return found, n, s.End() == nil
}

// IsFalse reports whether a JSON value says no.
func IsFalse(value []byte) bool {
	switch string(value) {
	case "false", `"false"`, "0", `"0"`:
		return true
	}
	return false
}

// Describe says what a body that is no answer looks like.
func Describe(body []byte) string {
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return "the answer is empty"
	case IsFalse(trimmed):
		return "the answer is the bare word false"
	case trimmed[0] == '<':
		return "the answer is an HTML page"
	case json.Valid(trimmed):
		return "the answer is JSON of an unknown form"
	default:
		return "the answer is not JSON"
	}
}

// HasMore reports whether a JSON object or array has more than n members.
func HasMore(data []byte, kind jsonscan.Kind, n int) bool {
	s := jsonscan.New(string(data))
	if s.Kind() != kind {
		return false
	}
	s.Open(kind)
	for {
		var more bool
		if kind == jsonscan.Object {
			_, more = s.NextKey()
		} else {
			more = s.NextElem()
		}
		if !more || n == 0 {
			return more
		}
		s.Skip()
		n--
	}
}
