package main

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

const (
	batchLines = 512     // lines put at a time: they share the flushes of a file
	batchBytes = 4 << 20 // and what they may take
	fullDelay  = 250 * time.Millisecond

	// maxEarlier bounds how many buried calls of earlier runs are remembered: as many as servers keep.
	maxEarlier = 250_000

	unknownDelay    = time.Second // before a request is made again, doubling up to
	maxUnknownDelay = 5 * time.Minute
)

// A queued is a stream through a queue.
type queued struct {
	*stream
	engine     *engine
	dispatcher *delivery.Dispatcher
	queue      *watchedQueue
	seen       *seen
	left       atomic.Int64  // calls to settle, as far as this process knows
	settled    chan struct{} // told that a call was
	shared     bool          // the queue is on a server

	mu     sync.Mutex
	buried map[delivery.Key]string // calls that earlier runs buried: their IDs in the queue
}

// queued sends lines through a queue.
func (s *stream) queued(ctx context.Context, first []line) (err error) {
	e, err := s.p.openEngine(ctx, s.command.Queue, !s.drains)
	if err != nil {
		return err
	}
	defer func() {
		if closed := e.Close(); err == nil {
			err = e.failed(closed)
		}
	}()
	q := &queued{
		stream: s, engine: e, seen: newSeen(), settled: make(chan struct{}, 1), shared: e.kind != engineFile,
		buried: make(map[delivery.Key]string),
	}
	q.queue = &watchedQueue{Queue: e, of: q, aside: make(map[string]noted)}
	// At most once, so that the queue notes each request before it is made: a run that comes after a kill -9 knows which
	// calls may have been counted. That these are sent again all the same is the work of the watchedQueue.
	q.dispatcher, err = delivery.New(s.Client, q.queue, delivery.WithWorkers(s.command.Workers),
		delivery.WithPolicy(delivery.AtMostOnce), delivery.WithGrace(s.grace()), delivery.WithObserver(q.observe))
	if err != nil {
		return err
	}
	if err := q.resume(ctx); err != nil {
		return e.failed(err)
	}
	return q.run(ctx, first)
}

// credentialNotes recognise the pauses that credentials are to blame for.
var credentialNotes = regexp.MustCompile(`graph error (190|102|104|3|10|2\d\d|803|100/33)\b|no access token`)

// resume looks at what an earlier run left. Its pauses for a token or a permission are over: there may be another now.
func (q *queued) resume(ctx context.Context) error {
	counts, err := q.engine.Counts(ctx)
	if err != nil {
		return err
	}
	q.left.Store(counts.Pending)
	q.total = counts.Pending
	switch {
	case q.drains:
		q.p.note("%s in the queue %s", counted(counts.Pending, "call"), printable(q.engine.name))
	case counts.Pending > 0:
		q.p.note("%s left in the queue %s by an earlier run", counted(counts.Pending, "call"), printable(q.engine.name))
	}
	if counts.PausedLanes > 0 {
		lanes, err := q.engine.Lanes(ctx)
		if err != nil {
			return err
		}
		for _, lane := range lanes {
			if !lane.Manual && credentialNotes.MatchString(lane.Note) {
				if err := q.engine.Pause(ctx, delivery.Pause{Lane: lane.Lane}); err != nil {
					return err
				}
			}
		}
	}
	for from := ""; !q.drains && counts.Kept > 0 && len(q.buried) < maxEarlier; {
		page, err := q.engine.Buried(ctx, from, 1000)
		if err != nil {
			return err
		}
		for i := range page {
			if id := page[i].ID; id != from {
				q.buried[page[i].Key] = id
			}
		}
		if len(page) < 1000 {
			break
		}
		from = page[len(page)-1].ID
	}
	return nil
}

// run takes lines and delivers until nothing waits.
func (q *queued) run(ctx context.Context, first []line) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	delivered := make(chan error, 1)
	go func() { delivered <- q.dispatcher.Run(running) }()
	taken := make(chan error, 1)
	go func() { taken <- q.take(running, first) }()

	tick := time.NewTicker(q.progress.each())
	defer tick.Stop()
	var (
		err      error
		all      bool // lines were taken
		over     bool // the dispatcher has ended
		looked   time.Time
		interval = time.Second
	)
	if q.shared {
		interval = 5 * time.Second
	}
	for done := false; !done; {
		select {
		case e := <-taken:
			all = true
			if err = e; err != nil {
				done = true
			}
		case e := <-delivered:
			over, done = true, true
			if err == nil {
				err = q.engine.failed(e)
			}
		case <-ctx.Done():
			done = true
		case <-q.settled:
		case <-tick.C:
			q.show()
		}
		if done || q.halted() {
			break
		}
		due := time.Since(looked) >= interval
		if all && (q.left.Load() <= 0 || due) {
			counts, e := q.engine.Counts(ctx)
			if done = e == nil && counts.Pending == 0; e == nil {
				q.left.Store(counts.Pending)
			}
		}
		if due && !done {
			looked = time.Now()
			q.look(ctx, all)
		}
	}
	stop()
	if !all {
		if e := <-taken; err == nil {
			err = e
		}
	}
	if !over {
		if e := <-delivered; err == nil {
			err = q.engine.failed(e)
		}
	}
	q.show()
	return q.account(err)
}

// account counts what waits at the end.
func (q *queued) account(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), reachTime)
	defer cancel()
	if counts, e := q.engine.Counts(ctx); e == nil {
		q.count(func(t *tally) { t.Waiting = counts.Pending })
		if counts.Pending > 0 {
			q.p.note("%s left in the queue %s: the same command goes on",
				counted(counts.Pending, "call"), printable(q.engine.name))
		}
		if counts.Kept > 0 {
			q.p.note(`%s kept in the queue %s as buried: "appevents queue buried" lists them`,
				counted(counts.Kept, "call"), printable(q.engine.name))
		}
	}
	if errors.Is(err, context.Canceled) {
		err = nil // the tally is printed all the same
	}
	return err
}

// look asks the dispatcher what holds lanes up, and ends the run when nothing but a person can change that.
func (q *queued) look(ctx context.Context, all bool) {
	lanes, err := q.dispatcher.Lanes(ctx)
	if err != nil {
		return
	}
	var (
		until    time.Time
		why      *delivery.LaneStatus
		open     bool
		waiting  int
		allToken = true
	)
	for i := range lanes {
		lane := &lanes[i]
		if lane.Pending == 0 {
			continue
		}
		waiting++
		switch lane.State {
		case delivery.LaneToken:
			why = lane
		case delivery.LanePermission, delivery.LanePolicy, delivery.LanePaused:
			allToken = false
			if why == nil || why.State != delivery.LaneToken {
				why = lane
			}
		case delivery.LaneThrottled:
			open = true
			if until.IsZero() || lane.Until.Before(until) {
				until = lane.Until
			}
		default:
			open = true
		}
	}
	q.stream.mu.Lock()
	q.until = until
	q.stream.mu.Unlock()
	if waiting == 0 || open || why == nil || !all && !allToken {
		return
	}
	code := exitCredentials
	switch why.State {
	case delivery.LanePolicy:
		code = exitNo
	case delivery.LanePaused:
		code = exitNotSent
	}
	q.halt(fail(code, "nothing more can be sent: %s: %s", printable(why.Lane), errorText(errors.New(why.Why))))
}

func orReason(text string, reason delivery.Reason) string {
	if text = strings.TrimPrefix(text, "appevents: "); text != "" {
		return text
	}
	return string(reason)
}

// fateOf is the word and the exit code for a call that was buried.
func fateOf(reason delivery.Reason) (outcome string, code int) {
	switch reason {
	case delivery.ReasonUnknown:
		return "unknown", exitUnknown
	case delivery.ReasonRefused:
		return "refused", exitNo
	default:
		return "not sent", exitNotSent
	}
}

// observe is told what became of a call, once the queue knows it.
func (q *queued) observe(_ context.Context, s delivery.Settled) {
	if s.Verdict == delivery.Retry {
		return
	}
	if s.Verdict == delivery.Done {
		q.count(func(t *tally) { t.Accepted++ })
		q.settledOne()
		return
	}
	n := q.queue.recall(s.ID)
	unknown := s.Reason == delivery.ReasonUnknown
	if unknown && !q.once { // and back in the queue
		q.unknown(n.source, s.Lane, s.Err)
		return
	}
	q.count(func(t *tally) {
		if unknown {
			t.Unknown++
		} else {
			t.Refused++
		}
	})
	outcome, code := fateOf(s.Reason)
	q.failed(code)
	err := s.Err
	if err == nil {
		err = errors.New(string(s.Reason))
	}
	h := happening{outcome: outcome, err: err, call: n.body, resend: true}
	h.line, h.source, h.lane = q.place(n.source, s.Lane)
	q.tell(h)
	q.settledOne()
}

func (q *queued) unknown(source, lane string, err error) {
	q.count(func(t *tally) { t.Unknown++ })
	q.failed(exitUnknown)
	h := happening{outcome: "unknown", err: err, again: true}
	h.line, h.source, h.lane = q.place(source, lane)
	q.tell(h)
}

// place is the line a call is from; of another file, its name too; of none, its lane.
func (q *queued) place(source, lane string) (number int, elsewhere, from string) {
	if source == "" {
		return 0, "", lane
	}
	if digits, ok := strings.CutPrefix(source, q.name+":"); ok && !q.drains {
		if n, err := strconv.Atoi(digits); err == nil {
			return n, "", ""
		}
	}
	return 0, source, ""
}

func (q *queued) settledOne() {
	q.left.Add(-1)
	select {
	case q.settled <- struct{}{}:
	default:
	}
}

// A watchedQueue is the queue as the dispatcher sees it. It sends what has an unknown outcome again, and says so.
type watchedQueue struct {
	delivery.Queue
	of *queued

	mu    sync.Mutex
	aside map[string]noted // calls that are being buried, by ID
}

// A noted is what is to be said about a call.
type noted struct {
	body   []byte
	source string
}

// errWentAway says why the outcome is unknown of a call whose sender died.
var errWentAway = errors.New("the run that sent it was stopped before an answer came")

// Lease hands out calls. One with a request that an earlier run began is sent again.
func (w *watchedQueue) Lease(ctx context.Context, limit int, skip *delivery.LaneSet) ([]*delivery.Lease, error) {
	leases, err := w.Queue.Lease(ctx, limit, skip)
	for _, l := range leases {
		if l.Begun && !w.of.once {
			l.Begun = false
			_, source := sourceOf(l.Body)
			w.of.unknown(source, l.Lane, errWentAway)
		}
	}
	return leases, err
}

// Settle ends leases. What would be buried for its unknown outcome is tried again, and what is left of a call is still
// from its line.
func (w *watchedQueue) Settle(ctx context.Context, list ...delivery.Settlement) error {
	list = slices.Clone(list)
	for i := range list {
		s := &list[i]
		if s.Body != nil {
			_, source := sourceOf(s.Lease.Body)
			s.Body = withSource(s.Body, source)
		}
		if s.Verdict != delivery.Bury {
			continue
		}
		w.note(s)
		if s.Reason == delivery.ReasonUnknown && !w.of.once {
			delay := min(maxUnknownDelay, unknownDelay<<min(s.Lease.Attempts, 16))
			s.Verdict, s.Reason, s.At = delivery.Retry, "", time.Now().Add(delay)
		}
	}
	return w.Queue.Settle(ctx, list...)
}

func (w *watchedQueue) note(s *delivery.Settlement) {
	body := s.Lease.Body
	if s.Body != nil {
		body = s.Body
	}
	body, source := sourceOf(body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.aside[s.Lease.ID] = noted{body, source}
}

// recall takes what was noted of a call.
func (w *watchedQueue) recall(id string) noted {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.aside[id]
	delete(w.aside, id)
	return n
}
