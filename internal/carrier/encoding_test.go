package carrier_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/carrier"
)

func TestEncoding_WithFields(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		encoding   carrier.Encoding
		body, want string
	}{
		{carrier.Form, "", "n=a%26b"},
		{carrier.Form, "x=1", "x=1&n=a%26b"},
		{carrier.JSON, "{}", `{"n":"a\u0026b"}`},
		{carrier.JSON, `{"x":{}}`, `{"x":{},"n":"a\u0026b"}`},
	} {
		body := []byte(test.body)
		require.Equal(t, test.want, string(test.encoding.WithFields(slices.Clip(test.encoding.Open(body)), [][2]string{{"n", "a&b"}})))
		require.Equal(t, test.body, string(body))
	}
}
