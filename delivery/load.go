package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/bridge"
)

// load is the calls of a batch as one call, whose events can be sent a part at a time.
type load struct {
	owners []int // which call each event belongs to
	max    int   // events per request

	// send makes a request with the events from lo to hi; conversions may take more.
	send func(ctx context.Context, lo, hi int) sent

	// part returns the n-th call with only the events of which keep holds the indices.
	part func(n int, keep []int) appevents.Call
}

// sent is what became of a request: err is about all of its events, failures about single ones.
type sent struct {
	requests int
	failures []failure
	usage    appevents.Usage
	err      error
}

// failure is what became of one event of a request.
type failure struct {
	index int
	class class
	err   error
}

// newLoad merges calls of one group. It returns nil when they cannot be merged, which calls of one group always can.
func newLoad(client *appevents.Client, calls []appevents.Call) *load {
	switch first := calls[0].(type) {
	case *appevents.Activity, *appevents.PageActivity:
		return eventLoad(client, calls)
	case *appevents.ConversionCall:
		return conversionLoad(client, calls)
	case *appevents.Install:
		if len(calls) > 1 {
			return nil
		}
		return &load{
			owners: []int{0}, max: 1,
			send: func(ctx context.Context, _, _ int) sent {
				return activitySent(client.LogInstall(ctx, first))
			},
			part: func(int, []int) appevents.Call { return first },
		}
	default:
		return nil
	}
}

// eventLoad merges the events of one person.
func eventLoad(client *appevents.Client, calls []appevents.Call) *load {
	l := &load{max: bridge.Of(client).MaxEvents()}
	all := make([]appevents.Event, 0, len(calls))
	for n, call := range calls {
		events, ok := eventsOf(call)
		if !ok {
			return nil
		}
		l.own(n, len(events))
		all = append(all, events...)
	}
	l.send = func(ctx context.Context, lo, hi int) sent {
		if merged, ok := withEvents(calls[0], all[lo:hi]).(*appevents.PageActivity); ok {
			return activitySent(client.LogPageActivity(ctx, merged))
		}
		merged, _ := withEvents(calls[0], all[lo:hi]).(*appevents.Activity)
		return activitySent(client.LogActivity(ctx, merged))
	}
	l.part = func(n int, keep []int) appevents.Call { return withEvents(calls[n], pick(all, keep)) }
	return l
}

func activitySent(result *appevents.ActivityResult, err error) sent {
	s := sent{requests: 1, err: err}
	if result != nil {
		s.usage = result.Usage
	}
	s.learn(err)
	return s
}

// learn takes the usage from an error that has it.
func (s *sent) learn(err error) {
	if graph, ok := errors.AsType[*appevents.GraphError](err); ok {
		s.usage = graph.Usage
	}
}

// eventsOf returns the events of a call that is about one person, and false for others.
func eventsOf(call appevents.Call) ([]appevents.Event, bool) {
	switch c := call.(type) {
	case *appevents.Activity:
		return c.Events, true
	case *appevents.PageActivity:
		return c.Events, true
	default:
		return nil, false
	}
}

// withEvents returns a copy of a call that is about one person with other events.
func withEvents(call appevents.Call, events []appevents.Event) appevents.Call {
	switch c := call.(type) {
	case *appevents.Activity:
		own := *c
		own.Events = events
		return &own
	case *appevents.PageActivity:
		own := *c
		own.Events = events
		return &own
	default:
		return call
	}
}

// conversionLoad merges the conversions of a dataset.
func conversionLoad(client *appevents.Client, calls []appevents.Call) *load {
	l := &load{max: maxBatch}
	var dataset appevents.ID
	all := make([]appevents.Conversion, 0, len(calls))
	for n, call := range calls {
		c, ok := call.(*appevents.ConversionCall)
		if !ok {
			return nil
		}
		l.own(n, len(c.Conversions))
		all, dataset = append(all, c.Conversions...), c.DatasetID
	}
	l.send = func(ctx context.Context, lo, hi int) sent {
		result, err := client.SendConversions(ctx, string(dataset), all[lo:hi]...)
		s := sent{requests: result.Requests, usage: result.Usage, err: err}
		s.learn(err)
		if len(result.Failed) > 0 {
			s.failures, s.err = conversionFailures(result.Failed, all, lo), nil
		}
		return s
	}
	l.part = func(_ int, keep []int) appevents.Call {
		return &appevents.ConversionCall{DatasetID: dataset, Conversions: pick(all, keep)}
	}
	return l
}

// conversionFailures says what became of the conversions that were not accepted. SendConversions isolates refused ones
// itself.
func conversionFailures(failed []appevents.ConversionFailure, all []appevents.Conversion, lo int) []failure {
	list := make([]failure, len(failed))
	cause := classNone // what ended the call
	now := time.Now()
	for i, f := range failed {
		c := classify(f.Err)
		if c == classContent && now.Sub(all[lo+f.Index].Time) >= maxConversionAge {
			c = classExpired
		}
		if !f.Alone && unsent(f.Err) {
			c = classStopped
		} else if c.aboutLane() || c == classFinal {
			cause = c
		}
		list[i] = failure{index: lo + f.Index, class: c, err: f.Err}
	}
	if cause != classNone {
		return list
	}
	for i := range list {
		var refusal *appevents.GraphError // of others, where SendConversions gave up telling them apart
		if list[i].class == classStopped && !errors.As(list[i].err, &refusal) {
			list[i].class = classify(list[i].err)
		}
	}
	return list
}

// unsent reports whether a conversion was not sent for what became of others.
func unsent(err error) bool {
	var call *appevents.CallError
	return errors.As(err, &call) && call.Outcome == appevents.OutcomeNotSent && call.Attempts == 0
}

// own notes that the next events are the n-th call's.
func (l *load) own(n, events int) {
	for range events {
		l.owners = append(l.owners, n)
	}
}

func pick[E any](all []E, keep []int) []E {
	some := make([]E, len(keep))
	for i, k := range keep {
		some[i] = all[k]
	}
	return some
}
