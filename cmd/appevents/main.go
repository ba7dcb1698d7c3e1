// Appevents runs a Messenger bot against an emulator of Meta on this machine, sends events, tends queues, records and
// replays conversations, and answers the questions that come up: why nothing arrives, why a signature does not match,
// what an error code means, where an event is accepted.
//
//	appevents run -- npm start
//
// "appevents --help" lists the commands and the exit codes.
//
// # Settings
//
// A setting comes from the first of these that has it: the flag, the variable APPEVENTS_ and its name, .appevents.json
// in the working directory, the user's file $XDG_CONFIG_HOME/appevents/config.json (or in ~/.config; in %AppData% on
// Windows), the default. Both files are JSON objects with the same keys:
//
//	{
//	  "base_url": "https://graph.facebook.com", "version": "v26.0", "page": "107001112223334", "dataset": "1234567890",
//	  "emulator": "http://127.0.0.1:8226", "app_id": "1517776481860111", "color": "auto",
//	  "profile": "staging",
//	  "profiles": {
//	    "staging": {"page": "107001112223335", "access_token_command": ["pass", "show", "meta/staging"]}
//	  }
//	}
//
// Flags of the emulator are keys too: addr, bot, max, seed, offline and the like. In each file the chosen profile goes
// before the rest; --profile or APPEVENTS_PROFILE chooses it. access_token_command, a program that prints the access
// token, is taken from the user's file alone, and a project's file can send calls only to this machine or to Meta.
//
// # Credentials
//
// They are APPEVENTS_APP_ID, _APP_SECRET, _ACCESS_TOKEN and _VERIFY_TOKEN, each also as a file (_FILE) and without the
// prefix; or --app-secret-file and --access-token-file, where - is standard input. On a terminal the tool asks. It
// takes none from an argument or a configuration file.
package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

func main() {
	os.Exit(start(&program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), alone: true,
	}))
}

// start runs the program until it ends or is told to.
func start(p *program) int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it; else the terminal has gone, and there is something to save
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once, but for a stage, which is tidied up
	defer stop()
	p.signals = signals
	return p.run(ctx, os.Args[1:])
}

// A program is what the commands share with the process, so that a test can stand in for it.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string

	dir      string                     // where the project's configuration is looked for; "" is the working directory
	patience time.Duration              // for a bot to listen and be confirmed, before something is said; 0 = 5 s
	grace    time.Duration              // for a child to end, or requests to be answered, once we stop; 0 = 5 s
	graph    http.RoundTripper          // where requests to Graph go; nil = the SDK's own
	alone    bool                       // nothing else in this process starts programs: all below it are the bot's
	signals  []os.Signal                // that end the program; nil in a test
	pause    func(context.Context) bool // between attempts to reach an emulator; nil for a short one
	ctx      context.Context            //nolint:containedctx // that of the run, which ends a prompt
	config   *settings
	secrets  []string // credentials that were read, to take out of texts

	retryPause time.Duration // before listen tries a target again; 0 = 1 s, doubled each time

	json, quiet, debug bool
	colour             string // always, never or auto
	inputFor           string // what standard input has been read as
}

// run is the whole program. It returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	// Before anything is parsed, so that a failure there is reported the same way.
	p.json = asksForJSON(args)
	code, err := p.execute(ctx, args)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		code, err = exitInterrupted, errInterrupted
	}
	if err != nil {
		p.report(err, code)
	}
	return code
}

func (p *program) execute(ctx context.Context, args []string) (int, error) {
	if err := refuseCredentials(args); err != nil {
		return exitUsage, err
	}
	p.ctx = ctx
	var tree commands
	parser, err := newParser(&tree, p)
	if err != nil {
		return exitNo, err
	}
	if len(args) == 0 {
		return exitUsage, usageError(`a command is needed; "appevents --help" lists them`)
	}
	configErr := p.config.load(parser.Model, valueOf(args, "--profile"))
	parsed, err := parser.Parse(gatherArguments(parser.Model, args))
	switch {
	case errors.Is(err, errHelpShown):
		return exitDone, nil
	case configErr != nil:
		return exitUsage, configErr
	case err != nil:
		return exitUsage, explainUsage(parser.Model, args, err)
	}
	p.json, p.quiet, p.debug, p.colour = tree.JSON, tree.Quiet, tree.Debug, tree.Color
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(p)
	return codeOf(err), err
}

func newParser(tree *commands, p *program) (*kong.Kong, error) {
	p.config = &settings{program: p}
	return kong.New(tree,
		kong.Name("appevents"),
		kong.Description("Run any Messenger bot against an emulator of Meta, send events, tend queues, "+
			"and find out why nothing arrives."),
		kong.Writers(p.stdout, p.stderr),
		kong.NoDefaultHelp(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 80}),
		kong.Resolvers(p.config),
	)
}
