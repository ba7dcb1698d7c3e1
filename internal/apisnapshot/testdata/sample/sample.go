// Package sample holds one of each kind of declaration.
package sample

import (
	"context"
	"io"
	"time"

	"example.com/sample/internal/hidden"
	"example.com/sample/second"
)

// Untyped and typed constants, with and without iota.
const (
	Answer      = 42
	Half        = 0.5
	Wait        = 3 * time.Second
	Name   Word = "a \"quoted\" name"

	secret = "not listed"
)

const (
	First Kind = iota + 1
	Second
)

// ErrFirst and ErrSecond share one declaration.
var ErrFirst, ErrSecond error

var unexported = secret

// Kind is an enumeration.
type Kind uint8

func (k Kind) String() string { return unexported }

func (k *Kind) UnmarshalText(text []byte) error { return nil }

func (k Kind) hidden() {}

// Word is text.
type Word string

// Alias is another name for Word.
type Alias = Word

// Pair is an alias with a parameter.
type Pair[V any] = map[string]V

// Failure is another name for a type without a package.
type Failure = error

// Lifted makes an internal type public, so it is listed in full.
type Lifted = hidden.Exported

// Func is a function type.
type Func func(ctx context.Context, w Word) (n int, err error)

// Plain mixes what is listed with what is not.
type Plain struct {
	// Zulu comes first here and last in the list.
	Zulu  []Word `json:"zulu,omitzero"`
	Alpha *Kind
	Inner struct{ Deep int }

	inner int
}

// Close has a value receiver.
// Close returns out of a range over an iterator, for which the compiler names the result.
func (p Plain) Close() error {
	for range func(yield func() bool) { yield() } {
		return nil
	}
	return nil
}

// Open has a pointer receiver.
func (p *Plain) Open(path string, flags ...int) error { return nil }

func (p Plain) private() { _ = p.inner }

type base struct {
	*loop
	Shared int `json:"shared"`
	Masked int
	note   string
}

func (b *base) Describe() string { return b.note }

type loop struct {
	*base
	Looped bool
}

// Promoting embeds what importers can and cannot name.
type Promoting struct {
	base
	hidden.Exported
	io.Reader
	second.Shown
	Masked string
}

// Open can be implemented by anyone.
type Open interface {
	io.Closer
	Do(ctx context.Context) error
}

// Sealed can not.
type Sealed interface {
	Open
	sealed()
}

// Number is a constraint.
type Number interface {
	~int | ~float64
	String() string
}

// List is generic.
type List[E Number, M ~map[string]E] struct{ Items []E }

// Len counts.
func (l *List[E, M]) Len() int { return len(l.Items) }

// New makes a Plain.
func New(w Word, opts ...func(*Plain)) (*Plain, error) { return nil, nil }

// Use takes another package's types.
func Use(s *second.Shown) map[second.Key]Word { return nil }

// Map is a generic function.
func Map[E Number, R any](in []E, fn func(E) R) []R { return nil }

func helper() { Kind(0).hidden(); Plain{}.private(); helper() }
