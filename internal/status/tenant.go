package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/ledger"
	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

// ForeignError: a workflow of another type has the id of a tenant's workflow.
type ForeignError struct{ ID, Type string }

// Error implements error.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is a workflow of type %q, not of this collector: find out who started it, and terminate it", e.ID, e.Type)
}

// Decisions returns the newest decision about each service of a tenant, as [Reader.TenantState] does.
func (r *Reader) Decisions(ctx context.Context, tenant string) (workflows.Decisions, error) {
	known, err := r.TenantState(ctx, tenant)
	return known.Decisions, err
}

// TenantState returns what the workflow of a tenant knows that must not be lost; nothing if it does not exist. It needs no
// worker: decisions that no worker has handled yet are among it. It costs no billable action. It fails with a [ForeignError]
// while another program's workflow has the id.
func (r *Reader) TenantState(ctx context.Context, tenant string) (known workflows.TenantState, err error) {
	id := workflows.TenantID(tenant)
	d, err := r.DescribeWorkflowExecution(ctx, id, "")
	info := d.GetWorkflowExecutionInfo()
	running := info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	switch kind := info.GetType().GetName(); {
	case errors.As(err, new(*serviceerror.NotFound)):
		return known, nil
	case err != nil:
		return known, temporalclient.Explain(fmt.Errorf("asking Temporal about %s: %w", id, err))
	case kind != workflows.TenantName && running:
		return known, &ForeignError{ID: id, Type: kind}
	case kind != workflows.TenantName: // it has ended, and the tenant's own workflow was before it
		runs, err := List(ctx, r, fmt.Sprintf(`WorkflowId = %q AND WorkflowType = %q AND ExecutionStatus != "ContinuedAsNew"`, id, workflows.TenantName))
		if err != nil || len(runs) == 0 {
			return known, err
		}
		info = runs[0]
	}
	known = workflows.ReadMemo(info.GetMemo(), r.Data)
	if d.GetPendingWorkflowTask() == nil && running {
		return known, nil
	}
	untold, err := r.untold(ctx, info.GetExecution())
	if err != nil {
		return known, err
	}
	for _, event := range slices.Backward(untold) { // the oldest first
		var told workflows.Decision
		if r.decode(event.GetWorkflowExecutionSignaledEventAttributes().GetInput(), &told) {
			if d, _, ok := told.Taken(known.Decisions.Of(told.Service), event.GetEventTime().AsTime()); ok {
				known.Decisions = known.Decisions.With(d)
			}
		}
	}
	return known, nil
}

// untold returns the decisions that a run of a tenant's workflow was sent since its last workflow task, the newest first.
// There may be older ones among them, which change nothing.
func (r *Reader) untold(ctx context.Context, run *common.WorkflowExecution) (signals []*history.HistoryEvent, err error) {
	request := &workflowservice.GetWorkflowExecutionHistoryReverseRequest{Namespace: r.Namespace, Execution: run}
	for {
		page, err := r.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, request)
		if err != nil {
			return nil, temporalclient.Explain(fmt.Errorf("reading the history of %s: %w", run.GetWorkflowId(), err))
		}
		handled := false
		for _, event := range page.GetHistory().GetEvents() {
			switch event.GetEventType() {
			case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
				handled = true
			case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
				if event.GetWorkflowExecutionSignaledEventAttributes().GetSignalName() == workflows.SignalDecide {
					signals = append(signals, event)
				}
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); handled || len(request.NextPageToken) == 0 {
			return signals, nil
		}
	}
}

// decision returns the newest decision about the service of a collector's id; nil if there is none.
func (r *Reader) decision(ctx context.Context, id string) (*workflows.Decision, error) {
	tenant, service, err := workflows.ParseWorkflowID(id)
	if err != nil {
		return nil, nil // no service has this id
	}
	all, err := r.Decisions(ctx, tenant)
	return all.Of(service), err
}

// remembered completes the reading of a collector that does not run: its run may have been deleted, and the tenant's
// workflow remembers what was decided, and the last position. It fails if that cannot be read and is needed.
func (r *Reader) remembered(ctx context.Context, c *Collector) (err error) {
	if _, backfill := workflows.RangeOf(c.ID); backfill {
		return nil
	}
	c.Decision, err = r.decision(ctx, c.ID)
	d := c.Decision
	own := c.Last != nil && !c.Last.Checkpoint.IsZero()
	switch {
	case err != nil && own:
		return nil // the run's own position is enough
	case err != nil:
		return err
	case d == nil:
		return nil
	}
	ran, unasked := c.State != Missing, c.EndedUnasked()
	if c.State != Stopped && d.Decision == workflows.Stopped && !d.At.Before(c.Ended) {
		c.State = Stopped // somebody stopped what had ended unasked
	}
	switch {
	case !ran:
		if c.State == Stopped {
			c.Ended = d.At
		}
		if d.State != nil {
			c.fill(*d.State)
			c.Last = restartable(*d.State)
		}
	case d.Decision == workflows.Forgotten && !d.At.Before(c.Ended):
		c.Last, c.Unanswered = &workflows.State{}, ""
	case d.State != nil && (!own || d.Decision == workflows.Stopped && d.At.After(c.Ended)):
		c.Last, c.Unanswered = restartable(*d.State), ""
		if unasked && !own { // its run may have sent requests since
			c.Last.Checkpoint = c.Last.Checkpoint.Lost()
		}
	}
	return nil
}

// HandedOver reports whether the tenant's workflow knows how the last run of a collector has ended, or something newer. It
// is true if there is nothing to hand over.
func (c Collector) HandedOver() bool {
	_, backfill := workflows.RangeOf(c.ID)
	switch d := c.Decision; {
	case backfill, c.Run == "", c.Last == nil, c.ForeignType != "":
		return true
	case c.State != Stopped && c.Last.Checkpoint.IsZero(): // a mistake, or it ended before it had begun
		return true
	default:
		return d != nil && (!d.At.Before(c.Ended) || d.Decision == workflows.Stopped && d.Run == c.Run)
	}
}

// Tenants returns the tenants that have a workflow, in the order of their names.
func (r *Reader) Tenants(ctx context.Context) (tenants []string, err error) {
	runs, err := List(ctx, r, fmt.Sprintf(`WorkflowType = %q AND ExecutionStatus != "ContinuedAsNew"`, workflows.TenantName))
	for _, run := range runs {
		if tenant, ok := workflows.ParseTenantID(run.GetExecution().GetWorkflowId()); ok {
			tenants = append(tenants, tenant)
		}
	}
	slices.Sort(tenants)
	return slices.Compact(tenants), err
}

// Known returns the workflow ids of all collectors that were ever started, as far as Temporal or the tenants' workflows
// know, and of whatever runs under ids like theirs. They are in the order of [Reader.IDs]. An empty tenant means all.
func (r *Reader) Known(ctx context.Context, tenant string) ([]string, error) {
	ids, err := r.IDs(ctx, EverStarted, tenant)
	if err != nil {
		return nil, err
	}
	tenants := []string{tenant}
	if tenant == "" {
		if tenants, err = r.Tenants(ctx); err != nil {
			return nil, err
		}
	}
	for _, tenant := range tenants {
		all, err := r.Decisions(ctx, tenant)
		if err != nil && !errors.As(err, new(*ForeignError)) { // a stranger is among the ids
			return nil, err
		}
		for _, d := range all {
			ids = append(ids, workflows.WorkflowID(tenant, d.Service))
		}
	}
	slices.SortFunc(ids, catalogOrder)
	return slices.Compact(ids), nil
}

// Tenant is the status of a tenant's workflow.
type Tenant struct {
	ID string `json:"id"`
	workflows.TenantStatus
	// Unanswered is why the workflow did not answer; empty if it did.
	Unanswered string `json:"unanswered,omitempty"`
}

// Tenant asks a tenant's workflow for its status. A worker has to answer.
func (r *Reader) Tenant(ctx context.Context, tenant string) Tenant {
	t := Tenant{ID: workflows.TenantID(tenant)}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := r.QueryWorkflow(ctx, t.ID, "", workflows.QueryStatus)
	if err == nil {
		err = value.Get(&t.TenantStatus)
	}
	switch serviceerror.ToStatus(err).Code() {
	case codes.OK:
	case codes.DeadlineExceeded, codes.FailedPrecondition:
		t.Unanswered = "no worker answers"
	case codes.NotFound:
		t.Unanswered = "nothing was ever decided or claimed"
	default:
		t.Unanswered = err.Error()
	}
	t.TenantStatus.Tenant = tenant // only its id says whose workflow it is
	for i := range t.Windows {
		r.fill(ctx, &t.Windows[i])
	}
	return t
}

// fill completes a window on which a service is alone: only its own checkpoint has the numbers.
func (r *Reader) fill(ctx context.Context, w *workflows.WindowStatus) {
	for i := range w.By {
		by := &w.By[i]
		if !by.Alone {
			continue
		}
		c, err := r.Collector(ctx, by.ID)
		at := slices.IndexFunc(c.Checkpoint.Windows, func(known checkpoint.Window) bool { return known.Name == w.Name })
		if err != nil || at < 0 {
			continue
		}
		known := c.Checkpoint.Windows[at]
		w.Limit, w.Share = known.Limit, ledger.Allowed(known.Limit, w.RateShare)
		if known.Ends.After(time.Now()) {
			by.Used, w.Used, w.Ends = known.Used, known.Used, known.Ends
		}
	}
}
