package turns

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWindow_MemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := New(time.Hour, 10)
	for i := range 1000 {
		key := strconv.Itoa(i)
		turn, err := s.Begin(t.Context(), key)
		require.NoError(t, err)
		require.False(t, turn.Handled)
		s.End(key, turn, i%3 != 0)
		require.LessOrEqual(t, len(s.turns), 10)
		require.LessOrEqual(t, len(s.queue), 21)
	}
	require.Less(t, cap(s.queue), 100)
}

// A key that was handled is not handled again until the window has passed; one that failed is.
func TestWindow_RemembersSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(time.Hour, 10)
		for _, success := range []bool{false, true} {
			turn, err := s.Begin(t.Context(), "k")
			require.NoError(t, err)
			require.False(t, turn.Handled)
			s.End("k", turn, success)
		}
		turn, err := s.Begin(t.Context(), "k")
		require.NoError(t, err)
		require.True(t, turn.Handled)
		<-time.After(time.Hour) // of the bubble's clock
		turn, err = s.Begin(t.Context(), "k")
		require.NoError(t, err)
		require.False(t, turn.Handled)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = s.Begin(ctx, "k")
		require.ErrorIs(t, err, context.Canceled, "one that is being handled is waited for")
	})
}
