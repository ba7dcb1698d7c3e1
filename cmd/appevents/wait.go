package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// retryPause is between two attempts to reach an emulator that is just starting.
const retryPause = 50 * time.Millisecond

type waitCommand struct {
	emulatorAt

	Event   string        `placeholder:"NAME" help:"The event to wait for; any when not given."`
	PSID    string        `name:"psid" placeholder:"ID" help:"Only events of this person."`
	Count   int           `default:"1" placeholder:"N" help:"How many of them must have been accepted [${default}]."`
	Timeout time.Duration `default:"30s" placeholder:"TIME" help:"When to give up [${default}]."`
	Ready   bool          `help:"Wait for the emulator, and for its bot where it has one."`
}

// Run ends with 0 when what is waited for has happened, also before, and with 1 when it has not.
func (c *waitCommand) Run(ctx context.Context, p *program) error {
	if c.Ready && (c.Event != "" || c.PSID != "") {
		return usageError("--ready waits for no event: leave out --event and --psid")
	}
	if c.Count < 1 {
		return usageError("--count must be at least 1")
	}
	client, err := c.client(p)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if c.Ready {
		err = c.ready(limited, p, client)
	} else {
		err = c.event(limited, p, client)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && p.json && c.Ready {
		err = p.printJSON(object{"ready": true, "url": client.base})
	}
	return err
}

// ready asks until the emulator says so.
func (c *waitCommand) ready(ctx context.Context, p *program, client *client) error {
	var last error
	for {
		err := client.call(ctx, http.MethodGet, "/-/api/ready", nil, nil)
		if err == nil {
			return nil
		}
		if !errors.Is(err, context.DeadlineExceeded) || last == nil {
			last = err
		}
		if !p.again(ctx) {
			return c.gaveUp(last)
		}
	}
}

// gaveUp is the error at the deadline: the emulator was not reached at all, or the answer is no.
func (c *waitCommand) gaveUp(last error) error {
	if f, ok := errors.AsType[*failure](last); ok {
		return f
	}
	return fail(exitNo, "not ready within %s: %w", c.Timeout, last)
}

// event counts what the emulator has accepted.
func (c *waitCommand) event(ctx context.Context, p *program, client *client) error {
	seen := make(map[int64]int) // exchange -> events in it that count
	var unreached error
	for {
		count := 0
		err := client.follow(ctx, 0, func(x emulator.Exchange) (bool, error) {
			if n := c.matches(x); n > seen[x.ID] {
				if p.json {
					if err := p.printExchange(x); err != nil {
						return false, err
					}
				}
				seen[x.ID] = n
			}
			count = 0
			for _, n := range seen {
				count += n
			}
			return count < c.Count, nil
		})
		switch {
		case count >= c.Count:
			return nil
		case ctx.Err() != nil: // the attempt was cut short: it says nothing
		case err == nil:
			unreached = nil // the stream ended; the emulator may come back
		case codeOf(err) == exitNotSent:
			unreached = err
		default:
			return err
		}
		if !p.again(ctx) {
			if unreached != nil {
				return unreached
			}
			return fail(exitNo, "%d of %d within %s", count, c.Count, c.Timeout)
		}
	}
}

// matches is how many events of a call count.
func (c *waitCommand) matches(x emulator.Exchange) int {
	n := 0
	for _, e := range x.Events {
		if e.Accepted && (c.Event == "" || sameEvent(e.Name, c.Event)) && (c.PSID == "" || e.PSID == c.PSID) {
			n++
		}
	}
	return n
}

// again waits a little before another attempt. It reports whether there is time for one.
func (p *program) again(ctx context.Context) bool {
	if p.pause != nil {
		return p.pause(ctx)
	}
	return pause(ctx, retryPause)
}

// pause waits. It reports whether there is time left.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
