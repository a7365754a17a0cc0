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
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// maxRuns bounds the consecutive runs without a position that [Reader.last] skips. Nobody starts that many by mistake.
const maxRuns = 20

// closed adds the state in which the latest run ended.
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
	c.fill(state)
	if !backfill {
		return r.last(ctx, c, state, latest)
	}
	c.Backfill = &workflows.BackfillStatus{Range: bounds, Began: state.Began}
	if state.Checkpoint.Totals.Pulls > 0 {
		c.State = workflows.StateDone
	}
	return nil
}

// last sets [Collector.Last]. The latest run may have failed before it had a position, for instance because of its
// input. Then an earlier run has the position. If no run has one, the latest run says where to begin.
func (r *Reader) last(ctx context.Context, c *Collector, state workflows.State, latest *workflow.WorkflowExecutionInfo) error {
	// A stopped run counts even without a position.
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
				state.Checkpoint = state.Checkpoint.Lost() // a later run may have sent requests
				break
			}
		}
	}
	c.Last = restartable(state)
	return nil
}

// restartable returns a final state as a new start continues it: when the next poll was due. It inherits no pause, block
// or backoff, and waits for no turn.
func restartable(state workflows.State) *workflows.State {
	state.Paused, state.Blocked, state.Failures = false, false, 0
	switch state.WakeReason {
	case workflows.WaitBlocked, workflows.WaitBackoff, workflows.WaitNotInOrg, workflows.WaitTurn:
		state.WakeAt, state.WakeReason = time.Time{}, ""
	}
	return &state
}

// finalState returns the state in which a closed run ended. It is the result of the run or, after a backfill was
// stopped, in its error. If the run ended in another way, its history has the position and the beginning.
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
		if last, _, err = r.history(ctx, id, run); err == nil {
			state.Checkpoint = last.Checkpoint
			err = r.beginning(ctx, id, run, &state)
		}
	}
	if err != nil {
		err = fmt.Errorf("run %s: %w", run, err)
	}
	return state, err
}

// history reads a run's history backwards, to the newest event with a checkpoint. That is among the last dozen events,
// unless somebody has sent many signals since. history sets only the checkpoint, the end of a pending timer, the reason
// for waiting, and the problem if the last slice failed. failure is the message of the newest workflow task if the code
// of its worker failed it.
func (r *Reader) history(ctx context.Context, id, run string) (last workflows.State, failure string, err error) {
	decided := false // the newest timer event was seen; a workflow has at most one timer
	worked := false  // a workflow task has completed since
	request := &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: r.Namespace,
		Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run},
	}
	for {
		page, err := r.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, request)
		if err != nil {
			return last, "", fmt.Errorf("reading the history of %s: %w", id, err)
		}
		for _, event := range page.GetHistory().GetEvents() {
			if r.checkpoint(event, &last) || event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED {
				return last, failure, nil
			}
			switch event.GetEventType() {
			case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
				worked = true
			case enums.EVENT_TYPE_WORKFLOW_TASK_FAILED:
				if !worked && failure == "" {
					failure = failureOfCode(event.GetWorkflowTaskFailedEventAttributes())
				}
			case enums.EVENT_TYPE_TIMER_FIRED, enums.EVENT_TYPE_TIMER_CANCELED:
				decided = true
			case enums.EVENT_TYPE_TIMER_STARTED:
				if !decided {
					last.WakeAt = event.GetEventTime().AsTime().Add(event.GetTimerStartedEventAttributes().GetStartToFireTimeout().AsDuration())
				}
				decided = true
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return last, "", fmt.Errorf("there is no position in the history of %s", id)
		}
	}
}

// checkpoint copies the checkpoint of an event to s, and the reason why the workflow waits after the event. It reports
// whether the event has a checkpoint. A run and a slice begin with a checkpoint, and every slice ends with one. Where a slice
// may have sent requests after the checkpoint, its windows say so.
func (r *Reader) checkpoint(event *history.HistoryEvent, s *workflows.State) bool {
	switch event.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		var in workflows.CollectInput
		switch {
		case !r.decode(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in):
			return false
		case in.State == nil && in.Delay > 0:
			s.WakeReason = workflows.WaitTurn
			return false
		case in.State == nil:
			return false
		}
		s.Checkpoint, s.WakeReason = in.State.Checkpoint, in.State.WakeReason
		return true
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		var in workflows.SliceInput
		ok := r.decode(event.GetActivityTaskScheduledEventAttributes().GetInput(), &in)
		s.Checkpoint = in.Checkpoint.Lost() // the slice has not ended, or it was lost with what its heartbeats had
		return ok
	case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		var result workflows.SliceResult
		ok := r.decode(event.GetActivityTaskCompletedEventAttributes().GetResult(), &result)
		s.Checkpoint, s.WakeReason = result.Checkpoint, result.End.Wait()
		return ok
	case enums.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		failure := event.GetActivityTaskFailedEventAttributes().GetFailure()
		var details workflows.Failure
		ok := r.decode(failure.GetApplicationFailureInfo().GetDetails(), &details)
		if !ok { // a panic
			details.Problem = workflows.Problem{Class: workflows.ClassPassing, Message: failure.GetMessage()}
		}
		details.Problem.At = event.GetEventTime().AsTime()
		s.Checkpoint, s.LastProblem, s.WakeReason = details.Checkpoint, &details.Problem, workflows.WaitBackoff
		if details.Problem.Class == workflows.ClassNotInOrg {
			s.WakeReason = workflows.WaitNotInOrg
		}
		return ok
	case enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		var last checkpoint.Checkpoint
		ok := r.decode(event.GetActivityTaskTimedOutEventAttributes().GetFailure().GetTimeoutFailureInfo().GetLastHeartbeatDetails(), &last)
		s.Checkpoint, s.WakeReason = last.Lost(), workflows.WaitBackoff
		return ok
	}
	return false
}

// beginning sets when a collection was first started, and from when it collects. Both are in the first event of a run.
func (r *Reader) beginning(ctx context.Context, id, run string, s *workflows.State) error {
	page, err := r.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: r.Namespace, Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run}, MaximumPageSize: 1,
	})
	if err != nil {
		return fmt.Errorf("reading the history of %s: %w", id, err)
	}
	for _, event := range page.GetHistory().GetEvents() {
		var in workflows.CollectInput
		r.decode(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in) // leaves zero on failure
		before := cmp.Or(in.State, &workflows.State{})
		s.Began, s.Since = before.Began, cmp.Or(in.Since, before.Since)
		if s.Began.IsZero() {
			s.Began = event.GetEventTime().AsTime()
		}
	}
	return nil
}

// decode decodes payloads, and reports whether there were any and decoding succeeded.
func (r *Reader) decode(payloads *common.Payloads, into any) bool {
	return len(payloads.GetPayloads()) > 0 && r.Data.FromPayloads(payloads, into) == nil
}
