package appevents

import "strings"

// The standard events. Only these are reported in Ads Manager and usable for targeting and optimisation there.
//
// https://developers.facebook.com/docs/marketing-api/app-event-api
const (
	EventAchieveLevel         EventName = "fb_mobile_level_achieved"
	EventActivateApp          EventName = "fb_mobile_activate_app"
	EventAdClick              EventName = "AdClick"
	EventAdImpression         EventName = "AdImpression"
	EventAddPaymentInfo       EventName = "fb_mobile_add_payment_info"
	EventAddToCart            EventName = "fb_mobile_add_to_cart"
	EventAddToWishlist        EventName = "fb_mobile_add_to_wishlist"
	EventCompleteRegistration EventName = "fb_mobile_complete_registration"
	EventCompleteTutorial     EventName = "fb_mobile_tutorial_completion"
	EventContact              EventName = "Contact"
	EventCustomizeProduct     EventName = "CustomizeProduct"
	EventDonate               EventName = "Donate"
	EventFindLocation         EventName = "FindLocation"
	EventInitiateCheckout     EventName = "fb_mobile_initiated_checkout"
	EventLeadSubmitted        EventName = "lead_submitted"
	EventPurchase             EventName = "fb_mobile_purchase"
	EventRate                 EventName = "fb_mobile_rate"
	EventSchedule             EventName = "Schedule"
	EventSearch               EventName = "fb_mobile_search"
	EventSpendCredits         EventName = "fb_mobile_spent_credits"
	EventStartTrial           EventName = "StartTrial"
	EventSubmitApplication    EventName = "SubmitApplication"
	EventSubscribe            EventName = "Subscribe"
	EventUnlockAchievement    EventName = "fb_mobile_achievement_unlocked"
	EventViewContent          EventName = "fb_mobile_content_view"
)

// The events the Messenger Platform logs by itself, for reading reports. Logging one of them, or any other name that
// starts with "fb_messenger_bot_", is a validation error: it would be counted twice.
//
// https://developers.facebook.com/docs/messenger-platform/analytics/app-events
const (
	EventBotMessageReceived EventName = "fb_messenger_bot_message_received"
	EventBotMessageSent     EventName = "fb_messenger_bot_message_sent"
	EventBotPostbackCalled  EventName = "fb_messenger_bot_postback_called"
	EventBotStarted         EventName = "fb_messenger_bot_started"        // the person unblocked the bot
	EventBotStopped         EventName = "fb_messenger_bot_stopped"        // the person blocked the bot
	EventBotThreadDeleted   EventName = "fb_messenger_bot_thread_deleted" // the person deleted the conversation
)

const automaticPrefix = "fb_messenger_bot_"

// The wire names of the standard parameters; [Params] has a field for each.
const (
	ParamAdType               = "fb_ad_type"
	ParamContent              = "fb_content"
	ParamContentID            = "fb_content_id"
	ParamContentType          = "fb_content_type"
	ParamCurrency             = "fb_currency"
	ParamDescription          = "fb_description"
	ParamLevel                = "fb_level"
	ParamMaxRatingValue       = "fb_max_rating_value"
	ParamNumItems             = "fb_num_items"
	ParamOrderID              = "fb_order_id"
	ParamPaymentInfoAvailable = "fb_payment_info_available"
	ParamRegistrationMethod   = "fb_registration_method"
	ParamSearchString         = "fb_search_string"
	ParamSuccess              = "fb_success"
)

// ParamSDKAdType is what Meta's mobile SDKs send instead of [ParamAdType]. Set it through Params.Custom.
const ParamSDKAdType = "ad_type"

// The parameters of the automatic bot events.
const (
	ParamBotCTAID               = "fb_messenger_bot_cta_id"
	ParamBotCTAKind             = "fb_messenger_bot_cta_kind"
	ParamBotMessageTemplateType = "fb_messenger_bot_message_template_type"
	ParamBotMessageType         = "fb_messenger_bot_message_type"
	ParamBotPostbackEvent       = "fb_messenger_bot_postback_event"
)

// Edge is the part of Graph an event goes to, by its name in the path.
type Edge string

// The edges that take events.
const (
	EdgeActivities     Edge = "activities"      // LogActivity
	EdgePageActivities Edge = "page_activities" // LogPageActivity, retired by Meta
	EdgeConversions    Edge = "events"          // SendConversions, for business messaging
)

// ParamType is what a parameter holds.
type ParamType string

// The types of parameters.
const (
	TypeBool     ParamType = "bool"     // sent as 1 or 0
	TypeContents ParamType = "contents" // a list of Content
	TypeInt      ParamType = "int"
	TypeText     ParamType = "text"
	TypeTextList ParamType = "text_list" // one or several texts
)

// ParamSpec describes a parameter of a standard event.
type ParamSpec struct {
	Name     string    `json:"name"`              // wire name: "fb_currency"
	Label    string    `json:"label"`             // for people: "Currency"
	Type     ParamType `json:"type"`              // what it holds
	Expected bool      `json:"expected"`          // whether Meta's guide lists it for the event; if not, it is optional
	Values   []string  `json:"values,omitzero"`   // suggested values, nil when free
	Required bool      `json:"required,omitzero"` // whether it must be set when the event has a value
}

// EventSpec describes a standard event: enough to build a form for it.
type EventSpec struct {
	Name         EventName   `json:"name"`                    // wire name: "fb_mobile_purchase"
	Label        string      `json:"label"`                   // for people: "Purchase"
	Value        string      `json:"value,omitzero"`          // what Event.Value means; empty when the event has none
	ValueIsPrice bool        `json:"value_is_price,omitzero"` // whether a value needs a currency
	Params       []ParamSpec `json:"params,omitzero"`
	Edges        []Edge      `json:"edges"` // where the event is accepted
}

// StandardEvents describes every standard event and lead_submitted, sorted by label. The result is the caller's own.
// It marshals to JSON, so that a visual editor can build its list of events and a form for each from it.
func StandardEvents() []EventSpec {
	spec := func(name EventName, label, value string, params ...ParamSpec) EventSpec {
		s := EventSpec{
			Name: name, Label: label, Value: value, ValueIsPrice: valueIsPrice(name), Params: params,
			Edges: []Edge{EdgeActivities, EdgePageActivities},
		}
		switch name {
		case EventAddToCart, EventInitiateCheckout, EventLeadSubmitted, EventPurchase, EventViewContent:
			s.Edges = append(s.Edges, EdgeConversions)
		}
		return s
	}
	param := func(name, label string, kind ParamType, values ...string) ParamSpec {
		return ParamSpec{Name: name, Label: label, Type: kind, Expected: true, Values: values}
	}
	optional := func(p ParamSpec) ParamSpec {
		p.Expected = false
		return p
	}
	var (
		adType       = param(ParamAdType, "Ad type", TypeText, "banner", "interstitial", "rewarded_video", "native")
		contentType  = param(ParamContentType, "Content type", TypeText, "product", "product_group")
		contentID    = param(ParamContentID, "Product IDs", TypeTextList)
		contents     = optional(param(ParamContent, "Products", TypeContents)) // instead of the IDs
		currency     = param(ParamCurrency, "Currency", TypeText)
		description  = param(ParamDescription, "Description", TypeText)
		level        = param(ParamLevel, "Level", TypeText)
		maxRating    = param(ParamMaxRatingValue, "Highest rating", TypeInt)
		numItems     = param(ParamNumItems, "Number of items", TypeInt)
		orderID      = param(ParamOrderID, "Order ID", TypeText)
		paymentInfo  = param(ParamPaymentInfoAvailable, "Payment info available", TypeBool)
		registration = param(ParamRegistrationMethod, "Registration method", TypeText, "Facebook", "Email")
		search       = param(ParamSearchString, "Search text", TypeText)
		success      = param(ParamSuccess, "Success", TypeBool)
	)
	currency.Required = true
	return []EventSpec{
		spec(EventAchieveLevel, "Achieve Level", "", level),
		spec(EventActivateApp, "Activate App", ""),
		spec(EventAddPaymentInfo, "Add Payment Info", "", success),
		spec(EventAddToCart, "Add to Cart", "price of the item", contentType, contentID, contents, currency),
		spec(EventAddToWishlist, "Add to Wishlist", "price of the item", contentType, contentID, contents, currency),
		spec(EventCompleteRegistration, "Complete Registration", "", registration),
		spec(EventCompleteTutorial, "Complete Tutorial", "", success, contentID, contents),
		spec(EventContact, "Contact", ""),
		spec(EventCustomizeProduct, "Customize Product", ""),
		spec(EventDonate, "Donate", ""),
		spec(EventFindLocation, "Find Location", ""),
		spec(EventAdClick, "In-App Ad Click", "", adType),
		spec(EventAdImpression, "In-App Ad Impression", "revenue from the ad", adType, optional(currency)),
		spec(EventInitiateCheckout, "Initiate Checkout", "total of the cart",
			contentType, contentID, contents, numItems, paymentInfo, currency),
		spec(EventLeadSubmitted, "Lead Submitted", ""),
		spec(EventPurchase, "Purchase", "price paid", numItems, contentType, contentID, contents, currency),
		spec(EventRate, "Rate", "rating given", contentType, contentID, contents, maxRating),
		spec(EventSchedule, "Schedule", ""),
		spec(EventSearch, "Search", "", contentType, search, success),
		spec(EventSpendCredits, "Spent Credits", "credits spent", contentType, contentID, contents),
		spec(EventStartTrial, "Start Trial", "price of the subscription", orderID, currency),
		spec(EventSubmitApplication, "Submit Application", ""),
		spec(EventSubscribe, "Subscribe", "price of the subscription", orderID, currency),
		spec(EventUnlockAchievement, "Unlock Achievement", "", description),
		spec(EventViewContent, "View Content", "price of the item, if any", contentType, contentID, contents, currency),
	}
}

// valueIsPrice reports whether the value of a standard event is money, so that it needs a currency.
func valueIsPrice(name EventName) bool {
	switch name {
	case EventAdImpression, EventAddToCart, EventAddToWishlist, EventInitiateCheckout, EventPurchase, EventStartTrial,
		EventSubscribe, EventViewContent:
		return true
	}
	return false
}

// currencies are the active codes of ISO 4217 for money people pay with, and those withdrawn since 2025.
const currencies = " AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN " +
	"BZD CAD CDF CHF CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD " +
	"GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR " +
	"LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK " +
	"PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND " +
	"TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG "

func validCurrency(code string) bool {
	return len(code) == 3 && strings.Contains(currencies, " "+code+" ")
}
