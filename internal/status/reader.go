// Package status reads the state of the collectors from Temporal: runs, positions, heartbeats, backfills and workers. A
// [Reader] reads it, and returns a [Collector] for each collector or backfill.
//
// The package returns data. The programs that show it write the texts.
package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

const (
	// queryTimeout bounds the wait for the answer to a query. A worker answers it for the workflow.
	queryTimeout = 5 * time.Second
	// maxQueries bounds the number of workflows that are queried at the same time.
	maxQueries = 16
)

// Reader reads from one namespace.
type Reader struct {
	client.Client
	Namespace string
	// Retention is how long the namespace keeps closed workflows; zero if unknown.
	Retention time.Duration
	// Data decodes payloads of workflows and activities.
	Data converter.DataConverter
}

// Collectors reads several collectors or backfills, and returns them in the order of ids. One that cannot be read is
// among them, with the error in Unanswered. Collectors fails only if Temporal answers about none of them.
func (r *Reader) Collectors(ctx context.Context, ids []string) ([]Collector, error) {
	collectors, failed := make([]Collector, len(ids)), make([]error, len(ids))
	var group errgroup.Group
	group.SetLimit(maxQueries)
	for i, id := range ids {
		group.Go(func() error {
			c, err := r.Collector(ctx, id)
			if _, jsonErr := json.Marshal(c); err == nil && jsonErr != nil {
				// A crafted state can hold what Go cannot write, such as a time after the year 9999.
				c, err = Collector{}, fmt.Errorf("its status cannot be shown: %w", jsonErr)
			}
			if err != nil {
				c = Collector{ID: id, Status: workflows.Status{State: Unknown}, Unanswered: err.Error(), Unread: true}
				c.Tenant, c.Service, _ = workflows.ParseWorkflowID(id)
			}
			collectors[i], failed[i] = c, err
			return nil
		})
	}
	_ = group.Wait()
	if len(ids) == 0 || slices.ContainsFunc(failed, func(err error) bool { return !ofTemporal(err) }) {
		return collectors, nil
	}
	return nil, failed[0]
}

// ofTemporal reports whether an error may be about Temporal as a whole, and not about one workflow.
func ofTemporal(err error) bool {
	switch serviceerror.ToStatus(err).Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unauthenticated, codes.PermissionDenied, codes.Unknown:
		return err != nil
	}
	return false
}

// Collector reads one collector or backfill. It fails if Temporal does not answer, but not if the workflow does not.
func (r *Reader) Collector(ctx context.Context, id string) (Collector, error) {
	return r.read(ctx, id, true)
}

// Ended reads how a collector or backfill has ended. It does not query a running one, whose state is then [Unknown].
func (r *Reader) Ended(ctx context.Context, id string) (Collector, error) {
	return r.read(ctx, id, false)
}

func (r *Reader) read(ctx context.Context, id string, query bool) (c Collector, err error) {
	c.ID = id
	c.Tenant, c.Service, _ = workflows.ParseWorkflowID(id)
	d, err := r.DescribeWorkflowExecution(ctx, id, "")
	latest := d.GetWorkflowExecutionInfo()
	c.TaskQueue, c.Run, c.RunBegan = d.GetExecutionConfig().GetTaskQueue().GetName(), latest.GetExecution().GetRunId(), timeOf(latest.GetStartTime())
	switch {
	case errors.As(err, new(*serviceerror.NotFound)):
		c.State = Missing
		err = r.remembered(ctx, &c)
	case err != nil:
		return c, temporalclient.Explain(fmt.Errorf("asking Temporal about %s: %w", id, err))
	case latest.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		if err = r.closed(ctx, &c, latest); err == nil {
			err = r.remembered(ctx, &c)
		}
	default:
		c.State = Unknown
		if c.ForeignType = foreignType(id, latest.GetType().GetName()); c.ForeignType != "" {
			c.Unanswered = fmt.Sprintf("its workflow is of type %q, not of this collector", c.ForeignType)
			break
		}
		c.Slice, c.Checkpoint = r.pendingSlice(d)
		if query {
			err = r.query(ctx, &c, d)
		}
	}
	c.Derive(time.Now())
	return c, err
}

// foreignType returns the type of a workflow if it is not the one that an id's workflow has.
func foreignType(id, is string) string {
	want := workflows.CollectName
	if _, ofTenant := workflows.ParseTenantID(id); ofTenant {
		want = workflows.TenantName
	}
	if _, backfill := workflows.RangeOf(id); backfill {
		want = workflows.BackfillName
	}
	if is == want {
		return ""
	}
	return is
}

// query adds the workflow's own status. It keeps the checkpoint of a slice under way, because the workflow only knows
// older ones.
func (r *Reader) query(ctx context.Context, c *Collector, d *workflowservice.DescribeWorkflowExecutionResponse) error {
	run := d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	answer, err := r.ask(ctx, c.ID, run)
	if serviceerror.ToStatus(err).Code() == codes.DeadlineExceeded && r.hasWorkers(ctx, c.TaskQueue) {
		answer, err = r.ask(ctx, c.ID, run) // a busy worker may not have got to it in time
	}
	switch serviceerror.ToStatus(err).Code() {
	case codes.OK:
		newest := c.Checkpoint
		// Only its id says whose workflow it is, and of which kind.
		answer.Tenant, answer.Service = c.Tenant, c.Service
		if _, backfill := workflows.RangeOf(c.ID); !backfill {
			answer.Backfill = nil
		}
		c.Status = answer
		// The slice may have ended between its description and the answer. Then the answer is newer.
		if !newest.IsZero() && newest.Totals.Events >= answer.Checkpoint.Totals.Events {
			c.Rate = newRate(sampleOf(answer.Checkpoint.Totals, c.Slice.Began), sampleOf(newest.Totals, c.Slice.Heartbeat))
			c.Checkpoint = newest
		}
		return nil
	// FailedPrecondition: no worker has polled for a while, or the workflow's task has failed.
	case codes.DeadlineExceeded, codes.FailedPrecondition:
		c.Unanswered, c.NoWorker = "no worker answers", true
	default:
		c.Unanswered = err.Error()
		c.CannotReplay = strings.Contains(c.Unanswered, replayRule)
	}
	return r.unanswered(ctx, c, d)
}

// ask queries a workflow.
func (r *Reader) ask(ctx context.Context, id, run string) (answer workflows.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := r.QueryWorkflow(ctx, id, run, workflows.QueryStatus)
	if err == nil {
		err = value.Get(&answer)
	}
	return answer, err
}

// unanswered adds what Temporal knows of a run whose workflow did not answer.
func (r *Reader) unanswered(ctx context.Context, c *Collector, d *workflowservice.DescribeWorkflowExecutionResponse) error {
	run, due := d.GetWorkflowExecutionInfo(), d.GetPendingWorkflowTask() // due waits for a worker; nil if nothing does
	last, failure, err := r.history(ctx, c.ID, run.GetExecution().GetRunId())
	if err != nil {
		return err
	}
	if due != nil && failure != "" && r.hasWorkers(ctx, c.TaskQueue) {
		c.Unanswered, c.CannotReplay, c.NoWorker = failure, true, false
		c.ReplayedAt = timeOf(due.GetStartedTime())
	}
	if c.Checkpoint.IsZero() {
		c.Checkpoint = last.Checkpoint
	}
	c.LastProblem, c.BehindSince = last.LastProblem, c.Checkpoint.Position.Newest
	waits := !last.WakeAt.IsZero()
	switch attribute := State(run, r.Data); {
	// Temporal notices a lost worker only after the heartbeat timeout.
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
	} else if c.State != workflows.StateRunning && (due != nil || c.Slice != nil) {
		c.Reason = WorkDue
	}
	return nil
}

// hasWorkers reports whether workers poll a task queue, as far as Temporal says.
func (r *Reader) hasWorkers(ctx context.Context, queue string) bool {
	workers, err := r.Workers(ctx, queue)
	return err == nil && len(workers) > 0
}
