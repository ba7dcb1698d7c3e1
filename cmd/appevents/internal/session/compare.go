package session

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/appevents/appevents-go"
)

// A Difference is what is not the same about the events of one person.
type Difference struct {
	Person string     `json:"person,omitempty"` // "": the events name nobody
	Lines  []DiffLine `json:"lines"`
}

// A DiffLine is one event, in the order of the session and the present run together.
type DiffLine struct {
	Change string `json:"change"` // "same", "missing": no longer logged, "new": not in the session
	Line   int    `json:"line"`   // of the session, whose webhook led to the event; 0 when that is not known
	Event  Event  `json:"event"`
}

// The changes of a DiffLine.
const (
	same    = "same"
	missing = "missing"
	added   = "new"
)

// logged is an event and the line of its webhook.
type logged struct {
	event Event
	line  int
}

func (l logged) equal(other logged) bool { return key(l.event) == key(other.event) }

// key is what has to be the same.
func key(e Event) string {
	return strings.Join([]string{e.Name, Amount(e), e.Person, strconv.FormatBool(e.Refused)}, "\x00")
}

// Amount is the value with its currency, or "".
func Amount(e Event) string {
	switch {
	case e.Value == nil:
		return e.Currency
	case e.Currency == "":
		return strconv.FormatFloat(*e.Value, 'f', -1, 64)
	}
	return strconv.FormatFloat(*e.Value, 'f', -1, 64) + " " + e.Currency
}

// Compare tells the events that a bot logs now from those of the session: name, value, currency and whether they were
// taken, in order for each person. Lines of the session whose calls are not known are left out on both sides. The two
// have the same webhooks.
func Compare(then, now []Webhook) []Difference {
	before, after := byPerson(then, then), byPerson(now, then)
	people := slices.Collect(maps.Keys(before))
	for person := range after {
		if _, ok := before[person]; !ok {
			people = append(people, person)
		}
	}
	slices.Sort(people)
	var list []Difference
	for _, person := range people {
		if lines := diff(before[person], after[person]); lines != nil {
			list = append(list, Difference{person, lines})
		}
	}
	return list
}

func byPerson(list, known []Webhook) map[string][]logged {
	people := map[string][]logged{}
	for n := range list {
		if n < len(known) && known[n].Calls == nil {
			continue
		}
		for _, event := range list[n].Events() {
			people[event.Person] = append(people[event.Person], logged{event, n + 1})
		}
	}
	return people
}

// maxTable bounds the memory of one comparison.
const maxTable = 4 << 20

// diff returns nil when both are the same.
func diff(before, after []logged) []DiffLine {
	if slices.EqualFunc(before, after, logged.equal) {
		return nil
	}
	var lines []DiffLine
	put := func(change string, list ...logged) {
		for _, l := range list {
			lines = append(lines, DiffLine{change, l.line, l.event})
		}
	}
	head := 0
	for head < min(len(before), len(after)) && before[head].equal(after[head]) {
		head++
	}
	tail := 0
	for tail < min(len(before), len(after))-head && before[len(before)-1-tail].equal(after[len(after)-1-tail]) {
		tail++
	}
	put(same, before[:head]...)
	a, b := before[head:len(before)-tail], after[head:len(after)-tail]
	if (len(a)+1)*(len(b)+1) > maxTable {
		put(missing, a...)
		put(added, b...)
		a, b = nil, nil
	}
	common := longest(a, b)
	for len(a) > 0 || len(b) > 0 {
		i, j := len(common)-len(a)-1, 0
		if len(common) > 0 {
			j = len(common[0]) - len(b) - 1
		}
		switch {
		case len(a) > 0 && len(b) > 0 && a[0].equal(b[0]):
			put(same, a[0])
			a, b = a[1:], b[1:]
		case len(b) == 0 || len(a) > 0 && common[i+1][j] >= common[i][j+1]:
			put(missing, a[0])
			a = a[1:]
		default:
			put(added, b[0])
			b = b[1:]
		}
	}
	put(same, before[len(before)-tail:]...)
	return lines
}

// longest is the table of the lengths of the longest common subsequences of what is left of a and b.
func longest(a, b []logged) [][]int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := range slices.Backward(a) {
		for j := range slices.Backward(b) {
			if a[i].equal(b[j]) {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}

// unchanged is how many events around a change are shown.
const unchanged = 3

// WriteDiff writes differences for people: each event in words, with the webhook that led to it. then is the session.
// clean is applied to what bots and people wrote.
func WriteDiff(w io.Writer, name string, then []Webhook, list []Difference, clean func(string) string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ now\n", clean(name))
	for _, d := range list {
		who := "nobody named"
		if d.Person != "" {
			who = "person " + clean(d.Person)
		}
		fmt.Fprintf(&b, "@@ %s @@\n", who)
		width, skipped := 0, 0
		for _, l := range d.Lines {
			width = max(width, len(words(l.Event)))
		}
		for n, l := range d.Lines {
			if l.Change == same && !near(d.Lines, n) {
				skipped++
				continue
			}
			if skipped > 0 {
				fmt.Fprintf(&b, "  (%d the same)\n", skipped)
				skipped = 0
			}
			sign := map[string]string{same: " ", missing: "-", added: "+"}[l.Change]
			text := clean(fmt.Sprintf("%s %-*s", sign, width, words(l.Event)))
			if 0 < l.Line && l.Line <= len(then) {
				text += fmt.Sprintf("  webhook %d: %s", l.Line, clean(Describe(then[l.Line-1].Body).Summary))
			}
			b.WriteString(strings.TrimRight(text, " ") + "\n")
		}
		if skipped > 0 {
			fmt.Fprintf(&b, "  (%d the same)\n", skipped)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// near reports whether a change is close.
func near(lines []DiffLine, n int) bool {
	for _, l := range lines[max(0, n-unchanged):min(len(lines), n+unchanged+1)] {
		if l.Change != same {
			return true
		}
	}
	return false
}

// words is an event for people: "Purchase (fb_mobile_purchase) 55.22 USD".
func words(e Event) string {
	text := e.Name
	if label := labels()[e.Name]; label != "" && label != e.Name {
		text = label + " (" + e.Name + ")"
	}
	if amount := Amount(e); amount != "" {
		text += " " + amount
	}
	if e.Refused {
		text += ", refused"
	}
	return cmp.Or(text, "an event without a name")
}

var labels = sync.OnceValue(func() map[string]string {
	list := map[string]string{}
	for _, spec := range appevents.StandardEvents() {
		list[string(spec.Name)] = spec.Label
	}
	return list
})
