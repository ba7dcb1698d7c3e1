package emulator

import (
	"context"

	"github.com/appevents/appevents-go/graphtest"
)

// Probe sends forged webhooks and says whether the bot refused them. A bot that checks the older signature is right to
// take a webhook that has no other, but for one that answers as if there were no signature at all.
func (e *Emulator) Probe(ctx context.Context) (ProbeReport, error) {
	e.mu.Lock()
	noBot, now := e.bot == "", e.now()
	e.mu.Unlock()
	if noBot {
		return ProbeReport{}, &InputError{Field: "bot", Message: "is not known yet"}
	}
	// Somebody who does not exist, so that what a bot does in good faith stays out of a real conversation.
	p := Person{PSID: "1000000000000001", Page: e.cfg.PageID}
	report := ProbeReport{Time: now, OK: true}
	for _, sign := range []string{"unsigned", "wrong", "sha1-only"} {
		body := graphtest.Text("probe", graphtest.From(p.PSID), graphtest.To(p.Page), graphtest.At(now))
		x := e.deliver(ctx, webhook{
			field: "messages/probe", page: p.Page, psid: p.PSID, body: body, sign: sign, probe: true,
			summary: "probe: " + sign,
		})
		r := ProbeResult{
			Name: sign, Status: x.Status, Failure: x.Failure, Want: "refused",
			Refused: x.Status < 200 || x.Status >= 300,
		}
		if sign == "sha1-only" {
			r.Want = "either"
		} else if !r.Refused {
			report.OK = false
		}
		report.Results = append(report.Results, r)
		e.mu.Lock()
		if kept := e.find(x.ID); kept != nil && r.Want == "refused" && !r.Refused {
			e.found(kept, "S9", problem, "the bot accepted a forged webhook ("+sign+")")
			e.update(kept)
		}
		e.mu.Unlock()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.Probe = &report
	e.touch()
	return report, nil
}
