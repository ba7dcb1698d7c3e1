package natsqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// stateTTL is how long a pause or a mark is kept: longer than any call is good for.
	stateTTL = 8 * 24 * time.Hour

	// movedWindow is how long the streams that calls are moved to remember which ones they have.
	movedWindow = time.Hour

	// formKey and form say in the metadata of the stream of calls that no older version has ever written to it: none
	// opens a stream that it did not make.
	formKey = "appevents-form"
	form    = "2"

	// minBuriedBytes is at least what buried calls may take when the queue has a limit.
	minBuriedBytes = 1 << 20
)

// setUp finds or makes the streams and the bucket.
func (q *Queue) setUp(ctx context.Context) (err error) {
	replicas := cmp.Or(q.replicas, defaultReplicas)
	window := cmp.Or(q.window, defaultWindow)
	old := q.name + ".calls"
	if q.calls, err = q.stream(ctx, jetstream.StreamConfig{
		Name: q.name, Description: "appevents: calls to deliver", Subjects: []string{old, old + ".*"},
		Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxBytes: cmp.Or(q.maxBytes, -1),
		Replicas: replicas, Duplicates: window, AllowDirect: true,
		Metadata: map[string]string{formKey: form},
	}, func(c *jetstream.StreamConfig) bool {
		if !slices.Equal(c.Subjects, []string{old}) {
			return false
		}
		c.Subjects, c.AllowDirect = []string{old, old + ".*"}, true // an older version made it
		return true
	}, q.narrow); err != nil {
		return err
	}
	q.limit = q.calls.CachedInfo().Config.MaxBytes
	if q.later, err = q.stream(ctx, jetstream.StreamConfig{
		Name: q.name + "_LATER", Description: "appevents: calls to deliver later",
		Subjects: []string{q.name + ".later.*.*"}, Discard: jetstream.DiscardNew, Replicas: replicas,
		Duplicates: min(window, movedWindow), AllowDirect: true,
	}, nil, nil); err != nil {
		return err
	}
	if err := q.bucket(ctx, replicas); err != nil {
		return err
	}
	buried := jetstream.StreamConfig{
		Name: q.name + "_BURIED", Description: "appevents: calls put aside", Subjects: []string{q.name + ".buried"},
		Discard: jetstream.DiscardNew, Replicas: replicas, Duplicates: min(window, movedWindow),
	}
	q.keepBuried(&buried)
	q.buried, err = q.stream(ctx, buried, func(c *jetstream.StreamConfig) bool {
		before := *c
		q.keepBuried(c)
		return c.MaxAge != before.MaxAge || c.MaxMsgs != before.MaxMsgs || c.Discard != before.Discard
	}, q.countUnburied)
	return err
}

// keepBuried sets for how long buried calls are kept, and how many: as options say, or as it is, or, for a new stream
// and one of an older version, by default.
func (q *Queue) keepBuried(c *jetstream.StreamConfig) {
	if c.Discard == jetstream.DiscardNew {
		c.Discard, c.MaxAge, c.MaxMsgs = jetstream.DiscardOld, defaultBuriedAge, defaultBuriedLimit
		if q.limit > 0 {
			c.MaxBytes = max(q.limit/4, minBuriedBytes)
		}
	}
	c.MaxAge = cmp.Or(q.buriedAge, c.MaxAge)
	if q.buriedLimit > 0 {
		c.MaxMsgs = int64(q.buriedLimit)
	}
	if c.MaxAge > 0 {
		c.Duplicates = min(c.Duplicates, c.MaxAge)
	}
}

// countUnburied notes how many buried calls were taken away, before the first can be dropped.
func (q *Queue) countUnburied(ctx context.Context, s jetstream.Stream) error {
	return q.insist(ctx, func(ctx context.Context) error {
		_, revision, err := q.unburied(ctx)
		if err != nil || revision > 0 {
			return err
		}
		state := s.CachedInfo().State
		return q.setUnburied(ctx, int64(state.LastSeq-state.Msgs), 0) //nolint:gosec // a number of messages
	})
}

// stream finds or makes a stream. One that exists is changed when adapt says so, after before has returned.
func (q *Queue) stream(
	ctx context.Context, want jetstream.StreamConfig, adapt func(c *jetstream.StreamConfig) (changed bool),
	before func(ctx context.Context, s jetstream.Stream) error,
) (s jetstream.Stream, err error) {
	err = q.insist(ctx, func(ctx context.Context) (err error) {
		sent := time.Now()
		s, err = q.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			s, err = q.js.CreateStream(ctx, want) // when somebody else was quicker, the next try finds it
		}
		if err == nil {
			q.clock.learn(s.CachedInfo().TimeStamp, sent, time.Now())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	config := s.CachedInfo().Config
	changed := adapt != nil && adapt(&config)
	if err := q.fits(&config, &want); err != nil || !changed {
		return s, err
	}
	if err := before(ctx, s); err != nil {
		return nil, err
	}
	err = q.insist(ctx, func(ctx context.Context) (err error) {
		s, err = q.js.UpdateStream(ctx, config)
		return err
	})
	return s, err
}

// bucket finds or makes the bucket.
func (q *Queue) bucket(ctx context.Context, replicas int) error {
	name := q.name + "_STATE"
	if err := q.insist(ctx, func(ctx context.Context) (err error) {
		q.state, err = q.js.KeyValue(ctx, name)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			q.state, err = q.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
				Bucket: name, Description: "appevents: paused lanes", TTL: stateTTL, Replicas: replicas,
			})
		}
		if err != nil {
			return err
		}
		if q.marks, err = q.js.Stream(ctx, "KV_"+name); err != nil {
			return err
		}
		if config := q.marks.CachedInfo().Config; !config.AllowMsgTTL {
			config.AllowMsgTTL = true // one entry is kept for longer
			q.marks, err = q.js.UpdateStream(ctx, config)
		}
		return err
	}); err != nil {
		return err
	}
	got := q.marks.CachedInfo().Config
	if got.MaxAge > 0 && got.MaxAge < stateTTL {
		return fmt.Errorf("natsqueue: stream %s keeps its entries for %v only, not %v", got.Name, got.MaxAge, stateTTL)
	}
	got.MaxAge, got.MaxMsgsPerSubject = 0, 0
	want := got
	want.Replicas, want.Duplicates = replicas, 0
	return q.fits(&got, &want)
}

// fits returns an error when a stream that exists would lose calls, or does not do what an option asks for. Everything
// else about it is its owner's business.
func (q *Queue) fits(got, want *jetstream.StreamConfig) error {
	var reason string
	switch {
	case got.Retention != want.Retention, !slices.Equal(got.Subjects, want.Subjects), got.Mirror != nil,
		len(got.Sources) > 0, got.SubjectTransform != nil, got.Sealed, got.NoAck, got.DenyDelete != want.DenyDelete:
		reason = "exists for something else"
	case got.Storage != jetstream.FileStorage:
		reason = "is kept in memory, not in files"
	case got.PersistMode != jetstream.DefaultPersistMode:
		reason = "acknowledges before it has written"
	case want.Discard == jetstream.DiscardNew && (got.MaxAge > 0 || got.MaxMsgsPerSubject > 0 ||
		got.Discard == jetstream.DiscardOld && (got.MaxMsgs > 0 || got.MaxBytes > 0)):
		reason = "drops messages by itself"
	case got.Replicas < want.Replicas && q.replicas > 0:
		reason = fmt.Sprintf("has %d replicas, fewer than WithReplicas asks for", got.Replicas)
	case want.AllowDirect && !got.AllowDirect:
		reason = "does not allow direct access"
	case got.Duplicates < want.Duplicates && q.window > 0:
		reason = fmt.Sprintf("has a de-duplication window of %v, shorter than WithWindow asks for", got.Duplicates)
	case want.Retention == jetstream.WorkQueuePolicy && want.MaxBytes > 0 && got.MaxBytes != want.MaxBytes:
		reason = fmt.Sprintf("has a limit of %d bytes, other than WithMaxBytes asks for", got.MaxBytes)
	default:
		return nil
	}
	return fmt.Errorf("natsqueue: stream %s %s", want.Name, reason)
}
