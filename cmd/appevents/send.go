package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
)

type sendCommand struct {
	Event         string   `arg:"" optional:"" help:"One event: a name of \"appevents events\", or one of your own."`                                                                 //nolint:lll // a tag
	Page          string   `group:"One event" setting:"PAGE" placeholder:"ID" help:"The Page, or the Instagram account [$$APPEVENTS_PAGE]."`                                          //nolint:lll // a tag
	PSID          string   `name:"psid" group:"One event" placeholder:"ID" help:"The person: the Page-scoped or Instagram-scoped ID."`                                                //nolint:lll // a tag
	Consent       string   `group:"One event" enum:"allowed,denied," default:"" placeholder:"WHICH" help:"What the person chose about tracking: allowed or denied."`                  //nolint:lll // a tag
	Value         *float64 `group:"One event" placeholder:"N" help:"The number that reports add up, for most events a price."`                                                        //nolint:lll // a tag
	Currency      string   `group:"One event" placeholder:"CODE" help:"ISO 4217 code in capitals, such as USD."`                                                                      //nolint:lll // a tag
	Param         []string `group:"One event" sep:"none" placeholder:"K=V" help:"A parameter, as often as there are. Numbers, true and false count as such unless in double quotes."` //nolint:lll // a tag
	Content       []string `group:"One event" sep:"none" placeholder:"ID:QTY:PRICE" help:"A product, as often as there are; quantity 1 and no price unless given."`                   //nolint:lll // a tag
	Time          string   `group:"One event" placeholder:"RFC3339" help:"When it happened, such as 2026-11-21T16:44:54Z [now]."`                                                     //nolint:lll // a tag
	ID            string   `name:"id" group:"One event" placeholder:"ID" help:"Tells the event from others, where Meta counts those with the same ID once."`                          //nolint:lll // a tag
	Custom        bool     `group:"One event" help:"Take the name as it is, however near to that of a standard event."`                                                               //nolint:lll // a tag
	Via           string   `group:"One event" enum:"activities,conversions," default:"" placeholder:"EDGE" help:"activities, or conversions for the Conversions API [activities]."`   //nolint:lll // a tag
	Dataset       string   `group:"One event" setting:"DATASET" placeholder:"ID" help:"The dataset, for conversions [$$APPEVENTS_DATASET]."`                                          //nolint:lll // a tag
	EnsureDataset bool     `group:"One event" help:"Look the dataset of the Page up, and have Meta make one if there is none."`                                                       //nolint:lll // a tag
	Channel       string   `group:"One event" enum:"messenger,instagram," default:"" placeholder:"WHICH" help:"messenger or instagram [messenger]."`                                  //nolint:lll // a tag
	TestEventCode string   `placeholder:"CODE" help:"Show conversions under this code in Test Events. They still count."`                                                             //nolint:lll // a tag
	DryRun        bool     `help:"Print the request without credentials, or check the lines, and send nothing."`                                                                      //nolint:lll // a tag

	File     string `group:"A file of calls" placeholder:"FILE" help:"Send stored calls: lines as MarshalCall writes them, - for standard input."`                                                                  //nolint:lll // a tag
	Queue    string `group:"A file of calls" placeholder:"QUEUE" help:"Send them through a durable queue: a file, nats://… or postgres://… Given again, the command goes on where it was stopped, by kill -9 too."` //nolint:lll // a tag
	Rejects  string `group:"A file of calls" placeholder:"FILE" help:"Write lines that are wrong or refused there, with the reason: to be mended, and sent as a file."`                                             //nolint:lll // a tag
	Workers  int    `group:"A file of calls" default:"8" placeholder:"N" help:"Requests under way at a time [${default}]."`                                                                                         //nolint:lll // a tag
	Progress string `group:"A file of calls" enum:"auto,bar,lines,none" default:"auto" placeholder:"HOW" help:"auto, bar, lines or none."`                                                                          //nolint:lll // a tag
	Yes      bool   `short:"y" group:"A file of calls" help:"Send more than one line to Meta without a terminal."`                                                                                                  //nolint:lll // a tag

	metaFlags
}

// Help is what the help text says beyond the flags.
func (*sendCommand) Help() string {
	return `One event needs --page, --psid and --consent:

  appevents send Purchase --page 1070 --psid 3290 --consent allowed \
      --value 55.22 --currency USD

Lines of a file are calls as MarshalCall writes them. With --queue each line
is taken once: the same line again, in another run of the command, is known. A
line that stands in the file twice is two events, unless both carry the same
ID: that is one. A request that was sent and not answered is made again, so its
events can count twice: the tally says how many. Without --queue nothing is
remembered, and such a request is not made again.

The exit code is that of the worst line: 4, 6, 5, 3, 1. The queue had better be
no other program's: the command ends when nothing waits in it.`
}

// Run sends one event or a file of them.
func (c *sendCommand) Run(ctx context.Context, p *program) error {
	if c.File != "" {
		if err := refuseFlags("the lines of --file say it all: leave out", c.oneGiven()); err != nil {
			return err
		}
		return c.many(ctx, p)
	}
	if err := refuseFlags("without --file there is nothing to do for", c.manyGiven()); err != nil {
		return err
	}
	return c.one(ctx, p)
}

// A given is a flag that can be there.
type given struct {
	flag string
	set  bool
}

func refuseFlags(why string, flags []given) error {
	for _, g := range flags {
		if g.set {
			return usageError("%s %s", why, g.flag)
		}
	}
	return nil
}

// oneGiven are the flags of one event that no setting gives.
func (c *sendCommand) oneGiven() []given {
	return []given{
		{"EVENT", c.Event != ""}, {"--psid", c.PSID != ""}, {"--consent", c.Consent != ""}, {"--value", c.Value != nil},
		{"--currency", c.Currency != ""}, {"--param", len(c.Param) > 0}, {"--content", len(c.Content) > 0},
		{"--time", c.Time != ""}, {"--id", c.ID != ""}, {"--custom", c.Custom}, {"--via", c.Via != ""},
		{"--ensure-dataset", c.EnsureDataset}, {"--channel", c.Channel != ""},
	}
}

func (c *sendCommand) manyGiven() []given {
	return []given{{"--queue", c.Queue != ""}, {"--rejects", c.Rejects != ""}, {"--yes", c.Yes}}
}

// one sends one event.
func (c *sendCommand) one(ctx context.Context, p *program) error {
	var missing []string
	for _, g := range []given{
		{"EVENT", c.Event == ""}, {"--page", c.Page == ""}, {"--psid", c.PSID == ""}, {"--consent", c.Consent == ""},
	} {
		if g.set {
			missing = append(missing, g.flag)
		}
	}
	conversions := c.Via == "conversions"
	switch {
	case c.Event == "" && len(missing) >= 3:
		return usageError(`name an event, or a file with --file; see "appevents send --help"`)
	case len(missing) > 0:
		return usageError("missing: %s", strings.Join(missing, ", "))
	case conversions && c.Dataset == "" && !c.EnsureDataset:
		return usageError("--via conversions needs --dataset, or --ensure-dataset to look it up")
	case !conversions && (c.TestEventCode != "" || c.EnsureDataset):
		return usageError("--test-event-code and --ensure-dataset are for --via conversions")
	}
	event, err := c.event()
	if err != nil {
		return err
	}
	call, err := c.call(event)
	if err != nil {
		return callFailure(err)
	}
	for _, w := range call.Warnings() {
		p.note("%s %s: %s", p.state(p.stderr, stateWarn), printable(w.Path), printable(w.Message))
	}
	if c.DryRun {
		return c.dryRun(ctx, p, call)
	}
	s, err := c.client(ctx, p, false, conversions, c.options()...)
	if err != nil {
		return err
	}
	if s.real {
		p.note("to app %s, edge /%s, host %s", printable(s.app), edgeOf(call), printable(s.host))
	}
	if conv, ok := call.(*appevents.ConversionCall); ok && c.EnsureDataset {
		if conv.DatasetID, err = s.EnsureDataset(ctx, appevents.ID(c.Page)); err != nil {
			return callFailure(err)
		}
	}
	if _, err := s.sendCall(ctx, call); err != nil {
		if ctx.Err() != nil && errors.Is(err, appevents.ErrUnknownOutcome) {
			p.note("the event had been sent: it may have been counted")
		}
		return callFailure(err)
	}
	return c.accepted(p, event, call)
}

func (c *sendCommand) options() []appevents.Option {
	if c.TestEventCode == "" {
		return nil
	}
	return []appevents.Option{appevents.WithTestEventCode(c.TestEventCode)}
}

// accepted prints what Graph took.
func (c *sendCommand) accepted(p *program, event appevents.Event, call appevents.Call) error {
	name, conversion := string(event.Name), conversionName(event, c.thread())
	o := object{
		"outcome": "accepted", "event": name, "edge": edgeOf(call), "page": c.Page, "psid": c.PSID,
	}
	if conversion != "" {
		o["conversion"] = conversion
	}
	sent := name
	if conv, ok := call.(*appevents.ConversionCall); ok {
		o["dataset"], sent = string(conv.DatasetID), conversion
		event.ID = conv.Conversions[0].ID
	}
	if event.ID != "" {
		o["id"] = event.ID
	}
	if !event.Time.IsZero() {
		o["time"] = event.Time.UTC().Format(time.RFC3339)
	}
	if event.Value != nil {
		o["value"] = *event.Value
	}
	if event.Params.Currency != "" {
		o["currency"] = event.Params.Currency
	}
	if p.json {
		return p.printJSON(o)
	}
	text := "accepted: " + printable(sent)
	switch {
	case conversion == "" || conversion == name:
	case sent == name:
		text += " (" + conversion + " as a conversion)"
	default:
		text += " (" + printable(name) + " on /activities)"
	}
	if event.Value != nil {
		text += ", " + strconv.FormatFloat(*event.Value, 'f', -1, 64)
		if event.Params.Currency != "" {
			text += " " + event.Params.Currency
		}
	}
	return p.print("%s, on /%s", text, edgeOf(call))
}

// edgeOf is the last part of the path a call goes to.
func edgeOf(call appevents.Call) string {
	switch call.(type) {
	case *appevents.ConversionCall:
		return "events"
	case *appevents.PageActivity: //nolint:staticcheck // stored calls can be for the retired edge
		return "page_activities"
	default:
		return "activities"
	}
}

func (c *sendCommand) thread() appevents.Thread {
	thread := appevents.Thread{PageID: appevents.ID(c.Page), PSID: appevents.ID(c.PSID)}
	if c.Channel == "instagram" {
		thread.Channel = appevents.ChannelInstagram
	}
	return thread
}

// call makes the call that carries an event, and validates it.
func (c *sendCommand) call(event appevents.Event) (appevents.Call, error) {
	if c.Via != "conversions" {
		call := &appevents.Activity{Thread: c.thread(), Consent: c.consent(), Events: []appevents.Event{event}}
		return call, call.Validate()
	}
	if c.Consent == "denied" {
		return nil, &appevents.ValidationError{Issues: []appevents.Issue{{
			Path: "consent", Rule: appevents.RuleConflict,
			Message: "conversions of conversations carry no consent, so a denied one cannot be sent",
		}}}
	}
	conversion, err := event.Conversion(c.thread())
	if err != nil {
		return nil, err
	}
	call := &appevents.ConversionCall{
		DatasetID: appevents.ID(c.Dataset), Conversions: []appevents.Conversion{conversion},
	}
	if c.EnsureDataset {
		call.DatasetID = unknownDataset
	}
	return call, call.Validate()
}

// unknownDataset stands for a dataset that is yet to be looked up.
const unknownDataset = "1"

func (c *sendCommand) consent() appevents.Consent {
	if c.Consent == "denied" {
		return appevents.ConsentDenied
	}
	return appevents.ConsentAllowed
}

// errorText is an error on one line, for a report.
func errorText(err error) string {
	return printable(strings.TrimPrefix(fmt.Sprint(err), "appevents: "))
}
