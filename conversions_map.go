package appevents

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/jsonscan"
	"github.com/appevents/appevents-go/internal/names"
	"github.com/appevents/appevents-go/internal/wire"
)

// Conversion returns the event as [Client.SendConversions] takes it, for a Messenger or Instagram conversation: the
// way from LogActivity and LogPageActivity to the Conversions API. It changes neither e nor what e shares.
//
// Standard events get the names of the Conversions API; an event that already has one of them, such as OrderShipped,
// keeps it. Names that conversations do not know, and fields without a counterpart, are a [*ValidationError]. An event
// without an ID gets one made from the thread, name, time and content: equal events always get equal IDs. Two events
// without a Time that are otherwise equal get the same ID too. So set Time, preferably to that of the webhook.
func (e Event) Conversion(t Thread) (Conversion, error) {
	var p problems
	e.validate(nil, &p, time.Now())
	t.validateConversation(field("thread"), &p)
	c := e.convert(nil, &p, false)
	if err := p.err(); err != nil {
		return Conversion{}, err
	}
	c.Thread = t
	if c.ID == "" {
		c.ID = c.stableID()
	}
	return c, nil
}

// convert maps everything but the identity. For a mobile app, any name will do.
func (e *Event) convert(at *place, p *problems, app bool) Conversion {
	name := e.Name.conversion()
	if !app && names.Identifier(string(e.Name)) && !strings.HasPrefix(string(e.Name), automaticPrefix) &&
		!name.forMessaging() {
		p.add(at.field("name"), RuleUnknown, notForMessaging(string(e.Name)))
	}
	rest := *e
	rest.Name, rest.Value, rest.Time, rest.ID, rest.UserID = "", nil, time.Time{}, "", ""
	refuseSet(eventPlan, &rest, at, p)
	if e.UserID != "" {
		p.add(at.field("user_id"), RuleConflict, noCounterpart+"; your own ID of the person is UserData.ExternalID there")
	}
	if !e.Operational.isZero() {
		p.add(at.field("operational"), RuleConflict, noCounterpart)
	}
	return Conversion{
		Name: name, Value: e.Value, Time: e.Time, ID: e.ID, Data: e.Params.conversionData(at.field("params"), p),
	}
}

// conversionData maps the parameters: those that ConversionData has a field for, of the same name, fill the field. The
// others become details of the caller's own, under the name without Meta's prefix.
func (q *Params) conversionData(at *place, p *problems) ConversionData {
	data := ConversionData{Custom: maps.Clone(q.Custom)}
	for _, key := range slices.Sorted(maps.Keys(q.Custom)) {
		if home := dataHomes()[key]; home != "" {
			p.add(at.field(key), RuleReserved, "is a field of its own in the Conversions API: "+home)
		}
	}
	from, to := reflect.ValueOf(q).Elem(), reflect.ValueOf(&data).Elem()
	for i := range paramsPlan.Members() {
		m := paramsPlan.Value(q, i)
		field := to.FieldByName(m.Field)
		switch value := from.FieldByName(m.Field); {
		case !m.Set():
		case m.Field == "Contents":
			for _, c := range q.Contents {
				data.Contents = append(data.Contents, ConversionContent{ID: c.ID, Quantity: c.Quantity, ItemPrice: c.ItemPrice})
			}
		case field.IsValid() && m.Kind == wire.Texts:
			field.Set(reflect.ValueOf(slices.Clone(m.Texts())))
		case field.IsValid():
			field.Set(value)
		default:
			key := strings.TrimPrefix(m.Name, "fb_")
			if _, taken := data.Custom[key]; taken {
				p.add(at.field(key), RuleConflict, "is what the Conversions API calls "+m.Name+", which is set too")
			}
			if data.Custom == nil {
				data.Custom = make(map[string]any)
			}
			data.Custom[key] = reflect.Indirect(value).Interface()
		}
	}
	return data
}

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
	if *a.thread == (Thread{}) {
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

// stableIDPrefix marks an ID as made by stableID, in its first form. IDs must never change for the same event, so a
// change to what goes into them needs a new prefix.
const stableIDPrefix = "ae1-"

// stableID makes an ID from who did what, when and with which details. The time counts in milliseconds, as in
// webhooks, and not at all when it is not known.
func (c *Conversion) stableID() string {
	parts := make(wire.Parts, 0, 256)
	parts.Add("channel", c.Thread.Channel.String())
	parts.Add("page", string(c.Thread.PageID))
	parts.Add("person", string(c.Thread.PSID))
	if a := c.App; a != nil {
		parts.Add("app", a.ExtInfo.PackageName)
		parts.Add("madid", a.Device.AdvertiserID)
		parts.Add("anon_id", a.Device.AnonID)
		parts.Add("app_user_id", a.Device.UserID)
		parts.Add("vendor_id", a.Device.VendorID)
		for _, f := range c.UserData.appendHashed(nil, nil, time.Now(), nil, nil) {
			parts.Add("user."+string(f.key()), string(f.Digest()))
		}
	}
	parts.Add("name", string(c.Name))
	if !c.Time.IsZero() {
		parts.Add("time", strconv.FormatInt(c.Time.UnixMilli(), 10))
	}
	if c.Value != nil {
		parts.Add("value", string(jsonscan.AppendFloat(nil, *c.Value)))
	}
	wire.AddParts(&parts, "", dataPlan, &c.Data, func(name string) {
		for i := range c.Data.Contents {
			wire.AddParts(&parts, name+".", conversionContentPlan, &c.Data.Contents[i], nil)
		}
	})
	for _, key := range slices.Sorted(maps.Keys(c.Data.Custom)) {
		parts.Add("custom."+key, string(appendParam(nil, c.Data.Custom[key])))
	}
	sum := sha256.Sum256(parts)
	return stableIDPrefix + hex.EncodeToString(sum[:20])
}
