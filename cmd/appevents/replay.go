package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/files"
	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
)

type replayCommand struct {
	emulatorAt
	secretFlags

	Session    string        `arg:"" help:"Session file, or - for standard input: from listen --record, or exported by the emulator."` //nolint:lll // a tag
	To         string        `placeholder:"URL" help:"Sign here and deliver there, rather than through the emulator."`
	Speed      float64       `default:"0" placeholder:"N" help:"1: as it was; 10: ten times as fast; 0: as fast as the bot answers [${default}]."` //nolint:lll // a tag
	Check      bool          `help:"Compare the events the bot logs with those of the session."`
	Update     bool          `help:"Write the events the bot logs into the session file."`
	Wait       time.Duration `default:"10s" placeholder:"TIME" help:"How long to wait for the events of the session [${default}]."`                          //nolint:lll // a tag
	Settle     time.Duration `default:"500ms" placeholder:"TIME" help:"A bot that makes no call for so long has finished [${default}]."`                     //nolint:lll // a tag
	AsRecorded bool          `help:"Send the bytes as recorded. Message IDs and times are made new otherwise, as bots know the old ones."`                   //nolint:lll // a tag
	As         string        `enum:"go,curl," default:"" placeholder:"FORM" help:"Print the session as a Go test (go) or commands (curl); deliver nothing."` //nolint:lll // a tag
}

// Help says what the flags cannot.
func (replayCommand) Help() string {
	return "The emulator of $APPEVENTS_EMULATOR delivers the webhooks to its bot, and its record says which events the " +
		"bot logs. With --to, the bot has to send its calls to that emulator for --check and --update.\n\n" +
		"Webhooks of one conversation follow each other: the next one is delivered when the bot has answered and logged " +
		"as many events as the session has, or --wait is over. At the end the bot has finished once no call came for " +
		"--settle. --check prints what differs, in order for each person: names, values, currencies, and what Graph " +
		"refused. Start the bot anew before: what it remembers counts."
}

// conversations is how many are held at the same time.
const conversations = 8

// Run delivers a session. The answer is yes when each webhook was answered as it has to be and, with --check, the
// events are those of the session.
func (c *replayCommand) Run(ctx context.Context, p *program) error {
	switch {
	case c.Speed < 0 || math.IsNaN(c.Speed):
		return usageError("--speed must not be negative")
	case c.Update && c.Session == "-":
		return usageError("--update needs a file to write to")
	case c.Wait < 0 || c.Settle < 0:
		return usageError("--wait and --settle must not be negative")
	case c.To == "" && c.AppSecretFile != "":
		return usageError("--app-secret-file goes with --to: the emulator signs with its own secret")
	}
	if _, ok := webURL(c.To); c.To != "" && !ok {
		return usageError("--to must be the http or https URL of a webhook")
	}
	list, err := p.readSession(c.Session)
	if err != nil {
		return err
	}
	switch c.As {
	case "go":
		return session.WriteGo(p.stdout, list)
	case "curl":
		return session.WriteCurl(p.stdout, list)
	}
	if c.Check && !slices.ContainsFunc(list, func(w session.Webhook) bool { return w.Calls != nil }) {
		return fail(exitNo, "the session does not say which events its bot logged; --update writes them")
	}
	r := &replay{p: p, command: c, list: list, results: make([]delivered, len(list))}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	err = r.deliver(ctx)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	allTaken := r.tally()
	if err != nil {
		return err
	}
	if r.record != nil {
		if err := r.record.finish(ctx, c.Wait, c.Settle); err != nil {
			return err
		}
		if err := c.judge(p, list, r.outcome(), allTaken); err != nil {
			return err
		}
	}
	if !allTaken {
		return answerNo()
	}
	return nil
}

// judge compares and updates.
func (c *replayCommand) judge(p *program, then, now []session.Webhook, whole bool) error {
	var differences []session.Difference
	if c.Check {
		differences = session.Compare(then, now)
		var err error
		switch {
		case p.json:
			err = p.printJSON(object{"check": object{"same": len(differences) == 0, "differences": notNil(differences)}})
		case len(differences) > 0:
			err = session.WriteDiff(p.stdout, c.Session, then, differences, printable)
		default:
			n := 0
			for i := range then {
				n += len(then[i].Events())
			}
			err = p.print("the same %s", counted(int64(n), "event"))
		}
		if err != nil {
			return err
		}
	}
	if c.Update && !whole {
		return fail(exitNo, "--update: nothing is written, as the bot did not take every webhook")
	}
	if c.Update {
		var b bytes.Buffer
		if err := session.Write(&b, now); err != nil {
			return err
		}
		if err := files.Replace(c.Session, b.Bytes()); err != nil {
			return fail(exitNo, "--update: %w", err)
		}
		p.note("%s: written anew", printable(c.Session))
		return nil
	}
	if len(differences) > 0 {
		return answerNo()
	}
	return nil
}

// readSession reads a session file.
func (p *program) readSession(name string) ([]session.Webhook, error) {
	source := p.stdin
	if name == "-" {
		if err := p.takeInput("the session"); err != nil {
			return nil, err
		}
	} else {
		file, err := os.Open(name) //nolint:gosec // the user names it
		if err != nil {
			return nil, usageError("%w", err)
		}
		defer file.Close()
		source = file
	}
	list, cutOff, err := session.Read(source)
	if err != nil {
		return nil, fail(exitNo, "%s: %s", name, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if cutOff > 0 {
		p.note("%s %s: line %d was cut off and is left out", p.state(p.stderr, stateWarn), name, cutOff)
	}
	if len(list) == 0 {
		return nil, fail(exitNo, "%s holds no webhook", name)
	}
	return list, nil
}
