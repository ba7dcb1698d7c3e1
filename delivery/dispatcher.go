package delivery

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/bridge"
)

// Dispatcher accepts calls into a [Queue] and delivers them from there. Make one with [New]; it is safe for concurrent
// use. Several dispatchers, in one process or many, can share a queue that allows it.
type Dispatcher struct {
	config

	client  *appevents.Client // without retries of its own: a retry must survive the process
	queue   Queue
	hand    *hand
	started atomic.Bool
	figures figures
}

// New returns a dispatcher that sends with client and keeps calls in q. The client's own retries are not used. The
// queue stays the caller's to close, after [Dispatcher.Run] has returned.
func New(client *appevents.Client, q Queue, opts ...Option) (*Dispatcher, error) {
	if client == nil {
		return nil, &appevents.ConfigError{Field: "delivery.New", Reason: "the client is nil"}
	}
	if q == nil {
		return nil, &appevents.ConfigError{Field: "delivery.New", Reason: "the queue is nil"}
	}
	d := &Dispatcher{
		config: config{
			workers: defaultWorkers, maxAge: defaultMaxAge, minDelay: defaultMinDelay, maxDelay: defaultMaxDelay,
			grace: defaultGrace,
		},
		queue: q,
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, &appevents.ConfigError{Field: "delivery.New", Reason: "an option is nil"}
		}
		if err := opt(&d.config); err != nil {
			return nil, err
		}
	}
	var err error
	if d.client, err = client.Clone(appevents.WithRetry(appevents.RetryPolicy{MaxAttempts: 1})); err != nil {
		return nil, err
	}
	d.hand = newHand(d.workers, bridge.Of(d.client).MaxEvents(), &d.figures)
	return d, nil
}

// Format prints a dispatcher as its name, whatever the verb: what waits in it belongs to people.
func (d *Dispatcher) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "delivery.Dispatcher") }

// Queue returns the queue the dispatcher was made with, for engines that have more to offer, such as a transaction.
func (d *Dispatcher) Queue() Queue { return d.queue }
