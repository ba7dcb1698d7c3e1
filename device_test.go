package appevents_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// The mobile cookie: 22 letters and digits on Android, a UUID on iOS.
func TestDevice_Attribution(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{
		"", "abcDEF0123456789ghiJKL", strings.Repeat("0", 22), strings.Repeat("9", 22),
		strings.Repeat("a", 22), strings.Repeat("z", 22), strings.Repeat("A", 22), strings.Repeat("Z", 22),
		"1e3b2d5c-0a9b-4c7d-8e6f-123456789abc", "1E3B2D5C-0A9B-4C7D-8E6F-123456789ABC",
		"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
	} {
		require.NoError(t, device(appevents.Device{AdvertiserID: "1", Attribution: ok}).Validate(), ok)
	}
	for _, bad := range []string{
		"a", strings.Repeat("a", 21), strings.Repeat("a", 23), strings.Repeat("a", 36), strings.Repeat("a", 21) + "-",
		strings.Repeat("a", 21) + "/", strings.Repeat("a", 21) + ":", strings.Repeat("a", 21) + "@",
		strings.Repeat("a", 21) + "[", strings.Repeat("a", 21) + "`", strings.Repeat("a", 21) + "{",
		strings.Repeat("a", 20) + "é", "1e3b2d5c-0a9b-4c7d-8e6f-123456789ab", "1e3b2d5c-0a9b-4c7d-8e6f-123456789abcd",
		"1e3b2d5c00a9b-4c7d-8e6f-123456789abc", "1e3b2d5c-0a9b04c7d-8e6f-123456789abc",
		"1e3b2d5c-0a9b-4c7d08e6f-123456789abc", "1e3b2d5c-0a9b-4c7d-8e6f0123456789abc",
		"1e3b2d5g-0a9b-4c7d-8e6f-123456789abc", "1e3b2d5/-0a9b-4c7d-8e6f-123456789abc",
		"1e3b2d5:-0a9b-4c7d-8e6f-123456789abc", "1e3b2d5`-0a9b-4c7d-8e6f-123456789abc",
		"1e3b2d5@-0a9b-4c7d-8e6f-123456789abc", "1e3b2d5\x10-0a9b-4c7d-8e6f-123456789abc",
		"1e3b2d5c\r0a9b-4c7d-8e6f-123456789abc",
	} {
		requireIssue(t, device(appevents.Device{AdvertiserID: "1", Attribution: bad}).Validate(),
			"device.attribution", appevents.RuleFormat, "22 letters and digits")
	}
}

func TestDevice_IsZero(t *testing.T) {
	t.Parallel()
	require.True(t, appevents.Device{}.IsZero())
	require.False(t, appevents.Device{PushToken: "1"}.IsZero())
}
