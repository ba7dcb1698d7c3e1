package appevents

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/appevents/appevents-go/internal/wire"
)

// Conversion is something a person did, in the form the Conversions API takes; [Client.SendConversions] sends it.
// [Event.Conversion] makes one of an Event, [Activity.Conversions] and [Install.Conversion] of what /activities takes.
//
// Exactly one of Thread, WhatsApp and App says who did it and where. Copies share the slices, maps and pointers.
//
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/server-event
type Conversion struct {
	// Name is required.
	Name ConversionName `json:"name"`

	// Value is an amount of Data.Currency. Nil means none; a purchase must have one.
	Value *float64 `json:"value,omitzero"`

	// Time is when it happened, sent as whole seconds. It may be up to seven days ago, but Meta advises
	// to send conversions within an hour: two hours late hurts optimisation, a day late hurts attribution. The zero time
	// means the time of sending, so set it when the conversion may wait. A time up to a minute in the future, by a clock
	// that is ahead, is sent as now.
	Time time.Time `json:"time,omitzero"`

	// ID is the same for every copy of the same event. Empty means none. Meta does not promise to recognise
	// repeats of messaging events.
	ID string `json:"id,omitzero"`

	// Thread is the Messenger or Instagram conversation it happened in.
	Thread Thread `json:"thread,omitzero"`

	// WhatsApp is the WhatsApp conversation it happened in.
	WhatsApp WhatsAppThread `json:"whatsapp,omitzero"`

	// App is the mobile app it happened in; nil for conversations.
	App *AppConversion `json:"app,omitzero"`

	// UserData helps Meta recognise the person. It is hashed before it is sent.
	UserData UserData `json:"user_data,omitzero"`

	// Data are the details; the zero value sends none.
	Data ConversionData `json:"data,omitzero"`

	// DataProcessing asks for Limited Data Use.
	DataProcessing DataProcessing `json:"data_processing,omitzero"`

	// Extra are members of the event this package has no field for, such as opt_out, sent as they are. Names that
	// have a field are refused.
	Extra map[string]json.RawMessage `json:"extra,omitzero"`
}

// WhatsAppThread names a WhatsApp conversation that began with a click on an ad: the ClickID and one of the others
// are required.
type WhatsAppThread struct {
	// AccountID is the WhatsApp Business account.
	AccountID ID `json:"account_id,omitzero" wire:"whatsapp_business_account_id,id"`

	// PageID is the Page behind the ad; it can stand in for AccountID.
	PageID ID `json:"page_id,omitzero" wire:",id"`

	// ClickID came with the first message. Meta knows its own: an invented one is refused, in tests too.
	ClickID string `json:"click_id,omitzero" wire:"ctwa_clid,at=0,required"`
}

var whatsAppPlan = wire.For[WhatsAppThread]()

// IsZero reports whether nothing is set.
func (w WhatsAppThread) IsZero() bool { return w == WhatsAppThread{} }

// ConversionData are the details of a [Conversion]. Fields left zero are not sent; the JSON names are Meta's.
//
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/custom-data
type ConversionData struct {
	// Currency is an ISO 4217 code in capitals. It is required where the conversion has a value.
	Currency string `json:"currency,omitzero" wire:",currency"`

	// Contents are the products.
	Contents []ConversionContent `json:"contents,omitzero"`

	// ContentIDs are the IDs of the products, where their number and price do not matter.
	ContentIDs []string `json:"content_ids,omitzero"`

	// ContentType is "product" or "product_group": what ContentIDs name.
	ContentType string `json:"content_type,omitzero"`

	ContentName     string `json:"content_name,omitzero"`           // the name of the product or page
	ContentCategory string `json:"content_category,omitzero"`       // its category
	NumItems        int    `json:"num_items,omitzero" wire:",at=3"` // how many items in all
	OrderID         string `json:"order_id,omitzero"`
	SearchString    string `json:"search_string,omitzero"`
	Status          string `json:"status,omitzero"`
	ItemNumber      string `json:"item_number,omitzero"`

	// DeliveryCategory is "in_store", "curbside" or "home_delivery".
	DeliveryCategory string `json:"delivery_category,omitzero"`

	// PredictedLTV is what the person is expected to be worth, NetRevenue what the sale is. Nil means not sent.
	PredictedLTV *float64 `json:"predicted_ltv,omitzero"`
	NetRevenue   *float64 `json:"net_revenue,omitzero"`

	// Custom are details of your own, with the keys and values that Params.Custom takes. Names that have a field here
	// are refused.
	Custom map[string]any `json:"custom,omitzero" wire:"-"`
}

var dataPlan = wire.For[ConversionData](wire.List(conversionContentPlan))

// UnmarshalJSON reads what encoding/json writes of ConversionData. Numbers in Custom become json.Number: a long ID
// keeps every digit.
func (d *ConversionData) UnmarshalJSON(data []byte) error {
	type plain ConversionData // has no UnmarshalJSON
	return unmarshalExactly(data, (*plain)(d))
}

// ConversionContent is one product of a [Conversion]. Fields left zero are not sent.
type ConversionContent struct {
	ID               string  `json:"id" wire:",required"` // the EAN or another ID
	Quantity         int     `json:"quantity,omitzero" wire:",at=8"`
	ItemPrice        float64 `json:"item_price,omitzero" wire:",at=9"` // price of one, in Currency
	Title            string  `json:"title,omitzero"`
	Description      string  `json:"description,omitzero"`
	Brand            string  `json:"brand,omitzero"`
	Category         string  `json:"category,omitzero"`
	DeliveryCategory string  `json:"delivery_category,omitzero"` // as in ConversionData
}

var conversionContentPlan = wire.For[ConversionContent]()

// AppConversion is the mobile app a [Conversion] happened in: what Activity and Install send to /activities, in the
// form of the Conversions API. The dataset must be linked to the app.
//
// https://developers.facebook.com/docs/marketing-api/conversions-api/app-events
type AppConversion struct {
	// Device identifies the app installation. Attribution and PlayerID have no counterpart and are refused.
	Device Device `json:"device,omitzero"`

	// ExtInfo is required.
	ExtInfo ExtInfo `json:"ext_info,omitzero"`

	// Consent is required.
	Consent Consent `json:"consent,omitzero"`

	// ClientIP is the device's own address, IPv4 or IPv6.
	ClientIP netip.Addr `json:"client_ip,omitzero"`

	// Installer is the Android installer package, Receipts the in-app purchase receipts as text, URLSchemes the schemes
	// that the app opens; see [Bundle].
	Installer  string   `json:"installer,omitzero"`
	Receipts   string   `json:"receipts,omitzero"`
	URLSchemes []string `json:"url_schemes,omitzero"`

	// InstallReferrer and CampaignIDs are as in [Measurement].
	InstallReferrer string `json:"install_referrer,omitzero"`
	CampaignIDs     string `json:"campaign_ids,omitzero"`

	// ConsiderViews, IncludeDwellData and IncludeVideoData are as in [Install].
	ConsiderViews    bool `json:"consider_views,omitzero"`
	IncludeDwellData bool `json:"include_dwell_data,omitzero"`
	IncludeVideoData bool `json:"include_video_data,omitzero"`
}

// groups returns what a has of the groups of /activities, which declare the parameters.
func (a *AppConversion) groups() (Bundle, Measurement, views) {
	return Bundle{Installer: a.Installer, Receipts: a.Receipts, URLSchemes: a.URLSchemes},
		Measurement{InstallReferrer: a.InstallReferrer, CampaignIDs: a.CampaignIDs},
		views{a.ConsiderViews, a.IncludeDwellData, a.IncludeVideoData}
}

// ConversionCall is a request of [Client.SendConversions] as a value, for queues; [MarshalCall] says what its stored
// form holds. Set the Time of conversions that may wait.
type ConversionCall struct {
	DatasetID   ID           `json:"dataset_id"`
	Conversions []Conversion `json:"conversions"`
}
