package budget

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of the budgets of all tenants. A nil *Metrics shows nothing.
type Metrics struct {
	mu      sync.Mutex
	budgets map[string]*Budget // by tenant
}

// NewMetrics registers the metrics of budgets.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{budgets: map[string]*Budget{}}
	reg.MustRegister(m)
	return m
}

// Watch shows the budget of a tenant. The counters of the named windows begin at 0: a counter that begins with its first
// event has no increase that an alert could see.
func (m *Metrics) Watch(tenant string, b *Budget, windows []string) {
	if m == nil {
		return
	}
	b.mu.Lock()
	for _, name := range windows {
		b.window(name)
	}
	b.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.budgets[tenant] = b
}

// counts are what is counted of a window since the worker started.
type counts struct{ waits, refused, crowded int }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("okta_collector_okta_"+name, help, append([]string{"tenant", "window"}, labels...), nil)
}

var (
	waitsTotal      = desc("budget_waits_total", "Requests that were not sent because the share of a rate limit was used up.")
	refusedTotal    = desc("rate_limited_total", "Answers 429: reason is window where a minute's requests were used up, concurrency where too many were under way at once.", "reason")
	budgetUsed      = desc("budget_used", "Requests of this worker's in the rate-limit window under way; 0 between windows.")
	budgetLimit     = desc("budget_limit", "Requests in a window that this worker lets itself use: OKTA_RATE_SHARE of Okta's limit.")
	windowLimit     = desc("window_limit", "Requests in a window that Okta allows the whole org.")
	windowRemaining = desc("window_remaining", "Requests that Okta still allows the org in the window under way, as of the last answer; all of them between windows.")
	windowEnd       = desc("window_end_timestamp_seconds", "When the rate-limit window under way ends, in seconds since the epoch by this machine's clock; absent between windows.")
)

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waitsTotal, refusedTotal, budgetUsed, budgetLimit, windowLimit, windowRemaining, windowEnd} {
		c <- d
	}
}

// Collect implements prometheus.Collector. It looks at the windows when it is asked: one that is over shows as over,
// whether or not a request begins the next one.
func (m *Metrics) Collect(c chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for tenant, b := range m.budgets {
		b.mu.Lock()
		for _, w := range b.windows {
			w.collect(func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
				c <- prometheus.MustNewConstMetric(d, kind, v, append([]string{tenant, w.name}, labels...)...)
			})
		}
		b.mu.Unlock()
	}
}

// collect changes nothing: looking on does not begin a window.
func (w *window) collect(send func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string)) {
	send(waitsTotal, prometheus.CounterValue, float64(w.counts.waits))
	send(refusedTotal, prometheus.CounterValue, float64(w.counts.refused), "window")
	send(refusedTotal, prometheus.CounterValue, float64(w.counts.crowded), "concurrency")
	if w.limit == 0 {
		return
	}
	used, remaining := w.used(), max(w.remaining, 0)
	if w.over() {
		_, used = w.requests()
		remaining = w.limit
	} else if !w.ends.IsZero() {
		send(windowEnd, prometheus.GaugeValue, float64(w.ends.UnixMilli())/1000)
	}
	send(budgetUsed, prometheus.GaugeValue, float64(used))
	send(budgetLimit, prometheus.GaugeValue, float64(w.allowed()))
	send(windowLimit, prometheus.GaugeValue, float64(w.limit))
	send(windowRemaining, prometheus.GaugeValue, float64(remaining))
}
