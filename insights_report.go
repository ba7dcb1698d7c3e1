package appevents

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/appevents/appevents-go/internal/backoff"
	"github.com/appevents/appevents-go/internal/loose"
	"github.com/appevents/appevents-go/internal/names"
)

var opInsightsReport = declare(operation{name: "run insights report", permission: permissionInsights})

// InsightsReport is an insights query that Meta runs in the background, for ranges that are too large for one request.
// Meta goes on with it when the program ends: keep its ID, and pass it to [Client.InsightsReport] later. An
// InsightsReport is safe for concurrent use.
//
//	report, err := client.StartInsightsReport(ctx, "act_15", query)
//	…
//	if err := report.Wait(ctx, nil); err != nil { … }
//	for row, err := range report.Rows(ctx) { … }
//
// https://developers.facebook.com/docs/marketing-api/insights/best-practices#asynchronous
type InsightsReport struct {
	client *Client
	id     ID
	scope  Scope
	limit  int
}

// ReportStatus is the progress of a report.
type ReportStatus struct {
	// State is Meta's name for the status: "Job Not Started", "Job Started", "Job Running", "Job Completed",
	// "Job Failed", "Job Skipped", or another.
	State string

	// Percent is how much of the work is done, 0 to 100.
	Percent int
}

// Done reports whether the rows can be read.
func (s ReportStatus) Done() bool { return s.State == "Job Completed" }

// Failed reports whether the report ended without rows.
func (s ReportStatus) Failed() bool { return s.State == "Job Failed" || s.State == "Job Skipped" }

// StartInsightsReport asks Meta to run a query in the background: POST /{object}/insights. Arguments and errors are as
// in [Client.Insights].
func (c *Client) StartInsightsReport(ctx context.Context, objectID string, q InsightsQuery) (*InsightsReport, error) {
	if err := c.ready(opInsightsReport); err != nil {
		return nil, err
	}
	params, err := q.params(objectID)
	if err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, &request{
		op:     opInsightsReport,
		method: http.MethodPost,
		node:   ID(objectID),
		edge:   "insights",
		scope:  insightsScope(objectID),
		body:   []byte(params.Encode()),
	})
	if err != nil {
		return nil, err
	}
	var answer struct {
		ID ID `json:"report_run_id"`
	}
	err = json.Unmarshal(resp.Raw, &answer)
	if rule, _ := answer.ID.issue(); err != nil || rule != "" {
		return nil, resp.unusable(opInsightsReport, "the answer holds no report ID")
	}
	return &InsightsReport{client: c, id: answer.ID, scope: insightsScope(objectID), limit: q.PageSize}, nil
}

// InsightsReport returns a report that was started earlier, for the same object. It makes no request.
func (c *Client) InsightsReport(objectID string, id ID) (*InsightsReport, error) {
	if err := c.ready(opInsightsReport); err != nil {
		return nil, err
	}
	var p problems
	validateInsightsObject(objectID, &p)
	id.validate(field("id"), &p)
	if err := p.err(); err != nil {
		return nil, err
	}
	return &InsightsReport{client: c, id: id, scope: insightsScope(objectID)}, nil
}

// ID returns the report's ID.
func (r *InsightsReport) ID() ID {
	if r == nil {
		return ""
	}
	return r.id
}

// owner returns the client that made the report, nil when none did.
func (r *InsightsReport) owner() *Client {
	if r == nil {
		return nil
	}
	return r.client
}

// Status asks Meta for the progress of the report. For a report that failed, the error is a [*GraphError] with Meta's
// reason.
func (r *InsightsReport) Status(ctx context.Context) (ReportStatus, error) {
	if err := r.owner().ready(opInsightsReport); err != nil {
		return ReportStatus{}, err
	}
	fields := "async_status,async_percent_completion"
	if version, _ := names.ParseVersion(r.client.graphVersion()); version.Major >= 25 {
		fields += ",error_code,error_subcode,error_message,error_user_title,error_user_msg" // older ones do not know these
	}
	resp, err := r.client.do(ctx, &request{
		op:     opInsightsReport,
		method: http.MethodGet,
		node:   r.id,
		name:   "report",
		scope:  r.scope,
		query:  url.Values{"fields": {fields}},
	})
	if err != nil {
		return ReportStatus{}, err
	}
	var answer struct {
		State     loose.Text   `json:"async_status"`
		Percent   loose.Number `json:"async_percent_completion"`
		Code      loose.Number `json:"error_code"`
		Subcode   loose.Number `json:"error_subcode"`
		Message   loose.Text   `json:"error_message"`
		UserTitle loose.Text   `json:"error_user_title"`
		UserText  loose.Text   `json:"error_user_msg"`
	}
	if err := json.Unmarshal(resp.Raw, &answer); err != nil || answer.State == "" {
		return ReportStatus{}, resp.unusable(opInsightsReport, "the answer holds no status")
	}
	status := ReportStatus{State: string(answer.State), Percent: int(min(answer.Percent, 100))}
	if status.Failed() {
		e := resp.unusable(opInsightsReport, "the report ended as "+strconv.Quote(status.State))
		if answer.Message != "" {
			e.Message += ": " + string(answer.Message)
		}
		e.Code, e.Subcode = answer.Code.Int(), answer.Subcode.Int()
		e.UserTitle, e.UserMessage = string(answer.UserTitle), string(answer.UserText)
		e.redact(nil) // the answer holds no secret any more; this bounds the texts
		return status, e
	}
	return status, nil
}

// maxReportPolls bounds Wait: with looks half a minute apart, about two hours.
const maxReportPolls = 300

// Wait returns nil once the report is complete. It asks for the status at growing intervals, of half a minute at most.
// After about two hours it gives up with [ErrTransient]; it may then be called again. progress, unless nil, is called
// with each status, on the caller's goroutine.
func (r *InsightsReport) Wait(ctx context.Context, progress func(ReportStatus)) error {
	var status ReportStatus
	for poll := 1; poll <= maxReportPolls; poll++ {
		var err error
		if status, err = r.Status(ctx); err != nil {
			return err
		}
		if progress != nil {
			progress(status)
		}
		if status.Done() {
			return nil
		}
		if err := backoff.Sleep(ctx, backoff.Delay(time.Second, 30*time.Second, poll)); err != nil {
			return &CallError{Op: opInsightsReport.name, Outcome: OutcomeNotSent, Err: err}
		}
	}
	return &GraphError{
		Op: opInsightsReport.name, StatusCode: http.StatusOK, Transient: true,
		Message: "the report is not complete but " + strconv.Quote(status.State) + ", " +
			strconv.Itoa(status.Percent) + " percent",
	}
}

// Rows reads the rows of a complete report, as [Client.Insights] does.
func (r *InsightsReport) Rows(ctx context.Context) iter.Seq2[InsightsRow, error] {
	if err := r.owner().ready(opInsightsReport); err != nil {
		return func(yield func(InsightsRow, error) bool) { yield(InsightsRow{}, err) }
	}
	params := url.Values{}
	if r.limit > 0 {
		params.Set("limit", strconv.Itoa(r.limit))
	}
	return r.client.insightsRows(ctx, string(r.id), r.scope, params)
}
