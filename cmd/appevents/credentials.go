package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// maxSecret bounds what is read as a credential.
const maxSecret = 64 << 10

// getenv looks a variable up in the environment the program was started with.
func (p *program) getenv(name string) string {
	value := ""
	for _, entry := range p.environ { // the last one counts, as in a shell
		if rest, ok := strings.CutPrefix(entry, name+"="); ok {
			value = rest
		}
	}
	return value
}

// settings gives flags with a setting tag their value from the environment: APPEVENTS_ and the tag.
func (p *program) settings() kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		name := flag.Tag.Get("setting")
		if name == "" {
			return nil, nil
		}
		if value := p.getenv("APPEVENTS_" + name); value != "" {
			return value, nil
		}
		return nil, nil
	})
}

// A credential is a secret with the name of its source, which may be printed.
type credential struct {
	value, source string
}

// credential finds one by its name in the environment: APPEVENTS_APP_SECRET, APPEVENTS_APP_SECRET_FILE, APP_SECRET,
// APP_SECRET_FILE. It is the zero credential when there is none.
func (p *program) credential(name string) (credential, error) {
	for _, variable := range []string{"APPEVENTS_" + name, name} {
		if value := p.getenv(variable); value != "" {
			return credential{value, variable}, nil
		}
		if file := p.getenv(variable + "_FILE"); file != "" {
			value, err := p.readSecret(file)
			if err != nil {
				return credential{}, fail(exitCredentials, "%s_FILE: %w", variable, err)
			}
			return credential{value, variable + "_FILE"}, nil
		}
	}
	return credential{}, nil
}

// appSecret returns the app secret: from --app-secret-file, the environment, or a person at the terminal. body is the
// file that the command reads, which cannot be standard input twice.
func (p *program) appSecret(flags secretFlags, body string) (credential, error) {
	if flags.AppSecretFile != "" {
		if flags.AppSecretFile == "-" && (body == "-" || body == "") {
			return credential{}, usageError("--app-secret-file and the body cannot both come from standard input: " +
				"name one of them with a file")
		}
		value, err := p.readSecret(flags.AppSecretFile)
		if err != nil {
			return credential{}, fail(exitCredentials, "--app-secret-file: %w", err)
		}
		return credential{value, "--app-secret-file"}, nil
	}
	secret, err := p.credential("APP_SECRET")
	if err != nil || secret.value != "" {
		return secret, err
	}
	if value, ok := p.ask("App secret: "); ok {
		return credential{value, "the terminal"}, nil
	}
	return credential{}, fail(exitCredentials, "no app secret: set APPEVENTS_APP_SECRET or APP_SECRET, "+
		"or give --app-secret-file")
}

// readSecret reads a credential from a file, or from standard input for "-". The newline that editors add is not part
// of it.
func (p *program) readSecret(file string) (string, error) {
	source := p.stdin
	if file != "-" {
		opened, err := os.Open(file) //nolint:gosec // the user names it
		if err != nil {
			return "", err
		}
		defer opened.Close()
		source = opened
	}
	data, err := io.ReadAll(io.LimitReader(source, maxSecret+1))
	if err != nil {
		return "", err
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	switch {
	case len(data) == 0:
		return "", errors.New("it is empty")
	case len(data) > maxSecret:
		return "", errors.New("it is too long for a credential")
	case len(bytes.TrimSpace(data)) != len(data):
		return "", errors.New("it has white space around it")
	}
	return string(data), nil
}

// ask reads a secret without showing it, where a person sits at the terminal.
func (p *program) ask(prompt string) (string, bool) {
	in, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || !isTerminal(p.stderr) {
		return "", false
	}
	fmt.Fprint(p.stderr, prompt)
	value, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(p.stderr)
	return string(value), err == nil && len(value) > 0
}

func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// readBody reads a file, or standard input when file is empty or "-". Bodies are small; max guards the memory.
func (p *program) readBody(file string) ([]byte, error) {
	const most = 16 << 20
	source := p.stdin
	if file != "" && file != "-" {
		opened, err := os.Open(file) //nolint:gosec // the user names it
		if err != nil {
			return nil, usageError("--file: %w", err)
		}
		defer opened.Close()
		source = opened
	} else if in, ok := p.stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		p.note("reading the body from the terminal; Ctrl-D ends it")
	}
	data, err := io.ReadAll(io.LimitReader(source, most+1))
	switch {
	case err != nil:
		return nil, usageError("reading the body: %w", err)
	case len(data) > most:
		return nil, usageError("the body is longer than 16 MiB")
	}
	return data, nil
}
