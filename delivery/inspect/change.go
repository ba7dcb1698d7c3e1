package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

// read reads the body of a request for a change.
func read(w http.ResponseWriter, r *http.Request, to any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields() // a misspelt member would choose too much
	if err := decoder.Decode(to); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return &problem{status: http.StatusRequestEntityTooLarge, Path: "body", Message: "must not exceed 4 MiB"}
		}
		return badParameter("body", appevents.RuleFormat, "must be a JSON object with the members the manual names")
	}
	if decoder.More() {
		return badParameter("body", appevents.RuleFormat, "must be one JSON object")
	}
	return nil
}

func (h *handler) resubmit(w http.ResponseWriter, r *http.Request) error {
	return h.unbury(w, r, "resubmit", h.dispatcher.ResubmitAll)
}

func (h *handler) discard(w http.ResponseWriter, r *http.Request) error {
	return h.unbury(w, r, "discard", h.dispatcher.DiscardAll)
}

// unbury does something with the buried calls of a choice. A client that goes away stops it.
func (h *handler) unbury(
	w http.ResponseWriter, r *http.Request, verb string,
	do func(context.Context, func(delivery.BuriedCall) bool) (int, error),
) error {
	var c choice
	if err := read(w, r, &c); err != nil {
		return err
	}
	if c.All != c.empty() {
		return badParameter("all", appevents.RuleFormat, `name the calls by ids, reason, lane, since or until, or set "all"`)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)) // where the server has such a thing
	done, err := do(r.Context(), c.matches)
	h.logger.InfoContext(r.Context(), "inspect: buried calls taken away",
		slog.String("how", verb), slog.Int("calls", done))
	if err != nil {
		return &problem{
			status: http.StatusServiceUnavailable, Message: "the queue does not answer: the others stay", Done: done,
		}
	}
	return writeJSON(w, map[string]int{"done": done})
}

func (h *handler) pause(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		Lane  string    `json:"lane"`
		For   string    `json:"for"`
		Until time.Time `json:"until"`
		Note  string    `json:"note"`
	}
	if err := read(w, r, &p); err != nil {
		return err
	}
	if p.For != "" {
		d, err := time.ParseDuration(p.For)
		if err != nil || d <= 0 || !p.Until.IsZero() {
			return badParameter("for", appevents.RuleFormat, `must be a time such as "90m", and stand without "until"`)
		}
		p.Until = time.Now().Add(d)
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	if err := h.dispatcher.PauseLane(ctx, p.Lane, p.Until, p.Note); err != nil {
		return err
	}
	h.logger.InfoContext(ctx, "inspect: lane paused", slog.String("lane", p.Lane), slog.Time("until", p.Until))
	return writeJSON(w, map[string]any{"lane": p.Lane, "until": until(p.Until)})
}

// until is nil for a pause without an end.
func until(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC()
}

func (h *handler) resume(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		Lane string `json:"lane"`
	}
	if err := read(w, r, &p); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	if err := h.dispatcher.ResumeLane(ctx, p.Lane); err != nil {
		return err
	}
	h.logger.InfoContext(ctx, "inspect: lane resumed", slog.String("lane", p.Lane))
	return writeJSON(w, map[string]string{"lane": p.Lane})
}
