// Package activities does the work: the slice, a pipeline from a source to a sink. Each batch that the sink confirms moves
// the checkpoint, which Temporal acknowledges.
package activities

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"

	"okta-collector/internal/budget"
	"okta-collector/internal/devo"
	"okta-collector/internal/expiry"
	"okta-collector/internal/okta"
	"okta-collector/internal/report"
	"okta-collector/workflows"
)

// sliceTime is how long a slice collects before it returns its checkpoint, so that the workflow's state and the Web UI
// follow.
const sliceTime = time.Minute

const (
	// MaxBackfills is how many slices of backfills run at once in a worker. Any other one yields, so that live collection
	// has the rest of the worker's slots.
	MaxBackfills = 50
	// slotPause is about how long a backfill waits before it asks for a slot again. A slice lasts as long.
	slotPause = time.Minute
)

// Tenant is one Okta org and the Devo domain that it is shipped to.
type Tenant struct {
	Org     *okta.Org
	Sink    devo.Sink
	Tables  map[string]string // the Devo tables, by service and [okta.RecordTables], that are not the usual ones
	Reports *report.Reporter  // sends reports about the collector itself to this Devo; nil if there are none
	// Certificates returns those whose end stops the tenant's collection; nil if there are none.
	Certificates func() []expiry.Certificate
}

// Collector holds the activities. An activity's input names its tenant, so nothing secret is in it.
type Collector struct {
	tenants    map[string]Tenant
	log        *zap.Logger
	metrics    *Metrics
	startDelay startDelay
	peers      *peers
	failing    sync.Map      // of true, by workflow id: the last slice on this worker failed
	backfills  chan struct{} // one for each slice of a backfill that runs here
	reminders  reminders
	// lease begins a slice's lease. Tests replace it: the SDK's test environment has no client and no heartbeat timeout.
	lease func(ctx context.Context, info activity.Info, log *zap.Logger) *lease
	// claims returns how a slice claims requests. Tests replace it too; nil is a slice that counts for itself alone.
	claims func(ctx context.Context, info activity.Info, in workflows.SliceInput) budget.Claim
}

// New makes a Collector. workerID is the worker's identity in Temporal.
func New(tenants map[string]Tenant, start StartTenant, workerID string, log *zap.Logger, metrics *Metrics) *Collector {
	peers := &peers{worker: workerID, log: log, metrics: metrics, failed: map[peer]*failing{}}
	claims := map[string]*Claims{}
	for name := range tenants {
		claims[name] = NewClaims(start)
	}
	return &Collector{
		tenants: tenants, log: log, metrics: metrics, peers: peers, backfills: make(chan struct{}, MaxBackfills),
		lease: func(ctx context.Context, info activity.Info, log *zap.Logger) *lease {
			return newLease(ctx, activity.GetClient(ctx), info, log)
		},
		claims: func(ctx context.Context, info activity.Info, in workflows.SliceInput) budget.Claim {
			return claims[in.Tenant].Of(activity.GetClient(ctx), info, in)
		},
	}
}

// CollectSlice fetches pages and ships them until it is caught up, rate limited or told to stop, or its time is over.
// Then it returns a result. A failure is an ApplicationError whose type is a [workflows.Class] and whose details are a
// [workflows.Failure]. It is registered as [workflows.CollectSliceName].
func (c *Collector) CollectSlice(ctx context.Context, in workflows.SliceInput) (workflows.SliceResult, error) {
	info := activity.GetInfo(ctx)
	if err := owned(in, info); err != nil {
		c.metrics.refused()
		c.log.Warn("a slice was refused: see who may write to Temporal's namespace", zap.Error(err))
		return workflows.SliceResult{}, err
	}
	in, dropped := in.Checked()
	s := &slice{
		in: in, progress: progress{at: in.Checkpoint}, metrics: c.metricsOf(in), peers: c.peers, began: time.Now(),
		log: c.log.With(zap.String("tenant", in.Tenant), zap.String("service", in.Service)),
	}
	// Temporal's clock is the same for all workers, whatever their own clocks say.
	s.now = func() time.Time { return info.StartedTime.Add(time.Since(s.began)) }
	s.warnOfDropped(dropped)
	var ok bool
	if s.svc, ok = okta.Lookup(in.Service); !ok {
		return workflows.SliceResult{}, s.fail(workflows.Problem{
			Class:   workflows.ClassUnknownService,
			Message: fmt.Sprintf("no service is named %s; %s", workflows.Quoted(in.Service), okta.Suggestion(in.Service)),
		})
	}
	if s.tenant, ok = c.tenants[in.Tenant]; !ok {
		return workflows.SliceResult{}, s.fail(workflows.Problem{
			Class:   workflows.ClassUnknownTenant,
			Message: fmt.Sprintf("the worker has no settings for tenant %s, only for %s", workflows.Quoted(in.Tenant), strings.Join(slices.Sorted(maps.Keys(c.tenants)), ", ")),
			Remedy:  "set COLLECTOR_TENANTS and the tenant's own settings and restart the worker; the service goes on by itself within a minute",
		})
	}
	if in.Backfill != nil {
		select {
		case c.backfills <- struct{}{}:
			defer func() { <-c.backfills }()
		default:
			s.metrics.yielded()
			return workflows.SliceResult{End: workflows.EndYielded, Checkpoint: in.Checkpoint, Wait: slotPause/2 + rand.N(slotPause)}, nil
		}
	}
	if in.HandBacks > 0 {
		if unreached := c.peers.unreached(ctx, in.Tenant, s.tenant); unreached != "" {
			s.metrics.handedBack()
			return handBack(in, unreached), nil
		}
	}
	of := s.tenant.Sink.OffsetOf()
	s.file = of != ""
	if in.Checkpoint.OffsetOf != of {
		s.at.Offset = nil // an offset in another directory must not truncate this one's file
	}
	s.target = devo.Target{
		Name: info.WorkflowExecution.ID, Tag: s.tenant.table(s.svc.Name), Time: s.svc.Time, Offset: s.at.Offset, Proven: s.at.Proven,
	}
	s.lease = c.lease(ctx, info, s.log)
	defer s.lease.end()
	s.claims = c.claims(ctx, info, in)
	delay := s.began.Sub(info.StartedTime)
	if c.startDelay.late(delay) {
		// A worker that was suspended may have lost the slice to another one. So Temporal must confirm the slice before
		// Okta is asked.
		if err := s.lease.save(nil); err != nil {
			return workflows.SliceResult{}, s.fail(ProblemOf(err))
		}
	}
	c.startDelay.observe(delay)
	for _, w := range oddTimes(info, s.began) {
		s.warn(w.Kind, w.Message)
	}
	if in.Backfill == nil {
		for _, w := range c.reminders.of(in.Tenant, s.tenant.Certificates, s.began) {
			s.warn(w.Kind, w.Message)
		}
	}
	result, err := s.run()
	if err != nil {
		c.failing.Store(info.WorkflowExecution.ID, true)
	} else if _, failed := c.failing.LoadAndDelete(info.WorkflowExecution.ID); failed {
		s.log.Info("slices succeed again")
	}
	return result, err
}
