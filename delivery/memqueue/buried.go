package memqueue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// bury keeps what is known of an item.
func (q *Queue) bury(e *entry, reason delivery.Reason, now time.Time) {
	q.counts.Buried++
	number := uint64(q.counts.Buried) //nolint:gosec // a count, never negative
	q.buried[number] = &delivery.Buried{
		Item: e.Item, ID: strconv.FormatUint(number, 10), Reason: reason, Attempts: e.attempts,
		FirstError: e.firstError, LastError: e.lastError, BuriedAt: now,
	}
	q.burials = append(q.burials, number)
}

// dropBuried drops the oldest buried items that are too many or too old.
func (q *Queue) dropBuried(now time.Time) {
	n := 0
	for _, number := range q.burials {
		b := q.buried[number]
		if len(q.buried) <= q.buriedLimit && now.Sub(b.BuriedAt) < q.buriedAge {
			break
		}
		delete(q.buried, number)
		q.counts.Dropped++
		n++
	}
	q.burials = q.burials[n:]
}

// Buried implements [delivery.Queue].
func (q *Queue) Buried(_ context.Context, from string, limit int) ([]delivery.Buried, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.usable(); err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(cmp.Or(from, "0"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("memqueue: %w", delivery.ErrNotFound)
	}
	q.dropBuried(q.time())
	start, _ := slices.BinarySearch(q.burials, number)
	var list []delivery.Buried
	for _, number := range q.burials[start:] {
		if len(list) >= limit {
			break
		}
		list = append(list, *q.buried[number])
	}
	return list, nil
}

// Unbury implements [delivery.Queue].
func (q *Queue) Unbury(_ context.Context, list ...delivery.Unburial) (done int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.usable(); err != nil {
		return 0, err
	}
	q.dropBuried(q.time())
	for _, u := range list {
		number, err := strconv.ParseUint(u.ID, 10, 64)
		if err != nil || q.buried[number] == nil {
			continue
		}
		done++
		delete(q.buried, number)
		if len(list) == 1 {
			i, _ := slices.BinarySearch(q.burials, number)
			q.burials = slices.Delete(q.burials, i, i+1)
		}
		if u.Again != nil {
			q.add(*u.Again)
		}
	}
	if len(list) > 1 {
		q.burials = slices.DeleteFunc(q.burials, func(n uint64) bool { return q.buried[n] == nil })
	}
	if done < len(list) {
		err = fmt.Errorf("memqueue: %d of %d: %w", len(list)-done, len(list), delivery.ErrNotFound)
	}
	return done, err
}
