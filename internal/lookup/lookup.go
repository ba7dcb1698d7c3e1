// Package lookup remembers what was looked up, and looks each thing up once however many need it at the same time.
package lookup

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Cache remembers a value for each key. The exported fields are set before its first use; it is then safe for
// concurrent use.
type Cache[K comparable, V any] struct {
	// Look looks a value up, once at a time for each key. An error goes to all who wait and is not remembered.
	Look func(ctx context.Context, key K) (V, error)

	// Timeout bounds a look-up, which does not end with any one caller's context. 0 leaves it to Look.
	Timeout time.Duration

	// Stale reports whether a value must be looked up again. Nil means never.
	Stale func(V) bool

	// Max bounds the number of values. Beyond it, stale ones make room, or else an arbitrary one.
	Max int

	mu      sync.Mutex
	entries map[K]*entry[V]
}

// errNoResult is what runtime.Goexit in Look leaves behind.
var errNoResult = errors.New("the look-up ended without a result")

// entry is a look-up, under way until done is closed; the fields up to panicked are written before that.
type entry[V any] struct {
	done     chan struct{}
	value    V
	err      error
	panicked any
	refused  func(V) bool // set during the look-up; guarded by the mutex of the cache
}

// Get returns the value of key, or waits for it to be looked up or for ctx to end. A panic of Look reaches all who
// wait.
func (c *Cache[K, V]) Get(ctx context.Context, key K) (V, error) {
	c.mu.Lock()
	e := c.entries[key]
	if e == nil || c.stale(e) {
		e = &entry[V]{done: make(chan struct{})}
		c.makeRoom()
		c.entries[key] = e
		go c.look(context.WithoutCancel(ctx), key, e)
	}
	c.mu.Unlock()
	select {
	case <-e.done:
		if e.panicked != nil {
			panic(e.panicked) //nolint:forbidigo // the caller's own function panicked
		}
		return e.value, e.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

// Forget drops the value of key. A look-up under way goes on for those who wait, and is not remembered.
func (c *Cache[K, V]) Forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
}

// Refuse drops the value of key if wrong says so. A look-up under way is not remembered when its value is wrong.
func (c *Cache[K, V]) Refuse(key K, wrong func(V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := c.entries[key]; {
	case e == nil:
	case !e.finished():
		e.refused = wrong
	case wrong(e.value):
		delete(c.entries, key)
	}
}

// Len returns how many values are remembered or being looked up.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// look looks a value up for all who wait on e.
func (c *Cache[K, V]) look(ctx context.Context, key K, e *entry[V]) {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	e.err = errNoResult
	defer func() {
		e.panicked = recover()
		c.mu.Lock()
		defer c.mu.Unlock()
		wrong := e.panicked != nil || e.err != nil || e.refused != nil && e.refused(e.value)
		if wrong && c.entries[key] == e {
			delete(c.entries, key)
		}
		close(e.done)
	}()
	e.value, e.err = c.Look(ctx, key)
}

func (c *Cache[K, V]) makeRoom() {
	if c.entries == nil {
		c.entries = make(map[K]*entry[V])
	}
	if len(c.entries) < c.Max {
		return
	}
	for key, e := range c.entries {
		if c.stale(e) {
			delete(c.entries, key)
		}
	}
	for key, e := range c.entries {
		if len(c.entries) < c.Max {
			return
		}
		if e.finished() {
			delete(c.entries, key)
		}
	}
}

func (c *Cache[K, V]) stale(e *entry[V]) bool {
	return c.Stale != nil && e.finished() && c.Stale(e.value)
}

func (e *entry[V]) finished() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}
