package wire

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/appevents/appevents-go/internal/formenc"
	"github.com/appevents/appevents-go/internal/jsonscan"
)

// A Value is the field of one value of a plan's type. It must not outlive that value.
type Value struct {
	*Member
	at unsafe.Pointer
}

// Value returns the field of v that the i-th of p.Members() declares.
func (p *Plan[T]) Value(v *T, i int) Value {
	m := &p.members[i]
	return Value{m, m.field(unsafe.Pointer(v))} //nolint:gosec // see field
}

// A step is what AppendJSON needs of a member, close together.
type step struct {
	kind        Kind    // Other, too, for what is written in another way than usual
	word        bool    // the field is set exactly when one word of it is not zero: its number, pointer or length
	within      uintptr // where in the field that word is
	optional    bool    // the value of a field that is not set is a valid one
	offset      uintptr
	key, nested string // with what is around it in JSON, and in JSON inside a JSON string
}

// field returns the address of a field in the structure at base. The offset is the compiler's own, and the kind was
// made from the type of the field: reading it this way costs nothing, where package reflect would be felt in every
// event.
func (s *step) field(base unsafe.Pointer) unsafe.Pointer {
	return unsafe.Add(base, s.offset)
}

// NothingToCheck reports whether the field of v that the i-th of p.Members() declares is not set and need not be. It is
// a quick test, and may be false for such a field.
func (p *Plan[T]) NothingToCheck(v *T, i int) bool {
	s := &p.steps[i]
	at := s.field(unsafe.Pointer(v)) //nolint:gosec // see field
	return s.optional && s.word && *(*uintptr)(unsafe.Add(at, s.within)) == 0
}

// Text returns the value of a [Text].
func (v Value) Text() string { return *(*string)(v.at) }

// Texts returns the value of a [Texts].
func (v Value) Texts() []string { return *(*[]string)(v.at) }

// Int returns the value of an [Int].
func (v Value) Int() int { return *(*int)(v.at) }

// Float returns the value of a [Float].
func (v Value) Float() float64 { return *(*float64)(v.at) }

// Amount returns the value of an [Amount], nil when it is not set.
func (v Value) Amount() *float64 { return *(**float64)(v.at) }

// Time returns the value of a [Time].
func (v Value) Time() time.Time { return *(*time.Time)(v.at) }

// Duration returns the value of a [Millis].
func (v Value) Duration() time.Duration { return *(*time.Duration)(v.at) }

// Set reports whether the value is sent.
func (v Value) Set() bool {
	switch v.Kind {
	case Text:
		return v.Text() != ""
	case Texts:
		return len(v.Texts()) > 0
	case Int:
		return v.Int() != 0
	case Bool:
		return *(*bool)(v.at)
	case Flag:
		return *(**bool)(v.at) != nil
	case Float:
		return v.Float() != 0
	case Amount:
		return v.Amount() != nil
	case Time:
		return !(*time.Time)(v.at).IsZero()
	case Millis:
		return v.Duration() != 0
	default:
		field := reflect.NewAt(v.typ, v.at).Elem()
		if k := field.Kind(); k == reflect.Slice || k == reflect.Map {
			return field.Len() > 0
		}
		return !field.IsZero()
	}
}

// Append writes the value alone: a text as it is, anything else as JSON.
func (v Value) Append(dst []byte) []byte {
	if v.Kind == Text {
		return append(dst, v.Text()...)
	}
	return v.appendJSON(dst)
}

func (v Value) appendJSON(dst []byte) []byte {
	switch v.Kind {
	case Text:
		if v.asNumber && v.Set() {
			return append(dst, v.Text()...)
		}
		return jsonscan.AppendString(dst, v.Text())
	case Texts:
		if v.asText {
			return appendTextsInText(dst, v.Texts())
		}
		return AppendTexts(dst, v.Texts())
	case Int:
		return strconv.AppendInt(dst, int64(v.Int()), 10)
	case Bool:
		if v.asText {
			return append(dst, `"1"`...)
		}
		return append(dst, '1')
	case Flag:
		return v.appendFlag(dst)
	case Float:
		if v.asText {
			return v.appendDecimals(dst)
		}
		return jsonscan.AppendFloat(dst, v.Float())
	case Amount:
		if v.Amount() == nil {
			return append(dst, "null"...)
		}
		return jsonscan.AppendFloat(dst, *v.Amount())
	case Time:
		return strconv.AppendInt(dst, v.Time().Unix(), 10)
	case Millis:
		return strconv.AppendInt(dst, v.Duration().Milliseconds(), 10)
	default:
		return v.encode(dst, v.at)
	}
}

func (v Value) appendFlag(dst []byte) []byte {
	set := *(**bool)(v.at)
	switch {
	case set == nil:
		return append(dst, "null"...)
	case v.asBool:
		return strconv.AppendBool(dst, *set)
	case *set:
		return append(dst, '1')
	default:
		return append(dst, '0')
	}
}

// appendDecimals writes a text with two decimals, or an empty one for 0.
func (v Value) appendDecimals(dst []byte) []byte {
	dst = append(dst, '"')
	if v.Float() != 0 {
		dst = strconv.AppendFloat(dst, v.Float(), 'f', 2, 64)
	}
	return append(dst, '"')
}

var zeros [1 << 10]byte

// IsZero reports whether the memory of v is all zero: then there is nothing to send or to check. It is a quick test,
// and may be false although nothing is set: a list can be made and empty.
func (p *Plan[T]) IsZero(v *T) bool {
	size := unsafe.Sizeof(*v)
	memory := unsafe.Slice((*byte)(unsafe.Pointer(v)), size) //nolint:gosec // exactly v, for reading
	return size <= uintptr(len(zeros)) && bytes.Equal(memory, zeros[:size])
}

// AppendJSON writes what is set of v as members of a JSON object, each with a comma before it.
func (p *Plan[T]) AppendJSON(dst []byte, v *T) []byte { return p.appendSet(dst, v, false) }

// AppendNested writes what is set of v as an object inside a JSON string: its quotes and backslashes are escaped.
// Fields must hold texts and numbers only.
func (p *Plan[T]) AppendNested(dst []byte, v *T) []byte {
	return CloseObject(p.appendSet(dst, v, true), len(dst))
}

func (p *Plan[T]) appendSet(dst []byte, v *T, nested bool) []byte {
	p.prepare()
	for i := range p.steps {
		s := &p.steps[i]
		at := s.field(unsafe.Pointer(v)) //nolint:gosec // see field
		if s.word && *(*uintptr)(unsafe.Add(at, s.within)) == 0 {
			continue
		}
		key := s.key
		if nested {
			key = s.nested
		}
		switch s.kind {
		case Text:
			if text := *(*string)(at); nested {
				dst = appendNested(append(dst, key...), text)
			} else {
				dst = jsonscan.AppendString(append(dst, key...), text)
			}
		case Int:
			dst = strconv.AppendInt(append(dst, key...), int64(*(*int)(at)), 10)
		case Bool:
			if *(*bool)(at) {
				dst = append(append(dst, key...), '1')
			}
		case Float:
			if f := *(*float64)(at); f != 0 {
				dst = jsonscan.AppendFloat(append(dst, key...), f)
			}
		case Amount:
			dst = jsonscan.AppendFloat(append(dst, key...), **(**float64)(at))
		case Time:
			if t := (*time.Time)(at); !t.IsZero() {
				dst = strconv.AppendInt(append(dst, key...), t.Unix(), 10)
			}
		default:
			if m := (Value{&p.members[i], at}); s.word || m.always || m.Set() {
				dst = m.appendJSON(append(dst, key...))
			}
		}
	}
	return dst
}

// AppendObject writes what is set of v as a JSON object.
func (p *Plan[T]) AppendObject(dst []byte, v *T) []byte {
	return CloseObject(p.AppendJSON(dst, v), len(dst))
}

// CloseObject makes an object of the members written from open on. Each has a comma before it; the first becomes the
// brace.
func CloseObject(dst []byte, open int) []byte {
	if len(dst) == open {
		return append(dst, "{}"...)
	}
	dst[open] = '{'
	return append(dst, '}')
}

// AppendList writes all of v, set or not, as a JSON array.
func (p *Plan[T]) AppendList(dst []byte, v *T) []byte {
	for i := range p.Members() {
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		dst = p.Value(v, i).appendJSON(append(dst, separator))
	}
	return append(dst, ']')
}

// AppendForm writes what is set of v as fields of a form.
func (p *Plan[T]) AppendForm(dst []byte, v *T) []byte {
	for i := range p.Members() {
		switch m := p.Value(v, i); {
		case !m.always && !m.Set():
		case m.Kind == Text:
			dst = formenc.AppendField(dst, m.Name, m.Text())
		default:
			dst = formenc.AppendField(dst, m.Name, "")
			start := len(dst)
			dst = formenc.Escape(m.appendJSON(dst), start)
		}
	}
	return dst
}

// List returns the Encoder of fields of type []T: a JSON array of the objects that p writes.
func List[T any](p *Plan[T]) Encoder {
	return Encode(func(dst []byte, list *[]T) []byte { return appendList(append(dst, '['), *list, p.AppendObject, "]") })
}

// NestedList is List inside a JSON string, as AppendNested writes the objects.
func NestedList[T any](p *Plan[T]) Encoder {
	return Encode(func(dst []byte, list *[]T) []byte {
		return appendList(append(dst, `"[`...), *list, p.AppendNested, `]"`)
	})
}

func appendList[T any](dst []byte, list []T, write func([]byte, *T) []byte, end string) []byte {
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = write(dst, &list[i])
	}
	return append(dst, end...)
}

// AppendTexts writes texts as a JSON array.
func AppendTexts(dst []byte, texts []string) []byte {
	dst = append(dst, '[')
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, text)
	}
	return append(dst, ']')
}

// appendTextsInText writes one text as a JSON string, several as a JSON array in a JSON string. One that would read as
// an array stands in one of its own.
func appendTextsInText(dst []byte, texts []string) []byte {
	if len(texts) == 1 && !strings.HasPrefix(strings.TrimLeft(texts[0], " \t\r\n"), "[") {
		return jsonscan.AppendString(dst, texts[0])
	}
	dst = append(dst, `"[`...)
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNested(dst, text)
	}
	return append(dst, `]"`...)
}

// appendNested writes a text as a JSON string inside a JSON string.
func appendNested(dst []byte, text string) []byte {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b >= utf8.RuneSelf || b == '"' || b == '\\' {
			twice := jsonscan.AppendString(nil, string(jsonscan.AppendString(nil, text)))
			return append(dst, twice[1:len(twice)-1]...)
		}
	}
	return append(append(append(dst, `\"`...), text...), `\"`...)
}
