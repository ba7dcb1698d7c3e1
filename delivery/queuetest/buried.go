package queuetest

import (
	"errors"
	"testing"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

func unburyMany(t *testing.T, b *bench) {
	ids := b.buryMany(24)
	list := make([]delivery.Unburial, 0, len(ids)+2)
	list = append(list, delivery.Unburial{ID: "none"})
	for n, id := range ids[:20] {
		u := delivery.Unburial{ID: id}
		if n%2 == 0 {
			again := item("edge/9", n)
			u.Again = &again
		}
		list = append(list, u)
	}
	again := item("edge/9", 99)
	list = append(list, delivery.Unburial{ID: "987654321", Again: &again})
	done, err := b.Unbury(b.ctx, list...)
	if done != 20 || !errors.Is(err, delivery.ErrNotFound) {
		t.Fatalf("Unbury: %d done, error %v, want 20 and ErrNotFound", done, err)
	}
	left := b.buried("", 10)
	if len(left) != 4 || left[0].ID != ids[20] {
		t.Fatalf("%d buried items are left", len(left))
	}
	seen := map[string]bool{}
	for _, l := range b.lease(10) {
		if l.Lane != "edge/9" || seen[string(l.Body)] {
			t.Fatalf("got %s", describe(l.Item))
		}
		seen[string(l.Body)] = true
	}
	b.nothing()
	b.counted(delivery.Counts{Stored: 34, Buried: 24, Kept: 4, Pending: 10})
	if done, err := b.Unbury(b.ctx); done != 0 || err != nil {
		t.Fatalf("Unbury of nothing: %d done, error %v", done, err)
	}
	done, err = b.Unbury(b.ctx, delivery.Unburial{ID: ids[20]}, delivery.Unburial{ID: ids[21]})
	if done != 2 || err != nil {
		t.Fatalf("Unbury: %d done, error %v", done, err)
	}
}

// bury1 buries the n-th item of a lane.
func (b *bench) bury1(n int) {
	b.Helper()
	b.put("edge/1", n)
	b.settle(buriedFor(b.lease(1)[0], delivery.ReasonRefused, "no"))
}

func buriedLimit(t *testing.T, b *bench) {
	const limit, more = 5, 3
	for n := range limit + more {
		b.bury1(n)
	}
	b.counted(delivery.Counts{Stored: limit + more, Buried: limit + more, Kept: limit, Dropped: more})
	list := b.buried("", 10)
	if len(list) != limit || string(list[0].Body) != string(item("edge/1", more).Body) {
		t.Fatalf("%d are left, the first of them %q", len(list), list[0].Body)
	}
	// What is taken away was not dropped, and leaves room for others.
	if err := b.unbury(delivery.Unburial{ID: list[0].ID}); err != nil {
		t.Fatalf("Unbury: %v", err)
	}
	b.bury1(100)
	b.counted(delivery.Counts{Stored: 9, Buried: 9, Kept: limit, Dropped: more})
	b.put("edge/1", 200) // there is room for new ones
	b.lease(1)
}

func buriedAge(t *testing.T, b *bench) {
	b.bury1(1)
	b.counted(delivery.Counts{Stored: 1, Buried: 1, Dropped: 1}) // in a moment
	if list := b.buried("", 10); len(list) != 0 {
		t.Fatalf("%d are left", len(list))
	}
	if err := b.unbury(delivery.Unburial{ID: "1"}); !errors.Is(err, delivery.ErrNotFound) {
		t.Fatalf("Unbury: %v, want ErrNotFound", err)
	}
}

func reopenDropped(_ *testing.T, b *bench) {
	for n := range 5 {
		b.bury1(n)
	}
	want := delivery.Counts{Stored: 5, Buried: 5, Kept: 3, Dropped: 2}
	b.counted(want)
	b.reopen()
	b.counted(want)
	b.bury1(5)
	b.counted(delivery.Counts{Stored: 6, Buried: 6, Kept: 3, Dropped: 3})
}

// lanesAre waits until the queue's lanes are as wanted, but for the times; a queue behind a network may take a moment.
func (b *bench) lanesAre(want ...delivery.LaneCounts) {
	b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var got []delivery.LaneCounts
	for b.ctx.Err() == nil {
		var err error
		if got, err = b.Lanes(b.ctx); err != nil {
			b.Fatalf("Lanes: %v", err)
		}
		ok := len(got) == len(want)
		for i := 0; ok && i < len(got); i++ {
			g, w := got[i], want[i]
			if (g.Pending > 0) == g.Oldest.IsZero() {
				b.Fatalf("%d of %s are pending, the oldest from %v", g.Pending, g.Lane, g.Oldest)
			}
			ok = g.Lane == w.Lane && g.Pending == w.Pending && g.Note == w.Note && g.Manual == w.Manual &&
				g.PausedUntil.Sub(w.PausedUntil).Abs() < time.Millisecond
		}
		if ok {
			return
		}
		<-tick.C
	}
	b.Fatalf("Lanes: %+v, want %+v", got, want)
}

func lanesCounted(t *testing.T, b *bench) {
	b.lanesAre()
	for n := range 4 {
		b.put("edge/2", n)
	}
	b.put("edge", 1)
	b.put("other/1", 1)
	b.lanesAre(
		delivery.LaneCounts{Lane: "edge", Pending: 1}, delivery.LaneCounts{Lane: "edge/2", Pending: 4},
		delivery.LaneCounts{Lane: "other/1", Pending: 1},
	)
	for _, l := range b.lease(6) {
		switch string(l.Body) {
		case "edge/2 0", "other/1 1":
			b.settle(one(l, delivery.Done))
		case "edge/2 1":
			b.settle(failed(l, time.Now().Add(long), "busy"))
		case "edge/2 2":
			b.settle(buriedFor(l, delivery.ReasonRefused, "no"))
		}
	}
	until := time.Now().Add(long)
	if err := b.Pause(b.ctx, delivery.Pause{Lane: "edge/2", Until: until, Note: "throttled"}); err != nil {
		t.Fatalf("Pause: %v", err)
	}
	b.lanesAre(
		delivery.LaneCounts{Lane: "edge", Pending: 1},
		delivery.LaneCounts{Lane: "edge/2", Pending: 2, PausedUntil: until, Note: "throttled"},
	)
}
