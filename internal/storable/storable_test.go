package storable_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/storable"
)

type part struct {
	At   time.Time
	Name string
	own  int
}

type whole struct {
	At    time.Time
	Part  *part
	None  *part
	Parts []part
	Times []*time.Time
	Empty []part
}

func TestCopy(t *testing.T) {
	t.Parallel()
	fine, late := time.Unix(1700000000, 0).UTC(), time.UnixMilli(1700000000000*1000)
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	given := &whole{
		At: fine, Part: &part{At: late, Name: "a", own: 1}, Parts: []part{{At: fine}, {At: late, Name: "b", own: 2}},
		Times: []*time.Time{&late},
	}
	before, err := json.Marshal(given.Parts[:1])
	require.NoError(t, err)
	_, err = json.Marshal(given)
	require.Error(t, err)

	got := storable.Copy(given)
	require.Equal(t, &whole{
		At: fine, Part: &part{At: last, Name: "a", own: 1}, Parts: []part{{At: fine}, {At: last, Name: "b", own: 2}},
		Times: []*time.Time{&last},
	}, got)
	_, err = json.Marshal(got)
	require.NoError(t, err)

	require.Equal(t, late, given.Part.At, "what was given has not changed")
	require.Equal(t, late, given.Parts[1].At)
	after, err := json.Marshal(given.Parts[:1])
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Equal(t, "x", storable.Copy("x"), "nothing but times is changed")
}
