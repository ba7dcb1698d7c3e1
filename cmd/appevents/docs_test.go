package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocumentedCommandsExist parses every command that the README and the manual show.
func TestDocumentedCommandsExist(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", filepath.Join("docs", "command-line.md")} {
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		require.NoError(t, err)
		for i, block := range strings.Split(string(text), "```") {
			if i%2 == 0 {
				continue // between the blocks
			}
			for line := range strings.Lines(block) {
				line, _, _ = strings.Cut(line, " #")
				if _, command, ok := strings.Cut(line, " && "); ok {
					line = command
				}
				words := strings.Fields(line)
				if len(words) < 2 || words[0] != "appevents" {
					continue
				}
				parser, err := newParser(new(commands), &program{stdout: io.Discard, stderr: io.Discard})
				require.NoError(t, err)
				_, err = parser.Parse(words[1:])
				require.NoError(t, err, line)
			}
		}
	}
	parser, err := newParser(new(commands), &program{stdout: io.Discard, stderr: io.Discard})
	require.NoError(t, err)
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "command-line.md"))
	require.NoError(t, err)
	for _, command := range commandsOf(parser.Model.Node) {
		if command != "completion" && command != "version" {
			require.Contains(t, string(manual), "`"+command+"`", "the manual's table has every command")
		}
	}
}
