package loose_test

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/loose"
)

func TestCut(t *testing.T) {
	t.Parallel()
	require.Equal(t, "short", loose.Cut("short", 5))
	require.Equal(t, "sh…", loose.Cut("short", 2))
	require.Equal(t, "å…", loose.Cut("åå", 3))
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a b  c d e?", loose.OneLine("a\nb\r\u2028c\x00d\x7fe\xff"))
}

func TestLoggable(t *testing.T) {
	t.Parallel()
	require.Equal(t, "as it is", loose.Loggable("as it is"))
	for _, odd := range []string{"\x00", "\U000e0001", "a", "\xff"} {
		text := loose.Loggable(strings.Repeat(odd, 20_000))
		require.LessOrEqual(t, len(strconv.Quote(text)), 3<<10)
		require.True(t, utf8.ValidString(text))
	}
}
