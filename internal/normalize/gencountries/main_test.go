package main

import (
	"bytes"
	"compress/flate"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGenerate_GivesTheTableInUse(t *testing.T) {
	t.Parallel()
	want, err := generate(io.Discard)
	require.NoError(t, err)
	file, err := os.ReadFile("../countries.flate")
	require.NoError(t, err)
	require.Less(t, len(file), 100_000, "what a program that imports the library carries")
	got, err := io.ReadAll(flate.NewReader(bytes.NewReader(file)))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go generate ./internal/normalize")
}

func TestGenerate_GivesEachNameOneCountry(t *testing.T) {
	t.Parallel()
	table, err := generate(io.Discard)
	require.NoError(t, err)
	country := map[string]string{}
	for line := range strings.Lines(string(table)) {
		names := strings.Fields(line)
		require.Len(t, names[0], 2)
		for _, name := range names {
			require.Empty(t, country[name], "%s is %s and %s", name, country[name], names[0])
			country[name] = names[0]
		}
	}
	require.Len(t, slices.Collect(strings.Lines(string(table))), 250)
}
