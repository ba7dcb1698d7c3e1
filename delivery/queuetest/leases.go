package queuetest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

func roundTrip(t *testing.T, b *bench) {
	plain := item("edge/1", 1)
	alone := item("edge/1", 2)
	alone.Group, alone.Expires = delivery.Group{}, time.Time{}
	b.putItem(plain)
	b.putItem(alone)
	leases := b.lease(2)
	same(t, leases[0].Item, plain)
	same(t, leases[1].Item, alone)
	if !leases[1].Expires.IsZero() {
		t.Fatalf("a zero time came back as %v", leases[1].Expires)
	}
	for _, l := range leases {
		if l.ID == "" || l.Attempts != 0 || l.FirstError != "" || l.LastError != "" || l.Begun {
			t.Fatalf("a new item came with a past: %+v", l)
		}
		if until := time.Until(l.Until); until <= 0 || until > long {
			t.Fatalf("the lease ends in %v", until)
		}
	}
	if leases[0].ID == leases[1].ID {
		t.Fatalf("two items share the ID %s", leases[0].ID)
	}
}

func ownBytes(t *testing.T, b *bench) {
	it := item("edge/1", 1)
	body := bytes.Clone(it.Body)
	b.putItem(it)
	for i := range it.Body {
		it.Body[i] = '#'
	}
	if got := b.lease(1)[0].Body; !bytes.Equal(got, body) {
		t.Fatalf("got %q, want %q", got, body)
	}
}

func large(t *testing.T, b *bench) {
	it := item("edge/1", 1)
	it.Body = bytes.Repeat([]byte("0123456789abcdef"), delivery.MaxBody/16)
	b.putItem(it)
	same(t, b.lease(1)[0].Item, it)
}

func duplicates(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	again := item("edge/1", 1)
	again.Lane, again.Body = "edge/2", []byte("other")
	check := func() {
		t.Helper()
		added, err := b.Put(b.ctx, again)
		if err != nil || added {
			t.Fatalf("Put: added %v, error %v, want a duplicate", added, err)
		}
	}
	check()
	lease := b.lease(1)[0]
	check()
	b.settle(one(lease, delivery.Done))
	check()
	b.nothing()
	b.counted(delivery.Counts{Stored: 1, Delivered: 1, Duplicates: 3})
}

// withOld is an item of one kind, whose key another kind shared in an older version.
func withOld(kind, key string) delivery.Item {
	it := item("edge/1", 1)
	it.Key, it.OldKey = delivery.KeyOf(kind+key), delivery.KeyOf(key)
	return it
}

func oldKeys(t *testing.T, b *bench) {
	old := item("edge/1", 1)
	old.Key = delivery.KeyOf("a")
	b.putItem(old)
	for _, kind := range []string{"x", "y"} {
		if added, err := b.Put(b.ctx, withOld(kind, "a")); added || err != nil {
			t.Fatalf("Put of a key that an older version stored: added %v, error %v", added, err)
		}
	}
	b.putItem(withOld("x", "b"))
	b.putItem(withOld("y", "b")) // the old key is looked for, but not remembered
	if added, err := b.Put(b.ctx, withOld("x", "b")); added || err != nil {
		t.Fatalf("Put of a known key: added %v, error %v", added, err)
	}
	old.Key = delivery.KeyOf("b")
	b.putItem(old)
	b.counted(delivery.Counts{Stored: 4, Duplicates: 3, Pending: 4})
}

func oldKeyEnds(_ *testing.T, b *bench) {
	old := item("edge/1", 1)
	old.Key = delivery.KeyOf("a")
	b.putItem(old)
	tick := time.NewTicker(short / 10)
	defer tick.Stop()
	for {
		added, err := b.Put(b.ctx, withOld("x", "a")) // ends with the context
		if err != nil {
			b.Fatalf("Put: %v", err)
		}
		if added {
			return
		}
		<-tick.C
	}
}

func concurrentDuplicates(t *testing.T, b *bench) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		total int
	)
	for range 50 {
		wg.Go(func() {
			added, err := b.Put(b.ctx, item("edge/1", 1))
			if err != nil {
				t.Errorf("Put: %v", err)
			}
			if added {
				mu.Lock()
				total++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if total != 1 {
		t.Fatalf("the key was accepted %d times", total)
	}
	b.lease(1)
	b.nothing()
}

func windowEnds(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	tick := time.NewTicker(short / 10)
	defer tick.Stop()
	for {
		added, err := b.Put(b.ctx, item("edge/1", 1))
		if err != nil {
			t.Fatalf("Put: %v", err)
		}
		if added {
			b.lease(2)
			return
		}
		<-tick.C
	}
}

func leaseWaits(t *testing.T, b *bench) {
	got := make(chan []*delivery.Lease, 1)
	go func() {
		leases, err := b.Lease(b.ctx, 10, nil)
		if err != nil {
			t.Errorf("Lease: %v", err)
		}
		got <- leases
	}()
	b.put("edge/1", 1)
	if leases := <-got; len(leases) != 1 {
		t.Fatalf("got %d items, want one", len(leases))
	}
}

func leaseCancelled(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := b.Lease(ctx, 10, nil)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("Lease: %v, want the context's error", err)
	}
	b.put("edge/1", 1)
	if _, err := b.Lease(ctx, 10, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("Lease: %v, want the context's error", err)
	}
	b.lease(1)
}

func leaseLimit(t *testing.T, b *bench) {
	for n := range 20 {
		b.put("edge/1", n)
	}
	seen := map[string]bool{}
	for _, want := range []int{7, 1, 12} {
		for _, l := range b.lease(want) {
			if seen[string(l.Body)] {
				t.Fatalf("%q was handed out twice", l.Body)
			}
			seen[string(l.Body)] = true
		}
	}
	b.nothing()
}

func exclusive(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	b.lease(1)
	b.nothing()
}

func concurrentLeases(t *testing.T, b *bench) {
	const items, workers = 300, 5
	for n := range items {
		b.put([]string{"edge/1", "edge/2", "other"}[n%3], n)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = map[string]int{}
	)
	for range workers {
		wg.Go(func() {
			for {
				leases, err := b.Lease(ctx, 10, nil)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("Lease: %v", err)
					return
				}
				var done []delivery.Settlement
				for _, l := range leases {
					done = append(done, one(l, delivery.Done))
				}
				if err := b.Settle(b.ctx, done...); err != nil {
					t.Errorf("Settle: %v", err)
				}
				mu.Lock()
				for _, l := range leases {
					seen[string(l.Body)]++
				}
				if len(seen) == items {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for body, n := range seen {
		if n != 1 {
			t.Errorf("%q was leased %d times", body, n)
		}
	}
	if len(seen) != items {
		t.Fatalf("%d items were leased, want %d", len(seen), items)
	}
}

func leaseEnds(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	first := b.lease(1)[0]
	again := b.lease(1)[0] // waits for the end of the first lease
	same(t, again.Item, first.Item)
	if time.Now().Before(first.Until.Add(-short / 2)) {
		t.Fatalf("the item was handed out again before the end of its lease")
	}
	if again.Attempts != 0 || again.Begun {
		t.Fatalf("a lease that ended counts as an attempt: %+v", again)
	}
	for _, s := range []delivery.Settlement{
		failed(first, time.Now().Add(time.Hour), "late"), buriedFor(first, delivery.ReasonRefused, "late"),
	} {
		if err := b.Settle(b.ctx, s); !errors.Is(err, delivery.ErrLeaseLost) {
			t.Fatalf("Settle(%v) of a lost lease: %v, want ErrLeaseLost", s.Verdict, err)
		}
	}
	b.settleLate(one(again, delivery.Done))
	b.counted(delivery.Counts{Stored: 1, Delivered: 1})
}

func doneLate(_ *testing.T, b *bench) {
	b.put("edge/1", 1)
	first := b.lease(1)[0]
	b.lease(1)
	b.settleLate(one(first, delivery.Done))
	b.counted(delivery.Counts{Stored: 1, Delivered: 1})
	b.nothing()
}

func lostAmongOthers(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	lost := b.lease(1)[0]
	b.lease(1)
	b.put("edge/1", 2)
	good := b.lease(1)[0]
	for string(good.Body) != "edge/1 2" { // the first one's second lease may have ended too
		good = b.lease(1)[0]
	}
	err := b.Settle(b.ctx, failed(lost, time.Time{}, "late"), one(good, delivery.Done))
	if !errors.Is(err, delivery.ErrLeaseLost) {
		t.Fatalf("Settle: %v, want ErrLeaseLost", err)
	}
	b.counted(delivery.Counts{Stored: 2, Delivered: 1, Pending: 1})
}

func retryLater(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	b.put("edge/1", 2)
	due := time.Now().Add(2 * short)
	b.settle(failed(b.lease(1)[0], due, "busy"))
	for range 2 { // the other one is not held up, unless the test itself is
		l := b.lease(1)[0]
		if string(l.Body) == "edge/1 1" {
			b.notBefore(due)
			if l.Attempts != 1 {
				t.Fatalf("%d attempts, want one", l.Attempts)
			}
		}
		b.settle(one(l, delivery.Done))
	}
	b.counted(delivery.Counts{Stored: 2, Delivered: 2})
}

func retryErrors(t *testing.T, b *bench) {
	want := item("edge/1", 1)
	b.putItem(want)
	for _, text := range []string{"first", "second", "third"} {
		b.settle(failed(b.lease(1)[0], time.Time{}, text))
	}
	l := b.lease(1)[0]
	if l.Attempts != 3 || l.FirstError != "first" || l.LastError != "third" {
		t.Fatalf("after three attempts: %d attempts, first %q, last %q", l.Attempts, l.FirstError, l.LastError)
	}
	same(t, l.Item, want)
}

func retryBody(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	rest := failed(b.lease(1)[0], time.Time{}, "half of it")
	rest.Body = []byte("rest")
	b.settle(rest)
	l := b.lease(1)[0]
	if string(l.Body) != "rest" || l.Lane != "edge/1" || l.Key != item("edge/1", 1).Key {
		t.Fatalf("got %s", describe(l.Item))
	}
}

func retryWithoutError(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	rest := failed(b.lease(1)[0], time.Time{}, "")
	rest.Body = []byte("rest")
	b.settle(rest)
	if l := b.lease(1)[0]; l.Attempts != 0 || l.FirstError != "" || string(l.Body) != "rest" {
		t.Fatalf("got %+v", l)
	}
}

func release(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	b.settle(one(b.lease(1)[0], delivery.Release))
	if l := b.lease(1)[0]; l.Attempts != 0 || l.Begun {
		t.Fatalf("got %+v", l)
	}
}

func begun(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	b.begin()
	l := b.lease(1)[0]
	if !l.Begun {
		t.Fatal("a request may have been made, and the next lease does not say so")
	}
	b.settleLate(one(l, delivery.Done))
	b.counted(delivery.Counts{Stored: 1, Delivered: 1})
}

func begunAndSettled(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	l := b.lease(1)[0]
	b.settle(one(l, delivery.Begin))
	b.nothing() // it is still leased
	b.settle(failed(l, time.Time{}, "refused"))
	l = b.lease(1)[0]
	if l.Begun {
		t.Fatal("a request that was settled still counts as begun")
	}
	b.settle(one(l, delivery.Begin))
	b.settle(one(l, delivery.Done))
	b.counted(delivery.Counts{Stored: 1, Delivered: 1})
}

func begunAndReleased(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	l := b.begin()
	b.settle(one(l, delivery.Release))
	if l := b.lease(1)[0]; l.Begun || l.Attempts != 0 {
		t.Fatalf("no request was made after all, and the next lease says otherwise: %+v", l)
	}
}

func inOrder(t *testing.T, b *bench) {
	const items = 50
	for n := range items {
		b.put("edge/1", n)
	}
	for n, l := range b.lease(items) {
		if want := item("edge/1", n).Body; string(l.Body) != string(want) {
			t.Fatalf("place %d holds %q, want %q", n, l.Body, want)
		}
	}
}

func putCancelled(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	added, err := b.Put(ctx, item("edge/1", 1))
	if added || !errors.Is(err, context.Canceled) {
		t.Fatalf("Put: added %v, error %v, want the context's error", added, err)
	}
	if _, err := b.Put(b.ctx, item("edge/1", 1)); err != nil { // it may be a duplicate by now
		t.Fatalf("Put: %v", err)
	}
	b.lease(1)
	b.nothing()
}

func settleForeign(t *testing.T, b *bench) {
	b.settle()
	b.put("edge/1", 1)
	l := b.lease(1)[0]
	foreign := &delivery.Lease{Item: l.Item, ID: l.ID, Until: l.Until, Receipt: "another queue's"}
	if err := b.Settle(b.ctx, one(foreign, delivery.Done), one(l, delivery.Done)); !errors.Is(err, delivery.ErrLeaseLost) {
		t.Fatalf("Settle: %v, want ErrLeaseLost", err)
	}
	b.counted(delivery.Counts{Stored: 1, Delivered: 1})
}
