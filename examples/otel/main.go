// Otel shows OpenTelemetry traces and metrics of the SDK. Of requests: the transport is wrapped for a span of each, the
// client's observer records a histogram of durations and a gauge of Graph's limits. Of durable delivery: the
// dispatcher's observer gives each call a span and counts outcomes, and gauges show how its queue fares. A real program
// sends all that to a collector; this one reads it back and prints it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
)

// scopeName says whose spans and metrics they are.
const scopeName = "github.com/appevents/appevents-go"

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// newClient returns a client whose requests are traced and measured.
func newClient(
	appID string, tracers trace.TracerProvider, meters metric.MeterProvider, opts ...appevents.Option,
) (*appevents.Client, error) {
	observer, err := newObserver(meters.Meter(scopeName))
	if err != nil {
		return nil, err
	}
	// URLs hold no credential, so they may show up in spans: all but InspectToken's, which Graph wants to hold the token
	// inspected. Call that on a client without tracing.
	transport := otelhttp.NewTransport(http.DefaultTransport, otelhttp.WithTracerProvider(tracers),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return "graph " + r.URL.Path }))
	return appevents.New(appID, append([]appevents.Option{
		appevents.WithHTTPClient(&http.Client{Transport: transport}),
		appevents.WithObserver(observer),
	}, opts...)...)
}

// newObserver records every request.
func newObserver(meter metric.Meter) (func(context.Context, appevents.CallInfo), error) {
	duration, err := meter.Float64Histogram("appevents.request.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of requests to the Graph API"))
	if err != nil {
		return nil, err
	}
	usage, err := meter.Float64Gauge("appevents.usage",
		metric.WithUnit("%"), metric.WithDescription("Share of the tightest Graph limit that is used up"))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, info appevents.CallInfo) {
		duration.Record(ctx, info.Duration.Seconds(), metric.WithAttributes(
			attribute.String("edge", info.Edge),
			attribute.String("outcome", info.Outcome.String()),
			attribute.Int("attempt", info.Attempt),
		))
		if percent := info.Usage.Max(); percent > 0 {
			usage.Record(ctx, percent, metric.WithAttributes(attribute.String("scope", info.Scope.Kind.String())))
		}
	}, nil
}

func run(ctx context.Context, out io.Writer) (err error) {
	spans := tracetest.NewInMemoryExporter()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))

	graph, err := graphtest.Start(graphtest.WithUsage(42))
	if err != nil {
		return err
	}
	defer graph.Close()
	graph.Inject(graphtest.Transient) // the first request is refused, and repeated
	client, err := newClient("1517776481860111", tracers, meters, appevents.WithBaseURL(graph.URL))
	if err != nil {
		return err
	}
	queue := memqueue.New()
	defer func() { err = errors.Join(err, queue.Close()) }() // after the figures have been collected
	if err := deliverOne(ctx, client, queue, tracers, meters); err != nil {
		return err
	}
	for _, span := range spans.GetSpans() {
		fmt.Fprintln(out, "span:", span.Name)
	}
	var collected metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &collected); err != nil {
		return err
	}
	return printMetrics(out, collected)
}

// deliverOne submits a call and returns when it is delivered.
func deliverOne(
	ctx context.Context, client *appevents.Client, queue delivery.Queue,
	tracers trace.TracerProvider, meters metric.MeterProvider,
) error {
	observe, err := observeSettled(tracers, meters)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	dispatcher, err := delivery.New(client, queue,
		delivery.WithRetryDelay(10*time.Millisecond, time.Second),
		delivery.WithObserver(func(ctx context.Context, s delivery.Settled) {
			observe(ctx, s)
			if s.Verdict != delivery.Retry {
				stop()
			}
		}))
	if err != nil {
		return err
	}
	if err := observeQueue(meters, dispatcher.Stats); err != nil {
		return err
	}
	if err := dispatcher.Submit(ctx, "a lead", &appevents.Activity{
		Thread:  appevents.Thread{PageID: "107001112223334", PSID: "6543210987654321"},
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{appevents.LeadSubmitted()},
	}); err != nil {
		return err
	}
	return dispatcher.Run(running)
}

// printMetrics prints the figures that were collected, of histograms how many there are.
func printMetrics(out io.Writer, collected metricdata.ResourceMetrics) error {
	var lines []string
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			add := func(set attribute.Set, value string) {
				name := m.Name
				if labels := set.Encoded(attribute.DefaultEncoder()); labels != "" {
					name += " " + labels
				}
				lines = append(lines, fmt.Sprintf("metric: %s: %s", name, value))
			}
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, fmt.Sprint(p.Count))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, fmt.Sprint(p.Value)+m.Unit)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, fmt.Sprint(p.Value))
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, fmt.Sprint(p.Value))
				}
			}
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}
