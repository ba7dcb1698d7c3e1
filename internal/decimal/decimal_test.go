package decimal_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/decimal"
)

func TestValid(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"0", "-0", "88.10", "-1.5", "007", strings.Repeat("9", 64)} {
		require.True(t, decimal.Valid(s), s)
	}
	for _, s := range []string{
		"", "-", ".", ".5", "5.", "1e3", "+1", "1,5", "1/2", "0x1", "--1", "1.2.3", " 1", "١", strings.Repeat("9", 65),
	} {
		require.False(t, decimal.Valid(s), s)
		require.Zero(t, decimal.Rat(s).Sign(), s)
	}
}

func TestAdd(t *testing.T) {
	t.Parallel()
	for _, test := range [][3]string{
		{"0.1", "0.2", "0.3"}, {"1", "0.50", "1.50"}, {"-1.5", "1.5", "0.0"}, {"", "", "0"}, {"x", "2", "2"},
		{strings.Repeat("9", 30), "1", "1" + strings.Repeat("0", 30)},
	} {
		require.Equal(t, test[2], decimal.Add(test[0], test[1]), test)
		require.Equal(t, test[2], decimal.Add(test[1], test[0]), test)
	}
}

func TestQuotient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b     string
		decimals int
		want     string
	}{
		{"10", "4", 1, "2.5"}, {"10", "4", 0, "3"}, {"-10", "4", 0, "-3"}, {"1", "3", 4, "0.3333"}, {"1", "3", -1, "0"},
		{"1", "3", 99, "0." + strings.Repeat("3", 18)},
	} {
		got, ok := decimal.Quotient(test.a, test.b, test.decimals)
		require.True(t, ok)
		require.Equal(t, test.want, got, test)
	}
	for _, zero := range []string{"0", "-0.00", "", "x"} {
		got, ok := decimal.Quotient("1", zero, 2)
		require.False(t, ok)
		require.Equal(t, "0", got)
	}
}
