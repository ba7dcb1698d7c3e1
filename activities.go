package appevents

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-querystring/query"

	"github.com/appevents/appevents-go/internal/formenc"
	"github.com/appevents/appevents-go/internal/jsonscan"
)

// Activity is events of one person, sent to /activities by [Client.LogActivity]. The person is named by Thread (a
// Messenger conversation), by Device, or by UserData.
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

	// Events is required. More than the client's limit ([WithMaxEvents]) travel in several requests.
	Events []Event `json:"events,omitzero"`

	// Bundle, Measurement and the three flags are for apps and measurement partners; see [Install].
	Bundle           Bundle      `json:"bundle,omitzero"`
	Measurement      Measurement `json:"measurement,omitzero"`
	ConsiderViews    bool        `json:"consider_views,omitzero"`
	IncludeDwellData bool        `json:"include_dwell_data,omitzero"`
	IncludeVideoData bool        `json:"include_video_data,omitzero"`

	// Extra are parameters this package has no field for, sent as they are. Values that Graph wants as lists or
	// objects must be JSON text. They travel with every request of a call that is split. Names that have a field are
	// refused, and so are auto_publish, which Meta no longer uses, and custom_events_file, which is Events in another
	// encoding.
	Extra map[string]string `json:"extra,omitzero"`
}

// Install is the installation of a mobile app, sent to /activities by [Client.LogInstall].
//
// Report one install per person: de-duplicate by device and by your own user ID before you call. Do it from a server
// with the app token, which must never be stored on a device, and set ClientIP to the device's address. To see an
// install arrive, look at the app's Events Manager; it may take 20 minutes to show.
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

	// Extra are parameters this package has no field for, as in [Activity].
	Extra map[string]string `json:"extra,omitzero"`
}

// The kinds of call /activities takes.
const (
	kindCustomEvents = "CUSTOM_APP_EVENTS"
	kindInstall      = "MOBILE_APP_INSTALL"
	kindAppLink      = "DEFERRED_APP_LINK"
)

const permissionActivities = "use the app token, or a user token of someone with a role on the app"

var (
	opLogActivity = declare(operation{name: "log activity", permission: permissionActivities})
	opLogInstall  = declare(operation{name: "log install", permission: permissionActivities})
)

// LogActivity sends the events of a to POST /{app}/activities. It works without an access token; the app token, made
// from [WithAppSecret], is used when the client has nothing else for [ScopeApp].
//
// A non-nil result is returned on success only. When events had to be split over several requests and one of them
// failed, the error is a [*PartialError]. Errors are otherwise a [*ValidationError], a [*GraphError] or a
// [*CallError].
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
	common, err := call.body()
	if err != nil {
		return nil, err
	}
	return c.sendEvents(ctx, a.Events, func(events []Event) *request {
		var buf [1 << 10]byte
		body := formenc.AppendField(common, "custom_events", appendEvents(buf[:0], events))
		common = slices.Clip(common) // a further request gets memory of its own
		if hasOperational(events) {
			body = formenc.AppendField(body, "operational_parameters", appendOperational(nil, events))
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
	body, err := call.body()
	if err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, c.activityRequest(op, body, call.clientIP, ""))
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

// activityCall is what Activity, Install and AppLinkQuery have in common: one call to /activities.
type activityCall struct {
	kind             string
	thread           Thread
	device           *Device
	extInfo          *ExtInfo
	userData         *UserData
	clientIP         netip.Addr
	consent          Consent
	dataProcessing   DataProcessing
	events           []Event
	installedAt      time.Time
	considerViews    bool
	includeDwellData bool
	includeVideoData bool
	bundle           *Bundle
	measurement      *Measurement
	allowAnonID      bool
	extra            map[string]string
}

func (a *Activity) call() activityCall {
	return activityCall{
		kind: kindCustomEvents, thread: a.Thread, device: &a.Device, extInfo: &a.ExtInfo, userData: &a.UserData,
		clientIP: a.ClientIP, consent: a.Consent, dataProcessing: a.DataProcessing, events: a.Events,
		considerViews: a.ConsiderViews, includeDwellData: a.IncludeDwellData, includeVideoData: a.IncludeVideoData,
		bundle: &a.Bundle, measurement: &a.Measurement, extra: a.Extra,
	}
}

func (in *Install) call() activityCall {
	return activityCall{
		kind: kindInstall, device: &in.Device, extInfo: &in.ExtInfo, userData: &in.UserData, clientIP: in.ClientIP,
		consent: in.Consent, dataProcessing: in.DataProcessing, installedAt: in.InstalledAt,
		considerViews: in.ConsiderViews, includeDwellData: in.IncludeDwellData, includeVideoData: in.IncludeVideoData,
		bundle: &in.Bundle, measurement: &in.Measurement, allowAnonID: in.AllowAnonID, extra: in.Extra,
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
	if a.hasAppForm() {
		a.bundle.validate(field("bundle"), &p)
		a.measurement.validate(field("measurement"), &p, now)
	}
	validateTime(a.installedAt, field("installed_at"), &p, now)
	if (a.includeDwellData || a.includeVideoData) && !a.considerViews {
		p.add(field("consider_views"), RuleRequired, "must be true to ask for dwell or video data")
	}
	if ip := a.clientIP.Unmap(); ip.IsUnspecified() || ip.IsMulticast() {
		p.add(field("client_ip"), RuleFormat, "must be the address of a device")
	}
	home := activityParamHome
	if a.kind == kindAppLink {
		home = appLinkParamHome
	}
	validateExtra(a.extra, home, field("extra"), &p)
	return p.err()
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
	case a.thread != Thread{}:
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
	for i := range a.events {
		a.events[i].warn(field("events").item(i), &p)
	}
	a.device.warn(field("device"), &p)
	a.userData.warn(field("user_data"), &p)
	return p.issues
}

// activityGroups are the parameters of /activities that few calls have. Groups that are nil are not sent.
type activityGroups struct {
	UserData formenc.Pairs `url:"ud,omitempty"`

	*Device         `url:",omitempty"`
	*appForm        `url:",omitempty"`
	*processingForm `url:",omitempty"`
}

// appForm holds what only apps and measurement partners send.
type appForm struct {
	UserIDType            string       `url:"user_id_type,omitempty"`
	InstallTimestamp      int64        `url:"install_timestamp,omitempty"`
	ConsiderViews         bool         `url:"consider_views,int,omitempty"`
	IncludeDwellData      bool         `url:"include_dwell_data,int,omitempty"`
	IncludeVideoData      bool         `url:"include_video_data,int,omitempty"`
	URLSchemes            formenc.JSON `url:"url_schemes,omitempty"`
	CircuitBreakerTimeout int64        `url:"circuit_breaker_timeout_ms,omitempty"`
	AttributionSources    formenc.JSON `url:"attribution_sources,omitempty"`
	Bundle
	Measurement
}

// processingForm holds the data-processing options.
type processingForm struct {
	Options formenc.JSON `url:"data_processing_options"`
	Country int          `url:"data_processing_options_country"`
	State   int          `url:"data_processing_options_state"`
}

// body encodes everything but the events, which may differ by request. What every call has is written directly: by
// reflection it would cost more than all the rest of a bot's call.
func (a *activityCall) body() ([]byte, error) {
	dst := formenc.AppendField(make([]byte, 0, 512), "event", a.kind)
	dst = formenc.AppendField(dst, "advertiser_tracking_enabled", strconv.Itoa(a.consent.Advertiser.flag()))
	dst = formenc.AppendField(dst, "application_tracking_enabled", strconv.Itoa(a.consent.Application.flag()))
	switch {
	case !a.thread.IsZero():
		dst = formenc.AppendField(dst, "extinfo", messengerExtInfo)
		dst = formenc.AppendField(dst, "page_id", string(a.thread.PageID))
		dst = formenc.AppendField(dst, "page_scoped_user_id", string(a.thread.PSID))
	case !a.extInfo.IsZero():
		dst = formenc.AppendField(dst, "extinfo", a.extInfo.append(nil))
	}
	if a.userData.IsZero() && a.device.IsZero() && !a.hasAppForm() && !a.dataProcessing.set() && len(a.extra) == 0 {
		return dst, nil
	}
	values, err := a.groups()
	if err != nil {
		return nil, err
	}
	return formenc.Append(dst, values), nil
}

// groups encodes the parameters that few calls have.
func (a *activityCall) groups() (url.Values, error) {
	groups := activityGroups{UserData: a.userData.pairs()}
	if !a.device.IsZero() {
		groups.Device = a.device
	}
	var err error
	if groups.appForm, err = a.appForm(); err != nil {
		return nil, err
	}
	if a.dataProcessing.set() {
		options := `[]`
		if a.dataProcessing.LimitedDataUse {
			options = `["LDU"]`
		}
		groups.processingForm = &processingForm{
			Options: formenc.JSON(options), Country: a.dataProcessing.Country, State: a.dataProcessing.State,
		}
	}
	values, err := query.Values(&groups)
	if err != nil {
		return nil, fmt.Errorf("appevents: encode form: %w", err)
	}
	for name, value := range a.extra {
		values.Set(name, value)
	}
	return values, nil
}

// hasAppForm reports whether the call has anything only apps and measurement partners send.
func (a *activityCall) hasAppForm() bool {
	return !a.installedAt.IsZero() || a.considerViews || !a.bundle.isZero() || !a.measurement.isZero() ||
		a.device.PlayerID != ""
}

func (a *activityCall) appForm() (*appForm, error) {
	if !a.hasAppForm() {
		return nil, nil
	}
	form := &appForm{
		ConsiderViews: a.considerViews, IncludeDwellData: a.includeDwellData, IncludeVideoData: a.includeVideoData,
		Bundle: *a.bundle, Measurement: *a.measurement,
		CircuitBreakerTimeout: a.bundle.CircuitBreakerTimeout.Milliseconds(),
	}
	if a.device.PlayerID != "" {
		form.UserIDType = "INSTANT_GAMES_PLAYER_ID"
	}
	if !a.installedAt.IsZero() {
		form.InstallTimestamp = a.installedAt.Unix()
	}
	if schemes := a.bundle.URLSchemes; len(schemes) > 0 {
		list := []byte{'['}
		for i, scheme := range schemes {
			if i > 0 {
				list = append(list, ',')
			}
			list = jsonscan.AppendString(list, scheme)
		}
		form.URLSchemes = append(list, ']')
	}
	if sources := a.measurement.Sources; len(sources) > 0 {
		list := make([]map[string]any, len(sources))
		for i, source := range sources {
			list[i] = source.wire()
		}
		text, err := json.Marshal(list)
		if err != nil {
			return nil, fmt.Errorf("appevents: encode attribution sources: %w", err)
		}
		form.AttributionSources = text
	}
	return form, nil
}

func (c *Client) activityRequest(op *operation, body []byte, clientIP netip.Addr, related ID) *request {
	return &request{
		op:       op,
		method:   http.MethodPost,
		node:     c.appID,
		edge:     string(EdgeActivities),
		scope:    Scope{Kind: ScopeApp, ID: c.appID},
		noToken:  true,
		encoding: formEncoding,
		body:     body,
		clientIP: clientIP,
		related:  related,
	}
}

// sendEvents sends events in requests of bounded size, in order, and stops at the first that fails.
func (c *Client) sendEvents(
	ctx context.Context, events []Event, build func([]Event) *request,
) (*ActivityResult, error) {
	result := new(ActivityResult)
	for start := 0; start < len(events); {
		end := min(start+c.maxEvents, len(events))
		resp, err := c.do(ctx, build(events[start:end]))
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

// activityParamHome names the typed home of a parameter of /activities, or returns "".
func activityParamHome(name string) string {
	switch name {
	case "event":
		return "LogActivity, LogInstall or DeferredAppLink"
	case "custom_events":
		return "Activity.Events"
	case "custom_events_file":
		return "Activity.Events, of which the file is another encoding"
	case "operational_parameters":
		return "Event.Operational"
	case "advertiser_tracking_enabled", "application_tracking_enabled":
		return "Consent"
	case "page_id", "page_scoped_user_id":
		return "Activity.Thread"
	case "extinfo":
		return "ExtInfo"
	case "ud":
		return "UserData"
	case "data_processing_options", "data_processing_options_country", "data_processing_options_state":
		return "DataProcessing"
	case "limited_data_use":
		return "DataProcessing.LimitedDataUse, whose parameter took its place"
	case "advertiser_id", "anon_id", "app_user_id", "attribution", "device_token", "user_id", "user_id_type",
		"vendor_id", "windows_attribution_id":
		return "Device"
	case "advertiser_id_collection_enabled", "application_package_name", "bundle_id", "bundle_short_version",
		"bundle_version", "circuit_breaker_timeout_ms", "installer_package", "is_circuit_breaker_active",
		"migration_bundle", "num_skipped_events", "receipt_data", "sdk", "sdk_version", "url_schemes":
		return "Bundle"
	case "add_to_messaging_customer_base_for_whatsapp", "attribution_referrer", "attribution_sources", "campaign_ids",
		"click_id", "event_id", "google_install_referrer", "install_id", "install_referrer", "is_fb",
		"meta_install_referrer":
		return "Measurement"
	case "install_timestamp":
		return "Install.InstalledAt"
	case "consider_views":
		return "ConsiderViews"
	case "include_dwell_data":
		return "IncludeDwellData"
	case "include_video_data":
		return "IncludeVideoData"
	}
	return ""
}

// validateExtra checks parameters outside the model. home names the field of a parameter that has one.
func validateExtra(extra map[string]string, home func(string) string, at *place, p *problems) {
	if len(extra) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		switch name {
		case "access_token", "appsecret_proof", "appsecret_time":
			p.add(at.field(name), RuleReserved, "credentials are options of the client")
			continue
		case "format", "method", "suppress_http_code":
			p.add(at.field(name), RuleReserved, "changes what the call or its answer means")
			continue
		case "auto_publish":
			p.add(at.field(name), RuleReserved, "Meta no longer uses it: leave it out")
			continue
		}
		if len(name) > 100 || !validParamName(name) {
			// The name is not repeated: it may be anything.
			p.add(at, RuleFormat, "a parameter name must be 1 to 100 ASCII letters, digits and underscores")
			continue
		}
		if field := home(name); field != "" {
			p.add(at.field(name), RuleReserved, "use "+field)
		}
		validateText(extra[name], at.field(name), p)
	}
}

func validParamName(name string) bool {
	return name != "" && alphanumeric(strings.ReplaceAll(name, "_", ""))
}
