package appevents

import (
	"slices"
	"sync"

	"github.com/appevents/appevents-go/internal/names"
)

// EventName is the wire name of an event: one of the Event constants, or a name of your own of 1 to 40 ASCII letters,
// digits, underscores, hyphens and spaces that starts with neither hyphen nor space. An app can have 1,000 different
// names; only standard ones are reported in Ads Manager.
type EventName string

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

// The kinds of call that /activities takes, and what the Conversions API calls an installation.
const (
	kindCustomEvents = "CUSTOM_APP_EVENTS"
	kindInstall      = "MOBILE_APP_INSTALL"
	kindAppLink      = "DEFERRED_APP_LINK"

	conversionInstall ConversionName = "MobileAppInstall"
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

// ConversionName is what a [Conversion] reports. Conversations know only the Conversion constants; names of your own
// exist for mobile apps alone.
type ConversionName string

// The events of a conversation: all that business messaging takes. They must have happened in the thread, not on a
// website. On WhatsApp Meta is known to take only some of them; see [Conversion.Warnings].
//
// https://developers.facebook.com/docs/marketing-api/conversions-api/business-messaging
const (
	ConversionAddToCart        ConversionName = "AddToCart"
	ConversionCartAbandoned    ConversionName = "CartAbandoned"
	ConversionInitiateCheckout ConversionName = "InitiateCheckout"
	ConversionLeadSubmitted    ConversionName = "LeadSubmitted"
	ConversionOrderCanceled    ConversionName = "OrderCanceled"
	ConversionOrderCreated     ConversionName = "OrderCreated"
	ConversionOrderDelivered   ConversionName = "OrderDelivered"
	ConversionOrderReturned    ConversionName = "OrderReturned"
	ConversionOrderShipped     ConversionName = "OrderShipped"
	ConversionPurchase         ConversionName = "Purchase" // needs a value
	ConversionQualifiedLead    ConversionName = "QualifiedLead"
	ConversionRatingProvided   ConversionName = "RatingProvided"
	ConversionReviewProvided   ConversionName = "ReviewProvided"
	ConversionViewContent      ConversionName = "ViewContent"
)

// conversionNames are the names business messaging takes.
var conversionNames = [...]ConversionName{
	ConversionAddToCart, ConversionCartAbandoned, ConversionInitiateCheckout, ConversionLeadSubmitted,
	ConversionOrderCanceled, ConversionOrderCreated, ConversionOrderDelivered, ConversionOrderReturned,
	ConversionOrderShipped, ConversionPurchase, ConversionQualifiedLead, ConversionRatingProvided,
	ConversionReviewProvided, ConversionViewContent,
}

func (n ConversionName) forMessaging() bool { return slices.Contains(conversionNames[:], n) }

// Edge is the part of Graph an event goes to, by its name in the path.
type Edge string

// The edges that take events.
const (
	EdgeActivities     Edge = "activities"      // LogActivity
	EdgePageActivities Edge = "page_activities" // LogPageActivity, retired by Meta
	EdgeConversions    Edge = "events"          // SendConversions, for business messaging
)

// A standardEvent is an event of Meta's guide. The parameters are those that the guide lists for it.
type standardEvent struct {
	name       EventName
	label      string
	value      string         // what the value means; empty when the event has none
	price      bool           // the value is money
	conversion ConversionName // the name in the Conversions API; empty when it is the same
	params     []string
}

// standardEvents are sorted by label.
var standardEvents = [...]standardEvent{
	{EventAchieveLevel, "Achieve Level", "", false, "LevelAchieved", []string{ParamLevel}},
	{EventActivateApp, "Activate App", "", false, "ActivateApp", nil},
	{EventAddPaymentInfo, "Add Payment Info", "", false, "AddPaymentInfo", []string{ParamSuccess}},
	{EventAddToCart, "Add to Cart", "price of the item", true, ConversionAddToCart,
		[]string{ParamContentType, ParamContentID, ParamCurrency}},
	{EventAddToWishlist, "Add to Wishlist", "price of the item", true, "AddToWishlist",
		[]string{ParamContentType, ParamContentID, ParamCurrency}},
	{EventCompleteRegistration, "Complete Registration", "", false, "CompleteRegistration",
		[]string{ParamRegistrationMethod}},
	{EventCompleteTutorial, "Complete Tutorial", "", false, "TutorialCompletion",
		[]string{ParamSuccess, ParamContentID}},
	{EventContact, "Contact", "", false, "", nil},
	{EventCustomizeProduct, "Customize Product", "", false, "", nil},
	{EventDonate, "Donate", "", false, "", nil},
	{EventFindLocation, "Find Location", "", false, "", nil},
	{EventAdClick, "In-App Ad Click", "", false, "", []string{ParamAdType}},
	{EventAdImpression, "In-App Ad Impression", "revenue from the ad", true, "", []string{ParamAdType}},
	{EventInitiateCheckout, "Initiate Checkout", "total of the cart", true, ConversionInitiateCheckout,
		[]string{ParamContentType, ParamContentID, ParamNumItems, ParamPaymentInfoAvailable, ParamCurrency}},
	{EventLeadSubmitted, "Lead Submitted", "", false, ConversionLeadSubmitted, nil},
	{EventPurchase, "Purchase", "price paid", true, ConversionPurchase,
		[]string{ParamNumItems, ParamContentType, ParamContentID, ParamCurrency}},
	{EventRate, "Rate", "rating given", false, "Rate",
		[]string{ParamContentType, ParamContentID, ParamMaxRatingValue}},
	{EventSchedule, "Schedule", "", false, "", nil},
	{EventSearch, "Search", "", false, "Search", []string{ParamContentType, ParamSearchString, ParamSuccess}},
	{EventSpendCredits, "Spent Credits", "credits spent", false, "SpentCredits",
		[]string{ParamContentType, ParamContentID}},
	{EventStartTrial, "Start Trial", "price of the subscription", true, "", []string{ParamOrderID, ParamCurrency}},
	{EventSubmitApplication, "Submit Application", "", false, "", nil},
	{EventSubscribe, "Subscribe", "price of the subscription", true, "", []string{ParamOrderID, ParamCurrency}},
	{EventUnlockAchievement, "Unlock Achievement", "", false, "AchievementUnlocked", []string{ParamDescription}},
	{EventViewContent, "View Content", "price of the item, if any", true, ConversionViewContent,
		[]string{ParamContentType, ParamContentID, ParamCurrency}},
}

// standardByName finds the rows of standardEvents.
var standardByName = sync.OnceValue(func() map[EventName]*standardEvent {
	all := make(map[EventName]*standardEvent, len(standardEvents))
	for i := range standardEvents {
		all[standardEvents[i].name] = &standardEvents[i]
	}
	return all
})

// valueIsPrice reports whether the value of a standard event is money, so that it needs a currency.
func (n EventName) valueIsPrice() bool {
	standard := standardByName()[n]
	return standard != nil && standard.price
}

// conversion returns the name of the event in the Conversions API. Names of the caller's own are the same there.
func (n EventName) conversion() ConversionName {
	if standard := standardByName()[n]; standard != nil && standard.conversion != "" {
		return standard.conversion
	}
	return ConversionName(n)
}

// spellings are the ways to write a standard event, each without what names.Letters drops.
var spellings = sync.OnceValue(func() map[string]EventName {
	all := map[string]EventName{"lead": EventLeadSubmitted}
	for _, e := range standardEvents {
		for _, spelling := range [...]string{string(e.name), e.label, string(e.conversion)} {
			if spelling != "" {
				all[names.Letters(spelling)] = e.name
			}
		}
	}
	return all
})

// nearestStandard returns the standard event that a name was probably meant to be: "Purchase", "AddToCart" and "Lead"
// are those of other APIs, "fb_mobile_purchas" is a slip. It returns "" for a standard event and for any other name.
func (n EventName) nearestStandard() EventName {
	if standardByName()[n] != nil {
		return ""
	}
	word := names.Letters(string(n))
	if near := spellings()[word]; near != "" {
		return near
	}
	slips := len(word) / 6
	for spelling, near := range spellings() {
		if len(word)-slips <= len(spelling) && len(spelling) <= len(word)+slips && names.Distance(word, spelling) <= slips {
			return near
		}
	}
	return ""
}

// nearestMessaging returns the event of conversations that comes closest to a name in meaning or spelling, or "".
func (n ConversionName) nearestMessaging() ConversionName {
	switch name := EventName(n).conversion(); name {
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
	default:
		word := names.Letters(string(name))
		best, near := len(word)/3+1, ConversionName("")
		for _, candidate := range conversionNames {
			if d := names.Distance(word, names.Letters(string(candidate))); d < best {
				best, near = d, candidate
			}
		}
		return near
	}
}
