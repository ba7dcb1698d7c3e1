package turns_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/turns"
)

// What could be taken for more than one part of a key, or for a hash, is hashed.
func TestAppendPart(t *testing.T) {
	t.Parallel()
	for _, plain := range []string{"", "m_1", strings.Repeat("a", 256), "a.b:c"} {
		require.Equal(t, "k"+plain, string(turns.AppendPart([]byte("k"), plain)))
	}
	for _, text := range []string{"a/b", "~a", "a b", "a@b", "é", "a\n", strings.Repeat("a", 257)} {
		part := string(turns.AppendPart(nil, text))
		require.Regexp(t, `^~[0-9a-f]{32}$`, part)
		require.Equal(t, part, string(turns.AppendHash(nil, text)))
	}
}
