package main

import (
	"errors"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// commands is the whole command line.
type commands struct {
	JSON  bool   `name:"json" help:"Print JSON: one object, or one a line."`
	Quiet bool   `short:"q" help:"Print no diagnostics but errors."`
	Debug bool   `help:"Print the requests, without credentials, on standard error."`
	Color string `config:"" enum:"auto,always,never" default:"auto" placeholder:"WHEN" help:"auto, always or never."`

	Profile string   `placeholder:"NAME" help:"Take the settings of this profile [$$APPEVENTS_PROFILE]."`
	Help    helpFlag `short:"h" help:"Show help."`

	Emulate emulateCommand `cmd:"" help:"Start the emulator and its page."`
	Run     runCommand     `cmd:"" help:"Run a bot under the emulator; its exit status is ours."`
	Trigger triggerCommand `cmd:"" help:"Send a bot a webhook."`
	Tail    tailCommand    `cmd:"" help:"Follow the calls that a running emulator gets."`
	Wait    waitCommand    `cmd:"" help:"Wait for an event, or for a running emulator to be ready."`

	Listen listenCommand `cmd:"" help:"Take real webhooks: show, record and pass them on."`
	Replay replayCommand `cmd:"" help:"Deliver a session's webhooks again, and compare the events."`

	Send    sendCommand    `cmd:"" help:"Send one event, or a file of stored calls, to Meta."`
	Queue   queueCommand   `cmd:"" help:"Look at a queue, mend what was buried, and deliver what waits."`
	Convert convertCommand `cmd:"" help:"Convert calls to the retired page_activities, with what is lost."`
	Leads   leadsCommand   `cmd:"" help:"Show the leads of ads, and what they cost."`

	Doctor  doctorCommand  `cmd:"" help:"Check token, subscriptions, dataset and webhook, and say what mends them."`
	Events  eventsCommand  `cmd:"" help:"List the standard events: parameters, and where they are accepted."`
	Explain explainCommand `cmd:"" help:"Explain an error code, an event or a webhook field."`
	Sign    signCommand    `cmd:"" help:"Print the signature of a webhook body."`
	Verify  verifyCommand  `cmd:"" help:"Check the signature of a webhook body, and name the mistake in it."`

	Completion completionCommand `cmd:"" help:"Print a completion script for a shell."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

// emulatorAt finds a running emulator.
type emulatorAt struct {
	Emulator string `default:"http://127.0.0.1:8226" placeholder:"URL" setting:"EMULATOR" help:"Address of the running emulator [$$APPEVENTS_EMULATOR, ${default}]."` //nolint:lll // a tag
}

// emulatorFlags are what emulate and run have in common.
type emulatorFlags struct {
	Addr                 string `config:"" default:"127.0.0.1:8226" placeholder:"HOST:PORT" help:"Where to listen; port 0 takes a free one [${default}]."` //nolint:lll // a tag
	AddrFile             string `placeholder:"FILE" help:"Write the address there once it is known."`                                                      //nolint:lll // a tag
	Bot                  string `config:"" placeholder:"URL" help:"Webhook of the bot."`                                                                   //nolint:lll // a tag
	VerifyTokenEnv       string `config:"" placeholder:"NAME" help:"Variable that holds the verify token of the bot, where the emulator's is not used."`   //nolint:lll // a tag
	Session              string `placeholder:"FILE" help:"Keep the state there, and start from it."`                                                       //nolint:lll // a tag
	Max                  int    `config:"" default:"5000" placeholder:"N" help:"Calls to remember [${default}]."`                                          //nolint:lll // a tag
	Seed                 uint64 `config:"" placeholder:"N" help:"Seed of what is random."`                                                                 //nolint:lll // a tag
	AcceptPageActivities bool   `config:"" help:"Take events for /page_activities, as Meta did before it was retired."`                                    //nolint:lll // a tag
	RequireProof         bool   `config:"" help:"Refuse calls without appsecret_proof."`                                                                   //nolint:lll // a tag
	Strict               bool   `config:"" help:"Refuse what Graph is not known to refuse but does not document."`                                         //nolint:lll // a tag
	NoSHA1               bool   `config:"" name:"no-sha1" help:"Send webhooks without the older X-Hub-Signature."`                                         //nolint:lll // a tag
	Offline              bool   `config:"" help:"Refuse the bot every other host."`                                                                        //nolint:lll // a tag
	Open                 bool   `help:"Open the page in the browser."`                                                                                     //nolint:lll // a tag
}

// graphAt says which Graph a command calls.
type graphAt struct {
	BaseURL      string `placeholder:"URL" setting:"BASE_URL" help:"Address of Graph, or of what stands in for it [$$APPEVENTS_BASE_URL, https://graph.facebook.com]."` //nolint:lll // a tag
	GraphVersion string `placeholder:"VERSION" setting:"VERSION" help:"Version of Graph, such as v26.0 [$$APPEVENTS_VERSION, the newest that is known]."`               //nolint:lll // a tag
}

// secretFlags say where the app secret comes from when not from the environment.
type secretFlags struct {
	AppSecretFile string `placeholder:"FILE" help:"Read the app secret from FILE, or - for standard input [$$APPEVENTS_APP_SECRET, $$APP_SECRET; each also as …_FILE]."` //nolint:lll // a tag
}

// tokenFlags say where the access token comes from when not from the environment.
type tokenFlags struct {
	AccessTokenFile string `placeholder:"FILE" help:"Read the access token from FILE, or - for standard input [$$APPEVENTS_ACCESS_TOKEN, $$ACCESS_TOKEN; each also as …_FILE]."` //nolint:lll // a tag
}

// exitCodes end the help text. They are stable.
const exitCodes = `
Exit codes:
  0    done
  1    the answer is no: refused, different, did not happen
  2    wrong usage
  3    not sent: not valid, or nobody was reached
  4    outcome unknown: sent, but there was no answer
  5    throttled
  6    credentials or a permission missing
  130  interrupted
"appevents run" exits with the status of its command.

Settings come from flags, the environment, ./.appevents.json and the user's
~/.config/appevents/config.json, in this order. Credentials come from the
environment, a file or standard input, never from an argument.
`

// helpFlag prints help before anything else is looked at.
type helpFlag bool

var errHelpShown = errors.New("help shown")

// BeforeReset runs before kong complains about what is missing.
func (helpFlag) BeforeReset(ctx *kong.Context) error {
	options := kong.HelpOptions{
		Compact: true, FlagsLast: true, NoExpandSubcommands: true, WrapUpperBound: 80,
		ValueFormatter: kong.DefaultHelpValueFormatter,
	}
	stdout := ctx.Stdout
	var text strings.Builder
	ctx.Stdout = &text
	err := kong.DefaultHelpPrinter(options, ctx)
	ctx.Stdout = stdout
	if err != nil {
		return err
	}
	help := strings.Replace(text.String(), "run <command> ... [flags]", "run [flags] -- COMMAND ARG…", 1)
	help = queueArguments.Replace(help)
	if ctx.Selected() == nil {
		help += exitCodes
	}
	if _, err := io.WriteString(stdout, help); err != nil {
		return err
	}
	return errHelpShown
}
