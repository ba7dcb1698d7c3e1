package appevents

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"net/url"

	"github.com/appevents/appevents-go/internal/formenc"
)

// A request describes a call; only Client.do turns it into HTTP.
type request struct {
	op       *operation
	method   string
	node     ID     // the object the path names, "" for none
	edge     string // "" for the object itself
	name     string // what observers call the edge, "" for the edge
	version  string // "" for the client's
	scope    Scope
	noToken  bool // the edge takes calls without a token
	encoding encoding
	body     []byte     // for POST; do may write over what is behind it, and over the brace at its end
	query    url.Values // for GET
	clientIP netip.Addr
	related  ID       // a second object whose limits count: the Page of a thread
	maxBody  int      // bounds the answer, 0 for what fits every answer but rows
	secrets  []string // parameters that must not show up in errors

	// retiredBy reports whether a refusal means that the edge is gone.
	retiredBy func(*GraphError) bool
}

// credentialRoom is the room behind a body in which a proof can be written without copying the body.
const credentialRoom = 128

// encoding is how a body is written; it knows how to add a credential to one.
type encoding uint8

const (
	formEncoding encoding = iota
	jsonEncoding
)

func (e encoding) contentType() string {
	if e == jsonEncoding {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}

// open returns the part of a body that further fields can be written behind.
func (e encoding) open(body []byte) []byte {
	if e == jsonEncoding {
		return bytes.TrimSuffix(body, []byte("}"))
	}
	return body
}

// withFields writes the fields that have a value behind an open body, and ends it. It writes in place where there is
// room.
func (e encoding) withFields(body []byte, fields [][2]string) []byte {
	for _, f := range fields {
		switch {
		case f[1] == "":
		case e == formEncoding:
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
	if e == jsonEncoding {
		body = append(body, '}')
	}
	return body
}
