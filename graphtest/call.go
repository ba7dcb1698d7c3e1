package graphtest

import (
	"crypto/sha256"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Redacted stands where a credential was in everything a [Call] records.
const Redacted = "(redacted)"

// The states of Call.Proof.
const (
	ProofAbsent    = ""          // no appsecret_proof was sent
	ProofUnchecked = "unchecked" // sent, but the server was not told the app secret
	ProofValid     = "valid"
	ProofInvalid   = "invalid"
	ProofExpired   = "expired" // right for its appsecret_time, which is more than five minutes away
)

// A Call is one request as the server received it, decoded, with what was found wrong and what was answered.
//
// Every credential in it has been replaced by [Redacted], so a Call may be printed.
type Call struct {
	Time    time.Time // arrival, by the server's clock
	Method  string
	Path    string // as sent, without the query
	Version string // "v26.0", or "" when the path named none
	Served  string // version that served the call: the facebook-api-version header of the answer

	ObjectID string // "771" in /v26.0/771/activities
	Edge     string // "activities", "page_activities", "events", "dataset", "insights", "report", "debug_token", or ""

	Header       http.Header
	ForwardedFor string // the X-Forwarded-For header
	ContentType  string // media type without parameters

	TokenIn   string // "header", "body", "query", or "" when no token was sent
	TokenKind string // "app", "user", "page", "system_user", or "" when unknown
	Proof     string // one of the Proof constants

	Fields []Field // the parameters in the order received

	Activity string  // the event parameter: "MOBILE_APP_INSTALL", "CUSTOM_APP_EVENTS", ...
	Events   []Event // the app events or conversions of the call
	PageID   string
	PSID     string // page_scoped_user_id
	Target   string // logging_target as sent
	Source   string // logging_source as sent

	Problems []Problem
	Fault    string // name of the injected fault that met the call, or ""
	Status   int    // HTTP status of the answer, 0 when there was none
	Accepted bool   // the server took the data, whether or not its answer got through
	TraceID  string // fbtrace_id of the answer

	seq   uint64
	token [sha256.Size]byte
}

// A Field is one parameter as received.
type Field struct {
	In    string // "query", "form", "multipart", "file" or "json"
	Name  string
	Value string // decoded text; for "json" the JSON text
}

// An Event is one app event or one conversion.
type Event struct {
	Name  string    // _eventName or event_name
	Value *float64  // _valueToSum or custom_data.value; nil when absent or not a number
	Time  time.Time // _logTime or event_time in seconds, UTC; zero when absent or past year 9999
	ID    string    // event_id
	// Params holds the other members, or the other custom_data of a conversion, as string, json.Number, bool, nil, []any
	// or map[string]any.
	Params map[string]any

	PageID  string
	PSID    string
	Channel string // messaging_channel of a conversion
	Source  string // action_source of a conversion
}

// A Problem is one thing wrong with a call. Code is the Graph error code when the server refused the call for it, and 0
// when Graph is known or expected to let it pass.
//
// Message never repeats a value that was sent, only names.
type Problem struct {
	Field   string // parameter path such as "custom_events[0]._logTime", "header.X-Forwarded-For", "path"
	Rule    string // short stable name such as "required", "unknown", "int64", "flag"
	Message string
	Code    int
	Subcode int

	// Tolerated marks a habit of Meta's own SDKs, such as a token in the URL: Check and WithStrict let it pass.
	Tolerated bool
}

// String returns the problem on one line.
func (p Problem) String() string { return p.Field + ": " + p.Message + " [" + p.Rule + "]" }

// HasToken reports whether the call carried exactly this access token. An empty token asks whether it carried none.
func (c Call) HasToken(token string) bool {
	return c.token == sha256.Sum256([]byte(token))
}

// Field returns the value text of the first parameter with this name.
func (c Call) Field(name string) (string, bool) {
	for _, f := range c.Fields {
		if f.Name == name {
			return f.Value, true
		}
	}
	return "", false
}

// clone returns a copy that shares nothing the caller could change.
func (c *Call) clone() Call {
	out := *c
	out.Header = c.Header.Clone()
	out.Fields = slices.Clone(c.Fields)
	out.Problems = slices.Clone(c.Problems)
	out.Events = slices.Clone(c.Events)
	for i, e := range out.Events {
		if e.Value != nil {
			v := *e.Value
			out.Events[i].Value = &v
		}
		out.Events[i].Params = cloneParams(e.Params)
	}
	return out
}

func cloneParams(params map[string]any) map[string]any {
	out := maps.Clone(params)
	for k, v := range out {
		out[k] = clonePlain(v)
	}
	return out
}

func clonePlain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneParams(v)
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = clonePlain(out[i])
		}
		return out
	}
	return v
}
