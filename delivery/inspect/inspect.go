// Package inspect lets somebody look at a running [delivery.Dispatcher] over HTTP, and mend what it could not deliver,
// without stopping it. A file queue belongs to one process, so this is the way to its buried calls while that runs.
//
//	mux.Handle("/-/queue/", http.StripPrefix("/-/queue", inspect.Handler(dispatcher)))
//
// Serve it where only operators get at it: a second port on loopback, or behind a proxy that asks who they are.
//
// # Reading
//
// Anybody who reaches the handler may read. Nothing personal is shown: no person's ID, no value of an event, no hash.
//
//	GET /stats            the figures of delivery.Stats
//	GET /lanes            every lane: pending, oldest, state and why, requests and failures lately
//	GET /buried           buried calls, a page at a time
//	GET /buried/{id}      one of them
//	GET /buried/summary   how many there are, by reason, lane and day
//	GET /export           buried calls as lines of JSON, all that match
//	GET /metrics          figures in Prometheus' text format
//	GET /live             200 while the dispatcher makes progress, 503 when it hangs
//
// The buried calls of /buried, /buried/summary and /export can be chosen by reason, lane, since and until:
//
//	GET /buried?reason=refused&lane=activities/901&since=2026-01-31T00:00:00Z&limit=50
//
// A lane includes those below it. The times are of the burial, in RFC 3339; since is included, until is not. A page of
// /buried holds up to limit calls, 100 by default and 1,000 at most. Its member next says where the next page begins:
// give it back as the parameter from.
//
// /lanes can be chosen by state and lane.
//
// # Changing
//
// Changes need the token of [WithToken] as a bearer token. Without the option there are none.
//
//	POST /buried/resubmit   accept buried calls again
//	POST /buried/discard    remove them for good
//	POST /lanes/pause       {"lane": "activities/901", "for": "2h", "note": "asked by the owner"}
//	POST /lanes/resume      {"lane": "activities/901"}
//	GET  /export?calls=true the calls too, as appevents.MarshalCall stores them
//
// Resubmit and discard take {"ids": ["17", "18"]}, or the parameters of a choice as members, such as
// {"reason": "refused"}, or {"all": true}. They answer {"done": 2}. What could not be read, or is not valid any more,
// stays buried.
//
// A pause without "for" and "until" lasts until it is ended.
//
// # Answers
//
// Answers are JSON in UTF-8, times RFC 3339 in UTC, durations seconds. Errors are
// {"error": {"path": "lane", "rule": "format", "message": "…"}}; path and rule are there when a parameter is wrong.
package inspect

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

const (
	defaultStall = time.Minute
	readTime     = 10 * time.Second // for a queue behind a network to answer
	writeTime    = 10 * time.Minute // for a large choice of buried calls
	maxBody      = 4 << 20
)

// Option changes a [Handler].
type Option func(*handler)

// WithToken allows changes to whoever sends this text as a bearer token in the Authorization header. The empty text,
// such as that of an environment variable that is not set, allows none, which is the default.
func WithToken(token string) Option { return func(h *handler) { h.token = token } }

// WithStall sets how long a dispatcher may make no progress before /live answers 503. One that waits because nothing is
// due makes progress in this sense. Defaults to one minute; values below a second are ignored.
func WithStall(d time.Duration) Option {
	return func(h *handler) {
		if d >= time.Second {
			h.stall = d
		}
	}
}

// WithLogger logs every change, and every request for one that is refused. Defaults to silence; nil is ignored.
func WithLogger(logger *slog.Logger) Option {
	return func(h *handler) {
		if logger != nil {
			h.logger = logger
		}
	}
}

type handler struct {
	dispatcher *delivery.Dispatcher
	token      string
	stall      time.Duration
	logger     *slog.Logger
}

// Handler returns a handler over a dispatcher, which the package documentation describes. Its paths begin with a slash:
// use [http.StripPrefix] to serve it below another path. It is safe for concurrent use, and so is the dispatcher beside
// it. Of a nil dispatcher it answers every request with 503.
func Handler(d *delivery.Dispatcher, opts ...Option) http.Handler {
	h := &handler{dispatcher: d, stall: defaultStall, logger: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		if opt != nil {
			opt(h)
		}
	}
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":              index,
		"GET /stats":            h.stats,
		"GET /lanes":            h.lanes,
		"GET /buried":           h.buried,
		"GET /buried/{id}":      h.buriedOne,
		"GET /buried/summary":   h.summary,
		"GET /export":           h.export,
		"GET /metrics":          h.metrics,
		"GET /live":             h.live,
		"POST /buried/resubmit": h.change(h.resubmit),
		"POST /buried/discard":  h.change(h.discard),
		"POST /lanes/pause":     h.change(h.pause),
		"POST /lanes/resume":    h.change(h.resume),
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := answer(w, r); err != nil {
				writeError(w, err)
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if h.dispatcher == nil {
			writeError(w, &problem{status: http.StatusServiceUnavailable, Message: "there is no dispatcher"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// index says what there is.
func index(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, map[string]any{
		"paths": []string{
			"stats", "lanes", "buried", "buried/summary", "export", "metrics", "live",
		},
		"changes":       []string{"buried/resubmit", "buried/discard", "lanes/pause", "lanes/resume"},
		"documentation": "https://pkg.go.dev/github.com/appevents/appevents-go/delivery/inspect",
	})
}

// change lets a request through that may change something.
func (h *handler) change(
	answer func(http.ResponseWriter, *http.Request) error,
) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := h.allow(r); err != nil {
			h.logger.WarnContext(r.Context(), "inspect: change refused", slog.String("path", r.URL.Path))
			return err
		}
		return answer(w, r)
	}
}

// allow refuses a request without the token.
func (h *handler) allow(r *http.Request) error {
	if h.token == "" {
		return &problem{status: http.StatusForbidden, Message: "read only: inspect.WithToken sets no token"}
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want, got := sha256.Sum256([]byte(h.token)), sha256.Sum256([]byte(strings.TrimSpace(given)))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return &problem{status: http.StatusUnauthorized, Message: "changes need the token as a bearer token"}
	}
	return nil
}

// problem is an error as the client sees it.
type problem struct {
	status  int
	Path    string `json:"path,omitzero"`
	Rule    string `json:"rule,omitzero"`
	Message string `json:"message"`
	Done    int    `json:"done,omitzero"` // of a change that ended half way
}

func (p *problem) Error() string { return p.Message }

func badParameter(path, rule, message string) error {
	return &problem{status: http.StatusBadRequest, Path: path, Rule: rule, Message: message}
}

func writeError(w http.ResponseWriter, err error) {
	var (
		p       *problem
		invalid *appevents.ValidationError
	)
	switch {
	case errors.As(err, &p):
	case errors.As(err, &invalid) && len(invalid.Issues) > 0:
		first := invalid.Issues[0]
		p = &problem{status: http.StatusBadRequest, Path: first.Path, Rule: first.Rule, Message: first.Message}
	case errors.Is(err, delivery.ErrNotFound):
		p = &problem{status: http.StatusNotFound, Message: "there is no such buried call"}
	case errors.Is(err, delivery.ErrFull):
		p = &problem{status: http.StatusInsufficientStorage, Message: "the queue has no room"}
	default: // what the queue says is about files and servers
		p = &problem{status: http.StatusServiceUnavailable, Message: "the queue does not answer"}
		switch {
		case errors.Is(err, delivery.ErrClosed):
			p.Message = "the queue is closed"
		case errors.Is(err, context.Canceled):
			p.Message = "stopped half way"
		}
	}
	if p.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="inspect"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(map[string]*problem{"error": p})
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client went away
	return nil
}
