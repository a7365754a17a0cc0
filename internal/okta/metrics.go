package okta

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the source's metrics. A nil *Metrics records nothing.
type Metrics struct {
	requests *prometheus.CounterVec
	limited  *prometheus.CounterVec
}

// NewMetrics registers the source's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "okta_collector_okta_requests_total",
			Help: "Requests sent to Okta, by rate-limit bucket and HTTP status; status 0 is a request without an answer.",
		}, []string{"tenant", "bucket", "status"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "okta_collector_okta_budget_waits_total",
			Help: "Requests that were not sent because the share of a rate limit was used up.",
		}, []string{"tenant", "bucket"}),
	}
	reg.MustRegister(m.requests, m.limited)
	return m
}

func (m *Metrics) request(tenant, bucket string, status int) {
	if m != nil {
		m.requests.WithLabelValues(tenant, bucket, strconv.Itoa(status)).Inc()
	}
}

func (m *Metrics) wait(tenant, bucket string) {
	if m != nil {
		m.limited.WithLabelValues(tenant, bucket).Inc()
	}
}
