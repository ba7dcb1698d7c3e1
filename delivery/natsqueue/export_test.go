package natsqueue

import "time"

// WithClock sets what tells the time of day.
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		c.wall = now
		return nil
	}
}
