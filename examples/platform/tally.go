package main

import (
	"context"
	"strings"
	"sync"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

// tally counts what became of the calls of every Page. It holds a few numbers for each Page and nothing for a call, so
// it does not grow.
type tally struct {
	pages *directory

	mu      sync.Mutex
	counts  map[appevents.ID]counts
	changed chan struct{} // holds one when something has been counted
}

// counts are the figures of a Page since the start.
type counts struct {
	delivered int
	buried    int   // and not accepted again
	last      error // why the last call that was not delivered was not
}

func newTally(pages *directory) *tally {
	return &tally{pages: pages, counts: make(map[appevents.ID]counts), changed: make(chan struct{}, 1)}
}

// settled is told of every call that was delivered, buried, or failed and will be tried again.
func (t *tally) settled(_ context.Context, s delivery.Settled) {
	_, dataset, _ := strings.Cut(s.Lane, "/")
	page, ok := t.pages.owners[appevents.ID(dataset)]
	if !ok {
		return
	}
	t.mu.Lock()
	c := t.counts[page]
	switch s.Verdict {
	case delivery.Done:
		c.delivered++
	case delivery.Bury:
		c.buried, c.last = c.buried+1, s.Err
	case delivery.Retry:
		c.last = s.Err
	}
	t.counts[page] = c
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// of returns the figures of a Page.
func (t *tally) of(page appevents.ID) counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[page]
}

// wait returns when done does, asked after every change. One caller at a time may wait.
func (t *tally) wait(ctx context.Context, done func() bool) error {
	for !done() {
		select {
		case <-t.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
