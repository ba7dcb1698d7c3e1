// Tests of webhook_events.go.

package appevents_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// hookSamples are the bodies in testdata/webhooks by file name.
func hookSamples(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/webhooks/*.json")
	require.NoError(tb, err)
	require.Greater(tb, len(files), 100)
	samples := make(map[string][]byte, len(files))
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(tb, err)
		samples[filepath.Base(file)] = body
	}
	return samples
}

func hookGolden(tb testing.TB, name string, into any) {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/webhooks/golden", name))
	require.NoError(tb, err)
	require.NoError(tb, json.Unmarshal(data, into))
}

func hookParse(tb testing.TB, body []byte) []appevents.WebhookEvent {
	tb.Helper()
	payload, err := appevents.ParseWebhook(body)
	require.NoError(tb, err)
	return slices.Collect(payload.Events())
}

// hookOnly parses a body with a single event of type E.
func hookOnly[E appevents.WebhookEvent](tb testing.TB, body string) E {
	tb.Helper()
	events := hookParse(tb, []byte(body))
	require.Len(tb, events, 1)
	event, ok := events[0].(E)
	require.True(tb, ok, "%T", events[0])
	return event
}

// hookItem parses an item of a Messenger entry's "messaging".
func hookItem[E appevents.WebhookEvent](tb testing.TB, item string) E {
	tb.Helper()
	return hookOnly[E](tb, `{"object":"page","entry":[{"id":"107","time":1718000000456,"messaging":[`+item+`]}]}`)
}

func TestParseWebhook_Samples(t *testing.T) {
	t.Parallel()

	type row struct {
		Type, Field, Channel, Page, PSID, Time, Key string
		Standby                                     bool
	}
	var want map[string][]row
	hookGolden(t, "expected.json", &want)
	samples := hookSamples(t)
	require.ElementsMatch(t, slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(samples)))

	for file, body := range samples {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			var got []row
			for _, e := range hookParse(t, body) {
				require.NoError(t, e.Err())
				when := ""
				if !e.Time().IsZero() {
					when = e.Time().Format(time.RFC3339Nano)
				}
				thread := e.Thread()
				got = append(got, row{
					Type:    strings.TrimPrefix(fmt.Sprintf("%T", e), "*appevents."),
					Field:   e.Field(),
					Channel: thread.Channel.String(),
					Page:    string(thread.PageID),
					PSID:    string(thread.PSID),
					Time:    when,
					Standby: e.Standby(),
					Key:     e.DedupeKey(),
				})
				// The event is somewhere in the body, byte for byte.
				require.Contains(t, string(body), string(e.Raw()))
			}
			require.Equal(t, append([]row{}, want[file]...), append([]row{}, got...))
		})
	}
}

// The subscription fields as Meta's documentation assigns them, independent of the table above.
func TestParseWebhook_SampleFields(t *testing.T) {
	t.Parallel()
	var index []struct{ File, Field string }
	hookGolden(t, "index.json", &index)
	samples := hookSamples(t)
	require.Len(t, index, len(samples))
	for _, row := range index {
		for i, e := range hookParse(t, samples[row.File]) {
			switch {
			case strings.HasPrefix(row.Field, "("):
				if row.Field != "(any)" {
					require.Empty(t, e.Field(), row.File)
				}
			case row.Field == "standby":
				// The field tells what happened, Standby that it was reported on the side.
				require.Equal(t, i == 0, e.Standby(), row.File)
			case i == 0:
				require.Equal(t, row.Field, e.Field(), row.File)
			}
		}
	}
}

// hookView is all that typed fields and methods say about a body, without its raw bytes and what is derived from them.
func hookView(tb testing.TB, body []byte) string {
	tb.Helper()
	payload, err := appevents.ParseWebhook(body)
	if err != nil {
		return err.Error()
	}
	view := []any{payload.Object, payload.Entries}
	for e := range payload.Events() {
		common := e.(interface {
			appevents.WebhookEvent
			Sender() appevents.Party
			Recipient() appevents.Party
			HopContext() []appevents.HopContext
			Object() string
		})
		view = append(view, fmt.Sprintf("%T", e), e.Field(), e.Thread(), e.Time(), e.Standby(), e.Err(),
			common.Sender(), common.Recipient(), common.HopContext(), common.Object())
		for i := range reflect.TypeOf(e).Elem().NumField() {
			if field := reflect.TypeOf(e).Elem().Field(i); field.IsExported() {
				view = append(view, reflect.ValueOf(e).Elem().Field(i).Interface())
			}
		}
	}
	var b strings.Builder
	for _, v := range view {
		data, err := json.Marshal(v)
		require.NoError(tb, err)
		b.Write(data)
	}
	return b.String()
}

// What is kept raw on purpose: by path below the sample, list elements written as [].
var hookRawOnly = []string{
	// NLP() returns it.
	"entry[].messaging[].message.nlp.",
	// Removed by Meta in 2019.
	"entry[].messaging[].delivery.seq",
	// UnknownEvent: Raw, Value, and for one of them the type GroupPost.
	"entry[].messaging[].brand_new_event.",
	"entry[].messaging[].checkout_update.",
	"entry[].messaging[].comment_id",
	"entry[].messaging[].created_time",
	"entry[].messaging[].from.",
	"entry[].messaging[].group_id",
	"entry[].messaging[].message_request",
	"entry[].messaging[].messaging_customer_information.",
	"entry[].messaging[].parent_id",
	"entry[].messaging[].payment.",
	"entry[].messaging[].post_id",
	"entry[].messaging[].pre_checkout.",
	// ChangeEvent: Value, and the type MarketingMessage.
	"entry[].changes[].value.app_id",
	"entry[].changes[].value.from.",
	"entry[].changes[].value.id",
	"entry[].changes[].value.marketing_message_tracking_id",
	"entry[].changes[].value.media.",
	"entry[].changes[].value.message_id",
	"entry[].changes[].value.messenger_subscription_token",
	"entry[].changes[].value.mid",
	"entry[].changes[].value.text",
	// A type nobody knows: Attachment.Payload.
	"entry[].messaging[].message.attachments[].payload.depth",
}

func TestParseWebhook_EveryKeyOfTheSamplesIsTyped(t *testing.T) {
	t.Parallel()
	samples := hookSamples(t)
	used := make([]bool, len(hookRawOnly))
	for _, file := range slices.Sorted(maps.Keys(samples)) {
		var doc any
		dec := json.NewDecoder(strings.NewReader(string(samples[file])))
		dec.UseNumber()
		require.NoError(t, dec.Decode(&doc))
		before := hookView(t, samples[file])

		// Change each value in turn: somewhere in the typed view it must show.
		hookLeaves("", doc, func(path string, set func(any), value any) {
			changed := any(nil)
			switch v := value.(type) {
			case string:
				changed = v + "7"
			case json.Number:
				if changed = v + "1"; v == "0" {
					changed = json.Number("1")
				}
			case bool:
				changed = !v
			case nil:
				changed = "7"
			}
			set(changed)
			body, err := json.Marshal(doc)
			require.NoError(t, err)
			set(value)
			raw := slices.IndexFunc(hookRawOnly, func(prefix string) bool {
				return path == prefix || strings.HasSuffix(prefix, ".") && strings.HasPrefix(path, prefix)
			})
			if raw >= 0 {
				used[raw] = true
				return
			}
			require.NotEqual(t, before, hookView(t, body), "%s: %s is in no typed field", file, path)
		})
	}
	for i, path := range hookRawOnly {
		require.True(t, used[i], "no sample has %s", path)
	}
}

// hookLeaves calls visit for each value below v that is no object or list.
func hookLeaves(path string, v any, visit func(path string, set func(any), value any)) {
	each := func(path string, set func(any), value any) {
		switch value.(type) {
		case map[string]any, []any:
			hookLeaves(path, value, visit)
		default:
			visit(strings.TrimPrefix(path, "."), set, value)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			each(path+"."+key, func(x any) { v[key] = x }, v[key])
		}
	case []any:
		for i := range v {
			each(path+"[]", func(x any) { v[i] = x }, v[i])
		}
	}
}

// The types for rare events take what the samples hold.
func TestParseWebhook_RareValues(t *testing.T) {
	t.Parallel()
	samples := hookSamples(t)

	change := hookOnly[*appevents.ChangeEvent](t, string(samples["changes_marketing_message_echoes.json"]))
	var message appevents.MarketingMessage
	require.NoError(t, json.Unmarshal(change.Value(), &message))
	require.Equal(t, appevents.MarketingMessage{
		PageID: "140984918491243", AppID: "12313123123123", RecipientID: "123123123123", MID: "mid.$c1",
		MessageID: "124141414124", TrackingID: "98ecd977-245a-4ec0-a8e0-8b8ecaad8030",
		SubscriptionToken: "12348141984909088",
	}, message)

	group := hookOnly[*appevents.UnknownEvent](t, string(samples["group_feed.json"]))
	var post appevents.GroupPost
	require.NoError(t, json.Unmarshal(group.Raw(), &post))
	require.Equal(t, appevents.ID("998877"), post.From.ID)
	require.Equal(t, "Sample Person", post.From.Name)
	require.Equal(t, []appevents.ID{"55", "56", "57", "58"},
		[]appevents.ID{post.GroupID, post.CommentID, post.ParentID, post.PostID})

	// Of the payments Messenger once had, the events are left as they came.
	for file, key := range map[string]string{
		"legacy_payment.json": "payment", "legacy_pre_checkout.json": "pre_checkout",
		"legacy_checkout_update.json": "checkout_update",
	} {
		event := hookOnly[*appevents.UnknownEvent](t, string(samples[file]))
		require.Equal(t, key, event.Key)
		require.NoError(t, event.Err())
		var item map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(event.Raw(), &item))
		require.JSONEq(t, string(item[key]), string(event.Value()))
	}
}
