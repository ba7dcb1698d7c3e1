package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// marshal is what encoding/json writes for v with HTML escaping off.
func marshal(tb testing.TB, v any) string {
	tb.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	require.NoError(tb, enc.Encode(v))
	return strings.TrimSuffix(buf.String(), "\n")
}

var stringSeeds = []string{
	"", "plain", `quote " and \ backslash`, "<a href='x'>&amp;</a>", "tab\tline\nreturn\rbell\x07\b\f\x00\x1f\x7f",
	"äöå 😊 \u2028\u2029 \u2027\u202a", "bad \xff\xfe tail \xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf",
	"\ufffd", "mixed \xe2\x80 \u2028\xff",
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	for _, s := range stringSeeds {
		require.Equal(t, marshal(t, s), string(jsonscan.AppendString(nil, s)), "%q", s)
	}
	for c := range 256 {
		s := "a" + string([]byte{byte(c)}) + "b"
		require.Equal(t, marshal(t, s), string(jsonscan.AppendString(nil, s)), "byte %#x", c)
	}
	require.Equal(t, `[1,"x"`, string(jsonscan.AppendString([]byte("[1,"), "x")))
}

var floatSeeds = []float64{
	0, math.Copysign(0, -1), 1, -1, 55.22, 0.1, 1e-6, 9.99e-7, 1e-7, -1e-7, 1e-10, 1e-100, 1e20, 1e21, -1e21, 1e22,
	123456789012345678, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi, 1 << 53,
}

func TestAppendFloat(t *testing.T) {
	t.Parallel()
	for _, f := range floatSeeds {
		require.Equal(t, marshal(t, f), string(jsonscan.AppendFloat(nil, f)), "%g", f)
	}
	// Prices take a way of their own: each with its neighbours, which are none, up to where that way ends.
	for exponent := range 16 {
		for digits := 1; digits < 1000; digits += 7 {
			price := float64(digits) * math.Pow10(exponent) / 100
			for _, f := range []float64{
				price, -price, math.Nextafter(price, 0), math.Nextafter(price, math.Inf(1)), price / 10, price + 0.01,
			} {
				require.Equal(t, marshal(t, f), string(jsonscan.AppendFloat(nil, f)), "%g", f)
			}
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		require.Equal(t, "null", string(jsonscan.AppendFloat(nil, f)))
	}
	require.Equal(t, "[2.5", string(jsonscan.AppendFloat([]byte("["), 2.5)))
}

func FuzzAppend(f *testing.F) {
	for i, s := range stringSeeds {
		f.Add(s, math.Float64bits(floatSeeds[i]))
	}
	f.Fuzz(func(t *testing.T, s string, bits uint64) {
		require.Equal(t, marshal(t, s), string(jsonscan.AppendString(nil, s)))
		if n := math.Float64frombits(bits); !math.IsNaN(n) && !math.IsInf(n, 0) {
			require.Equal(t, marshal(t, n), string(jsonscan.AppendFloat(nil, n)))
		}
	})
}
