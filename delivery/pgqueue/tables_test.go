package pgqueue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/internal/pgtest"
)

func TestOpen_ManyAtATimeMakeTheTablesOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	p := pool(t, url)
	name := schema(t, url)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			q, err := pgqueue.Open(t.Context(), p, pgqueue.WithSchema(name))
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			if err := q.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	all.Wait()
	require.NoError(t, p.Ping(t.Context()), "the pool stays the caller's")
}

func TestMigrations_CanBeRunByOthers(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	p := pool(t, url)
	name := schema(t, url)
	_, err := pgqueue.Open(t.Context(), p, pgqueue.WithSchema(name), pgqueue.WithoutMigration())
	require.ErrorIs(t, err, pgqueue.ErrSchema)
	list, err := pgqueue.Migrations(name)
	require.NoError(t, err)
	conn, err := p.Acquire(t.Context())
	require.NoError(t, err)
	for i, m := range list {
		require.Equal(t, i+1, m.Version)
		_, err := conn.Conn().PgConn().Exec(t.Context(), m.SQL).ReadAll()
		require.NoError(t, err)
	}
	conn.Release()
	q := open(t, p, pgqueue.WithSchema(name), pgqueue.WithoutMigration())
	added, err := q.Put(t.Context(), testItem("a", 1))
	require.NoError(t, err)
	require.True(t, added)

	_, err = p.Exec(t.Context(), "INSERT INTO "+pgx.Identifier{name}.Sanitize()+".migrations (version) VALUES (99)")
	require.NoError(t, err)
	_, err = pgqueue.Open(t.Context(), p, pgqueue.WithSchema(name))
	require.ErrorIs(t, err, pgqueue.ErrSchema)
	require.ErrorContains(t, err, "newer")
}

func TestOpen_NeedsNoMoreRightsThanItUses(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	admin := pool(t, url)
	name := schema(t, url)
	quoted := pgx.Identifier{name}.Sanitize()
	role := fmt.Sprint("appevents_test_", schemas.Add(1))
	_, err := admin.Exec(t.Context(), "CREATE ROLE "+role)
	if err != nil {
		t.Skip("NOT RUN: roles cannot be made: " + err.Error())
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_, err := admin.Exec(ctx, "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
	})
	for _, text := range []string{"CREATE SCHEMA " + quoted, "GRANT USAGE, CREATE ON SCHEMA " + quoted + " TO " + role} {
		_, err = admin.Exec(t.Context(), text)
		require.NoError(t, err)
	}
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	_ = config
	p := pool(t, url+separator+"options=-c%20role%3D"+role)
	q := open(t, p, pgqueue.WithSchema(name))
	added, err := q.Put(t.Context(), testItem("a", 1))
	require.NoError(t, err)
	require.True(t, added)
}

func TestOptions_RefuseWhatCannotWork(t *testing.T) {
	t.Parallel()
	p := pool(t, "postgres://localhost:1/none")
	for name, opt := range map[string]pgqueue.Option{
		"a nil option": nil, "an empty schema": pgqueue.WithSchema(""),
		"a long schema":    pgqueue.WithSchema(strings.Repeat("x", 64)),
		"the server's own": pgqueue.WithSchema("pg_x"), "a zero byte": pgqueue.WithSchema("a\x00b"),
		"no lease time": pgqueue.WithLeaseTime(0), "no window": pgqueue.WithWindow(-1),
		"no age": pgqueue.WithBuriedAge(0), "no limit": pgqueue.WithBuriedLimit(0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pgqueue.Open(t.Context(), p, opt)
			var config *appevents.ConfigError
			require.ErrorAs(t, err, &config)
		})
	}
	_, err := pgqueue.Open(t.Context(), nil)
	require.Error(t, err)
	_, err = pgqueue.Migrations("")
	require.Error(t, err)
}

func TestQueue_TakesAnyTextAndRefusesOddLanes(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	q := open(t, pool(t, url), pgqueue.WithSchema(schema(t, url)))
	for _, lane := range []string{"", strings.Repeat("x", 2000), "a\x00b", "a\xff"} {
		_, err := q.Put(t.Context(), testItem(lane, 1))
		require.ErrorContains(t, err, "lane")
		require.ErrorContains(t, q.Pause(t.Context(), delivery.Pause{Lane: lane, Until: time.Now().Add(time.Hour)}), "lane")
	}
	_, err := q.Put(t.Context(), testItem("a", 1))
	require.NoError(t, err)
	leases, err := q.Lease(t.Context(), 1, nil)
	require.NoError(t, err)
	require.NoError(t, q.Settle(t.Context(), delivery.Settlement{
		Lease: leases[0], Verdict: delivery.Retry, Error: "a\x00b\xff'; DROP TABLE calls; --",
	}))
	leases, err = q.Lease(t.Context(), 1, nil)
	require.NoError(t, err)
	require.Equal(t, "a�b�'; DROP TABLE calls; --", leases[0].LastError)
}

// Keys are swept, and everything that was delivered leaves nothing but the figures.
func TestSweep_LeavesNothingBehind(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	p := pool(t, url)
	name := schema(t, url)
	q := open(t, p, pgqueue.WithSchema(name), pgqueue.WithWindow(50*time.Millisecond))
	const n = 2500 // some batches
	var all sync.WaitGroup
	for w := range 50 {
		all.Go(func() {
			for i := w; i < n; i += 50 {
				if _, err := q.Put(t.Context(), testItem("a", i)); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
		_, err := q.PutTx(t.Context(), tx, testItem("tx", 1))
		return err
	}))
	for done := 0; done < n+1; {
		leases, err := q.Lease(t.Context(), n, nil)
		require.NoError(t, err)
		list := make([]delivery.Settlement, len(leases))
		for i, l := range leases {
			list[i] = delivery.Settlement{Lease: l, Verdict: delivery.Done}
		}
		require.NoError(t, q.Settle(t.Context(), list...))
		done += len(leases)
	}
	quoted := pgx.Identifier{name}.Sanitize()
	eventually(t, "the tables are empty", func() bool {
		left := 0
		err := p.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM `+quoted+`.keys) + (SELECT count(*) FROM `+quoted+
			`.tallies) + (SELECT count(*) FROM `+quoted+`.calls)`).Scan(&left)
		return err == nil && left == 0
	})
	counts, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, delivery.Counts{Stored: n + 1, Delivered: n + 1}, counts)
}

// Another process that waits is told of a new call; both share nothing but the database.
func TestLease_IsToldOfWhatAnotherProcessStores(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	name := schema(t, url)
	one := open(t, pool(t, url), pgqueue.WithSchema(name))
	two := open(t, pool(t, url), pgqueue.WithSchema(name))
	got := make(chan error, 1)
	go func() {
		_, err := two.Lease(t.Context(), 1, nil)
		got <- err
	}()
	_, err := one.Put(t.Context(), testItem("a", 1))
	require.NoError(t, err)
	require.NoError(t, <-got)
}

// The server's clock was a day fast, until it was set back: the tables are as they would be.
func TestClock_SetBackDelaysNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	p := pool(t, url)
	name := schema(t, url)
	q := open(t, p, pgqueue.WithSchema(name))
	for _, lane := range []string{"leased", "retried", "paused"} {
		_, err := q.Put(t.Context(), testItem(lane, 1))
		require.NoError(t, err)
	}
	for range 3 {
		leases, err := q.Lease(t.Context(), 1, nil)
		require.NoError(t, err)
		switch s := (delivery.Settlement{Lease: leases[0], Verdict: delivery.Retry}); leases[0].Lane {
		case "retried":
			s.At = time.Now().Add(time.Second)
			require.NoError(t, q.Settle(t.Context(), s))
		case "paused":
			require.NoError(t, q.Settle(t.Context(), s))
		}
	}
	require.NoError(t, q.Pause(t.Context(), delivery.Pause{Lane: "paused", Until: time.Now().Add(time.Second)}))
	require.NoError(t, q.Close())
	quoted := pgx.Identifier{name}.Sanitize()
	for _, text := range []string{
		"UPDATE {s}.calls SET held = held + interval '1 day' WHERE lane = 'retried'",
		"UPDATE {s}.calls SET held = now() + interval '1 day 1 second' WHERE lane = 'leased'",
		"UPDATE {s}.pauses SET until = until + interval '1 day'", "UPDATE {s}.keys SET expires = expires + interval '1 day'",
		"UPDATE {s}.clock SET seen = now() + interval '1 day'",
	} {
		_, err := p.Exec(t.Context(), strings.ReplaceAll(text, "{s}", quoted))
		require.NoError(t, err)
	}
	q = open(t, p, pgqueue.WithSchema(name))
	for range 3 {
		_, err := q.Lease(t.Context(), 1, nil)
		require.NoError(t, err)
	}
	var late int
	require.NoError(t, p.QueryRow(t.Context(),
		"SELECT count(*) FROM "+quoted+".keys WHERE expires > now() + interval '49 hours'").Scan(&late))
	require.Zero(t, late)
}

// halted stands still when a batch is about to be sent, until told to go on.
type halted struct{ under, on chan struct{} }

func (h *halted) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	h.under <- struct{}{}
	<-h.on
	return ctx
}

func (*halted) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*halted) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (*halted) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (*halted) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// What is under way when the queue is closed is not cut off at once: that would cost the caller's pool a connection.
func TestClose_LetsWhatIsUnderWayEnd(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	name := schema(t, url)
	h := &halted{under: make(chan struct{}), on: make(chan struct{})}
	p := pool(t, url, func(c *pgxpool.Config) { c.ConnConfig.Tracer = h })
	for n := 1; ; n++ {
		q, err := pgqueue.Open(t.Context(), p, pgqueue.WithSchema(name))
		require.NoError(t, err)
		stored := make(chan error, 1)
		go func() {
			_, err := q.Put(t.Context(), testItem("a", n))
			stored <- err
		}()
		<-h.under
		closed := make(chan error, 1)
		go func() { closed <- q.Close() }()
		eventually(t, "nothing begins any more", func() bool {
			_, err := q.Counts(t.Context())
			return errors.Is(err, delivery.ErrClosed)
		})
		h.on <- struct{}{}
		require.NoError(t, <-closed)
		if err = <-stored; err == nil {
			break
		}
		// The grace is over soon where the machine stands still now and then.
		require.ErrorIs(t, err, delivery.ErrClosed)
		require.Less(t, n, 20, "a Put that is under way ends")
	}
}

func TestQueue_PrintsItsNameAlone(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	q := open(t, pool(t, url), pgqueue.WithSchema(schema(t, url)))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		require.Equal(t, "pgqueue.Queue", fmt.Sprintf(verb, q), verb)
	}
}
