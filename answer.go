package appevents

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/appevents/appevents-go/internal/bounded"
	"github.com/appevents/appevents-go/internal/loose"
	"github.com/appevents/appevents-go/internal/redact"
)

const (
	// maxBody bounds an answer kept in memory, maxInsightsBody one that holds rows.
	maxBody         = 1 << 20
	maxInsightsBody = 8 << 20

	maxErrorBody  = 2 << 10  // what an error keeps of one text, and of the body
	maxErrorData  = 16 << 10 // error_data, which is of no use in part
	maxBlame      = 32
	maxBlameField = 256
)

// Response describes the answer to a successful call. Results embed it.
type Response struct {
	StatusCode int             `json:"status_code"`
	TraceID    string          `json:"trace_id,omitzero"` // x-fb-trace-id: what Meta's support asks for
	Usage      Usage           `json:"usage,omitzero"`
	Attempts   int             `json:"attempts"` // requests made, repeats included
	Raw        json.RawMessage `json:"raw,omitzero"`

	// RequestedVersion is the Graph version asked for; Version the one that answered, "" when Graph did not say.
	RequestedVersion string `json:"requested_version"`
	Version          string `json:"version,omitzero"`
}

// Drifted reports whether Graph answered with another version than the one asked for. It does so without an error when
// a version has expired.
func (r Response) Drifted() bool { return r.Version != "" && r.Version != r.RequestedVersion }

// unusable returns the error of an answer that reports success but lacks what it must hold.
func (r Response) unusable(op *operation, message string) *GraphError {
	return &GraphError{
		Op: op.name, StatusCode: r.StatusCode, Message: message, TraceID: r.TraceID, Version: r.Version, Usage: r.Usage,
		Attempts: r.Attempts,
	}
}

// redact blanks the given secrets in everything a result shows, should the answer repeat one: paging links do.
func (r *Response) redact(secrets []string) {
	if r.Version != r.RequestedVersion {
		r.Version = redact.Text(r.Version, secrets...)
	}
	for _, text := range [...]*string{&r.TraceID, &r.Usage.AdAccount.Tier, &r.Usage.Insights.Tier} {
		*text = redact.Text(*text, secrets...)
	}
	for i := range r.Usage.Business {
		b := &r.Usage.Business[i]
		b.ID, b.Type = ID(redact.Text(string(b.ID), secrets...)), redact.Text(b.Type, secrets...)
		b.Tier = redact.Text(b.Tier, secrets...)
	}
	if !isPlainSuccess(r.Raw) {
		r.Raw = redact.Bytes(r.Raw, secrets...)
	}
}

// readAnswer reads the body of an answer, and hardly more of it than limit.
func readAnswer(resp *http.Response, limit int) ([]byte, error) {
	var buf []byte
	if 0 <= resp.ContentLength && resp.ContentLength < 1<<16 {
		buf = make([]byte, 0, resp.ContentLength+1) // one more, to see the end without growing
	}
	body, err := bounded.Read(buf, resp.Body, int64(limit))
	if errors.Is(err, bounded.ErrTooLong) {
		err = fmt.Errorf("the answer is longer than %d bytes", limit)
	}
	return body, err
}

// decode turns an answer into a Response and, unless it is a success, a *GraphError. Both are free of the secrets.
func decode(
	r *request, h *http.Response, body []byte, readErr error, secrets []string,
) (Response, *GraphError) {
	resp := Response{
		StatusCode:       h.StatusCode,
		TraceID:          loose.Cut(headerValue(h.Header, "X-Fb-Trace-Id"), maxHeaderText),
		Usage:            parseUsage(h.Header),
		Raw:              body,
		RequestedVersion: r.version,
		Version:          loose.Cut(headerValue(h.Header, "Facebook-Api-Version"), maxHeaderText),
	}
	resp.redact(secrets)
	body = resp.Raw
	success := h.StatusCode >= 200 && h.StatusCode <= 299
	if success && readErr == nil && isPlainSuccess(body) {
		return resp, nil
	}
	e := &GraphError{Op: r.op.name, StatusCode: h.StatusCode, Version: resp.Version, Usage: resp.Usage}
	fields, n, isObject := loose.Members(body, "error", "error_description", "success")
	isObject = isObject && readErr == nil
	switch {
	case isObject && present(fields["error"]):
		var description string
		_ = json.Unmarshal(fields["error_description"], &description)
		if !e.readEnvelope(fields["error"], description) {
			e.Message = "the answer holds an error of an unknown form"
		}
	case isObject && loose.IsFalse(fields["success"]):
		e.Message = "the answer says success: false"
	case isObject && success && n > 0:
		return resp, nil
	default:
		e.Message, e.cause = loose.Describe(body), readErr
		if readErr != nil {
			e.Message = "the answer was cut short"
		}
		// A gateway that gave up, or an answer cut short, says nothing about what Graph did.
		e.unknown = success && !loose.IsFalse(bytes.TrimSpace(body)) || h.StatusCode >= 500
	}
	e.Body = body[:min(len(body), 2*maxErrorBody)] // cut to size once secrets are blanked
	if e.TraceID == "" {
		e.TraceID = resp.TraceID
	}
	e.RetryAfter = loose.RetryAfter(headerValue(h.Header, "Retry-After"), time.Now())
	if e.Is(ErrThrottled) {
		e.RetryAfter = max(e.RetryAfter, resp.Usage.regainAccess(r.scope.ID, r.related))
	}
	e.retired = r.retiredBy != nil && r.retiredBy(e)
	if r.scope.Kind != ScopeApp && (e.Is(ErrAuth) || e.Is(ErrPermission)) {
		e.Scope = r.scope
	}
	e.redact(secrets)
	return resp, e
}

// isPlainSuccess recognises the usual answer without decoding it.
func isPlainSuccess(body []byte) bool { return string(bytes.TrimSpace(body)) == `{"success":true}` }

// present reports whether a member of an object is there and not null.
func present(value json.RawMessage) bool { return len(value) > 0 && string(value) != "null" }

// redact blanks the given secrets in everything an error shows.
func (e *GraphError) redact(secrets []string) {
	for _, text := range [...]*string{&e.Message, &e.Type, &e.UserTitle, &e.UserMessage, &e.TraceID, &e.Version} {
		*text = loose.Cut(redact.Text(*text, secrets...), maxErrorBody)
	}
	for i, field := range e.BlameFields {
		e.BlameFields[i] = loose.Cut(redact.Text(field, secrets...), maxBlameField)
	}
	if len(e.Data) > 0 {
		e.Data = json.RawMessage(redact.Text(string(e.Data), secrets...))
	}
	e.Body = []byte(redact.Text(string(e.Body), secrets...))
	e.Body = e.Body[:min(len(e.Body), maxErrorBody)]
	e.cause = redact.Error(e.cause, secrets...)
}

// readEnvelope fills e from the "error" value of an answer, of which every member may be missing or of another kind
// than documented; ok is false when the value is not an envelope. The older batch form, a bare number beside
// error_description, is read too.
func (e *GraphError) readEnvelope(value json.RawMessage, description string) (ok bool) {
	if code, err := strconv.Atoi(string(value)); err == nil {
		e.Code, e.Message = code, description
		return true
	}
	if _, _, ok := loose.Members(value); !ok {
		return false
	}
	var env struct {
		Message     loose.Text      `json:"message"`
		Type        loose.Text      `json:"type"`
		Code        json.RawMessage `json:"code"`
		Subcode     json.RawMessage `json:"error_subcode"`
		UserTitle   loose.Text      `json:"error_user_title"`
		UserMessage loose.Text      `json:"error_user_msg"`
		TraceID     loose.Text      `json:"fbtrace_id"`
		Transient   bool            `json:"is_transient"`
		Data        json.RawMessage `json:"error_data"`
	}
	_ = json.Unmarshal(value, &env) // which reads on past a member of another kind
	e.Code, _ = strconv.Atoi(loose.Scalar(env.Code))
	e.Subcode, _ = strconv.Atoi(loose.Scalar(env.Subcode))
	e.Message, e.Type, e.TraceID = string(env.Message), string(env.Type), string(env.TraceID)
	e.UserTitle, e.UserMessage = string(env.UserTitle), string(env.UserMessage)
	e.Transient = env.Transient
	e.readData(env.Data)
	return true
}

// readData decodes error_data, which arrives as an object or as a string holding one.
func (e *GraphError) readData(data json.RawMessage) {
	var text string
	if json.Unmarshal(data, &text) == nil && json.Valid([]byte(text)) {
		data = json.RawMessage(text)
	}
	if len(data) == 0 || string(data) == "null" || len(data) > maxErrorData {
		return
	}
	e.Data = data
	var blame struct {
		Specs [][]any `json:"blame_field_specs"`
	}
	if json.Unmarshal(data, &blame) != nil {
		return
	}
	for _, spec := range blame.Specs[:min(len(blame.Specs), maxBlame)] {
		if path := loose.Path(spec); path != "" {
			e.BlameFields = append(e.BlameFields, path)
		}
	}
}
