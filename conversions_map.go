package appevents

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/jsonscan"
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
	t.validateConversation(&p)
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

// conversionName returns the name of a standard event in the Conversions API.
func conversionName(name EventName) (ConversionName, bool) {
	switch name {
	case EventAchieveLevel:
		return "LevelAchieved", true
	case EventActivateApp:
		return "ActivateApp", true
	case EventAddPaymentInfo:
		return "AddPaymentInfo", true
	case EventAddToCart:
		return ConversionAddToCart, true
	case EventAddToWishlist:
		return "AddToWishlist", true
	case EventCompleteRegistration:
		return "CompleteRegistration", true
	case EventCompleteTutorial:
		return "TutorialCompletion", true
	case EventInitiateCheckout:
		return ConversionInitiateCheckout, true
	case EventLeadSubmitted:
		return ConversionLeadSubmitted, true
	case EventPurchase:
		return ConversionPurchase, true
	case EventRate:
		return "Rate", true
	case EventSearch:
		return "Search", true
	case EventSpendCredits:
		return "SpentCredits", true
	case EventUnlockAchievement:
		return "AchievementUnlocked", true
	case EventViewContent:
		return ConversionViewContent, true
	}
	return ConversionName(name), false // the other standard events, and names of the caller's own, are the same
}

// convert maps everything but the identity. For a mobile app, any name will do.
func (e *Event) convert(at *place, p *problems, app bool) Conversion {
	name, _ := conversionName(e.Name)
	if !app && validIdentifier(string(e.Name)) && !strings.HasPrefix(string(e.Name), automaticPrefix) &&
		!name.forMessaging() {
		p.add(at.field("name"), RuleUnknown, notForMessaging(string(e.Name)))
	}
	for _, field := range [...]struct {
		name string
		set  bool
		hint string
	}{
		{"session_id", e.SessionID != "", ""},
		{"user_id", e.UserID != "", "; your own ID of the person is UserData.ExternalID there"},
		{"implicit", e.Implicit, ""},
		{"timed", e.Timed, ""},
		{"screen", e.Screen != "", ""},
		{"background", e.Background, ""},
		{"operational", !e.Operational.isZero(), ""},
	} {
		if field.set {
			p.add(at.field(field.name), RuleConflict, noCounterpart+field.hint)
		}
	}
	q := &e.Params
	c := Conversion{
		Name: name, Value: e.Value, Time: e.Time, ID: e.ID,
		Data: ConversionData{
			Currency: q.Currency, ContentIDs: slices.Clone(q.ContentIDs), ContentType: q.ContentType,
			NumItems: q.NumItems, OrderID: q.OrderID, SearchString: q.SearchString,
			Custom: q.conversionCustom(at.field("params"), p),
		},
	}
	if len(q.Contents) > 0 {
		c.Data.Contents = make([]ConversionContent, len(q.Contents))
		for i, content := range q.Contents {
			c.Data.Contents[i] = ConversionContent{
				ID: content.ID, Quantity: content.Quantity, ItemPrice: content.ItemPrice,
			}
		}
	}
	return c
}

const noCounterpart = "has no counterpart in the Conversions API"

// conversionCustom returns the parameters that custom_data has no field for, under the names it knows them by.
func (q *Params) conversionCustom(at *place, p *problems) map[string]any {
	custom := maps.Clone(q.Custom)
	for _, key := range slices.Sorted(maps.Keys(q.Custom)) {
		if home := customDataHome(key); home != "" {
			p.add(at.field(key), RuleReserved, "is a field of its own in the Conversions API: "+home)
		}
	}
	set := func(name, key string, value any) {
		if custom == nil {
			custom = make(map[string]any)
		}
		if _, taken := custom[key]; taken {
			p.add(at.field(key), RuleConflict, "is what the Conversions API calls "+name+", which is set too")
		}
		custom[key] = value
	}
	for _, text := range [...]struct{ name, key, value string }{
		{ParamAdType, "ad_type", q.AdType},
		{ParamDescription, "description", q.Description},
		{ParamLevel, "level", q.Level},
		{ParamRegistrationMethod, "registration_method", q.RegistrationMethod},
	} {
		if text.value != "" {
			set(text.name, text.key, text.value)
		}
	}
	if q.MaxRatingValue != 0 {
		set(ParamMaxRatingValue, "max_rating_value", q.MaxRatingValue)
	}
	if q.PaymentInfoAvailable != nil {
		set(ParamPaymentInfoAvailable, "payment_info_available", *q.PaymentInfoAvailable)
	}
	if q.Success != nil {
		set(ParamSuccess, "success", *q.Success)
	}
	return custom
}

// stableIDPrefix marks an ID as made by stableID, in its first form. IDs must never change for the same event, so a
// change to what goes into them needs a new prefix.
const stableIDPrefix = "ae1-"

// stableID makes an ID from who did what, when and with which details. The time counts in milliseconds, as in
// webhooks, and not at all when it is not known.
func (c *Conversion) stableID() string {
	parts := make(idParts, 0, 256)
	parts.add("channel", c.Thread.Channel.String())
	parts.add("page", string(c.Thread.PageID))
	parts.add("person", string(c.Thread.PSID))
	if c.App != nil {
		parts.addApp(c.App, &c.UserData)
	}
	parts.add("name", string(c.Name))
	if !c.Time.IsZero() {
		parts.add("time", strconv.FormatInt(c.Time.UnixMilli(), 10))
	}
	if c.Value != nil {
		parts.add("value", string(jsonscan.AppendFloat(nil, *c.Value)))
	}
	parts.addData(&c.Data)
	sum := sha256.Sum256(parts)
	return stableIDPrefix + hex.EncodeToString(sum[:20])
}

// idParts are named texts, each with its length before it, so that no two lists of parts look the same.
type idParts []byte

// add appends a part, unless it is empty.
func (b *idParts) add(name, value string) {
	if value == "" {
		return
	}
	for _, text := range [...]string{name, value} {
		*b = binary.AppendUvarint(*b, uint64(len(text)))
		*b = append(*b, text...)
	}
}

func (b *idParts) addData(d *ConversionData) {
	b.add("currency", d.Currency)
	for i := range d.Contents {
		content := &d.Contents[i]
		for _, text := range content.texts() {
			b.add("contents."+text.name, text.value)
		}
		b.add("contents.quantity", strconv.Itoa(content.Quantity))
		if content.ItemPrice != 0 {
			b.add("contents.item_price", string(jsonscan.AppendFloat(nil, content.ItemPrice)))
		}
	}
	for _, id := range d.ContentIDs {
		b.add("content_ids", id)
	}
	if d.NumItems != 0 {
		b.add("num_items", strconv.Itoa(d.NumItems))
	}
	for _, text := range d.texts() {
		b.add(text.name, text.value)
	}
	for _, key := range slices.Sorted(maps.Keys(d.Custom)) {
		b.add("custom."+key, string(appendAny(nil, d.Custom[key])))
	}
}
