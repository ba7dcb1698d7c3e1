package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/delivery/natsqueue"
)

// openQueue opens the queue that -queue names: URLs are of NATS servers, anything else is a file.
func openQueue(ctx context.Context, s *settings, log *slog.Logger) (delivery.Queue, error) {
	if !strings.Contains(s.queue, "://") {
		return boltqueue.Open(s.queue)
	}
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
