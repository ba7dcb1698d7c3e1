package signature_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/signature"
)

func TestKey(t *testing.T) {
	t.Parallel()
	key := signature.NewKey("key")
	body := []byte("The quick brown fox jumps over the lazy dog")
	const sha256 = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
	require.Equal(t, sha256, key.Sign(body))
	for _, code := range []string{sha256, "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9"} {
		given, err := hex.DecodeString(code)
		require.NoError(t, err)
		require.True(t, key.Matches(body, given))
		require.False(t, key.Matches(body[1:], given))
		require.False(t, signature.NewKey("Key").Matches(body, given))
	}
}

func TestDecodeHex(t *testing.T) {
	t.Parallel()
	var dst [4]byte
	require.True(t, signature.DecodeHex(dst[:], "00fFA1b2"))
	require.Equal(t, [4]byte{0, 0xff, 0xa1, 0xb2}, dst)
	for _, digits := range []string{"", "00fFA1b", "00fFA1b20", "00fFA1bx", strings.Repeat("0", 400)} {
		require.False(t, signature.DecodeHex(dst[:], digits), digits)
	}
}
