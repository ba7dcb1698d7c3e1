package pgqueue_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/delivery/queuetest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// engine is the queue as the suite wants it, each on connections of its own.
func engine(url string, changes ...func(*pgxpool.Config)) queuetest.Engine {
	return queuetest.Engine{
		Durable: true, TakesTurns: true, CountsDuplicates: true,
		Open: func(t *testing.T, s queuetest.Settings) func() delivery.Queue {
			opts := []pgqueue.Option{
				pgqueue.WithSchema(schema(t, url)), pgqueue.WithLeaseTime(s.LeaseTime), pgqueue.WithWindow(s.Window),
			}
			if s.BuriedAge > 0 {
				opts = append(opts, pgqueue.WithBuriedAge(s.BuriedAge))
			}
			if s.BuriedLimit > 0 {
				opts = append(opts, pgqueue.WithBuriedLimit(s.BuriedLimit))
			}
			connections := pool(t, url, changes...)
			return func() delivery.Queue {
				q, err := pgqueue.Open(t.Context(), connections, opts...)
				require.NoError(t, err)
				return q
			}
		},
	}
}

func TestQueue_PassesTheSuite(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, engine(pgtest.URL(t)))
}

func TestQueue_PassesTheSuiteInOtherModes(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	for name, mode := range map[string]pgx.QueryExecMode{
		"exec": pgx.QueryExecModeExec, "simple protocol": pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queuetest.Run(t, engine(url, func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = mode }))
		})
	}
}
