package appevents

import (
	"fmt"
	"log/slog"
	"strings"
)

const redacted = "[redacted]"

// A secret is a credential that cannot be printed by accident. The value sits behind a pointer because fmt does not
// call the methods of unexported fields, but does print their content.
type secret struct{ value *string }

func newSecret(s string) secret {
	if s == "" {
		return secret{}
	}
	return secret{value: &s}
}

func (s secret) reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

func (s secret) String() string {
	if s.value == nil {
		return ""
	}
	return redacted
}

func (s secret) GoString() string             { return s.String() }
func (s secret) LogValue() slog.Value         { return slog.StringValue(s.String()) }
func (s secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
func (s secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(s.String())) }

// hidden keeps a value from whatever prints or dumps the struct around it: a function shows as an address, where fmt
// follows a pointer for the verbs that do not suit one.
type hidden[T any] func() T

func hide[T any](value T) hidden[T] { return func() T { return value } }

func (h hidden[T]) get() (value T) {
	if h != nil {
		value = h()
	}
	return value
}

// sendable reports whether a credential has only characters that credentials have: a header takes no others, and a
// line break left at the end of a file would make Graph refuse every call.
func sendable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

const notSendable = "a space, control or non-ASCII character"

// unfit says why a text cannot be the named credential, "" when it can.
func unfit(name, s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "the " + name + " is empty"
	case !sendable(s):
		return "the " + name + " holds " + notSendable
	}
	return ""
}
