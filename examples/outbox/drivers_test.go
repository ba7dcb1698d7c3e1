package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "github.com/lib/pq"              // the driver postgres
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/graphtest"
)

// Those who use package database/sql have the same, whatever their driver.
func TestSubmitSQL_WorksWithEveryDriver(t *testing.T) {
	t.Parallel()
	for name, driver := range map[string]struct{ name, query string }{
		"pgx":                                 {"pgx", ""},
		"pgx, without prepared statements":    {"pgx", "default_query_exec_mode=exec"},
		"pgx, simple protocol":                {"pgx", "default_query_exec_mode=simple_protocol"},
		"lib/pq":                              {"postgres", ""},
		"lib/pq, without prepared statements": {"postgres", "binary_parameters=yes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := database(t)
			pool, err := pgxpool.New(t.Context(), at)
			require.NoError(t, err)
			t.Cleanup(pool.Close)
			queue, err := pgqueue.Open(t.Context(), pool)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, queue.Close()) })
			graph := graphtest.NewServer(t)
			client, err := appevents.New("771", appevents.WithAppSecret(appSecret), appevents.WithBaseURL(graph.URL))
			require.NoError(t, err)
			dispatcher, err := delivery.New(client, queue)
			require.NoError(t, err)

			u, err := url.Parse(at)
			require.NoError(t, err)
			u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+driver.query, "&")
			db, err := sql.Open(driver.name, u.String())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			_, err = db.ExecContext(t.Context(), `CREATE TABLE sold (id text PRIMARY KEY)`)
			require.NoError(t, err)
			order := func(ctx context.Context, id string, failure error) error {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return err
				}
				defer func() { _ = tx.Rollback() }()
				if _, err := tx.ExecContext(ctx, `INSERT INTO sold VALUES ($1)`, id); err != nil {
					return err
				}
				event := appevents.Purchase(55.22, "USD")
				event.ID = id
				err = pgqueue.SubmitSQL(ctx, dispatcher, tx, id, &appevents.Activity{
					Thread:  appevents.Thread{PageID: "901", PSID: "7001"},
					Consent: appevents.ConsentAllowed,
					Events:  []appevents.Event{event},
				})
				if err := errors.Join(err, failure); err != nil {
					return err
				}
				return tx.Commit()
			}
			declined := errors.New("declined")
			for n := range 6 {
				require.ErrorIs(t, order(t.Context(), fmt.Sprint("order-", n), declined), declined)
				if n%2 == 0 {
					require.NoError(t, order(t.Context(), fmt.Sprint("order-", n), nil))
				}
			}
			var sold, waiting int
			require.NoError(t, db.QueryRowContext(t.Context(),
				`SELECT (SELECT count(*) FROM sold), (SELECT count(*) FROM appevents.calls)`).Scan(&sold, &waiting))
			require.Equal(t, 3, sold)
			require.Equal(t, 3, waiting)

			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- dispatcher.Run(ctx) }()
			eventually(t, "they are delivered", func() bool { return dispatcher.Stats().Delivered == 3 })
			stop()
			require.NoError(t, <-ended)
			graph.Check(t)
		})
	}
}
