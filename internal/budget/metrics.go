package budget

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of the budgets of all tenants.
type Metrics struct{ reg prometheus.Registerer }

// NewMetrics returns metrics that Watch registers with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics { return &Metrics{reg} }

// Watch exports the budget of a tenant. The counters of the named windows exist from the start, at 0. A counter that
// appears with its first event has no increase that an alert could see.
func (m *Metrics) Watch(tenant string, b *Budget, windows []string) {
	b.mu.Lock()
	for _, name := range windows {
		b.of(name)
	}
	b.mu.Unlock()
	reg := prometheus.WrapRegistererWith(prometheus.Labels{"tenant": tenant}, m.reg)
	reg.Unregister(collector{b}) // if the tenant had another budget
	reg.MustRegister(collector{b})
}

// shown is what the metrics show of a window: the newest of what the members on this worker know.
type shown struct {
	limit, remaining, allowed int
	// sent counts this worker's requests in the window, and previous those of earlier slices.
	sent, previous int
	ends           time.Time
	// Since the start: requests not sent, 429s for the window, and 429s for too many at once.
	waits, refused, concurrent int
}

// of returns what is shown of a window. The caller holds the mutex.
func (b *Budget) of(window string) *shown {
	s := b.shown[window]
	if s == nil {
		s = &shown{}
		b.shown[window] = s
	}
	if !s.ends.IsZero() && !b.now().Before(s.ends) {
		s.remaining, s.sent, s.previous, s.ends = s.limit, 0, 0, time.Time{}
	}
	return s
}

// count changes what is shown of a window.
func (b *Budget) count(window string, change func(*shown)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b.of(window))
}

// show shows what a member knows of a window.
func (b *Budget) show(w *window) {
	b.count(w.name, func(s *shown) {
		if s.limit = w.limit; s.limit > 0 {
			s.remaining, s.allowed, s.previous, s.ends = w.remaining, w.allowed(), w.previous, w.ends
		}
	})
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("okta_collector_okta_"+name, help, append([]string{"window"}, labels...), nil)
}

var (
	waitsTotal      = desc("budget_waits_total", "Requests that were not sent because the share of a rate limit was used up.")
	refusedTotal    = desc("rate_limited_total", "429 answers, by reason: window (the requests of the minute were used up) or concurrency (too many at once).", "reason")
	budgetUsed      = desc("budget_used", "Requests of this worker in the current rate-limit window, with those that earlier slices sent; 0 between windows.")
	budgetLimit     = desc("budget_limit", "Requests that all workers together may send in a window: OKTA_RATE_SHARE of Okta's limit.")
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
	for name := range b.shown {
		send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
			c <- prometheus.MustNewConstMetric(d, kind, v, append([]string{name}, labels...)...)
		}
		s := b.of(name)
		send(waitsTotal, prometheus.CounterValue, float64(s.waits))
		send(refusedTotal, prometheus.CounterValue, float64(s.refused), "window")
		send(refusedTotal, prometheus.CounterValue, float64(s.concurrent), "concurrency")
		if s.limit == 0 {
			continue
		}
		send(budgetUsed, prometheus.GaugeValue, float64(s.sent+s.previous))
		send(budgetLimit, prometheus.GaugeValue, float64(s.allowed))
		send(windowLimit, prometheus.GaugeValue, float64(s.limit))
		send(windowRemaining, prometheus.GaugeValue, float64(max(s.remaining, 0)))
		if !s.ends.IsZero() {
			send(windowEnd, prometheus.GaugeValue, float64(s.ends.UnixMilli())/1000)
		}
	}
}
