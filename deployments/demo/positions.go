package main

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

// position is what Temporal keeps of a service, also while no worker runs that could be asked.
type position struct {
	id, service string
	checkpoint.Checkpoint
	// underWay says that a worker has begun a slice and not ended it: it may have been killed.
	underWay bool
}

// maxEvents bounds how many events of a history are looked through. A checkpoint is among
// the last dozen.
const maxEvents = 1000

// readPositions reads those of all services that were ever started, in the catalog's order.
func readPositions(ctx context.Context, c client.Client) ([]position, error) {
	var positions []position
	for _, service := range okta.ServiceNames() {
		p := position{id: workflows.WorkflowID(tenant, service), service: service}
		err := p.read(ctx, c)
		if errors.As(err, new(*serviceerror.NotFound)) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("asking Temporal about %s: %w", p.id, err)
		}
		positions = append(positions, p)
	}
	return positions, nil
}

// read finds the newest checkpoint: that of the slice under way, or the last one in the workflow's
// history; the zero one if there is none yet.
func (p *position) read(ctx context.Context, c client.Client) error {
	d, err := c.DescribeWorkflowExecution(ctx, p.id, "")
	if err != nil {
		return err
	}
	for _, activity := range d.GetPendingActivities() {
		p.underWay = activity.GetState() != enums.PENDING_ACTIVITY_STATE_SCHEDULED
		if newest, ok := readCheckpoint(activity.GetHeartbeatDetails()); ok {
			p.Checkpoint = newest
			return nil
		}
	}
	request := &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: client.DefaultNamespace,
		Execution: d.GetWorkflowExecutionInfo().GetExecution(),
	}
	for seen := 0; seen < maxEvents; {
		page, err := c.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, request)
		if err != nil {
			return err
		}
		for _, event := range page.GetHistory().GetEvents() {
			if newest, ok := eventCheckpoint(event); ok {
				p.Checkpoint = newest
				return nil
			}
		}
		seen += len(page.GetHistory().GetEvents())
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			break
		}
	}
	return nil
}

// eventCheckpoint is the checkpoint that an event bears, if it is one that does: it is handed to a slice
// and comes back from it, however it ended.
func eventCheckpoint(event *history.HistoryEvent) (checkpoint.Checkpoint, bool) {
	switch event.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		var in workflows.CollectInput
		err := decode(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in)
		if err != nil || in.State == nil {
			return checkpoint.Checkpoint{}, false
		}
		return in.State.Checkpoint, true
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		var in workflows.SliceInput
		err := decode(event.GetActivityTaskScheduledEventAttributes().GetInput(), &in)
		return in.Checkpoint, err == nil
	case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		var result workflows.SliceResult
		err := decode(event.GetActivityTaskCompletedEventAttributes().GetResult(), &result)
		return result.Checkpoint, err == nil
	case enums.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		var failure workflows.Failure
		err := decode(event.GetActivityTaskFailedEventAttributes().GetFailure().GetApplicationFailureInfo().GetDetails(), &failure)
		return failure.Checkpoint, err == nil
	case enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		return readCheckpoint(event.GetActivityTaskTimedOutEventAttributes().GetFailure().GetTimeoutFailureInfo().GetLastHeartbeatDetails())
	}
	return checkpoint.Checkpoint{}, false
}

func readCheckpoint(payloads *common.Payloads) (checkpoint.Checkpoint, bool) {
	var c checkpoint.Checkpoint
	err := decode(payloads, &c)
	return c, err == nil
}

var errNothing = errors.New("there is nothing")

func decode(payloads *common.Payloads, into any) error {
	if len(payloads.GetPayloads()) == 0 {
		return errNothing
	}
	return converter.GetDefaultDataConverter().FromPayloads(payloads, into)
}
