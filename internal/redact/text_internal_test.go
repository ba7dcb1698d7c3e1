package redact

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A hostile text costs work in proportion to its length: no character is looked at from far away.
func TestText_LooksAtEachCharacterAFewTimes(t *testing.T) {
	t.Parallel()
	const hidden = "771|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"
	for _, unit := range []string{"a", `\\`, "%25", "%", "&", "&lt;", "&a;", "+", `\\u0061`, "771|aaa", "771|", "7", "%37"} {
		text := strings.Repeat(unit, 1<<14/len(unit))
		looks, far := 0, 0
		forms := formsIn(text)
		for i, way := range forms {
			forms[i] = func(s, secret string) (size, length int) {
				size, length = way(s, secret)
				looks, far = looks+1, max(far, length)
				return size, length
			}
		}
		blank(text, hidden, leastOf(hidden), forms)
		require.Less(t, looks, 64*len(text), unit)
		require.LessOrEqual(t, far, 64, unit)
	}
}
