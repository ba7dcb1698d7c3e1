package jsonscan_test

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

var documentSeeds = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `truth`, `falsey`, `0`, `-0`, `-`, `01`, `-01`, `1.`, `.5`, `1.5e`, `1e+`,
	`1E-5`, `1.25e+10`, `18139494541428835`, `1 2`, `"`, `"a`, `"a"`, `"\"`, `"\u12"`, `"\u12g4"`, `"\x"`, "\"\x01\"",
	"\"\x7f\"", `"ä"`, "\"\xff\"", `"\ud83d\ude0a"`, `"\ud83d"`, `"\ud83dx"`, `"\ude0a\ud83d"`, `"\ud83d\u0041"`,
	`"\/\b\f\n\r\t\\\""`, `[]`, `[ ]`, `[,]`, `[1,]`, `[1 2]`, `[1,2]`, `[`, `]`, `[[[]]]`, `{}`, `{ }`, `{,}`, `{"a"}`,
	`{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":1,"a":2}`, `{a:1}`, `{"a":1`, `{"a":{"b":[1,{"c":null}]}}`, `{1:2}`,
	" \t\r\n{ \"a\" : [ 1 , 2 ] } \n", "\ufeff{}", "\v1", `"a string that is longer than eight bytes, with ünicode"`,
	`{"object":"page","entry":[{"id":"1","time":1718000000456,"messaging":[{"sender":{"id":"2"}}]}]}`,
	"\"12345678\x1f\"", "\"1234567\\n89012345678\\u00e4\"", "[1]\x00", "[1\x00]",
}

// walk reads the whole document through the cursor and returns what encoding/json would make of it.
func walk(s *jsonscan.Scanner) any {
	switch s.Kind() {
	case jsonscan.Object:
		out := map[string]any{}
		s.Open(jsonscan.Object)
		for key, ok := s.NextKey(); ok; key, ok = s.NextKey() {
			out[key] = walk(s)
		}
		return out
	case jsonscan.Array:
		out := []any{}
		s.Open(jsonscan.Array)
		for s.NextElem() {
			out = append(out, walk(s))
		}
		return out
	case jsonscan.String:
		text, _ := s.Text()
		return text
	case jsonscan.Number:
		return json.Number(s.Skip())
	case jsonscan.Bool:
		b, _ := s.Bool()
		return b
	default:
		s.Skip()
		return nil
	}
}

// requireSame compares the scanner with encoding/json on one document: acceptance by both ways through it, then every
// key, string, number and raw span.
func requireSame(t *testing.T, doc string) {
	t.Helper()
	valid := json.Valid([]byte(doc))

	s := jsonscan.New(doc)
	span := s.Skip()
	err := s.End()
	require.Equal(t, valid, err == nil, "skipping %q: %v", doc, err)
	if err != nil {
		var syntax *jsonscan.SyntaxError
		require.ErrorAs(t, err, &syntax)
		require.LessOrEqual(t, syntax.Offset, len(doc))
		require.GreaterOrEqual(t, syntax.Offset, 0)
		require.Empty(t, s.Skip())
		require.Equal(t, jsonscan.Invalid, s.Kind())
	} else {
		var raw json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(doc), &raw))
		require.Equal(t, string(raw), span)
	}

	s = jsonscan.New(doc)
	got := walk(&s)
	err = s.End()
	require.Equal(t, valid, err == nil, "walking %q: %v", doc, err)
	if err != nil {
		return
	}
	dec := json.NewDecoder(strings.NewReader(doc))
	dec.UseNumber()
	var want any
	require.NoError(t, dec.Decode(&want))
	require.Equal(t, want, got, "%q", doc)
}

func TestScanner_AgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, doc := range documentSeeds {
		requireSame(t, doc)
		requireSame(t, "["+doc+"]")
		requireSame(t, `{"k": `+doc+" }")
	}
	// Every byte in every place of a string and of a document.
	for c := range 256 {
		b := string([]byte{byte(c)})
		requireSame(t, b)
		requireSame(t, "[1"+b+"]")
		for pad := range 10 {
			requireSame(t, `"`+strings.Repeat("x", pad)+b+`yyyyyyyyyyyy"`)
			requireSame(t, `"`+strings.Repeat("x", pad)+`\`+b+`"`)
			requireSame(t, `"\u00`+b+`0"`)
		}
	}
	// Every prefix of a document is refused, and every document with a byte missing judged alike.
	whole := ` {"a":[1.5e-3,"x\u00e4\ud83d\ude0a",true,false,null,{"b":{}}],"c":-0}`
	for i := range len(whole) {
		requireSame(t, whole[:i])
		requireSame(t, whole[:i]+whole[i+1:])
	}
}

func FuzzJSON(f *testing.F) {
	for _, doc := range documentSeeds {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) { requireSame(t, doc) })
}

func TestScanner_BoundsDepth(t *testing.T) {
	t.Parallel()
	for _, open := range []string{"[", `{"a":`, `[{"a":`} {
		levels := strings.Count(open, "[") + strings.Count(open, "{")
		closing := map[string]string{"[": "]", `{"a":`: "}", `[{"a":`: "}]"}[open]
		for _, extra := range []int{0, 1} {
			n := jsonscan.MaxDepth/levels + extra
			doc := strings.Repeat(open, n) + "1" + strings.Repeat(closing, n)
			require.Equal(t, extra == 0, json.Valid([]byte(doc)))

			s := jsonscan.New(doc)
			s.Skip()
			skipErr := s.End()
			s = jsonscan.New(doc)
			walk(&s)
			walkErr := s.End()
			if extra == 0 {
				require.NoError(t, skipErr)
				require.NoError(t, walkErr)
				continue
			}
			require.ErrorContains(t, skipErr, "nested too deeply")
			require.ErrorContains(t, walkErr, "nested too deeply")
		}
	}
}

func TestScanner_Lenient(t *testing.T) {
	t.Parallel()

	type result struct {
		value any
		ok    bool
	}
	bad := result{}
	read := func(value any, ok bool) result {
		if !ok {
			return bad
		}
		return result{value, true}
	}
	good := func(value any) result { return result{value, true} }

	for _, test := range []struct {
		doc                     string
		text, id, b, i64, float result
	}{
		{doc: `null`, text: good(""), id: good(""), b: good(false), i64: good(int64(0)), float: good(0.0)},
		{doc: `""`, text: good(""), id: good(""), b: bad, i64: good(int64(0)), float: good(0.0)},
		{doc: `"x"`, text: good("x"), id: good("x")},
		{doc: `18139494541428835`, text: good("18139494541428835"), id: good("18139494541428835"),
			i64: good(int64(18139494541428835)), float: good(18139494541428835.0)},
		{doc: `"18139494541428835"`, text: good("18139494541428835"), id: good("18139494541428835"),
			i64: good(int64(18139494541428835)), float: good(18139494541428835.0)},
		{doc: `1`, text: good("1"), id: good("1"), b: good(true), i64: good(int64(1)), float: good(1.0)},
		{doc: `0`, text: good("0"), id: good("0"), b: good(false), i64: good(int64(0)), float: good(0.0)},
		{doc: `-3`, text: good("-3"), id: good("-3"), i64: good(int64(-3)), float: good(-3.0)},
		{doc: `1.5`, text: good("1.5"), float: good(1.5)},
		{doc: `2.0`, text: good("2.0"), i64: good(int64(2)), float: good(2.0)},
		{doc: `1e3`, text: good("1e3"), i64: good(int64(1000)), float: good(1000.0)},
		{doc: `" 7 "`, text: good(" 7 "), id: good(" 7 "), i64: good(int64(7)), float: good(7.0)},
		{doc: `99999999999999999999`, text: good("99999999999999999999"), id: good("99999999999999999999"),
			float: good(99999999999999999999.0)},
		{doc: `999999999999999999`, text: good("999999999999999999"), id: good("999999999999999999"),
			i64: good(int64(999999999999999999)), float: good(999999999999999999.0)},
		{doc: `9223372036854775807`, text: good("9223372036854775807"), id: good("9223372036854775807"),
			i64: good(int64(math.MaxInt64)), float: good(float64(math.MaxInt64))},
		{doc: `9223372036854775808`, text: good("9223372036854775808"), id: good("9223372036854775808"),
			float: good(9223372036854775808.0)},
		{doc: `1E3`, text: good("1E3"), i64: good(int64(1000)), float: good(1000.0)},
		{doc: `1e400`, text: good("1e400")},
		{doc: `"0x10"`, text: good("0x10"), id: good("0x10")},
		{doc: `"1_000"`, text: good("1_000"), id: good("1_000")},
		{doc: `"inf"`, text: good("inf"), id: good("inf")},
		{doc: `"NaN"`, text: good("NaN"), id: good("NaN")},
		{doc: `"07"`, text: good("07"), id: good("07")},
		{doc: `true`, b: good(true)},
		{doc: `false`, b: good(false)},
		{doc: `"true"`, text: good("true"), id: good("true"), b: good(true)},
		{doc: `"False"`, text: good("False"), id: good("False"), b: good(false)},
		{doc: `{"a":[1]}`},
		{doc: `[true]`},
	} {
		t.Run(test.doc, func(t *testing.T) {
			t.Parallel()
			for name, method := range map[string]struct {
				call func(*jsonscan.Scanner) result
				want result
			}{
				"Text":    {func(s *jsonscan.Scanner) result { v, ok := s.Text(); return read(v, ok) }, test.text},
				"ID":      {func(s *jsonscan.Scanner) result { v, ok := s.ID(); return read(v, ok) }, test.id},
				"Bool":    {func(s *jsonscan.Scanner) result { v, ok := s.Bool(); return read(v, ok) }, test.b},
				"Int64":   {func(s *jsonscan.Scanner) result { v, ok := s.Int64(); return read(v, ok) }, test.i64},
				"Float64": {func(s *jsonscan.Scanner) result { v, ok := s.Float64(); return read(v, ok) }, test.float},
			} {
				s := jsonscan.New("[" + test.doc + `,"next"]`)
				require.True(t, s.Open(jsonscan.Array))
				require.True(t, s.NextElem())
				require.Equal(t, method.want, method.call(&s), name)

				// The value is consumed whatever it was, and the walk goes on.
				require.True(t, s.NextElem(), name)
				next, ok := s.Text()
				require.True(t, ok)
				require.Equal(t, "next", next)
				require.False(t, s.NextElem())
				require.NoError(t, s.End())
			}
		})
	}
}

func TestScanner_LenientOnBrokenInput(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{`01`, `-`, `-01`} {
		s := jsonscan.New(doc)
		_, ok := s.Int64()
		require.True(t, !ok || s.End() != nil, doc)
	}
	for _, doc := range []string{``, `"abc`, `12.`, `tru`, `{"a"`, `nul`} {
		s := jsonscan.New(doc)
		_, ok := s.Text()
		require.False(t, ok, doc)
		require.Error(t, s.Err(), doc)
		_, ok = s.Bool()
		require.False(t, ok)
		_, ok = s.Int64()
		require.False(t, ok)
		_, ok = s.Float64()
		require.False(t, ok)
		_, ok = s.ID()
		require.False(t, ok)
		require.False(t, s.Open(jsonscan.Object))
		require.False(t, s.NextElem())
		_, ok = s.NextKey()
		require.False(t, ok)
	}
}

func TestScanner_OpenOfAnotherKindSkips(t *testing.T) {
	t.Parallel()
	s := jsonscan.New(` [ {"a":1} , [2] , 3 ] `)
	require.True(t, s.Open(jsonscan.Array))
	require.True(t, s.NextElem())
	require.False(t, s.Open(jsonscan.Array))
	require.True(t, s.NextElem())
	require.False(t, s.Open(jsonscan.Object))
	require.True(t, s.NextElem())
	require.Equal(t, jsonscan.Number, s.Kind())
	start := s.Pos()
	s.Skip()
	require.Equal(t, "3", s.Span(start, s.Pos()))
	require.False(t, s.NextElem())
	require.NoError(t, s.End())
}

func TestScanner_PlainStringsAreNotCopied(t *testing.T) { //nolint:paralleltest // it counts allocations
	doc := `{"sender":{"id":"6543210987654321"},"text":"Is the blue mug in stock?","n":1718000000123}`
	allocs := testing.AllocsPerRun(100, func() {
		s := jsonscan.New(doc)
		s.Open(jsonscan.Object)
		for _, ok := s.NextKey(); ok; _, ok = s.NextKey() {
			s.Text()
		}
		if s.End() != nil {
			panic("not JSON")
		}
	})
	require.Zero(t, allocs)
}

func TestSyntaxError(t *testing.T) {
	t.Parallel()
	s := jsonscan.New(`{"token": secret}`)
	s.Skip()
	require.EqualError(t, s.End(), "invalid JSON at byte 10")
	s = jsonscan.New(`{"token": 1} secret`)
	s.Skip()
	require.EqualError(t, s.End(), "invalid JSON at byte 13")
}

func FuzzNumbers(f *testing.F) {
	for _, text := range []string{"0", "-1", "1e5", "1.5", "9223372036854775807", "9223372036854775808", "1e308"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var wantFloat float64
		if json.Valid([]byte(text)) && json.Unmarshal([]byte(text), &wantFloat) == nil && text != "null" {
			s := jsonscan.New(text)
			got, ok := s.Float64()
			require.True(t, ok, text)
			require.Equal(t, math.Float64bits(wantFloat), math.Float64bits(got), text)
		}
		if want, err := strconv.ParseInt(text, 10, 64); err == nil && json.Valid([]byte(text)) {
			for _, doc := range []string{text, strconv.Quote(text), text + " "} {
				s := jsonscan.New(doc)
				got, ok := s.Int64()
				require.True(t, ok, doc)
				require.Equal(t, want, got)
				require.NoError(t, s.End())
			}
		}
	})
}
