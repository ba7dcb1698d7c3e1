package normalize

import (
	"crypto/sha256"
	"encoding/binary"
)

// ScratchLen is room for the normal form of all but absurd values; longer ones are allocated.
const ScratchLen = 256

// Hashed is a value as it is sent.
type Hashed struct {
	Key    Key
	size   int
	digest [MaxHashedLen]byte
}

// Set makes h the digest of value, or leaves it as it is and returns why there is none. With a [Problem.Doubt] it does
// both.
func (h *Hashed) Set(scratch []byte, key Key, value string, in *Context) Problem {
	form, hashed, p := Append(scratch, key, value, in)
	switch {
	case p != None && !p.Doubt():
		return p
	case hashed:
		h.size = copy(h.digest[:], form)
	default:
		sum := sha256.Sum256(form)
		encodeHex(&h.digest, &sum)
		h.size = 2 * sha256.Size
	}
	h.Key = key
	return p
}

// Digest returns 64 lower-case hexadecimal digits, and behind them only what a caller's own digest brought along.
func (h *Hashed) Digest() []byte { return h.digest[:h.size] }

// encodeHex writes sum to dst in lower-case hexadecimal, eight digits at a time: next to a hash as fast as SHA-256 the
// two digits at a time of encoding/hex are felt.
func encodeHex(dst *[MaxHashedLen]byte, sum *[sha256.Size]byte) {
	const each = 0x0101010101010101 // times a byte: that byte in all eight places
	for i := 0; i < len(sum); i += 4 {
		// Spread four bytes over eight places, a nibble in each.
		x := uint64(binary.BigEndian.Uint32(sum[i:]))
		x = (x | x<<16) & 0x0000ffff0000ffff
		x = (x | x<<8) & 0x00ff00ff00ff00ff
		x = (x | x<<4) & (each * 0x0f)
		letters := (x + each*6) >> 4 & each // 1 where the nibble is 10 or more
		binary.BigEndian.PutUint64(dst[2*i:], x+each*'0'+letters*('a'-'0'-10))
	}
}
