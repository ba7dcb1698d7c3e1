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
