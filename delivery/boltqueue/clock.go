package boltqueue

import (
	"encoding/binary"
	"math"
	"time"
)

// clock turns times into the numbers in the file and back. It follows the time of day as it was when the queue was
// opened, and from then on the monotonic clock, which nobody sets: while the queue is open, nothing comes early or
// late because the time of day jumped. The times it returns have a monotonic reading, so they compare with time.Now()
// rightly.
type clock struct {
	wall   func() time.Time // in the place of time.Now, for tests; else nil
	opened time.Time        // with a monotonic reading
	base   int64            // nanoseconds, as stored, of opened
}

// start begins with the present time of day.
func (c *clock) start() {
	c.opened = time.Now()
	c.base = max(c.timeOfDay(c.opened).UnixNano(), 1)
}

func (c *clock) timeOfDay(now time.Time) time.Time {
	if c.wall != nil {
		return c.wall()
	}
	return now
}

// now is the present time as stored.
func (c *clock) now() int64 { return c.base + int64(time.Since(c.opened)) }

// nanos is a time as stored, never negative. It is as far from now as t is from the present time of day.
func (c *clock) nanos(t time.Time) int64 {
	present := time.Now()
	d, now := int64(t.Sub(c.timeOfDay(present))), c.base+int64(present.Sub(c.opened))
	if d > math.MaxInt64-now {
		return math.MaxInt64
	}
	return max(now+d, 0)
}

// time is the time of a stored number.
func (c *clock) time(nanos int64) time.Time { return c.opened.Add(time.Duration(nanos - c.base)) }

// Records of an older form do not say when a wait began. None of them is due later than this after the file is opened.
const maxWait = 24 * time.Hour

// clamp returns when a wait ends that began at set and was to end at due: when the clock has been set back since, it
// began now. A beginning that is not known is 0.
func clamp(due, set, now int64) int64 {
	switch {
	case set <= 0 || set > due:
		return min(due, now+int64(maxWait))
	case set > now:
		return now + (due - set)
	default:
		return due
	}
}

func number64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) } //nolint:gosec // as written

func append64(dst []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(n)) //nolint:gosec // read by number64
}
