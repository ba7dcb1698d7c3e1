package appevents

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AppConversion is the mobile app a [Conversion] happened in: what Activity and Install send to /activities, in the
// form of the Conversions API. The dataset must be linked to the app.
//
// https://developers.facebook.com/docs/marketing-api/conversions-api/app-events
type AppConversion struct {
	// Device identifies the app installation. Attribution and PlayerID have no counterpart and are refused.
	Device Device `json:"device,omitzero"`

	// ExtInfo is required.
	ExtInfo ExtInfo `json:"ext_info,omitzero"`

	// Consent is required.
	Consent Consent `json:"consent,omitzero"`

	// ClientIP is the device's own address, IPv4 or IPv6 (client_ip_address).
	ClientIP netip.Addr `json:"client_ip,omitzero"`

	// Installer is the Android installer package (installer_package), Receipts the in-app purchase receipts as text
	// (receipt_data), URLSchemes the schemes the app opens.
	Installer  string   `json:"installer,omitzero"`
	Receipts   string   `json:"receipts,omitzero"`
	URLSchemes []string `json:"url_schemes,omitzero"`

	// InstallReferrer and CampaignIDs are as in [Measurement].
	InstallReferrer string `json:"install_referrer,omitzero"`
	CampaignIDs     string `json:"campaign_ids,omitzero"`

	// ConsiderViews, IncludeDwellData and IncludeVideoData are as in [Install].
	ConsiderViews    bool `json:"consider_views,omitzero"`
	IncludeDwellData bool `json:"include_dwell_data,omitzero"`
	IncludeVideoData bool `json:"include_video_data,omitzero"`
}

// conversionInstall is what the Conversions API calls an installation.
const conversionInstall ConversionName = "MobileAppInstall"

// Conversions returns the events of a as [Client.SendConversions] takes them: the way from /activities to the
// Conversions API. Events of a thread become events of that conversation, as with [Event.Conversion]; events of a
// device become events of the app, for which any name will do. All share a's user data, and an App value.
//
// What has no counterpart is a [*ValidationError]. So is a denied consent for a thread: conversations have no place
// for it, and leaving it out would say that nothing was denied.
func (a *Activity) Conversions() ([]Conversion, error) {
	if a == nil {
		return nil, nilCall(sendConversions)
	}
	call := a.call()
	app, p := call.conversionApp()
	if a.Measurement.EventID != "" {
		p.add(field("measurement").field("event_id"), RuleConflict, noCounterpart+"; use Event.ID")
	}
	all := make([]Conversion, len(a.Events))
	for i := range a.Events {
		c := a.Events[i].convert(field("events").item(i), &p, app != nil)
		c.Thread, c.App, c.UserData, c.DataProcessing = a.Thread, app, a.UserData, a.DataProcessing
		all[i] = c
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == "" {
			all[i].ID = all[i].stableID()
		}
	}
	return all, nil
}

// Conversion returns the install as [Client.SendConversions] takes it, under Measurement.EventID or, without one, an
// ID made from the device and the time. What has no counterpart is a [*ValidationError].
func (in *Install) Conversion() (Conversion, error) {
	if in == nil {
		return Conversion{}, nilCall(sendConversions)
	}
	call := in.call()
	app, p := call.conversionApp()
	if err := p.err(); err != nil {
		return Conversion{}, err
	}
	c := Conversion{
		Name: conversionInstall, Time: in.InstalledAt, ID: in.Measurement.EventID, App: app,
		UserData: in.UserData, DataProcessing: in.DataProcessing,
	}
	if c.ID == "" {
		c.ID = c.stableID()
	}
	return c, nil
}

// conversionApp returns the app of a call to /activities, or nil when it is about a thread, and the problems of
// everything but the events' names and parameters.
func (a *activityCall) conversionApp() (*AppConversion, problems) {
	var p problems
	if invalid, ok := a.validate(time.Now()).(*ValidationError); ok { //nolint:errorlint // validate returns no other
		p.issues = invalid.Issues
	}
	refuse := func(set bool, at *place) {
		if set {
			p.add(at, RuleConflict, noCounterpart)
		}
	}
	bundle, measurement := field("bundle"), field("measurement")
	refuse(a.bundle.ID != "", bundle.field("id"))
	refuse(a.bundle.Version != "", bundle.field("version"))
	refuse(a.bundle.ShortVersion != "", bundle.field("short_version"))
	refuse(a.bundle.SDKVersion != "", bundle.field("sdk_version"))
	refuse(a.bundle.PackageName != "", bundle.field("package_name"))
	refuse(a.bundle.Migration != "", bundle.field("migration"))
	refuse(a.bundle.SDK != "", bundle.field("sdk"))
	refuse(a.bundle.SkippedEvents != 0, bundle.field("skipped_events"))
	refuse(a.bundle.ReadsAdvertiserID != nil, bundle.field("reads_advertiser_id"))
	refuse(a.bundle.CircuitBreakerActive != nil, bundle.field("circuit_breaker_active"))
	refuse(a.bundle.CircuitBreakerTimeout != 0, bundle.field("circuit_breaker_timeout"))
	m := a.measurement
	refuse(m.InstallID != "", measurement.field("install_id"))
	refuse(m.GoogleInstallReferrer != "", measurement.field("google_install_referrer"))
	refuse(m.MetaInstallReferrer != "", measurement.field("meta_install_referrer"))
	refuse(m.AttributionReferrer != "", measurement.field("attribution_referrer"))
	refuse(m.ClickID != "", measurement.field("click_id"))
	refuse(m.IsFB != nil, measurement.field("is_fb"))
	refuse(len(m.Sources) > 0, measurement.field("sources"))
	refuse(m.WhatsAppOptIn != nil, measurement.field("whatsapp_opt_in"))
	refuse(len(a.extra) > 0, field("extra"))
	if a.thread == (Thread{}) {
		app := &AppConversion{
			Device: *a.device, ExtInfo: *a.extInfo, Consent: a.consent, ClientIP: a.clientIP,
			Installer: a.bundle.Installer, Receipts: a.bundle.Receipts, URLSchemes: a.bundle.URLSchemes,
			InstallReferrer: m.InstallReferrer, CampaignIDs: m.CampaignIDs, ConsiderViews: a.considerViews,
			IncludeDwellData: a.includeDwellData, IncludeVideoData: a.includeVideoData,
		}
		app.validateCounterparts(nil, &p)
		app.validateUser(a.userData.appendHashed(nil, nil, time.Now(), nil, nil), &p)
		return app, p
	}
	const onlyApps = "is for mobile apps: a conversion of a conversation does not carry it"
	for _, only := range [...]struct {
		name string
		set  bool
	}{
		{"client_ip", a.clientIP.IsValid()},
		{"bundle", a.bundle.Installer != "" || a.bundle.Receipts != "" || len(a.bundle.URLSchemes) > 0},
		{"measurement", m.InstallReferrer != "" || m.CampaignIDs != ""},
		{"consider_views", a.considerViews},
	} {
		if only.set {
			p.add(field(only.name), RuleConflict, onlyApps)
		}
	}
	if a.consent.Advertiser == Denied || a.consent.Application == Denied {
		p.add(field("consent"), RuleConflict, "conversions of conversations carry no consent, so a denied one cannot be sent")
	}
	return nil, p
}

func (a *AppConversion) validate(at *place, p *problems) {
	a.Device.validate(at.field("device"), p)
	a.ExtInfo.validate(at.field("ext_info"), p)
	a.Consent.validate(at.field("consent"), p)
	if a.ClientIP.IsValid() && (a.ClientIP.IsUnspecified() || a.ClientIP.IsMulticast()) {
		p.add(at.field("client_ip"), RuleFormat, "must be the address of a device")
	}
	if (a.IncludeDwellData || a.IncludeVideoData) && !a.ConsiderViews {
		p.add(at.field("consider_views"), RuleRequired, "must be true to ask for dwell or video data")
	}
	for _, text := range [...]struct{ name, value string }{
		{"installer", a.Installer}, {"receipts", a.Receipts}, {"install_referrer", a.InstallReferrer},
		{"campaign_ids", a.CampaignIDs},
	} {
		validateText(text.value, at.field(text.name), p)
	}
	for i, scheme := range a.URLSchemes {
		if scheme == "" {
			p.add(at.field("url_schemes").item(i), RuleRequired, "must be set")
		}
		validateText(scheme, at.field("url_schemes").item(i), p)
	}
	a.validateCounterparts(at, p)
}

// validateCounterparts checks what /activities takes in another form, or does without.
func (a *AppConversion) validateCounterparts(at *place, p *problems) {
	if a.Device.Attribution != "" {
		p.add(at.field("device").field("attribution"), RuleConflict, noCounterpart)
	}
	if a.Device.PlayerID != "" {
		p.add(at.field("device").field("player_id"), RuleConflict, noCounterpart)
	}
	if a.ExtInfo.IsZero() {
		p.add(at.field("ext_info"), RuleRequired, "must be set (2804043)")
	}
}

// validateUser checks that somebody is named. Where only user data does, Meta refuses what fits too many people.
func (a *AppConversion) validateUser(user []hashedField, p *problems) {
	if a.Device.AdvertiserID != "" || a.Device.AnonID != "" || a.Device.UserID != "" {
		return
	}
	if len(user) == 0 {
		p.add(field("user_data"), RuleRequired,
			"name the person: a device (advertiser ID, anonymous ID or user ID) or user data")
		return
	}
	for _, vague := range [...]string{" ct country st zp ge ", " db ", " fn ge ", " ln ge "} {
		if !slices.ContainsFunc(user, func(f hashedField) bool {
			return !strings.Contains(vague, " "+f.conversionsKey()+" ")
		}) {
			p.add(field("user_data"), RuleRequired,
				"fits too many people: add an email address, a phone number or an ID (2804050)")
			return
		}
	}
}

// append writes action_source, user_data and app_data.
func (a *AppConversion) append(dst []byte, user []hashedField) []byte {
	dst = append(dst, `,"action_source":"app","user_data":{`...)
	open := len(dst)
	dst = appendText(dst, "madid", a.Device.AdvertiserID)
	dst = appendText(dst, "anon_id", a.Device.AnonID)
	dst = appendText(dst, "fb_login_id", a.Device.UserID)
	if a.ClientIP.IsValid() {
		dst = appendText(dst, "client_ip_address", a.ClientIP.Unmap().WithZone("").String())
	}
	dst = appendUserData(dst, user)
	dst = dropComma(dst, open)

	dst = append(dst, `},"app_data":{"advertiser_tracking_enabled":`...)
	dst = strconv.AppendInt(dst, int64(a.Consent.Advertiser.flag()), 10)
	dst = append(dst, `,"application_tracking_enabled":`...)
	dst = strconv.AppendInt(dst, int64(a.Consent.Application.flag()), 10)
	dst = append(dst, `,"extinfo":`...)
	dst = a.ExtInfo.append(dst)
	dst = appendText(dst, "vendor_id", a.Device.VendorID)
	dst = appendText(dst, "device_token", a.Device.PushToken)
	dst = appendText(dst, "windows_attribution_id", a.Device.WindowsAttributionID)
	dst = appendText(dst, "installer_package", a.Installer)
	dst = appendText(dst, "receipt_data", a.Receipts)
	dst = appendTexts(dst, "url_schemes", a.URLSchemes)
	dst = appendText(dst, "install_referrer", a.InstallReferrer)
	dst = appendText(dst, "campaign_ids", a.CampaignIDs)
	for _, flag := range [...]struct {
		name string
		set  bool
	}{
		{"consider_views", a.ConsiderViews},
		{"include_dwell_data", a.IncludeDwellData},
		{"include_video_data", a.IncludeVideoData},
	} {
		if flag.set {
			dst = append(appendKey(dst, flag.name), '1')
		}
	}
	return append(dst, '}')
}

// addApp adds what tells apart the people of an app.
func (b *idParts) addApp(a *AppConversion, u *UserData) {
	b.add("app", a.ExtInfo.PackageName)
	b.add("madid", a.Device.AdvertiserID)
	b.add("anon_id", a.Device.AnonID)
	b.add("app_user_id", a.Device.UserID)
	b.add("vendor_id", a.Device.VendorID)
	for _, pair := range u.pairs() {
		b.add("user."+pair.Name, pair.Value)
	}
}
