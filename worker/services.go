package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.uber.org/zap"

	"okta-collector/workflows"
)

const (
	// listEvery is how often Temporal is asked for what runs, and listTimeout bounds that.
	listEvery   = 30 * time.Second
	listTimeout = 10 * time.Second
	// listPage and maxServices bound what is read, in workflows.
	listPage    = 1000
	maxServices = 20_000
	// listMemory is how long the last answer counts while Temporal gives none. After that nothing
	// is said rather than something old: other workers may know better.
	listMemory = 3 * time.Minute
)

// services exports in which state every service of the task queue is. That is Temporal's
// knowledge: a paused or blocked service is in no worker's hands. So every worker asks, also for tenants
// that it has no settings for, and all export the same.
type services struct {
	mu     sync.Mutex
	counts map[serviceState]int
	asked  time.Time // when Temporal last answered
	up     bool      // it did the last time it was asked
}

// serviceState is what running workflows are counted by.
type serviceState struct{ tenant, service, kind, state string }

// states are the values of CollectorState.
var states = []string{workflows.AttributeCollecting, workflows.AttributePaused, workflows.AttributeBlocked}

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
	if time.Since(s.asked) > listMemory {
		return
	}
	for k, n := range s.counts {
		c <- prometheus.MustNewConstMetric(servicesDesc, prometheus.GaugeValue, float64(n), k.tenant, k.service, k.kind, k.state)
	}
}

// workflowLister is the part of Temporal's client that lists workflows.
type workflowLister interface {
	ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// watch keeps s up to date until ctx ends. It logs when Temporal stops answering and when it answers
// again, not each time in between.
func (s *services) watch(ctx context.Context, temporal workflowLister, taskQueue string, log *zap.Logger) {
	for failing := false; ; {
		counts, err := countServices(ctx, temporal, taskQueue)
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

// countServices counts what runs. A service is in one state, and its count in the others is 0.
func countServices(ctx context.Context, temporal workflowLister, taskQueue string) (map[serviceState]int, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: listPage,
		Query: fmt.Sprintf(`WorkflowType IN (%q, %q) AND ExecutionStatus = "Running" AND TaskQueue = %q`,
			workflows.CollectName, workflows.BackfillName, taskQueue),
	}
	counts := map[serviceState]int{}
	for read := 0; ; {
		page, err := temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("listing the running services: %w", err)
		}
		for _, execution := range page.Executions {
			count(counts, execution)
		}
		read += len(page.Executions)
		if request.NextPageToken = page.NextPageToken; len(page.NextPageToken) == 0 {
			return counts, nil
		}
		if read >= maxServices {
			return nil, fmt.Errorf("listing the running services: more than %d run", maxServices)
		}
	}
}

func count(counts map[serviceState]int, execution *workflow.WorkflowExecutionInfo) {
	tenant, service, err := workflows.ParseWorkflowID(execution.GetExecution().GetWorkflowId())
	if err != nil {
		return // it ends by itself: a Collect checks its id
	}
	kind := "live"
	if execution.GetType().GetName() == workflows.BackfillName {
		kind = "backfill"
	}
	for _, state := range states {
		counts[serviceState{tenant, service, kind, state}] += 0
	}
	counts[serviceState{tenant, service, kind, stateOf(execution)}]++
}

// stateOf is the search attribute CollectorState. A workflow that no worker has run yet has none:
// it is to be collected.
func stateOf(execution *workflow.WorkflowExecutionInfo) string {
	var state string
	payload := execution.GetSearchAttributes().GetIndexedFields()[workflows.AttributeState]
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &state); payload == nil || err != nil || state == "" {
		return workflows.AttributeCollecting
	}
	return state
}
