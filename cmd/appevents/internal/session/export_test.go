package session_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
	"github.com/appevents/appevents-go/graphtest"
)

func TestGoTest(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, session.WriteGo(&b, recording()))
	golden(t, "session_test.go.txt", b.String())
	require.Equal(t, 1, strings.Count(b.String(), "\nfunc newBot("))
	requireGo(t, b.Bytes())

	b.Reset()
	require.NoError(t, session.WriteGo(&b, nil))
	requireGo(t, b.Bytes())
	golden(t, "empty_test.go.txt", b.String())

	var many []session.Webhook
	for n := range 12 {
		body := graphtest.Text("hi", graphtest.From("65432109876543"+strconv.Itoa(10+n)))
		many = append(many, session.Webhook{Body: body, Status: 200, Calls: []session.Call{}})
	}
	b.Reset()
	require.NoError(t, session.WriteGo(&b, many))
	requireGo(t, b.Bytes())

	for name, body := range graphtest.Samples() {
		b.Reset()
		require.NoError(t, session.WriteGo(&b, []session.Webhook{{Body: body, Calls: []session.Call{}}}), name)
		requireGo(t, b.Bytes())
	}
}

// requireGo demands formatted Go whose functions are those of the template: nothing that people wrote became code.
func requireGo(t *testing.T, source []byte) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "session_test.go", source, parser.ParseComments|parser.AllErrors)
	require.NoError(t, err, "%s", source)
	formatted, err := format.Source(source)
	require.NoError(t, err)
	require.Equal(t, string(formatted), string(source))
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok {
			require.Contains(t, []string{"newBot", "TestSession", "next", "newEvent", "answer", "recorded", "send"}, f.Name.Name)
		}
	}
	for _, b := range source {
		require.True(t, b == '\n' || b == '\t' || b >= ' ' && b <= '~', "only ASCII: nothing hides")
	}
}

func TestCurl(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, session.WriteCurl(&b, recording()))
	golden(t, "session.sh.txt", b.String())
	calls := runCurl(t, b.String())
	list := recording()
	require.Len(t, calls, len(list))
	for n, call := range calls {
		require.Equal(t, string(list[n].Body), call.body, "byte for byte")
		require.Contains(t, call.args, "X-Hub-Signature-256: "+graphtest.Sign("canary-secret", list[n].Body))
		require.Regexp(t, `^X-Hub-Signature: sha1=[0-9a-f]{40}$`, call.args[indexPrefix(call.args, "X-Hub-Signature: ")])
		require.Equal(t, "http://127.0.0.1:9/webhook?a=b c", call.args[len(call.args)-1])
	}
	require.NotContains(t, b.String(), "canary-secret")
}

func indexPrefix(list []string, prefix string) int {
	for n, s := range list {
		if strings.HasPrefix(s, prefix) {
			return n
		}
	}
	return 0
}

type curlCall struct {
	args []string
	body string
}

// runCurl runs a script with a curl that writes down its arguments and its input.
func runCurl(t *testing.T, script string) []curlCall {
	t.Helper()
	for _, tool := range []string{"sh", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("NOT RUN: %s is not installed", tool)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "session.sh")
	require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
	out, err := exec.CommandContext(t.Context(), "sh", "-n", file).CombinedOutput()
	require.NoError(t, err, "%s", out)

	bin := filepath.Join(dir, "bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	fake := "#!/bin/sh\nn=$(ls \"$OUT\" | wc -l)\nn=$(printf '%05d' $n)\ncat >\"$OUT/$n.body\"\n" +
		"for a in \"$@\"; do printf '%s\\0' \"$a\"; done >\"$OUT/$n.args\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "curl"), []byte(fake), 0o700))
	results, empty := filepath.Join(dir, "out"), filepath.Join(dir, "empty")
	require.NoError(t, os.Mkdir(results, 0o700))
	require.NoError(t, os.Mkdir(empty, 0o700))
	cmd := exec.CommandContext(t.Context(), "sh", file)
	cmd.Dir = empty
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "OUT=" + results, "APP_SECRET=canary-secret",
		"BOT_URL=http://127.0.0.1:9/webhook?a=b c", "HOME=/canary"}
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	left, err := os.ReadDir(empty)
	require.NoError(t, err)
	require.Empty(t, left, "something was run")

	var calls []curlCall
	for n := 0; ; n += 2 {
		args, err := os.ReadFile(filepath.Join(results, fmt.Sprintf("%05d.args", n)))
		if err != nil {
			return calls
		}
		body, err := os.ReadFile(filepath.Join(results, fmt.Sprintf("%05d.body", n)))
		require.NoError(t, err)
		calls = append(calls, curlCall{strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00"), string(body)})
	}
}

func TestCurlWithoutItsSettingsSendsNothing(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, session.WriteCurl(&b, recording()))
	cmd := exec.CommandContext(t.Context(), "sh", "-s")
	cmd.Stdin, cmd.Env = &b, []string{"PATH=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "APP_SECRET")
	require.NotContains(t, string(out), "curl")
	b.Reset()
	require.NoError(t, session.WriteCurl(&b, []session.Webhook{{Body: []byte("a\x00b")}}))
	require.Contains(t, b.String(), "left out")
	require.NotContains(t, b.String(), "\x00")
}
