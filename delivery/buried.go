package delivery

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/appevents/appevents-go"
)

// BuriedCall is a call that was put aside.
type BuriedCall struct {
	// ID names it for [Dispatcher.Resubmit] and [Dispatcher.Discard].
	ID string

	// Call is what was to be sent, with personal data as hashes; of a call of which a part was delivered, the rest. It
	// is nil when it cannot be read.
	Call appevents.Call

	Lane       string    // the edge, and the Page or dataset after a slash
	Reason     Reason    // why it was buried
	Attempts   int       // deliveries tried
	FirstError string    // what went wrong first
	LastError  string    // and last
	Submitted  time.Time // when it was accepted
	BuriedAt   time.Time
}

// buriedPage is how many buried calls are read, and taken away, at a time.
const buriedPage = 500

// Buried lists the buried calls in the order of their burial. It ends with an error when the queue cannot be read.
// Calls may be discarded or submitted again on the way.
func (d *Dispatcher) Buried(ctx context.Context) iter.Seq2[BuriedCall, error] {
	return d.BuriedFrom(ctx, "")
}

// BuriedFrom lists the buried calls as [Dispatcher.Buried] does, from the one with the given ID on: for lists in pages.
func (d *Dispatcher) BuriedFrom(ctx context.Context, id string) iter.Seq2[BuriedCall, error] {
	return func(yield func(BuriedCall, error) bool) {
		for page, err := range d.buriedPages(ctx, id) {
			if err != nil {
				yield(BuriedCall{}, err)
				return
			}
			for i := range page {
				if !yield(buriedCall(&page[i]), nil) {
					return
				}
			}
		}
	}
}

// buriedPages reads the buried calls page by page, from one on.
func (d *Dispatcher) buriedPages(ctx context.Context, from string) iter.Seq2[[]Buried, error] {
	return func(yield func([]Buried, error) bool) {
		for {
			page, err := d.queue.Buried(ctx, from, buriedPage+1)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(page) == 0 || !yield(page[:min(len(page), buriedPage)], nil) || len(page) <= buriedPage {
				return
			}
			from = page[buriedPage].ID
		}
	}
}

func buriedCall(b *Buried) BuriedCall {
	call, _ := appevents.UnmarshalCall(b.Body) // nil when it cannot be read
	return BuriedCall{
		ID: b.ID, Call: call, Lane: b.Lane, Reason: b.Reason, Attempts: b.Attempts, FirstError: b.FirstError,
		LastError: b.LastError, Submitted: b.Submitted, BuriedAt: b.BuriedAt,
	}
}

// Resubmit accepts a buried call again: as it is when fixed is nil, because what was in its way is gone, or else fixed
// in its place, which is validated as in [Dispatcher.Submit]. It gets a new lease of life, but conversions expire
// seven days after their event all the same. [ErrNotFound] means that there is no such call.
func (d *Dispatcher) Resubmit(ctx context.Context, id string, fixed appevents.Call) error {
	page, err := d.queue.Buried(ctx, id, 1)
	switch {
	case err != nil:
		return err
	case id == "" || len(page) == 0 || page[0].ID != id:
		return ErrNotFound
	}
	call := fixed
	if call == nil {
		if call, err = appevents.UnmarshalCall(page[0].Body); err != nil {
			return err
		}
	}
	item, err := d.item(call, time.Now())
	if err != nil {
		return err
	}
	item.Key = page[0].Key
	_, err = d.queue.Unbury(ctx, Unburial{ID: id, Again: &item})
	return err
}

// Discard removes a buried call for good. [ErrNotFound] means that there is no such call.
func (d *Dispatcher) Discard(ctx context.Context, id string) error {
	_, err := d.queue.Unbury(ctx, Unburial{ID: id})
	return err
}

// ResubmitAll accepts again, as they are, the buried calls for which match returns true, or all when match is nil. It
// returns how many. Calls that cannot be read or are not valid stay buried, and so do those that are buried while it is
// at work. It takes thousands at a time.
func (d *Dispatcher) ResubmitAll(ctx context.Context, match func(BuriedCall) bool) (int, error) {
	return d.unburyAll(ctx, match, func(b *Buried, now time.Time) (u Unburial, ok bool) {
		call, err := appevents.UnmarshalCall(b.Body)
		if err != nil {
			return u, false
		}
		item, err := d.item(call, now)
		item.Key = b.Key
		return Unburial{ID: b.ID, Again: &item}, err == nil
	})
}

// DiscardAll removes for good the buried calls for which match returns true, or all when match is nil. It returns how
// many. Those that are buried while it is at work stay. It takes thousands at a time.
func (d *Dispatcher) DiscardAll(ctx context.Context, match func(BuriedCall) bool) (int, error) {
	return d.unburyAll(ctx, match, func(b *Buried, _ time.Time) (Unburial, bool) { return Unburial{ID: b.ID}, true })
}

func (d *Dispatcher) unburyAll(
	ctx context.Context, match func(BuriedCall) bool, unburial func(b *Buried, now time.Time) (Unburial, bool),
) (done int, err error) {
	begun := time.Now()
	for page, err := range d.buriedPages(ctx, "") {
		if err != nil {
			return done, err
		}
		now := time.Now()
		list := make([]Unburial, 0, len(page))
		for i := range page {
			b := &page[i]
			if b.BuriedAt.After(begun) || match != nil && !match(buriedCall(b)) {
				continue
			}
			if u, ok := unburial(b, now); ok {
				list = append(list, u)
			}
		}
		if len(list) == 0 {
			continue
		}
		n, err := d.queue.Unbury(ctx, list...)
		done += n
		if err != nil && !errors.Is(err, ErrNotFound) { // somebody else was quicker
			return done, err
		}
	}
	return done, nil
}
