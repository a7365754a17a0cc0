// Package control starts services, and tells the workflow of their tenant what was decided about them. The starter and the
// workers do it alike. It needs no worker.
package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

// Control acts on the services of one namespace.
type Control struct {
	*status.Reader
	// TaskQueue is Temporal's task queue of what is started.
	TaskQueue string
	// Attributes: the namespace has the search attributes. It becomes false if a part of Temporal does not know them yet; the
	// workflows set them later.
	Attributes bool
	// turns counts the services started whose first pulls take turns, by tenant.
	turns map[string]int
}

// HandOver tells the tenant's workflow how a collector has ended, and its last known position, unless it knows. A collector
// that nobody stopped stays started. It sends nothing if there is nothing to hand over.
func (c *Control) HandOver(ctx context.Context, ended status.Collector) error {
	return c.handOver(ctx, ended, ended.Ended)
}

// handOver is HandOver with the time of the decision that the tenant's workflow remembers.
func (c *Control) handOver(ctx context.Context, ended status.Collector, at time.Time) error {
	if ended.HandedOver() {
		return nil
	}
	d := workflows.Decision{Service: ended.Service, Decision: workflows.Started, At: at, Run: ended.Run, State: ended.Last}
	if ended.State == status.Stopped {
		d.Decision = workflows.Stopped
	}
	return c.tell(ctx, ended, d)
}

// Decide tells the tenant's workflow what was decided about a collector now.
func (c *Control) Decide(ctx context.Context, about status.Collector, d workflows.Decision) error {
	d.Service, d.At = about.Service, now(about)
	return c.tell(ctx, about, d)
}

// now is the present time, or a little later than what is known of a collector: this machine's clock may be behind.
func now(about status.Collector) time.Time {
	at := time.Now().UTC()
	known := about.Ended
	if d := about.Decision; d != nil && d.At.After(known) {
		known = d.At
	}
	if !at.After(known) {
		at = known.Add(time.Millisecond)
	}
	return at
}

// tell signals the tenant's workflow, and starts it if it does not run.
func (c *Control) tell(ctx context.Context, about status.Collector, d workflows.Decision) error {
	options, in, err := c.Tenant(ctx, about.Tenant, cmp.Or(about.TaskQueue, c.TaskQueue))
	if err == nil {
		_, err = c.SignalWithStartWorkflow(ctx, options.ID, workflows.SignalDecide, d, options, workflows.TenantName, in)
	}
	if c.withoutAttributes(err) {
		return c.tell(ctx, about, d)
	}
	if err != nil {
		return temporalclient.Explain(fmt.Errorf("telling %s: %w", workflows.TenantID(about.Tenant), err))
	}
	return nil
}

// Tenant returns with what the workflow of a tenant is started if it does not run: it goes on with what an earlier one knew.
func (c *Control) Tenant(ctx context.Context, tenant, queue string) (client.StartWorkflowOptions, workflows.TenantInput, error) {
	options := client.StartWorkflowOptions{ID: workflows.TenantID(tenant), TaskQueue: queue, StaticSummary: tenant + ": decisions and rate limits"}
	in := workflows.TenantInput{Tenant: tenant}
	known, err := c.TenantState(ctx, tenant)
	if memo := known.Memo(); len(memo) > 0 {
		options.Memo, in.State = memo, &known
	}
	if c.Attributes {
		options.TypedSearchAttributes = temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(workflows.AttributeTenant).ValueSet(tenant))
	}
	return options, in, err
}

// Revive starts the workflow of a tenant again if somebody has ended it, before the namespace forgets what it knew.
func (c *Control) Revive(ctx context.Context, tenant string) error {
	id := workflows.TenantID(tenant)
	d, err := c.DescribeWorkflowExecution(ctx, id, "")
	switch {
	case errors.As(err, new(*serviceerror.NotFound)):
		return nil // nothing was ever decided
	case err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return nil
	case err != nil:
		return temporalclient.Explain(fmt.Errorf("asking Temporal about %s: %w", id, err))
	}
	options, in, err := c.Tenant(ctx, tenant, c.TaskQueue)
	if err == nil {
		_, err = c.ExecuteWorkflow(ctx, options, workflows.TenantName, in)
	}
	if c.withoutAttributes(err) {
		return c.Revive(ctx, tenant)
	}
	if err != nil {
		return temporalclient.Explain(fmt.Errorf("starting %s: %w", id, err))
	}
	return nil
}

// withoutAttributes reports whether a start failed because of the search attributes. The next ones are then without them.
func (c *Control) withoutAttributes(err error) bool {
	if c.Attributes && errors.As(err, new(*serviceerror.InvalidArgument)) {
		c.Attributes = false
		return true
	}
	return false
}
