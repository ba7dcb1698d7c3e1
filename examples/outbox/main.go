// Outbox is a shop's bot that writes an order and the event about it in one transaction: both are there, or neither is.
//
//	outbox -postgres postgres://localhost/shop
//
// The credentials come from the environment: APP_ID, APP_SECRET and VERIFY_TOKEN. With -demo it needs none: it shows an
// order and its event rolling back and committing together, and the event arriving at a stand-in for Meta.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/pgqueue"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// settings are what the flags and the environment say.
type settings struct {
	addr, postgres, baseURL       string
	demo                          bool
	appID, appSecret, verifyToken string
	queue                         []pgqueue.Option
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	s := settings{appID: getenv("APP_ID"), appSecret: getenv("APP_SECRET"), verifyToken: getenv("VERIFY_TOKEN")}
	flags := flag.NewFlagSet("outbox", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.postgres, "postgres", "", "the `URL` of the database")
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "where to listen; Meta must reach /webhook there over HTTPS")
	flags.StringVar(&s.baseURL, "base-url", "", "send to this `URL` instead of to Meta: to a stand-in")
	flags.BoolVar(&s.demo, "demo", false, "show what it is about, and exit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.postgres == "" {
		return errors.New("outbox: -postgres is missing: the URL of the database")
	}
	config, err := pgxpool.ParseConfig(s.postgres)
	if err != nil {
		return fmt.Errorf("outbox: -postgres: %w", err)
	}
	if s.demo {
		return demo(ctx, config, stdout)
	}
	return serve(ctx, s, config, slog.New(slog.NewTextHandler(stderr, nil)))
}

// openShop opens what the shop consists of. Closing it closes that again.
func openShop(ctx context.Context, s settings, config *pgxpool.Config) (_ *shop, closing func(), err error) {
	opts := []appevents.Option{appevents.WithAppSecret(s.appSecret)} // makes the app token, which /activities wants
	if s.baseURL != "" {
		opts = append(opts, appevents.WithBaseURL(s.baseURL))
	}
	client, err := appevents.New(s.appID, opts...)
	if err != nil {
		return nil, nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	if _, err := pool.Exec(ctx, orders); err != nil {
		pool.Close()
		return nil, nil, fmt.Errorf("outbox: the table of orders: %w", err)
	}
	queue, err := pgqueue.Open(ctx, pool, s.queue...)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	dispatcher, err := delivery.New(client, queue)
	closing = func() {
		_ = queue.Close()
		pool.Close()
	}
	if err != nil {
		closing()
		return nil, nil, err
	}
	return &shop{pool: pool, dispatcher: dispatcher}, closing, nil
}

// serve runs the shop until ctx ends.
func serve(ctx context.Context, s settings, config *pgxpool.Config, log *slog.Logger) (err error) {
	shop, closing, err := openShop(ctx, s, config)
	if err != nil {
		return err
	}
	defer closing()
	hook, err := newWebhook(shop, s.appSecret, s.verifyToken, log)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhook", hook)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	working, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	delivering, stopDelivering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDelivering()
	var running sync.WaitGroup
	running.Go(func() { fail(server.Serve(listener)) })
	running.Go(func() { fail(shop.dispatcher.Run(delivering)) })
	log.InfoContext(ctx, "serving", "addr", listener.Addr().String())

	<-working.Done()
	if ctx.Err() == nil {
		err = context.Cause(working)
	}
	answering, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = errors.Join(err, server.Shutdown(answering)) // Meta sends again what is not answered
	stopDelivering()
	running.Wait()
	return err
}
