package delivery_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

func TestPauseLane_RefusesNonsense(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{})
	later := time.Now().Add(time.Hour)
	for _, test := range []struct {
		name, lane string
		until      time.Time
		note       string
		path, rule string
	}{
		{"no lane", "", later, "", "lane", appevents.RuleFormat},
		{"no edge of Graph's", "insights/901", later, "", "lane", appevents.RuleFormat},
		{"no Page", "activities/", later, "", "lane", appevents.RuleFormat},
		{"a name for a Page", "activities/mugs", later, "", "lane", appevents.RuleFormat},
		{"a path", "activities/901/1", later, "", "lane", appevents.RuleFormat},
		{"a line break", "activities/901\n", later, "", "lane", appevents.RuleFormat},
		{"a time that has passed", "activities/901", time.Now().Add(-time.Second), "", "until", appevents.RuleRange},
		{"a long note", "activities/901", later, strings.Repeat("x", 501), "note", appevents.RuleLength},
	} {
		var invalid *appevents.ValidationError
		require.ErrorAs(t, b.PauseLane(t.Context(), test.lane, test.until, test.note), &invalid, test.name)
		require.Equal(t, test.path, invalid.Issues[0].Path, test.name)
		require.Equal(t, test.rule, invalid.Issues[0].Rule, test.name)
		if test.path == "lane" {
			require.ErrorAs(t, b.ResumeLane(t.Context(), test.lane), &invalid, test.name)
		}
	}
}

func TestPauseLane_HoldsALaneUntilItIsResumed(t *testing.T) {
	t.Parallel()
	for name, until := range map[string]time.Duration{"without an end": 0, "until a time": 1000 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{})
				end := time.Time{}
				if until != 0 {
					end = time.Now().Add(until)
				}
				require.NoError(t, b.PauseLane(t.Context(), "activities/901", end, "the shop is closed"))
				b.submit("1", activity(901, 7, "a"))
				b.submit("2", activity(902, 7, "b"))
				b.run()
				after(24 * time.Hour)
				require.Equal(t, map[string]int{"b": 1}, arrived(b.graph))
				lanes, err := b.Lanes(t.Context())
				require.NoError(t, err)
				require.Equal(t, "activities/901", lanes[0].Lane)
				require.Equal(t, delivery.LanePaused, lanes[0].State)
				require.Equal(t, "the shop is closed", lanes[0].Why)
				require.EqualValues(t, 1, lanes[0].Pending)
				require.NoError(t, b.ResumeLane(t.Context(), "activities/901"))
				synctest.Wait()
				require.Len(t, arrived(b.graph), 2)
				b.stop()
			})
		})
	}
}

func TestItem_IsWhatSubmitStores(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		item, err := b.Item("key", activity(901, 7, "a"))
		require.NoError(t, err)
		b.submit("key", activity(901, 7, "a"))
		leases, err := b.queue.Lease(t.Context(), 1, nil)
		require.NoError(t, err)
		require.Equal(t, item, leases[0].Item)

		var invalid *appevents.ValidationError
		_, err = b.Item("", activity(901, 7, "a"))
		require.ErrorAs(t, err, &invalid)
		_, err = b.Item("key", &appevents.Activity{})
		require.ErrorAs(t, err, &invalid)
	})
}
