package appevents

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
)

// maxCachedDatasets bounds the memory of a cache; a platform's Pages fit many times over.
const maxCachedDatasets = 1 << 16

var opEnsureDataset = declare(operation{
	name: "ensure dataset",
	permission: "needs page_events or instagram_manage_events; " +
		"a token made in Events Manager cannot look up datasets",
})

// EnsureDataset returns the ID of the dataset that takes the conversions of a Page, Instagram account or WhatsApp
// Business account, and has Meta make one if there is none: POST /{account}/dataset, which may be repeated. Where that
// is refused, or its outcome is unknown, it asks for an existing one (GET).
//
// It needs the permissions of [Client.SendConversions], on a token for the account ([ScopePage]); a token made in
// Events Manager can send conversions but not call this. Keep the ID: [DatasetCache] does.
//
// https://developers.facebook.com/docs/marketing-api/conversions-api/business-messaging
func (c *Client) EnsureDataset(ctx context.Context, account ID) (string, error) {
	if err := c.ready(); err != nil {
		return "", err
	}
	var p problems
	account.validate(field("account"), &p)
	if err := p.err(); err != nil {
		return "", err
	}
	id, err := c.dataset(ctx, http.MethodPost, account)
	if err == nil || !errors.Is(err, ErrPermission) && !errors.Is(err, ErrInvalidParameter) &&
		!errors.Is(err, ErrUnknownOutcome) {
		return id, err
	}
	if id, readErr := c.dataset(ctx, http.MethodGet, account); readErr == nil {
		return id, nil
	}
	return "", err // says more than the second
}

// dataset makes or reads the dataset of an account.
func (c *Client) dataset(ctx context.Context, method string, account ID) (string, error) {
	resp, err := c.do(ctx, &request{
		op:     opEnsureDataset,
		method: method,
		node:   account,
		edge:   "dataset",
		scope:  Scope{Kind: ScopePage, ID: account},
	})
	if err != nil {
		return "", err
	}
	var answer struct {
		ID ID `json:"id"`
	}
	err = json.Unmarshal(resp.Raw, &answer)
	if rule, _ := answer.ID.issue(); err != nil || rule != "" {
		return "", resp.unusable(opEnsureDataset, "the answer holds no dataset ID")
	}
	return string(answer.ID), nil
}

// DatasetCache remembers the datasets of many Pages and accounts, and asks for each once however many calls need it at
// the same time. Datasets do not change, so nothing expires. It is safe for concurrent use. Make one with
// [NewDatasetCache].
type DatasetCache struct {
	client *Client

	mu      sync.Mutex
	entries map[ID]*datasetEntry
}

// datasetEntry is a look-up, under way until done is closed; the other fields are written before that.
type datasetEntry struct {
	done      chan struct{}
	id        string
	err       error
	abandoned bool // it ended with the context of the caller that made it, or in a panic
}

// NewDatasetCache returns an empty cache over [Client.EnsureDataset] of client, which must not be nil.
func NewDatasetCache(client *Client) (*DatasetCache, error) {
	if client == nil {
		return nil, &ConfigError{Field: "NewDatasetCache", Reason: "the client is nil"}
	}
	return &DatasetCache{client: client, entries: make(map[ID]*datasetEntry)}, nil
}

// Ensure is [Client.EnsureDataset] with a memory. Of the calls that need the same dataset the first asks for it and
// the others wait; when it fails, so do they, unless it failed only because its own context ended. A failure is not
// remembered.
func (d *DatasetCache) Ensure(ctx context.Context, account ID) (string, error) {
	for {
		d.mu.Lock()
		e := d.entries[account]
		if e == nil {
			e = &datasetEntry{done: make(chan struct{}), abandoned: true}
			d.makeRoom()
			d.entries[account] = e
			d.mu.Unlock()
			return d.look(ctx, account, e)
		}
		d.mu.Unlock()
		select {
		case <-e.done:
		case <-ctx.Done():
			return "", &CallError{Op: opEnsureDataset.name, Outcome: OutcomeNotSent, Err: ctx.Err()}
		}
		if !e.abandoned {
			return e.id, e.err
		}
	}
}

// look asks for a dataset on behalf of all who wait on e.
func (d *DatasetCache) look(ctx context.Context, account ID, e *datasetEntry) (string, error) {
	defer func() {
		if e.abandoned || e.err != nil {
			d.mu.Lock()
			if d.entries[account] == e {
				delete(d.entries, account)
			}
			d.mu.Unlock()
		}
		close(e.done)
	}()
	e.id, e.err = d.client.EnsureDataset(ctx, account)
	e.abandoned = e.err != nil && ctx.Err() != nil
	return e.id, e.err
}

// Forget drops what is remembered of an account, for one whose dataset was replaced.
func (d *DatasetCache) Forget(account ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.entries, account)
}

// makeRoom keeps the cache bounded: over the limit it drops an arbitrary entry. Those who wait on it still get their
// answer.
func (d *DatasetCache) makeRoom() {
	if len(d.entries) < maxCachedDatasets {
		return
	}
	for account := range d.entries {
		delete(d.entries, account)
		return
	}
}
