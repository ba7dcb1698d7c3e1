package appevents_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// An ID is read from a string or an integer, without the loss a float would bring, and written as a string.
func TestID_JSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]appevents.ID{
		`"18139494541428835"`:    "18139494541428835",
		`18139494541428835`:      "18139494541428835", // a float64 makes it ...36
		`9223372036854775807`:    "9223372036854775807",
		`99999999999999999999`:   "99999999999999999999",
		`0`:                      "0",
		`-1`:                     "-1",
		`""`:                     "",
		`"not an ID"`:            "not an ID", // refused when sent
		`"\u0031"`:               "1",
		`null`:                   "unchanged",
		" 18139494541428835\n\t": "18139494541428835",
	} {
		got := struct{ ID appevents.ID }{"unchanged"}
		require.NoError(t, json.Unmarshal([]byte(`{"ID":`+text+`}`), &got), text)
		require.Equal(t, want, got.ID, text)
	}
	for _, text := range []string{`1.5`, `1e3`, `1E3`, `-`, `--1`, `1-`, `true`, `[]`, `{}`, `["1"]`, `"`, ``, `x`, `1 2`} {
		got := appevents.ID("unchanged")
		require.Error(t, json.Unmarshal([]byte(text), &got), text)
		require.Equal(t, appevents.ID("unchanged"), got)
		if text != "1 2" && text != "-" {
			require.Error(t, got.UnmarshalJSON([]byte(text)), text)
		}
	}
	text, err := json.Marshal(appevents.ID("18139494541428835"))
	require.NoError(t, err)
	require.Equal(t, `"18139494541428835"`, string(text))
	require.Equal(t, "18139494541428835", appevents.ID("18139494541428835").String())
}
