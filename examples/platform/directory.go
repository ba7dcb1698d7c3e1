package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/appevents/appevents-go"
)

// directory is what a platform knows about its customers. The tokens stand for a database, which takes its time. Which
// dataset belongs to which Page never changes (EnsureDataset tells, when a customer joins), so it is kept in memory.
type directory struct {
	delay   time.Duration // of a look-up in the database
	lookups atomic.Int64

	datasets map[appevents.ID]appevents.ID // by Page
	owners   map[appevents.ID]appevents.ID // Pages by dataset

	mu     sync.Mutex
	tokens map[appevents.ID]string // by Page
}

func newDirectory(delay time.Duration) *directory {
	return &directory{
		delay: delay, datasets: make(map[appevents.ID]appevents.ID), owners: make(map[appevents.ID]appevents.ID),
		tokens: make(map[appevents.ID]string),
	}
}

// add takes a customer in, before the platform starts.
func (d *directory) add(page, dataset appevents.ID, token string) {
	d.datasets[page], d.owners[dataset], d.tokens[page] = dataset, page, token
}

func (d *directory) dataset(page appevents.ID) (id appevents.ID, ok bool) {
	id, ok = d.datasets[page]
	return id, ok
}

var errNotOurs = errors.New("the dataset belongs to none of our Pages")

// token looks up the token that a call must carry, for an [appevents.TokenCache].
func (d *directory) token(ctx context.Context, scope appevents.Scope) (token string, expires time.Time, err error) {
	d.lookups.Add(1)
	page, ok := d.owners[scope.ID]
	if !ok || scope.Kind != appevents.ScopeDataset {
		return "", time.Time{}, errNotOurs
	}
	select {
	case <-time.After(d.delay):
	case <-ctx.Done():
		return "", time.Time{}, ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tokens[page], time.Time{}, nil
}

// reconnect replaces the token of a Page, and returns what the old one was good for.
func (d *directory) reconnect(page appevents.ID, token string) (scope appevents.Scope, old string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, d.tokens[page] = d.tokens[page], token
	return appevents.Scope{Kind: appevents.ScopeDataset, ID: d.datasets[page]}, old
}
