package loose_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/jsonscan"
	"github.com/appevents/appevents-go/internal/loose"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		`12`: 12, `"12.5"`: 12.5, `"42.5%"`: 42.5, `1e3`: 1000, `-1`: 7, `"NaN"`: 7, `"Inf"`: 7, `1e999`: 7, `[]`: 7, `{}`: 7,
		`null`: 7, `true`: 7, `""`: 7, `"x"`: 7,
	} {
		n := loose.Number(7)
		require.NoError(t, json.Unmarshal([]byte(text), &n))
		require.InDelta(t, want, float64(n), 0, text)
	}
	require.Equal(t, 190, loose.Number(190.7).Int())
	require.Equal(t, math.MaxInt32+1, loose.Number(1e300).Int())
}

func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`"a\n"`: "a\n", `""`: "", `7`: "kept", `null`: "kept", `{}`: "kept", `[""]`: "kept"} {
		got := loose.Text("kept")
		require.NoError(t, json.Unmarshal([]byte(text), &got))
		require.Equal(t, want, string(got), text)
	}
}

func TestScalar(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``: "", `"a\u0041"`: "aA", `12.50`: "12.50", `-1e5`: "-1e5", `true`: "", `null`: "", `{}`: "", `["a"]`: "", `"`: "",
	} {
		require.Equal(t, want, loose.Scalar([]byte(text)), text)
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`1699990000`: "2023-11-14T19:26:40Z", `"1699990000"`: "2023-11-14T19:26:40Z",
		`"2023-11-14T19:26:40Z"`: "2023-11-14T19:26:40Z", `"2023-11-14T19:26:40+0100"`: "2023-11-14T18:26:40Z",
		`"2023-11-14T19:26:40+01:00"`: "2023-11-14T18:26:40Z",
		`1699990000.5`:                "", `0`: "", `-5`: "", `253402300800`: "", `9223372036854775807`: "", `1e10`: "",
		`"1969-01-01T00:00:00Z"`: "", `"yesterday"`: "", `null`: "", `{}`: "", `[]`: "", `true`: "",
	} {
		var got loose.Time
		require.NoError(t, json.Unmarshal([]byte(text), &got))
		if want == "" {
			require.True(t, got.IsZero(), text)
			continue
		}
		require.Equal(t, want, got.Format(time.RFC3339Nano), text)
		require.Equal(t, time.UTC, got.Location())
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	found, n, ok := loose.Members([]byte(`{"a":1,"b":{"a":2},"a":[3],"c":null}`), "a", "c", "d")
	require.True(t, ok)
	require.Equal(t, 4, n)
	require.Equal(t, map[string]json.RawMessage{"a": json.RawMessage("[3]"), "c": json.RawMessage("null")}, found)
	for _, text := range []string{``, `[]`, `{"a":1`, `{"a":1}x`, `null`, `"a"`} {
		_, _, ok := loose.Members([]byte(text), "a")
		require.False(t, ok, text)
	}
}

func TestHasMore(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{`[1,2]`: false, `[1,2,3]`: true, `[`: false, `{}`: false, `7`: false, ``: false} {
		require.Equal(t, want, loose.HasMore([]byte(text), jsonscan.Array, 2), text)
	}
	require.True(t, loose.HasMore([]byte(`{"a":1,"b":2,"c":[]}`), jsonscan.Object, 2))
	require.False(t, loose.HasMore([]byte(`{"a":1,"b":2}`), jsonscan.Object, 2))
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		" \n": "the answer is empty", "false": "the answer is the bare word false", `"0"`: "the answer is the bare word false",
		"<html>": "the answer is an HTML page", "[]": "the answer is JSON of an unknown form", "oops": "the answer is not JSON",
	} {
		require.Equal(t, want, loose.Describe([]byte(body)))
	}
	require.False(t, loose.IsFalse([]byte("null")))
}

// Whatever arrives, nothing fails that encoding/json lets through, and a time can be written again.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{`1`, `"1699990000"`, `"2023-11-14T19:26:40+0100"`, `{}`, `null`, `"9999-12-31T23:59:59-2300"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var value struct {
			N loose.Number
			S loose.Text
			T loose.Time
		}
		for _, field := range []string{"N", "S", "T"} {
			if data := `{"` + field + `":` + text + `}`; json.Valid([]byte(data)) {
				require.NoError(t, json.Unmarshal([]byte(data), &value))
			}
		}
		require.GreaterOrEqual(t, float64(value.N), 0.0)
		_, err := json.Marshal(value.T)
		require.NoError(t, err)
		_ = loose.Scalar([]byte(text))
		_, _, ok := loose.Members([]byte(text))
		require.Equal(t, json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{"), ok, text)
	})
}
