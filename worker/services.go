package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"okta-collector/internal/okta"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

const (
	// listEvery is the time between two lists of what runs, and listTimeout bounds one request for it.
	listEvery   = 30 * time.Second
	listTimeout = 10 * time.Second
	// maxListAge: while Temporal does not answer, the last list is exported until it is this old. Other workers may have
	// a newer one.
	maxListAge = 3 * time.Minute
)

// services exports the state of every service of the task queue. Only Temporal knows all of them: no worker runs a paused
// or blocked service. So every worker asks Temporal, and exports the same. Tenants without settings here are counted
// together, and so are services that are not in the catalog.
type services struct {
	tenants []string // of the settings
	mu      sync.Mutex
	counts  map[serviceState]int
	asked   time.Time // when Temporal last answered
	up      bool      // whether it answered the last request
}

// serviceState are the labels by which running workflows are counted.
type serviceState struct{ tenant, service, kind, state string }

var (
	servicesDesc = prometheus.NewDesc("okta_collector_services",
		"Services that run in the task queue, as Temporal knows them, by kind (live, backfill) and state (collecting, paused, blocked). Every worker exports the same: join them by max.",
		[]string{"tenant", "service", "kind", "state"}, nil)
	temporalUpDesc = prometheus.NewDesc("okta_collector_temporal_up",
		"1 if Temporal answered this worker the last time it asked for the running services, 0 if not, or not yet.", nil, nil)
)

// Describe implements prometheus.Collector.
func (s *services) Describe(c chan<- *prometheus.Desc) { c <- servicesDesc; c <- temporalUpDesc }

// Collect implements prometheus.Collector.
func (s *services) Collect(c chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	up := 0.0
	if s.up {
		up = 1
	}
	c <- prometheus.MustNewConstMetric(temporalUpDesc, prometheus.GaugeValue, up)
	if time.Since(s.asked) > maxListAge {
		return
	}
	for k, n := range s.counts {
		c <- prometheus.MustNewConstMetric(servicesDesc, prometheus.GaugeValue, float64(n), k.tenant, k.service, k.kind, k.state)
	}
}

// watch keeps s up to date until ctx ends. It logs when Temporal stops answering and when it answers again, but not each
// attempt in between.
func (s *services) watch(ctx context.Context, temporal status.Lister, taskQueue string, log *zap.Logger) {
	for failing := false; ; {
		counts, err := countServices(ctx, temporal, taskQueue, s.tenants)
		if ctx.Err() != nil {
			return
		}
		s.update(counts, err)
		switch {
		case err != nil && !failing:
			log.Warn("the metric okta_collector_services is not up to date", zap.Error(err))
		case err == nil && failing:
			log.Info("the metric okta_collector_services is up to date again")
		}
		failing = err != nil
		if sleep(ctx, listEvery) != nil {
			return
		}
	}
}

func (s *services) update(counts map[serviceState]int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up = err == nil; s.up {
		s.counts, s.asked = counts, time.Now()
	}
}

// countServices counts the running workflows. A service is in one state, and its count in the others is 0.
func countServices(ctx context.Context, temporal status.Lister, taskQueue string, tenants []string) (map[serviceState]int, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	runs, err := status.List(ctx, temporal, fmt.Sprintf(`WorkflowType IN (%q, %q) AND ExecutionStatus = "Running" AND TaskQueue = %q`,
		workflows.CollectName, workflows.BackfillName, taskQueue))
	counts := map[serviceState]int{}
	for _, run := range runs {
		tenant, service, err := workflows.ParseWorkflowID(run.GetExecution().GetWorkflowId())
		if err != nil {
			continue // it ends by itself: a Collect checks its id
		}
		if !slices.Contains(tenants, tenant) {
			tenant = unknown
		}
		if _, ok := okta.Lookup(service); !ok {
			service = unknown
		}
		kind := "live"
		if run.GetType().GetName() == workflows.BackfillName {
			kind = "backfill"
		}
		for _, state := range workflows.AttributeStates() {
			counts[serviceState{tenant, service, kind, state}] += 0
		}
		counts[serviceState{tenant, service, kind, status.State(run, workflows.DataConverter())}]++
	}
	return counts, err
}
