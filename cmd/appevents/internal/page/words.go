package page

import (
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

var funcs = template.FuncMap{
	"ms":       millis,
	"clock":    func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"join":     func(list []string) string { return strings.Join(list, ", ") },
	"bad":      troubled,
	"outcome":  outcome,
	"does":     does,
	"money":    money,
	"sum":      sum,
	"refusals": refusals,
	"late":     late,
	"label":    label,
	"labels":   labels,
	"initial":  initial,
	"fate":     fate,
	"codename": codeName,
	"plural":   plural,
	"press":    press,
	"deed": func(words, field, payload string, p emulator.Person, q query) deed {
		return deed{words, field, payload, p, q}
	},
	"width": func(percent int) int { return max(2, percent*2) },
}

// press is what the form of a button says: several fields in one, as a button has one value.
func press(b emulator.Button) string {
	fields := url.Values{"field": {"messaging_postbacks"}, "title": {b.Title}, "payload": {b.Payload}}
	if b.Type == "quick_reply" {
		fields = url.Values{"field": {"messages/quick_reply"}, "text": {b.Title}, "payload": {b.Payload}}
	}
	return fields.Encode()
}

// deed is something that a person can do at one press.
type deed struct {
	Words, Field, Payload string
	Person                emulator.Person
	Show                  query
}

func millis(v float64) string {
	if v > 0 && v < 1 {
		return "less than 1 ms"
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + " ms"
}

// outcome says how an exchange went, so that no state shows in colour alone.
func outcome(x emulator.Exchange) string {
	switch {
	case x.Skipped != "":
		return "not sent: " + x.Skipped
	case x.ID == 0:
		return "" // forgotten
	case !x.Done:
		return "waiting for the answer"
	case x.Failure != "":
		return x.Failure
	case x.Status == 0:
		return "no answer"
	}
	return strconv.Itoa(x.Status) + " in " + millis(x.DurationMS)
}

// does says what a person did, or what a webhook tells.
func does(kind, summary string) string {
	field, variant, _ := strings.Cut(kind, "/")
	switch {
	case variant == "quick_reply":
		return "tapped “" + summary + "”"
	case variant == "probe":
		return summary
	case field == "messages":
		return "wrote “" + summary + "”"
	case field == "messaging_postbacks":
		return "pressed “" + summary + "”"
	case field == "message_reads" || field == "message_deliveries" || field == "messaging_referrals" ||
		field == "messaging_optins" || field == "handshake":
		return summary
	case summary == "" || summary == kind:
		return kind
	}
	return kind + ": " + summary
}

func money(values map[string]float64) string {
	var parts []string
	for _, currency := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, amount(values[currency], currency))
	}
	return strings.Join(parts, ", ")
}

func amount(value float64, currency string) string {
	return strings.TrimSpace(strconv.FormatFloat(value, 'f', 2, 64) + " " + currency)
}

// sum is the value of one event.
func sum(e emulator.Event) string {
	if e.Value == nil {
		return ""
	}
	return amount(*e.Value, e.Currency)
}

func refusals(by map[string]int) string {
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(by)) {
		if by[why] == 1 {
			parts = append(parts, why)
			continue
		}
		parts = append(parts, fmt.Sprintf("%s (%d times)", why, by[why]))
	}
	return strings.Join(parts, ", ")
}

func late(l emulator.Late) string {
	var parts []string
	for _, one := range []struct {
		n     int
		words string
	}{{l.TwoHours, "2 h"}, {l.Day, "24 h"}, {l.SevenDays, "7 days"}} {
		if one.n > 0 {
			parts = append(parts, strconv.Itoa(one.n)+" by more than "+one.words)
		}
	}
	if parts == nil {
		return "0"
	}
	return strings.Join(parts, ", ")
}

var standardLabels = sync.OnceValue(func() map[string]string {
	names := map[string]string{"LeadSubmitted": "Lead submitted"}
	for _, spec := range appevents.StandardEvents() {
		names[string(spec.Name)] = spec.Label
	}
	return names
})

// label is what Ads Manager calls an event; an event of somebody's own keeps its name.
func label(name string) string {
	if words, ok := standardLabels()[name]; ok {
		return words
	}
	return name
}

func labels(names []string) string {
	var list []string
	for _, name := range names {
		list = append(list, label(name))
	}
	if list == nil {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

func initial(name string) string {
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// fate says what Meta makes of one event.
func fate(x emulator.Exchange, e emulator.Event) string {
	switch {
	case !x.Done:
		return "on its way"
	case e.Twice:
		return "counted twice"
	case e.Accepted:
		return "counted"
	case x.Error != nil:
		return "refused, " + codeName(x.Error)
	}
	return "not counted"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
