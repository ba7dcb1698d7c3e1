package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// asShop in the environment makes this binary a shop instead of its tests; freezeAt says at which point of the way of a
// webhook it stands still.
const (
	asShop    = "OUTBOX_TEST_SHOP"
	freezeAt  = "OUTBOX_TEST_FREEZE_AT"
	appSecret = "app-secret-canary"
)

var environment = map[string]string{"APP_ID": "771", "APP_SECRET": appSecret, "VERIFY_TOKEN": "verify-token"}

func TestMain(m *testing.M) {
	if arguments := os.Getenv(asShop); arguments != "" {
		if err := shopChild(strings.Split(arguments, "\n")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(pgtest.Main(m))
}

// shopChild is a shop that stands still before or after one of the statements a webhook leads to.
func shopChild(arguments []string) error {
	at, err := strconv.Atoi(os.Getenv(freezeAt))
	if err != nil {
		return err
	}
	config, err := pgxpool.ParseConfig(arguments[0])
	if err != nil {
		return err
	}
	config.ConnConfig.Tracer = &freezer{at: int64(at)}
	s := settings{
		addr: "127.0.0.1:0", baseURL: arguments[1], appID: environment["APP_ID"], appSecret: appSecret,
		verifyToken: environment["VERIFY_TOKEN"],
		queue:       []pgqueue.Option{pgqueue.WithLeaseTime(time.Second)}, // what a killed shop had leased comes soon
	}
	return serve(context.Background(), s, config, slog.New(slog.NewTextHandler(os.Stdout, nil)))
}

// freezer stands still at one of the points of the way of a webhook: before and after each statement of its
// transaction.
type freezer struct {
	at     int64
	points atomic.Int64
}

type ours struct{}

func (f *freezer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	of := conn.PgConn().CustomData()
	if data.SQL == "begin" {
		of["ours"] = true // the queue begins its own otherwise
	}
	if of["ours"] == nil {
		return ctx
	}
	f.point("before " + data.SQL)
	return context.WithValue(ctx, ours{}, data.SQL)
}

func (f *freezer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, _ pgx.TraceQueryEndData) {
	sql, ok := ctx.Value(ours{}).(string)
	if !ok {
		return
	}
	if sql == "commit" || sql == "rollback" {
		delete(conn.PgConn().CustomData(), "ours")
	}
	f.point("after " + sql)
}

func (f *freezer) point(name string) {
	if f.points.Add(1) == f.at {
		fmt.Println("frozen " + strings.Join(strings.Fields(name), " "))
		select {}
	}
}

// database is a database of the test's own.
func database(t *testing.T) string {
	t.Helper()
	server := pgtest.URL(t)
	name := fmt.Sprintf("outbox_%d_%d", os.Getpid(), databases.Add(1))
	execute := func(ctx context.Context, sql string) {
		conn, err := pgx.Connect(ctx, server)
		require.NoError(t, err)
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, sql)
		require.NoError(t, err)
	}
	execute(t.Context(), "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

var databases atomic.Int64

// child is a shop in a process of its own.
type child struct {
	*exec.Cmd
	url   string
	lines *bufio.Scanner
}

func startShop(t *testing.T, postgres, graph string, at int) *child {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), asShop+"="+postgres+"\n"+graph, freezeAt+"="+strconv.Itoa(at))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := &child{Cmd: cmd, lines: bufio.NewScanner(out)}
	c.url = "http://" + c.await(t, "addr=") + "/webhook"
	return c
}

// await returns what follows a mark in what the shop writes.
func (c *child) await(t *testing.T, mark string) string {
	t.Helper()
	for c.lines.Scan() {
		if _, rest, ok := strings.Cut(c.lines.Text(), mark); ok {
			return rest
		}
	}
	t.Fatalf("the shop ended without %q", mark)
	return ""
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, c.Process.Kill()) // SIGKILL
	require.Error(t, c.Wait())
}

func TestOutbox_AKillBetweenAnyTwoStatementsLeavesBothOrNeither(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for at := 1; ; at++ {
		postgres := database(t)
		graph := graphtest.NewServer(t)
		webhook := graphtest.Postback(payloadBuyMug)
		shop := startShop(t, postgres, graph.URL, at)
		acknowledged := make(chan bool, 1)
		go func() {
			d, err := graphtest.Send(t.Context(), shop.url, appSecret, webhook)
			acknowledged <- err == nil && d.Acknowledged
		}()
		frozen := make(chan string, 1)
		go func() {
			for shop.lines.Scan() {
				if point, ok := strings.CutPrefix(shop.lines.Text(), "frozen "); ok {
					frozen <- point
				}
			}
			close(frozen)
		}()
		point := ""
		select {
		case point = <-frozen:
			shop.kill(t)
			require.False(t, <-acknowledged)
		case ok := <-acknowledged: // there are no more points
			require.True(t, ok)
			shop.kill(t)
		}
		seen[point] = true

		conn, err := pgx.Connect(t.Context(), postgres)
		require.NoError(t, err)
		var ordered, waiting, delivered int
		eventually(t, "the server notices that the shop is gone", func() bool {
			others := 0
			return conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND backend_type = 'client backend'`).Scan(&others) == nil && others == 1
		})
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM orders),
			(SELECT count(*) FROM appevents.calls), (SELECT sum(delivered) FROM appevents.counts)`).
			Scan(&ordered, &waiting, &delivered))
		require.Equal(t, ordered, waiting+delivered, "%s: orders and events", point)
		if strings.HasPrefix(point, "after commit") || point == "" {
			require.Equal(t, 1, ordered, point)
		} else if point != "" {
			require.Zero(t, ordered, point)
		}

		// Meta sends the webhook again.
		shop = startShop(t, postgres, graph.URL, 0)
		d, err := graphtest.Send(t.Context(), shop.url, appSecret, webhook)
		require.NoError(t, err)
		require.True(t, d.Acknowledged)
		eventually(t, "the event arrives", func() bool {
			err := conn.QueryRow(t.Context(), `SELECT count(*) FROM appevents.calls`).Scan(&waiting)
			return err == nil && waiting == 0 && len(graph.Calls()) >= 1
		})
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM orders`).Scan(&ordered))
		require.Equal(t, 1, ordered, point)
		shop.kill(t)
		require.NoError(t, conn.Close(t.Context()))
		if point == "" {
			require.GreaterOrEqual(t, at, 9, "before and after begin, the order, its event and commit")
			break
		}
		t.Logf("killed %.40s", point)
	}
}

func TestDemo_ShowsBothTogether(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	at := database(t)
	// A real queue in the same database, with a call that waits for Meta.
	config, err := pgxpool.ParseConfig(at)
	require.NoError(t, err)
	shop, closing, err := openShop(t.Context(), settings{appID: "771", appSecret: appSecret}, config)
	require.NoError(t, err)
	defer closing()
	require.NoError(t, shop.dispatcher.Submit(t.Context(), "k", &appevents.Activity{
		Thread: appevents.Thread{PageID: "901", PSID: "7001"}, Consent: appevents.ConsentAllowed,
		Events: []appevents.Event{appevents.Purchase(1, "USD")},
	}))
	require.NoError(t, run(t.Context(), []string{"-demo", "-postgres", at},
		func(string) string { return "" }, &out, io.Discard))
	require.EqualValues(t, 1, shop.dispatcher.Stats().Pending, "the demonstration leaves it alone")
	var left int
	require.NoError(t, shop.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM orders) +
		(SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'outbox_demo_%')`).Scan(&left))
	require.Zero(t, left, "and nothing behind")
	var figures []string
	for line := range strings.Lines(out.String()) {
		_, rest, _ := strings.Cut(line, "orders: ")
		figures = append(figures, strings.Join(strings.Fields(rest), " "))
	}
	require.Equal(t, []string{
		"0 events waiting: 0, delivered: 0", "0 events waiting: 0, delivered: 0", "1 events waiting: 1, delivered: 0",
		"1 events waiting: 1, delivered: 0", "1 events waiting: 0, delivered: 1",
	}, figures, out.String())
}

func TestRun_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), nil, func(string) string { return "" }, io.Discard, io.Discard)
	require.ErrorContains(t, err, "-postgres is missing")
	err = run(t.Context(), []string{"-postgres", "postgres://u:secret-canary@h:x/"}, func(string) string { return "" },
		io.Discard, io.Discard)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret-canary")
}

// eventually waits for something that other processes bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 2*time.Minute, 20*time.Millisecond, what)
}
