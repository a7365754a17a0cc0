package okta

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"okta-collector/internal/budget"
)

// Metrics are the source's metrics. A nil *Metrics records nothing.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	budgets  *budget.Metrics
}

// NewMetrics registers the source's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "okta_collector_okta_requests_total",
			Help: "Requests sent to Okta, by endpoint and HTTP status; status 0 is a request without an answer.",
		}, []string{"tenant", "window", "endpoint", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "okta_collector_okta_fetch_seconds",
			Help:    "Seconds to fetch a page from Okta, with its body.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 11),
		}, []string{"tenant", "window", "endpoint"}),
		budgets: budget.NewMetrics(reg),
	}
	reg.MustRegister(m.requests, m.seconds)
	return m
}

// watch exports an org's budget.
func (m *Metrics) watch(tenant string, b *budget.Budget) {
	if m == nil {
		return
	}
	var windows []string
	for _, c := range catalog {
		windows = append(windows, c.window())
	}
	m.budgets.Watch(tenant, b, windows)
}

func (m *Metrics) request(tenant string, c Collection, status int) {
	if m != nil {
		m.requests.WithLabelValues(tenant, c.window(), c.Path, strconv.Itoa(status)).Inc()
	}
}

func (m *Metrics) fetched(tenant string, c Collection, started time.Time) {
	if m != nil {
		m.seconds.WithLabelValues(tenant, c.window(), c.Path).Observe(time.Since(started).Seconds())
	}
}
