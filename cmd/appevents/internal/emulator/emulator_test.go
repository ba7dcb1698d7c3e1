package emulator_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

func TestNew(t *testing.T) {
	t.Parallel()
	e, err := emulator.New(emulator.Config{})
	require.NoError(t, err)
	require.NoError(t, e.Close())
}
