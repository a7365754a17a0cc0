package devo

import "github.com/prometheus/client_golang/prometheus"

// Metrics are a sink's metrics.
type Metrics struct {
	connections, lost, unanswered prometheus.Counter
	weaker                        prometheus.Gauge
	seconds                       prometheus.Histogram
}

// NewMetrics registers a sink's metrics. reg adds a label if there are several sinks.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "okta_collector_devo_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	m := &Metrics{
		connections: counter("connections_total", "Connections opened to Devo; over TLS and TCP each ends with the batches that it carries."),
		lost:        counter("connections_lost_total", "Connections to Devo that ended before their batch was confirmed."),
		unanswered:  counter("closes_unanswered_total", "Connections that the server left open after our close; its kernel's acknowledgement counted instead."),
		weaker: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "okta_collector_devo_weaker_proof",
			Help: "1 while batches count as delivered by a proof that something on the way can give, else 0.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "okta_collector_devo_ship_seconds",
			Help:    "Seconds to deliver a batch to Devo, from connecting to confirmation.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}),
	}
	reg.MustRegister(m.weaker, m.seconds)
	return m
}
