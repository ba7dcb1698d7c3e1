package graphtest_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// Whatever a bot sends for a time, what was recorded can be written down.
func TestCall_CanBeMarshalledWhateverItsTimes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, at := range []int64{
		now.UnixMilli(), now.UnixMicro(), now.UnixNano(), math.MaxInt64, math.MinInt64, -1, 0, now.Unix(), 253402300800,
	} {
		graph := graphtest.New()
		form := url.Values{
			"event": {"CUSTOM_APP_EVENTS"}, "extinfo": {`["mb1"]`}, "page_id": {"901"}, "page_scoped_user_id": {"7702"},
			"advertiser_tracking_enabled": {"1"}, "application_tracking_enabled": {"1"},
			"custom_events": {fmt.Sprintf(`[{"_eventName":"a","_logTime":%d}]`, at)},
		}
		record(t, graph, "/v26.0/771/activities", "application/x-www-form-urlencoded", form.Encode())
		record(t, graph, "/v26.0/5501/events", "application/json", fmt.Sprintf(`{"data":[{"event_name":"LeadSubmitted","event_time":%d,
			"action_source":"business_messaging","messaging_channel":"messenger",
			"user_data":{"page_id":"901","page_scoped_user_id":"7702"}}]}`, at))
		for _, call := range graph.Calls() {
			require.Len(t, call.Events, 1)
			_, err := json.Marshal(call.Events[0])
			require.NoError(t, err, at)
		}
		require.Len(t, graph.Calls(), 2)
	}
}

func record(t *testing.T, graph *graphtest.Server, path, kind, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, graph.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Bearer token")
	resp, err := graph.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}
