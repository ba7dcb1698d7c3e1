package delivery

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/bridge"
)

// maxExtra bounds the requests that isolating refused events may take beyond those that sending them took. What they do
// not suffice for is sent again, without the events that were accepted or buried meanwhile.
const maxExtra = 40

// patience is how many attempts of a call are made with the lane in mind that may be back soon: about an hour's.
const patience = 90

// fate is what became of one event.
type fate struct {
	tried bool
	class class // of err
	err   error // nil when it was accepted
}

// job is the delivery of a batch.
type job struct {
	*run
	batch  *batch
	leases []*Lease // those that are sent
	load   *load
	fates  []fate // by event

	ctx      context.Context
	budget   int
	answered bool  // Graph answered, whatever it said
	accepted bool  // and took something
	class    class // what stopped it, or classNone
	err      error
	token    tokenOf       // the one that was sent
	under    [2]int        // the events of the request under way
	took     time.Duration // of the last request
}

// deliver sends a batch and settles it.
func (r *run) deliver(b *batch) {
	now := time.Now()
	if b.stale(now) {
		r.giveBack(b)
		return
	}
	total := b.until().Sub(b.since)
	ctx, cancel := context.WithDeadline(r.requests, b.until().Add(-min(settleTime, total/10)))
	defer cancel()
	j := &job{run: r, batch: b, ctx: ctx}
	calls, aside := j.screen(now)
	r.conclude(aside)
	if len(calls) > 0 {
		j.send(calls)
	}
	j.finish()
}

// send makes the requests. A panic of what they need counts as a failure.
func (j *job) send(calls []appevents.Call) {
	defer func() {
		if v := recover(); v != nil {
			j.panicked()
		}
	}()
	if !j.ready(calls) {
		return
	}
	for lo := 0; lo < len(j.fates); lo += j.load.max {
		j.try(lo, min(lo+j.load.max, len(j.fates)))
	}
}

// panicked blames the request under way, or all when there is none yet. The value of the panic is not repeated: it may
// hold a token.
func (j *job) panicked() {
	j.log(slog.LevelError, "delivery: code that a request needs panicked", slog.String("lane", j.batch.lane),
		slog.String("stack", string(debug.Stack())))
	j.class, j.err = classPanic, errPanicked
	lo, hi := j.under[0], j.under[1]
	if hi == 0 {
		hi = len(j.fates)
	}
	for i := lo; i < hi; i++ {
		j.fates[i] = fate{tried: true, class: classPanic, err: errPanicked}
	}
}

// screen decodes the calls of the batch and sets aside those that must not be sent any more.
func (j *job) screen(now time.Time) (calls []appevents.Call, aside []conclusion) {
	for _, l := range j.batch.leases {
		bury := func(reason Reason, err error) {
			aside = append(aside, conclusion{err: err, tried: err != nil, Settlement: Settlement{
				Lease: l, Verdict: Bury, Reason: reason, Error: errorText(err),
			}})
		}
		if j.hand.expired(l, now) {
			bury(ReasonExpired, nil)
			continue
		}
		if l.Begun && j.policy == AtMostOnce {
			bury(ReasonUnknown, errBegun)
			continue
		}
		call, err := appevents.UnmarshalCall(l.Body)
		if err != nil {
			bury(ReasonUnreadable, err)
			continue
		}
		calls, j.leases = append(calls, call), append(j.leases, l)
	}
	return calls, aside
}

var (
	errBegun    = errors.New("delivery: who sent it stopped before an answer came")
	errEmpty    = errors.New("delivery: the stored call holds no events")
	errPanicked = errors.New("delivery: the token source, the HTTP transport, an observer or a log handler panicked")
)

// ready prepares the requests. It reports false when none must be made now.
func (j *job) ready(calls []appevents.Call) bool {
	if j.load = newLoad(j.client, calls); j.load == nil {
		return false
	}
	j.fates = make([]fate, len(j.load.owners))
	j.budget = maxExtra + (len(j.fates)+j.load.max-1)/j.load.max

	// The error of a token source that fails is left for the request to report.
	j.token.scope, j.token.call = calls[0].Scope(), calls[0]
	j.token.fingerprint, _ = bridge.Of(j.client).TokenFingerprint(j.ctx, calls[0])
	return j.policy != AtMostOnce || j.begin()
}

// try sends the events from lo to hi, in halves when one of them is refused for what it holds.
func (j *job) try(lo, hi int) {
	if j.class != classNone || j.budget == 0 || j.fates[lo].tried || j.ctx.Err() != nil {
		return
	}
	j.budget--
	j.under = [2]int{lo, hi}
	begun := time.Now()
	answer := j.load.send(j.ctx, lo, hi)
	j.took = time.Since(begun)
	j.figures.requests.Add(int64(answer.requests))
	j.hand.observe(j.batch.node, answer.usage, time.Now())
	err := answer.err
	if err == nil {
		j.accepted = j.accepted || len(answer.failures) < hi-lo
		j.answered = j.answered || j.accepted
		for i := lo; i < hi; i++ {
			j.fates[i] = fate{tried: true}
		}
		for _, f := range answer.failures {
			j.fates[f.index] = fate{tried: true, class: j.weigh(f.class, f.index, f.index+1), err: f.err}
			j.note(j.fates[f.index])
		}
		return
	}
	f := fate{tried: true, class: j.weigh(classify(err), lo, hi), err: err}
	j.note(f)
	if f.class == classContent && hi-lo > 1 {
		middle := lo + (hi-lo)/2
		j.try(lo, middle)
		j.try(middle, hi)
		return
	}
	if f.class == classFinal {
		hi = len(j.fates) // the others would fare no better
	}
	for i := lo; i < hi; i++ {
		j.fates[i] = f
	}
}

// weigh holds a refusal against the call when it came again and again while others got through.
func (j *job) weigh(c class, lo, hi int) class {
	if !c.suspicious() {
		return c
	}
	for _, owner := range j.load.owners[lo:hi] {
		if j.hand.strikesOf(j.leases[owner]).against >= maxStrikes {
			return classContent
		}
	}
	return c
}

// note draws conclusions for the lane.
func (j *job) note(f fate) {
	if appevents.OutcomeOf(f.err) == appevents.OutcomeRefused {
		j.answered = true
	}
	if f.class.aboutLane() {
		j.class, j.err = f.class, f.err
	}
}

// result is how it went, as far as the lane is concerned; nil when nothing was found out.
func (j *job) result() *result {
	if j.class == classNone && !j.answered {
		return nil
	}
	r := &result{class: j.class, accepted: j.accepted, took: j.took, token: j.token, why: errorText(j.err)}
	var (
		graph *appevents.GraphError
		call  *appevents.CallError
	)
	if errors.As(j.err, &graph) {
		r.asked, r.code = graph.RetryAfter, graph.Code
	}
	if errors.As(j.err, &call) {
		r.unsent = call.Outcome == appevents.OutcomeNotSent && call.Attempts > 0
	}
	return r
}

// finish settles the calls and decides about the lane.
func (j *job) finish() {
	now, random := time.Now(), jitter()
	c, back := j.hand.done(j.batch, j.result(), now)
	j.tell(c, now)
	for _, b := range back {
		j.giveBack(b)
	}
	list := make([]conclusion, len(j.leases))
	lo := 0
	for i := range j.leases {
		hi := lo
		for hi < len(j.fates) && j.load.owners[hi] == i {
			hi++
		}
		list[i] = j.conclusion(i, lo, hi, now, random)
		lo = hi
	}
	j.conclude(list)
	j.hand.settled(j.batch.node, j.batch.leases)
}

// tell tells the queue and the log what changed about lanes.
func (r *run) tell(c change, now time.Time) {
	for _, n := range c.stopped {
		s := r.hand.look(n, now)
		if s.hold != classNone {
			r.pause(n)
		}
		if s.hold == classNone && !s.opened.Equal(now) {
			continue // another probe that failed
		}
		message := "delivery: lane paused"
		if s.hold == classPermission {
			message = "delivery: lane paused: a permission is missing, or the Page or dataset was not found"
		}
		r.log(slog.LevelWarn, message, slog.String("lane", n.name), slog.Time("until", s.until),
			slog.String("error", s.why))
	}
	for _, n := range c.goes {
		if s := r.hand.look(n, now); s.hold != classNone || s.open {
			continue
		}
		r.pause(n)
		r.log(slog.LevelInfo, "delivery: lane goes again", slog.String("lane", n.name))
	}
}

// conclusion says what becomes of the n-th call, whose events are those from lo to hi.
func (j *job) conclusion(n, lo, hi int, now time.Time, random float64) conclusion {
	l := j.leases[n]
	c := conclusion{Settlement: Settlement{Lease: l, Verdict: Done}, tried: true}
	if lo == hi && j.class == classNone {
		c.Verdict, c.Reason, c.err, c.Error = Bury, ReasonUnreadable, errEmpty, errEmpty.Error()
		return c
	}
	var (
		keep    []int           // the events that were not accepted
		refused error           // for good
		current bool            // not only for its age
		failed  error           // for now
		class   class           // of failed
		waiting bool            // some were not sent at all
		gaveUp  = j.budget == 0 // because telling bad ones apart took too many requests
	)
	for i := lo; i < hi; i++ {
		f := &j.fates[i]
		switch {
		case f.tried && f.err == nil:
			continue
		case !f.tried:
			waiting = true
		case f.class == classStopped:
			waiting, gaveUp = true, gaveUp || j.class == classNone && j.ctx.Err() == nil
		case f.class == classContent, f.class == classFinal, f.class == classExpired:
			refused, current = f.err, current || f.class != classExpired
		default:
			failed, class = f.err, f.class
		}
		keep = append(keep, i)
	}
	switch {
	case len(keep) == 0 && lo < hi:
		return c
	case j.policy == AtMostOnce && (class == classUnknown || class == classPanic && j.under[1] > 0):
		c.Verdict, c.Reason, c.err = Bury, ReasonUnknown, failed
	case failed != nil && j.hand.strike(l, class):
		c.Verdict, c.Reason, c.err = Bury, ReasonPanicked, failed
	case failed != nil:
		c.Verdict, c.At, c.err = Retry, j.retryAt(l, class, now, random), failed
	case !waiting:
		c.Verdict, c.Reason, c.err = Bury, ReasonRefused, refused
		if !current {
			c.Reason = ReasonExpired
		}
	case gaveUp && refused != nil && len(keep) == hi-lo:
		// Many requests found nothing in it that Graph takes, and more would only find more of the same.
		c.Verdict, c.Reason, c.err = Bury, ReasonRefused, refused
	case gaveUp:
		c.Verdict, c.At, c.err, c.tried = Retry, now.Add(j.minDelay), refused, refused != nil
	case refused == nil && len(keep) == hi-lo:
		c.Verdict, c.tried = Release, false
	default:
		c.Verdict, c.err = Retry, refused
	}
	c.Error = errorText(c.err)
	if c.Verdict != Release && len(keep) < hi-lo {
		// What was accepted must not be sent again.
		if rest, err := appevents.MarshalCall(j.load.part(n, keep)); err == nil {
			c.Body = rest
		}
	}
	return c
}

// retryAt is when a call that failed is due again. The zero time says that it waits for nothing but its lane, and goes
// as soon as that does, perhaps because a person says so. The next probe is another call, if there is one; see
// hand.fewestFirst.
func (j *job) retryAt(l *Lease, c class, now time.Time, random float64) time.Time {
	switch {
	case j.requests.Err() != nil, c == classToken, c == classThrottled, c == classPolicy:
		return time.Time{}
	}
	// When the lane is open, the next probe had better be another call, in case this one is to blame. If there is no
	// other, it should not be long until this one is due.
	longest := j.maxDelay
	switch s := j.hand.look(j.batch.node, now); {
	case s.hold != classNone:
		return time.Time{}
	case s.open && l.Attempts < patience:
		longest = min(longest, max(j.minDelay, 2*lastProbe))
	}
	return now.Add(backoff(j.minDelay, longest, l.Attempts+1, random))
}
