package appevents

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/appevents/appevents-go/internal/names"
	"github.com/appevents/appevents-go/internal/wire"
)

// Validate checks everything that can be known before the event is sent and returns a [*ValidationError] that lists
// every problem, or nil. The methods of [Client] do the same before they send.
func (e Event) Validate() error {
	var p problems
	e.validate(nil, &p, time.Now())
	return p.err()
}

// eventHomes are the names that Params.Custom must not set.
var eventHomes = sync.OnceValue(func() homes {
	all := make(homes)
	addHomes(all, "Event.", eventPlan)
	addHomes(all, "Params.", paramsPlan)
	return all
})

func (e *Event) validate(at *place, p *problems, now time.Time) {
	e.validateName(at.field("name"), p)
	check(eventPlan, e, at, p, now)
	e.validateValue(at, p)
	params := at.field("params")
	check(paramsPlan, &e.Params, params, p, now)
	for i := range e.Params.Contents {
		check(contentPlan, &e.Params.Contents[i], params.field(ParamContent).item(i), p, now)
	}
	validateCustom(e.Params.Custom, eventHomes(), params, params.field("custom"), p)
	if !e.Operational.isZero() {
		e.Operational.validate(at.field("operational"), p)
	}
}

func (e *Event) validateName(at *place, p *problems) {
	switch {
	case e.Name == "":
		p.add(at, RuleRequired, "must be set")
	case strings.HasPrefix(string(e.Name), automaticPrefix):
		p.add(at, RuleReserved, "the Messenger Platform logs this event by itself; logging it again would count it twice")
	case !names.Identifier(string(e.Name)):
		p.add(at, RuleFormat, identifierRule)
	}
}

// validateValue checks what the value must be for this event.
func (e *Event) validateValue(at *place, p *problems) {
	switch {
	case e.Value == nil:
		return
	case e.Name == EventRate && *e.Value < 0 && wire.Finite(*e.Value):
		p.add(at.field("value"), RuleRange, "must not be negative, being a rating")
	case e.Name == EventRate && e.Params.MaxRatingValue > 0 && *e.Value > float64(e.Params.MaxRatingValue):
		p.add(at.field("value"), RuleRange, "must not exceed the highest rating, "+ParamMaxRatingValue)
	}
	if e.Params.Currency == "" && e.Name.valueIsPrice() {
		p.add(at.field("params").field(ParamCurrency), RuleRequired, "must be set because the value is a price")
	}
}

func (o *OperationalParams) validate(at *place, p *problems) {
	for i, params := range [...]map[string]any{o.IAP, o.DeferralLink} {
		segment := at.field(operationalPlan.Members()[i].Stored)
		validateCustom(params, nil, segment, segment, p)
	}
}

const (
	maxParams    = 25  // Meta's limit for an event name over all calls; one call can only hint at it
	maxTextRunes = 100 // Graph is known to refuse longer values of some parameters
)

// Warnings lists what Meta's sources disagree on or leave open, and names that look like a slip: the event is sent all
// the same. Nil means none.
func (e Event) Warnings() []Issue {
	var p problems
	e.warn(nil, &p)
	return p.issues
}

// warnEvents adds the warnings of the events of one call.
func warnEvents(events []Event, p *problems) {
	for i := range events {
		events[i].warn(field("events").item(i), p)
	}
	warnRepeats(len(events), func(i int) string { return events[i].ID }, field("events"), p)
}

// warnRepeats finds events of one call that have the same ID.
func warnRepeats(n int, id func(i int) string, at *place, p *problems) {
	if n < 2 {
		return
	}
	first := make(map[string]int, n)
	for i := range n {
		text := id(i)
		if text == "" {
			continue
		}
		if k, seen := first[text]; seen {
			p.add(at.item(i).field("id"), RuleConflict,
				"is also the ID of "+at.item(k).String()+": Meta counts events of one name with the same ID once")
		} else {
			first[text] = i
		}
	}
}

func (e *Event) warn(at *place, p *problems) {
	params := at.field("params")
	switch near := e.Name.nearestStandard(); {
	case e.Name == kindInstall:
		p.add(at.field("name"), RuleReserved, "is a kind of call, not an event name: use LogInstall")
	case near != "":
		p.add(at.field("name"), RuleUnknown, "is not a standard event here, so reports do not know it: use "+string(near))
	case e.Name == EventPurchase && e.Value == nil:
		p.add(at.field("value"), RuleRequired, "a purchase without a value cannot be summed")
	case e.Value != nil && *e.Value < 0 && e.Name.valueIsPrice():
		p.add(at.field("value"), RuleRange, "a negative price lowers the reported sum")
	}
	count := len(e.Params.Custom)
	for i := range paramsPlan.Members() {
		m := paramsPlan.Value(&e.Params, i)
		if m.Set() {
			count++
		}
		if m.Kind == wire.Text && m.Name != ParamContentType {
			warnLength(m.Text(), params.field(m.Name), p)
		}
	}
	if len(e.Params.Custom) > 0 {
		for _, key := range slices.Sorted(maps.Keys(e.Params.Custom)) {
			text, _ := wire.AsText(e.Params.Custom[key])
			warnLength(text, params.field(key), p)
		}
	}
	if count > maxParams {
		p.add(params, RuleLength, "an event name takes at most 25 different parameters")
	}
}

func warnLength(text string, at *place, p *problems) {
	if len(text) > maxTextRunes && utf8.RuneCountInString(text) > maxTextRunes {
		p.add(at, RuleLength, "Graph is known to refuse some values of more than 100 characters")
	}
}
