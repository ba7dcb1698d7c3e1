package pgqueue_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

var (
	steady = flag.Duration("steady", 0, "keep the steady load up for this long, at -rate, instead of for some calls")
	rate   = flag.Int("rate", 300, "calls a second under -steady")
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
	if *steady > 0 {
		steadyLoad(t, *steady, *rate)
		return
	}
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

// parts are what the tables of a queue consist of.
var parts = [...]string{"calls", "their indexes", "keys", "their indexes", "the rest"}

// sizes are what they take on the disk, in bytes.
type sizes [len(parts)]int64

func (s sizes) String() string {
	total, text := int64(0), ""
	for i, part := range s {
		total += part
		text += fmt.Sprintf(", %s %d", parts[i], part>>10)
	}
	return fmt.Sprintf("%d kB%s", total>>10, text)
}

// median is that of each part.
func median(list []sizes) (m sizes) {
	for i := range m {
		slices.SortFunc(list, func(a, b sizes) int { return cmp.Compare(a[i], b[i]) })
		m[i] = list[len(list)/2][i]
	}
	return m
}

func sizesOf(t *testing.T, p *pgxpool.Pool) (s sizes) {
	t.Helper()
	require.NoError(t, p.QueryRow(t.Context(), `
		SELECT pg_table_size('appevents.calls'), pg_indexes_size('appevents.calls'), pg_table_size('appevents.keys'),
			pg_indexes_size('appevents.keys'), sum(pg_total_relation_size(c.oid))::bigint
		FROM pg_class c WHERE c.relnamespace = 'appevents'::regnamespace AND c.relkind = 'r'
			AND c.relname NOT IN ('calls', 'keys')`).
		Scan(&s[0], &s[1], &s[2], &s[3], &s[4]))
	return s
}

// steadyLoad submits and delivers at a rate, and prints the sizes now and then, in an hour once a minute.
// Keys are kept for a twelfth of the time. A third of the calls comes in transactions of the caller's, and one request
// in fifty fails and is tried again. Once the window has passed twice the tables must grow no more.
func steadyLoad(t *testing.T, whole time.Duration, rate int) {
	t.Helper()
	// In an hour autovacuum looks around once a minute, as it does by default.
	nap := min(max(whole/60, time.Second), time.Minute)
	server := pgtest.New(t, fmt.Sprintf("autovacuum_naptime='%ds'", int(nap.Seconds())))
	server.Start()
	p := pool(t, server.URL(), func(c *pgxpool.Config) { c.MaxConns = 12 })
	window := whole / 12
	q := open(t, p, pgqueue.WithWindow(window))
	var requests atomic.Int64
	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(0), graphtest.WithFaults(func(graphtest.Call) graphtest.Fault {
		if requests.Add(1)%50 == 0 {
			return graphtest.Error(2, 0)
		}
		return nil
	}))
	d := dispatcher(t, graph, q, delivery.WithWorkers(32), delivery.WithRetryDelay(time.Second, time.Minute))
	running(t, d)

	ctx, cancel := context.WithTimeout(t.Context(), whole)
	defer cancel()
	numbers := make(chan int64)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for n := range numbers {
				id := strconv.FormatInt(n, 10)
				submit := func() error { return d.Submit(t.Context(), id, purchase(n)) }
				if n%3 == 0 {
					submit = func() error {
						return pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
							return pgqueue.SubmitTx(t.Context(), d, tx, id, purchase(n))
						})
					}
				}
				if err := submit(); err != nil {
					t.Errorf("submit: %v", err)
				}
			}
		})
	}
	start, sent := time.Now(), int64(0)
	var early, late []sizes // from two windows on up to the half, and after
	tick, look := time.NewTicker(10*time.Millisecond), time.NewTicker(nap)
	defer tick.Stop()
	defer look.Stop()
	for ctx.Err() == nil && !t.Failed() {
		var next chan<- int64 // nil while none is due
		if float64(sent) < time.Since(start).Seconds()*float64(rate) {
			next = numbers
		}
		select {
		case next <- sent + 1:
			sent++
		case <-tick.C:
		case <-look.C:
			s, took := sizesOf(t, p), time.Since(start)
			t.Logf("%6v: %8d submitted, %5d wait; %v", took.Round(time.Second), sent, d.Stats().Pending, s)
			switch {
			case took >= whole/2:
				late = append(late, s)
			case took >= 2*window:
				early = append(early, s)
			}
		case <-ctx.Done():
		}
	}
	close(numbers)
	all.Wait()
	eventually(t, "all are delivered", func() bool { return d.Stats().Pending == 0 })
	balanced(t, d.Stats())
	require.Equal(t, sent, d.Stats().Delivered)
	// Medians, since a machine that stands still for a moment lets more calls wait then.
	require.NotEmpty(t, early, "-steady is too short to compare")
	before, after := median(early), median(late)
	t.Logf("median from %v to %v: %v", 2*window, whole/2, before)
	t.Logf("median from %v to %v: %v", whole/2, whole, after)
	for i, part := range parts {
		require.LessOrEqual(t, after[i], before[i]+before[i]/4+512<<10, part)
	}
}
