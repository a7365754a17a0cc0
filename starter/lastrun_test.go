package starter

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// backwards are histories by run, the newest event first, in pages of one.
type backwards struct {
	*frontend
	runs map[string][]*history.HistoryEvent
}

func (b backwards) GetWorkflowExecutionHistoryReverse(_ context.Context, r *workflowservice.GetWorkflowExecutionHistoryReverseRequest, _ ...grpc.CallOption) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error) {
	events, ok := b.runs[r.Execution.RunId]
	if r.Namespace != "prod" || !ok {
		return nil, serviceerror.NewNotFound("another run was asked for")
	}
	i := 0
	if len(r.NextPageToken) > 0 {
		i = int(r.NextPageToken[0])
	}
	response := &workflowservice.GetWorkflowExecutionHistoryReverseResponse{History: &history.History{Events: events[i : i+1]}}
	if i+1 < len(events) {
		response.NextPageToken = []byte{byte(i + 1)}
	}
	return response, nil
}

func (b backwards) GetWorkflowExecutionHistory(_ context.Context, r *workflowservice.GetWorkflowExecutionHistoryRequest, _ ...grpc.CallOption) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	events, ok := b.runs[r.Execution.RunId]
	if r.Namespace != "prod" || !ok || r.MaximumPageSize != 1 {
		return nil, serviceerror.NewNotFound("another page was asked for")
	}
	return &workflowservice.GetWorkflowExecutionHistoryResponse{History: &history.History{Events: events[len(events)-1:]}}, nil
}

// history makes a run's newest events known, the newest first.
func (f fakeTemporal) history(events ...*history.HistoryEvent) {
	f.On("WorkflowService").Return(backwards{&frontend{retention: 90 * 24 * time.Hour}, map[string][]*history.HistoryEvent{run: events}})
}

// started is the beginning of a run, at noon.
func started(t *testing.T, in workflows.CollectInput) *history.HistoryEvent {
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, EventTime: timestamppb.New(noon), Attributes: &history.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &history.WorkflowExecutionStartedEventAttributes{Input: payloads(t, in)}}}
}

func sliceEnded(t *testing.T, c checkpoint.Checkpoint) *history.HistoryEvent {
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, Attributes: &history.HistoryEvent_ActivityTaskCompletedEventAttributes{
		ActivityTaskCompletedEventAttributes: &history.ActivityTaskCompletedEventAttributes{Result: payloads(t, workflows.SliceResult{Checkpoint: c})}}}
}

// ranBefore makes all runs of users known, the newest first.
func (f fakeTemporal) ranBefore(statuses ...enums.WorkflowExecutionStatus) {
	page, runs := &workflowservice.ListWorkflowExecutionsResponse{}, map[string][]*history.HistoryEvent{}
	for i, status := range statuses {
		id := fmt.Sprintf("run-%d", i+1)
		page.Executions = append(page.Executions, &workflow.WorkflowExecutionInfo{Status: status, Execution: &common.WorkflowExecution{WorkflowId: users, RunId: id}})
		runs[id] = []*history.HistoryEvent{{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED}, started(f.t, workflows.CollectInput{})}
		if status == enums.WORKFLOW_EXECUTION_STATUS_TERMINATED {
			runs[id] = []*history.HistoryEvent{sliceEnded(f.t, events(500))}
		}
	}
	f.has(users, statuses[0])
	f.On("ListWorkflow", mock.Anything, mock.MatchedBy(func(r *workflowservice.ListWorkflowExecutionsRequest) bool {
		return r.Query == `WorkflowId = "okta/acme/users" AND ExecutionStatus != "ContinuedAsNew"`
	})).Return(page, nil).Maybe()
	f.On("WorkflowService").Return(backwards{&frontend{retention: 90 * 24 * time.Hour}, runs})
}

func TestARunThatFailedAtOnceHidesNoPosition(t *testing.T) {
	const (
		mistake    = enums.WORKFLOW_EXECUTION_STATUS_FAILED
		stopped    = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
		terminated = enums.WORKFLOW_EXECUTION_STATUS_TERMINATED
	)
	for name, test := range map[string]struct {
		runs []enums.WorkflowExecutionStatus // the newest first
		// end is what a run returned that was stopped.
		end  checkpoint.Checkpoint
		want string
	}{
		"behind a mistake":                        {[]enums.WorkflowExecutionStatus{mistake, stopped}, events(700), "started after 700 events"},
		"behind several":                          {[]enums.WorkflowExecutionStatus{mistake, mistake, mistake, terminated, stopped}, events(700), "started after 500 events"},
		"but one that was stopped first has none": {[]enums.WorkflowExecutionStatus{mistake, stopped, terminated}, checkpoint.Checkpoint{}, "started from the beginning"},
		"nor has a first mistake":                 {[]enums.WorkflowExecutionStatus{mistake}, checkpoint.Checkpoint{}, "started from the beginning"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newAcme(t)
			o.ranBefore(test.runs...)
			o.ended(users, workflows.State{Checkpoint: test.end})
			o.starts(nil)
			code, stdout, _ := o.call("start", users)

			require.Zero(t, code, stdout)
			require.Equal(t, users+"  "+test.want+"\n", stdout)
		})
	}
}

func TestStartDoesNotLookForAPositionBehindAnyNumberOfMistakes(t *testing.T) {
	o := newAcme(t)
	mistakes := make([]enums.WorkflowExecutionStatus, 21)
	for i := range mistakes {
		mistakes[i] = enums.WORKFLOW_EXECUTION_STATUS_FAILED
	}
	o.ranBefore(mistakes...)
	o.ended(users, workflows.State{})
	code, stdout, _ := o.call("start", users)

	require.Equal(t, 1, code)
	require.Contains(t, stdout, "none of the last 20 runs had a position: begin anew with: starter start --fresh "+users)
}

func TestStartDoesNotAdviseToForgetAPositionBecauseTemporalDoesNotList(t *testing.T) {
	o := newAcme(t)
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_FAILED)
	o.ended(users, workflows.State{})
	o.history(&history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED}, started(t, workflows.CollectInput{}))
	o.On("ListWorkflow", mock.Anything, mock.Anything).Return(nil, serviceerror.NewUnavailable("connection refused"))
	code, stdout, _ := o.call("start", users)

	require.Equal(t, 1, code)
	require.Equal(t, users+"  FAILED: listing the collectors: connection refused\n", stdout)
}
