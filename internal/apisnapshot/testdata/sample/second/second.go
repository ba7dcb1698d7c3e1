// Package second is imported by the first, so it is compiled before it and printed after it.
package second

// Key names something.
type Key string

// Shown is listed here, so a type that embeds it does not repeat its fields.
type Shown struct{ Field Key }
