package graphtest

import (
	"slices"
	"strings"
)

// userData judges who an event is about.
func (i *inspection) userData(field string, n *node, e *Event) {
	data, ok := n.get("user_data")
	if !ok || data.kind != kindObject {
		data = &node{}
		i.refuse(100, 2804050, field, "required", "the event does not say whom it is about")
	}
	given := map[string]bool{}
	for k, key := range data.keys {
		v, at := &data.items[k], field+"."+key
		given[key] = v.kind != kindNull && (v.kind != kindString || v.text != "")
		switch key {
		case "em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country", "f5first", "f5last", "fi", "dobd", "dobm",
			"doby", "external_id":
			values := v.items
			if v.kind != kindArray {
				values = []node{*v}
			}
			for _, hash := range values {
				if key == "external_id" && hash.kind == kindString && hash.text != "" {
					continue // hashing is only recommended
				}
				if key == "external_id" && hash.kind == kindNumber && v.kind == kindArray {
					continue // the PHP SDK makes numbers of digits
				}
				if hash.kind != kindString || !isMarkedHash(hash.text) {
					i.problem(at, "hash", "want SHA-256 as 64 lower-case hex digits")
				}
			}
		case "page_id", "page_scoped_user_id", "ig_account_id", "ig_sid", "whatsapp_business_account_id",
			"instagram_business_account_id":
			if id, ok := v.integer(); !ok || !isID(id) {
				i.refuse(100, 0, at, "id", "must be an ID")
			}
		case "lead_id":
			if id, ok := v.integer(); !ok || len(id) < 15 || len(id) > 16 {
				i.problem(at, "form", "want 15 or 16 digits")
			}
		case "fbc", "fbp":
			if part := strings.SplitN(v.text, ".", 4); len(part) != 4 || part[0] != "fb" || !isDigits(part[1]) ||
				!isDigits(part[2]) || part[3] == "" {
				i.problem(at, "form", "want fb.{subdomain index}.{milliseconds}.{value}")
			}
		case "client_ip_address", "client_user_agent":
			switch {
			case e.Channel == "instagram":
				i.refuse(100, 2804064, at, "unexpected", "not allowed for a messaging event")
			case e.Source == "business_messaging":
				i.problem(at, "unexpected", "leave it out of a messaging event")
			}
			i.wantText(at, v)
		case "ctwa_clid", "subscription_id", "fb_login_id", "madid", "anon_id", "app_user_id":
			i.wantText(at, v)
		default:
			i.problem(at, "unknown", "there is no such user data key")
		}
	}
	id := func(key string) string {
		if v, ok := data.get(key); ok {
			text, _ := v.integer()
			return text
		}
		return ""
	}
	switch e.Channel {
	case "messenger":
		e.PageID, e.PSID = id("page_id"), id("page_scoped_user_id")
	case "instagram":
		e.PageID, e.PSID = id("ig_account_id"), id("ig_sid")
	case "whatsapp":
		if e.PageID = id("whatsapp_business_account_id"); e.PageID == "" {
			e.PageID = id("page_id")
		}
	}
	if e.Source != "business_messaging" {
		if ok && tooWeak(given) {
			i.refuse(100, 2804050, field, "too-weak", "the customer information is too little to match anybody")
		}
		return
	}
	i.messagingIdentity(field, e, given)
}

func (i *inspection) wantText(field string, v *node) {
	if v.kind != kindString || v.text == "" {
		i.problem(field, "string", "want a string that is not empty")
	}
}

// isMarkedHash is isHash, or a hash with the mark the parameter builder library appends.
func isMarkedHash(s string) bool {
	hash, mark, marked := strings.Cut(s, ".")
	return isHash(hash) && (!marked || len(mark) == 8)
}

// tooWeak reports whether the given keys are one of the sets Meta refuses.
func tooWeak(given map[string]bool) bool {
	for _, set := range [...][]string{
		{"ct", "country", "st", "zp", "ge", "client_user_agent"},
		{"db", "client_user_agent"},
		{"fn", "ge"},
		{"ln", "ge"},
	} {
		weak := true
		for key, ok := range given {
			weak = weak && (!ok || slices.Contains(set, key))
		}
		if weak {
			return true
		}
	}
	return false
}

// messagingIdentity judges the identities of a messaging event and the right to report for them.
func (i *inspection) messagingIdentity(field string, e *Event, given map[string]bool) {
	need := func(key string, subcode int) {
		if !given[key] {
			i.refuse(100, subcode, field+"."+key, "required", "the event does not say whom it is about")
		}
	}
	switch e.Channel {
	case "messenger":
		need("page_id", 2804069)
		need("page_scoped_user_id", 0)
		i.permission("page_events")
	case "instagram":
		need("ig_account_id", 2804079)
		need("ig_sid", 2804075)
		i.permission("instagram_manage_events")
	case "whatsapp":
		if !given["whatsapp_business_account_id"] {
			need("page_id", 2804116)
		}
		if !given["ctwa_clid"] {
			i.problem(field+".ctwa_clid", "required", "the click id is what identifies a WhatsApp conversation")
		}
		i.permission("whatsapp_business_manage_events")
	}
	i.page(e.PageID)
}

// customData judges what an event says about the purchase.
func (i *inspection) customData(field string, n *node, e *Event) {
	data, ok := n.get("custom_data")
	if !ok || data.kind != kindObject {
		data = &node{}
	}
	e.Params = make(map[string]any, len(data.keys))
	for k, key := range data.keys {
		v, at := &data.items[k], field+"."+key
		if key != "value" {
			e.Params[key] = v.plain()
		}
		switch key {
		case "value":
			f, ok := v.float()
			if !ok {
				i.refuse(100, 0, at, "number", "must be a number")
				continue
			}
			e.Value = &f
			if v.kind == kindString {
				i.problem(at, "number", "want a number, not a string")
			}
		case "predicted_ltv", "net_revenue":
			if v.kind != kindNumber {
				i.problem(at, "number", "want a number")
			}
		case "currency":
			if v.kind != kindString || !isCurrency(strings.ToUpper(v.text)) {
				i.problem(at, "currency", "want an ISO 4217 code")
			}
		case "contents":
			i.contents(at, v)
		case "content_ids":
			if v.kind != kindArray || slices.ContainsFunc(v.items, func(id node) bool {
				return id.kind != kindString && id.kind != kindNumber || id.text == ""
			}) {
				i.problem(at, "array", "want an array of IDs, none of them empty")
			}
		case "content_type":
			if v.text != "product" && v.text != "product_group" {
				i.problem(at, "enum", "want product or product_group")
			}
		case "num_items":
			if n, ok := v.int64(); !ok || n < 0 || v.kind != kindNumber {
				i.problem(at, "int64", "want a whole number")
			}
		case "content_name", "content_category", "order_id", "search_string", "status", "item_number":
			i.wantText(at, v)
		case "delivery_category":
			i.deliveryCategory(at, v)
		}
	}
	if e.Value != nil && data.str("currency") == "" {
		i.refuse(100, 2804023, field+".currency", "required", "a value needs a currency")
	}
	if e.Name == "Purchase" && e.Value == nil {
		i.refuse(100, 2804009, field+".value", "required", "a purchase needs a value")
	}
}

func (i *inspection) deliveryCategory(field string, v *node) {
	switch v.text {
	case "in_store", "curbside", "home_delivery":
	default:
		i.problem(field, "enum", "want in_store, curbside or home_delivery")
	}
}

func (i *inspection) contents(field string, v *node) {
	if v.kind != kindArray {
		i.problem(field, "array", "want an array of objects")
		return
	}
	for k := range v.items {
		item, at := &v.items[k], index(field, k)
		if id, ok := item.get("id"); !ok || id.text == "" {
			i.refuse(100, 2804008, at+".id", "required", "each content needs an id")
		}
		for n, key := range item.keys {
			member := &item.items[n]
			switch key {
			case "id", "title", "description", "brand", "category":
				i.wantText(at+"."+key, member)
			case "quantity":
				if q, ok := member.int64(); !ok || q < 1 || member.kind != kindNumber {
					i.problem(at+"."+key, "int64", "want a whole number, one or more")
				}
			case "item_price":
				if member.kind != kindNumber {
					i.problem(at+"."+key, "number", "want a number")
				}
			case "delivery_category":
				i.deliveryCategory(at+"."+key, member)
			default:
				i.problem(at+"."+key, "unknown", "there is no such member")
			}
		}
	}
}

// appData judges the device an app event comes from.
func (i *inspection) appData(at string, n *node, e *Event) {
	field := at + ".app_data"
	data, ok := n.get("app_data")
	switch {
	case e.Source != "app" && ok:
		i.problem(field, "unexpected", "only action_source app has app data")
		return
	case e.Source != "app" || ok && data.kind != kindObject:
		return
	case !ok:
		i.problem(field, "required", "an app event needs app data")
		return
	}
	for k, key := range data.keys {
		v := &data.items[k]
		switch key {
		case "advertiser_tracking_enabled", "application_tracking_enabled", "consider_views", "include_dwell_data",
			"include_video_data":
			if v.text != "0" && v.text != "1" && v.kind != kindBool {
				i.problem(field+"."+key, "flag", "want 0 or 1")
			}
		case "extinfo": // below
		case "app_user_id", "campaign_ids", "device_token", "install_referrer", "installer_package", "receipt_data",
			"vendor_id", "windows_attribution_id":
			i.wantText(field+"."+key, v)
		case "url_schemes":
			if v.kind != kindArray || !allOf(v.items, kindString) {
				i.problem(field+"."+key, "array", "want an array of strings")
			}
		default:
			i.problem(field+"."+key, "unknown", "there is no such member")
		}
	}
	for _, name := range [...]string{"advertiser_tracking_enabled", "application_tracking_enabled"} {
		if !data.has(name) {
			i.problem(field+"."+name, "required", "an app event needs both tracking flags")
		}
	}
	info, ok := data.get("extinfo")
	if !ok {
		info = &node{}
	}
	items, ok := info.slots()
	if !ok {
		i.refuse(100, 2804043, field+".extinfo", "required", "an app event needs extinfo as an array")
		return
	}
	refuse := func(field, rule, message string) { i.refuse(100, 2804043, field, rule, message) }
	deviceInfo(field+".extinfo", items, refuse)
	if len(items) <= slotOSVersion || items[slotOSVersion].text == "" {
		refuse(index(field+".extinfo", slotOSVersion), "required", "the OS version is required")
	}
}
