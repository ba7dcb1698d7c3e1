package page

import (
	"maps"
	"slices"
	"strings"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// facts are what all readers of the page see alike. They are collected once for each revision, however many read.
type facts struct {
	Rev     int64
	State   emulator.State
	Page    emulator.PageState
	Talks   map[[2]string]emulator.Talk // by Page and person
	Counted []counted
	Total   total
	Leads   []emulator.Lead
	Ads     []ad
	Funnel  []step
	Found   []found
	Repeats []again
	Redone  int // webhooks that were delivered again, of Fresh
	Fresh   int
	Queue   *emulator.QueueReport
	Faults  []choice
}

type counted struct {
	Name string
	emulator.Counted
}

// total is the headline.
type total struct {
	Accepted, Refused, Twice, People int
	Value                            map[string]float64
}

// found is what a rule found, with how often it did.
type found struct {
	emulator.Finding
	Times int
}

type ad struct {
	ID            string
	Came          int // people known to have come through it
	Leads, People int
}

type step struct {
	emulator.Step
	Percent int // of all
	Before  int // per cent of the step before
	Y       int
}

// again is a webhook that was delivered once more, with what the bot logged each time.
type again struct {
	Turn    emulator.Turn
	First   int64 // turn; 0 = no longer kept
	Before  []string
	Verdict string
	Bad     bool
}

// The page shows the end of long lists; the API has the rest.
const (
	shownLeads   = 100
	shownRepeats = 50
	shownFound   = 50
)

func (p *Page) facts() *facts {
	rev, _ := p.e.Changed()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || p.known.Rev != rev {
		p.known = p.collect(rev)
	}
	return p.known
}

func (p *Page) collect(rev int64) *facts {
	f := &facts{Rev: rev, State: p.e.State(), Talks: p.e.Talks(), Queue: p.e.Queue(), Faults: faults()}
	if len(f.State.Pages) > 0 {
		f.Page = f.State.Pages[0]
	}
	f.count(p.e)
	f.leads(p.e)
	f.judge()
	f.repeated(p.e.Turns(0))
	return f
}

func (f *facts) count(e *emulator.Emulator) {
	all := e.Counted()
	f.Total.Value = map[string]float64{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := all[name]
		f.Counted = append(f.Counted, counted{name, c})
		f.Total.Accepted += c.Accepted
		f.Total.Refused += c.Refused
		f.Total.Twice += c.Twice
		for currency, sum := range c.Value {
			f.Total.Value[currency] += sum
		}
	}
}

func (f *facts) leads(e *emulator.Emulator) {
	leads, byAd, funnel := e.Leads()
	f.Leads = leads[max(0, len(leads)-shownLeads):]
	came, people := map[string]int{}, map[string]map[string]bool{}
	for _, person := range f.State.People {
		if f.Talks[[2]string{person.Page, person.PSID}].Turns > 0 {
			came[person.Ad]++
		}
	}
	for _, l := range leads {
		if people[l.Ad] == nil {
			people[l.Ad] = map[string]bool{}
		}
		people[l.Ad][l.PSID] = true
	}
	for id := range came {
		byAd[id] += 0 // an ad without a lead is worth a line
	}
	for _, id := range slices.Sorted(maps.Keys(byAd)) {
		f.Ads = append(f.Ads, ad{id, max(came[id], len(people[id])), byAd[id], len(people[id])})
	}
	for n, s := range funnel {
		if s.Name == "event logged" {
			f.Total.People = s.People
		}
		one := step{Step: s, Percent: percent(s.People, funnel[0].People), Before: 100, Y: n * 22}
		if n > 0 {
			one.Before = percent(s.People, funnel[n-1].People)
		}
		f.Funnel = append(f.Funnel, one)
	}
}

func percent(part, whole int) int {
	if whole == 0 {
		return 0
	}
	return min(100, 100*part/whole)
}

// judge gathers what the rules across calls found, the worst and the newest first.
func (f *facts) judge() {
	for _, one := range f.State.Findings {
		same := func(have found) bool { return have.Rule == one.Rule && have.Message == one.Message }
		if n := slices.IndexFunc(f.Found, same); n >= 0 {
			f.Found[n].Finding, f.Found[n].Times = one, f.Found[n].Times+1
			continue
		}
		f.Found = append(f.Found, found{one, 1})
	}
	slices.SortStableFunc(f.Found, func(a, b found) int {
		if a.Level != b.Level {
			return strings.Compare(b.Level, a.Level) // "problem" before "note"
		}
		return int(b.Exchange - a.Exchange)
	})
	f.Found = f.Found[:min(len(f.Found), shownFound)]
}

// repeated compares what the bot logged for a webhook with what it logs when the same one comes again.
func (f *facts) repeated(turns []emulator.Turn) {
	first := map[int64]emulator.Turn{} // by webhook
	redone := map[int64]bool{}
	for _, t := range turns {
		if t.Again == 0 {
			first[t.Webhook] = t
			f.Fresh++
			continue
		}
		before, ok := first[t.Again]
		if ok && !redone[t.Again] {
			redone[t.Again] = true
			f.Redone++
		}
		one := again{Turn: t, First: before.ID, Before: before.Events}
		switch {
		case slices.Contains(t.Rules, "S1"):
			one.Bad, one.Verdict = true, "logged again: Meta counts it twice"
		case len(t.Events) == 0 && len(before.Events) > 0:
			one.Verdict = "nothing new: counted once"
		case len(t.Events) == 0:
			one.Verdict = "no event, as the first time"
		default:
			one.Verdict = "logged now for the first time"
		}
		f.Repeats = append(f.Repeats, one)
	}
	f.Repeats = f.Repeats[max(0, len(f.Repeats)-shownRepeats):]
}
