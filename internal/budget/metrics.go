package budget

import (
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of the budgets of all tenants. A nil *Metrics records nothing.
type Metrics struct {
	waits, refusals *prometheus.CounterVec

	mu      sync.Mutex
	budgets map[string]*Budget // by tenant
}

// NewMetrics registers the metrics of budgets.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, append([]string{"tenant", "window"}, labels...))
	}
	m := &Metrics{
		waits:    counter("budget_waits_total", "Requests that were not sent because the share of a rate limit was used up."),
		refusals: counter("rate_limited_total", "Answers 429: reason is window where a minute's requests were used up, concurrency where too many were under way at once.", "reason"),
		budgets:  map[string]*Budget{},
	}
	reg.MustRegister(m.waits, m.refusals, m)
	return m
}

// Reasons of a 429.
const (
	refusedByWindow      = "window"
	refusedByConcurrency = "concurrency"
)

// Watch exports the budget of a tenant, before it is used. The counters of the named windows begin at 0: a counter that
// begins with its first event has no increase that an alert could see.
func (m *Metrics) Watch(tenant string, b *Budget, windows []string) {
	if m == nil {
		return
	}
	for _, name := range windows {
		m.waits.WithLabelValues(tenant, name)
		m.refusals.WithLabelValues(tenant, name, refusedByWindow)
		m.refusals.WithLabelValues(tenant, name, refusedByConcurrency)
	}
	b.metrics, b.tenant = m, tenant
	m.mu.Lock()
	defer m.mu.Unlock()
	m.budgets[tenant] = b
}

func (m *Metrics) turnedAway(tenant, window string) {
	if m != nil {
		m.waits.WithLabelValues(tenant, window).Inc()
	}
}

func (m *Metrics) refused(tenant, window string, l Limits) {
	if m == nil {
		return
	}
	reason := refusedByWindow
	if l.Concurrency() {
		reason = refusedByConcurrency
	}
	m.refusals.WithLabelValues(tenant, window, reason).Inc()
}

const prefix = "okta_collector_okta_"

func gauge(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, []string{"tenant", "window"}, nil)
}

var (
	budgetUsed      = gauge("budget_used", "Requests of this worker's in the rate-limit window under way; 0 between windows.")
	budgetLimit     = gauge("budget_limit", "Requests in a window that this worker lets itself use: OKTA_RATE_SHARE of Okta's limit.")
	windowLimit     = gauge("window_limit", "Requests in a window that Okta allows the whole org.")
	windowRemaining = gauge("window_remaining", "Requests that Okta still allows the org in the window under way, as of the last answer; all of them between windows.")
	windowEnd       = gauge("window_end_timestamp_seconds", "When the rate-limit window under way ends, in seconds since the epoch by this machine's clock; absent between windows.")
)

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{budgetUsed, budgetLimit, windowLimit, windowRemaining, windowEnd} {
		c <- d
	}
}

// Collect implements prometheus.Collector. It reads the budgets, so that a window that is over shows as over, whether or
// not a request is sent in the next one.
func (m *Metrics) Collect(c chan<- prometheus.Metric) {
	m.mu.Lock()
	budgets := maps.Clone(m.budgets)
	m.mu.Unlock()
	for tenant, b := range budgets {
		for _, u := range b.Usage() {
			send := func(d *prometheus.Desc, v float64) {
				c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, tenant, u.Window)
			}
			send(budgetUsed, float64(u.Used))
			send(budgetLimit, float64(u.Allowed))
			send(windowLimit, float64(u.Limit))
			send(windowRemaining, float64(u.Remaining))
			if !u.Ends.IsZero() {
				send(windowEnd, float64(u.Ends.UnixMilli())/1000)
			}
		}
	}
}
