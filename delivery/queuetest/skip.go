package queuetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// leaseBut leases n items of other lanes than those to skip, in as many calls as it takes.
func (b *bench) leaseBut(n int, skip *delivery.LaneSet) (all []*delivery.Lease) {
	b.Helper()
	for len(all) < n {
		leases, err := b.Lease(b.ctx, n-len(all), skip)
		if err != nil {
			b.Fatalf("Lease: %v after %d of %d items", err, len(all), n)
		}
		for _, l := range leases {
			if skip.Has(l.Lane) {
				b.Fatalf("an item of %s was handed out, which was to be skipped", l.Lane)
			}
		}
		all = append(all, leases...)
	}
	return all
}

// nothingBut fails the test when something can be leased of other lanes than those to skip.
func (b *bench) nothingBut(skip *delivery.LaneSet) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, quiet)
	defer cancel()
	leases, err := b.Lease(ctx, 10, skip)
	if len(leases) > 0 {
		b.Fatalf("Lease returned %q, want nothing", leases[0].Body)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		b.Fatalf("Lease: %v, want the context's error", err)
	}
}

func skipped(_ *testing.T, b *bench) {
	var skip, other delivery.LaneSet
	skip.Add("edge/1")
	other.Add("edge/2")
	for n := range 3 {
		b.put("edge/1", n)
		b.put("edge/2", n)
		b.put("edge/22", n)
	}
	for _, l := range b.leaseBut(6, &skip) {
		b.settle(one(l, delivery.Done))
	}
	b.nothingBut(&skip)
	b.leaseBut(2, &other) // what one skips, others get
	b.lease(1)
	b.counted(delivery.Counts{Stored: 9, Delivered: 6, Pending: 3})
}

func skippedBelow(t *testing.T, b *bench) {
	var skip delivery.LaneSet
	skip.Add("edge")
	b.put("edge", 1)
	b.put("edge/1", 1)
	b.put("edge/1/below", 1)
	b.put("edges", 1)
	if l := b.leaseBut(1, &skip)[0]; l.Lane != "edges" {
		t.Fatalf("an item of %s was handed out", l.Lane)
	}
	b.nothingBut(&skip)
	skip.Remove("edge")
	skip.Add("edge/1")
	if l := b.leaseBut(1, &skip)[0]; l.Lane != "edge" {
		t.Fatalf("an item of %s was handed out", l.Lane)
	}
	b.nothingBut(&skip)
	skip.Remove("edge/1")
	b.leaseBut(2, &skip)
}

func skippedNoMore(t *testing.T, b *bench) {
	var skip delivery.LaneSet
	for round, lane := range []string{"edge/1", "edge/2", "edge/1"} {
		skip.Add(lane)
		b.put(lane, round)
		b.nothingBut(&skip)
		got := make(chan error, 1)
		go func() {
			leases, err := b.Lease(b.ctx, 1, &skip)
			if err == nil && leases[0].Lane != lane {
				err = fmt.Errorf("an item of %s", leases[0].Lane)
			}
			got <- err
		}()
		skip.Remove(lane)
		if err := <-got; err != nil {
			t.Fatalf("Lease: %v", err)
		}
	}
}

func skippedMany(_ *testing.T, b *bench) {
	const lanes = 200
	var skip delivery.LaneSet
	for n := range lanes {
		skip.Add(fmt.Sprint("edge/", n))
		b.put(fmt.Sprint("edge/", n), 1)
	}
	b.put("other/1", 1)
	b.leaseBut(1, &skip)
	b.nothingBut(&skip)
	for n := range lanes {
		skip.Remove(fmt.Sprint("edge/", n))
	}
	b.leaseBut(lanes, &skip)
}

// turnsBehindMany counts leases and not time: the machine may be busy.
func turnsBehindMany(t *testing.T, b *bench) {
	const items, atATime, atMost = 15_000, 100, 10
	ctx, cancel := context.WithTimeout(t.Context(), 10*limit)
	defer cancel()
	b.ctx = ctx
	b.putMany("edge/long", items)
	b.put("edge/short", 1)
	for range atMost {
		leases, err := b.Lease(b.ctx, atATime, nil)
		if err != nil {
			t.Fatalf("Lease: %v", err)
		}
		done := make([]delivery.Settlement, len(leases))
		for i, l := range leases {
			if l.Lane == "edge/short" {
				return
			}
			done[i] = one(l, delivery.Done)
		}
		b.settle(done...)
	}
	t.Fatalf("the short lane waits for the long one: %d leases of up to %d items", atMost, atATime)
}

// setClock is a clock that can be set, in whole times of day.
type setClock struct{ offset atomic.Int64 }

func (c *setClock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())).Round(0) }

// clockSetBack sets the clock back by a day. What is due after a moment, and a pause and a lease that end after one,
// still are.
func clockSetBack(t *testing.T, e Engine, reopen bool) {
	t.Helper()
	const day = 24 * time.Hour
	clock := new(setClock)
	b := start(t, e, Settings{LeaseTime: 4 * short, Clock: clock.now})
	clock.offset.Store(int64(day)) // right until now
	for _, lane := range []string{"edge/retried", "edge/paused", "edge/leased"} {
		it := item(lane, 1)
		it.Submitted, it.Expires = clock.now(), clock.now().Add(time.Hour)
		b.putItem(it)
	}
	for _, l := range b.lease(3) {
		switch l.Lane {
		case "edge/retried":
			b.settle(failed(l, clock.now().Add(short), "busy"))
		case "edge/paused":
			b.pause("edge/paused", clock.now().Add(short))
			b.settle(one(l, delivery.Release))
		}
	}
	if reopen {
		if err := b.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		clock.offset.Store(0)
		b.Queue = b.open()
	} else {
		clock.offset.Store(0)
	}
	seen := map[string]bool{}
	for len(seen) < 3 {
		l := b.lease(1)[0]
		seen[l.Lane] = true
		b.settleLate(one(l, delivery.Done))
	}
}

func fromTheFuture(_ *testing.T, b *bench) {
	it := item("edge/1", 1)
	it.Submitted, it.Expires = it.Submitted.Add(24*time.Hour), it.Expires.Add(24*time.Hour)
	b.putItem(it)
	b.lease(1)
}
