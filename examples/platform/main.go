// Platform logs for thousands of Pages: one app, one webhook, one queue, and a token for each Page from a token source.
// A Page whose token has expired, that is throttled, or that lacks a permission holds up none of the others.
//
// It needs no credentials and no network beyond loopback: it starts a stand-in for the Graph API, sends itself the
// webhooks of all Pages, reports what became of their events, and exits with status 1 if that is not what must have.
// The files platform.go, directory.go and tally.go are the ones to copy from.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	pages := flag.Int("pages", 2000, "how many Pages there are")
	events := flag.Int("events", 5, "how many people buy something from each")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demo(ctx, os.Stdout, world{pages: *pages, events: *events})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
