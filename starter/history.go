package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// maxEvents bounds how many events of a history are looked through; Temporal ends a run with more. A
// checkpoint is among the last dozen, unless somebody has sent many signals since.
const maxEvents = 51_200

// record is what a run's history says of the collector, for when no worker answers for it.
type record struct {
	checkpoint checkpoint.Checkpoint
	// wakeAt and reason are those of the timer that runs; zero if none does.
	wakeAt time.Time
	reason string
	// problem is why the last slice failed; nil if it did not.
	problem *workflows.Problem
}

// record reads a run's history backwards, to the newest event that bears a checkpoint.
func (c *temporal) record(ctx context.Context, id, run string) (record, error) {
	var r record
	over := make(map[int64]bool) // timers that do not run any more
	request := &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: c.namespace,
		Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run},
	}
	for seen := 0; seen < maxEvents; {
		page, err := c.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, request)
		if err != nil {
			return r, fmt.Errorf("reading the history of %s: %w", id, err)
		}
		for _, event := range page.GetHistory().GetEvents() {
			if failure := event.GetActivityTaskFailedEventAttributes().GetFailure(); failure != nil {
				r.problem = &workflows.Problem{
					At: event.GetEventTime().AsTime(), Class: workflows.Class(failure.GetApplicationFailureInfo().GetType()), Message: failure.GetMessage(),
				}
			}
			if c.bears(event, &r.checkpoint) || event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED {
				return r, nil
			}
			switch event.GetEventType() {
			case enums.EVENT_TYPE_TIMER_FIRED:
				over[event.GetTimerFiredEventAttributes().GetStartedEventId()] = true
			case enums.EVENT_TYPE_TIMER_CANCELED:
				over[event.GetTimerCanceledEventAttributes().GetStartedEventId()] = true
			case enums.EVENT_TYPE_TIMER_STARTED:
				if !over[event.GetEventId()] {
					r.wakeAt = event.GetEventTime().AsTime().Add(event.GetTimerStartedEventAttributes().GetStartToFireTimeout().AsDuration())
					_ = c.data.FromPayload(event.GetUserMetadata().GetSummary(), &r.reason) // it is for people, and not always there
				}
			}
		}
		seen += max(len(page.GetHistory().GetEvents()), 1)
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			break
		}
	}
	return r, fmt.Errorf("there is no position in the last %d events of %s", maxEvents, id)
}

// bears reads the checkpoint that an event bears, if it does: one is handed to a run and to a slice,
// and comes back from a slice however it ended.
func (c *temporal) bears(event *history.HistoryEvent, into *checkpoint.Checkpoint) bool {
	switch event.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		var in workflows.CollectInput
		err := c.decode(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in)
		if err != nil || in.State == nil {
			return false
		}
		*into = in.State.Checkpoint
		return true
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		var in workflows.SliceInput
		err := c.decode(event.GetActivityTaskScheduledEventAttributes().GetInput(), &in)
		*into = in.Checkpoint
		return err == nil
	case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		var result workflows.SliceResult
		err := c.decode(event.GetActivityTaskCompletedEventAttributes().GetResult(), &result)
		*into = result.Checkpoint
		return err == nil
	case enums.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		var failure workflows.Failure
		err := c.decode(event.GetActivityTaskFailedEventAttributes().GetFailure().GetApplicationFailureInfo().GetDetails(), &failure)
		*into = failure.Checkpoint
		return err == nil
	case enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		return c.decode(event.GetActivityTaskTimedOutEventAttributes().GetFailure().GetTimeoutFailureInfo().GetLastHeartbeatDetails(), into) == nil
	}
	return false
}

// begin is where a run was to begin, as its history's first event says. It is not in a position that is none yet.
func (c *temporal) begin(ctx context.Context, id, run string) (began time.Time, since *time.Time, err error) {
	page, err := c.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: c.namespace, Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run}, MaximumPageSize: 1,
	})
	if err != nil {
		return time.Time{}, nil, fmt.Errorf("reading the history of %s: %w", id, err)
	}
	events := page.GetHistory().GetEvents()
	if len(events) == 0 {
		return time.Time{}, nil, fmt.Errorf("the history of %s is empty", id)
	}
	began = events[0].GetEventTime().AsTime()
	var in workflows.CollectInput
	if c.decode(events[0].GetWorkflowExecutionStartedEventAttributes().GetInput(), &in) != nil {
		return began, nil, nil // nothing could begin with that
	}
	since = in.Since
	if in.State != nil {
		since = cmp.Or(since, in.State.Since)
		if !in.State.Began.IsZero() {
			began = in.State.Began
		}
	}
	return began, since, nil
}

var errNothing = errors.New("there is nothing")

func (c *temporal) decode(payloads *common.Payloads, into any) error {
	if len(payloads.GetPayloads()) == 0 {
		return errNothing
	}
	return c.data.FromPayloads(payloads, into)
}
