package normalize

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHashed_Set(t *testing.T) {
	t.Parallel()
	var scratch [ScratchLen]byte
	var h Hashed
	require.Equal(t, None, h.Set(scratch[:0], Email, " A@Example.com", &Context{}))
	sum := sha256.Sum256([]byte("a@example.com"))
	require.Equal(t, hex.EncodeToString(sum[:]), string(h.Digest()))
	require.Equal(t, Email, h.Key)

	before := h
	require.Equal(t, PhoneLength, h.Set(scratch[:0], Phone, "12", &Context{}))
	require.Equal(t, before, h, "left as it was")

	require.Equal(t, PhoneNational, h.Set(scratch[:0], Phone, "030 901820", &Context{}))
	require.Equal(t, Phone, h.Key)

	digest := strings.Repeat("0F", 32)
	require.Equal(t, None, h.Set(scratch[:0], City, digest+".AQ", &Context{}))
	require.Equal(t, strings.ToLower(digest)+".AQ", string(h.Digest()))
}

func TestEncodeHex_IsHexEncode(t *testing.T) {
	t.Parallel()
	for first := 0; first < 256; first += sha256.Size {
		var sum [sha256.Size]byte
		for i := range sum {
			sum[i] = byte(first + i)
		}
		var got [MaxHashedLen]byte
		encodeHex(&got, &sum)
		require.Equal(t, hex.EncodeToString(sum[:]), string(got[:2*sha256.Size]))
	}
}
