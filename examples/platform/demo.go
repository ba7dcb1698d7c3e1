package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/graphtest"
)

const (
	lookupDelay = 5 * time.Millisecond // of the database of tokens
	senders     = 8                    // connections over which Meta delivers
	patience    = 3 * time.Minute      // for everything to happen
)

// errWrong is returned when something else happened than must have.
var errWrong = errors.New("platform: it went wrong, see above")

// demo lets the people of a world buy from its Pages, reports what came of it and checks that.
func demo(ctx context.Context, out io.Writer, w world) (err error) {
	if w.pages <= firstFine || w.events < 1 {
		return fmt.Errorf("platform: want more than %d Pages and at least one event", firstFine)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	arrived := newLedger()
	graph, err := w.graph(arrived)
	if err != nil {
		return err
	}
	defer graph.Close()
	directory, err := os.MkdirTemp("", "platform")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	queue, err := boltqueue.Open(filepath.Join(directory, "events.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, queue.Close()) }()

	c := config{
		appID: demoAppID, appSecret: demoAppSecret, verifyToken: demoVerifyToken, baseURL: graph.URL,
		pages: newDirectory(lookupDelay), queue: queue, log: slog.New(slog.DiscardHandler),
	}
	for n := range w.pages {
		c.pages.add(pageID(n), datasetID(n), pageToken(n))
	}
	p, err := newPlatform(c)
	if err != nil {
		return err
	}
	hook, err := p.webhook(c)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.dispatcher.Run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()

	s := &show{world: w, out: out, platform: p, arrived: arrived}
	if err := s.play(ctx, hook); err != nil {
		return err
	}
	return s.judge()
}

// show is the demonstration: what happens, in its order, and what must have come of it.
type show struct {
	world
	out      io.Writer
	platform *platform
	arrived  *ledger
	repeated int
	wrong    []string
}

func (s *show) play(ctx context.Context, hook http.Handler) error {
	s.say("One app, %d Pages, each with a token of its own: %d people buy something from every Page.\n", s.pages, s.events)
	webhooks, repeated := s.webhooks()
	s.repeated = repeated
	begin := time.Now()
	if err := s.send(ctx, hook, webhooks); err != nil {
		return err
	}
	s.say("%d webhooks acknowledged, their events on the disk, in %v; %d of the events came twice.",
		len(webhooks), time.Since(begin).Round(time.Millisecond), repeated)

	fine := firstFine // the Page up to which all is well
	if err := s.wait(ctx, "what must come of it", func() bool {
		for fine < s.pages && s.of(fine).delivered == s.events {
			fine++
		}
		return fine == s.pages &&
			errors.Is(s.of(pageForbidden).last, appevents.ErrPermission) &&
			errors.Is(s.of(pageExpired).last, appevents.ErrAuth) &&
			errors.Is(s.of(pageThrottled).last, appevents.ErrThrottled)
	}); err != nil {
		return err
	}
	s.say("%d Pages have all they should %v after the first webhook, whatever the other three wait for:\n",
		s.pages-firstFine, time.Since(begin).Round(time.Millisecond))
	s.report()

	s.say("\nThe owners of the first two log in again, and grant what was missing.\n")
	for _, n := range []int{pageExpired, pageForbidden} {
		if err := s.platform.reconnect(ctx, pageID(n), newPageToken(n)); err != nil {
			return err
		}
	}
	if err := s.wait(ctx, "the Pages that were reconnected", func() bool {
		return s.of(pageExpired).delivered == s.events && s.of(pageForbidden).delivered == s.events
	}); err != nil {
		return err
	}
	s.report()
	return nil
}

// send delivers the webhooks as Meta does: several at a time.
func (s *show) send(ctx context.Context, hook http.Handler, webhooks []graphtest.Payload) error {
	waiting := make(chan graphtest.Payload, len(webhooks))
	for _, webhook := range webhooks {
		waiting <- webhook
	}
	close(waiting)
	errs := make([]error, senders)
	var sending sync.WaitGroup
	for n := range senders {
		sending.Go(func() {
			for webhook := range waiting {
				d, err := graphtest.Send(ctx, hook, demoAppSecret, webhook)
				if err == nil && !d.Acknowledged {
					err = fmt.Errorf("platform: a webhook was answered with %d", d.Status)
				}
				if err != nil {
					errs[n] = err
					return
				}
			}
		})
	}
	sending.Wait()
	return errors.Join(errs...)
}

func (s *show) wait(ctx context.Context, what string, done func() bool) error {
	if err := s.platform.tally.wait(ctx, done); err != nil {
		s.report()
		return fmt.Errorf("platform: waiting for %s: %w", what, err)
	}
	return nil
}

func (s *show) of(n int) counts { return s.platform.tally.of(pageID(n)) }

// report prints the figures of the Pages: of those with nothing wrong the sum.
func (s *show) report() {
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "Page\tdelivered\tburied\twaiting\t")
	var fine counts
	for n := firstFine; n < s.pages; n++ {
		c := s.of(n)
		fine.delivered, fine.buried = fine.delivered+c.delivered, fine.buried+c.buried
	}
	row := func(name string, c counts, calls int, note string) {
		waiting := calls - c.delivered - c.buried
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\n", name, c.delivered, c.buried, waiting, note)
	}
	row(fmt.Sprintf("%d others", s.pages-firstFine), fine, (s.pages-firstFine)*s.events, "")
	for n, note := range []string{"token expired", "permission missing", "throttled"} {
		c := s.of(n)
		if c.delivered == s.events {
			note = "mended"
		}
		row(string(pageID(n)), c, s.events, "  "+note)
	}
	_ = table.Flush() // to a terminal
}

// judge compares what arrived with what must have.
func (s *show) judge() error {
	for n := range s.pages {
		want := s.events
		if n == pageThrottled {
			want = 0
		}
		got, once := s.arrived.once(datasetID(n))
		s.check(got == want && once, "Page %s: %d events arrived, not %d, each once", pageID(n), got, want)
	}
	for _, problem := range s.arrived.problems {
		s.check(false, "the stand-in found: %s", problem)
	}
	stats := s.platform.dispatcher.Stats()
	want := delivery.Stats{
		Accepted:  int64(s.pages*s.events + s.repeated),
		Delivered: int64((s.pages - 1) * s.events), Pending: int64(s.events),
		Duplicates: int64(s.repeated),
	}
	s.check(stats.Accepted == want.Accepted && stats.Delivered == want.Delivered && stats.Buried == want.Buried &&
		stats.Pending == want.Pending && stats.Duplicates == want.Duplicates && stats.Kept == 0,
		"the figures of the dispatcher are wrong: %+v", stats)
	lookups := s.platform.pages.lookups.Load()
	s.check(lookups < int64(s.pages)+100, "%d tokens were looked up for %d Pages", lookups, s.pages)

	s.say("\n%d requests carried %d events; %d tokens were looked up.",
		s.arrived.requests.Load(), stats.Delivered, lookups)
	if len(s.wrong) > 0 {
		for _, wrong := range s.wrong {
			s.say("WRONG: %s", wrong)
		}
		return errWrong
	}
	s.say("Every event arrived once, with its own Page's token. Those of the throttled Page go out when its time comes.")
	return nil
}

func (s *show) check(ok bool, format string, args ...any) {
	if !ok && len(s.wrong) < 20 {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

func (s *show) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }
