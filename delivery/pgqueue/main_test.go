package pgqueue_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/internal/pgtest"
)

var soak = flag.Bool("soak", false, "run the proofs in their large sizes, which takes some minutes")

// size is n, or large under -soak.
func size(n, large int) int {
	if *soak {
		return large
	}
	return n
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(pgtest.Main(m))
}

var schemas atomic.Int64

// schema returns a name of the test's own, with what needs quotes.
func schema(tb testing.TB, url string) string {
	tb.Helper()
	name := fmt.Sprintf(`A "test" %d-%d`, os.Getpid(), schemas.Add(1))
	tb.Cleanup(func() {
		conn, err := pgx.Connect(context.WithoutCancel(tb.Context()), url)
		if err == nil {
			_, err = conn.Exec(context.WithoutCancel(tb.Context()),
				"DROP SCHEMA IF EXISTS "+pgx.Identifier{name}.Sanitize()+" CASCADE")
			_ = conn.Close(context.WithoutCancel(tb.Context()))
		}
		if err != nil {
			tb.Logf("the schema %s stays behind: %v", name, err)
		}
	})
	return name
}

// pool returns connections, with changes to their settings.
func pool(tb testing.TB, url string, changes ...func(*pgxpool.Config)) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(url)
	require.NoError(tb, err)
	config.MaxConns = 4
	for _, change := range changes {
		change(config)
	}
	p, err := pgxpool.NewWithConfig(context.WithoutCancel(tb.Context()), config)
	require.NoError(tb, err)
	tb.Cleanup(p.Close)
	return p
}

// open opens a queue in a schema of the test's own.
func open(tb testing.TB, p *pgxpool.Pool, opts ...pgqueue.Option) *pgqueue.Queue {
	tb.Helper()
	q, err := pgqueue.Open(tb.Context(), p, opts...)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, q.Close()) })
	return q
}
