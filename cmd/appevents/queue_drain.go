package main

import (
	"context"
	"errors"
)

type queueDrainCommand struct {
	Queue      string `arg:"" optional:"" help:"A file, nats://… or postgres://… [$$APPEVENTS_QUEUE]."`
	AtMostOnce bool   `help:"Bury a call whose outcome is unknown, instead of sending it again."`
	Workers    int    `default:"8" placeholder:"N" help:"Requests under way at a time [${default}]."`
	Progress   string `enum:"auto,bar,lines,none" default:"auto" placeholder:"HOW" help:"auto, bar, lines or none."`
	Yes        bool   `short:"y" help:"Send to Meta without a terminal."`
	metaFlags
}

// Help is what the help text says beyond the flags.
func (*queueDrainCommand) Help() string {
	return `It sends what waits in the queue to Meta, or to what --base-url names, as a bot
would, and ends when nothing waits, or when only a person can help: a dead
token, a missing permission, a lane that somebody paused. What is refused for
good is buried. A request that was sent and not answered is made again, so its
events can count twice: the tally says how many, and --at-most-once buries such
calls instead.

Interrupted, it finishes the requests under way; the rest stays in the queue.
The exit code is that of the worst call: 4, 6, 5, 3, 1.`
}

// Run delivers what waits in a queue.
func (c *queueDrainCommand) Run(ctx context.Context, p *program) error {
	if c.Workers < 1 || c.Workers > 1024 {
		return usageError("--workers must be between 1 and 1024")
	}
	name, err := p.queueName(c.Queue)
	if err != nil {
		return err
	}
	if isBot(name) {
		return &failure{
			code: exitUsage, err: errors.New("a bot that runs delivers its queue itself"),
			hint: `"appevents queue resubmit" gives it the buried calls again`,
		}
	}
	s := &stream{
		p: p, incoming: make(chan []line), drains: true, once: c.AtMostOnce,
		command: &sendCommand{Queue: name, Workers: c.Workers},
	}
	close(s.incoming)
	if s.sender, err = c.client(ctx, p, false, false); err != nil {
		return err
	}
	if s.real {
		if !c.Yes && !isTerminal(p.stderr) {
			return usageError("what waits in the queue would go to %s: give --yes to send it without a terminal",
				printable(s.host))
		}
		p.note("to app %s, the edges that the calls name, host %s", printable(s.app), printable(s.host))
	}
	s.progress = p.newProgress(c.Progress)
	err = s.queued(ctx, nil)
	s.progress.end()
	if err != nil {
		return err
	}
	return s.finish(ctx)
}
