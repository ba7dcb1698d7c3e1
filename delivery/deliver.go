package delivery

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/bridge"
)

// maxExtra bounds the requests that isolating refused events may take beyond those that sending them took. What they do
// not suffice for is sent again, without the events that were accepted or buried meanwhile.
const maxExtra = 40

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
	class    class // what holds up the lane, or classNone
	err      error
	token    string // fingerprint of the one that was sent
}

// deliver sends a batch and settles it.
func (r *run) deliver(b *batch) {
	now := time.Now()
	total := b.until().Sub(b.since)
	if now.Sub(b.since) > total/2 {
		r.giveBack(b) // what is left of its lease may not suffice
		return
	}
	ctx, cancel := context.WithDeadline(r.requests, b.until().Add(-min(settleTime, total/10)))
	defer cancel()
	j := &job{run: r, batch: b, ctx: ctx}
	calls, aside := j.screen(now)
	r.conclude(aside)
	if len(calls) > 0 && j.ready(calls) {
		for lo := 0; lo < len(j.fates); lo += j.load.max {
			j.try(lo, min(lo+j.load.max, len(j.fates)))
		}
	}
	j.finish()
}

// screen decodes the calls of the batch and sets aside those that must not be sent any more.
func (j *job) screen(now time.Time) (calls []appevents.Call, aside []conclusion) {
	for _, l := range j.batch.leases {
		bury := func(reason Reason, err error) {
			aside = append(aside, conclusion{err: err, tried: err != nil, Settlement: Settlement{
				Lease: l, Verdict: Bury, Reason: reason, Error: errorText(err),
			}})
		}
		if !l.Expires.IsZero() && !now.Before(l.Expires) {
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
	errBegun = errors.New("delivery: who sent it stopped before an answer came")
	errEmpty = errors.New("delivery: the stored call holds no events")
)

// ready prepares the requests. It reports false when none must be made now.
func (j *job) ready(calls []appevents.Call) bool {
	if j.load = newLoad(j.client, calls); j.load == nil {
		return false
	}
	j.fates = make([]fate, len(j.load.owners))
	j.budget = maxExtra + (len(j.fates)+j.load.max-1)/j.load.max

	// The error of a token source that fails is left for the request to report.
	token, err := bridge.Of(j.client).TokenFingerprint(j.ctx, calls[0])
	if j.token = token; err == nil && j.hand.refused(tokenLane(j.batch.lane), token) {
		j.class = classToken
		return false
	}
	if j.policy == AtMostOnce {
		begin := make([]Settlement, len(j.leases))
		for i, l := range j.leases {
			begin[i] = Settlement{Lease: l, Verdict: Begin}
		}
		return j.queue.Settle(j.ctx, begin...) == nil
	}
	return true
}

// try sends the events from lo to hi, in halves when one of them is refused for what it holds.
func (j *job) try(lo, hi int) {
	if j.class != classNone || j.budget == 0 || j.fates[lo].tried || j.ctx.Err() != nil {
		return
	}
	j.budget--
	requests, failures, err := j.load.send(j.ctx, lo, hi)
	j.figures.requests.Add(int64(requests))
	if err == nil {
		j.answered = j.answered || len(failures) < hi-lo
		for i := lo; i < hi; i++ {
			j.fates[i] = fate{tried: true}
		}
		for _, f := range failures {
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

// weigh takes an unclear refusal for an answer when it came again and again.
func (j *job) weigh(c class, lo, hi int) class {
	if c == classUnclear && j.attempts(lo, hi) >= maxUnclear {
		return classContent
	}
	return c
}

// note draws conclusions for the lane.
func (j *job) note(f fate) {
	if appevents.OutcomeOf(f.err) == appevents.OutcomeRefused {
		j.answered = true
	}
	if f.class.holdsUpLane() {
		j.class, j.err = f.class, f.err
	}
}

// attempts is the most attempts a call of these events had before.
func (j *job) attempts(lo, hi int) int {
	most := 0
	for _, owner := range j.load.owners[lo:hi] {
		most = max(most, j.leases[owner].Attempts)
	}
	return most
}

// finish settles the calls and decides about the lane.
func (j *job) finish() {
	now, random := time.Now(), jitter()
	var until time.Time
	switch {
	case j.class != classNone:
		until = j.holdUp(now, random)
	case j.answered:
		for _, lane := range j.hand.recovered(j.batch.probes) {
			j.pause(lane)
			j.log(slog.LevelInfo, "delivery: lane goes again", slog.String("lane", lane))
		}
	default:
		j.unproven(j.batch)
	}
	list := make([]conclusion, len(j.leases))
	lo := 0
	for i := range j.leases {
		hi := lo
		for hi < len(j.fates) && j.load.owners[hi] == i {
			hi++
		}
		list[i] = j.conclusion(i, lo, hi, now, until, random)
		lo = hi
	}
	j.conclude(list)
	j.hand.settled(j.batch.leases)
}

// holdUp pauses the lanes that the failure concerns and returns until when.
func (j *job) holdUp(now time.Time, random float64) (until time.Time) {
	lanes := []string{j.batch.lane}
	var delay func(failures int) time.Duration
	switch j.class {
	case classThrottled:
		lanes, delay = throttledLanes(j.batch.lane, j.err), asked(j.err, throttleDelay, maxThrottleDelay, random)
	case classPolicy:
		delay = asked(j.err, policyDelay, maxPolicyDelay, random)
	case classToken:
		lanes = []string{tokenLane(j.batch.lane)}
	default:
		delay = func(n int) time.Duration { return backoff(j.minDelay, min(j.maxDelay, maxLaneDelay), n, random) }
	}
	for _, lane := range j.batch.probes {
		if !slices.Contains(lanes, lane) {
			lanes = append(lanes, lane)
		}
	}
	for _, lane := range lanes {
		var end time.Time
		if delay == nil {
			end = j.hand.refusedToken(lane, j.token, now, random)
		} else {
			end = j.hand.trouble(lane, now, delay)
		}
		if end.After(until) {
			until = end
		}
		j.pause(lane)
		if j.err != nil {
			j.log(slog.LevelWarn, "delivery: lane paused", slog.String("lane", lane), slog.Time("until", end),
				slog.String("error", j.err.Error()))
		}
		for _, b := range j.hand.withdraw(lane) {
			j.giveBack(b)
		}
	}
	return until
}

// asked is the wait Graph asked for, or a growing one when it named none.
func asked(err error, first, longest time.Duration, random float64) func(int) time.Duration {
	var graph *appevents.GraphError
	if errors.As(err, &graph) && graph.RetryAfter > 0 {
		return func(int) time.Duration { return graph.RetryAfter }
	}
	return func(n int) time.Duration { return max(first, backoff(first, longest, n+1, random)) }
}

// conclusion says what becomes of the n-th call, whose events are those from lo to hi.
func (j *job) conclusion(n, lo, hi int, now, until time.Time, random float64) conclusion {
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
	case class == classUnknown && j.policy == AtMostOnce:
		c.Verdict, c.Reason, c.err = Bury, ReasonUnknown, failed
	case failed != nil:
		c.Verdict, c.At, c.err = Retry, j.retryAt(l, class, now, until, random), failed
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

// retryAt is when a call that failed is due again. Its lane may be paused for longer.
func (j *job) retryAt(l *Lease, c class, now, until time.Time, random float64) time.Time {
	switch {
	case j.requests.Err() != nil || c == classToken:
		return time.Time{}
	case c == classThrottled || c == classPolicy:
		return until
	default:
		return now.Add(backoff(j.minDelay, j.maxDelay, l.Attempts+1, random))
	}
}
