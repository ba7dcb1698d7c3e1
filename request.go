package appevents

import (
	"net/netip"
	"net/url"

	"github.com/appevents/appevents-go/internal/carrier"
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
	encoding carrier.Encoding
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
