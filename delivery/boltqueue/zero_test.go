package boltqueue_test

import (
	"testing"

	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/delivery/internal/zerotest"
)

func TestQueue_ZeroSaysSo(t *testing.T) {
	t.Parallel()
	zerotest.Run(t, new(boltqueue.Queue), "Open")
}
