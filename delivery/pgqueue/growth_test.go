package pgqueue_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// total is how many bytes a table takes, with its indexes and what is beside it.
func total(t *testing.T, p *pgxpool.Pool, table string) (bytes int64) {
	t.Helper()
	err := p.QueryRow(t.Context(), `SELECT pg_total_relation_size($1::text::regclass)`, "appevents."+table).Scan(&bytes)
	require.NoError(t, err)
	return bytes
}

func TestSize_OfAWaitingCall(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	server.Start()
	p := pool(t, server.URL())
	q := open(t, p)
	d := dispatcher(t, graphtest.NewServer(t), q)
	n := size(5000, 100_000)
	var all sync.WaitGroup
	for w := range 100 {
		all.Go(func() {
			for i := w; i < n; i += 100 {
				if err := d.Submit(t.Context(), strconv.Itoa(i), purchase(int64(i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	var body float64
	require.NoError(t, p.QueryRow(t.Context(), `SELECT avg(octet_length(body)) FROM appevents.calls`).Scan(&body))
	calls, keys := float64(total(t, p, "calls"))/float64(n), float64(total(t, p, "keys"))/float64(n)
	t.Logf("%d calls wait: %.0f bytes each with the indexes, of which the body is %.0f; %.0f more for the key until its "+
		"window ends", n, calls, body, keys)
	require.Less(t, calls, 2*body+500)
	require.Less(t, keys, 300.0)
}

// Calls come and go; the tables stay as large as what waits at most, and the keys of the window.
func TestSteadyLoad_LeavesTheTablesAsTheyAre(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, "autovacuum_naptime=1s")
	server.Start()
	p := pool(t, server.URL())
	q := open(t, p, pgqueue.WithWindow(2*time.Second))
	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(0))
	d := dispatcher(t, graph, q)
	running(t, d)
	// In rounds of some calls, so that no part of it depends on the machine's speed.
	const rounds, warm = 12, 4
	each := size(1000, 10_000)
	var next atomic.Int64
	start := time.Now()
	var largest [2]int64 // of the rounds that warm up, and of all others
	for round := range rounds {
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				for {
					n := next.Add(1)
					if n > int64((round+1)*each) {
						next.Add(-1)
						return
					}
					if err := d.Submit(t.Context(), strconv.FormatInt(n, 10), purchase(n)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		eventually(t, "all are delivered", func() bool { return d.Stats().Pending == 0 })
		if *soak || round%warm == warm-1 {
			eventually(t, "autovacuum has looked", func() bool {
				var dead int64
				err := p.QueryRow(t.Context(), `SELECT n_dead_tup FROM pg_stat_all_tables
					WHERE schemaname = 'appevents' AND relname = 'calls'`).Scan(&dead)
				return err == nil && dead <= 2*int64(each)+2000
			})
		}
		part := 0
		if round >= warm {
			part = 1
		}
		largest[part] = max(largest[part], total(t, p, "calls"))
	}
	t.Logf("%d calls in %v: the table of calls took at most %d kB in the first third, %d kB after", rounds*each,
		time.Since(start).Round(time.Second), largest[0]>>10, largest[1]>>10)
	// Without vacuum it would have grown threefold.
	require.Less(t, largest[1], 2*largest[0])
	for _, table := range []string{"counts", "tallies", "buried", "pauses"} {
		require.Less(t, total(t, p, table), int64(1<<20), table)
	}
}
