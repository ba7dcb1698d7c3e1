package appevents

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/appevents/appevents-go/internal/loose"
)

// PartialError is the error of a call whose events were sent in several requests, one of which failed. The events
// before that request were accepted, those after it were not sent. It unwraps to the error of the failed request.
type PartialError struct {
	// Accepted is how many events Graph accepted, counted from the first. To go on, repeat the call with
	// Events[Accepted:].
	Accepted int

	// Failed is where the failed request ended: it held Events[Accepted:Failed].
	Failed int

	// Total is how many events the call had.
	Total int

	// Err is the error of the failed request: a [*GraphError] or a [*CallError].
	Err error
}

// Error says which events were accepted, which failed and which were not sent.
func (e *PartialError) Error() string {
	if e == nil || e.Err == nil {
		return "appevents: some events were not accepted"
	}
	text := "appevents: events [0," + strconv.Itoa(e.Accepted) + ") accepted, [" + strconv.Itoa(e.Accepted) + "," +
		strconv.Itoa(e.Failed) + ") failed"
	if e.Failed < e.Total {
		text += ", the rest not sent"
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *PartialError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// sendConversions names the operation.
const sendConversions = "send conversions"

// ConversionFailure is a conversion that was not accepted.
type ConversionFailure struct {
	// Index is its place among the conversions of the call, counted from 0.
	Index int

	// Alone reports whether Err is about this conversion and no other: the conversion is invalid, or it was tried in a
	// request of its own. Otherwise Err is about a request that held others too, or about an earlier request, after
	// which this conversion was not sent.
	Alone bool

	// Err says why. [OutcomeOf] tells what became of the conversion: not sent ([*ValidationError], [*CallError]), refused
	// ([*GraphError]), or unknown ([ErrUnknownOutcome]).
	Err error
}

// sharesErr reports whether two failures have the very same error, as those of one request do.
func (f ConversionFailure) sharesErr(o ConversionFailure) bool {
	return f.Err == o.Err //nolint:errorlint // identity is what counts
}

// ConversionsError is the error of a call of which some conversions were not accepted. [errors.Is] and [errors.As]
// search all failures. [OutcomeOf] returns [OutcomeUnknown] if the outcome of any of them is unknown.
type ConversionsError struct {
	Total  int                 // how many conversions the call had
	Failed []ConversionFailure // sorted by index
}

// Error counts the failures and describes the first of them, on one line.
func (e *ConversionsError) Error() string {
	if e == nil || len(e.Failed) == 0 {
		return "appevents: some conversions were not accepted"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "appevents: %s: %d of %d not accepted: ", sendConversions, len(e.Failed), e.Total)
	for groups, i := 0, 0; i < len(e.Failed); groups++ {
		if groups == maxIssuesInText {
			b.WriteString("; and " + strconv.Itoa(len(e.Failed)-i) + " more")
			break
		}
		if groups > 0 {
			b.WriteString("; ")
		}
		last := i // of the neighbours that failed with the same error
		for last+1 < len(e.Failed) && e.Failed[last+1].sharesErr(e.Failed[i]) &&
			e.Failed[last+1].Index == e.Failed[last].Index+1 {
			last++
		}
		b.WriteString("conversions[" + strconv.Itoa(e.Failed[i].Index) + "]")
		if last > i {
			b.WriteString(" to [" + strconv.Itoa(e.Failed[last].Index) + "]")
		}
		b.WriteString(": " + failureText(e.Failed[i].Err))
		i = last + 1
	}
	return b.String()
}

// failureText is the text of an error without what ConversionsError said before.
func failureText(err error) string {
	if err == nil {
		return "not accepted"
	}
	text := strings.TrimPrefix(withoutPrefix(err), sendConversions+": ")
	return loose.Cut(text, maxErrorText/maxIssuesInText)
}

// Unwrap returns the errors of the failures, each once. Errors whose outcome is unknown come first, because they decide
// whether the whole call may be repeated.
func (e *ConversionsError) Unwrap() []error {
	if e == nil {
		return nil
	}
	var unknown, others []error
	for i, failure := range e.Failed {
		switch {
		case i > 0 && failure.sharesErr(e.Failed[i-1]), failure.Err == nil:
		case OutcomeOf(failure.Err) == OutcomeUnknown:
			unknown = append(unknown, failure.Err)
		default:
			others = append(others, failure.Err)
		}
	}
	if len(unknown) > 0 {
		// For OutcomeOf, which believes a CallError rather than a GraphError.
		unknown[0] = &CallError{Op: sendConversions, Outcome: OutcomeUnknown, Err: unknown[0]}
	}
	return append(unknown, others...)
}

// WebhookItemError lists the parts of one event that could not be read. It does not repeat their values.
type WebhookItemError struct{ Issues []Issue }

// Error names the first problem, on one line.
func (e *WebhookItemError) Error() string {
	if e == nil || len(e.Issues) == 0 {
		return "appevents: webhook event partly unreadable"
	}
	text := "appevents: webhook event partly unreadable: " + e.Issues[0].String()
	if more := len(e.Issues) - 1; more > 0 {
		text += "; and " + strconv.Itoa(more) + " more"
	}
	return text
}
