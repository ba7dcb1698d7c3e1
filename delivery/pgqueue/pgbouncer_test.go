package pgqueue_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/delivery/queuetest"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// startPgBouncer starts PgBouncer in transaction mode before the server with the given URL.
func startPgBouncer(t *testing.T, url string) (through string) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("NOT RUN: PgBouncer is not installed (Debian: apt-get install pgbouncer)")
	}
	config, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	to := config.ConnConfig
	dir := pgtest.Dir(t)
	password := ""
	if to.Password != "" {
		password = " password='" + strings.ReplaceAll(to.Password, "'", "''") + "'"
	}
	// A Unix socket, since another process can be quicker to take a port that is free now.
	settings := fmt.Sprintf(`[databases]
%s = host=%s port=%d user=%s%s
[pgbouncer]
listen_addr =
unix_socket_dir = %s
listen_port = 6432
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
ignore_startup_parameters = extra_float_digits,search_path
`, to.Database, to.Host, to.Port, to.User, password, dir, filepath.Join(dir, "users"))
	for name, text := range map[string]string{"users": `"` + to.User + `" ""`, "pgbouncer.ini": settings} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		pgtest.Own(t, filepath.Join(dir, name))
	}
	pgtest.Daemon(t, program, filepath.Join(dir, "pgbouncer.ini"))
	through = "postgres://" + to.User + "@/" + to.Database + "?host=" + dir + "&port=6432"
	eventually(t, "PgBouncer answers", func() bool {
		if t.Failed() {
			return true // it has ended
		}
		conn, err := pgx.Connect(t.Context(), through)
		if err == nil {
			_ = conn.Close(t.Context())
		}
		return err == nil
	})
	return through
}

// statements notes what is sent to the server.
type statements struct{ list sync.Map }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.list.Store(data.SQL, true)
	return ctx
}

func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// has reports whether a statement with this in its text was sent.
func (s *statements) has(text string) (found bool) {
	s.list.Range(func(sql, _ any) bool {
		found = strings.Contains(fmt.Sprint(sql), text)
		return !found
	})
	return found
}

// A server's connection that a pooler lends to others must not be left listening. Directly the queue does listen.
func TestPgBouncer_NobodyListensThroughIt(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	for name, want := range map[string]bool{"directly": true, "through PgBouncer": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := url
			if !want {
				to = startPgBouncer(t, url)
			}
			var sent statements
			q := open(t, pool(t, to, func(c *pgxpool.Config) {
				c.ConnConfig.DefaultQueryExecMode, c.ConnConfig.Tracer = pgx.QueryExecModeExec, &sent
			}), pgqueue.WithSchema(schema(t, url)))
			_, err := q.Put(t.Context(), testItem("a", 1))
			require.NoError(t, err)
			_, err = q.Lease(t.Context(), 1, nil)
			require.NoError(t, err)
			eventually(t, "it has looked whether there is a pooler", func() bool { return sent.has("pg_backend_pid") })
			if want {
				eventually(t, "it listens", func() bool { return sent.has("LISTEN") })
			}
			require.NoError(t, q.Close()) // after which nothing is under way
			require.Equal(t, want, sent.has("LISTEN"))
		})
	}
}

// What another process stores is found all the same, and an order with its event goes through as any transaction.
func TestPgBouncer_ProcessesShareTheWork(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	name := schema(t, url)
	through := startPgBouncer(t, url)
	behind := func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec }
	p := pool(t, through, behind)
	graph := graphtest.NewServer(t)
	one := dispatcher(t, graph, open(t, p, pgqueue.WithSchema(name)))
	two := dispatcher(t, graph, open(t, pool(t, through, behind), pgqueue.WithSchema(name)))
	running(t, two)
	for n := range 20 {
		id := fmt.Sprint("event-", n)
		end := error(nil)
		if n%2 == 1 {
			end = errRolledBack
		}
		require.ErrorIs(t, pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
			return errors.Join(pgqueue.SubmitTx(t.Context(), one, tx, id, activity(n, id)), end)
		}), end)
	}
	eventually(t, "what was committed is delivered", func() bool { return one.Stats().Delivered == 10 })
	require.Len(t, arrived(graph), 10)
	balanced(t, one.Stats())
}

func TestPgBouncer_TransactionModeIsEnough(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	through := startPgBouncer(t, url)
	queuetest.Run(t, engine(through, func(c *pgxpool.Config) {
		c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	}))
}
