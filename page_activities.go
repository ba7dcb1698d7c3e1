package appevents

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/carrier"
	"github.com/appevents/appevents-go/internal/names"
)

// LoggingSource says where an event of a [PageActivity] comes from. Upper and lower case mean the same.
type LoggingSource string

// The sources page_activities knows.
const (
	SourceMessengerBot LoggingSource = "messenger_bot" // what a zero LoggingSource means
	SourceDetection    LoggingSource = "detection"
)

// LoggingTarget says whose reports an event of a [PageActivity] goes to. Upper and lower case mean the same; zero is
// not sent and means the app.
type LoggingTarget string

// The targets of page_activities. A platform that serves many Pages with one app uses TargetPage or TargetAppAndPage,
// so that the owners of the Pages see their events.
const (
	TargetApp        LoggingTarget = "app"
	TargetPage       LoggingTarget = "page"
	TargetAppAndPage LoggingTarget = "app_and_page"
)

// PageActivity is events of one Messenger conversation, sent to /page_activities by [Client.LogPageActivity].
//
// Deprecated: Meta has retired the edge; see [Client.LogPageActivity].
type PageActivity struct {
	// Thread is required: PageID and PSID of a Messenger conversation.
	Thread Thread `json:"thread,omitzero"`

	// Target is whose reports the events go to; zero means the app.
	Target LoggingTarget `json:"target,omitzero"`

	// Source is where the events come from; zero means SourceMessengerBot.
	Source LoggingSource `json:"source,omitzero"`

	// Consent is required.
	Consent Consent `json:"consent,omitzero"`

	// Events is required. More events than the client's limit ([WithMaxEvents]) are sent in several requests.
	Events []Event `json:"events,omitzero"`
}

var opLogPageActivity = declare(operation{
	name:       "log page activity",
	permission: "needs the page_events permission and a Page token from someone with the ANALYZE task",
	retired:    "log to /activities with LogActivity, or use SendConversions",
})

// LogPageActivity sends the events of p to POST /{app}/page_activities.
//
// The edge needs a Page access token with page_events ([ScopePage]), requested by a person with the ANALYZE task on
// the Page, and was never available to businesses or customers in Europe or Japan. It exists up to Graph v20.0, which
// is what the call asks for unless the client was given an older version; a client given a newer one gets
// [ErrRetired] before anything is sent. Results and errors are as in [Client.LogActivity].
//
// https://developers.facebook.com/docs/graph-api/reference/v19.0/application/page_activities
//
// Deprecated: Meta ended the edge in September 2025, and every Graph version that has it has expired; expect
// [ErrRetired]. Log the same events with [Client.LogActivity].
func (c *Client) LogPageActivity(ctx context.Context, p *PageActivity) (*ActivityResult, error) {
	if err := c.ready(opLogPageActivity); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	version, err := c.pageActivitiesVersion()
	if err != nil {
		return nil, err
	}
	c.watcher.warn(ctx, opLogPageActivity, p.Warnings)
	return c.sendEvents(ctx, p.Events, func(events []Event) request {
		return request{
			op:        opLogPageActivity,
			method:    http.MethodPost,
			node:      c.appID,
			edge:      string(EdgePageActivities),
			version:   version,
			scope:     Scope{Kind: ScopePage, ID: p.Thread.PageID},
			encoding:  carrier.JSON,
			body:      p.append(nil, events),
			related:   c.appID,
			retiredBy: pageActivitiesRetired,
		}
	})
}

// pageActivitiesVersion is the Graph version to ask for, or an error when the client insists on one without the edge.
func (c *Client) pageActivitiesVersion() (string, error) {
	if c.version == "" {
		return lastPageActivitiesVersion, nil
	}
	asked, _ := names.ParseVersion(c.version)
	last, _ := names.ParseVersion(lastPageActivitiesVersion)
	if asked.After(last) {
		return "", &CallError{
			Op: opLogPageActivity.name, Outcome: OutcomeNotSent,
			Err: fmt.Errorf("%w: Graph %s has no page_activities, %s was the last; "+
				"log to /activities with LogActivity, or use SendConversions", ErrRetired, c.version, lastPageActivitiesVersion),
		}
	}
	return c.version, nil
}

// pageActivitiesRetired reports whether a refusal means that the edge is gone. Meta documents none for this, so every
// refusal of the path, the method or the version counts, and any refusal of the parameters when a version answered
// that no longer has the edge.
func pageActivitiesRetired(e *GraphError) bool {
	switch {
	case e.Code == 3, e.Code == 12, e.Code == 2500, e.Code == 2635, e.Code == 100 && e.Subcode == 33:
		return true
	case e.Code == 0:
		return e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusGone
	case e.Code == 100:
		served, _ := names.ParseVersion(e.Version)
		last, _ := names.ParseVersion(lastPageActivitiesVersion)
		return served.After(last)
	}
	return false
}

// Validate checks everything that can be known before the call is sent and returns a [*ValidationError] that lists
// every problem, or nil. [Client.LogPageActivity] does the same first.
func (p *PageActivity) Validate() error {
	if p == nil {
		return nilCall(opLogPageActivity.name)
	}
	var found problems
	validateEvents(p.Events, &found, time.Now())
	for i := range p.Events {
		if !p.Events[i].Operational.isZero() {
			found.add(field("events").item(i).field("operational"), RuleConflict, "is taken by /activities only")
		}
	}
	p.Thread.validateMessenger(field("thread"), &found)
	switch LoggingTarget(strings.ToLower(string(p.Target))) {
	case "", TargetApp, TargetPage, TargetAppAndPage:
	default:
		found.add(field("target"), RuleUnknown, "must be app, page or app_and_page")
	}
	switch LoggingSource(strings.ToLower(string(p.Source))) {
	case "", SourceMessengerBot, SourceDetection:
	default:
		found.add(field("source"), RuleUnknown, "must be messenger_bot or detection")
	}
	p.Consent.validate(field("consent"), &found)
	return found.err()
}

// Warnings lists what Meta's sources disagree on or leave open: the call is sent all the same. Nil means none.
func (p *PageActivity) Warnings() []Issue {
	if p == nil {
		return nil
	}
	var found problems
	warnEvents(p.Events, &found)
	p.Thread.warn(field("thread"), &found)
	return found.issues
}

// The parameters of /page_activities that /activities does not have.
const (
	nameLoggingSource = "logging_source"
	nameLoggingTarget = "logging_target"
)

// append writes the body of one request.
func (p *PageActivity) append(dst []byte, events []Event) []byte {
	source := strings.ToLower(string(p.Source))
	if source == "" {
		source = string(SourceMessengerBot)
	}
	dst = appendEvents(append(dst, `{"`+nameCustomEvents+`":`...), events)
	dst = consentPlan.AppendJSON(dst, &p.Consent)
	dst = threadPlan.AppendJSON(dst, &p.Thread)
	dst = appendText(dst, nameLoggingSource, source)
	dst = appendText(dst, nameLoggingTarget, strings.ToLower(string(p.Target)))
	return append(dst, '}')
}
