package appevents

import (
	"time"

	"github.com/appevents/appevents-go/internal/wire"
)

// Event is something a person did. One type serves every edge: /activities, /page_activities and the Conversions API.
// The constructors ([Purchase], [LeadSubmitted] and their neighbours) set what each standard event needs; the fields
// may be changed afterwards. Copies share Params' slices and map.
type Event struct {
	// Name is required.
	Name EventName `json:"name" wire:"_eventName,own,alias=_eventName_md5"`

	// Value is the number that reports add up: a price, for most events. Nil means none.
	Value *float64 `json:"value,omitzero" wire:"_valueToSum"`

	// Time is when it happened, sent as whole seconds. The zero time means when Meta receives it.
	Time time.Time `json:"time,omitzero" wire:"_logTime"`

	// ID identifies the event. Where Meta de-duplicates, it counts events with the same name and ID once. Empty means
	// no ID.
	ID string `json:"id,omitzero" wire:"event_id"`

	// Params are the details; the zero value sends none.
	Params Params `json:"params,omitzero" wire:"-"`

	// SessionID is your own ID of the session, and UserID your own ID of the person. Empty means not sent.
	SessionID string `json:"session_id,omitzero" wire:"_session_id"`
	UserID    string `json:"user_id,omitzero" wire:"_app_user_id"`

	// Screen names the screen that the app showed. Empty means not sent.
	Screen string `json:"screen,omitzero" wire:"_ui"`

	// Implicit marks an event that a library logged by itself. Timed marks one that measures a duration, and Background
	// one that was logged while the app was in the background.
	Implicit   bool `json:"implicit,omitzero" wire:"_implicitlyLogged"`
	Timed      bool `json:"timed,omitzero" wire:"_isTimedEvent"`
	Background bool `json:"background,omitzero" wire:"_inBackground,text"`

	// Operational is debugging data for Meta. Only /activities takes it; the zero value sends none.
	Operational OperationalParams `json:"operational,omitzero" wire:"-"`
}

var eventPlan = wire.For[Event]()

// Params are the parameters of an [Event]. Fields left zero are not sent. The tags give the names on the wire;
// [StandardEvents] tells which event expects which.
//
// https://developers.facebook.com/docs/marketing-api/app-event-api
type Params struct {
	// AdType is the kind of ad.
	AdType string `json:"fb_ad_type,omitzero" label:"Ad type" values:"banner,interstitial,rewarded_video,native"`

	// Contents are the products, with quantities. They are sent as JSON text.
	Contents []Content `json:"fb_content,omitzero" label:"Products"`

	// ContentIDs are the EANs or other IDs of the products. A single ID is sent as it is, several as the text of a JSON
	// array. A single ID that looks like such an array is sent in one too.
	ContentIDs []string `json:"fb_content_id,omitzero" wire:",text" label:"Product IDs"`

	// ContentType says what ContentIDs name: "product" or "product_group".
	ContentType string `json:"fb_content_type,omitzero" label:"Content type" values:"product,product_group"`

	// Currency is an ISO 4217 code in capitals, such as "USD". It is required when Event.Value is a price.
	Currency string `json:"fb_currency,omitzero" wire:",currency" label:"Currency"`

	// Description is free text, such as the name of an achievement.
	Description string `json:"fb_description,omitzero" label:"Description"`

	// Level is the level of a game that was reached.
	Level string `json:"fb_level,omitzero" label:"Level"`

	// MaxRatingValue is the highest possible rating: 5 for five stars.
	MaxRatingValue int `json:"fb_max_rating_value,omitzero" label:"Highest rating"`

	// NumItems is how many items were bought.
	NumItems int `json:"fb_num_items,omitzero" label:"Number of items"`

	// OrderID is the same for all events of one subscription.
	OrderID string `json:"fb_order_id,omitzero" label:"Order ID"`

	// PaymentInfoAvailable is sent as 1 or 0; nil means not sent. Use new(true).
	PaymentInfoAvailable *bool `json:"fb_payment_info_available,omitzero" label:"Payment info available"`

	// RegistrationMethod is how the person registered.
	RegistrationMethod string `json:"fb_registration_method,omitzero" label:"Registration method" values:"Facebook,Email"`

	// SearchString is what the person searched for.
	SearchString string `json:"fb_search_string,omitzero" label:"Search text"`

	// Success is sent as 1 or 0; nil means not sent. Use new(true).
	Success *bool `json:"fb_success,omitzero" label:"Success"`

	// Custom holds parameters of your own: strings, numbers (any Go integer or float, or json.Number) and bools, which
	// are sent as 1 or 0. Keys follow the rule for event names ([EventName]). Names that have a field here are refused.
	Custom map[string]any `json:"custom,omitzero" wire:"-"`
}

var paramsPlan = wire.For[Params](wire.NestedList(contentPlan))

// UnmarshalJSON reads what encoding/json writes of Params. Numbers in Custom become json.Number: a long ID keeps every
// digit.
func (q *Params) UnmarshalJSON(data []byte) error {
	type plain Params // has no UnmarshalJSON
	return unmarshalExactly(data, (*plain)(q))
}

// Content is one product of an event.
type Content struct {
	ID        string  `json:"id" wire:",required"`    // the EAN or another ID
	Quantity  int     `json:"quantity" wire:",min=1"` // required
	ItemPrice float64 `json:"item_price,omitzero"`    // price of one, in Params.Currency; 0 means not sent
}

var contentPlan = wire.For[Content]()

// OperationalParams are debugging data about one event. Meta looks at them when something is wrong with the event;
// advertisers never see them. Keys and values follow the rules of [Params.Custom]. The zero value sends none.
//
// https://developers.facebook.com/docs/graph-api/reference/application/activities/
type OperationalParams struct {
	IAP          map[string]any `json:"iap_parameters,omitzero"`           // about an in-app purchase
	DeferralLink map[string]any `json:"deferral_link_parameters,omitzero"` // about a deferred link
}

var operationalPlan = wire.For[OperationalParams](wire.Encode(func(dst []byte, params *map[string]any) []byte {
	open := len(dst)
	return wire.CloseObject(appendCustom(dst, *params), open)
}))

// UnmarshalJSON reads what encoding/json writes of OperationalParams. Numbers become json.Number.
func (o *OperationalParams) UnmarshalJSON(data []byte) error {
	type plain OperationalParams // has no UnmarshalJSON
	return unmarshalExactly(data, (*plain)(o))
}

func (o *OperationalParams) isZero() bool { return len(o.IAP) == 0 && len(o.DeferralLink) == 0 }

func priced(name EventName, value float64, currency string) Event {
	return Event{Name: name, Value: &value, Params: Params{Currency: currency}}
}

// AchieveLevel returns the event of a person who reached a level of a game.
func AchieveLevel(level string) Event {
	return Event{Name: EventAchieveLevel, Params: Params{Level: level}}
}

// ActivateApp returns the event of a person who opened the app. Do not send it for an app in which the Facebook SDK
// logs events automatically.
func ActivateApp() Event { return Event{Name: EventActivateApp} }

// AdClick returns the event of a click on an ad inside your app. The type of the ad is "banner", "interstitial",
// "rewarded_video" or "native".
func AdClick(adType string) Event {
	return Event{Name: EventAdClick, Params: Params{AdType: adType}}
}

// AdImpression returns the event of an ad that your app showed; see [AdClick] for its type. Set Value and
// Params.Currency to what the ad earned.
func AdImpression(adType string) Event {
	return Event{Name: EventAdImpression, Params: Params{AdType: adType}}
}

// AddPaymentInfo returns the event of a person who entered payment details. success says whether they were saved.
func AddPaymentInfo(success bool) Event {
	return Event{Name: EventAddPaymentInfo, Params: Params{Success: &success}}
}

// AddToCart returns the event of a person who put an item into the cart, with its price.
func AddToCart(price float64, currency string) Event { return priced(EventAddToCart, price, currency) }

// AddToWishlist returns the event of a person who put an item on the wish list, with its price.
func AddToWishlist(price float64, currency string) Event {
	return priced(EventAddToWishlist, price, currency)
}

// CompleteRegistration returns the event of a person who registered, by "Facebook", "Email" or another method.
func CompleteRegistration(method string) Event {
	return Event{Name: EventCompleteRegistration, Params: Params{RegistrationMethod: method}}
}

// CompleteTutorial returns the event of a person who finished a tutorial, or gave it up: success is then false.
func CompleteTutorial(success bool) Event {
	return Event{Name: EventCompleteTutorial, Params: Params{Success: &success}}
}

// Contact returns the event of a person who got in touch with the business.
func Contact() Event { return Event{Name: EventContact} }

// CustomizeProduct returns the event of a person who configured a product.
func CustomizeProduct() Event { return Event{Name: EventCustomizeProduct} }

// Donate returns the event of a donation.
func Donate() Event { return Event{Name: EventDonate} }

// FindLocation returns the event of a person who looked for one of the business's locations.
func FindLocation() Event { return Event{Name: EventFindLocation} }

// InitiateCheckout returns the event of a person who started to check out, with the total of the cart.
func InitiateCheckout(total float64, currency string) Event {
	return priced(EventInitiateCheckout, total, currency)
}

// LeadSubmitted returns the event of a sales lead: a person who answered qualifying questions and left contact details.
// Log it at the end of such a flow, not for every phone number.
func LeadSubmitted() Event { return Event{Name: EventLeadSubmitted} }

// Purchase returns the event of a completed purchase, with the price that was paid.
func Purchase(value float64, currency string) Event { return priced(EventPurchase, value, currency) }

// Rate returns the event of a person who rated something, on a scale up to highest.
func Rate(rating float64, highest int) Event {
	return Event{Name: EventRate, Value: &rating, Params: Params{MaxRatingValue: highest}}
}

// Schedule returns the event of a person who booked an appointment.
func Schedule() Event { return Event{Name: EventSchedule} }

// Search returns the event of a person who searched the business's catalogue.
func Search(query string) Event {
	return Event{Name: EventSearch, Params: Params{SearchString: query}}
}

// SpendCredits returns the event of a person who spent credits inside the app.
func SpendCredits(credits float64) Event { return Event{Name: EventSpendCredits, Value: &credits} }

// StartTrial returns the event of a person who started a trial, with the price of the subscription. Set
// Params.OrderID.
func StartTrial(price float64, currency string) Event {
	return priced(EventStartTrial, price, currency)
}

// SubmitApplication returns the event of a person who applied for a product or service.
func SubmitApplication() Event { return Event{Name: EventSubmitApplication} }

// Subscribe returns the event of a person who started a paid subscription, with its price. Set Params.OrderID.
func Subscribe(price float64, currency string) Event { return priced(EventSubscribe, price, currency) }

// UnlockAchievement returns the event of a person who unlocked an achievement.
func UnlockAchievement(description string) Event {
	return Event{Name: EventUnlockAchievement, Params: Params{Description: description}}
}

// ViewContent returns the event of a person who looked at products. Set Value and Params.Currency when they have a
// price.
func ViewContent(contentIDs ...string) Event {
	return Event{Name: EventViewContent, Params: Params{ContentIDs: contentIDs}}
}
