package carrier

import (
	"bytes"
	"encoding/json"

	"github.com/appevents/appevents-go/internal/formenc"
)

// Encoding is how a body is written; it knows how to add a credential to one.
type Encoding uint8

// The encodings.
const (
	Form Encoding = iota
	JSON
)

// ContentType is the value of the header.
func (e Encoding) ContentType() string {
	if e == JSON {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}

// Open returns the part of a body that further fields can be written behind.
func (e Encoding) Open(body []byte) []byte {
	if e == JSON {
		return bytes.TrimSuffix(body, []byte("}"))
	}
	return body
}

// WithFields writes the fields that have a value behind an open body, and ends it. It writes in place where there is
// room.
func (e Encoding) WithFields(body []byte, fields [][2]string) []byte {
	for _, f := range fields {
		switch {
		case f[1] == "":
		case e == Form:
			body = formenc.AppendField(body, f[0], f[1])
		default:
			if len(body) > 1 {
				body = append(body, ',')
			}
			quoted, _ := json.Marshal(f[1]) // a string always marshals
			body = append(append(append(body, '"'), f[0]...), `":`...)
			body = append(body, quoted...)
		}
	}
	if e == JSON {
		body = append(body, '}')
	}
	return body
}
