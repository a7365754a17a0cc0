package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"okta-collector/workflows"
)

// maxRuns is how many runs in a row may have ended before they had a position: so many mistakes are not
// made by hand.
const maxRuns = 20

// lastRun is what is known of an id's latest run.
type lastRun struct {
	running bool
	// taskQueue is that of one that runs.
	taskQueue string
	// state is what a new run goes on from; nil if there is nothing to go on from. Its position may be none
	// yet: then it says when the service was first started.
	state *workflows.State
}

// lastRun finds the position at which the collector ended. It is an error if there is one
// that cannot be read: to begin anew would send everything again, which somebody must want.
func (s starting) lastRun(ctx context.Context, id string) (lastRun, error) {
	d, err := s.c.DescribeWorkflowExecution(ctx, id, "")
	if errors.As(err, new(*serviceerror.NotFound)) {
		return lastRun{}, nil
	}
	if err != nil {
		return lastRun{}, fmt.Errorf("looking for the last run: %w", err)
	}
	execution := d.GetWorkflowExecutionInfo()
	if execution.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return lastRun{running: true, taskQueue: d.GetExecutionConfig().GetTaskQueue().GetName()}, nil
	}
	if s.fresh {
		return lastRun{}, nil
	}
	state, err := s.c.lastState(ctx, id, execution)
	return lastRun{state: state}, err
}

// lastState is what a new run of a collector goes on from. A run that ended unasked before it had a position, such
// as one with a mistake in its input, hides that of the run before it; where no run had one, the latest says where
// to begin.
func (c *temporal) lastState(ctx context.Context, id string, latest *workflow.WorkflowExecutionInfo) (*workflows.State, error) {
	anew := "begin anew with: starter start --fresh " + id
	runs := []*workflow.WorkflowExecutionInfo{latest}
	var none *workflows.State // the latest's
	for i := 0; i < len(runs); i++ {
		if i == maxRuns {
			return nil, fmt.Errorf("none of the last %d runs had a position: %s", maxRuns, anew)
		}
		run, status := runs[i].GetExecution().GetRunId(), runs[i].GetStatus()
		state, err := c.finalState(ctx, id, run, status)
		if err == nil && status != enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			state.Began, state.Since, err = c.begin(ctx, id, run)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("the run %s was %s and its position cannot be read (%w): %s", run, statusWord(status), err, anew)
		case !state.Checkpoint.IsZero(), status == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED:
			return resumable(state), nil // one that was stopped counts also where it had not begun
		}
		if i == 0 {
			none = resumable(state)
			before, err := c.runsBefore(ctx, id, run)
			if err != nil {
				return nil, err
			}
			runs = append(runs, before...)
		}
	}
	return none, nil
}

// runsBefore are the runs of an id before its latest, the newest first: one more than are looked at.
func (c *temporal) runsBefore(ctx context.Context, id, latest string) ([]*workflow.WorkflowExecutionInfo, error) {
	page, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.namespace, PageSize: maxRuns + 1,
		Query: fmt.Sprintf(`WorkflowId = %q AND ExecutionStatus != "ContinuedAsNew"`, id),
	})
	if err != nil {
		return nil, fmt.Errorf("listing the runs of %s: %w", id, err)
	}
	return slices.DeleteFunc(page.GetExecutions(), func(e *workflow.WorkflowExecutionInfo) bool { return e.GetExecution().GetRunId() == latest }), nil
}

// hasCollected says whether anything has come of what ended in a state.
func hasCollected(s *workflows.State) bool {
	return s != nil && s.Checkpoint.HasCollected()
}

// resumable is a state to begin with: whoever starts a collector wants it to collect, whether it
// was paused or blocked when it ended. When its next poll is due does not change, so that starting it
// anew does not pull everything again.
func resumable(s workflows.State) *workflows.State {
	s.Paused, s.Blocked, s.Failures = false, false, 0
	switch s.WakeReason {
	case workflows.WaitBlocked, workflows.WaitBackoff:
		s.WakeAt, s.WakeReason, s.WakeDetail = time.Time{}, "", ""
	}
	return &s
}
