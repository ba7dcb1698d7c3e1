package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/appevents/appevents-go"
)

// direct sends lines without a queue: each once, with what the client repeats by itself.
func (s *stream) direct(ctx context.Context, first []line) error {
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	grace := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(s.grace())
		defer timer.Stop()
		select {
		case <-timer.C:
			cut()
		case <-requests.Done():
		}
	})
	defer grace()

	work := make(chan line)
	var workers, shows sync.WaitGroup
	for range s.command.Workers {
		workers.Go(func() {
			for l := range work {
				s.sendLine(requests, &l)
			}
		})
	}
	over := make(chan struct{})
	shows.Go(func() {
		tick := time.NewTicker(s.progress.each())
		defer tick.Stop()
		for {
			s.show()
			select {
			case <-tick.C:
			case <-over:
				s.show()
				return
			}
		}
	})
	last := 0
	err := s.lines(ctx, first, func(l line, _ bool) bool {
		if s.halted() {
			return false
		}
		select {
		case work <- l:
			last = l.number
			return true
		case <-ctx.Done():
			return false
		}
	})
	close(work)
	workers.Wait()
	close(over)
	shows.Wait()
	if s.halted() || ctx.Err() != nil {
		s.progress.aside(func() { s.p.note("lines after %d were not looked at", last) })
	}
	return err
}

// sendLine sends a line and reports what became of it.
func (s *stream) sendLine(ctx context.Context, l *line) {
	s.count(func(t *tally) { t.Lines++ })
	if l.decode(true); l.err != nil {
		s.reject(l, l.err)
		return
	}
	s.count(func(t *tally) { t.Taken++ })
	if s.halted() { // since it was handed over
		s.count(func(t *tally) { t.Failed++ })
		s.tell(happening{outcome: "not sent", line: l.number, call: l.text, resend: true})
		return
	}
	rest, err := s.sendCall(ctx, l.call)
	if err == nil {
		s.count(func(t *tally) { t.Accepted++ })
		return
	}
	code := codeOf(err)
	s.failed(code)
	h := happening{line: l.number, err: err}
	if rest != nil {
		h.resend = true
		h.call, _ = appevents.MarshalCall(rest)
	}
	switch outcome := appevents.OutcomeOf(err); {
	case outcome == appevents.OutcomeUnknown:
		h.outcome = "unknown"
		s.count(func(t *tally) { t.Unknown++ })
	case outcome == appevents.OutcomeRefused && code != exitThrottled && code != exitCredentials:
		h.outcome = "refused"
		s.count(func(t *tally) { t.Refused++ })
	default:
		h.outcome = "not sent"
		s.count(func(t *tally) { t.Failed++ })
	}
	s.tell(h)
	switch {
	case errors.Is(err, appevents.ErrAuth), errors.Is(err, appevents.ErrNoToken), code == exitThrottled:
		s.halt(callFailure(err)) // all that follow would fare the same
	}
}
