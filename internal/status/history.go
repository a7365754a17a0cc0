package status

import (
	"cmp"
	"context"
	"fmt"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"

	"okta-collector/workflows"
)

// history reads a run's history backwards, to the newest event that has a checkpoint. That is among the last dozen, unless
// a person has sent many signals since. Of the state it knows the checkpoint, when and why the workflow goes on if a timer
// is pending, and the problem if the last slice failed.
func (r *Reader) history(ctx context.Context, id, run string) (last workflows.State, err error) {
	over := make(map[int64]bool) // timers that have fired or were cancelled
	request := &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: r.Namespace,
		Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run},
	}
	for {
		page, err := r.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, request)
		if err != nil {
			return last, fmt.Errorf("reading the history of %s: %w", id, err)
		}
		for _, event := range page.GetHistory().GetEvents() {
			if r.checkpoint(event, &last) || event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED {
				return last, nil
			}
			switch event.GetEventType() {
			case enums.EVENT_TYPE_TIMER_FIRED:
				over[event.GetTimerFiredEventAttributes().GetStartedEventId()] = true
			case enums.EVENT_TYPE_TIMER_CANCELED:
				over[event.GetTimerCanceledEventAttributes().GetStartedEventId()] = true
			case enums.EVENT_TYPE_TIMER_STARTED:
				if !over[event.GetEventId()] {
					last.WakeAt = event.GetEventTime().AsTime().Add(event.GetTimerStartedEventAttributes().GetStartToFireTimeout().AsDuration())
				}
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return last, fmt.Errorf("there is no position in the history of %s", id)
		}
	}
}

// checkpoint reads the checkpoint that an event has, with why the workflow waits after it. A run and a slice are given
// one, and a slice returns one however it ends.
func (r *Reader) checkpoint(event *historypb.HistoryEvent, s *workflows.State) bool {
	switch event.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		var in workflows.CollectInput
		if !r.decode(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in) || in.State == nil {
			return false
		}
		s.Checkpoint, s.WakeReason = in.State.Checkpoint, in.State.WakeReason
		return true
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		var in workflows.SliceInput
		ok := r.decode(event.GetActivityTaskScheduledEventAttributes().GetInput(), &in)
		s.Checkpoint = in.Checkpoint
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
		return ok
	case enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		s.WakeReason = workflows.WaitBackoff
		return r.decode(event.GetActivityTaskTimedOutEventAttributes().GetFailure().GetTimeoutFailureInfo().GetLastHeartbeatDetails(), &s.Checkpoint)
	}
	return false
}

// beginning sets when a run's collection was first started and where it was to begin, by the first event of its history.
func (r *Reader) beginning(ctx context.Context, id, run string, s *workflows.State) error {
	page, err := r.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: r.Namespace, Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run}, MaximumPageSize: 1,
	})
	if err != nil {
		return fmt.Errorf("reading the history of %s: %w", id, err)
	}
	for _, event := range page.GetHistory().GetEvents() {
		var in workflows.CollectInput
		r.decode(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in) // else nothing could begin with it
		before := cmp.Or(in.State, &workflows.State{})
		s.Began, s.Since = before.Began, cmp.Or(in.Since, before.Since)
		if s.Began.IsZero() {
			s.Began = event.GetEventTime().AsTime()
		}
	}
	return nil
}

// decode reports whether there was anything to decode, and it was decoded.
func (r *Reader) decode(payloads *common.Payloads, into any) bool {
	return len(payloads.GetPayloads()) > 0 && r.Data.FromPayloads(payloads, into) == nil
}
