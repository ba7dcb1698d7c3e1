package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun_ShowsTheSameEventsOnAllThree(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	for _, want := range []string{
		"POST /v20.0/1517776481860111/page_activities", "POST /v26.0/1517776481860111/activities", "/events",
		"custom_events[0]._eventName = fb_mobile_purchase", "data[0].event_name = Purchase",
		"custom_events[1]._eventName = lead_submitted", "data[1].event_name = LeadSubmitted",
		"custom_events[0]._valueToSum = 57.23", "data[0].custom_data.value = 57.23",
		"extinfo[0] = mb1", "action_source = business_messaging", "edge retired by Meta",
	} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "demo-token")
}
