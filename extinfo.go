package appevents

import (
	"math"
	"strconv"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// Platform is the operating system an [ExtInfo] describes.
type Platform string

// The platforms, by their extinfo version.
const (
	Android Platform = "a2"
	IOS     Platform = "i2"
)

// ExtInfo is extended device information. The zero value sends none; otherwise Platform and OSVersion are required
// and all 16 entries are sent, in Meta's order, unknown texts as "" and unknown numbers as 0. The fields are named
// after what Meta's own SDKs put there, which for the two versions differs from Meta's labels.
//
// A call for a Messenger thread needs none: the SDK sends the one-element form ["mb1"] by itself and refuses an
// ExtInfo beside it.
//
// https://developers.facebook.com/docs/graph-api/reference/application/activities/
type ExtInfo struct {
	Platform             Platform `json:"platform,omitzero"`        // 0: Android or IOS
	PackageName          string   `json:"package_name,omitzero"`    // 1: package name or bundle identifier
	BuildNumber          string   `json:"build_number,omitzero"`    // 2: versionCode or CFBundleVersion ("short version")
	AppVersion           string   `json:"app_version,omitzero"`     // 3: versionName or display version ("long version")
	OSVersion            string   `json:"os_version,omitzero"`      // 4: "17.4"
	DeviceModel          string   `json:"device_model,omitzero"`    // 5: "iPhone15,3"
	Locale               string   `json:"locale,omitzero"`          // 6: "en_US"
	TimezoneAbbreviation string   `json:"timezone_abbr,omitzero"`   // 7: "PDT"
	Carrier              string   `json:"carrier,omitzero"`         // 8: "AT&T"
	ScreenWidth          int      `json:"screen_width,omitzero"`    // 9
	ScreenHeight         int      `json:"screen_height,omitzero"`   // 10
	ScreenDensity        float64  `json:"screen_density,omitzero"`  // 11: sent as text with two decimals
	CPUCores             int      `json:"cpu_cores,omitzero"`       // 12
	StorageGB            int      `json:"storage_gb,omitzero"`      // 13: size of the external storage
	FreeStorageGB        int      `json:"free_storage_gb,omitzero"` // 14
	Timezone             string   `json:"timezone,omitzero"`        // 15: "America/Los_Angeles"
}

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
	if x.OSVersion == "" {
		p.add(at.field("os_version"), RuleRequired, "must be set")
	}
	for _, text := range [...]struct{ name, value string }{
		{"package_name", x.PackageName}, {"build_number", x.BuildNumber}, {"app_version", x.AppVersion},
		{"os_version", x.OSVersion}, {"device_model", x.DeviceModel}, {"locale", x.Locale},
		{"timezone_abbr", x.TimezoneAbbreviation}, {"carrier", x.Carrier}, {"timezone", x.Timezone},
	} {
		validateText(text.value, at.field(text.name), p)
	}
	for _, number := range [...]struct {
		name  string
		value int
	}{
		{"screen_width", x.ScreenWidth}, {"screen_height", x.ScreenHeight}, {"cpu_cores", x.CPUCores},
		{"storage_gb", x.StorageGB}, {"free_storage_gb", x.FreeStorageGB},
	} {
		if number.value < 0 {
			p.add(at.field(number.name), RuleRange, "must not be negative")
		}
	}
	if x.ScreenDensity < 0 || math.IsNaN(x.ScreenDensity) || math.IsInf(x.ScreenDensity, 0) {
		p.add(at.field("screen_density"), RuleRange, "must be a finite number, not negative")
	}
}

// append writes the 16 entries as a JSON array.
func (x *ExtInfo) append(dst []byte) []byte {
	dst = append(dst, '[')
	for i, text := range [...]string{
		string(x.Platform), x.PackageName, x.BuildNumber, x.AppVersion, x.OSVersion, x.DeviceModel, x.Locale,
		x.TimezoneAbbreviation, x.Carrier,
	} {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, text)
	}
	dst = strconv.AppendInt(append(dst, ','), int64(x.ScreenWidth), 10)
	dst = strconv.AppendInt(append(dst, ','), int64(x.ScreenHeight), 10)
	dst = append(dst, `,"`...)
	if x.ScreenDensity != 0 {
		dst = strconv.AppendFloat(dst, x.ScreenDensity, 'f', 2, 64)
	}
	dst = append(dst, '"')
	dst = strconv.AppendInt(append(dst, ','), int64(x.CPUCores), 10)
	dst = strconv.AppendInt(append(dst, ','), int64(x.StorageGB), 10)
	dst = strconv.AppendInt(append(dst, ','), int64(x.FreeStorageGB), 10)
	dst = jsonscan.AppendString(append(dst, ','), x.Timezone)
	return append(dst, ']')
}
