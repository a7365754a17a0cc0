// Package activities does the work: the slice, a pipeline from a source to a sink that
// leaves an acknowledged checkpoint behind after every chunk of a page.
package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/internal/report"
	"okta-collector/workflows"
)

// sliceTime is how long a slice goes on before it hands its checkpoint to the workflow, so that
// the Web UI shows movement and the workflow's own state follows.
const sliceTime = time.Minute

// Tenant is one Okta org and where it is shipped to.
type Tenant struct {
	Org  *okta.Org
	Sink devo.Sink
	// Tables maps services to Devo tables other than the catalog's.
	Tables map[string]string
	// Reports tells this Devo about the collector itself; nil if it is not to be told.
	Reports *report.Reporter
}

// Collector holds the activities. Its tenants are looked up by name, so that nothing secret is
// in an activity's input.
type Collector struct {
	tenants  map[string]Tenant
	log      *zap.Logger
	metrics  *Metrics
	punctual punctuality
	// lease begins a slice's lease. Tests replace it, since the SDK's test environment has
	// neither a client nor a heartbeat timeout.
	lease func(ctx context.Context, info activity.Info, log *zap.Logger) *lease
}

// New makes a Collector. metrics may be nil.
func New(tenants map[string]Tenant, log *zap.Logger, metrics *Metrics) *Collector {
	return &Collector{tenants: tenants, log: log, metrics: metrics, lease: func(ctx context.Context, info activity.Info, log *zap.Logger) *lease {
		return newLease(ctx, activity.GetClient(ctx), info, log)
	}}
}

// CollectSlice fetches pages and ships them until it is caught up, rate limited or told to
// stop, or its time is over. Those ends are results; a failure is an ApplicationError whose
// type is a [workflows.Class] and whose details are a [workflows.Failure].
//
// It is registered as [workflows.CollectSliceName].
func (c *Collector) CollectSlice(ctx context.Context, in workflows.SliceInput) (workflows.SliceResult, error) {
	info := activity.GetInfo(ctx)
	log := c.log.With(zap.String("tenant", in.Tenant), zap.String("service", in.Service))
	started := time.Now()
	s := &slice{
		in: in, log: log, at: in.Checkpoint,
		metrics: c.metricsOf(in),
		// Temporal's clock: the same for all workers, whatever their own say.
		now:   func() time.Time { return info.StartedTime.Add(time.Since(started)) },
		began: started, until: started.Add(sliceTime),
	}
	var ok bool
	if s.svc, ok = okta.Lookup(in.Service); !ok {
		return workflows.SliceResult{}, s.failure(workflows.Problem{
			Class:   workflows.ClassUnknownService,
			Message: fmt.Sprintf("no service is named %q; there are %s", in.Service, strings.Join(okta.ServiceNames(), ", ")),
		})
	}
	if s.tenant, ok = c.tenants[in.Tenant]; !ok {
		return workflows.SliceResult{}, s.failure(workflows.Problem{
			Class:   workflows.ClassUnknownTenant,
			Message: fmt.Sprintf("the worker has no settings for tenant %q, only for %s", in.Tenant, c.tenantNames()),
			Remedy:  "set COLLECTOR_TENANTS and the tenant's own settings and restart the worker; the service goes on by itself within a minute",
		})
	}
	if in.Checkpoint.OffsetOf != s.tenant.Sink.OffsetOf() {
		// The offset is of another directory: here it would cut something else.
		in.Checkpoint.Offset = nil
		s.in, s.at = in, in.Checkpoint
	}
	s.target = devo.Target{Name: info.WorkflowExecution.ID, Tag: s.svc.Table, Offset: in.Checkpoint.Offset}
	if table, ok := s.tenant.Tables[s.svc.Name]; ok {
		s.target.Tag = table
	}
	if in.Since != nil {
		s.since = *in.Since
	}
	s.lease = c.lease(ctx, info, log)
	defer s.lease.end()
	begun := started.Sub(info.StartedTime)
	if c.punctual.late(begun) {
		// A worker that was suspended when it was given the slice may have lost it since: nothing is
		// asked for before Temporal has said otherwise.
		if err := s.lease.confirm(); err != nil {
			return workflows.SliceResult{}, s.fail(err)
		}
	}
	c.punctual.note(begun)
	return s.run()
}

func (c *Collector) tenantNames() string {
	var names []string
	for name := range c.tenants {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
