package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

// buriedPage is how many buried calls are read, and taken away, at a time.
const buriedPage = 1000

// A storedQueue is a queue that was opened here. Its dispatcher never runs.
type storedQueue struct {
	*engine
	dispatcher *delivery.Dispatcher
}

// openStored opens a queue that exists.
func (p *program) openStored(ctx context.Context, name string) (*storedQueue, error) {
	client, err := appevents.New("1", appevents.WithAccessToken("none")) // nothing is sent
	if err != nil {
		return nil, err
	}
	e, err := p.openEngine(ctx, name, false)
	if err != nil {
		return nil, err
	}
	d, err := delivery.New(client, e.Queue)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return &storedQueue{engine: e, dispatcher: d}, nil
}

func (q *storedQueue) label() string  { return q.engine.name }
func (q *storedQueue) kindOf() string { return q.engine.kind }

func (q *storedQueue) figures(ctx context.Context) (queueFigures, error) {
	c, err := q.Counts(ctx)
	return queueFigures{
		Accepted: c.Stored + c.Duplicates, Delivered: c.Delivered, Buried: c.Buried, Duplicates: c.Duplicates,
		Pending: c.Pending, Kept: c.Kept, Dropped: c.Dropped, PausedLanes: c.PausedLanes, Oldest: c.Oldest.UTC(),
		AsOf: time.Now().UTC(),
	}, q.failed(err)
}

func (q *storedQueue) lanes(ctx context.Context) ([]queueLane, error) {
	all, err := q.dispatcher.Lanes(ctx)
	list := make([]queueLane, 0, len(all))
	for i := range all {
		l := &all[i]
		list = append(list, queueLane{
			Lane: l.Lane, State: l.State, Until: l.Until.UTC(), Why: l.Why, Pending: l.Pending, Oldest: l.Oldest.UTC(),
		})
	}
	return list, q.failed(err)
}

// each yields the buried calls of a choice, page by page.
func (q *storedQueue) each(ctx context.Context, c choice) iter.Seq2[*delivery.Buried, error] {
	return func(yield func(*delivery.Buried, error) bool) {
		for from := ""; ; {
			page, err := q.Queue.Buried(ctx, from, buriedPage+1)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, q.failed(err))
				return
			}
			for i := range page[:min(len(page), buriedPage)] {
				if b := &page[i]; c.matches(b.Reason, b.Lane) && !yield(b, nil) {
					return
				}
			}
			if len(page) <= buriedPage {
				return
			}
			from = page[buriedPage].ID
		}
	}
}

func (q *storedQueue) reasons(ctx context.Context, c choice) (map[delivery.Reason]int64, error) {
	counts := make(map[delivery.Reason]int64)
	for b, err := range q.each(ctx, c) {
		if err != nil {
			return nil, err
		}
		counts[b.Reason]++
	}
	return counts, nil
}

func (q *storedQueue) buried(ctx context.Context, c choice, calls bool) iter.Seq2[*buriedEntry, error] {
	return func(yield func(*buriedEntry, error) bool) {
		for b, err := range q.each(ctx, c) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(entryOf(b, calls), nil) {
				return
			}
		}
	}
}

func (q *storedQueue) one(ctx context.Context, id string) (*buriedEntry, error) {
	b, err := q.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return entryOf(b, true), nil
}

func (q *storedQueue) change(
	ctx context.Context, verb changeVerb, ids []string, c choice,
) (result changed, err error) {
	var list []delivery.Unburial
	flush := func() error {
		if len(list) == 0 {
			return nil
		}
		n, err := q.Unbury(ctx, list...)
		result.done += int64(n)
		if errors.Is(err, delivery.ErrNotFound) { // somebody else was quicker
			if err = nil; len(ids) > 0 {
				result.gone += int64(len(list) - n)
			} else {
				result.left += int64(len(list) - n)
			}
		}
		list = nil
		return q.failed(err)
	}
	begun, calls := time.Now(), q.each(ctx, c)
	if len(ids) > 0 {
		calls = q.named(ctx, ids, &result.missing)
	}
	for b, err := range calls {
		if err != nil {
			return result, err
		}
		if len(ids) == 0 && b.BuriedAt.After(begun) {
			continue // perhaps a second time
		}
		u := delivery.Unburial{ID: b.ID}
		if verb == verbResubmit {
			u.Again, err = q.again(b)
		}
		switch {
		case err == nil:
		case len(ids) == 0:
			result.left++
			continue
		default:
			result.stayed, result.why = append(result.stayed, b.ID), append(result.why, errorText(err))
			continue
		}
		if list = append(list, u); len(list) == buriedPage {
			if err := flush(); err != nil {
				return result, err
			}
		}
	}
	return result, flush()
}

// named yields the buried calls with these IDs, and notes which are not there.
func (q *storedQueue) named(ctx context.Context, ids []string, missing *[]string) iter.Seq2[*delivery.Buried, error] {
	return func(yield func(*delivery.Buried, error) bool) {
		for _, id := range ids {
			b, err := q.find(ctx, id)
			if errors.Is(err, delivery.ErrNotFound) {
				*missing = append(*missing, id)
			} else if !yield(b, err) {
				return
			}
		}
	}
}

// again is what a buried call is stored as, to be delivered. The line it is from stays noted in it.
func (q *storedQueue) again(b *delivery.Buried) (*delivery.Item, error) {
	_, source := sourceOf(b.Body)
	call, err := appevents.UnmarshalCall(b.Body)
	if err != nil {
		return nil, errors.New("it cannot be read")
	}
	item, err := q.dispatcher.Item("again", call)
	if err != nil {
		return nil, fmt.Errorf("it is not valid any more: %w", err)
	}
	item.Key, item.OldKey = b.Key, delivery.Key{} // as it was known before
	item.Body = withSource(item.Body, source)
	return &item, nil
}

func (q *storedQueue) pause(ctx context.Context, lane string, until time.Time, note string) error {
	return q.failed(q.dispatcher.PauseLane(ctx, lane, until, note))
}

func (q *storedQueue) resume(ctx context.Context, lane string) error {
	return q.failed(q.dispatcher.ResumeLane(ctx, lane))
}
