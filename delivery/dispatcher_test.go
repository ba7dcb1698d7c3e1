package delivery_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
)

func TestDispatcher_DeliversEachKindOfCall(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{graph: []graphtest.Option{graphtest.WithAppSecret(appSecret)}})
		b.submit("1", activity(901, 7, "a"))
		b.submit("2", pageActivity(901, 7, "b"))
		b.submit("3", &appevents.Install{
			Device:  appevents.Device{AdvertiserID: "bb1f6f92-0bd3-4d62-a2e5-8d2ac5a9a7c2"},
			Consent: appevents.ConsentDenied,
		})
		b.drain()
		require.Equal(t, map[string]int{"a": 1, "b": 1}, arrived(b.graph))
		require.Len(t, b.graph.Calls(), 3)
		s := b.Stats()
		require.Equal(t, delivery.Stats{Accepted: 3, Delivered: 3, Requests: 3, AsOf: s.AsOf, Progress: s.Progress}, s)
		require.Equal(t, time.Now(), s.AsOf)
		b.graph.Check(t)
		for _, s := range b.outcomes(delivery.Done) {
			require.Equal(t, 1, s.Attempts)
			require.NoError(t, s.Err)
		}
	})
}

func TestDispatcher_MergesEventsOfOnePerson(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithWorkers(1)}})
		for n := range 300 {
			for person := 1; person <= 2; person++ {
				b.submit(fmt.Sprint(n, person), activity(901, person, fmt.Sprintf("%d-%03d", person, n)))
			}
		}
		denied := activity(901, 1, "denied")
		denied.Consent = appevents.ConsentDenied
		b.submit("denied", denied)
		b.drain()
		last := map[string]string{}
		for _, c := range b.graph.Calls() {
			require.LessOrEqual(t, len(c.Events), 100)
			flag, _ := c.Field("advertiser_tracking_enabled")
			for _, e := range c.Events {
				require.Equal(t, e.ID == "denied", flag == "0", "events of another consent were merged")
				if flag == "1" {
					require.Equal(t, e.ID[:1], c.PSID, "events of two people were merged")
					require.Less(t, last[c.PSID], e.ID, "one worker keeps the order")
					last[c.PSID] = e.ID
				}
			}
		}
		require.Len(t, arrived(b.graph), 601)
		require.Less(t, b.graph.Count(), 60)
		b.graph.Check(t)
	})
}

func TestDispatcher_KeepsToTheClientsLimit(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{client: []appevents.Option{appevents.WithMaxEvents(7)}})
		for n := range 40 {
			b.submit(fmt.Sprint(n), activity(901, 7, ids(fmt.Sprint(n), 3)...))
		}
		b.submit("many", activity(901, 7, ids("many", 50)...))
		b.drain()
		for _, c := range b.graph.Calls() {
			require.LessOrEqual(t, len(c.Events), 7)
		}
		require.Len(t, arrived(b.graph), 170)
		for id, n := range arrived(b.graph) {
			require.Equal(t, 1, n, id)
		}
	})
}

func TestDispatcher_MergesOnPageActivitiesToo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithWorkers(1)}})
		for n := range 30 {
			b.submit(fmt.Sprint(n), pageActivity(901, 7, fmt.Sprint(n)))
		}
		b.drain()
		require.Len(t, arrived(b.graph), 30)
		require.Equal(t, 1, b.graph.Count())
		b.graph.Check(t)
	})
}

// Events get the time of their Submit when they have none, and the caller's are left as they are.
func TestDispatcher_KeepsTheTimeOfEvents(t *testing.T) {
	t.Parallel()
	then := time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)
	events := func() []appevents.Event { return []appevents.Event{event("now"), {Name: "then", Time: then}} }
	for name, test := range map[string]struct {
		call appevents.Call
		left func(call appevents.Call) time.Time
	}{
		"activity": {
			&appevents.Activity{Thread: thread(901, 7), Consent: appevents.ConsentAllowed, Events: events()},
			func(call appevents.Call) time.Time { return call.(*appevents.Activity).Events[0].Time },
		},
		"page activity": {
			&appevents.PageActivity{Thread: thread(901, 7), Consent: appevents.ConsentAllowed, Events: events()},
			func(call appevents.Call) time.Time { return call.(*appevents.PageActivity).Events[0].Time },
		},
		"conversions": {
			&appevents.ConversionCall{DatasetID: "5501", Conversions: []appevents.Conversion{
				{Name: appevents.ConversionLeadSubmitted, Thread: thread(901, 7)},
				{Name: appevents.ConversionLeadSubmitted, Thread: thread(901, 7), Time: then},
			}},
			func(call appevents.Call) time.Time { return call.(*appevents.ConversionCall).Conversions[0].Time },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := newBench(t, setup{})
				submitted := time.Now()
				b.submit("1", test.call)
				require.Zero(t, test.left(test.call), "the caller's event was changed")
				after(time.Hour)
				b.drain()
				sent := b.graph.Calls()[0].Events
				require.Equal(t, submitted.Unix(), sent[0].Time.Unix())
				require.Equal(t, then.Unix(), sent[1].Time.Unix())
			})
		})
	}
}

func TestSubmit_StatesWhenACallIsOfNoUse(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		queue := new(recorder).over()
		b := newBench(t, setup{queue: queue})
		now := time.Now()
		mixed := conversions(5501, "a", "b", "c")
		mixed.Conversions[0].Time = now.Add(-6 * 24 * time.Hour)
		mixed.Conversions[1].Time = now.Add(-24 * time.Hour)
		mixed.Conversions[2].Time = now.Add(-3 * 24 * time.Hour)
		b.submit("1", mixed)
		b.submit("2", activity(901, 7, "d"))
		leases, err := queue.Lease(t.Context(), 2, nil)
		require.NoError(t, err)
		for _, l := range leases {
			want := now.Add(7 * 24 * time.Hour)
			if l.Lane == "events/5501" {
				want = now.Add(6 * 24 * time.Hour) // of the youngest
			}
			require.True(t, want.Equal(l.Expires), "%s: %v", l.Lane, l.Expires)
		}
	})
}

func TestSubmit_RefusesWhatIsInvalid(t *testing.T) {
	t.Parallel()
	client, err := appevents.New(appID)
	require.NoError(t, err)
	q := memqueue.New()
	d, err := delivery.New(client, q)
	require.NoError(t, err)
	valid := activity(901, 7, "a")
	unstated := activity(901, 7, "a")
	unstated.Consent = appevents.Consent{}
	for _, test := range []struct {
		name, key string
		call      appevents.Call
		path      string
	}{
		{"no key", "", valid, "key"},
		{"no call", "key", nil, ""},
		{"a nil activity", "key", (*appevents.Activity)(nil), ""},
		{"no consent", "key", unstated, "consent.advertiser"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var invalid *appevents.ValidationError
			require.ErrorAs(t, d.Submit(t.Context(), test.key, test.call), &invalid)
			require.Equal(t, test.path, invalid.Issues[0].Path)
			require.Equal(t, appevents.RuleRequired, invalid.Issues[0].Rule)
		})
	}
	t.Run("too large", func(t *testing.T) {
		t.Parallel()
		large := activity(901, 7, ids("a", 6000)...)
		require.ErrorIs(t, d.Submit(t.Context(), "key", large), delivery.ErrTooLarge)
	})
	t.Run("context over", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, d.Submit(ctx, "key", valid), context.Canceled)
	})
	t.Run("queue full", func(t *testing.T) {
		t.Parallel()
		full, err := delivery.New(client, memqueue.New(memqueue.WithCapacity(1)))
		require.NoError(t, err)
		require.NoError(t, full.Submit(t.Context(), "1", valid))
		require.ErrorIs(t, full.Submit(t.Context(), "2", valid), delivery.ErrFull)
		require.NoError(t, full.Submit(t.Context(), "1", valid), "a duplicate takes no room")
	})
	t.Cleanup(func() {
		require.Zero(t, d.Stats().Accepted)
	})
}

func TestSubmit_AcceptsAKeyOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.submit("mid.1", activity(901, 7, "a"))
		b.submit("mid.1", activity(901, 7, "a"))
		b.drain()
		b.submit("mid.1", activity(901, 7, "a"))
		require.Equal(t, map[string]int{"a": 1}, arrived(b.graph))
		s := b.Stats()
		b.invariant(s)
		require.EqualValues(t, 2, s.Duplicates)
		require.EqualValues(t, 3, s.Accepted)
	})
}

func TestNew_RefusesNonsense(t *testing.T) {
	t.Parallel()
	client, err := appevents.New(appID)
	require.NoError(t, err)
	q := memqueue.New()
	for field, make := range map[string]func() (*delivery.Dispatcher, error){
		"delivery.New":            func() (*delivery.Dispatcher, error) { return delivery.New(client, q, nil) },
		"delivery.WithWorkers":    with(client, q, delivery.WithWorkers(0)),
		"delivery.WithPolicy":     with(client, q, delivery.WithPolicy(9)),
		"delivery.WithMaxAge":     with(client, q, delivery.WithMaxAge(0)),
		"delivery.WithRetryDelay": with(client, q, delivery.WithRetryDelay(time.Minute, time.Second)),
		"delivery.WithGrace":      with(client, q, delivery.WithGrace(-1)),
		"delivery.WithLogger":     with(client, q, delivery.WithLogger(nil)),
		"delivery.WithObserver":   with(client, q, delivery.WithObserver(nil)),
	} {
		_, err := make()
		var config *appevents.ConfigError
		require.ErrorAs(t, err, &config, field)
		require.Equal(t, field, config.Field)
	}
	var config *appevents.ConfigError
	_, err = delivery.New(nil, q)
	require.ErrorAs(t, err, &config)
	_, err = delivery.New(client, nil)
	require.ErrorAs(t, err, &config)
	_, err = with(client, q, delivery.WithWorkers(1025))()
	require.ErrorAs(t, err, &config)
	_, err = with(client, q, delivery.WithRetryDelay(0, time.Second))()
	require.ErrorAs(t, err, &config)
}

func with(c *appevents.Client, q delivery.Queue, opt delivery.Option) func() (*delivery.Dispatcher, error) {
	return func() (*delivery.Dispatcher, error) { return delivery.New(c, q, opt) }
}

func TestString_NamesTheValue(t *testing.T) {
	t.Parallel()
	for want, value := range map[string]fmt.Stringer{
		"delivered":     delivery.Done,
		"retry":         delivery.Retry,
		"buried":        delivery.Bury,
		"released":      delivery.Release,
		"begun":         delivery.Begin,
		"none":          delivery.Verdict(0),
		"at least once": delivery.AtLeastOnce,
		"at most once":  delivery.AtMostOnce,

		"2c70e12b7a0646f92279f427c7b38e73": delivery.KeyOf("key"), // of SHA-256
	} {
		require.Equal(t, want, value.String())
	}
}
