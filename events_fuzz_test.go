package appevents

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzEncodeEvent makes an event from whatever comes, and holds what validation and encoding make of it against
// encoding/json: a valid event decodes to exactly what was put in, and text that is not UTF-8 never gets that far.
func FuzzEncodeEvent(f *testing.F) {
	f.Add("fb_mobile_purchase", 55.22, int64(1700000000), "order-1", "1234", 2, "color", "red", math.Float64bits(1.5), byte(0))
	f.Add("a", 1e21, int64(0), `"`, `a"b\c`, 1, "fb_currency", "", uint64(18139494541428835), byte(0xff))
	f.Add("lead_submitted", math.Inf(1), int64(-1), "\u2028<&>", "\xff", -1, "-", "😊", uint64(math.MaxUint64), byte(5))
	f.Add("_x", math.Copysign(0, -1), int64(1700000000000), "\x00\x7f", "é", 0, "b c", "\t", uint64(0), byte(2))
	f.Fuzz(func(
		t *testing.T, name string, value float64, seconds int64, text, id string, count int, key, custom string,
		bits uint64, set byte,
	) {
		has := func(bit int) bool { return set>>bit&1 == 1 }
		e := Event{Name: EventName(name), ID: text, Screen: id, Implicit: has(0), Timed: has(1), Background: has(1)}
		want := map[string]any{"_eventName": name}
		put := func(key string, value any) {
			if value != "" {
				want[key] = value
			}
		}
		number := func(v float64) json.Number {
			out, err := json.Marshal(v)
			if err != nil {
				return "0" // validation refuses it
			}
			return json.Number(out)
		}
		put("event_id", text)
		put("_ui", id)
		if has(0) {
			want["_implicitlyLogged"] = json.Number("1")
		}
		if has(1) {
			want["_isTimedEvent"] = json.Number("1")
			want["_inBackground"] = "1"
		}
		if has(2) {
			e.Value = &value
			want["_valueToSum"] = number(value)
		}
		if has(3) {
			e.Time = time.Unix(seconds, 0)
			want["_logTime"] = json.Number(strconv.FormatInt(e.Time.Unix(), 10))
		}
		p := &e.Params
		p.Currency, p.Description, p.SearchString = "USD", custom, id
		put(ParamCurrency, "USD")
		put(ParamDescription, custom)
		put(ParamSearchString, id)
		if count != 0 {
			p.NumItems = count
			want[ParamNumItems] = json.Number(strconv.Itoa(count))
		}
		if has(4) {
			p.Success = new(has(5))
			want[ParamSuccess] = json.Number(strconv.FormatUint(uint64(set>>5&1), 10))
		}
		if has(5) {
			p.Contents = []Content{{ID: id, Quantity: count, ItemPrice: value}, {ID: text, Quantity: 1}}
			first := map[string]any{"id": id, "quantity": json.Number(strconv.Itoa(count)), "item_price": number(value)}
			if value == 0 {
				delete(first, "item_price")
			}
			want[ParamContent] = []any{first, map[string]any{"id": text, "quantity": json.Number("1")}}
		}
		switch {
		case has(6) && has(7):
			p.ContentIDs = []string{id, text}
			want[ParamContentID] = []any{id, text}
		case has(6):
			p.ContentIDs = []string{id}
			put(ParamContentID, id)
			if strings.HasPrefix(strings.TrimLeft(id, " \t\r\n"), "[") { // it would read as a list
				want[ParamContentID] = []any{id}
			}
		}
		float := math.Float64frombits(bits)
		p.Custom = map[string]any{key: custom, "n1": bits, "n2": float, "n3": float32(float), "n4": has(7)}
		want["n1"], want["n2"], want["n4"] = json.Number(strconv.FormatUint(bits, 10)), number(float), json.Number("0")
		want["n3"] = json.Number(strings.TrimSuffix(string(marshalled(float32(float))), "\n"))
		if has(7) {
			want["n4"] = json.Number("1")
		}
		if _, taken := want[key]; taken {
			delete(p.Custom, key) // one of ours
		} else {
			want[key] = custom
		}
		e.Operational = OperationalParams{IAP: maps.Clone(p.Custom), DeferralLink: map[string]any{"text": text}}

		err := e.Validate()
		if !utf8.ValidString(name + text + id + key + custom) {
			require.Error(t, err)
		}
		if err != nil {
			require.LessOrEqual(t, len(err.Error()), 1<<11)
			return
		}
		out := appendEvents([]byte("before"), []Event{e, e})
		require.Equal(t, "before", string(out[:6]))
		var got []map[string]any
		d := json.NewDecoder(strings.NewReader(string(out[6:])))
		d.UseNumber()
		require.NoError(t, d.Decode(&got))
		require.False(t, d.More())
		require.Len(t, got, 2)
		require.Equal(t, got[0], got[1])
		for key, value := range want {
			if _, isList := value.([]any); isList {
				got[0][key] = nested(t, got[0][key])
			}
			requireSame(t, value, got[0][key])
		}
		require.Len(t, got[0], len(want))

		// The same parameters, as debugging data, after an event without any.
		var segments []map[string]map[string]any
		d = json.NewDecoder(bytes.NewReader(appendOperational(nil, []Event{{}, e})))
		d.UseNumber()
		require.NoError(t, d.Decode(&segments))
		require.Len(t, segments, 2)
		require.Empty(t, segments[0])
		require.Equal(t, map[string]any{"text": text}, segments[1]["deferral_link_parameters"])
		require.Len(t, segments[1]["iap_parameters"], len(p.Custom))
		for key := range p.Custom {
			requireSame(t, want[key], segments[1]["iap_parameters"][key])
		}
	})
}

func marshalled(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		return []byte("0") // validation refuses it
	}
	return out
}

// nested decodes JSON inside a text.
func nested(tb testing.TB, value any) any {
	tb.Helper()
	text, ok := value.(string)
	require.True(tb, ok)
	var list any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	require.NoError(tb, d.Decode(&list))
	return list
}

// requireSame compares decoded JSON; numbers may be written differently but must be the same number.
func requireSame(tb testing.TB, want, got any) {
	tb.Helper()
	if w, ok := want.(json.Number); ok {
		g, isNumber := got.(json.Number)
		require.True(tb, isNumber)
		if w != g {
			a, _ := w.Float64()
			b, _ := g.Float64()
			require.Equal(tb, math.Float64bits(a), math.Float64bits(b), "%s and %s", w, g)
		}
		return
	}
	require.Equal(tb, want, got)
}
