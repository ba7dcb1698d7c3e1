package graphtest

import (
	"fmt"
	"slices"
	"strings"
)

const maxConversions = 1000 // entries of data in one call

// checkConversions judges POST /{dataset}/events. The edge is all or nothing: the first invalid event refuses the call.
func checkConversions(i *inspection) {
	i.repeated()
	i.nodeID()
	for k := range i.list {
		p := &i.list[k]
		switch p.name {
		case "data":
		case "partner_agent":
			letters := 0
			for _, r := range p.val.text {
				if isAlphanumeric(r) && (r < '0' || r > '9') {
					letters++
				}
			}
			if p.val.kind != kindString || len(p.val.text) >= 23 || letters < 2 {
				i.problem(p.name, "form", "want fewer than 23 characters, two of them letters")
			}
		case "test_event_code", "namespace_id", "upload_id", "upload_tag", "upload_source":
			if p.val.kind != kindString || p.val.text == "" {
				i.problem(p.name, "string", "want a string that is not empty")
			}
		case "platforms", "progress", "trace": // accepted, undescribed
		default:
			if !isCommon(p.name) {
				i.problem(p.name, "unknown", "the edge has no such parameter")
			}
		}
	}
	p, ok := i.get("data")
	if !ok {
		i.refuse(100, 0, "data", "required", "the parameter is required")
		return
	}
	list, err := p.val.nested()
	if err != nil || list.kind != kindArray {
		i.refuse(100, 0, "data", "array", "must be a JSON array of events")
		return
	}
	i.count = len(list.items)
	if i.count == 0 || i.count > maxConversions {
		i.refuse(100, 0, "data", "length", "must hold 1 to 1000 events")
	}
	i.call.Events = make([]Event, 0, i.count)
	for k := range list.items {
		i.conversion(index("data", k), &list.items[k])
	}
	if len(i.call.Events) > 0 {
		i.call.PageID, i.call.PSID = i.call.Events[0].PageID, i.call.Events[0].PSID
	}
}

// conversion judges and records one event of the Conversions API.
func (i *inspection) conversion(at string, n *node) {
	if n.kind == kindString { // the Python SDK sends each event as JSON text
		inner, err := parseJSON(n.text)
		if err == nil {
			n = &inner
		}
	}
	if n.kind != kindObject {
		i.refuse(100, 0, at, "object", "must be a JSON object")
		return
	}
	if n.twice != "" {
		i.problem(at+"."+n.twice, "twice", "the key occurs more than once")
	}
	n.dropNulls()
	e := Event{
		Name: n.str("event_name"), ID: n.str("event_id"), Source: n.str("action_source"), Channel: n.str("messaging_channel"),
	}
	for k, key := range n.keys {
		i.conversionField(at+"."+key, key, &n.items[k])
	}
	if e.Name == "" {
		i.refuse(100, 0, at+".event_name", "required", "the event has no name")
	}
	i.eventTime(at+".event_time", n, &e)

	messaging := e.Source == "business_messaging"
	switch {
	case !slices.Contains(actionSources(), e.Source):
		i.refuse(100, 0, at+".action_source", "enum", "must be one of {"+strings.Join(actionSources(), ", ")+"}")
	case messaging && e.Channel == "":
		i.refuse(100, 2804063, at+".messaging_channel", "required", "a messaging event needs its channel")
	case messaging && e.Channel != "messenger" && e.Channel != "instagram" && e.Channel != "whatsapp":
		i.refuse(100, 0, at+".messaging_channel", "enum", "must be one of {messenger, instagram, whatsapp}")
	case !messaging && n.has("messaging_channel"):
		i.problem(at+".messaging_channel", "unexpected", "only business_messaging has a channel")
	}
	if messaging && e.Name != "" && !slices.Contains(messagingNames(), e.Name) {
		i.refuse(100, 2804066, at+".event_name", "event-name", "the event name is not allowed for messaging")
	}
	i.userData(at+".user_data", n, &e)
	i.customData(at+".custom_data", n, &e)
	i.appData(at, n, &e)
	i.call.Events = append(i.call.Events, e)
}

func actionSources() []string {
	return []string{"email", "website", "app", "phone_call", "chat", "physical_store", "system_generated",
		"business_messaging", "other"}
}

func messagingNames() []string {
	return []string{"Purchase", "LeadSubmitted", "InitiateCheckout", "AddToCart", "ViewContent", "OrderCreated",
		"OrderShipped", "OrderDelivered", "OrderCanceled", "OrderReturned", "CartAbandoned", "QualifiedLead",
		"RatingProvided", "ReviewProvided"}
}

// conversionField judges the kind of one member of an event.
func (i *inspection) conversionField(field, key string, v *node) {
	switch key {
	case "event_name", "event_id", "action_source", "messaging_channel", "event_source_url", "referrer_url",
		"customer_segmentation", "advanced_measurement_table":
		if v.kind != kindString || v.text == "" {
			i.problem(field, "string", "want a string that is not empty")
		}
	case "event_time": // judged by eventTime
	case "user_data", "custom_data", "app_data":
		if v.kind != kindObject {
			i.refuse(100, 0, field, "object", "must be a JSON object")
		}
	case "original_event_data":
		i.members(field, v, "event_name", "event_time", "order_id", "event_id")
	case "attribution_data":
		i.members(field, v, "scope", "visit_time", "ad_id", "adset_id", "campaign_id", "attribution_share",
			"attribution_model", "attr_window", "attribution_value", "attribution_source", "touchpoint_type", "touchpoint_ts",
			"attribution_method", "decline_reason", "auditing_token", "linkage_key", "touchpoint_id", "attribution_setting",
			"total_credit", "partner_client_id")
	case "opt_out", "advertiser_tracking_enabled": // the latter is the Node SDK's, beside the one in app_data
		if v.kind != kindBool {
			i.problem(field, "bool", "want true or false")
		}
	case "data_processing_options":
		if v.kind != kindArray || slices.ContainsFunc(v.items, func(o node) bool { return o.text != "LDU" }) {
			i.problem(field, "enum", `want [] or ["LDU"]`)
		}
	case "data_processing_options_country", "data_processing_options_state":
		if _, ok := v.int64(); !ok || v.kind != kindNumber {
			i.problem(field, "int64", "want a whole number")
		}
	case "extinfo": // judged by appData
	default:
		i.problem(field, "unknown", "an event has no such member")
	}
}

// members notes members of an object that are not in the list.
func (i *inspection) members(field string, v *node, known ...string) {
	if v.kind != kindObject {
		i.problem(field, "object", "want an object")
		return
	}
	for _, key := range v.keys {
		if !slices.Contains(known, key) {
			i.problem(field+"."+key, "unknown", "there is no such member")
		}
	}
}

func (i *inspection) eventTime(field string, n *node, e *Event) {
	v, ok := n.get("event_time")
	if !ok {
		i.refuse(100, 0, field, "required", "the event has no time")
		return
	}
	sec, ok := v.int64()
	if !ok {
		i.refuse(100, 0, field, "int64", "must be whole Unix seconds")
		return
	}
	if v.kind == kindString {
		i.problem(field, "int64", "want a number, not a string")
	}
	e.Time = secondsTime(sec)
	days := int64(7)
	if e.Source == "physical_store" {
		days = 62
	}
	switch now := i.now.Unix(); {
	case sec >= maxSeconds:
		i.refuse(100, 2804004, field, "milliseconds", "the time lies in the future; it looks like milliseconds")
	case sec > now:
		i.refuse(100, 2804004, field, "future", "the time lies in the future")
	case sec < now-days*86400:
		i.refuse(100, 2804003, field, "too-old", fmt.Sprintf("the event is more than %d days old", days))
	}
}

// applyConversions checks the call against the known datasets and counts it.
func applyConversions(i *inspection) []byte {
	accounts, known := i.g.cfg.datasets[i.call.ObjectID]
	if !known && i.g.cfg.closedDatasets {
		i.refuse(100, 33, "path", "dataset", "there is no such dataset")
		return nil
	}
	for k, e := range i.call.Events {
		if !known || e.Source != "business_messaging" || slices.Contains(accounts, e.PageID) {
			continue
		}
		subcode := 2804065 // Page and dataset do not match
		switch {
		case e.Channel == "instagram":
			subcode = 2804133
		case e.Channel == "whatsapp":
			subcode = 2804132
		case len(accounts) == 0:
			subcode = 2804131
		}
		i.refuse(100, subcode, index("data", k)+".user_data", "dataset", "the dataset is not attached to this account")
		return nil
	}
	return fmt.Appendf(nil, `{"events_received":%d,"messages":[],"fbtrace_id":%q}`, len(i.call.Events), i.call.TraceID)
}
