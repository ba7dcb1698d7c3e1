package appevents

import (
	"encoding/json"
	"strconv"
	"time"
)

// Device identifies an app installation or the person behind it. Give as many fields as you have; the wire names are
// in the comments. The zero value identifies nobody.
//
// https://developers.facebook.com/docs/graph-api/reference/application/activities/
type Device struct {
	// AdvertiserID is the device's advertising ID: Apple's IDFA or Google's advertising ID (advertiser_id).
	AdvertiserID string `json:"advertiser_id,omitzero" url:"advertiser_id,omitempty"`

	// Attribution is the older mobile cookie: 22 letters and digits on Android, a UUID on iOS (attribution).
	Attribution string `json:"attribution,omitzero" url:"attribution,omitempty"`

	// AnonID is an ID made by your app for this installation (anon_id). Meta's SDKs use "XZ" and a UUID.
	AnonID string `json:"anon_id,omitzero" url:"anon_id,omitempty"`

	// VendorID is Apple's identifier for vendors (vendor_id).
	VendorID string `json:"vendor_id,omitzero" url:"vendor_id,omitempty"`

	// UserID is your own ID of the person (app_user_id).
	UserID string `json:"user_id,omitzero" url:"app_user_id,omitempty"`

	// PlayerID is the person's Instant Games player ID (user_id with user_id_type).
	PlayerID string `json:"player_id,omitzero" url:"user_id,omitempty"`

	// PushToken is the token of the device at its push network (device_token).
	PushToken string `json:"push_token,omitzero" url:"device_token,omitempty"`

	// WindowsAttributionID is the attribution token of Windows 10 (windows_attribution_id).
	WindowsAttributionID string `json:"windows_attribution_id,omitzero" url:"windows_attribution_id,omitempty"`
}

// IsZero reports whether nothing is set.
func (d Device) IsZero() bool { return d == Device{} }

func (d *Device) validate(at *place, p *problems) {
	if d.Attribution != "" && !isUUID(d.Attribution) && !(len(d.Attribution) == 22 && alphanumeric(d.Attribution)) {
		p.add(at.field("attribution"), RuleFormat, "must be 22 letters and digits (Android) or a UUID (iOS)")
	}
	for _, text := range [...]struct{ name, value string }{
		{"advertiser_id", d.AdvertiserID}, {"anon_id", d.AnonID}, {"vendor_id", d.VendorID}, {"user_id", d.UserID},
		{"player_id", d.PlayerID}, {"push_token", d.PushToken}, {"windows_attribution_id", d.WindowsAttributionID},
	} {
		validateText(text.value, at.field(text.name), p)
	}
}

const noAdvertiserID = "00000000-0000-0000-0000-000000000000"

func (d *Device) warn(at *place, p *problems) {
	if d.AdvertiserID == noAdvertiserID {
		p.add(at.field("advertiser_id"), RuleFormat, "is all zeros: the device hides its ID, so nobody is identified")
	}
}

func alphanumeric(s string) bool {
	for i := range len(s) {
		if b := s[i]; (b < '0' || b > '9') && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') {
			return false
		}
	}
	return true
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		b := s[i]
		switch i {
		case 8, 13, 18, 23:
			if b != '-' {
				return false
			}
		default:
			if (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'f') {
				return false
			}
		}
	}
	return true
}

// Bundle describes the app itself, as its package names it, and the SDK in it. Most of it is for programs that take the
// place of Meta's SDKs. The zero value sends nothing.
type Bundle struct {
	ID           string   `json:"id,omitzero" url:"bundle_id,omitempty"`
	Version      string   `json:"version,omitzero" url:"bundle_version,omitempty"`
	ShortVersion string   `json:"short_version,omitzero" url:"bundle_short_version,omitempty"`
	Installer    string   `json:"installer,omitzero" url:"installer_package,omitempty"` // Android installer package
	SDKVersion   string   `json:"sdk_version,omitzero" url:"sdk_version,omitempty"`
	Receipts     string   `json:"receipts,omitzero" url:"receipt_data,omitempty"` // in-app purchase receipts, as text
	URLSchemes   []string `json:"url_schemes,omitzero" url:"-"`                   // sent as a JSON array (url_schemes)

	// PackageName is the Android package (application_package_name). Meta does not document Migration
	// (migration_bundle).
	PackageName string `json:"package_name,omitzero" url:"application_package_name,omitempty"`
	Migration   string `json:"migration,omitzero" url:"migration_bundle,omitempty"`

	// SDK is which SDK the call comes from, such as "android" (sdk), SkippedEvents how many events it gave up
	// (num_skipped_events; 0 means not sent), and ReadsAdvertiserID whether it may collect the advertiser ID
	// (advertiser_id_collection_enabled; nil means not sent).
	SDK               string `json:"sdk,omitzero" url:"sdk,omitempty"`
	SkippedEvents     int    `json:"skipped_events,omitzero" url:"num_skipped_events,omitempty"`
	ReadsAdvertiserID *bool  `json:"reads_advertiser_id,omitzero" url:"advertiser_id_collection_enabled,int,omitempty"`

	// CircuitBreakerActive is is_circuit_breaker_active; nil means not sent. Meta documents neither it nor the timeout.
	CircuitBreakerActive *bool `json:"circuit_breaker_active,omitzero" url:"is_circuit_breaker_active,int,omitempty"`

	// CircuitBreakerTimeout is circuit_breaker_timeout_ms, sent in whole milliseconds; 0 means not sent.
	CircuitBreakerTimeout time.Duration `json:"circuit_breaker_timeout,omitzero" url:"-"`
}

func (b *Bundle) isZero() bool {
	return b.ID == "" && b.Version == "" && b.ShortVersion == "" && b.Installer == "" && b.SDKVersion == "" &&
		b.Receipts == "" && len(b.URLSchemes) == 0 && b.PackageName == "" && b.Migration == "" && b.SDK == "" &&
		b.SkippedEvents == 0 && b.ReadsAdvertiserID == nil && b.CircuitBreakerActive == nil &&
		b.CircuitBreakerTimeout == 0
}

func (b *Bundle) validate(at *place, p *problems) {
	for _, text := range [...]struct{ name, value string }{
		{"id", b.ID}, {"version", b.Version}, {"short_version", b.ShortVersion}, {"installer", b.Installer},
		{"sdk_version", b.SDKVersion}, {"receipts", b.Receipts}, {"package_name", b.PackageName},
		{"migration", b.Migration}, {"sdk", b.SDK},
	} {
		validateText(text.value, at.field(text.name), p)
	}
	for i, scheme := range b.URLSchemes {
		if scheme == "" {
			p.add(at.field("url_schemes").item(i), RuleRequired, "must be set")
		}
		validateText(scheme, at.field("url_schemes").item(i), p)
	}
	if b.SkippedEvents < 0 {
		p.add(at.field("skipped_events"), RuleRange, "must not be negative")
	}
	if b.CircuitBreakerTimeout != 0 && b.CircuitBreakerTimeout < time.Millisecond {
		p.add(at.field("circuit_breaker_timeout"), RuleRange, "must be at least a millisecond")
	}
}

// Measurement carries what mobile measurement partners, deep links and marketing add to a call. The zero value sends
// nothing.
type Measurement struct {
	// EventID is the request's own ID for cross-validation (event_id); Event.ID is the one for de-duplication.
	EventID string `json:"event_id,omitzero" url:"event_id,omitempty"`

	// InstallID is the partner's ID of the install; later events repeat it (install_id).
	InstallID string `json:"install_id,omitzero" url:"install_id,omitempty"`

	// InstallReferrer is a third-party install referrer on Android (install_referrer); GoogleInstallReferrer and
	// MetaInstallReferrer are the raw referrer strings of those two.
	InstallReferrer       string `json:"install_referrer,omitzero" url:"install_referrer,omitempty"`
	GoogleInstallReferrer string `json:"google_install_referrer,omitzero" url:"google_install_referrer,omitempty"`
	MetaInstallReferrer   string `json:"meta_install_referrer,omitzero" url:"meta_install_referrer,omitempty"`

	// AttributionReferrer is attribution_referrer.
	AttributionReferrer string `json:"attribution_referrer,omitzero" url:"attribution_referrer,omitempty"`

	// CampaignIDs is what the deep link of an app engagement ad handed over (campaign_ids); ClickID is click_id.
	CampaignIDs string `json:"campaign_ids,omitzero" url:"campaign_ids,omitempty"`
	ClickID     string `json:"click_id,omitzero" url:"click_id,omitempty"`

	// IsFB tells, on later events, whether the install was attributed to Meta (is_fb); nil means unknown.
	IsFB *bool `json:"is_fb,omitzero" url:"is_fb,int,omitempty"`

	// Sources are the earlier claims of Meta behind the event (attribution_sources).
	Sources []AttributionSource `json:"sources,omitzero" url:"-"`

	// WhatsAppOptIn tells whether the person agreed to marketing messages of the business on WhatsApp
	// (add_to_messaging_customer_base_for_whatsapp, sent as 1 or 0); nil means not sent.
	WhatsAppOptIn *bool `json:"whatsapp_opt_in,omitzero" url:"add_to_messaging_customer_base_for_whatsapp,int,omitempty"`
}

func (m *Measurement) isZero() bool {
	return m.EventID == "" && m.InstallID == "" && m.InstallReferrer == "" && m.GoogleInstallReferrer == "" &&
		m.MetaInstallReferrer == "" && m.AttributionReferrer == "" && m.CampaignIDs == "" && m.ClickID == "" &&
		m.IsFB == nil && len(m.Sources) == 0 && m.WhatsAppOptIn == nil
}

func (m *Measurement) validate(at *place, p *problems, now time.Time) {
	for _, text := range [...]struct{ name, value string }{
		{"event_id", m.EventID}, {"install_id", m.InstallID}, {"install_referrer", m.InstallReferrer},
		{"google_install_referrer", m.GoogleInstallReferrer}, {"meta_install_referrer", m.MetaInstallReferrer},
		{"attribution_referrer", m.AttributionReferrer}, {"campaign_ids", m.CampaignIDs}, {"click_id", m.ClickID},
	} {
		validateText(text.value, at.field(text.name), p)
	}
	for i := range m.Sources {
		m.Sources[i].validate(at.field("sources").item(i), p, now)
	}
}

// AttributionSource is an earlier claim of Meta that led to an event. Zero fields are not sent.
type AttributionSource struct {
	AdID              ID        `json:"source_ad_id,omitzero"`
	AdGroupID         ID        `json:"source_adgroup_id,omitzero"`
	EngagementTime    time.Time `json:"source_ad_engagement_time,omitzero"`
	EngagementType    string    `json:"source_ad_engagement_type,omitzero"`
	EventTime         time.Time `json:"source_event_time,omitzero"`
	EventID           string    `json:"source_event_id,omitzero"`
	InstallID         string    `json:"source_install_id,omitzero"`
	AuditingToken     string    `json:"source_auditing_token,omitzero"`
	AttributionMethod string    `json:"source_attribution_method,omitzero"`
	IsPrimary         *bool     `json:"source_is_primary,omitzero"`
}

func (s *AttributionSource) validate(at *place, p *problems, now time.Time) {
	for _, id := range [...]struct {
		name  string
		value ID
	}{{"source_ad_id", s.AdID}, {"source_adgroup_id", s.AdGroupID}} {
		if id.value != "" {
			id.value.validate(at.field(id.name), p)
		}
	}
	for _, text := range [...]struct{ name, value string }{
		{"source_ad_engagement_type", s.EngagementType}, {"source_event_id", s.EventID},
		{"source_install_id", s.InstallID}, {"source_auditing_token", s.AuditingToken},
		{"source_attribution_method", s.AttributionMethod},
	} {
		validateText(text.value, at.field(text.name), p)
	}
	validateTime(s.EngagementTime, at.field("source_ad_engagement_time"), p, now)
	validateTime(s.EventTime, at.field("source_event_time"), p, now)
}

// wire is the source as Meta takes it: times in whole seconds.
func (s AttributionSource) wire() map[string]any {
	m := make(map[string]any, 10)
	set := func(name, value string) {
		if value != "" {
			m[name] = value
		}
	}
	number := func(name string, id ID) {
		if id != "" {
			m[name] = json.Number(id)
		}
	}
	number("source_ad_id", s.AdID)
	number("source_adgroup_id", s.AdGroupID)
	if !s.EngagementTime.IsZero() {
		m["source_ad_engagement_time"] = json.Number(strconv.FormatInt(s.EngagementTime.Unix(), 10))
	}
	set("source_ad_engagement_type", s.EngagementType)
	if !s.EventTime.IsZero() {
		m["source_event_time"] = json.Number(strconv.FormatInt(s.EventTime.Unix(), 10))
	}
	set("source_event_id", s.EventID)
	set("source_install_id", s.InstallID)
	set("source_auditing_token", s.AuditingToken)
	set("source_attribution_method", s.AttributionMethod)
	if s.IsPrimary != nil {
		m["source_is_primary"] = *s.IsPrimary
	}
	return m
}
