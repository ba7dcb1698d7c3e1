package delivery

import (
	"errors"
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

// laneOf is the lane of a call. Events of a Messenger conversation have one for each Page, although the token is the
// app's: some limits are the Page's.
func laneOf(call appevents.Call) string {
	switch c := call.(type) {
	case *appevents.Activity:
		if c.Thread.PageID != "" {
			return laneActivities + "/" + string(c.Thread.PageID)
		}
		return laneActivities
	case *appevents.PageActivity:
		return lanePageActivities + "/" + string(c.Thread.PageID)
	case *appevents.ConversionCall:
		return laneConversions + "/" + string(c.DatasetID)
	default:
		return laneActivities
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

// throttledLanes are the lanes a limit belongs to.
func throttledLanes(lane string, err error) []string {
	var graph *appevents.GraphError
	if !errors.As(err, &graph) {
		return []string{lane}
	}
	edge, page, _ := strings.Cut(lane, "/")
	app := graph.Code == 4 || graph.Code == 341 || graph.Code == 613
	switch {
	case edge == laneConversions && app: // limits of Marketing API calls are apart from the others
		return []string{laneConversions}
	case edge == laneConversions:
		return []string{lane}
	case app:
		return []string{laneActivities, lanePageActivities}
	case page != "" &&
		(graph.Code == 32 || graph.Code == 80001 || graph.Code == 80002 || graph.Code == 80006): // the Page's
		return []string{laneActivities + "/" + page, lanePageActivities + "/" + page}
	case edge == laneActivities: // the token's, which is the app's
		return []string{laneActivities}
	default:
		return []string{lane}
	}
}

const (
	// throttleDelay is how long to stay away when Graph named no time; it doubles each time.
	throttleDelay    = time.Minute
	maxThrottleDelay = time.Hour

	// policyDelay is the same for a block for breaking a policy: there is no point in hurrying.
	policyDelay    = time.Hour
	maxPolicyDelay = 24 * time.Hour

	// A token is looked for again and again, at growing distances.
	tokenDelay    = time.Second
	maxTokenDelay = time.Minute

	// maxLaneDelay bounds how long a lane in trouble is left alone: one request finds out whether it still is.
	maxLaneDelay = time.Minute
)

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

// laneState is what is known about a lane in trouble. A lane without trouble has none.
type laneState struct {
	until    time.Time // paused until then; of a probe, the end of its lease
	failures int       // in a row
	probing  bool      // paused no more: one request is under way to see whether it goes again
	token    string    // fingerprint of the token Graph did not accept; see waiting
	waiting  bool      // for another token
}
