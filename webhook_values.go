package appevents

// The types in this file are for events that are too rare, or too little documented by Meta, to have a type of their
// own. Decode the event's JSON into them with encoding/json.

// MarketingMessage is the value of a [ChangeEvent] whose field is marketing_message_clicks, _deliveries,
// _delivery_failed, _echoes or _reads:
//
//	var message appevents.MarketingMessage
//	err := json.Unmarshal(change.Value(), &message)
//
// IDs of the person and the message are missing for subscribers from a custom audience.
//
// https://developers.facebook.com/docs/messenger-platform/marketing-messages
type MarketingMessage struct {
	PageID            ID     `json:"page_id"`
	AppID             ID     `json:"app_id"`
	BusinessID        ID     `json:"business_id"` // _delivery_failed
	RecipientID       ID     `json:"recipient_id"`
	MID               string `json:"mid"`
	MessageID         ID     `json:"message_id"`
	TrackingID        string `json:"marketing_message_tracking_id"`
	SubscriptionToken ID     `json:"messenger_subscription_token"`
	ErrorMessage      string `json:"error_message"` // _delivery_failed
}

// GroupPost is what an [UnknownEvent] whose field is group_feed reports: a post or comment in a group. Decode
// [WebhookEvent.Raw] into it.
//
// https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/group_feed
type GroupPost struct {
	From struct {
		ID   ID     `json:"id"`
		Name string `json:"name"`
	} `json:"from"`
	GroupID   ID `json:"group_id"`
	PostID    ID `json:"post_id"`
	CommentID ID `json:"comment_id"`
	ParentID  ID `json:"parent_id"`
}

// Payment is the value of an [UnknownEvent] whose field is messaging_payments, messaging_pre_checkouts or
// messaging_checkout_updates: the payments Messenger once had.
type Payment struct {
	Payload string `json:"payload"`
	Amount  struct {
		Currency string `json:"currency"`
		Amount   string `json:"amount"` // decimal
	} `json:"amount"`
	RequestedUserInfo struct {
		ContactName     string          `json:"contact_name"`
		ContactEmail    string          `json:"contact_email"`
		ContactPhone    string          `json:"contact_phone"`
		ShippingAddress ShippingAddress `json:"shipping_address"`
	} `json:"requested_user_info"`
	Credential struct {
		ProviderType string `json:"provider_type"`
		ChargeID     string `json:"charge_id"`
	} `json:"payment_credential"`
	ShippingOptionID ID              `json:"shipping_option_id"`
	ShippingAddress  ShippingAddress `json:"shipping_address"` // messaging_checkout_updates
}

// ShippingAddress is where a [Payment] was to be sent.
type ShippingAddress struct {
	ID         ID     `json:"id"`
	Country    string `json:"country"`
	City       string `json:"city"`
	Street1    string `json:"street1"`
	Street2    string `json:"street2"`
	State      string `json:"state"`
	PostalCode string `json:"postal_code"`
}
