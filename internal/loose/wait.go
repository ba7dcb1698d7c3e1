package loose

import (
	"net/http"
	"strconv"
	"time"
)

// MaxWait caps every wait a server can ask for: a garbled header must not park a Page for a year.
const MaxWait = 24 * time.Hour

// Wait turns a count of units into a bounded duration.
func Wait(count float64, unit time.Duration) time.Duration {
	if !(count > 0) { // also NaN
		return 0
	}
	if count >= float64(MaxWait)/float64(unit) {
		return MaxWait
	}
	return time.Duration(count * float64(unit))
}

// RetryAfter reads a Retry-After header, in seconds or as a date, capped; 0 when there is none.
func RetryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return Wait(seconds, time.Second)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, min(date.Sub(now), MaxWait))
	}
	return 0
}
