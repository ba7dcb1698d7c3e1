package appevents

import (
	"encoding/json"
	"time"

	"github.com/appevents/appevents-go/internal/loose"
)

// ActivityResult is what Graph answered to [Client.LogActivity], [Client.LogInstall], [Client.DeferredAppLink] or
// [Client.LogPageActivity]. Success means that the call was valid; Meta does not say whether the events were used.
type ActivityResult struct {
	// Response describes the last answer.
	Response

	// DropReason is why Meta dropped the data of an accepted call; "" when it did not say.
	DropReason string `json:"drop_reason,omitzero"`

	// Claim is the ad Meta claims the install or event for; nil when the answer held none.
	Claim *Claim `json:"claim,omitzero"`

	// Events is how many events were accepted, Requests how many requests carried them, repeats not included.
	Events   int `json:"events"`
	Requests int `json:"requests"`
}

// Claim tells which ad led to an install or event, and where in the app it leads. Fields that Graph left out are zero;
// Response.Raw holds the rest.
//
// https://developers.facebook.com/docs/graph-api/reference/application/activities/
type Claim struct {
	IsFB                    bool            `json:"is_fb,omitzero"`
	IsPaid                  bool            `json:"is_paid,omitzero"`
	IsExternal              bool            `json:"is_external,omitzero"`
	IsInstagram             bool            `json:"is_instagram,omitzero"`
	IsViewThrough           bool            `json:"is_view_through,omitzero"` // seen, not clicked: ViewTime is set
	IsModeled               bool            `json:"is_modeled,omitzero"`
	IsSameIP                bool            `json:"is_same_ip,omitzero"`
	IsPlayableAd            bool            `json:"is_playable_ad,omitzero"`
	IsAAACampaign           bool            `json:"is_aaa_campaign,omitzero"`
	IsMobileDataTermsSigned bool            `json:"is_mobile_data_terms_signed,omitzero"`
	ClickTime               time.Time       `json:"click_time,omitzero"` // zero for a view-through claim
	ViewTime                time.Time       `json:"view_time,omitzero"`  // zero for a click
	AccountID               ID              `json:"account_id,omitzero"`
	AdID                    ID              `json:"ad_id,omitzero"`
	AdGroupID               ID              `json:"adgroup_id,omitzero"` // Marketing API: the ad
	AdGroupName             string          `json:"adgroup_name,omitzero"`
	AdObjectiveName         string          `json:"ad_objective_name,omitzero"`
	CampaignID              ID              `json:"campaign_id,omitzero"` // Marketing API: the ad set
	CampaignName            string          `json:"campaign_name,omitzero"`
	CampaignGroupID         ID              `json:"campaign_group_id,omitzero"` // Marketing API: the campaign
	CampaignGroupName       string          `json:"campaign_group_name,omitzero"`
	CreativeID              ID              `json:"creative_id,omitzero"`
	AppLinkClass            string          `json:"applink_class,omitzero"`
	AppLinkURL              string          `json:"applink_url,omitzero"`  // what the app is to open
	AppLinkArgs             json.RawMessage `json:"applink_args,omitzero"` // an object, or one written as text
	DeviceModel             string          `json:"device_model,omitzero"`
	OSVersion               string          `json:"os_version,omitzero"`
	EngagementType          string          `json:"engagement_type,omitzero"`
	TraceID                 string          `json:"trace_id,omitzero"`
	FBCLID                  string          `json:"fbclid,omitzero"`
	EventID                 string          `json:"event_id,omitzero"`
	Vertical                string          `json:"vertical,omitzero"`
	SubVertical             string          `json:"sub_vertical,omitzero"`
	AdvertiserRegion        string          `json:"advertiser_region,omitzero"`
	AdditionalTouchpoints   json.RawMessage `json:"additional_touchpoints,omitzero"`
}

// UnmarshalJSON reads a claim leniently: a field of an unexpected kind stays zero and hides no other, times may be
// Unix seconds or texts.
func (c *Claim) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	type plain Claim
	out := struct {
		*plain
		ClickTime loose.Time `json:"click_time"`
		ViewTime  loose.Time `json:"view_time"`
	}{plain: (*plain)(c)}
	for name, value := range members { // one at a time: encoding/json stops at the first odd ID
		member, err := json.Marshal(map[string]json.RawMessage{name: value})
		if err != nil {
			return err
		}
		_ = json.Unmarshal(member, &out)
	}
	c.ClickTime, c.ViewTime = out.ClickTime.Time, out.ViewTime.Time
	return nil
}

// readClaim fills the parts of a result that a plain {"success":true} does not have. The call has been accepted, so
// what it cannot read it leaves to Response.Raw.
func (r *ActivityResult) readClaim() {
	if isPlainSuccess(r.Raw) {
		return
	}
	var answer map[string]json.RawMessage
	if json.Unmarshal(r.Raw, &answer) != nil {
		return
	}
	_ = json.Unmarshal(answer["drop_reason"], &r.DropReason)
	for _, key := range [...]string{
		"is_fb", "ad_id", "campaign_id", "click_time", "view_time", "applink_url", "applink_class", "applink_args",
	} {
		if present(answer[key]) {
			r.Claim = new(Claim)
			_ = json.Unmarshal(r.Raw, r.Claim)
			return
		}
	}
}
