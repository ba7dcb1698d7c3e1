package natsqueue_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/natsqueue"
)

// losing returns a way to JetStream on which one message of the first answer with several is lost, as when a connection
// breaks in between: the n-th. It reports how many such answers there were.
func losing(t *testing.T, js jetstream.JetStream, stream string, n int) (losing jetstream.JetStream, answers *atomic.Int64) {
	t.Helper()
	const api = "$JS.API."
	prefix := "LOSING." + stream + "."
	nc := js.Conn()
	answers = new(atomic.Int64)
	_, err := nc.Subscribe(prefix+">", func(request *nats.Msg) {
		rest := strings.TrimPrefix(request.Subject, prefix)
		subject := api + rest
		if strings.HasPrefix(rest, "$KV.") { // what is stored in a bucket takes this way too
			subject = rest
		}
		asked := &nats.Msg{Subject: subject, Reply: request.Reply, Header: request.Header, Data: request.Data}
		if rest == "DIRECT.GET."+stream {
			asked.Reply = nc.NewInbox()
			first, came := answers.Add(1) == 1, 0
			_, err := nc.Subscribe(asked.Reply, func(part *nats.Msg) {
				if came++; came == n && first {
					return
				}
				_ = nc.PublishMsg(&nats.Msg{Subject: request.Reply, Header: part.Header, Data: part.Data})
			})
			if err != nil {
				t.Errorf("Subscribe: %v", err)
			}
		}
		_ = nc.PublishMsg(asked)
	})
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	own, err := jetstream.NewWithAPIPrefix(nc, strings.TrimSuffix(prefix, "."))
	require.NoError(t, err)
	return own, answers
}

// What is lost on the way must not be taken for delivered.
func TestQueue_NoticesWhatWasLostOnTheWay(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	for name, n := range map[string]int{"first": 1, "middle": 2, "last": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := "LOSE_" + strings.ToUpper(name)
			js, answers := losing(t, connect(t, s), stream, n)
			q := open(t, js, natsqueue.WithName(stream))
			var want, got []string
			for k := range 3 {
				item := laneItem("edge/1", k)
				_, err := q.Put(t.Context(), item)
				require.NoError(t, err)
				want = append(want, string(item.Body))
			}
			leases, err := q.Lease(t.Context(), 3, nil)
			require.NoError(t, err)
			for _, l := range leases {
				got = append(got, string(l.Body))
				require.NoError(t, q.Settle(t.Context(), delivery.Settlement{Lease: l, Verdict: delivery.Done}))
			}
			require.Equal(t, want, got)
			require.Greater(t, answers.Load(), int64(1), "asked again")
			require.Zero(t, counts(t, q).Pending)
		})
	}
}
