package appevents

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/appevents/appevents-go/internal/storable"
)

// Call is a request to Graph as a value, to be stored and sent later: [*Activity], [*Install], [*PageActivity] or
// [*ConversionCall]. [MarshalCall] says what its stored form holds.
type Call interface {
	// Validate returns a [*ValidationError] that lists every problem, or nil.
	Validate() error

	// Warnings lists what Meta's sources disagree on, and personal data that will be left out. Nil means none.
	Warnings() []Issue

	// Scope is the object the call's token has to speak for, and whose limits it uses; the ID of [ScopeApp] is left
	// empty, since the app is the client's.
	Scope() Scope

	callKind() string
}

// The words for the kinds of calls in stored form. They must not change: stored calls outlive a version.
const (
	callActivity     = "activity"
	callConversions  = "conversions"
	callInstall      = "install"
	callPageActivity = "page_activity"
)

func (a *Activity) callKind() string       { return callActivity }
func (c *ConversionCall) callKind() string { return callConversions }
func (in *Install) callKind() string       { return callInstall }
func (p *PageActivity) callKind() string   { return callPageActivity }

// Scope returns [ScopeApp].
func (a *Activity) Scope() Scope { return Scope{Kind: ScopeApp} }

// Scope returns the dataset.
func (c *ConversionCall) Scope() Scope {
	if c == nil {
		return Scope{Kind: ScopeDataset}
	}
	return Scope{Kind: ScopeDataset, ID: c.DatasetID}
}

// Scope returns [ScopeApp].
func (in *Install) Scope() Scope { return Scope{Kind: ScopeApp} }

// Scope returns the Page of the thread.
func (p *PageActivity) Scope() Scope {
	if p == nil {
		return Scope{Kind: ScopePage}
	}
	return Scope{Kind: ScopePage, ID: p.Thread.PageID}
}

// storedCall is the stored form of a call.
type storedCall struct {
	Kind string          `json:"kind"`
	Call json.RawMessage `json:"call"`
}

// MarshalCall returns call as JSON for [UnmarshalCall]. It does not validate the call.
//
// The stored form holds no credential for Graph: tokens and secrets belong to the client. [UserData] is stored as
// digests; what cannot be hashed is left out (see Warnings). Everything else is stored as it was given, because the
// request needs it that way. That can say much about a person: the IDs of a [Thread] and of a [Device], its push token
// among them; the ClientIP; the receipts, referrers and links of [Bundle] and [Measurement]; and all texts of your own,
// such as Event.UserID, Params.Custom and Extra. Protect the store accordingly. To keep one of them out, leave its
// field empty.
func MarshalCall(call Call) ([]byte, error) {
	if call == nil {
		return nil, errors.New("appevents: marshal call: the call is nil")
	}
	data, err := json.Marshal(call)
	if err != nil { // most likely a time: the call is stored with one as wrong that JSON can hold
		data, err = json.Marshal(storable.Copy(call))
	}
	if err != nil {
		return nil, fmt.Errorf("appevents: marshal call: %w", err)
	}
	if string(data) == "null" {
		return nil, errors.New("appevents: marshal call: the call is nil")
	}
	// The same as json.Marshal of a storedCall, without reading data again.
	stored := make([]byte, 0, len(storedKind)+16+len(storedValue)+len(data)+1)
	stored = append(append(stored, storedKind...), call.callKind()...)
	stored = append(append(stored, storedValue...), data...)
	return append(stored, '}'), nil
}

const (
	storedKind  = `{"kind":"`
	storedValue = `","call":`
)

// UnmarshalCall returns the call that [MarshalCall] wrote. Its personal data is hashed already and sent as it is.
func UnmarshalCall(data []byte) (Call, error) {
	// What MarshalCall wrote is taken apart without reading it twice; anything else is read as JSON.
	if rest, ok := bytes.CutPrefix(data, []byte(storedKind)); ok {
		if kind, value, ok := bytes.Cut(rest, []byte(storedValue)); ok && bytes.HasSuffix(value, []byte("}")) {
			if call, err := decodeCall(string(kind), value[:len(value)-1]); err == nil {
				return call, nil
			}
		}
	}
	var stored storedCall
	if err := json.Unmarshal(data, &stored); err != nil {
		return nil, fmt.Errorf("appevents: unmarshal call: %w", err)
	}
	return decodeCall(stored.Kind, stored.Call)
}

func decodeCall(kind string, data []byte) (Call, error) {
	var call Call
	switch kind {
	case callActivity:
		call = new(Activity)
	case callConversions:
		call = new(ConversionCall)
	case callInstall:
		call = new(Install)
	case callPageActivity:
		call = new(PageActivity)
	default:
		return nil, errors.New("appevents: unmarshal call: unknown kind of call")
	}
	if !present(data) {
		return nil, errors.New("appevents: unmarshal call: no call")
	}
	if err := json.Unmarshal(data, call); err != nil {
		return nil, fmt.Errorf("appevents: unmarshal call: %w", err)
	}
	return call, nil
}
