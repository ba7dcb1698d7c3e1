// Package secret holds credentials so that they cannot be printed by accident.
package secret

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/appevents/appevents-go/internal/redact"
)

// Text is a credential; the zero value is none. The text sits behind a pointer because fmt does not call the methods of
// unexported fields, but does print their content.
type Text struct{ value *string }

// New returns s as a credential.
func New(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{value: &s}
}

// Reveal returns the credential itself, "" for none.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// String returns a placeholder, "" for none. So do the other ways to print or encode a Text.
func (t Text) String() string {
	if t.value == nil {
		return ""
	}
	return redact.Placeholder
}

// GoString returns String.
func (t Text) GoString() string { return t.String() }

// LogValue logs String.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText writes String.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Format prints String for every verb.
func (t Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// Hidden keeps a value from whatever prints or dumps the struct around it: a function shows as an address, where fmt
// follows a pointer for the verbs that do not suit one.
type Hidden[T any] func() T

// Hide returns value as a Hidden.
func Hide[T any](value T) Hidden[T] { return func() T { return value } }

// Get returns the value, the zero T for a nil Hidden.
func (h Hidden[T]) Get() (value T) {
	if h != nil {
		value = h()
	}
	return value
}

// NotSendable is what a text that is not [Sendable] holds.
const NotSendable = "a space, control or non-ASCII character"

// Sendable reports whether a credential has only characters that credentials have: a header takes no others, and a
// line break left at the end of a file would make Graph refuse every call.
func Sendable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// Unfit says why a text cannot be the named credential, "" when it can.
func Unfit(name, s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "the " + name + " is empty"
	case !Sendable(s):
		return "the " + name + " holds " + NotSendable
	}
	return ""
}
