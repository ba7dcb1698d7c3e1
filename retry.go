package appevents

import "time"

// RetryPolicy says when and how often the client repeats a failed request by itself. The zero value means the
// defaults.
//
// Two kinds of failure are repeated: requests that were never sent, and refusals that Graph itself calls transient.
// A throttled request is never repeated by the client: the error says how long to stay away. A request whose outcome
// is unknown is repeated only with RetryUnknown.
type RetryPolicy struct {
	// MaxAttempts bounds the requests of one call, the first included. Defaults to 3; 1 never repeats.
	MaxAttempts int

	// BaseDelay is the wait before the first repeat; it doubles with each further one. Half of every wait is random.
	// Defaults to 250 ms.
	BaseDelay time.Duration

	// MaxDelay caps the wait after growth. Defaults to 5 s.
	MaxDelay time.Duration

	// RetryUnknown also repeats requests that may have been received. Meta promises no de-duplication for messaging
	// events, so each such repeat can count an event twice. Defaults to false.
	RetryUnknown bool
}

// maxAttempts bounds MaxAttempts.
const maxAttempts = 20

func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = 3
	}
	if p.BaseDelay == 0 {
		p.BaseDelay = 250 * time.Millisecond
	}
	if p.MaxDelay == 0 {
		p.MaxDelay = max(5*time.Second, p.BaseDelay)
	}
	return p
}

func (p RetryPolicy) validate() string {
	switch {
	case p.MaxAttempts < 1 || p.MaxAttempts > maxAttempts:
		return "MaxAttempts must be between 1 and 20"
	case p.BaseDelay < 0 || p.MaxDelay < 0:
		return "delays must not be negative"
	case p.BaseDelay > p.MaxDelay:
		return "BaseDelay must not exceed MaxDelay"
	}
	return ""
}

// again reports whether a request that failed with err, as the attempt-th of its call, may be repeated.
func (p RetryPolicy) again(err error, attempt int) bool {
	if attempt >= p.MaxAttempts {
		return false
	}
	switch e := err.(type) { //nolint:errorlint // attempt returns these types unwrapped
	case *CallError:
		return e.Outcome == OutcomeNotSent && e.retryable || e.Outcome == OutcomeUnknown && p.RetryUnknown
	case *GraphError:
		if e.unknown {
			return p.RetryUnknown
		}
		return e.Transient && e.Is(ErrTransient)
	}
	return false
}
