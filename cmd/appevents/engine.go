package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/delivery/natsqueue"
	"github.com/appevents/appevents-go/delivery/pgqueue"
)

const (
	// fileWindow is how long a queue in a file remembers what was put: a key takes 50 bytes of the file and no memory,
	// and a command that was interrupted may be given again after a holiday. Those on servers keep what they are set to.
	fileWindow = 30 * 24 * time.Hour

	// Buried calls are kept for as long, and as many, as the process says that the queue belongs to.
	keepAge = 100 * 365 * 24 * time.Hour
	keepAll = 1 << 30

	// reachTime is how long a server may take to answer the first time.
	reachTime = 15 * time.Second
)

// The kinds of engines.
const (
	engineFile     = "file"
	engineNATS     = "nats"
	enginePostgres = "postgres"
)

// An engine is a queue that was opened by its name.
type engine struct {
	delivery.Queue
	kind string // [engineFile], [engineNATS] or [enginePostgres]
	name string // to print: without a password

	disconnect func()
}

// Close closes the queue and then the way to it.
func (e *engine) Close() error {
	err := e.Queue.Close()
	if e.disconnect != nil {
		e.disconnect()
	}
	return err
}

func (e *engine) failed(err error) error { return queueError(e.name, err) }

// find returns a buried call. The error wraps [delivery.ErrNotFound] when it is not there.
func (e *engine) find(ctx context.Context, id string) (*delivery.Buried, error) {
	page, err := e.Buried(ctx, id, 1)
	switch {
	case err != nil && !errors.Is(err, delivery.ErrNotFound):
		return nil, e.failed(err)
	case len(page) == 0 || page[0].ID != id:
		return nil, delivery.ErrNotFound
	}
	return &page[0], nil
}

// openEngine opens the queue that name names: a file, nats://HOST[,HOST…][/STREAM] or postgres://… With create it is
// made when it does not exist. Its errors have their exit code, and no password.
func (p *program) openEngine(ctx context.Context, name string, create bool) (*engine, error) {
	scheme, rest, isURL := strings.Cut(name, "://")
	if !isURL {
		return p.openFile(name, create)
	}
	switch scheme = strings.ToLower(scheme); scheme {
	case "nats", "tls":
		return p.openNATS(ctx, scheme, rest, create)
	case "postgres", "postgresql":
		return openPostgres(ctx, name, create)
	case "file":
		return p.openFile(rest, create)
	default:
		return nil, usageError("no queue is called %s://…: name a file, nats://… or postgres://…", printable(scheme))
	}
}

func (p *program) openFile(path string, create bool) (*engine, error) {
	if path == "" || path == "-" {
		return nil, usageError("the queue needs the name of a file, nats://… or postgres://…")
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, usageError("the queue %s is a directory: name a file in it", printable(path))
	case errors.Is(err, fs.ErrNotExist) && !create:
		return nil, fail(exitNotSent, "there is no queue %s", printable(path))
	case err == nil && info.Size() == 0 && !create:
		return nil, fail(exitNotSent, "%s is no queue: it is empty", printable(path))
	}
	logger := slog.New(slog.DiscardHandler)
	if !p.quiet {
		logger = slog.New(slog.NewTextHandler(p.stderr, nil))
	}
	q, err := boltqueue.Open(path, boltqueue.WithLogger(logger), boltqueue.WithWindow(fileWindow),
		boltqueue.WithBuriedAge(keepAge), boltqueue.WithBuriedLimit(keepAll))
	switch {
	case errors.Is(err, boltqueue.ErrLocked):
		return nil, &failure{
			code: exitNotSent, err: fmt.Errorf("the queue %s is open in another process", printable(path)),
			hint: "stop that, or, with the queue commands, ask it by its address: a bot that serves delivery/inspect " +
				"has one such as http://127.0.0.1:8081/-/queue",
		}
	case err != nil:
		return nil, fail(exitNotSent, "the queue %s: %w", printable(path), err)
	}
	return &engine{Queue: q, kind: engineFile, name: path}, nil
}

// openNATS connects to the servers of a URL without its scheme. Its path is the name of the stream.
func (p *program) openNATS(ctx context.Context, scheme, rest string, create bool) (*engine, error) {
	servers, stream, _ := strings.Cut(rest, "/")
	var urls, shown []string
	for server := range strings.SplitSeq(servers, ",") {
		u, err := url.Parse(scheme + "://" + strings.TrimPrefix(strings.TrimSpace(server), scheme+"://"))
		if err != nil || u.Host == "" || u.RawQuery != "" {
			return nil, usageError("the queue must look like nats://127.0.0.1:4222, or nats://HOST,HOST/STREAM")
		}
		urls, shown = append(urls, u.String()), append(shown, u.Host)
	}
	var options []natsqueue.Option
	name := scheme + "://" + strings.Join(shown, ",")
	if stream != "" {
		options, name = append(options, natsqueue.WithName(stream)), name+"/"+stream
	} else {
		stream = "APPEVENTS"
	}
	connection := []nats.Option{nats.Name("appevents"), nats.MaxReconnects(-1), nats.Timeout(reachTime / 3)}
	if file := p.getenv("NATS_CREDS"); file != "" {
		connection = append(connection, nats.UserCredentials(file))
	}
	nc, err := nats.Connect(strings.Join(urls, ","), connection...)
	if err != nil {
		return nil, queueError(name, err)
	}
	q, err := openStream(ctx, nc, stream, create, options)
	if err != nil {
		nc.Close()
		return nil, queueError(name, err)
	}
	return &engine{Queue: q, kind: engineNATS, name: name, disconnect: nc.Close}, nil
}

func openStream(
	ctx context.Context, nc *nats.Conn, stream string, create bool, options []natsqueue.Option,
) (*natsqueue.Queue, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	if !create {
		ctx, cancel := context.WithTimeout(ctx, reachTime)
		defer cancel()
		if _, err := js.Stream(ctx, stream); err != nil {
			return nil, err
		}
	}
	return natsqueue.Open(ctx, js, options...)
}

// schemaSetting names the schema of the tables in the URL of a database. It is ours, and not passed on.
const schemaSetting = "appevents_schema"

func openPostgres(ctx context.Context, address string, create bool) (*engine, error) {
	options := []pgqueue.Option{pgqueue.WithBuriedAge(keepAge), pgqueue.WithBuriedLimit(keepAll)}
	u, err := url.Parse(address)
	if err != nil { // not repeated: it can hold a password
		return nil, usageError("the queue must look like postgres://USER@HOST:5432/DATABASE")
	}
	name := u.Scheme + "://" + u.Host + u.Path
	query := u.Query()
	if schema := query.Get(schemaSetting); schema != "" {
		query.Del(schemaSetting)
		u.RawQuery = query.Encode()
		options, name = append(options, pgqueue.WithSchema(schema)), name+" schema "+schema
	}
	if !create {
		options = append(options, pgqueue.WithoutMigration())
	}
	config, err := pgxpool.ParseConfig(u.String())
	if err != nil {
		return nil, usageError("the queue %s: the address of the database is not valid", printable(name))
	}
	config.ConnConfig.ConnectTimeout = reachTime
	if _, ok := config.ConnConfig.RuntimeParams["application_name"]; !ok {
		config.ConnConfig.RuntimeParams["application_name"] = "appevents"
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, queueError(name, err)
	}
	q, err := pgqueue.Open(ctx, pool, options...)
	switch {
	case errors.Is(err, pgqueue.ErrSchema) && !create:
		err = fmt.Errorf("there is no queue: %w", err)
		fallthrough
	case err != nil:
		pool.Close()
		return nil, queueError(name, err)
	}
	return &engine{Queue: q, kind: enginePostgres, name: name, disconnect: pool.Close}, nil
}

// queueError says of which queue an error is.
func queueError(name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fail(exitNotSent, "the queue %s: %w", printable(name), err)
}
