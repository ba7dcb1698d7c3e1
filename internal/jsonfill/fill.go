package jsonfill

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// grown is how often an element of a growing list is paid for: the list is copied as it grows.
const grown = 5

// What a map and an entry of it take besides keys and values, at most. A map has room for some entries from the start.
const (
	mapEmpty   = 64
	mapEntry   = 160
	mapEntries = 8
)

// Fill reads the next value into what v points to: a tagged struct, or anything such a struct can have in a field.
//
//	string                     text
//	other kinds of string      identifiers: also integers
//	bool, int, int64, float64  what they say, also quoted
//	time.Time                  a Unix time in seconds or milliseconds
//	time.Duration              seconds
//	*T                         an object; nil when it has no keys
//	[]T, map[K]T               lists, and objects whose keys are data
//
// Null is always the zero value.
func (r *Reader) Fill(v any) {
	switch v := v.(type) {
	case *string:
		*v = r.Text()
	case *bool:
		*v = r.Flag()
	case *int:
		*v = int(r.Integer())
	case *int64:
		*v = r.Integer()
	case *float64:
		*v = r.Number()
	case *time.Time:
		*v = r.Time()
	case *time.Duration:
		*v = r.Seconds()
	case *[]string:
		*v = r.Texts("")
	default:
		r.fill(reflect.ValueOf(v).Elem())
	}
}

func (r *Reader) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(r.ID())
	case reflect.Struct:
		plan := planOf(v.Type())
		r.Object(func(key string) { plan.read(r, v, key) })
	case reflect.Pointer:
		r.fillPointer(v)
	case reflect.Slice:
		r.Array(grown*int(v.Type().Elem().Size()), func() {
			n := v.Len()
			if n == v.Cap() {
				v.Grow(max(1, n))
			}
			v.SetLen(n + 1)
			v.Index(n).SetZero()
			r.Fill(v.Index(n).Addr().Interface())
		})
	case reflect.Map:
		r.fillMap(v)
	default:
		r.Note("has no way to be read")
		r.Scan.Skip()
	}
}

// fillPointer makes what v points to when it meets the first key.
func (r *Reader) fillPointer(v reflect.Value) {
	plan := planOf(v.Type().Elem())
	r.Object(func(key string) {
		if v.IsNil() {
			if !r.allow(int(v.Type().Elem().Size())) {
				return
			}
			v.Set(reflect.New(v.Type().Elem()))
		}
		plan.read(r, v.Elem(), key)
	})
}

// fillMap reads an object whose keys are data, which stay out of problems.
func (r *Reader) fillMap(v reflect.Value) {
	pair, value := int(v.Type().Key().Size()+v.Type().Elem().Size()), int(v.Type().Elem().Size())
	empty, entry := mapEmpty+mapEntries*pair, mapEntry+pair+value
	r.Object(func(key string) {
		r.name("*")
		size := entry
		if v.IsNil() {
			size += empty
		}
		if !r.allow(size) {
			return
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		value := reflect.New(v.Type().Elem())
		r.Fill(value.Interface())
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), value.Elem())
	})
}

// Field reads the next value into the field of the tagged struct v that has key, and reports whether there is one.
func Field[T any](r *Reader, v *T, key string) bool {
	return planOf(reflect.TypeFor[T]()).read(r, reflect.ValueOf(v).Elem(), key)
}

// Inline is Field for a struct whose keys stand among those of others: it is made when one of them is met.
func Inline[T any](r *Reader, v **T, key string) bool {
	if planOf(reflect.TypeFor[T]()).find(key) == nil {
		return false
	}
	if *v == nil {
		if *v = create[T](r); *v == nil {
			return true
		}
	}
	return Field(r, *v, key)
}

// Object reads the next value, an object, into a new T; nil when it is something else or has no keys.
func Object[T any](r *Reader) (v *T) {
	r.Object(func(key string) {
		if v == nil {
			v = create[T](r)
		}
		if v != nil {
			Field(r, v, key)
		}
	})
	return v
}

func create[T any](r *Reader) *T {
	var zero T
	if !r.allow(int(unsafe.Sizeof(zero))) {
		return nil
	}
	return new(T)
}

// List reads the next value, a list of objects; field reads the value of a key, or leaves it alone, and nil means
// [Field]. Null in it is an object without keys, to keep the places of the others.
func List[T any](r *Reader, field func(v *T, key string)) (list []T) {
	var zero T
	r.Array(grown*int(unsafe.Sizeof(zero)), func() {
		if len(list) == cap(list) {
			list = slices.Grow(list, max(1, len(list)))
		}
		list = append(list, zero)
		v := &list[len(list)-1]
		r.Object(func(key string) {
			if field == nil {
				Field(r, v, key)
			} else {
				field(v, key)
			}
		})
	})
	return list
}

// A plan is what the tags of a struct say.
type plan struct{ fields []planned }

type planned struct {
	key   string
	under string // the value is an object, and what is meant stands there under this key: "key.under"
	index []int
}

var plans sync.Map // *plan by reflect.Type

func planOf(t reflect.Type) *plan {
	known, _ := plans.Load(t)
	if p, ok := known.(*plan); ok {
		return p
	}
	p := &plan{}
	for _, field := range reflect.VisibleFields(t) {
		for name := range strings.SplitSeq(field.Tag.Get("webhook"), ",") {
			if key, under, _ := strings.Cut(name, "."); key != "" {
				p.fields = append(p.fields, planned{key: key, under: under, index: field.Index})
			}
		}
	}
	plans.Store(t, p)
	return p
}

func (p *plan) find(key string) *planned {
	for i := range p.fields {
		if p.fields[i].key == key {
			return &p.fields[i]
		}
	}
	return nil
}

// read reads the next value into the field of v that has key.
func (p *plan) read(r *Reader, v reflect.Value, key string) bool {
	field := p.find(key)
	if field == nil {
		return false
	}
	if field.under == "" {
		r.Fill(v.FieldByIndex(field.index).Addr().Interface())
		return true
	}
	r.Object(func(under string) {
		for i := range p.fields {
			if field := &p.fields[i]; field.key == key && field.under == under {
				r.Fill(v.FieldByIndex(field.index).Addr().Interface())
			}
		}
	})
	return true
}
