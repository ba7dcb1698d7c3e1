package names_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/names"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	v, ok := names.ParseVersion("v26.1")
	require.True(t, ok)
	require.Equal(t, names.Version{Major: 26, Minor: 1}, v)
	for _, text := range []string{"", "v", "26.0", "v26", "v26.", "v.0", "v0.0", "v26.0.1", "v26.0 ", "v-1.0", "v99999999.0"} {
		_, ok := names.ParseVersion(text)
		require.False(t, ok, text)
	}
	require.True(t, v.After(names.Version{Major: 26}))
	require.True(t, v.After(names.Version{Major: 25, Minor: 9}))
	require.False(t, v.After(v))
	require.False(t, v.After(names.Version{Major: 27}))
}
