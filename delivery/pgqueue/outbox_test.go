package pgqueue_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

var errRolledBack = errors.New("rolled back")

func TestSubmitTx_TheCallGoesWithTheTransaction(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	p := pool(t, url)
	q := open(t, p, pgqueue.WithSchema(schema(t, url)))
	graph := graphtest.NewServer(t)
	d := dispatcher(t, graph, q)
	db := stdlib.OpenDBFromPool(p)
	defer db.Close()
	table := pgx.Identifier{fmt.Sprint("orders_", schemas.Add(1))}.Sanitize()
	_, err := p.Exec(t.Context(), "CREATE TABLE "+table+" (id text PRIMARY KEY)")
	require.NoError(t, err)
	defer func() { _, _ = p.Exec(t.Context(), "DROP TABLE "+table) }()
	insert := "INSERT INTO " + table + " VALUES ($1)"

	ways := map[string]func(id string, end error) error{
		"pgx": func(id string, end error) error {
			return pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), insert, id)
				return errors.Join(err, pgqueue.SubmitTx(t.Context(), d, tx, id, activity(1, id)), end)
			})
		},
		"database/sql": func(id string, end error) error {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), insert, id)
			if err := errors.Join(err, pgqueue.SubmitSQL(t.Context(), d, tx, id, activity(1, id)), end); err != nil {
				require.NoError(t, tx.Rollback())
				return err
			}
			return tx.Commit()
		},
	}
	committed := 0
	for name, way := range ways {
		for n := range 6 {
			id := fmt.Sprint(name, " ", n)
			if n%2 == 1 {
				require.ErrorIs(t, way(id, errRolledBack), errRolledBack)
				id = fmt.Sprint(name, " again ", n) // a key that was rolled back is free
				require.ErrorIs(t, way(id, errRolledBack), errRolledBack)
			}
			require.NoError(t, way(id, nil))
			committed++
		}
	}
	var orders int
	require.NoError(t, p.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&orders))
	require.Equal(t, committed, orders)
	counts, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, committed, counts.Stored)
	require.EqualValues(t, committed, counts.Pending)
	require.Zero(t, counts.Duplicates)

	// The same keys again are accepted, and store nothing.
	require.NoError(t, pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
		for range 2 {
			if err := pgqueue.SubmitTx(t.Context(), d, tx, "pgx 0", activity(1, "pgx 0")); err != nil {
				return err
			}
		}
		return nil
	}))
	counts, err = q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, committed, counts.Stored)
	require.EqualValues(t, 2, counts.Duplicates)

	running(t, d)
	eventually(t, "all that was committed is delivered", func() bool { return len(arrived(graph)) == committed })
	eventually(t, "and settled", func() bool { return d.Stats().Pending == 0 })
	balanced(t, d.Stats())
}

func TestSubmitTx_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	p := pool(t, url)
	q := open(t, p, pgqueue.WithSchema(schema(t, url)))
	graph := graphtest.NewServer(t)
	d := dispatcher(t, graph, q)
	err := pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
		elsewhere := dispatcher(t, graph, memqueue.New())
		require.ErrorIs(t, pgqueue.SubmitTx(t.Context(), elsewhere, tx, "k", activity(1, "a")), pgqueue.ErrNotThisQueue)
		var config *appevents.ConfigError
		require.ErrorAs(t, pgqueue.SubmitTx(t.Context(), nil, tx, "k", activity(1, "a")), &config)
		require.ErrorAs(t, pgqueue.SubmitTx(t.Context(), d, nil, "k", activity(1, "a")), &config)
		require.ErrorAs(t, pgqueue.SubmitSQL(t.Context(), d, nil, "k", activity(1, "a")), &config)
		var invalid *appevents.ValidationError
		require.ErrorAs(t, pgqueue.SubmitTx(t.Context(), d, tx, "", activity(1, "a")), &invalid)
		require.ErrorAs(t, pgqueue.SubmitTx(t.Context(), d, tx, "k", &appevents.Activity{}), &invalid)
		// The transaction is as it was.
		return pgqueue.SubmitTx(t.Context(), d, tx, "k", activity(1, "a"))
	})
	require.NoError(t, err)
	require.EqualValues(t, 1, d.Stats().Accepted)
}

// wrapped is a queue with something of the caller's around it.
type wrapped struct{ *pgqueue.Queue }

func TestSubmitTx_FindsAQueueThatIsEmbedded(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	p := pool(t, url)
	q := open(t, p, pgqueue.WithSchema(schema(t, url)))
	d := dispatcher(t, graphtest.NewServer(t), wrapped{q})
	require.NoError(t, pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
		return pgqueue.SubmitTx(t.Context(), d, tx, "k", activity(1, "a"))
	}))
	require.EqualValues(t, 1, d.Stats().Pending)
}

// A key that a transaction holds keeps nobody else waiting, and its own Put until the transaction ends.
func TestPut_ATransactionThatGoesOnHoldsUpItsKeyOnly(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	p := pool(t, url)
	q := open(t, p, pgqueue.WithSchema(schema(t, url)))
	tx, err := p.Begin(t.Context())
	require.NoError(t, err)
	held := testItem("a", 0)
	added, err := q.PutTx(t.Context(), tx, held)
	require.NoError(t, err)
	require.True(t, added)
	same := make(chan bool, 1)
	go func() {
		added, err := q.Put(t.Context(), held)
		same <- added && err == nil
	}()
	for n := range 20 {
		added, err := q.Put(t.Context(), testItem("a", n+1))
		require.NoError(t, err)
		require.True(t, added)
	}
	require.Empty(t, same)
	counts, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 20, counts.Pending)
	require.NoError(t, tx.Rollback(t.Context()))
	require.True(t, <-same)
	counts, err = q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 21, counts.Pending)
}
