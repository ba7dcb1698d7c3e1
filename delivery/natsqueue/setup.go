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
	consumerName = "dispatchers"

	// stateTTL is how long a pause or a mark is kept: longer than any call is good for.
	stateTTL = 8 * 24 * time.Hour

	// movedWindow is how long the streams that calls are moved to remember which ones they have.
	movedWindow = time.Hour
)

// setUp finds or makes the streams, the bucket and the consumer.
func (q *Queue) setUp(ctx context.Context) (err error) {
	replicas := cmp.Or(q.replicas, defaultReplicas)
	window := cmp.Or(q.window, defaultWindow)
	if q.calls, err = q.stream(ctx, jetstream.StreamConfig{
		Name: q.name, Description: "appevents: calls to deliver", Subjects: []string{q.name + ".calls"},
		Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxBytes: cmp.Or(q.maxBytes, -1),
		Replicas: replicas, Duplicates: window,
	}); err != nil {
		return err
	}
	if q.later, err = q.stream(ctx, jetstream.StreamConfig{
		Name: q.name + "_LATER", Description: "appevents: calls to deliver later",
		Subjects: []string{q.name + ".later.*.*"}, Discard: jetstream.DiscardNew, Replicas: replicas,
		Duplicates: min(window, movedWindow), AllowDirect: true,
	}); err != nil {
		return err
	}
	if q.buried, err = q.stream(ctx, jetstream.StreamConfig{
		Name: q.name + "_BURIED", Description: "appevents: calls put aside", Subjects: []string{q.name + ".buried"},
		Discard: jetstream.DiscardNew, Replicas: replicas, Duplicates: min(window, movedWindow),
	}); err != nil {
		return err
	}
	if err := q.bucket(ctx, replicas); err != nil {
		return err
	}
	q.limit = q.calls.CachedInfo().Config.MaxBytes
	return q.consume(ctx)
}

// stream finds or makes a stream.
func (q *Queue) stream(ctx context.Context, want jetstream.StreamConfig) (s jetstream.Stream, err error) {
	err = q.insist(ctx, func(ctx context.Context) (err error) {
		s, err = q.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			s, err = q.js.CreateStream(ctx, want) // when somebody else was quicker, the next try finds it
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, q.fits(&s.CachedInfo().Config, &want)
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
		if err == nil {
			q.marks, err = q.js.Stream(ctx, "KV_"+name)
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
	case got.MaxAge > 0, got.MaxMsgsPerSubject > 0,
		got.Discard == jetstream.DiscardOld && (got.MaxMsgs > 0 || got.MaxBytes > 0):
		reason = "drops messages by itself"
	case got.Replicas < want.Replicas && q.replicas > 0:
		reason = fmt.Sprintf("has %d replicas, fewer than WithReplicas asks for", got.Replicas)
	case got.Duplicates < want.Duplicates && q.window > 0:
		reason = fmt.Sprintf("has a de-duplication window of %v, shorter than WithWindow asks for", got.Duplicates)
	case want.MaxBytes > 0 && got.MaxBytes != want.MaxBytes:
		reason = fmt.Sprintf("has a limit of %d bytes, other than WithMaxBytes asks for", got.MaxBytes)
	default:
		return nil
	}
	return fmt.Errorf("natsqueue: stream %s %s", want.Name, reason)
}

// consume finds, makes or changes the consumer all dispatchers share.
func (q *Queue) consume(ctx context.Context) error {
	return q.insist(ctx, func(ctx context.Context) error {
		want := jetstream.ConsumerConfig{
			Durable: consumerName, Description: "appevents: dispatchers", AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: q.leaseTime, MaxAckPending: q.ackPending, MaxDeliver: -1,
		}
		consumer, err := q.calls.Consumer(ctx, consumerName)
		if err == nil {
			got := consumer.CachedInfo().Config
			want.AckWait = cmp.Or(want.AckWait, got.AckWait)
			want.MaxAckPending = cmp.Or(want.MaxAckPending, got.MaxAckPending)
			want.PauseUntil = got.PauseUntil
		}
		want.AckWait = cmp.Or(want.AckWait, defaultLeaseTime)
		want.MaxAckPending = cmp.Or(want.MaxAckPending, defaultAckPending)
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
		if err != nil || !sameConsumer(consumer.CachedInfo().Config, want) {
			if _, err = q.calls.CreateOrUpdateConsumer(ctx, want); err != nil {
				return err
			}
		}
		q.leaseTime, q.ackPending = want.AckWait, want.MaxAckPending
		if q.ackPending < 1 { // somebody has lifted the limit
			q.ackPending = defaultAckPending
		}
		return nil
	})
}

// sameConsumer reports whether a consumer works as wanted. Who must not change it can use one that does.
func sameConsumer(got, want jetstream.ConsumerConfig) bool {
	return got.DeliverSubject == "" && got.AckPolicy == want.AckPolicy && got.AckWait == want.AckWait &&
		got.MaxAckPending == want.MaxAckPending && got.MaxDeliver < 1 && len(got.BackOff) == 0 &&
		got.FilterSubject == "" && len(got.FilterSubjects) == 0 && got.MaxRequestBatch < 1 && got.MaxRequestExpires < 1 &&
		got.MaxRequestMaxBytes < 1 && got.PriorityPolicy == jetstream.PriorityPolicyNone && !got.HeadersOnly
}
