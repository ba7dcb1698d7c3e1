// Package deadline makes contexts with a deadline that cost nothing as long as nobody waits for them: a timer and the
// rest of [context.WithDeadline] take longer than parsing a message. A function that hands its event to a queue needs
// none of it, nor does a transport that answers from memory.
package deadline

import (
	"context"
	"sync"
	"time"
)

// Context is its parent with a deadline. A pointer to it is a [context.Context]; its owner calls End.
type Context struct {
	context.Context // the parent

	// At is the deadline.
	At time.Time

	mu     sync.Mutex
	err    error // why it ended, as far as somebody asked
	timed  context.Context
	cancel context.CancelFunc
}

// Deadline is the earlier of the parent's and At.
func (c *Context) Deadline() (time.Time, bool) {
	if earlier, ok := c.Context.Deadline(); ok && earlier.Before(c.At) {
		return earlier, true
	}
	return c.At, true
}

// Done makes the timer, at the first call.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.Context, c.At)
		if c.err != nil {
			c.cancel()
		}
	}
	return c.timed.Done()
}

// Err looks at the clock as long as there is no timer.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
	case c.timed != nil:
		c.err = c.timed.Err()
	case c.Context.Err() != nil:
		c.err = c.Context.Err()
	case !time.Now().Before(c.At):
		c.err = context.DeadlineExceeded
	}
	return c.err
}

// Value finds in the timed context what package context keeps there, so that contexts made from this one need no
// goroutine each.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	ctx := c.Context
	if c.timed != nil {
		ctx = c.timed
	}
	c.mu.Unlock()
	return ctx.Value(key)
}

// End ends the context.
func (c *Context) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.timed != nil:
		c.cancel()
	case c.err == nil:
		c.err = context.Canceled
	}
}
