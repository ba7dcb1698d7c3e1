package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
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
