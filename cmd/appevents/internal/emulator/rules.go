package emulator

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// found records what a rule found about an exchange, once for each. The lock is held.
func (e *Emulator) found(x *Exchange, rule, level, message string) {
	if slices.ContainsFunc(x.Rules, func(f Finding) bool { return f.Rule == rule && f.Message == message }) {
		return
	}
	f := Finding{Rule: rule, Level: level, Message: message, Exchange: x.ID, Turn: x.Turn, Time: x.Time}
	x.Rules = append(x.Rules, f)
	if len(e.s.Findings) >= maxFindings {
		e.s.Findings = slices.Delete(e.s.Findings, 0, 1)
	}
	e.s.Findings = append(e.s.Findings, f)
	if t := e.turn(x.Turn); t != nil && !slices.Contains(t.Rules, rule) {
		t.Rules = append(t.Rules, rule)
	}
}

const (
	problem = "problem"
	note    = "note"
)

// judgeCall applies the rules across calls to a call of the bot. The lock is held.
func (e *Emulator) judgeCall(c *call) {
	x := c.x
	if c.params.inQuery {
		e.found(x, "S11", problem, "the access token is in the URL, where logs keep it; send it in the Authorization header")
	}
	for _, p := range x.Problems {
		if p.Rule == "throttled" {
			e.found(x, "S10", problem, "repeated before the time that the throttling answer named")
		}
	}
	major, versioned := majorVersion(c.version)
	switch {
	case x.Kind == "page_activities":
		e.found(x, "S12", problem, "/page_activities has retired; use /activities or the Conversions API")
	case versioned && major < oldestVersion:
		e.found(x, "S12", problem, "Graph "+c.version+" has expired")
	}
	asked, logged := e.flow(x)
	for n := range x.Events {
		e.judgeEvent(c, &x.Events[n], asked, logged)
	}
}

func (e *Emulator) judgeEvent(c *call, ev *Event, asked bool, leads int) {
	x := c.x
	if e.loggedBefore(x, ev.Name) {
		e.found(x, "S1", problem, fmt.Sprintf("%s was logged again for a webhook that was delivered again; Meta documents "+
			"no de-duplication for messaging: both count", ev.Name))
	}
	if strings.HasPrefix(ev.Name, "fb_messenger_bot_") {
		e.found(x, "S6", problem, ev.Name+" is logged by Meta itself; logged by hand it counts twice")
	}
	if ev.PSID != "" && e.person(ev.Page, ev.PSID) == nil {
		e.found(x, "S4", problem, "the person has never been seen on this Page")
	}
	e.judgeTime(x, ev)
	if !ev.Accepted {
		return
	}
	if e.onOtherEdge(x, ev) {
		e.found(x, "S2", problem, ev.Name+" was logged for this person on /activities and on /events: both count")
	}
	if ev.Currency != "" && ev.Page != "" {
		switch first := e.s.Currency[ev.Page]; {
		case first == "" && len(e.s.Currency) < 1000:
			e.s.Currency[ev.Page] = ev.Currency
		case first != ev.Currency:
			e.found(x, "S7", problem, fmt.Sprintf("%s after %s: currencies are mixed on one Page, sums of values will be "+
				"converted or useless", ev.Currency, first))
		}
	}
	if isLead(ev.Name) {
		if !asked {
			e.found(x, "S3", problem, "a lead was logged before the bot asked the person anything")
		}
		if leads > 1 {
			e.found(x, "S3", problem, "a second lead was logged in one flow")
		}
	}
}

// flow reports whether the bot asked something since the person came in, and how many leads it logged since.
func (e *Emulator) flow(x *Exchange) (asked bool, leads int) {
	t := e.turn(x.Turn)
	if t == nil {
		return true, 0 // nothing is known of the conversation
	}
	start := t
	for _, old := range slices.Backward(e.s.Turns) {
		if old.ID > t.ID || old.PSID != t.PSID || old.Page != t.Page {
			continue
		}
		if start.Time.Sub(old.Time) > window {
			break
		}
		start = old
		if strings.HasPrefix(old.Kind, "messaging_referrals") || old.Kind == "messages/ad_referral" ||
			old.Kind == "messaging_postbacks/get_started" {
			break
		}
	}
	for _, m := range slices.Backward(e.s.Messages) {
		if m.FromBot && m.PSID == t.PSID && m.Turn >= start.ID && (strings.Contains(m.Text, "?") || len(m.Buttons) > 0 ||
			len(m.Cards) > 0) {
			asked = true
			break
		}
	}
	for _, l := range slices.Backward(e.s.Leads) {
		if l.PSID == t.PSID && l.Turn >= start.ID {
			leads++
		}
	}
	return asked, leads
}

// judgeTime compares an event's time with that of its webhook.
func (e *Emulator) judgeTime(x *Exchange, ev *Event) {
	if ev.Time.IsZero() {
		return
	}
	base := x.Time
	if t := e.turn(x.Turn); t != nil {
		base = t.Time
	}
	off := ev.Time.Sub(base)
	switch whole := off.Round(30 * time.Minute); {
	case ev.Time.Year() > 5000:
		e.found(x, "S5", problem, "the event's time is in milliseconds; Meta reads seconds")
	case whole != 0 && whole.Abs() <= 14*time.Hour && (off-whole).Abs() < 2*time.Minute:
		e.found(x, "S5", problem, fmt.Sprintf("the event's time is %s off its webhook: local time was sent as UTC", whole))
	case ev.Time.Sub(x.Time) > time.Minute:
		e.found(x, "S5", problem, "the event's time is in the future")
	case base.Sub(ev.Time) > time.Hour:
		e.found(x, "S5", note, "the event's time is long before its webhook")
	}
}

// onOtherEdge reports whether the same was accepted for this person on the other edge within ten minutes.
func (e *Emulator) onOtherEdge(x *Exchange, ev *Event) bool {
	looked := 0
	for _, old := range slices.Backward(e.s.Exchanges) {
		if looked++; looked > 500 || x.Time.Sub(old.Time) > 10*time.Minute {
			return false
		}
		if old.ID == x.ID || old.Kind == x.Kind {
			continue
		}
		for _, o := range old.Events {
			if o.Accepted && o.PSID == ev.PSID && o.PSID != "" && plainName(o.Name) == plainName(ev.Name) {
				return true
			}
		}
	}
	return false
}

// judgeWebhook applies the rules about a bot's answers. The lock is held.
func (e *Emulator) judgeWebhook(x *Exchange) {
	forged := x.Sign == "unsigned" || x.Sign == "wrong"
	switch {
	case forged && x.Status >= 200 && x.Status < 300:
		e.found(x, "S9", problem, "the bot accepted a forged webhook ("+x.Sign+")")
		return
	case forged:
		return
	case x.Failure != "":
		e.found(x, "S8", problem, "the webhook was not answered ("+x.Failure+"); Meta delivers it again")
	case x.Status != 200:
		e.found(x, "S8", problem, fmt.Sprintf("the webhook was answered %d instead of 200; Meta delivers it again", x.Status))
	case x.DurationMS > millis(deadline):
		e.found(x, "S8", problem, "the webhook was answered after more than 5 s; Meta delivers it again")
	}
	if x.Auto {
		return
	}
	t := e.turn(x.Turn)
	if t == nil || x.Status == 0 {
		return
	}
	for _, id := range t.Exchanges {
		if call := e.find(id); call != nil && call.Direction == DirCall && !call.answered.IsZero() &&
			call.answered.Before(x.answered) {
			e.found(x, "S8", note, "the webhook was answered after the work; a slow Graph will make Meta deliver it again")
			return
		}
	}
}
