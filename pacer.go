package appevents

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/appevents/appevents-go/internal/backoff"
)

const (
	pacerStart   = 75.0            // percent of a limit at which waits begin
	pacerMaxStep = 2 * time.Second // the wait just below the limit
	pacerMemory  = time.Hour       // the window of Graph's limits; older figures say nothing
	pacerMaxIDs  = 1 << 16         // bounds the memory
	pacerBlocked = 1 * time.Minute // how long to stay away when throttled and Graph named no time
)

// Pacer slows a program down as it approaches Graph's limits, separately for the app and for every Page, so that
// Graph does not throttle it. Feed it every request with [WithObserver] and wait before each call:
//
//	pacer := appevents.NewPacer()
//	client, err := appevents.New(appID, appevents.WithObserver(pacer.Observe))
//	…
//	if err := pacer.Wait(ctx, pageID); err != nil { … }
//	result, err := client.LogActivity(ctx, activity)
//
// Waits begin at 75 percent of a limit and grow to two seconds a call; once Graph has throttled the app or the Page,
// Wait waits until the time that Graph named. The zero value is ready for use, and a nil Pacer never waits. A Pacer is
// safe for concurrent use. Use one for each app.
type Pacer struct {
	mu    sync.Mutex
	loads map[ID]load // "" is the app
}

// load is what is known about the limits of one object.
type load struct {
	percent float64
	seen    time.Time
	blocked time.Time // throttled until then
}

// NewPacer returns a Pacer that has seen no request.
func NewPacer() *Pacer { return new(Pacer) }

// Observe learns from a request. Give it to [WithObserver].
func (p *Pacer) Observe(_ context.Context, info CallInfo) {
	if p == nil {
		return
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.learn("", info.Usage.App.Max(), 0, now)
	if info.Scope.Kind == ScopePage {
		p.learn(info.Scope.ID, info.Usage.Page.Max(), 0, now)
	}
	named := false
	for _, b := range info.Usage.Business {
		p.learn(b.ID, b.Max(), b.RegainAccess, now)
		named = named || b.RegainAccess > 0
	}
	var graph *GraphError
	if errors.As(info.Err, &graph) && errors.Is(graph, ErrThrottled) && !named {
		wait := graph.RetryAfter
		if wait == 0 {
			wait = pacerBlocked
		}
		object := info.Scope.ID
		if info.Scope.Kind == ScopeApp {
			object = ""
		}
		p.learn(object, 100, wait, now)
	}
}

// learn records a figure; 0 percent with no wait says nothing.
func (p *Pacer) learn(object ID, percent float64, wait time.Duration, now time.Time) {
	if percent == 0 && wait == 0 {
		return
	}
	l, known := p.loads[object]
	if !known && len(p.loads) >= pacerMaxIDs {
		p.forget(now)
	}
	l.percent, l.seen = percent, now
	if until := now.Add(wait); wait > 0 && until.After(l.blocked) {
		l.blocked = until
	}
	if p.loads == nil {
		p.loads = make(map[ID]load)
	}
	p.loads[object] = l
}

// forget makes room: what is out of date first, else one entry.
func (p *Pacer) forget(now time.Time) {
	before := len(p.loads)
	for object, l := range p.loads {
		if now.Sub(l.seen) > pacerMemory && now.After(l.blocked) {
			delete(p.loads, object)
		}
	}
	if len(p.loads) < before {
		return
	}
	for object := range p.loads {
		if object != "" {
			delete(p.loads, object)
			return
		}
	}
}

// Wait returns when a call for the given Page may go out, or with the context's error when ctx ends first. An empty
// pageID waits for the app alone.
func (p *Pacer) Wait(ctx context.Context, pageID ID) error {
	d := p.Delay(pageID)
	if d <= 0 {
		return ctx.Err()
	}
	return backoff.Sleep(ctx, d)
}

// Delay returns how long Wait would wait now.
func (p *Pacer) Delay(pageID ID) time.Duration {
	if p == nil {
		return 0
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.loads[""].delay(now)
	if pageID != "" {
		d = max(d, p.loads[pageID].delay(now))
	}
	return d
}

func (l load) delay(now time.Time) time.Duration {
	if until := l.blocked.Sub(now); until > 0 {
		return until
	}
	if l.percent <= pacerStart || now.Sub(l.seen) > pacerMemory || !l.blocked.IsZero() && l.blocked.After(l.seen) {
		return 0 // the figure is from before the block that has ended
	}
	return time.Duration(min(1, (l.percent-pacerStart)/(100-pacerStart)) * float64(pacerMaxStep))
}
