package natsqueue

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
)

// The keys of the bucket.
const (
	pausePrefix = "pause." // and the lane: until when it is paused, in nanoseconds
	begunPrefix = "begun." // and the number of a message: a request with it may be under way
)

// watch learns of pauses, its own and those of others, and returns when it knows all there are.
func (q *Queue) watch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var watcher jetstream.KeyWatcher
	if err := q.insist(ctx, func(context.Context) (err error) {
		watcher, err = q.state.Watch(q.ctx, pausePrefix+">") // it watches until this context ends
		return err
	}); err != nil {
		return err
	}
	for known := false; !known; {
		select {
		case entry := <-watcher.Updates():
			known = entry == nil
			q.learn(entry)
		case <-ctx.Done():
			unwatch(watcher)
			return ctx.Err()
		}
	}
	q.running.Go(func() {
		defer unwatch(watcher)
		for {
			select {
			case entry, ok := <-watcher.Updates():
				if !ok {
					return
				}
				q.learn(entry)
			case <-q.ctx.Done():
				return
			}
		}
	})
	return nil
}

// unwatch ends a watcher. That deletes its consumer, for which it waits longer than we do when no server answers.
func unwatch(watcher jetstream.KeyWatcher) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = watcher.Stop()
	}()
	timer := time.NewTimer(flushTime)
	defer timer.Stop()
	select {
	case <-stopped:
	case <-timer.C:
	}
}

func (q *Queue) learn(entry jetstream.KeyValueEntry) {
	if entry == nil {
		return
	}
	if lane, ok := fromToken(strings.TrimPrefix(entry.Key(), pausePrefix)); ok {
		q.setPause(lane, pauseOf(entry), 0)
	}
}

// pauseOf is until when an entry says that its lane is paused.
func pauseOf(entry jetstream.KeyValueEntry) time.Time {
	nanos, err := strconv.ParseInt(string(entry.Value()), 10, 64)
	if err != nil || nanos <= 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}

// setPause notes a pause, which is our own when it comes with a revision.
func (q *Queue) setPause(lane string, until time.Time, revision uint64) {
	now := time.Now()
	q.mu.Lock()
	resumed := q.pauses.Pause(lane, until, now)
	switch {
	case !until.After(now):
		delete(q.own, lane)
	case revision > 0:
		q.own[lane] = revision
	}
	q.mu.Unlock()
	if resumed {
		q.lookNow()
	}
}

func (q *Queue) pausedUntil(lane string) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pauses.PausedUntil(lane, time.Now())
}

// Pause implements [delivery.Queue]. A longer pause that somebody else began stays.
func (q *Queue) Pause(ctx context.Context, p delivery.Pause) error {
	lane, until := p.Lane, p.Until
	if q.ctx.Err() != nil {
		return delivery.ErrClosed
	}
	key := pausePrefix + token(lane)
	return q.insist(ctx, func(ctx context.Context) error {
		now := time.Now()
		var revision uint64
		entry, err := q.state.Get(ctx, key)
		switch {
		case err == nil:
			revision = entry.Revision()
			if there := pauseOf(entry); there.After(now) && there.After(until) && !q.began(lane, revision) {
				return nil
			}
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return err
		case !until.After(now):
			return nil // it is not paused
		}
		value := strconv.FormatInt(max(until.UnixNano(), 0), 10)
		if until.IsZero() {
			value = "0"
		}
		revision, err = q.state.Update(ctx, key, []byte(value), revision)
		if err == nil {
			q.setPause(lane, until, revision)
		}
		return err
	})
}

// began reports whether the pause with this revision is our own.
func (q *Queue) began(lane string, revision uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.own[lane] == revision
}

// lookNow makes the goroutine that brings calls back look at once.
func (q *Queue) lookNow() {
	select {
	case q.look <- struct{}{}:
	default:
	}
}
