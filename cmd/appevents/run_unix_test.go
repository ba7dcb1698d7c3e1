//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
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
	return launchWithGrace(t, "5s", env, command, args...)
}

func launchWithGrace(t *testing.T, grace string, env []string, command string, args ...string) *process {
	t.Helper()
	p := &process{temp: t.TempDir(), addrFile: filepath.Join(t.TempDir(), "addr")}
	args = append([]string{command, "--addr", "127.0.0.1:0", "--addr-file", p.addrFile}, args...)
	p.cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	p.cmd.Env = append([]string{asProgram + "=" + grace, "TMPDIR=" + p.temp, "PATH=" + os.Getenv("PATH"),
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
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
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

// Under nohup it goes on when the terminal has gone.
func TestEmulateUnderNohup(t *testing.T) {
	t.Parallel()
	p := &process{addrFile: filepath.Join(t.TempDir(), "addr")}
	p.cmd = exec.CommandContext(t.Context(), "sh", "-c", `trap "" HUP; exec "$0" "$@"`, os.Args[0], "emulate",
		"--addr", "127.0.0.1:0", "--addr-file", p.addrFile)
	p.cmd.Env = []string{asProgram + "=5s", "TMPDIR=" + t.TempDir(), "HOME=" + os.Getenv("HOME")}
	p.cmd.Stderr = &p.stderr
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	client := invocation{env: []string{"APPEVENTS_EMULATOR=" + p.address(t)}}
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	require.Equal(t, result{}, client.run(t, "wait", "--ready"))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.wait(), &p.stderr)
}

// Whoever finds the port taken leaves the session to the emulator that has it.
func TestEmulateOnATakenPortLeavesTheSession(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	file := filepath.Join(t.TempDir(), "session.json")
	got := invocation{}.run(t, "emulate", "--addr", listener.Addr().String(), "--session", file)
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "another port: --addr 127.0.0.1:0")
	require.NoFileExists(t, file)
}

// A second emulator with the same session says what to do, and one that was killed stands in nobody's way.
func TestASessionInUse(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "session.json")
	first := launch(t, nil, "emulate", "--session", file)
	client := invocation{env: []string{"APPEVENTS_EMULATOR=" + first.address(t)}}
	for _, args := range [][]string{{"emulate"}, {"run", "--", "true"}} {
		got := invocation{env: []string{"PATH=" + os.Getenv("PATH")}}.run(t,
			slices.Insert(args, 1, "--addr", "127.0.0.1:0", "--session", file)...)
		require.Equal(t, exitNo, got.code)
		require.Empty(t, got.stdout)
		require.Equal(t, "appevents: emulator: "+file+": another emulator that is running keeps its session there; "+
			"stop that one, or name another file with --session\n", got.stderr)
	}
	require.Equal(t, result{}, client.run(t, "wait", "--ready"), "the first is as it was")

	require.NoError(t, first.cmd.Process.Kill())
	first.wait()
	second := launch(t, nil, "emulate", "--session", file)
	second.address(t)
	require.NoError(t, second.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, second.wait(), "%s", &second.stderr)
}

// The mistakes of the first hour are named.
func TestRunSaysWhatIsWrongWithTheBot(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	for name, tt := range map[string]struct{ bot, want string }{
		"another port":  {"http://" + freeAddress(t) + "/webhook", "nobody answers at http://"},
		"another path":  {elsewhere.URL + "/hook", "is /hook the path of its webhook?"},
		"it ends early": {"", "bot      ended with exit status 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr buffer
			p := &program{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, patience: 1,
				environ: []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}}
			args := []string{"run", "--addr", "127.0.0.1:0", "--offline", "--", "sh", "-c", "exit 3"}
			if tt.bot != "" {
				args = []string{"run", "--addr", "127.0.0.1:0", "--offline", "--bot", tt.bot, "--", "sleep", "1000"}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			code := make(chan int, 1)
			go func() { code <- p.run(ctx, args) }()
			require.Eventually(t, func() bool { return strings.Contains(stderr.String(), tt.want) },
				time.Minute, 5*time.Millisecond, "%s", &stderr)
			cancel()
			ended := <-code
			if tt.bot == "" {
				require.Equal(t, 3, ended)
			}
		})
	}
}

// A bot that leaves unknown paths without an answer is found all the same.
func TestFindWebhook(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/webhook", "/webhooks/messenger", "/callback"} {
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path {
				<-r.Context().Done() // as long as somebody waits
				return
			}
			_, _ = io.WriteString(w, r.URL.Query().Get("hub.challenge")+"\n")
		})
		bot := httptest.NewServer(mux)
		t.Cleanup(bot.Close)
		require.Eventually(t, func() bool { return findWebhook(t.Context(), bot.URL, "v") == bot.URL+path },
			time.Minute, time.Millisecond, path) // a loaded machine may need more than one attempt
	}
	refusing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refusing.Close)
	require.Empty(t, findWebhook(t.Context(), refusing.URL, "v"))
	require.Empty(t, findWebhook(t.Context(), "http://"+freeAddress(t), "v"))
}

// freeAddress is one where nobody listened a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func TestBotsOfOtherLanguages(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"python": {"python3", filepath.Join("testdata", "bots", "bot.py")},
		"node":   {"node", filepath.Join("testdata", "bots", "bot.js")},
		"ruby":   {"ruby", filepath.Join("testdata", "bots", "bot.rb")},
		"php":    {"php", "-S", freeAddress(t), filepath.Join("testdata", "bots", "bot.php")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skipf("NOT RUN: %s is not installed", command[0])
			}
			if name == "php" {
				modules, err := exec.CommandContext(t.Context(), "php", "-m").Output()
				require.NoError(t, err)
				if !strings.Contains(string(modules), "\ncurl\n") {
					t.Skip("NOT RUN: php has no curl")
				}
			}
			p := launch(t, []string{"PAGE_ACCESS_TOKEN=canary-token", "APP_SECRET=canary-secret"},
				"run", append([]string{"--offline", "--"}, command...)...)
			client := invocation{env: []string{"APPEVENTS_EMULATOR=" + p.address(t)}}
			got := client.run(t, "wait", "--ready", "--timeout", "1m")
			require.Zero(t, got.code, "%s%s", got.stderr, &p.stderr)
			require.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), "confirmed in") }, time.Minute,
				time.Millisecond, "a bot that listens is ready; its handshake follows")

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
			if name != "php" { // whose server says it in its own way
				require.Contains(t, p.stdout.String(), name+" bot listens")
			}
			require.Contains(t, p.stderr.String(), name+": Grüße")
			require.NotContains(t, p.stdout.String()+p.stderr.String(), "canary")
			left, err := os.ReadDir(p.temp)
			require.NoError(t, err)
			require.Empty(t, left, "the authority is gone")
		})
	}
}

// underRun runs a shell script under the emulator, in a process of its own.
func underRun(t *testing.T, env []string, script string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "run", "-q", "--addr", "127.0.0.1:0", "--", "sh", "-c", script)
	cmd.Env = append([]string{asProgram + "=20ms", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}, env...)
	cmd.WaitDelay = time.Minute // a process that is left behind has the output open
	var stdout, stderr buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
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
		"left behind":           "sleep 1000 & echo $! >pid",
		"left behind, unfazed":  "(trap '' TERM; echo ready; while :; do sleep 1; done) & echo $! >pid",
		"of a shell in a shell": "sh -c 'sh -c \"sleep 1000 & echo \\$! >pid\"'",
	} {
		require.NoError(t, leavesNobody(t, script), name)
	}
}

// A daemon leaves the group of the bot, and its parent.
func TestNoDaemonOutlivesRunOnLinux(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("NOT RUN: only Linux gives orphans to the program that asked for them")
	}
	setsid, err := exec.LookPath("setsid")
	if err != nil {
		t.Skip("NOT RUN: there is no setsid")
	}
	const wait = "while ! [ -s pid ]; do sleep 0.01; done; "
	for name, script := range map[string]string{
		"session":            "setsid sh -c 'echo $$ >pid; exec sleep 1000' & " + wait,
		"daemon":             "setsid -f sh -c 'echo $$ >pid; exec sleep 1000'; " + wait,
		"unfazed":            "setsid -f sh -c 'trap \"\" TERM; echo $$ >pid; while :; do sleep 1; done'; " + wait,
		"without a name":     "env -i " + setsid + " -f sh -c 'echo $$ >pid; exec sleep 1000'; " + wait,
		"daemon of a daemon": "setsid -f setsid -f sh -c 'echo $$ >pid; exec sleep 1000'; " + wait,
		"forks when told": "setsid -f sh -c 'trap \"sleep 1000 & exit\" TERM; echo $$ >pid; while :; do sleep 0.01; done'; " +
			wait,
	} {
		require.NoError(t, leavesNobody(t, script), name)
	}
}

// leavesNobody runs a script under the emulator that writes the ID of a process into the file pid, and wants that
// process gone when run returns, and every other that was started there.
func leavesNobody(t *testing.T, script string) error {
	t.Helper()
	dir := t.TempDir()
	got := underRun(t, nil, "cd '"+dir+"'\n"+script)
	if got.code != 0 {
		return fmt.Errorf("status %d: %s", got.code, got.stderr)
	}
	data, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return err
	}
	if !gone(pid) {
		return fmt.Errorf("%d is still there", pid)
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range processes {
		if target, err := os.Readlink(link); err == nil && target == dir && !gone(pidIn(link)) {
			return fmt.Errorf("%s is still there", link)
		}
	}
	return nil
}

func pidIn(path string) int {
	pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
	return pid
}

func TestRunKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	p := launchWithGrace(t, "20ms", nil, "run", "-q", "--", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
	require.Eventually(t, func() bool { return strings.Contains(p.stdout.String(), "ready") }, time.Minute, time.Millisecond)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 137, p.wait())
}

// A second signal ends everything at once: the bot, what it started, and the files.
func TestASecondSignal(t *testing.T) {
	t.Parallel()
	for _, signals := range [][2]syscall.Signal{
		{syscall.SIGINT, syscall.SIGINT}, {syscall.SIGINT, syscall.SIGTERM}, {syscall.SIGTERM, syscall.SIGHUP},
	} {
		session := filepath.Join(t.TempDir(), "session.json")
		p := launchWithGrace(t, "24h", nil, "run", "--session", session, "--", "sh", "-c", `trap 'echo told' TERM; trap '' INT HUP
			(trap '' TERM INT HUP; while :; do sleep 1; done) & echo $! $$ ready; while :; do sleep 0.01; done`)
		shown := func(what string) {
			t.Helper()
			require.Eventually(t, func() bool { return strings.Contains(p.stdout.String(), what) }, time.Minute, time.Millisecond)
		}
		shown("ready")
		require.NoError(t, p.cmd.Process.Signal(signals[0]))
		shown("told")
		require.NoError(t, p.cmd.Process.Signal(signals[1]))
		require.Equal(t, 137, p.wait(), "the bot was killed")
		for _, pid := range strings.Fields(p.stdout.String())[:2] {
			number, err := strconv.Atoi(pid)
			require.NoError(t, err)
			require.True(t, gone(number), "nothing of it is left")
		}
		left, err := os.ReadDir(p.temp)
		require.NoError(t, err)
		require.Empty(t, left)
		left, err = os.ReadDir(filepath.Dir(session))
		require.NoError(t, err)
		require.Len(t, left, 1, "the session is saved, and free")
	}
}

// Output that nobody takes does not keep the program from ending at the second signal.
func TestASecondSignalWhileOutputHangs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		grace  string
		args   []string
		quiet  bool // nothing goes to standard error
		status int
	}{
		"what was recorded": {"24h", []string{"emulate"}, true, 0},
		"the first line":    {"20ms", []string{"run", "--", "sleep", "1000"}, false, exitInterrupted},
	} {
		reader, full, err := os.Pipe()
		require.NoError(t, err)
		defer reader.Close()
		raw, err := full.SyscallConn()
		require.NoError(t, err)
		var last error
		require.NoError(t, raw.Write(func(fd uintptr) bool {
			for last == nil { // byte for byte, so that none has room at the end
				_, last = syscall.Write(int(fd), []byte{'x'})
			}
			return true
		}))
		require.ErrorIs(t, last, syscall.EAGAIN)
		p := &process{temp: t.TempDir(), addrFile: filepath.Join(t.TempDir(), "addr")}
		p.cmd = exec.CommandContext(t.Context(), os.Args[0],
			slices.Insert(tt.args, 1, "--addr", "127.0.0.1:0", "--addr-file", p.addrFile)...)
		p.cmd.Env = []string{asProgram + "=" + tt.grace, "TMPDIR=" + p.temp, "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
		p.cmd.Stdout, p.cmd.Stderr = full, full
		if tt.quiet {
			p.cmd.Stderr = &p.stderr
		}
		require.NoError(t, p.cmd.Start())
		t.Cleanup(func() { _ = p.cmd.Process.Kill() })
		client := invocation{env: []string{"APPEVENTS_EMULATOR=" + p.address(t)}}
		require.Contains(t, client.run(t, "trigger", "messages").stdout, "not sent")
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
		require.Equal(t, tt.status, p.wait(), name)
		left, err := os.ReadDir(p.temp)
		require.NoError(t, err)
		require.Empty(t, left, name)
	}
}

// A bot that starts helpers all day leaves no zombies with us.
func TestRunTakesNoticeOfOrphansOnLinux(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("NOT RUN: only Linux gives orphans to the program that asked for them")
	}
	p := launch(t, nil, "run", "-q", "--", "sh", "-c", "(sleep 0 &) ; (sleep 0 &) ; echo ready; exec sleep 1000")
	require.Eventually(t, func() bool { return strings.Contains(p.stdout.String(), "ready") }, time.Minute, time.Millisecond)
	require.Eventually(t, func() bool {
		stats, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, name := range stats {
			stat, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
			if fields[0] == "Z" && fields[1] == strconv.Itoa(p.cmd.Process.Pid) {
				return false
			}
		}
		return true
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 143, p.wait())
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
