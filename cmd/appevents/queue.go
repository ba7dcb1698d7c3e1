package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/appevents/appevents-go/delivery"
)

type queueCommand struct {
	Stats    queueStatsCommand    `cmd:"" help:"Show the figures, the lanes, and why calls were buried."`
	Buried   queueBuriedCommand   `cmd:"" help:"List the calls that were buried."`
	Show     queueShowCommand     `cmd:"" help:"Show one buried call whole."`
	Resubmit queueResubmitCommand `cmd:"" help:"Put buried calls back, to be delivered."`
	Discard  queueDiscardCommand  `cmd:"" help:"Remove buried calls for good."`
	Drain    queueDrainCommand    `cmd:"" help:"Deliver what waits in a queue, until nothing does."`
	Export   queueExportCommand   `cmd:"" help:"Write the buried calls as lines that send --file takes."`
	Pause    queuePauseCommand    `cmd:"" help:"Keep the calls of lanes from being sent."`
	Resume   queueResumeCommand   `cmd:"" help:"End the pause of lanes."`
}

// Help is what the help text says beyond the commands.
func (*queueCommand) Help() string {
	return `QUEUE is one of

  FILE                             a queue in a file that no process has open
  nats://HOST[,HOST...][/STREAM]   a stream, APPEVENTS unless named
  postgres://USER@HOST/DATABASE    tables; ?appevents_schema=NAME for others
  http://HOST:PORT/-/queue         a bot that runs with delivery/inspect

and $APPEVENTS_QUEUE where none is given: the place for an address with a
password in it. A file belongs to the process that has it open: ask that one by
its address. The commands take a queue as they find it: no buried call is
dropped for its age because they looked.

A bot takes changes, and shows calls whole, for its token: INSPECT_TOKEN in the
environment, or a file. Nothing personal is shown but by show and export: the
Page-scoped ID of the person and what the events say. E-mail addresses, phone
numbers and the like are stored as hashes.

Exit codes: 1 no such call, or one that had to stay; 3 the queue was not
reached; 4 a bot was told to change something and did not answer; 6 it did not
accept the token.`
}

// queueArguments word in help texts what kong cannot: several arguments in front of the last one.
var queueArguments = strings.NewReplacer(
	"  [<id queue> ...]    ", "  [ID…] QUEUE         ", "[<id queue> ...]", "[ID…] QUEUE",
	"  <id queue> ...    ", "  ID QUEUE          ", "<id queue> ...", "ID QUEUE",
	"  <lane queue> ...    ", "  LANE… QUEUE         ", "<lane queue> ...", "LANE… QUEUE",
)

// queueTarget is the queue that a command is about.
type queueTarget struct {
	Queue string `arg:"" optional:"" help:"A file, nats://…, postgres://… or http://… of a bot [$$APPEVENTS_QUEUE]."` //nolint:lll // a tag
	inspectFlags
}

// inspectFlags say where the token of a running bot comes from when not from the environment.
type inspectFlags struct {
	InspectTokenFile string `placeholder:"FILE" help:"Read the token of a bot that runs from FILE, or - for standard input [$$APPEVENTS_INSPECT_TOKEN, $$INSPECT_TOKEN; each also as …_FILE]."` //nolint:lll // a tag
}

// choiceFlags choose buried calls.
type choiceFlags struct {
	Reason string `placeholder:"WHY" help:"Those that were buried for this: refused, expired, unknown, panicked or unreadable."` //nolint:lll // a tag
	Lane   string `placeholder:"LANE" help:"Those of this lane and the ones below it, such as activities or activities/901."`    //nolint:lll // a tag
}

// A choice says which buried calls are meant. The zero choice means all.
type choice struct {
	reason delivery.Reason
	lane   string
}

func (c choice) matches(reason delivery.Reason, lane string) bool {
	return (c.reason == "" || c.reason == reason) &&
		(c.lane == "" || lane == c.lane || strings.HasPrefix(lane, c.lane+"/"))
}

// laneNames are the names of lanes.
var laneNames = regexp.MustCompile(`^(activities/app|(activities|page_activities|events)(/[0-9]{1,32})?)$`)

// choice refuses what can match nothing.
func (f *choiceFlags) choice() (choice, error) {
	c := choice{reason: delivery.Reason(f.Reason), lane: f.Lane}
	if f.Reason == "unknown" {
		c.reason = delivery.ReasonUnknown
	}
	if f.Reason != "" && !slices.Contains([]delivery.Reason{
		delivery.ReasonRefused, delivery.ReasonExpired, delivery.ReasonUnknown, delivery.ReasonPanicked,
		delivery.ReasonUnreadable,
	}, c.reason) {
		return c, usageError("--reason must be refused, expired, unknown, panicked or unreadable")
	}
	if f.Lane != "" && !laneNames.MatchString(f.Lane) {
		return c, usageError("--lane must look like activities, activities/901, activities/app, page_activities/901 " +
			"or events/5501")
	}
	return c, nil
}

// String is a choice for a person, in brackets; "" for all.
func (c choice) String() string {
	var parts []string
	if c.reason != "" {
		parts = append(parts, string(c.reason))
	}
	if c.lane != "" {
		parts = append(parts, c.lane)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// isBot reports whether the name of a queue is the address of a bot.
func isBot(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// queueName is the queue of a command.
func (p *program) queueName(given string) (string, error) {
	if given == "" {
		given = p.getenv("APPEVENTS_QUEUE")
	}
	switch _, err := os.Stat(given); {
	case given == "":
		return "", &failure{
			code: exitUsage, err: errors.New("which queue?"),
			hint: "name a file, nats://…, postgres://… or the address of a bot, or set APPEVENTS_QUEUE",
		}
	case strings.Contains(given, "password=") && !strings.Contains(given, "://") && errors.Is(err, fs.ErrNotExist):
		return "", usageError("the queue must look like postgres://USER@HOST:5432/DATABASE")
	}
	p.keepPasswords(given)
	return given, nil
}

var userInfo = regexp.MustCompile(`(?:://|,)([^/@,]+)@`)

// keepPasswords has the passwords in the URL of a queue taken out of everything that is printed.
func (p *program) keepPasswords(name string) {
	if !strings.Contains(name, "://") {
		return
	}
	scheme, _, _ := strings.Cut(strings.ToLower(name), "://")
	for _, found := range userInfo.FindAllStringSubmatch(name, -1) {
		user, password, ok := strings.Cut(found[1], ":")
		if !ok && (scheme == "nats" || scheme == "tls") {
			password = user // a token
		}
		if password == "" {
			continue
		}
		p.keepSecret(password)
		if plain, err := url.PathUnescape(password); err == nil && plain != password {
			p.keepSecret(plain)
		}
	}
	if _, query, ok := strings.Cut(name, "?"); ok {
		if values, err := url.ParseQuery(query); err == nil && values.Get("password") != "" {
			p.keepSecret(values.Get("password"))
		}
	}
}

// openQueue opens the queue that a command names, to look at it and to mend it.
func (p *program) openQueue(ctx context.Context, given string, flags inspectFlags) (queueView, error) {
	name, err := p.queueName(given)
	if err != nil {
		return nil, err
	}
	if isBot(name) {
		return p.openBot(name, flags)
	}
	if flags.InspectTokenFile != "" {
		return nil, usageError("--inspect-token-file is for a bot that runs: http://HOST:PORT/-/queue")
	}
	return p.openStored(ctx, name)
}

// splitIDs tells the IDs of calls from the queue: it is the one argument that is no number.
func splitIDs(args []string) (ids []string, queue string, err error) {
	seen := make(map[string]bool)
	for _, arg := range args {
		switch {
		case strings.Trim(arg, "0123456789") == "" && arg != "":
			if id := strings.TrimLeft(arg, "0"); !seen[id] && id != "" {
				seen[id] = true
				ids = append(ids, id)
			} else if id == "" {
				return nil, "", usageError("no call has the ID 0: IDs are those that \"appevents queue buried\" lists")
			}
		case queue != "":
			return nil, "", usageError("name one queue: all other arguments must be IDs, which are digits")
		default:
			queue = arg
		}
	}
	return ids, queue, nil
}

// gatherArguments puts the arguments of a queue command behind its flags: kong ends a list of them at a flag.
func gatherArguments(app *kong.Application, args []string) []string {
	node := app.Node
	var front, behind []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		child := childOf(node, arg)
		switch {
		case arg == "--":
			behind = append(behind, args[i:]...)
			i = len(args)
		case strings.HasPrefix(arg, "-") && arg != "-":
			front = append(front, arg)
			if takesValue(node, arg) && i+1 < len(args) {
				i++
				front = append(front, args[i])
			}
		case child != nil:
			node = child
			front = append(front, arg)
		default:
			behind = append(behind, arg)
		}
		if node != app.Node && node.Name != "queue" && (node.Parent == nil || node.Parent.Name != "queue") {
			return args
		}
	}
	return append(front, behind...)
}

// takesValue reports whether the next argument belongs to a flag.
func takesValue(node *kong.Node, arg string) bool {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if arg == "--"+flag.Name || flag.Short != 0 && arg == "-"+string(flag.Short) {
				return !flag.IsBool()
			}
		}
	}
	return false
}

// agree asks a person whether something is to be done. Without a terminal nobody is asked, and it is not.
func (p *program) agree(ctx context.Context, what string) error {
	if !isTerminal(p.stdin) || !isTerminal(p.stderr) || p.inputFor != "" {
		return &failure{
			code: exitUsage, err: fmt.Errorf("this would %s", what),
			hint: "give --yes to do it without a terminal",
		}
	}
	fmt.Fprintf(p.stderr, "This will %s. Go on? [y/N] ", what)
	typed := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(p.stdin).ReadString('\n')
		typed <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(p.stderr)
		return ctx.Err()
	case answer := <-typed:
		if answer == "y" || answer == "yes" {
			return nil
		}
		return fail(exitNo, "nothing was done")
	}
}
