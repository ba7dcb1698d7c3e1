package appevents

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/wire"
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

	// ClientIP is the device's own address, IPv4 or IPv6.
	ClientIP netip.Addr `json:"client_ip,omitzero"`

	// Installer is the Android installer package, Receipts the in-app purchase receipts as text, URLSchemes the schemes
	// that the app opens; see [Bundle].
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

// groups returns what a has of the groups of /activities, which declare the parameters.
func (a *AppConversion) groups() (Bundle, Measurement, views) {
	return Bundle{Installer: a.Installer, Receipts: a.Receipts, URLSchemes: a.URLSchemes},
		Measurement{InstallReferrer: a.InstallReferrer, CampaignIDs: a.CampaignIDs},
		views{a.ConsiderViews, a.IncludeDwellData, a.IncludeVideoData}
}

// Conversions returns the events of a as [Client.SendConversions] takes them: the way from /activities to the
// Conversions API. Events of a thread become events of that conversation, as with [Event.Conversion]; events of a
// device become events of the app, for which any name will do. All share a's user data, and an App value.
//
// What has no counterpart is a [*ValidationError]. So is a denied consent for a thread: conversations have no place
// for it, and leaving it out would say that nothing was denied.
func (a *Activity) Conversions() ([]Conversion, error) {
	if a == nil {
		return nil, nilCall(opSendConversions)
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
		return Conversion{}, nilCall(opSendConversions)
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
	bundle, measurement := *a.bundle, *a.measurement
	bundle.Installer, bundle.Receipts, bundle.URLSchemes = "", "", nil
	refuseSet(bundlePlan, &bundle, field("bundle"), &p)
	measurement.EventID, measurement.InstallReferrer, measurement.CampaignIDs = "", "", ""
	refuseSet(measurementPlan, &measurement, field("measurement"), &p)
	if len(a.extra) > 0 {
		p.add(field("extra"), RuleConflict, noCounterpart)
	}
	app := &AppConversion{
		Device: *a.device, ExtInfo: *a.extInfo, Consent: *a.consent, ClientIP: a.clientIP,
		Installer: a.bundle.Installer, Receipts: a.bundle.Receipts, URLSchemes: a.bundle.URLSchemes,
		InstallReferrer: a.measurement.InstallReferrer, CampaignIDs: a.measurement.CampaignIDs,
		ConsiderViews: a.views.ConsiderViews, IncludeDwellData: a.views.IncludeDwellData,
		IncludeVideoData: a.views.IncludeVideoData,
	}
	if a.thread == (Thread{}) {
		app.validateCounterparts(nil, &p)
		app.validateUser(a.userData.appendHashed(nil, nil, time.Now(), nil, nil), &p)
		return app, p
	}
	onlyApps := func(set bool, at *place) {
		if set {
			p.add(at, RuleConflict, "is for mobile apps: a conversion of a conversation does not carry it")
		}
	}
	onlyApps(a.clientIP.IsValid(), field("client_ip"))
	onlyApps(app.Installer != "" || app.Receipts != "" || len(app.URLSchemes) > 0, field("bundle"))
	onlyApps(app.InstallReferrer != "" || app.CampaignIDs != "", field("measurement"))
	onlyApps(app.ConsiderViews, field("consider_views"))
	if a.consent.Advertiser == Denied || a.consent.Application == Denied {
		p.add(field("consent"), RuleConflict, "conversions of conversations carry no consent, so a denied one cannot be sent")
	}
	return nil, p
}

// refuseSet adds a problem for each field that is set and has no counterpart in the Conversions API.
func refuseSet[T any](plan *wire.Plan[T], v *T, at *place, p *problems) {
	for i := range plan.Members() {
		if m := plan.Value(v, i); m.Set() {
			p.add(at.field(m.Stored), RuleConflict, noCounterpart)
		}
	}
}

func (a *AppConversion) validate(at *place, p *problems) {
	a.Device.validate(at.field("device"), p)
	a.ExtInfo.validate(at.field("ext_info"), p)
	a.Consent.validate(at.field("consent"), p)
	validateClientIP(a.ClientIP, at.field("client_ip"), p)
	bundle, measurement, views := a.groups()
	views.validate(at, p)
	check(bundlePlan, &bundle, at, p, time.Time{})
	check(measurementPlan, &measurement, at, p, time.Time{})
	a.validateCounterparts(at, p)
}

// validateCounterparts checks what /activities takes in another form, or does without.
func (a *AppConversion) validateCounterparts(at *place, p *problems) {
	for i := range devicePlan.Members() {
		m := devicePlan.Value(&a.Device, i)
		_, inUserData := m.Tag.Lookup("user_data")
		_, inAppData := m.Tag.Lookup("app_data")
		if m.Set() && !inUserData && !inAppData {
			p.add(at.field("device").field(m.Stored), RuleConflict, noCounterpart)
		}
	}
	if a.ExtInfo.IsZero() {
		p.add(at.field("ext_info"), RuleRequired, "must be set (2804043)")
	} else if a.ExtInfo.OSVersion == "" {
		p.add(at.field("ext_info").field("os_version"), RuleRequired, "must be set (2804043)")
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
