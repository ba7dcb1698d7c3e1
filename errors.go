package appevents

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/appevents/appevents-go/internal/jsonscan"
	"github.com/appevents/appevents-go/internal/redact"
)

// The classes of failure a program branches on, matched with [errors.Is]. A [GraphError] matches by code and subcode
// only: Graph's type, HTTP status and texts vary and are localised.
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
	ErrAuth             = errors.New("access token not accepted")
	ErrInvalidParameter = errors.New("invalid parameter")
	ErrNotFound         = errors.New("object not found or not visible")
	ErrPermission       = errors.New("permission missing")
	ErrPolicy           = errors.New("blocked by policy")
	ErrRetired          = errors.New("edge retired by Meta")
	ErrThrottled        = errors.New("throttled")
	ErrTransient        = errors.New("transient trouble at Graph")
	ErrUnknownOutcome   = errors.New("outcome unknown")
)

// CallError is a call that ended without an answer from Graph: no token, a dial or TLS failure, a time-out, a
// cancelled context. It unwraps to its cause, in which URLs have lost their query and known secrets are blanked, so
// errors.Is works with [context.Canceled], [context.DeadlineExceeded] and the sentinels of this package.
type CallError struct {
	// Op names the operation: "log activity".
	Op string

	// Outcome is [OutcomeNotSent] or [OutcomeUnknown].
	Outcome Outcome

	// Attempts is how many requests were started, 0 when the call failed before the first one.
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
		b.WriteString(oneLine(cut(e.Err.Error(), maxErrorText)))
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

// Is matches [ErrUnknownOutcome] by the outcome.
func (e *CallError) Is(target error) bool {
	return e != nil && target == ErrUnknownOutcome && e.Outcome == OutcomeUnknown
}

// GraphError is a call that was answered with anything but success: Graph's error envelope, {"success":false}, or a
// body that is no answer at all (an HTML gateway page, an empty, truncated or false body). The fields hold what Graph
// sent; those it left out are zero. Match it with the sentinels (see [ErrAuth] and its neighbours) or read the fields
// through [errors.As].
//
// https://developers.facebook.com/docs/graph-api/guides/error-handling
type GraphError struct {
	// Op names the operation: "log activity".
	Op string `json:"op,omitzero"`

	// StatusCode is the HTTP status. It is always set.
	StatusCode int `json:"status_code,omitzero"`

	// Code and Subcode are Graph's; both are 0 when the body held no error envelope.
	Code    int `json:"code,omitzero"`
	Subcode int `json:"subcode,omitzero"`

	// Type is Graph's word for the error. Nearly everything says "OAuthException": never decide by it.
	Type string `json:"type,omitzero"`

	// Message is Graph's text for developers, or, without an envelope, this package's description of the body.
	Message string `json:"message,omitzero"`

	// UserTitle and UserMessage are texts for people, in the language of the token's owner.
	UserTitle   string `json:"user_title,omitzero"`
	UserMessage string `json:"user_message,omitzero"`

	// TraceID is fbtrace_id: what Meta's support asks for. It expires soon.
	TraceID string `json:"trace_id,omitzero"`

	// Transient is Graph's own is_transient.
	Transient bool `json:"transient,omitzero"`

	// Data is error_data as JSON, whether Graph sent it as an object or as a string holding one. It is nil when it is
	// longer than 16 KiB.
	Data json.RawMessage `json:"data,omitzero"`

	// BlameFields are the paths of the parameters Graph blames (error_data.blame_field_specs), such as
	// "custom_events[0]._eventName": the first 32 of them.
	BlameFields []string `json:"blame_fields,omitzero"`

	// RetryAfter is how long Graph asks to stay away from this Page or app; 0 when it did not say. Calls made before
	// that only lengthen the wait.
	RetryAfter time.Duration `json:"retry_after,omitzero"`

	// Version is the Graph version that served the call, "" when unknown.
	Version string `json:"version,omitzero"`

	// Usage is the rate-limit state sent with the answer.
	Usage Usage `json:"usage,omitzero"`

	// Attempts is how many requests were made, this one included.
	Attempts int `json:"attempts,omitzero"`

	// Body is the start of the answer, at most 2 KiB, with known secrets blanked.
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

// Error is one line: the operation, the codes, Graph's message and, for the known cases, the way out.
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
		b.WriteString(": " + oneLine(cut(e.Message, maxErrorText/2)))
	}
	if len(e.BlameFields) > 0 {
		b.WriteString(" [" + oneLine(cut(strings.Join(e.BlameFields, ", "), maxErrorText/4)) + "]")
	}
	if hint := e.hint(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

// Unwrap returns the reading error behind a truncated body, else nil.
func (e *GraphError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.cause
}

// Is matches the sentinels by code and subcode. Each code belongs to one class only.
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

// redact blanks the given secrets in everything an error shows.
func (e *GraphError) redact(secrets []string) {
	for _, text := range [...]*string{&e.Message, &e.Type, &e.UserTitle, &e.UserMessage, &e.TraceID, &e.Version} {
		*text = cut(redact.Text(*text, secrets...), maxErrorBody)
	}
	for i, field := range e.BlameFields {
		e.BlameFields[i] = cut(redact.Text(field, secrets...), maxBlameField)
	}
	if len(e.Data) > 0 {
		e.Data = json.RawMessage(redact.Text(string(e.Data), secrets...))
	}
	e.Body = []byte(redact.Text(string(e.Body), secrets...))
	e.Body = e.Body[:min(len(e.Body), maxErrorBody)]
	e.cause = redact.Error(e.cause, secrets...)
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

// conversionSubcodes say what is wrong with a conversion, by subcode of 100. Meta publishes no table: these were seen.
var conversionSubcodes = map[int]string{
	2804003: "event_time is more than 7 days ago",
	2804004: "event_time is in the future: is the clock right?",
	2804008: "an element of contents has no id",
	2804009: "a purchase needs custom_data.value",
	2804023: "custom_data.value needs a currency",
	2804030: "the data-processing options must be stated: set Conversion.DataProcessing",
	2804043: "extinfo is not right: is the OS version missing?",
	2804050: "user_data fits too many people: add more of it",
	2804063: "messaging_channel is missing",
	2804064: "a field is not allowed for conversations",
	2804065: "page_id and the dataset do not belong together: see EnsureDataset",
	2804066: "event_name is not allowed for this channel",
	2804069: "page_id is missing",
	2804073: "page_id and page_scoped_user_id do not belong together",
	2804075: "ig_sid is missing",
	2804079: "ig_account_id is missing",
	2804087: "ctwa_clid is not one that Meta gave out",
	2804116: "the WhatsApp Business account and the Page are both missing",
	2804118: "the dataset belongs to another WhatsApp Business account",
	2804131: "the dataset has no Page: see EnsureDataset",
	2804132: "the dataset has no WhatsApp Business account",
	2804133: "the dataset has no Instagram account: see EnsureDataset",
}

// hint is the way out, for the cases where the codes tell.
func (e *GraphError) hint() string {
	switch {
	case e.Is(ErrAuth):
		if text, ok := authSubcodes[e.Subcode]; ok {
			return text
		}
		if e.Code == 104 {
			return "check that the app secret belongs to the app"
		}
		return "get a new token"
	case e.Is(ErrPermission):
		switch e.Op {
		case opLogPageActivity:
			return "needs the page_events permission and a Page token from someone with the ANALYZE task"
		case opLogActivity, opLogInstall, opDeferredAppLink:
			return "use the app token, or a user token of someone with a role on the app"
		case opSendConversions:
			return "needs page_events (Messenger), instagram_manage_events (Instagram) or " +
				"whatsapp_business_manage_events (WhatsApp)"
		case opEnsureDataset:
			return "needs page_events or instagram_manage_events; a token made in Events Manager cannot look up datasets"
		case opInsights, opInsightsReport:
			return "needs the ads_read permission"
		}
		return "a permission is missing from the token"
	case e.Is(ErrThrottled):
		if e.RetryAfter > 0 {
			return "stay away for " + e.RetryAfter.String()
		}
		return "stop calling for a while"
	case e.Is(ErrNotFound):
		return "the ID is wrong, or the token cannot see the object"
	case e.Is(ErrRetired):
		return "log to /activities with LogActivity, or use SendConversions"
	case e.Is(ErrInvalidParameter):
		if text, ok := conversionSubcodes[e.Subcode]; ok {
			return text
		}
		if strings.Contains(e.Message, "1000 events per app") {
			return "the app has used up its 1,000 event names: deactivate some in Events Manager"
		}
	}
	return ""
}

// The bounds of errors: a log line that holds one stays below 4 kB, whatever a server answers.
const (
	maxErrorText  = 2 << 10  // what Error returns, about
	maxErrorBody  = 2 << 10  // a text of Graph, and the start of the body
	maxErrorData  = 16 << 10 // error_data, which is of no use in part
	maxBlame      = 32
	maxBlameField = 256
	maxLogged     = 3 << 10 // as a log quotes it
)

// cut shortens a foreign text that is too long, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// oneLine keeps a foreign text from breaking a log line.
func oneLine(s string) string {
	clean := func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}
	return strings.Map(clean, strings.ToValidUTF8(s, "?"))
}

// loggable shortens a text by what becomes of it in a log: quoted, some characters take ten bytes.
func loggable(s string) string {
	for len(strconv.Quote(s)) > maxLogged {
		s = cut(s, len(s)*3/4)
	}
	return s
}

// envelope is the error part of an answer. Every field may be missing or of another kind than documented.
type envelope struct {
	Message     string          `json:"message"`
	Type        string          `json:"type"`
	Code        json.Number     `json:"code"`
	Subcode     json.Number     `json:"error_subcode"`
	UserTitle   string          `json:"error_user_title"`
	UserMessage string          `json:"error_user_msg"`
	TraceID     string          `json:"fbtrace_id"`
	Transient   bool            `json:"is_transient"`
	Data        json.RawMessage `json:"error_data"`
}

// readEnvelope fills e from the "error" value of an answer; ok is false when the value is no envelope. The older
// batch form, a bare number beside error_description, is read too.
func (e *GraphError) readEnvelope(value json.RawMessage, description string) (ok bool) {
	if code, err := strconv.Atoi(string(value)); err == nil {
		e.Code, e.Message = code, description
		return true
	}
	fields, _, ok := members(value, "message", "type", "code", "error_subcode", "error_user_title", "error_user_msg",
		"fbtrace_id", "is_transient", "error_data")
	if !ok {
		return false
	}
	var env envelope
	// A field of an unexpected kind must not hide the others, so each is decoded on its own.
	for name, to := range map[string]any{
		"message": &env.Message, "type": &env.Type, "code": &env.Code, "error_subcode": &env.Subcode,
		"error_user_title": &env.UserTitle, "error_user_msg": &env.UserMessage, "fbtrace_id": &env.TraceID,
		"is_transient": &env.Transient, "error_data": &env.Data,
	} {
		if raw, present := fields[name]; present {
			_ = json.Unmarshal(raw, to)
		}
	}
	e.Code, _ = strconv.Atoi(env.Code.String())
	e.Subcode, _ = strconv.Atoi(env.Subcode.String())
	e.Message, e.Type = env.Message, env.Type
	e.UserTitle, e.UserMessage = env.UserTitle, env.UserMessage
	e.TraceID, e.Transient = env.TraceID, env.Transient
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
		var b strings.Builder
		for _, step := range spec {
			switch s := step.(type) {
			case string:
				if b.Len() > 0 {
					b.WriteByte('.')
				}
				b.WriteString(s)
			case float64:
				fmt.Fprintf(&b, "[%d]", int64(s))
			}
		}
		if b.Len() > 0 {
			e.BlameFields = append(e.BlameFields, b.String())
		}
	}
}

// members returns the named members of a JSON object, the last of each name, and how many the object has in all; ok is
// false when text is no JSON object. It keeps nothing of the others, however many there are.
func members(text []byte, names ...string) (found map[string]json.RawMessage, n int, ok bool) {
	s := jsonscan.New(string(text))
	if !s.Open(jsonscan.Object) {
		return nil, 0, false
	}
	found = make(map[string]json.RawMessage, len(names))
	for name, more := s.NextKey(); more; name, more = s.NextKey() {
		value := s.Skip()
		n++
		if slices.Contains(names, name) {
			found[name] = json.RawMessage(value)
		}
	}
	return found, n, s.End() == nil
}
