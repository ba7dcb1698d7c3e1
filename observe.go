package appevents

import (
	"context"
	"log/slog"
	"time"
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

func (c *Client) report(ctx context.Context, info CallInfo) {
	if c.observer != nil {
		func() {
			defer func() {
				if v := recover(); v != nil && c.logger != nil {
					c.logger.ErrorContext(ctx, "appevents: the observer panicked", "op", info.Op)
				}
			}()
			c.observer(ctx, info)
		}()
	}
	if c.logger == nil {
		return
	}
	level := slog.LevelDebug
	if info.Err != nil {
		level = slog.LevelWarn
	}
	if !c.logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("op", info.Op), slog.String("edge", info.Edge), slog.Int("attempt", info.Attempt),
		slog.Duration("duration", info.Duration), slog.String("outcome", info.Outcome.String()),
		slog.Int("status", info.StatusCode), slog.String("version", info.Version))
	if info.ServedVersion != "" && info.ServedVersion != info.Version {
		attrs = append(attrs, slog.String("served_version", oneLine(info.ServedVersion)))
	}
	if info.Err != nil {
		attrs = append(attrs, slog.String("error", loggable(info.Err.Error())))
	}
	c.logger.LogAttrs(ctx, level, "appevents: graph request", attrs...)
}

// warned remembers which warnings were logged.
type warned struct{}
