package appevents_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

func TestExtInfo_OnTheWire(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		info appevents.ExtInfo
		want string
	}{
		{
			"everything about an Android device",
			appevents.ExtInfo{
				Platform: appevents.Android, PackageName: "com.example.shop", BuildNumber: "771", AppVersion: "7.7.1",
				OSVersion: "10.1.1", DeviceModel: "OnePlus6", Locale: "en_US", TimezoneAbbreviation: "GMT-1",
				Carrier: `A"T&T`, ScreenWidth: 1920, ScreenHeight: 1080, ScreenDensity: 2.625, CPUCores: 8,
				StorageGB: 128, FreeStorageGB: 9, Timezone: "America/New_York",
			},
			`["a2","com.example.shop","771","7.7.1","10.1.1","OnePlus6","en_US","GMT-1","A\"T&T",1920,1080,"2.62",8,128,9,"America/New_York"]`,
		},
		{
			"an iOS device that tells little",
			appevents.ExtInfo{Platform: appevents.IOS, OSVersion: "17.4", ScreenDensity: 3},
			`["i2","","","","17.4","","","","",0,0,"3.00",0,0,0,""]`,
		},
		{
			"the least there can be",
			appevents.ExtInfo{Platform: appevents.Android, OSVersion: "14"},
			`["a2","","","","14","","","","",0,0,"",0,0,0,""]`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tap := newWireTap(t)
			for _, call := range []any{
				appCall(func(a *appevents.Activity) { a.ExtInfo = test.info }),
				installCall(func(in *appevents.Install) { in.ExtInfo = test.info }),
			} {
				_, err := tap.send(t.Context(), call)
				require.NoError(t, err)
				require.Equal(t, test.want, tap.form(t, len(tap.sent)-1).Get("extinfo"))
			}
			tap.requireAccepted(t)

			// Sixteen entries: texts, but for five whole numbers.
			var slots []any
			require.NoError(t, json.Unmarshal([]byte(test.want), &slots))
			require.Len(t, slots, 16)
			for i, slot := range slots {
				switch i {
				case 9, 10, 12, 13, 14:
					require.IsType(t, 0.0, slot, i)
				default:
					require.IsType(t, "", slot, i)
				}
			}
		})
	}
}

// A thread gets the one-element form by itself, a call without device information none.
func TestExtInfo_Automatic(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t)
	for _, call := range []any{
		botCall(func(*appevents.Activity) {}), appCall(func(*appevents.Activity) {}),
		installCall(func(*appevents.Install) {}),
	} {
		_, err := tap.send(t.Context(), call)
		require.NoError(t, err)
	}
	require.Equal(t, []string{`["mb1"]`}, tap.form(t, 0)["extinfo"])
	require.NotContains(t, tap.form(t, 1), "extinfo")
	require.NotContains(t, tap.form(t, 2), "extinfo")
	tap.requireAccepted(t)
}

func TestExtInfo_IsZero(t *testing.T) {
	t.Parallel()
	require.True(t, appevents.ExtInfo{}.IsZero())
	require.False(t, appevents.ExtInfo{Timezone: "Europe/Berlin"}.IsZero())
}

// Meta's reference asks for the platform alone, its guide for the OS version too, and the Conversions API refuses a
// device without one.
func TestExtInfo_OSVersion(t *testing.T) {
	t.Parallel()
	call := extInfo(func(x *appevents.ExtInfo) { x.OSVersion = "" })
	require.NoError(t, call.Validate())
	require.Equal(t, []string{"ext_info.os_version required"}, pathsAndRules(call.Warnings()))
	q := appLinkQuery(func(q *appevents.AppLinkQuery) { q.ExtInfo.Platform = appevents.IOS })
	require.NoError(t, q.Validate())
	require.Equal(t, []string{"ext_info.os_version required"}, pathsAndRules(q.Warnings()))
	require.Empty(t, extInfo(func(*appevents.ExtInfo) {}).Warnings())

	_, err := call.Conversions()
	requireIssue(t, err, "ext_info.os_version", appevents.RuleRequired, "2804043")
}
