package appevents_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// choices makes values of the bytes of a fuzzer; when they run out, it makes the first of everything.
type choices []byte

func (c *choices) n(below int) int {
	if len(*c) == 0 {
		return 0
	}
	n := int((*c)[0]) % below
	*c = (*c)[1:]
	return n
}

func (c *choices) one(of ...string) string { return of[c.n(len(of))] }

// text is one of the usual texts, or some bytes as they come.
func (c *choices) text() string {
	if pick := c.n(8); pick > 2 {
		return [...]string{"", "a", "EUR", "a b-c", strings.Repeat("x", 101), "\"<&>\\", "\u2028ü😀", "[1]"}[pick]
	}
	size := min(c.n(48), len(*c))
	text := string((*c)[:size])
	*c = (*c)[size:]
	return text
}

func (c *choices) id() appevents.ID {
	return appevents.ID(c.one("901", "7702", "9223372036854775807", "0", "0901", "-1", "+1", "9223372036854775808", "9 01", "٩", "1e3",
		"1.0", "", c.text()))
}

func (c *choices) number() float64 {
	return [...]float64{0, 1, -1, 55.22, 1e21, 5e-324, math.MaxFloat64, math.Inf(1), math.NaN(), math.Copysign(0, -1)}[c.n(10)]
}

func (c *choices) time() time.Time {
	return [...]time.Time{
		{}, time.Now(), time.Now().Add(-time.Hour), time.Unix(1, 0), time.Unix(1_100_000_000, 0), time.Now().Add(time.Hour * 48),
		time.Unix(1_700_000_000_000, 0),
	}[c.n(7)]
}

func (c *choices) consent() appevents.Consent {
	return [...]appevents.Consent{appevents.ConsentAllowed, appevents.ConsentDenied, {}, {Advertiser: appevents.Allowed}}[c.n(4)]
}

func (c *choices) event() appevents.Event {
	e := appevents.Event{
		Name: appevents.EventName(c.one("Contact", "fb_mobile_purchase", "lead_submitted", "_x", "-x", " x", "", strings.Repeat("x", 41), c.text())),
		ID:   c.text(), Time: c.time(), Screen: c.text(), SessionID: c.text(), UserID: c.text(),
		Implicit: c.n(2) == 1, Timed: c.n(2) == 1, Background: c.n(2) == 1,
	}
	if c.n(2) == 1 {
		e.Value = new(c.number())
	}
	p := &e.Params
	p.Currency = c.one("", "USD", "usd", "XXX", "EU", c.text())
	p.Description, p.Level, p.OrderID, p.ContentType = c.text(), c.text(), c.text(), c.text()
	p.NumItems, p.MaxRatingValue = c.n(5)-1, c.n(5)-1
	if c.n(3) == 1 {
		p.Success, p.PaymentInfoAvailable = new(c.n(2) == 1), new(c.n(2) == 1)
	}
	for range c.n(3) {
		p.Contents = append(p.Contents, appevents.Content{ID: c.text(), Quantity: c.n(4) - 1, ItemPrice: c.number()})
	}
	for range c.n(3) {
		p.ContentIDs = append(p.ContentIDs, c.one("[1]", "[", c.text()))
	}
	for range c.n(4) {
		if p.Custom == nil {
			p.Custom = map[string]any{}
		}
		p.Custom[c.one("color", "_x", "fb_currency", "fb_contents", "fb_x", "x y", "", c.text())] = [...]any{
			c.text(), c.n(9), c.number(), c.n(2) == 1, json.Number("1.5"), appevents.ID("901"), nil, []string{"x"},
		}[c.n(8)]
	}
	return e
}

func (c *choices) events() []appevents.Event {
	all := make([]appevents.Event, c.n(4))
	for i := range all {
		all[i] = c.event()
	}
	return all
}

func (c *choices) user() appevents.UserData {
	if c.n(3) == 0 {
		return appevents.UserData{}
	}
	return appevents.UserData{Email: c.one("a@example.com", c.text()), Phone: c.one("16505550142", c.text()), ExternalID: c.text(), Gender: c.text()}
}

func (c *choices) conversion() appevents.Conversion {
	v := appevents.Conversion{
		Name: appevents.ConversionName(c.one("Purchase", "LeadSubmitted", "Lead", "", c.text())), ID: c.text(), Time: c.time(), UserData: c.user(),
		Thread: appevents.Thread{PageID: c.id(), PSID: c.id(), Channel: appevents.Channel(c.n(3))},
	}
	if c.n(4) == 1 {
		v.WhatsApp = appevents.WhatsAppThread{AccountID: c.id(), PageID: c.id(), ClickID: c.text()}
	}
	if c.n(2) == 1 {
		v.Value = new(c.number())
	}
	d := &v.Data
	d.Currency, d.ContentName, d.OrderID, d.Status = c.one("", "USD", "usd", "XXX"), c.text(), c.text(), c.text()
	d.NumItems = c.n(4) - 1
	for range c.n(3) {
		d.Contents = append(d.Contents, appevents.ConversionContent{ID: c.text(), Quantity: c.n(4) - 1, ItemPrice: c.number(), Title: c.text()})
	}
	for range c.n(3) {
		d.ContentIDs = append(d.ContentIDs, c.text())
	}
	return v
}

// stricter are the rules of the stand-in that Validate does not have, with the reason.
var stricter = map[string]string{
	"reserved":  "a name of the caller's own may begin with an underscore; the stand-in knows those that Meta uses",
	"automatic": "events that Messenger logs itself may be logged on purpose",
}

// requireAgreement holds a call that was validated against what the stand-in noted.
func requireAgreement(t *testing.T, invalid error, warnings []appevents.Issue, sent error, server *graphtest.Server) {
	t.Helper()
	if invalid != nil {
		require.ErrorAs(t, sent, new(*appevents.ValidationError))
		require.Zero(t, server.Count(), "nothing is sent of an invalid call")
		return
	}
	require.NotZero(t, server.Count())
	for _, problem := range server.Problems() {
		warned := slices.ContainsFunc(warnings, func(w appevents.Issue) bool { return w.Rule == appevents.RuleLength })
		if problem.Rule == "too-long" && warned {
			continue
		}
		require.Contains(t, stricter, problem.Rule, "Validate has nothing against this call, and the stand-in has: %s", problem)
	}
}

// FuzzValidate_AndTheStandInAgree makes calls of whatever comes. What Validate accepts, the stand-in has nothing
// against.
func FuzzValidate_AndTheStandInAgree(f *testing.F) {
	for kind := range byte(4) {
		f.Add([]byte{kind})
		f.Add(append([]byte{kind}, bytes.Repeat([]byte{1}, 200)...))
		f.Add(append([]byte{kind}, bytes.Repeat([]byte{0, 1, 2, 3, 4, 5}, 60)...))
		f.Add(append([]byte{kind}, bytes.Repeat([]byte{0, 3, 1}, 90)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := choices(data)
		server := graphtest.New()
		client := mustClient(t, oneAttempt(), appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: server}))
		switch c.n(4) {
		case 0:
			a := &appevents.Activity{
				Thread:  appevents.Thread{PageID: c.id(), PSID: c.id(), Channel: appevents.Channel(c.n(2))},
				Consent: c.consent(), UserData: c.user(), Events: c.events(),
				DataProcessing: appevents.DataProcessing{LimitedDataUse: c.n(2) == 1, Country: c.n(3), State: c.n(3)},
			}
			_, err := client.LogActivity(t.Context(), a)
			requireAgreement(t, a.Validate(), a.Warnings(), err, server)
		case 1:
			a := &appevents.Activity{
				Device:  appevents.Device{AdvertiserID: c.one("", "1111-1111-1111-1111", c.text()), AnonID: c.text(), VendorID: c.text()},
				ExtInfo: appevents.ExtInfo{Platform: appevents.Android, OSVersion: c.text(), PackageName: c.text(), DeviceModel: c.text()},
				Consent: c.consent(), UserData: c.user(), Events: c.events(), ClientIP: netip.MustParseAddr("203.0.113.7"),
			}
			_, err := client.LogActivity(t.Context(), a)
			requireAgreement(t, a.Validate(), a.Warnings(), err, server)
		case 2:
			p := &appevents.PageActivity{
				Thread: appevents.Thread{PageID: c.id(), PSID: c.id()}, Consent: c.consent(), Events: c.events(),
				Target: appevents.LoggingTarget(c.one("", "app", "PAGE", c.text())),
				Source: appevents.LoggingSource(c.one("", "detection", c.text())),
			}
			_, err := client.LogPageActivity(t.Context(), p)
			requireAgreement(t, p.Validate(), p.Warnings(), err, server)
		default:
			v := c.conversion()
			_, err := client.SendConversions(t.Context(), convDataset, v)
			if invalid := v.Validate(); invalid != nil {
				require.Error(t, err)
				require.Zero(t, server.Count())
			} else {
				requireAgreement(t, nil, v.Warnings(), err, server)
			}
		}
	})
}

// wireRule is a field that both Validate and the stand-in judge by the same rule.
type wireRule struct {
	name  string
	valid string                                                // a value both accept
	call  func(a *appevents.Activity, value string)             // sets it in a call
	wire  func(form url.Values, event map[string]any, v string) // sets it in what a valid call sent
}

// wireRules are the rules that the fuzzer below compares in both directions.
func wireRules() []wireRule {
	form := func(name string) func(url.Values, map[string]any, string) {
		return func(form url.Values, _ map[string]any, v string) { form.Set(name, v) }
	}
	return []wireRule{
		{"page ID", "901", func(a *appevents.Activity, v string) { a.Thread.PageID = appevents.ID(v) }, form("page_id")},
		{"person's ID", "7702", func(a *appevents.Activity, v string) { a.Thread.PSID = appevents.ID(v) }, form("page_scoped_user_id")},
		{"event name", "Contact", func(a *appevents.Activity, v string) { a.Events[0].Name = appevents.EventName(v) },
			func(_ url.Values, e map[string]any, v string) { e["_eventName"] = v }},
		{"currency", "EUR", func(a *appevents.Activity, v string) { a.Events[0].Params.Currency = v },
			func(_ url.Values, e map[string]any, v string) {
				if delete(e, "fb_currency"); v != "" { // which a call does not send
					e["fb_currency"] = v
				}
			}},
		{"content ID", "1", func(a *appevents.Activity, v string) { a.Events[0].Params.ContentIDs = []string{"x", v} },
			func(_ url.Values, e map[string]any, v string) {
				e["fb_content_id"] = string(mustJSON([]string{"x", v}))
			}},
		{"content", "1", func(a *appevents.Activity, v string) {
			a.Events[0].Params.Contents = []appevents.Content{{ID: v, Quantity: 1}}
		}, func(_ url.Values, e map[string]any, v string) {
			e["fb_content"] = string(mustJSON([]any{map[string]any{"id": v, "quantity": 1}}))
		}},
		{"quantity", "1", func(a *appevents.Activity, v string) {
			n, err := json.Number(v).Int64()
			if err != nil {
				n = -1
			}
			a.Events[0].Params.Contents = []appevents.Content{{ID: "1", Quantity: int(n)}}
		}, func(_ url.Values, e map[string]any, v string) {
			n, err := json.Number(v).Int64()
			if err != nil {
				n = -1
			}
			e["fb_content"] = string(mustJSON([]any{map[string]any{"id": "1", "quantity": n}}))
		}},
		{"parameter name", "color", func(a *appevents.Activity, v string) { a.Events[0].Params.Custom = map[string]any{v: "red"} },
			func(_ url.Values, e map[string]any, v string) { e[v] = "red" }},
	}
}

func mustJSON(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}

// FuzzValidate_AndTheStandInRefuseTheSame sets one field to whatever comes, in a call and on the wire.
func FuzzValidate_AndTheStandInRefuseTheSame(f *testing.F) {
	for i := range wireRules() {
		for _, value := range []string{
			"", "0", "00", "0901", "901", "-1", "+1", "9223372036854775807", "9223372036854775808", "1e3", "1.0", " 1", "٩", "EUR", "eur",
			"XXX", "a b", "-a", "_a", strings.Repeat("x", 40), strings.Repeat("x", 41), "ä", "[", `"`,
		} {
			f.Add(byte(i), value)
		}
	}
	f.Fuzz(func(t *testing.T, index byte, value string) {
		rules := wireRules()
		rule := rules[int(index)%len(rules)]
		if !utf8.ValidString(value) {
			return // JSON has no way to write it, and Validate says so
		}
		if rule.name == "parameter name" && (strings.HasPrefix(value, "_") || strings.HasPrefix(value, "fb_") || value == "event_id" || value == "ad_type") {
			return // means something to Meta, and has a field of its own or none
		}
		var sent *http.Request
		var body []byte
		record := roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = r
			body, _ = io.ReadAll(r.Body)
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(coreSuccess))}, nil
		})
		client := mustClient(t, oneAttempt(), appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: record}))
		a := &appevents.Activity{
			Thread:  appevents.Thread{PageID: corePage, PSID: corePSID},
			Consent: appevents.ConsentAllowed, Events: []appevents.Event{{Name: "Contact"}},
		}
		rule.call(a, rule.valid)
		_, err := client.LogActivity(t.Context(), a)
		require.NoError(t, err)
		form, err := url.ParseQuery(string(body))
		require.NoError(t, err)
		var events []map[string]any
		require.NoError(t, json.Unmarshal([]byte(form.Get("custom_events")), &events))
		if rule.name == "parameter name" {
			delete(events[0], rule.valid)
		}
		rule.call(a, value)
		rule.wire(form, events[0], value)
		form.Set("custom_events", string(mustJSON(events)))

		server := graphtest.New()
		again := sent.Clone(t.Context())
		again.Body, again.ContentLength = io.NopCloser(strings.NewReader(form.Encode())), -1
		resp, err := server.RoundTrip(again)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, a.Validate() != nil, len(server.Problems()) > 0,
			"%s %q: Validate says %v, the stand-in %v", rule.name, value, a.Validate(), server.Problems())
	})
}
