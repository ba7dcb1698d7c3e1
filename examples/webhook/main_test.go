package main

import (
	"os"
	"path/filepath"
	"regexp"
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

func TestReadme_ShowsThisProgram(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)
	require.Contains(t, readme(t), "```go\n"+string(program)+"```")
}

func TestReadme_LinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	links := regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`).FindAllStringSubmatch(readme(t), -1)
	require.Greater(t, len(links), 20)
	for _, link := range links {
		file, err := os.ReadFile(filepath.Join(root, link[2]))
		require.NoError(t, err)
		if regexp.MustCompile(`^Example\w*$`).MatchString(link[1]) {
			require.Contains(t, string(file), "func "+link[1]+"() {")
		}
	}
}
