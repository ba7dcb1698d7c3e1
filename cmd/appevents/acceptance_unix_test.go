//go:build unix

package main

import (
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// goBuild builds a program.
func goBuild(t *testing.T, dir, pkg string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("NOT RUN: there is no go command")
	}
	program := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, pkg)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// The program is one static file of moderate size.
func TestProgramIsStaticAndSmall(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("NOT RUN: there is no make")
	}
	program := filepath.Join(t.TempDir(), "appevents")
	cmd := exec.CommandContext(t.Context(), "make", "-s", "install")
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), append(os.Environ(), "GOBIN="+filepath.Dir(program), "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	info, err := os.Stat(program)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(20_000_000))
	if runtime.GOOS != "linux" {
		return
	}
	file, err := elf.Open(program)
	require.NoError(t, err)
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries)
	for _, segment := range file.Progs {
		require.NotEqual(t, elf.PT_INTERP, segment.Type, "it needs no loader")
	}
}

// No credential of the parent is in anything that a run leaves, prints or serves.
func TestCanaries(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("NOT RUN: python3 is not installed")
	}
	work := t.TempDir()
	planted := filepath.Join(t.TempDir(), "planted")
	require.NoError(t, os.WriteFile(planted, []byte("canary08\n"), 0o600))
	p := launch(t, []string{
		"PAGE_ACCESS_TOKEN=canary01", "APP_SECRET=canary02", "VERIFY_TOKEN=canary03", "MESSENGER_APP_SECRET=canary04",
		"FACEBOOK_PAGE_ACCESS_TOKEN=EAAcanary05", "APPEVENTS_ACCESS_TOKEN=canary06", "ACCESS_TOKEN=canary07",
		"APPEVENTS_APP_SECRET_FILE=" + planted, `SETTINGS={"token":"EAABcanary09"}`, "COPY=x-canary02-x",
		"DATABASE_URL=postgres://me:canary01@host/db", "FB_VERIFY_TOKEN=canary10",
		"OTHER=1517776481860111|canary11canary11", "KEPT_TOKEN=EAABcanary12canary12",
	}, "run", "--keep-env=KEPT_TOKEN", "--offline", "--session", filepath.Join(work, "session"), "--", "sh", "-c",
		`printenv | grep -v ^KEPT_TOKEN=; "`+python+`" -c '
import os, urllib.error, urllib.request
token = os.environ["KEPT_TOKEN"]
for url, header in (("https://graph.facebook.com/v26.0/me?access_token=" + token, {}),
                    ("https://graph.facebook.com/v26.0/me", {"Authorization": "Bearer " + token}),
                    ("https://graph.facebook.com/v26.0/me/unknown?access_token=" + token, {})):
    try:
        urllib.request.urlopen(urllib.request.Request(url, headers=header)).read()
    except urllib.error.HTTPError as e:
        print(e.read().decode())
'; exec "`+python+`" testdata/bots/bot.py`)
	address := p.address(t)
	client := invocation{env: []string{"APPEVENTS_EMULATOR=" + address}}
	outputs := map[string]string{}
	for _, args := range [][]string{
		{"wait", "--ready", "--timeout=1m"}, {"trigger", "messages", "--text=hello", "--debug"},
		{"wait", "--event=Purchase", "--timeout=1m", "--json"}, {"trigger", "messages", "--wrong-signature", "--debug", "--json"},
	} {
		got := client.run(t, args...)
		require.Less(t, got.code, 2, got.stderr)
		outputs[strings.Join(args, " ")] = got.stdout + got.stderr
	}
	for _, path := range []string{
		"", "-/api/state", "-/api/exchanges", "-/api/turns", "-/api/counted", "-/api/leads", "-/api/ready",
		"-/api/export?as=go", "-/api/export?as=ndjson", "-/api/export?as=curl",
	} {
		resp, err := http.Get("http://" + address + "/" + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode, path)
		outputs["/"+path] = string(body)
	}
	collect := func(dir string) {
		require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			require.NoError(t, err)
			if !entry.IsDir() {
				data, err := os.ReadFile(path)
				require.NoError(t, err)
				outputs[path] = string(data)
			}
			return nil
		}))
	}
	collect(p.temp) // while it runs
	require.NotEmpty(t, outputs)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait()
	outputs["stdout"], outputs["stderr"] = p.stdout.String(), p.stderr.String()
	collect(work)
	collect(filepath.Dir(p.addrFile))
	require.Contains(t, outputs, filepath.Join(work, "session"))
	require.Contains(t, outputs["stdout"], "PAGE_ACCESS_TOKEN=EAAemulated")
	require.Contains(t, outputs["/-/api/exchanges"], "me/unknown", "the call with the token in its URL")
	for name, output := range outputs {
		require.NotContains(t, strings.ToLower(output), "canary", name)
	}
	left, err := os.ReadDir(p.temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

// The signature is OpenSSL's over the bytes that arrive.
func TestTriggerSignsAsOpenSSLDoes(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("NOT RUN: openssl is not installed")
	}
	arrived := make(chan []string, 1)
	bot := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- []string{string(body), r.Header.Get("X-Hub-Signature-256"), r.Header.Get("X-Hub-Signature")}
	}))
	defer bot.Close()
	require.Zero(t, signing.run(t, "trigger", "messages", "--text", "hi ü/<b>😊", "--to", bot.URL).code)
	got := <-arrived
	for i, algorithm := range map[int]string{1: "sha256", 2: "sha1"} {
		cmd := exec.CommandContext(t.Context(), "openssl", "dgst", "-"+algorithm, "-hmac", testSecret)
		cmd.Stdin = strings.NewReader(got[0])
		out, err := cmd.Output()
		require.NoError(t, err)
		fields := strings.Fields(string(out))
		require.Equal(t, algorithm+"="+fields[len(fields)-1], got[i])
	}
}

// The example bot, which verifies signatures with the SDK, refuses a forged webhook, and the tool says so.
func TestExampleBotRefusesForgeries(t *testing.T) {
	t.Parallel()
	examples := filepath.Join("..", "..", "examples")
	if _, err := os.Stat(filepath.Join(examples, "bot")); err != nil {
		t.Skip("NOT RUN: the examples are not beside this module")
	}
	bot := goBuild(t, examples, "./bot")
	p := launch(t, nil, "run", "--offline", "--", bot, "-addr", freeAddress(t), "-inspect=", "-queue", filepath.Join(t.TempDir(), "bot.db"))
	client := invocation{env: []string{"APPEVENTS_EMULATOR=" + p.address(t)}}
	got := client.run(t, "wait", "--ready", "--timeout=1m")
	require.Zero(t, got.code, "%s%s", got.stderr, &p.stderr)
	for _, flag := range []string{"--wrong-signature", "--unsigned", "--sha1-only"} {
		got = client.run(t, "trigger", "messages", flag)
		require.Equal(t, exitNo, got.code, flag)
		require.Contains(t, got.stdout, "FAIL bot 403", flag)
	}
	require.Zero(t, client.run(t, "trigger", "messages").code)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.wait(), "%s%s", &p.stdout, &p.stderr)
}

// With the network cut there is nothing but loopback, and a bot works all the same.
func TestRunWithoutANetwork(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"unshare", "ip", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("NOT RUN: %s is not installed", tool)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "-rn", "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: unshare -n is not permitted here: %s", out)
	}
	dir := t.TempDir()
	script := fmt.Sprintf(`set -e
ip link set lo up
! ip route get 192.0.2.1 2>/dev/null
%[1]q run --addr 127.0.0.1:0 --addr-file %[2]q/addr -- python3 testdata/bots/bot.py &
run=$!
while ! [ -e %[2]q/addr ]; do sleep 0.05; done
export APPEVENTS_EMULATOR=$(cat %[2]q/addr)
%[1]q wait --ready --timeout 1m
%[1]q trigger messages --text hello
%[1]q wait --event Purchase --timeout 1m
kill $run
wait $run || [ $? = 143 ]
`, os.Args[0], dir)
	cmd := exec.CommandContext(t.Context(), "unshare", "-rn", "sh", "-c", script)
	cmd.Env = []string{asProgram + "=5s", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + dir}
	cmd.WaitDelay = time.Minute
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "python: hello")
}
