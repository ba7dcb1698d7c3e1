package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

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

// The errors of credentials that are not there, which is no error for every command.
var (
	errNoSecret = errors.New("no app secret")
	errNoToken  = errors.New("no access token")
)

// A credential is a secret with the name of its source, which may be printed.
type credential struct {
	value, source string
}

// credential finds one by its name in the environment: APPEVENTS_APP_SECRET, APPEVENTS_APP_SECRET_FILE, APP_SECRET,
// APP_SECRET_FILE. The app ID, which is no secret, may also be in a configuration file. It is the zero credential when
// there is none.
func (p *program) credential(name string) (credential, error) {
	for _, variable := range []string{"APPEVENTS_" + name, name} {
		if value := p.getenv(variable); value != "" {
			p.keepSecret(value)
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
	if name == "APP_ID" && p.config != nil {
		value, path := p.config.lookup(keyAppID)
		if text, ok := textOf(value); ok {
			return credential{text, path}, nil
		}
	}
	return credential{}, nil
}

// noBody tells that a command reads nothing from standard input but credentials.
const noBody = "none"

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
			return credential{}, wrongSource("--app-secret-file", err)
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
	if p.ctx != nil && p.ctx.Err() != nil {
		return credential{}, p.ctx.Err()
	}
	return credential{}, &failure{
		code: exitCredentials, err: errNoSecret,
		hint: "set APPEVENTS_APP_SECRET or APP_SECRET, or give --app-secret-file",
	}
}

// accessToken returns the access token: from --access-token-file, the environment, the program that the user's
// configuration names, or a person at the terminal.
func (p *program) accessToken(ctx context.Context, flags tokenFlags) (credential, error) {
	if flags.AccessTokenFile != "" {
		value, err := p.readSecret(flags.AccessTokenFile)
		if err != nil {
			return credential{}, wrongSource("--access-token-file", err)
		}
		return credential{value, "--access-token-file"}, nil
	}
	if token, err := p.foundToken(ctx, "ACCESS_TOKEN", "PAGE_ACCESS_TOKEN"); err != nil || token.value != "" {
		return token, err
	}
	if value, ok := p.ask("Access token: "); ok {
		return credential{value, "the terminal"}, nil
	}
	if ctx.Err() != nil {
		return credential{}, ctx.Err()
	}
	return credential{}, &failure{
		code: exitCredentials, err: errNoToken,
		hint: "set APPEVENTS_ACCESS_TOKEN or ACCESS_TOKEN, or give --access-token-file",
	}
}

// foundToken is the token that one of these names has in the environment, or that of the program that the user's
// configuration names. It is the zero credential when there is none.
func (p *program) foundToken(ctx context.Context, names ...string) (credential, error) {
	for _, name := range names {
		if token, err := p.credential(name); err != nil || token.value != "" {
			return token, err
		}
	}
	if p.config != nil {
		if value, path := p.config.lookup(keyTokenCommand); value != nil {
			return p.runTokenCommand(ctx, value, path)
		}
	}
	return credential{}, nil
}

// runTokenCommand runs the program that prints the token. What it says on standard error is for the person.
func (p *program) runTokenCommand(ctx context.Context, value any, path string) (credential, error) {
	argv, _ := commandOf(value)
	command := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // from the user's own file
	command.Env, command.Stderr = p.environ, p.stderr
	command.WaitDelay = time.Second
	out, err := command.Output()
	if ctx.Err() != nil {
		return credential{}, ctx.Err()
	}
	var token string
	if err == nil {
		token, err = secretIn(out)
	}
	if err != nil {
		return credential{}, fail(exitCredentials, "%s in %s: %w", keyTokenCommand, path, err)
	}
	p.keepSecret(token)
	return credential{token, keyTokenCommand}, nil
}

// keepSecret has a credential taken out of everything that is printed about requests and errors.
func (p *program) keepSecret(value string) { p.secrets = append(p.secrets, value) }

// takeInput notes that standard input is read, which works once.
func (p *program) takeInput(what string) error {
	if p.inputFor != "" {
		return usageError("standard input cannot be %s and %s: name one of them with a file", p.inputFor, what)
	}
	p.inputFor = what
	return nil
}

// wrongSource keeps the code of a usage error; a file without a credential in it is a missing credential.
func wrongSource(flag string, err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return fail(exitCredentials, "%s: %w", flag, err)
}

// readSecret reads a credential from a file, or from standard input for "-". The newline that editors add is not part
// of it.
func (p *program) readSecret(file string) (string, error) {
	source := p.stdin
	if file == "-" {
		if err := p.takeInput("a credential"); err != nil {
			return "", err
		}
	} else {
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
	value, err := secretIn(data)
	if err == nil {
		p.keepSecret(value)
	}
	return value, err
}

// secretIn is the credential in the content of a file.
func secretIn(data []byte) (string, error) {
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

// ask reads a secret without showing it, where a person sits at the terminal. Ctrl-C ends it, and the terminal shows
// again what is typed.
func (p *program) ask(prompt string) (string, bool) {
	in, ok := p.stdin.(*os.File)
	if !ok || !isTerminal(in) || !isTerminal(p.stderr) {
		return "", false
	}
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", false
	}
	fmt.Fprint(p.stderr, prompt)
	typed := make(chan string, 1)
	go func() {
		value, _ := term.ReadPassword(int(in.Fd()))
		typed <- string(value)
	}()
	var done <-chan struct{}
	if p.ctx != nil {
		done = p.ctx.Done()
	}
	value := ""
	select {
	case value = <-typed:
		p.keepSecret(value)
	case <-done:
		_ = term.Restore(int(in.Fd()), before)
	}
	fmt.Fprintln(p.stderr)
	return value, value != ""
}

func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// readBody reads a file, or standard input when file is empty or "-". Bodies are small; max guards the memory.
func (p *program) readBody(file string) ([]byte, error) {
	const most = 16 << 20
	source := p.stdin
	if file == "" || file == "-" {
		if err := p.takeInput("the body"); err != nil {
			return nil, err
		}
		if isTerminal(p.stdin) {
			p.note("reading the body from the terminal; Ctrl-D ends it")
		}
	} else {
		opened, err := os.Open(file) //nolint:gosec // the user names it
		if err != nil {
			return nil, usageError("--file: %w", err)
		}
		defer opened.Close()
		source = opened
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
