package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/names"
)

type convertCommand struct {
	File    string `placeholder:"FILE" help:"Read FILE, or - for standard input [standard input]."`
	To      string `enum:"activities,conversions,all" default:"all" placeholder:"EDGE" help:"activities, conversions or all [${default}]."` //nolint:lll // a tag
	Dataset string `setting:"DATASET" placeholder:"ID" help:"The dataset of the conversions [$$APPEVENTS_DATASET]."`                        //nolint:lll // a tag
}

// Help is what the help text says beyond the flags.
func (*convertCommand) Help() string {
	return `The input is the body of a call to /page_activities (JSON or a form), a curl
line, or stored calls as MarshalCall writes them, one a line:

  pbpaste | appevents convert --to conversions --dataset 5501

For each successor it prints the request, the stored call and what becomes of
each part: lost, changed, made or cannot, with the reason. Nothing is sent.
Credentials in the input are not printed. The app is that of the input, or of
$APPEVENTS_APP_ID.

The stored calls can be sent:

  appevents convert --json --to activities <calls.ndjson |
      jq -c '.activities.stored // empty' | appevents send --file -

The exit code is 1 when a call or one of its events cannot be carried over, and
2 when the input cannot be read.`
}

// Run converts all calls of the input.
func (c *convertCommand) Run(ctx context.Context, p *program) error {
	if c.Dataset != "" && !names.Digits(c.Dataset) {
		return usageError("--dataset must be decimal digits")
	}
	app, err := p.credential("APP_ID")
	if err != nil {
		return err
	}
	data, err := p.readBody(c.File)
	if err != nil {
		return err
	}
	var unread []*unreadable
	list := p.readCalls(data, func(u *unreadable) { unread = append(unread, u) })
	cannot := false
	for i, o := range list {
		to := converter{app: o.app, dataset: c.Dataset, secret: p.isSecret}
		if to.app == "" && names.Digits(app.value) {
			to.app = app.value
		}
		successors := c.successors(ctx, &to, o)
		incomplete := func(s *successor) bool { return !s.Convertible }
		cannot = cannot || o.cannot != "" || slices.ContainsFunc(successors, incomplete)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := p.printConverted(o, i, len(list), successors); err != nil {
			return err
		}
	}
	if len(unread) > 0 {
		return usageError("the input cannot be read: %s", printable(p.withoutSecrets(allUnread(unread))))
	}
	if cannot {
		return answerNo()
	}
	return nil
}

// allUnread names what could not be read, all of it as far as that helps.
func allUnread(list []*unreadable) string {
	const most = 10
	var texts []string
	for _, u := range list[:min(len(list), most)] {
		texts = append(texts, u.Error())
	}
	if more := len(list) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// successors converts one call.
func (c *convertCommand) successors(ctx context.Context, to *converter, o *original) []*successor {
	var list []*successor
	if o.call == nil {
		return nil
	}
	_, isConversions := o.call.(*appevents.ConversionCall)
	if c.To == "activities" || c.To == "all" && !isConversions {
		list = append(list, to.activities(ctx, o))
	}
	if c.To != "activities" {
		list = append(list, to.conversions(ctx, o))
	}
	return list
}

// isSecret reports whether a text holds a credential: by its form, or because the input had it as one. graphtest has
// taken some out.
func (p *program) isSecret(s string) bool {
	return strings.Contains(s, graphtest.Redacted) || p.withoutSecrets(s) != s
}

// printConverted prints what became of the i-th of n calls.
func (p *program) printConverted(o *original, i, n int, successors []*successor) error {
	for k := range o.problems {
		f := &o.problems[k]
		f.Field, f.Message = p.withoutSecrets(f.Field), p.withoutSecrets(f.Message)
	}
	for _, s := range successors {
		s.prune()
		slices.SortStableFunc(s.Changes, func(a, b change) int { return effectRank(a.Effect) - effectRank(b.Effect) })
		for k := range s.Changes {
			c := &s.Changes[k]
			c.Field, c.Reason = p.withoutSecrets(c.Field), p.withoutSecrets(c.Reason)
		}
	}
	if p.json {
		return p.printConvertedJSON(o, i, successors)
	}
	var b strings.Builder
	if i > 0 {
		b.WriteString("\n")
	}
	if n > 1 {
		fmt.Fprintf(&b, "%d. ", i+1)
	}
	b.WriteString(printable(p.withoutSecrets(strings.TrimSpace(o.method+" "+o.path+" "+o.storedKind()))) + "\n")
	for _, f := range o.problems {
		fmt.Fprintf(&b, "  problem  %s\n", told(f.Field, f.Message))
	}
	if o.cannot != "" {
		fmt.Fprintf(&b, "  %-7s  %s\n", effectCannot, o.cannot)
		for _, c := range o.changes {
			fmt.Fprintf(&b, "  %-7s  %s\n", c.Effect, p.told(c))
		}
	}
	var blocks [][]string
	for _, s := range successors {
		blocks = append(blocks, p.block(s))
	}
	b.WriteString(arranged(blocks, widthOf(p.stdout, 0)))
	for _, s := range successors {
		if s.Stored != nil {
			fmt.Fprintf(&b, "\nstored call for %s\n%s\n", s.kind, printable(string(s.Stored)))
		}
	}
	return p.print("%s", strings.TrimSuffix(b.String(), "\n"))
}

// effectRank puts first what matters most.
func effectRank(effect string) int {
	return slices.Index([]string{effectCannot, effectLost, effectWarning, effectChanged, effectMade}, effect)
}

func (o *original) storedKind() string {
	if o.path == "" {
		return "stored call: " + o.kind
	}
	return ""
}

func told(field, message string) string {
	if field == "" {
		return printable(message)
	}
	return printable(field) + ": " + printable(message)
}

func (p *program) told(c change) string {
	return told(p.withoutSecrets(c.Field), p.withoutSecrets(c.Reason))
}

// block is a successor as lines.
func (p *program) block(s *successor) []string {
	lines := []string{s.kind}
	for i := range s.Requests {
		r := &s.Requests[i]
		lines = append(lines, "  "+r.Method+" "+r.Path, "  Content-Type: "+r.ContentType, "")
		for _, name := range r.order {
			lines = append(lines, "  "+printable(name+"="+r.Fields[name]))
		}
		var indented bytes.Buffer
		if len(r.Body) > 0 && json.Indent(&indented, r.Body, "  ", "  ") == nil {
			for line := range strings.SplitSeq(indented.String(), "\n") {
				if !strings.HasPrefix(line, "  ") {
					line = "  " + line
				}
				lines = append(lines, printable(line))
			}
		}
		lines = append(lines, "")
	}
	if len(s.Changes) == 0 {
		return append(lines, "  nothing is lost, nothing changes")
	}
	for _, c := range merged(s.Changes) {
		lines = append(lines, fmt.Sprintf("  %-7s  %s", c.Effect, told(c.Field, c.Reason)))
	}
	return lines
}

var eventIndex = regexp.MustCompile(`\[[0-9]+\]`)

// merged says once what is true of several events.
func merged(changes []change) []change {
	var list []change
	more := make([]int, len(changes))
	at := make(map[change]int)
	for _, c := range changes {
		key := c
		key.Field = eventIndex.ReplaceAllString(key.Field, "[]")
		if i, ok := at[key]; ok {
			more[i]++
			continue
		}
		at[key] = len(list)
		list = append(list, c)
	}
	for i := range list {
		if more[i] > 0 {
			list[i].Field += fmt.Sprintf(" and %d more", more[i])
		}
	}
	return list
}

// besideWidth is the least width of a block beside another.
const besideWidth = 76

// arranged puts two blocks beside each other where the terminal is wide enough, and below each other elsewhere.
func arranged(blocks [][]string, width int) string {
	var b strings.Builder
	column := (width - len(" | ")) / 2
	if len(blocks) != 2 || column < besideWidth {
		for _, block := range blocks {
			b.WriteString("\n" + strings.Join(block, "\n") + "\n")
		}
		return b.String()
	}
	var sides [2][]string
	for i, block := range blocks {
		for _, line := range block {
			indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
			line = strings.ReplaceAll(strings.TrimLeft(line, " "), "  ", "\ue000\ue000") // so that WrapSoft keeps the gaps
			for k, part := range strings.Split(text.WrapSoft(line, column-len(indent)-2), "\n") {
				part = strings.ReplaceAll(part, "\ue000\ue000", "  ")
				if k > 0 {
					part = "  " + part
				}
				sides[i] = append(sides[i], indent+part)
			}
		}
	}
	b.WriteString("\n")
	for i := range max(len(sides[0]), len(sides[1])) {
		var left, right string
		if i < len(sides[0]) {
			left = sides[0][i]
		}
		if i < len(sides[1]) {
			right = sides[1][i]
		}
		b.WriteString(strings.TrimRight(text.Pad(left, column, ' ')+" │ "+right, " ") + "\n")
	}
	return b.String()
}

// printConvertedJSON prints what became of a call as one object.
func (p *program) printConvertedJSON(o *original, i int, successors []*successor) error {
	out := object{
		"call": i + 1, "kind": o.kind, "method": o.method, "path": p.withoutSecrets(o.path),
		"problems": notNil(o.problems), "activities": nil, "conversions": nil, "error": nil,
	}
	for _, s := range successors {
		s.Changes, s.Requests = notNil(s.Changes), notNil(s.Requests)
		out[s.kind] = s
	}
	if o.cannot != "" {
		out["error"] = object{"message": o.cannot, "changes": o.changes}
	}
	return p.printJSON(out)
}
