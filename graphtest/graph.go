package graphtest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

// graph is the state behind a Server.
type graph struct {
	cfg    config
	url    string
	closed chan struct{}
	active sync.WaitGroup

	mu      sync.Mutex
	seq     uint64
	calls   []*Call
	count   int
	changed chan struct{} // closed and replaced at each recorded call
	faults  []plan
	blocked map[string]time.Time           // lane -> when a throttle said calls are welcome again
	names   map[string]map[string]struct{} // app -> event names seen
	owned   map[string]string              // account -> its dataset, made through POST /{account}/dataset
	reports map[string]*report             // report run id -> run
}

func newGraph(cfg config) *graph {
	g := &graph{
		cfg:     cfg,
		url:     unboundURL,
		closed:  make(chan struct{}),
		changed: make(chan struct{}),
		blocked: map[string]time.Time{},
		names:   map[string]map[string]struct{}{},
		owned:   map[string]string{},
		reports: map[string]*report{},
	}
	g.cfg.datasets = maps.Clone(cfg.datasets)
	return g
}

// answer is what goes back for one call.
type answer struct {
	status int
	header http.Header
	body   []byte
	fault  plan
}

func (a *answer) fail(e *graphError, c *Call) {
	e.TraceID = c.TraceID
	a.status, a.body = e.status, e.body()
}

// exchange records one call and says how to answer it. The body is read unless a fault forbids it.
func (g *graph) exchange(r *http.Request, body io.Reader) answer {
	now := g.cfg.now()
	call := &Call{Time: now, Method: r.Method, Path: r.URL.EscapedPath()}
	i := &inspection{g: g, call: call, req: r, now: now}

	i.route()
	g.mu.Lock()
	g.seq++
	call.seq = g.seq
	early := g.takeEarly(call)
	g.mu.Unlock()

	call.TraceID = fmt.Sprintf("Astandin%08d", call.seq)
	if early {
		i.headers()
		call.Fault = ResetEarly.String()
		g.record(i)
		return answer{fault: plan{kind: ResetEarly}}
	}

	var data []byte
	if body != nil {
		var err error
		if data, err = readBody(body); errors.Is(err, errTooLarge) {
			i.problem("body", "too-large", fmt.Sprintf("more than %d bytes", maxBody))
			i.headers()
			call.Status = http.StatusRequestEntityTooLarge
			g.record(i)
			return answer{status: call.Status, header: http.Header{"Connection": {"close"}}}
		} else if err != nil {
			i.problem("body", "incomplete", "the caller stopped sending")
			i.headers()
			g.record(i)
			return answer{fault: plan{kind: Reset}}
		}
	}

	i.params(r, data)
	i.headers()
	i.authenticate()
	i.check()
	return g.settle(i)
}

// settle chooses the fault, lets an accepted call have its effect, and builds the answer.
func (g *graph) settle(i *inspection) answer {
	c := i.call
	a := answer{status: http.StatusOK, header: g.cfg.header.Clone()}
	a.header.Set("Content-Type", "application/json; charset=UTF-8")
	a.header.Set("X-Fb-Trace-Id", c.TraceID)
	a.header.Set("X-Fb-Rev", "1029000000")
	a.header.Set("X-Fb-Debug", "stand-in")
	if c.Served != "" {
		a.header.Set("Facebook-Api-Version", c.Served)
		if c.Version != "" && c.Served != c.Version && i.edge != nil && i.edge.marketing {
			a.header.Set("X-Ad-Api-Version-Warning",
				fmt.Sprintf("The call has been auto-upgraded from %s to %s", c.Version, c.Served))
		}
	}

	g.mu.Lock()
	g.tooSoon(i)
	a.fault = g.take(c)
	g.mu.Unlock()
	if a.fault.kind == None && g.cfg.decide != nil {
		if f := g.cfg.decide(c.clone()); f != nil {
			if p := f.plan(); len(p) > 0 {
				a.fault = p[0]
			}
		}
	}
	c.Fault = a.fault.name()

	if i.refusal == nil && a.fault.taken() && i.edge != nil {
		g.mu.Lock()
		a.body = i.edge.apply(i)
		g.mu.Unlock()
		c.Accepted = i.refusal == nil
	}
	if i.refusal != nil {
		a.fail(i.refusal, c)
	}
	a.fault.replace(&a, c, g)
	g.throttled(&a, i)

	switch a.fault.kind {
	case Reset, ResetEarly, Timeout:
	default:
		c.Status = a.status
	}
	g.record(i)
	return a
}

// take removes and returns the first fault that matches the call.
func (g *graph) take(c *Call) plan {
	for n := range g.faults {
		if g.faults[n].matches(c) {
			return g.remove(n)
		}
	}
	return plan{}
}

// takeEarly removes ResetEarly when it is the next fault for a call whose body has not been read.
func (g *graph) takeEarly(c *Call) bool {
	for n := range g.faults {
		if p := &g.faults[n]; p.edge == "" || p.edge == c.Edge {
			if p.kind != ResetEarly || p.page != "" {
				return false
			}
			g.remove(n)
			return true
		}
	}
	return false
}

func (g *graph) remove(n int) plan {
	p := g.faults[n]
	if n == 0 {
		g.faults = g.faults[1:]
	} else {
		g.faults = append(g.faults[:n], g.faults[n+1:]...)
	}
	return p
}

// throttled remembers until when a throttling answer asked the caller to wait.
func (g *graph) throttled(a *answer, i *inspection) {
	code := a.fault.code
	if a.fault.kind == Throttle {
		code = throttleCode(i.call.Edge)
	}
	if !isThrottle(code) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.blocked) < 10_000 {
		g.blocked[lane(code, i.call)] = i.now.Add((a.fault.wait + time.Minute - 1).Truncate(time.Minute))
	}
}

// tooSoon notes a call that comes before the time a throttling answer named.
func (g *graph) tooSoon(i *inspection) {
	page := "page " + i.call.PageID
	if i.call.Edge == "events" {
		page = ""
	}
	for _, l := range [...]string{appLane(i.call), page, "object " + i.call.ObjectID} {
		if until, ok := g.blocked[l]; ok {
			if i.now.Before(until) {
				i.problem("call", "throttled", "sent before the time the last throttling answer named")
				return
			}
			delete(g.blocked, l)
		}
	}
}

// record stores the finished call without its credentials.
func (g *graph) record(i *inspection) {
	i.scrub()
	g.mu.Lock()
	g.count++
	if g.cfg.maxCalls > 0 {
		if len(g.calls) >= g.cfg.maxCalls {
			g.calls[0] = nil
			g.calls = g.calls[1:]
		}
		g.calls = append(g.calls, i.call)
	}
	close(g.changed)
	g.changed = make(chan struct{})
	g.mu.Unlock()
	if g.cfg.observe != nil {
		g.cfg.observe(i.call.clone())
	}
}
