package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/pgtest"
)

// nowhere is an address where nobody listens. The port of a server that was closed can be that of the next one.
const nowhere = "http://127.0.0.1:1"

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	if grace := os.Getenv(asProgram); grace != "" {
		os.Exit(start(asItself(grace)))
	}
	os.Unsetenv("COLUMNS") // kong takes the width of help from it
	// Programs that are started here inherit signals that are ignored, as under nohup, but no handlers.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	code := pgtest.Main(m)
	stopNATS()
	os.Exit(code)
}

// asProgram makes the test binary the program itself, for tests of signals. Its value is the grace of a child.
const asProgram = "APPEVENTS_TEST_AS_PROGRAM"

func asItself(grace string) *program {
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, alone: true}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, asProgram+"=") {
			p.environ = append(p.environ, entry)
		}
	}
	p.grace, _ = time.ParseDuration(grace)
	return p
}

// A result is what a run of the program left.
type result struct {
	code           int
	stdout, stderr string
}

// invocation is a run of the program: its environment, standard input and arguments.
type invocation struct {
	env   []string
	stdin string
	dir   string // where a project's configuration may be
}

func (i invocation) run(t *testing.T, args ...string) result {
	t.Helper()
	return i.runCtx(t.Context(), args...)
}

func (i invocation) runCtx(ctx context.Context, args ...string) result {
	var stdout, stderr buffer
	p := &program{stdin: strings.NewReader(i.stdin), stdout: &stdout, stderr: &stderr, environ: i.env, dir: i.dir}
	code := p.run(ctx, args)
	return result{code, stdout.String(), stderr.String()}
}

// A buffer can be written and read at the same time.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(data)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestHelp(t *testing.T) {
	t.Parallel()
	parser, err := newParser(new(commands), &program{stdout: io.Discard, stderr: io.Discard})
	require.NoError(t, err)
	list := []string{""}
	for _, command := range parser.Model.Children {
		list = append(list, command.Name)
		for _, child := range command.Children {
			list = append(list, command.Name+" "+child.Name)
		}
	}
	for _, command := range list {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			args, name := []string{"--help"}, "appevents"
			if command != "" {
				args, name = append(strings.Fields(command), "--help"), strings.ReplaceAll(command, " ", "-")
			}
			got := invocation{}.run(t, args...)
			require.Zero(t, got.code)
			require.Empty(t, got.stderr)
			for line := range strings.Lines(got.stdout) {
				require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 80, line)
			}
			golden := filepath.Join("testdata", "help", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got.stdout), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.stdout)
		})
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "a command is needed"},
		{[]string{"emualte"}, `unknown command "emualte": did you mean "emulate"?`},
		{[]string{"veri"}, `did you mean "verify"?`},
		{[]string{"xyzzyplugh"}, `unknown command "xyzzyplugh"; see "appevents --help"`},
		{[]string{"run", "--offlin", "--", "true"}, `unknown flag "--offlin": did you mean "--offline"?`},
		{[]string{"verify", "--signture=sha256=abc"}, `unknown flag "--signture": did you mean "--signature"?`},
		{[]string{"verify"}, "missing flags: --signature"},
		{[]string{"run"}, `see "appevents run --help"`},
		{[]string{"run", "--", "no-such-command-anywhere"}, "cannot be started"},
		{[]string{"emulate", "--addr", "nonsense"}, "--addr must be HOST:PORT"},
		{[]string{"emulate", "--max", "0"}, "--max must be at least 1"},
		{[]string{"events", "--edge", "nowhere"}, "--edge must be one of"},
		{[]string{"completion", "tcsh"}, "must be one of"},
		{[]string{"trigger"}, "--list"},
		{[]string{"trigger", "mesages"}, `unknown webhook field: did you mean "messages"?`},
		{[]string{"trigger", "messages", "--times", "0"}, "--times"},
		{[]string{"trigger", "messages", "--from", "Ada"}, "decimal digits"},
		{[]string{"trigger", "messages", "--unsigned", "--sha1-only"}, "can't be used together"},
		{[]string{"trigger", "messages", "--to", "ftp://x"}, "--to must be"},
		{[]string{"wait", "--ready", "--event", "Purchase"}, "--ready waits for no event"},
		{[]string{"wait", "--count", "0"}, "--count"},
		{[]string{"tail", "--emulator", "ftp://x"}, "address of the emulator"},
	} {
		got := invocation{}.run(t, tt.args...)
		require.Equal(t, exitUsage, got.code, tt.args)
		require.Empty(t, got.stdout, tt.args)
		require.Contains(t, got.stderr, tt.want)
		require.Equal(t, 1, strings.Count(got.stderr, "\n"), got.stderr)
	}
}

func TestCredentialsInArgumentsAreRefusedAndNotRepeated(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"trigger", "messages", "--to=http://127.0.0.1/?access_token=EAABcanary123"},
		{"explain", "EAABcanary123"},
		{"sign", "1517776481860111|canary0123456789"},
		{"run", "--", "bot", "--token=EAABcanary123"},
		{"EAABcanary123"},
		{"tail", "--emulator=http://127.0.0.1:1/%3Faccess_token%3DEAABcanary123"},
		{"trigger", "messages", "--text", "my_token_EAABcanary123"},
		{"events", "IGAAcanary123"},
		{"verify", "--json", "--signature", "123456%7Ccanary0123456789"},
		{"canary0123456789abcdef0123456789"},         // an app secret in the place of a command
		{"sign", "canary0123456789abcdef0123456789"}, // and of an argument
		{"sign", "--app-secret=canary0123456789abcdef0123456789"},
		{"sign", "--canary0123456789abcdef0123456789"},
	} {
		got := invocation{}.run(t, args...)
		require.Equal(t, exitUsage, got.code, args)
		require.NotContains(t, got.stdout+got.stderr, "canary", args)
		require.NotEmpty(t, got.stderr)
	}
	require.NotEqual(t, exitUsage, invocation{}.run(t, "events", "purchase").code)
}

func TestOutputIsPlainWithoutATerminal(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"events"}, {"events", "Purchase"}, {"explain", "190"}, {"explain", "messages"}, {"--help"}, {"version"}, {"nonsense"},
	} {
		got := invocation{env: []string{"TERM=xterm-256color"}}.run(t, args...)
		require.NotContains(t, got.stdout+got.stderr, "\x1b")
		require.NotContains(t, got.stdout+got.stderr, "\r")
	}
}

func TestColour(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flag string
		env  []string
		want bool
	}{
		{"auto", nil, false}, // a buffer is no terminal
		{"auto", []string{"FORCE_COLOR=1"}, true},
		{"auto", []string{"FORCE_COLOR=1", "NO_COLOR=1"}, false},
		{"auto", []string{"FORCE_COLOR=1", "TERM=dumb"}, false},
		{"auto", []string{"FORCE_COLOR=1", "NO_COLOR="}, true},
		{"always", []string{"NO_COLOR=1"}, true},
		{"never", []string{"FORCE_COLOR=1"}, false},
	} {
		p := &program{stdout: new(bytes.Buffer), environ: tt.env, colour: tt.flag}
		require.Equal(t, tt.want, p.coloured(p.stdout), tt)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `^appevents \d+\.\d+\.\d+ \(Graph v\d+\.0, go1`, invocation{}.run(t, "version").stdout)
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(invocation{}.run(t, "version", "--json").stdout), &fields))
	require.EqualValues(t, 1, fields["schema"])
}
