// Package jsonscan reads and writes JSON without reflection.
//
// [Scanner] is a cursor that walks a document once, checks it as strictly as encoding/json does, and hands out raw
// spans and scalars. It is lenient about kinds, not about syntax: a caller asks "what number is this" and gets an
// answer for a quoted number too. The append functions write single values the way encoding/json writes them with
// HTML escaping off.
package jsonscan
