// Package jsonfill reads JSON that may be anything into Go structs whose fields name their keys in a tag:
//
//	type Product struct {
//		Name     string `webhook:"name"`
//		Quantity int    `webhook:"quantity"`
//	}
//
// It forgives: a value of the wrong kind costs its field and is noted, nothing else. And it is bounded: what it makes
// of a document takes no more memory than it was allowed.
package jsonfill
