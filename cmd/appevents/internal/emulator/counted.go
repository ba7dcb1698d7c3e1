package emulator

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/graphtest"
)

// cell counts one event on one channel, Page and day.
type cell struct {
	Event, Channel, Page, Day string

	Received, Accepted, Refused, Twice int
	FromAd, ConsentWithheld, TestOnly  int
	Late                               Late
	RefusedBy                          map[string]int
	Value                              map[string]float64
	People                             map[string]bool
}

// seen is when something was last accepted, and in which turn.
type seen struct {
	Time time.Time
	Turn int64
}

// The bounds of what is counted.
const (
	maxCells = 5000
	maxSeen  = 20000
	twice    = 10 * time.Second
)

// count takes the events of a finished call into account. The lock is held.
func (e *Emulator) count(c *call, got graphtest.Call) {
	x := c.x
	if len(got.Events) == 0 {
		return
	}
	withheld := isFalse(&c.params, "advertiser_tracking_enabled") || isFalse(&c.params, "application_tracking_enabled")
	testOnly := c.params.text("test_event_code") != ""
	channel := "messenger"
	if got.Edge == "events" {
		channel = "conversions"
	} else if got.PageID == "" {
		channel = "app"
	}
	var names []string
	for _, in := range got.Events {
		ev := Event{
			Name: truncate(e.clean(in.Name, c.params.secrets...), 100), Edge: got.Edge, ID: in.ID, Time: in.Time,
			Page: or(in.PageID, got.PageID), PSID: or(in.PSID, got.PSID), Channel: or(in.Channel, channel),
			Value: in.Value, Params: in.Params, Accepted: x.Accepted,
		}
		for _, name := range [...]string{"_currency", "fb_currency", "currency"} {
			if s, ok := in.Params[name].(string); ok && ev.Currency == "" {
				ev.Currency = truncate(s, 8)
			}
		}
		if p := e.person(ev.Page, ev.PSID); p != nil {
			ev.Ad = p.Ad
		}
		ev.Twice = x.Accepted && e.again(c, ev)
		e.tally(c, ev, withheld, testOnly)
		if x.Accepted && isLead(ev.Name) {
			if len(e.s.Leads) >= defaultMax {
				e.s.Leads = slices.Delete(e.s.Leads, 0, 1)
			}
			e.s.Leads = append(e.s.Leads, Lead{
				Time: x.Time, Event: ev.Name, Page: ev.Page, PSID: ev.PSID, Person: e.personName(ev.Page, ev.PSID), Ad: ev.Ad,
				Turn: x.Turn,
			})
		}
		if len(x.Events) < 1000 {
			names = append(names, ev.Name)
			x.Events = append(x.Events, ev)
		}
	}
	x.Summary = truncate(strings.Join(names, ", "), 200)
	if x.Turn == 0 && x.PSID == "" { // conversions of several people have no single turn
		x.PSID = x.Events[0].PSID
		if t := e.lastTurn(x.Page, x.PSID); t != nil {
			x.Turn = t.ID
			t.Exchanges = append(t.Exchanges, x.ID)
		}
	}
	if t := e.turn(x.Turn); t != nil {
		if len(t.Events) == 0 {
			t.FirstEventMS = millis(x.Time.Sub(t.Time))
		}
		t.Silent = false
		if len(t.Events) < 100 {
			t.Events = append(t.Events, names...)
		}
	}
}

func isFalse(p *params, name string) bool {
	switch p.text(name) {
	case "0", "false":
		return true
	}
	return false
}

// plainName makes the names of one event on both edges alike: fb_mobile_purchase, Purchase.
func plainName(name string) string {
	name = strings.ToLower(strings.TrimPrefix(name, "fb_mobile_"))
	return strings.ReplaceAll(name, "_", "")
}

func isLead(name string) bool {
	switch plainName(name) {
	case "leadsubmitted", "lead":
		return true
	}
	return false
}

// again reports whether an event was accepted before: by its ID; without one, by person, name and value within ten
// seconds, or for the same webhook.
func (e *Emulator) again(c *call, ev Event) bool {
	value := ""
	if ev.Value != nil {
		value = strconv.FormatFloat(*ev.Value, 'g', -1, 64)
	}
	key := strings.Join([]string{"value", ev.Page, ev.PSID, ev.Name, value}, "\x00")
	if ev.ID != "" {
		key = strings.Join([]string{"id", ev.Page, ev.Name, ev.ID}, "\x00")
	}
	before, ok := e.s.Seen[key]
	if len(e.s.Seen) >= maxSeen {
		clear(e.s.Seen)
	}
	e.s.Seen[key] = seen{c.x.Time, c.x.Turn}
	same := ok && (ev.ID != "" || c.x.Time.Sub(before.Time) <= twice)
	return same || e.loggedBefore(c.x, ev.Name)
}

// loggedBefore reports whether the same webhook, delivered earlier, led to an event of this name.
func (e *Emulator) loggedBefore(x *Exchange, name string) bool {
	t := e.turn(x.Turn)
	if t == nil || t.Again == 0 {
		return false
	}
	for _, old := range e.s.Turns {
		if old.ID < t.ID && (old.Webhook == t.Again || old.Again == t.Again) && slices.Contains(old.Events, name) {
			return true
		}
	}
	return false
}

func (e *Emulator) tally(c *call, ev Event, withheld, testOnly bool) {
	x := c.x
	day := x.Time.Format(time.DateOnly)
	key := strings.Join([]string{ev.Name, ev.Channel, ev.Page, day}, "\x00")
	k := e.s.Cells[key]
	if k == nil {
		if len(e.s.Cells) >= maxCells {
			return
		}
		k = &cell{Event: ev.Name, Channel: ev.Channel, Page: ev.Page, Day: day,
			RefusedBy: map[string]int{}, Value: map[string]float64{}, People: map[string]bool{}}
		e.s.Cells[key] = k
	}
	k.Received++
	if !x.Accepted {
		k.Refused++
		why := or(x.Fault, "refused")
		if c.err != nil && x.Fault == "" {
			why = strconv.Itoa(c.err.Code)
			if c.err.Subcode != 0 {
				why += "/" + strconv.Itoa(c.err.Subcode)
			}
		}
		k.RefusedBy[why]++
		return
	}
	k.Accepted++
	if ev.Twice {
		k.Twice++
	}
	if ev.PSID != "" && len(k.People) < 10000 {
		k.People[ev.PSID] = true
	}
	if ev.Ad != "" {
		k.FromAd++
	}
	if withheld {
		k.ConsentWithheld++
	}
	if testOnly {
		k.TestOnly++
	}
	if ev.Value != nil && len(k.Value) < 200 {
		k.Value[ev.Currency] += *ev.Value
	}
	if !ev.Time.IsZero() {
		switch late := x.Time.Sub(ev.Time); {
		case late > 7*24*time.Hour:
			k.Late.SevenDays++
		case late > 24*time.Hour:
			k.Late.Day++
		case late > 2*time.Hour:
			k.Late.TwoHours++
		}
	}
}

// Counted returns what Meta would count, by the name of the event. What is late by more than a day is under "24h" only.
func (e *Emulator) Counted() map[string]Counted {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]Counted{}
	people := map[string]map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(e.s.Cells)) {
		k := e.s.Cells[key]
		c, ok := out[k.Event]
		if !ok {
			c = Counted{RefusedBy: map[string]int{}, Value: map[string]float64{}}
			people[k.Event] = map[string]bool{}
		}
		c.Received += k.Received
		c.Accepted += k.Accepted
		c.Refused += k.Refused
		c.Twice += k.Twice
		c.FromAd += k.FromAd
		c.ConsentWithheld += k.ConsentWithheld
		c.TestOnly += k.TestOnly
		c.Late.TwoHours += k.Late.TwoHours
		c.Late.Day += k.Late.Day
		c.Late.SevenDays += k.Late.SevenDays
		for why, n := range k.RefusedBy {
			c.RefusedBy[why] += n
		}
		for currency, sum := range k.Value {
			c.Value[currency] += sum
		}
		maps.Copy(people[k.Event], k.People)
		c.People = len(people[k.Event])
		c.By = append(c.By, CountedRow{k.Channel, k.Page, k.Day, k.Received, k.Accepted, k.Refused, k.Twice,
			maps.Clone(k.Value)})
		out[k.Event] = c
	}
	return out
}

// Leads returns the accepted leads, their number by ad, and the funnel.
func (e *Emulator) Leads() (leads []Lead, byAd map[string]int, funnel []Step) {
	e.mu.Lock()
	defer e.mu.Unlock()
	byAd = map[string]int{}
	for _, l := range e.s.Leads {
		byAd[l.Ad]++
	}
	sets := [5]map[string]bool{{}, {}, {}, {}, {}}
	for _, t := range e.s.Turns {
		if t.PSID == "" {
			continue
		}
		sets[0][t.PSID] = true
		if t.Replies > 0 {
			sets[1][t.PSID] = true
		}
	}
	for _, k := range e.s.Cells {
		for psid := range k.People {
			sets[2][psid] = true
			if isLead(k.Event) {
				sets[3][psid] = true
			}
			if plainName(k.Event) == "purchase" {
				sets[4][psid] = true
			}
		}
	}
	for n, name := range [...]string{"wrote", "answered", "event logged", "lead", "purchase"} {
		funnel = append(funnel, Step{name, len(sets[n])})
	}
	return slices.Clone(e.s.Leads), byAd, funnel
}

// A Talk is the conversation of one person with one Page, in numbers.
type Talk struct {
	Turns int
	Last  int64 // the exchange of the last webhook; 0 = none
}

// Talks returns the conversations by Page and person.
func (e *Emulator) Talks() map[[2]string]Talk {
	e.mu.Lock()
	defer e.mu.Unlock()
	talks := map[[2]string]Talk{}
	for _, t := range e.s.Turns {
		key := [2]string{t.Page, t.PSID}
		talks[key] = Talk{talks[key].Turns + 1, t.Webhook}
	}
	return talks
}

// insights are the rows of /{object}/insights, from the leads of this session.
func (e *Emulator) insights(seen graphtest.Call) string {
	byAd := map[string]int{}
	for _, l := range e.s.Leads {
		byAd[l.Ad]++
	}
	var rows []string
	for _, ad := range slices.Sorted(maps.Keys(byAd)) {
		if seen.ObjectID != ad && !strings.HasPrefix(seen.ObjectID, "act_") || ad == "" {
			continue
		}
		rows = append(rows, fmt.Sprintf(`{"ad_id":%q,"actions":[{"action_type":`+
			`"onsite_conversion.lead_grouped","value":"%d"}]}`, ad, byAd[ad]))
	}
	return `{"data":[` + strings.Join(rows, ",") + `],"paging":{}}`
}
