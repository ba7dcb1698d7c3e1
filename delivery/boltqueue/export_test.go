package boltqueue

import "time"

// WithClock sets where the time of day comes from.
func WithClock(wall func() time.Time) Option {
	return func(c *config) error {
		c.wall = wall
		return nil
	}
}

// Transactions is how many transactions were written or tried.
func (q *Queue) Transactions() int64 { return q.writer.written.Load() }

// Doubled reports whether both first pages of the file stand for the same.
func (q *Queue) Doubled() bool { return q.writer.doubled.Load() }

// AgesWait reports whether nothing is dropped for its age yet.
func (q *Queue) AgesWait() bool { return time.Now().Before(q.agesFrom) }
