package delivery

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// countsTimeout bounds how long Stats waits for a queue behind a network.
const countsTimeout = 2 * time.Second

// Stats are the figures of a dispatcher and its queue. Accepted is always Delivered plus Buried plus Pending plus
// Duplicates.
type Stats struct {
	// Accepted counts the calls that were accepted, duplicates included, and those that were submitted again after
	// they had been buried. Like the next three it only grows, and survives a restart as far as the queue says so.
	Accepted   int64
	Delivered  int64 // calls Graph accepted
	Buried     int64 // calls put aside, whatever became of them since
	Duplicates int64 // calls accepted before under the same key

	Pending     int64     // calls waiting or under way
	Kept        int64     // buried calls still there to be looked at
	Dropped     int64     // buried calls the queue let go since, for their age or to make room; only grows
	PausedLanes int       // lanes that are left alone for now
	Oldest      time.Time // when the oldest pending call was submitted; zero when none is pending, may be approximate

	// AsOf is when the figures above were read from the queue: before the call of Stats when the queue does not answer,
	// and zero, like all of them, when it never did.
	AsOf time.Time

	// These are of this dispatcher since it was made.
	Requests  int64 // requests made
	Retries   int64 // calls that failed and were put back to be tried again
	InHand    int64 // calls leased now
	Unsettled int64 // calls whose outcome could not be written to the queue: they may be sent again

	// Running says that Run is at work, Idle that it waits for the queue to have a call that is due and holds none.
	Running bool
	Idle    bool

	// Progress is when this dispatcher last leased a call, had a request accepted or wrote an outcome down, or began to
	// run; zero before that. A dispatcher that runs, is not idle and makes no progress for minutes hangs.
	Progress time.Time
}

// figures are what a dispatcher counts itself.
type figures struct {
	requests  atomic.Int64
	retries   atomic.Int64
	inHand    atomic.Int64
	unsettled atomic.Int64
	running   atomic.Bool
	leasing   atomic.Bool               // Run waits for the queue
	progress  atomic.Pointer[time.Time] // with its monotonic reading

	mu   sync.Mutex
	last Stats // the queue's part, as last read
}

// Stats returns the current figures. It asks the queue, which is quick unless that is behind a network: then it takes a
// round trip, and returns the last known figures when the queue does not answer within two seconds.
func (d *Dispatcher) Stats() Stats {
	ctx, cancel := context.WithTimeout(context.Background(), countsTimeout)
	defer cancel()
	c, err := d.queue.Counts(ctx)
	f := &d.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.last = Stats{
			Accepted: c.Stored + c.Duplicates, Delivered: c.Delivered, Buried: c.Buried, Duplicates: c.Duplicates,
			Pending: c.Pending, Kept: c.Kept, Dropped: c.Dropped, PausedLanes: c.PausedLanes,
			Oldest: notAfter(c.Oldest, time.Now()),
			AsOf:   time.Now(),
		}
	}
	s := f.last
	s.Requests, s.Retries = f.requests.Load(), f.retries.Load()
	s.InHand, s.Unsettled = f.inHand.Load(), f.unsettled.Load()
	s.Running, s.Idle = f.running.Load(), f.leasing.Load() && s.InHand == 0
	if at := f.progress.Load(); at != nil {
		s.Progress = *at
	}
	return s
}

// progressed notes that something got done.
func (f *figures) progressed() {
	now := time.Now()
	f.progress.Store(&now)
}
