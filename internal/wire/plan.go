// Package wire compiles the struct tags that declare Graph's parameters into plans. A plan knows, for each field of a
// type, its name on the wire, how it is written and which limits it has. Encoding, validation and everything else that
// needs a name asks the plan instead of repeating it.
//
//	Currency string `json:"fb_currency,omitzero" wire:",currency"`
//
// The json tag holds the name in storage and in the paths of issues. It is also the name on the wire, unless the wire
// tag begins with another; "-" leaves the field to its type's own code. The options are:
//
//	alias=name    another name for the same thing
//	at=n          send it before the n-th field of the struct
//	text          write the number, the flag or the list as text: "2.00", "1", "[\"a\",\"b\"]"
//	id            the text is an ID of Graph
//	number        write the digits of the text as a number
//	bool          write true or false instead of 1 or 0
//	own           the type has its own checks of the text
//	required      the text must not be empty
//	min=n         the least integer, 0 without the option
//	always        send it even when it is not set
//	currency      the text is an ISO 4217 code
//
// # Why unsafe
//
// Fields are read at the offsets that package reflect found, by the type it found there; each place that does so is in
// encode.go and parse.go. Accessors would name each field a second time, and with package reflect throughout an event
// took a third longer to encode, by BenchmarkEncodePurchase of the root package. Most fields of an event are not set,
// so AppendJSON looks at the one word that says so before it looks at the kind. The tests also pass with
// -gcflags=all=-d=checkptr.
package wire

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Kind is what a field holds.
type Kind uint8

// The kinds of fields.
const (
	Other  Kind = iota // anything with an Encoder
	Text               // string, or a type made from it
	Texts              // []string
	Int                // int
	Bool               // bool, sent as 1 or not at all
	Flag               // *bool, sent as 1 or 0
	Float              // float64
	Amount             // *float64
	Time               // time.Time, sent in whole seconds
	Millis             // time.Duration, sent in whole milliseconds
)

// A Member is one parameter. It must not be changed.
type Member struct {
	Field   string // the Go field
	Stored  string // the name in storage and in the paths of issues
	Name    string // the name on the wire
	Aliases []string
	Kind    Kind
	Tag     reflect.StructTag

	// The limits.
	Own, Required, Currency, ID bool
	Min                         int

	always                   bool
	asText, asBool, asNumber bool
	place                    int
	step
	typ    reflect.Type
	encode func(dst []byte, at unsafe.Pointer) []byte
}

// A Plan writes and describes values of type T. It is compiled when it is first used, and safe for concurrent use.
type Plan[T any] struct {
	tag      string
	encoders []Encoder

	once    sync.Once
	ready   atomic.Bool
	members []Member
	steps   []step // of the members
	err     error
}

// An Encoder writes fields of one type as JSON.
type Encoder struct {
	typ    reflect.Type
	encode func(dst []byte, at unsafe.Pointer) []byte
}

// Encode returns the Encoder of fields of type V.
func Encode[V any](f func(dst []byte, v *V) []byte) Encoder {
	return Encoder{reflect.TypeFor[V](), func(dst []byte, at unsafe.Pointer) []byte { return f(dst, (*V)(at)) }}
}

// For returns the plan of T by its wire tags.
func For[T any](encoders ...Encoder) *Plan[T] { return ForTag[T]("wire", encoders...) }

// ForTag returns the plan of T by another tag than wire. Only fields with that tag belong to it. The tag holds a name,
// or nothing for the name of the wire tag, whose options count here too.
func ForTag[T any](tag string, encoders ...Encoder) *Plan[T] {
	return &Plan[T]{tag: tag, encoders: encoders}
}

// Members returns the parameters in the order they are sent.
func (p *Plan[T]) Members() []Member {
	p.prepare()
	return p.members
}

// Err tells what is wrong with the tags.
func (p *Plan[T]) Err() error {
	p.prepare()
	return p.err
}

func (p *Plan[T]) prepare() {
	if !p.ready.Load() {
		p.once.Do(p.compile)
	}
}

func (p *Plan[T]) compile() {
	var problems []error
	structure := reflect.TypeFor[T]()
	for i := range structure.NumField() {
		f := structure.Field(i)
		name, ok := f.Tag.Lookup(p.tag)
		if !ok && p.tag != "wire" {
			continue
		}
		m := Member{Field: f.Name, Tag: f.Tag, typ: f.Type, place: 2*i + 1}
		m.Stored, _, _ = strings.Cut(f.Tag.Get("json"), ",")
		wireName, options, _ := strings.Cut(f.Tag.Get("wire"), ",")
		if p.tag == "wire" {
			name = wireName
		}
		if m.Name = cmp.Or(name, wireName, m.Stored); m.Name == "-" {
			continue
		}
		err := m.setKind(p.encoders)
		if err == nil && options != "" {
			err = m.setOptions(options)
		}
		m.step = step{
			kind: m.Kind, offset: f.Offset, key: `,"` + m.Name + `":`, nested: `,\"` + m.Name + `\":`,
		}
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Int:
			m.word = !m.always
		case reflect.String, reflect.Slice: // the length stands behind a pointer
			m.word, m.within = !m.always, unsafe.Sizeof(uintptr(0))
		}
		m.optional = !m.Required && m.Min <= 0
		if m.asText || m.always || m.asNumber {
			m.step.kind = Other
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s.%s: %w", structure.Name(), f.Name, err))
		}
		p.members = append(p.members, m)
	}
	slices.SortStableFunc(p.members, func(a, b Member) int { return a.place - b.place })
	for _, m := range p.members {
		p.steps = append(p.steps, m.step)
	}
	p.err = errors.Join(problems...)
	p.ready.Store(true)
}

func (m *Member) setKind(encoders []Encoder) error {
	for _, e := range encoders {
		if e.typ == m.typ {
			m.encode = e.encode
			return nil
		}
	}
	switch {
	case m.typ.Kind() == reflect.String:
		m.Kind = Text
	case m.typ == reflect.TypeFor[[]string]():
		m.Kind = Texts
	case m.typ == reflect.TypeFor[time.Duration]():
		m.Kind = Millis
	case m.typ == reflect.TypeFor[int]():
		m.Kind = Int
	case m.typ == reflect.TypeFor[bool]():
		m.Kind = Bool
	case m.typ == reflect.TypeFor[*bool]():
		m.Kind = Flag
	case m.typ == reflect.TypeFor[float64]():
		m.Kind = Float
	case m.typ == reflect.TypeFor[*float64]():
		m.Kind = Amount
	case m.typ == reflect.TypeFor[time.Time]():
		m.Kind = Time
	default:
		// Never written: the tags are wrong, which a test finds.
		m.encode = func(dst []byte, _ unsafe.Pointer) []byte { return append(dst, "null"...) }
		return fmt.Errorf("no way to write a %s", m.typ)
	}
	return nil
}

func (m *Member) setOptions(options string) error {
	for option := range strings.SplitSeq(options, ",") {
		name, value, _ := strings.Cut(option, "=")
		var err error
		switch name {
		case "alias":
			m.Aliases = append(m.Aliases, value)
		case "at":
			m.place, err = strconv.Atoi(value)
			m.place *= 2 // fields without the option have the odd places
		case "always":
			m.always = true
		case "text":
			m.asText = true
		case "id":
			m.ID = true
		case "number":
			m.asNumber = true
		case "bool":
			m.asBool = true
		case "own":
			m.Own = true
		case "required":
			m.Required = true
		case "currency":
			m.Currency = true
		case "min":
			m.Min, err = strconv.Atoi(value)
		default:
			err = errors.New("unknown option " + option)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
