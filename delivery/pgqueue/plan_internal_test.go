package pgqueue

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/pgtest"
)

// However many calls wait, a lease reads no more pages: the plan says how many.
func TestLease_ReadsNoMoreWhenMoreWait(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	p, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	ctx := context.WithoutCancel(t.Context())
	schema := fmt.Sprint("plan_", os.Getpid())
	t.Cleanup(func() { _, _ = p.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE") })
	q, err := Open(t.Context(), p, WithSchema(schema))
	require.NoError(t, err)
	require.NoError(t, q.Close())
	large := 100_000
	if f := flag.Lookup("soak"); f != nil && f.Value.String() == "true" {
		large = 1_000_000
	}
	read := map[int]int{}
	took := map[int]time.Duration{}
	have := 0
	for _, n := range []int{1000, large} {
		_, err := p.Exec(ctx, inSchema(schema, `INSERT INTO {s}.calls (key, grp, lane, body, submitted, expires)
			SELECT gen_random_uuid(), gen_random_uuid(), 'activities/' || i % 50, repeat('x', 400)::bytea, 1, 1
			FROM generate_series($1::int, $2::int) i`), have+1, n)
		require.NoError(t, err)
		have = n
		_, err = p.Exec(ctx, inSchema(schema, `VACUUM ANALYZE {s}.calls`))
		require.NoError(t, err)
		var plan strings.Builder
		for range 5 { // a warm cache, and nothing changed
			plan.Reset()
			tx, err := p.Begin(ctx)
			require.NoError(t, err)
			_, err = tx.Exec(ctx, prelude)
			require.NoError(t, err)
			start := time.Now()
			rows, err := tx.Query(ctx, `EXPLAIN (ANALYZE, BUFFERS) `+q.sql.lease, pgx.QueryExecModeExec,
				"", []string{}, 32, 100, maxLeaseBytes, micros(time.Minute))
			require.NoError(t, err)
			line := ""
			_, err = pgx.ForEachRow(rows, []any{&line}, func() error {
				plan.WriteString(line + "\n")
				return nil
			})
			require.NoError(t, err)
			took[n] = time.Since(start)
			require.NoError(t, tx.Rollback(ctx))
		}
		require.NotContains(t, plan.String(), "Seq Scan on calls", plan.String())
		require.Contains(t, plan.String(), "Index Scan using calls_ready", plan.String())
		for line := range strings.Lines(plan.String()) {
			if _, buffers, ok := strings.Cut(line, "Buffers: shared "); ok {
				for f := range strings.FieldsSeq(buffers) { // "hit=12 read=3 dirtied=1 …"
					name, value, _ := strings.Cut(f, "=")
					if name == "hit" || name == "read" {
						pages := 0
						_, _ = fmt.Sscan(value, &pages)
						read[n] += pages
					}
				}
				break // the first line is of the whole
			}
		}
	}
	t.Logf("100 calls of 32 lanes leased: %d pages and %v with 1,000 waiting, %d pages and %v with %d",
		read[1000], took[1000], read[large], took[large], large)
	require.Positive(t, read[1000])
	require.LessOrEqual(t, read[large], 2*read[1000])
}
