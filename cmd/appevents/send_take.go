package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

// A taking is a line on its way into the queue.
type taking struct {
	line
	id     identity
	named  bool
	repeat bool // of a named line
}

// take puts lines into the queue. The lines of a batch are put at a time, and share the flushes; a batch is put when
// the one before it is, so that of two lines with the same ID the first counts.
func (q *queued) take(ctx context.Context, first []line) error {
	var (
		before sync.WaitGroup
		batch  []taking
		bytes  int
	)
	defer before.Wait()
	flush := func() {
		q.identify(batch)
		before.Wait()
		q.put(ctx, &before, batch)
		batch, bytes = nil, 0
	}
	err := q.lines(ctx, first, func(l line, last bool) bool {
		batch, bytes = append(batch, taking{line: l}), bytes+len(l.text)
		if len(batch) == batchLines || bytes >= batchBytes || last {
			flush()
		}
		return !q.halted()
	})
	if len(batch) > 0 && ctx.Err() == nil {
		flush()
	}
	return err
}

// identify decodes the lines of a batch and gives them their identities.
func (q *queued) identify(batch []taking) {
	var workers sync.WaitGroup
	size := (len(batch) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	for part := range slices.Chunk(batch, size) {
		workers.Go(func() {
			for i := range part {
				t := &part[i]
				if t.decode(false); t.err == nil {
					t.id, t.named, t.err = identify(t.call)
				}
			}
		})
	}
	workers.Wait()
	for i := range batch {
		t := &batch[i]
		if t.err != nil {
			continue
		}
		if t.named {
			t.repeat = !q.seen.add(t.id)
			continue
		}
		for n, id := 0, t.id; ; n++ {
			if t.id = id.again(n); q.seen.add(t.id) {
				break
			}
		}
	}
}

// put puts the lines of a batch. Those that may repeat another one come last.
func (q *queued) put(ctx context.Context, group *sync.WaitGroup, batch []taking) {
	var (
		repeats []*taking
		firsts  sync.WaitGroup
	)
	for i := range batch {
		t := &batch[i]
		if t.repeat {
			repeats = append(repeats, t)
			continue
		}
		firsts.Add(1)
		group.Go(func() {
			defer firsts.Done()
			q.putOne(ctx, t)
		})
	}
	if len(repeats) > 0 {
		group.Go(func() {
			firsts.Wait()
			for _, t := range repeats {
				q.putOne(ctx, t)
			}
		})
	}
}

// putOne puts a line, or reports why not.
func (q *queued) putOne(ctx context.Context, t *taking) {
	if ctx.Err() != nil {
		return // not counted: it was not looked at
	}
	if t.err != nil {
		q.rejectLine(t, t.err)
		return
	}
	item, err := q.dispatcher.Item(string(t.id[:]), t.call)
	if err != nil {
		q.rejectLine(t, err)
		return
	}
	item.Body = withSource(item.Body, q.name+":"+strconv.Itoa(t.number))
	for {
		q.left.Add(1) // before it can be settled
		added, err := q.engine.Put(ctx, item)
		if err != nil || !added {
			q.left.Add(-1)
		}
		switch {
		case err == nil && added:
			q.count(func(t *tally) { t.Lines++; t.Taken++ })
		case err == nil:
			q.known(ctx, t, item)
		case errors.Is(err, delivery.ErrTooLarge):
			q.rejectLine(t, err)
		case ctx.Err() != nil:
		case errors.Is(err, delivery.ErrFull):
			if !q.wait(ctx) {
				return
			}
			continue
		default:
			q.halt(q.engine.failed(err))
		}
		return
	}
}

func (q *queued) rejectLine(t *taking, err error) {
	q.count(func(t *tally) { t.Lines++ })
	q.reject(&t.line, err)
}

// wait waits for room in a full queue.
func (q *queued) wait(ctx context.Context) bool {
	return pause(ctx, fullDelay) && !q.halted()
}

// known deals with a line that the queue knows: one that stands in the file twice, or that an earlier run took. When
// that run could not deliver it, it is reported again, or taken if it was mended.
func (q *queued) known(ctx context.Context, t *taking, item delivery.Item) {
	q.mu.Lock()
	id, wasBuried := q.buried[item.Key]
	delete(q.buried, item.Key)
	q.mu.Unlock()
	var b *delivery.Buried
	if wasBuried {
		b, _ = q.engine.find(ctx, id) // gone meanwhile, or not to be had: the line is known all the same
	}
	if b != nil && t.named && mended(t.call, b.Body) {
		q.left.Add(1)
		if n, err := q.engine.Unbury(ctx, delivery.Unburial{ID: id, Again: &item}); err == nil && n == 1 {
			q.count(func(counts *tally) { counts.Lines++; counts.Taken++ })
			return
		}
		q.left.Add(-1)
	}
	q.count(func(counts *tally) {
		counts.Lines++
		if t.repeat && !wasBuried {
			counts.Duplicates++
		} else {
			counts.Earlier++
		}
	})
	if b == nil {
		return
	}
	outcome, code := fateOf(b.Reason)
	q.failed(code)
	body, _ := sourceOf(b.Body)
	q.tell(happening{
		outcome: outcome, line: t.number, call: body, resend: b.Reason != delivery.ReasonUnknown,
		err: fmt.Errorf("in an earlier run: %s", orReason(b.LastError, b.Reason)),
	})
}

// mended reports whether a line says something else than the buried call that has its IDs, of which nothing was
// delivered. A time that the line leaves open is that of the first time.
func mended(call appevents.Call, body []byte) bool {
	before, err := appevents.UnmarshalCall(body)
	if err != nil {
		return true
	}
	a, okA := eventsOf(call)
	b, okB := eventsOf(before)
	if !okA || !okB || len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].IsZero() {
			*b[i] = time.Time{}
		} else {
			*a[i], *b[i] = a[i].UTC(), b[i].UTC()
		}
	}
	was, err1 := appevents.MarshalCall(before)
	is, err2 := appevents.MarshalCall(call)
	return err1 == nil && err2 == nil && !bytes.Equal(was, is)
}

// eventsOf are the times of the events of a call.
func eventsOf(call appevents.Call) (times []*time.Time, ok bool) {
	switch c := call.(type) {
	case *appevents.Activity:
		for i := range c.Events {
			times = append(times, &c.Events[i].Time)
		}
	case *appevents.PageActivity: //nolint:staticcheck // see edgeOf
		for i := range c.Events {
			times = append(times, &c.Events[i].Time)
		}
	case *appevents.ConversionCall:
		for i := range c.Conversions {
			times = append(times, &c.Conversions[i].Time)
		}
	default:
		return nil, false
	}
	return times, true
}
