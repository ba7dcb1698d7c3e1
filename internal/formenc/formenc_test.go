package formenc_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-querystring/query"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/formenc"
)

func TestValues(t *testing.T) {
	t.Parallel()
	type form struct {
		Info     formenc.JSON  `url:"extinfo,omitempty"`
		Options  formenc.JSON  `url:"options"`
		UserData formenc.Pairs `url:"ud,omitempty"`
		Name     string        `url:"name"`
	}
	for name, test := range map[string]struct {
		form form
		want url.Values
	}{
		"nothing": {form{}, url.Values{"name": {""}}},
		"everything": {
			form{
				Info: formenc.JSON(`["mb1"]`), Options: formenc.JSON(`[]`), Name: "n",
				UserData: formenc.Pairs{{Name: "em", Value: "1"}, {Name: "ph", Value: "2"}},
			},
			url.Values{"extinfo": {`["mb1"]`}, "options": {`[]`}, "ud[em]": {"1"}, "ud[ph]": {"2"}, "name": {"n"}},
		},
		"no text": {form{Info: formenc.JSON{}, UserData: formenc.Pairs{}}, url.Values{"name": {""}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values, err := query.Values(test.form)
			require.NoError(t, err)
			require.Equal(t, test.want, values)
		})
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	values := url.Values{"b": {"2", ""}, "a": {"x y&z=é~-_.", "1"}, "ud[em]": {"+/"}, "": {"empty"}, "none": nil}
	body := formenc.Append(nil, values)
	require.Equal(t, values.Encode(), string(body))
	require.Equal(t, string(body), string(formenc.Append([]byte{}, values)))
	require.Equal(t, "first=1&"+string(body), string(formenc.Append([]byte("first=1"), values)))
	require.Nil(t, formenc.Append(nil, nil))

	many := url.Values{}
	for i := range 100 {
		many.Set(strings.Repeat("k", i), "v")
	}
	require.Equal(t, many.Encode(), string(formenc.Append(nil, many)))
}

func TestAppendField(t *testing.T) {
	t.Parallel()
	body := formenc.AppendField(nil, "custom_events", []byte(`[{"_eventName":"a b"}]`))
	require.Equal(t, "custom_events=%5B%7B%22_eventName%22%3A%22a+b%22%7D%5D", string(body))
	require.Equal(t, string(body)+"&a%5Bb%5D=", string(formenc.AppendField(body, "a[b]", "")))
}

func FuzzAppend(f *testing.F) {
	f.Add("event", "CUSTOM_APP_EVENTS", "ud[em]", "\x00\xff é&=+%")
	f.Add("", "", " ", "~")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		values := url.Values{}
		values.Add(name1, value1)
		values.Add(name2, value2)
		require.Equal(t, values.Encode(), string(formenc.Append(nil, values)))
		require.Equal(t, url.QueryEscape(name1)+"="+url.QueryEscape(value2),
			string(formenc.AppendField(nil, name1, []byte(value2))))
	})
}
