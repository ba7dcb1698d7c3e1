// Package signature computes and compares the codes that webhooks are signed with.
package signature

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // accepted only when asked for, see WebhookConfig.AcceptSHA1
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// A Key is a secret, ready to compute with. The pools keep keyed hashes: keying one costs as much as hashing a short
// message. It is safe for concurrent use.
type Key struct{ sha256, sha1 sync.Pool }

// NewKey returns the key of a secret.
func NewKey(secret string) *Key {
	key := []byte(secret)
	return &Key{
		sha256: sync.Pool{New: func() any { return &macState{hash: hmac.New(sha256.New, key)} }},
		sha1:   sync.Pool{New: func() any { return &macState{hash: hmac.New(sha1.New, key)} }},
	}
}

// Matches reports whether given is the code of body, of the kind that has its length.
func (k *Key) Matches(body, given []byte) bool {
	pool := &k.sha256
	if len(given) == sha1.Size {
		pool = &k.sha1
	}
	mac := pool.Get().(*macState)
	defer pool.Put(mac)
	return hmac.Equal(mac.sum(body), given)
}

// Sign returns the HMAC-SHA256 of body in hexadecimal.
func (k *Key) Sign(body []byte) string {
	mac := k.sha256.Get().(*macState)
	defer k.sha256.Put(mac)
	return hex.EncodeToString(mac.sum(body))
}

// macState is a keyed hash with room for its result.
type macState struct {
	hash hash.Hash
	out  [sha256.Size]byte
}

// sum returns the code of body; it is valid until the next call.
func (m *macState) sum(body []byte) []byte {
	m.hash.Reset()
	m.hash.Write(body)
	return m.hash.Sum(m.out[:0])
}

// DecodeHex fills dst, of 32 bytes at most, from exactly as many hexadecimal digits as it takes, of either case.
func DecodeHex(dst []byte, digits string) bool {
	if len(digits) != hex.EncodedLen(len(dst)) {
		return false
	}
	var src [2 * sha256.Size]byte
	_, err := hex.Decode(dst, src[:copy(src[:], digits)])
	return err == nil
}
