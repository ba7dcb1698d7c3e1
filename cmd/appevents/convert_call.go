package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// A flaw is something wrong with the original.
type flaw struct {
	Field   string `json:"field"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

// What becomes of a part of the original.
const (
	effectLost    = "lost"    // it is not in the successor
	effectChanged = "changed" // it is there in another form
	effectMade    = "made"    // it was not in the original
	effectCannot  = "cannot"  // an event, or all of it, cannot be carried over
	effectWarning = "warning" // it is there, and Meta may make less of it
)

// A change is what becomes of one part of the original, with the reason.
type change struct {
	Effect string `json:"effect"`
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

// An original is a call that is to be converted.
type original struct {
	line int // where it stands in the input, 0 for all of it

	kind     string // page_activities, activities, or what a stored call calls itself
	method   string
	path     string
	app      string // ID, "" when it is not known
	problems []flaw

	call     appevents.Call // nil when there is none to convert
	fromPage bool           // the call was one for /page_activities
	source   string         // logging_source and
	target   string         // logging_target as sent
	broken   []int          // events that no successor can carry
	changes  []change       // that hold for every successor
	cannot   string         // why there is no call
}

// A successor is what the original becomes.
type successor struct {
	Edge        string          `json:"edge"`
	Convertible bool            `json:"convertible"` // completely, or with the losses named
	Requests    []sentRequest   `json:"requests"`
	Stored      json.RawMessage `json:"stored"` // the call for UnmarshalCall, null when there is none
	Changes     []change        `json:"changes"`

	kind string // activities or conversions
}

// A sentRequest is a request as it goes to Graph, without credentials.
type sentRequest struct {
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	ContentType string            `json:"content_type"`
	Fields      map[string]string `json:"fields,omitempty"` // of a form
	Body        json.RawMessage   `json:"body,omitempty"`   // of JSON

	order []string // of Fields
}

// A converter makes successors.
type converter struct {
	app, dataset string // "" when not known
	secret       func(string) bool
}

// The words that stand for IDs that were not given.
const (
	unknownApp  = "APP_ID"
	datasetWord = "DATASET_ID"
)

// activities is the successor on /activities.
func (c *converter) activities(ctx context.Context, o *original) *successor {
	s := &successor{Edge: "activities", kind: "activities"}
	switch call := o.call.(type) {
	case *appevents.ConversionCall:
		s.add(effectCannot, "", "it is a call of the Conversions API already, from which there is no way back")
	case *appevents.Install:
		own, d := *call, newDraft("", 0, c.secret)
		ok := withoutCredentials(d, &own) && settle(d, &own, (*appevents.Install).Validate)
		s.finish(ctx, c, d, ok, &own)
	case *appevents.Activity:
		own, d := *call, newDraft("events", len(call.Events), c.secret)
		if o.fromPage {
			s.fromPage(o)
		}
		s.Changes = append(s.Changes, o.changes...)
		ok := withoutCredentials(d, &own) && d.without(&own, o.broken) && settle(d, &own, (*appevents.Activity).Validate)
		s.finish(ctx, c, d, ok, &own)
	}
	return s
}

// fromPage names what /activities has no place for.
func (s *successor) fromPage(o *original) {
	s.add(effectMade, "event", "CUSTOM_APP_EVENTS says what the call holds")
	switch strings.ToLower(o.source) {
	case "", string(appevents.SourceMessengerBot):
		s.add(effectMade, "extinfo", `["mb1"] says that a Messenger bot logs the events`)
		if o.source != "" {
			s.add(effectChanged, "logging_source", `extinfo ["mb1"] takes its place`)
		}
	default:
		s.add(effectMade, "extinfo", `["mb1"] says that a Messenger bot logs the events`)
		s.add(effectLost, "logging_source", "/activities has no word for another source than a bot")
	}
	switch strings.ToLower(o.target) {
	case "":
	case string(appevents.TargetApp):
		s.add(effectChanged, "logging_target", "/activities logs for the app, as was asked for")
	default:
		s.add(effectLost, "logging_target", "/activities logs for the app alone, so the owner of the Page does not see "+
			"the events; the Conversions API logs to the dataset of the Page")
	}
}

// conversions is the successor in the Conversions API.
func (c *converter) conversions(ctx context.Context, o *original) *successor {
	s := &successor{Edge: "events", kind: "conversions"}
	list, ok := []appevents.Conversion(nil), true
	order, dataset := []int(nil), c.dataset
	switch call := o.call.(type) {
	case *appevents.ConversionCall:
		list = call.Conversions
		if dataset == "" {
			dataset = string(call.DatasetID)
		}
	case *appevents.Install:
		s.add(effectChanged, "path", datasetForApp)
		own, d := *call, newDraft("", 0, c.secret)
		ok = withoutCredentials(d, &own) && settle(d, &own, func(in *appevents.Install) error {
			conversion, err := in.Conversion()
			list = []appevents.Conversion{conversion}
			return err
		})
		s.Changes = append(s.Changes, d.errs...)
		if ok && own.Measurement.EventID == "" {
			s.add(effectMade, "event_id", "made from the device and the time: "+list[0].ID)
		}
	case *appevents.Activity:
		own, d := *call, newDraft("events", len(call.Events), c.secret)
		d.priced = true
		s.add(effectChanged, "path", datasetForApp)
		if o.fromPage || !call.Thread.IsZero() {
			s.fromThread(o)
			s.unstated(&own.Consent)
		}
		s.Changes = append(s.Changes, o.changes...)
		check := func(a *appevents.Activity) (err error) {
			list, err = a.Conversions()
			return err
		}
		ok = withoutCredentials(d, &own) && d.without(&own, o.broken) && settle(d, &own, check)
		s.Changes = append(s.Changes, d.errs...)
		order = d.order
		for i := range list {
			if ok {
				s.mapped(fmt.Sprintf("custom_events[%d].", d.order[i]), &own.Events[i], &list[i])
			}
		}
	}
	if !ok {
		return s
	}
	own := appevents.ConversionCall{DatasetID: appevents.ID(dataset), Conversions: list}
	d := newDraft("conversions", len(list), c.secret)
	d.priced = true
	if order != nil {
		d.order = order
	} else {
		d.shown = "data"
	}
	if dataset == "" {
		own.DatasetID = unknownID
	}
	ok = withoutCredentials(d, &own) && settle(d, &own, (*appevents.ConversionCall).Validate)
	s.finish(ctx, c, d, ok, &own)
	return s
}

const datasetForApp = "the dataset takes the place of the app"

// fromThread names what the Conversions API has no place for.
func (s *successor) fromThread(o *original) {
	if o.fromPage {
		if o.source != "" {
			s.add(effectLost, "logging_source", "messaging_channel says where the events come from")
		}
		if o.target != "" {
			s.add(effectLost, "logging_target", "the dataset decides who sees the events")
		}
	}
	if a, ok := o.call.(*appevents.Activity); ok && a.Consent == appevents.ConsentAllowed {
		const reason = "conversions of conversations carry no consent: send none that was denied"
		s.add(effectLost, "advertiser_tracking_enabled", reason)
		s.add(effectLost, "application_tracking_enabled", reason)
	}
}

// unstated lets a conversation without a stated choice through, since conversions carry none in any case.
func (s *successor) unstated(consent *appevents.Consent) {
	for _, choice := range []struct {
		of   *appevents.Tracking
		name string
	}{{&consent.Advertiser, "advertiser_tracking_enabled"}, {&consent.Application, "application_tracking_enabled"}} {
		if *choice.of == 0 {
			*choice.of = appevents.Allowed
			s.add(effectWarning, choice.name, "was not stated, and conversions carry no consent: send none that was denied")
		}
	}
}

// mapped names how an event became a conversion.
func (s *successor) mapped(at string, e *appevents.Event, c *appevents.Conversion) {
	if string(c.Name) != string(e.Name) {
		s.add(effectChanged, at+"_eventName", string(e.Name)+" is called "+string(c.Name))
	}
	if e.Time.IsZero() {
		s.add(effectMade, at+"event_time", "the time of sending: none was given, so do not let the event wait")
	}
	s.renamed(at, e, c)
	if e.ID == "" {
		s.add(effectMade, at+"event_id", "made from the person, the name, the time and the details: "+c.ID)
	}
}

// renamed names the parameters of Meta's that have another name there.
func (s *successor) renamed(at string, e *appevents.Event, c *appevents.Conversion) {
	if e.Value != nil {
		s.add(effectChanged, at+"_valueToSum", "is called value")
	}
	for i, m := range paramsPlan.Members() {
		if !paramsPlan.Value(&e.Params, i).Set() {
			continue
		}
		to := strings.TrimPrefix(m.Name, "fb_")
		reason := "is called " + to
		switch _, own := c.Data.Custom[to]; {
		case m.Field == "Contents":
			reason = "is called contents, a list instead of text"
		case m.Field == "ContentIDs":
			reason = "is called content_ids, a list instead of text"
		case own:
			reason += ", a detail of your own there"
		}
		s.add(effectChanged, at+m.Name, reason)
	}
}

func (s *successor) add(effect, field, reason string) {
	s.Changes = append(s.Changes, change{effect, field, reason})
}

// without takes out the events that could not be read.
func (d *draft) without(a *appevents.Activity, broken []int) bool {
	for _, i := range slices.Backward(broken) {
		a.Events = slices.Delete(slices.Clone(a.Events), i, i+1)
		d.order = slices.Delete(d.order, i, i+1)
	}
	return len(a.Events) > 0
}

// prune drops what is said of events that are not there.
func (s *successor) prune() {
	var dropped []string
	for _, c := range s.Changes {
		if c.Effect == effectCannot {
			event, _, _ := strings.Cut(c.Field, "]")
			dropped = append(dropped, event+"]")
		}
	}
	s.Changes = slices.DeleteFunc(s.Changes, func(c change) bool {
		gone := func(event string) bool { return event != "]" && strings.HasPrefix(c.Field, event) }
		return c.Effect != effectCannot && (len(s.Requests) == 0 || slices.ContainsFunc(dropped, gone))
	})
}

// finish has the SDK write the requests of a call, and graphtest read them. Nothing leaves the process.
func (s *successor) finish(ctx context.Context, c *converter, d *draft, ok bool, call appevents.Call) {
	s.Changes = append(s.Changes, d.errs...)
	if !ok {
		return
	}
	for _, issue := range call.Warnings() {
		s.add(effectWarning, d.wireName(issue.Path), issue.Message)
	}
	server := graphtest.New()
	defer server.Close()
	app := c.app
	if app == "" {
		app = unknownID
	}
	client, err := appevents.New(app, appevents.WithBaseURL(server.URL), appevents.WithAccessToken(writtenToken),
		appevents.WithHTTPClient(&http.Client{Transport: server}))
	if err != nil {
		s.add(effectCannot, "path", errorText(err))
		return
	}
	if _, err := (&sender{Client: client}).sendCall(ctx, call); err != nil {
		s.add(effectCannot, "", "Graph would refuse it: "+errorText(err))
		return
	}
	for _, seen := range server.Calls() {
		for _, problem := range seen.Problems {
			s.add(effectWarning, problem.Field, problem.Message)
		}
		s.Requests = append(s.Requests, shownRequest(seen, c))
	}
	if conversions, ok := call.(*appevents.ConversionCall); ok && conversions.DatasetID == unknownID {
		conversions.DatasetID = datasetWord
		s.add(effectMade, "dataset", `is not known: give --dataset; "appevents send --ensure-dataset" finds or `+
			"makes that of the Page")
	}
	if s.Stored, err = appevents.MarshalCall(call); err != nil {
		s.add(effectCannot, "", errorText(err))
		return
	}
	s.Convertible = !slices.ContainsFunc(s.Changes, func(c change) bool { return c.Effect == effectCannot })
}

// shownRequest is a request as graphtest saw it.
func shownRequest(seen graphtest.Call, c *converter) sentRequest {
	r := sentRequest{Method: seen.Method, Path: seen.Path, ContentType: seen.ContentType}
	for _, id := range []struct {
		known bool
		edge  string
		word  string
	}{{c.app != "", "activities", unknownApp}, {c.dataset != "", "events", datasetWord}} {
		if !id.known && seen.Edge == id.edge && seen.ObjectID == unknownID {
			r.Path = strings.TrimSuffix(seen.Path, "/"+unknownID+"/"+id.edge) + "/" + id.word + "/" + id.edge
		}
	}
	body := make(map[string]json.RawMessage)
	for _, f := range seen.Fields {
		if f.In == "json" {
			body[f.Name] = json.RawMessage(f.Value)
			continue
		}
		if r.Fields == nil {
			r.Fields = make(map[string]string)
		}
		r.Fields[f.Name] = f.Value
		r.order = append(r.order, f.Name)
	}
	if len(body) > 0 {
		r.Body, _ = json.Marshal(body)
	}
	return r
}

// fromStored takes a stored call.
func fromStored(call appevents.Call) *original {
	o := &original{call: call}
	switch call.(type) {
	case *appevents.Activity:
		o.kind = "activity"
	case *appevents.ConversionCall:
		o.kind = "conversions"
	case *appevents.Install:
		o.kind = "install"
	}
	if page, ok := call.(*appevents.PageActivity); ok { //nolint:staticcheck // stored calls can be for the retired edge
		o.kind = "page_activity"
		o.fromPage, o.source, o.target = true, string(page.Source), string(page.Target)
		o.call = &appevents.Activity{Thread: page.Thread, Consent: page.Consent, Events: page.Events}
	}
	return o
}
