package activities

import (
	"github.com/prometheus/client_golang/prometheus"

	"okta-collector/internal/devo"
	"okta-collector/workflows"
)

// Metrics are the slices' metrics. A nil *Metrics records nothing.
type Metrics struct {
	events, bytes, pages, cut, again, slices, failures *prometheus.CounterVec
}

// NewMetrics registers the slices' metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "okta_collector_" + name, Help: help}, append([]string{"tenant", "service"}, labels...))
		reg.MustRegister(c)
		return c
	}
	return &Metrics{
		events:   counter("events_total", "Objects delivered to Devo."),
		bytes:    counter("bytes_total", "Bytes of JSON delivered to Devo, framing not included."),
		pages:    counter("pages_total", "Pages delivered to Devo."),
		cut:      counter("events_cut_total", "Objects above DEVO_MAX_EVENT that were delivered cut and marked."),
		again:    counter("events_unconfirmed_total", "Objects whose delivery Devo's side did not confirm, and that are sent again."),
		slices:   counter("slices_total", "Slices that ended well, by how they ended.", "end"),
		failures: counter("slice_failures_total", "Slices that failed, by class.", "class"),
	}
}

// serviceMetrics are a service's metrics.
type serviceMetrics struct {
	m               *Metrics
	tenant, service string
}

func (m *Metrics) of(tenant, service string) serviceMetrics {
	return serviceMetrics{m, tenant, service}
}

func (s serviceMetrics) shipped(objects int, stats devo.Stats) {
	if s.m == nil {
		return
	}
	s.m.events.WithLabelValues(s.tenant, s.service).Add(float64(objects))
	s.m.bytes.WithLabelValues(s.tenant, s.service).Add(float64(stats.Bytes))
	s.m.cut.WithLabelValues(s.tenant, s.service).Add(float64(stats.Cut))
}

func (s serviceMetrics) page() {
	if s.m != nil {
		s.m.pages.WithLabelValues(s.tenant, s.service).Inc()
	}
}

func (s serviceMetrics) unconfirmed(objects int) {
	if s.m != nil {
		s.m.again.WithLabelValues(s.tenant, s.service).Add(float64(objects))
	}
}

func (s serviceMetrics) slice(end workflows.End) {
	if s.m != nil {
		s.m.slices.WithLabelValues(s.tenant, s.service, string(end)).Inc()
	}
}

func (s serviceMetrics) failed(class workflows.Class) {
	if s.m != nil {
		s.m.failures.WithLabelValues(s.tenant, s.service, string(class)).Inc()
	}
}
