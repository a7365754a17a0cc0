package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"okta-collector/workflows"
)

// maxRuns is how many consecutive runs may have ended without a position. Nobody starts that many by mistake.
const maxRuns = 20

// LastRun is the latest run of a collector.
type LastRun struct {
	Running   bool
	TaskQueue string // of a run that is running
	// State is what a new run goes on from; nil if there is nothing. Without a position it says when the service was
	// first started.
	State *workflows.State
}

// HasCollected reports whether the runs have delivered anything or begun a listing.
func (l LastRun) HasCollected() bool { return l.State != nil && l.State.Checkpoint.HasCollected() }

// UnreadableError is the error of a position that may exist but cannot be read.
type UnreadableError struct{ error }

// LastRun reads the latest run of a collector. The state is left out if it is not wanted.
func (r *Reader) LastRun(ctx context.Context, id string, wantState bool) (last LastRun, err error) {
	d, err := r.describe(ctx, id)
	switch execution := d.GetWorkflowExecutionInfo(); {
	case d == nil:
	case execution.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		last.Running, last.TaskQueue = true, d.GetExecutionConfig().GetTaskQueue().GetName()
	case wantState:
		last.State, err = r.lastState(ctx, id, execution)
	}
	return last, err
}

// lastState is what a new run of a collector goes on from. A run that ended unasked before it had a position, such as one
// with a mistake in its input, hides the position of the run before it. If no run had one, the latest says where to
// begin.
func (r *Reader) lastState(ctx context.Context, id string, latest *workflow.WorkflowExecutionInfo) (*workflows.State, error) {
	enough := func(s *workflows.State, run *workflow.WorkflowExecutionInfo) bool { // a run that was stopped is, also without a position
		return !s.Checkpoint.IsZero() || run.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}
	first, err := r.resumable(ctx, id, latest)
	if err != nil || enough(first, latest) {
		return first, err
	}
	runs, err := List(ctx, r, fmt.Sprintf(`WorkflowId = %q AND ExecutionStatus != "ContinuedAsNew"`, id))
	if err != nil {
		return nil, err
	}
	for i, run := range runs {
		if i == maxRuns {
			return nil, UnreadableError{fmt.Errorf("none of the last %d runs had a position", maxRuns)}
		}
		if state, err := r.resumable(ctx, id, run); err != nil || enough(state, run) {
			return state, err
		}
	}
	return first, nil
}

// resumable is the state of a closed run, to start with: without a pause or a block, and with the next poll due when it
// was, so that a start does not pull everything again.
func (r *Reader) resumable(ctx context.Context, id string, execution *workflow.WorkflowExecutionInfo) (*workflows.State, error) {
	run, status := execution.GetExecution().GetRunId(), execution.GetStatus()
	s, err := r.finalState(ctx, id, run, status)
	if err == nil && status != enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		s.Began, s.Since, err = r.beginning(ctx, id, run)
	}
	if err != nil {
		return nil, UnreadableError{fmt.Errorf("the run %s was %s and its position cannot be read (%w)", run, lower(status), err)}
	}
	s.Paused, s.Blocked, s.Failures = false, false, 0
	switch s.WakeReason {
	case workflows.WaitBlocked, workflows.WaitBackoff:
		s.WakeAt, s.WakeReason = time.Time{}, ""
	}
	return &s, nil
}

// beginning is when a run's collection was first started and where it was to begin, by the first event of its history.
func (r *Reader) beginning(ctx context.Context, id, run string) (began time.Time, since *time.Time, err error) {
	page, err := r.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: r.Namespace, Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run}, MaximumPageSize: 1,
	})
	if err != nil {
		return began, nil, fmt.Errorf("reading the history of %s: %w", id, err)
	}
	events := page.GetHistory().GetEvents()
	if len(events) == 0 {
		return began, nil, fmt.Errorf("the history of %s is empty", id)
	}
	began = events[0].GetEventTime().AsTime()
	var in workflows.CollectInput
	if !r.decode(events[0].GetWorkflowExecutionStartedEventAttributes().GetInput(), &in) {
		return began, nil, nil // nothing could begin with that
	}
	if since = in.Since; in.State != nil {
		since = cmp.Or(since, in.State.Since)
		if !in.State.Began.IsZero() {
			began = in.State.Began
		}
	}
	return began, since, nil
}

// closed adds what a run left behind when it ended.
func (r *Reader) closed(ctx context.Context, c *Collector, execution *workflow.WorkflowExecutionInfo) {
	run, status := execution.GetExecution().GetRunId(), execution.GetStatus()
	c.State = Stopped
	if at := execution.GetCloseTime(); at != nil {
		c.Ended = new(at.AsTime())
	}
	bounds, backfill := workflows.RangeOf(c.ID)
	asked := status == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED || backfill && status == enums.WORKFLOW_EXECUTION_STATUS_CANCELED
	if !asked {
		c.State = workflows.CollectorState(lower(status))
		var failure *temporal.ApplicationError
		if err := r.GetWorkflow(ctx, c.ID, run).Get(ctx, nil); errors.As(err, &failure) {
			c.Failure = failure.Message()
		}
	}
	state, err := r.finalState(ctx, c.ID, run, status)
	if err != nil {
		c.Unanswered = err.Error()
		return
	}
	if !asked && !backfill && state.Checkpoint.IsZero() {
		last, err := r.lastState(ctx, c.ID, execution)
		c.NeverCollected = err == nil && !LastRun{State: last}.HasCollected()
	}
	c.Checkpoint, c.CaughtUp = state.Checkpoint, state.CaughtUp
	c.Slices, c.Problems, c.LastProblem, c.LastWarning = state.Slices, state.Problems, state.LastProblem, state.LastWarning
	if backfill {
		c.Backfill = &workflows.BackfillStatus{Range: bounds, Began: state.Began}
		if state.Checkpoint.Totals.Pulls > 0 {
			c.State = workflows.StateDone
		}
	}
}

// finalState is the state in which a closed run ended. It is the run's result or, for a backfill that was stopped, in its
// error. A run that did not end by itself has only the position in its history.
func (r *Reader) finalState(ctx context.Context, id, run string, status enums.WorkflowExecutionStatus) (state workflows.State, err error) {
	switch status {
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, enums.WORKFLOW_EXECUTION_STATUS_CANCELED:
		err = r.GetWorkflow(ctx, id, run).Get(ctx, &state)
		var canceled *temporal.CanceledError
		if errors.As(err, &canceled) && canceled.HasDetails() {
			err = canceled.Details(&state)
		}
		return state, err
	}
	h, err := r.history(ctx, id, run)
	return workflows.State{Checkpoint: h.checkpoint}, err
}

// lower is Temporal's word for how a run ended.
func lower(status enums.WorkflowExecutionStatus) string { return strings.ToLower(status.String()) }
