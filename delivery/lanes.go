package delivery

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
)

// The lanes of the edges. A Page or dataset has its own below: "activities/901".
const (
	laneActivities     = "activities"
	lanePageActivities = "page_activities"
	laneConversions    = "events"
)

// appObject stands in a lane for the Page of calls that belong to none.
const appObject = "app"

// laneOf is the lane of a call. Events of a Messenger conversation have one for each Page, although the token is the
// app's: some limits are the Page's.
func laneOf(call appevents.Call) string {
	switch c := call.(type) {
	case *appevents.Activity:
		if c.Thread.PageID != "" {
			return laneActivities + "/" + string(c.Thread.PageID)
		}
		return laneActivities + "/" + appObject
	case *appevents.PageActivity:
		return lanePageActivities + "/" + string(c.Thread.PageID)
	case *appevents.ConversionCall:
		return laneConversions + "/" + string(c.DatasetID)
	default:
		return laneActivities + "/" + appObject
	}
}

// edgeOf is the lane of the edge a lane belongs to.
func edgeOf(lane string) string {
	edge, _, _ := strings.Cut(lane, "/")
	return edge
}

// tokenLane is the lane whose calls carry the same token.
func tokenLane(lane string) string {
	if edgeOf(lane) == laneActivities {
		return laneActivities // the app's token, whatever the Page
	}
	return lane
}

// throttledLanes are the lanes a limit belongs to, by Graph's code.
func throttledLanes(lane string, code int) []string {
	edge, page, _ := strings.Cut(lane, "/")
	app := code == 4 || code == 341 || code == 613
	switch {
	case edge == laneConversions && app: // limits of Marketing API calls are apart from the others
		return []string{laneConversions}
	case edge == laneConversions:
		return []string{lane}
	case app:
		return []string{laneActivities, lanePageActivities}
	case page != "" && page != appObject &&
		(code == 32 || code == 80001 || code == 80002 || code == 80006): // the Page's
		return []string{laneActivities + "/" + page, lanePageActivities + "/" + page}
	case edge == laneActivities: // the token's, which is the app's
		return []string{laneActivities}
	default:
		return []string{lane}
	}
}

// backoff is the wait after the n-th failure in a row: it doubles from first up to longest, and a part of it between
// none and half is random, as random says between 0 and 1.
func backoff(first, longest time.Duration, n int, random float64) time.Duration {
	d := longest
	if shift := max(n, 1) - 1; shift < 40 && first<<shift>>shift == first {
		d = min(d, first<<shift)
	}
	return d - time.Duration(float64(d/2)*random)
}

func jitter() float64 { return rand.Float64() } //nolint:gosec // jitter needs no secrecy
