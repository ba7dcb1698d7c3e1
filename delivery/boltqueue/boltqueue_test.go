package boltqueue_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/delivery/queuetest"
)

func TestQueue_PassesTheSuite(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, queuetest.Engine{
		Durable: true, OldKeys: true, TakesTurns: true, CountsDuplicates: true, TakesClock: true,
		Open: func(t *testing.T, s queuetest.Settings) func() delivery.Queue {
			path := filepath.Join(t.TempDir(), "queue.db")
			opts := []boltqueue.Option{
				boltqueue.WithLeaseTime(s.LeaseTime), boltqueue.WithWindow(s.Window),
				boltqueue.WithBuriedLimit(s.BuriedLimit), boltqueue.WithClock(s.Clock),
			}
			if s.BuriedAge > 0 {
				opts = append(opts, boltqueue.WithBuriedAge(s.BuriedAge))
			}
			return func() delivery.Queue {
				q, err := boltqueue.Open(path, opts...)
				require.NoError(t, err)
				return q
			}
		},
	})
}
