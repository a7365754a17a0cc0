// Package status reads what Temporal knows of the collectors: runs, positions, heartbeats, backfills and workers.
//
// It returns data. Whoever shows it makes the texts.
package status

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

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
	return r.read(ctx, id, true)
}

// Ended reads how a collector or backfill has ended. One that runs is not queried: its state is [Unknown].
func (r *Reader) Ended(ctx context.Context, id string) (Collector, error) {
	return r.read(ctx, id, false)
}

func (r *Reader) read(ctx context.Context, id string, query bool) (c Collector, err error) {
	c.ID = id
	c.Tenant, c.Service, _ = workflows.ParseWorkflowID(id)
	d, err := r.DescribeWorkflowExecution(ctx, id, "")
	switch latest := d.GetWorkflowExecutionInfo(); {
	case errors.As(err, new(*serviceerror.NotFound)):
		c.State, err = Missing, nil
	case err != nil:
		return c, fmt.Errorf("asking Temporal about %s: %w", id, err)
	case latest.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		err = r.closed(ctx, &c, latest)
	default:
		c.State, c.TaskQueue = Unknown, d.GetExecutionConfig().GetTaskQueue().GetName()
		c.Slice, c.Checkpoint = r.pendingSlice(d)
		if query {
			err = r.query(ctx, &c, d)
		}
	}
	c.Derive(time.Now())
	return c, err
}

// query adds the workflow's own status. It keeps the checkpoint of a slice under way, which is newer than any that the
// workflow knows.
func (r *Reader) query(ctx context.Context, c *Collector, d *workflowservice.DescribeWorkflowExecutionResponse) error {
	var answer workflows.Status
	timed, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := r.QueryWorkflow(timed, c.ID, d.GetWorkflowExecutionInfo().GetExecution().GetRunId(), workflows.QueryStatus)
	if err == nil {
		err = value.Get(&answer)
	}
	switch serviceerror.ToStatus(err).Code() {
	case codes.OK:
		newest := c.Checkpoint
		c.Status = answer
		// The workflow may answer after the end of the slice whose heartbeat was described.
		if !newest.IsZero() && newest.Totals.Events >= answer.Checkpoint.Totals.Events {
			c.Rate = newRate(sampleOf(answer.Checkpoint.Totals, c.Slice.Began), sampleOf(newest.Totals, c.Slice.Heartbeat))
			c.Checkpoint = newest
		}
		return nil
	case codes.DeadlineExceeded, codes.FailedPrecondition: // the latter if no worker has polled for a while
		c.Unanswered, c.NoWorker = "no worker answers", true
	default:
		c.Unanswered = err.Error()
	}
	return r.unanswered(ctx, c, d.GetWorkflowExecutionInfo(), d.GetPendingWorkflowTask() != nil)
}

// unanswered adds what Temporal alone knows of a run. due reports whether the workflow waits for a worker.
func (r *Reader) unanswered(ctx context.Context, c *Collector, run *workflow.WorkflowExecutionInfo, due bool) error {
	last, err := r.history(ctx, c.ID, run.GetExecution().GetRunId())
	if err != nil {
		return err
	}
	if c.Checkpoint.IsZero() {
		c.Checkpoint = last.Checkpoint
	}
	c.LastProblem, c.BehindSince = last.LastProblem, c.Checkpoint.Position.Newest
	waits := !last.WakeAt.IsZero()
	switch attribute := State(run, r.Data); {
	// A worker that was lost is noticed only after the heartbeat timeout.
	case c.Slice != nil && c.Slice.State != SliceScheduled:
		c.State = workflows.StateRunning
	case attribute == workflows.AttributePaused:
		c.State = workflows.StatePaused
	case attribute == workflows.AttributeBlocked:
		c.State, last.WakeReason = workflows.StateBlocked, workflows.WaitBlocked
	case waits:
		c.State = workflows.StateWaiting
	}
	if waits {
		c.WakeAt, c.Reason = &last.WakeAt, last.WakeReason
	} else if c.State != workflows.StateRunning && (due || c.Slice != nil) {
		c.Reason = WorkDue
	}
	return nil
}
