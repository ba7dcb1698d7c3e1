package main

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/appevents/appevents-go/delivery"
)

func TestRun_TracesAndMeasuresEveryRequestAndCall(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Equal(t, `span: graph /v26.0/1517776481860111/activities
span: graph /v26.0/1517776481860111/activities
span: deliver activities
metric: appevents.calls.age edge=activities,verdict=delivered: 1
metric: appevents.calls.settled edge=activities,verdict=delivered: 1
metric: appevents.calls.settled edge=activities,verdict=retry: 1
metric: appevents.dispatcher.retries: 1
metric: appevents.queue.buried: 0
metric: appevents.queue.oldest_age: 0s
metric: appevents.queue.paused_lanes: 0
metric: appevents.queue.pending: 0
metric: appevents.request.duration attempt=1,edge=activities,outcome=accepted: 1
metric: appevents.request.duration attempt=1,edge=activities,outcome=refused: 1
metric: appevents.usage scope=app: 42%
`, out.String())
}

func TestObserveSettled_GivesABuriedCallASpanSinceItsSubmit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewInMemoryExporter()
		reader := sdkmetric.NewManualReader()
		observe, err := observeSettled(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
			sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
		require.NoError(t, err)
		observe(t.Context(), delivery.Settled{
			Lane: "events/4411", Verdict: delivery.Retry, Attempts: 1, Age: time.Minute, Err: errors.New("busy"),
		})
		require.Empty(t, spans.GetSpans())
		observe(t.Context(), delivery.Settled{
			Lane: "events/4411", Verdict: delivery.Bury, Reason: delivery.ReasonRefused, Attempts: 2, Age: time.Hour,
			Err: errors.New("no permission"),
		})
		require.Len(t, spans.GetSpans(), 1)
		span := spans.GetSpans()[0]
		require.Equal(t, "deliver events", span.Name)
		require.Equal(t, time.Hour, span.EndTime.Sub(span.StartTime))
		require.Equal(t, sdktrace.Status{Code: codes.Error, Description: "no permission"}, span.Status)
		require.ElementsMatch(t, []attribute.KeyValue{
			attribute.String("edge", "events"), attribute.String("lane", "events/4411"), attribute.Int("attempts", 2),
			attribute.String("verdict", "buried"), attribute.String("reason", "refused"),
		}, span.Attributes)
		require.Equal(t, `metric: appevents.calls.age edge=events,reason=refused,verdict=buried: 1
metric: appevents.calls.settled edge=events,reason=refused,verdict=buried: 1
metric: appevents.calls.settled edge=events,verdict=retry: 1
`, collect(t, reader))
	})
}

func TestObserveQueue_AsksWhenMetricsAreCollected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		stats := delivery.Stats{Pending: 7, PausedLanes: 2, Kept: 3, Retries: 40, Oldest: time.Now()}
		asked := 0
		require.NoError(t, observeQueue(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), func() delivery.Stats {
			asked++
			return stats
		}))
		require.Zero(t, asked)
		timer := time.NewTimer(90 * time.Second)
		<-timer.C
		require.Equal(t, `metric: appevents.dispatcher.retries: 40
metric: appevents.queue.buried: 3
metric: appevents.queue.oldest_age: 90s
metric: appevents.queue.paused_lanes: 2
metric: appevents.queue.pending: 7
`, collect(t, reader))
		require.Equal(t, 1, asked)
	})
}

func collect(t *testing.T, reader sdkmetric.Reader) string {
	t.Helper()
	var (
		collected metricdata.ResourceMetrics
		out       bytes.Buffer
	)
	require.NoError(t, reader.Collect(context.WithoutCancel(t.Context()), &collected))
	require.NoError(t, printMetrics(&out, collected))
	return out.String()
}
