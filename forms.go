package appevents

import (
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/wire"
)

// ParamType is what a parameter holds.
type ParamType string

// The types of parameters.
const (
	TypeBool     ParamType = "bool"     // sent as 1 or 0
	TypeContents ParamType = "contents" // a list of Content
	TypeInt      ParamType = "int"
	TypeText     ParamType = "text"
	TypeTextList ParamType = "text_list" // one or several texts
)

// ParamSpec describes a parameter of a standard event.
type ParamSpec struct {
	Name     string    `json:"name"`              // wire name: "fb_currency"
	Label    string    `json:"label"`             // for people: "Currency"
	Type     ParamType `json:"type"`              // what it holds
	Expected bool      `json:"expected"`          // whether Meta's guide lists it for the event; if not, it is optional
	Values   []string  `json:"values,omitzero"`   // suggested values, nil when free
	Required bool      `json:"required,omitzero"` // whether it must be set when the event has a value
}

// EventSpec describes an event: enough to build a form for it, and to read what was typed there.
type EventSpec struct {
	Name         EventName   `json:"name"`                    // wire name: "fb_mobile_purchase"
	Label        string      `json:"label"`                   // for people: "Purchase"
	Value        string      `json:"value,omitzero"`          // what Event.Value means; empty when the event has none
	ValueIsPrice bool        `json:"value_is_price,omitzero"` // whether a value needs a currency
	Params       []ParamSpec `json:"params,omitzero"`
	Edges        []Edge      `json:"edges"` // where the event is accepted

	// AllowCustom lets Parse take parameters that Params does not list. Those without a field in [Params] go to
	// Params.Custom, as text. Without it they are refused.
	AllowCustom bool `json:"allow_custom,omitzero"`
}

// StandardEvents describes every standard event and lead_submitted, sorted by label. The result is the caller's own.
// It marshals to JSON, so that a visual editor can build its list of events and a form for each from it; the editor's
// backend makes an event of the answers with [EventSpec.Parse].
func StandardEvents() []EventSpec {
	specs := make([]EventSpec, len(standardEvents))
	for i, e := range standardEvents {
		s := EventSpec{
			Name: e.name, Label: e.label, Value: e.value, ValueIsPrice: e.price,
			Edges: []Edge{EdgeActivities, EdgePageActivities},
		}
		if e.conversion.forMessaging() {
			s.Edges = append(s.Edges, EdgeConversions)
		}
		for _, name := range e.params {
			s.Params = append(s.Params, paramSpec(name, true))
			if name == ParamContentID {
				s.Params = append(s.Params, paramSpec(ParamContent, false)) // Meta takes it instead
			}
		}
		if e.price && !slices.Contains(e.params, ParamCurrency) {
			s.Params = append(s.Params, paramSpec(ParamCurrency, false))
		}
		specs[i] = s
	}
	return specs
}

// paramSpec describes the parameter of a wire name that has a field.
func paramSpec(name string, expected bool) ParamSpec {
	m, _ := paramByName(name)
	s := ParamSpec{
		Name: m.Name, Label: m.Tag.Get("label"), Type: paramTypes[m.Kind], Expected: expected, Required: m.Currency,
	}
	if values := m.Tag.Get("values"); values != "" {
		s.Values = strings.Split(values, ",")
	}
	return s
}

func paramByName(name string) (wire.Member, bool) {
	members := paramsPlan.Members()
	i := slices.IndexFunc(members, func(m wire.Member) bool { return m.Name == name })
	if i < 0 {
		return wire.Member{}, false
	}
	return members[i], true
}

var paramTypes = [...]ParamType{
	wire.Other: TypeContents, wire.Text: TypeText, wire.Texts: TypeTextList, wire.Int: TypeInt, wire.Flag: TypeBool,
}

// Parse makes an event of what a person typed into a form: the value, and the parameters by their wire names. Spaces
// around a text do not count, and an empty text is a field left empty.
//
// The value and numbers are written with a decimal point and without separators: 1299.5. A bool is true, yes, on or 1,
// or false, no, off or 0, in any case. Several texts are separated by commas or line breaks, or are a JSON array. Products
// are a JSON array of objects with id, quantity and item_price. A currency may be written in small letters.
//
// Event.Time and Event.ID are the caller's to set. The error is a [*ValidationError] with one issue for each field, under
// the path that Event.Validate uses. Its message is meant for the person at the form: it begins with the field's label
// and does not repeat what was typed.
func (s EventSpec) Parse(value string, params map[string]string) (Event, error) {
	e := Event{Name: s.Name}
	form := formReader{event: &e, labels: map[string]string{"name": "Event", "value": "Value"}}
	form.readValue(strings.TrimSpace(value), s)
	for _, name := range slices.Sorted(maps.Keys(params)) {
		form.readParam(name, strings.TrimSpace(params[name]), s)
	}
	// What reads well may still be no valid event: a price without a currency, say.
	e.validate(nil, &form.problems, time.Now())
	if err := form.problems.err(); err != nil {
		return Event{}, &ValidationError{Issues: form.issues()}
	}
	return e, nil
}

// formReader fills an event from texts.
type formReader struct {
	event    *Event
	labels   map[string]string // of the fields, by the path of their issues
	problems problems
}

func (f *formReader) readValue(text string, s EventSpec) {
	if s.Value != "" {
		f.labels["value"] = upperFirst(s.Value)
	}
	if text == "" {
		return
	}
	number, ok := parseNumber(text)
	switch {
	case s.Value == "" && !s.AllowCustom:
		f.problems.add(field("value"), RuleConflict, "must be empty: this event has none")
	case !ok:
		f.problems.add(field("value"), RuleType, "must be a number, such as 9.99")
	default:
		f.event.Value = &number
	}
}

func (f *formReader) readParam(name, text string, s EventSpec) {
	if text == "" {
		return
	}
	at := field("params").field(name)
	known := slices.IndexFunc(s.Params, func(p ParamSpec) bool { return p.Name == name })
	m, hasField := paramByName(name)
	switch {
	case known < 0 && !s.AllowCustom && !hasField:
		// The name is not repeated: it may be anything.
		f.problems.add(field("params"), RuleUnknown, "has a field that this event does not know")
	case known < 0 && !s.AllowCustom:
		f.label(at, m.Tag.Get("label"))
		f.problems.add(at, RuleUnknown, "must be empty: this event does not take it")
	case hasField:
		f.label(at, m.Tag.Get("label"))
		if known >= 0 {
			f.label(at, s.Params[known].Label)
		}
		if rule, message := setParam(&f.event.Params, m, text); rule != "" {
			f.problems.add(at, rule, message)
		}
	default:
		if f.event.Params.Custom == nil {
			f.event.Params.Custom = make(map[string]any)
		}
		f.event.Params.Custom[name] = text
	}
}

func (f *formReader) label(at *place, label string) {
	if label != "" {
		f.labels[at.String()] = label
	}
}

// issues returns the first problem of each field, in words that begin with its label.
func (f *formReader) issues() []Issue {
	var all []Issue
	for _, issue := range f.problems.issues {
		path := issue.Path
		if i := strings.IndexByte(path, '['); i >= 0 {
			path = path[:i] // a list is one field of the form
		}
		if slices.ContainsFunc(all, func(seen Issue) bool { return seen.Path == path }) {
			continue
		}
		name := strings.TrimPrefix(path, "params.")
		if m, ok := paramByName(name); ok {
			name = m.Tag.Get("label")
		}
		label := cmp.Or(f.labels[path], name)
		if path == "params" || path == "params.custom" {
			label = "The form"
		}
		all = append(all, Issue{Path: path, Rule: issue.Rule, Message: label + " " + issue.Message})
	}
	return all
}

// setParam reads the parameter that m declares from text. It returns what is wrong, if anything is.
func setParam(q *Params, m wire.Member, text string) (rule, message string) {
	to := reflect.ValueOf(q).Elem().FieldByName(m.Field)
	switch m.Kind {
	case wire.Text:
		if m.Currency {
			text = strings.ToUpper(text)
		}
		to.SetString(text)
	case wire.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return RuleType, "must be a whole number, such as 3"
		}
		to.SetInt(int64(n))
	case wire.Flag:
		set, ok := parseBool(text)
		if !ok {
			return RuleType, "must be yes or no"
		}
		to.Set(reflect.ValueOf(&set))
	case wire.Texts:
		texts, ok := parseTexts(text)
		if !ok {
			return RuleType, `must be a list, such as mug-1, mug-2 or ["mug-1", "mug-2"]`
		}
		to.Set(reflect.ValueOf(texts))
	default:
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if d.Decode(to.Addr().Interface()) != nil || d.More() {
			return RuleType, `must be a list of products, such as [{"id": "mug-1", "quantity": 2, "item_price": 9.99}]`
		}
	}
	return "", ""
}

// parseNumber reads a number as people write it in a form: no NaN, no exponent in hexadecimal.
func parseNumber(text string) (float64, bool) {
	if strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789+-.eE", r) }) {
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}

func parseBool(text string) (set, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	}
	return false, false
}

func parseTexts(text string) (texts []string, ok bool) {
	if strings.HasPrefix(text, "[") {
		return texts, json.Unmarshal([]byte(text), &texts) == nil
	}
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if part = strings.TrimSpace(part); part != "" {
			texts = append(texts, part)
		}
	}
	return texts, true
}

func upperFirst(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
