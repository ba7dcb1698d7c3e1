package graphtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxEvents     = 1000 // events of one call; the mobile SDKs never hold more
	maxEventNames = 1000 // distinct event names of one app
	maxParamText  = 100  // characters of a parameter value
	maxNameLength = 40
)

// isIdentifier reports whether s is an event name or parameter name: 1 to 40 letters, digits, "_", "-" and blanks, the
// first of them neither "-" nor a blank.
func isIdentifier(s string) bool {
	if s == "" || len(s) > maxNameLength || s[0] == '-' || s[0] == ' ' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !isAlphanumeric(r) && r != '_' && r != '-' && r != ' '
	}) < 0
}

// checkCustomEvents judges custom_events, or the file with the same content.
func (i *inspection) checkCustomEvents(wanted bool) {
	field := "custom_events"
	p, ok := i.get(field)
	file, isFile := i.get("custom_events_file")
	switch {
	case ok && isFile:
		i.problem("custom_events_file", "twice", "custom_events was sent too")
	case isFile:
		field, p, ok = "custom_events_file", file, true
		if file.in != "file" || file.mime != "application/json" && file.mime != "content/unknown" {
			i.problem(field, "file", "want a file part of type application/json or content/unknown")
		}
	}
	switch {
	case !wanted && ok:
		i.problem(field, "unexpected", "only event=CUSTOM_APP_EVENTS takes custom events")
		return
	case !wanted:
		return
	case !ok:
		i.refuse(100, 0, "custom_events", "required", "the parameter is required")
		return
	}
	list, err := p.val.nested()
	switch {
	case err != nil || list.kind != kindArray:
		i.refuse(100, 0, field, "json", "must be a JSON array of events")
		return
	case len(list.items) == 0:
		i.refuse(100, 0, field, "required", "must hold at least one event")
	case len(list.items) > maxEvents:
		i.problem(field, "too-many", fmt.Sprintf("more than %d events in one call", maxEvents))
	}
	i.count = len(list.items)
	i.call.Events = make([]Event, 0, i.count)
	for k := range list.items {
		i.appEvent(index(field, k), &list.items[k])
	}
}

// appEvent judges and records one app event.
func (i *inspection) appEvent(at string, n *node) {
	if n.kind != kindObject {
		i.refuse(100, 0, at, "object", "must be a JSON object")
		return
	}
	if n.twice != "" {
		i.problem(at+"."+n.twice, "twice", "the key occurs more than once")
	}
	e := Event{PageID: i.call.PageID, PSID: i.call.PSID, Params: map[string]any{}}
	for k, key := range n.keys {
		v, field := &n.items[k], at+"."+key
		switch key {
		case "_eventName":
			e.Name = v.text
			if v.kind != kindString || !isIdentifier(v.text) {
				i.refuse(100, 0, field, "event-name", "must match ^[0-9a-zA-Z_][0-9a-zA-Z _-]{0,39}$")
			}
			if strings.HasPrefix(v.text, "fb_messenger_bot_") {
				i.problem(field, "automatic", "the Messenger Platform logs this event itself; it would count twice")
			}
			continue
		case "_eventName_md5":
			if v.kind != kindString || len(v.text) != 32 || strings.Trim(v.text, "0123456789abcdefABCDEF") != "" {
				i.refuse(100, 0, field, "md5", "must match ^[A-Fa-f0-9]{32}$")
			}
		case "_valueToSum":
			if f, ok := v.float(); ok {
				e.Value = &f
				if v.kind == kindString {
					i.problem(field, "number", "want a number, not a string")
				}
			} else {
				i.refuse(100, 0, field, "number", "must be a number")
			}
			continue
		case "_logTime":
			if sec, ok := v.int64(); ok {
				e.Time = secondsTime(sec)
				i.seconds(field, float64(sec))
			} else {
				i.refuse(100, 0, field, "int64", "must be whole Unix seconds")
			}
			continue
		case "event_id":
			e.ID = v.text
			if v.kind != kindString || v.text == "" {
				i.problem(field, "string", "want a string")
			}
			continue
		default:
			i.eventParam(field, key, v)
		}
		e.Params[key] = v.plain()
	}
	if !n.has("_eventName") {
		i.refuse(100, 0, at+"._eventName", "required", "the event has no name")
	}
	if e.Value != nil && valueIsPrice(e.Name) && n.str("fb_currency") == "" {
		i.problem(at+".fb_currency", "required", "the value of this event is a price, so it needs a currency")
	}
	i.call.Events = append(i.call.Events, e)
}

// valueIsPrice reports whether _valueToSum of the standard event is an amount of money.
func valueIsPrice(name string) bool {
	switch name {
	case "AdImpression", "StartTrial", "Subscribe", "fb_mobile_add_to_cart", "fb_mobile_add_to_wishlist",
		"fb_mobile_content_view", "fb_mobile_initiated_checkout", "fb_mobile_purchase":
		return true
	}
	return false
}

// eventParam judges one parameter of an app event.
func (i *inspection) eventParam(field, key string, v *node) {
	if !isIdentifier(key) {
		i.problem(field, "param-name", "must match ^[0-9a-zA-Z_][0-9a-zA-Z _-]{0,39}$")
	}
	if v.kind != kindString && v.kind != kindNumber && (key != "_isTimedEvent" || v.kind != kindBool) {
		i.problem(field, "value-kind", "want a string or a number, not "+v.kind.String())
		return
	}
	if strings.HasPrefix(key, "_") && !isReserved(key) {
		i.problem(field, "reserved", "there is no such reserved field")
	}
	exempt := strings.HasPrefix(key, "fb_content") || strings.HasPrefix(key, "_") // lists, and what is no parameter
	if v.kind == kindString && !exempt && utf8.RuneCountInString(v.text) > maxParamText {
		i.refuseWith(100, field, "too-long", "(#100) This field must be at most 100 characters long.")
	}

	switch key {
	case "fb_currency":
		if v.kind != kindString || !isCurrency(v.text) {
			i.problem(field, "currency", "want an ISO 4217 code in capitals")
		}
	case "fb_content":
		i.content(field, v)
	case "fb_content_id":
		i.contentID(field, v)
	case "fb_content_type", "fb_description", "fb_level", "fb_order_id", "fb_registration_method", "fb_search_string",
		"fb_ad_type", "ad_type", "_session_id", "_app_user_id", "_ui", "_appVersion":
		if v.kind != kindString {
			i.problem(field, "string", "want a string")
		}
	case "fb_max_rating_value", "fb_num_items", "_implicitlyLogged":
		if n, ok := v.int64(); !ok || n < 0 {
			i.problem(field, "int64", "want a whole number, zero or more")
		}
	case "fb_payment_info_available", "fb_success", "_inBackground":
		if v.text != "0" && v.text != "1" {
			i.problem(field, "flag", "want 0 or 1")
		}
	}
}

// isReserved reports whether the name with a leading underscore means something to Meta.
func isReserved(key string) bool {
	switch key {
	case "_implicitlyLogged", "_isTimedEvent", "_session_id", "_app_user_id", "_ui", "_inBackground", "_appVersion",
		"_currency", "_valueToUpdate", "_is_fb_codeless", "_is_suggested_event", "_fb_pixel_referral_id",
		"_restrictedParams", "_onDeviceParams", "_codeless_action", "_audiencePropertyIds":
		return true
	}
	return false
}

// content judges fb_content: a string that holds a JSON array of objects with id and quantity.
func (i *inspection) content(field string, v *node) {
	list, err := v.nested()
	if v.kind != kindString || err != nil || list.kind != kindArray || len(list.items) == 0 {
		i.problem(field, "content", "want a string that holds a JSON array of objects")
		return
	}
	for k := range list.items {
		item, at := &list.items[k], index(field, k)
		if item.kind != kindObject {
			i.problem(at, "content", "want an object")
			continue
		}
		if item.str("id") == "" {
			i.problem(at+".id", "required", "each content needs an id, as a string")
		}
		quantity, ok := item.get("quantity")
		if !ok {
			i.problem(at+".quantity", "required", "each content needs a quantity")
		} else if n, isInt := quantity.int64(); !isInt || n < 1 || quantity.kind != kindNumber {
			i.problem(at+".quantity", "int64", "want a whole number, one or more")
		}
		if price, ok := item.get("item_price"); ok && price.kind != kindNumber {
			i.problem(at+".item_price", "number", "want a number")
		}
	}
}

// contentID judges fb_content_id: one ID, or a JSON array of IDs as a string.
func (i *inspection) contentID(field string, v *node) {
	switch {
	case v.kind != kindString:
		i.problem(field, "string", "want a string")
	case v.text == "":
		i.problem(field, "empty", "sent without a value")
	case v.text[0] == '[':
		list, err := parseJSON(v.text)
		empty := func(id node) bool { return id.text == "" }
		if err != nil || len(list.items) == 0 || !allOf(list.items, kindString) || slices.ContainsFunc(list.items, empty) {
			i.problem(field, "content", "want one ID, or a JSON array of strings, none of them empty")
		}
	}
}

// applyAppEvents lets an accepted call count its event names.
func applyAppEvents(i *inspection) []byte {
	g, app := i.g, i.call.ObjectID
	names := g.names[app]
	if names == nil {
		names = map[string]struct{}{}
		g.names[app] = names
	}
	var added []string
	for _, e := range i.call.Events {
		if _, ok := names[e.Name]; ok {
			continue
		}
		if len(names) == maxEventNames {
			for _, name := range added {
				delete(names, name)
			}
			i.refuseWith(100, "custom_events", "event-names",
				fmt.Sprintf("(#100) App ID: %s, Can only have up to 1000 events per app, %s doesn't fit", app, e.Name))
			return nil
		}
		names[e.Name] = struct{}{}
		added = append(added, e.Name)
	}
	if i.call.Activity == "DEFERRED_APP_LINK" {
		return []byte(g.cfg.appLink)
	}
	return []byte(`{"success":true}`)
}

// isCurrency reports whether s is an active ISO 4217 code, or one withdrawn since 2025.
func isCurrency(s string) bool {
	const codes = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP " +
		"BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR " +
		"FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES " +
		"KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR " +
		"MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF " +
		"SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS " +
		"UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
	return len(s) == 3 && !strings.Contains(s, " ") && strings.Contains(codes, s)
}

// secondsTime reads Unix seconds. What lies beyond the year 9999, such as milliseconds, is no time: JSON has no form
// for it, and an Event can be written down. The problems of the call name it.
func secondsTime(sec int64) time.Time {
	t := time.Unix(sec, 0).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}
