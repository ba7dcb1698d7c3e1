// Package storable makes values fit for storage as JSON.
package storable

import (
	"reflect"
	"time"
)

// LastYear is the last one that JSON can hold of a time.
const LastYear = 9999

// Copy returns v with the last time that JSON can hold in place of later ones. They are wrong, made from milliseconds
// perhaps, but must not keep the rest from being stored and the mistake from being seen. Where nothing is copied, the
// two share memory: behind maps, interfaces and fields that are not exported.
func Copy(v any) any { return copied(reflect.ValueOf(v)).Interface() }

func copied(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	switch t, isTime := reflect.TypeAssert[time.Time](v); {
	case isTime && t.Year() > LastYear:
		c.Set(reflect.ValueOf(time.Date(LastYear, 12, 31, 23, 59, 59, 0, time.UTC)))
	case isTime:
	case v.Kind() == reflect.Pointer && !v.IsNil():
		c.Set(reflect.New(v.Type().Elem()))
		c.Elem().Set(copied(v.Elem()))
	case v.Kind() == reflect.Slice && !v.IsNil():
		c.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			c.Index(i).Set(copied(v.Index(i)))
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.Field(i).Set(copied(v.Field(i)))
			}
		}
	}
	return c
}
