package pgqueue_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// short leases are over soon after the server that gave them is back.
const shortLease = 2 * time.Second

func TestFault_KillingTheServerUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]func(*pgtest.Server){
		"restart": (*pgtest.Server).Stop, "kill -9": (*pgtest.Server).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := pgtest.New(t)
			server.Start()
			graph := graphtest.NewServer(t, graphtest.WithMaxCalls(1_000_000))
			q := open(t, pool(t, server.URL()), pgqueue.WithLeaseTime(shortLease))
			d := dispatcher(t, graph, q)
			running(t, d)
			times := size(2, 10)
			l := submitting(t, size(400, 20_000), d)
			for n := range times {
				l.reached(t, n+1, times+1)
				down(server)
				server.Start()
			}
			twice := l.delivered(t, graph, d)
			balanced(t, d.Stats())
			require.Zero(t, d.Stats().Duplicates, "a Put that was tried again recognises itself")
			require.EqualValues(t, l.events, d.Stats().Delivered)
			t.Logf("%s, %d times: %d of %d events sent twice, whose answer could not be written down in time",
				name, times, twice, l.events)
		})
	}
}

// proxy passes bytes on to a server, until told to cut connections off.
type proxy struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	cut   func(sent []byte) bool // asked about what clients send; true loses the answer to it
}

func newProxy(t *testing.T, socket string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: l}
	t.Cleanup(func() {
		_ = l.Close()
		p.cutAll()
	})
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", socket)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			go p.pass(client, server)
		}
	}()
	return p
}

func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// pass passes on what one client sends and is answered.
func (p *proxy) pass(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	var lose atomic.Bool
	go func() {
		defer client.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil || lose.Load() {
				return // the server has done it, and nobody hears
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.cut != nil && p.cut(buffer[:n]) {
			p.cut = nil
			lose.Store(true)
		}
		p.mu.Unlock()
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) url() string {
	host, port, _ := net.SplitHostPort(p.Addr().String())
	return "postgres://postgres@" + net.JoinHostPort(host, port) + "/postgres?sslmode=disable"
}

func TestFault_ALostAnswerIsFoundOut(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	config, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	if !strings.HasPrefix(config.ConnConfig.Host, "/") {
		t.Skip("NOT RUN: the server in " + pgtest.EnvURL + " is not behind a Unix socket, which the proxy leads to")
	}
	p := newProxy(t, filepath.Join(config.ConnConfig.Host, ".s.PGSQL.5432"))
	// In this mode the text of a statement goes with it.
	q := open(t, pool(t, p.url(), func(c *pgxpool.Config) {
		c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	}), pgqueue.WithSchema(schema(t, url)))
	lose := func(text string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cut = func(sent []byte) bool { return strings.Contains(string(sent), text) }
	}

	lose("INSERT INTO")
	added, err := q.Put(t.Context(), testItem("a", 1))
	require.NoError(t, err)
	require.True(t, added, "it was not a duplicate of itself")
	counts, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, counts.Stored)
	require.Zero(t, counts.Duplicates)

	leases, err := q.Lease(t.Context(), 1, nil)
	require.NoError(t, err)
	lose("DELETE FROM")
	done := delivery.Settlement{Lease: leases[0], Verdict: delivery.Done}
	err = q.Settle(t.Context(), done)
	require.Error(t, err)
	require.NotErrorIs(t, err, delivery.ErrLeaseLost)
	eventually(t, "the server has done it", func() bool {
		counts, err := q.Counts(t.Context())
		return err == nil && counts.Delivered == 1
	})
	require.ErrorIs(t, q.Settle(t.Context(), done), delivery.ErrLeaseLost, "again is safe")
	counts, err = q.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, delivery.Counts{Stored: 1, Delivered: 1}, counts)
}

func TestFault_CutConnectionsLoseNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	config, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	if !strings.HasPrefix(config.ConnConfig.Host, "/") {
		t.Skip("NOT RUN: the server in " + pgtest.EnvURL + " is not behind a Unix socket, which the proxy leads to")
	}
	p := newProxy(t, filepath.Join(config.ConnConfig.Host, ".s.PGSQL.5432"))
	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(1_000_000))
	q := open(t, pool(t, p.url()), pgqueue.WithSchema(schema(t, url)), pgqueue.WithLeaseTime(shortLease))
	d := dispatcher(t, graph, q)
	running(t, d)
	l := submitting(t, size(300, 10_000), d)
	for n := range 5 {
		l.reached(t, n+1, 7)
		p.cutAll()
	}
	l.delivered(t, graph, d)
	balanced(t, d.Stats())
	require.Zero(t, d.Stats().Duplicates)
}

func TestFault_SerializableDefaultsChangeNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(1_000_000))
	p := pool(t, url, func(c *pgxpool.Config) {
		c.MaxConns = 8
		c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "serializable"
	})
	q := open(t, p, pgqueue.WithSchema(schema(t, url)))
	one, two := dispatcher(t, graph, q), dispatcher(t, graph, q)
	running(t, one, two)
	l := submitting(t, size(300, 10_000), one, two)
	require.Zero(t, l.delivered(t, graph, one))
	balanced(t, one.Stats())
}

// A transaction of the caller's that fails for another one leaves nothing, and the same again succeeds.
func TestFault_ASerializationFailureOfTheCallerCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	p := pool(t, url)
	q := open(t, p, pgqueue.WithSchema(schema(t, url)))
	d := dispatcher(t, graphtest.NewServer(t), q)
	level := pgx.TxOptions{IsoLevel: pgx.Serializable}
	first, err := p.BeginTx(t.Context(), level)
	require.NoError(t, err)
	_, err = first.Exec(t.Context(), "SELECT 1 FROM pg_class LIMIT 1") // its time is now
	require.NoError(t, err)
	require.NoError(t, d.Submit(t.Context(), "order-1", activity(1, "order-1")))
	err = pgqueue.SubmitTx(t.Context(), d, first, "order-1", activity(1, "order-1"))
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg)
	require.Equal(t, "40001", pg.Code)
	require.NoError(t, first.Rollback(t.Context()))
	require.NoError(t, pgx.BeginTxFunc(t.Context(), p, level, func(tx pgx.Tx) error {
		return pgqueue.SubmitTx(t.Context(), d, tx, "order-1", activity(1, "order-1"))
	}))
	counts, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, counts.Stored)
	require.EqualValues(t, 1, counts.Duplicates)
}

func TestFault_ALongTransactionDoesNotStopDelivery(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	server.Start()
	p := pool(t, server.URL())
	other, err := pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	defer other.Close(context.WithoutCancel(t.Context()))
	old, err := other.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	require.NoError(t, err)
	_, err = old.Exec(t.Context(), "SELECT 1 FROM pg_class LIMIT 1")
	require.NoError(t, err)

	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(1_000_000))
	q := open(t, p)
	d := dispatcher(t, graph, q)
	running(t, d)
	dead := func() (n int) {
		_, err := p.Exec(t.Context(), "VACUUM appevents.calls")
		require.NoError(t, err)
		require.NoError(t, p.QueryRow(t.Context(), "SELECT pg_relation_size('appevents.calls')").Scan(&n))
		return n
	}
	submitting(t, size(500, 50_000), d).delivered(t, graph, d)
	require.Positive(t, dead(), "vacuum cannot help while it goes on")
	require.NoError(t, old.Rollback(t.Context()))
	eventually(t, "vacuum gives everything back", func() bool { return dead() == 0 })
}

func TestFault_AReadOnlyServerIsReportedAndSurvived(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	server.Start()
	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(1_000_000))
	p := pool(t, server.URL())
	q := open(t, p, pgqueue.WithLeaseTime(shortLease))
	d := dispatcher(t, graph, q)
	require.NoError(t, d.Submit(t.Context(), "before", activity(1, "before")))
	set := func(value string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), server.URL())
		require.NoError(t, err)
		defer conn.Close(t.Context())
		for _, text := range []string{
			"SET default_transaction_read_only = off",
			"ALTER SYSTEM SET default_transaction_read_only = " + value, "SELECT pg_reload_conf()",
		} {
			_, err := conn.Exec(t.Context(), text)
			require.NoError(t, err)
		}
	}
	set("on")
	eventually(t, "writes are refused", func() bool {
		_, err := q.Put(t.Context(), testItem("a", 1))
		return errors.Is(err, pgqueue.ErrReadOnly)
	})
	require.ErrorContains(t, d.Submit(t.Context(), "meanwhile", activity(2, "meanwhile")), "read-only")
	counts, err := q.Counts(t.Context())
	require.NoError(t, err, "reading goes on")
	require.GreaterOrEqual(t, counts.Pending, int64(1))
	again, err := pgqueue.Open(t.Context(), p)
	require.NoError(t, err, "tables that are there need no writing")
	require.NoError(t, again.Close())
	running(t, d)
	set("off")
	eventually(t, "what was accepted is delivered", func() bool { return arrived(graph)["before"] == 1 })
	require.NoError(t, d.Submit(t.Context(), "after", activity(3, "after")))
	eventually(t, "and what comes after", func() bool { return arrived(graph)["after"] == 1 })
	require.Zero(t, arrived(graph)["meanwhile"])
}

// The server is lost with its disk, and the standby that confirmed every commit takes over.
func TestFault_FailoverToASynchronousStandbyLosesNothing(t *testing.T) {
	t.Parallel()
	primary := pgtest.New(t)
	primary.Start()
	standby := primary.Standby("standby")
	standby.Start()
	conn, err := pgx.Connect(t.Context(), primary.URL())
	require.NoError(t, err)
	eventually(t, "the standby follows", func() bool {
		n := 0
		return conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").Scan(&n) == nil &&
			n == 1
	})
	for _, text := range []string{"ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()"} {
		_, err = conn.Exec(t.Context(), text)
		require.NoError(t, err)
	}
	eventually(t, "it is synchronous", func() bool {
		state := ""
		return conn.QueryRow(t.Context(), "SELECT sync_state FROM pg_stat_replication").Scan(&state) == nil && state == "sync"
	})
	require.NoError(t, conn.Close(t.Context()))

	url := "postgres://postgres@/postgres?host=" + primary.Dir() + "," + standby.Dir() +
		"&port=5432,5432&target_session_attrs=read-write"
	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(1_000_000))
	q := open(t, pool(t, url), pgqueue.WithLeaseTime(shortLease))
	d := dispatcher(t, graph, q)
	running(t, d)
	l := submitting(t, size(300, 10_000), d)
	l.reached(t, 1, 2)
	primary.Kill()
	require.NoError(t, os.RemoveAll(primary.Data()))
	standby.Promote()
	l.delivered(t, graph, d)
	balanced(t, d.Stats())
	require.EqualValues(t, l.events, d.Stats().Delivered)
}

// Without synchronous_commit a crash of the server can lose what was committed last, but never an order without its
// event or an event without its order.
func TestFault_WithoutSynchronousCommitOrdersAndEventsGoTogether(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, "synchronous_commit=off")
	server.Start()
	p := pool(t, server.URL())
	q := open(t, p)
	d := dispatcher(t, graphtest.NewServer(t), q)
	// The tables themselves are to be there after the crash.
	_, err := p.Exec(t.Context(), "SET LOCAL synchronous_commit = on; CREATE TABLE orders (id int PRIMARY KEY)",
		pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	committed := 0
	for ; committed < size(200, 2000); committed++ {
		require.NoError(t, pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "INSERT INTO orders VALUES ($1)", committed); err != nil {
				return err
			}
			id := strconv.Itoa(committed)
			return pgqueue.SubmitTx(t.Context(), d, tx, id, activity(committed, id))
		}))
	}
	server.Kill()
	server.Start()
	var orders, calls int
	eventually(t, "the server is back", func() bool {
		return p.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM appevents.calls)").
			Scan(&orders, &calls) == nil
	})
	require.Equal(t, orders, calls)
	counts, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, orders, counts.Stored)
	t.Logf("%d of %d orders are left, each with its event", orders, committed)
}
