package graphtest

import (
	"slices"
	"strconv"
	"strings"
)

// shape says what a parameter of /activities or /page_activities must look like.
type shape uint8

const (
	shapeText      shape = iota + 1
	shapeID              // positive int64
	shapeInt             // int64
	shapeFlag            // tracking flag: 0 or 1 and nothing else
	shapeBool            // 0, 1, true, false
	shapeTime            // Unix seconds, fractions allowed
	shapeTexts           // JSON array of strings
	shapeObjects         // JSON array of objects
	shapeOptIn           // "0" or "1" as text
	shapeElsewhere       // judged by a check of its own
	shapeGone            // no longer used by Meta
)

// activityParams lists every parameter of POST /{app}/activities.
func activityParams(name string) (shape, bool) {
	switch name {
	case "event", "custom_events", "custom_events_file", "extinfo", "ud", "user_id_type", "data_processing_options":
		return shapeElsewhere, true
	case "advertiser_id", "attribution", "anon_id", "app_user_id", "user_id", "vendor_id", "device_token",
		"bundle_id", "bundle_version", "bundle_short_version", "installer_package", "migration_bundle", "receipt_data",
		"sdk_version", "install_referrer", "google_install_referrer", "meta_install_referrer", "install_id", "event_id",
		"attribution_referrer", "campaign_ids", "click_id", "windows_attribution_id":
		return shapeText, true
	case "advertiser_tracking_enabled", "application_tracking_enabled":
		return shapeFlag, true
	case "page_id", "page_scoped_user_id":
		return shapeID, true
	case "is_fb", "consider_views", "include_dwell_data", "include_video_data", "limited_data_use",
		"is_circuit_breaker_active", "advertiser_id_collection_enabled", "is_redownload":
		return shapeBool, true
	case "data_processing_options_country", "data_processing_options_state", "circuit_breaker_timeout_ms",
		"num_skipped_events":
		return shapeInt, true
	case "install_timestamp", "last_new_install_time", "last_session_time":
		return shapeTime, true
	case "url_schemes":
		return shapeTexts, true
	case "attribution_sources", "operational_parameters":
		return shapeObjects, true
	case "add_to_messaging_customer_base_for_whatsapp":
		return shapeOptIn, true
	case "auto_publish":
		return shapeGone, true
	case "application_package_name", "sdk": // sent by the mobile SDKs, listed nowhere
		return shapeText, true
	}
	return 0, false
}

// pageActivityParams lists every parameter of POST /{app}/page_activities.
func pageActivityParams(name string) (shape, bool) {
	switch name {
	case "custom_events", "logging_source", "logging_target":
		return shapeElsewhere, true
	case "advertiser_tracking_enabled", "application_tracking_enabled":
		return shapeFlag, true
	case "page_id", "page_scoped_user_id":
		return shapeID, true
	}
	return 0, false
}

// isCommon reports whether Graph takes the parameter on every edge.
func isCommon(name string) bool {
	switch name {
	case "debug", "format", "date_format", "fields", "id", "locale", "method", "pretty", "suppress_http_code":
		return true
	}
	return false
}

// nodeID judges the ID of the node in the body, where Meta's SDKs repeat the one in the path.
func (i *inspection) nodeID() {
	if id := i.text("id"); id != "" && id != i.call.ObjectID {
		i.problem("id", "conflict", "is not the ID in the path")
	}
}

// get returns the first parameter with this name.
func (i *inspection) get(name string) (*param, bool) {
	for k := range i.list {
		if i.list[k].name == name {
			return &i.list[k], true
		}
	}
	return nil, false
}

// given reports whether the parameter is there and not empty.
func (i *inspection) given(name string) bool {
	p, ok := i.get(name)
	return ok && p.val.kind != kindNull && (p.val.kind != kindString || p.val.text != "")
}

// text returns the parameter's text, or "".
func (i *inspection) text(name string) string {
	if p, ok := i.get(name); ok && (p.val.kind == kindString || p.val.kind == kindNumber) {
		return p.val.text
	}
	return ""
}

// repeated notes parameters that occur more than once.
func (i *inspection) repeated() {
	seen := make(map[string]int, len(i.list))
	for _, p := range i.list {
		if seen[p.name]++; seen[p.name] == 2 {
			i.problem(p.name, "twice", "the parameter was sent more than once")
		}
	}
}

// shapes checks every parameter against the edge's list.
func (i *inspection) shapes(known func(string) (shape, bool)) {
	i.repeated()
	i.nodeID()
	for k := range i.list {
		p := &i.list[k]
		base, _, bracketed := strings.Cut(p.name, "[")
		s, ok := known(base)
		switch {
		case bracketed && (base != "ud" || !ok):
			i.problem(p.name, "unknown", "the edge has no such parameter")
		case !ok && !isCommon(p.name):
			i.problem(p.name, "unknown", "the edge has no such parameter")
		case p.in == "file" && p.name != "custom_events_file":
			i.problem(p.name, "file", "must not be a file")
		case p.val.kind == kindString && p.val.text == "":
			i.problem(p.name, "empty", "sent without a value; leave it out")
		case ok:
			i.shape(p, s)
		}
	}
}

func (i *inspection) shape(p *param, s shape) {
	v := &p.val
	switch s {
	case shapeText:
		if v.kind != kindString {
			i.problem(p.name, "string", "want a string, not "+v.kind.String())
		}
	case shapeID:
		if id, ok := v.integer(); !ok || !isID(id) {
			i.refuse(100, 0, p.name, "int64", "must be a positive integer that fits in 64 bits")
		}
	case shapeInt:
		if n, ok := v.int64(); !ok || n < 0 {
			i.refuse(100, 0, p.name, "int64", "must be a whole number, zero or more")
		}
	case shapeFlag:
		switch {
		case v.text == "0" || v.text == "1" || v.kind == kindBool:
		case v.text == "true" || v.text == "false":
			i.tolerate(p.name, "flag", "want 0 or 1")
		case strings.EqualFold(v.text, "true") || strings.EqualFold(v.text, "false"):
			i.problem(p.name, "flag", "want 0 or 1")
		default:
			i.refuse(100, 0, p.name, "flag", "must be 0 or 1")
		}
	case shapeBool:
		switch strings.ToLower(v.text) {
		case "0", "1", "true", "false":
		default:
			i.refuse(100, 0, p.name, "bool", "must be a boolean")
		}
	case shapeTime:
		f, ok := v.float()
		if !ok {
			i.refuse(100, 0, p.name, "time", "must be a number of Unix seconds")
			return
		}
		i.seconds(p.name, f)
	case shapeTexts:
		if list, err := v.nested(); err != nil || list.kind != kindArray || !allOf(list.items, kindString) {
			i.refuse(100, 0, p.name, "array", "must be a JSON array of strings")
		}
	case shapeObjects:
		if list, err := v.nested(); err != nil || list.kind != kindArray || !allOf(list.items, kindObject) {
			i.refuse(100, 0, p.name, "array", "must be a JSON array of objects")
		}
	case shapeOptIn:
		if v.kind != kindString || v.text != "0" && v.text != "1" {
			i.problem(p.name, "flag", `want the text "0" or "1"`)
		}
	case shapeGone:
		i.problem(p.name, "gone", "Meta no longer uses this parameter")
	}
}

func allOf(items []node, k kind) bool {
	return !slices.ContainsFunc(items, func(n node) bool { return n.kind != k })
}

const (
	maxSeconds = 100_000_000_000 // a larger number of "seconds" is milliseconds
	minSeconds = 1_072_915_200   // 2004-01-01, before there was anything to report
	maxSkew    = 600             // seconds a clock may be ahead
)

// seconds judges a Unix time.
func (i *inspection) seconds(field string, t float64) {
	switch {
	case t >= maxSeconds:
		i.problem(field, "milliseconds", "want Unix seconds; this looks like milliseconds")
	case t < minSeconds:
		i.problem(field, "time", "lies before 2004")
	case t > float64(i.now.Unix()+maxSkew):
		i.problem(field, "future", "lies in the future")
	}
}

// bothFlags notes missing tracking flags: the guides want both on every call, the reference requires neither, and the
// mobile SDKs leave that of the advertiser out when they have no ID it could be about.
func (i *inspection) bothFlags() {
	const advertiser, application, message = "advertiser_tracking_enabled", "application_tracking_enabled",
		"the guides require the flag on every call"
	switch {
	case i.given(advertiser):
	case i.given("sdk") && !i.given("advertiser_id"):
		i.tolerate(advertiser, "required", message)
	default:
		i.problem(advertiser, "required", message)
	}
	if !i.given(application) {
		i.problem(application, "required", message)
	}
}

// identifiers are the parameters of which the server wants at least one with custom events.
func identifiers() []string {
	return []string{"attribution", "advertiser_id", "anon_id", "page_scoped_user_id", "user_id_type", "ud"}
}

func checkActivities(i *inspection) {
	c := i.call
	i.shapes(activityParams)
	i.bothFlags()
	c.Activity, c.PageID, c.PSID = i.text("event"), i.text("page_id"), i.text("page_scoped_user_id")
	switch c.TokenKind {
	case "page", "system_user":
		i.problem("access_token", "token-type", "the edge takes a user or app token")
	}

	hasUD := i.checkUD()
	identified := func(name string) bool { return i.given(name) && name != "ud" || name == "ud" && hasUD }
	ud := slices.ContainsFunc(identifiers(), identified)
	switch c.Activity {
	case "CUSTOM_APP_EVENTS":
		if !ud {
			i.refuseWith(100, "event", "identifier", "At least one of the parameter 'attribution', 'advertiser_id', "+
				"'anon_id', 'page_scoped_user_id', 'user_id_type' or 'ud' is required for the 'custom_app_events' activity")
		}
		i.checkCustomEvents(true)
	case "MOBILE_APP_INSTALL":
		switch {
		case i.given("advertiser_id") || i.given("attribution"):
		case i.given("anon_id"): // the iOS SDK does this
			i.problem("event", "identifier", "an install wants advertiser_id or attribution")
		default:
			i.refuse(100, 0, "event", "identifier", "an install needs advertiser_id or attribution")
		}
		i.checkCustomEvents(false)
	case "DEFERRED_APP_LINK":
		if !ud {
			i.problem("event", "identifier", "no identifier was sent")
		}
		i.checkCustomEvents(false)
	case "":
		i.refuse(100, 0, "event", "required", "the parameter is required")
	default:
		i.refuse(100, 0, "event", "enum", "must be one of {MOBILE_APP_INSTALL, CUSTOM_APP_EVENTS, DEFERRED_APP_LINK}")
	}

	if p, ok := i.get("attribution"); ok && p.val.text != "" && !isMobileCookie(p.val.text) {
		i.problem("attribution", "form", "want 22 letters and digits (Android) or a UUID (iOS)")
	}
	if p, ok := i.get("user_id_type"); ok && p.val.text != "INSTANT_GAMES_PLAYER_ID" {
		i.refuse(100, 0, "user_id_type", "enum", "must be one of {INSTANT_GAMES_PLAYER_ID}")
	}
	i.checkExtInfo()
	i.checkDataProcessing()
	i.checkAttributionSources()
	i.checkOperational()
}

func checkPageActivities(i *inspection) {
	c := i.call
	i.shapes(pageActivityParams)
	i.bothFlags()
	c.PageID, c.PSID = i.text("page_id"), i.text("page_scoped_user_id")
	c.Source, c.Target = i.text("logging_source"), i.text("logging_target")

	i.permission("page_events")
	i.page(c.PageID)
	if c.TokenKind != "" && c.TokenKind != "page" {
		i.refuseWith(200, "access_token", "token-type", "(#200) The edge takes a Page access token")
	}
	if !i.given("page_scoped_user_id") {
		i.refuse(100, 0, "page_scoped_user_id", "required", "the parameter is required")
	}
	if !i.given("page_id") {
		i.problem("page_id", "required", "the guide requires the Page")
	}
	switch strings.ToUpper(c.Source) {
	case "MESSENGER_BOT", "DETECTION":
	case "":
		i.problem("logging_source", "required", "the guide requires the source")
	default:
		i.refuse(100, 0, "logging_source", "enum", "must be one of {MESSENGER_BOT, DETECTION}")
	}
	switch strings.ToUpper(c.Target) {
	case "APP", "PAGE", "APP_AND_PAGE", "":
	default:
		i.refuse(100, 0, "logging_target", "enum", "must be one of {APP, APP_AND_PAGE, PAGE}")
	}
	if !i.given("custom_events") {
		i.problem("custom_events", "required", "the guide requires at least one event")
		return
	}
	i.checkCustomEvents(true)
}

// checkDataProcessing judges Limited Data Use.
func (i *inspection) checkDataProcessing() {
	const field = "data_processing_options"
	const country, state = field + "_country", field + "_state"
	p, ok := i.get(field)
	if !ok {
		for _, name := range [...]string{country, state} {
			if i.given(name) {
				i.problem(name, "required", "means nothing without "+field)
			}
		}
		return
	}
	list, err := p.val.nested()
	if err != nil || list.kind != kindArray || !allOf(list.items, kindString) {
		i.refuse(100, 0, field, "array", "must be a JSON array of strings")
		return
	}
	for _, v := range list.items {
		if v.text != "LDU" {
			i.problem(field, "enum", `the only option is "LDU"`)
		}
	}
	if i.given(country) != i.given(state) {
		i.problem(field, "required", "country and state go together")
	}
}

// checkAttributionSources judges the members of each attribution source.
func (i *inspection) checkAttributionSources() {
	const field = "attribution_sources"
	for k, source := range i.objects(field) {
		for n, key := range source.keys {
			at, v := index(field, k)+"."+key, &source.items[n]
			switch key {
			case "source_ad_id", "source_adgroup_id":
				if _, ok := v.int64(); !ok {
					i.problem(at, "int64", "want an integer")
				}
			case "source_ad_engagement_time", "source_event_time":
				if f, ok := v.float(); ok {
					i.seconds(at, f)
				} else {
					i.problem(at, "time", "want a timestamp")
				}
			case "source_ad_engagement_type", "source_event_id", "source_install_id", "source_auditing_token",
				"source_attribution_method":
				if v.kind != kindString {
					i.problem(at, "string", "want a string")
				}
			case "source_is_primary":
				if v.kind != kindBool && v.text != "0" && v.text != "1" {
					i.problem(at, "bool", "want a boolean")
				}
			default:
				i.problem(at, "unknown", "there is no such member")
			}
		}
	}
}

// checkOperational judges the debugging data, which must run parallel to the events.
func (i *inspection) checkOperational() {
	const field = "operational_parameters"
	list := i.objects(field)
	if len(list) > 0 && len(list) != i.count {
		i.problem(field, "length", "want one entry for each of the "+strconv.Itoa(i.count)+" events")
	}
	for k, entry := range list {
		for n, key := range entry.keys {
			at, segment := index(field, k)+"."+key, &entry.items[n]
			switch {
			case key != "iap_parameters" && key != "deferral_link_parameters":
				i.problem(at, "unknown", "there is no such member")
			case segment.kind != kindObject:
				i.problem(at, "object", "want an object, not "+segment.kind.String())
			default:
				i.segment(at, segment)
			}
		}
	}
}

// segment judges one part of the debugging data of an event: parameters like those of the event itself.
func (i *inspection) segment(at string, segment *node) {
	for n, key := range segment.keys {
		if !isIdentifier(key) {
			i.problem(at+"."+key, "param-name", "must match ^[0-9a-zA-Z_][0-9a-zA-Z _-]{0,39}$")
		}
		if v := &segment.items[n]; v.kind != kindString && v.kind != kindNumber {
			i.problem(at+"."+key, "value-kind", "want a string or a number, not "+v.kind.String())
		}
	}
}

// objects returns the elements of a parameter that is a JSON array of objects, or nil.
func (i *inspection) objects(name string) []node {
	p, ok := i.get(name)
	if !ok {
		return nil
	}
	list, err := p.val.nested()
	if err != nil || list.kind != kindArray || !allOf(list.items, kindObject) {
		return nil
	}
	return list.items
}
