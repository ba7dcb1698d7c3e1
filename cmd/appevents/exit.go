package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/names"
	"github.com/appevents/appevents-go/internal/redact"
)

// The exit codes, as the help text explains them.
const (
	exitDone        = 0
	exitNo          = 1
	exitUsage       = 2
	exitNotSent     = 3
	exitUnknown     = 4
	exitThrottled   = 5
	exitCredentials = 6
	exitInterrupted = 130
)

// outcomes name the exit codes in JSON.
var outcomes = map[int]string{
	exitNo: "no", exitUsage: "usage", exitNotSent: "not sent", exitUnknown: "unknown",
	exitThrottled: "throttled", exitCredentials: "credentials", exitInterrupted: "interrupted",
}

var errInterrupted = errors.New("interrupted")

// A failure is an error with its exit code. Silent ones have been reported on standard output: they are an answer.
type failure struct {
	code   int
	err    error
	hint   string // what to do
	silent bool
}

func (f *failure) Error() string {
	if f.hint == "" {
		return f.err.Error()
	}
	return f.err.Error() + "; " + f.hint
}

func (f *failure) Unwrap() error { return f.err }

func fail(code int, format string, args ...any) error {
	return &failure{code: code, err: fmt.Errorf(format, args...)}
}

func usageError(format string, args ...any) error { return fail(exitUsage, format, args...) }

// answerNo ends a command whose answer on standard output is no.
func answerNo() error { return &failure{code: exitNo, err: errors.New("no"), silent: true} }

// exitWith ends the program with the status of a command that has spoken for itself.
func exitWith(code int) error {
	if code == exitDone {
		return nil
	}
	return &failure{code: code, err: fmt.Errorf("exit status %d", code), silent: true}
}

// codeOf is the exit code of an error. Those of the SDK follow from their outcome and their sentinels: of several, the
// worst counts.
func codeOf(err error) int {
	if err == nil {
		return exitDone
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	if _, ok := errors.AsType[*appevents.ConfigError](err); ok {
		return exitUsage
	}
	switch outcome := appevents.OutcomeOf(err); {
	case outcome == appevents.OutcomeUnknown, errors.Is(err, appevents.ErrUnknownOutcome):
		return exitUnknown
	case errors.Is(err, appevents.ErrAuth), errors.Is(err, appevents.ErrPermission), errors.Is(err, appevents.ErrNoToken):
		return exitCredentials
	case errors.Is(err, appevents.ErrThrottled):
		return exitThrottled
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case outcome == appevents.OutcomeNotSent:
		return exitNotSent
	default:
		return exitNo
	}
}

// An errorJSON is the error that ends the program, for programs.
type errorJSON struct {
	Outcome string `json:"outcome"` // what became of it: a word for the exit code, or for the call
	Code    int    `json:"code"`    // Graph's, 0 without one
	Subcode int    `json:"subcode"`
	Rule    string `json:"rule"` // that was broken, and
	Path    string `json:"path"` // the field it was
	Message string `json:"message"`
	Hint    string `json:"hint"` // what to do
	Exit    int    `json:"exit"`
}

// describeError fills the members from the typed errors of the SDK.
func (p *program) describeError(err error, exit int) errorJSON {
	e := errorJSON{Outcome: outcomes[exit], Exit: exit, Message: err.Error()}
	if f, ok := errors.AsType[*failure](err); ok {
		e.Message, e.Hint = f.err.Error(), f.hint
	} else if exit != exitInterrupted {
		if outcome := appevents.OutcomeOf(err); outcome != appevents.OutcomeNone {
			e.Outcome = outcome.String()
		}
	}
	if invalid, ok := errors.AsType[*appevents.ValidationError](err); ok && len(invalid.Issues) > 0 {
		e.Rule, e.Path = invalid.Issues[0].Rule, invalid.Issues[0].Path
	}
	if config, ok := errors.AsType[*appevents.ConfigError](err); ok {
		e.Path = config.Field
	}
	if graph, ok := errors.AsType[*appevents.GraphError](err); ok {
		e.Code, e.Subcode = graph.Code, graph.Subcode
		if len(graph.BlameFields) > 0 {
			e.Path = graph.BlameFields[0]
		}
		if e.Hint == "" {
			e.Hint = whatToDo(graph.Code, graph.Subcode)
		}
	}
	e.Message, e.Hint = p.withoutSecrets(e.Message), p.withoutSecrets(e.Hint)
	return e
}

// codeText is a code of Graph's with its subcode, as people look them up.
func codeText(code, subcode int) string {
	if subcode == 0 {
		return strconv.Itoa(code)
	}
	return strconv.Itoa(code) + "/" + strconv.Itoa(subcode)
}

// report writes the error that ends the program, unless it was told on standard output.
func (p *program) report(err error, code int) {
	if f, ok := errors.AsType[*failure](err); ok && f.silent {
		return
	}
	if !p.json {
		text := "appevents: " + p.withoutSecrets(strings.TrimPrefix(err.Error(), "appevents: "))
		for line := range strings.SplitSeq(text, "\n") {
			fmt.Fprintln(p.stderr, printable(line))
		}
		return
	}
	_ = writeJSON(p.stderr, struct {
		Schema int       `json:"schema"`
		Error  errorJSON `json:"error"`
	}{schema, p.describeError(err, code)})
}

// credentialShapes are what nobody should type: other users of the machine see the arguments, and the shell keeps them.
// A token of Facebook starts with EAA, one of Instagram with IGAA or IGQ; an app token is the app ID, a bar and the app
// secret.
var credentialShapes = regexp.MustCompile(
	`(?:\b|_|%[0-9A-Fa-f]{2})(?:EAA|IGAA|IGQ)[0-9A-Za-z]{4,}|[0-9]{3,}(?:\||%7[Cc])[0-9A-Za-z_-]{8,}`)

// holdsCredential reports whether a text has something in it that looks like a token.
func holdsCredential(s string) bool { return credentialShapes.MatchString(s) }

// withoutSecrets takes out of a text what looks like a token, and every credential that was read.
func (p *program) withoutSecrets(s string) string {
	return credentialShapes.ReplaceAllLiteralString(redact.Text(s, p.secrets...), redact.Placeholder)
}

// refuseCredentials refuses arguments with a token in them, without repeating it.
func refuseCredentials(args []string) error {
	for i, arg := range args {
		if holdsCredential(arg) {
			return &failure{
				code: exitUsage,
				err:  fmt.Errorf("argument %d looks like an access token, and others on this machine can read arguments", i+1),
				hint: "put it into the environment (ACCESS_TOKEN), a file (ACCESS_TOKEN_FILE, --access-token-file) or " +
					"standard input (--access-token-file -)",
			}
		}
	}
	return nil
}

// explainUsage words what kong found wrong. It names the nearest command or flag, and repeats nothing that could be a
// secret in the wrong place.
func explainUsage(app *kong.Application, args []string, err error) error {
	node := app.Node
	for _, arg := range args {
		if arg == "--" {
			break
		}
		if child := childOf(node, arg); child != nil {
			node = child
		}
	}
	at := "appevents"
	if node != app.Node {
		at = node.FullPath()
	}
	if f, ok := errors.AsType[*failure](err); ok { // of a setting
		return f
	}
	wrong := func(format string, args ...any) error {
		return &failure{code: exitUsage, err: fmt.Errorf(format, args...), hint: fmt.Sprintf(`see "%s --help"`, at)}
	}

	text := err.Error()
	if given, ok := strings.CutPrefix(text, "unknown flag "); ok {
		given, _, _ = strings.Cut(given, ",")
		given, _, _ = strings.Cut(given, "=")
		return wrong("unknown flag %s%s", word(given), nearest(given, flagsOf(node)))
	}
	if given, ok := strings.CutPrefix(text, "unexpected argument "); ok {
		given, _, _ = strings.Cut(given, ", did you mean")
		if len(node.Children) > 0 {
			return wrong("unknown command %s%s", word(given), nearest(given, commandsOf(node)))
		}
		return wrong("unexpected argument after %s", at)
	}
	return wrong("%s", text)
}

// word is what was typed when it is surely a word.
func word(s string) string {
	if regexp.MustCompile(`^-{0,2}[a-z][a-z-]{0,23}$`).MatchString(s) {
		return `"` + s + `"`
	}
	return "(not repeated here)"
}

// nearest names the candidate that comes closest, as a question.
func nearest(given string, candidates []string) string {
	best, distance := "", len(given)/2+2
	for _, candidate := range candidates {
		d := names.Distance(strings.ToLower(given), candidate)
		if strings.HasPrefix(candidate, given) && len(given) > 1 {
			d = min(d, 1)
		}
		if d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return `: did you mean "` + best + `"?`
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

func commandsOf(node *kong.Node) []string {
	var list []string
	for _, child := range node.Children {
		if !child.Hidden {
			list = append(list, child.Name)
		}
	}
	return list
}

// flagsOf are the flags of a command, with those of the program.
func flagsOf(node *kong.Node) []string {
	var list []string
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			list = append(list, "--"+flag.Name)
		}
	}
	slices.Sort(list)
	return list
}
