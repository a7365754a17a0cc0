package budget

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the metrics of the budgets of all tenants.
type Metrics struct{ reg prometheus.Registerer }

// NewMetrics returns metrics that appear in a registry.
func NewMetrics(reg prometheus.Registerer) *Metrics { return &Metrics{reg} }

// Watch shows the budget of a tenant. The counters of the named windows begin at 0: a counter that begins with its first
// event has no increase that an alert could see.
func (m *Metrics) Watch(tenant string, b *Budget, windows []string) {
	b.mu.Lock()
	for _, name := range windows {
		b.window(name)
	}
	b.mu.Unlock()
	reg := prometheus.WrapRegistererWith(prometheus.Labels{"tenant": tenant}, m.reg)
	reg.Unregister(collector{b}) // if the tenant had another budget
	reg.MustRegister(collector{b})
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("okta_collector_okta_"+name, help, append([]string{"window"}, labels...), nil)
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

// A collector shows a budget's windows.
type collector struct{ *Budget }

// Describe implements prometheus.Collector.
func (collector) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waitsTotal, refusedTotal, budgetUsed, budgetLimit, windowLimit, windowRemaining, windowEnd} {
		c <- d
	}
}

// Collect implements prometheus.Collector. A window that is over shows as over, whether or not a request begins the
// next one.
func (b collector) Collect(c chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.windows {
		send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
			c <- prometheus.MustNewConstMetric(d, kind, v, append([]string{w.name}, labels...)...)
		}
		w.roll()
		send(waitsTotal, prometheus.CounterValue, float64(w.waits))
		send(refusedTotal, prometheus.CounterValue, float64(w.refused), "window")
		send(refusedTotal, prometheus.CounterValue, float64(w.crowded), "concurrency")
		if w.limit == 0 {
			continue
		}
		send(budgetUsed, prometheus.GaugeValue, float64(w.used()))
		send(budgetLimit, prometheus.GaugeValue, float64(w.allowed()))
		send(windowLimit, prometheus.GaugeValue, float64(w.limit))
		send(windowRemaining, prometheus.GaugeValue, float64(max(w.remaining, 0)))
		if !w.ends.IsZero() {
			send(windowEnd, prometheus.GaugeValue, float64(w.ends.UnixMilli())/1000)
		}
	}
}
