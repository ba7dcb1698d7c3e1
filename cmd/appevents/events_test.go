package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

func TestEventsListsThemAll(t *testing.T) {
	t.Parallel()
	got := invocation{}.run(t, "events")
	require.Zero(t, got.code)
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	require.Len(t, lines, 1+len(appevents.StandardEvents()))
	require.Equal(t, "NAME\tLABEL\tVALUE\tACCEPTED BY\tPARAMETERS", lines[0])
	for _, line := range lines {
		require.Equal(t, 4, strings.Count(line, "\t"), line)
	}
	got = invocation{}.run(t, "events", "--json", "--edge", "events")
	for line := range strings.Lines(got.stdout) {
		var event struct {
			Schema           int
			Name, Conversion string
			Edges            []string
		}
		require.NoError(t, json.Unmarshal([]byte(line), &event))
		require.Equal(t, 1, event.Schema)
		require.NotEmpty(t, event.Conversion, event.Name)
		require.Contains(t, event.Edges, "events")
	}
}

func TestEventByAnyOfItsNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"fb_mobile_purchase", "Purchase", "purchase"} {
		got := invocation{}.run(t, "events", name)
		require.Zero(t, got.code)
		require.Contains(t, got.stdout, "fb_mobile_purchase (Purchase)")
		require.Contains(t, got.stdout, "fb_currency\ttext\tCurrency; required with a value")
	}
	got := invocation{}.run(t, "events", "purchas")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, `did you mean "fb_mobile_purchase"?`)
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]string{
		"2804066":             "100/2804066\tparameter\tthe name of the event is not allowed for conversations",
		"100/2804131":         "no Page attached",
		"190/460":             "190/460\tcredentials\tthe password was changed",
		"#4":                  "4\tthrottled",
		"(#80006)":            "Messenger",
		"460":                 "190/460",
		"10":                  "10\tpermission",
		"fb_mobile_purchase":  "price paid; needs a currency",
		"LeadSubmitted":       "lead_submitted",
		"messaging_optins":    "appevents trigger messaging_optins/checkbox",
		"messages":            "appevents trigger messages/quick_reply",
		"messages/attachment": "appevents trigger messages/attachment",
	} {
		got := invocation{}.run(t, "explain", what)
		require.Zero(t, got.code, what)
		require.Contains(t, got.stdout, want)
		got = invocation{}.run(t, "explain", "--json", what)
		for line := range strings.Lines(got.stdout) {
			require.True(t, json.Valid([]byte(line)), line)
		}
	}
	got := invocation{}.run(t, "explain", "190/999")
	require.Zero(t, got.code)
	require.Contains(t, got.stderr, "subcode 999 is not in the table")
	for _, what := range []string{"424242", "nothing_of_the_kind"} {
		require.Equal(t, exitNo, invocation{}.run(t, "explain", what).code)
	}
}

func TestCodesAreWellFormed(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Count(codesTable, "\n"), 1+len(codeEntries()), "a line has not six cells")
	seen := make(map[string]bool)
	for _, e := range codeEntries() {
		key := e.Code + "/" + e.Subcode
		require.False(t, seen[key], key)
		seen[key] = true
		require.Contains(t, []string{
			"transient", "permission", "throttled", "parameter", "not found", "credentials", "policy",
		}, e.Class, key)
		require.Contains(t, []string{"yes", "no", "later", "long wait"}, e.Repeat, key)
		for _, text := range []string{e.Code, e.Meaning, e.Do} {
			require.NotEmpty(t, text, key)
		}
	}
}

// complete asks bash what it would offer.
func complete(t *testing.T, words ...string) []string {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("NOT RUN: bash is not installed")
	}
	got := invocation{}.run(t, "completion", "bash")
	require.Zero(t, got.code)
	script := got.stdout + "\nCOMP_WORDS=(appevents \"$@\"); COMP_CWORD=$#; _appevents; printf '%s\\n' \"${COMPREPLY[@]}\"\n"
	cmd := exec.CommandContext(t.Context(), bash, append([]string{"--norc", "-c", script, "bash"}, words...)...)
	cmd.Dir = "testdata"
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	require.NoError(t, err, complaint.String())
	require.Empty(t, complaint.String())
	return strings.Fields(string(out))
}

func TestBashCompletion(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"emulate", "events", "explain"}, complete(t, "e"))
	require.Contains(t, complete(t, ""), "trigger")
	require.Equal(t, []string{"--addr", "--addr-file", "--accept-page-activities"}, reorder(complete(t, "run", "--a")))
	require.Contains(t, complete(t, "--json", "wait", "--"), "--timeout")
	require.Contains(t, complete(t, "trigger", "messaging_opt"), "messaging_optins/checkbox")
	require.Equal(t, []string{"2804066"}, complete(t, "explain", "2804066"))
	require.Equal(t, []string{"fb_mobile_purchase"}, complete(t, "events", "fb_mobile_pur"))
	require.Equal(t, []string{"powershell"}, complete(t, "completion", "p"))
	require.Equal(t, []string{"help"}, complete(t, "sign", "--file", "hel"), "files")
	require.Contains(t, complete(t, "run", "--", "bas"), "bash", "programs")
	require.Equal(t, []string{"resubmit", "resume"}, complete(t, "queue", "res"))
	require.Contains(t, complete(t, "queue", "--"), "--json")
	require.Contains(t, complete(t, "queue", "discard", "--a"), "--all")
	require.NotContains(t, complete(t, "queue", "stats", "--a"), "--all")
	require.Equal(t, []string{"help"}, complete(t, "--json", "queue", "stats", "hel"), "files")
	require.Equal(t, []string{"unknown", "unreadable"}, complete(t, "queue", "buried", "--reason", "un"))
}

// reorder puts what a completion offers into the order of the flags.
func reorder(list []string) []string {
	var out []string
	for _, want := range []string{"--addr", "--addr-file", "--accept-page-activities"} {
		for _, got := range list {
			if got == want {
				out = append(out, got)
			}
		}
	}
	if len(out) != len(list) {
		return list
	}
	return out
}

// Every flag with a list of values offers it, and every command its own flags.
func TestBashCompletionKnowsAllFlagsAndValues(t *testing.T) {
	t.Parallel()
	parser, err := newParser(new(commands), &program{stdout: io.Discard, stderr: io.Discard})
	require.NoError(t, err)
	for _, command := range parser.Model.Children {
		require.ElementsMatch(t, flagsOf(command), complete(t, command.Name, "--"), command.Name)
		for _, group := range command.AllFlags(true) {
			for _, flag := range group {
				if flag.Enum == "" {
					continue
				}
				var values []string
				for _, value := range flag.EnumSlice() {
					if value != "" {
						values = append(values, value)
					}
				}
				require.ElementsMatch(t, values, complete(t, command.Name, "--"+flag.Name, ""), command.Name+" --"+flag.Name)
			}
		}
	}
	require.NotContains(t, complete(t, "wait", "--event", ""), "--count")
	require.Equal(t, []string{"never"}, complete(t, "run", "--color", "n"))
	require.Equal(t, []string{"never"}, complete(t, "run", "--color", "=", "n"), "as bash splits --color=n")
	require.Contains(t, complete(t, "run", "--color", "="), "always")
	require.Equal(t, []string{"--color", "--count"}, complete(t, "--color", "always", "wait", "--co"))
}

// Other shells read their script without complaint, where they are installed.
func TestCompletionScriptsParse(t *testing.T) {
	t.Parallel()
	for shell, check := range map[string][]string{
		"bash": {"bash", "-n"}, "zsh": {"zsh", "-n"}, "fish": {"fish", "--no-execute"},
		"powershell": {"pwsh", "-NoProfile", "-NonInteractive", "-File"},
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(check[0]); err != nil {
				t.Skipf("NOT RUN: %s is not installed", check[0])
			}
			file := filepath.Join(t.TempDir(), "appevents.ps1")
			got := invocation{}.run(t, "completion", shell)
			require.NoError(t, os.WriteFile(file, []byte(got.stdout), 0o600))
			out, err := exec.CommandContext(t.Context(), check[0], append(check[1:], file)...).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Empty(t, string(out))
		})
	}
}

func TestCompletionOfOtherShells(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"zsh", "fish", "powershell"} {
		got := invocation{}.run(t, "completion", shell)
		require.Zero(t, got.code)
		for _, want := range []string{"emulate", "messaging_postbacks", "timeout", "2804066", "resubmit", "at-most-once"} {
			require.Contains(t, got.stdout, want, shell)
		}
	}
}
