package appevents

import (
	"time"

	"github.com/appevents/appevents-go/internal/names"
	"github.com/appevents/appevents-go/internal/wire"
)

// Device identifies an app installation or the person behind it. Give as many fields as you have. The zero value
// identifies nobody.
//
// https://developers.facebook.com/docs/graph-api/reference/application/activities/
type Device struct {
	// AdvertiserID is the device's advertising ID: Apple's IDFA or Google's advertising ID.
	AdvertiserID string `json:"advertiser_id,omitzero" user_data:"madid"`

	// Attribution is the older mobile cookie: 22 letters and digits on Android, a UUID on iOS.
	Attribution string `json:"attribution,omitzero" wire:",own"`

	// AnonID is an ID made by your app for this installation. Meta's SDKs use "XZ" and a UUID.
	AnonID string `json:"anon_id,omitzero" user_data:""`

	// VendorID is Apple's identifier for vendors.
	VendorID string `json:"vendor_id,omitzero" app_data:""`

	// UserID is your own ID of the person.
	UserID string `json:"user_id,omitzero" wire:"app_user_id" user_data:"fb_login_id"`

	// PlayerID is the person's Instant Games player ID.
	PlayerID string `json:"player_id,omitzero" wire:"user_id"`

	// PushToken is the token of the device at its push network.
	PushToken string `json:"push_token,omitzero" wire:"device_token" app_data:""`

	// WindowsAttributionID is the attribution token of Windows 10.
	WindowsAttributionID string `json:"windows_attribution_id,omitzero" app_data:""`
}

// On /activities the fields are parameters of the call. The Conversions API has some of them in user_data and app_data,
// and the others not at all.
var (
	devicePlan     = wire.For[Device]()
	deviceUserData = wire.ForTag[Device]("user_data")
	deviceAppData  = wire.ForTag[Device]("app_data")
)

// IsZero reports whether nothing is set.
func (d Device) IsZero() bool { return d == Device{} }

func (d *Device) validate(at *place, p *problems) {
	if d.Attribution != "" && !names.MobileCookie(d.Attribution) {
		p.add(at.field("attribution"), RuleFormat, "must be 22 letters and digits (Android) or a UUID (iOS)")
	}
	check(devicePlan, d, at, p, time.Time{})
}

const noAdvertiserID = "00000000-0000-0000-0000-000000000000"

func (d *Device) warn(at *place, p *problems) {
	if d.AdvertiserID == noAdvertiserID {
		p.add(at.field("advertiser_id"), RuleFormat, "is all zeros: the device hides its ID, so nobody is identified")
	}
}

// Bundle describes the app itself, as its package names it, and the SDK in it. Most of it is for programs that take the
// place of Meta's SDKs. The zero value sends nothing.
type Bundle struct {
	ID           string   `json:"id,omitzero" wire:"bundle_id"`
	Version      string   `json:"version,omitzero" wire:"bundle_version"`
	ShortVersion string   `json:"short_version,omitzero" wire:"bundle_short_version"`
	Installer    string   `json:"installer,omitzero" wire:"installer_package"` // Android installer package
	SDKVersion   string   `json:"sdk_version,omitzero"`
	Receipts     string   `json:"receipts,omitzero" wire:"receipt_data"` // in-app purchase receipts, as text
	URLSchemes   []string `json:"url_schemes,omitzero"`                  // sent as a JSON array

	// PackageName is the Android package. Meta does not document Migration.
	PackageName string `json:"package_name,omitzero" wire:"application_package_name"`
	Migration   string `json:"migration,omitzero" wire:"migration_bundle"`

	// SDK is which SDK the call comes from, such as "android", SkippedEvents how many events it gave up (0 means not
	// sent), and ReadsAdvertiserID whether it may collect the advertiser ID (nil means not sent).
	SDK               string `json:"sdk,omitzero"`
	SkippedEvents     int    `json:"skipped_events,omitzero" wire:"num_skipped_events"`
	ReadsAdvertiserID *bool  `json:"reads_advertiser_id,omitzero" wire:"advertiser_id_collection_enabled"`

	// Meta documents neither CircuitBreakerActive nor the timeout, which is sent in whole milliseconds. Nil and 0 mean
	// not sent.
	CircuitBreakerActive  *bool         `json:"circuit_breaker_active,omitzero" wire:"is_circuit_breaker_active"`
	CircuitBreakerTimeout time.Duration `json:"circuit_breaker_timeout,omitzero" wire:"circuit_breaker_timeout_ms"`
}

var bundlePlan = wire.For[Bundle]()

// Measurement carries what mobile measurement partners, deep links and marketing add to a call. The zero value sends
// nothing.
type Measurement struct {
	// EventID is the request's own ID for cross-validation; Event.ID is the one for de-duplication.
	EventID string `json:"event_id,omitzero"`

	// InstallID is the partner's ID of the install; later events repeat it.
	InstallID string `json:"install_id,omitzero"`

	// InstallReferrer is a third-party install referrer on Android; GoogleInstallReferrer and MetaInstallReferrer are
	// the raw referrer strings of those two.
	InstallReferrer       string `json:"install_referrer,omitzero"`
	GoogleInstallReferrer string `json:"google_install_referrer,omitzero"`
	MetaInstallReferrer   string `json:"meta_install_referrer,omitzero"`

	// AttributionReferrer is passed on as it is; Meta does not document it.
	AttributionReferrer string `json:"attribution_referrer,omitzero"`

	// CampaignIDs is what the deep link of an app engagement ad handed over. Meta does not document ClickID.
	CampaignIDs string `json:"campaign_ids,omitzero"`
	ClickID     string `json:"click_id,omitzero"`

	// IsFB tells, on later events, whether the install was attributed to Meta; nil means unknown.
	IsFB *bool `json:"is_fb,omitzero"`

	// Sources are the earlier claims of Meta behind the event.
	Sources []AttributionSource `json:"sources,omitzero" wire:"attribution_sources"`

	// IsRedownload tells whether the app was on the device before; nil means unknown. LastNewInstall is when it was last
	// installed anew, LastSession when it was last used, sent as whole seconds; zero times are not sent. Meta's own
	// SDKs know the three, its documentation does not.
	IsRedownload   *bool     `json:"is_redownload,omitzero"`
	LastNewInstall time.Time `json:"last_new_install,omitzero" wire:"last_new_install_time"`
	LastSession    time.Time `json:"last_session,omitzero" wire:"last_session_time"`

	// WhatsAppOptIn tells whether the person agreed to marketing messages of the business on WhatsApp; nil means not
	// sent.
	WhatsAppOptIn *bool `json:"whatsapp_opt_in,omitzero" wire:"add_to_messaging_customer_base_for_whatsapp"`
}

var measurementPlan = wire.For[Measurement](wire.List(sourcePlan))

func (m *Measurement) validate(at *place, p *problems, now time.Time) {
	check(measurementPlan, m, at, p, now)
	for i := range m.Sources {
		check(sourcePlan, &m.Sources[i], at.field("sources").item(i), p, now)
	}
}

// AttributionSource is an earlier claim of Meta that led to an event. Zero fields are not sent; times are sent as whole
// seconds.
type AttributionSource struct {
	AdID              ID        `json:"source_ad_id,omitzero" wire:",id,number"`
	AdGroupID         ID        `json:"source_adgroup_id,omitzero" wire:",id,number"`
	EngagementTime    time.Time `json:"source_ad_engagement_time,omitzero"`
	EngagementType    string    `json:"source_ad_engagement_type,omitzero"`
	EventTime         time.Time `json:"source_event_time,omitzero"`
	EventID           string    `json:"source_event_id,omitzero"`
	InstallID         string    `json:"source_install_id,omitzero"`
	AuditingToken     string    `json:"source_auditing_token,omitzero"`
	AttributionMethod string    `json:"source_attribution_method,omitzero"`
	IsPrimary         *bool     `json:"source_is_primary,omitzero" wire:",bool"`
}

var sourcePlan = wire.For[AttributionSource]()
