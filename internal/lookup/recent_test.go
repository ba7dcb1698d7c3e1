package lookup_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/lookup"
)

func TestRecent(t *testing.T) {
	t.Parallel()
	r := lookup.Recent[int, int]{Max: 10}
	keep := func(old int) bool { return old >= 0 }
	for i := range 100 {
		require.True(t, r.Put(i, i, keep))
		require.False(t, r.Put(i, -1, keep), "the first stays")
		got, ok := r.Get(i)
		require.True(t, ok)
		require.Equal(t, i, got)
		require.LessOrEqual(t, r.Len(), 10)
	}
	require.Equal(t, 10, r.Len())
	require.True(t, r.Put(99, 7, func(int) bool { return false }), "a known key needs no room")
	require.Equal(t, 10, r.Len())
	_, ok := r.Get(-1)
	require.False(t, ok)
}
