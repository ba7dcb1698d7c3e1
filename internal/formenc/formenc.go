// Package formenc writes the values of a form that go-querystring has no tag for, JSON texts and hashed user data, and
// the body of a form.
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

// Pairs is a form value written as key[name]=value, in order. The zero value is left out.
type Pairs []Pair

// Pair is one member of [Pairs].
type Pair struct{ Name, Value string }

// EncodeValues implements query.Encoder.
func (p Pairs) EncodeValues(key string, v *url.Values) error {
	for _, pair := range p {
		v.Set(key+"["+pair.Name+"]", pair.Value)
	}
	return nil
}

// Append writes values as a form body, sorted by name. It is url.Values.Encode without its copies.
func Append(dst []byte, values url.Values) []byte {
	var buf [32]string
	names := buf[:0]
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range values[name] {
			dst = AppendField(dst, name, value)
		}
	}
	return dst
}

// AppendField writes one more field to the end of a form body.
func AppendField[T string | []byte](dst []byte, name string, value T) []byte {
	if len(dst) > 0 {
		dst = append(dst, '&')
	}
	return appendEscaped(append(appendEscaped(dst, name), '='), value)
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
