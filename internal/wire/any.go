package wire

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// Finite reports whether f is neither infinite nor NaN.
func Finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// AsText returns the text of a string or of a type made from string, such as ID; json.Number is a number.
func AsText(value any) (text string, ok bool) {
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

// AppendNumber writes a Go number, json.Number or bool as a JSON number. ok is false for other types; out is nil when
// the number is not finite or not a number.
func AppendNumber(dst []byte, value any) (out []byte, ok bool) {
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
		if !Finite(f) {
			return nil, true
		}
		if v.Kind() == reflect.Float32 { // the shortest text of a float32 is shorter than that of the same float64
			f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
		}
		return jsonscan.AppendFloat(dst, f), true
	}
	return nil, false
}
