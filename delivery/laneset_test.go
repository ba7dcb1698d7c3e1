package delivery_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
)

func TestLaneSet(t *testing.T) {
	t.Parallel()
	var s delivery.LaneSet
	require.False(t, s.Has("edge/1"))
	s.Add("edge/2")
	s.Add("other")
	require.True(t, s.Has("edge/2"))
	require.True(t, s.Has("other/7"), "below a lane of the set")
	require.False(t, s.Has("edge"), "above a lane of the set")
	require.False(t, s.Has("edge/22"), "not below it, although its name begins alike")
	require.Equal(t, []string{"edge/2", "other"}, slices.Collect(s.All()))

	changed := s.Changed()
	s.Add("edge/3")
	s.Remove("edge/4")
	select {
	case <-changed:
		require.Fail(t, "told of a change although no lane left the set")
	default:
	}
	s.Remove("edge/2")
	<-changed
	require.False(t, s.Has("edge/2"))
	select {
	case <-s.Changed():
		require.Fail(t, "told of a change before there was one")
	default:
	}
}

func TestLaneSet_nil(t *testing.T) {
	t.Parallel()
	var s *delivery.LaneSet
	require.False(t, s.Has("edge/1"))
	require.Nil(t, s.Changed())
	require.Empty(t, slices.Collect(s.All()))
}
