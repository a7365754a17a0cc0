package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/temporal"

	"okta-collector/workflows"
)

// maxRuns is how many consecutive runs may have ended without a position. Nobody starts that many by mistake.
const maxRuns = 20

// closed adds what the latest run left behind when it ended.
func (r *Reader) closed(ctx context.Context, c *Collector, latest *workflow.WorkflowExecutionInfo) error {
	status := latest.GetStatus()
	bounds, backfill := workflows.RangeOf(c.ID)
	c.State, c.Ended = Stopped, timeOf(latest.GetCloseTime())
	if status != enums.WORKFLOW_EXECUTION_STATUS_COMPLETED && !(backfill && status == enums.WORKFLOW_EXECUTION_STATUS_CANCELED) {
		c.State = workflows.CollectorState(strings.ToLower(status.String()))
	}
	if status == enums.WORKFLOW_EXECUTION_STATUS_FAILED {
		var failure *temporal.ApplicationError
		if err := r.GetWorkflow(ctx, c.ID, latest.GetExecution().GetRunId()).Get(ctx, nil); errors.As(err, &failure) {
			c.Failure = failure.Message()
		}
	}
	state, err := r.finalState(ctx, c.ID, latest)
	if err != nil {
		c.Unanswered = err.Error()
		return nil
	}
	c.Checkpoint, c.CaughtUp = state.Checkpoint, state.CaughtUp
	c.Slices, c.Problems, c.LastProblem, c.LastWarning = state.Slices, state.Problems, state.LastProblem, state.LastWarning
	if !backfill {
		return r.last(ctx, c, state, latest)
	}
	c.Backfill = &workflows.BackfillStatus{Range: bounds, Began: state.Began}
	if state.Checkpoint.Totals.Pulls > 0 {
		c.State = workflows.StateDone
	}
	return nil
}

// last sets [Collector.Last]. A run that ended unasked before it had a position, such as one with a mistake in its input,
// hides the position of the run before it. If no run had one, the latest says where to begin.
func (r *Reader) last(ctx context.Context, c *Collector, state workflows.State, latest *workflow.WorkflowExecutionInfo) error {
	// A run that was stopped counts, also without a position.
	enough := func(s workflows.State, run *workflow.WorkflowExecutionInfo) bool {
		return !s.Checkpoint.IsZero() || run.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}
	if !enough(state, latest) {
		runs, err := List(ctx, r, fmt.Sprintf(`WorkflowId = %q AND ExecutionStatus != "ContinuedAsNew"`, c.ID))
		if err != nil {
			return err
		}
		for i, run := range runs {
			if i == maxRuns {
				c.Unanswered = fmt.Sprintf("none of the last %d runs had a position", maxRuns)
				return nil
			}
			before, err := r.finalState(ctx, c.ID, run)
			if err != nil {
				c.Unanswered = err.Error()
				return nil
			}
			if enough(before, run) {
				state = before
				break
			}
		}
	}
	// A start means to collect, and not to pull everything again: the next poll is due when it was.
	state.Paused, state.Blocked, state.Failures = false, false, 0
	if state.WakeReason == workflows.WaitBlocked || state.WakeReason == workflows.WaitBackoff {
		state.WakeAt, state.WakeReason = time.Time{}, ""
	}
	c.Last = &state
	return nil
}

// finalState is the state in which a closed run ended. It is the run's result or, for a backfill that was stopped, in its
// error. Of a run that did not end by itself, its history has the position and the beginning.
func (r *Reader) finalState(ctx context.Context, id string, execution *workflow.WorkflowExecutionInfo) (state workflows.State, err error) {
	run := execution.GetExecution().GetRunId()
	switch execution.GetStatus() {
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, enums.WORKFLOW_EXECUTION_STATUS_CANCELED:
		err = r.GetWorkflow(ctx, id, run).Get(ctx, &state)
		var canceled *temporal.CanceledError
		if errors.As(err, &canceled) && canceled.HasDetails() {
			err = canceled.Details(&state)
		}
	default:
		var last workflows.State
		if last, err = r.history(ctx, id, run); err == nil {
			state.Checkpoint = last.Checkpoint
			err = r.beginning(ctx, id, run, &state)
		}
	}
	if err != nil {
		err = fmt.Errorf("run %s: %w", run, err)
	}
	return state, err
}
