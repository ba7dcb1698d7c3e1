package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
)

// watchPause is between two looks at the record.
const watchPause = 20 * time.Millisecond

// A watch follows what a bot does in the record of an emulator. Its methods do nothing on nil, but for finished.
type watch struct {
	client *client

	mu      sync.Mutex
	rev     int64 // of the record, seen up to here
	begun   bool  // what comes now is this replay's
	first   int64 // calls up to this number were there before
	last    int64
	calls   map[int64]seenCall // by number
	open    map[int64]bool     // calls that are not answered yet
	events  map[string]int     // person -> events of answered calls
	total   int
	changed time.Time // when something was last seen to happen
}

// seenCall is a call of the bot.
type seenCall struct {
	id     int64
	person string
	call   session.Call
}

// newWatch starts with what happens from now on.
func newWatch(ctx context.Context, c *client) (*watch, error) {
	w := &watch{client: c, calls: map[int64]seenCall{}, open: map[int64]bool{}, events: map[string]int{}}
	if err := w.look(ctx); err != nil {
		return nil, err
	}
	w.first, w.begun = w.last, true
	w.total = 0
	clear(w.calls)
	clear(w.open)
	clear(w.events)
	return w, nil
}

// look reads what is new in the record.
func (w *watch) look(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	const page = 100
	for {
		var got struct {
			Exchanges []emulator.Exchange `json:"exchanges"`
			Rev       int64               `json:"rev"`
			Gap       bool                `json:"gap"`
		}
		path := fmt.Sprintf("/-/api/exchanges?after=%d&limit=%d", w.rev, page)
		if err := w.client.call(ctx, http.MethodGet, path, nil, &got); err != nil {
			return err
		}
		if got.Gap && w.begun {
			return fail(exitNo, "the emulator has forgotten calls of this replay: start it with a larger --max")
		}
		for n := range got.Exchanges {
			w.take(&got.Exchanges[n])
		}
		w.rev = got.Rev
		if len(got.Exchanges) < page {
			return nil
		}
	}
}

// take notes an exchange that is new or changed. The lock is held.
func (w *watch) take(x *emulator.Exchange) {
	w.last = max(w.last, x.ID)
	if x.Direction != emulator.DirCall || x.ID <= w.first {
		return
	}
	before, had := w.calls[x.ID]
	if !x.Done {
		if !w.open[x.ID] {
			w.open[x.ID], w.changed = true, time.Now()
		}
		return
	}
	if !had {
		w.changed = time.Now()
	}
	delete(w.open, x.ID)
	now := seenCall{x.ID, x.PSID, x.SessionCall()}
	w.tally(before.call, -1)
	w.tally(now.call, 1)
	w.calls[x.ID] = now
}

func (w *watch) tally(call session.Call, by int) {
	one := session.Webhook{Calls: []session.Call{call}}
	for _, event := range one.Events() {
		w.events[event.Person] += by
		w.total += by
	}
}

// count is how many events of a person have come.
func (w *watch) count(person string) int {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[person]
}

// mark is the number of the latest exchange.
func (w *watch) mark(ctx context.Context) (int64, error) {
	if w == nil {
		return 0, nil
	}
	err := w.look(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, err
}

// await returns true once a person has logged so many events and, where quiet is asked for, no call came for settle;
// false when that has not happened in time.
func (w *watch) await(ctx context.Context, person string, events int, quiet bool, within, settle time.Duration,
) (bool, error) {
	if quiet {
		w.touch()
		within = max(within, settle)
	}
	return w.until(ctx, within, func() bool {
		return w.events[person] >= events && (!quiet || w.quiet(settle))
	})
}

// finish waits for the end: until nothing has come for settle, and nothing is open.
func (w *watch) finish(ctx context.Context, within, settle time.Duration) error {
	w.touch()
	_, err := w.until(ctx, max(within, settle), func() bool { return w.quiet(settle) })
	return err
}

// touch says that something happens now.
func (w *watch) touch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = time.Now()
}

// quiet reports whether the bot has made no call for so long, and waits for no answer. The lock is held.
func (w *watch) quiet(settle time.Duration) bool {
	return len(w.open) == 0 && time.Since(w.changed) >= settle
}

// until looks until something is so, or the time is over.
func (w *watch) until(ctx context.Context, within time.Duration, so func() bool) (bool, error) {
	deadline := time.Now().Add(within)
	for {
		if err := w.look(ctx); err != nil {
			return false, err
		}
		w.mu.Lock()
		ok := so()
		w.mu.Unlock()
		if ok {
			return true, nil
		}
		if !time.Now().Before(deadline) {
			return false, nil
		}
		if !pause(ctx, watchPause) {
			return false, ctx.Err()
		}
	}
}

// finished are the answered calls in their order.
func (w *watch) finished() []seenCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Values(w.calls), func(a, b seenCall) int { return cmp.Compare(a.id, b.id) })
}
