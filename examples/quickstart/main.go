// Quickstart runs a small Messenger bot and shows everything that goes in and out of it.
//
// Without flags it needs no credentials and no network beyond loopback: it starts a stand-in for the Graph API and the
// bot, holds a conversation over real HTTP with real signatures, and exits with status 1 if anything but the right
// events arrived. With -live it serves a real Page instead.
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
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/appevents/appevents-go"
)

func main() {
	live := flag.Bool("live", false, "serve a real Page, with credentials from the environment")
	addr := flag.String("addr", "127.0.0.1:8080", "where -live listens; Meta must reach /webhook there over HTTPS")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *live, *addr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stdout *os.File, live bool, addr string) error {
	if live {
		return serveLive(ctx, stdout, addr, os.Getenv)
	}
	colour := term.IsTerminal(int(stdout.Fd())) && os.Getenv("NO_COLOR") == ""
	return demo(ctx, newPrinter(stdout, colour), newBot)
}

// serveLive serves the bot until ctx ends.
func serveLive(ctx context.Context, out io.Writer, addr string, getenv func(string) string) error {
	env := make(map[string]string)
	var missing []string
	for _, v := range [...]struct{ name, meaning string }{
		{"APP_ID", "the app's ID"},
		{"APP_SECRET", "the app's secret, from the basic settings of the app"},
		{"PAGE_ACCESS_TOKEN", "an access token of the Page"},
		{"VERIFY_TOKEN", "the text you typed into the app's webhook settings"},
	} {
		if env[v.name] = getenv(v.name); env[v.name] == "" {
			missing = append(missing, "  "+v.name+": "+v.meaning)
		}
	}
	if len(missing) > 0 {
		return errors.New("-live needs these environment variables, which are not set:\n" + strings.Join(missing, "\n"))
	}
	log := slog.New(slog.NewTextHandler(out, nil))
	// The app's own token logs to /activities, the Page's to /page_activities.
	tokens := appevents.TokenFunc(func(_ context.Context, scope appevents.Scope) (string, error) {
		if scope.Kind == appevents.ScopePage {
			return env["PAGE_ACCESS_TOKEN"], nil
		}
		return "", nil
	})
	client, err := appevents.New(env["APP_ID"],
		appevents.WithAppSecret(env["APP_SECRET"]),
		appevents.WithTokenSource(tokens),
		appevents.WithLogger(log),
	)
	if err != nil {
		return err
	}
	hook, err := newBot(client, env["APP_SECRET"], env["VERIFY_TOKEN"], log)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "serving", "webhook", "http://"+listener.Addr().String()+"/webhook")
	return serve(ctx, listener, hook)
}

// serve serves hook at /webhook until ctx ends, then lets what is under way finish.
func serve(ctx context.Context, listener net.Listener, hook http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("/webhook", hook)
	server := &http.Server{
		Handler:        mux,
		ReadTimeout:    10 * time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return server.Shutdown(shutdown)
}
