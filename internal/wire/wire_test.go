package wire_test

import (
	"encoding/json"
	"math"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/wire"
)

type id string

type item struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// every has a field of every kind and option.
type every struct {
	Text     string         `json:"text" wire:"_text,alias=other,alias=third" side:""`
	ID       id             `json:"id" wire:",id,number" side:"own"`
	Own      string         `json:"own" wire:",own"`
	Currency string         `json:"currency" wire:",currency"`
	Required string         `json:"required" wire:",required"`
	Texts    []string       `json:"texts"`
	Nested   []string       `json:"nested" wire:",text"`
	Int      int            `json:"int" wire:",min=-1"`
	Bool     bool           `json:"bool"`
	BoolText bool           `json:"bool_text" wire:",text"`
	Flag     *bool          `json:"flag"`
	FlagBool *bool          `json:"flag_bool" wire:",bool"`
	Float    float64        `json:"float"`
	Decimals float64        `json:"decimals" wire:",text"`
	Amount   *float64       `json:"amount"`
	Time     time.Time      `json:"time"`
	Wait     time.Duration  `json:"millis"`
	Items    []item         `json:"items"`
	Map      map[string]any `json:"map" wire:",at=0"`
	Always   int            `json:"always" wire:",always"`
	Skipped  chan int       `json:"skipped" wire:"-"`
}

func plan() *wire.Plan[every] {
	return wire.For[every](
		wire.Encode(func(dst []byte, items *[]item) []byte { return append(dst, `["items"]`...) }),
		wire.Encode(func(dst []byte, m *map[string]any) []byte { return append(dst, `{"a":1}`...) }),
	)
}

func full() *every {
	return &every{
		Text: `a"b`, ID: "18139494541428835", Own: "o", Currency: "USD", Required: "r", Texts: []string{"x", "é"},
		Nested: []string{"1", `"`}, Int: -1, Bool: true, BoolText: true, Flag: new(false), FlagBool: new(true),
		Float: 0.5, Decimals: 2, Amount: new(0.0), Time: time.Unix(1700000000, 999), Wait: 1500 * time.Microsecond,
		Items: []item{{}}, Map: map[string]any{"a": 1}, Always: 7, Skipped: make(chan int),
	}
}

func TestPlan_Members(t *testing.T) {
	t.Parallel()
	p := plan()
	require.NoError(t, p.Err())
	var names []string
	for _, m := range p.Members() {
		names = append(names, m.Name)
	}
	require.Equal(t, strings.Fields("map _text id own currency required texts nested int bool bool_text flag flag_bool "+
		"float decimals amount time millis items always"), names)
	text := p.Members()[1]
	require.Equal(t, "Text", text.Field)
	require.Equal(t, "text", text.Stored)
	require.Equal(t, []string{"other", "third"}, text.Aliases)
	require.True(t, p.Members()[2].ID)
	require.True(t, p.Members()[3].Own)
	require.True(t, p.Members()[4].Currency)
	require.True(t, p.Members()[5].Required)
	require.Equal(t, -1, p.Members()[8].Min)

	side := wire.ForTag[every]("side")
	require.NoError(t, side.Err())
	require.Equal(t, `,"_text":"a\"b","own":18139494541428835`, string(side.AppendJSON(nil, full())))
}

func TestPlan_Append(t *testing.T) {
	t.Parallel()
	p := plan()
	object := `{"map":{"a":1},"_text":"a\"b","id":18139494541428835,"own":"o","currency":"USD","required":"r",` +
		`"texts":["x","é"],"nested":"[\"1\",\"\\\"\"]","int":-1,"bool":1,"bool_text":"1","flag":0,"flag_bool":true,` +
		`"float":0.5,"decimals":"2.00","amount":0,"time":1700000000,"millis":1,"items":["items"],"always":7}`
	require.Equal(t, object, string(p.AppendObject(nil, full())))
	require.Equal(t, `{"always":0}`, string(p.AppendObject(nil, new(every))))

	form, err := url.ParseQuery(string(p.AppendForm(nil, full())))
	require.NoError(t, err)
	require.Len(t, form, len(p.Members()))
	for name, want := range map[string]string{
		"_text": `a"b`, "id": "18139494541428835", "texts": `["x","é"]`, "flag": "0", "amount": "0", "time": "1700000000",
		"millis": "1", "items": `["items"]`, "map": `{"a":1}`, "bool": "1", "always": "7",
	} {
		require.Equal(t, []string{want}, form[name], name)
	}
	require.Equal(t, "always=0", string(p.AppendForm(nil, new(every))))

	list := string(p.AppendList(nil, new(every)))
	require.True(t, json.Valid([]byte(list)))
	require.True(t, strings.HasPrefix(list, `[{"a":1},"",`), list)

	items := wire.For[item]()
	require.Equal(t, `{\"name\":\"a\",\"n\":2}`, string(items.AppendNested(nil, &item{"a", 2})))
	require.Equal(t, `{\"name\":\"\\\"\\u2028\\n\"}`, string(items.AppendNested(nil, &item{Name: "\"\u2028\n"})))
	require.Equal(t, `{}`, string(items.AppendNested(nil, new(item))))

	type lists struct {
		Plain []item `json:"plain"`
	}
	two := &lists{Plain: []item{{"a", 1}, {"b", 2}}}
	require.JSONEq(t, `{"plain":[{"name":"a","n":1},{"name":"b","n":2}]}`,
		string(wire.For[lists](wire.List(items)).AppendObject(nil, two)))
	require.JSONEq(t, `{"plain":"[{\"name\":\"a\",\"n\":1},{\"name\":\"b\",\"n\":2}]"}`,
		string(wire.For[lists](wire.NestedList(items)).AppendObject(nil, two)))
}

// A value counts as set when something of it is sent: a list made but empty is none.
func TestValue_Set(t *testing.T) {
	t.Parallel()
	p := plan()
	empty := &every{Texts: []string{}, Nested: []string{}, Items: []item{}, Map: map[string]any{}}
	require.False(t, p.IsZero(empty))
	require.True(t, p.IsZero(new(every)))
	require.Equal(t, `{"always":0}`, string(p.AppendObject(nil, empty)))
	for i, m := range p.Members() {
		require.False(t, p.Value(empty, i).Set(), m.Name)
		require.False(t, p.Value(new(every), i).Set(), m.Name)
		require.True(t, p.Value(full(), i).Set(), m.Name)
	}
}

func TestValue_Parse(t *testing.T) {
	t.Parallel()
	p := plan()
	v := new(every)
	for name, texts := range map[string]struct{ good, bad []string }{
		"_text":    {good: []string{"a", "1"}},
		"currency": {good: []string{"eur"}},
		"texts":    {good: []string{"a", "a, b\r\n c,", `["a","b"]`}, bad: []string{`["a"`, `[1]`, ","}},
		"int":      {good: []string{"3", "-1", "+4"}, bad: []string{"3.5", "1e3", "three", "99999999999999999999"}},
		"flag":     {good: []string{"Yes", "on", "TRUE", "1", "no", "off", "false", "0"}, bad: []string{"2", "y", "ja"}},
		"items":    {good: []string{`[]`, `[{"name":"a","n":2}]`}, bad: []string{`{}`, `[{"x":1}]`, `[] []`, `["a"]`, `a`}},
	} {
		i := index(p, name)
		for _, text := range texts.good {
			require.True(t, p.Value(v, i).Parse(text), "%s: %s", name, text)
		}
		for _, text := range texts.bad {
			require.False(t, p.Value(v, i).Parse(text), "%s: %s", name, text)
		}
	}
	require.Equal(t, "EUR", v.Currency)
	require.Empty(t, v.Items, "nothing of a list that could not be read")

	for text, want := range map[string]float64{"9.99": 9.99, "-1": -1, "1e3": 1000, "0": 0} {
		got, ok := wire.ParseNumber(text)
		require.True(t, ok, text)
		require.InDelta(t, want, got, 0)
	}
	for _, text := range []string{"", "9,99", "1 000", "NaN", "Inf", "0x10", "1e999", "$5", "1_000", "٣"} {
		_, ok := wire.ParseNumber(text)
		require.False(t, ok, text)
	}
}

func index(p *wire.Plan[every], name string) int {
	for i, m := range p.Members() {
		if m.Name == name {
			return i
		}
	}
	return -1
}

// Wrong tags are found when the plan is compiled, and what they are about is still harmless.
func TestPlan_Err(t *testing.T) {
	t.Parallel()
	type wrong struct {
		A string   `json:"a" wire:",curency"`
		B chan int `json:"b"`
		C int      `json:"c" wire:",min=x"`
	}
	p := wire.For[wrong]()
	require.ErrorContains(t, p.Err(), "wrong.A: unknown option curency")
	require.ErrorContains(t, p.Err(), "wrong.B: no way to write a chan int")
	require.ErrorContains(t, p.Err(), "wrong.C")
	require.Equal(t, `{"b":null}`, string(p.AppendObject(nil, &wrong{B: make(chan int)})))
}

func TestPlan_ConcurrentFirstUse(t *testing.T) {
	t.Parallel()
	p := plan()
	want := string(plan().AppendObject(nil, full()))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := string(p.AppendObject(nil, full())); got != want {
				t.Errorf("got %s", got)
			}
		})
	}
	wg.Wait()
}

func TestAppendNumber(t *testing.T) {
	t.Parallel()
	for _, value := range []any{math.NaN(), math.Inf(1), float32(math.Inf(-1)), json.Number("x"), json.Number("1e999")} {
		out, ok := wire.AppendNumber(nil, value)
		require.True(t, ok)
		require.Nil(t, out)
	}
	for _, value := range []any{nil, "1", []int{1}, struct{}{}, new(int), complex(1, 1)} {
		_, ok := wire.AppendNumber(nil, value)
		require.False(t, ok, "%T", value)
	}
}

// No two lists of parts look the same.
func TestParts(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, parts := range [][][2]string{
		nil, {{"a", "b"}}, {{"ab", ""}}, {{"a", "bc"}}, {{"ab", "c"}}, {{"a", "b"}, {"c", "d"}}, {{"a", "b\x01c\x01d"}},
	} {
		var b wire.Parts
		for _, part := range parts {
			b.Add(part[0], part[1])
		}
		if len(parts) == 1 && parts[0][1] == "" {
			require.Empty(t, b)
			continue
		}
		require.False(t, seen[string(b)], "%v", parts)
		seen[string(b)] = true
	}

	var b wire.Parts
	wire.AddParts(&b, "p.", plan(), &every{Texts: []string{"x", "y"}, Float: 0.5, Items: []item{{}}}, func(name string) {
		b.Add(name, "structures")
	})
	require.Equal(t, "\x07p.texts\x01x\x07p.texts\x01y\x07p.float\x030.5\x07p.items\x0astructures", string(b))
}
