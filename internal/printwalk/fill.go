package printwalk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unsafe"
)

// marker begins every canary.
const marker = "cnry_"

// Canary is a text that names the field it is for.
func Canary(typeName, field string) string { return marker + typeName + "_" + field + "_" }

// canaries are the fields whose canaries a text holds, as "Type.Field". A regular expression would take as long as all
// the printing.
func canaries(text string) []string {
	var found []string
	for {
		var known bool
		if _, text, known = strings.Cut(text, marker); !known {
			return found
		}
		owner, rest, _ := strings.Cut(text, "_")
		field, _, closed := strings.Cut(rest, "_")
		if closed && isWord(owner) && isWord(field) {
			found = append(found, owner+"."+field)
		}
	}
}

// isWord reports whether a text is a name of Go without underscores.
func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// address is an IP address no field has by chance. Which field it stood in cannot be told from it.
var address = netip.MustParseAddr("203.0.113.77")

// addressForms are what it looks like: printed, and as the numbers it consists of.
var addressForms = []string{address.String(), "281474083451213", "ffffcb00714d", "FFFFCB00714D"}

// filled returns an addressable value with a canary in every text it can hold.
func filled(typ reflect.Type) reflect.Value {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	v := reflect.New(typ).Elem()
	fill(v, typ.Name(), "value", nil)
	return v
}

var (
	errorType = reflect.TypeFor[error]()
	rawType   = reflect.TypeFor[json.RawMessage]()
	addrType  = reflect.TypeFor[netip.Addr]()
)

// module is the import path that types must be below to be looked into: the rest is the standard library's.
const module = "github.com/appevents/appevents-go"

// fill puts canaries into v, a part of the given field of a type. path are the types around it.
func fill(v reflect.Value, owner, field string, path []reflect.Type) {
	typ := v.Type()
	switch {
	case typ == addrType:
		v.Set(reflect.ValueOf(address))
		return
	case typ == rawType:
		v.SetBytes([]byte(`"` + Canary(owner, field) + `"`))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(Canary(owner, field))
	case reflect.Pointer:
		if !within(typ.Elem(), path) {
			v.Set(reflect.New(typ.Elem()))
			fill(v.Elem(), owner, field, path)
		}
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(Canary(owner, field)))
			return
		}
		if !within(typ.Elem(), path) {
			v.Set(reflect.MakeSlice(typ, 2, 2))
			fill(v.Index(0), owner, field, path)
			fill(v.Index(1), owner, field, path)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), owner, field, path)
		}
	case reflect.Map:
		if !within(typ.Elem(), path) {
			key, value := reflect.New(typ.Key()).Elem(), reflect.New(typ.Elem()).Elem()
			fill(key, owner, field, path)
			fill(value, owner, field, path)
			v.Set(reflect.MakeMap(typ))
			v.SetMapIndex(key, value)
		}
	case reflect.Interface:
		switch {
		case typ == errorType:
			v.Set(reflect.ValueOf(fmt.Errorf("wrapped: %w", errors.New(Canary(owner, field)))))
		case typ.NumMethod() == 0:
			v.Set(reflect.ValueOf(Canary(owner, field)))
		}
	case reflect.Struct:
		if !strings.HasPrefix(typ.PkgPath(), module) {
			return
		}
		path = append(slices.Clip(path), typ)
		for i := range v.NumField() {
			member := typ.Field(i)
			//nolint:gosec // the only way to reach what a constructor would set
			at := reflect.NewAt(member.Type, unsafe.Pointer(v.Field(i).UnsafeAddr())).Elem()
			fill(at, typ.Name(), member.Name, path)
		}
	}
}

// within reports whether a type is already being filled, or is a container of one that is.
func within(typ reflect.Type, path []reflect.Type) bool {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	n := 0
	for _, outer := range path {
		if outer == typ {
			n++
		}
	}
	return n > 0
}
