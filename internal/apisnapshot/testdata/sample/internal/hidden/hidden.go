// Package hidden is internal, so only what others promote of it is listed.
package hidden

// Exported is embedded by an exported type.
type Exported struct{ Visible int }

// Touch is promoted.
func (Exported) Touch() {}
