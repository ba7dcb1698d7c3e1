package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A row is one way to call a command. A new command joins by adding its rows to everyCommand: one that succeeds, and one
// with an error in it. Each is run as a process of its own without a terminal, on one, and with --json.
type callRow struct {
	args  []string
	stdin string // when not empty, else nothing or the keyboard
	code  int
	until string // interrupt it when one of its streams holds this, since it would run on
	text  bool   // what it prints is no JSON even with --json: help
	alone bool   // not on a terminal, where it would ask
}

// The addresses that rows can name.
const (
	emulatorHere = "{emulator}" // a running emulator with a bot
	botHere      = "{bot}"      // a bot that verifies
	nobodyHere   = "127.0.0.1:1"
	secretHere   = "{secret}" // a file with the app secret
)

var everyCommand = map[string][]callRow{
	"": {
		{args: []string{"--help"}, text: true},
		{args: nil, code: exitUsage},
		{args: []string{"emualte"}, code: exitUsage},
		{args: []string{"--profile=none", "version"}, code: exitUsage},
		{args: []string{"explain", "EAABcanary123"}, code: exitUsage},
	},
	"emulate": {
		{args: []string{"--addr=127.0.0.1:0"}, until: "page     http"},
		{args: []string{"--addr=nonsense"}, code: exitUsage},
		{args: []string{"--addr=192.0.2.1:1"}, code: exitNo},
		{args: []string{"--addr=127.0.0.1:0", "--addr-file=/does/not/exist"}, code: exitNo},
	},
	"run": {
		{args: []string{"--addr=127.0.0.1:0", "--", "sh", "-c", `echo '{"schema":1}'`}},
		{args: []string{"--addr=127.0.0.1:0", "--", "sh", "-c", "exit 7"}, code: 7},
		{args: []string{"--", "/does/not/exist"}, code: exitUsage},
		{args: []string{"--bogus", "--", "true"}, code: exitUsage},
	},
	"trigger": {
		{args: []string{"--list"}},
		{args: []string{"messages", "--text=hello\x1b[31m\r", "--emulator=" + emulatorHere}},
		{args: []string{"messages", "--unsigned", "--emulator=" + emulatorHere}, code: exitNo},
		{args: []string{"messages", "--to=" + botHere, "--app-secret-file=" + secretHere}},
		{args: []string{"messages", "--to=" + botHere, "--wrong-signature"}, code: exitNo},
		{args: []string{"messages", "--to=http://" + nobodyHere, "--unsigned"}, code: exitNotSent},
		{args: []string{"messages", "--to=" + botHere}, code: exitCredentials, alone: true},
		{args: []string{"messages", "--emulator=" + nobodyHere}, code: exitNotSent},
		{args: []string{"--file=-", "--emulator=" + emulatorHere}, stdin: "not JSON", code: exitUsage},
		{args: []string{"mesages"}, code: exitUsage},
	},
	"tail": {
		{args: []string{"--emulator=" + nobodyHere}, code: exitNotSent},
		{args: []string{"--emulator=ftp://x"}, code: exitUsage},
	},
	"wait": {
		{args: []string{"--ready", "--emulator=" + emulatorHere}},
		{args: []string{"--event=Contact", "--timeout=1ms", "--emulator=" + emulatorHere}, code: exitNo},
		{args: []string{"--count=0"}, code: exitUsage},
	},
	"events": {
		{args: nil},
		{args: []string{"Purchase"}},
		{args: []string{"--edge=events"}},
		{args: []string{"Purchaze"}, code: exitNo},
		{args: []string{"--edge=nowhere"}, code: exitUsage},
	},
	"explain": {
		{args: []string{"190/460"}},
		{args: []string{"messaging_optins"}},
		{args: []string{"fb_mobile_purchase"}},
		{args: []string{"999999"}, code: exitNo},
		{args: nil, code: exitUsage},
	},
	"sign": {
		{args: []string{"--app-secret-file=" + secretHere}, stdin: "{}"},
		{args: []string{"--app-secret-file=-", "--file=-"}, code: exitUsage},
		{args: nil, code: exitCredentials, alone: true},
		{args: []string{"--app-secret-file=" + secretHere, "--file=/does/not/exist"}, code: exitUsage},
	},
	"verify": {
		{args: []string{"--app-secret-file=" + secretHere, "--signature=" + sha256Of("{}")}, stdin: "{}"},
		{args: []string{"--app-secret-file=" + secretHere, "--signature=" + sha256Of("{}")}, stdin: "{}\n", code: exitNo},
		{args: nil, code: exitUsage},
	},
	"completion": {
		{args: []string{"bash"}},
		{args: []string{"tcsh"}, code: exitUsage},
	},
	"doctor": {
		{args: nil, code: exitCredentials, alone: true},
		{args: []string{"--only=bogus"}, code: exitUsage},
	},
	"listen": {
		{args: []string{"--addr=127.0.0.1:0", "--app-secret-file=" + secretHere}, code: exitCredentials, alone: true},
		{args: []string{"--forward=nonsense"}, code: exitUsage},
	},
	"replay": {
		{args: []string{"/does/not/exist"}, code: exitUsage},
		{args: nil, code: exitUsage},
	},
	"queue": {
		{args: nil, code: exitUsage},
		{args: []string{"--help"}, text: true},
		{args: []string{"stats", "/does/not/exist"}, code: exitNotSent},
		{args: []string{"buried", "http://" + nobodyHere + "/-/queue"}, code: exitNotSent},
		{args: []string{"show", "1", "nats://u:canary@" + nobodyHere}, code: exitNotSent},
		{args: []string{"export", "postgres://u:canary@" + nobodyHere + "/x"}, code: exitNotSent},
		{args: []string{"discard", "/does/not/exist"}, code: exitUsage},
		{args: []string{"resubmit", "--all", "/does/not/exist"}, code: exitNotSent},
		{args: []string{"drain", "http://" + nobodyHere}, code: exitUsage},
	},
	"send": {
		{args: []string{"Purchase", "--page=1070", "--psid=3290", "--consent=allowed", "--value=1", "--currency=USD", "--dry-run"}, code: exitCredentials},
		{args: nil, code: exitUsage},
	},
	"convert": {
		{args: []string{"--file=testdata/convert/coast-clothing.in"}},
		{args: []string{"--file=-"}, stdin: "neither", code: exitUsage},
	},
	"leads": {
		{args: []string{"act_1"}, code: exitCredentials, alone: true},
		{args: nil, code: exitUsage},
	},
	"version": {
		{args: nil},
		{args: []string{"surplus"}, code: exitUsage},
	},
}

// scene holds what the rows name.
func scene(t *testing.T) *strings.Replacer {
	t.Helper()
	bot, requests := newBot(t)
	go func() {
		for range requests { // nobody looks
		}
	}()
	client, _ := withEmulator(t, bot.URL)
	secret := t.TempDir() + "/secret"
	require.NoError(t, os.WriteFile(secret, []byte(testSecret+"\n"), 0o600))
	return strings.NewReplacer(emulatorHere, strings.TrimPrefix(client.env[0], "APPEVENTS_EMULATOR="), botHere, bot.URL,
		secretHere, secret)
}

// command is a row as a process.
func (r callRow) command(t *testing.T, names *strings.Replacer, command string, flags ...string) *exec.Cmd {
	t.Helper()
	var args []string
	if command != "" {
		args = append(args, command)
	}
	args = append(args, flags...)
	for _, arg := range r.args {
		args = append(args, names.Replace(arg))
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	home := t.TempDir()
	cmd.Env = []string{asProgram + "=20ms", "PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home,
		"TERM=xterm-256color", "LANG=C.UTF-8"}
	if r.stdin != "" {
		cmd.Stdin = strings.NewReader(r.stdin)
	}
	return cmd
}

// finish interrupts what would run on, and returns the exit code.
func (r callRow) finish(t *testing.T, cmd *exec.Cmd, shown ...*buffer) int {
	t.Helper()
	if r.until != "" {
		require.Eventually(t, func() bool {
			for _, b := range shown {
				if strings.Contains(b.String(), r.until) {
					return true
				}
			}
			return false
		}, time.Minute, time.Millisecond)
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	}
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

func TestEveryCommandHasRows(t *testing.T) {
	t.Parallel()
	parser, err := newParser(new(commands), &program{stdout: io.Discard, stderr: io.Discard})
	require.NoError(t, err)
	for _, command := range parser.Model.Children {
		rows := everyCommand[command.Name]
		fails := false
		for _, row := range rows {
			fails = fails || row.code != 0
		}
		require.True(t, len(rows) > 1 && fails, "%s needs a row in everyCommand, and one with an error", command.Name)
	}
}

// Without a terminal nothing is asked, and nothing moves a cursor or changes a colour.
func TestEveryCommandWithoutATerminal(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, names *strings.Replacer, command string, row callRow) {
		t.Helper()
		cmd := row.command(t, names, command)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		var stdout, stderr buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Start())
		require.Equal(t, row.code, row.finish(t, cmd, &stdout, &stderr), "%s%s", &stdout, &stderr)
		require.NotContains(t, stdout.String()+stderr.String(), "\x1b")
		require.NotContains(t, stdout.String()+stderr.String(), "\r")
		require.NotContains(t, stdout.String()+stderr.String(), "canary")
		if row.code != 0 {
			require.NotEmpty(t, stdout.String()+stderr.String()+row.silence(), "it says why")
		}
	})
}

// silence is what run prints of its own when its command fails: nothing.
func (r callRow) silence() string {
	if r.code == 7 {
		return "the command speaks for itself"
	}
	return ""
}

// On a terminal NO_COLOR is heeded.
func TestEveryCommandOnATerminal(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, names *strings.Replacer, command string, row callRow) {
		t.Helper()
		if row.alone {
			return
		}
		cmd := row.command(t, names, command)
		cmd.Env = append(cmd.Env, "NO_COLOR=1")
		x := onTerminal(t, cmd)
		code := row.finish(t, cmd, x.screen)
		screen := strings.ReplaceAll(x.all(), "\r\n", "\n")
		require.Equal(t, row.code, code, screen)
		require.NotContains(t, screen, "\x1b")
		require.NotContains(t, screen, "\r")
	})
}

// With --json standard output is JSON whatever happens, also on a terminal, and errors are objects on the other stream.
func TestEveryCommandInJSON(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, names *strings.Replacer, command string, row callRow) {
		t.Helper()
		if row.text {
			return
		}
		cmd := row.command(t, names, command, "--json", "--quiet")
		row.until = strings.Replace(row.until, "page     http", `"ready":true`, 1)
		var stdout, stderr buffer
		screen := stdout.String
		if row.alone {
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			require.NoError(t, cmd.Start())
			require.Equal(t, row.code, row.finish(t, cmd, &stdout, &stderr))
		} else {
			cmd.Stderr = &stderr
			x := onTerminal(t, cmd)
			require.Equal(t, row.code, row.finish(t, cmd, x.screen, &stderr), "%s%s", x.screen, &stderr)
			screen = x.all
		}
		printed := screen()
		dec := json.NewDecoder(strings.NewReader(printed))
		for {
			var line struct{ Schema int }
			err := dec.Decode(&line)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, printed)
			require.Equal(t, schema, line.Schema, printed)
		}
		if stderr.String() == "" {
			return
		}
		require.NotZero(t, row.code, "%s", &stderr)
		lines := bytes.Split(bytes.TrimSpace([]byte(stderr.String())), []byte("\n"))
		var last struct{ Error *errorJSON }
		require.NoError(t, json.Unmarshal(lines[len(lines)-1], &last), "%s", &stderr)
		require.NotNil(t, last.Error)
		require.NotEmpty(t, last.Error.Outcome)
		require.NotEmpty(t, last.Error.Message)
	})
}

func eachRow(t *testing.T, check func(*testing.T, *strings.Replacer, string, callRow)) {
	t.Helper()
	names := scene(t)
	for command, rows := range everyCommand {
		for _, row := range rows {
			t.Run(strings.TrimSpace(command+" "+strings.Join(row.args, " ")), func(t *testing.T) {
				t.Parallel()
				check(t, names, command, row)
			})
		}
	}
}

// What tail prints is JSON line by line, on a terminal too, and it ends when it is interrupted.
func TestTailIsInterrupted(t *testing.T) {
	t.Parallel()
	client, _ := withEmulator(t, "")
	row := callRow{args: []string{"--emulator=" + strings.TrimPrefix(client.env[0], "APPEVENTS_EMULATOR=")}}
	cmd := row.command(t, strings.NewReplacer(), "tail", "--json")
	var stderr buffer
	cmd.Stderr = &stderr
	x := onTerminal(t, cmd)
	require.Eventually(t, func() bool {
		logEvent(t, client, "Contact")
		return strings.Contains(x.screen.String(), "\n")
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	_ = cmd.Wait()
	require.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode())
	for line := range strings.Lines(x.all()) {
		require.True(t, json.Valid([]byte(line)), line)
	}
	require.Contains(t, stderr.String(), `"outcome":"interrupted"`)
}
