package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

// buriedCall is a line of -buried.
type buriedCall struct {
	ID         string          `json:"id"`
	Lane       string          `json:"lane"`
	Reason     delivery.Reason `json:"reason"`
	Attempts   int             `json:"attempts"`
	FirstError string          `json:"first_error,omitempty"`
	LastError  string          `json:"last_error,omitempty"`
	Submitted  time.Time       `json:"submitted"`
	BuriedAt   time.Time       `json:"buried_at"`
	Call       json.RawMessage `json:"call,omitempty"`
}

// tendBuried lists the buried calls, accepts one again because what was in its way is gone, or removes one.
func tendBuried(ctx context.Context, s *settings, log *slog.Logger, out io.Writer) (err error) {
	queue, err := openQueue(ctx, s, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, queue.Close()) }()
	dispatcher, err := newDispatcher(s, queue, log)
	if err != nil {
		return err
	}
	if s.resubmit != "" {
		if err := dispatcher.Resubmit(ctx, s.resubmit, nil); err != nil {
			return err
		}
	}
	if s.discard != "" {
		if err := dispatcher.Discard(ctx, s.discard); err != nil {
			return err
		}
	}
	if !s.buried {
		return nil
	}
	lines := json.NewEncoder(out)
	for b, err := range dispatcher.Buried(ctx) {
		if err != nil {
			return err
		}
		line := buriedCall{
			ID: b.ID, Lane: b.Lane, Reason: b.Reason, Attempts: b.Attempts, FirstError: b.FirstError,
			LastError: b.LastError, Submitted: b.Submitted, BuriedAt: b.BuriedAt,
		}
		if b.Call != nil {
			if line.Call, err = appevents.MarshalCall(b.Call); err != nil {
				return err
			}
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
