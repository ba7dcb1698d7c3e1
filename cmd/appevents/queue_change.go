package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// changeFlags are what resubmit and discard have in common.
type changeFlags struct {
	Args []string `arg:"" optional:"" name:"id queue" help:"IDs of calls, as \"queue buried\" lists them, and the queue."`
	choiceFlags
	All bool `help:"All that --reason and --lane choose; all there are without these."`
	Yes bool `short:"y" help:"Do not ask."`
	inspectFlags
}

type queueResubmitCommand struct {
	changeFlags
}

// Help is what the help text says beyond the flags.
func (*queueResubmitCommand) Help() string {
	return `A call that is put back is as good as new: its attempts are forgotten. One that
cannot be read, or is not valid any more, stays. A bot delivers it at once; what
is in a file, when its process runs, or with "queue drain".

  appevents queue resubmit 17 18 queue.db
  appevents queue resubmit --reason refused --all http://bot:8081/-/queue

Calls whose outcome is unknown may have been counted: with --all they need --yes
or a person's answer.`
}

// Run puts buried calls back.
func (c *queueResubmitCommand) Run(ctx context.Context, p *program) error {
	return c.run(ctx, p, verbResubmit)
}

type queueDiscardCommand struct {
	changeFlags
}

// Help is what the help text says beyond the flags.
func (*queueDiscardCommand) Help() string {
	return `What is discarded is lost: "queue export" keeps a copy. It needs --yes, or a
person's answer at the terminal.

  appevents queue discard 17 18 queue.db
  appevents queue discard --reason expired --all --yes queue.db`
}

// Run removes buried calls.
func (c *queueDiscardCommand) Run(ctx context.Context, p *program) error {
	return c.run(ctx, p, verbDiscard)
}

func (c *changeFlags) run(ctx context.Context, p *program, verb changeVerb) (err error) {
	ids, name, err := splitIDs(c.Args)
	if err != nil {
		return err
	}
	chosen, err := c.choice()
	switch {
	case err != nil:
		return err
	case c.All && len(ids) > 0:
		return usageError("name IDs, or give --all: not both")
	case len(ids) > 0 && chosen != (choice{}):
		return usageError("--reason and --lane go with --all, not with IDs")
	case len(ids) == 0 && !c.All:
		return usageError("name the IDs of calls, or give --all, with --reason and --lane to choose")
	}
	q, err := p.openQueue(ctx, name, c.inspectFlags)
	if err != nil {
		return err
	}
	defer closeQueue(q, &err)
	if err := c.ask(ctx, p, q, verb, ids, chosen); err != nil {
		return err
	}
	result, err := q.change(ctx, verb, ids, chosen)
	return p.tellChange(q, verb, len(ids) > 0, result, err)
}

// ask asks a person where something is lost, or may be counted twice.
func (c *changeFlags) ask(
	ctx context.Context, p *program, q queueView, verb changeVerb, ids []string, chosen choice,
) error {
	if b, ok := q.(*botQueue); ok { // before a person is asked, or the bot
		if _, err := b.needToken(); err != nil {
			return err
		}
	}
	if c.Yes || verb == verbResubmit && len(ids) > 0 {
		return nil
	}
	n := int64(len(ids))
	if n == 0 {
		counts, err := q.reasons(ctx, chosen)
		if err != nil {
			return err
		}
		for _, count := range counts {
			n += count
		}
		if verb == verbResubmit {
			if n = counts[delivery.ReasonUnknown]; n > 0 {
				return p.agree(ctx, fmt.Sprintf("send %s again whose outcome is unknown: their events may count twice",
					counted(n, "call")))
			}
			return nil
		}
	}
	if n == 0 {
		return nil
	}
	return p.agree(ctx, fmt.Sprintf("remove %s%s from the queue %s for good", counted(n, "buried call"), chosen,
		printable(q.label())))
}

var verbDone = map[changeVerb]string{verbResubmit: "resubmitted", verbDiscard: "discarded"}

// tellChange says what became of buried calls, also when it ended half way with an error.
func (p *program) tellChange(q queueView, verb changeVerb, byID bool, result changed, err error) error {
	if err != nil && result.done == 0 {
		return err
	}
	left := result.left + int64(len(result.stayed))
	missing := int64(len(result.missing)) + max(0, result.gone)
	for _, id := range result.missing {
		p.note("%s: there is no such buried call", id)
	}
	for i, id := range result.stayed {
		p.note("%s stays buried: %s", id, p.withoutSecrets(printable(result.why[i])))
	}
	if !byID && left > 0 {
		p.note("%s buried: they cannot be read, are not valid any more, or somebody else was quicker",
			stays(left))
	}
	if p.json {
		o := object{"queue": q.label(), verbDone[verb]: result.done, "stayed": left, "missing": missing}
		if byID {
			o["stayed_ids"], o["missing_ids"] = notNil(result.stayed), notNil(result.missing)
		}
		if printed := p.printJSON(o); printed != nil {
			return errors.Join(printed, err)
		}
	} else if printed := p.print("%s %s", counted(result.done, "call"), verbDone[verb]); printed != nil {
		return errors.Join(printed, err)
	}
	if err == nil && (left > 0 || missing > 0) {
		return answerNo()
	}
	return err
}

func stays(n int64) string {
	if n == 1 {
		return "1 call stays"
	}
	return grouped(n) + " calls stay"
}

type queuePauseCommand struct {
	Args []string      `arg:"" name:"lane queue" help:"Lanes, such as activities/901 or activities for all of the edge, and the queue."` //nolint:lll // a tag
	For  time.Duration `placeholder:"TIME" help:"How long, such as 90m [until resumed; NATS keeps a pause for eight days]."`             //nolint:lll // a tag
	Note string        `placeholder:"TEXT" help:"Why: queue stats shows it."`
	inspectFlags
}

// Run pauses lanes.
func (c *queuePauseCommand) Run(ctx context.Context, p *program) error {
	switch {
	case c.For < 0:
		return usageError("--for must not be negative")
	case len(c.Note) > 500:
		return usageError("--note must not exceed 500 bytes")
	case holdsCredential(c.Note):
		return usageError("--note looks like a credential")
	}
	var until time.Time
	if c.For > 0 {
		until = time.Now().Add(c.For)
	}
	return eachLane(ctx, p, c.Args, c.inspectFlags, func(q queueView, lane string) error {
		if err := q.pause(ctx, lane, until, c.Note); err != nil {
			return err
		}
		lanes, err := q.lanes(ctx) // some engines keep a pause for some days only
		if err != nil {
			return err
		}
		until := until
		for i := range lanes {
			if lanes[i].Lane == lane && lanes[i].State == delivery.LanePaused {
				until = lanes[i].Until
			}
		}
		if p.json {
			o := object{"queue": q.label(), "lane": lane, "paused": true}
			if !endless(until) {
				o["until"] = stamp(until)
			}
			return p.printJSON(o)
		}
		if endless(until) {
			return p.print("%s paused until it is resumed", lane)
		}
		return p.print("%s paused until %s", lane, stamp(until))
	})
}

// endless reports whether a pause lasts until somebody ends it.
func endless(until time.Time) bool { return until.IsZero() || time.Until(until) > 50*365*24*time.Hour }

type queueResumeCommand struct {
	Args []string `arg:"" name:"lane queue" help:"Lanes that were paused, and the queue."`
	inspectFlags
}

// Run ends the pauses of lanes.
func (c *queueResumeCommand) Run(ctx context.Context, p *program) error {
	return eachLane(ctx, p, c.Args, c.inspectFlags, func(q queueView, lane string) error {
		if err := q.resume(ctx, lane); err != nil {
			return err
		}
		if p.json {
			return p.printJSON(object{"queue": q.label(), "lane": lane, "paused": false})
		}
		return p.print("%s resumed", lane)
	})
}

// eachLane does something with each lane of the arguments, which are lanes and one queue.
func eachLane(
	ctx context.Context, p *program, args []string, flags inspectFlags, do func(q queueView, lane string) error,
) (err error) {
	var lanes []string
	name := ""
	for _, arg := range args {
		switch {
		case laneNames.MatchString(arg):
			lanes = append(lanes, arg)
		case name != "":
			return usageError("name one queue: all other arguments must be lanes, such as activities/901")
		default:
			name = arg
		}
	}
	if len(lanes) == 0 {
		return usageError("name a lane, such as activities, activities/901 or events/5501")
	}
	q, err := p.openQueue(ctx, name, flags)
	if err != nil {
		return err
	}
	defer closeQueue(q, &err)
	for _, lane := range lanes {
		if err := do(q, lane); err != nil {
			return err
		}
	}
	return nil
}
