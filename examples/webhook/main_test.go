package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	return string(text)
}

// Each piece of Go in the README stands in the file that it names, which is compiled and run by the tests.
func TestReadme_ShowsCodeThatRuns(t *testing.T) {
	t.Parallel()
	text := readme(t)
	pieces := regexp.MustCompile("(?s)<!-- ([^ ]+) -->\n```go\n(.*?)```").FindAllStringSubmatch(text, -1)
	require.Len(t, pieces, strings.Count(text, "```go\n"), "a piece of Go does not name its file")
	require.Greater(t, len(pieces), 10)
	for _, piece := range pieces {
		file, err := os.ReadFile(filepath.Join(root, piece[1]))
		require.NoError(t, err)
		require.Contains(t, unindented(string(file)), unindented(piece[2]), piece[1])
	}
	for _, program := range []string{"main.go", "bot_test.go"} {
		file, err := os.ReadFile(program)
		require.NoError(t, err)
		require.Contains(t, text, "```go\n"+string(file)+"```")
	}
}

// unindented returns the lines of a text without the space around them.
func unindented(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimSpace(line) + "\n")
	}
	return out.String()
}

func TestReadme_LinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	prose := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(readme(t), "")
	links := regexp.MustCompile(`\[([^\]]+)\]\(([^)#]+)\)`).FindAllStringSubmatch(prose, -1)
	require.Greater(t, len(links), 20)
	for _, link := range links {
		if strings.HasPrefix(link[2], "https://") {
			continue
		}
		file, err := os.ReadFile(filepath.Join(root, link[2]))
		require.NoError(t, err)
		if regexp.MustCompile(`^Example\w*$`).MatchString(link[1]) {
			require.Contains(t, string(file), "func "+link[1]+"() {")
		}
	}
}
