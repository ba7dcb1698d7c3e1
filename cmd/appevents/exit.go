package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/appevents/appevents-go/internal/names"
)

// The exit codes, as the help text explains them.
const (
	exitDone        = 0
	exitNo          = 1
	exitUsage       = 2
	exitNotSent     = 3
	exitUnknown     = 4
	exitCredentials = 6
	exitInterrupted = 130
)

// outcomes name the exit codes in JSON.
var outcomes = map[int]string{
	exitNo: "no", exitUsage: "usage", exitNotSent: "not sent", exitUnknown: "unknown",
	exitCredentials: "credentials", exitInterrupted: "interrupted",
}

var errInterrupted = errors.New("interrupted")

// A failure is an error with its exit code. Silent ones have been reported on standard output: they are an answer.
type failure struct {
	code   int
	err    error
	silent bool
}

func (f *failure) Error() string { return f.err.Error() }
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

func codeOf(err error) int {
	var f *failure
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &f):
		return f.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	default:
		return exitNo
	}
}

// credentialShapes are what nobody should type: other users of the machine see the arguments, and the shell keeps them.
// A token of Meta starts with EAA, an app token is the app ID, a bar and the app secret.
var credentialShapes = regexp.MustCompile(`\bEAA[0-9A-Za-z]{4,}|\b[0-9]{3,}(\||%7[Cc])[0-9A-Za-z_-]{8,}`)

// refuseCredentials refuses arguments with a token in them, without repeating it.
func refuseCredentials(args []string) error {
	for i, arg := range args {
		if credentialShapes.MatchString(arg) {
			return usageError("argument %d looks like an access token. Others on this machine can read arguments: "+
				"put it into the environment (ACCESS_TOKEN), a file (ACCESS_TOKEN_FILE) or standard input", i+1)
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
		at += " " + node.Name
	}
	more := fmt.Sprintf(`; see "%s --help"`, at)

	text := err.Error()
	if given, ok := strings.CutPrefix(text, "unknown flag "); ok {
		given, _, _ = strings.Cut(given, ",")
		given, _, _ = strings.Cut(given, "=")
		return usageError("unknown flag %s%s%s", word(given), nearest(given, flagsOf(node)), more)
	}
	if given, ok := strings.CutPrefix(text, "unexpected argument "); ok {
		given, _, _ = strings.Cut(given, ", did you mean")
		if node == app.Node {
			return usageError("unknown command %s%s%s", word(given), nearest(given, commandsOf(node)), more)
		}
		return usageError("unexpected argument after %s%s", at, more)
	}
	return usageError("%s%s", text, more)
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
