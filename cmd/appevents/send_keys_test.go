package main

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// Lines are wrongly taken for repeats as seldom as the comment at seenBits says. A seen of a sixteenth of the size, told
// a sixteenth of the lines, is as full.
func TestSeen_IsSeldomWrong(t *testing.T) {
	t.Parallel()
	const part = 16
	s := &seen{make([]uint64, seenBits/64/part)}
	wrong := 0
	for i := range 10_000_000 / part {
		if i == 1_000_000/part {
			require.Zero(t, wrong, "of a million")
		}
		id := identity(sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i))))
		if !s.add(id) {
			wrong++
		}
		if i%1000 == 0 {
			require.False(t, s.add(id), "what it was told it knows")
		}
	}
	require.InEpsilon(t, 10_000_000/part/4000, wrong, 0.2, "of ten million")
}
