// Package status reads what Temporal knows of the collectors: runs, positions, heartbeats, backfills and workers.
//
// It returns data. Words are for whoever shows it.
package status

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

const (
	// queryTimeout is how long a workflow may take to answer a query, which a worker does for it.
	queryTimeout = 5 * time.Second
	// maxQueries is how many workflows are queried at the same time.
	maxQueries = 16
)

// Reader reads from one namespace.
type Reader struct {
	client.Client
	Namespace string
	// Data decodes what workflows and activities have written.
	Data converter.DataConverter
}

// Collectors reads several collectors or backfills, in the order of the ids.
func (r *Reader) Collectors(ctx context.Context, ids []string) ([]Collector, error) {
	collectors := make([]Collector, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxQueries)
	for i, id := range ids {
		group.Go(func() (err error) {
			collectors[i], err = r.Collector(ctx, id)
			return err
		})
	}
	return collectors, group.Wait()
}

// Collector reads one collector or backfill. Temporal must answer; the workflow need not.
func (r *Reader) Collector(ctx context.Context, id string) (Collector, error) {
	c, d, err := r.withoutQuery(ctx, id)
	if err == nil && !c.HasEnded() {
		err = r.query(ctx, &c, d)
	}
	c.Derive(time.Now())
	return c, err
}

// Ended reads how a collector or backfill has ended; false if it runs, which is then not queried.
func (r *Reader) Ended(ctx context.Context, id string) (Collector, bool, error) {
	c, _, err := r.withoutQuery(ctx, id)
	c.Derive(time.Now())
	return c, err == nil && c.HasEnded(), err
}

// withoutQuery reads what Temporal says without the workflow: all there is to know of one that has ended.
func (r *Reader) withoutQuery(ctx context.Context, id string) (Collector, *workflowservice.DescribeWorkflowExecutionResponse, error) {
	c := Collector{ID: id}
	c.Tenant, c.Service, _ = workflows.ParseWorkflowID(id)
	d, err := r.describe(ctx, id)
	switch execution := d.GetWorkflowExecutionInfo(); {
	case err != nil:
	case d == nil:
		c.State = Missing
	case execution.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		c.State, c.Slice = Unknown, pendingSlice(d)
	default:
		r.closed(ctx, &c, execution)
	}
	return c, d, err
}

// describe describes the latest run of an id; nil if there is none.
func (r *Reader) describe(ctx context.Context, id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	d, err := r.DescribeWorkflowExecution(ctx, id, "")
	if errors.As(err, new(*serviceerror.NotFound)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("asking Temporal about %s: %w", id, err)
	}
	return d, nil
}

// query adds the workflow's own status, and the checkpoint of a slice under way.
func (r *Reader) query(ctx context.Context, c *Collector, d *workflowservice.DescribeWorkflowExecutionResponse) error {
	newest, beats := r.heartbeat(d)
	var answer workflows.Status
	timed, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := r.QueryWorkflow(timed, c.ID, d.GetWorkflowExecutionInfo().GetExecution().GetRunId(), workflows.QueryStatus)
	if err == nil {
		err = value.Get(&answer)
	}
	switch serviceerror.ToStatus(err).Code() {
	case codes.OK:
		c.Status = answer
		// The workflow may answer after the end of the slice whose heartbeat was described.
		if beats && newest.Totals.Events >= answer.Checkpoint.Totals.Events {
			c.Rate = newRate(answer.Checkpoint.Totals, newest.Totals, c.Slice.Heartbeat.Sub(c.Slice.Began))
			c.Checkpoint = newest
		}
		return nil
	case codes.DeadlineExceeded, codes.FailedPrecondition: // the latter if no worker has polled for a while
		c.Unanswered, c.NoWorker = "no worker answers", true
	default:
		c.Unanswered = err.Error()
	}
	if err := r.unanswered(ctx, c, d); err != nil {
		return err
	}
	if beats {
		c.Checkpoint = newest
	}
	c.BehindSince = c.Checkpoint.Position.Newest
	return nil
}

// unanswered adds what Temporal alone knows of a run.
func (r *Reader) unanswered(ctx context.Context, c *Collector, d *workflowservice.DescribeWorkflowExecutionResponse) error {
	h, err := r.history(ctx, c.ID, d.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	if err != nil {
		return err
	}
	c.Checkpoint, c.LastProblem = h.checkpoint, h.problem
	state, waits := State(d.GetWorkflowExecutionInfo(), r.Data), !h.wakeAt.IsZero()
	if waits {
		c.State, c.WakeAt, c.Reason = workflows.StateWaiting, &h.wakeAt, h.reason
	}
	switch {
	// A worker that was lost is noticed only after the heartbeat timeout.
	case c.Slice != nil && c.Slice.State != SliceScheduled:
		c.State = workflows.StateRunning
	case state == workflows.AttributePaused:
		c.State = workflows.StatePaused
	case state == workflows.AttributeBlocked:
		c.State = workflows.StateBlocked
	}
	switch {
	case waits && state == workflows.AttributeBlocked:
		c.Reason = workflows.WaitBlocked
	case !waits && c.State != workflows.StateRunning && (d.GetPendingWorkflowTask() != nil || c.Slice != nil):
		c.Reason = WorkDue
	}
	return nil
}

// heartbeat is the checkpoint of the slice under way, which is newer than any that the workflow knows.
func (r *Reader) heartbeat(d *workflowservice.DescribeWorkflowExecutionResponse) (newest checkpoint.Checkpoint, ok bool) {
	for _, activity := range d.GetPendingActivities() {
		if activity.GetActivityType().GetName() == workflows.CollectSliceName && r.decode(activity.GetHeartbeatDetails(), &newest) {
			return newest, true
		}
	}
	return checkpoint.Checkpoint{}, false
}
