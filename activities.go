package appevents

import (
	"context"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/appevents/appevents-go/internal/carrier"
	"github.com/appevents/appevents-go/internal/formenc"
	"github.com/appevents/appevents-go/internal/wire"
)

// Activity holds events of one person. [Client.LogActivity] sends them to /activities. Thread (a Messenger
// conversation), Device or UserData says who the person is.
//
// https://developers.facebook.com/docs/messenger-platform/analytics/app-events
type Activity struct {
	// Thread is the Messenger conversation the events happened in; the call is then sent in its mb1 form. It excludes
	// Device and ExtInfo.
	Thread Thread `json:"thread,omitzero"`

	// Device identifies the app installation, for events of a mobile app.
	Device Device `json:"device,omitzero"`

	// ExtInfo describes the device further.
	ExtInfo ExtInfo `json:"ext_info,omitzero"`

	// UserData helps Meta recognise the person. It is hashed before it is sent.
	UserData UserData `json:"user_data,omitzero"`

	// ClientIP is the device's own address, IPv4 or IPv6, sent as X-Forwarded-For with this call only. Set it for
	// app events logged from a server; a bot does not know it.
	ClientIP netip.Addr `json:"client_ip,omitzero"`

	// Consent is required.
	Consent Consent `json:"consent,omitzero"`

	// DataProcessing asks for Limited Data Use.
	DataProcessing DataProcessing `json:"data_processing,omitzero"`

	// Events is required. More events than the client's limit ([WithMaxEvents]) are sent in several requests.
	Events []Event `json:"events,omitzero"`

	// Bundle, Measurement and the three flags are for apps and measurement partners; see [Install].
	Bundle           Bundle      `json:"bundle,omitzero"`
	Measurement      Measurement `json:"measurement,omitzero"`
	ConsiderViews    bool        `json:"consider_views,omitzero"`
	IncludeDwellData bool        `json:"include_dwell_data,omitzero"`
	IncludeVideoData bool        `json:"include_video_data,omitzero"`

	// Extra holds parameters that this package has no field for. They are sent as they are, with every request of a call
	// that is split. Lists and objects must be given as JSON text. Names that have a field are refused, and so are
	// auto_publish, which Meta no longer uses, and custom_events_file, which is Events in another encoding.
	Extra map[string]string `json:"extra,omitzero"`
}

// Install is the installation of a mobile app, sent to /activities by [Client.LogInstall].
//
// Report one install per person: de-duplicate by device and by your own user ID before you call. Report it from a
// server, with the app token, which must never be stored on a device, and set ClientIP to the device's address. The
// install shows up in the app's Events Manager, which may take 20 minutes.
//
// https://developers.facebook.com/docs/marketing-api/app-event-api
type Install struct {
	// Device identifies the installation; AdvertiserID or Attribution is required.
	Device Device `json:"device,omitzero"`

	// ExtInfo describes the device further.
	ExtInfo ExtInfo `json:"ext_info,omitzero"`

	// UserData helps Meta recognise the person. It is hashed before it is sent.
	UserData UserData `json:"user_data,omitzero"`

	// ClientIP is the device's own address, IPv4 or IPv6, sent as X-Forwarded-For with this call only.
	ClientIP netip.Addr `json:"client_ip,omitzero"`

	// Consent is required.
	Consent Consent `json:"consent,omitzero"`

	// DataProcessing asks for Limited Data Use.
	DataProcessing DataProcessing `json:"data_processing,omitzero"`

	// InstalledAt is when the app was installed (install_timestamp), sent as whole seconds; zero means now.
	InstalledAt time.Time `json:"installed_at,omitzero"`

	// ConsiderViews lets Meta claim the install for an ad that was seen within a day and not clicked.
	// IncludeDwellData and IncludeVideoData ask for details of such views; both need ConsiderViews.
	ConsiderViews    bool `json:"consider_views,omitzero"`
	IncludeDwellData bool `json:"include_dwell_data,omitzero"`
	IncludeVideoData bool `json:"include_video_data,omitzero"`

	// Bundle describes the app, Measurement what measurement partners and deep links add.
	Bundle      Bundle      `json:"bundle,omitzero"`
	Measurement Measurement `json:"measurement,omitzero"`

	// AllowAnonID accepts an install that Device.AnonID alone identifies, as Meta's iOS SDK sends it. Meta's
	// documentation asks for an advertiser ID or attribution.
	AllowAnonID bool `json:"allow_anon_id,omitzero"`

	// Extra holds parameters that this package has no field for, as in [Activity].
	Extra map[string]string `json:"extra,omitzero"`
}

const permissionActivities = "use the app token, or a user token of someone with a role on the app"

var (
	opLogActivity = declare(operation{name: "log activity", permission: permissionActivities})
	opLogInstall  = declare(operation{name: "log install", permission: permissionActivities})
)

// LogActivity sends the events of a to POST /{app}/activities. It works without an access token; the app token, made
// from [WithAppSecret], is used when the client has nothing else for [ScopeApp].
//
// The result is nil unless the call succeeded. When the events had to be split over several requests and one of them
// failed, the error is a [*PartialError]. Otherwise it is a [*ValidationError], a [*GraphError] or a [*CallError].
func (c *Client) LogActivity(ctx context.Context, a *Activity) (*ActivityResult, error) {
	if err := c.ready(opLogActivity); err != nil {
		return nil, err
	}
	if a == nil {
		return nil, nilCall(opLogActivity.name)
	}
	call := a.call()
	if err := call.validate(time.Now()); err != nil {
		return nil, err
	}
	c.watcher.warn(ctx, opLogActivity, call.warnings)
	common := call.body()
	return c.sendEvents(ctx, a.Events, func(events []Event) request {
		body := formenc.AppendField(common, nameCustomEvents, "")
		body = formenc.Escape(appendEvents(body, events), len(body))
		common = slices.Clip(common) // a further request gets memory of its own
		if hasOperational(events) {
			body = formenc.AppendField(body, nameOperational, appendOperational(nil, events))
		}
		return c.activityRequest(opLogActivity, body, a.ClientIP, a.Thread.PageID)
	})
}

// LogInstall reports the installation of a mobile app to POST /{app}/activities. The result holds Meta's claim when
// an ad led to the install. Tokens and errors are as in [Client.LogActivity].
func (c *Client) LogInstall(ctx context.Context, in *Install) (*ActivityResult, error) {
	if in == nil {
		return nil, nilCall(opLogInstall.name)
	}
	return c.sendOne(ctx, opLogInstall, in.call())
}

// sendOne makes a call without events, in one request.
func (c *Client) sendOne(ctx context.Context, op *operation, call activityCall) (*ActivityResult, error) {
	if err := c.ready(op); err != nil {
		return nil, err
	}
	if err := call.validate(time.Now()); err != nil {
		return nil, err
	}
	c.watcher.warn(ctx, op, call.warnings)
	r := c.activityRequest(op, call.body(), call.clientIP, "")
	resp, err := c.do(ctx, &r)
	if err != nil {
		return nil, err
	}
	result := &ActivityResult{Response: resp, Requests: 1}
	result.readClaim()
	return result, nil
}

// Validate checks everything that can be known before the call is sent and returns a [*ValidationError] that lists
// every problem, or nil. [Client.LogActivity] does the same first.
func (a *Activity) Validate() error {
	if a == nil {
		return nilCall(opLogActivity.name)
	}
	call := a.call()
	return call.validate(time.Now())
}

// Validate is [Activity.Validate] for an install.
func (in *Install) Validate() error {
	if in == nil {
		return nilCall(opLogInstall.name)
	}
	call := in.call()
	return call.validate(time.Now())
}

// Warnings lists what Meta's sources disagree on or leave open, and personal data that had to be left out: the call
// is sent all the same. Nil means none.
func (a *Activity) Warnings() []Issue {
	if a == nil {
		return nil
	}
	call := a.call()
	return call.warnings()
}

// Warnings is [Activity.Warnings] for an install.
func (in *Install) Warnings() []Issue {
	if in == nil {
		return nil
	}
	call := in.call()
	return call.warnings()
}

func nilCall(op string) error {
	return &ValidationError{Issues: []Issue{{Rule: RuleRequired, Message: op + ": the call is nil"}}}
}

// The parameters of /activities that are more than a field of their own. Those of the groups are declared in their
// types.
const (
	nameEvent        = "event"
	nameCustomEvents = "custom_events"
	nameOperational  = "operational_parameters"
	nameExtInfo      = "extinfo"
	nameUserData     = "ud"
	nameUserIDType   = "user_id_type"
	nameInstalledAt  = "install_timestamp"

	userIDTypePlayer = "INSTANT_GAMES_PLAYER_ID"
)

// views are the flags that Activity, Install and AppConversion have as fields of their own.
type views struct {
	ConsiderViews    bool `json:"consider_views"`
	IncludeDwellData bool `json:"include_dwell_data"`
	IncludeVideoData bool `json:"include_video_data"`
}

var viewsPlan = wire.For[views]()

func (v views) validate(at *place, p *problems) {
	if (v.IncludeDwellData || v.IncludeVideoData) && !v.ConsiderViews {
		p.add(at.field("consider_views"), RuleRequired, "must be true to ask for dwell or video data")
	}
}

// activityHomes are the parameters that Extra must not set.
var activityHomes = sync.OnceValue(func() homes {
	all := homes{
		nameEvent:                  "LogActivity, LogInstall or DeferredAppLink",
		nameCustomEvents:           "Activity.Events",
		nameCustomEvents + "_file": "Activity.Events, of which the file is another encoding",
		nameOperational:            "Event.Operational",
		nameExtInfo:                "ExtInfo",
		nameUserData:               "UserData",
		nameUserIDType:             "Device.PlayerID",
		nameInstalledAt:            "Install.InstalledAt",
	}
	addHomes(all, "Consent.", consentPlan)
	addHomes(all, "Activity.Thread.", threadPlan)
	addHomes(all, "DataProcessing.", processingPlan)
	addHomes(all, "Device.", devicePlan)
	addHomes(all, "Bundle.", bundlePlan)
	addHomes(all, "Measurement.", measurementPlan)
	addHomes(all, "", viewsPlan)
	return all
})

// activityCall is what Activity, Install and AppLinkQuery have in common: one call to /activities.
type activityCall struct {
	kind           string
	thread         *Thread
	device         *Device
	extInfo        *ExtInfo
	userData       *UserData
	clientIP       netip.Addr
	consent        *Consent
	dataProcessing *DataProcessing
	events         []Event
	installedAt    time.Time
	views          views
	bundle         *Bundle
	measurement    *Measurement
	allowAnonID    bool
	extra          map[string]string
	homes          func() homes // of what extra must not set
}

func (a *Activity) call() activityCall {
	return activityCall{
		kind: kindCustomEvents, thread: &a.Thread, device: &a.Device, extInfo: &a.ExtInfo, userData: &a.UserData,
		clientIP: a.ClientIP, consent: &a.Consent, dataProcessing: &a.DataProcessing, events: a.Events,
		views:  views{a.ConsiderViews, a.IncludeDwellData, a.IncludeVideoData},
		bundle: &a.Bundle, measurement: &a.Measurement, extra: a.Extra, homes: activityHomes,
	}
}

func (in *Install) call() activityCall {
	return activityCall{
		kind: kindInstall, thread: new(Thread), device: &in.Device, extInfo: &in.ExtInfo, userData: &in.UserData,
		clientIP: in.ClientIP, consent: &in.Consent, dataProcessing: &in.DataProcessing, installedAt: in.InstalledAt,
		views:  views{in.ConsiderViews, in.IncludeDwellData, in.IncludeVideoData},
		bundle: &in.Bundle, measurement: &in.Measurement, allowAnonID: in.AllowAnonID, extra: in.Extra,
		homes: activityHomes,
	}
}

func (a *activityCall) validate(now time.Time) error {
	var p problems
	if a.kind == kindCustomEvents {
		validateEvents(a.events, &p, now)
	}
	a.validateIdentity(&p)
	if !a.device.IsZero() {
		a.device.validate(field("device"), &p)
	}
	a.extInfo.validate(field("ext_info"), &p)
	if !a.userData.IsZero() {
		a.userData.validate(field("user_data"), &p)
	}
	a.consent.validate(field("consent"), &p)
	a.dataProcessing.validate(field("data_processing"), &p)
	check(bundlePlan, a.bundle, field("bundle"), &p, now)
	a.measurement.validate(field("measurement"), &p, now)
	validateTime(a.installedAt, field("installed_at"), &p, now)
	a.views.validate(nil, &p)
	validateClientIP(a.clientIP, field("client_ip"), &p)
	if len(a.extra) > 0 {
		validateExtra(a.extra, a.homes(), field("extra"), &p)
	}
	return p.err()
}

func validateClientIP(ip netip.Addr, at *place, p *problems) {
	if ip = ip.Unmap(); ip.IsUnspecified() || ip.IsMulticast() {
		p.add(at, RuleFormat, "must be the address of a device")
	}
}

// validateEvents checks the events of a call to /activities or /page_activities.
func validateEvents(events []Event, p *problems, now time.Time) {
	at := field("events")
	if len(events) == 0 {
		p.add(at, RuleRequired, "must hold at least one event")
	}
	for i := range events {
		events[i].validate(at.item(i), p, now)
	}
}

// validateIdentity checks that the call names a person, by the rule the server states for its kind.
func (a *activityCall) validateIdentity(p *problems) {
	switch {
	case a.kind == kindInstall:
		if a.device.AdvertiserID == "" && a.device.Attribution == "" && !(a.allowAnonID && a.device.AnonID != "") {
			p.add(field("device"), RuleRequired, "needs an advertiser ID or attribution")
		}
	case a.kind == kindAppLink:
		if a.device.AdvertiserID == "" && a.device.Attribution == "" && a.device.AnonID == "" {
			p.add(field("device"), RuleRequired, "needs an advertiser ID, attribution or an anonymous ID")
		}
	case *a.thread != Thread{}:
		a.thread.validateMessenger(field("thread"), p)
		if !a.device.IsZero() {
			p.add(field("device"), RuleConflict, "cannot be combined with a thread")
		}
		if !a.extInfo.IsZero() {
			p.add(field("ext_info"), RuleConflict, "cannot be combined with a thread, whose extinfo is mb1")
		}
	case a.device.AdvertiserID == "" && a.device.Attribution == "" && a.device.AnonID == "" &&
		a.device.PlayerID == "" && !a.userData.identifies():
		p.add(nil, RuleRequired, "name the person: a thread, a device (advertiser ID, attribution, anonymous ID or "+
			"player ID) or user data")
	}
}

func (a *activityCall) warnings() []Issue {
	var p problems
	warnEvents(a.events, &p)
	a.thread.warn(field("thread"), &p)
	a.device.warn(field("device"), &p)
	a.extInfo.warn(field("ext_info"), &p)
	a.userData.warn(field("user_data"), &p)
	return p.issues
}

// body encodes everything but the events, which differ by request.
func (a *activityCall) body() []byte {
	dst := formenc.AppendField(make([]byte, 0, 512), nameEvent, a.kind)
	dst = consentPlan.AppendForm(dst, a.consent)
	switch {
	case !a.thread.IsZero():
		dst = formenc.AppendField(dst, nameExtInfo, messengerExtInfo)
		dst = threadPlan.AppendForm(dst, a.thread)
	case !a.extInfo.IsZero():
		dst = formenc.AppendField(dst, nameExtInfo, a.extInfo.append(nil))
	}
	dst = devicePlan.AppendForm(dst, a.device)
	if a.device.PlayerID != "" {
		dst = formenc.AppendField(dst, nameUserIDType, userIDTypePlayer)
	}
	dst = a.userData.appendForm(dst, nameUserData)
	if a.dataProcessing.set() {
		dst = processingPlan.AppendForm(dst, a.dataProcessing)
	}
	if !a.installedAt.IsZero() {
		dst = formenc.AppendField(dst, nameInstalledAt, strconv.FormatInt(a.installedAt.Unix(), 10))
	}
	if a.views.ConsiderViews {
		views := a.views // a copy, so that a stays on the stack
		dst = viewsPlan.AppendForm(dst, &views)
	}
	dst = bundlePlan.AppendForm(dst, a.bundle)
	dst = measurementPlan.AppendForm(dst, a.measurement)
	if len(a.extra) > 0 {
		for _, name := range slices.Sorted(maps.Keys(a.extra)) {
			dst = formenc.AppendField(dst, name, a.extra[name])
		}
	}
	return dst
}

func (c *Client) activityRequest(op *operation, body []byte, clientIP netip.Addr, related ID) request {
	return request{
		op:       op,
		method:   http.MethodPost,
		node:     c.appID,
		edge:     string(EdgeActivities),
		scope:    Scope{Kind: ScopeApp, ID: c.appID},
		noToken:  true,
		encoding: carrier.Form,
		body:     body,
		clientIP: clientIP,
		related:  related,
	}
}

// sendEvents sends events in requests of bounded size, in order, and stops at the first that fails.
func (c *Client) sendEvents(
	ctx context.Context, events []Event, build func([]Event) request,
) (*ActivityResult, error) {
	result := new(ActivityResult)
	for start := 0; start < len(events); {
		end := min(start+c.maxEvents, len(events))
		r := build(events[start:end])
		resp, err := c.do(ctx, &r)
		if err != nil {
			if len(events) > c.maxEvents {
				err = &PartialError{Accepted: start, Failed: end, Total: len(events), Err: err}
			}
			return nil, err
		}
		result.Response = resp
		result.readClaim()
		result.Requests++
		result.Events, start = end, end
	}
	return result, nil
}
