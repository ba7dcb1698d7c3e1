package page

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/cmd/appevents/internal/codes"
	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/plain"
	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
)

// shownBody bounds what is shown of a body; the API has all of it.
const shownBody = 8 << 10

// inside is what a call shows when it is opened.
type inside struct {
	emulator.Exchange
	Show        query
	Explanation []explanation
	Curl        string
	GoTest      string
	RequestCut  bool
	ResponseCut bool
}

// explanation says in words what one thing about a call means.
type explanation struct{ What, Means, Do string }

func (p *Page) inside(x emulator.Exchange, q query) *inside {
	in := &inside{Exchange: x, Show: q, Explanation: explain(x)}
	in.Request, in.RequestCut = cut(pretty(x.Request))
	in.Response, in.ResponseCut = cut(pretty(x.Response))
	if x.Direction == emulator.DirCall {
		in.Curl = x.Curl()
	}
	if x.Turn != 0 {
		in.GoTest = p.goTest(x.Turn)
	}
	return in
}

// goTest is the turn as a Go test, as the menu exports the whole session.
func (p *Page) goTest(turn int64) string {
	var b strings.Builder
	if err := session.WriteGo(&b, p.e.Session("", turn)); err != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

func cut(s string) (string, bool) {
	if len(s) <= shownBody {
		return s, false
	}
	return strings.ToValidUTF8(s[:shownBody], ""), true
}

// pretty indents JSON, with that escaped which is no plain text, and leaves other text as it is.
func pretty(s string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(s), "", "  ") != nil {
		return s
	}
	return plain.JSON(b.String())
}

// explain says what a refusal, the events and the findings of an exchange mean.
func explain(x emulator.Exchange) []explanation {
	var list []explanation
	if x.Error != nil {
		name := codeName(x.Error)
		if e, ok := codes.Explain(x.Error.Code, x.Error.Subcode); ok {
			do := e.Do
			if e.Repeat == "no" {
				do += "; repeating it as it is changes nothing"
			}
			list = append(list, explanation{name, e.Meaning, do})
		}
	}
	for _, f := range x.Rules {
		if words, ok := rules[f.Rule]; ok {
			list = append(list, explanation{f.Rule, words, ""})
		}
	}
	specs := appevents.StandardEvents()
	for _, ev := range x.Events {
		n := slices.IndexFunc(specs, func(s appevents.EventSpec) bool { return string(s.Name) == ev.Name })
		means := "an event of your own: it is in Events Manager, but not among the standard ones of Ads Manager"
		if n >= 0 {
			means = "the standard event “" + specs[n].Label + "”, which Ads Manager reports and can optimise for"
		} else if ev.Edge == "events" {
			means = "a conversion for business messaging"
		}
		if !slices.ContainsFunc(list, func(e explanation) bool { return e.What == ev.Name }) {
			list = append(list, explanation{ev.Name, means, ""})
		}
	}
	return list[:min(len(list), 20)]
}

// rules says why a finding across calls matters to the figures.
var rules = map[string]string{
	"S1": "Meta delivers a webhook again when it is unsure of the answer. Log an event once for each webhook: remember " +
		"its message ID for an hour or more.",
	"S2": "The same thing on two edges is two things in the reports. Choose one edge.",
	"S3": "A lead that nobody qualified makes the cost per lead look better than it is, and trains ads on the " +
		"wrong people.",
	"S4": "An event for somebody Meta does not know on this Page cannot be matched to an ad.",
	"S5": "The time decides which day and which ad an event is counted for.",
	"S6": "Meta logs these names by itself; the figures double.",
	"S7": "A sum over several currencies means nothing until it is converted.",
	"S8": "Meta repeats a webhook that is not answered with 200 within 5 seconds, and unsubscribes a bot that " +
		"keeps failing.",
	"S9":  "Anybody who knows the address can make up conversations, orders and leads.",
	"S10": "Calls during a pause make the pause longer.",
	"S11": "Addresses end up in logs, and with them the token.",
	"S12": "What goes to a retired edge or version is lost, or will be.",
}

func codeName(e *emulator.Error) string {
	name := strconv.Itoa(e.Code)
	if e.Subcode != 0 {
		name += "/" + strconv.Itoa(e.Subcode)
	}
	return name
}
