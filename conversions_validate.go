package appevents

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/appevents/appevents-go/internal/names"
	"github.com/appevents/appevents-go/internal/wire"
)

const (
	// maxConversionAge is how old an event Meta takes; a single older one makes it refuse the whole request.
	maxConversionAge = 7 * 24 * time.Hour

	// Later than this, Meta says, optimisation and attribution suffer.
	lateForOptimisation = 2 * time.Hour
	lateForAttribution  = 24 * time.Hour
)

// Validate checks everything that can be known before the conversion is sent and returns a [*ValidationError] that
// lists every problem, or nil. [Client.SendConversions] does the same first.
func (c Conversion) Validate() error {
	var p problems
	c.validate(&p, time.Now())
	return p.err()
}

// Warnings lists what is known to go wrong without being refused, such as an event that comes late: the conversion is
// sent all the same. Nil means none.
func (c Conversion) Warnings() []Issue {
	var p problems
	if !c.Time.IsZero() {
		switch age := time.Since(c.Time); {
		case age > lateForAttribution:
			p.add(field("time"), RuleRange, "more than a day late hurts attribution")
		case age > lateForOptimisation:
			p.add(field("time"), RuleRange, "more than two hours late hurts optimisation")
		}
	}
	if !c.WhatsApp.IsZero() {
		switch c.Name {
		case ConversionAddToCart, ConversionInitiateCheckout, ConversionLeadSubmitted, ConversionPurchase,
			ConversionViewContent:
		default:
			p.add(field("name"), RuleUnknown, "Meta is known to refuse this event for WhatsApp")
		}
	}
	if c.Value != nil && *c.Value < 0 {
		p.add(field("value"), RuleRange, "a negative price lowers the reported sum")
	}
	c.Thread.warn(field("thread"), &p)
	c.UserData.warn(field("user_data"), &p)
	return p.issues
}

// Validate checks everything that can be known before the call is sent and returns a [*ValidationError] that lists
// every problem, or nil.
func (c *ConversionCall) Validate() error {
	if c == nil {
		return nilCall(sendConversions)
	}
	var all, own problems
	c.DatasetID.validate(field("dataset_id"), &all)
	if len(c.Conversions) == 0 {
		all.add(field("conversions"), RuleRequired, "must hold at least one conversion")
	}
	now := time.Now()
	for i := range c.Conversions {
		own.issues = own.issues[:0]
		c.Conversions[i].validate(&own, now)
		all.issues = append(all.issues, own.under(field("conversions").item(i))...)
	}
	return all.err()
}

// Warnings lists what Meta's sources disagree on, and personal data that has to be left out: the call is sent all the
// same. Nil means none.
func (c *ConversionCall) Warnings() []Issue {
	if c == nil {
		return nil
	}
	var all problems
	for i := range c.Conversions {
		own := problems{issues: c.Conversions[i].Warnings()}
		all.issues = append(all.issues, own.under(field("conversions").item(i))...)
	}
	warnRepeats(len(c.Conversions), func(i int) string { return c.Conversions[i].ID }, field("conversions"), &all)
	return all.issues
}

// validate checks the conversion as one on its own; see problems.under.
func (c *Conversion) validate(p *problems, now time.Time) {
	var user [numUserDataKeys]hashedField
	c.check(user[:0], p, now)
}

// check validates the conversion and returns its user data as it is sent, appended to user, so that it need not be
// hashed twice. It sits on the hot path: a place is made only for a problem.
func (c *Conversion) check(user []hashedField, p *problems, now time.Time) []hashedField {
	if !c.UserData.IsZero() {
		user = c.UserData.appendHashed(user, nil, now, p, nil)
	}
	c.validateIdentity(user, p)
	c.validateName(p)
	if !c.Time.IsZero() {
		if c.Time.Before(now.Add(-maxConversionAge)) {
			p.add(field("time"), RuleRange, "must be at most 7 days ago (2804003)")
		} else if c.Time.After(now) {
			validateTime(c.Time, field("time"), p, now)
		}
	}
	if !utf8.ValidString(c.ID) {
		validateText(c.ID, field("id"), p)
	}
	c.validateValue(p)
	c.Data.validate(p)
	if c.DataProcessing != (DataProcessing{}) {
		c.DataProcessing.validate(field("data_processing"), p)
	}
	if len(c.Extra) > 0 {
		c.validateExtra(p)
	}
	return user
}

func (c *Conversion) validateIdentity(user []hashedField, p *problems) {
	given := 0
	if c.Thread != (Thread{}) {
		given++
		c.Thread.validateConversation(field("thread"), p)
	}
	if !c.WhatsApp.IsZero() {
		given++
		c.WhatsApp.validate(p)
	}
	if c.App != nil {
		given++
		c.App.validate(field("app"), p)
		c.App.validateUser(user, p)
	}
	switch given {
	case 0:
		p.add(field("thread"), RuleRequired, "name the conversation (thread or whatsapp) or the app")
	case 1:
	default:
		p.add(nil, RuleConflict, "thread, whatsapp and app exclude each other")
	}
}

func (w *WhatsAppThread) validate(p *problems) {
	at := field("whatsapp")
	if w.AccountID == "" && w.PageID == "" {
		p.add(at.field("account_id"), RuleRequired, "must be set, or the Page (2804116)")
	}
	check(whatsAppPlan, w, at, p, time.Time{})
}

func (c *Conversion) validateName(p *problems) {
	switch {
	case c.Name == "":
		p.add(field("name"), RuleRequired, "must be set")
	case c.App != nil:
		if !names.Identifier(string(c.Name)) {
			p.add(field("name"), RuleFormat, identifierRule)
		}
	case !c.Name.forMessaging():
		p.add(field("name"), RuleUnknown, notForMessaging(string(c.Name)))
	}
}

func (c *Conversion) validateValue(p *problems) {
	if c.Value == nil {
		if c.Name == ConversionPurchase {
			p.add(field("value"), RuleRequired, "a purchase must have one (2804009)")
		}
		return
	}
	if !wire.Finite(*c.Value) {
		p.add(field("value"), RuleRange, "must be a finite number")
	}
	if c.Data.Currency == "" {
		p.add(field("data").field("currency"), RuleRequired, "must be set because there is a value (2804023)")
	}
}

func (d *ConversionData) validate(p *problems) {
	if dataPlan.IsZero(d) {
		return
	}
	at := field("data")
	check(dataPlan, d, at, p, time.Time{})
	for i := range d.Contents {
		check(conversionContentPlan, &d.Contents[i], at.field("contents").item(i), p, time.Time{})
	}
	validateCustom(d.Custom, dataHomes(), at, at.field("custom"), p)
}

func (c *Conversion) validateExtra(p *problems) {
	at := field("extra")
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		switch home := conversionHomes()[name]; {
		case home != "":
			p.add(at.field(name), RuleReserved, "use "+home)
		case !names.Parameter(name):
			// The name is not repeated: it may be anything.
			p.add(at, RuleFormat, "a name must be ASCII letters, digits and underscores")
		case !json.Valid(c.Extra[name]):
			p.add(at.field(name), RuleFormat, "must be JSON")
		}
	}
}

// notForMessaging says that Meta refuses a name for conversations, and which it takes is nearest.
func notForMessaging(name string) string {
	const refused = "is not an event of conversations (2804066)"
	if near := ConversionName(name).nearestMessaging(); near != "" {
		return refused + "; the nearest is " + string(near)
	}
	names := make([]string, len(conversionNames))
	for i, name := range conversionNames {
		names[i] = string(name)
	}
	return refused + "; allowed are " + strings.Join(names, ", ")
}

const noCounterpart = "has no counterpart in the Conversions API"

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
