// Package formenc writes the body of a form, and the JSON texts in a query that go-querystring has no tag for.
package formenc

import (
	"net/url"
	"slices"
)

// JSON is a form value that holds JSON text. The zero value is left out.
type JSON []byte

// EncodeValues implements query.Encoder.
func (j JSON) EncodeValues(key string, v *url.Values) error {
	if len(j) > 0 {
		v.Set(key, string(j))
	}
	return nil
}

// AppendField writes one more field to the end of a form body.
func AppendField[T string | []byte](dst []byte, name string, value T) []byte {
	if len(dst) > 0 {
		dst = append(dst, '&')
	}
	return appendEscaped(append(appendEscaped(dst, name), '='), value)
}

// Escape escapes what was written to the end of a form body, from start on. It works in place, from the end: a body
// that has room needs no other memory.
func Escape(dst []byte, start int) []byte {
	more := 0
	for _, b := range dst[start:] {
		if !plain[b] && b != ' ' {
			more += len("%XX") - 1
		}
	}
	from, to := len(dst), len(dst)+more
	dst = slices.Grow(dst, more)[:to]
	for from > start {
		from--
		switch b := dst[from]; {
		case plain[b]:
			to--
			dst[to] = b
		case b == ' ':
			to--
			dst[to] = '+'
		default:
			to -= len("%XX")
			dst[to], dst[to+1], dst[to+2] = '%', upperHex[b>>4], upperHex[b&15]
		}
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

// plain marks the bytes that stand for themselves in a form body.
var plain = func() (t [256]bool) {
	for _, b := range []byte("-_.~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		t[b] = true
	}
	return t
}()

// appendEscaped is url.QueryEscape.
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	done := 0 // text[:done] is written
	for i := range len(text) {
		b := text[i]
		if plain[b] {
			continue
		}
		dst = append(dst, text[done:i]...)
		done = i + 1
		if b == ' ' {
			dst = append(dst, '+')
		} else {
			dst = append(dst, '%', upperHex[b>>4], upperHex[b&15])
		}
	}
	return append(dst, text[done:]...)
}
