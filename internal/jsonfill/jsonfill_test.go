package jsonfill_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/jsonfill"
)

type id string

type inner struct {
	ID   id     `webhook:"id"`
	Name string `webhook:"name"`
}

type embedded struct {
	Deep string `webhook:"deep"`
}

type outer struct {
	embedded

	Text     string          `webhook:"text,other_name"`
	ID       id              `webhook:"id"`
	Flag     bool            `webhook:"flag"`
	Int      int             `webhook:"int"`
	Int64    int64           `webhook:"int64"`
	Float    float64         `webhook:"float"`
	Time     time.Time       `webhook:"time"`
	Duration time.Duration   `webhook:"duration"`
	Texts    []string        `webhook:"texts"`
	Inner    inner           `webhook:"inner"`
	Pointer  *inner          `webhook:"pointer"`
	List     []inner         `webhook:"list"`
	Map      map[id]inner    `webhook:"map"`
	Lists    map[id][]string `webhook:"lists"`
	Under    id              `webhook:"product.id"`
	UnderAll []inner         `webhook:"product.elements"`
	Self     *outer          `webhook:"self"`
	Untagged string
}

const plenty = 1 << 20

func read(doc string, v any) []jsonfill.Problem {
	r := jsonfill.New(doc, plenty, plenty)
	r.Fill(v)
	if err := r.Scan.End(); err != nil {
		panic(err)
	}
	return r.Problems()
}

func TestReader_Fill(t *testing.T) {
	t.Parallel()
	var v outer
	problems := read(`{"text":"a","deep":"b","id":123456789012345678901,"flag":"TRUE","int":"7","int64":8,"float":"1.5",
		"time":1718000000,"duration":90,"texts":["x",5,null],"inner":{"id":"1","unknown":[{}]},"pointer":{"name":"n"},
		"list":[{"id":1},null,{}],"map":{"k":{"name":"m"}},"lists":{"5":["r"]},
		"product":{"id":9,"elements":[{"id":"e"}],"x":1},"self":{"other_name":"z"},"Untagged":"no","Text":"no"}`, &v)
	require.Empty(t, problems)
	require.Equal(t, outer{
		embedded: embedded{Deep: "b"},
		Text:     "a", ID: "123456789012345678901", Flag: true, Int: 7, Int64: 8, Float: 1.5,
		Time: time.Unix(1718000000, 0).UTC(), Duration: 90 * time.Second, Texts: []string{"x", "5", ""},
		Inner: inner{ID: "1"}, Pointer: &inner{Name: "n"}, List: []inner{{ID: "1"}, {}, {}},
		Map: map[id]inner{"k": {Name: "m"}}, Lists: map[id][]string{"5": {"r"}}, Under: "9", UnderAll: []inner{{ID: "e"}},
		Self: &outer{Text: "z"},
	}, v)

	// Null and empty are the zero value.
	for _, doc := range []string{
		`null`, `{}`, `{"pointer":{},"list":[],"map":{},"self":null,"texts":null,"inner":null,"product":null,"time":0}`,
	} {
		v := outer{}
		require.Empty(t, read(doc, &v))
		require.Zero(t, v)
	}
}

func TestReader_ProblemsNameTheirPlace(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]jsonfill.Problem{
		`5`:                             {Path: "", Message: "must be an object"},
		`{"text":{}}`:                   {Path: "text", Message: "must be text"},
		`{"id":1.5}`:                    {Path: "id", Message: "must be a string or an integer"},
		`{"flag":"maybe"}`:              {Path: "flag", Message: "must be true or false"},
		`{"int":1.5}`:                   {Path: "int", Message: "must be an integer"},
		`{"float":"x"}`:                 {Path: "float", Message: "must be a number"},
		`{"time":-1}`:                   {Path: "time", Message: "must be a Unix time"},
		`{"duration":-1}`:               {Path: "duration", Message: "must be a number of seconds"},
		`{"texts":{}}`:                  {Path: "texts", Message: "must be a list"},
		`{"pointer":"x"}`:               {Path: "pointer", Message: "must be an object"},
		`{"list":[{"name":[]}]}`:        {Path: "list.name", Message: "must be text"},
		`{"map":{"Ann":{"name":[]}}}`:   {Path: "map.*.name", Message: "must be text"},
		`{"lists":{"Ann":5}}`:           {Path: "lists.*", Message: "must be a list"},
		`{"product":{"id":[]}}`:         {Path: "product.id", Message: "must be a string or an integer"},
		`{"inner":{"id":1},"self":"x"}`: {Path: "self", Message: "must be an object"},
		`{"self":{"self":{"text":{}}}}`: {Path: "self.self.text", Message: "must be text"},
	} {
		var v outer
		require.Equal(t, []jsonfill.Problem{want}, read(doc, &v), doc)
	}

	// Paths end where they get too long; nesting does not.
	var v outer
	problems := read(strings.Repeat(`{"self":`, 50)+`{"text":{}}`+strings.Repeat(`}`, 50), &v)
	require.Equal(t, []jsonfill.Problem{{Path: "self.self.self.self.self.self.self.self", Message: "must be text"}}, problems)

	// Only the first are kept.
	require.Len(t, read(`{"texts":[`+strings.Repeat(`{},`, 100)+`{}]}`, &v), 8)
}

func TestReader_Again(t *testing.T) {
	t.Parallel()
	r := jsonfill.New(`[{"text":"\u00e4"},{"text":"b"}]`, plenty, plenty)
	r.Scan.Open(5)
	var texts []string
	for r.Scan.NextElem() {
		span := r.Scan.Skip()
		for range 2 {
			r.Again(span, func() {
				var v outer
				r.Fill(&v)
				texts = append(texts, v.Text)
			})
		}
	}
	require.NoError(t, r.Scan.End())
	require.Equal(t, []string{"ä", "ä", "b", "b"}, texts)
}

func TestReader_IsBounded(t *testing.T) {
	t.Parallel()
	many := func(element string) string { return strings.TrimSuffix(strings.Repeat(element+",", 10_000), ",") }
	for _, doc := range []string{
		`{"list":[` + many(`{}`) + `]}`, `{"list":[` + many(`5`) + `]}`, `{"texts":[` + many(`""`) + `]}`,
		`{"map":{` + many(`"k":{}`) + `}}`, `{"lists":{` + many(`"k":[1]`) + `}}`,
		`{` + many(`"self":{"text":""}`) + `}`, `{` + many(`"pointer":{"name":"x"}`) + `}`,
	} {
		// By memory: what there is no room for is left out and noted, and the walk goes on to the end.
		var v outer
		r := jsonfill.New(doc, plenty, 10_000)
		r.Fill(&v)
		require.NoError(t, r.Scan.End(), "%.40s", doc)
		require.False(t, r.Full(), "%.40s", doc)
		require.LessOrEqual(t, len(v.List)+len(v.Texts)+len(v.Map)+len(v.Lists), 100)

		// By number: the walk ends.
		v = outer{}
		r = jsonfill.New(doc, 100, plenty)
		r.Fill(&v)
		if !strings.Contains(doc, "self") && !strings.Contains(doc, "pointer") {
			require.True(t, r.Full(), "%.40s", doc)
			require.Error(t, r.Scan.End())
			require.Less(t, r.Scan.Pos(), 2_000)
		}
	}

	// Strings that have to be decoded count too.
	long := strings.Repeat(`\n`, 10_000)
	for _, doc := range []string{`{"` + long + `":1,"x":2,"y":3}`, "{\"" + strings.Repeat("\xff", 4_000) + "\":1,\"x\":2}"} {
		var v outer
		r := jsonfill.New(doc, plenty, 10_000)
		r.Fill(&v)
		require.True(t, r.Full())
	}

	// What is spent for good ends the walk, also from within another.
	r := jsonfill.New(`[1,2,3]`, plenty, 100)
	r.Scan.Open(5)
	n := 0
	for r.Scan.NextElem() {
		r.Again(r.Scan.Skip(), func() { r.Spend(60) })
		n++
	}
	require.Equal(t, 2, n)
	require.True(t, r.Full())
}
