package appevents

import (
	"time"

	"github.com/appevents/appevents-go/internal/wire"
)

// Platform is the operating system an [ExtInfo] describes.
type Platform string

// The platforms, by their extinfo version.
const (
	Android Platform = "a2"
	IOS     Platform = "i2"
)

// ExtInfo is extended device information. The zero value sends none. Otherwise Platform is required, Meta's
// guide asks for OSVersion too, and all 16 entries are sent in Meta's order: unknown texts as "", unknown numbers as 0.
// The fields are named after what Meta's own SDKs put there, which for the two versions differs from Meta's labels. The
// SDKs send an unknown size of storage as -1.
//
// A call for a Messenger thread needs none: the SDK sends the one-element form ["mb1"] by itself and refuses an
// ExtInfo beside it.
//
// https://developers.facebook.com/docs/graph-api/reference/application/activities/
type ExtInfo struct {
	Platform             Platform `json:"platform,omitzero" wire:",own"`           // 0: Android or IOS
	PackageName          string   `json:"package_name,omitzero"`                   // 1: package name or bundle identifier
	BuildNumber          string   `json:"build_number,omitzero"`                   // 2: versionCode or CFBundleVersion
	AppVersion           string   `json:"app_version,omitzero"`                    // 3: versionName or display version
	OSVersion            string   `json:"os_version,omitzero"`                     // 4: "17.4"
	DeviceModel          string   `json:"device_model,omitzero"`                   // 5: "iPhone15,3"
	Locale               string   `json:"locale,omitzero"`                         // 6: "en_US"
	TimezoneAbbreviation string   `json:"timezone_abbr,omitzero"`                  // 7: "PDT"
	Carrier              string   `json:"carrier,omitzero"`                        // 8: "AT&T"
	ScreenWidth          int      `json:"screen_width,omitzero"`                   // 9
	ScreenHeight         int      `json:"screen_height,omitzero"`                  // 10
	ScreenDensity        float64  `json:"screen_density,omitzero" wire:",text"`    // 11: sent as text with two decimals
	CPUCores             int      `json:"cpu_cores,omitzero"`                      // 12
	StorageGB            int      `json:"storage_gb,omitzero" wire:",min=-1"`      // 13: size of the external storage
	FreeStorageGB        int      `json:"free_storage_gb,omitzero" wire:",min=-1"` // 14
	Timezone             string   `json:"timezone,omitzero"`                       // 15: "America/Los_Angeles"
}

// The names are those of storage: on the wire the fields have places.
var extInfoPlan = wire.For[ExtInfo]()

// IsZero reports whether nothing is set.
func (x ExtInfo) IsZero() bool { return x == ExtInfo{} }

// messengerExtInfo is what a call about a Messenger thread carries instead.
const messengerExtInfo = `["mb1"]`

func (x *ExtInfo) validate(at *place, p *problems) {
	if x.IsZero() {
		return
	}
	switch x.Platform {
	case Android, IOS:
	case "":
		p.add(at.field("platform"), RuleRequired, "must be Android or IOS")
	default:
		p.add(at.field("platform"), RuleUnknown, "must be Android or IOS")
	}
	check(extInfoPlan, x, at, p, time.Time{})
}

func (x *ExtInfo) warn(at *place, p *problems) {
	if !x.IsZero() && x.OSVersion == "" {
		p.add(at.field("os_version"), RuleRequired, "Meta's guide asks for it")
	}
}

// append writes the 16 entries as a JSON array.
func (x *ExtInfo) append(dst []byte) []byte { return extInfoPlan.AppendList(dst, x) }
