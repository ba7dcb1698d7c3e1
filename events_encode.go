package appevents

import (
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// appendEvents writes custom_events: a JSON array of flat objects, reserved fields first.
func appendEvents(dst []byte, events []Event) []byte {
	size := 2
	for i := range events {
		size += events[i].size()
	}
	dst = append(make([]byte, 0, len(dst)+size), dst...)
	dst = append(dst, '[')
	for i := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = events[i].append(dst)
	}
	return append(dst, ']')
}

// size is about how many bytes append writes: a buffer of that size seldom grows. A text costs its key as well.
func (e *Event) size() int {
	q := &e.Params
	texts := len(e.ID) + len(e.SessionID) + len(e.UserID) + len(e.Screen) + len(q.AdType) + len(q.ContentType) +
		len(q.Description) + len(q.Level) + len(q.OrderID) + len(q.RegistrationMethod) + len(q.SearchString)
	size := 96 + 4*texts + 64*len(q.Contents) + 32*len(q.ContentIDs) + 48*len(q.Custom)
	if !e.Time.IsZero() {
		size += 32
	}
	return size
}

// append writes the event as /activities and /page_activities take it. The event must be valid.
func (e *Event) append(dst []byte) []byte {
	dst = append(dst, `{"_eventName":`...)
	dst = jsonscan.AppendString(dst, string(e.Name))
	if e.Value != nil {
		dst = append(dst, `,"_valueToSum":`...)
		dst = jsonscan.AppendFloat(dst, *e.Value)
	}
	if !e.Time.IsZero() {
		dst = append(dst, `,"_logTime":`...)
		dst = strconv.AppendInt(dst, e.Time.Unix(), 10)
	}
	dst = appendText(dst, "event_id", e.ID)
	dst = appendText(dst, "_session_id", e.SessionID)
	dst = appendText(dst, "_app_user_id", e.UserID)
	if e.Implicit {
		dst = append(dst, `,"_implicitlyLogged":1`...)
	}
	if e.Timed {
		dst = append(dst, `,"_isTimedEvent":1`...)
	}
	if e.Screen != "" {
		dst = jsonscan.AppendString(append(dst, `,"_ui":`...), e.Screen)
	}
	if e.Background {
		dst = append(dst, `,"_inBackground":"1"`...) // a text, as Meta's SDKs write it
	}
	return append(e.Params.append(dst), '}')
}

func (q *Params) append(dst []byte) []byte {
	dst = appendText(dst, ParamAdType, q.AdType)
	if len(q.Contents) > 0 {
		dst = appendKey(dst, ParamContent)
		dst = appendContents(dst, q.Contents)
	}
	switch len(q.ContentIDs) {
	case 0:
	case 1:
		dst = appendText(dst, ParamContentID, q.ContentIDs[0])
	default:
		dst = appendKey(dst, ParamContentID)
		dst = appendTextList(dst, q.ContentIDs)
	}
	dst = appendText(dst, ParamContentType, q.ContentType)
	dst = appendText(dst, ParamCurrency, q.Currency)
	dst = appendText(dst, ParamDescription, q.Description)
	dst = appendText(dst, ParamLevel, q.Level)
	dst = appendInt(dst, ParamMaxRatingValue, q.MaxRatingValue)
	dst = appendInt(dst, ParamNumItems, q.NumItems)
	dst = appendText(dst, ParamOrderID, q.OrderID)
	dst = appendFlag(dst, ParamPaymentInfoAvailable, q.PaymentInfoAvailable)
	dst = appendText(dst, ParamRegistrationMethod, q.RegistrationMethod)
	dst = appendText(dst, ParamSearchString, q.SearchString)
	dst = appendFlag(dst, ParamSuccess, q.Success)
	if len(q.Custom) == 0 {
		return dst
	}
	return appendOwn(dst, q.Custom)
}

// appendOwn writes parameters of the caller's own, sorted by name.
func appendOwn(dst []byte, params map[string]any) []byte {
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if s, ok := asText(params[key]); ok {
			dst = appendKey(dst, key)
			dst = jsonscan.AppendString(dst, s)
			continue
		}
		var buf [32]byte
		if number, _ := appendNumber(buf[:0], params[key]); number != nil {
			dst = append(appendKey(dst, key), number...)
		}
	}
	return dst
}

// hasOperational reports whether any of the events has debugging data.
func hasOperational(events []Event) bool {
	for i := range events {
		if !events[i].Operational.isZero() {
			return true
		}
	}
	return false
}

// appendOperational writes operational_parameters: an object for each event, empty for one without.
func appendOperational(dst []byte, events []Event) []byte {
	dst = append(dst, '[')
	for i := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = events[i].Operational.append(dst)
	}
	return append(dst, ']')
}

func (o *OperationalParams) append(dst []byte) []byte {
	dst = append(dst, '{')
	open := len(dst)
	for _, s := range o.segments() {
		if len(s.params) > 0 {
			dst = append(appendKey(dst, s.name), '{')
			inner := len(dst)
			dst = append(dropComma(appendOwn(dst, s.params), inner), '}')
		}
	}
	return append(dropComma(dst, open), '}')
}

// appendContents writes fb_content: a JSON array inside a JSON string, hence the escaped quotes.
func appendContents(dst []byte, contents []Content) []byte {
	dst = append(dst, `"[`...)
	for i := range contents {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{\"id\":`...)
		dst = appendNestedText(dst, contents[i].ID)
		dst = append(dst, `,\"quantity\":`...)
		dst = strconv.AppendInt(dst, int64(contents[i].Quantity), 10)
		if contents[i].ItemPrice != 0 {
			dst = append(dst, `,\"item_price\":`...)
			dst = jsonscan.AppendFloat(dst, contents[i].ItemPrice)
		}
		dst = append(dst, '}')
	}
	return append(dst, `]"`...)
}

// appendTextList writes several texts as a JSON array inside a JSON string.
func appendTextList(dst []byte, texts []string) []byte {
	dst = append(dst, `"[`...)
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNestedText(dst, text)
	}
	return append(dst, `]"`...)
}

// appendNestedText writes text as a JSON string inside a JSON string.
func appendNestedText(dst []byte, text string) []byte {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b >= utf8.RuneSelf || b == '"' || b == '\\' {
			twice := jsonscan.AppendString(nil, string(jsonscan.AppendString(nil, text)))
			return append(dst, twice[1:len(twice)-1]...)
		}
	}
	dst = append(dst, `\"`...)
	dst = append(dst, text...)
	return append(dst, `\"`...)
}

// appendKey writes the key of a further member. Keys are validated identifiers: nothing in them needs escaping.
func appendKey(dst []byte, key string) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	return append(dst, `":`...)
}

func appendText(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	return jsonscan.AppendString(appendKey(dst, key), value)
}

func appendInt(dst []byte, key string, value int) []byte {
	if value == 0 {
		return dst
	}
	return strconv.AppendInt(appendKey(dst, key), int64(value), 10)
}

func appendFlag(dst []byte, key string, value *bool) []byte {
	if value == nil {
		return dst
	}
	dst = appendKey(dst, key)
	if *value {
		return append(dst, '1')
	}
	return append(dst, '0')
}
