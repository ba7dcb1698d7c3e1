package appevents

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWarned_IsBounded(t *testing.T) {
	t.Parallel()
	var w warned
	now := time.Unix(1, 0)
	for i := range 3 * maxWarned {
		require.True(t, w.isNew(warningKey{field: strconv.Itoa(i)}, now))
		require.LessOrEqual(t, len(w.at), maxWarned)
	}
	require.False(t, w.isNew(warningKey{field: strconv.Itoa(3*maxWarned - 1)}, now))
}

func TestWithoutIndices(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"": "", "consent": "consent", "events[0].params.k9[12]": "events[].params.k9[]", "2[3": "2[",
	} {
		require.Equal(t, want, withoutIndices(path))
	}
}
