package natsqueue

import (
	"sync"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

const (
	// tolerance is how far this machine's clock may be from the servers' for its times to be taken as they are.
	tolerance = 5 * time.Second

	// sampleAge is how long a quick answer counts for more than a slow one about what time it is.
	sampleAge = time.Minute
)

// clock knows the servers' time. Times that others read are theirs: clocks of machines differ, and are set.
type clock struct {
	wall func() time.Time // this machine's time of day

	mu     sync.Mutex
	server time.Time     // when the last sample was taken
	local  time.Time     // the same instant, with a monotonic reading
	trip   time.Duration // how long the answer took that said so
}

// learn takes the time from an answer of a server.
func (c *clock) learn(server, sent, received time.Time) {
	if server.IsZero() {
		return
	}
	trip := received.Sub(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server.IsZero() || trip <= c.trip || received.Sub(c.local) > sampleAge {
		c.server, c.local, c.trip = server.Round(0), sent.Add(trip/2), trip
	}
}

// true is the servers' time.
func (c *clock) true() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server.IsZero() {
		return c.wall().Round(0)
	}
	return c.server.Add(time.Since(c.local))
}

// off is by how much the servers are ahead of this machine, and 0 as long as that is little.
func (c *clock) off() time.Duration {
	if d := c.true().Sub(c.wall()); d.Abs() > tolerance {
		return d
	}
	return 0
}

// now is this machine's time, unless it is off. Pauses and due times are compared with it.
func (c *clock) now() time.Time { return c.wall().Add(c.off()) }

// stored makes a time of this machine one to be stored. None is further away than anything is kept.
func (c *clock) stored(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	now := c.wall()
	wait := min(t.Sub(now), stateTTL)
	return now.Add(wait + c.off()).Round(0)
}

// read makes a stored time one of this machine.
func (c *clock) read(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(-c.off())
}

// storedItem makes the times of an item the servers'.
func (c *clock) storedItem(it delivery.Item) delivery.Item { return shifted(it, c.off()) }

// readItem makes the times of an item this machine's. It was stored at the given time, and was not submitted later:
// the clock of who stored it was ahead then.
func (c *clock) readItem(it delivery.Item, at time.Time) delivery.Item {
	if ahead := it.Submitted.Sub(at); !at.IsZero() && ahead > tolerance {
		it = shifted(it, -ahead)
	}
	return shifted(it, -c.off())
}

func shifted(it delivery.Item, d time.Duration) delivery.Item {
	if d == 0 {
		return it
	}
	for _, t := range [...]*time.Time{&it.Submitted, &it.Expires} {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
	return it
}
