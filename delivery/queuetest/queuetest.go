// Package queuetest is the suite every [delivery.Queue] passes. An engine of your own passes it with
//
//	func TestQueue(t *testing.T) {
//		queuetest.Run(t, queuetest.Engine{Open: func(t *testing.T, s queuetest.Settings) func() delivery.Queue {
//			dir := t.TempDir()
//			return func() delivery.Queue { … open the queue in dir with s … }
//		}})
//	}
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// Engine is what is tested.
type Engine struct {
	// Open makes a new, empty store and returns the function that opens a queue on it with the given settings. The
	// function fails the test when it cannot. It is called again after Close when Durable is set, to open the same
	// store.
	Open func(t *testing.T, s Settings) (open func() delivery.Queue)

	// Durable says that a queue opened again holds what it held.
	Durable bool

	// TakesTurns says that Lease takes turns between lanes.
	TakesTurns bool

	// TakesClock says that Open honours Settings.Clock. A queue whose times come from a server has no use for it.
	TakesClock bool

	// OldKeys says that Put looks at Item.OldKey. Queues do that may hold what the version before stored.
	OldKeys bool

	// CountsDuplicates says that Counts.Duplicates survives opening again.
	CountsDuplicates bool
}

// Settings are what a test needs of the queue.
type Settings struct {
	LeaseTime time.Duration // how long a lease lasts
	Window    time.Duration // how long a key is remembered

	// How long buried items are kept, and how many. Zero for what the queue does by itself.
	BuriedAge   time.Duration
	BuriedLimit int

	// Clock tells the time of day, in the place of time.Now; its times have no monotonic reading, and it can be set
	// back. Nil for time.Now. See Engine.TakesClock.
	Clock func() time.Time
}

const (
	long  = time.Minute            // longer than any test
	short = 300 * time.Millisecond // what a test waits for
	quiet = 100 * time.Millisecond // how long nothing must happen
	limit = 30 * time.Second       // a test that takes longer has failed, one with many items has ten times as long
)

// Run runs the suite. It takes a few seconds.
func Run(t *testing.T, e Engine) {
	t.Helper()
	for _, test := range []struct {
		name     string
		settings Settings
		run      func(t *testing.T, b *bench)
	}{
		{"an item comes back as it was put", Settings{}, roundTrip},
		{"an item is durable without its bytes being kept", Settings{}, ownBytes},
		{"a large item fits", Settings{}, large},
		{"a key is accepted once", Settings{}, duplicates},
		{"a key is accepted once by many at a time", Settings{}, concurrentDuplicates},
		{"a key is accepted again after the window", Settings{Window: short}, windowEnds},
		{"a lease waits for an item", Settings{}, leaseWaits},
		{"a lease ends with its context", Settings{}, leaseCancelled},
		{"a put ends with its context", Settings{}, putCancelled},
		{"older items of a lane come first", Settings{}, inOrder},
		{"a lease hands out no more than asked for", Settings{}, leaseLimit},
		{"a leased item is nobody else's", Settings{}, exclusive},
		{"every item is leased by exactly one of many", Settings{}, concurrentLeases},
		{"a lease that ends hands the item out again", Settings{LeaseTime: short}, leaseEnds},
		{"done counts after the end of a lease", Settings{LeaseTime: short}, doneLate},
		{"a lost lease does not hold up the others", Settings{LeaseTime: short}, lostAmongOthers},
		{"a lease of another queue does not count", Settings{}, settleForeign},
		{"a retry is due at its time", Settings{}, retryLater},
		{"a retry keeps the first and the last error", Settings{}, retryErrors},
		{"a retry can replace the body", Settings{}, retryBody},
		{"a retry without an error is no attempt", Settings{}, retryWithoutError},
		{"a released item is due at once", Settings{}, release},
		{"a begun item says so when its lease ends", Settings{LeaseTime: short}, begun},
		{"an item settled after its beginning is not begun", Settings{}, begunAndSettled},
		{"an item released after its beginning is not begun", Settings{}, begunAndReleased},
		{"a buried item can be looked at", Settings{}, bury},
		{"buried items come in pages", Settings{}, buriedPages},
		{"a buried item can be put again", Settings{}, unburyAgain},
		{"a buried item can be removed", Settings{}, unburyRemove},
		{"a paused lane stays behind", Settings{}, pause},
		{"a paused lane goes on when its time comes", Settings{}, pauseEnds},
		{"a pause can be ended", Settings{}, pauseCancelled},
		{"a pause holds the lanes below it", Settings{}, pauseParent},
		{"a long paused lane does not hold up the others", Settings{}, pauseLong},
		{"a released item of a paused lane stays behind", Settings{}, pauseReleased},
		{"a person's pause and the dispatchers' are apart", Settings{}, pausesApart},
		{"a pause of a lane without items is listed", Settings{}, pauseEmpty},
		{"a lane to skip stays behind", Settings{}, skipped},
		{"the lanes below one to skip stay behind", Settings{}, skippedBelow},
		{"a lane that need not be skipped any more is looked at at once", Settings{}, skippedNoMore},
		{"many lanes to skip do not hold up the others", Settings{}, skippedMany},
		{"lanes are counted", Settings{}, lanesCounted},
		{"an item from the future is handed out", Settings{}, fromTheFuture},
		{"buried items are taken away by the dozen", Settings{}, unburyMany},
		{"too many buried items make room, the oldest first", Settings{BuriedLimit: 5}, buriedLimit},
		{"a buried item is dropped at its age", Settings{BuriedAge: short}, buriedAge},
		{"the counts fit together", Settings{}, counts},
		{"a closed queue says so", Settings{}, closed},
		{"closing ends a waiting lease", Settings{}, closeWakes},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, start(t, e, test.settings))
		})
	}
	if e.OldKeys {
		t.Run("a key of an older version counts", func(t *testing.T) {
			t.Parallel()
			oldKeys(t, start(t, e, Settings{}))
		})
		t.Run("a key of an older version is accepted again after the window", func(t *testing.T) {
			t.Parallel()
			oldKeyEnds(t, start(t, e, Settings{Window: short}))
		})
	}
	if e.TakesTurns {
		t.Run("a long lane does not hold up a short one", func(t *testing.T) {
			t.Parallel()
			turns(t, start(t, e, Settings{}))
		})
		t.Run("a short lane behind a very long one has its turn", func(t *testing.T) {
			t.Parallel()
			turnsBehindMany(t, start(t, e, Settings{}))
		})
	}
	if e.TakesClock {
		t.Run("a clock set back delays nothing", func(t *testing.T) {
			t.Parallel()
			clockSetBack(t, e, false)
		})
	}
	if e.TakesClock && e.Durable {
		t.Run("a clock set back while the queue was closed delays nothing", func(t *testing.T) {
			t.Parallel()
			clockSetBack(t, e, true)
		})
	}
	if e.Durable {
		t.Run("a queue opened again holds what it held", func(t *testing.T) {
			t.Parallel()
			reopen(t, start(t, e, Settings{}), e.CountsDuplicates)
		})
		t.Run("a queue opened again pauses what was paused", func(t *testing.T) {
			t.Parallel()
			reopenPaused(t, start(t, e, Settings{}))
		})
		t.Run("a queue opened again knows both pauses and their notes", func(t *testing.T) {
			t.Parallel()
			reopenNotes(t, start(t, e, Settings{}))
		})
		t.Run("a queue opened again knows what it dropped", func(t *testing.T) {
			t.Parallel()
			reopenDropped(t, start(t, e, Settings{BuriedLimit: 3}))
		})
		t.Run("a begun item says so when the queue is opened again", func(t *testing.T) {
			t.Parallel()
			reopenBegun(t, start(t, e, Settings{LeaseTime: short}))
		})
	}
}

// bench is a queue under test with helpers that fail the test.
type bench struct {
	*testing.T
	delivery.Queue
	ctx  context.Context
	open func() delivery.Queue
}

func start(t *testing.T, e Engine, s Settings) *bench {
	t.Helper()
	if s.LeaseTime == 0 {
		s.LeaseTime = long
	}
	if s.Window == 0 {
		s.Window = long
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	b := &bench{T: t, ctx: ctx, open: e.Open(t, s)}
	b.Queue = b.open()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

// item is the n-th item of a lane.
func item(lane string, n int) delivery.Item {
	now := time.Now().Round(0)
	name := lane + " " + strconv.Itoa(n)
	return delivery.Item{
		Key: delivery.KeyOf(name), Lane: lane, Group: delivery.Group(delivery.KeyOf(lane)), Body: []byte(name),
		Submitted: now, Expires: now.Add(time.Hour),
	}
}

func (b *bench) put(lane string, n int) {
	b.Helper()
	b.putItem(item(lane, n))
}

// putMany puts n items of a lane, many at a time.
func (b *bench) putMany(lane string, n int) {
	b.Helper()
	const atATime = 128
	var wg sync.WaitGroup
	for k := range atATime {
		wg.Go(func() {
			for i := k; i < n; i += atATime {
				if added, err := b.Put(b.ctx, item(lane, i)); err != nil || !added {
					b.Errorf("Put: added %v, error %v", added, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

func (b *bench) putItem(it delivery.Item) {
	b.Helper()
	added, err := b.Put(b.ctx, it)
	if err != nil || !added {
		b.Fatalf("Put: added %v, error %v", added, err)
	}
}

// lease leases n items, in as many calls as it takes.
func (b *bench) lease(n int) []*delivery.Lease {
	b.Helper()
	var all []*delivery.Lease
	for len(all) < n {
		leases, err := b.Lease(b.ctx, n-len(all), nil)
		if err != nil {
			b.Fatalf("Lease: %v after %d of %d items", err, len(all), n)
		}
		if len(leases) == 0 || len(leases) > n-len(all) {
			b.Fatalf("Lease(%d) returned %d items", n-len(all), len(leases))
		}
		all = append(all, leases...)
	}
	return all
}

// unbury takes one buried item away.
func (b *bench) unbury(u delivery.Unburial) error {
	done, err := b.Unbury(b.ctx, u)
	if (done == 1) != (err == nil) {
		b.Fatalf("Unbury: %d done, error %v", done, err)
	}
	return err
}

// nothing fails the test when something can be leased.
func (b *bench) nothing() {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, quiet)
	defer cancel()
	leases, err := b.Lease(ctx, 10, nil)
	if len(leases) > 0 {
		b.Fatalf("Lease returned %q, want nothing", leases[0].Body)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		b.Fatalf("Lease: %v, want the context's error", err)
	}
}

func (b *bench) settle(s ...delivery.Settlement) {
	b.Helper()
	if err := b.Settle(b.ctx, s...); err != nil {
		b.Fatalf("Settle: %v", err)
	}
}

// settleLate settles where a lease may have ended: Done counts all the same.
func (b *bench) settleLate(s delivery.Settlement) {
	b.Helper()
	if err := b.Settle(b.ctx, s); err != nil && !errors.Is(err, delivery.ErrLeaseLost) {
		b.Fatalf("Settle: %v", err)
	}
}

// begin leases an item and notes that a request is about to be made, before a short lease ends.
func (b *bench) begin() *delivery.Lease {
	b.Helper()
	for {
		l := b.lease(1)[0]
		err := b.Settle(b.ctx, one(l, delivery.Begin))
		if err == nil {
			return l
		}
		if !errors.Is(err, delivery.ErrLeaseLost) {
			b.Fatalf("Settle: %v", err)
		}
	}
}

// notBefore fails the test when an item was handed out too early.
func (b *bench) notBefore(due time.Time) {
	b.Helper()
	if early := time.Until(due); early > 20*time.Millisecond {
		b.Fatalf("the item was handed out %v too early", early)
	}
}

func (b *bench) buried(from string, limit int) []delivery.Buried {
	b.Helper()
	list, err := b.Buried(b.ctx, from, limit)
	if err != nil {
		b.Fatalf("Buried: %v", err)
	}
	return list
}

// counted waits until the counts are as wanted; a queue behind a network may take a moment.
func (b *bench) counted(want delivery.Counts) {
	b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var got delivery.Counts
	for b.ctx.Err() == nil {
		var err error
		if got, err = b.Counts(b.ctx); err != nil {
			b.Fatalf("Counts: %v", err)
		}
		if got.Stored != got.Delivered+got.Buried+got.Pending {
			b.Fatalf("the counts do not fit together: %+v", got)
		}
		if (got.Pending > 0) == got.Oldest.IsZero() {
			b.Fatalf("%d are pending, the oldest from %v", got.Pending, got.Oldest)
		}
		got.Oldest = time.Time{}
		if got == want {
			return
		}
		<-tick.C
	}
	b.Fatalf("Counts: %+v, want %+v", got, want)
}

func (b *bench) reopen() {
	b.Helper()
	if err := b.Close(); err != nil {
		b.Fatalf("Close: %v", err)
	}
	b.Queue = b.open()
}

// one settles one lease.
func one(l *delivery.Lease, v delivery.Verdict) delivery.Settlement {
	return delivery.Settlement{Lease: l, Verdict: v}
}

func failed(l *delivery.Lease, at time.Time, text string) delivery.Settlement {
	return delivery.Settlement{Lease: l, Verdict: delivery.Retry, At: at, Error: text}
}

func buriedFor(l *delivery.Lease, reason delivery.Reason, text string) delivery.Settlement {
	return delivery.Settlement{Lease: l, Verdict: delivery.Bury, Reason: reason, Error: text}
}

// same compares items by what they hold.
func same(t *testing.T, got, want delivery.Item) {
	t.Helper()
	if got.Key != want.Key || got.Lane != want.Lane || got.Group != want.Group || string(got.Body) != string(want.Body) ||
		!got.Submitted.Equal(want.Submitted) || !got.Expires.Equal(want.Expires) {
		t.Fatalf("got %s, want %s", describe(got), describe(want))
	}
}

func describe(it delivery.Item) string {
	return fmt.Sprintf("{key %s, lane %q, group %x, %d bytes %.60q, from %v to %v}", it.Key, it.Lane, it.Group,
		len(it.Body), it.Body, it.Submitted.UTC(), it.Expires.UTC())
}
