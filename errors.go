package appevents

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/loose"
)

// maxErrorText is about the length of what Error returns: a log line that holds an error stays below 4 kB, whatever a
// server answers.
const maxErrorText = 2 << 10

// The classes of failure that a program branches on. Match them with [errors.Is]. A [GraphError] matches by its code
// and subcode only, because Graph's type, HTTP status and texts vary.
//
//	situation                              sentinel               what to do
//	-------------------------------------  ---------------------  ------------------------------------------------
//	the call is malformed                  *ValidationError       fix the call; nothing was sent
//	no token configured for the scope      ErrNoToken             configure one; nothing was sent
//	token invalid, expired, or revoked     ErrAuth                get a new token, then repeat
//	permission or Page role missing        ErrPermission          get it granted; repeating does not help
//	Graph refuses a parameter              ErrInvalidParameter    fix the call; repeating does not help
//	object unknown or hidden from token    ErrNotFound            check the ID and what the token may see
//	too many calls                         ErrThrottled           wait for GraphError.RetryAfter, for that Page or app
//	trouble on Graph's side                ErrTransient           repeat later; the client already tried
//	blocked for breaking a policy          ErrPolicy              stop, read GraphError.UserMessage
//	the edge no longer exists              ErrRetired             move on: /activities, or SendConversions
//	sent, but no usable answer came back   ErrUnknownOutcome      the event may have been counted: repeat only if
//	                                                              counting it twice is better than losing it
var (
	ErrAuth             = errors.New("appevents: access token not accepted")
	ErrInvalidParameter = errors.New("appevents: invalid parameter")
	ErrNoToken          = errors.New("appevents: no access token for this call")
	ErrNotFound         = errors.New("appevents: object not found or not visible")
	ErrPermission       = errors.New("appevents: permission missing")
	ErrPolicy           = errors.New("appevents: blocked by policy")
	ErrRetired          = errors.New("appevents: edge retired by Meta")
	ErrThrottled        = errors.New("appevents: throttled")
	ErrTransient        = errors.New("appevents: transient trouble at Graph")
	ErrUnknownOutcome   = errors.New("appevents: outcome unknown")
)

// Outcome says what became of a call that failed.
type Outcome uint8

// The outcomes of a call. The zero value, [OutcomeNone], means that the error says nothing about a call.
const (
	OutcomeNone     Outcome = iota
	OutcomeAccepted         // Graph answered with success
	OutcomeNotSent          // the request was not sent, or not to its end: Graph cannot have acted on it
	OutcomeRefused          // Graph, or a gateway before it, answered with a refusal
	OutcomeUnknown          // it was sent, but no usable answer came back: Graph may have acted on it
)

// String returns "accepted", "not sent", "refused", "unknown" or "none".
func (o Outcome) String() string {
	switch o {
	case OutcomeAccepted:
		return "accepted"
	case OutcomeNotSent:
		return "not sent"
	case OutcomeRefused:
		return "refused"
	case OutcomeUnknown:
		return "unknown"
	default:
		return "none"
	}
}

// OutcomeOf returns what became of the call that failed with err: [OutcomeAccepted] for nil, [OutcomeNotSent],
// [OutcomeRefused] or [OutcomeUnknown] for errors of this package, and [OutcomeNone] for any other error.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return OutcomeAccepted
	}
	var (
		graph   *GraphError
		call    *CallError
		invalid *ValidationError
	)
	switch {
	case errors.As(err, &call): // first: it may hold the GraphError of an earlier request
		return call.Outcome
	case errors.As(err, &graph):
		return graph.Outcome()
	case errors.As(err, &invalid):
		return OutcomeNotSent
	default:
		return OutcomeNone
	}
}

// ConfigError is the error of an option or a configuration field that cannot work. It never repeats a credential.
type ConfigError struct {
	// Field names the option or field: "WithTimeout", "WebhookConfig.VerifyToken".
	Field string

	// Reason says what is wrong with it, or what it must be.
	Reason string
}

// Error names the field and the reason.
func (e *ConfigError) Error() string { return "appevents: " + e.Field + ": " + e.Reason }

// The rules an [Issue] can name. They are stable: code may compare them.
const (
	RuleRequired = "required" // the value is missing
	RuleFormat   = "format"   // the text has the wrong form
	RuleLength   = "length"   // too long, or too many
	RuleRange    = "range"    // a number or time outside what is allowed
	RuleType     = "type"     // a Go type or JSON kind Graph does not take there
	RuleReserved = "reserved" // a name that belongs to Meta or to a typed field
	RuleConflict = "conflict" // two values that exclude each other
	RuleUnknown  = "unknown"  // not one of the allowed values
)

// Issue is one problem that was found before anything was sent.
type Issue struct {
	// Path names the offending field from the root of the call: "consent.advertiser",
	// "events[0].params.fb_currency". Parameters appear under their wire names.
	Path string `json:"path"`

	// Rule is one of the Rule constants.
	Rule string `json:"rule"`

	// Message says what the value must be. It never repeats the value.
	Message string `json:"message"`
}

// String returns path, rule and message on one line.
func (i Issue) String() string {
	if i.Path == "" {
		return i.Message + " (" + i.Rule + ")"
	}
	return i.Path + ": " + i.Message + " (" + i.Rule + ")"
}

// ValidationError lists every problem of a call that was refused before anything was sent. Nothing happened on Meta's
// side. Find it with [errors.As]:
//
//	var invalid *appevents.ValidationError
//	if errors.As(err, &invalid) { … invalid.Issues … }
type ValidationError struct {
	Issues []Issue `json:"issues"`
}

// maxIssuesInText bounds Error: a batch of a thousand bad events still reads as one line.
const maxIssuesInText = 5

// Error returns the first problems on one line.
func (e *ValidationError) Error() string {
	if e == nil || len(e.Issues) == 0 {
		return "appevents: invalid call"
	}
	var b strings.Builder
	b.WriteString("appevents: invalid call: ")
	for i, issue := range e.Issues {
		if i == maxIssuesInText {
			b.WriteString("; and " + strconv.Itoa(len(e.Issues)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(issue.String())
	}
	return b.String()
}

// CallError is the error of a call that got no answer from Graph: there was no token, dialling or TLS failed, time ran
// out, or the context was cancelled. It unwraps to its cause, so that [errors.Is] finds [context.Canceled],
// [context.DeadlineExceeded] and the sentinels of this package. Queries are cut off the URLs in the cause, and known
// secrets are blanked.
type CallError struct {
	// Op names the operation: "log activity".
	Op string

	// Outcome is [OutcomeNotSent] or [OutcomeUnknown].
	Outcome Outcome

	// Attempts is how many requests were started. It is 0 when the call failed before the first one.
	Attempts int

	// Err is the cause.
	Err error

	retryable bool // the request itself failed, not its preparation
}

// Error names the operation, the outcome and the cause on one line.
func (e *CallError) Error() string {
	if e == nil {
		return "appevents: call failed"
	}
	var b strings.Builder
	b.WriteString("appevents: ")
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	if e.Outcome == OutcomeUnknown {
		b.WriteString("outcome unknown: ")
	} else {
		b.WriteString("not sent: ")
	}
	if e.Err != nil {
		b.WriteString(loose.OneLine(loose.Cut(withoutPrefix(e.Err), maxErrorText)))
	} else {
		b.WriteString("call failed")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *CallError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// Is reports whether target is [ErrUnknownOutcome] and the outcome is unknown.
func (e *CallError) Is(target error) bool {
	return e != nil && target == ErrUnknownOutcome && e.Outcome == OutcomeUnknown
}

// GraphError is the error of a call that was answered with anything but success: with Graph's error envelope, with
// {"success":false}, or with a body that is no answer at all, such as the HTML page of a gateway or a truncated body.
// The fields hold what Graph sent; those it left out are zero. Match it with the sentinels (see [ErrAuth] and its
// neighbours) or read the fields through [errors.As].
//
// https://developers.facebook.com/docs/graph-api/guides/error-handling
type GraphError struct {
	// Op names the operation: "log activity".
	Op string `json:"op,omitzero"`

	// Scope is the Page, dataset or ad object that the token had to speak for. It is set only where the token is to
	// blame ([ErrAuth] and [ErrPermission]), and zero for the app.
	Scope Scope `json:"-"`

	// StatusCode is the HTTP status. It is always set.
	StatusCode int `json:"status_code,omitzero"`

	// Code and Subcode are Graph's codes. Both are 0 when the body held no error envelope.
	Code    int `json:"code,omitzero"`
	Subcode int `json:"subcode,omitzero"`

	// Type is Graph's word for the error. It is nearly always "OAuthException", so do not branch on it.
	Type string `json:"type,omitzero"`

	// Message is Graph's text for developers. Without an envelope it is this package's description of the body.
	Message string `json:"message,omitzero"`

	// UserTitle and UserMessage are texts to show to people, in the language of the token's owner.
	UserTitle   string `json:"user_title,omitzero"`
	UserMessage string `json:"user_message,omitzero"`

	// TraceID is fbtrace_id, which Meta's support asks for. Meta keeps it for a short time only.
	TraceID string `json:"trace_id,omitzero"`

	// Transient is is_transient: Graph itself says that repeating the call may help.
	Transient bool `json:"transient,omitzero"`

	// Data is error_data as JSON, whether Graph sent it as an object or as a string that holds one. It is nil when there
	// is none or it is longer than 16 KiB.
	Data json.RawMessage `json:"data,omitzero"`

	// BlameFields are the paths of the parameters that Graph blames (error_data.blame_field_specs), such as
	// "custom_events[0]._eventName". There are at most 32.
	BlameFields []string `json:"blame_fields,omitzero"`

	// RetryAfter is how long Graph asks callers to stay away from this Page or app. Earlier calls only lengthen the wait.
	// It is 0 when Graph did not say.
	RetryAfter time.Duration `json:"retry_after,omitzero"`

	// Version is the Graph version that served the call, "" when unknown.
	Version string `json:"version,omitzero"`

	// Usage is the rate-limit state sent with the answer.
	Usage Usage `json:"usage,omitzero"`

	// Attempts is how many requests were made, this one included.
	Attempts int `json:"attempts,omitzero"`

	// Body is the start of the answer, at most 2 KiB, in which known secrets are blanked.
	Body []byte `json:"-"`

	unknown bool // sent, but this is no answer
	retired bool // what the edge answers since it is gone
	cause   error
}

// Outcome returns [OutcomeRefused], or [OutcomeUnknown] when the body was no answer and Graph may have acted.
func (e *GraphError) Outcome() Outcome {
	if e != nil && e.unknown {
		return OutcomeUnknown
	}
	return OutcomeRefused
}

// Error returns the operation, the codes, Graph's message and, for known cases, the way out, on one line.
func (e *GraphError) Error() string {
	if e == nil {
		return "appevents: graph error"
	}
	var b strings.Builder
	b.WriteString("appevents: ")
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString("graph error")
	if e.Code != 0 {
		b.WriteString(" " + strconv.Itoa(e.Code))
		if e.Subcode != 0 {
			b.WriteString("/" + strconv.Itoa(e.Subcode))
		}
	}
	if e.StatusCode != 0 {
		b.WriteString(" (HTTP " + strconv.Itoa(e.StatusCode) + ")")
	}
	if e.unknown {
		b.WriteString(", outcome unknown")
	}
	if e.Message != "" {
		b.WriteString(": " + loose.OneLine(loose.Cut(e.Message, maxErrorText/2)))
	}
	if len(e.BlameFields) > 0 {
		b.WriteString(" [" + loose.OneLine(loose.Cut(strings.Join(e.BlameFields, ", "), maxErrorText/4)) + "]")
	}
	if hint := e.hint(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

// Unwrap returns the error of reading a body that was cut short, or nil.
func (e *GraphError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.cause
}

// Is matches the sentinels by code and subcode. Each error matches one of them at most, besides [ErrUnknownOutcome].
func (e *GraphError) Is(target error) bool {
	if e == nil {
		return false
	}
	if target == ErrUnknownOutcome {
		return e.unknown
	}
	class := e.class()
	return class != nil && target == class
}

// class returns the one sentinel that e matches by its codes, or nil.
func (e *GraphError) class() error {
	switch code := e.Code; {
	case e.retired:
		return ErrRetired
	case code == 4, code == 17, code == 32, code == 341, code == 613, code >= 80000 && code <= 80014:
		return ErrThrottled
	case code == 102, code == 104, code == 190:
		return ErrAuth
	case code == 3, code == 10, code >= 200 && code <= 299:
		return ErrPermission
	case code == 368:
		return ErrPolicy
	case code == 803, code == 100 && e.Subcode == 33:
		return ErrNotFound
	case e.Transient:
		return ErrTransient
	case code == 1, code == 2, code == 5000:
		return ErrTransient
	case code == 100, code == 105, code == 506, code == 2500, code == 1609005:
		return ErrInvalidParameter
	default:
		return nil
	}
}

// authSubcodes say what happened to a token, by subcode of 190 and 102.
var authSubcodes = map[int]string{
	458: "the person removed the app: ask for a new login",
	459: "the person must pass a checkpoint on facebook.com first",
	460: "the password was changed: get a new token",
	463: "the token has expired: get a new token",
	464: "the person's account is not confirmed",
	467: "the token is invalid: get a new token",
	492: "the token's owner lost the role on the Page: have someone with the role connect it again",
}

// An operation is what a request is for. Each endpoint declares its own, with what only it can say about a refusal.
type operation struct {
	name       string         // as errors, logs and observers name it: "log activity"
	permission string         // the way out when a permission is missing
	retired    string         // the way out when the edge is gone
	subcodes   map[int]string // what is wrong with a parameter, by subcode of 100
}

// operations are all operations by name: an error that was stored and read again has the name alone. Variables fill it;
// afterwards it is only read.
var operations = map[string]*operation{}

func declare(o operation) *operation {
	operations[o.name] = &o
	return &o
}

// hint is the way out, for the cases where the codes tell.
func (e *GraphError) hint() string {
	op := operations[e.Op]
	if op == nil {
		op = &operation{permission: "a permission is missing from the token"}
	}
	switch e.class() {
	case ErrAuth: //nolint:errorlint // class returns sentinels unwrapped
		return e.authHint() + e.tokenOf()
	case ErrPermission:
		return op.permission
	case ErrThrottled:
		if e.RetryAfter > 0 {
			return "stay away for " + e.RetryAfter.String()
		}
		return "stop calling for a while"
	case ErrNotFound:
		return "the ID is wrong, or the token cannot see the object"
	case ErrRetired:
		return op.retired
	case ErrInvalidParameter:
		switch {
		case op.subcodes[e.Subcode] != "":
			return op.subcodes[e.Subcode]
		case strings.Contains(e.Message, "1000 events per app"):
			return "the app has used up its 1,000 event names: deactivate some in Events Manager"
		case strings.Contains(e.Message, "Invalid appsecret_proof"):
			return "check that the secret of WithAppSecret belongs to the app that the token was made for"
		case strings.Contains(e.Message, "appsecret_proof"):
			return "give the client the app secret, with WithAppSecret"
		}
	}
	return ""
}

func (e *GraphError) authHint() string {
	if text, ok := authSubcodes[e.Subcode]; ok {
		return text
	}
	if e.Code == 104 {
		if e.Op != "" {
			return "check that the app secret, set by WithAppSecret, belongs to the app"
		}
		return "check that the app secret belongs to the app"
	}
	return "get a new token"
}

// tokenOf names the object the token was for.
func (e *GraphError) tokenOf() string {
	if e.Scope.ID == "" {
		return ""
	}
	return " (the token was for " + e.Scope.String() + ")"
}

// withoutPrefix is the text of an error that stands inside another of this package.
func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "appevents: ") }
