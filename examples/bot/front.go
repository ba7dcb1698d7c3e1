package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/inspect"
)

// front is the bot as seen over HTTP: /webhook for Meta, /healthz and /readyz for whoever runs it. Only /webhook needs
// to be reached from outside.
type front struct {
	*http.ServeMux
	maxBacklog time.Duration // 0: any

	back     atomic.Pointer[back] // nil while starting
	stopping atomic.Bool
}

// back is what is there once the bot has started.
type back struct {
	hook       http.Handler
	dispatcher *delivery.Dispatcher
	inspect    http.Handler
}

func newFront(maxBacklog time.Duration) *front {
	f := &front{ServeMux: http.NewServeMux(), maxBacklog: maxBacklog}
	f.HandleFunc("/webhook", f.webhook)
	f.HandleFunc("GET /healthz", f.healthz)
	f.HandleFunc("GET /readyz", f.readyz)
	return f
}

// inspectPath is where operators find the queue.
const inspectPath = "/-/queue/"

// operators is what those see who run the bot.
func (f *front) operators() http.Handler {
	closed := inspect.Handler(nil) // while starting
	mux := http.NewServeMux()
	mux.Handle(inspectPath, http.StripPrefix(strings.TrimSuffix(inspectPath, "/"),
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if b := f.back.Load(); b != nil {
				b.inspect.ServeHTTP(w, r)
				return
			}
			closed.ServeHTTP(w, r)
		})))
	return mux
}

// open lets webhooks in.
func (f *front) open(b *back) { f.back.Store(b) }

// stop says that the end is near. Webhooks are still let in: the server closes the door.
func (f *front) stop() { f.stopping.Store(true) }

func (f *front) webhook(w http.ResponseWriter, r *http.Request) {
	b := f.back.Load()
	if b == nil {
		http.Error(w, "starting", http.StatusServiceUnavailable) // Meta sends it again
		return
	}
	b.hook.ServeHTTP(w, r)
}

// healthz says that the process answers. It looks at nothing else: restarting would mend nothing else.
func (f *front) healthz(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") }

// readyz says whether webhooks should be sent here, and if not, why.
func (f *front) readyz(w http.ResponseWriter, _ *http.Request) {
	s := f.status(time.Now())
	code := http.StatusOK
	if !s.Ready {
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(s) // whoever asked may be gone
}

// status is the answer of /readyz.
type status struct {
	Ready     bool    `json:"ready"`
	Reason    string  `json:"reason,omitempty"`   // why not
	Pending   int64   `json:"pending"`            // calls waiting in the queue
	OldestAge float64 `json:"oldest_age_seconds"` // of them
	Paused    int     `json:"paused_lanes"`       // throttled, or without a token that is accepted
	Buried    int64   `json:"buried"`             // calls for somebody to look at: see -buried
}

func (f *front) status(now time.Time) status {
	b := f.back.Load()
	if b == nil {
		return status{Reason: "starting"}
	}
	stats := b.dispatcher.Stats()
	s := status{Pending: stats.Pending, Paused: stats.PausedLanes, Buried: stats.Kept}
	if !stats.Oldest.IsZero() {
		s.OldestAge = now.Sub(stats.Oldest).Seconds()
	}
	switch {
	case f.stopping.Load():
		s.Reason = "shutting down"
	case stats.AsOf.Before(now): // figures from before we asked
		s.Reason = "the queue cannot be read"
	case f.maxBacklog > 0 && s.OldestAge > f.maxBacklog.Seconds():
		s.Reason = "a call has waited for longer than " + f.maxBacklog.String()
	default:
		s.Ready = true
	}
	return s
}
