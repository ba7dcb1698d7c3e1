package graphtest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// graphError is Graph's error envelope.
type graphError struct {
	Message     string `json:"message"`
	Type        string `json:"type"`
	Code        int    `json:"code"`
	Subcode     int    `json:"error_subcode,omitempty"`
	IsTransient bool   `json:"is_transient"`
	UserTitle   string `json:"error_user_title,omitempty"`
	UserMessage string `json:"error_user_msg,omitempty"`
	TraceID     string `json:"fbtrace_id"`

	status int
}

var codeMessages = map[int]string{
	1:   "An unknown error has occurred.",
	2:   "Service temporarily unavailable",
	3:   "(#3) Application does not have the capability to make this API call.",
	4:   "(#4) Application request limit reached",
	10:  "(#10) Application does not have permission for this action",
	17:  "(#17) User request limit reached",
	32:  "(#32) Page request limit reached",
	100: "(#100) Invalid parameter",
	102: "(#102) Session key invalid or no longer valid",
	104: "An access token is required to request this resource.",
	105: "(#105) Too many parameters",
	190: "Invalid OAuth access token.",
	200: "(#200) App does not have page_events permission",
	341: "(#341) Feed action request limit reached",
	368: "(#368) The action attempted has been deemed abusive or is otherwise disallowed",
	613: "(#613) Calls to this api have exceeded the rate limit.",
	803: "(#803) Some of the aliases you requested do not exist",
}

// authMessages are the texts that go with the subcodes of code 190.
var authMessages = map[int]string{
	458: "Error validating access token: The user has not authorized application.",
	459: "Error validating access token: The user has been checkpointed.",
	460: "Error validating access token: The session has been invalidated because the user changed their password.",
	463: "Error validating access token: Session has expired.",
	464: "Error validating access token: The user is not a confirmed user.",
	467: "Error validating access token: The session is invalid.",
	492: "Error validating access token: The user no longer has a role on the Page.",
}

// newGraphError builds the envelope for a code. An empty message takes the usual text of the code.
func newGraphError(code, subcode int, message string) *graphError {
	e := &graphError{Message: message, Type: "OAuthException", Code: code, Subcode: subcode, status: http.StatusBadRequest}
	switch {
	case message != "":
	case code == 190 && authMessages[subcode] != "":
		e.Message = authMessages[subcode]
	case code == 100 && subcode == 33:
		e.Message = "Unsupported request. Object does not exist, cannot be loaded due to missing permissions, or does not " +
			"support this operation."
	case codeMessages[code] != "":
		e.Message = codeMessages[code]
	case isThrottle(code):
		e.Message = fmt.Sprintf("(#%d) There have been too many calls from this account.", code)
	default:
		e.Message = fmt.Sprintf("(#%d) Error", code)
	}
	switch {
	case code == 100 && subcode == 33:
		e.Type = "GraphMethodException"
	case code == 1 || code == 2 || code == 5000:
		e.status = http.StatusInternalServerError
	case code == 190 || code == 102:
		e.status = http.StatusUnauthorized
	case code == 3 || code == 10 || code >= 200 && code < 300:
		e.status = http.StatusForbidden
	}
	e.IsTransient = code == 2 || code == 4 // the codes it has been seen with
	if subcode >= 2804000 && subcode < 2805000 {
		e.UserTitle, e.UserMessage = "Invalid event", message
	}
	return e
}

// body returns the JSON text of the envelope.
func (e *graphError) body() []byte {
	data, err := json.Marshal(map[string]*graphError{"error": e})
	if err != nil {
		return []byte(`{"error":{"message":"unknown","type":"OAuthException","code":1}}`)
	}
	return data
}
