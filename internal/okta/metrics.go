package okta

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the source's metrics. A nil *Metrics records nothing.
type Metrics struct {
	requests, refused, waits *prometheus.CounterVec
	seconds                  *prometheus.HistogramVec
	budgets                  *budgets
}

// NewMetrics registers the source's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "okta_collector_okta_" + name, Help: help}, append([]string{"tenant", "bucket"}, labels...))
	}
	m := &Metrics{
		requests: counter("requests_total", "Requests sent to Okta, by endpoint and HTTP status; status 0 is a request without an answer.", "endpoint", "status"),
		refused:  counter("rate_limited_total", "Answers 429: reason is window where a minute's requests were used up, concurrency where too many were under way at once.", "reason"),
		waits:    counter("budget_waits_total", "Requests that were not sent because the share of a rate limit was used up."),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "okta_collector_okta_fetch_seconds",
			Help:    "How long it took to fetch a page from Okta, in seconds, its body included.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 11),
		}, []string{"tenant", "bucket", "endpoint"}),
		budgets: &budgets{},
	}
	reg.MustRegister(m.requests, m.refused, m.waits, m.seconds, m.budgets)
	return m
}

// Reasons of a 429.
const (
	refusedByWindow      = "window"
	refusedByConcurrency = "concurrency"
)

// watch exports an org's budget, and its rare events from 0 on: a counter that begins with its first
// event has no increase that an alert could see.
func (m *Metrics) watch(tenant string, b *budget) {
	if m == nil {
		return
	}
	for _, svc := range catalog {
		m.waits.WithLabelValues(tenant, svc.Bucket)
		m.refused.WithLabelValues(tenant, svc.Bucket, refusedByWindow)
		m.refused.WithLabelValues(tenant, svc.Bucket, refusedByConcurrency)
	}
	m.budgets.add(tenant, b)
}

func (m *Metrics) request(tenant string, svc Service, status int) {
	if m != nil {
		m.requests.WithLabelValues(tenant, svc.Bucket, svc.Path, strconv.Itoa(status)).Inc()
	}
}

func (m *Metrics) fetched(tenant string, svc Service, started time.Time) {
	if m != nil {
		m.seconds.WithLabelValues(tenant, svc.Bucket, svc.Path).Observe(time.Since(started).Seconds())
	}
}

func (m *Metrics) rateLimited(tenant, bucket string, rl rateLimit) {
	if m == nil {
		return
	}
	reason := refusedByWindow
	if rl.concurrency() {
		reason = refusedByConcurrency
	}
	m.refused.WithLabelValues(tenant, bucket, reason).Inc()
}

func (m *Metrics) wait(tenant, bucket string) {
	if m != nil {
		m.waits.WithLabelValues(tenant, bucket).Inc()
	}
}

// budgets reads the orgs' budgets when it is asked for them, so that a window that is over is
// seen to be, whether or not a request is sent in the next one.
type budgets struct {
	mu      sync.Mutex
	tenants []tenantBudget
}

type tenantBudget struct {
	tenant string
	budget *budget
}

func (s *budgets) add(tenant string, b *budget) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tenants = append(s.tenants, tenantBudget{tenant, b})
}

func budgetDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("okta_collector_okta_"+name, help, []string{"tenant", "bucket"}, nil)
}

var (
	budgetUsed      = budgetDesc("budget_used", "Requests of this worker's in the rate-limit window under way; 0 between windows.")
	budgetLimit     = budgetDesc("budget_limit", "Requests in a window that this worker lets itself use: OKTA_RATE_SHARE of Okta's limit.")
	windowLimit     = budgetDesc("window_limit", "Requests in a window that Okta allows the whole org.")
	windowRemaining = budgetDesc("window_remaining", "Requests that Okta still allows the org in the window under way, as of the last answer; all of them between windows.")
	windowEnd       = budgetDesc("window_end_timestamp_seconds", "When the rate-limit window under way ends, in seconds since the epoch by this machine's clock; absent between windows.")
)

// Describe implements prometheus.Collector.
func (s *budgets) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{budgetUsed, budgetLimit, windowLimit, windowRemaining, windowEnd} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (s *budgets) Collect(c chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tenants {
		for _, u := range t.budget.usage() {
			gauge := func(d *prometheus.Desc, v float64) {
				c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, t.tenant, u.bucket)
			}
			gauge(budgetUsed, float64(u.used))
			gauge(budgetLimit, float64(u.allowed))
			gauge(windowLimit, float64(u.limit))
			gauge(windowRemaining, float64(u.remaining))
			if !u.ends.IsZero() {
				gauge(windowEnd, float64(u.ends.UnixMilli())/1000)
			}
		}
	}
}

// usage is what is known of a bucket's window.
type usage struct {
	bucket                          string
	used, allowed, limit, remaining int
	ends                            time.Time // zero between windows
}

// usage returns what is known of each bucket whose limit is known. It changes nothing: whoever looks
// on has no part in when a window begins.
func (b *budget) usage() []usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []usage
	for _, k := range b.buckets {
		u := usage{k.name, k.used(), b.allowed(k), k.limit, max(k.remaining, 0), k.ends}
		if b.over(k) {
			u.used, u.remaining, u.ends = k.inFlight, k.limit, time.Time{}
		}
		if k.limit != 0 {
			all = append(all, u)
		}
	}
	return all
}

// over says whether the window that is known of is over.
func (b *budget) over(k *bucket) bool { return !k.ends.IsZero() && !b.now().Before(k.ends) }
