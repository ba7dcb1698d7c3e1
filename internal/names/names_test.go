package names_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/names"
)

// Meta's rule, as Meta writes it.
var identifier = regexp.MustCompile(`^[0-9a-zA-Z_][0-9a-zA-Z _-]{0,39}$`)

func FuzzIdentifier(f *testing.F) {
	for _, s := range []string{"", "a", "_", "-a", " a", "a b-c_d", "é", "a\n", strings.Repeat("x", 40), strings.Repeat("x", 41)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		require.Equal(t, identifier.MatchString(s) && !strings.HasSuffix(s, "\n"), names.Identifier(s), "%q", s)
	})
}

func TestParameter(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"a", "_", "fb_order_id", "9"} {
		require.True(t, names.Parameter(s), s)
	}
	for _, s := range []string{"", "a b", "ud[em]", "a-b", "é", "a\x00"} {
		require.False(t, names.Parameter(s), s)
	}
}

func TestLettersAndDistance(t *testing.T) {
	t.Parallel()
	require.Equal(t, "addtocart", names.Letters("fb_mobile_add_to_cart"))
	require.Equal(t, "addtocart", names.Letters("Add to-Cart"))
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "a", 0}, {"purchas", "purchase", 1}, {"purhcase", "purchase", 2}, {"cart", "card", 1},
		{"", "abc", 3}, {"kitten", "sitting", 3}, {"far too long for that", "short", 21},
	} {
		require.Equal(t, test.want, names.Distance(test.a, test.b), "%s and %s", test.a, test.b)
	}
}

func TestCurrency(t *testing.T) {
	t.Parallel()
	found := 0
	for i := range 26 * 26 * 26 {
		code := string([]byte{'A' + byte(i/676), 'A' + byte(i/26%26), 'A' + byte(i%26)})
		if names.Currency(code) {
			found++
		}
	}
	require.Equal(t, 161, found, "they are in order, so that each is found")
	for _, code := range []string{"AED", "EUR", "USD", "XCG", "ZWG"} {
		require.True(t, names.Currency(code), code)
	}
	for _, code := range []string{"", "U", "US", "USDX", "usd", "US ", "AAA", "ZZZ", "D E", "\xff\xff\xff"} {
		require.False(t, names.Currency(code), "%q", code)
	}
}
