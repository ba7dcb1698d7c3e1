package natsqueue_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/natsqueue"
	"github.com/appevents/appevents-go/graphtest"
)

func item(n int) delivery.Item {
	return delivery.Item{
		Key: delivery.KeyOf(fmt.Sprint(n)), Lane: "edge/1", Body: bytes.Repeat([]byte("x"), 500), Submitted: time.Now(),
	}
}

// lease leases n items.
func lease(t *testing.T, q *natsqueue.Queue, n int) (all []*delivery.Lease) {
	t.Helper()
	for len(all) < n {
		leases, err := q.Lease(t.Context(), n-len(all), nil)
		require.NoError(t, err)
		all = append(all, leases...)
	}
	return all
}

func settle(t *testing.T, q *natsqueue.Queue, leases []*delivery.Lease, s delivery.Settlement) {
	t.Helper()
	for _, l := range leases {
		s.Lease = l
		require.NoError(t, q.Settle(t.Context(), s))
	}
}

// discard takes n items out.
func discard(t *testing.T, q *natsqueue.Queue, n int) {
	t.Helper()
	settle(t, q, lease(t, q, n), delivery.Settlement{Verdict: delivery.Done})
}

func counts(t *testing.T, q *natsqueue.Queue) delivery.Counts {
	t.Helper()
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	return c
}

func TestDispatchers_ShareAStream(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	var healed atomic.Bool
	graph := graphtest.NewServer(t, graphtest.WithFaults(func(c graphtest.Call) graphtest.Fault {
		for _, e := range c.Events {
			if e.ID == "event-7" && !healed.Load() {
				return graphtest.Error(100, 0)
			}
		}
		return nil
	}))
	graph.Inject(graphtest.Transient, graphtest.Transient)
	// Two machines: connections, queues and dispatchers of their own.
	a := dispatcher(t, graph, open(t, connect(t, s)))
	b := dispatcher(t, graph, open(t, connect(t, s)))
	stopRunning := running(t, a, b)
	events := size(1000, 20_000)
	var wg sync.WaitGroup
	for _, d := range []*delivery.Dispatcher{a, b} { // each webhook reaches both machines
		wg.Go(func() {
			for n := range events {
				id := fmt.Sprint("event-", n)
				if err := d.Submit(t.Context(), id, activity(n, id)); err != nil {
					t.Errorf("Submit: %v", err)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "all are settled", func() bool { return a.Stats().Pending == 0 })
	stopRunning()
	for id, n := range arrived(graph) {
		require.Equal(t, 1, n, id)
	}
	sa, sb := a.Stats(), b.Stats()
	require.EqualValues(t, events, sa.Duplicates+sb.Duplicates)
	require.Positive(t, sa.Requests)
	require.Positive(t, sb.Requests, "both took part")
	require.Positive(t, sa.Buried)
	require.Len(t, arrived(graph), int(sa.Delivered))

	later := open(t, connect(t, s))
	for _, s := range []delivery.Stats{sa, sb, dispatcher(t, graph, later).Stats()} {
		balanced(t, s)
		require.EqualValues(t, events, s.Delivered+s.Buried)
		require.Equal(t, sa.Buried, s.Buried)
	}
	healed.Store(true)
	for again := range 2 { // what was refused is delivered after all, once
		list, err := later.Buried(t.Context(), "", events)
		require.NoError(t, err)
		require.Len(t, list, int(sa.Kept)*(1-again))
		for _, l := range list {
			require.NoError(t, dispatcher(t, graph, later).Resubmit(t.Context(), l.ID, nil))
			_, err := later.Unbury(t.Context(), delivery.Unburial{ID: l.ID})
			require.ErrorIs(t, err, delivery.ErrNotFound)
		}
	}
	c := dispatcher(t, graph, later)
	stopRunning = running(t, c)
	eventually(t, "all are delivered", func() bool { return c.Stats().Pending == 0 })
	stopRunning()
	got := arrived(graph)
	require.Len(t, got, events)
	for id, n := range got {
		require.Equal(t, 1, n, id)
	}
	balanced(t, c.Stats())
}

func TestQueue_SharesPauses(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	a, b := open(t, connect(t, s)), open(t, connect(t, s))
	paused := func(q *natsqueue.Queue) int { return counts(t, q).PausedLanes }
	until := time.Now().Add(time.Hour)
	require.NoError(t, a.Pause(t.Context(), delivery.Pause{Lane: "edge/1", Until: until}))
	eventually(t, "the other learns of it", func() bool { return paused(b) == 1 })

	require.NoError(t, b.Pause(t.Context(), delivery.Pause{Lane: "edge/1"}))
	require.NoError(t, b.Pause(t.Context(), delivery.Pause{Lane: "edge/1", Until: time.Now().Add(time.Minute)}))
	c := open(t, connect(t, s))
	require.Equal(t, 1, paused(c), "a longer pause of somebody else stays, also for who comes later")

	require.NoError(t, a.Pause(t.Context(), delivery.Pause{Lane: "edge/1"}))
	for _, q := range []*natsqueue.Queue{a, b, c} {
		eventually(t, "who began it ends it", func() bool { return paused(q) == 0 })
	}
	require.NoError(t, a.Pause(t.Context(), delivery.Pause{Lane: "edge/2"}), "what is not paused need not be ended")
}

func TestQueue_KnowsHowOldACallIsWhereverItWaits(t *testing.T) {
	t.Parallel()
	q := open(t, connect(t, startServer(t, nil)))
	old := item(1)
	old.Submitted = time.Now().Add(-3 * time.Hour).Round(0)
	_, err := q.Put(t.Context(), old)
	require.NoError(t, err)
	require.WithinDuration(t, old.Submitted, counts(t, q).Oldest, 0)
	settle(t, q, lease(t, q, 1), delivery.Settlement{
		Verdict: delivery.Retry, At: time.Now().Add(time.Hour), Error: "busy",
	})
	require.WithinDuration(t, old.Submitted, counts(t, q).Oldest, 0)
}

func TestQueue_ForgetsMarksOfWhatIsSettled(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	q := open(t, js)
	for n, verdict := range []delivery.Verdict{delivery.Done, delivery.Retry, delivery.Bury, delivery.Release} {
		_, err := q.Put(t.Context(), item(n))
		require.NoError(t, err)
		l := lease(t, q, 1)
		settle(t, q, l, delivery.Settlement{Verdict: delivery.Begin})
		settle(t, q, l, delivery.Settlement{
			Verdict: verdict, At: time.Now().Add(time.Hour), Reason: delivery.ReasonRefused, Error: "error",
		})
	}
	require.False(t, lease(t, q, 1)[0].Begun, "what was given back was not sent")
	s, err := js.Stream(t.Context(), "KV_APPEVENTS_STATE")
	require.NoError(t, err)
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter("$KV.APPEVENTS_STATE.begun.>"))
	require.NoError(t, err)
	require.Empty(t, info.State.Subjects, "nothing is left, not even a marker")
}

func TestQueue_SettlesWhatTheServerForgotItHandedOut(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	q := open(t, js)
	for n := range 3 {
		_, err := q.Put(t.Context(), item(n))
		require.NoError(t, err)
	}
	leases := lease(t, q, 3)
	settle(t, q, leases[2:], delivery.Settlement{Verdict: delivery.Begin})
	// What the death of a machine can do: nobody knows any more what is leased.
	purge(t, js, "KV_APPEVENTS_STATE", "$KV.APPEVENTS_STATE.lane.>")
	require.NoError(t, q.Settle(t.Context(),
		delivery.Settlement{Lease: leases[0], Verdict: delivery.Done},
		delivery.Settlement{Lease: leases[1], Verdict: delivery.Bury, Reason: delivery.ReasonRefused, Error: "no"},
	))
	c := counts(t, q)
	require.Equal(t, []int64{3, 1, 1, 1}, []int64{c.Stored, c.Delivered, c.Buried, c.Pending})
	again := lease(t, open(t, js), 1)[0]
	require.Equal(t, leases[2].ID, again.ID, "what was not settled is handed out again")
	require.True(t, again.Begun)
}

func purge(t *testing.T, js jetstream.JetStream, stream, subject string) {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSubject(subject)))
}

func TestQueue_MovesACallThatHasThePlaceOfAnother(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	var bodies []string
	for n := range 2 {
		q := open(t, js)
		it := item(n)
		it.Body = []byte(it.Key.String())
		_, err := q.Put(t.Context(), it)
		require.NoError(t, err)
		settle(t, q, lease(t, q, 1), delivery.Settlement{Verdict: delivery.Bury, Reason: delivery.ReasonRefused})
		bodies = append(bodies, string(it.Body))
		// A machine that loses what it wrote last gives its places away again.
		require.NoError(t, js.DeleteStream(t.Context(), "APPEVENTS"))
	}
	list, err := open(t, js).Buried(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	for i, b := range list {
		require.Equal(t, bodies[i], string(b.Body))
	}
}

func TestQueue_LeavesNothingBehindWhenClosed(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	_, err := js.AccountInfo(t.Context()) // for the subscription all requests share
	require.NoError(t, err)
	before := js.Conn().NumSubscriptions()
	q := open(t, js)
	opened := js.Conn().NumSubscriptions()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := q.Lease(t.Context(), 1, nil); err == nil {
				t.Error("there was nothing to lease")
			}
		})
	}
	eventually(t, "they wait", func() bool { return js.Conn().NumSubscriptions() > opened })
	require.NoError(t, q.Close())
	wg.Wait()
	eventually(t, "all subscriptions are gone", func() bool { return js.Conn().NumSubscriptions() == before })
}

func TestQueue_RefusesWhenTheStreamIsFull(t *testing.T) {
	t.Parallel()
	q := open(t, connect(t, startServer(t, nil)), natsqueue.WithMaxBytes(20_000))
	fill := func(from int) (stored int) {
		for n := from; ; n++ {
			added, err := q.Put(t.Context(), item(n))
			if err != nil {
				require.ErrorIs(t, err, delivery.ErrFull)
				return n - from
			}
			require.True(t, added)
			require.Less(t, n-from, 100)
		}
	}
	stored := fill(0)
	require.EqualValues(t, stored, counts(t, q).Pending, "what was there is still there")
	discard(t, q, 1)
	_, err := q.Put(t.Context(), item(1000))
	require.NoError(t, err, "there is room again")

	// An outage: every call is put off.
	settle(t, q, lease(t, q, stored), delivery.Settlement{
		Verdict: delivery.Retry, At: time.Now().Add(time.Hour), Error: "unavailable",
	})
	total := stored
	for n := 2000; ; n += 1000 {
		more := 0
		eventually(t, "the limit counts what waits for later", func() bool {
			added, err := q.Put(t.Context(), item(n+more))
			if err == nil && added {
				more++
			}
			return err != nil
		})
		total += more
		if more == 0 {
			break
		}
		settle(t, q, lease(t, q, more), delivery.Settlement{
			Verdict: delivery.Retry, At: time.Now().Add(time.Hour), Error: "unavailable",
		})
	}
	// How much passes before the room is looked at again depends on the machine. Without the limit there would be no end.
	require.Less(t, total, 6*stored)
	require.EqualValues(t, total, counts(t, q).Pending)
}

func TestQueue_RefusesWhenTheServerIsFull(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(o *server.Options) { o.JetStreamMaxStore = 100_000 })
	q := open(t, connect(t, s))
	for n := range 1000 {
		if _, err := q.Put(t.Context(), item(n)); err != nil {
			require.ErrorIs(t, err, delivery.ErrFull)
			require.Positive(t, n)
			return
		}
	}
	t.Fatal("100,000 bytes hold everything")
}

func TestQueue_RefusesWhatTheServerDoesNotTake(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(o *server.Options) { o.MaxPayload = 64 << 10 })
	q := open(t, connect(t, s))
	large := item(1)
	large.Body = bytes.Repeat([]byte("x"), 60<<10)
	_, err := q.Put(t.Context(), large)
	require.ErrorIs(t, err, delivery.ErrTooLarge)
	large.Body = large.Body[:50<<10]
	_, err = q.Put(t.Context(), large)
	require.NoError(t, err)
}

func TestQueue_HandsOutLargeCallsInPortions(t *testing.T) {
	t.Parallel()
	q := open(t, connect(t, startServer(t, nil)))
	largeCalls(t, q)
}

// largeCalls are more bytes than a server sends at a time.
func largeCalls(t *testing.T, q *natsqueue.Queue) {
	t.Helper()
	const calls = 80
	it := item(0)
	it.Body = bytes.Repeat([]byte("x"), delivery.MaxBody)
	for n := range calls {
		it.Key = delivery.KeyOf(fmt.Sprint("large ", n))
		_, err := q.Put(t.Context(), it)
		require.NoError(t, err)
	}
	discard(t, q, 1) // it learns how large they are
	leases, err := q.Lease(t.Context(), calls, nil)
	require.NoError(t, err)
	require.Less(t, len(leases), calls-1)
	settle(t, q, leases, delivery.Settlement{Verdict: delivery.Bury, Reason: delivery.ReasonRefused})
	list, err := q.Buried(t.Context(), "", calls) // these too
	require.NoError(t, err)
	require.Len(t, list, len(leases))
	discard(t, q, calls-1-len(leases))
	eventually(t, "all are gone", func() bool { return counts(t, q).Pending == 0 })
}

func TestOpen_RefusesNonsense(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	for name, opt := range map[string]natsqueue.Option{
		"WithName":      natsqueue.WithName("a.b"),
		"WithReplicas":  natsqueue.WithReplicas(2),
		"WithLeaseTime": natsqueue.WithLeaseTime(0),
		"WithWindow":    natsqueue.WithWindow(0),
		"WithBuriedAge": natsqueue.WithBuriedAge(0),
		"WithMaxBytes":  natsqueue.WithMaxBytes(-1),
		"nil":           nil,
	} {
		_, err := natsqueue.Open(t.Context(), js, opt)
		var config *appevents.ConfigError
		require.ErrorAs(t, err, &config)
		require.ErrorContains(t, err, name)
	}
	_, err := natsqueue.Open(t.Context(), nil)
	require.ErrorContains(t, err, "js is nil")
	_, err = natsqueue.Open(t.Context(), js, natsqueue.WithReplicas(3))
	require.ErrorContains(t, err, "replicas > 1 not supported in non-clustered mode")
}

func TestOpen_RefusesStreamsThatDoNotSuit(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	for i, test := range []struct {
		stream string
		change func(*jetstream.StreamConfig)
		want   string
	}{
		{"", func(c *jetstream.StreamConfig) { c.Retention = jetstream.LimitsPolicy }, "something else"},
		{"", func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, c.Name+".more") }, "something else"},
		{"", func(c *jetstream.StreamConfig) { c.NoAck = true }, "something else"},
		{"", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "in memory"},
		{"", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, "before it has written"},
		{"", func(c *jetstream.StreamConfig) { c.MaxAge = 30 * 24 * time.Hour }, "drops messages"},
		{"", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1000 }, "drops messages"},
		{"", func(c *jetstream.StreamConfig) { c.Discard, c.MaxMsgs = jetstream.DiscardOld, 1000 }, "drops messages"},
		{"", func(c *jetstream.StreamConfig) { c.Discard, c.MaxBytes = jetstream.DiscardOld, 1<<20 }, "drops messages"},
		{"", func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute }, "WithWindow"},
		{"", func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 21 }, "WithMaxBytes"},
		{"_LATER", func(c *jetstream.StreamConfig) { c.DenyDelete = true }, "something else"},
		{"_LATER", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour * 24 }, "drops messages"},
		{"_BURIED", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, "something else"},
		{"_STATE", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, "keeps its entries for 1h0m0s only"},
		{"_STATE", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "in memory"},
		{"", func(c *jetstream.StreamConfig) { c.Description = "ours" }, ""},
	} {
		t.Run(fmt.Sprint(i, " ", test.stream, " ", test.want), func(t *testing.T) {
			t.Parallel()
			js := connect(t, s)
			name := fmt.Sprint("TEST-", i)
			opts := []natsqueue.Option{
				natsqueue.WithName(name), natsqueue.WithWindow(time.Hour), natsqueue.WithMaxBytes(1 << 20),
			}
			require.NoError(t, open(t, js, opts...).Close())
			full := name + test.stream
			if test.stream == "_STATE" {
				full = "KV_" + full
			}
			stream, err := js.Stream(t.Context(), full)
			require.NoError(t, err)
			config := stream.CachedInfo().Config
			require.NoError(t, js.DeleteStream(t.Context(), full))
			test.change(&config)
			_, err = js.CreateStream(t.Context(), config)
			require.NoError(t, err)
			_, err = natsqueue.Open(t.Context(), js, opts...)
			if test.want != "" {
				require.ErrorContains(t, err, "stream "+full)
				require.ErrorContains(t, err, test.want)
			} else {
				require.NoError(t, err)
			}
			if strings.HasPrefix(test.want, "With") { // what no option asks for is as it is
				open(t, js, natsqueue.WithName(name))
			}
		})
	}
}

func TestOpen_ByManyAtOnce(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	var wg sync.WaitGroup
	for n := range 8 {
		js := connect(t, s)
		wg.Go(func() {
			q, err := natsqueue.Open(t.Context(), js, natsqueue.WithLeaseTime(time.Minute+time.Duration(n)*time.Second),
				natsqueue.WithWindow(48*time.Hour-time.Duration(n)*time.Minute))
			if err == nil {
				err = q.Close()
			} else if strings.Contains(err.Error(), "WithWindow") {
				err = nil // somebody with a shorter one came first
			}
			if err != nil {
				t.Errorf("Open: %v", err)
			}
		})
	}
	wg.Wait()
	open(t, connect(t, s))
}

func TestQueue_SaysWhatItMayNot(t *testing.T) {
	t.Parallel()
	may := func(deny ...string) *server.Permissions {
		return &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{">"}, Deny: deny}}
	}
	s := startServer(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "owner", Password: "p"},
			{Username: "reader", Password: "p", Permissions: may(
				"APPEVENTS.calls.>", "$JS.API.STREAM.CREATE.>", "$JS.API.CONSUMER.CREATE.APPEVENTS.>", "$JS.API.CONSUMER.DURABLE.>")},
			{Username: "nobody", Password: "p", Permissions: may("$JS.API.STREAM.>")},
		}
	})
	as := func(user string) jetstream.JetStream {
		return connectTo(t, strings.Replace(s.ClientURL(), "://", "://"+user+":p@", 1))
	}
	open(t, as("owner"))
	q := open(t, as("reader")) // making things is not needed when they exist
	// Servers do not answer what they do not allow, so that it takes a while.
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := q.Put(ctx, item(1))
	require.ErrorIs(t, err, nats.ErrPermissionViolation)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "APPEVENTS.calls")
	ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = natsqueue.Open(ctx, as("nobody"))
	require.ErrorIs(t, err, nats.ErrPermissionViolation)
}

func TestQueue_WaitsNoLongerThanItsCaller(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	js := connect(t, s)
	q := open(t, js)
	stop(s)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := q.Put(ctx, item(1))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = q.Counts(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = natsqueue.Open(ctx, js)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	put := make(chan error, 1)
	go func() {
		_, err := q.Put(t.Context(), item(1))
		put <- err
	}()
	require.NoError(t, q.Close())
	require.ErrorIs(t, <-put, delivery.ErrClosed)
}

func TestQueue_StoresNothingSecretOrPersonal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, func(o *server.Options) { o.StoreDir = dir })
	graph := graphtest.NewServer(t)
	graph.Inject(graphtest.Transient, graphtest.Error(100, 0), graphtest.Error(190, 463))
	d := dispatcher(t, graph, open(t, connect(t, s)), delivery.WithPolicy(delivery.AtMostOnce))
	call := activity(1, "event")
	call.UserData = appevents.UserData{Email: "email.canary@example.com", Phone: "+1 650 555 0100", FirstName: "Namecanary"}
	require.NoError(t, d.Submit(t.Context(), "key-canary@example.com", call))
	stopRunning := running(t, d)
	eventually(t, "it is buried", func() bool { return d.Stats().Buried == 1 })
	require.NoError(t, d.Submit(t.Context(), "another key-canary@example.com", call))
	eventually(t, "the token is refused", func() bool { return graph.Count() >= 3 })
	stopRunning()
	stop(s)
	control := false
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		control = control || bytes.Contains(data, []byte("fb_mobile_purchase"))
		for _, canary := range []string{"canary", "6505550100", "650 555"} {
			require.False(t, bytes.Contains(bytes.ToLower(data), []byte(canary)), "%s holds %q", path, canary)
		}
		return nil
	}))
	require.True(t, control, "the call itself is there")
}
