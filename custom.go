package appevents

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// validateCustom checks parameters of the caller's own at the place at, beside those that have a field. What is wrong
// with a key is said of the place keys.
func validateCustom(params map[string]any, taken homes, at, keys *place, p *problems) {
	if len(params) == 0 {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if !validIdentifier(key) {
			// The key is not repeated: it may be anything, personal data included.
			p.add(keys, RuleFormat, "a parameter name "+identifierRule)
		} else if home := taken[key]; home != "" {
			p.add(at.field(key), RuleReserved, "use "+home)
		} else {
			validateParam(params[key], at.field(key), p)
		}
	}
}

// validateParam checks the value of a parameter of the caller's own.
func validateParam(value any, at *place, p *problems) {
	if text, ok := asText(value); ok {
		validateText(text, at, p)
		return
	}
	number, ok := appendNumber(nil, value)
	switch {
	case !ok:
		p.add(at, RuleType, "must be a string, a number or a bool")
	case number == nil:
		p.add(at, RuleRange, "must be a finite number")
	}
}

// appendCustom writes parameters of the caller's own as members of a JSON object, sorted by name, each with a comma
// before it.
func appendCustom(dst []byte, params map[string]any) []byte {
	if len(params) == 0 {
		return dst
	}
	for _, key := range slices.Sorted(maps.Keys(params)) {
		// Keys are validated identifiers: nothing in them needs an escape.
		dst = append(append(append(dst, `,"`...), key...), `":`...)
		dst = appendParam(dst, params[key])
	}
	return dst
}

// appendParam writes a value that validateParam accepts.
func appendParam(dst []byte, value any) []byte {
	if text, ok := asText(value); ok {
		return jsonscan.AppendString(dst, text)
	}
	if out, _ := appendNumber(dst, value); out != nil {
		return out
	}
	return append(dst, "null"...) // the caller changed it after it was checked
}

// asText returns the text of a string or of a type made from string, such as ID; json.Number is a number.
func asText(value any) (text string, ok bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return "", false
	}
	if v := reflect.ValueOf(value); v.Kind() == reflect.String {
		return v.String(), true
	}
	return "", false
}

// appendNumber writes a Go number, json.Number or bool as a JSON number. ok is false for other types; out is nil when
// the number is not finite or not a number.
func appendNumber(dst []byte, value any) (out []byte, ok bool) {
	switch v := value.(type) {
	case int:
		return strconv.AppendInt(dst, int64(v), 10), true
	case json.Number:
		// JSON has no words for NaN and infinity, and ParseFloat refuses numbers that are too large.
		if _, err := strconv.ParseFloat(string(v), 64); err != nil || !json.Valid([]byte(v)) {
			return nil, true
		}
		return append(dst, v...), true
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(dst, '1'), true
		}
		return append(dst, '0'), true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(dst, v.Uint(), 10), true
	case reflect.Float32, reflect.Float64:
		f := v.Float()
		if !finite(f) {
			return nil, true
		}
		if v.Kind() == reflect.Float32 { // the shortest text of a float32 is shorter than that of the same float64
			f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
		}
		return jsonscan.AppendFloat(dst, f), true
	}
	return nil, false
}
