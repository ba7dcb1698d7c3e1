package delivery

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is leased is bounded in bytes: by the sizes of the calls that came before, the largest possible at first.
func TestHand_LeasesAsManyAsFit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size    func(n int) int // of the n-th call
		atLeast int             // calls leased in all
		atMost  int             // bytes
		atOnce  int             // calls of the largest lease
	}{
		"large": {func(int) int { return MaxBody }, 120, maxHandBytes, 128},
		"small": {func(int) int { return 400 }, 2000, maxHandBytes, maxLease},
		"mixed": {func(n int) int { return 400 + n%2*100_000 }, 1000, maxHandBytes * 11 / 10, 460},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const workers = 1024 // as many batches as there are calls
			h := newHand(workers, 100, new(figures))
			ctx, cancel := context.WithCancel(t.Context())
			body := make([]byte, MaxBody)
			now := time.Now()
			total, n, atOnce := 0, 0, 0
			for n < 5000 {
				if h.bytes >= maxHandBytes || 2*workers <= h.waiting {
					cancel() // it would wait
				}
				room := h.room(ctx)
				if ctx.Err() != nil {
					break
				}
				atOnce = max(atOnce, room)
				leases := make([]*Lease, room)
				for i := range leases {
					item := Item{Lane: "activities/" + strconv.Itoa(n), Body: body[:test.size(n)]}
					leases[i] = &Lease{Item: item, Until: now.Add(time.Minute)}
					total += len(item.Body)
					n++
				}
				back := h.add(leases, now)
				require.Empty(t, back)
			}
			require.Equal(t, total, h.bytes)
			require.Equal(t, test.atOnce, atOnce)
			require.GreaterOrEqual(t, n, test.atLeast)
			require.LessOrEqual(t, total, test.atMost)
			cancel()
		})
	}
}
