package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/names"
	"github.com/appevents/appevents-go/internal/wire"
)

// event makes the i-th event. ok is false when it cannot be carried over at all; the reason is among the changes.
func (w *wireReader) event(i int) (appevents.Event, bool) {
	from := w.call.Events[i]
	e := appevents.Event{Name: appevents.EventName(from.Name), Value: from.Value, ID: from.ID}
	r := eventReader{w: w, at: fmt.Sprintf("custom_events[%d]", i), event: &e}
	raw := w.rawEvent(i)
	ok := true
	if !names.Identifier(from.Name) {
		w.o.changes = append(w.o.changes, change{effectCannot, r.at + "._eventName", "is no name of an event"})
		ok = false
	}
	if text, given := rawText(raw["_logTime"]); given {
		ok = r.time(text) && ok
	}
	if text, given := rawText(raw["_valueToSum"]); given && e.Value == nil {
		r.lose("_valueToSum", "is no number: "+r.quote(text))
	} else if given && raw["_valueToSum"][0] == '"' {
		r.changed("_valueToSum", "is sent as a number")
	}
	for _, key := range slices.Sorted(maps.Keys(from.Params)) {
		if key != "_valueToSum" && key != "_logTime" {
			r.param(key, from.Params[key])
		}
	}
	return e, ok
}

// rawEvent holds the members of the i-th event as they were sent.
func (w *wireReader) rawEvent(i int) map[string]json.RawMessage {
	if w.rawEvents == nil {
		for _, name := range []string{"custom_events", "custom_events_file"} {
			for _, f := range w.call.Fields {
				if f.Name != name || w.rawEvents != nil {
					continue
				}
				list := f.Value
				var nested string
				if f.In == "json" && json.Unmarshal([]byte(list), &nested) == nil {
					list = nested
				}
				_ = json.Unmarshal([]byte(list), &w.rawEvents)
			}
		}
	}
	var members map[string]json.RawMessage
	if i < len(w.rawEvents) {
		_ = json.Unmarshal(w.rawEvents[i], &members)
	}
	return members
}

// rawText is the text of a JSON string or number.
func rawText(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", false
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	return string(raw), true
}

// An eventReader fills one event.
type eventReader struct {
	w     *wireReader
	at    string
	event *appevents.Event
}

func (r *eventReader) lose(key, reason string)    { r.w.lose(r.at+"."+key, reason) }
func (r *eventReader) changed(key, reason string) { r.w.changed(r.at+"."+key, reason) }

// quote is the beginning of a text, to be recognised by.
func (*eventReader) quote(text string) string {
	const most = 40
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}

// unixTime reads a time as people send it: seconds, but milliseconds and finer units too, or RFC 3339. unit is what it
// was when that was not seconds.
func unixTime(text string) (at time.Time, unit string, ok bool) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
		return at.UTC(), "RFC 3339 text", err == nil
	}
	if math.IsNaN(n) || n <= 0 || n >= math.MaxInt64 {
		return time.Time{}, "", false
	}
	whole, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		whole = int64(n)
	}
	const tooLate = 100_000_000_000 // seconds from here on are milliseconds: the year 5138
	switch {
	case whole < tooLate:
		return time.Unix(whole, 0).UTC(), "", true
	case whole < tooLate*1e3:
		return time.UnixMilli(whole).UTC(), "milliseconds", true
	case whole < tooLate*1e6:
		return time.UnixMicro(whole).UTC(), "microseconds", true
	default:
		return time.Unix(0, whole).UTC(), "nanoseconds", true
	}
}

func (r *eventReader) time(text string) bool {
	at, unit, ok := unixTime(text)
	if !ok {
		r.w.o.changes = append(r.w.o.changes, change{effectCannot, r.at + "._logTime",
			"is no time, so when the event happened is not known"})
		return false
	}
	r.event.Time = at
	if unit != "" {
		r.changed("_logTime", "is "+unit+", not seconds, and taken as such: "+at.Format(time.RFC3339))
	}
	return true
}

// param takes one member of an event that has no field in graphtest's.
func (r *eventReader) param(key string, value any) {
	text, isScalar := scalar(value)
	switch key {
	case "_eventName_md5": // it says the name once more
	case "_session_id":
		r.event.SessionID = r.plain(key, value)
	case "_app_user_id":
		r.event.UserID = r.plain(key, value)
	case "_ui":
		r.event.Screen = r.plain(key, value)
	case "_implicitlyLogged", "_isTimedEvent", "_inBackground":
		flag, err := strconv.ParseBool(text)
		if err != nil {
			r.lose(key, "is neither 0 nor 1")
		}
		*map[string]*bool{
			"_implicitlyLogged": &r.event.Implicit, "_isTimedEvent": &r.event.Timed, "_inBackground": &r.event.Background,
		}[key] = flag
	case "fb_content":
		r.contents(value)
	case "fb_content_id":
		r.contentIDs(value)
	default:
		for i, m := range paramsPlan.Members() {
			if m.Name != key {
				continue
			}
			if !isScalar {
				r.lose(key, "must be text or a number")
			} else if !r.known(key, text, value, paramsPlan.Value(&r.event.Params, i)) {
				reflect.ValueOf(&r.event.Params).Elem().FieldByName(m.Field).SetZero() // Parse leaves what it could read
			}
			return
		}
		r.custom(key, value)
	}
}

// known takes a parameter of Meta's, and reports whether its value could be read.
func (r *eventReader) known(key, text string, value any, to wire.Value) bool {
	switch _, isText := value.(string); {
	case !to.Parse(text):
		r.lose(key, "cannot be read: "+r.quote(text))
		return false
	case to.Kind == wire.Text && !isText:
		r.changed(key, "is sent as text")
	case to.Kind == wire.Int && isText:
		r.changed(key, "is sent as a number")
	case to.Currency && to.Text() != text:
		r.changed(key, "is sent in capitals")
	}
	return true
}

// plain is a value that goes on as text.
func (r *eventReader) plain(key string, value any) string {
	text, ok := scalar(value)
	if !ok {
		if value != nil {
			r.lose(key, "must be text")
		}
		return ""
	}
	if _, isText := value.(string); !isText {
		r.changed(key, "is sent as text")
	}
	return text
}

// custom takes a parameter of the sender's own.
func (r *eventReader) custom(key string, value any) {
	switch v := value.(type) {
	case nil:
		r.lose(key, "is null, which says nothing")
		return
	case []any, map[string]any:
		nested, err := json.Marshal(v)
		if err != nil {
			r.lose(key, "cannot be sent as text")
			return
		}
		r.changed(key, "is sent as its JSON text: a parameter is text or a number")
		value = string(nested)
	case bool:
		r.changed(key, "is sent as 1 or 0: a parameter is text or a number")
	}
	if !names.Identifier(key) {
		r.lose(key, "is no name of a parameter: 1 to 40 ASCII letters, digits, underscores, hyphens and spaces")
		return
	}
	if r.event.Params.Custom == nil {
		r.event.Params.Custom = make(map[string]any)
	}
	r.event.Params.Custom[key] = value
}

// contentIDs takes one ID, or a list of them as JSON text or as JSON.
func (r *eventReader) contentIDs(value any) {
	const key = "fb_content_id"
	list, isList := value.([]any)
	if text, ok := value.(string); ok && strings.HasPrefix(strings.TrimSpace(text), "[") {
		isList = decodeNumbers(text, &list)
	} else if isList {
		r.changed(key, "is sent as the text of a JSON array")
	}
	if !isList {
		list = []any{value}
	}
	for _, v := range list {
		id, ok := scalar(v)
		if !ok || id == "" {
			r.lose(key, "holds something that is no ID")
			continue
		}
		r.event.Params.ContentIDs = append(r.event.Params.ContentIDs, id)
	}
}

// contents takes products, as JSON text or as JSON.
func (r *eventReader) contents(value any) {
	const key = "fb_content"
	list, ok := value.([]any)
	if text, isText := value.(string); isText {
		ok = decodeNumbers(text, &list)
	} else if ok {
		r.changed(key, "is sent as the text of a JSON array")
	}
	if !ok {
		r.lose(key, "is no JSON array of products")
		return
	}
	for i, v := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		members, ok := v.(map[string]any)
		if !ok {
			r.lose(at, "is no product")
			continue
		}
		var c appevents.Content
		for _, name := range slices.Sorted(maps.Keys(members)) {
			text, ok := scalar(members[name])
			var err error
			switch name {
			case "id":
				c.ID = text
			case "quantity":
				c.Quantity, err = strconv.Atoi(text)
			case "item_price", "price":
				if name == "price" {
					if members["item_price"] != nil {
						r.lose(at+".price", "item_price is there too")
						continue
					}
					r.changed(at+".price", "is called item_price")
				}
				c.ItemPrice, err = strconv.ParseFloat(text, 64)
			default:
				r.lose(at+"."+name, "a product has an id, a quantity and an item_price")
			}
			if !ok || err != nil {
				r.lose(at+"."+name, "cannot be read")
			}
		}
		r.event.Params.Contents = append(r.event.Params.Contents, c)
	}
}

// decodeNumbers is json.Unmarshal that keeps every digit of a number.
func decodeNumbers(text string, to any) bool {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(to) == nil && !decoder.More()
}
