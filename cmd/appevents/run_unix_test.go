//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// A process is the program in a process of its own.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr buffer
	temp           string // its directory for temporary files
	addrFile       string
}

// launch starts emulate or run on a free port.
func launch(t *testing.T, env []string, command string, args ...string) *process {
	t.Helper()
	p := &process{temp: t.TempDir(), addrFile: filepath.Join(t.TempDir(), "addr")}
	args = append([]string{command, "--addr", "127.0.0.1:0", "--addr-file", p.addrFile}, args...)
	p.cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	p.cmd.Env = append([]string{asProgram + "=1", "TMPDIR=" + p.temp, "PATH=" + os.Getenv("PATH"),
		"HOME=" + os.Getenv("HOME")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.WaitDelay = time.Minute
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// address waits until the program listens.
func (p *process) address(t *testing.T) string {
	t.Helper()
	var address string
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(p.addrFile)
		address = strings.TrimSpace(string(data))
		return err == nil
	}, time.Minute, 5*time.Millisecond, "%s", &p.stderr)
	return address
}

func (p *process) wait() int {
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func getJSON(t *testing.T, address string, out any) {
	t.Helper()
	resp, err := http.Get("http://" + address)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, out), string(data))
}

func TestEmulateEndsWhenTold(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := launch(t, nil, "emulate")
		address := p.address(t)
		client := invocation{env: []string{"APPEVENTS_EMULATOR=" + address}}
		require.Equal(t, result{}, client.run(t, "wait", "--ready"))
		require.NoError(t, p.cmd.Process.Signal(signal))
		require.Zero(t, p.wait(), &p.stderr)
		listener, err := net.Listen("tcp", address)
		require.NoError(t, err, "the port is free")
		listener.Close()
		left, err := os.ReadDir(p.temp)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestBotsOfOtherLanguages(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"python": {"python3", filepath.Join("testdata", "bots", "bot.py")},
		"node":   {"node", filepath.Join("testdata", "bots", "bot.js")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skipf("NOT RUN: %s is not installed", command[0])
			}
			p := launch(t, []string{"PAGE_ACCESS_TOKEN=canary-token", "APP_SECRET=canary-secret"},
				"run", append([]string{"--offline", "--"}, command...)...)
			client := invocation{env: []string{"APPEVENTS_EMULATOR=" + p.address(t)}}
			got := client.run(t, "wait", "--ready", "--timeout", "1m")
			require.Zero(t, got.code, "%s%s", got.stderr, &p.stderr)

			got = client.run(t, "trigger", "messages", "--text", "Grüße")
			require.Zero(t, got.code, "%s%s", got.stderr, &p.stderr)
			require.Contains(t, got.stdout, "bot 200")
			require.Zero(t, client.run(t, "wait", "--event", "Purchase", "--timeout", "1m").code)
			var counted map[string]emulator.Counted
			getJSON(t, p.address(t)+"/-/api/counted", &counted)
			require.Equal(t, 1, counted["fb_mobile_purchase"].Accepted)
			require.InDelta(t, 55.22, counted["fb_mobile_purchase"].Value["USD"], 1e-9)

			got = client.run(t, "trigger", "messages", "--wrong-signature")
			require.Equal(t, exitNo, got.code)
			require.Contains(t, got.stdout, "FAIL bot 403")

			require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			require.Equal(t, 128+int(syscall.SIGTERM), p.wait(), "the status of the bot")
			require.Contains(t, p.stdout.String(), name+" bot listens")
			require.Contains(t, p.stderr.String(), "confirmed in")
			require.Contains(t, p.stderr.String(), name+": Grüße")
			require.NotContains(t, p.stdout.String()+p.stderr.String(), "canary")
			left, err := os.ReadDir(p.temp)
			require.NoError(t, err)
			require.Empty(t, left, "the authority is gone")
		})
	}
}

// underRun runs a shell script under the emulator.
func underRun(t *testing.T, env []string, script string) result {
	t.Helper()
	env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	return invocation{env: env}.run(t, "run", "-q", "--addr", "127.0.0.1:0", "--", "sh", "-c", script)
}

func TestRunEndsWithTheStatusOfItsCommand(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"true": 0, "exit 7": 7, "exit 130": 130, "kill -9 $$": 137, "kill $$": 143} {
		got := underRun(t, nil, script)
		require.Equal(t, result{code: want}, got, script)
	}
}

func TestRunGivesNoCredentialOfTheParent(t *testing.T) {
	t.Parallel()
	got := underRun(t, []string{
		"PAGE_ACCESS_TOKEN=canary-page", "BACKUP=canary-page", "APP_SECRET=canary-secret", "OTHER=EAABcanary1234",
	}, "printenv; cat \"$NODE_EXTRA_CA_CERTS\"")
	require.Zero(t, got.code)
	require.NotContains(t, got.stdout, "canary")
	for _, want := range []string{"\nPAGE_ACCESS_TOKEN=", "\nHTTPS_PROXY=http://127.0.0.1:", "BEGIN CERTIFICATE"} {
		require.Contains(t, "\n"+got.stdout, want)
	}
}

// gone reports whether a process has ended. A zombie that waits for its parent has.
func gone(pid int) bool {
	if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
		return strings.HasPrefix(string(stat[strings.LastIndexByte(string(stat), ')'):]), ") Z")
	}
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

func TestNoChildOutlivesRun(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"left behind":          "sleep 1000 & echo $!",
		"left behind, unfazed": "(trap '' TERM; echo ready; while :; do sleep 1; done) & echo $!; read x < /dev/null; exit 0",
	} {
		var stdout, stderr buffer
		p := &program{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
			environ: []string{"PATH=" + os.Getenv("PATH")}, grace: 200 * time.Millisecond}
		require.Zero(t, p.run(t.Context(), []string{"run", "-q", "--addr", "127.0.0.1:0", "--", "sh", "-c", script}), name)
		pid, err := strconv.Atoi(strings.Fields(strings.ReplaceAll(stdout.String(), "ready", ""))[0])
		require.NoError(t, err, stdout.String())
		require.Eventually(t, func() bool { return gone(pid) }, time.Minute, 5*time.Millisecond, name)
	}
}

func TestRunKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr buffer
	p := &program{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		environ: []string{"PATH=" + os.Getenv("PATH")}, grace: 50 * time.Millisecond}
	code := make(chan int, 1)
	go func() {
		code <- p.run(ctx, []string{"run", "-q", "--addr", "127.0.0.1:0", "--", "sh", "-c",
			"trap '' TERM; echo ready; while :; do sleep 1; done"})
	}()
	require.Eventually(t, func() bool { return strings.Contains(stdout.String(), "ready") }, time.Minute, time.Millisecond)
	cancel()
	require.Equal(t, 137, <-code)
}

func TestRunDiesWithItsParentOnLinux(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("NOT RUN: only Linux ends a child with its parent")
	}
	p := launch(t, nil, "run", "--", "sh", "-c", "echo $$; exec sleep 1000")
	require.Eventually(t, func() bool { return strings.Contains(p.stdout.String(), "\n") }, time.Minute, time.Millisecond)
	pid, err := strconv.Atoi(strings.TrimSpace(p.stdout.String()))
	require.NoError(t, err)
	require.NoError(t, p.cmd.Process.Kill())
	require.Eventually(t, func() bool { return gone(pid) }, time.Minute, 5*time.Millisecond)
}
