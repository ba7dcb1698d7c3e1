package appevents

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// EventName is the wire name of an event: one of the Event constants, or a name of your own of 1 to 40 ASCII letters,
// digits, underscores, hyphens and spaces that starts with neither hyphen nor space. An app can have 1,000 different
// names; only standard ones are reported in Ads Manager.
type EventName string

// Event is something a person did. One type serves every edge: /activities, /page_activities and the Conversions API.
// The constructors ([Purchase], [LeadSubmitted] and their neighbours) set what each standard event needs; the fields
// may be changed afterwards. Copies share Params' slices and map.
type Event struct {
	// Name is required.
	Name EventName `json:"name"`

	// Value is _valueToSum: the number that reports add up, for most events a price. Nil means none.
	Value *float64 `json:"value,omitzero"`

	// Time is when it happened (_logTime), sent as whole seconds. The zero time means when Meta receives it.
	Time time.Time `json:"time,omitzero"`

	// ID is event_id: Meta counts events with the same ID and name once where it de-duplicates at all. Empty means
	// none.
	ID string `json:"id,omitzero"`

	// Params are the details; the zero value sends none.
	Params Params `json:"params,omitzero"`

	// SessionID is _session_id and UserID _app_user_id, your own ID of the person; empty means none.
	SessionID string `json:"session_id,omitzero"`
	UserID    string `json:"user_id,omitzero"`

	// Screen names the screen of the app that was shown (_ui); empty means none.
	Screen string `json:"screen,omitzero"`

	// Implicit marks an event logged by a library and not on purpose (_implicitlyLogged), Timed one that measures a
	// duration (_isTimedEvent), Background one logged while the app was in the background (_inBackground).
	Implicit   bool `json:"implicit,omitzero"`
	Timed      bool `json:"timed,omitzero"`
	Background bool `json:"background,omitzero"`

	// Operational is debugging data for Meta, taken by /activities only; the zero value sends none.
	Operational OperationalParams `json:"operational,omitzero"`
}

// OperationalParams are the debugging data of one event (operational_parameters): what Meta looks at when something is
// wrong with the event, and advertisers never see. In a request that has any, each event has its entry, in the same
// order. Keys and values follow the rules of [Params.Custom].
//
// https://developers.facebook.com/docs/graph-api/reference/application/activities/
type OperationalParams struct {
	IAP          map[string]any `json:"iap_parameters,omitzero"`           // about an in-app purchase
	DeferralLink map[string]any `json:"deferral_link_parameters,omitzero"` // about a deferred link
}

// UnmarshalJSON reads what encoding/json writes of OperationalParams. Numbers become json.Number.
func (o *OperationalParams) UnmarshalJSON(data []byte) error {
	type plain OperationalParams // has no UnmarshalJSON
	return unmarshalExactly(data, (*plain)(o))
}

// segment is one of the two parts of OperationalParams.
type segment struct {
	name   string
	params map[string]any
}

func (o *OperationalParams) segments() [2]segment {
	return [2]segment{{"iap_parameters", o.IAP}, {"deferral_link_parameters", o.DeferralLink}}
}

func (o *OperationalParams) isZero() bool { return len(o.IAP) == 0 && len(o.DeferralLink) == 0 }

func (o *OperationalParams) validate(at *place, p *problems) {
	for _, s := range o.segments() {
		for _, key := range slices.Sorted(maps.Keys(s.params)) {
			if !validIdentifier(key) {
				// The key is not repeated: it may be anything, personal data included.
				p.add(at.field(s.name), RuleFormat, "a parameter name "+identifierRule)
				continue
			}
			validateParam(s.params[key], at.field(s.name).field(key), p)
		}
	}
}

// Params are the parameters of an [Event]. Fields left zero are not sent. The comments give the wire names; which
// event expects which is in [StandardEvents].
//
// https://developers.facebook.com/docs/marketing-api/app-event-api
type Params struct {
	// AdType is fb_ad_type: "banner", "interstitial", "rewarded_video" or "native".
	AdType string `json:"fb_ad_type,omitzero"`

	// Contents is fb_content: the products, with quantities. It is always sent as valid JSON text.
	Contents []Content `json:"fb_content,omitzero"`

	// ContentIDs is fb_content_id: the EAN or another ID of each product. One is sent as text, several as a JSON
	// array in text.
	ContentIDs []string `json:"fb_content_id,omitzero"`

	// ContentType is fb_content_type: "product" or "product_group".
	ContentType string `json:"fb_content_type,omitzero"`

	// Currency is fb_currency: an ISO 4217 code in capitals. It is required where Event.Value is a price.
	Currency string `json:"fb_currency,omitzero"`

	// Description is fb_description.
	Description string `json:"fb_description,omitzero"`

	// Level is fb_level: the level of a game.
	Level string `json:"fb_level,omitzero"`

	// MaxRatingValue is fb_max_rating_value: the upper end of the scale, 5 for five stars.
	MaxRatingValue int `json:"fb_max_rating_value,omitzero"`

	// NumItems is fb_num_items.
	NumItems int `json:"fb_num_items,omitzero"`

	// OrderID is fb_order_id: one ID for all events of a subscription.
	OrderID string `json:"fb_order_id,omitzero"`

	// PaymentInfoAvailable is fb_payment_info_available, sent as 1 or 0; nil means not sent. Use new(true).
	PaymentInfoAvailable *bool `json:"fb_payment_info_available,omitzero"`

	// RegistrationMethod is fb_registration_method: "Facebook", "Email".
	RegistrationMethod string `json:"fb_registration_method,omitzero"`

	// SearchString is fb_search_string.
	SearchString string `json:"fb_search_string,omitzero"`

	// Success is fb_success, sent as 1 or 0; nil means not sent. Use new(true).
	Success *bool `json:"fb_success,omitzero"`

	// Custom are parameters of your own: strings, numbers (any Go integer or float, json.Number) and bools, which are
	// sent as 1 or 0. Keys follow the rule for event names. Names that have a field here are refused.
	Custom map[string]any `json:"custom,omitzero"`
}

// UnmarshalJSON reads what encoding/json writes of Params. Numbers in Custom become json.Number: a long ID keeps every
// digit.
func (q *Params) UnmarshalJSON(data []byte) error {
	type plain Params // has no UnmarshalJSON
	return unmarshalExactly(data, (*plain)(q))
}

// unmarshalExactly is json.Unmarshal that keeps every digit of a number.
func unmarshalExactly(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(to)
}

// Content is one product of an event.
type Content struct {
	ID        string  `json:"id"`                  // required: the EAN or another ID
	Quantity  int     `json:"quantity"`            // required, at least 1
	ItemPrice float64 `json:"item_price,omitzero"` // price of one, in Params.Currency; 0 means not sent
}

func priced(name EventName, value float64, currency string) Event {
	return Event{Name: name, Value: &value, Params: Params{Currency: currency}}
}

// AchieveLevel is a level of a game reached.
func AchieveLevel(level string) Event {
	return Event{Name: EventAchieveLevel, Params: Params{Level: level}}
}

// ActivateApp is an app opened. Do not send it where the Facebook SDK logs events automatically.
func ActivateApp() Event { return Event{Name: EventActivateApp} }

// AdClick is a click on an ad inside your app: "banner", "interstitial", "rewarded_video" or "native".
func AdClick(adType string) Event {
	return Event{Name: EventAdClick, Params: Params{AdType: adType}}
}

// AdImpression is an ad shown inside your app; see [AdClick]. Set Value and Params.Currency to what the ad earned.
func AdImpression(adType string) Event {
	return Event{Name: EventAdImpression, Params: Params{AdType: adType}}
}

// AddPaymentInfo is payment details saved, or an attempt at it.
func AddPaymentInfo(success bool) Event {
	return Event{Name: EventAddPaymentInfo, Params: Params{Success: &success}}
}

// AddToCart is an item put in the cart, with its price.
func AddToCart(price float64, currency string) Event { return priced(EventAddToCart, price, currency) }

// AddToWishlist is an item put on the wish list, with its price.
func AddToWishlist(price float64, currency string) Event {
	return priced(EventAddToWishlist, price, currency)
}

// CompleteRegistration is a registration, by "Facebook", "Email" or another method.
func CompleteRegistration(method string) Event {
	return Event{Name: EventCompleteRegistration, Params: Params{RegistrationMethod: method}}
}

// CompleteTutorial is a tutorial finished, or given up.
func CompleteTutorial(success bool) Event {
	return Event{Name: EventCompleteTutorial, Params: Params{Success: &success}}
}

// Contact is a person getting in touch with the business.
func Contact() Event { return Event{Name: EventContact} }

// CustomizeProduct is a product configured.
func CustomizeProduct() Event { return Event{Name: EventCustomizeProduct} }

// Donate is a donation.
func Donate() Event { return Event{Name: EventDonate} }

// FindLocation is a search for one of the business's places.
func FindLocation() Event { return Event{Name: EventFindLocation} }

// InitiateCheckout is a checkout begun, with the total of the cart.
func InitiateCheckout(total float64, currency string) Event {
	return priced(EventInitiateCheckout, total, currency)
}

// LeadSubmitted is a sales lead: a person who answered qualifying questions and left contact details. Log it at the
// end of such a flow, not for every phone number.
func LeadSubmitted() Event { return Event{Name: EventLeadSubmitted} }

// Purchase is a completed purchase, with what was paid.
func Purchase(value float64, currency string) Event { return priced(EventPurchase, value, currency) }

// Rate is a rating given, on a scale up to highest.
func Rate(rating float64, highest int) Event {
	return Event{Name: EventRate, Value: &rating, Params: Params{MaxRatingValue: highest}}
}

// Schedule is an appointment booked.
func Schedule() Event { return Event{Name: EventSchedule} }

// Search is a search in the business's catalogue.
func Search(query string) Event {
	return Event{Name: EventSearch, Params: Params{SearchString: query}}
}

// SpendCredits is in-app credit spent.
func SpendCredits(credits float64) Event { return Event{Name: EventSpendCredits, Value: &credits} }

// StartTrial is a trial begun, with the price of the subscription. Set Params.OrderID.
func StartTrial(price float64, currency string) Event {
	return priced(EventStartTrial, price, currency)
}

// SubmitApplication is an application for a product or service handed in.
func SubmitApplication() Event { return Event{Name: EventSubmitApplication} }

// Subscribe is a paid subscription begun, with its price. Set Params.OrderID.
func Subscribe(price float64, currency string) Event { return priced(EventSubscribe, price, currency) }

// UnlockAchievement is an achievement reached.
func UnlockAchievement(description string) Event {
	return Event{Name: EventUnlockAchievement, Params: Params{Description: description}}
}

// ViewContent is a product looked at. Set Value and Params.Currency when it has a price.
func ViewContent(contentIDs ...string) Event {
	return Event{Name: EventViewContent, Params: Params{ContentIDs: contentIDs}}
}

// Validate checks everything that can be known before the event is sent and returns a [*ValidationError] that lists
// every problem, or nil. The methods of [Client] do the same before they send.
func (e Event) Validate() error {
	var p problems
	e.validate(nil, &p, time.Now())
	return p.err()
}

const (
	maxParams    = 25
	clockSkew    = time.Minute
	maxTextRunes = 100 // Graph is known to refuse longer values of some parameters
)

// earliest is before any event Meta could have seen.
var earliest = time.Date(2004, 1, 1, 0, 0, 0, 0, time.UTC)

func (e *Event) validate(at *place, p *problems, now time.Time) {
	e.validateName(at.field("name"), p)
	if e.Value != nil {
		e.validateValue(at, p)
	}
	validateTime(e.Time, at.field("time"), p, now)
	for _, text := range [...]struct{ name, value string }{
		{"id", e.ID}, {"session_id", e.SessionID}, {"user_id", e.UserID}, {"screen", e.Screen},
	} {
		validateText(text.value, at.field(text.name), p)
	}
	e.Params.validate(at.field("params"), p)
	if !e.Operational.isZero() {
		e.Operational.validate(at.field("operational"), p)
	}
}

func (e *Event) validateName(at *place, p *problems) {
	switch {
	case e.Name == "":
		p.add(at, RuleRequired, "must be set")
	case strings.HasPrefix(string(e.Name), automaticPrefix):
		p.add(at, RuleReserved, "the Messenger Platform logs this event by itself; logging it again would count it twice")
	case !validIdentifier(string(e.Name)):
		p.add(at, RuleFormat, identifierRule)
	}
}

func (e *Event) validateValue(at *place, p *problems) {
	value := *e.Value
	switch {
	case math.IsNaN(value) || math.IsInf(value, 0):
		p.add(at.field("value"), RuleRange, "must be a finite number")
	case e.Name == EventRate && value < 0:
		p.add(at.field("value"), RuleRange, "a rating must not be negative")
	case e.Name == EventRate && e.Params.MaxRatingValue > 0 && value > float64(e.Params.MaxRatingValue):
		p.add(at.field("value"), RuleRange, "a rating must not exceed fb_max_rating_value")
	}
	if e.Params.Currency == "" && valueIsPrice(e.Name) {
		p.add(at.field("params").field(ParamCurrency), RuleRequired, "must be set because the value is a price")
	}
}

// validateTime checks a time that will be sent in seconds; the zero time is fine.
func validateTime(t time.Time, at *place, p *problems, now time.Time) {
	switch {
	case t.IsZero():
	case t.Year() > 9999:
		p.add(at, RuleRange, "is far in the future: was it made from milliseconds? Use time.UnixMilli")
	case t.After(now.Add(clockSkew)):
		p.add(at, RuleRange, "must not be in the future")
	case t.Before(earliest):
		p.add(at, RuleRange, "must not be before 2004")
	}
}

func validateText(s string, at *place, p *problems) {
	if !utf8.ValidString(s) {
		p.add(at, RuleFormat, "must be valid UTF-8")
	}
}

const identifierRule = "must be 1 to 40 ASCII letters, digits, underscores, hyphens and spaces, " +
	"and start with neither hyphen nor space"

// validIdentifier is the server's rule for event names, ^[0-9a-zA-Z_][0-9a-zA-Z _-]{0,39}$, which the SDKs also apply
// to parameter names.
func validIdentifier(s string) bool {
	if s == "" || len(s) > 40 || s[0] == '-' || s[0] == ' ' {
		return false
	}
	for i := range len(s) {
		switch b := s[i]; {
		case '0' <= b && b <= '9', 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', b == '_', b == '-', b == ' ':
		default:
			return false
		}
	}
	return true
}

func (q *Params) validate(at *place, p *problems) {
	if n := q.count(); n > maxParams {
		p.add(at, RuleLength, "an event takes at most 25 parameters")
	}
	for _, text := range q.texts() {
		validateText(text.value, at.field(text.name), p)
	}
	if q.Currency != "" && !validCurrency(q.Currency) {
		p.add(at.field(ParamCurrency), RuleFormat, "must be an ISO 4217 code in capitals, such as USD")
	}
	if q.MaxRatingValue < 0 {
		p.add(at.field(ParamMaxRatingValue), RuleRange, "must not be negative")
	}
	if q.NumItems < 0 {
		p.add(at.field(ParamNumItems), RuleRange, "must not be negative")
	}
	for i := range q.Contents {
		q.Contents[i].validate(at.field(ParamContent).item(i), p)
	}
	for i, id := range q.ContentIDs {
		if id == "" {
			p.add(at.field(ParamContentID).item(i), RuleRequired, "must be set")
		}
		validateText(id, at.field(ParamContentID).item(i), p)
	}
	if len(q.Custom) > 0 {
		for _, key := range slices.Sorted(maps.Keys(q.Custom)) {
			validateCustom(key, q.Custom[key], at, p)
		}
	}
}

func (c *Content) validate(at *place, p *problems) {
	if c.ID == "" {
		p.add(at.field("id"), RuleRequired, "must be set")
	}
	validateText(c.ID, at.field("id"), p)
	switch {
	case c.Quantity == 0:
		p.add(at.field("quantity"), RuleRequired, "must be at least 1")
	case c.Quantity < 0:
		p.add(at.field("quantity"), RuleRange, "must be at least 1")
	}
	if c.ItemPrice < 0 || math.IsNaN(c.ItemPrice) || math.IsInf(c.ItemPrice, 0) {
		p.add(at.field("item_price"), RuleRange, "must be a finite number, not negative")
	}
}

func validateCustom(key string, value any, at *place, p *problems) {
	if !validIdentifier(key) {
		// The key is not repeated: it may be anything, personal data included.
		p.add(at.field("custom"), RuleFormat, "a parameter name "+identifierRule)
		return
	}
	at = at.field(key)
	if home := reservedKey(key); home != "" {
		p.add(at, RuleReserved, "use "+home)
		return
	}
	validateParam(value, at, p)
}

// validateParam checks the value of a parameter of the caller's own.
func validateParam(value any, at *place, p *problems) {
	if text, ok := asText(value); ok {
		validateText(text, at, p)
		return
	}
	number, ok := appendNumber(nil, value)
	switch {
	case !ok:
		p.add(at, RuleType, "must be a string, a number or a bool")
	case number == nil:
		p.add(at, RuleRange, "must be a finite number")
	}
}

// reservedKey names the typed home of a wire name that Custom must not set, or returns "".
func reservedKey(key string) string {
	switch key {
	case "_eventName", "_eventName_md5":
		return "Event.Name"
	case "_valueToSum":
		return "Event.Value"
	case "_logTime":
		return "Event.Time"
	case "event_id":
		return "Event.ID"
	case "_session_id":
		return "Event.SessionID"
	case "_app_user_id":
		return "Event.UserID"
	case "_implicitlyLogged":
		return "Event.Implicit"
	case "_isTimedEvent":
		return "Event.Timed"
	case "_inBackground":
		return "Event.Background"
	case "_ui":
		return "Event.Screen"
	case ParamAdType:
		return "Params.AdType"
	case ParamContent:
		return "Params.Contents"
	case ParamContentID:
		return "Params.ContentIDs"
	case ParamContentType:
		return "Params.ContentType"
	case ParamCurrency:
		return "Params.Currency"
	case ParamDescription:
		return "Params.Description"
	case ParamLevel:
		return "Params.Level"
	case ParamMaxRatingValue:
		return "Params.MaxRatingValue"
	case ParamNumItems:
		return "Params.NumItems"
	case ParamOrderID:
		return "Params.OrderID"
	case ParamPaymentInfoAvailable:
		return "Params.PaymentInfoAvailable"
	case ParamRegistrationMethod:
		return "Params.RegistrationMethod"
	case ParamSearchString:
		return "Params.SearchString"
	case ParamSuccess:
		return "Params.Success"
	}
	return ""
}

// count is how many parameters will be sent.
func (q *Params) count() int {
	n := len(q.Custom)
	for _, text := range q.texts() {
		if text.value != "" {
			n++
		}
	}
	for _, set := range [...]bool{
		len(q.Contents) > 0, len(q.ContentIDs) > 0, q.MaxRatingValue != 0, q.NumItems != 0,
		q.PaymentInfoAvailable != nil, q.Success != nil,
	} {
		if set {
			n++
		}
	}
	return n
}

// texts lists the parameters that are plain text.
func (q *Params) texts() [8]struct{ name, value string } {
	return [8]struct{ name, value string }{
		{ParamAdType, q.AdType},
		{ParamContentType, q.ContentType},
		{ParamCurrency, q.Currency},
		{ParamDescription, q.Description},
		{ParamLevel, q.Level},
		{ParamOrderID, q.OrderID},
		{ParamRegistrationMethod, q.RegistrationMethod},
		{ParamSearchString, q.SearchString},
	}
}

// Warnings lists what Meta's sources disagree on or leave open: the event is sent all the same. Nil means none.
func (e Event) Warnings() []Issue {
	var p problems
	e.warn(nil, &p)
	return p.issues
}

func (e *Event) warn(at *place, p *problems) {
	params := at.field("params")
	switch {
	case e.Name == "MOBILE_APP_INSTALL":
		p.add(at.field("name"), RuleReserved, "is a kind of call, not an event name: use LogInstall")
	case e.Name == EventPurchase && e.Value == nil:
		p.add(at.field("value"), RuleRequired, "a purchase without a value cannot be summed")
	case e.Value != nil && *e.Value < 0 && valueIsPrice(e.Name):
		p.add(at.field("value"), RuleRange, "a negative price lowers the reported sum")
	}
	tooLong := func(s string) bool { return len(s) > maxTextRunes && utf8.RuneCountInString(s) > maxTextRunes }
	const message = "Graph is known to refuse some values of more than 100 characters"
	for _, text := range e.Params.texts() {
		if tooLong(text.value) && text.name != ParamContentType {
			p.add(params.field(text.name), RuleLength, message)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(e.Params.Custom)) {
		if s, _ := asText(e.Params.Custom[key]); tooLong(s) {
			p.add(params.field(key), RuleLength, message)
		}
	}
}

// asText returns the text of a string or of a type made from string, such as ID; json.Number is a number.
func asText(value any) (text string, ok bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return "", false
	}
	if v := reflect.ValueOf(value); v.Kind() == reflect.String {
		return v.String(), true
	}
	return "", false
}

// appendNumber writes a Go number, json.Number or bool as a JSON number. ok is false for other types; out is nil when
// the number is not finite or not a number.
func appendNumber(dst []byte, value any) (out []byte, ok bool) {
	switch v := value.(type) {
	case bool:
		if v {
			return append(dst, '1'), true
		}
		return append(dst, '0'), true
	case int:
		return strconv.AppendInt(dst, int64(v), 10), true
	case float64:
		return appendFinite(dst, v, 64), true
	case json.Number:
		// JSON has no words for NaN and infinity, and ParseFloat refuses numbers that are too large.
		if _, err := strconv.ParseFloat(string(v), 64); err != nil || !json.Valid([]byte(v)) {
			return nil, true
		}
		return append(dst, v...), true
	}
	v := reflect.ValueOf(value)
	switch {
	case v.CanInt():
		return strconv.AppendInt(dst, v.Int(), 10), true
	case v.CanUint():
		return strconv.AppendUint(dst, v.Uint(), 10), true
	case v.Kind() == reflect.Float32:
		return appendFinite(dst, v.Float(), 32), true
	case v.Kind() == reflect.Float64:
		return appendFinite(dst, v.Float(), 64), true
	case v.Kind() == reflect.Bool:
		return appendNumber(dst, v.Bool())
	}
	return nil, false
}

func appendFinite(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	if bits == 32 { // the shortest text of a float32 is shorter than that of the same float64
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	}
	return jsonscan.AppendFloat(dst, f)
}
