package natsqueue_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/natsqueue"
	"github.com/appevents/appevents-go/graphtest"
)

func TestCluster_PassesTheSuite(t *testing.T) {
	t.Parallel()
	if *soak { // it takes long to make all those streams on three servers
		js := connect(t, startCluster(t)...)
		suite(t, js, 3)
		largeCalls(t, open(t, js, natsqueue.WithReplicas(3)))
	}
}

func TestCluster_LosingANodeUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	graph := graphtest.NewServer(t)
	opts := []natsqueue.Option{natsqueue.WithReplicas(3), natsqueue.WithLeaseTime(10 * time.Second)}
	// Two machines that know all servers, on different ones at first.
	qa := open(t, connect(t, servers...), opts...)
	qb := open(t, connect(t, servers[2], servers[1], servers[0]), opts...)
	bothAtOnce(t, qa, qb)

	a, b := dispatcher(t, graph, qa), dispatcher(t, graph, qb)
	stopRunning := running(t, a, b)
	l := submitting(t, size(600, 10_000), a, b)
	l.reached(t, 1, 3)
	victim := servers[0]
	for _, s := range servers {
		if s.JetStreamIsStreamLeader("$G", "APPEVENTS") { // the worst to lose
			victim = s
		}
	}
	stop(victim)
	twice := l.delivered(t, graph, a)
	stopRunning()
	t.Logf("%d of %d events arrived twice", twice, l.events)
	require.Less(t, twice, l.events/4, "only what was under way when the node went away")
	balanced(t, a.Stats())
	balanced(t, b.Stats())
}

// bothAtOnce has two machines do the same thing at the same time, which on several servers is refused to one of them at
// first.
func bothAtOnce(t *testing.T, a, b *natsqueue.Queue) {
	t.Helper()
	const keys = 20
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		added int
	)
	until := time.Now().Add(time.Hour)
	for _, q := range []*natsqueue.Queue{a, b} {
		for n := range keys {
			wg.Go(func() {
				ok, err := q.Put(t.Context(), item(n))
				if err != nil {
					t.Errorf("Put: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				if ok {
					added++
				}
			})
		}
		wg.Go(func() {
			if err := q.Pause(t.Context(), delivery.Pause{Lane: "edge", Until: until}); err != nil {
				t.Errorf("Pause: %v", err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, keys, added, "each key is accepted by one of them")
	ca, err := a.Counts(t.Context())
	require.NoError(t, err)
	cb, err := b.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, keys, ca.Stored)
	require.EqualValues(t, keys, ca.Duplicates+cb.Duplicates)

	// Make way for the load.
	for _, q := range []*natsqueue.Queue{a, b} {
		require.NoError(t, q.Pause(t.Context(), delivery.Pause{Lane: "edge"}))
	}
	eventually(t, "the lane goes again", func() bool {
		c, err := a.Counts(t.Context())
		return err == nil && c.PausedLanes == 0
	})
	discard(t, a, keys)
}

func TestKilledServer_LosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	c := &childServer{Name: "single", Dir: t.TempDir(), Port: freePorts(t, 1)[0]}
	kill := c.start(t)
	graph := graphtest.NewServer(t)
	q := open(t, connectTo(t, c.url()), natsqueue.WithLeaseTime(2*time.Second))
	d := dispatcher(t, graph, q)
	stopRunning := running(t, d)
	kills := size(3, 50)
	l := submitting(t, size(400, 20_000), d)
	for n := range kills {
		l.reached(t, n+1, kills+1)
		kill()
		kill = c.start(t)
	}
	twice := l.delivered(t, graph, d)
	stopRunning()
	t.Logf("%d of %d events arrived twice", twice, l.events)
	balanced(t, d.Stats())
}

func TestKilledCluster_LosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	if !*soak { // losing a node has its proof above; this one kills nodes without warning, many times
		return
	}
	ports, cluster := freePorts(t, 3), freePorts(t, 3)
	nodes := make([]*childServer, len(ports))
	kill := make([]func(), len(ports))
	var urls []string
	for n := range nodes {
		nodes[n] = &childServer{Name: fmt.Sprint("node-", n), Dir: t.TempDir(), Port: ports[n], Cluster: cluster, Member: n}
		kill[n] = nodes[n].start(t)
		urls = append(urls, nodes[n].url())
	}
	graph := graphtest.NewServer(t)
	opts := []natsqueue.Option{natsqueue.WithReplicas(3), natsqueue.WithLeaseTime(10 * time.Second)}
	var js jetstream.JetStream
	var qa, qb *natsqueue.Queue
	js = connectTo(t, urls...)
	qa = open(t, js, opts...)
	qb = open(t, connectTo(t, urls[2], urls[1], urls[0]), opts...)
	a, b := dispatcher(t, graph, qa), dispatcher(t, graph, qb)
	stopRunning := running(t, a, b)
	const kills = 12
	l := submitting(t, 30_000, a, b)
	for n := range kills {
		l.reached(t, n+1, kills+1)
		victim := n % len(nodes)
		if leader := leaderOf(t, js); n%2 == 0 {
			for i := range nodes {
				if nodes[i].Name == leader {
					victim = i
				}
			}
		}
		kill[victim]()
		kill[victim] = nodes[victim].start(t)
		eventually(t, "all servers have everything", func() bool { return complete(t, js) })
	}
	twice := l.delivered(t, graph, a)
	stopRunning()
	t.Logf("%d of %d events arrived twice", twice, l.events)
	balanced(t, a.Stats())
	balanced(t, b.Stats())
}

// leaderOf is the server that leads the stream of calls.
func leaderOf(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	s, err := js.Stream(t.Context(), "APPEVENTS")
	if err != nil || s.CachedInfo().Cluster == nil {
		return ""
	}
	return s.CachedInfo().Cluster.Leader
}

// complete reports whether all replicas of all streams are up to date.
func complete(t *testing.T, js jetstream.JetStream) bool {
	t.Helper()
	for _, name := range []string{"APPEVENTS", "APPEVENTS_LATER", "APPEVENTS_BURIED", "KV_APPEVENTS_STATE"} {
		s, err := js.Stream(t.Context(), name)
		if err != nil || s.CachedInfo().Cluster == nil || len(s.CachedInfo().Cluster.Replicas) != 2 {
			return false
		}
		for _, r := range s.CachedInfo().Cluster.Replicas {
			if !r.Current || r.Offline {
				return false
			}
		}
	}
	return true
}

func TestQueue_SurvivesARestartOfTheServer(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePorts(t, 1)[0]
	change := func(o *server.Options) { o.StoreDir, o.Port = dir, port }
	s := startServer(t, change)
	graph := graphtest.NewServer(t)
	// What was on its way to us when the server stopped comes again after this time.
	leaseTime := natsqueue.WithLeaseTime(5 * time.Second)
	qa, qb := open(t, connect(t, s), leaseTime), open(t, connect(t, s))
	d := dispatcher(t, graph, qa)
	stopRunning := running(t, d)
	l := submitting(t, size(300, 3000), d)
	l.reached(t, 1, 2)
	stop(s)
	startServer(t, change)
	require.NoError(t, qa.Pause(t.Context(), delivery.Pause{Lane: "edge/1", Until: time.Now().Add(time.Hour)}))
	twice := l.delivered(t, graph, d)
	stopRunning()
	t.Logf("%d of %d events arrived twice", twice, l.events)
	require.Less(t, twice, l.events/4, "only what was under way when the server stopped")
	balanced(t, d.Stats())
	if !*soak { // it takes a while for the client to notice that its watcher's consumer is gone
		return
	}
	eventually(t, "pauses are still shared", func() bool {
		c, err := qb.Counts(t.Context())
		return err == nil && c.PausedLanes == 1
	})
}
