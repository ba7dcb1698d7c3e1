package main

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// startNATS starts a NATS server with JetStream in this process, as the nats-server command does in its own.
func startNATS(t *testing.T) (url string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
	})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(patience))
	return s.ClientURL()
}

func TestOpenQueue_ClosesItsConnection(t *testing.T) {
	t.Parallel()
	queue, err := openQueue(t.Context(), &settings{queue: startNATS(t), replicas: 1}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, queue.Close())
	require.True(t, queue.(natsQueue).conn.IsClosed())
}

func TestBot_SharesTheWorkOverNATS(t *testing.T) {
	t.Parallel()
	url := startNATS(t)
	m := newMeta(t)
	m.meet(graphtest.Unavailable)
	one, two := start(t, m, "-queue", url), start(t, m, "-queue", url, "-replicas", "1")
	webhook := graphtest.Postback(payloadBuyMug)
	one.deliver(t, webhook, webhook)
	two.deliver(t, webhook, graphtest.Text("Thanks!"))
	await(t, m.failed, "a call")
	code, body := two.get(t, "/readyz")
	require.Equal(t, 200, code, body)
	require.Contains(t, body, `"pending":3`)
	one.stop() // the other one takes over
	m.meet(nil)
	seen := map[string]int{}
	for _, e := range m.wait(t, 3) {
		seen[e.edge+" "+e.name]++
	}
	two.stop()
	m.none(t)
	require.Equal(t, map[string]int{"activities fb_mobile_purchase": 1, "events Purchase": 1, "activities Contact": 1}, seen)
	require.NotContains(t, one.log.String()+two.log.String(), "NATS connection lost")
}
