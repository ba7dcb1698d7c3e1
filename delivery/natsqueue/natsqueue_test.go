package natsqueue_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/natsqueue"
	"github.com/appevents/appevents-go/delivery/queuetest"
)

func TestQueue_PassesTheSuite(t *testing.T) {
	t.Parallel()
	suite(t, connect(t, startServer(t, nil)), 1)
}

// suite runs the conformance suite, with streams of its own for each test.
func suite(t *testing.T, js jetstream.JetStream, replicas int) {
	t.Helper()
	var names atomic.Int64
	queuetest.Run(t, queuetest.Engine{
		Durable: true, OldKeys: true, TakesTurns: true, TakesClock: true,
		Open: func(t *testing.T, s queuetest.Settings) func() delivery.Queue {
			name := fmt.Sprint("TEST-", names.Add(1))
			if strings.Contains(t.Name(), "key_of_an_older_version") { // which is remembered in streams of that version alone
				_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
					Name: name, Subjects: []string{name + ".calls"}, Retention: jetstream.WorkQueuePolicy,
					Discard: jetstream.DiscardNew, Replicas: replicas, Duplicates: s.Window,
				})
				require.NoError(t, err)
			}
			return func() delivery.Queue {
				opts := []natsqueue.Option{
					natsqueue.WithName(name), natsqueue.WithReplicas(replicas),
					natsqueue.WithLeaseTime(s.LeaseTime), natsqueue.WithWindow(s.Window),
				}
				if s.BuriedAge > 0 {
					opts = append(opts, natsqueue.WithBuriedAge(s.BuriedAge))
				}
				if s.BuriedLimit > 0 {
					opts = append(opts, natsqueue.WithBuriedLimit(s.BuriedLimit))
				}
				if s.Clock != nil {
					opts = append(opts, natsqueue.WithClock(s.Clock))
				}
				q, err := natsqueue.Open(t.Context(), js, opts...)
				require.NoError(t, err)
				return q
			}
		},
	})
}
