package queuetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

func counts(t *testing.T, b *bench) {
	b.counted(delivery.Counts{})
	for n := range 10 {
		b.put("edge/1", n)
	}
	if added, err := b.Put(b.ctx, item("edge/1", 3)); added || err != nil {
		t.Fatalf("Put: added %v, error %v", added, err)
	}
	b.counted(delivery.Counts{Stored: 10, Duplicates: 1, Pending: 10})
	l := b.lease(8)
	b.settle(
		one(l[0], delivery.Done), one(l[1], delivery.Done), one(l[2], delivery.Done),
		failed(l[3], time.Now().Add(long), "busy"), buriedFor(l[4], delivery.ReasonExpired, "late"),
		buriedFor(l[5], delivery.ReasonRefused, "no"), one(l[6], delivery.Release),
	)
	b.counted(delivery.Counts{Stored: 10, Duplicates: 1, Delivered: 3, Buried: 2, Pending: 5, Kept: 2})
	again := item("edge/1", 4)
	if err := b.unbury(delivery.Unburial{ID: b.buried("", 1)[0].ID, Again: &again}); err != nil {
		t.Fatalf("Unbury: %v", err)
	}
	b.counted(delivery.Counts{Stored: 11, Duplicates: 1, Delivered: 3, Buried: 2, Pending: 6, Kept: 1})
	for _, l := range b.lease(4) {
		b.settle(one(l, delivery.Done))
	}
	b.settle(one(l[7], delivery.Done))
	b.counted(delivery.Counts{Stored: 11, Duplicates: 1, Delivered: 8, Buried: 2, Pending: 1, Kept: 1})
}

func closed(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	l := b.lease(1)[0]
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	_, put := b.Put(b.ctx, item("edge/1", 2))
	_, lease := b.Lease(b.ctx, 1, nil)
	_, buried := b.Buried(b.ctx, "", 1)
	_, counts := b.Counts(b.ctx)
	_, lanes := b.Lanes(b.ctx)
	for name, err := range map[string]error{
		"Put": put, "Lease": lease, "Buried": buried, "Counts": counts, "Lanes": lanes,
		"Settle": b.Settle(b.ctx, one(l, delivery.Done)),
		"Pause":  b.Pause(b.ctx, delivery.Pause{Lane: "edge/1", Until: time.Now().Add(long)}),
		"Unbury": b.unbury(delivery.Unburial{ID: "1"}),
	} {
		if !errors.Is(err, delivery.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}

func closeWakes(t *testing.T, b *bench) {
	ended := make(chan error, 1)
	go func() {
		_, err := b.Lease(context.WithoutCancel(b.ctx), 1, nil)
		ended <- err
	}()
	if err := b.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, delivery.ErrClosed) {
			t.Fatalf("Lease: %v, want ErrClosed", err)
		}
	case <-b.ctx.Done():
		t.Fatal("Lease goes on waiting")
	}
}

func reopen(t *testing.T, b *bench, countsDuplicates bool) {
	for n := range 6 {
		b.put("edge/1", n)
	}
	b.put("edge/2", 1)
	if added, err := b.Put(b.ctx, item("edge/2", 1)); added || err != nil {
		t.Fatalf("Put: added %v, error %v", added, err)
	}
	leases := map[string]*delivery.Lease{}
	for _, l := range b.lease(7) {
		leases[string(l.Body)] = l
	}
	due := time.Now().Add(2 * short)
	rest := failed(leases["edge/1 2"], time.Time{}, "busy")
	rest.Body = []byte("rest")
	b.settle(
		one(leases["edge/1 0"], delivery.Done), buriedFor(leases["edge/1 1"], delivery.ReasonExpired, "late"), rest,
		failed(leases["edge/1 3"], due, "wait"), one(leases["edge/1 4"], delivery.Release),
	)
	want := delivery.Counts{Stored: 7, Duplicates: 1, Delivered: 1, Buried: 1, Pending: 5, Kept: 1}
	b.counted(want)
	// Two of the seven are not settled at all. A queue that knows nobody else leases them out at once, one that is
	// shared must wait for the end of their leases.
	b.settle(one(leases["edge/1 5"], delivery.Release), one(leases["edge/2 1"], delivery.Release))

	b.reopen()
	if !countsDuplicates {
		want.Duplicates = 0
	}
	b.counted(want)
	for _, it := range []delivery.Item{item("edge/1", 0), item("edge/1", 1), item("edge/1", 4), item("edge/2", 1)} {
		if added, err := b.Put(b.ctx, it); added || err != nil {
			t.Fatalf("Put of a known key: added %v, error %v", added, err)
		}
	}
	got := map[string]*delivery.Lease{}
	for _, l := range b.lease(5) {
		got[string(l.Body)] = l
	}
	b.notBefore(due)
	for _, body := range []string{"rest", "edge/1 3", "edge/1 4", "edge/1 5", "edge/2 1"} {
		if got[body] == nil {
			t.Fatalf("%q is missing", body)
		}
	}
	if l := got["rest"]; l.Attempts != 1 || l.FirstError != "busy" || l.LastError != "busy" {
		t.Fatalf("got %+v", l)
	}
	list := b.buried("", 10)
	if len(list) != 1 || string(list[0].Body) != "edge/1 1" || list[0].Reason != delivery.ReasonExpired ||
		list[0].LastError != "late" {
		t.Fatalf("got %+v", list)
	}
	b.put("edge/1", 99)
	b.lease(1)
}

func reopenPaused(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	b.put("edge/2", 1)
	until := time.Now().Add(5 * short)
	b.pause("edge/1", until)
	b.reopen()
	lanes := map[string]bool{}
	for range 2 {
		l := b.lease(1)[0]
		if lanes[l.Lane] = true; l.Lane == "edge/1" {
			b.notBefore(until)
		}
	}
	if len(lanes) != 2 {
		t.Fatalf("got items of %v", lanes)
	}
}

func reopenBegun(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	b.begin()
	b.reopen()
	if l := b.lease(1)[0]; !l.Begun {
		t.Fatal("a request may have been made, and the next lease does not say so")
	}
}
