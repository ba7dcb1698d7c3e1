package pgqueue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// benchPool leads to a server that flushes every commit, with tables of rows like the queue's and of orders.
func benchPool(b *testing.B) *pgxpool.Pool {
	b.Helper()
	server := pgtest.New(b, "fsync=on", "shared_buffers=256MB", "max_wal_size=2GB", "max_connections=40")
	server.Start()
	p := pool(b, server.URL(), func(c *pgxpool.Config) { c.MaxConns = 16 })
	for _, text := range []string{
		`CREATE TABLE orders (id bigint PRIMARY KEY, item text NOT NULL)`,
		`CREATE TABLE raw_keys (key uuid PRIMARY KEY, token bigint, expires timestamptz NOT NULL)`,
		`CREATE INDEX ON raw_keys (expires)`,
		`CREATE TABLE raw_calls (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, held timestamptz, submitted bigint,
			expires bigint, key uuid, grp uuid, lane text COLLATE "C", body bytea)`,
		`CREATE INDEX ON raw_calls (lane, id) WHERE held IS NULL`,
	} {
		_, err := p.Exec(b.Context(), text)
		require.NoError(b, err)
	}
	return p
}

func benchDispatcher(b *testing.B, url string, q delivery.Queue) *delivery.Dispatcher {
	b.Helper()
	client, err := appevents.New("771", appevents.WithBaseURL(url), appevents.WithAccessToken("token"))
	require.NoError(b, err)
	d, err := delivery.New(client, q)
	require.NoError(b, err)
	return d
}

// purchase is an activity of one of 50 Pages.
func purchase(n int64) *appevents.Activity {
	return &appevents.Activity{
		Thread: appevents.Thread{
			PageID: appevents.ID(strconv.FormatInt(901+n%50, 10)), PSID: appevents.ID(strconv.FormatInt(7000+n, 10)),
		},
		Consent: appevents.ConsentAllowed, Events: []appevents.Event{appevents.Purchase(55.22, "USD")},
	}
}

// rawRows are the rows of a call, inserted by hand.
func rawRows(batch *pgx.Batch, item *delivery.Item) {
	key, group := pgtype.UUID{Bytes: item.Key, Valid: true}, pgtype.UUID{Bytes: item.Group, Valid: true}
	batch.Queue(`INSERT INTO raw_keys VALUES ($1, $2, now() + interval '48 hours')`, key, 1)
	batch.Queue(`INSERT INTO raw_calls (key, grp, lane, body, submitted, expires) VALUES ($1, $2, $3, $4, $5, $6)`,
		key, group, item.Lane, item.Body, item.Submitted.UnixNano(), item.Expires.UnixNano())
}

// BenchmarkSubmit compares a durable Submit, of an event of one of 50 Pages, with the floor: the same rows inserted by
// hand, by as many goroutines on as many connections, each in a transaction and one round trip. In the caller's
// transaction both follow an order. The ratios asked for are those of submits/s at the same number of submitters.
func BenchmarkSubmit(b *testing.B) {
	p := benchPool(b)
	q := open(b, p)
	d := benchDispatcher(b, "http://127.0.0.1:1", q)
	var id atomic.Int64
	order := `INSERT INTO orders VALUES ($1, 'MUG-BLUE')`
	for _, submitters := range []int{1, 64, 256} {
		for _, way := range []struct {
			name   string
			submit func(ctx context.Context, n int64) error
		}{
			{"alone/floor", func(ctx context.Context, n int64) error {
				item, err := d.Item(strconv.FormatInt(n, 10), purchase(n))
				if err != nil {
					return err
				}
				batch := new(pgx.Batch)
				rawRows(batch, &item)
				return p.SendBatch(ctx, batch).Close()
			}},
			{"alone/Submit", func(ctx context.Context, n int64) error {
				return d.Submit(ctx, strconv.FormatInt(n, 10), purchase(n))
			}},
			{"transaction/floor", func(ctx context.Context, n int64) error {
				return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
					if _, err := tx.Exec(ctx, order, n); err != nil {
						return err
					}
					item, err := d.Item(strconv.FormatInt(n, 10), purchase(n))
					if err != nil {
						return err
					}
					batch := new(pgx.Batch)
					rawRows(batch, &item)
					return tx.SendBatch(ctx, batch).Close()
				})
			}},
			{"transaction/SubmitTx", func(ctx context.Context, n int64) error {
				return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
					if _, err := tx.Exec(ctx, order, n); err != nil {
						return err
					}
					return pgqueue.SubmitTx(ctx, d, tx, strconv.FormatInt(n, 10), purchase(n))
				})
			}},
		} {
			b.Run(fmt.Sprintf("submitters=%d/%s", submitters, way.name), func(b *testing.B) {
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				b.ResetTimer()
				for range submitters {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							if err := way.submit(b.Context(), id.Add(1)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
			})
		}
	}
}

// lead is the conversion number n.
func lead(n int64) *appevents.ConversionCall {
	id := strconv.FormatInt(n, 10)
	return &appevents.ConversionCall{DatasetID: "5501", Conversions: []appevents.Conversion{{
		Name: appevents.ConversionLeadSubmitted, Time: time.Now(), ID: "lead-" + id,
		Thread: appevents.Thread{PageID: "901", PSID: appevents.ID("7" + id)},
	}}}
}

// arrivals is a stand-in for Graph that counts conversions and says when they came.
type arrivals struct {
	*httptest.Server
	received atomic.Int64
	at       chan time.Time
}

func newArrivals(b *testing.B) *arrivals {
	b.Helper()
	a := &arrivals{at: make(chan time.Time, 1<<16)}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := bytes.Count(body, []byte(`"event_name"`))
		a.received.Add(int64(n))
		select {
		case a.at <- time.Now():
		default:
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"events_received":%d,"messages":[],"fbtrace_id":"A"}`, n)
	}))
	b.Cleanup(a.Close)
	return a
}

// settled waits until nothing is left.
func settled(b *testing.B, d *delivery.Dispatcher) error {
	b.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for d.Stats().Pending > 0 {
		select {
		case <-tick.C:
		case <-b.Context().Done():
			return b.Context().Err()
		}
	}
	return nil
}

// BenchmarkDeliver is the whole way of a conversion: submitted, durable, leased, merged, sent to a loopback server and
// settled. The floor inserts the same rows by hand and deletes them again, one transaction for each. One at a time, it
// is how long it takes from Submit to the arrival at the server; the floor inserts the rows and sends a request.
func BenchmarkDeliver(b *testing.B) {
	p := benchPool(b)
	q := open(b, p)
	graph := newArrivals(b)
	d := benchDispatcher(b, graph.URL, q)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		require.NoError(b, <-ended)
	})
	var id atomic.Int64
	many := func(b *testing.B, submit func(n int64) error) {
		b.Helper()
		var left atomic.Int64
		left.Store(int64(b.N))
		var wg sync.WaitGroup
		b.ResetTimer()
		for range 256 {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					if err := submit(id.Add(1)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	insert := func(n int64) (item delivery.Item, err error) {
		if item, err = d.Item(strconv.FormatInt(n, 10), lead(n)); err != nil {
			return item, err
		}
		batch := new(pgx.Batch)
		rawRows(batch, &item)
		return item, p.SendBatch(b.Context(), batch).Close()
	}
	remove := func(lane string) error {
		_, err := p.Exec(b.Context(), `DELETE FROM raw_calls WHERE id = (SELECT id FROM raw_calls WHERE lane = $1
			AND held IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)`, lane)
		return err
	}
	b.Run("submitters=256/floor", func(b *testing.B) {
		many(b, func(n int64) error {
			item, err := insert(n)
			if err != nil {
				return err
			}
			return remove(item.Lane)
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "conversions/s")
	})
	b.Run("submitters=256/Dispatcher", func(b *testing.B) {
		before := graph.received.Load()
		many(b, func(n int64) error { return d.Submit(b.Context(), strconv.FormatInt(n, 10), lead(n)) })
		require.NoError(b, settled(b, d))
		b.StopTimer()
		require.EqualValues(b, b.N, graph.received.Load()-before)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "conversions/s")
	})
	for _, way := range []struct {
		name string
		send func(n int64) error
		done func() error // what comes after the arrival, and does not count
	}{
		{"floor", func(n int64) error {
			item, err := insert(n)
			if err != nil {
				return err
			}
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, graph.URL, bytes.NewReader(item.Body))
			if err != nil {
				return err
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, answer.Body)
			return errors.Join(err, answer.Body.Close())
		}, func() error { return remove("events/5501") }},
		{
			"Dispatcher", func(n int64) error { return d.Submit(b.Context(), strconv.FormatInt(n, 10), lead(n)) },
			func() error { return settled(b, d) },
		},
	} {
		b.Run("one at a time/"+way.name, func(b *testing.B) {
			for len(graph.at) > 0 {
				<-graph.at
			}
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				require.NoError(b, way.send(id.Add(1)))
				took = append(took, (<-graph.at).Sub(start))
				b.StopTimer()
				require.NoError(b, way.done())
				b.StartTimer()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
		})
	}
}

// BenchmarkLease leases 100 calls of 50 Pages while more and more wait; the floor is with 1,000. Giving them back does not
// count. With -soak a million wait in the end.
func BenchmarkLease(b *testing.B) {
	p := benchPool(b)
	q := open(b, p)
	const few = 1000
	have := 0
	for _, waiting := range []int{few, 100_000, size(0, 1_000_000)} {
		if waiting < have {
			continue
		}
		fill(b, p, have, waiting)
		have = waiting
		name := fmt.Sprint(waiting, " waiting")
		if waiting == few {
			name = "floor: " + name
		}
		b.Run(name, func(b *testing.B) {
			lease := func() []*delivery.Lease {
				leases, err := q.Lease(b.Context(), 100, nil)
				require.NoError(b, err)
				return leases
			}
			release := func(leases []*delivery.Lease) {
				list := make([]delivery.Settlement, len(leases))
				for i, l := range leases {
					list[i] = delivery.Settlement{Lease: l, Verdict: delivery.Release}
				}
				require.NoError(b, q.Settle(b.Context(), list...))
			}
			for range 10 { // what was read before is in memory
				release(lease())
			}
			for b.Loop() {
				leases := lease()
				b.StopTimer()
				release(leases)
				b.StartTimer()
			}
		})
	}
}

// fill stores calls from one number to another, as a Submit each would.
func fill(tb testing.TB, p *pgxpool.Pool, from, to int) {
	tb.Helper()
	for _, text := range []string{
		`WITH c AS (INSERT INTO appevents.calls (key, grp, lane, body, submitted, expires)
			SELECT gen_random_uuid(), gen_random_uuid(), 'activities/' || 901 + i % 50, decode(repeat('3132', 200), 'hex'),
				extract(epoch FROM now())::bigint * 1000000000, 0 FROM generate_series($1::int + 1, $2::int) i RETURNING key),
		k AS (INSERT INTO appevents.keys (key, token, expires) SELECT key, 0, now() + interval '2 days' FROM c)
		UPDATE appevents.counts SET stored = stored + $2::int - $1::int WHERE slot = 0`,
	} {
		_, err := p.Exec(tb.Context(), text, from, to)
		require.NoError(tb, err)
	}
	// What else the server does after that would be measured too.
	for _, text := range []string{`VACUUM ANALYZE appevents.calls`, `VACUUM ANALYZE appevents.keys`, `CHECKPOINT`} {
		_, err := p.Exec(tb.Context(), text)
		require.NoError(tb, err)
	}
}
