package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/graphtest"
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

// What was tried before, and waits for its lane, goes with it.
func TestResumeLane_LetsCallsGoThatWereSetAside(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]graphtest.Fault{
		"permission": graphtest.MissingPermission, "limit": graphtest.ThrottleFor(20 * time.Hour),
		"token": graphtest.Error(190, 0), "policy": graphtest.Error(368, 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				var healed atomic.Bool
				b := newBench(t, setup{graph: []graphtest.Option{graphtest.WithFaults(func(graphtest.Call) graphtest.Fault {
					if healed.Load() {
						return nil
					}
					return fault
				})}})
				b.submit("1", pageActivity(901, 7, "a"))
				b.run()
				after(25 * time.Hour) // its lane waits for an hour by now, or for longer
				healed.Store(true)
				require.NoError(t, b.ResumeLane(t.Context(), "page_activities/901"))
				synctest.Wait()
				require.Len(t, arrived(b.graph), 1)
				b.stop()
			})
		})
	}
}

// One call that no permission will ever be enough for does not keep the others of its lane waiting.
func TestPermission_AnotherCallIsTheNextProbe(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		start := time.Now()
		b := newBench(t, setup{graph: []graphtest.Option{graphtest.WithFaults(func(c graphtest.Call) graphtest.Fault {
			if time.Since(start) < 30*time.Second || len(c.Events) > 0 && c.Events[0].ID == "bad" {
				return graphtest.MissingPermission
			}
			return nil
		})}})
		b.submit("bad", pageActivity(901, 7, "bad"))
		for n := range 5 {
			b.submit(fmt.Sprint(n), pageActivity(901, 8+n, fmt.Sprint(n)))
		}
		b.run()
		after(8 * time.Minute)
		require.Len(t, arrived(b.graph), 5)
		b.stop()
	})
}

// An activity and a conversion of one webhook can share its key, and each of them counts once.
func TestSubmit_AKeyIsOfAKindOfCall(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		calls := []appevents.Call{
			activity(901, 7, "a"), pageActivity(901, 7, "a"), conversions(5501, "a"), conversions(5502, "a"),
			&appevents.Install{
				Device:  appevents.Device{AdvertiserID: "bb1f6f92-0bd3-4d62-a2e5-8d2ac5a9a7c2"},
				Consent: appevents.ConsentDenied,
			},
		}
		for range 2 {
			for _, call := range calls {
				b.submit("key", call)
			}
		}
		s := b.Stats()
		require.EqualValues(t, len(calls), s.Pending)
		require.EqualValues(t, len(calls), s.Duplicates)

		old, err := b.Item("old", calls[0])
		require.NoError(t, err)
		old.Key, old.OldKey = delivery.KeyOf("old"), delivery.Key{} // as the version before stored it
		_, err = b.queue.Put(t.Context(), old)
		require.NoError(t, err)
		for _, call := range calls {
			b.submit("old", call)
		}
		require.EqualValues(t, 2*len(calls), b.Stats().Duplicates)
	})
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

// The lane of a Page that is gone is not shown for ever, nor is its token asked for.
func TestLanes_ForgetsAPageThatIsGone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var asked atomic.Int64
		source := appevents.TokenFunc(func(context.Context, appevents.Scope) (string, error) {
			asked.Add(1)
			return "token-of-a-page-that-is-gone", nil
		})
		b := newBench(t, setup{
			graph: []graphtest.Option{graphtest.WithFaults(func(graphtest.Call) graphtest.Fault {
				return graphtest.ExpiredToken
			})},
			client: []appevents.Option{appevents.WithTokenSource(source)},
			opts:   []delivery.Option{delivery.WithMaxAge(10 * time.Minute)},
		})
		b.submit("1", pageActivity(901, 7, "a"))
		b.run()
		b.until(func(s delivery.Stats) bool { return s.Buried == 1 })
		lanes, err := b.Lanes(t.Context())
		require.NoError(t, err)
		require.Len(t, lanes, 1)
		require.Equal(t, delivery.LaneToken, lanes[0].State)
		after(3 * time.Hour)
		lanes, err = b.Lanes(t.Context())
		require.NoError(t, err)
		require.Empty(t, lanes)
		before := asked.Load()
		after(3 * time.Hour)
		require.Equal(t, before, asked.Load())
		b.stop()
	})
}
