package natsqueue_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/natsqueue"
)

// laneItem is the n-th item of a lane.
func laneItem(lane string, n int) delivery.Item {
	body := fmt.Sprint(lane, " ", n)
	return delivery.Item{Key: delivery.KeyOf(body), Lane: lane, Body: []byte(body), Submitted: time.Now()}
}

// putMany puts items 0 to n-1, many at a time.
func putMany(t *testing.T, q *natsqueue.Queue, n int, it func(n int) delivery.Item) {
	t.Helper()
	var (
		wg   sync.WaitGroup
		next atomic.Int64
	)
	for range 64 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if added, err := q.Put(t.Context(), it(i)); err != nil || !added {
					t.Errorf("Put: added %v, error %v", added, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// drain leases and settles on several queues until n calls are settled, and checks that each came once.
func drain(t *testing.T, n int, queues ...*natsqueue.Queue) (by []int) {
	t.Helper()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = make(map[delivery.Key]struct{}, n)
	)
	by = make([]int, len(queues))
	begin := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i, q := range queues {
		wg.Go(func() {
			for {
				leases, err := q.Lease(ctx, 1000, nil)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("Lease: %v", err)
					return
				}
				done := make([]delivery.Settlement, len(leases))
				for k, l := range leases {
					done[k] = delivery.Settlement{Lease: l, Verdict: delivery.Done}
				}
				if err := q.Settle(t.Context(), done...); err != nil {
					t.Errorf("Settle: %v", err)
				}
				mu.Lock()
				for _, l := range leases {
					if _, ok := seen[l.Key]; ok {
						t.Errorf("%s came twice", l.ID)
					}
					seen[l.Key] = struct{}{}
				}
				by[i] += len(leases)
				if len(seen) == n {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, seen, n)
	t.Logf("%d drained in %v", n, time.Since(begin))
	eventually(t, "nothing is left", func() bool { return counts(t, queues[0]).Pending == 0 })
	return by
}

func TestQueue_SharesALongLane(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	a, b := open(t, connect(t, s)), open(t, connect(t, s))
	n := size(6000, 100_000)
	putMany(t, a, n, func(i int) delivery.Item { return laneItem("edge/1", i) })
	by := drain(t, n, a, b)
	require.Positive(t, by[0])
	require.Positive(t, by[1], "both take part")
}

func TestQueue_SharesManyLanes(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	a, b := open(t, connect(t, s)), open(t, connect(t, s))
	lanes := size(500, 5000)
	putMany(t, a, 3*lanes, func(i int) delivery.Item { return laneItem(fmt.Sprint("edge/", i%lanes), i/lanes) })
	list, err := b.Lanes(t.Context())
	require.NoError(t, err)
	require.Len(t, list, lanes)
	drain(t, 3*lanes, a, b)
}

func TestQueue_LeasesInOrderWhoeverLeases(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	a, b := open(t, connect(t, s)), open(t, connect(t, s))
	const n = 40
	for i := range n {
		_, err := a.Put(t.Context(), laneItem("edge/1", i))
		require.NoError(t, err)
	}
	for i := range n {
		q := a
		if i%2 == 1 {
			q = b
		}
		require.Equal(t, fmt.Sprint("edge/1 ", i), string(lease(t, q, 1)[0].Body))
	}
}

func TestQueue_HearsOfWhatOthersGiveBack(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	a, b := open(t, connect(t, s)), open(t, connect(t, s))
	const n = 20
	for i := range n {
		_, err := a.Put(t.Context(), laneItem("edge/1", i))
		require.NoError(t, err)
	}
	held := lease(t, a, n)
	got := make(chan *delivery.Lease, n)
	var wg sync.WaitGroup
	wg.Go(func() {
		for len(got) < n/2 {
			leases, err := b.Lease(t.Context(), n/2-len(got), nil)
			if err != nil {
				t.Errorf("Lease: %v", err)
				return
			}
			for _, l := range leases {
				got <- l
			}
		}
	})
	var back []delivery.Settlement
	for i := 0; i < n; i += 2 {
		back = append(back, delivery.Settlement{Lease: held[i], Verdict: delivery.Release})
	}
	require.NoError(t, a.Settle(t.Context(), back...))
	wg.Wait()
	for i := range n / 2 {
		require.Equal(t, held[2*i].ID, (<-got).ID)
	}
	require.NoError(t, b.Close()) // what b holds comes again a lease time later, not now
	for i := 1; i < n; i += 2 {
		require.NoError(t, a.Settle(t.Context(), delivery.Settlement{Lease: held[i], Verdict: delivery.Done}))
	}
	require.EqualValues(t, n/2, counts(t, a).Pending)
}

func TestQueue_LeasesAgainWhatADeadProcessHeld(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	dead := open(t, connect(t, s), natsqueue.WithLeaseTime(2*time.Second))
	const n = 100
	putMany(t, dead, n, func(i int) delivery.Item { return laneItem("edge/1", i) })
	held := lease(t, dead, n)
	settle(t, dead, held[10:20], delivery.Settlement{Verdict: delivery.Done})
	require.NoError(t, dead.Close())
	drain(t, n-10, open(t, connect(t, s)), open(t, connect(t, s)))
}

func TestQueue_FindsCallsInPlacesThatWereGivenAway(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	q := open(t, js)
	discardAll := func(n int) {
		t.Helper()
		putMany(t, q, n, func(i int) delivery.Item { return laneItem("edge/1", i) })
		drain(t, n, q)
	}
	discardAll(50)
	// A machine lost what it wrote last, but not the claims.
	s, err := js.Stream(t.Context(), "APPEVENTS")
	require.NoError(t, err)
	config := s.CachedInfo().Config
	require.NoError(t, js.DeleteStream(t.Context(), "APPEVENTS"))
	_, err = js.CreateStream(t.Context(), config)
	require.NoError(t, err)
	discardAll(20)
}

// lossy is JetStream that loses acknowledgements.
type lossy struct {
	jetstream.JetStream

	publish func(ctx context.Context, publish func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error)
}

func (l *lossy) PublishMsg(
	ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt,
) (*jetstream.PubAck, error) {
	return l.publish(ctx, func() (*jetstream.PubAck, error) { return l.JetStream.PublishMsg(ctx, msg, opts...) })
}

func TestPut_ReportsTheTruthAfterALostAcknowledgement(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	for name, test := range map[string]struct {
		stores    bool // the try whose acknowledgement is lost
		meanwhile func(t *testing.T, other *natsqueue.Queue)
		added     bool
	}{
		"it is stored":        {stores: true, added: true},
		"it is not stored":    {added: true},
		"another one came in": {meanwhile: func(t *testing.T, q *natsqueue.Queue) { t.Helper(); put(t, q, 1) }},
		"it is delivered by now": {
			stores: true, added: true,
			meanwhile: func(t *testing.T, q *natsqueue.Queue) { t.Helper(); discard(t, q, 1) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := &lossy{JetStream: connect(t, s)}
			named := natsqueue.WithName("TEST-" + fmt.Sprint(len(name)))
			other := open(t, js.JetStream, named)
			tries := 0
			js.publish = func(_ context.Context, publish func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) {
				if tries++; tries > 1 {
					return publish()
				}
				if test.stores {
					_, err := publish()
					require.NoError(t, err)
				}
				if test.meanwhile != nil {
					test.meanwhile(t, other)
				}
				return nil, context.DeadlineExceeded
			}
			q := open(t, js, named)
			added, err := q.Put(t.Context(), item(1))
			require.NoError(t, err)
			require.Equal(t, test.added, added)
			require.Equal(t, 2, tries)
			c := counts(t, q)
			require.EqualValues(t, 1, c.Stored)
			require.Equal(t, !test.added, c.Duplicates == 1)
			added, err = q.Put(t.Context(), item(1))
			require.NoError(t, err)
			require.False(t, added)
		})
	}
}

func put(t *testing.T, q *natsqueue.Queue, n int) {
	t.Helper()
	added, err := q.Put(t.Context(), item(n))
	require.NoError(t, err)
	require.True(t, added)
}

func TestUnbury_OfThousands(t *testing.T) {
	t.Parallel()
	q := open(t, connect(t, startServer(t, nil)))
	n := size(1500, 20_000)
	putMany(t, q, n, item)
	for buried := 0; buried < n; {
		leases, err := q.Lease(t.Context(), 1000, nil)
		require.NoError(t, err)
		list := make([]delivery.Settlement, len(leases))
		for i, l := range leases {
			list[i] = delivery.Settlement{Lease: l, Verdict: delivery.Bury, Reason: delivery.ReasonRefused, Error: "no"}
		}
		require.NoError(t, q.Settle(t.Context(), list...))
		buried += len(leases)
	}
	list, err := q.Buried(t.Context(), "", n+1)
	require.NoError(t, err)
	require.Len(t, list, n)
	all := make([]delivery.Unburial, n)
	for i := range list {
		all[i] = delivery.Unburial{ID: list[i].ID, Again: &list[i].Item}
	}
	// Every second one of the first 1,200 is discarded, so that there are many gaps, then fewer, then none.
	discarded := make([]delivery.Unburial, 0, 600)
	for i := 1; i < 1200; i += 2 {
		discarded = append(discarded, delivery.Unburial{ID: list[i].ID})
	}
	done, err := q.Unbury(t.Context(), discarded...)
	require.NoError(t, err)
	require.Len(t, discarded, done)
	missing := []delivery.Unburial{{ID: "x"}, all[0], {ID: "987654321"}}
	begin := time.Now()
	done, err = q.Unbury(t.Context(), slices.Concat(all, missing)...)
	t.Logf("%d unburied in %v", done, time.Since(begin))
	require.ErrorIs(t, err, delivery.ErrNotFound)
	n -= len(discarded)
	require.Equal(t, n, done)
	c := counts(t, q)
	require.EqualValues(t, n, c.Pending)
	require.Zero(t, c.Dropped)
	require.Zero(t, c.Kept)
	drain(t, n, q)
}

func TestQueue_KeepsBuriedCallsAsLongAsToldAndCountsTheRest(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	config := func() jetstream.StreamConfig {
		s, err := js.Stream(t.Context(), "APPEVENTS_BURIED")
		require.NoError(t, err)
		return s.CachedInfo().Config
	}
	bury := func(q *natsqueue.Queue, from, to int) {
		t.Helper()
		for n := from; n < to; n++ {
			put(t, q, n)
			settle(t, q, lease(t, q, 1), delivery.Settlement{Verdict: delivery.Bury, Reason: delivery.ReasonRefused})
		}
	}
	q := open(t, js, natsqueue.WithMaxBytes(100<<20))
	require.Equal(t, 30*24*time.Hour, config().MaxAge)
	require.EqualValues(t, 250_000, config().MaxMsgs)
	require.EqualValues(t, 25<<20, config().MaxBytes)
	bury(q, 0, 10)
	list, err := q.Buried(t.Context(), "", 3)
	require.NoError(t, err)
	_, err = q.Unbury(t.Context(), delivery.Unburial{ID: list[0].ID}, delivery.Unburial{ID: list[2].ID})
	require.NoError(t, err)

	open(t, js, natsqueue.WithBuriedLimit(4))
	require.EqualValues(t, 4, config().MaxMsgs)
	require.Equal(t, 30*24*time.Hour, config().MaxAge, "what no option asks for is as it is")
	open(t, js)
	require.EqualValues(t, 4, config().MaxMsgs)
	c := counts(t, q)
	require.Equal(t, []int64{10, 4, 4}, []int64{c.Buried, c.Kept, c.Dropped})
	bury(q, 10, 12)
	c = counts(t, q)
	require.Equal(t, []int64{12, 4, 6}, []int64{c.Buried, c.Kept, c.Dropped})

	// The figure outlives everything else in the bucket.
	s, err := js.Stream(t.Context(), "KV_APPEVENTS_STATE")
	require.NoError(t, err)
	state := s.CachedInfo().Config
	state.MaxAge, state.Duplicates = 100*time.Millisecond, 100*time.Millisecond
	_, err = js.UpdateStream(t.Context(), state)
	require.NoError(t, err)
	eventually(t, "the others are gone", func() bool {
		info, err := s.Info(t.Context())
		return err == nil && info.State.Msgs == 1
	})
	require.EqualValues(t, 6, counts(t, q).Dropped)
}

func TestQueue_BuriedCallsLeaveRoomForNewOnes(t *testing.T) {
	t.Parallel()
	q := open(t, connect(t, startServer(t, nil)), natsqueue.WithMaxBytes(1<<20))
	it := item(0)
	it.Body = make([]byte, 100<<10)
	for n := range 50 {
		it.Key = delivery.KeyOf(fmt.Sprint(n))
		_, err := q.Put(t.Context(), it)
		require.NoError(t, err)
		settle(t, q, lease(t, q, 1), delivery.Settlement{Verdict: delivery.Bury, Reason: delivery.ReasonRefused})
	}
	c := counts(t, q)
	require.EqualValues(t, 50, c.Kept+c.Dropped)
	require.Positive(t, c.Dropped)
	require.Positive(t, c.Kept)
}

// dayOff is a clock that is a day ahead, or behind.
func dayOff(days int) natsqueue.Option {
	return natsqueue.WithClock(func() time.Time { return time.Now().Add(time.Duration(days) * 24 * time.Hour).Round(0) })
}

func TestQueue_TakesTheServersTime(t *testing.T) {
	t.Parallel()
	for _, days := range []int{-1, 1} {
		t.Run(fmt.Sprint(days), func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil)
			off, right := open(t, connect(t, s), dayOff(days)), open(t, connect(t, s))
			theirs := time.Now().Add(time.Duration(days) * 24 * time.Hour)

			it := laneItem("edge/1", 1)
			it.Submitted, it.Expires = theirs, theirs.Add(time.Hour)
			_, err := off.Put(t.Context(), it)
			require.NoError(t, err)
			l := lease(t, right, 1)[0]
			require.WithinDuration(t, time.Now(), l.Submitted, time.Minute)
			require.WithinDuration(t, time.Now().Add(time.Hour), l.Expires, time.Minute)
			require.NoError(t, right.Settle(t.Context(), delivery.Settlement{Lease: l, Verdict: delivery.Release}))
			l = lease(t, off, 1)[0]
			require.WithinDuration(t, it.Expires, l.Expires, time.Minute)

			require.NoError(t, off.Settle(t.Context(), delivery.Settlement{
				Lease: l, Verdict: delivery.Retry, At: theirs.Add(200 * time.Millisecond), Error: "busy",
			}))
			l = lease(t, right, 1)[0]
			require.NoError(t, off.Pause(t.Context(), delivery.Pause{Lane: "edge/2", Until: theirs.Add(time.Hour)}))
			for q, want := range map[*natsqueue.Queue]time.Time{off: theirs.Add(time.Hour), right: time.Now().Add(time.Hour)} {
				eventually(t, "the pause is known", func() bool { return counts(t, q).PausedLanes == 1 })
				lanes, err := q.Lanes(t.Context())
				require.NoError(t, err)
				require.WithinDuration(t, want, lanes[1].PausedUntil, time.Minute)
			}
			require.NoError(t, right.Settle(t.Context(), delivery.Settlement{
				Lease: l, Verdict: delivery.Bury, Reason: delivery.ReasonRefused,
			}))
			list, err := off.Buried(t.Context(), "", 1)
			require.NoError(t, err)
			require.WithinDuration(t, theirs, list[0].BuriedAt, time.Minute)
			require.WithinDuration(t, it.Expires, list[0].Expires, time.Minute)
		})
	}
}

func TestQueue_KeepsLeasesApartWhoseClocksDiffer(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	right := open(t, connect(t, s))
	_, err := right.Put(t.Context(), item(1))
	require.NoError(t, err)
	held := lease(t, right, 1)
	for _, days := range []int{-1, 1} {
		q := open(t, connect(t, s), dayOff(days))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := q.Lease(ctx, 1, nil)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, "somebody else holds it")
	}
	settle(t, right, held, delivery.Settlement{Verdict: delivery.Done})
}

// slow is JetStream whose first answer about the lanes takes until it is let go.
type slow struct {
	jetstream.JetStream

	asked func()
	goOn  chan struct{}
}

func (s *slow) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	stream, err := s.JetStream.Stream(ctx, name)
	if err != nil || name != "APPEVENTS" {
		return stream, err
	}
	return &slowStream{Stream: stream, slow: s}, nil
}

type slowStream struct {
	jetstream.Stream

	slow *slow
}

func (s *slowStream) Info(ctx context.Context, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	if len(opts) > 0 {
		s.slow.asked()
		select {
		case <-s.slow.goOn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.Stream.Info(ctx, opts...)
}

func TestLease_KnowsAllLanesBeforeItTakesTurns(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	other := open(t, connect(t, s))
	for n := range 20 {
		_, err := other.Put(t.Context(), laneItem("edge/long", n))
		require.NoError(t, err)
	}
	_, err := other.Put(t.Context(), laneItem("edge/short", 1))
	require.NoError(t, err)

	asked := make(chan struct{})
	js := &slow{
		JetStream: connect(t, s), asked: sync.OnceFunc(func() { close(asked) }), goOn: make(chan struct{}),
	}
	q := open(t, js)
	got := make(chan []*delivery.Lease, 1)
	go func() {
		leases, err := q.Lease(t.Context(), 10, nil)
		if err != nil {
			t.Errorf("Lease: %v", err)
		}
		got <- leases
	}()
	<-asked
	_, err = other.Put(t.Context(), laneItem("edge/long", 20)) // q hears of this lane alone
	require.NoError(t, err)
	require.NoError(t, js.Conn().Flush())
	close(js.goOn)
	lanes := map[string]int{}
	for _, l := range <-got {
		lanes[l.Lane]++
	}
	require.Equal(t, 1, lanes["edge/short"], "%v", lanes)
}
