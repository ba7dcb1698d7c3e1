package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The golden file is the program's own output over testdata/sample, read by a person:
//
//	go run ./internal/apisnapshot internal/apisnapshot/testdata/sample > internal/apisnapshot/testdata/sample.txt
func TestRun_PrintsWhatAnImporterCanReach(t *testing.T) {
	t.Parallel()

	want, err := os.ReadFile("testdata/sample.txt")
	require.NoError(t, err)
	var got bytes.Buffer
	require.NoError(t, run(t.Context(), &got, []string{"testdata/sample"}))
	require.Equal(t, string(want), got.String())
}

func TestRun_PrintsEveryModuleInTheOrderGiven(t *testing.T) {
	t.Parallel()

	late := module(t, "example.com/b", "package b\n\nvar B int\n")
	early := module(t, "example.com/a", "package a\n\nvar A int\n")
	var got bytes.Buffer
	require.NoError(t, run(t.Context(), &got, []string{late, early}))
	require.Contains(t, got.String(), "\npackage example.com/b\n\nvar B int\n\npackage example.com/a\n\nvar A int\n")
}

func TestRun_ReportsWhatItCannotPrint(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		dirs []string
		want string
	}{
		"no directory at all":           {want: "no module directory"},
		"directory that does not exist": {dirs: []string{"testdata/absent"}, want: "testdata/absent"},
		"package that does not compile": {
			dirs: []string{"testdata/sample", module(t, "example.com/broken", "package broken\n\nvar V int = \"text\"\n")},
			want: "broken.go:3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var got bytes.Buffer
			require.ErrorContains(t, run(t.Context(), &got, tc.dirs), tc.want)
			require.Empty(t, got.String(), "a failed run leaves no half-written snapshot")
		})
	}
}

func TestRun_ReportsAWriterThatFails(t *testing.T) {
	t.Parallel()

	require.ErrorIs(t, run(t.Context(), brokenPipe{}, []string{"testdata/sample"}), errBrokenPipe)
}

var errBrokenPipe = errors.New("broken pipe")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errBrokenPipe }

// module writes a module of one source file and returns its directory.
func module(t *testing.T, path, source string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"go.mod": "module " + path + "\n\ngo 1.26\n", filepath.Base(path) + ".go": source}
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}
