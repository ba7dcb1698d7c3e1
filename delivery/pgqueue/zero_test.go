package pgqueue_test

import (
	"testing"

	"github.com/appevents/appevents-go/delivery/internal/zerotest"
	"github.com/appevents/appevents-go/delivery/pgqueue"
)

func TestQueue_ZeroSaysSo(t *testing.T) {
	t.Parallel()
	zerotest.Run(t, new(pgqueue.Queue), "Open")
}
