package appevents

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
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
	if !c.Data.isZero() {
		c.Data.validate(p)
	}
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
		c.Thread.validateConversation(p)
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

// validateConversation checks a thread of either channel, at the path "thread".
func (t Thread) validateConversation(p *problems) {
	if t.Channel > ChannelInstagram {
		p.add(field("thread").field("channel"), RuleUnknown, "must be Messenger or Instagram")
	}
	if rule, message := t.PageID.issue(); rule != "" {
		p.add(field("thread").field("page_id"), rule, message)
	}
	if rule, message := t.PSID.issue(); rule != "" {
		p.add(field("thread").field("psid"), rule, message)
	}
}

func (w *WhatsAppThread) validate(p *problems) {
	at := field("whatsapp")
	if w.AccountID == "" && w.PageID == "" {
		p.add(at.field("account_id"), RuleRequired, "must be set, or page_id (2804116)")
	}
	if w.AccountID != "" {
		w.AccountID.validate(at.field("account_id"), p)
	}
	if w.PageID != "" {
		w.PageID.validate(at.field("page_id"), p)
	}
	if w.ClickID == "" {
		p.add(at.field("click_id"), RuleRequired, "must be set")
	}
	validateText(w.ClickID, at.field("click_id"), p)
}

func (c *Conversion) validateName(p *problems) {
	switch {
	case c.Name == "":
		p.add(field("name"), RuleRequired, "must be set")
	case c.App != nil:
		if !validIdentifier(string(c.Name)) {
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
	if math.IsNaN(*c.Value) || math.IsInf(*c.Value, 0) {
		p.add(field("value"), RuleRange, "must be a finite number")
	}
	if c.Data.Currency == "" {
		p.add(field("data").field("currency"), RuleRequired, "must be set because there is a value (2804023)")
	}
}

func (d *ConversionData) validate(p *problems) {
	if d.Currency != "" && !validCurrency(d.Currency) {
		p.add(field("data").field("currency"), RuleFormat, "must be an ISO 4217 code in capitals, such as USD")
	}
	for _, text := range d.texts() {
		if !utf8.ValidString(text.value) {
			validateText(text.value, field("data").field(text.name), p)
		}
	}
	if d.NumItems < 0 {
		p.add(field("data").field("num_items"), RuleRange, "must not be negative")
	}
	for i := range d.Contents {
		d.Contents[i].validate(i, p)
	}
	for i, id := range d.ContentIDs {
		if id == "" {
			p.add(field("data").field("content_ids").item(i), RuleRequired, "must be set")
		}
		if !utf8.ValidString(id) {
			validateText(id, field("data").field("content_ids").item(i), p)
		}
	}
	for _, number := range [...]struct {
		name  string
		value *float64
	}{{"predicted_ltv", d.PredictedLTV}, {"net_revenue", d.NetRevenue}} {
		if v := number.value; v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
			p.add(field("data").field(number.name), RuleRange, "must be a finite number")
		}
	}
	if len(d.Custom) > 0 {
		for _, key := range slices.Sorted(maps.Keys(d.Custom)) {
			validateConversionCustom(key, d.Custom[key], field("data"), p)
		}
	}
}

// texts lists the details that are plain text, in the order they are sent.
func (d *ConversionData) texts() [8]struct{ name, value string } {
	return [8]struct{ name, value string }{
		{"content_type", d.ContentType},
		{"content_name", d.ContentName},
		{"content_category", d.ContentCategory},
		{"order_id", d.OrderID},
		{"search_string", d.SearchString},
		{"status", d.Status},
		{"item_number", d.ItemNumber},
		{"delivery_category", d.DeliveryCategory},
	}
}

func (c *ConversionContent) validate(i int, p *problems) {
	at := func(name string) *place { return field("data").field("contents").item(i).field(name) }
	if c.ID == "" {
		p.add(at("id"), RuleRequired, "must be set (2804008)")
	}
	if c.Quantity < 0 {
		p.add(at("quantity"), RuleRange, "must not be negative")
	}
	if c.ItemPrice < 0 || math.IsNaN(c.ItemPrice) || math.IsInf(c.ItemPrice, 0) {
		p.add(at("item_price"), RuleRange, "must be a finite number, not negative")
	}
	for _, text := range c.texts() {
		if !utf8.ValidString(text.value) {
			validateText(text.value, at(text.name), p)
		}
	}
}

// texts lists what is plain text, in the order it is sent.
func (c *ConversionContent) texts() [6]struct{ name, value string } {
	return [6]struct{ name, value string }{
		{"id", c.ID},
		{"title", c.Title},
		{"description", c.Description},
		{"brand", c.Brand},
		{"category", c.Category},
		{"delivery_category", c.DeliveryCategory},
	}
}

// validateConversionCustom is validateCustom with the names of custom_data.
func validateConversionCustom(key string, value any, at *place, p *problems) {
	if home := customDataHome(key); home != "" {
		p.add(at.field(key), RuleReserved, "use "+home)
		return
	}
	validateCustom(key, value, at, p)
}

// customDataHome names the typed home of a key of custom_data, or returns "".
func customDataHome(key string) string {
	switch key {
	case "value":
		return "Conversion.Value"
	case "currency":
		return "ConversionData.Currency"
	case "contents":
		return "ConversionData.Contents"
	case "content_ids":
		return "ConversionData.ContentIDs"
	case "content_type":
		return "ConversionData.ContentType"
	case "content_name":
		return "ConversionData.ContentName"
	case "content_category":
		return "ConversionData.ContentCategory"
	case "num_items":
		return "ConversionData.NumItems"
	case "order_id":
		return "ConversionData.OrderID"
	case "search_string":
		return "ConversionData.SearchString"
	case "status":
		return "ConversionData.Status"
	case "item_number":
		return "ConversionData.ItemNumber"
	case "delivery_category":
		return "ConversionData.DeliveryCategory"
	case "predicted_ltv":
		return "ConversionData.PredictedLTV"
	case "net_revenue":
		return "ConversionData.NetRevenue"
	}
	return ""
}

func (c *Conversion) validateExtra(p *problems) {
	at := field("extra")
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		home := ""
		switch name {
		case "event_name":
			home = "Conversion.Name"
		case "event_time":
			home = "Conversion.Time"
		case "event_id":
			home = "Conversion.ID"
		case "action_source", "messaging_channel":
			home = "Conversion.Thread, WhatsApp or App"
		case "user_data":
			home = "Conversion.UserData"
		case "custom_data":
			home = "Conversion.Value and Data"
		case "app_data", "extinfo":
			home = "Conversion.App"
		case "data_processing_options", "data_processing_options_country", "data_processing_options_state":
			home = "Conversion.DataProcessing"
		}
		switch {
		case home != "":
			p.add(at.field(name), RuleReserved, "use "+home)
		case !validParamName(name):
			// The name is not repeated: it may be anything.
			p.add(at, RuleFormat, "a name must be ASCII letters, digits and underscores")
		case !json.Valid(c.Extra[name]):
			p.add(at.field(name), RuleFormat, "must be JSON")
		}
	}
}

// conversionNames are the names business messaging takes.
var conversionNames = [...]ConversionName{
	ConversionAddToCart, ConversionCartAbandoned, ConversionInitiateCheckout, ConversionLeadSubmitted,
	ConversionOrderCanceled, ConversionOrderCreated, ConversionOrderDelivered, ConversionOrderReturned,
	ConversionOrderShipped, ConversionPurchase, ConversionQualifiedLead, ConversionRatingProvided,
	ConversionReviewProvided, ConversionViewContent,
}

func (n ConversionName) forMessaging() bool { return slices.Contains(conversionNames[:], n) }

// notForMessaging says that Meta refuses a name for conversations, and which it takes is nearest.
func notForMessaging(name string) string {
	const refused = "is not an event of conversations (2804066)"
	if near := nearestName(name); near != "" {
		return refused + "; the nearest is " + string(near)
	}
	return refused + "; allowed are " + joinNames(conversionNames[:])
}

func joinNames(names []ConversionName) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(name))
	}
	return b.String()
}

// nearestName is the allowed name that comes closest to another in meaning or spelling, or "".
func nearestName(name string) ConversionName {
	if mapped, ok := conversionName(EventName(name)); ok {
		name = string(mapped)
	}
	switch name {
	case "AddToWishlist":
		return ConversionAddToCart
	case "AddPaymentInfo":
		return ConversionInitiateCheckout
	case "CompleteRegistration", "Contact", "Lead", "Schedule", "SubmitApplication":
		return ConversionLeadSubmitted
	case "Donate", "StartTrial", "Subscribe":
		return ConversionPurchase
	case "CustomizeProduct", "FindLocation", "Search":
		return ConversionViewContent
	case "Rate":
		return ConversionRatingProvided
	}
	word := strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))
	best, near := len(word)/3+1, ConversionName("")
	for _, candidate := range conversionNames {
		if d := editDistance(word, strings.ToLower(string(candidate))); d < best {
			best, near = d, candidate
		}
	}
	return near
}

// editDistance is how many letters must be inserted, deleted or replaced to turn a into b. Both are short: b is an
// allowed name, and a longer than twice that is too far away to look at.
func editDistance(a, b string) int {
	if len(a) > 2*len(b) {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// under returns the issues of one element of a call as issues of the call.
func (p *problems) under(at *place) []Issue {
	if len(p.issues) == 0 {
		return nil
	}
	prefix := at.String()
	issues := slices.Clone(p.issues)
	for i := range issues {
		if issues[i].Path == "" {
			issues[i].Path = prefix
		} else {
			issues[i].Path = prefix + "." + issues[i].Path
		}
	}
	return issues
}
