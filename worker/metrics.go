package worker

import (
	"fmt"
	"maps"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.uber.org/zap"

	"okta-collector/internal/buildinfo"
	"okta-collector/workflows"
)

// unknown stands in a label for each name that is neither in the settings nor in the catalog. Whoever may write to the
// namespace can choose any name, and each would be one more time series.
const unknown = "unknown"

// latencyBuckets are the bounds of the SDK's histograms in seconds. OpenTelemetry's defaults are meant for milliseconds.
// A slice takes longest: a minute.
var latencyBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120}

// newRegistry returns a registry with the metrics of the process. options sends those of Temporal's SDK there too.
func newRegistry(log *zap.Logger, options *client.Options) (*prometheus.Registry, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "okta_collector_build_info",
			Help:        "1; the label version says which version this worker is.",
			ConstLabels: prometheus.Labels{"version": buildinfo.Version()},
		}, func() float64 { return 1 }),
	)
	exporter, err := otelprometheus.New(
		otelprometheus.WithRegisterer(registry),
		otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithoutTargetInfo(),
	)
	if err != nil {
		return nil, fmt.Errorf("exporting the metrics of Temporal's SDK: %w", err)
	}
	provider := metric.NewMeterProvider(metric.WithReader(exporter), metric.WithView(metric.NewView(
		metric.Instrument{Kind: metric.InstrumentKindHistogram},
		metric.Stream{Aggregation: metric.AggregationExplicitBucketHistogram{Boundaries: latencyBuckets}},
	)))
	options.MetricsHandler = knownTypes{opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                provider.Meter("temporal-sdk-go"),
		UseMonotonicCounters: true,
		OnError:              func(err error) { log.Warn("a metric of Temporal's SDK cannot be recorded", zap.Error(err)) },
	})}
	return registry, nil
}

// knownTypes replaces types of workflows and activities that the collector does not have, in the labels of the SDK.
type knownTypes struct{ client.MetricsHandler }

// WithTags implements client.MetricsHandler.
func (k knownTypes) WithTags(tags map[string]string) client.MetricsHandler {
	known := maps.Clone(tags)
	for _, label := range []string{"workflow_type", "activity_type"} {
		switch known[label] {
		case "", "none", workflows.CollectName, workflows.BackfillName, workflows.TenantName, workflows.CollectSliceName:
		default:
			known[label] = unknown
		}
	}
	return knownTypes{k.MetricsHandler.WithTags(known)}
}
