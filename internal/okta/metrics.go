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
	tokens   *prometheus.CounterVec
	refused  *prometheus.CounterVec
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
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "okta_collector_okta_tokens_total",
			Help: "Access tokens that a service app has got, by type: Bearer or DPoP.",
		}, []string{"tenant", "type"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "okta_collector_okta_sign_in_refused_total",
			Help: "Answers that refuse what a service app has signed, by reason: scope (not granted), client, token (401), proof, or nonce (a new one is demanded).",
		}, []string{"tenant", "reason"}),
		budgets: budget.NewMetrics(reg),
	}
	reg.MustRegister(m.requests, m.seconds, m.tokens, m.refused)
	return m
}

// watch exports an org's budget. With a service app, it also begins the counters of the sign-in at 0.
func (m *Metrics) watch(tenant string, b *budget.Budget, serviceApp bool) {
	if m == nil {
		return
	}
	var windows []string
	for _, c := range catalog {
		windows = append(windows, c.window())
	}
	if serviceApp {
		windows = append(windows, tokenPath)
		for _, reason := range []refusalReason{refusedScope, refusedClient, refusedToken, refusedProof, refusedNonce} {
			m.refused.WithLabelValues(tenant, string(reason))
		}
	}
	m.budgets.Watch(tenant, b, windows)
}

// refusalReason is what Okta refuses of a service app's signature.
type refusalReason string

const (
	refusedScope  refusalReason = "scope"
	refusedClient refusalReason = "client"
	refusedToken  refusalReason = "token"
	refusedProof  refusalReason = "proof"
	refusedNonce  refusalReason = "nonce"
	refusedTime   refusalReason = "time" // not counted: Okta does not say so
)

func (m *Metrics) signInRefused(tenant string, reason refusalReason) {
	if m != nil {
		m.refused.WithLabelValues(tenant, string(reason)).Inc()
	}
}

func (m *Metrics) token(tenant, scheme string) {
	if m != nil {
		m.tokens.WithLabelValues(tenant, scheme).Inc()
	}
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
