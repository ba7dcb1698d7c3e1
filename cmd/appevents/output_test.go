package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/graphtest"
)

func TestColumnsFitTheTerminal(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{10, 20}, fitted([]int{10, 20}, []int{3, 3}, 80), "all fit")
	require.Equal(t, []int{10, 100}, fitted([]int{10, 100}, []int{3, 3}, 0), "no terminal")
	require.Equal(t, []int{10, 26}, fitted([]int{10, 90}, []int{3, 9}, 40), "the widest gives way")
	require.Equal(t, []int{15, 21}, fitted([]int{90, 30}, []int{9, 21}, 40), "down to its longest word")
	require.Equal(t, []int{8, 8}, fitted([]int{90, 90}, []int{50, 50}, 4), "a terminal for nobody")
	require.Equal(t, "one, two, \nthree", wrap("one,two, three", 10))
	require.Equal(t, "one,two", wrap("one,two", 7), "as it is where it fits")
}

func TestMarksNeedATerminalAndItsLocale(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env  []string
		want bool
	}{
		{[]string{"LANG=de_DE.UTF-8"}, true},
		{[]string{"LC_ALL=C.utf8", "LANG=C"}, true},
		{[]string{"LC_ALL=C", "LANG=de_DE.UTF-8"}, false},
		{[]string{"LC_ALL=", "LC_CTYPE=de_DE.ISO-8859-1", "LANG=de_DE.UTF-8"}, false},
	} {
		p := &program{environ: tt.env}
		require.Equal(t, tt.want, p.unicode(), tt)
	}
	p := &program{environ: []string{"LANG=C.UTF-8"}, colour: "always"}
	require.Equal(t, "\x1b[31;1mFAIL\x1b[0m", p.state(new(bytes.Buffer), stateFail), "no marks in a file")
}

// disorderly are texts that turn, hide, move or cover what stands beside them, where they can.
var disorderly = map[string]string{
	"override": "a\u202eb", "embedding": "\u202ba", "isolate": "a\u2067b", "end of an isolate": "a\u2069\u2069b",
	"marks of direction": "\u200fa\u061c\u200e", "zero width": "a\u200bb\ufeff", "joiner": "a\u200d", "tags": "a\U000e0041b",
	"escape sequence": "\x1b[2K\x1b[1A", "title": "\x1b]0;x\x07", "C1": "a\u009b2K", "carriage return": "a\rb", "backspace": "a\b\b",
	"lines": "a\nb\u2028c\vd\fe\u0085", "marks": "a" + strings.Repeat("\u0337\u0301", 300), "mark in front": "\u20e0a",
	"not UTF-8": "a\x9b2K\xe2\x80",
}

// orderly requires that a text has nothing of that in it.
func orderly(t *testing.T, text, name string) {
	t.Helper()
	marks := 0
	for _, r := range text {
		if marks++; !unicode.Is(unicode.M, r) {
			marks = 0
		}
		require.LessOrEqual(t, marks, 5, name)
		require.False(t, r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp), "%s: %q", name, text)
	}
}

func TestTextOfOthersKeepsToItsPlace(t *testing.T) {
	t.Parallel()
	for name, text := range disorderly {
		for _, x := range []emulator.Exchange{
			{Direction: emulator.DirWebhook, Kind: text, Summary: text, Status: 200, Accepted: true},
			{Direction: emulator.DirWebhook, Kind: "messages", Skipped: text}, {Direction: emulator.DirWebhook, Failure: text},
			{Method: text, Path: text, Accepted: true, Summary: text}, {Failure: text},
			{Error: &emulator.Error{Message: text, Hint: text}},
			{Problems: []emulator.Problem{{Field: text, Message: text}}, Rules: []emulator.Finding{{Rule: text, Message: text}}},
		} {
			var out bytes.Buffer
			p := &program{stdout: &out, stderr: &out}
			x.Done = true
			require.NoError(t, p.printExchange(x))
			orderly(t, out.String(), name)
			require.Equal(t, 1+len(x.Problems)+len(x.Rules), strings.Count(out.String(), "\n"), name)

			out.Reset()
			p.json = true
			require.NoError(t, p.printExchange(x))
			require.Equal(t, 1, strings.Count(out.String(), "\n"), name)
			orderly(t, out.String(), name)
			var got emulator.Exchange
			require.NoError(t, json.Unmarshal(out.Bytes(), &got))
			require.Equal(t, strings.ToValidUTF8(x.Summary, "�"), strings.ReplaceAll(got.Summary, "��", "�"), "nothing is lost")
		}
		var out bytes.Buffer
		p := &program{stdout: &out, stderr: &out}
		p.report(errors.Join(errors.New(text), errors.New("next")), exitNo)
		orderly(t, out.String(), name)
		require.True(t, strings.HasSuffix(out.String(), "\nnext\n"), name)
		require.NoError(t, p.printRows(rows{header: []string{"A", "B"}, lines: [][]string{{text, text}}}))
		orderly(t, strings.ReplaceAll(out.String(), "\t", ""), name)
	}
}

func TestTextOfOthersOnTheWayThrough(t *testing.T) {
	t.Parallel()
	e, err := emulator.New(emulator.Config{})
	require.NoError(t, err)
	defer e.Close()
	server := httptest.NewServer(e)
	defer server.Close()
	l := listen(t, "--show-text")
	for name, text := range disorderly {
		l.deliver(graphtest.Text(text))
		got := invocation{env: []string{"APPEVENTS_EMULATOR=" + server.URL}}.run(t, "trigger", "messages", "--text", text)
		require.Contains(t, got.stdout, "--> messages")
		orderly(t, got.stdout+got.stderr, name)
	}
	require.Zero(t, l.end())
	require.Equal(t, len(disorderly), strings.Count(l.stdout.String(), "\n"))
	orderly(t, l.stdout.String()+l.stderr.String(), "listen")
}
