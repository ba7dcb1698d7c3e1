package appevents_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// requireSound checks what holds for any body.
func requireSound(t *testing.T, body []byte) {
	t.Helper()
	kept := bytes.Clone(body)
	payload, err := appevents.ParseWebhook(body)
	require.Equal(t, kept, body, "the body was written to")
	if err != nil {
		require.ErrorIs(t, err, appevents.ErrNotWebhook)
		require.Nil(t, payload)
		return
	}
	require.True(t, json.Valid(body))
	again := hookParse(t, body)
	i := 0
	for e := range payload.Events() {
		raw := e.Raw()
		require.True(t, json.Valid(raw), "%s", raw)
		require.True(t, bytes.Contains(body, raw))
		key := e.DedupeKey()
		require.NotEmpty(t, key)
		require.LessOrEqual(t, len(key), 2048)
		for _, c := range []byte(key) {
			require.True(t, c > ' ' && c < 0x7f, "%q", key)
		}
		require.Equal(t, again[i].DedupeKey(), key)
		if err := e.Err(); err != nil {
			require.LessOrEqual(t, len(err.Error()), 512)
		}
		_ = fmt.Sprint(e.Field(), e.Thread(), e.Time(), e.Standby())
		switch e := e.(type) {
		case *appevents.MessageEvent:
			e.FoldStickers()
			e.NLP()
			for _, a := range e.Attachments {
				require.True(t, a.Payload() == nil || json.Valid(a.Payload()))
			}
		case *appevents.ChangeEvent:
			require.True(t, e.Value() == nil || json.Valid(e.Value()))
		case *appevents.UnknownEvent:
			require.True(t, e.Value() == nil || json.Valid(e.Value()))
		}
		i++
	}
	require.Len(t, again, i)
}

func FuzzParseWebhook(f *testing.F) {
	for _, body := range hookSamples(f) {
		f.Add(body)
		var compact bytes.Buffer
		require.NoError(f, json.Compact(&compact, body))
		f.Add(compact.Bytes())
	}
	f.Fuzz(requireSound)
}

// hookLists has an element for each of the lists whose elements must not spoil each other.
var hookLists = []struct{ head, sibling, tail string }{
	{`{"object":"page","entry":[`, `{"id":"107","messaging":[{"read":{"mid":"%s"}}]}`, `]}`},
	{`{"object":"page","entry":[{"id":"107","time":1718000000456,"messaging":[`, `{` + hookPeople + `,"message":{"mid":"%s"}}`, `]}]}`},
	{`{"object":"page","entry":[{"id":"107","time":1718000000456,"standby":[`, `{` + hookPeople + `,"postback":{"mid":"%s"}}`, `]}]}`},
	{`{"object":"page","entry":[{"id":"107","time":1718000000456,"changes":[`, `{"field":"%s","value":{"x":1}}`, `]}]}`},
	{`{"object":"page","entry":[{"id":"107","time":1718000000456,"calls":[`, `{"id":"%s","from":"654","to":"107"}`, `]}]}`},
	{`{"object":"page","entry":[{"id":"107","time":1718000000456,"changed_fields":[`, `"%s"`, `]}]}`},
}

// requireSiblingsSpared puts an item of any form between two good ones, in the n-th of the lists.
func requireSiblingsSpared(t *testing.T, item string, n int) {
	t.Helper()
	list := hookLists[n%len(hookLists)]
	first, last := fmt.Sprintf(list.sibling, "first"), fmt.Sprintf(list.sibling, "last")
	body := []byte(list.head + first + "," + item + "," + last + list.tail)
	requireSound(t, body)
	if !json.Valid([]byte(item)) {
		return // it may have closed the list
	}
	if _, err := appevents.ParseWebhook(body); err != nil && len(item) > 200 && strings.Contains(err.Error(), "parts") {
		return // an item of a hundred empty events
	}
	want := hookParse(t, []byte(list.head+first+","+last+list.tail))
	events := hookParse(t, body)
	require.GreaterOrEqual(t, len(events), 2)
	require.Equal(t, want[0], events[0])
	require.Equal(t, want[1], events[len(events)-1])
	require.NoError(t, events[0].Err())
	require.NoError(t, events[len(events)-1].Err())
}

// hookItems are the parts of the samples that can stand in a list: items, changes, calls and entries.
func hookItems(tb testing.TB) (items []string) {
	tb.Helper()
	samples := hookSamples(tb)
	for _, file := range slices.Sorted(maps.Keys(samples)) {
		var envelope struct{ Entry []map[string]json.RawMessage }
		if json.Unmarshal(samples[file], &envelope) != nil {
			continue
		}
		for _, entry := range envelope.Entry {
			for _, list := range []string{"messaging", "standby", "changes", "changed_fields", "calls"} {
				var elements []json.RawMessage
				_ = json.Unmarshal(entry[list], &elements)
				for _, element := range elements {
					var compact bytes.Buffer
					require.NoError(tb, json.Compact(&compact, element))
					items = append(items, compact.String())
				}
			}
		}
	}
	require.Greater(tb, len(items), 100)
	return items
}

// FuzzWebhookSiblings changes one item and expects the others around it untouched. mutate picks a value in the item to
// replace by one of another kind before the fuzzer's own bytes are tried.
func FuzzWebhookSiblings(f *testing.F) {
	for i, item := range hookItems(f) {
		f.Add(item, uint16(i), uint8(i))
	}
	f.Fuzz(func(t *testing.T, item string, at uint16, kind uint8) {
		if item == "" {
			return
		}
		requireSiblingsSpared(t, item, int(kind))
		requireSiblingsSpared(t, mutate(item, int(at), int(kind)), int(at))
	})
}

var hookKinds = []string{`null`, `5`, `-1.5e300`, `"x"`, `true`, `[]`, `{}`, `[[{}]]`, `{"id":{}}`, `""`}

// mutate replaces the n-th value in a document by one of another kind, and returns what is no document as it is.
func mutate(item string, n, kind int) string {
	var doc any
	dec := json.NewDecoder(strings.NewReader(item))
	dec.UseNumber()
	if dec.Decode(&doc) != nil {
		return item
	}
	replacement := json.RawMessage(hookKinds[kind%len(hookKinds)])
	var setters []func()
	var walk func(v any, set func(any))
	walk = func(v any, set func(any)) {
		setters = append(setters, func() { set(replacement) })
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(v[key], func(x any) { v[key] = x })
			}
		case []any:
			for i := range v {
				walk(v[i], func(x any) { v[i] = x })
			}
		}
	}
	walk(doc, func(x any) { doc = x })
	setters[n%len(setters)]()
	data, err := json.Marshal(doc)
	if err != nil {
		return item
	}
	return string(data)
}

// Every value of every sample in turn is of every other kind.
func TestParseWebhook_OddValuesSpareTheirSiblings(t *testing.T) {
	t.Parallel()
	for i, item := range hookItems(t) {
		for n := range strings.Count(item, ":") {
			requireSiblingsSpared(t, mutate(item, n, n+i), i/2+n/3)
		}
	}
}

func FuzzSignatureHeader(f *testing.F) {
	body := []byte(hookMessage)
	verifier, header := hookSigned(f, body)
	for _, value := range []string{
		header.Get("X-Hub-Signature-256"), strings.ToUpper(header.Get("X-Hub-Signature-256")), "", " ", "sha256=", "sha256",
		"sha1=" + strings.Repeat("0", 40), "sha256=" + strings.Repeat("z", 64), "sha256=" + strings.Repeat("ä", 32),
		" sha256=" + strings.Repeat("0", 64) + "\n", "sha256=sha256=" + strings.Repeat("0", 57),
	} {
		f.Add(value, body)
	}
	both := verifier.AcceptSHA1()
	f.Fuzz(func(t *testing.T, value string, body []byte) {
		err := verifier.Verify(body, http.Header{"X-Hub-Signature-256": {value}})
		given, hexErr := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(value), "sha256="))
		mac := hmac.New(sha256.New, []byte(benchSecret))
		mac.Write(body)
		switch {
		case value == "":
			require.ErrorIs(t, err, appevents.ErrNotSigned)
		case !strings.HasPrefix(strings.TrimSpace(value), "sha256=") || hexErr != nil || len(given) != sha256.Size:
			require.ErrorIs(t, err, appevents.ErrBadSignatureHeader)
		case !bytes.Equal(given, mac.Sum(nil)):
			require.ErrorIs(t, err, appevents.ErrSignatureMismatch)
		default:
			require.NoError(t, err)
		}
		require.NoError(t, verifier.Verify(body, http.Header{"X-Hub-Signature-256": {verifier.Sign(body)}}))
		_ = both.Verify(body, http.Header{"X-Hub-Signature": {value}})
	})
}
