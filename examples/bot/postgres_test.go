package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

var databases atomic.Int64

// database returns the URL of a Postgres database of the test's own.
func database(t *testing.T) string {
	t.Helper()
	server := pgtest.URL(t)
	name := fmt.Sprintf("bot_%d_%d", os.Getpid(), databases.Add(1))
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

func TestOpenQueue_ClosesItsPool(t *testing.T) {
	t.Parallel()
	queue, err := openQueue(t.Context(), &settings{queue: database(t)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, queue.Close())
	require.ErrorContains(t, queue.(postgresQueue).pool.Ping(t.Context()), "closed pool")
}

func TestOpenQueue_KeepsThePasswordOfADatabase(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"127.0.0.1:1/none", "127.0.0.1:x/none"} {
		_, err := openQueue(t.Context(), &settings{queue: "postgres://u:password-canary@" + at}, slog.New(slog.DiscardHandler))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "password-canary")
	}
}

func TestBot_SharesTheWorkOverPostgres(t *testing.T) {
	t.Parallel()
	url := database(t)
	m := newMeta(t)
	m.meet(graphtest.Unavailable)
	one, two := start(t, m, "-queue", url), start(t, m, "-queue", url)
	webhook := graphtest.Postback(payloadBuyMug)
	one.deliver(t, webhook, webhook)
	two.deliver(t, webhook, graphtest.Text("Thanks!"))
	await(t, m.failed, "a call")
	code, body := two.get(t, "/readyz")
	require.Equal(t, 200, code, body)
	require.Contains(t, body, `"pending":3`)
	one.stop() // the other one takes over
	m.meet(nil)
	seen := map[string]int{}
	for _, e := range m.wait(t, 3) {
		seen[e.edge+" "+e.name]++
	}
	two.stop()
	m.none(t)
	require.Equal(t, map[string]int{"activities fb_mobile_purchase": 1, "events Purchase": 1, "activities Contact": 1}, seen)
}
