package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// backwards are histories by run, the newest event first, in pages of one.
type backwards struct {
	workflowservice.WorkflowServiceClient
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
	f.On("WorkflowService").Return(backwards{runs: map[string][]*history.HistoryEvent{run: events}})
}

// started is the beginning of a run, at noon.
func started(t *testing.T, in workflows.CollectInput) *history.HistoryEvent {
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, EventTime: timestamppb.New(noon), Attributes: &history.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &history.WorkflowExecutionStartedEventAttributes{Input: payloads(t, in)}}}
}

func sliceBegins(t *testing.T, c checkpoint.Checkpoint) *history.HistoryEvent {
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, Attributes: &history.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &history.ActivityTaskScheduledEventAttributes{Input: payloads(t, workflows.SliceInput{Checkpoint: c})}}}
}

func sliceEnded(t *testing.T, c checkpoint.Checkpoint) *history.HistoryEvent {
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, Attributes: &history.HistoryEvent_ActivityTaskCompletedEventAttributes{
		ActivityTaskCompletedEventAttributes: &history.ActivityTaskCompletedEventAttributes{Result: payloads(t, workflows.SliceResult{Checkpoint: c})}}}
}

func sliceFailed(details *common.Payloads) *history.HistoryEvent {
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_FAILED, Attributes: &history.HistoryEvent_ActivityTaskFailedEventAttributes{
		ActivityTaskFailedEventAttributes: &history.ActivityTaskFailedEventAttributes{Failure: &failure.Failure{FailureInfo: &failure.Failure_ApplicationFailureInfo{
			ApplicationFailureInfo: &failure.ApplicationFailureInfo{Details: details}}}}}}
}

func workerLost(heartbeat *common.Payloads) *history.HistoryEvent {
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, Attributes: &history.HistoryEvent_ActivityTaskTimedOutEventAttributes{
		ActivityTaskTimedOutEventAttributes: &history.ActivityTaskTimedOutEventAttributes{Failure: &failure.Failure{FailureInfo: &failure.Failure_TimeoutFailureInfo{
			TimeoutFailureInfo: &failure.TimeoutFailureInfo{LastHeartbeatDetails: heartbeat}}}}}}
}

// timer is one of a minute, from noon.
func timer(t *testing.T, summary string) *history.HistoryEvent {
	return &history.HistoryEvent{
		EventId: 7, EventType: enums.EVENT_TYPE_TIMER_STARTED, EventTime: timestamppb.New(noon),
		UserMetadata: &sdk.UserMetadata{Summary: payloads(t, summary).Payloads[0]},
		Attributes: &history.HistoryEvent_TimerStartedEventAttributes{
			TimerStartedEventAttributes: &history.TimerStartedEventAttributes{StartToFireTimeout: durationpb.New(time.Minute)}},
	}
}

func timerFired() *history.HistoryEvent {
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_TIMER_FIRED, Attributes: &history.HistoryEvent_TimerFiredEventAttributes{
		TimerFiredEventAttributes: &history.TimerFiredEventAttributes{StartedEventId: 7}}}
}

func timerCanceled() *history.HistoryEvent {
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_TIMER_CANCELED, Attributes: &history.HistoryEvent_TimerCanceledEventAttributes{
		TimerCanceledEventAttributes: &history.TimerCanceledEventAttributes{StartedEventId: 7}}}
}

func TestWithoutAWorkerThePositionIsInTheNewestEventThatBearsOne(t *testing.T) {
	old, newest := events(100), events(700)
	for name, test := range map[string]struct {
		history []*history.HistoryEvent
		want    checkpoint.Checkpoint
	}{
		"a run that goes on from another one":    {[]*history.HistoryEvent{started(t, workflows.CollectInput{State: &workflows.State{Checkpoint: newest}})}, newest},
		"a first run":                            {[]*history.HistoryEvent{started(t, workflows.CollectInput{})}, checkpoint.Checkpoint{}},
		"a slice begins":                         {[]*history.HistoryEvent{sliceBegins(t, newest), sliceEnded(t, old)}, newest},
		"a slice ends":                           {[]*history.HistoryEvent{sliceEnded(t, newest), sliceBegins(t, old)}, newest},
		"a slice fails":                          {[]*history.HistoryEvent{sliceFailed(payloads(t, workflows.Failure{Checkpoint: newest})), sliceBegins(t, old)}, newest},
		"a slice panics":                         {[]*history.HistoryEvent{sliceFailed(nil), sliceBegins(t, newest)}, newest},
		"a worker is lost":                       {[]*history.HistoryEvent{workerLost(payloads(t, newest)), sliceBegins(t, old)}, newest},
		"a worker is lost before it did a thing": {[]*history.HistoryEvent{workerLost(nil), sliceBegins(t, newest)}, newest},
	} {
		t.Run(name, func(t *testing.T) {
			o := newTemporal(t)
			o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
			o.doesNotAnswer(users)
			o.history(test.history...)
			code, got := o.status(users)

			require.Equal(t, 1, code)
			require.Equal(t, "no worker answers", got.Unanswered)
			require.Equal(t, test.want, got.Checkpoint)
		})
	}
}

func TestWithoutAWorkerTheStateIsToldAsFarAsTemporalKnowsIt(t *testing.T) {
	const summary = "rate limited until Nov 22 12:01:00Z"
	wake := noon.Add(time.Minute)
	attribute := func(value string) *common.SearchAttributes {
		return &common.SearchAttributes{IndexedFields: map[string]*common.Payload{workflows.AttributeState: payloads(t, value).Payloads[0]}}
	}
	due := &workflow.PendingWorkflowTaskInfo{}
	scheduled := &workflow.PendingActivityInfo{State: enums.PENDING_ACTIVITY_STATE_SCHEDULED}
	for name, test := range map[string]struct {
		attribute string
		activity  *workflow.PendingActivityInfo
		task      *workflow.PendingWorkflowTaskInfo
		history   []*history.HistoryEvent
		want      workflows.Status
	}{
		"a slice is under way": {activity: heartbeat(t, events(700)), history: []*history.HistoryEvent{sliceBegins(t, events(100))},
			want: workflows.Status{State: workflows.StateRunning, Checkpoint: events(700)}},
		"a slice waits for a worker": {activity: scheduled, history: []*history.HistoryEvent{sliceBegins(t, events(100))},
			want: workflows.Status{State: stateUnknown, Reason: "work is due", Checkpoint: events(100)}},
		"a timer runs": {history: []*history.HistoryEvent{timer(t, summary), sliceEnded(t, events(100))},
			want: workflows.Status{State: workflows.StateWaiting, Reason: summary, WakeAt: &wake, Checkpoint: events(100)}},
		"a timer runs, and a signal came": {task: due, history: []*history.HistoryEvent{timer(t, summary), sliceEnded(t, events(100))},
			want: workflows.Status{State: workflows.StateWaiting, Reason: summary, WakeAt: &wake, Checkpoint: events(100)}},
		"a timer is over": {task: due, history: []*history.HistoryEvent{timerFired(), timer(t, summary), sliceEnded(t, events(100))},
			want: workflows.Status{State: stateUnknown, Reason: "work is due", Checkpoint: events(100)}},
		"paused": {attribute: "paused", history: []*history.HistoryEvent{timerCanceled(), timer(t, summary), sliceEnded(t, events(100))},
			want: workflows.Status{State: workflows.StatePaused, Checkpoint: events(100)}},
		"blocked": {attribute: "blocked", history: []*history.HistoryEvent{timer(t, summary), sliceEnded(t, events(100))},
			want: workflows.Status{State: workflows.StateBlocked, Reason: summary, WakeAt: &wake, Checkpoint: events(100)}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newTemporal(t)
			d := &workflowservice.DescribeWorkflowExecutionResponse{
				WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING, SearchAttributes: attribute(test.attribute)},
				PendingWorkflowTask:   test.task,
			}
			if test.activity != nil {
				d.PendingActivities = append(d.PendingActivities, test.activity)
			}
			o.describes(users, d)
			o.doesNotAnswer(users)
			o.history(test.history...)
			code, got := o.status(users)

			require.Equal(t, 1, code, "somebody has to start a worker")
			test.want.Tenant, test.want.Service = "acme", "users"
			require.Equal(t, test.want, got.Status)
		})
	}
}

func TestWithoutAWorkerTheProblemIsThatOfTheLastSlice(t *testing.T) {
	failed := sliceFailed(payloads(t, workflows.Failure{Checkpoint: events(700)}))
	failed.EventTime = timestamppb.New(noon)
	failed.GetActivityTaskFailedEventAttributes().Failure.Message = "okta.users.read is missing"
	failed.GetActivityTaskFailedEventAttributes().Failure.GetApplicationFailureInfo().Type = string(workflows.ClassPerson)
	o := newTemporal(t)
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	o.doesNotAnswer(users)
	o.history(failed)
	_, got := o.status(users)

	require.Equal(t, &workflows.Problem{At: noon, Class: workflows.ClassPerson, Message: "okta.users.read is missing"}, got.LastProblem)
}

func TestWithoutAWorkerTheLagIsTheAgeOfTheNewestEvent(t *testing.T) {
	o := newTemporal(t)
	c := events(700)
	c.Position.Newest = noon
	o.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
	o.doesNotAnswer(users)
	o.history(sliceEnded(t, c))
	_, got := o.status(users)

	require.Equal(t, noon, got.BehindSince)
}

// doesNotAnswer makes a query fail in one of the two ways in which it does without a worker.
func (f fakeTemporal) doesNotAnswer(id string) {
	f.On("QueryWorkflow", mock.Anything, id, run, workflows.QueryStatus).Return(nil, serviceerror.NewDeadlineExceeded("deadline"))
}
