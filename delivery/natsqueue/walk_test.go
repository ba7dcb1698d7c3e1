package natsqueue_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
)

// counting counts what is asked of the servers.
type counting struct {
	mu   sync.Mutex
	seen map[string]int
}

// count counts messages to subjects, on a connection of its own, under those subjects. They come through one channel, so
// that "done" is heard of last.
func count(t *testing.T, js jetstream.JetStream, subjects ...string) *counting {
	t.Helper()
	c := &counting{seen: map[string]int{}}
	messages := make(chan *nats.Msg, 1<<16)
	for _, subject := range append(subjects, "done") {
		_, err := js.Conn().ChanSubscribe(subject, messages)
		require.NoError(t, err)
	}
	require.NoError(t, js.Conn().Flush())
	go func() {
		for {
			select {
			case msg := <-messages:
				c.mu.Lock()
				c.seen[msg.Sub.Subject]++
				c.mu.Unlock()
				if msg.Sub.Subject == "done" {
					_ = msg.Respond(nil)
				}
			case <-t.Context().Done():
				return
			}
		}
	}()
	return c
}

// take returns the counts of what js has asked, and begins anew.
func (c *counting) take(t *testing.T, js jetstream.JetStream) map[string]int {
	t.Helper()
	_, err := js.Conn().RequestWithContext(t.Context(), "done", nil)
	require.NoError(t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = map[string]int{}
	return seen
}

func TestQueue_ReadsManyLanesTogether(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	const reads = "$JS.API.DIRECT.GET.APPEVENTS"
	asked := count(t, connect(t, s), reads)
	js := connect(t, s)
	q := open(t, js)
	const lanes, each = 100, 6
	next := map[string]int{}
	fewest := lanes
	for round := range 3 {
		putMany(t, q, lanes, func(i int) delivery.Item { return laneItem(fmt.Sprint("edge/", i), 100+round) })
		for k := range each { // in order in each lane
			putMany(t, q, lanes, func(i int) delivery.Item { return laneItem(fmt.Sprint("edge/", i), 1000*(round+1)+k) })
		}
		for left := lanes * (each + 1); left > 0; {
			leases, err := q.Lease(t.Context(), 2*lanes, nil)
			require.NoError(t, err)
			left -= len(leases)
			for _, l := range leases {
				var n int
				_, err := fmt.Sscanf(string(l.Body), l.Lane+" %d", &n)
				require.NoError(t, err)
				if n >= 1000 {
					require.Equal(t, next[l.Lane], n-1000*(round+1), "lane %s", l.Lane)
					next[l.Lane]++
				}
				require.NoError(t, q.Settle(t.Context(), delivery.Settlement{Lease: l, Verdict: delivery.Done}))
			}
		}
		clear(next)
		fewest = min(fewest, asked.take(t, js)[reads])
	}
	t.Logf("%d reads for %d lanes", fewest, lanes)
	require.Less(t, fewest, lanes)
	require.Zero(t, counts(t, q).Pending)
}

// A server that starts again may have lost what it wrote last: what was read ahead before is of no use.
func TestQueue_ForgetsWhatItReadAheadWhenTheConnectionBreaks(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	q := open(t, js)
	const lanes = 16
	for round := range 2 {
		putMany(t, q, lanes, func(i int) delivery.Item { return laneItem(fmt.Sprint("edge/", i), round) })
	}
	leases, err := q.Lease(t.Context(), lanes, nil)
	require.NoError(t, err)
	require.Len(t, leases, lanes, "the first of each lane")

	stream, err := js.Stream(t.Context(), "APPEVENTS")
	require.NoError(t, err)
	info, err := stream.Info(t.Context())
	require.NoError(t, err)
	last, err := stream.GetMsg(t.Context(), info.State.LastSeq)
	require.NoError(t, err)
	require.NoError(t, stream.DeleteMsg(t.Context(), last.Sequence))
	reconnected := make(chan struct{}, 10)
	js.Conn().SetReconnectHandler(func(*nats.Conn) { reconnected <- struct{}{} })
	require.NoError(t, js.Conn().ForceReconnect())
	<-reconnected

	for left := lanes - 1; left > 0; left -= len(leases) {
		leases, err = q.Lease(t.Context(), lanes, nil)
		require.NoError(t, err)
		for _, l := range leases {
			require.NotEqual(t, fmt.Sprint(last.Sequence), l.ID, "it is not there any more")
		}
	}
}
