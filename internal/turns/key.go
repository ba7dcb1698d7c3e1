package turns

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	maxKeyPart  = 256 // longer parts of a key are hashed
	keyHashSize = 16  // bytes of a hash that go into a key
)

// AppendPart appends a part of a key: s, or its hash if s is long or could be taken for more than one part.
func AppendPart(key []byte, s string) []byte {
	if len(s) > maxKeyPart {
		return AppendHash(key, s)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '/' || c == '~' || c == '@' {
			return AppendHash(key, s)
		}
	}
	return append(key, s...)
}

// AppendHash appends "~", which no other part starts with, and a hash of s.
func AppendHash(key []byte, s string) []byte {
	sum := sha256.Sum256([]byte(s))
	key = append(key, '~')
	return hex.AppendEncode(key, sum[:keyHashSize])
}
