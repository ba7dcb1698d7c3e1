package main

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/appevents/appevents-go/delivery"
)

// observeSettled returns an observer for a dispatcher: it counts what becomes of calls, and gives each that was
// delivered or buried a span that begins with its Submit.
func observeSettled(
	tracers trace.TracerProvider, meters metric.MeterProvider,
) (func(context.Context, delivery.Settled), error) {
	tracer, meter := tracers.Tracer(scopeName), meters.Meter(scopeName)
	settled, err := meter.Int64Counter("appevents.calls.settled",
		metric.WithDescription("Calls that were delivered, buried, or failed and will be tried again"))
	if err != nil {
		return nil, err
	}
	age, err := meter.Float64Histogram("appevents.calls.age",
		metric.WithUnit("s"), metric.WithDescription("Time from Submit until a call was delivered or buried"))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, s delivery.Settled) {
		// The edge goes into metrics; the lane, of which there is one for each Page, into spans only.
		edge, _, _ := strings.Cut(s.Lane, "/")
		attrs := []attribute.KeyValue{
			attribute.String("edge", edge), attribute.String("verdict", s.Verdict.String()),
		}
		if s.Verdict == delivery.Bury {
			attrs = append(attrs, attribute.String("reason", string(s.Reason)))
		}
		settled.Add(ctx, 1, metric.WithAttributes(attrs...))
		if s.Verdict == delivery.Retry {
			return
		}
		age.Record(ctx, s.Age.Seconds(), metric.WithAttributes(attrs...))
		now := time.Now()
		_, span := tracer.Start(ctx, "deliver "+edge, trace.WithTimestamp(now.Add(-s.Age)),
			trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attrs...),
			trace.WithAttributes(attribute.String("lane", s.Lane), attribute.Int("attempts", s.Attempts)))
		if s.Err != nil {
			span.SetStatus(codes.Error, s.Err.Error())
		}
		span.End(trace.WithTimestamp(now))
	}, nil
}

// observeQueue makes the figures of a dispatcher observable. They are asked for when metrics are collected, and not
// otherwise. Dispatchers that share a queue all report the queue's: take one of them, not the sum.
func observeQueue(meters metric.MeterProvider, stats func() delivery.Stats) error {
	meter := meters.Meter(scopeName)
	pending, err := meter.Int64ObservableGauge("appevents.queue.pending",
		metric.WithDescription("Calls that wait or are under way"))
	if err != nil {
		return err
	}
	oldest, err := meter.Float64ObservableGauge("appevents.queue.oldest_age",
		metric.WithUnit("s"), metric.WithDescription("How long the oldest of them has waited"))
	if err != nil {
		return err
	}
	paused, err := meter.Int64ObservableGauge("appevents.queue.paused_lanes",
		metric.WithDescription("Lanes that are left alone for now: throttled, or without a token that is accepted"))
	if err != nil {
		return err
	}
	buried, err := meter.Int64ObservableGauge("appevents.queue.buried",
		metric.WithDescription("Calls put aside for somebody to look at"))
	if err != nil {
		return err
	}
	retries, err := meter.Int64ObservableCounter("appevents.dispatcher.retries",
		metric.WithDescription("Times a call failed and was put back"))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := stats()
		o.ObserveInt64(pending, s.Pending)
		o.ObserveInt64(paused, int64(s.PausedLanes))
		o.ObserveInt64(buried, s.Kept)
		o.ObserveInt64(retries, s.Retries)
		age := 0.0
		if !s.Oldest.IsZero() {
			age = time.Since(s.Oldest).Seconds()
		}
		o.ObserveFloat64(oldest, age)
		return nil
	}, pending, oldest, paused, buried, retries)
	return err
}
