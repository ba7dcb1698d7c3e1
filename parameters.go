package appevents

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/appevents/appevents-go/internal/names"
	"github.com/appevents/appevents-go/internal/storable"
	"github.com/appevents/appevents-go/internal/wire"
)

// How a parameter is declared.
//
// A parameter of Graph is a field of the type that callers fill in, and the tags of the field are all there is to say
// about it: its name in storage and in issues (json), its name on the wire where that differs, the way it is written
// and its limits (wire). Package wire compiles the tags of a type into a plan, once, when it is first needed. From the
// plan come the encoders (AppendJSON, AppendForm), the checks (check, below), the names that Custom and Extra refuse
// (homes), StandardEvents with its forms, and what Event.Conversion does with each field. Stored calls are read by
// encoding/json, from the same tags.
//
// So a new parameter is a new field with its tags: nothing else mentions it. A type's plan stands below the type. What
// is more than a field, such as the list of events, has its name in a constant beside the code that writes it.
// TestParameters_DeclaredOnce finds names that are written twice and fields that some part does not reach.

// check adds to found what is wrong with the fields that plan declares.
func check[T any](plan *wire.Plan[T], v *T, at *place, found *problems, now time.Time) {
	for i := range plan.Members() {
		if plan.NothingToCheck(v, i) {
			continue
		}
		m := plan.Value(v, i)
		switch m.Kind {
		case wire.Text:
			if m.Text() != "" || m.Required {
				checkText(m, at, found)
			}
		case wire.Texts:
			for k, text := range m.Texts() {
				if text == "" {
					found.add(at.field(m.Stored).item(k), RuleRequired, "must be set")
				}
				validateText(text, at.field(m.Stored).item(k), found)
			}
		case wire.Int:
			switch n := m.Int(); {
			case n >= m.Min:
			case m.Min <= 0:
				found.add(at.field(m.Stored), RuleRange, "must not be negative")
			case n == 0:
				found.add(at.field(m.Stored), RuleRequired, "must be at least 1")
			default:
				found.add(at.field(m.Stored), RuleRange, "must be at least 1")
			}
		case wire.Float:
			if f := m.Float(); f < 0 || !wire.Finite(f) {
				found.add(at.field(m.Stored), RuleRange, "must be a finite number, not negative")
			}
		case wire.Amount:
			if f := m.Amount(); f != nil && !wire.Finite(*f) {
				found.add(at.field(m.Stored), RuleRange, "must be a finite number")
			}
		case wire.Time:
			validateTime(m.Time(), at.field(m.Stored), found, now)
		case wire.Millis:
			if d := m.Duration(); d != 0 && d < time.Millisecond {
				found.add(at.field(m.Stored), RuleRange, "must be at least a millisecond")
			}
		}
	}
}

func checkText(m wire.Value, at *place, found *problems) {
	switch text := m.Text(); {
	case m.Own:
	case text == "":
		found.add(at.field(m.Stored), RuleRequired, "must be set")
	case m.ID:
		ID(text).validate(at.field(m.Stored), found)
	case m.Currency && !names.Currency(text):
		found.add(at.field(m.Stored), RuleFormat, "must be an ISO 4217 code in capitals, such as USD")
	default:
		validateText(text, at.field(m.Stored), found)
	}
}

// homes are the names on the wire that have a field, with the field that callers are told to use.
type homes map[string]string

// addHomes adds the names that a plan declares, as fields of the type or value that prefix names.
func addHomes[T any](all homes, prefix string, plan *wire.Plan[T]) {
	for _, m := range plan.Members() {
		all[m.Name] = prefix + m.Field
		for _, alias := range m.Aliases {
			all[alias] = prefix + m.Field
		}
	}
}

const clockSkew = time.Minute

// earliest is before any event Meta could have seen.
var earliest = time.Date(2004, 1, 1, 0, 0, 0, 0, time.UTC)

// validateTime checks a time that will be sent in seconds; the zero time is fine.
func validateTime(t time.Time, at *place, p *problems, now time.Time) {
	switch {
	case t.IsZero():
	case t.Year() >= storable.LastYear:
		p.add(at, RuleRange, "is far in the future: was it made from milliseconds? Use time.UnixMilli")
	case t.After(now.Add(clockSkew)):
		p.add(at, RuleRange, "must not be in the future")
	case t.Before(earliest):
		p.add(at, RuleRange, "must not be before 2004")
	}
}

func validateText(s string, at *place, p *problems) {
	if !utf8.ValidString(s) {
		p.add(at, RuleFormat, "must be valid UTF-8")
	}
}

const identifierRule = "must be 1 to 40 ASCII letters, digits, underscores, hyphens and spaces, " +
	"and start with neither hyphen nor space"

// unmarshalExactly is json.Unmarshal that keeps every digit of a number.
func unmarshalExactly(data []byte, to any) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	return d.Decode(to)
}
