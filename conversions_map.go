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
// keeps it. Names that conversations do not know, and fields without a counterpart, are a [*ValidationError]. An
// event without an ID gets one made from the thread, name, time and content: equal events always get equal IDs.
// Events without a Time that are otherwise equal are the same event in this sense, so set it, best to the time of the
// webhook.
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

const noCounterpart = "has no counterpart in the Conversions API"

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
			parts.Add("user."+string(f.key()), string(f.value()))
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
