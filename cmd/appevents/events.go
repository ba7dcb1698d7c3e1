package main

import (
	"slices"
	"strings"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/names"
)

type eventsCommand struct {
	Name string `arg:"" optional:"" help:"One event: its wire name, its label or its name in the Conversions API."`
	Edge string `enum:"activities,page_activities,events," default:"" placeholder:"EDGE" help:"Only those that an edge accepts: activities, page_activities or events."` //nolint:lll // a tag
}

// Run lists the standard events, or shows one.
func (c *eventsCommand) Run(p *program) error {
	list := appevents.StandardEvents()
	if c.Edge != "" {
		list = slices.DeleteFunc(list, func(e appevents.EventSpec) bool {
			return !slices.Contains(e.Edges, appevents.Edge(c.Edge))
		})
	}
	if c.Name != "" {
		spec, ok := findEvent(list, c.Name)
		if !ok {
			return fail(exitNo, "no standard event of that name%s", nearestEvent(list, c.Name))
		}
		return p.showEvent(spec)
	}
	if p.json {
		for _, spec := range list {
			if err := p.printLine(eventJSON(spec)); err != nil {
				return err
			}
		}
		return nil
	}
	table := rows{header: []string{"NAME", "LABEL", "VALUE", "ACCEPTED BY", "PARAMETERS"}}
	for _, spec := range list {
		table.add(string(spec.Name), spec.Label, spec.Value, edgesOf(spec), paramsOf(spec))
	}
	return p.printRows(table)
}

func (p *program) showEvent(spec appevents.EventSpec) error {
	if p.json {
		return p.printLine(eventJSON(spec))
	}
	table := rows{header: []string{"FIELD", "TYPE", "MEANING"}}
	table.add("name", "text", string(spec.Name)+" ("+spec.Label+")")
	if spec.Value != "" {
		meaning := spec.Value
		if spec.ValueIsPrice {
			meaning += "; needs a currency"
		}
		table.add("value", "number", meaning)
	}
	for _, param := range spec.Params {
		meaning := param.Label
		if len(param.Values) > 0 {
			meaning += ": " + strings.Join(param.Values, ", ")
		}
		if param.Required {
			meaning += "; required with a value"
		} else if !param.Expected {
			meaning += "; optional"
		}
		table.add(param.Name, string(param.Type), meaning)
	}
	table.add("edges", "", edgesOf(spec))
	if name := conversionOf(spec); name != "" {
		table.add("conversion", "", name)
	}
	return p.printRows(table)
}

func eventJSON(spec appevents.EventSpec) any {
	return struct {
		Schema int `json:"schema"`
		appevents.EventSpec
		Conversion string `json:"conversion,omitempty"`
	}{schema, spec, conversionOf(spec)}
}

func edgesOf(spec appevents.EventSpec) string {
	list := make([]string, len(spec.Edges))
	for i, edge := range spec.Edges {
		list[i] = string(edge)
	}
	return strings.Join(list, ",")
}

func paramsOf(spec appevents.EventSpec) string {
	list := make([]string, len(spec.Params))
	for i, param := range spec.Params {
		list[i] = param.Name
	}
	return strings.Join(list, ",")
}

// conversionOf is the name of an event in the Conversions API of conversations, "" when it has none there.
func conversionOf(spec appevents.EventSpec) string {
	if !slices.Contains(spec.Edges, appevents.EdgeConversions) {
		return ""
	}
	event := appevents.Event{Name: spec.Name}
	if spec.ValueIsPrice {
		event.Value = new(1.0)
		event.Params.Currency = "USD"
	}
	conversion, err := event.Conversion(appevents.Thread{Channel: appevents.ChannelMessenger, PageID: "1", PSID: "1"})
	if err != nil {
		return ""
	}
	return string(conversion.Name)
}

// findEvent finds an event by any of its names, however it is written.
func findEvent(list []appevents.EventSpec, name string) (appevents.EventSpec, bool) {
	word := names.Letters(name)
	for _, spec := range list {
		if slices.Contains(eventNames(spec), word) {
			return spec, true
		}
	}
	return appevents.EventSpec{}, false
}

func eventNames(spec appevents.EventSpec) []string {
	list := []string{names.Letters(string(spec.Name)), names.Letters(spec.Label)}
	if conversion := conversionOf(spec); conversion != "" {
		list = append(list, names.Letters(conversion))
	}
	return list
}

// nearestEvent asks about the event that was probably meant.
func nearestEvent(list []appevents.EventSpec, name string) string {
	word := names.Letters(name)
	best, distance := "", len(word)/3+1
	for _, spec := range list {
		for _, known := range eventNames(spec) {
			d := names.Distance(word, known)
			if len(word) > 2 && strings.HasPrefix(known, word) {
				d = 0
			}
			if d < distance {
				best, distance = string(spec.Name), d
			}
		}
	}
	if best == "" {
		return `; "appevents events" lists them`
	}
	return `: did you mean "` + best + `"?`
}
