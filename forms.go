package appevents

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/wire"
)

// ParamType is the type of a parameter's value.
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
	Type     ParamType `json:"type"`              // the type of its value
	Expected bool      `json:"expected"`          // whether Meta's guide lists it for the event; if not, it is optional
	Values   []string  `json:"values,omitzero"`   // suggested values; nil when there are none
	Required bool      `json:"required,omitzero"` // whether it must be set when the event has a value
}

// EventSpec describes an event in enough detail to build a form for it, and to read what a person typed into the form.
type EventSpec struct {
	Name         EventName   `json:"name"`                    // wire name: "fb_mobile_purchase"
	Label        string      `json:"label"`                   // for people: "Purchase"
	Value        string      `json:"value,omitzero"`          // what Event.Value means; empty when the event has none
	ValueIsPrice bool        `json:"value_is_price,omitzero"` // whether a value needs a currency
	Params       []ParamSpec `json:"params,omitzero"`
	Edges        []Edge      `json:"edges"` // where the event is accepted

	// AllowCustom lets Parse accept parameters that Params does not list. Those that have no field in the type [Params]
	// become text in Params.Custom. By default they are refused.
	AllowCustom bool `json:"allow_custom,omitzero"`
}

// StandardEvents describes every standard event and lead_submitted, sorted by label. The caller owns the result. It
// marshals to JSON, so that a visual editor can build its list of events from it, and a form for each event. The
// editor's backend turns the answers into an event with [EventSpec.Parse].
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
	m := &paramsPlan.Members()[paramField(name)]
	s := ParamSpec{
		Name: m.Name, Label: m.Tag.Get("label"), Type: paramTypes[m.Kind].name, Expected: expected, Required: m.Currency,
	}
	if values := m.Tag.Get("values"); values != "" {
		s.Values = strings.Split(values, ",")
	}
	return s
}

// paramField returns which member of paramsPlan has a wire name, or -1.
func paramField(name string) int {
	return slices.IndexFunc(paramsPlan.Members(), func(m wire.Member) bool { return m.Name == name })
}

// paramTypes are the types of parameters, with what a form must hold for one.
var paramTypes = [...]struct {
	name ParamType
	want string
}{
	wire.Text:  {TypeText, "must be a text"},
	wire.Texts: {TypeTextList, `must be a list, such as mug-1, mug-2 or ["mug-1", "mug-2"]`},
	wire.Int:   {TypeInt, "must be a whole number, such as 3"},
	wire.Flag:  {TypeBool, "must be yes or no"},
	wire.Other: {TypeContents, `must be a list of products, such as [{"id": "mug-1", "quantity": 2}]`},
}

// Parse returns the event that a person typed into a form: its value, and its parameters by their wire names. Spaces
// around a text are ignored. An empty text means that the field was left empty.
//
// The value and other numbers have a decimal point and no separators: 1299.5. A bool is written as true, yes, on or 1,
// or as false, no, off or 0, in upper or lower case. A list of texts is separated by commas or line breaks, or is a
// JSON array. Products are a JSON array of objects with id, quantity and item_price. A currency may be in lower case.
//
// Parse leaves Event.Time and Event.ID for the caller to set. The error is a [*ValidationError] with at most one issue
// for each field, whose path is the one that [Event.Validate] uses for the whole field. The message is meant for the
// person at the form: it begins with the field's label and does not repeat what was typed.
func (s EventSpec) Parse(value string, params map[string]string) (Event, error) {
	e := Event{Name: s.Name}
	var p problems
	if value = strings.TrimSpace(value); value != "" {
		number, ok := wire.ParseNumber(value)
		switch {
		case s.Value == "" && !s.AllowCustom:
			p.add(field("value"), RuleConflict, "must be empty: this event has none")
		case !ok:
			p.add(field("value"), RuleType, "must be a number, such as 9.99")
		default:
			e.Value = &number
		}
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if text := strings.TrimSpace(params[name]); text != "" {
			s.parseParam(&e.Params, name, text, &p)
		}
	}
	e.validate(nil, &p, time.Now()) // what reads well may still be wrong: a price without a currency, say
	if len(p.issues) > 0 {
		return Event{}, &ValidationError{Issues: s.forPeople(p.issues)}
	}
	return e, nil
}

func (s EventSpec) parseParam(q *Params, name, text string, p *problems) {
	at := field("params").field(name)
	i := paramField(name)
	switch {
	case !s.AllowCustom && s.param(name) == nil && i < 0:
		// The name is not repeated: it may be anything.
		p.add(field("params"), RuleUnknown, "has a field that this event does not know")
	case !s.AllowCustom && s.param(name) == nil:
		p.add(at, RuleUnknown, "must be empty: this event does not take it")
	case i >= 0:
		if m := paramsPlan.Value(q, i); !m.Parse(text) {
			p.add(at, RuleType, paramTypes[m.Kind].want)
		}
	default:
		if q.Custom == nil {
			q.Custom = make(map[string]any)
		}
		q.Custom[name] = text
	}
}

func (s EventSpec) param(name string) *ParamSpec {
	if i := slices.IndexFunc(s.Params, func(p ParamSpec) bool { return p.Name == name }); i >= 0 {
		return &s.Params[i]
	}
	return nil
}

// forPeople returns the first issue of each field of the form, with its label before the message.
func (s EventSpec) forPeople(issues []Issue) []Issue {
	var all []Issue
	for _, issue := range issues {
		issue.Path, _, _ = strings.Cut(issue.Path, "[") // a list is one field
		if !slices.ContainsFunc(all, func(seen Issue) bool { return seen.Path == issue.Path }) {
			issue.Message = s.label(issue.Path) + " " + issue.Message
			all = append(all, issue)
		}
	}
	return all
}

// label is what people know the field at a path by.
func (s EventSpec) label(path string) string {
	name, isParam := strings.CutPrefix(path, "params.")
	switch spec, i := s.param(name), paramField(name); {
	case path == "value":
		return "The value"
	case !isParam, name == "custom":
		return "The form"
	case spec != nil && spec.Label != "":
		return spec.Label
	case i >= 0:
		return paramsPlan.Members()[i].Tag.Get("label")
	default:
		return name
	}
}
