package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/delivery/natsqueue"
	"github.com/appevents/appevents-go/delivery/pgqueue"
)

// openQueue opens the queue that -queue names: a URL is of a Postgres database or of NATS servers, anything else is a
// file.
func openQueue(ctx context.Context, s *settings, log *slog.Logger) (delivery.Queue, error) {
	switch scheme, _, isURL := strings.Cut(s.queue, "://"); {
	case !isURL:
		return boltqueue.Open(s.queue)
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(ctx, s)
	default:
		return openNATS(ctx, s, log)
	}
}

// openPostgres opens the queue in a database. A bot with tables of its own shares the pool with them.
func openPostgres(ctx context.Context, s *settings) (delivery.Queue, error) {
	pool, err := pgxpool.New(ctx, s.queue)
	if err != nil {
		return nil, fmt.Errorf("bot: connect to Postgres: %w", err) // its errors leave passwords out
	}
	queue, err := pgqueue.Open(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return postgresQueue{Queue: queue, pool: pool}, nil
}

// postgresQueue is a queue with a pool of its own.
type postgresQueue struct {
	*pgqueue.Queue
	pool *pgxpool.Pool
}

// Close closes the queue, then its pool.
func (q postgresQueue) Close() error {
	defer q.pool.Close()
	return q.Queue.Close()
}

func openNATS(ctx context.Context, s *settings, log *slog.Logger) (delivery.Queue, error) {
	opts := []nats.Option{
		nats.Name("appevents bot"),
		nats.MaxReconnects(-1), // calls wait in the queue meanwhile, and webhooks at Meta
		nats.NoCallbacksAfterClientClose(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			log.WarnContext(ctx, "NATS connection lost", "error", err)
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.InfoContext(ctx, "NATS connection restored") }),
	}
	if s.natsCredentials != "" {
		opts = append(opts, nats.UserCredentials(s.natsCredentials))
	}
	conn, err := nats.Connect(s.queue, opts...)
	if err != nil {
		if wrong := (*url.Error)(nil); errors.As(err, &wrong) {
			err = wrong.Err // without the URL, which can hold a password
		}
		return nil, fmt.Errorf("bot: connect to NATS: %w", err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	queue, err := natsqueue.Open(ctx, js, natsqueue.WithReplicas(s.replicas))
	if err != nil {
		conn.Close()
		return nil, err
	}
	return natsQueue{Queue: queue, conn: conn}, nil
}

// natsQueue is a queue with a connection of its own.
type natsQueue struct {
	*natsqueue.Queue
	conn *nats.Conn
}

// Close closes the queue, then its connection.
func (q natsQueue) Close() error {
	defer q.conn.Close()
	return q.Queue.Close()
}
