package formenc_test

import (
	"net/url"
	"testing"

	"github.com/google/go-querystring/query"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/formenc"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	type params struct {
		Range   formenc.JSON `url:"range,omitempty"`
		Options formenc.JSON `url:"options"`
		Name    string       `url:"name"`
	}
	for want, given := range map[string]params{
		"name=":                           {},
		"name=n&options=%5B%5D&range=%7B": {Range: formenc.JSON(`{`), Options: formenc.JSON(`[]`), Name: "n"},
	} {
		values, err := query.Values(given)
		require.NoError(t, err)
		require.Equal(t, want, values.Encode())
	}
}

func TestAppendField(t *testing.T) {
	t.Parallel()
	body := formenc.AppendField(nil, "custom_events", []byte(`[{"_eventName":"a b"}]`))
	require.Equal(t, "custom_events=%5B%7B%22_eventName%22%3A%22a+b%22%7D%5D", string(body))
	require.Equal(t, string(body)+"&a%5Bb%5D=", string(formenc.AppendField(body, "a[b]", "")))
}

func TestEscape(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "plain-1_2.3~", `["a b","é"]`, "1e+21"} {
		want := "a=&b=" + url.QueryEscape(text)
		require.Equal(t, want, string(formenc.Escape([]byte("a=&b="+text), len("a=&b="))))

		roomy := append(make([]byte, 0, 100), "a=&b="+text...)
		got := formenc.Escape(roomy, len("a=&b="))
		require.Equal(t, want, string(got))
		require.Same(t, &roomy[0], &got[0], "in place where there is room")
	}
}

func FuzzAppendField(f *testing.F) {
	f.Add("event", "CUSTOM_APP_EVENTS", "ud[em]", "\x00\xff é&=+%")
	f.Add("", "", " ", "~")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		body := formenc.AppendField(formenc.AppendField(nil, name1, value1), name2, []byte(value2))
		require.Equal(t, url.QueryEscape(name1)+"="+url.QueryEscape(value1)+"&"+url.QueryEscape(name2)+"="+
			url.QueryEscape(value2), string(body))
		require.Equal(t, name1+url.QueryEscape(value1), string(formenc.Escape([]byte(name1+value1), len(name1))))
	})
}
