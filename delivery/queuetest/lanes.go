package queuetest

import (
	"errors"
	"testing"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

func (b *bench) pause(lane string, until time.Time) {
	b.Helper()
	if err := b.Pause(b.ctx, delivery.Pause{Lane: lane, Until: until}); err != nil {
		b.Fatalf("Pause: %v", err)
	}
}

func pause(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	b.put("edge/2", 1)
	held := b.lease(2)
	b.put("edge/1", 2)
	b.put("edge/2", 2)
	b.put("edge/22", 3)
	b.pause("edge/2", time.Now().Add(long))
	for _, l := range b.lease(2) {
		if l.Lane == "edge/2" {
			t.Fatalf("an item of the paused lane was handed out")
		}
	}
	b.nothing()
	for _, l := range held {
		b.settle(one(l, delivery.Done))
	}
	b.counted(delivery.Counts{Stored: 5, Delivered: 2, Pending: 3, PausedLanes: 1})
}

func pauseEnds(_ *testing.T, b *bench) {
	until := time.Now().Add(2 * short)
	b.pause("edge/1", until)
	b.put("edge/1", 1)
	b.lease(1)
	b.notBefore(until)
	b.counted(delivery.Counts{Stored: 1, Pending: 1})
}

func pauseCancelled(t *testing.T, b *bench) {
	b.pause("edge/1", time.Now().Add(long))
	b.put("edge/1", 1)
	b.nothing()
	got := make(chan error, 1)
	go func() {
		_, err := b.Lease(b.ctx, 1, nil)
		got <- err
	}()
	b.pause("edge/1", time.Time{})
	if err := <-got; err != nil {
		t.Fatalf("Lease: %v", err)
	}
}

func pauseParent(t *testing.T, b *bench) {
	b.pause("edge", time.Now().Add(long))
	b.put("edge", 1)
	b.put("edge/1", 1)
	b.put("edge/1/below", 1)
	b.put("edges", 1)
	if l := b.lease(1)[0]; l.Lane != "edges" {
		t.Fatalf("an item of %s was handed out", l.Lane)
	}
	b.nothing()
	b.pause("edge", time.Time{})
	b.lease(3)
}

func pauseLong(t *testing.T, b *bench) {
	const backlog = 500
	b.pause("edge/1", time.Now().Add(long))
	for n := range backlog {
		b.put("edge/1", n)
	}
	for n := range 20 {
		b.put("edge/2", n)
	}
	for _, l := range b.lease(20) {
		if l.Lane != "edge/2" {
			t.Fatalf("an item of the paused lane was handed out")
		}
		b.settle(one(l, delivery.Done))
	}
	b.nothing()
	b.pause("edge/1", time.Time{})
	seen := map[string]bool{}
	for _, l := range b.lease(backlog) {
		if seen[string(l.Body)] {
			t.Fatalf("%q was handed out twice", l.Body)
		}
		seen[string(l.Body)] = true
		b.settle(one(l, delivery.Done))
	}
	b.counted(delivery.Counts{Stored: backlog + 20, Delivered: backlog + 20})
}

// setPause sets one of the two pauses of a lane.
func (b *bench) setPause(lane string, until time.Time, note string, manual bool) {
	b.Helper()
	if err := b.Pause(b.ctx, delivery.Pause{Lane: lane, Until: until, Note: note, Manual: manual}); err != nil {
		b.Fatalf("Pause: %v", err)
	}
}

func pausesApart(_ *testing.T, b *bench) {
	b.put("edge/1", 1)
	soon, late := time.Now().Add(long), time.Now().Add(2*long)
	b.setPause("edge/1", soon, "throttled", false)
	b.setPause("edge/1", late, "the shop is closed", true)
	b.lanesAre(delivery.LaneCounts{
		Lane: "edge/1", Pending: 1, PausedUntil: late, Note: "the shop is closed", Manual: true,
	})
	b.setPause("edge/1", time.Time{}, "", true)
	b.lanesAre(delivery.LaneCounts{Lane: "edge/1", Pending: 1, PausedUntil: soon, Note: "throttled"})
	b.nothing() // the dispatchers' pause goes on
	b.setPause("edge/1", late, "closed again", true)
	b.setPause("edge/1", time.Time{}, "", false)
	b.nothing() // and so does a person's
	b.lanesAre(delivery.LaneCounts{Lane: "edge/1", Pending: 1, PausedUntil: late, Note: "closed again", Manual: true})
	b.counted(delivery.Counts{Stored: 1, Pending: 1, PausedLanes: 1})
	b.setPause("edge/1", time.Time{}, "", true)
	b.lease(1)
}

func pauseEmpty(_ *testing.T, b *bench) {
	until := time.Now().Add(long)
	b.setPause("edge", until, "the edge", false)
	b.lanesAre(delivery.LaneCounts{Lane: "edge", PausedUntil: until, Note: "the edge"})
	b.put("edge/1", 1)
	b.lanesAre(
		delivery.LaneCounts{Lane: "edge", PausedUntil: until, Note: "the edge"},
		delivery.LaneCounts{Lane: "edge/1", Pending: 1}, // only a lane's own pause is listed
	)
	b.setPause("edge", time.Time{}, "", false)
	b.lanesAre(delivery.LaneCounts{Lane: "edge/1", Pending: 1})
}

func reopenNotes(_ *testing.T, b *bench) {
	b.put("edge/1", 1)
	b.put("edge/2", 1)
	until := time.Now().Add(long)
	b.setPause("edge/1", until, "the shop is closed", true)
	b.setPause("edge/2", until, "throttled", false)
	b.setPause("edge/2", until.Add(long), "closed too", true)
	b.reopen()
	b.nothing()
	b.lanesAre(
		delivery.LaneCounts{Lane: "edge/1", Pending: 1, PausedUntil: until, Note: "the shop is closed", Manual: true},
		delivery.LaneCounts{Lane: "edge/2", Pending: 1, PausedUntil: until.Add(long), Note: "closed too", Manual: true},
	)
	b.setPause("edge/2", time.Time{}, "", true)
	b.lanesAre(
		delivery.LaneCounts{Lane: "edge/1", Pending: 1, PausedUntil: until, Note: "the shop is closed", Manual: true},
		delivery.LaneCounts{Lane: "edge/2", Pending: 1, PausedUntil: until, Note: "throttled"},
	)
	b.setPause("edge/1", time.Time{}, "", true)
	b.lease(1)
	b.nothing()
}

func pauseReleased(t *testing.T, b *bench) {
	b.put("edge/1", 1)
	l := b.lease(1)[0]
	b.pause("edge/1", time.Now().Add(long))
	b.settle(one(l, delivery.Release))
	b.nothing()
	b.pause("edge/1", time.Time{})
	if l := b.lease(1)[0]; l.Attempts != 0 {
		t.Fatalf("got %+v", l)
	}
}

func turns(t *testing.T, b *bench) {
	for n := range 200 {
		b.put("edge/long", n)
	}
	b.put("edge/short", 1)
	for range 3 {
		for _, l := range b.lease(10) {
			if l.Lane == "edge/short" {
				return
			}
		}
	}
	t.Fatal("the short lane waits for the long one")
}

func bury(t *testing.T, b *bench) {
	want := item("edge/1", 1)
	b.putItem(want)
	b.settle(failed(b.lease(1)[0], time.Time{}, "busy"))
	before := time.Now().Add(-time.Second)
	s := buriedFor(b.lease(1)[0], delivery.ReasonRefused, "refused")
	s.Body = []byte("rest")
	b.settle(s)
	b.nothing()
	list := b.buried("", 10)
	if len(list) != 1 {
		t.Fatalf("%d buried items, want one", len(list))
	}
	got := list[0]
	want.Body = []byte("rest")
	same(t, got.Item, want)
	if got.ID == "" || got.Reason != delivery.ReasonRefused || got.Attempts != 2 || got.FirstError != "busy" ||
		got.LastError != "refused" || got.BuriedAt.Before(before) || time.Since(got.BuriedAt) < -time.Second {
		t.Fatalf("got %+v", got)
	}
	b.counted(delivery.Counts{Stored: 1, Buried: 1, Kept: 1})
}

// buryMany buries n items and returns their IDs in order.
func (b *bench) buryMany(n int) []string {
	b.Helper()
	for k := range n {
		b.put("edge/1", k)
		b.settle(buriedFor(b.lease(1)[0], delivery.ReasonRefused, "no"))
	}
	var ids []string
	for k, it := range b.buried("", n+1) {
		if want := item("edge/1", k).Body; string(it.Body) != string(want) {
			b.Fatalf("place %d holds %q, want %q", k, it.Body, want)
		}
		ids = append(ids, it.ID)
	}
	if len(ids) != n {
		b.Fatalf("%d buried items, want %d", len(ids), n)
	}
	return ids
}

func buriedPages(t *testing.T, b *bench) {
	ids := b.buryMany(12)
	check := func(list []delivery.Buried, want ...string) {
		t.Helper()
		if len(list) != len(want) {
			t.Fatalf("%d items, want %d", len(list), len(want))
		}
		for i := range list {
			if list[i].ID != want[i] {
				t.Fatalf("place %d holds %s, want %s", i, list[i].ID, want[i])
			}
		}
	}
	check(b.buried("", 5), ids[:5]...)
	check(b.buried(ids[4], 4), ids[4:8]...)
	check(b.buried(ids[10], 5), ids[10:]...)
	check(b.buried(ids[3], 1), ids[3])
	check(b.buried("", 0))
	if err := b.unbury(delivery.Unburial{ID: ids[4]}); err != nil {
		t.Fatalf("Unbury: %v", err)
	}
	check(b.buried(ids[4], 2), ids[5:7]...)
}

func unburyAgain(t *testing.T, b *bench) {
	id := b.buryMany(2)[0]
	again := item("edge/1", 0)
	again.Lane, again.Body = "edge/9", []byte("fixed")
	if err := b.unbury(delivery.Unburial{ID: id, Again: &again}); err != nil {
		t.Fatalf("Unbury: %v", err)
	}
	l := b.lease(1)[0]
	same(t, l.Item, again)
	if l.Attempts != 0 || l.FirstError != "" || l.LastError != "" {
		t.Fatalf("the item came with its past: %+v", l)
	}
	b.settle(one(l, delivery.Done))
	if err := b.unbury(delivery.Unburial{ID: id, Again: &again}); !errors.Is(err, delivery.ErrNotFound) {
		t.Fatalf("Unbury again: %v, want ErrNotFound", err)
	}
	b.nothing()
	b.counted(delivery.Counts{Stored: 3, Delivered: 1, Buried: 2, Kept: 1})
}

func unburyRemove(t *testing.T, b *bench) {
	ids := b.buryMany(2)
	for _, id := range ids {
		if err := b.unbury(delivery.Unburial{ID: id}); err != nil {
			t.Fatalf("Unbury: %v", err)
		}
	}
	for _, id := range []string{ids[0], "", "none", "987654321"} {
		if err := b.unbury(delivery.Unburial{ID: id}); !errors.Is(err, delivery.ErrNotFound) {
			t.Fatalf("Unbury(%q): %v, want ErrNotFound", id, err)
		}
	}
	if list := b.buried("", 10); len(list) != 0 {
		t.Fatalf("%d buried items are left", len(list))
	}
	b.nothing()
	b.counted(delivery.Counts{Stored: 2, Buried: 2})
}
