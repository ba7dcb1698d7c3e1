package appevents_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// Whatever an ID is read from, it is written and read back the same.
func FuzzID(f *testing.F) {
	for _, seed := range []string{`"1"`, `18139494541428835`, `null`, `-0`, `1e3`, `"\ud800"`, ``, `{`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var id appevents.ID
		_ = id.UnmarshalJSON(data) // as other decoders may call it, on anything
		if json.Unmarshal(data, &id) != nil {
			return
		}
		text, err := json.Marshal(id)
		require.NoError(t, err)
		var again appevents.ID
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, id, again)
	})
}

func TestChannel_Text(t *testing.T) {
	t.Parallel()
	for word, channel := range map[string]appevents.Channel{
		"messenger": appevents.ChannelMessenger, "instagram": appevents.ChannelInstagram,
	} {
		require.Equal(t, word, channel.String())
		text, err := channel.MarshalText()
		require.NoError(t, err)
		require.Equal(t, word, string(text))
		got := appevents.Channel(9)
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, channel, got)
	}
	got := appevents.ChannelInstagram
	require.Error(t, got.UnmarshalText([]byte("Messenger")))
	require.Error(t, got.UnmarshalText([]byte("whatsapp")))
	require.Equal(t, appevents.ChannelInstagram, got)
	require.NoError(t, got.UnmarshalText(nil))
	require.Equal(t, appevents.ChannelMessenger, got)

	require.Equal(t, "Channel(2)", appevents.Channel(2).String())
	_, err := appevents.Channel(2).MarshalText()
	require.Error(t, err)
}

func TestThread_JSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]appevents.Thread{
		`{}`: {},
		`{"page_id":"18139494541428833","psid":"18139494541428835"}`: aThread(),
		`{"channel":"instagram","page_id":"1","psid":"2"}`: {
			Channel: appevents.ChannelInstagram, PageID: "1", PSID: "2",
		},
	} {
		stored, err := json.Marshal(want)
		require.NoError(t, err)
		require.Equal(t, text, string(stored))
		var got appevents.Thread
		require.NoError(t, json.Unmarshal(stored, &got))
		require.Equal(t, want, got)
	}
	var got appevents.Thread
	require.NoError(t, json.Unmarshal([]byte(`{"channel":"messenger","page_id":18139494541428833,"psid":18139494541428835}`), &got))
	require.Equal(t, aThread(), got)
}

func TestThread_IsZero(t *testing.T) {
	t.Parallel()
	require.True(t, appevents.Thread{}.IsZero())
	require.True(t, appevents.Thread{Channel: appevents.ChannelInstagram}.IsZero())
	require.False(t, appevents.Thread{PageID: "1"}.IsZero())
	require.False(t, appevents.Thread{PSID: "1"}.IsZero())

	// A channel alone is still a call about a thread, and a wrong one.
	requireIssue(t, thread(appevents.Thread{Channel: appevents.ChannelInstagram}).Validate(),
		"thread.channel", appevents.RuleConflict, "")

	seen := map[appevents.Thread]int{aThread(): 1}
	seen[aThread()]++
	require.Equal(t, map[appevents.Thread]int{aThread(): 2}, seen)
}
