// Otel shows OpenTelemetry traces and metrics of the SDK: the transport is wrapped for a span of every request, the
// observer records a histogram of durations and a gauge of Graph's limits. A real program sends both to a collector;
// this one reads them back and prints them.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

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
	observer, err := newObserver(meters.Meter("github.com/appevents/appevents-go"))
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

func run(ctx context.Context, out io.Writer) error {
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
	_, err = client.LogActivity(ctx, &appevents.Activity{
		Thread:  appevents.Thread{PageID: "107001112223334", PSID: "6543210987654321"},
		Consent: appevents.ConsentAllowed,
		Events:  []appevents.Event{appevents.LeadSubmitted()},
	})
	if err != nil {
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

func printMetrics(out io.Writer, collected metricdata.ResourceMetrics) error {
	var lines []string
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					lines = append(lines, fmt.Sprintf("metric: %s %s: %d", m.Name, labels(p.Attributes), p.Count))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					lines = append(lines, fmt.Sprintf("metric: %s %s: %g%s", m.Name, labels(p.Attributes), p.Value, m.Unit))
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

func labels(set attribute.Set) string { return set.Encoded(attribute.DefaultEncoder()) }
