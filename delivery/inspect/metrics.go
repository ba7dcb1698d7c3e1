package inspect

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/appevents/appevents-go/delivery"
)

// states are the states of a lane, in the order in which the metrics name them.
var states = [...]delivery.LaneState{
	delivery.LaneOpen, delivery.LaneProbing, delivery.LaneThrottled, delivery.LaneToken, delivery.LanePermission,
	delivery.LanePolicy, delivery.LanePaused,
}

// metrics writes the figures as Prometheus reads them. Lanes are counted by state, not named: there can be thousands.
func (h *handler) metrics(w http.ResponseWriter, r *http.Request) error {
	f := h.figures()
	var out strings.Builder
	metric := func(name, kind, help string, value any) {
		fmt.Fprintf(&out, "# HELP appevents_delivery_%s %s\n# TYPE appevents_delivery_%[1]s %[3]s\n", name, help, kind)
		if value != nil {
			fmt.Fprintf(&out, "appevents_delivery_%s %v\n", name, value)
		}
	}
	counter := func(name, help string, value int64) { metric(name, "counter", help, value) }
	gauge := func(name, help string, value any) { metric(name, "gauge", help, value) }
	counter("accepted_total", "Calls accepted, duplicates included.", f.Accepted)
	counter("delivered_total", "Calls Graph accepted.", f.Delivered)
	counter("buried_total", "Calls put aside.", f.Buried)
	counter("duplicates_total", "Calls accepted before under the same key.", f.Duplicates)
	counter("dropped_total", "Buried calls let go for their age or to make room.", f.Dropped)
	counter("requests_total", "Requests made to Graph.", f.Requests)
	counter("retries_total", "Calls that failed and were put back.", f.Retries)
	counter("unsettled_total", "Calls whose outcome could not be written down.", f.Unsettled)
	gauge("pending", "Calls waiting or under way.", f.Pending)
	gauge("kept", "Buried calls still there.", f.Kept)
	gauge("in_hand", "Calls leased now.", f.InHand)
	gauge("paused_lanes", "Lanes with a pause.", f.PausedLanes)
	gauge("oldest_seconds", "Age of the oldest pending call.", f.SecondsOldest)
	gauge("stalled_seconds", "Time without progress while there is something to do.", f.SecondsStalled)
	running := 0
	if f.Running {
		running = 1
	}
	gauge("running", "1 while the dispatcher runs.", running)

	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	up := 0
	if lanes, err := h.dispatcher.Lanes(ctx); err == nil {
		up = 1
		counts := make(map[delivery.LaneState]int)
		for i := range lanes {
			counts[lanes[i].State]++
		}
		gauge("lanes", "Lanes in use, by state.", nil)
		for _, state := range states {
			fmt.Fprintf(&out, "appevents_delivery_lanes{state=%q} %d\n", state, counts[state])
		}
	}
	gauge("queue_up", "1 when the queue answered.", up)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(out.String())) // the client may have gone away
	return nil
}
