package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/wire"
)

// readWire takes a request apart: graphtest decodes it and says what is wrong with it, and what it holds becomes an
// Activity, or a call that says why there is none.
func (p *program) readWire(r *wireRequest) (*original, error) {
	for _, secret := range secretsOf(r) {
		if len(secret) >= leastSecret {
			p.keepSecret(secret)
		}
	}
	o := &original{method: r.method, problems: r.notes}
	edge, object, err := o.place(r)
	if err != nil {
		return nil, err
	}
	if o.cannot != "" {
		return o, nil
	}
	call, err := decodeWire(r, edge, object)
	if err != nil {
		return nil, err
	}
	for _, found := range call.Problems {
		if found.Field == "body" && found.Rule != "utf8" {
			return nil, errors.New(found.Message + whereInvalid(r.body))
		}
		o.problems = append(o.problems, flaw{found.Field, found.Rule, found.Message})
	}
	w := wireReader{call: call, o: o}
	w.read(edge, r)
	return o, nil
}

// A wireReader makes an Activity of what graphtest found in a request.
type wireReader struct {
	call graphtest.Call
	o    *original
	a    appevents.Activity

	rawEvents []json.RawMessage // as they were sent, once they were needed
}

// lose notes what cannot be carried over to any successor, since it cannot be read.
func (w *wireReader) lose(field, reason string) {
	w.o.changes = append(w.o.changes, change{effectLost, field, reason})
}

func (w *wireReader) changed(field, reason string) {
	w.o.changes = append(w.o.changes, change{effectChanged, field, reason})
}

// The plans of what /activities takes beside its events.
var (
	paramsPlan      = wire.For[appevents.Params](wire.NestedList(wire.For[appevents.Content]()))
	devicePlan      = wire.For[appevents.Device]()
	bundlePlan      = wire.For[appevents.Bundle]()
	measurementPlan = wire.For[appevents.Measurement](wire.List(wire.For[appevents.AttributionSource]()))
	extInfoPlan     = wire.For[appevents.ExtInfo]()
)

func (w *wireReader) read(edge appevents.Edge, r *wireRequest) {
	if edge == appevents.EdgeActivities && w.call.Activity != "CUSTOM_APP_EVENTS" {
		if w.call.Activity != "" || len(w.call.Events) == 0 {
			w.o.cannot = "only calls with custom events are converted here: give an install as a stored call"
			return
		}
	}
	w.o.kind = string(edge)
	seen := make(map[string]bool)
	for _, f := range w.call.Fields {
		if seen[f.Name] { // the first one counts, as in graphtest
			continue
		}
		seen[f.Name] = true
		w.field(edge, f)
	}
	for i := range w.call.Events {
		event, ok := w.event(i)
		if !ok {
			w.o.broken = append(w.o.broken, i)
		}
		w.a.Events = append(w.a.Events, event)
	}
	if len(w.a.Events) == 0 {
		w.o.cannot = "it holds no events that can be read"
		return
	}
	if ip := r.header.Get("X-Forwarded-For"); ip != "" && edge == appevents.EdgeActivities {
		if addr, err := netip.ParseAddr(ip); err == nil {
			w.a.ClientIP = addr
		} else {
			w.lose("header.X-Forwarded-For", "is not one address")
		}
	}
	w.o.call = &w.a
	w.o.fromPage = edge == appevents.EdgePageActivities
}

// paramText is the text of a parameter: of JSON, the string or the number. ok is false for other JSON.
func paramText(f graphtest.Field) (string, bool) {
	if f.In != "json" {
		return f.Value, true
	}
	var value any
	if !decodeNumbers(f.Value, &value) {
		return "", false
	}
	return scalar(value)
}

// field takes one parameter.
func (w *wireReader) field(edge appevents.Edge, f graphtest.Field) {
	value, ok := paramText(f)
	if value == "" && ok || f.Value == "null" {
		return
	}
	switch f.Name {
	case "custom_events", "custom_events_file", "event", "access_token", "appsecret_proof", "appsecret_time",
		"client_secret", "input_token", "fb_exchange_token", "format", "method", "suppress_http_code", "debug", "pretty",
		"id", "fields", "locale", "date_format":
	case "page_id":
		w.a.Thread.PageID = appevents.ID(value)
	case "page_scoped_user_id":
		w.a.Thread.PSID = appevents.ID(value)
	case "advertiser_tracking_enabled":
		w.tracking(f.Name, value, &w.a.Consent.Advertiser)
	case "application_tracking_enabled":
		w.tracking(f.Name, value, &w.a.Consent.Application)
	case "logging_source":
		w.o.source = value
	case "logging_target":
		w.o.target = value
	default:
		if !ok {
			value = f.Value
		}
		if edge == appevents.EdgePageActivities {
			w.lose(f.Name, "page_activities has no such parameter")
		} else if !w.group(f.Name, value) {
			if w.a.Extra == nil {
				w.a.Extra = make(map[string]string)
			}
			w.a.Extra[f.Name] = value // the SDK has no field for it
		}
	}
}

func (w *wireReader) tracking(name, value string, choice *appevents.Tracking) {
	switch strings.ToLower(value) {
	case "1", "true":
		*choice = appevents.Allowed
	case "0", "false":
		*choice = appevents.Denied
	default:
		w.lose(name, "is neither 0 nor 1, so the choice is not known")
	}
}

// group takes a parameter that a group of Activity declares, and reports whether one does.
func (w *wireReader) group(name, value string) bool {
	read, ok := parseInto(devicePlan, &w.a.Device, name, value)
	if !read {
		read, ok = parseInto(bundlePlan, &w.a.Bundle, name, value)
	}
	if !read {
		read, ok = parseInto(measurementPlan, &w.a.Measurement, name, value)
	}
	flags := map[string]*bool{
		"consider_views": &w.a.ConsiderViews, "include_dwell_data": &w.a.IncludeDwellData,
		"include_video_data": &w.a.IncludeVideoData,
	}
	switch {
	case read:
	case name == "extinfo":
		read, ok = true, w.extInfo(value)
	case name == "ud" || strings.HasPrefix(name, "ud["):
		read, ok = true, w.userData(name, value)
	case name == "data_processing_options":
		var list []string
		read, ok = true, json.Unmarshal([]byte(value), &list) == nil
		w.a.DataProcessing.LimitedDataUse, w.a.DataProcessing.Declared = slices.Contains(list, "LDU"), ok
	case name == "data_processing_options_country", name == "data_processing_options_state":
		n, err := strconv.Atoi(value)
		read, ok = true, err == nil
		if strings.HasSuffix(name, "state") {
			w.a.DataProcessing.State = n
		} else {
			w.a.DataProcessing.Country = n
		}
	case flags[name] != nil:
		flag, err := strconv.ParseBool(value)
		read, ok = true, err == nil
		*flags[name] = flag
	}
	if read && !ok {
		w.lose(name, "cannot be read")
	}
	return read
}

// parseInto sets the field of v that name declares. read says whether there is one, ok whether the text is of its type.
func parseInto[T any](plan *wire.Plan[T], v *T, name, value string) (read, ok bool) {
	for i, m := range plan.Members() {
		if m.Name != name && !slices.Contains(m.Aliases, name) {
			continue
		}
		defer func() {
			if !ok { // Parse leaves what it could read
				reflect.ValueOf(v).Elem().FieldByName(m.Field).SetZero()
			}
		}()
		switch m.Kind {
		case wire.Time:
			at, _, ok := unixTime(value)
			return true, ok && plan.Value(v, i).Parse(strconv.Quote(at.Format(time.RFC3339)))
		case wire.Millis:
			ms, err := strconv.ParseInt(value, 10, 32)
			return true, err == nil && plan.Value(v, i).Parse(strconv.FormatInt(ms*int64(time.Millisecond), 10))
		case wire.Bool:
			flag, err := strconv.ParseBool(value)
			return true, err == nil && plan.Value(v, i).Parse(strconv.FormatBool(flag))
		default:
			return true, plan.Value(v, i).Parse(value)
		}
	}
	return false, false
}

func (w *wireReader) extInfo(value string) bool {
	var slots []any
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.UseNumber()
	if decoder.Decode(&slots) != nil {
		return false
	}
	if len(slots) == 1 && slots[0] == "mb1" {
		return true // the SDK writes it for every thread
	}
	ok := true
	for i := range extInfoPlan.Members() {
		if i >= len(slots) {
			break
		}
		if slot, isText := scalar(slots[i]); slot != "" {
			ok = isText && extInfoPlan.Value(&w.a.ExtInfo, i).Parse(slot) && ok
		}
	}
	return ok
}

// userData takes ud, as JSON or as one of the parameters ud[em] and its siblings.
func (w *wireReader) userData(name, value string) bool {
	members := make(map[string]any)
	if key, ok := strings.CutPrefix(name, "ud["); ok {
		members[strings.TrimRight(strings.TrimSuffix(key, "[0]"), "]")] = value
	} else if json.Unmarshal([]byte(value), &members) != nil {
		return false
	}
	fields := map[string]*string{
		"em": &w.a.UserData.Email, "ph": &w.a.UserData.Phone, "fn": &w.a.UserData.FirstName, "ln": &w.a.UserData.LastName,
		"ge": &w.a.UserData.Gender, "db": &w.a.UserData.BirthDate, "dob": &w.a.UserData.BirthDate,
		"ct": &w.a.UserData.City, "st": &w.a.UserData.State, "zp": &w.a.UserData.Zip,
		"cn": &w.a.UserData.Country, "country": &w.a.UserData.Country, "external_id": &w.a.UserData.ExternalID,
		"extern_id": &w.a.UserData.ExternalID,
	}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		list, isList := members[key].([]any)
		if isList && len(list) > 0 {
			members[key] = list[0]
			if len(list) > 1 {
				w.lose("ud."+key, "holds several values, of which the first is carried over")
			}
		}
		digest, ok := scalar(members[key])
		switch to := fields[key]; {
		case to == nil:
			w.lose("ud."+key, "has no counterpart")
		case !ok:
			w.lose("ud."+key, "cannot be read")
		default:
			*to = digest
		}
	}
	return true
}

// scalar is a value of JSON as text. ok is false for lists, objects and null.
func scalar(value any) (text string, ok bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		if v {
			return "1", true
		}
		return "0", true
	default:
		return fmt.Sprint(nil), false
	}
}
