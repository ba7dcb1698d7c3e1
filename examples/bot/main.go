// Bot is the backend of a Messenger bot that tells Meta what happens in its conversations: the program to copy from.
//
// What a webhook leads to is durable in a queue before Meta gets its answer, and is delivered in the background
// through restarts, throttling and outages. The queue is a file, or a Postgres database or NATS JetStream where
// several machines share the work:
//
//	bot -queue events.db
//	bot -queue postgres://host/name
//	bot -queue nats://one:4222,nats://two:4222,nats://three:4222 -replicas 3
//
// The credentials come from the environment; without them the program says which are missing.
//
// Calls that can never be delivered are kept. While the bot runs, a second port on loopback shows them, and the rest of
// the queue: http://127.0.0.1:8081/-/queue/. With INSPECT_TOKEN set it takes changes too. The files alerts.yml and
// dashboard.json are for Prometheus and Grafana. While the bot is stopped, -buried lists the calls, and -resubmit and
// -discard take the ID of one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run is the program without what it shares with the process.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	s, err := parseSettings(args, getenv, stderr)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	if s.buried || s.resubmit != "" || s.discard != "" {
		return tendBuried(ctx, s, log, stdout)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	var operators net.Listener
	if s.inspect != "" {
		if operators, err = new(net.ListenConfig).Listen(ctx, "tcp", s.inspect); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	return serve(ctx, s, listener, operators, log)
}

// settings are what the flags and the environment say.
type settings struct {
	addr       string
	inspect    string
	queue      string
	replicas   int
	baseURL    string
	maxBacklog time.Duration
	drain      time.Duration

	buried            bool
	resubmit, discard string

	appID, appSecret, verifyToken string
	datasetID, accessToken        string // of conversions; both or neither
	natsCredentials               string
	inspectToken                  string
}

func parseSettings(args []string, getenv func(string) string, stderr io.Writer) (*settings, error) {
	s := new(settings)
	flags := flag.NewFlagSet("bot", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "where to listen; Meta must reach /webhook there over HTTPS")
	flags.StringVar(&s.inspect, "inspect", "127.0.0.1:8081",
		"where operators see the queue, below /-/queue/: keep it on loopback or behind a proxy; empty for nowhere")
	flags.StringVar(&s.queue, "queue", "events.db",
		"the `file` of the queue, or the URL of a database or of NATS servers: postgres://host/name, nats://host:4222")
	flags.IntVar(&s.replicas, "replicas", 1, "on how many NATS servers a new queue is kept: 1, 3 or 5")
	flags.StringVar(&s.baseURL, "base-url", getenv("APPEVENTS_BASE_URL"),
		"send to this `URL` instead of to Meta: to a stand-in, such as that of \"appevents run\"")
	flags.DurationVar(&s.maxBacklog, "max-backlog", 0,
		"not ready when a call has waited longer than this; 0 is never, since new calls are safe in the queue all the same")
	flags.DurationVar(&s.drain, "drain", 0,
		"how long to go on serving, but not ready, when told to stop: until every load balancer has noticed")
	flags.BoolVar(&s.buried, "buried", false, "list the calls that could not be delivered, as lines of JSON, and exit")
	flags.StringVar(&s.resubmit, "resubmit", "", "accept the buried call with this `ID` again, and exit")
	flags.StringVar(&s.discard, "discard", "", "remove the buried call with this `ID` for good, and exit")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("bot: what is %q? See -help", flags.Arg(0))
	}

	var missing []string
	env := func(to *string, required bool, name, meaning string) {
		if *to = getenv(name); *to == "" && required {
			missing = append(missing, "  "+name+": "+meaning)
		}
	}
	env(&s.appID, true, "APP_ID", "the app's ID")
	env(&s.appSecret, true, "APP_SECRET", "the app's secret, from the basic settings of the app")
	env(&s.verifyToken, true, "VERIFY_TOKEN", "the text you typed into the app's webhook settings")
	env(&s.datasetID, false, "DATASET_ID", "")
	env(&s.accessToken, s.datasetID != "", "ACCESS_TOKEN", "a token that can send to the dataset DATASET_ID names")
	env(&s.natsCredentials, false, "NATS_CREDENTIALS", "")
	env(&s.inspectToken, false, "INSPECT_TOKEN", "")
	if len(missing) > 0 {
		return nil, errors.New("bot: these environment variables are not set:\n" + strings.Join(missing, "\n") +
			"\nOptional are DATASET_ID, to send conversions too, NATS_CREDENTIALS, a credentials file for NATS, and" +
			"\nINSPECT_TOKEN, which operators need to change something in the queue.")
	}
	return s, nil
}

// newDispatcher returns what accepts the bot's calls into the queue and delivers them from there.
func newDispatcher(s *settings, queue delivery.Queue, log *slog.Logger) (*delivery.Dispatcher, error) {
	opts := []appevents.Option{
		appevents.WithAppSecret(s.appSecret), // makes the app token, which /activities wants
		appevents.WithLogger(log),
		appevents.WithTokenSource(appevents.TokenFunc(func(_ context.Context, scope appevents.Scope) (string, error) {
			if scope.Kind == appevents.ScopeDataset {
				return s.accessToken, nil
			}
			return "", nil
		})),
	}
	if s.baseURL != "" {
		opts = append(opts, appevents.WithBaseURL(s.baseURL))
	}
	client, err := appevents.New(s.appID, opts...)
	if err != nil {
		return nil, err
	}
	return delivery.New(client, queue, delivery.WithLogger(log))
}
