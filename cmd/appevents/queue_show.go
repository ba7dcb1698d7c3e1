package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// stamp is a time for a person and for a program; "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

type queueStatsCommand struct {
	queueTarget
}

// Help is what the help text says beyond the flags.
func (*queueStatsCommand) Help() string {
	return `accepted is delivered, buried, pending and duplicates. Of what was buried, kept
is still there, and dropped was let go for its age or for want of room. A lane
is an edge with the Page or dataset after a slash; state says whether its calls
are sent, and why not. NATS does not keep count of duplicates.`
}

// Run shows the figures of a queue.
func (c *queueStatsCommand) Run(ctx context.Context, p *program) (err error) {
	q, err := p.openQueue(ctx, c.Queue, c.inspectFlags)
	if err != nil {
		return err
	}
	defer closeQueue(q, &err)
	figures, err := q.figures(ctx)
	if err != nil {
		return err
	}
	lanes, err := q.lanes(ctx)
	if err != nil {
		return err
	}
	reasons := make(map[delivery.Reason]int64)
	if figures.Kept > 0 {
		if reasons, err = q.reasons(ctx, choice{}); err != nil {
			return err
		}
	}
	names := slices.SortedFunc(maps.Keys(reasons), func(a, b delivery.Reason) int {
		return cmp.Or(cmp.Compare(reasons[b], reasons[a]), cmp.Compare(a, b))
	})
	if p.json {
		why := make([]object, 0, len(names))
		for _, name := range names {
			why = append(why, object{"reason": name, "count": reasons[name]})
		}
		return p.printJSON(object{
			"queue": q.label(), "engine": q.kindOf(), "counts": figures, "lanes": lanes, "reasons": why,
		})
	}
	table := rows{header: []string{"what", "name", "count", "oldest", "state", "until", "why"}}
	for _, f := range figures.list() {
		oldest := ""
		if f.name == "pending" {
			oldest = stamp(figures.Oldest)
		}
		table.add("calls", f.name, strconv.FormatInt(f.count, 10), oldest, "", "", "")
	}
	shown := lanes
	if isTerminal(p.stdout) {
		shown = worthSeeing(lanes)
	}
	for i := range shown {
		l := &shown[i]
		until := stamp(l.Until)
		if until != "" && endless(l.Until) {
			until = "resumed"
		}
		table.add("lane", l.Lane, strconv.FormatInt(l.Pending, 10), stamp(l.Oldest), string(l.State), until,
			cmp.Or(l.Why, l.LastError))
	}
	for _, name := range names {
		table.add("buried", string(name), strconv.FormatInt(reasons[name], 10), "", "", "", "")
	}
	if err := p.printRows(table); err != nil {
		return err
	}
	if more := len(lanes) - len(shown); more > 0 {
		p.note("%s not shown: --json has all", counted(int64(more), "lane"))
	}
	if figures.botFigures != nil && !figures.Running {
		p.note("%s the dispatcher of the bot does not run: nothing is delivered", p.state(p.stderr, stateWarn))
	}
	return nil
}

// A figure is a number of calls with its name.
type figure struct {
	name  string
	count int64
}

func (f *queueFigures) list() []figure {
	list := []figure{
		{"accepted", f.Accepted}, {"delivered", f.Delivered}, {"buried", f.Buried}, {"pending", f.Pending},
		{"duplicates", f.Duplicates}, {"kept", f.Kept}, {"dropped", f.Dropped},
	}
	if f.botFigures != nil {
		list = append(list, figure{"in hand", f.InHand}, figure{"retries", f.Retries}, figure{"unsettled", f.Unsettled})
	}
	return list
}

// maxLanes is how many lanes a person is shown.
const maxLanes = 40

// worthSeeing are the lanes that a person should see where there are many: those that are held up, and the longest.
func worthSeeing(lanes []queueLane) []queueLane {
	if len(lanes) <= maxLanes {
		return lanes
	}
	held := func(l *queueLane) int {
		if l.State != delivery.LaneOpen && l.Pending > 0 {
			return 1
		}
		return 0
	}
	list := slices.Clone(lanes)
	slices.SortStableFunc(list, func(a, b queueLane) int {
		return cmp.Or(cmp.Compare(held(&b), held(&a)), cmp.Compare(b.Pending, a.Pending))
	})
	return list[:maxLanes]
}

// closeQueue closes a queue, and makes an error of that the command's unless it has one.
func closeQueue(q queueView, err *error) {
	if closed := q.Close(); *err == nil {
		*err = queueError(q.label(), closed)
	}
}

type queueBuriedCommand struct {
	queueTarget
	choiceFlags
	Limit int `placeholder:"N" help:"List no more than N [all]."`
}

// Run lists buried calls, a page in memory at a time.
func (c *queueBuriedCommand) Run(ctx context.Context, p *program) (err error) {
	chosen, err := c.choice()
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return usageError("--limit must not be negative")
	}
	q, err := p.openQueue(ctx, c.Queue, c.inspectFlags)
	if err != nil {
		return err
	}
	defer closeQueue(q, &err)
	out := entryWriter{p: p}
	n := 0
	for e, err := range q.buried(ctx, chosen, false) {
		if err != nil {
			return errors.Join(out.end(), err)
		}
		if err := out.write(e); err != nil {
			return err
		}
		if n++; n == c.Limit {
			break
		}
	}
	return out.end()
}

// An entryWriter prints buried calls as they come: as lines, or on a terminal as tables of a page each.
type entryWriter struct {
	p     *program
	table rows
	began bool
}

var entryHeader = []string{
	"id", "buried_at", "lane", "reason", "attempts", "submitted", "kind", "events", "first_error", "last_error",
}

func (e *buriedEntry) cells() []string {
	return []string{
		e.ID, stamp(e.BuriedAt), e.Lane, string(e.Reason), strconv.Itoa(e.Attempts), stamp(e.Submitted), e.Kind,
		strings.Join(e.Events, ","), e.FirstError, e.LastError,
	}
}

func (w *entryWriter) write(e *buriedEntry) error {
	if w.p.json {
		e.Schema = schema
		return w.p.printLine(e)
	}
	w.table.add(e.cells()...)
	if len(w.table.lines) < buriedPage {
		return nil
	}
	return w.flush()
}

func (w *entryWriter) flush() error {
	defer func() { w.table.lines, w.began = nil, true }()
	if w.began && !isTerminal(w.p.stdout) {
		return writeTSV(w.p.stdout, w.table.lines)
	}
	w.table.header = slices.Clone(entryHeader)
	return w.p.printRows(w.table)
}

// end prints what is left. Without a line there is still the header.
func (w *entryWriter) end() error {
	if w.p.json || w.began && len(w.table.lines) == 0 {
		return nil
	}
	return w.flush()
}

type queueShowCommand struct {
	Args []string `arg:"" name:"id queue" help:"The ID of a call, as \"queue buried\" lists it, and the queue."`
	inspectFlags
}

// shownNote says what is personal in a call that is shown.
const shownNote = "shown: the Page-scoped ID of the person and what the events say; " +
	"e-mail addresses, phone numbers and the like are hashes"

// Run shows one call.
func (c *queueShowCommand) Run(ctx context.Context, p *program) (err error) {
	ids, name, err := splitIDs(c.Args)
	if err != nil {
		return err
	}
	if len(ids) != 1 {
		return usageError(`name one ID: "appevents queue buried" lists them`)
	}
	q, err := p.openQueue(ctx, name, c.inspectFlags)
	if err != nil {
		return err
	}
	defer closeQueue(q, &err)
	e, err := q.one(ctx, ids[0])
	withheld := errors.Is(err, errCallWithheld)
	switch {
	case errors.Is(err, delivery.ErrNotFound):
		return notBuried(q, ids[0])
	case err != nil && !withheld:
		return err
	}
	if err := p.showEntry(e); err != nil {
		return err
	}
	if withheld {
		return &failure{
			code: exitCredentials, err: errCallWithheld,
			hint: "set APPEVENTS_INSPECT_TOKEN or INSPECT_TOKEN, or give --inspect-token-file",
		}
	}
	p.note("%s", shownNote)
	return nil
}

func notBuried(q queueView, id string) error {
	return fail(exitNo, "there is no buried call %s in the queue %s", id, printable(q.label()))
}

func (p *program) showEntry(e *buriedEntry) error {
	if p.json {
		e.Schema = schema
		return p.printLine(e)
	}
	table := rows{header: []string{"field", "value"}}
	for i, cell := range e.cells() {
		if cell != "" {
			table.add(entryHeader[i], cell)
		}
	}
	if e.Source != "" {
		table.add("source", e.Source)
	}
	if len(e.Body) > 0 {
		table.add("body", base64.StdEncoding.EncodeToString(e.Body))
	}
	if !isTerminal(p.stdout) {
		if len(e.Call) > 0 {
			table.add("call", string(e.Call))
		}
		return p.printRows(table)
	}
	if err := p.printRows(table); err != nil || len(e.Call) == 0 {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, e.Call, "", "  "); err != nil {
		return err
	}
	for line := range strings.Lines(pretty.String()) {
		if err := p.print("%s", printable(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

type queueExportCommand struct {
	queueTarget
	choiceFlags
}

// Help is what the help text says beyond the flags.
func (*queueExportCommand) Help() string {
	return `Each line is a buried call with its kind, as "appevents send --file" takes it,
beside what happened to it. They stay in the queue: "queue discard" removes
them. What waits to be delivered is not among them: it cannot be read without
being taken from those who deliver it.

The lines hold Page-scoped IDs and what the events say; keep them as you keep
the queue. Those of calls that cannot be read have their bytes in "body".`
}

// Run writes buried calls.
func (c *queueExportCommand) Run(ctx context.Context, p *program) (err error) {
	chosen, err := c.choice()
	if err != nil {
		return err
	}
	q, err := p.openQueue(ctx, c.Queue, c.inspectFlags)
	if err != nil {
		return err
	}
	defer closeQueue(q, &err)
	var n, unreadable int64
	for e, err := range q.buried(ctx, chosen, true) {
		if err != nil {
			return err
		}
		if e.Schema = schema; len(e.Call) == 0 {
			unreadable++
		}
		if err := p.printLine(e); err != nil {
			return err
		}
		n++
	}
	text := counted(n, "call") + " written"
	if unreadable > 0 {
		text += fmt.Sprintf(", of which %s cannot be read, or sent", grouped(unreadable))
	}
	p.note("%s", text)
	return nil
}
