package delivery_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
)

// overtaken is a queue on which the first word on a lane is stored after the second, if that comes meanwhile.
type overtaken struct {
	delivery.Queue

	lane   string
	words  atomic.Int64
	second chan struct{} // closed when it is stored
}

func newOvertaken(lane string) *overtaken {
	return &overtaken{Queue: memqueue.New(), lane: lane, second: make(chan struct{})}
}

func (q *overtaken) Pause(ctx context.Context, p delivery.Pause) error {
	if p.Lane != q.lane || p.Manual {
		return q.Queue.Pause(ctx, p)
	}
	switch q.words.Add(1) {
	case 1:
		timer := time.NewTimer(time.Minute)
		defer timer.Stop()
		select {
		case <-q.second:
		case <-timer.C: // nobody overtakes it
		}
	case 2:
		defer close(q.second)
	}
	return q.Queue.Pause(ctx, p)
}

// until is how long the queue leaves a lane alone.
func pausedUntil(t *testing.T, q delivery.Queue, lane string) time.Time {
	t.Helper()
	lanes, err := q.Lanes(t.Context())
	require.NoError(t, err)
	for _, l := range lanes {
		if l.Lane == lane {
			return l.PausedUntil
		}
	}
	return time.Time{}
}

// staggered makes each request take a second longer than the one before.
func staggered(next http.RoundTripper) http.RoundTripper {
	var n atomic.Int64
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		after(time.Duration(n.Add(1)) * time.Second)
		return next.RoundTrip(r)
	})
}

func TestDispatcher_ItsLastWordOnALaneIsTheQueues(t *testing.T) {
	t.Parallel()
	const lane = "page_activities/901"
	bubble(t, func(t *testing.T) {
		queue := newOvertaken(lane)
		b := newBench(t, setup{queue: queue, round: staggered})
		b.graph.Inject(graphtest.ThrottleFor(10*time.Minute), graphtest.ThrottleFor(20*time.Minute))
		b.submit("1", pageActivity(901, 7, "a"))
		b.submit("2", pageActivity(901, 8, "b"))
		start := time.Now()
		b.run()
		after(2 * time.Minute)
		require.EqualValues(t, 2, queue.words.Load())
		require.Equal(t, 20*time.Minute+2*time.Second, pausedUntil(t, queue, lane).Sub(start))
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		b.stop()
		require.Zero(t, pausedUntil(t, queue, lane))
	})
}

func TestDispatcher_APersonHasTheLastWordOnALane(t *testing.T) {
	t.Parallel()
	const lane = "page_activities/901"
	bubble(t, func(t *testing.T) {
		queue := newOvertaken(lane)
		b := newBench(t, setup{queue: queue})
		b.graph.Inject(graphtest.ThrottleFor(10 * time.Minute))
		b.submit("1", pageActivity(901, 7, "a"))
		b.run()
		synctest.Wait()
		require.NoError(t, b.ResumeLane(t.Context(), lane))
		require.EqualValues(t, 2, queue.words.Load(), "it returns when the queue knows")
		require.Zero(t, pausedUntil(t, queue, lane))
		after(time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, b.Stats().Delivered)
		b.stop()
	})
}

var errQuorum = errors.New("no quorum")

// What the queue does not take it is told again. Here a token was not accepted once, but for another request: without
// the second word the queue would keep the lane back for a minute.
func TestDispatcher_TellsTheQueueAgainWhatItDidNotTake(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		queue := new(recorder).over()
		queue.failPause = []error{nil, errQuorum, errQuorum, errQuorum}
		b := newBench(t, setup{queue: queue, round: staggered})
		b.graph.Inject(graphtest.ExpiredToken)
		b.submit("1", pageActivity(901, 7, "a"))
		b.submit("2", pageActivity(901, 8, "b"))
		b.run()
		after(2500 * time.Millisecond) // both are answered
		b.submit("3", pageActivity(901, 9, "c"))
		after(10 * time.Second)
		synctest.Wait()
		require.Zero(t, queue.pausesToFail())
		require.Len(t, arrived(b.graph), 3)
		b.stop()
	})
}

func TestResumeLane_EndsWhatAnEarlierProcessBegan(t *testing.T) {
	t.Parallel()
	const lane = "page_activities/901"
	bubble(t, func(t *testing.T) {
		b := newBench(t, setup{})
		require.NoError(t, b.queue.Pause(t.Context(), delivery.Pause{Lane: lane, Until: time.Now().Add(time.Hour)}))
		require.NoError(t, b.ResumeLane(t.Context(), lane))
		require.Zero(t, pausedUntil(t, b.queue, lane))
		lanes, err := b.Lanes(t.Context())
		require.NoError(t, err)
		require.Empty(t, lanes)
	})
}

func TestRun_LeavesItsLastWordWithTheQueue(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		queue := new(recorder).over()
		queue.failPause = []error{errQuorum}
		b := newBench(t, setup{queue: queue})
		b.graph.Inject(graphtest.OnPage("901", graphtest.ThrottleFor(10*time.Minute)))
		b.submit("1", pageActivity(901, 7, "a"))
		start := time.Now()
		b.run()
		synctest.Wait()
		require.Zero(t, queue.pausesToFail())
		b.stop()
		for _, lane := range []string{"activities/901", "page_activities/901"} {
			require.Equal(t, 10*time.Minute, pausedUntil(t, queue, lane).Sub(start), lane)
		}
	})
}

func TestDispatcher_DoesNotTellTheQueueOfPausesThatAreOver(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		queue := new(recorder).over()
		const many = 10_000
		queue.failPause = slices.Repeat([]error{errQuorum}, many)
		b := newBench(t, setup{queue: queue})
		b.graph.Inject(graphtest.ThrottleFor(time.Minute))
		b.submit("1", pageActivity(901, 7, "a"))
		b.run()
		b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
		after(10 * time.Second)
		left := queue.pausesToFail()
		require.Less(t, many-left, 60, "every few seconds")
		after(time.Hour)
		require.Equal(t, left, queue.pausesToFail())
		b.stop()
	})
}
