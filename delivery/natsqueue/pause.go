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
	pausePrefix  = "pause."   // and the lane: until when it is paused, in nanoseconds, a space, and why
	manualPrefix = "manual."  // and the lane: the same for a person's pause
	begunPrefix  = "begun."   // and the number of a message: a request with it may be under way
	claimsPrefix = "lane."    // and the lane: which of its calls are leased
	unburiedKey  = "unburied" // how many buried calls were taken away
)

// watch learns of pauses, its own and those of others, and returns when it knows all there are.
func (q *Queue) watch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var watcher jetstream.KeyWatcher
	if err := q.insist(ctx, func(context.Context) (err error) {
		keys := []string{pausePrefix + ">", manualPrefix + ">"}
		watcher, err = q.state.WatchFiltered(q.ctx, keys) // it watches until this context ends
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

// learn notes the pause that an entry stands for.
func (q *Queue) learn(entry jetstream.KeyValueEntry) {
	if entry == nil {
		return
	}
	part, manual := strings.CutPrefix(entry.Key(), manualPrefix)
	if !manual {
		part = strings.TrimPrefix(part, pausePrefix)
	}
	lane, ok := fromToken(part)
	if !ok {
		return
	}
	until, note := q.pauseOf(entry)
	q.setPause(entry.Key(), delivery.Pause{Lane: lane, Until: until, Note: note, Manual: manual}, entry.Revision(), false)
}

// pauseOf is until when an entry says that its lane is paused, and why. An entry is not kept for longer than a pause
// can last.
func (q *Queue) pauseOf(entry jetstream.KeyValueEntry) (until time.Time, note string) {
	text, note, _ := strings.Cut(string(entry.Value()), " ")
	nanos, err := strconv.ParseInt(text, 10, 64)
	if err != nil || nanos <= 0 {
		return time.Time{}, ""
	}
	until = time.Unix(0, nanos)
	if latest := entry.Created().Add(stateTTL); until.After(latest) {
		until = latest
	}
	return until, note
}

// setPause notes a pause, in the time of the clock's now.
func (q *Queue) setPause(key string, p delivery.Pause, revision uint64, own bool) {
	now := q.clock.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if revision < q.revisions[key] {
		return // it was changed since
	}
	q.revisions[key] = revision
	switch {
	case !p.Until.After(now):
		delete(q.own, key)
	case own:
		q.own[key] = revision
	}
	if q.turns.Set(p, now) {
		q.signal.Notify()
	}
}

// Pause implements [delivery.Queue]. A longer pause that another process began stays, unless p is a person's.
func (q *Queue) Pause(ctx context.Context, p delivery.Pause) error {
	if err := q.usable(); err != nil {
		return err
	}
	key := pausePrefix + token(p.Lane)
	if p.Manual {
		key = manualPrefix + token(p.Lane)
	}
	p.Note = strings.ToValidUTF8(p.Note[:min(len(p.Note), maxNote)], "")
	p.Until = q.clock.stored(p.Until)
	return q.insist(ctx, func(ctx context.Context) error {
		now := q.clock.now()
		var revision uint64
		entry, err := q.state.Get(ctx, key)
		switch {
		case err == nil:
			revision = entry.Revision()
			there, _ := q.pauseOf(entry)
			if !p.Manual && there.After(now) && there.After(p.Until) && !q.began(key, revision) {
				return nil
			}
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return err
		case !p.Until.After(now):
			return nil // it is not paused
		}
		value := "0"
		if p.Until.After(now) {
			value = strconv.FormatInt(p.Until.UnixNano(), 10)
			if p.Note != "" {
				value += " " + p.Note
			}
		}
		revision, err = q.state.Update(ctx, key, []byte(value), revision)
		if err == nil {
			q.setPause(key, p, revision, true)
		}
		return err
	})
}

// maxNote bounds a note, in bytes.
const maxNote = 4 << 10

// began reports whether the pause with this revision is our own.
func (q *Queue) began(key string, revision uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.own[key] == revision
}

// lookNow makes the goroutine that brings calls back look at once.
func (q *Queue) lookNow() {
	select {
	case q.look <- struct{}{}:
	default:
	}
}
