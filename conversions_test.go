// Tests of conversions.go, conversions_validate.go and conversions_encode.go.

package appevents_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// problemsOf returns the problems of an error as "path (rule)".
func problemsOf(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var invalid *appevents.ValidationError
	require.ErrorAs(t, err, &invalid)
	var all []string
	for _, issue := range invalid.Issues {
		require.NotEmpty(t, issue.Message)
		all = append(all, issue.Path+" ("+issue.Rule+")")
	}
	return all
}

// appConversion is a valid conversion of a mobile app.
func appConversion() appevents.Conversion {
	return appevents.Conversion{
		Name: "SecretLevel",
		App: &appevents.AppConversion{
			Device:  appevents.Device{AdvertiserID: "38400000-8cf0-11bd-b23e-10b96e40000d"},
			ExtInfo: appevents.ExtInfo{Platform: appevents.Android, OSVersion: "14"},
			Consent: appevents.ConsentAllowed,
		},
	}
}

func whatsApp() appevents.Conversion {
	return appevents.Conversion{
		Name:     appevents.ConversionLeadSubmitted,
		WhatsApp: appevents.WhatsAppThread{AccountID: "330", ClickID: "ARAk"},
	}
}

func TestConversion_Validate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	type conversion = appevents.Conversion
	for name, test := range map[string]struct {
		change func(c *conversion)
		want   []string
	}{
		"valid":                    {func(*conversion) {}, nil},
		"nobody":                   {func(c *conversion) { c.Thread = appevents.Thread{} }, []string{"thread (required)"}},
		"no Page":                  {func(c *conversion) { c.Thread.PageID = "" }, []string{"thread.page_id (required)"}},
		"no person":                {func(c *conversion) { c.Thread.PSID = "" }, []string{"thread.psid (required)"}},
		"letters":                  {func(c *conversion) { c.Thread.PSID = "7x" }, []string{"thread.psid (format)"}},
		"Instagram":                {func(c *conversion) { c.Thread.Channel = appevents.ChannelInstagram }, nil},
		"channel alone":            {func(c *conversion) { c.Thread = appevents.Thread{Channel: appevents.ChannelInstagram} }, []string{"thread.page_id (required)", "thread.psid (required)"}},
		"unknown channel":          {func(c *conversion) { c.Thread.Channel = 2 }, []string{"thread.channel (unknown)"}},
		"two conversations":        {func(c *conversion) { c.WhatsApp = whatsApp().WhatsApp }, []string{" (conflict)"}},
		"conversation and app":     {func(c *conversion) { c.App = appConversion().App }, []string{" (conflict)"}},
		"WhatsApp":                 {func(c *conversion) { *c = whatsApp() }, nil},
		"WhatsApp by Page":         {func(c *conversion) { *c = whatsApp(); c.WhatsApp.AccountID, c.WhatsApp.PageID = "", "901" }, nil},
		"WhatsApp without account": {func(c *conversion) { *c = whatsApp(); c.WhatsApp.AccountID = "" }, []string{"whatsapp.account_id (required)"}},
		"WhatsApp without click":   {func(c *conversion) { *c = whatsApp(); c.WhatsApp.ClickID = "" }, []string{"whatsapp.click_id (required)"}},
		"WhatsApp, wrong account":  {func(c *conversion) { *c = whatsApp(); c.WhatsApp.AccountID = "x" }, []string{"whatsapp.account_id (format)"}},
		"WhatsApp, wrong Page":     {func(c *conversion) { *c = whatsApp(); c.WhatsApp.PageID = "x" }, []string{"whatsapp.page_id (format)"}},
		"WhatsApp, broken click":   {func(c *conversion) { *c = whatsApp(); c.WhatsApp.ClickID = "\xff" }, []string{"whatsapp.click_id (format)"}},
		"no name":                  {func(c *conversion) { c.Name = "" }, []string{"name (required)"}},
		"unknown name":             {func(c *conversion) { c.Name = "Lead" }, []string{"name (unknown)"}},
		"name of an app event":     {func(c *conversion) { c.Name = "fb_mobile_purchase" }, []string{"name (unknown)"}},
		"a week ago":               {func(c *conversion) { c.Time = now.Add(-7*24*time.Hour + time.Minute) }, nil},
		"more than a week ago":     {func(c *conversion) { c.Time = now.Add(-7*24*time.Hour - time.Minute) }, []string{"time (range)"}},
		"a little ahead":           {func(c *conversion) { c.Time = now.Add(30 * time.Second) }, nil},
		"in the future":            {func(c *conversion) { c.Time = now.Add(2 * time.Minute) }, []string{"time (range)"}},
		"milliseconds":             {func(c *conversion) { c.Time = time.Unix(now.UnixMilli(), 0) }, []string{"time (range)"}},
		"broken ID":                {func(c *conversion) { c.ID = "\xff" }, []string{"id (format)"}},
		"value without currency":   {func(c *conversion) { c.Value = new(1.0) }, []string{"data.currency (required)"}},
		"value with currency":      {func(c *conversion) { c.Value, c.Data.Currency = new(1.0), "EUR" }, nil},
		"currency alone":           {func(c *conversion) { c.Data.Currency = "EUR" }, nil},
		"small currency":           {func(c *conversion) { c.Data.Currency = "eur" }, []string{"data.currency (format)"}},
		"not a number":             {func(c *conversion) { c.Value, c.Data.Currency = new(math.NaN()), "EUR" }, []string{"value (range)"}},
		"infinite":                 {func(c *conversion) { c.Value, c.Data.Currency = new(math.Inf(1)), "EUR" }, []string{"value (range)"}},
		"purchase":                 {func(c *conversion) { c.Name = appevents.ConversionPurchase }, []string{"value (required)"}},
		"purchase, no currency":    {func(c *conversion) { c.Name, c.Value = appevents.ConversionPurchase, new(1.0) }, []string{"data.currency (required)"}},
		"free purchase":            {func(c *conversion) { c.Name, c.Value, c.Data.Currency = appevents.ConversionPurchase, new(0.0), "EUR" }, nil},
		"contents":                 {func(c *conversion) { c.Data.Contents = []appevents.ConversionContent{{ID: "A"}} }, nil},
		"contents without ID":      {func(c *conversion) { c.Data.Contents = []appevents.ConversionContent{{ID: "A"}, {Quantity: 1}} }, []string{"data.contents[1].id (required)"}},
		"negative quantity":        {func(c *conversion) { c.Data.Contents = []appevents.ConversionContent{{ID: "A", Quantity: -1}} }, []string{"data.contents[0].quantity (range)"}},
		"negative item price":      {func(c *conversion) { c.Data.Contents = []appevents.ConversionContent{{ID: "A", ItemPrice: -1}} }, []string{"data.contents[0].item_price (range)"}},
		"item price not a number":  {func(c *conversion) { c.Data.Contents = []appevents.ConversionContent{{ID: "A", ItemPrice: math.NaN()}} }, []string{"data.contents[0].item_price (range)"}},
		"infinite item price": {func(c *conversion) {
			c.Data.Contents = []appevents.ConversionContent{{ID: "A", ItemPrice: math.Inf(1)}}
		}, []string{"data.contents[0].item_price (range)"}},
		"broken title":             {func(c *conversion) { c.Data.Contents = []appevents.ConversionContent{{ID: "A", Title: "\xff"}} }, []string{"data.contents[0].title (format)"}},
		"empty content ID":         {func(c *conversion) { c.Data.ContentIDs = []string{"A", ""} }, []string{"data.content_ids[1] (required)"}},
		"broken content ID":        {func(c *conversion) { c.Data.ContentIDs = []string{"\xff"} }, []string{"data.content_ids[0] (format)"}},
		"negative number of items": {func(c *conversion) { c.Data.NumItems = -1 }, []string{"data.num_items (range)"}},
		"broken text":              {func(c *conversion) { c.Data.Status = "\xff" }, []string{"data.status (format)"}},
		"lifetime not a number":    {func(c *conversion) { c.Data.PredictedLTV = new(math.NaN()) }, []string{"data.predicted_ltv (range)"}},
		"infinite revenue":         {func(c *conversion) { c.Data.NetRevenue = new(math.Inf(-1)) }, []string{"data.net_revenue (range)"}},
		"custom":                   {func(c *conversion) { c.Data.Custom = map[string]any{"size": "XL", "n": 1, "gift": true} }, nil},
		"custom shadows":           {func(c *conversion) { c.Data.Custom = map[string]any{"order_id": "1", "value": 1} }, []string{"data.order_id (reserved)", "data.value (reserved)"}},
		"custom key":               {func(c *conversion) { c.Data.Custom = map[string]any{"anna@example.com": "1"} }, []string{"data.custom (format)"}},
		"custom kind":              {func(c *conversion) { c.Data.Custom = map[string]any{"list": []int{1}} }, []string{"data.list (type)"}},
		"state without country":    {func(c *conversion) { c.DataProcessing = appevents.DataProcessing{LimitedDataUse: true, State: 1000} }, []string{"data_processing.country (required)"}},
		"digest of another kind":   {func(c *conversion) { c.UserData.Email = strings.Repeat("0a", 16) }, []string{"user_data.em (format)"}},
		"user data to be dropped":  {func(c *conversion) { c.UserData.Email = "nobody" }, nil},
		"extra":                    {func(c *conversion) { c.Extra = map[string]json.RawMessage{"opt_out": json.RawMessage("true")} }, nil},
		"extra is no JSON":         {func(c *conversion) { c.Extra = map[string]json.RawMessage{"opt_out": json.RawMessage("tru")} }, []string{"extra.opt_out (format)"}},
		"extra is empty":           {func(c *conversion) { c.Extra = map[string]json.RawMessage{"opt_out": nil} }, []string{"extra.opt_out (format)"}},
		"extra key":                {func(c *conversion) { c.Extra = map[string]json.RawMessage{`a"b`: json.RawMessage("1")} }, []string{"extra (format)"}},
		"several": {func(c *conversion) { c.Name, c.Thread.PSID, c.ID = "", "", "\xff" },
			[]string{"thread.psid (required)", "name (required)", "id (format)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := lead(1)
			test.change(&c)
			require.Equal(t, test.want, problemsOf(t, c.Validate()))
		})
	}
	for _, name := range []string{
		"event_name", "event_time", "event_id", "action_source", "messaging_channel", "user_data", "custom_data", "app_data",
		"extinfo", "data_processing_options", "data_processing_options_country", "data_processing_options_state",
	} {
		c := lead(1)
		c.Extra = map[string]json.RawMessage{name: json.RawMessage("1")}
		require.Equal(t, []string{"extra." + name + " (reserved)"}, problemsOf(t, c.Validate()))
	}
	for _, name := range []string{
		"value", "currency", "contents", "content_ids", "content_type", "content_name", "content_category", "num_items",
		"order_id", "search_string", "status", "item_number", "delivery_category", "predicted_ltv", "net_revenue",
	} {
		c := lead(1)
		c.Data.Custom = map[string]any{name: "1"}
		require.Equal(t, []string{"data." + name + " (reserved)"}, problemsOf(t, c.Validate()))
	}
}

func TestConversion_Validate_SuggestsTheNearestName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Lead": "LeadSubmitted", "CompleteRegistration": "LeadSubmitted", "Contact": "LeadSubmitted",
		"fb_mobile_complete_registration": "LeadSubmitted", "SubmitApplication": "LeadSubmitted", "Schedule": "LeadSubmitted",
		"lead_submitted": "LeadSubmitted", "fb_mobile_purchase": "Purchase", "purchase": "Purchase",
		"Subscribe": "Purchase", "StartTrial": "Purchase", "Donate": "Purchase", "AddPaymentInfo": "InitiateCheckout",
		"fb_mobile_initiated_checkout": "InitiateCheckout", "InitiatedCheckout": "InitiateCheckout",
		"AddToWishlist": "AddToCart", "add_to_cart": "AddToCart", "Search": "ViewContent", "FindLocation": "ViewContent",
		"CustomizeProduct": "ViewContent", "fb_mobile_content_view": "ViewContent", "Rate": "RatingProvided",
		"fb_mobile_rate": "RatingProvided", "order shipped": "OrderShipped", "OrderCancelled": "OrderCanceled",
		"CartAbandonned": "CartAbandoned", "QualifyedLead": "QualifiedLead",
	} {
		c := lead(1)
		c.Name = appevents.ConversionName(name)
		require.ErrorContains(t, c.Validate(), "; the nearest is "+want+" (unknown)", name)
	}
	for _, name := range []string{
		"fb_mobile_level_achieved", "fb_mobile_tutorial_completion", "X", "a word of my own", strings.Repeat("Purchase", 500),
	} {
		c := lead(1)
		c.Name = appevents.ConversionName(name)
		require.ErrorContains(t, c.Validate(), "allowed are AddToCart, CartAbandoned, InitiateCheckout, LeadSubmitted, "+
			"OrderCanceled, OrderCreated, OrderDelivered, OrderReturned, OrderShipped, Purchase, QualifiedLead, "+
			"RatingProvided, ReviewProvided, ViewContent (unknown)", name)
	}
}

func TestConversion_Warnings(t *testing.T) {
	t.Parallel()
	c := lead(1)
	require.Empty(t, c.Warnings())
	for age, want := range map[time.Duration]string{
		time.Hour: "", 3 * time.Hour: "more than two hours late hurts optimisation",
		25 * time.Hour: "more than a day late hurts attribution",
	} {
		c.Time = time.Now().Add(-age)
		if want == "" {
			require.Empty(t, c.Warnings())
			continue
		}
		require.Equal(t, []appevents.Issue{{Path: "time", Rule: appevents.RuleRange, Message: want}}, c.Warnings())
	}
	c = whatsApp()
	require.Empty(t, c.Warnings())
	c.Name = appevents.ConversionOrderShipped
	require.Equal(t, "name", c.Warnings()[0].Path)
	c = lead(1)
	c.Value, c.Data.Currency = new(-1.0), "EUR"
	require.Equal(t, "value", c.Warnings()[0].Path)
	c = lead(1)
	c.UserData.Email = "nobody"
	require.Equal(t, "user_data.em", c.Warnings()[0].Path)
}

func TestConversionCall_Validate(t *testing.T) {
	t.Parallel()
	call := &appevents.ConversionCall{DatasetID: convDataset, Conversions: leads(2)}
	require.NoError(t, call.Validate())
	call.Conversions[1].Name = ""
	call.Conversions[1].ID = "\xff"
	call.DatasetID = ""
	require.Equal(t, []string{"dataset_id (required)", "conversions[1].name (required)", "conversions[1].id (format)"},
		problemsOf(t, call.Validate()))
	require.Equal(t, []string{"dataset_id (required)", "conversions (required)"},
		problemsOf(t, new(appevents.ConversionCall).Validate()))
	require.Error(t, (*appevents.ConversionCall)(nil).Validate())

	call = &appevents.ConversionCall{DatasetID: convDataset, Conversions: leads(2)}
	require.Empty(t, call.Warnings())
	call.Conversions[1].UserData.Email = "nobody"
	require.Equal(t, "conversions[1].user_data.em", call.Warnings()[0].Path)
	require.Empty(t, (*appevents.ConversionCall)(nil).Warnings())
}

// fullConversion is a conversion with every field of a conversation.
func fullConversion() appevents.Conversion {
	return appevents.Conversion{
		Name:   appevents.ConversionPurchase,
		Value:  new(55.22),
		Time:   bodyClock.Add(-time.Hour),
		ID:     "order-8841 \"gift\"",
		Thread: appevents.Thread{PageID: "901", PSID: "9007199254740993"},
		UserData: appevents.UserData{
			Email: "John_Smith@gmail.com", Phone: "+1 (650) 555-1212", FirstName: "Mary", LastName: "Smith", Gender: "F",
			BirthDate: "2/16/1997", City: "Menlo Park", State: "California", Zip: "94025-1234", Country: "United States",
			ExternalID: "user-7",
		},
		Data: appevents.ConversionData{
			Currency: "USD",
			Contents: []appevents.ConversionContent{
				{ID: "MUG-1", Quantity: 2, ItemPrice: 12.5, Title: "Mug", Description: "Blue", Brand: "Acme",
					Category: "Kitchen", DeliveryCategory: "home_delivery"},
				{ID: "MUG-2"},
			},
			ContentIDs: []string{"MUG-1", "MUG-2"}, ContentType: "product", ContentName: "Mugs", ContentCategory: "Kitchen",
			NumItems: 3, OrderID: "8841", SearchString: "mug", Status: "paid", ItemNumber: "7",
			DeliveryCategory: "home_delivery", PredictedLTV: new(210.0), NetRevenue: new(0.1),
			Custom: map[string]any{"size": "XL", "gift": true, "points": 42, "serial": json.Number("9007199254740993")},
		},
		DataProcessing: appevents.DataProcessing{LimitedDataUse: true, Country: 1, State: 1000},
		Extra:          map[string]json.RawMessage{"opt_out": json.RawMessage("false")},
	}
}

// bodyClock is when sentBody sends.
var bodyClock = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// sentBody sends one conversion at bodyClock and returns the body.
func sentBody(t *testing.T, c appevents.Conversion, opts ...appevents.Option) string {
	t.Helper()
	var body string
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(bodyClock)) // the clock of a bubble starts in 2000
		m := newMock(t, answer(200, `{"events_received":1}`))
		_, err := m.client(t, append(opts, appevents.WithAccessToken(coreToken))...).SendConversions(t.Context(), convDataset, c)
		require.NoError(t, err)
		body = m.requests()[0].body
	})
	return body
}

func TestSendConversions_Bodies(t *testing.T) {
	t.Parallel()
	instagram := lead(2)
	instagram.Thread.Channel = appevents.ChannelInstagram
	ahead := lead(3)
	ahead.Time = bodyClock.Add(30 * time.Second)
	declared := whatsApp()
	declared.DataProcessing.Declared = true
	byPage := whatsApp()
	byPage.WhatsApp.AccountID, byPage.WhatsApp.PageID = "", "901"
	for name, c := range map[string]appevents.Conversion{
		"lead": lead(1), "full": fullConversion(), "instagram": instagram, "ahead": ahead, "whatsapp": declared,
		"whatsapp_page": byPage, "app": fullApp(), "app_user": appUser(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := sentBody(t, c)
			pretty, err := os.ReadFile(filepath.Join("testdata", "requests", "conversion_"+name+".json"))
			require.NoError(t, err)
			var want bytes.Buffer
			require.NoError(t, json.Compact(&want, pretty))
			require.Equal(t, want.String(), body)
		})
	}
}

func TestConversion_SurvivesTheQueue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]appevents.Conversion{"full": fullConversion(), "whatsapp": whatsApp(), "app": fullApp()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal(&appevents.ConversionCall{DatasetID: convDataset, Conversions: []appevents.Conversion{c}})
			require.NoError(t, err)
			require.NotContains(t, strings.ToLower(string(text)), "smith")
			var back appevents.ConversionCall
			require.NoError(t, json.Unmarshal(text, &back))
			require.Equal(t, sentBody(t, c), sentBody(t, back.Conversions[0]))
		})
	}
}
