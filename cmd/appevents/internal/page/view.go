package page

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// The page shows the end of long lists; the API has the rest. They bound what a browser has to lay out.
const (
	shownTurns    = 50
	shownCalls    = 25 // of one turn
	shownInAll    = 150
	shownMessages = 50
	shownOutside  = 20
)

// view is what the templates show to one reader.
type view struct {
	*facts
	Show     query
	Boot     string
	Page     emulator.PageState // the person's
	Notice   string
	Person   emulator.Person // whose conversation is open
	Last     int64           // the last webhook of the person, to deliver again
	Window   window
	Items    []item
	Timeline []row
	Opened   *inside // the call that the address names
}

// item is a line of the conversation: a bubble, or the events that the bot logged there.
type item struct {
	ID       string
	Order    int64
	Show     query
	Owner    emulator.Person
	Message  *emulator.Message
	Exchange emulator.Exchange
}

// row is one part of the timeline: a turn with its calls, or a call outside of any.
type row struct {
	ID      string
	First   int64
	Show    query
	Turn    *emulator.Turn
	Calls   []line
	More    int // calls that are left out
	Problem bool
	Event   bool
	opened  *inside
}

// line is a call in the timeline.
type line struct {
	emulator.Exchange
	Show   query
	Inside *inside // filled in where the address asks for it
}

// window is Meta's 24 hours after a person's last message.
type window struct {
	Open  bool
	Words string
}

// choice is an option of the page: its name in addresses and forms, and the words for it.
type choice struct{ Name, Words string }

var filters = []choice{
	{"", "everything"}, {"events", "turns with events"}, {"problems", "problems"}, {"person", "this person"},
}

// view collects what the page shows. With changed given, conversation and timeline have only what these exchanges are
// part of.
func (p *Page) view(q query, changed []emulator.Exchange) *view {
	f := p.facts()
	v := &view{facts: f, Boot: p.boot, Page: f.Page}
	for n, someone := range f.State.People {
		if n == 0 || someone.PSID == q.Person {
			v.Person = someone
		}
	}
	for _, page := range f.State.Pages {
		if page.ID == v.Person.Page {
			v.Page = page
		}
	}
	q.Person = v.Person.PSID
	v.Show = q
	v.Last = f.Talks[[2]string{v.Person.Page, v.Person.PSID}].Last
	v.Window = windowOf(v.Person, p.e.Clock())
	if q.Call != 0 && changed == nil {
		if x, ok := p.e.Exchange(q.Call); ok {
			v.Opened = p.inside(x, q)
		}
	}
	touched := func(int64) bool { return true }
	if changed != nil {
		ids := map[int64]bool{}
		for _, x := range changed {
			ids[x.ID] = true
		}
		touched = func(id int64) bool { return ids[id] }
	}
	v.Items = p.items(v, touched)
	v.Timeline = p.timeline(v, changed)
	return v
}

func windowOf(p emulator.Person, now time.Time) window {
	left := p.LastWrote.Add(24 * time.Hour).Sub(now)
	switch {
	case p.LastWrote.IsZero():
		return window{Words: "not open: " + p.FirstName + " has not written yet"}
	case left <= 0:
		return window{Words: "closed: only a message with a tag may go out"}
	case left < time.Hour:
		return window{true, "open for less than an hour"}
	}
	return window{true, "open for " + strconv.Itoa(int(left.Round(time.Hour)/time.Hour)) + " h"}
}

// items are the bubbles of a conversation and, between them, the events that the bot logged.
func (p *Page) items(v *view, touched func(id int64) bool) []item {
	var list []item
	messages := p.e.Messages(v.Person.Page, v.Person.PSID, shownMessages)
	first := int64(0)
	if len(messages) == shownMessages {
		first = messages[0].Exchange
	}
	for n := range messages {
		m := &messages[n]
		if touched(m.Exchange) {
			x, _ := p.e.Exchange(m.Exchange) // it may be forgotten before its message
			list = append(list, item{
				ID: "m-" + strconv.FormatInt(m.Exchange, 10), Order: 2 * m.Exchange, Show: v.Show, Owner: v.Person,
				Message: m, Exchange: x,
			})
		}
	}
	for _, t := range p.e.Turns(4 * shownTurns) {
		if t.PSID != v.Person.PSID || t.Page != v.Person.Page || len(t.Events) == 0 {
			continue
		}
		for _, id := range t.Exchanges {
			if id < first || !touched(id) {
				continue
			}
			if x, ok := p.e.Exchange(id); ok && len(x.Events) > 0 {
				list = append(list, item{ID: "e-" + strconv.FormatInt(id, 10), Order: 2*id + 1, Show: v.Show, Exchange: x})
			}
		}
	}
	slices.SortFunc(list, func(a, b item) int { return cmp.Compare(a.Order, b.Order) })
	return list[max(0, len(list)-2*shownMessages):]
}

// timeline are the rows that the filter lets through, the newest last.
func (p *Page) timeline(v *view, changed []emulator.Exchange) []row {
	var rows []row
	limit := shownTurns
	if v.Show.Filter != "" && changed == nil {
		limit = 0 // the filter chooses first
	}
	touched := map[int64]bool{}
	for _, x := range changed {
		touched[x.Turn] = true
	}
	calls := 0
	for _, t := range slices.Backward(p.e.Turns(limit)) {
		if changed == nil || touched[t.ID] {
			if r := p.turn(t, v); r.wanted(v) {
				rows = append(rows, r)
				calls += len(r.Calls)
			}
		}
		if len(rows) == shownTurns || calls >= shownInAll {
			break
		}
	}
	if changed == nil {
		changed, _, _ = p.e.Exchanges(0, 0)
	}
	outside := 0
	slices.SortFunc(changed, func(a, b emulator.Exchange) int { return cmp.Compare(b.ID, a.ID) })
	for _, x := range changed {
		if x.Turn != 0 || outside == shownOutside {
			continue
		}
		r := row{ID: "c-" + strconv.FormatInt(x.ID, 10), First: x.ID, Show: v.Show, opened: v.Opened}
		if r.add(x); r.wanted(v) {
			rows = append(rows, r)
			outside++
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.First, b.First) })
	return rows
}

func (p *Page) turn(t emulator.Turn, v *view) row {
	r := row{
		ID: "turn-" + strconv.FormatInt(t.ID, 10), First: t.Webhook, Show: v.Show, Turn: &t, Event: len(t.Events) > 0,
		opened: v.Opened,
	}
	for n, id := range t.Exchanges {
		x, ok := p.e.Exchange(id)
		if !ok {
			continue
		}
		r.Problem = r.Problem || troubled(x)
		if n > 0 && n < len(t.Exchanges)-shownCalls { // the webhook stays
			r.More++
			continue
		}
		r.add(x)
	}
	return r
}

func (r *row) add(x emulator.Exchange) {
	l := line{Exchange: x, Show: r.Show}
	if r.opened != nil && r.opened.ID == x.ID {
		l.Inside = r.opened
	}
	r.Calls = append(r.Calls, l)
	r.Problem, r.Event = r.Problem || troubled(x), r.Event || len(x.Events) > 0
}

func (r *row) wanted(v *view) bool {
	switch v.Show.Filter {
	case "events":
		return r.Event
	case "problems":
		return r.Problem
	case "person":
		return r.Turn != nil && r.Turn.PSID == v.Person.PSID && r.Turn.Page == v.Person.Page
	}
	return true
}

// troubled reports whether something about an exchange deserves a look.
func troubled(x emulator.Exchange) bool {
	if x.Error != nil || x.Failure != "" || x.Fault != "" || x.Done && x.Status >= 400 && x.Sign == "" {
		return true
	}
	return slices.ContainsFunc(x.Rules, func(f emulator.Finding) bool { return f.Level == "problem" }) ||
		slices.ContainsFunc(x.Problems, func(p emulator.Problem) bool { return !p.Tolerated })
}

// Tabs are the parts of the lower half, each with what there is in it.
func (v *view) Tabs() []tab {
	figures := map[string]string{"leads": number(len(v.Leads)), "unknown": number(len(v.State.Unknown))}
	if v.Redone > 0 {
		figures["replay"] = strconv.Itoa(percent(v.Redone, v.Fresh)) + " %"
	}
	if r := v.State.Probe; r != nil && !r.OK {
		figures["probe"] = "✗"
	}
	if v.Queue != nil {
		figures["queue"] = number(int(v.Queue.Stats.Pending))
	}
	var list []tab
	for _, t := range tabs {
		list = append(list, tab{t, figures[t.Name], t.Name == v.Show.Tab, v.Show.With("tab", t.Name)})
	}
	return list
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

var tabs = []choice{
	{"counted", "Counted"}, {"leads", "Leads"}, {"queue", "Queue"}, {"replay", "Replay"}, {"setup", "Setup"},
	{"probe", "Probe"}, {"unknown", "Unknown"},
}

type tab struct {
	choice
	Figure string
	Open   bool
	Href   string
}

// field is a webhook field and who subscribed to it.
type field struct {
	Name              string
	App, Page, Arrive bool
}

// Fields puts the app's fields beside the Page's: only what both have arrives.
func (v *view) Fields() []field {
	app, page := v.State.Subscribed, v.Page.Subscribed
	names := append([]string{"messages", "messaging_postbacks", "messaging_referrals", "messaging_optins"}, app...)
	names = append(names, page...)
	slices.Sort(names)
	var list []field
	for _, name := range slices.Compact(names) {
		one := field{Name: name, App: slices.Contains(app, name), Page: slices.Contains(page, name)}
		one.Arrive = (one.App || !v.State.AppSet) && (one.Page || !v.Page.PageSubscribed)
		list = append(list, one)
	}
	return list
}

// TokenStates are what can be the matter with the Page's token.
func (v *view) TokenStates() []string { return emulator.TokenStates() }

// Filters are the choices of the timeline.
func (v *view) Filters() []choice { return filters }

// QueueAddress is a guess at where the bot shows its queue: the address that examples/bot uses.
func (v *view) QueueAddress() string {
	if v.Queue != nil {
		return v.Queue.URL
	}
	return "http://127.0.0.1:8081/-/queue"
}

// Ads are the ads that somebody came through, to choose from.
func (v *view) KnownAds() []string {
	var list []string
	for _, p := range v.State.People {
		if p.Ad != "" {
			list = append(list, p.Ad)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// faults are the kinds of fault, those that a bot meets most often first.
func faults() []choice {
	list := []choice{
		{"throttle", "throttle: too many calls"}, {"unavailable", "unavailable: Meta is down"},
		{"timeout", "timeout: no answer, but taken"}, {"reset", "reset: cut off, but taken"},
		{"error 190/463", "error 190/463: the token has expired"}, {"error 10/2018278", "error 10/2018278: outside 24 hours"},
		{"error 100/2804066", "error 100/2804066: name not allowed"},
	}
	for _, name := range emulator.FaultNames() {
		if !slices.ContainsFunc(list, func(c choice) bool { return strings.HasPrefix(c.Name, name) }) {
			list = append(list, choice{name, name})
		}
	}
	return list
}

// Key is where Talks has a person.
func (v *view) Key(p emulator.Person) [2]string { return [2]string{p.Page, p.PSID} }
