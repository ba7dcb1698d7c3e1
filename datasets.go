package appevents

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/appevents/appevents-go/internal/lookup"
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
func (c *Client) EnsureDataset(ctx context.Context, account ID) (ID, error) {
	if err := c.ready(opEnsureDataset); err != nil {
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
func (c *Client) dataset(ctx context.Context, method string, account ID) (ID, error) {
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
	return answer.ID, nil
}

// DatasetCache remembers the datasets of many Pages and accounts, and asks for each once however many calls need it at
// the same time. Datasets do not change, so nothing expires. It is safe for concurrent use. Make one with
// [NewDatasetCache].
type DatasetCache struct {
	datasets lookup.Cache[ID, ID]
}

// NewDatasetCache returns an empty cache over [Client.EnsureDataset] of client, which must not be nil.
func NewDatasetCache(client *Client) (*DatasetCache, error) {
	if client == nil {
		return nil, &ConfigError{Field: "NewDatasetCache", Reason: "the client is nil"}
	}
	return &DatasetCache{datasets: lookup.Cache[ID, ID]{Look: client.EnsureDataset, Max: maxCachedDatasets}}, nil
}

// Ensure is [Client.EnsureDataset], but remembers the answer. Calls that need the same dataset wait for one look-up,
// which goes on when the context of the call that began it ends. A failure is returned to all that wait, and is not
// remembered.
func (d *DatasetCache) Ensure(ctx context.Context, account ID) (ID, error) {
	if d == nil || d.datasets.Look == nil {
		return "", &ConfigError{Field: "DatasetCache", Reason: "is nil or zero: make one with NewDatasetCache"}
	}
	id, err := d.datasets.Get(ctx, account)
	if err != nil && OutcomeOf(err) == OutcomeNone { // the end of ctx
		err = &CallError{Op: opEnsureDataset.name, Outcome: OutcomeNotSent, Err: err}
	}
	return id, err
}

// Forget drops what is remembered about an account. Call it when the dataset of the account was replaced.
func (d *DatasetCache) Forget(account ID) {
	if d != nil {
		d.datasets.Forget(account)
	}
}
