package budget

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the metrics of the budgets of all tenants.
type Metrics struct{ reg prometheus.Registerer }

// NewMetrics returns metrics that Watch registers with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics { return &Metrics{reg} }

// Watch exports the budget of a tenant. The counters of the named windows exist from the start, at 0. A counter that
// appears with its first event has no increase that an alert could see.
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
	refusedTotal    = desc("rate_limited_total", "429 answers, by reason: window (the requests of the minute were used up) or concurrency (too many at once).", "reason")
	budgetUsed      = desc("budget_used", "Requests of this worker and of previous ones in the current rate-limit window; 0 between windows.")
	budgetLimit     = desc("budget_limit", "Requests that this worker may send in a window: OKTA_RATE_SHARE of Okta's limit.")
	windowLimit     = desc("window_limit", "Requests that Okta allows the whole org in a window.")
	windowRemaining = desc("window_remaining", "Requests that Okta still allows the org in the current window, as of the last answer; the whole limit between windows.")
	windowEnd       = desc("window_end_timestamp_seconds", "End of the current rate-limit window, in Unix seconds by this machine's clock; absent between windows.")
)

// A collector exports the windows of a budget.
type collector struct{ *Budget }

// Describe implements prometheus.Collector.
func (collector) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waitsTotal, refusedTotal, budgetUsed, budgetLimit, windowLimit, windowRemaining, windowEnd} {
		c <- d
	}
}

// Collect implements prometheus.Collector. It first ends the windows that are over, because no request may have done
// that yet.
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
		send(refusedTotal, prometheus.CounterValue, float64(w.concurrent), "concurrency")
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
