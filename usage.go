package appevents

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/appevents/appevents-go/internal/jsonscan"
	"github.com/appevents/appevents-go/internal/loose"
)

// maxHeaderText bounds what is kept of a header.
const maxHeaderText = 256

// Usage is the rate-limit state Graph attached to an answer. Graph sends the headers only after enough traffic, so
// the zero value, nothing known, is normal. Throttling starts when a percentage reaches 100.
//
// https://developers.facebook.com/docs/graph-api/overview/rate-limiting
type Usage struct {
	App       CallUsage       `json:"app,omitzero"`        // X-App-Usage: the app, per rolling hour
	Page      CallUsage       `json:"page,omitzero"`       // X-Page-Usage: the Page, per rolling 24 hours
	AdAccount AdsUsage        `json:"ad_account,omitzero"` // X-Ad-Account-Usage
	Insights  AdsUsage        `json:"insights,omitzero"`   // X-FB-Ads-Insights-Throttle
	Business  []BusinessUsage `json:"business,omitzero"`   // X-Business-Use-Case-Usage, in the order sent
}

// CallUsage is one set of limits, in percent.
type CallUsage struct {
	Calls float64 `json:"calls,omitzero"` // call_count
	CPU   float64 `json:"cpu,omitzero"`   // total_cputime
	Time  float64 `json:"time,omitzero"`  // total_time
}

// Max returns the highest of the three percentages.
func (u CallUsage) Max() float64 { return max(u.Calls, u.CPU, u.Time) }

// BusinessUsage is one entry of the limits per business, Page or ad account.
type BusinessUsage struct {
	ID   ID     `json:"id"`   // the business, Page or ad account
	Type string `json:"type"` // "messenger", "pages", "ads_insights", ...; new words appear

	CallUsage

	// RegainAccess is how long until calls are let through again; 0 when they are.
	RegainAccess time.Duration `json:"regain_access,omitzero"`

	// Tier is ads_api_access_tier, on ads types only.
	Tier string `json:"tier,omitzero"`
}

// AdsUsage is the state of the limits of the Marketing API, in percent.
type AdsUsage struct {
	Account float64       `json:"account,omitzero"`     // acc_id_util_pct: the ad account
	App     float64       `json:"app,omitzero"`         // app_id_util_pct: the app, for insights only
	Reset   time.Duration `json:"reset_after,omitzero"` // until the account's figure starts afresh; 0 for insights
	Tier    string        `json:"tier,omitzero"`        // ads_api_access_tier
}

// Max returns the higher of the two percentages.
func (u AdsUsage) Max() float64 { return max(u.Account, u.App) }

// Max returns the highest percentage of all limits, 0 when nothing is known.
func (u Usage) Max() float64 {
	highest := max(u.App.Max(), u.Page.Max(), u.AdAccount.Max(), u.Insights.Max())
	for _, b := range u.Business {
		highest = max(highest, b.Max())
	}
	return highest
}

// regainAccess is the longest wait Graph stated for the given objects, or for any when it named none of them: one
// header can mix products and businesses.
func (u Usage) regainAccess(objects ...ID) time.Duration {
	var own, all time.Duration
	named := false
	for _, b := range u.Business {
		all = max(all, b.RegainAccess)
		if b.ID != "" && slices.Contains(objects, b.ID) {
			own, named = max(own, b.RegainAccess), true
		}
	}
	wait := all
	if named {
		wait = own
	}
	if u.AdAccount.Account >= 100 {
		wait = max(wait, u.AdAccount.Reset)
	}
	return wait
}

// The usage headers in canonical form, as http.Header stores them.
const (
	headerAppUsage      = "X-App-Usage"
	headerPageUsage     = "X-Page-Usage"
	headerAccountUsage  = "X-Ad-Account-Usage"
	headerInsightsUsage = "X-Fb-Ads-Insights-Throttle"
	headerBusinessUsage = "X-Business-Use-Case-Usage"
)

// parseUsage reads the usage headers. What it cannot read it leaves out: a limit header never fails a call.
func parseUsage(h http.Header) Usage {
	var u Usage
	if v := headerValue(h, headerAppUsage); v != "" {
		u.App = parseCallUsage([]byte(v))
	}
	if v := headerValue(h, headerPageUsage); v != "" {
		u.Page = parseCallUsage([]byte(v))
	}
	if v := headerValue(h, headerAccountUsage); v != "" {
		u.AdAccount = parseAdsUsage([]byte(v))
	}
	if v := headerValue(h, headerInsightsUsage); v != "" {
		u.Insights = parseAdsUsage([]byte(v))
	}
	if v := headerValue(h, headerBusinessUsage); v != "" {
		u.Business = parseBusinessUsage(v)
	}
	return u
}

// headerValue spares the hot path the canonicalisation of Header.Get.
func headerValue(h http.Header, canonical string) string {
	if values := h[canonical]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func parseAdsUsage(data []byte) AdsUsage {
	var raw struct {
		Account loose.Number `json:"acc_id_util_pct"`
		App     loose.Number `json:"app_id_util_pct"`
		Reset   loose.Number `json:"reset_time_duration"`
		Tier    loose.Text   `json:"ads_api_access_tier"`
	}
	if json.Unmarshal(data, &raw) != nil {
		return AdsUsage{}
	}
	return AdsUsage{
		Account: float64(raw.Account), App: float64(raw.App), Reset: loose.Wait(float64(raw.Reset), time.Second),
		Tier: loose.Cut(string(raw.Tier), maxHeaderText),
	}
}

// parseCallUsage reads the documented object, the old one with call_volume and cpu_time, and a bare percentage.
func parseCallUsage(data []byte) CallUsage {
	var bare loose.Number
	if len(data) > 0 && data[0] != '{' {
		_ = json.Unmarshal(data, &bare)
		return CallUsage{Calls: float64(bare)}
	}
	var raw struct {
		CallCount  loose.Number `json:"call_count"`
		CallVolume loose.Number `json:"call_volume"`
		TotalCPU   loose.Number `json:"total_cputime"`
		CPU        loose.Number `json:"cpu_time"`
		TotalTime  loose.Number `json:"total_time"`
	}
	if json.Unmarshal(data, &raw) != nil {
		return CallUsage{}
	}
	return CallUsage{
		Calls: float64(max(raw.CallCount, raw.CallVolume)),
		CPU:   float64(max(raw.TotalCPU, raw.CPU)),
		Time:  float64(raw.TotalTime),
	}
}

// maxBusinessUsage bounds what one header can make us keep, maxBusinessWalk how much of it is looked at; Graph sends at
// most 32 objects.
const (
	maxBusinessUsage = 256
	maxBusinessWalk  = 1024
)

// parseBusinessUsage walks the object by hand because Meta's own sample repeats a key, which a map would lose. It reads
// no further than what it may keep.
func parseBusinessUsage(header string) []BusinessUsage {
	s := jsonscan.New(header)
	if !s.Open(jsonscan.Object) {
		return nil
	}
	var all []BusinessUsage
	walked := 0
	more := func() bool {
		walked++
		return walked <= maxBusinessWalk && len(all) < maxBusinessUsage
	}
	for id, ok := s.NextKey(); ok && more(); id, ok = s.NextKey() {
		switch s.Kind() {
		case jsonscan.Array:
			s.Open(jsonscan.Array)
			for more() && s.NextElem() {
				all = appendBusinessUsage(all, id, s.Skip())
			}
		case jsonscan.Object: // one entry without its array
			all = appendBusinessUsage(all, id, s.Skip())
		default:
			s.Skip()
		}
	}
	return all
}

// appendBusinessUsage appends one entry, unless it cannot be read.
func appendBusinessUsage(all []BusinessUsage, id, entry string) []BusinessUsage {
	var raw struct {
		Type      loose.Text   `json:"type"`
		CallCount loose.Number `json:"call_count"`
		TotalCPU  loose.Number `json:"total_cputime"`
		TotalTime loose.Number `json:"total_time"`
		Regain    loose.Number `json:"estimated_time_to_regain_access"`
		Tier      loose.Text   `json:"ads_api_access_tier"`
	}
	if json.Unmarshal([]byte(entry), &raw) != nil {
		return all
	}
	return append(all, BusinessUsage{
		ID: ID(loose.Cut(id, maxHeaderText)), Type: loose.Cut(string(raw.Type), maxHeaderText),
		CallUsage: CallUsage{
			Calls: float64(raw.CallCount), CPU: float64(raw.TotalCPU), Time: float64(raw.TotalTime),
		},
		RegainAccess: loose.Wait(float64(raw.Regain), time.Minute),
		Tier:         loose.Cut(string(raw.Tier), maxHeaderText),
	})
}
