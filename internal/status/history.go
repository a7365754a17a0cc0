package status

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// history is what the newest events of a run say of its collector.
type history struct {
	checkpoint checkpoint.Checkpoint
	// wakeAt is when the pending timer fires, and reason why there is one; zero if there is none.
	wakeAt time.Time
	reason workflows.WaitReason
	// problem is why the last slice failed; nil if it did not.
	problem *workflows.Problem
}

// history reads a run's history backwards, to the newest event that has a checkpoint. That is among the last dozen, unless
// a person has sent many signals since.
func (r *Reader) history(ctx context.Context, id, run string) (h history, err error) {
	over := make(map[int64]bool) // timers that have fired or were cancelled
	request := &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: r.Namespace,
		Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run},
	}
	for {
		page, err := r.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, request)
		if err != nil {
			return h, fmt.Errorf("reading the history of %s: %w", id, err)
		}
		for _, event := range page.GetHistory().GetEvents() {
			if r.checkpoint(event, &h) || event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED {
				return h, nil
			}
			switch event.GetEventType() {
			case enums.EVENT_TYPE_TIMER_FIRED:
				over[event.GetTimerFiredEventAttributes().GetStartedEventId()] = true
			case enums.EVENT_TYPE_TIMER_CANCELED:
				over[event.GetTimerCanceledEventAttributes().GetStartedEventId()] = true
			case enums.EVENT_TYPE_TIMER_STARTED:
				if !over[event.GetEventId()] {
					h.wakeAt = event.GetEventTime().AsTime().Add(event.GetTimerStartedEventAttributes().GetStartToFireTimeout().AsDuration())
				}
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return h, fmt.Errorf("there is no position in the history of %s", id)
		}
	}
}

// checkpoint reads the checkpoint that an event has, with why the workflow waits after it. A run and a slice are given
// one, and a slice returns one however it ends.
func (r *Reader) checkpoint(event *historypb.HistoryEvent, h *history) bool {
	switch event.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		var in workflows.CollectInput
		if !r.decode(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in) || in.State == nil {
			return false
		}
		h.checkpoint, h.reason = in.State.Checkpoint, in.State.WakeReason
		return true
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		var in workflows.SliceInput
		ok := r.decode(event.GetActivityTaskScheduledEventAttributes().GetInput(), &in)
		h.checkpoint = in.Checkpoint
		return ok
	case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		var result workflows.SliceResult
		ok := r.decode(event.GetActivityTaskCompletedEventAttributes().GetResult(), &result)
		h.checkpoint, h.reason = result.Checkpoint, result.End.Wait()
		return ok
	case enums.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		failure := event.GetActivityTaskFailedEventAttributes().GetFailure()
		var details workflows.Failure
		ok := r.decode(failure.GetApplicationFailureInfo().GetDetails(), &details)
		if !ok { // a panic
			details.Problem = workflows.Problem{Class: workflows.ClassPassing, Message: failure.GetMessage()}
		}
		details.Problem.At = event.GetEventTime().AsTime()
		h.checkpoint, h.problem, h.reason = details.Checkpoint, &details.Problem, workflows.WaitBackoff
		return ok
	case enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		h.reason = workflows.WaitBackoff
		return r.decode(event.GetActivityTaskTimedOutEventAttributes().GetFailure().GetTimeoutFailureInfo().GetLastHeartbeatDetails(), &h.checkpoint)
	}
	return false
}

// decode reports whether there was anything to decode, and it was decoded.
func (r *Reader) decode(payloads *common.Payloads, into any) bool {
	return len(payloads.GetPayloads()) > 0 && r.Data.FromPayloads(payloads, into) == nil
}
