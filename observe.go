package appevents

import (
	"context"
	"log/slog"
	"time"

	"github.com/appevents/appevents-go/internal/lookup"
	"github.com/appevents/appevents-go/internal/loose"
	"github.com/appevents/appevents-go/internal/secret"
)

// CallInfo describes one request for an observer.
type CallInfo struct {
	Op            string        // the operation: "log activity"
	Edge          string        // the last part of the path: "activities"
	Scope         Scope         // the object the token had to speak for
	Attempt       int           // 1 for the first request of a call
	Duration      time.Duration // from resolving the token to the last byte of the answer
	Outcome       Outcome       // what became of the request
	StatusCode    int           // HTTP status, 0 without an answer
	Err           error         // nil on success; safe to log
	Version       string        // the Graph version asked for
	ServedVersion string        // the Graph version that answered, "" when unknown
	Usage         Usage         // the rate-limit state sent with the answer
}

// watcher tells a program about its requests; the zero value is silent.
type watcher struct {
	logger   *slog.Logger
	observer func(context.Context, CallInfo)
	warned   secret.Hidden[*lookup.Recent[warningKey, time.Time]] // what was logged, and when
}

func (w watcher) awake() bool { return w.logger != nil || w.observer != nil }

func (w watcher) report(ctx context.Context, info CallInfo) {
	if w.observer != nil {
		func() {
			defer func() {
				if v := recover(); v != nil && w.logger != nil {
					w.logger.ErrorContext(ctx, "appevents: the observer panicked", "op", info.Op)
				}
			}()
			w.observer(ctx, info)
		}()
	}
	if w.logger == nil {
		return
	}
	level := slog.LevelDebug
	if info.Err != nil {
		level = slog.LevelWarn
	}
	if !w.logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("op", info.Op), slog.String("edge", info.Edge), slog.Int("attempt", info.Attempt),
		slog.Duration("duration", info.Duration), slog.String("outcome", info.Outcome.String()),
		slog.Int("status", info.StatusCode), slog.String("version", info.Version))
	if info.ServedVersion != "" && info.ServedVersion != info.Version {
		attrs = append(attrs, slog.String("served_version", loose.OneLine(info.ServedVersion)))
	}
	if info.Err != nil {
		attrs = append(attrs, slog.String("error", loose.Loggable(info.Err.Error())))
	}
	w.logger.LogAttrs(ctx, level, "appevents: graph request", attrs...)
}

const (
	warnAgain = time.Minute // how long a warning that was logged is not logged again
	maxWarned = 1 << 10     // bounds the memory; beyond it a warning may come more often
)

// warningKey is a kind of warning about a field. All elements of a list count as one.
type warningKey struct{ op, field, rule string }

// warn logs the warnings of a valid call, which is sent all the same: each kind about a field once in a minute.
func (w watcher) warn(ctx context.Context, op *operation, warnings func() []Issue) {
	if w.logger == nil || !w.logger.Enabled(ctx, slog.LevelWarn) {
		return
	}
	for _, issue := range warnings() {
		key, now := warningKey{op.name, loose.WithoutIndices(issue.Path), issue.Rule}, time.Now()
		if w.warned.Get().Put(key, now, func(last time.Time) bool { return now.Sub(last) < warnAgain }) {
			w.logger.LogAttrs(ctx, slog.LevelWarn, "appevents: doubtful call", slog.String("op", op.name),
				slog.String("field", loose.Loggable(issue.Path)), slog.String("rule", issue.Rule),
				slog.String("warning", loose.Loggable(issue.Message)))
		}
	}
}
