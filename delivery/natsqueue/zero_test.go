package natsqueue_test

import (
	"testing"

	"github.com/appevents/appevents-go/delivery/internal/zerotest"
	"github.com/appevents/appevents-go/delivery/natsqueue"
)

func TestQueue_ZeroSaysSo(t *testing.T) {
	t.Parallel()
	zerotest.Run(t, new(natsqueue.Queue), "Open")
}
