package appevents

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSeenEvents_MemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := newSeenEvents(time.Hour, 10)
	for i := range 1000 {
		key := strconv.Itoa(i)
		turn, err := s.begin(t.Context(), key)
		require.NoError(t, err)
		require.False(t, turn.handled)
		s.end(key, turn, i%3 != 0)
		require.LessOrEqual(t, len(s.turns), 10)
		require.LessOrEqual(t, len(s.queue), 21)
	}
	require.Less(t, cap(s.queue), 100)
}
