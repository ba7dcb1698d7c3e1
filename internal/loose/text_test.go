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

func TestWithoutIndices(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"": "", "consent": "consent", "events[0].params.k9[12]": "events[].params.k9[]", "2[3": "2[",
	} {
		require.Equal(t, want, loose.WithoutIndices(path))
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	require.Equal(t, "custom_events[0]._eventName", loose.Path([]any{"custom_events", 0.0, nil, "_eventName", true}))
	require.Empty(t, loose.Path(nil))
}
