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
		Durable: true, TakesTurns: true, CountsDuplicates: true,
		Open: func(t *testing.T, s queuetest.Settings) func() delivery.Queue {
			path := filepath.Join(t.TempDir(), "queue.db")
			return func() delivery.Queue {
				q, err := boltqueue.Open(path, boltqueue.WithLeaseTime(s.LeaseTime), boltqueue.WithWindow(s.Window))
				require.NoError(t, err)
				return q
			}
		},
	})
}
