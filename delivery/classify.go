package delivery

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/appevents/appevents-go"
)

// class is what a failed request means for its events and its lane.
type class uint8

const (
	classNone       class = iota // it did not fail
	classContent                 // refused for what it holds: one event may be to blame
	classExpired                 // too old
	classFinal                   // refused whatever it holds: the edge is gone
	classUnclear                 // refused without a reason that says more: it may pass later
	classPermission              // a permission is missing, or the Page or dataset was not found
	classPanic                   // code of others panicked on the way
	classTrouble                 // not sent, or refused because of trouble at Graph
	classUnknown                 // it may have been received
	classThrottled               // too many calls
	classPolicy                  // blocked for breaking a policy
	classToken                   // the token was not accepted, or there is none
	classStopped                 // not sent because we stopped
)

// classify says what the error of a request, which is not nil, means.
func classify(err error) class {
	var (
		graph   *appevents.GraphError
		invalid *appevents.ValidationError
	)
	outcome := appevents.OutcomeOf(err)
	switch {
	case errors.As(err, &invalid):
		return classContent
	case errors.Is(err, appevents.ErrThrottled):
		return classThrottled
	case errors.Is(err, appevents.ErrAuth), errors.Is(err, appevents.ErrNoToken):
		return classToken
	case errors.Is(err, appevents.ErrUnknownOutcome):
		return classUnknown
	case errors.Is(err, appevents.ErrRetired):
		return classFinal
	case errors.Is(err, appevents.ErrPermission), errors.Is(err, appevents.ErrNotFound):
		return classPermission
	case outcome == appevents.OutcomeNotSent && errors.Is(err, context.Canceled):
		return classStopped
	case outcome == appevents.OutcomeNotSent, errors.Is(err, appevents.ErrTransient):
		return classTrouble
	case errors.Is(err, appevents.ErrPolicy):
		return classPolicy
	case errors.Is(err, appevents.ErrInvalidParameter):
		return classContent
	case errors.As(err, &graph) && graph.StatusCode == http.StatusTooManyRequests:
		return classThrottled
	case outcome == appevents.OutcomeRefused:
		return classUnclear
	default:
		return classFinal
	}
}

// aboutLane reports whether a failure of this class says something about the lane, and the call may pass later.
func (c class) aboutLane() bool {
	switch c {
	case classUnclear, classTrouble, classUnknown, classThrottled, classPolicy, classToken, classPermission, classPanic:
		return true
	default:
		return false
	}
}

// suspicious reports whether the call may be to blame for a failure of this class, if others get through.
func (c class) suspicious() bool { return c == classUnclear || c == classPermission }

// maxErrorText bounds the error texts that are stored.
const maxErrorText = 1 << 10

// errorText is what is stored of an error.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	return strings.ToValidUTF8(text, "")
}
