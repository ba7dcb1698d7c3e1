package delivery_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
)

// slowLoad is a steady load over some Pages, of which the first few are slow.
type slowLoad struct {
	pages, slow int
	backlog     int           // calls of each slow Page at the start
	perPage     time.Duration // between two calls of a Page
	lasts       time.Duration
	latency     time.Duration // of a slow Page; 0 if it never answers
}

// run returns the ages at which calls of healthy Pages were delivered, and how many were within the time.
func (l slowLoad) run(t *testing.T, slow int) (ages []time.Duration, most map[string]int) {
	t.Helper()
	f := newFlaky(func(*http.Request, time.Duration) *answer { return nil })
	var mu sync.Mutex
	most = map[string]int{}
	under := map[string]int{}
	isSlow := func(lane string) bool {
		page := strings.TrimPrefix(lane, "activities/")
		return len(page) > 3 && page[0] == '1' // 1000 and more
	}
	b := newFlakyBench(t, f, delivery.WithWorkers(64), delivery.WithObserver(func(_ context.Context, s delivery.Settled) {
		mu.Lock()
		defer mu.Unlock()
		if s.Verdict == delivery.Done && !isSlow(s.Lane) {
			ages = append(ages, s.Age)
		}
	}))
	laneOf := func(r *http.Request) string {
		_ = r.ParseForm()
		return "activities/" + r.PostForm.Get("page_id")
	}
	f.ended = func(r *http.Request) { under[laneOf(r)]-- }
	f.latency = func(r *http.Request) time.Duration {
		lane := laneOf(r)
		under[lane]++
		most[lane] = max(most[lane], under[lane])
		d := flakyLatency
		if isSlow(lane) {
			if d = l.latency; d == 0 {
				d = time.Hour
			}
		}
		return d
	}
	page := func(n int) int {
		if n < slow {
			return 1000 + n
		}
		return 2000 + n
	}
	for n := range slow {
		for range l.backlog {
			b.submitTo(page(n))
		}
	}
	b.run()
	for range int(l.lasts / l.perPage) {
		for n := range l.pages {
			if n >= l.slow || slow > 0 {
				b.submitTo(page(n))
			}
			after(l.perPage / time.Duration(l.pages)) // in turns, not all at once
		}
	}
	mu.Lock()
	result := slices.Clone(ages)
	mu.Unlock()
	b.stop()
	return result, most
}

func TestDispatcher_SlowPagesDoNotSlowTheOthers(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]slowLoad{
		"one of a few answers after eight seconds": {
			pages: 8, slow: 1, backlog: 200, perPage: 50 * time.Millisecond, lasts: 10 * time.Second, latency: 8 * time.Second,
		},
		"one of a few never answers": {
			pages: 8, slow: 1, backlog: 200, perPage: 50 * time.Millisecond, lasts: 10 * time.Second,
		},
		"fifty of 500 answer after eight seconds": {
			pages: 500, slow: 50, backlog: 10, perPage: 5 * time.Second, lasts: 25 * time.Second, latency: 8 * time.Second,
		},
		"fifty of 500 never answer": {
			pages: 500, slow: 50, backlog: 10, perPage: 5 * time.Second, lasts: 25 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				load.lasts *= time.Duration(size(1, 10))
				plain, _ := load.run(t, 0)
				ages, most := load.run(t, load.slow)
				slices.Sort(plain)
				slices.Sort(ages)
				require.GreaterOrEqual(t, len(ages), len(plain)*9/10, "the healthy ones keep their rate")
				require.LessOrEqual(t, ages[len(ages)/2], 2*plain[len(plain)/2])
				for lane, n := range most {
					require.LessOrEqual(t, n, 64/8, lane)
				}
			})
		})
	}
}
