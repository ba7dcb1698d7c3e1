package appevents_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

func convThread() appevents.Thread {
	return appevents.Thread{PageID: "901", PSID: "9007199254740993"}
}

func TestEvent_Conversion_Names(t *testing.T) {
	t.Parallel()
	for event, want := range map[appevents.EventName]appevents.ConversionName{
		appevents.EventPurchase: appevents.ConversionPurchase, appevents.EventAddToCart: appevents.ConversionAddToCart,
		appevents.EventInitiateCheckout: appevents.ConversionInitiateCheckout,
		appevents.EventViewContent:      appevents.ConversionViewContent,
		appevents.EventLeadSubmitted:    appevents.ConversionLeadSubmitted,
		"OrderShipped":                  appevents.ConversionOrderShipped, "Purchase": appevents.ConversionPurchase,
	} {
		c, err := appevents.Event{Name: event}.Conversion(convThread())
		require.NoError(t, err, event)
		require.Equal(t, want, c.Name)
		require.Zero(t, c.Data)
	}
	// What conversations do not know, an app may still report.
	app := map[appevents.EventName]appevents.ConversionName{
		"fb_mobile_level_achieved": "LevelAchieved", "fb_mobile_activate_app": "ActivateApp",
		"fb_mobile_add_payment_info": "AddPaymentInfo", "fb_mobile_add_to_wishlist": "AddToWishlist",
		"fb_mobile_complete_registration": "CompleteRegistration", "fb_mobile_tutorial_completion": "TutorialCompletion",
		"fb_mobile_rate": "Rate", "fb_mobile_search": "Search", "fb_mobile_spent_credits": "SpentCredits",
		"fb_mobile_achievement_unlocked": "AchievementUnlocked", "AdClick": "AdClick", "AdImpression": "AdImpression",
		"Contact": "Contact", "CustomizeProduct": "CustomizeProduct", "Donate": "Donate", "FindLocation": "FindLocation",
		"Schedule": "Schedule", "StartTrial": "StartTrial", "SubmitApplication": "SubmitApplication",
		"Subscribe": "Subscribe", "my own": "my own",
	}
	for event, want := range app {
		_, err := appevents.Event{Name: event}.Conversion(convThread())
		require.Contains(t, problemsOf(t, err), "name (unknown)", event)

		activity := appActivity()
		activity.Events = []appevents.Event{{Name: event, Params: appevents.Params{Currency: "USD"}}}
		all, err := activity.Conversions()
		require.NoError(t, err, event)
		require.Equal(t, want, all[0].Name)
	}
	// Every standard event is in one of the lists.
	for _, spec := range appevents.StandardEvents() {
		_, err := appevents.Event{Name: spec.Name}.Conversion(convThread())
		_, known := app[spec.Name]
		require.Equal(t, known, err != nil, spec.Name)
	}
}

func TestEvent_Conversion_Parameters(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(-time.Minute)
	event := appevents.Purchase(57.23, "USD")
	event.Time, event.ID = at, "order-1"
	event.Params = appevents.Params{
		Currency: "USD", AdType: "banner", ContentIDs: []string{"1", "2"}, ContentType: "product", Description: "d", Level: "9",
		Contents:       []appevents.Content{{ID: "1", Quantity: 2, ItemPrice: 10}, {ID: "2", Quantity: 1}},
		MaxRatingValue: 5, NumItems: 3, OrderID: "8841", PaymentInfoAvailable: new(true), RegistrationMethod: "Email",
		SearchString: "mug", Success: new(false), Custom: map[string]any{"size": "XL"},
	}
	c, err := event.Conversion(convThread())
	require.NoError(t, err)
	require.Equal(t, appevents.Conversion{
		Name: appevents.ConversionPurchase, Value: event.Value, Time: at, ID: "order-1", Thread: convThread(),
		Data: appevents.ConversionData{
			Currency: "USD", ContentIDs: []string{"1", "2"}, ContentType: "product",
			Contents: []appevents.ConversionContent{{ID: "1", Quantity: 2, ItemPrice: 10}, {ID: "2", Quantity: 1}},
			NumItems: 3, OrderID: "8841", SearchString: "mug",
			Custom: map[string]any{
				"size": "XL", "ad_type": "banner", "description": "d", "level": "9", "max_rating_value": 5,
				"payment_info_available": true, "registration_method": "Email", "success": false,
			},
		},
	}, c)
	require.NoError(t, c.Validate())
	require.Equal(t, map[string]any{"size": "XL"}, event.Params.Custom, "the event is left alone")
	c.Data.ContentIDs[0] = "changed"
	require.Equal(t, "1", event.Params.ContentIDs[0])
}

func TestEvent_Conversion_RefusesWhatHasNoCounterpart(t *testing.T) {
	t.Parallel()
	type event = appevents.Event
	for name, test := range map[string]struct {
		change func(e *event)
		want   []string
	}{
		"valid":          {func(*event) {}, nil},
		"no name":        {func(e *event) { e.Name = "" }, []string{"name (required)"}},
		"odd name":       {func(e *event) { e.Name = "-" }, []string{"name (format)"}},
		"automatic":      {func(e *event) { e.Name = appevents.EventBotStarted }, []string{"name (reserved)"}},
		"own name":       {func(e *event) { e.Name = "SecretLevel" }, []string{"name (unknown)"}},
		"session":        {func(e *event) { e.SessionID = "s" }, []string{"session_id (conflict)"}},
		"user":           {func(e *event) { e.UserID = "u" }, []string{"user_id (conflict)"}},
		"implicit":       {func(e *event) { e.Implicit = true }, []string{"implicit (conflict)"}},
		"timed":          {func(e *event) { e.Timed = true }, []string{"timed (conflict)"}},
		"screen":         {func(e *event) { e.Screen = "cart" }, []string{"screen (conflict)"}},
		"background":     {func(e *event) { e.Background = true }, []string{"background (conflict)"}},
		"operational":    {func(e *event) { e.Operational.IAP = map[string]any{"a": 1} }, []string{"operational (conflict)"}},
		"custom shadows": {func(e *event) { e.Params.Custom = map[string]any{"order_id": "1"} }, []string{"params.order_id (reserved)"}},
		"custom twice":   {func(e *event) { e.Params.Level, e.Params.Custom = "1", map[string]any{"level": "2"} }, []string{"params.level (conflict)"}},
		"invalid":        {func(e *event) { e.Params.Currency = "euro" }, []string{"params.fb_currency (format)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := appevents.LeadSubmitted()
			test.change(&e)
			c, err := e.Conversion(convThread())
			require.Equal(t, test.want, problemsOf(t, err))
			require.Equal(t, err != nil, c.Name == "")
		})
	}
	_, err := appevents.LeadSubmitted().Conversion(appevents.Thread{Channel: 2})
	require.Equal(t, []string{"thread.channel (unknown)", "thread.page_id (required)", "thread.psid (required)"},
		problemsOf(t, err))
}

func TestEvent_Conversion_GivesTheSameEventTheSameID(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(time.Now().UnixMilli())
	base := func() appevents.Event {
		e := appevents.Purchase(57.23, "USD")
		e.Time = at
		e.Params.ContentIDs = []string{"a", "b"}
		e.Params.Contents = []appevents.Content{{ID: "a", Quantity: 1}}
		e.Params.Custom = map[string]any{"n": 1, "size": "XL"}
		return e
	}
	id := func(e appevents.Event, thread appevents.Thread) string {
		c, err := e.Conversion(thread)
		require.NoError(t, err)
		return c.ID
	}
	want := id(base(), convThread())
	require.Regexp(t, `^ae1-[0-9a-f]{40}$`, want)

	same := map[string]func(e *appevents.Event){
		"again":        func(*appevents.Event) {},
		"own name":     func(e *appevents.Event) { e.Name = "Purchase" },
		"time zone":    func(e *appevents.Event) { e.Time = e.Time.In(time.FixedZone("", 3600)) },
		"microseconds": func(e *appevents.Event) { e.Time = e.Time.Add(999 * time.Microsecond) },
		"number type":  func(e *appevents.Event) { e.Params.Custom["n"] = 1.0 },
		"through a queue": func(e *appevents.Event) {
			text, err := json.Marshal(e)
			require.NoError(t, err)
			*e = appevents.Event{}
			require.NoError(t, json.Unmarshal(text, e))
		},
	}
	for name, change := range same {
		e := base()
		change(&e)
		require.Equal(t, want, id(e, convThread()), name)
	}

	seen := map[string]string{want: "the event"}
	differ := func(name, got string) {
		require.NotContains(t, seen, got, "%s looks like %s", name, seen[got])
		seen[got] = name
	}
	for name, change := range map[string]func(e *appevents.Event){
		"name":         func(e *appevents.Event) { e.Name = appevents.EventAddToCart },
		"value":        func(e *appevents.Event) { e.Value = new(57.24) },
		"currency":     func(e *appevents.Event) { e.Params.Currency = "EUR" },
		"time":         func(e *appevents.Event) { e.Time = e.Time.Add(-time.Millisecond) },
		"no time":      func(e *appevents.Event) { e.Time = time.Time{} },
		"IDs joined":   func(e *appevents.Event) { e.Params.ContentIDs = []string{"ab"} },
		"IDs as list":  func(e *appevents.Event) { e.Params.ContentIDs = []string{`["a","b"]`} },
		"fewer IDs":    func(e *appevents.Event) { e.Params.ContentIDs = []string{"a"} },
		"quantity":     func(e *appevents.Event) { e.Params.Contents[0].Quantity = 2 },
		"price":        func(e *appevents.Event) { e.Params.Contents[0].ItemPrice = 2 },
		"content":      func(e *appevents.Event) { e.Params.Contents[0].ID = "b" },
		"two contents": func(e *appevents.Event) { e.Params.Contents = append(e.Params.Contents, e.Params.Contents[0]) },
		"items":        func(e *appevents.Event) { e.Params.NumItems = 1 },
		"order":        func(e *appevents.Event) { e.Params.OrderID = "1" },
		"search":       func(e *appevents.Event) { e.Params.SearchString = "1" },
		"custom value": func(e *appevents.Event) { e.Params.Custom["n"] = 2 },
		"custom text":  func(e *appevents.Event) { e.Params.Custom["n"] = "1" },
		"custom key":   func(e *appevents.Event) { e.Params.Custom["m"] = 1 },
		"description":  func(e *appevents.Event) { e.Params.Description = "1" },
		"success":      func(e *appevents.Event) { e.Params.Success = new(true) },
		"failure":      func(e *appevents.Event) { e.Params.Success = new(false) },
	} {
		e := base()
		change(&e)
		differ(name, id(e, convThread()))
	}
	differ("person", id(base(), appevents.Thread{PageID: "901", PSID: "9007199254740992"}))
	differ("Page", id(base(), appevents.Thread{PageID: "90", PSID: "9007199254740993"}))
	differ("channel", id(base(), appevents.Thread{Channel: appevents.ChannelInstagram, PageID: "901", PSID: "9007199254740993"}))

	own := base()
	own.ID = "order-1"
	require.Equal(t, "order-1", id(own, convThread()))
}

func TestEvent_Conversion_IDsNeverChange(t *testing.T) {
	t.Parallel()
	c, err := appevents.LeadSubmitted().Conversion(convThread())
	require.NoError(t, err)
	require.Equal(t, "ae1-74694b6d30419598c6c5f904768d5d810e0dc0bf", c.ID)

	e := appevents.ViewContent("MUG-1")
	e.Params.NumItems, e.Params.Contents = 2, []appevents.Content{{ID: "MUG-1", Quantity: 1}}
	c, err = e.Conversion(convThread())
	require.NoError(t, err)
	require.Equal(t, "ae1-56b52c043548c0b8ee3926f4e8a01fcbfa9b8480", c.ID)

	e = appevents.Purchase(57.23, "USD")
	e.Params.Contents = []appevents.Content{{ID: "MUG-1", Quantity: 2, ItemPrice: 12.5}}
	e.Params.Custom = map[string]any{"size": "XL", "gift": true}
	c, err = e.Conversion(convThread())
	require.NoError(t, err)
	require.Equal(t, "ae1-6cd3a693e8c388fba4d20201763146ba65b158d3", c.ID)
}

// The documented examples of /page_activities, as conversions.
func TestEvent_Conversion_OfTheDocumentedExamples(t *testing.T) {
	t.Parallel()
	graph := graphtest.New()
	client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: graph}))
	for _, event := range []appevents.Event{appevents.Purchase(57.23, "USD"), appevents.LeadSubmitted()} {
		for _, channel := range []appevents.Channel{appevents.ChannelMessenger, appevents.ChannelInstagram} {
			thread := convThread()
			thread.Channel = channel
			c, err := event.Conversion(thread)
			require.NoError(t, err)
			result, err := client.SendConversions(t.Context(), convDataset, c)
			require.NoError(t, err)
			require.Equal(t, 1, result.Received)
		}
	}
	require.Empty(t, graph.Problems())
	calls := graph.Calls()
	require.Len(t, calls, 4)
	got := calls[0].Events[0]
	require.Equal(t, "Purchase", got.Name)
	require.InDelta(t, 57.23, *got.Value, 0)
	require.Equal(t, map[string]any{"currency": "USD"}, maps.Clone(got.Params))
	require.Equal(t, "9007199254740993", got.PSID)
	require.Equal(t, "business_messaging", got.Source)
	require.Equal(t, "instagram", calls[1].Events[0].Channel)
	require.Equal(t, "LeadSubmitted", calls[2].Events[0].Name)
}
