package bounded_test

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/bounded"
)

func TestRead(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 1000)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"at once":       func(r io.Reader) io.Reader { return r },
		"by byte":       iotest.OneByteReader,
		"end with data": iotest.DataErrReader,
	} {
		for _, buf := range [][]byte{nil, make([]byte, 0, 16), make([]byte, 0, 10_001)} {
			got, err := bounded.Read(buf, wrap(strings.NewReader(text)), 10_000)
			require.NoError(t, err, name)
			require.Equal(t, text, string(got), name)

			got, err = bounded.Read(buf, wrap(strings.NewReader(text)), 9_999)
			require.ErrorIs(t, err, bounded.ErrTooLong, name)
			require.Equal(t, text, string(got), "one byte tells that it is too long")
		}
	}
	got, err := bounded.Read([]byte("ab"), strings.NewReader("c"), math.MaxInt64)
	require.NoError(t, err)
	require.Equal(t, "c", string(got), "what buf held is gone")
	got, err = bounded.Read(nil, strings.NewReader(""), 0)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestRead_KeepsWhatCameBeforeAnError(t *testing.T) {
	t.Parallel()
	got, err := bounded.Read(nil, iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("ab"))), 10)
	require.ErrorIs(t, err, iotest.ErrTimeout)
	require.Equal(t, "a", string(got))
}

// A body that arrives in full leaves no memory unused beyond what doubling takes, whatever its length was said to be.
func TestRead_GrowsWithWhatArrives(t *testing.T) {
	t.Parallel()
	got, err := bounded.Read(make([]byte, 0, 4), bytes.NewReader(make([]byte, 3)), 1<<40)
	require.NoError(t, err)
	require.Equal(t, 4, cap(got))
}
