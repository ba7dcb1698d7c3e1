package main

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

// A queueView is a queue as an operator sees it: one that was opened here, or that of a bot that runs.
type queueView interface {
	label() string  // to print: without a password
	kindOf() string // of the engine, or [engineBot]

	figures(ctx context.Context) (queueFigures, error)
	lanes(ctx context.Context) ([]queueLane, error)

	// reasons counts the buried calls of a choice by reason.
	reasons(ctx context.Context, c choice) (map[delivery.Reason]int64, error)

	// buried lists them in the order of their burial, a page in memory at a time. With calls they are whole.
	buried(ctx context.Context, c choice, calls bool) iter.Seq2[*buriedEntry, error]

	// one returns a buried call, whole. The error wraps [delivery.ErrNotFound] when it is not there. With the error
	// errCallWithheld all but the call itself is there.
	one(ctx context.Context, id string) (*buriedEntry, error)

	// change takes buried calls away: those with the IDs, or those of a choice when there are no IDs. An error can come
	// with what was done before.
	change(ctx context.Context, verb changeVerb, ids []string, c choice) (changed, error)

	pause(ctx context.Context, lane string, until time.Time, note string) error
	resume(ctx context.Context, lane string) error
	Close() error
}

// A changeVerb is what becomes of buried calls.
type changeVerb string

const (
	verbResubmit changeVerb = "resubmit"
	verbDiscard  changeVerb = "discard"
)

// A changed says what became of buried calls.
type changed struct {
	done    int64
	missing []string // IDs that were not there
	gone    int64    // how many more somebody else took away meanwhile
	stayed  []string // IDs of calls that had to stay, where IDs were given
	why     []string // why each of them did
	left    int64    // how many had to stay, where a choice was given
}

// engineBot is the queue of a bot that runs.
const engineBot = "bot"

// queueFigures are the figures of a queue. Accepted is delivered, buried, pending and duplicates.
type queueFigures struct {
	Accepted    int64     `json:"accepted"`
	Delivered   int64     `json:"delivered"`
	Buried      int64     `json:"buried"`
	Duplicates  int64     `json:"duplicates"`
	Pending     int64     `json:"pending"`
	Kept        int64     `json:"kept"`
	Dropped     int64     `json:"dropped"`
	PausedLanes int       `json:"paused_lanes"`
	Oldest      time.Time `json:"oldest,omitzero"`
	AsOf        time.Time `json:"as_of,omitzero"`

	*botFigures
}

// botFigures are those of a bot since it started.
type botFigures struct {
	Running        bool      `json:"running"`
	Idle           bool      `json:"idle"`
	Requests       int64     `json:"requests"`
	Retries        int64     `json:"retries"`
	InHand         int64     `json:"in_hand"`
	Unsettled      int64     `json:"unsettled"`
	Progress       time.Time `json:"progress,omitzero"`
	SecondsStalled float64   `json:"seconds_stalled"`
}

// A queueLane is what is known about a lane.
type queueLane struct {
	Lane    string             `json:"lane"`
	State   delivery.LaneState `json:"state"`
	Until   time.Time          `json:"until,omitzero"`
	Why     string             `json:"why,omitzero"`
	Pending int64              `json:"pending"`
	Oldest  time.Time          `json:"oldest,omitzero"`

	// What the dispatcher of a bot knows about a lane that it uses.
	LastError   string    `json:"last_error,omitzero"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	Requests    int       `json:"requests,omitzero"`
	Failures    int       `json:"failures,omitzero"`
	Concurrency int       `json:"concurrency,omitzero"`
	UnderWay    int       `json:"under_way,omitzero"`
}

// kindUnreadable is the kind of a stored call that cannot be read.
const kindUnreadable = "unreadable"

// A buriedEntry is a buried call. Kind and Call are together what send --file reads.
type buriedEntry struct {
	Schema     int             `json:"schema,omitzero"`
	ID         string          `json:"id"`
	Lane       string          `json:"lane"`
	Reason     delivery.Reason `json:"reason"`
	Attempts   int             `json:"attempts"`
	FirstError string          `json:"first_error,omitzero"`
	LastError  string          `json:"last_error,omitzero"`
	Submitted  time.Time       `json:"submitted,omitzero"`
	BuriedAt   time.Time       `json:"buried_at,omitzero"`
	Source     string          `json:"source,omitzero"` // the file and line that send took it from
	Kind       string          `json:"kind"`
	Events     []string        `json:"events,omitzero"` // names
	Call       json.RawMessage `json:"call,omitzero"`
	Body       []byte          `json:"body,omitzero"` // of a call that cannot be read
}

// errCallWithheld says that a bot does not show calls whole without its token.
var errCallWithheld = errors.New("the call itself is shown for the token of the bot alone")

// entryOf describes a buried call.
func entryOf(b *delivery.Buried, whole bool) *buriedEntry {
	body, source := sourceOf(b.Body)
	e := &buriedEntry{
		ID: b.ID, Lane: b.Lane, Reason: b.Reason, Attempts: b.Attempts, FirstError: b.FirstError, LastError: b.LastError,
		Submitted: b.Submitted.UTC(), BuriedAt: b.BuriedAt.UTC(), Source: source, Kind: kindUnreadable,
	}
	call, err := appevents.UnmarshalCall(body)
	if err != nil {
		if whole {
			e.Body = body
		}
		return e
	}
	parts := storedOf(body)
	e.Kind, e.Events = parts.Kind, loggedNames(call)
	if whole {
		e.Call = parts.Call
	}
	return e
}

// loggedNames are the names of the events of a call.
func loggedNames(call appevents.Call) (list []string) {
	events := func(events []appevents.Event) {
		for i := range events {
			list = append(list, string(events[i].Name))
		}
	}
	switch c := call.(type) {
	case *appevents.Activity:
		events(c.Events)
	case *appevents.PageActivity: //nolint:staticcheck // see edgeOf
		events(c.Events)
	case *appevents.ConversionCall:
		for i := range c.Conversions {
			list = append(list, string(c.Conversions[i].Name))
		}
	}
	return list
}
