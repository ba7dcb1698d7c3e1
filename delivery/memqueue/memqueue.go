// Package memqueue is a [delivery.Queue] in memory: for tests, and for programs that may lose events when they end.
//
// It keeps every promise of the interface but one: nothing outlives the process. When that ends, for whatever reason,
// what was not delivered is lost, and keys, buried calls and counts are forgotten. Cancel Dispatcher.Run and submit
// nothing more before you exit; what Counts still has as pending then is lost.
//
// A queue holds up to 1,000,000 items (see [WithCapacity]) and then refuses more with [delivery.ErrFull]. It has no
// goroutine of its own, and its time is that of package time, so it works under testing/synctest.
package memqueue

import (
	"container/heap"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/sched"
)

// Queue is a queue in memory. Make one with [New].
type Queue struct {
	capacity    int
	leaseTime   time.Duration
	window      time.Duration
	buriedAge   time.Duration
	buriedLimit int
	now         func() time.Time

	mu      sync.Mutex
	closed  bool
	clock   sched.Clock
	last    uint64
	items   map[uint64]*entry
	lanes   map[string]*pending // by lane
	ready   map[string]*byID    // items due, by lane
	later   byDue
	turns   sched.Turns
	holds   sched.Holds
	signal  sched.Signal
	keys    map[delivery.Key]struct{}
	ages    []keyAge                    // keys in the order they were put
	buried  map[uint64]*delivery.Buried // by their number
	burials []uint64                    // numbers in order
	counts  delivery.Counts
}

var _ delivery.Queue = (*Queue)(nil)

type entry struct {
	delivery.Item
	id         uint64
	gone       bool // settled for good
	due        time.Time
	attempts   int
	firstError string
	lastError  string
	begun      bool
}

type keyAge struct {
	key delivery.Key
	put time.Time
}

// New returns an empty queue.
func New(opts ...Option) *Queue {
	q := &Queue{
		capacity: defaultCapacity, leaseTime: defaultLeaseTime, window: defaultWindow, buriedAge: defaultBuriedAge,
		now: time.Now, items: make(map[uint64]*entry), lanes: make(map[string]*pending),
		ready: make(map[string]*byID), keys: make(map[delivery.Key]struct{}),
		buried: make(map[uint64]*delivery.Buried),
	}
	for _, opt := range opts {
		if opt != nil {
			opt(q)
		}
	}
	if q.buriedLimit == 0 {
		q.buriedLimit = max(1, q.capacity/buriedShare)
	}
	return q
}

// time reads the clock. When that was set back, what was to happen after a while still does.
func (q *Queue) time() time.Time {
	now := q.now()
	back := q.clock.Read(now)
	if back == 0 {
		return now
	}
	q.turns.Shift(back)
	q.holds.Shift(back)
	for _, e := range q.later {
		e.due = e.due.Add(-back)
	}
	for i := range q.ages {
		q.ages[i].put = q.ages[i].put.Add(-back)
	}
	for _, b := range q.buried {
		b.BuriedAt = b.BuriedAt.Add(-back)
	}
	return now
}

// usable returns why the queue cannot be used, or nil. The caller holds mu.
func (q *Queue) usable() error {
	switch {
	case q.now == nil:
		return fmt.Errorf("memqueue: the queue is zero, make one with New: %w", delivery.ErrClosed)
	case q.closed:
		return delivery.ErrClosed
	}
	return nil
}

// Put implements [delivery.Queue].
func (q *Queue) Put(ctx context.Context, item delivery.Item) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.usable(); err != nil {
		return false, err
	}
	now := q.time()
	for len(q.ages) > 0 && now.Sub(q.ages[0].put) >= q.window {
		q.forgetOldest()
	}
	if q.known(item.Key) || !item.OldKey.IsZero() && q.known(item.OldKey) {
		q.counts.Duplicates++
		return false, nil
	}
	q.dropBuried(now)
	if len(q.items)+len(q.buried) >= q.capacity {
		return false, fmt.Errorf("memqueue: %w", delivery.ErrFull)
	}
	if len(q.ages) >= q.capacity {
		q.forgetOldest()
	}
	q.keys[item.Key] = struct{}{}
	q.ages = append(q.ages, keyAge{key: item.Key, put: now})
	q.add(item)
	return true, nil
}

func (q *Queue) known(key delivery.Key) bool {
	_, known := q.keys[key]
	return known
}

// forgetOldest forgets the key that was put first.
func (q *Queue) forgetOldest() {
	delete(q.keys, q.ages[0].key)
	q.ages = q.ages[1:]
}

func (q *Queue) add(item delivery.Item) {
	item.Body = slices.Clone(item.Body)
	q.last++
	e := &entry{Item: item, id: q.last}
	q.items[e.id] = e
	lane := q.lanes[e.Lane]
	if lane == nil {
		lane = new(pending)
		q.lanes[e.Lane] = lane
	}
	lane.add(e)
	q.counts.Stored++
	q.offer(e)
}

// offer makes a pending item due.
func (q *Queue) offer(e *entry) {
	lane := q.ready[e.Lane]
	if lane == nil {
		lane = new(byID)
		q.ready[e.Lane] = lane
	}
	heap.Push(lane, e)
	q.turns.Ready(e.Lane)
	q.signal.Notify()
}

// Lease implements [delivery.Queue].
func (q *Queue) Lease(ctx context.Context, limit int, skip *delivery.LaneSet) ([]*delivery.Lease, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		freed := skip.Changed()
		q.mu.Lock()
		if err := q.usable(); err != nil {
			q.mu.Unlock()
			return nil, err
		}
		now := q.time()
		q.wakeUp(now)
		if lane, ok := q.turns.Next(now, skip); ok {
			leases := q.lease(lane, max(limit, 1), now)
			q.mu.Unlock()
			return leases, nil
		}
		changed, at := q.signal.Changed(), sched.Earliest(q.turns.Wake(now), q.holds.Wake(), q.later.next())
		if !at.IsZero() {
			at = time.Now().Add(at.Sub(now))
		}
		q.mu.Unlock()
		if err := sched.Wait(ctx, changed, freed, at); err != nil {
			return nil, err
		}
	}
}

// wakeUp offers what has become due: items whose lease or wait has ended.
func (q *Queue) wakeUp(now time.Time) {
	for _, h := range q.holds.Expire(now) {
		q.offer(q.items[h.ID])
	}
	for len(q.later) > 0 && !q.later[0].due.After(now) {
		e := q.later[0]
		heap.Pop(&q.later)
		q.offer(e)
	}
}

func (q *Queue) lease(lane string, limit int, now time.Time) []*delivery.Lease {
	waiting := q.ready[lane]
	leases := make([]*delivery.Lease, 0, min(limit, len(*waiting)))
	until := now.Add(q.leaseTime)
	for len(*waiting) > 0 && len(leases) < limit {
		e := (*waiting)[0]
		heap.Pop(waiting)
		leases = append(leases, &delivery.Lease{
			Item: e.Item, ID: strconv.FormatUint(e.id, 10), Attempts: e.attempts, FirstError: e.firstError,
			LastError: e.lastError, Begun: e.begun, Until: until,
			Receipt: receipt{id: e.id, number: q.holds.Hold(e.id, e.Lane, until)},
		})
	}
	if len(*waiting) == 0 {
		delete(q.ready, lane)
		q.turns.Empty(lane)
	}
	return leases
}

// receipt is what a lease carries.
type receipt struct{ id, number uint64 }

// Settle implements [delivery.Queue].
func (q *Queue) Settle(_ context.Context, settlements ...delivery.Settlement) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.usable(); err != nil {
		return err
	}
	lost := 0
	now := q.time()
	for i := range settlements {
		if !q.settle(&settlements[i], now) {
			lost++
		}
	}
	q.dropBuried(now)
	if lost > 0 {
		return fmt.Errorf("memqueue: %d of %d: %w", lost, len(settlements), delivery.ErrLeaseLost)
	}
	return nil
}

// settle reports whether the lease was still good.
func (q *Queue) settle(s *delivery.Settlement, now time.Time) bool {
	r, ok := s.Lease.Receipt.(receipt)
	if !ok {
		return false
	}
	e := q.items[r.id]
	valid := q.holds.Valid(r.id, r.number)
	if e == nil || !valid && s.Verdict != delivery.Done {
		return false
	}
	if s.Verdict == delivery.Begin {
		e.begun = true
		return true
	}
	q.holds.Drop(r.id)
	e.begun = s.Verdict == delivery.Release && s.Lease.Begun
	if (s.Verdict == delivery.Retry || s.Verdict == delivery.Bury) && s.Body != nil {
		e.Body = slices.Clone(s.Body)
	}
	switch s.Verdict {
	case delivery.Done:
		q.remove(e, valid)
		q.counts.Delivered++
	case delivery.Retry:
		e.failed(s.Error)
		if e.due = s.At; e.due.After(now) {
			heap.Push(&q.later, e)
			q.signal.Notify() // someone may wait for a later time
		} else {
			q.offer(e)
		}
	case delivery.Bury:
		e.failed(s.Error)
		q.remove(e, valid)
		q.bury(e, s.Reason, now)
	default:
		q.offer(e)
	}
	return valid
}

func (e *entry) failed(text string) {
	if text == "" {
		return
	}
	e.attempts++
	e.lastError = text
	if e.firstError == "" {
		e.firstError = text
	}
}

// remove takes an item away. When its lease was void it may wait to be leased again.
func (q *Queue) remove(e *entry, leased bool) {
	delete(q.items, e.id)
	e.gone = true
	if lane := q.lanes[e.Lane]; lane != nil {
		if lane.count--; lane.count == 0 {
			delete(q.lanes, e.Lane)
		}
	}
	if leased {
		return
	}
	if lane := q.ready[e.Lane]; lane != nil {
		if i := slices.Index(*lane, e); i >= 0 {
			heap.Remove(lane, i)
		}
		if len(*lane) == 0 {
			delete(q.ready, e.Lane)
			q.turns.Empty(e.Lane)
		}
	}
	if i := slices.Index(q.later, e); i >= 0 {
		heap.Remove(&q.later, i)
	}
}

// Pause implements [delivery.Queue].
func (q *Queue) Pause(_ context.Context, p delivery.Pause) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.usable(); err != nil {
		return err
	}
	if q.turns.Set(p, q.time()) {
		q.signal.Notify()
	}
	return nil
}

// Counts implements [delivery.Queue].
func (q *Queue) Counts(context.Context) (delivery.Counts, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.usable(); err != nil {
		return delivery.Counts{}, err
	}
	now := q.time()
	q.dropBuried(now)
	counts := q.counts
	counts.Pending, counts.Kept = int64(len(q.items)), int64(len(q.buried))
	counts.PausedLanes = q.turns.Paused(now)
	for _, lane := range q.lanes {
		counts.Oldest = sched.Earliest(counts.Oldest, lane.oldest())
	}
	return counts, nil
}

// Close implements [delivery.Queue].
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal.Notify()
	return nil
}

// Format prints a queue as its name, whatever the verb: what waits in it belongs to people.
func (q *Queue) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "memqueue.Queue") }
