package graphtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseJSON(t *testing.T) {
	t.Parallel()
	n, err := parseJSON(" {\"a\": [1, -2.5e3, \"x\\u00e5\\\"y\", true, null, {}], \"b\" : \"\", \"a\": false } ")
	require.NoError(t, err)
	require.Equal(t, kindObject, n.kind)
	require.Equal(t, []string{"a", "b", "a"}, n.keys, "order and repetition are kept")
	require.Equal(t, "a", n.twice)
	a, ok := n.get("a")
	require.True(t, ok)
	require.Equal(t, `[1, -2.5e3, "x\u00e5\"y", true, null, {}]`, a.raw)
	require.Equal(t, `xå"y`, a.items[2].text)
	require.Equal(t, []any{json.Number("1"), json.Number("-2.5e3"), `xå"y`, true, nil, map[string]any{}}, a.plain())
	require.Equal(t, "a boolean", a.items[3].kind.String())

	var wide bytes.Buffer
	for i := range 100 {
		wide.WriteString(`"k` + strings.Repeat("x", i) + `":1,`)
	}
	n, err = parseJSON("{" + wide.String() + `"end":1}`)
	require.NoError(t, err)
	require.Empty(t, n.twice)
	n, err = parseJSON("{" + wide.String() + `"kxx":1}`)
	require.NoError(t, err)
	require.Equal(t, "kxx", n.twice, "repetition is found in wide objects too")
	n, err = parseJSON("{" + wide.String() + `"end":1,"end":2}`)
	require.NoError(t, err)
	require.Equal(t, "end", n.twice)

	for _, bad := range []string{"", "{", `{"a":1,}`, "nul", `"a`, "1 2", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)} {
		_, err := parseJSON(bad)
		require.ErrorIs(t, err, errNotJSON)
	}
}

func TestNode_Numbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ integer, float bool }{
		`5`: {true, true}, `"5"`: {true, true}, `-5`: {true, true}, `5.0`: {false, true}, `"5e1"`: {false, true},
		`""`: {}, `"-"`: {}, `" 5"`: {}, `"0x5"`: {}, `"Inf"`: {}, `"1_000"`: {}, `true`: {}, `[5]`: {}, `1e999`: {},
		`99999999999999999999`: {true, true},
	} {
		n, err := parseJSON(text)
		require.NoError(t, err)
		_, integer := n.integer()
		_, float := n.float()
		require.Equal(t, want, struct{ integer, float bool }{integer, float}, text)
	}
}

// FuzzParseJSON requires that the parser and encoding/json agree on everything but the order of members.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.5,"x",true,false,null]}`, `"\ud83d\ude0a\/"`, `[[],{}]`, ` 1 `, `{"a":1,"a":2}`, `"\ud800"`, "\"\xff\"", `{`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseJSON(text)
		var want any
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		wantErr := dec.Decode(&want)
		if wantErr == nil && dec.More() {
			wantErr = errNotJSON
		}
		if !json.Valid([]byte(text)) {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.NoError(t, wantErr)
		if !strings.Contains(text, "\xff") && !bytes.ContainsRune([]byte(text), '\uFFFD') && !repeats(&n) && validText(text) {
			require.Equal(t, want, n.plain())
		}
	})
}

func validText(s string) bool { return strings.ToValidUTF8(s, "") == s }

func repeats(n *node) bool {
	if n.twice != "" {
		return true
	}
	for k := range n.items {
		if repeats(&n.items[k]) {
			return true
		}
	}
	return false
}

// FuzzCall sends arbitrary bodies to every edge: there must be an answer, and no credential in the record.
func FuzzCall(f *testing.F) {
	f.Add("activities", "application/x-www-form-urlencoded", "event=CUSTOM_APP_EVENTS&custom_events=[{}]&ud[em]=x&extinfo=[]")
	f.Add("activities", "application/json", `{"event":1,"custom_events":[{"_eventName":"a","fb_content":"[{}]"}],"ud":{"em":[]}}`)
	f.Add("page_activities", "application/json", `{"custom_events":"[{\"_valueToSum\":\"x\"}]","page_id":1e3}`)
	f.Add("events", "application/json", `{"data":["{}",{"user_data":{"em":[1]},"custom_data":{"contents":[1]},"app_data":{"extinfo":[]}}]}`)
	f.Add("insights", "multipart/form-data; boundary=x", "--x\r\n\r\n--x--")
	f.Add("dataset", "text/plain", "x")
	f.Fuzz(func(t *testing.T, edge, contentType, body string) {
		s := New()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r, err := http.NewRequest(method, "http://graph.invalid/v26.0/5/x", strings.NewReader(body))
			require.NoError(t, err)
			r.URL.Path = "/v26.0/5/" + edge
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Authorization", "Bearer canary-of-the-fuzzer")
			resp, err := s.RoundTrip(r)
			require.NoError(t, err)
			require.NotZero(t, resp.StatusCode)
			require.NoError(t, resp.Body.Close())
		}
		for _, c := range s.Calls() {
			require.Equal(t, c.Status == http.StatusOK, c.Accepted, "%d", c.Status)
		}
		js, err := json.Marshal(s.Calls())
		require.NoError(t, err)
		if !strings.Contains(body, "canary") {
			require.NotContains(t, string(js), "canary-of-the-fuzzer")
		}
	})
}
