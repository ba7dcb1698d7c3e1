package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/graphtest"
)

// list returns the buried calls.
func (b *bench) list() (all []delivery.BuriedCall) {
	b.Helper()
	for call, err := range b.Buried(context.Background()) {
		require.NoError(b, err)
		all = append(all, call)
	}
	return all
}

// again replaces the dispatcher: one runs once.
func (b *bench) again() {
	b.Helper()
	d, err := delivery.New(b.client, b.queue)
	require.NoError(b, err)
	b.Dispatcher = d
}

func TestBuried_CanBeInspectedResubmittedAndDiscarded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.graph.Inject(graphtest.Transient, graphtest.Times(3, graphtest.Error(100, 0)))
		submitted := time.Now()
		for n := range 3 {
			b.submit(fmt.Sprint(n), activity(901, n+1, fmt.Sprint("event", n)))
		}
		b.drain()
		all := b.list()
		require.Len(t, all, 3)
		most := 0
		for _, call := range all {
			require.Equal(t, "activities/901", call.Lane)
			require.Equal(t, delivery.ReasonRefused, call.Reason)
			require.Contains(t, call.LastError, "graph error 100")
			require.Equal(t, submitted, call.Submitted)
			require.False(t, call.BuriedAt.Before(submitted))
			most = max(most, call.Attempts)
			if call.Attempts > 1 {
				require.Contains(t, call.FirstError, "graph error 2 (HTTP 500)")
			}
		}
		require.Equal(t, 2, most)

		// Graph takes it now: one goes again as it is, one fixed, one not at all.
		b.again()
		fixed := *all[1].Call.(*appevents.Activity)
		fixed.Events = []appevents.Event{event("fixed")}
		require.NoError(t, b.Resubmit(t.Context(), all[0].ID, nil))
		require.NoError(t, b.Resubmit(t.Context(), all[1].ID, &fixed))
		require.NoError(t, b.Discard(t.Context(), all[2].ID))
		b.invariant(b.Stats())
		b.drain()
		want := all[0].Call.(*appevents.Activity).Events[0].ID
		require.Equal(t, map[string]int{want: 1, "fixed": 1}, arrived(b.graph))
		require.Empty(t, b.list())
		s := b.Stats()
		require.Equal(t, [4]int64{5, 2, 3, 0}, [4]int64{s.Accepted, s.Delivered, s.Buried, s.Kept})

		for _, id := range []string{all[0].ID, all[2].ID, "", "none"} {
			require.ErrorIs(t, b.Resubmit(t.Context(), id, nil), delivery.ErrNotFound)
			require.ErrorIs(t, b.Discard(t.Context(), id), delivery.ErrNotFound)
		}
	})
}

func TestResubmit_ValidatesTheFix(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.graph.Inject(graphtest.Error(100, 0))
		b.submit("1", activity(901, 7, "a"))
		b.drain()
		var invalid *appevents.ValidationError
		require.ErrorAs(t, b.Resubmit(t.Context(), b.list()[0].ID, &appevents.Activity{}), &invalid)
		require.Len(t, b.list(), 1)
	})
}

func TestBuried_ListsManyAndStopsEarly(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithMaxAge(time.Second)}})
		for n := range 250 {
			b.submit(fmt.Sprint(n), activity(901, n+1, "a"))
		}
		after(time.Minute)
		b.drain()
		require.Len(t, b.list(), 250)
		n := 0
		for call, err := range b.Buried(t.Context()) {
			require.NoError(t, err)
			require.NoError(t, b.Discard(t.Context(), call.ID), "calls may be discarded on the way")
			if n++; n == 150 {
				break
			}
		}
		require.Len(t, b.list(), 100)
		require.NoError(t, b.queue.Close())
		for _, err := range b.Buried(t.Context()) {
			require.ErrorIs(t, err, delivery.ErrClosed)
		}
	})
}

func TestBuried_SaysWhenTheQueueCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, setup{})
	require.NoError(t, b.queue.Close())
	var errs []error
	for _, err := range b.Buried(t.Context()) {
		errs = append(errs, err)
	}
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], delivery.ErrClosed)
	require.ErrorIs(t, b.Resubmit(t.Context(), "1", nil), delivery.ErrClosed)
	require.ErrorIs(t, b.Discard(t.Context(), "1"), delivery.ErrClosed)
}

// A webhook that comes again after its call was submitted again logs nothing.
func TestResubmit_KeepsTheKey(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		b.graph.Inject(graphtest.Error(100, 0))
		item, err := b.Item("key", activity(901, 7, "a"))
		require.NoError(t, err)
		b.submit("key", activity(901, 7, "a"))
		b.drain()
		require.NoError(t, b.Resubmit(t.Context(), b.list()[0].ID, nil))
		b.submit("key", activity(901, 7, "a"))
		require.EqualValues(t, 1, b.Stats().Duplicates)
		leases, err := b.queue.Lease(t.Context(), 10, nil)
		require.NoError(t, err)
		require.Len(t, leases, 1)
		require.Equal(t, item.Key, leases[0].Key)
	})
}

func TestResubmitAll_TakesThoseThatMatchOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithMaxAge(time.Second)}})
		const calls = 1200 // some pages of them
		for n := range calls {
			b.submit(fmt.Sprint(n), activity(901+n%2, n+1, fmt.Sprint(n)))
		}
		_, err := b.queue.Put(t.Context(), delivery.Item{
			Lane: "activities/901", Body: []byte("garbage"), Submitted: time.Now(), Expires: time.Now().Add(time.Second),
		})
		require.NoError(t, err)
		after(time.Minute)
		b.drain()
		odd := func(c delivery.BuriedCall) bool { return c.Lane == "activities/902" }
		n, err := b.DiscardAll(t.Context(), func(c delivery.BuriedCall) bool { return odd(c) && strings.HasSuffix(c.ID, "7") })
		require.NoError(t, err)
		require.Positive(t, n)
		again, err := b.ResubmitAll(t.Context(), odd)
		require.NoError(t, err)
		require.Equal(t, calls/2, n+again)
		require.EqualValues(t, calls/2+1, b.Stats().Kept)

		b.again()
		b.run()
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		require.Len(t, arrived(b.graph), again)
		again, err = b.ResubmitAll(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, calls/2, again, "what cannot be read stays")
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		n, err = b.DiscardAll(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		b.stop()

		require.NoError(t, b.queue.Close())
		_, err = b.ResubmitAll(t.Context(), nil)
		require.ErrorIs(t, err, delivery.ErrClosed)
		_, err = b.DiscardAll(t.Context(), nil)
		require.ErrorIs(t, err, delivery.ErrClosed)
	})
}

func TestBuriedFrom_StartsThere(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{opts: []delivery.Option{delivery.WithMaxAge(time.Second)}})
		for n := range 5 {
			b.submit(fmt.Sprint(n), activity(901, n+1, "a"))
		}
		after(time.Minute)
		b.drain()
		all := b.list()
		var rest []string
		for call, err := range b.BuriedFrom(t.Context(), all[3].ID) {
			require.NoError(t, err)
			rest = append(rest, call.ID)
		}
		require.Equal(t, []string{all[3].ID, all[4].ID}, rest)
	})
}
