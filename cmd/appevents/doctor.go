package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// doctorChecks are what can be named with --only, in the order in which they run.
var doctorChecks = []string{
	"token", "proof", "version", "clock", "subscriptions", "dataset", "usage", "webhook",
}

type doctorCommand struct {
	Page    string   `placeholder:"ID" setting:"PAGE" help:"The Page [$$APPEVENTS_PAGE, $$PAGE_ID; that of a Page token]."`                             //nolint:lll // a tag
	Dataset string   `placeholder:"ID" setting:"DATASET" help:"The dataset that conversions are sent to [$$APPEVENTS_DATASET]."`                        //nolint:lll // a tag
	Webhook string   `placeholder:"URL" help:"The bot's webhook: it gets a handshake, one harmless signed webhook and forged ones."`                    //nolint:lll // a tag
	Only    []string `placeholder:"CHECK" help:"Only these checks, with commas: token, proof, version, clock, subscriptions, dataset, usage, webhook."` //nolint:lll // a tag
	Strict  bool     `help:"End with 1 when there is a warning, too."`

	metaFlags
}

// Help says what the flags cannot.
func (doctorCommand) Help() string {
	return "Reads only: nothing is sent to Graph but questions. Each finding is a line that begins with ok, warn or " +
		"FAIL; below it stands what mends it. \"POST /…\" there is a call to Graph with your token, or to the emulator, " +
		"whose switches are at /-/api."
}

// A finding is one line of the doctor's.
type finding struct {
	Check   string   `json:"check"`
	State   string   `json:"state"` // ok, warn or FAIL
	Message string   `json:"message"`
	Fixes   []string `json:"fix,omitempty"`    // commands and calls that mend it
	Fields  []string `json:"fields,omitempty"` // the webhook fields it is about
	Millis  float64  `json:"ms,omitempty"`     // how long a webhook took

	code int // exit code when it is a FAIL
}

// Run looks at everything that was asked for.
func (c *doctorCommand) Run(ctx context.Context, p *program) error {
	only, err := c.checks(p)
	if err != nil {
		return err
	}
	d, err := c.doctor(ctx, p)
	if err != nil {
		return err
	}
	about := "app " + string(d.signed.AppID())
	if d.page != "" {
		about += ", Page " + d.page
	}
	p.note("%s at %s", about, d.host)
	runs := map[string]func(context.Context){
		"token": d.checkToken, "proof": d.checkProof, "version": d.checkVersion, "clock": d.checkClock,
		"subscriptions": d.checkSubscriptions, "dataset": d.checkDataset, "usage": d.checkUsage,
		"webhook": func(ctx context.Context) { d.webhookChecker().check(ctx) },
	}
	d.examine(ctx)
	for _, name := range only {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.current = name
		if name == "webhook" || !d.outOfReach() { // the webhook is asked, all else is Graph's
			runs[name](ctx)
		}
		if d.failed != nil {
			return d.failed
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c.Webhook == "" && len(c.Only) == 0 {
		p.note("the webhook was not checked: name it with --webhook URL")
	}
	return d.verdict(c.Strict)
}

// checks are those that were asked for.
func (c *doctorCommand) checks(p *program) ([]string, error) {
	var only []string
	for _, name := range c.Only {
		if !slices.Contains(doctorChecks, name) {
			return nil, usageError("--only takes %s, with commas%s", strings.Join(doctorChecks, ", "),
				nearest(name, doctorChecks))
		}
	}
	for _, name := range doctorChecks {
		asked := slices.Contains(c.Only, name)
		if asked && name == "webhook" && c.Webhook == "" {
			return nil, usageError("the check of the webhook needs --webhook URL")
		}
		if asked || len(c.Only) == 0 && (name != "webhook" || c.Webhook != "") {
			only = append(only, name)
		}
	}
	if c.Page == "" {
		found, err := p.credential("PAGE_ID")
		if err != nil {
			return nil, err
		}
		c.Page = found.value
	}
	for flag, id := range map[string]string{"--page": c.Page, "--dataset": c.Dataset} {
		if !decimal(id) || len(id) > 19 {
			return nil, usageError("%s must be decimal digits", flag)
		}
	}
	if c.Webhook != "" {
		if err := checkWebhookURL(c.Webhook); err != nil {
			return nil, err
		}
	}
	return only, nil
}

// add prints a finding and remembers it.
func (d *doctor) add(f finding) {
	f.Check = d.current
	if f.State == stateFail && f.code == 0 {
		f.code = exitNo
	}
	d.findings = append(d.findings, f)
	if d.failed == nil {
		d.failed = d.p.printFinding(f)
	}
}

func (d *doctor) ok(format string, args ...any) {
	d.add(finding{State: stateOK, Message: fmt.Sprintf(format, args...)})
}

func (d *doctor) warn(format string, args ...any) {
	d.add(finding{State: stateWarn, Message: fmt.Sprintf(format, args...)})
}

// doctorLabels are the checks as lines begin with them, where they differ from the names.
var doctorLabels = map[string]string{"subscriptions": "subscription"}

// printFinding writes one line, with what mends it below.
func (p *program) printFinding(f finding) error {
	if p.json {
		return p.printLine(struct {
			Schema int `json:"schema"`
			finding
		}{schema, f})
	}
	label := cmp.Or(doctorLabels[f.Check], f.Check)
	pad := strings.Repeat(" ", len(stateWarn)-len(f.State)) // all states but the longest are shorter
	_, err := fmt.Fprintf(p.stdout, "%s%s  %-11s %s\n", p.state(p.stdout, f.State), pad, label, printable(f.Message))
	indent := 18
	if isTerminal(p.stdout) && p.unicode() {
		indent += 2 // the mark
	}
	for _, fix := range f.Fixes {
		if err == nil {
			_, err = io.WriteString(p.stdout, strings.Repeat(" ", indent)+printable(fix)+"\n")
		}
	}
	return err
}

// verdict is how the program ends: of several codes the first of 4, 6, 5, 3 and 1.
func (d *doctor) verdict(strict bool) error {
	counts, worst := map[string]int{}, exitDone
	for _, f := range d.findings {
		counts[f.State]++
		if f.State == stateFail && rank(f.code) < rank(worst) {
			worst = f.code
		}
	}
	d.p.note("%d ok, %d warn, %d FAIL", counts[stateOK], counts[stateWarn], counts[stateFail])
	if strict && worst == exitDone && counts[stateWarn] > 0 {
		worst = exitNo
	}
	return exitWith(worst)
}

// day is a date as the doctor writes it.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
