package page

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// The page shows the end of long lists; the API has the rest.
const (
	shownTurns    = 200
	shownMessages = 200
	shownOutside  = 50
)

// view is what the templates show.
type view struct {
	State    emulator.State
	Page     emulator.PageState
	Person   emulator.Person // whose conversation is open
	Bubbles  []bubble
	Timeline []row
	Counted  []counted
	Leads    []emulator.Lead
	ByAd     []ad
	Funnel   []step
	Found    []found
	Faults   []string
	Filter   string
	Last     int64          // the last webhook of the person, to deliver again
	Turns    map[string]int // by person
}

type bubble struct {
	Message  emulator.Message
	Exchange emulator.Exchange
}

// row is one part of the timeline: a turn with its calls, or a call outside of any.
type row struct {
	ID      string
	First   int64
	Turn    *emulator.Turn
	Calls   []emulator.Exchange
	Problem bool
	Event   bool
	Hidden  bool
}

type counted struct {
	Name string
	emulator.Counted
}

// found is what a rule found, with how often it did.
type found struct {
	emulator.Finding
	Times int
}

type ad struct {
	ID    string
	Leads int
}

type step struct {
	emulator.Step
	Percent int
	Y       int
}

// view collects what the page shows. With changed given, the timeline has only what these exchanges belong to.
func (p *Page) view(person, filter string, changed []emulator.Exchange) *view {
	v := &view{State: p.e.State(), Faults: emulator.FaultNames(), Filter: filter, Turns: map[string]int{}}
	if len(v.State.Pages) > 0 {
		v.Page = v.State.Pages[0]
	}
	for n, someone := range v.State.People {
		if n == 0 || someone.PSID == person {
			v.Person = someone
		}
	}
	for _, m := range p.e.Messages(v.Person.Page, v.Person.PSID, shownMessages) {
		v.Bubbles = append(v.Bubbles, p.bubble(m))
	}
	turns := p.e.Turns(0)
	for _, t := range turns {
		v.Turns[t.PSID]++
	}
	for _, t := range slices.Backward(turns) {
		if t.PSID == v.Person.PSID && t.Page == v.Person.Page {
			v.Last = t.Webhook
			break
		}
	}
	touched := map[int64]bool{}
	for _, x := range changed {
		touched[x.Turn] = true
	}
	for _, t := range turns[max(0, len(turns)-shownTurns):] {
		if changed == nil || touched[t.ID] {
			v.Timeline = append(v.Timeline, p.turn(t, filter))
		}
	}
	if changed == nil {
		changed, _, _ = p.e.Exchanges(0, 0)
	}
	v.Timeline = append(v.Timeline, outside(changed, filter)...)
	slices.SortFunc(v.Timeline, func(a, b row) int { return cmp.Compare(a.First, b.First) })
	p.numbers(v)
	return v
}

func (p *Page) numbers(v *view) {
	all := p.e.Counted()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v.Counted = append(v.Counted, counted{name, all[name]})
	}
	leads, byAd, funnel := p.e.Leads()
	v.Leads = leads[max(0, len(leads)-100):]
	for _, id := range slices.Sorted(maps.Keys(byAd)) {
		v.ByAd = append(v.ByAd, ad{id, byAd[id]})
	}
	for _, f := range v.State.Findings {
		same := func(have found) bool { return have.Rule == f.Rule && have.Message == f.Message }
		if n := slices.IndexFunc(v.Found, same); n >= 0 {
			v.Found[n].Finding, v.Found[n].Times = f, v.Found[n].Times+1
			continue
		}
		v.Found = append(v.Found, found{f, 1})
	}
	for n, s := range funnel {
		percent := 0
		if funnel[0].People > 0 {
			percent = 100 * s.People / funnel[0].People
		}
		v.Funnel = append(v.Funnel, step{s, percent, n * 18})
	}
}

func (p *Page) bubble(m emulator.Message) bubble {
	b := bubble{Message: m}
	b.Exchange, _ = p.e.Exchange(m.Exchange)
	return b
}

func (p *Page) turn(t emulator.Turn, filter string) row {
	r := row{ID: "turn-" + strconv.FormatInt(t.ID, 10), First: t.Webhook, Turn: &t, Event: len(t.Events) > 0}
	for _, id := range t.Exchanges {
		if x, ok := p.e.Exchange(id); ok {
			r.Calls = append(r.Calls, x)
			r.Problem = r.Problem || troubled(x)
		}
	}
	r.hide(filter)
	return r
}

// outside are the calls and handshakes that belong to no turn: set-up, mostly.
func outside(list []emulator.Exchange, filter string) []row {
	var rows []row
	for _, x := range list {
		if x.Turn == 0 {
			rows = append(rows, alone(x, filter))
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.First, b.First) })
	return rows[max(0, len(rows)-shownOutside):]
}

func alone(x emulator.Exchange, filter string) row {
	r := row{
		ID: "x-" + strconv.FormatInt(x.ID, 10), First: x.ID, Calls: []emulator.Exchange{x}, Problem: troubled(x),
		Event: len(x.Events) > 0,
	}
	r.hide(filter)
	return r
}

func (r *row) hide(filter string) {
	r.Hidden = filter == "problems" && !r.Problem || filter == "events" && !r.Event
}

func troubled(x emulator.Exchange) bool {
	if x.Error != nil || x.Failure != "" || x.Fault != "" || x.Done && x.Status >= 400 && x.Sign == "" {
		return true
	}
	for _, f := range x.Rules {
		if f.Level == "problem" {
			return true
		}
	}
	return slices.ContainsFunc(x.Problems, func(p emulator.Problem) bool { return !p.Tolerated })
}

var funcs = template.FuncMap{
	"ms":    func(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) + " ms" },
	"clock": func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"join":  func(list []string) string { return strings.Join(list, ", ") },
	"bad":   troubled,
	// outcome says in words how an exchange went, so that no state shows in colour alone.
	"outcome": func(x emulator.Exchange) string {
		switch {
		case x.Skipped != "":
			return "not sent: " + x.Skipped
		case !x.Done:
			return "waiting"
		case x.Failure != "" && x.Status == 0:
			return x.Failure
		case x.Status == 0:
			return "no answer"
		}
		return strconv.Itoa(x.Status) + " in " + strconv.FormatFloat(x.DurationMS, 'f', 0, 64) + " ms"
	},
	"money": func(values map[string]float64) string {
		var parts []string
		for _, currency := range slices.Sorted(maps.Keys(values)) {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%.2f %s", values[currency], currency)))
		}
		return strings.Join(parts, ", ")
	},
	"refusals": func(by map[string]int) string {
		var parts []string
		for _, why := range slices.Sorted(maps.Keys(by)) {
			parts = append(parts, fmt.Sprintf("%s × %d", why, by[why]))
		}
		return strings.Join(parts, ", ")
	},
	"pretty":   pretty,
	"postback": func(b emulator.Button, p emulator.Person) press { return press{b, p} },
	"width":    func(percent int) int { return max(1, percent*2) },
}

// press is a button and who presses it.
type press struct {
	Button emulator.Button
	Person emulator.Person
}

// bubbleView is a bubble and whose buttons it has.
type bubbleView struct {
	bubble
	Owner emulator.Person
}

func bubbleID(b bubble) string { return "m-" + strconv.FormatInt(b.Message.Exchange, 10) }

// Shown are the bubbles with their owner, for the templates.
func (v *view) Shown() []bubbleView {
	var list []bubbleView
	for _, b := range v.Bubbles {
		list = append(list, bubbleView{b, v.Person})
	}
	return list
}
