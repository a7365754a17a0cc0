package activities

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

// Metrics are the slices' metrics. A service moves between workers, so a gauge of one worker goes stale. The state of a
// service is therefore exported as timestamps. The latest of all workers counts: `max by (tenant, service)`.
type Metrics struct {
	events, bytes, pages, cut, again       *prometheus.CounterVec
	dropped, records                       *prometheus.CounterVec
	deliveries, oddities, slices, failures *prometheus.CounterVec

	checkpointed, caughtUp, nextPull, newest, succeeded, failedAt *prometheus.GaugeVec

	unreached *prometheus.GaugeVec
}

// NewMetrics registers the slices' metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return promauto.With(reg).NewCounterVec(prometheus.CounterOpts{Name: "okta_collector_" + name, Help: help},
			append([]string{"tenant", "service", "kind"}, labels...))
	}
	timestamp := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "okta_collector_" + name + "_timestamp_seconds", Help: help + " In seconds since the epoch; of live collection only.",
		}, append([]string{"tenant", "service"}, labels...))
	}
	return &Metrics{
		events:     counter("events_total", "Objects delivered to Devo; kind is live or backfill."),
		bytes:      counter("bytes_total", "Bytes of JSON delivered to Devo, framing not included."),
		pages:      counter("pages_total", "Pages from Okta that were delivered to Devo as a whole."),
		cut:        counter("events_cut_total", "Objects above DEVO_MAX_EVENT that were delivered cut and marked."),
		dropped:    counter("events_dropped_total", "Events of the types in OKTA_DROP_EVENTS, which are not delivered."),
		records:    counter("records_total", "Records delivered to Devo beside the objects: pulls that begin and end, and deletions."),
		again:      counter("events_unconfirmed_total", "Objects whose delivery Devo's side did not confirm, and that are sent again: Devo may have them twice."),
		deliveries: counter("deliveries_total", "Batches (pages, or parts of them) for Devo, by outcome: confirmed; unconfirmed, which Devo may have and which are sent again; unsent, for instance because Devo was not reached, which are tried again.", "outcome"),
		oddities:   counter("oddities_total", "What was not in order in Okta's answers, by what was done about it: unreadable and replaced elements of pages, repeated objects; parents gone, aside and missing; incomplete pulls.", "oddity"),
		slices:     counter("slices_total", "Slices that ended well, by how they ended.", "end"),
		failures:   counter("slice_failures_total", "Slices that failed, by class.", "class"),

		checkpointed: timestamp("checkpoint", "When Temporal last acknowledged a checkpoint with progress in it, or a slice found the end of what Okta has."),
		caughtUp:     timestamp("caught_up", "When a slice last found the end of what Okta has."),
		nextPull:     timestamp("next_pull", "When the pull after the last complete one is due."),
		newest:       timestamp("newest_event", "The latest `published` of the log events delivered."),
		succeeded:    timestamp("last_success", "When a slice last ended well."),
		failedAt:     timestamp("last_failure", "When a slice last failed, by class.", "class"),

		unreached: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "okta_collector_peer_unreached",
			Help: "1 while this worker does not reach a tenant's Okta or Devo, and so hands the tenant's slices back; else 0.",
		}, []string{"tenant", "peer"}),
	}
}

// Values of labels.
const (
	live, backfill = "live", "backfill"
	// unknown stands for each tenant or service that this worker does not know. An input can have any name, and each
	// name would be one more time series.
	unknown = "unknown"
	// Devo may have a batch that is unconfirmed. It cannot have one that is unsent.
	confirmed, unconfirmed, unsent = "confirmed", "unconfirmed", "unsent"
)

// refused counts a slice that its workflow may not run. Nothing in its input is a label.
func (m *Metrics) refused() { m.failures.WithLabelValues(unknown, unknown, unknown, notOwner).Inc() }

// serviceMetrics are the metrics of one service's slices.
type serviceMetrics struct {
	m                     *Metrics
	tenant, service, kind string
	from                  checkpoint.Checkpoint // where the slice began
}

func (c *Collector) metricsOf(in workflows.SliceInput) serviceMetrics {
	s := serviceMetrics{c.metrics, in.Tenant, in.Service, live, in.Checkpoint}
	if in.Backfill != nil {
		s.kind = backfill
	}
	if _, ok := c.tenants[in.Tenant]; !ok {
		s.tenant = unknown
	}
	if _, ok := okta.Lookup(in.Service); !ok {
		s.service = unknown
	}
	// Counters begin at 0. An alert sees no increase in a counter that begins with its first event.
	for _, c := range []*prometheus.CounterVec{s.m.events, s.m.bytes, s.m.pages, s.m.cut, s.m.dropped, s.m.records, s.m.again} {
		s.add(c, 0)
	}
	for _, outcome := range []string{confirmed, unconfirmed, unsent} {
		s.add(s.m.deliveries, 0, outcome)
	}
	s.odd(checkpoint.Oddities{})
	return s
}

func (s serviceMetrics) add(c *prometheus.CounterVec, n float64, labels ...string) {
	c.WithLabelValues(append([]string{s.tenant, s.service, s.kind}, labels...)...).Add(n)
}

// at sets a timestamp. Only live collection has them.
func (s serviceMetrics) at(g *prometheus.GaugeVec, t time.Time, labels ...string) {
	if s.kind == live && !t.IsZero() {
		g.WithLabelValues(append([]string{s.tenant, s.service}, labels...)...).Set(float64(t.UnixMilli()) / 1000)
	}
}

// delivered counts a batch that was confirmed.
func (s serviceMetrics) delivered(b *batch, stats devo.Stats) {
	s.add(s.m.deliveries, 1, confirmed)
	s.add(s.m.events, float64(len(b.objects())))
	s.add(s.m.bytes, float64(stats.Bytes))
	s.add(s.m.cut, float64(stats.Cut))
	s.add(s.m.records, float64(len(b.before)+len(b.after)))
	if b.last() && len(b.page.Objects) > 0 {
		s.add(s.m.pages, 1)
	}
}

// odd counts oddities. It also makes the counters that stay at 0.
func (s serviceMetrics) odd(o checkpoint.Oddities) {
	for name, n := range o.All() {
		s.add(s.m.oddities, float64(n), name)
	}
}

// undelivered counts a batch whose delivery failed with err.
func (s serviceMetrics) undelivered(objects int, err error) {
	if errors.Is(err, devo.ErrUnsent) {
		s.add(s.m.deliveries, 1, unsent)
		return
	}
	s.add(s.m.deliveries, 1, unconfirmed)
	s.add(s.m.again, float64(objects))
}

// saved records an acknowledged checkpoint, and returns err. The first checkpoint of a slice is saved before anything is
// delivered, and is no progress.
func (s serviceMetrics) saved(c checkpoint.Checkpoint, err error) error {
	if err == nil && c.Delivered(s.from) {
		s.at(s.m.checkpointed, time.Now())
		s.at(s.m.newest, c.Position.Newest)
	}
	return err
}

// slice records a slice that did not fail.
func (s serviceMetrics) slice(r workflows.SliceResult) {
	s.add(s.m.slices, 1, string(r.End))
	s.at(s.m.succeeded, time.Now())
	s.at(s.m.newest, r.Checkpoint.Position.Newest)
	if r.End == workflows.EndCaughtUp {
		s.at(s.m.checkpointed, time.Now())
		s.at(s.m.caughtUp, time.Now())
		s.at(s.m.nextPull, time.Now().Add(r.Wait))
	}
}

// yielded counts a slice of a backfill that got no slot.
func (s serviceMetrics) yielded() { s.add(s.m.slices, 1, string(workflows.EndYielded)) }

// handedBack counts a slice that was not begun.
func (s serviceMetrics) handedBack() { s.add(s.m.slices, 1, string(workflows.EndHandedBack)) }

// failed records a slice that failed at a position.
func (s serviceMetrics) failed(class workflows.Class, at checkpoint.Position) {
	s.add(s.m.failures, 1, string(class))
	s.at(s.m.failedAt, time.Now(), string(class))
	switch class {
	case workflows.ClassNotInOrg:
		s.at(s.m.nextPull, time.Now().Add(workflows.NotInOrgRetry))
	case workflows.ClassCursorRefused:
		s.odd(checkpoint.Oddities{Repeated: at.Repeats()})
	}
}
