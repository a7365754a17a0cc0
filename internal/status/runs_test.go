package status_test

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
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

const (
	users = "okta/acme/users"
	run   = "run-1"
)

var (
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	data = converter.GetDefaultDataConverter()
)

// unanswered is what is known of users while no worker answers. d is Temporal's description of its run, and the events
// are the newest of its history, the newest first.
func unanswered(t *testing.T, d *workflowservice.DescribeWorkflowExecutionResponse, events ...*history.HistoryEvent) status.Collector {
	t.Helper()
	d.WorkflowExecutionInfo.Status = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	d.WorkflowExecutionInfo.Execution = &common.WorkflowExecution{WorkflowId: users, RunId: run}
	temporal := &mocks.Client{}
	temporal.On("DescribeWorkflowExecution", mock.Anything, users, "").Return(d, nil)
	// One of the two ways in which a query fails without a worker.
	temporal.On("QueryWorkflow", mock.Anything, users, run, workflows.QueryStatus).Return(nil, serviceerror.NewDeadlineExceeded("deadline"))
	temporal.On("DescribeTaskQueue", mock.Anything, mock.Anything, enums.TASK_QUEUE_TYPE_WORKFLOW).Return(&workflowservice.DescribeTaskQueueResponse{}, nil)
	temporal.On("WorkflowService").Return(backwards{events: events})
	reader := status.Reader{Client: temporal, Namespace: "prod", Data: data}
	collector, err := reader.Collector(t.Context(), users)
	require.NoError(t, err)
	require.Equal(t, "no worker answers", collector.Unanswered)
	require.True(t, collector.NoWorker)
	return collector
}

// running is the description of a run.
func running(slices ...*workflow.PendingActivityInfo) *workflowservice.DescribeWorkflowExecutionResponse {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{}, PendingActivities: slices}
}

func heartbeat(t *testing.T, c checkpoint.Checkpoint) *workflow.PendingActivityInfo {
	return &workflow.PendingActivityInfo{
		ActivityType:     &common.ActivityType{Name: workflows.CollectSliceName},
		State:            enums.PENDING_ACTIVITY_STATE_STARTED,
		HeartbeatDetails: payloads(t, c),
	}
}

func payloads(t *testing.T, values ...any) *common.Payloads {
	t.Helper()
	p, err := data.ToPayloads(values...)
	require.NoError(t, err)
	return p
}

func events(n int64) checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Totals: checkpoint.Totals{Pages: n / 100, Events: n}}
}

// backwards is the history of the run, the newest event first, in pages of one.
type backwards struct {
	workflowservice.WorkflowServiceClient
	events []*history.HistoryEvent
}

func (b backwards) GetWorkflowExecutionHistoryReverse(_ context.Context, r *workflowservice.GetWorkflowExecutionHistoryReverseRequest, _ ...grpc.CallOption) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error) {
	events := b.events
	if r.Namespace != "prod" || r.Execution.RunId != run {
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

func (b backwards) GetWorkflowExecutionHistory(context.Context, *workflowservice.GetWorkflowExecutionHistoryRequest, ...grpc.CallOption) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	return &workflowservice.GetWorkflowExecutionHistoryResponse{History: &history.History{Events: b.events[len(b.events)-1:]}}, nil
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
		ActivityTaskCompletedEventAttributes: &history.ActivityTaskCompletedEventAttributes{Result: payloads(t, workflows.SliceResult{Checkpoint: c, End: workflows.EndRateLimited})}}}
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
func timer() *history.HistoryEvent {
	return &history.HistoryEvent{
		EventId: 7, EventType: enums.EVENT_TYPE_TIMER_STARTED, EventTime: timestamppb.New(noon),
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
			require.Equal(t, test.want, unanswered(t, running(), test.history...).Checkpoint)
		})
	}
}

// terminated is what is known of users after its run was terminated, whose newest events these are.
func terminated(t *testing.T, events ...*history.HistoryEvent) status.Collector {
	t.Helper()
	temporal := &mocks.Client{}
	temporal.On("DescribeWorkflowExecution", mock.Anything, users, "").Return(&workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
		Status: enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, Execution: &common.WorkflowExecution{WorkflowId: users, RunId: run}, CloseTime: timestamppb.New(noon)}}, nil)
	temporal.On("DescribeWorkflowExecution", mock.Anything, "okta/acme", "").Return(nil, serviceerror.NewNotFound("nothing was ever decided"))
	temporal.On("WorkflowService").Return(backwards{events: events})
	collector, err := (&status.Reader{Client: temporal, Namespace: "prod", Data: data}).Ended(t.Context(), users)
	require.NoError(t, err)
	return collector
}

// The heartbeats of a slice are gone when its run is terminated. The new run must not take the requests of the slice for
// unsent ones.
func TestARunThatEndedInTheMidstOfASliceMayHaveUsedMoreOfItsWindows(t *testing.T) {
	c := events(700)
	c.Windows = []checkpoint.Window{{Name: "/api/v1/users", Limit: 12, Remaining: 10, Used: 2, Reset: noon.Unix(), Ends: noon}}
	began := started(t, workflows.CollectInput{})
	for name, test := range map[string]struct {
		history []*history.HistoryEvent
		lost    bool
	}{
		"in a slice":                             {[]*history.HistoryEvent{sliceBegins(t, c), began}, true},
		"after its worker was lost":              {[]*history.HistoryEvent{workerLost(payloads(t, c)), sliceBegins(t, events(100)), began}, true},
		"after its worker was lost at the start": {[]*history.HistoryEvent{workerLost(nil), sliceBegins(t, c), began}, true},
		"after a panic":                          {[]*history.HistoryEvent{sliceFailed(nil), sliceBegins(t, c), began}, true},
		"after a slice":                          {[]*history.HistoryEvent{sliceEnded(t, c), sliceBegins(t, events(100)), began}, false},
		"after a slice that failed":              {[]*history.HistoryEvent{sliceFailed(payloads(t, workflows.Failure{Checkpoint: c})), sliceBegins(t, events(100)), began}, false},
		"before a slice":                         {[]*history.HistoryEvent{started(t, workflows.CollectInput{State: &workflows.State{Checkpoint: c}})}, false},
	} {
		t.Run(name, func(t *testing.T) {
			want := c
			if test.lost {
				want = c.Lost()
			}
			require.Equal(t, want, terminated(t, test.history...).Last.Checkpoint)
		})
	}
}

func TestWithoutAWorkerTheStateIsToldAsFarAsTemporalKnowsIt(t *testing.T) {
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
			want: workflows.Status{State: status.Unknown, Reason: status.WorkDue, Checkpoint: events(100)}},
		"a timer runs": {history: []*history.HistoryEvent{timer(), sliceEnded(t, events(100))},
			want: workflows.Status{State: workflows.StateWaiting, Reason: workflows.WaitRateLimit, WakeAt: &wake, Checkpoint: events(100)}},
		"a timer runs, and a signal came": {task: due, history: []*history.HistoryEvent{timer(), sliceEnded(t, events(100))},
			want: workflows.Status{State: workflows.StateWaiting, Reason: workflows.WaitRateLimit, WakeAt: &wake, Checkpoint: events(100)}},
		"a timer is over": {task: due, history: []*history.HistoryEvent{timerFired(), timer(), sliceEnded(t, events(100))},
			want: workflows.Status{State: status.Unknown, Reason: status.WorkDue, Checkpoint: events(100)}},
		"paused": {attribute: "paused", history: []*history.HistoryEvent{timerCanceled(), timer(), sliceEnded(t, events(100))},
			want: workflows.Status{State: workflows.StatePaused, Checkpoint: events(100)}},
		"blocked": {attribute: "blocked", history: []*history.HistoryEvent{timer(), sliceEnded(t, events(100))},
			want: workflows.Status{State: workflows.StateBlocked, Reason: workflows.WaitBlocked, WakeAt: &wake, Checkpoint: events(100)}},
	} {
		t.Run(name, func(t *testing.T) {
			d := running()
			d.WorkflowExecutionInfo.SearchAttributes, d.PendingWorkflowTask = attribute(test.attribute), test.task
			if test.activity != nil {
				d.PendingActivities = append(d.PendingActivities, test.activity)
			}
			test.want.Tenant, test.want.Service = "acme", "users"
			require.Equal(t, test.want, unanswered(t, d, test.history...).Status)
		})
	}
}

func TestWithoutAWorkerTheReasonIsWhatTheLastSliceEndedWith(t *testing.T) {
	ended := func(end workflows.End) *history.HistoryEvent {
		return &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, Attributes: &history.HistoryEvent_ActivityTaskCompletedEventAttributes{
			ActivityTaskCompletedEventAttributes: &history.ActivityTaskCompletedEventAttributes{Result: payloads(t, workflows.SliceResult{End: end})}}}
	}
	for want, last := range map[workflows.WaitReason]*history.HistoryEvent{
		workflows.WaitPoll:      ended(workflows.EndCaughtUp),
		workflows.WaitRateLimit: ended(workflows.EndRateLimited),
		workflows.WaitYield:     ended(workflows.EndYielded),
		workflows.WaitBackoff:   sliceFailed(payloads(t, workflows.Failure{})),
		workflows.WaitNotInOrg:  sliceFailed(payloads(t, workflows.Failure{Problem: workflows.Problem{Class: workflows.ClassNotInOrg}})),
		workflows.WaitBlocked:   started(t, workflows.CollectInput{State: &workflows.State{WakeReason: workflows.WaitBlocked}}),
		workflows.WaitTurn:      started(t, workflows.CollectInput{Delay: time.Minute}),
	} {
		require.Equal(t, want, unanswered(t, running(), timer(), last).Reason)
	}
}

func TestWithoutAWorkerTheProblemIsThatOfTheLastSlice(t *testing.T) {
	problem := workflows.Problem{Class: workflows.ClassPerson, Message: "403", Endpoint: "/api/v1/users", Remedy: "okta.users.read is missing"}
	failed := sliceFailed(payloads(t, workflows.Failure{Checkpoint: events(700), Problem: problem}))
	failed.EventTime = timestamppb.New(noon)

	problem.At = noon
	require.Equal(t, &problem, unanswered(t, running(), failed).LastProblem)
}

func TestWithoutAWorkerAPanicOfTheLastSliceIsAPassingProblem(t *testing.T) {
	panicked := sliceFailed(nil)
	panicked.GetActivityTaskFailedEventAttributes().Failure.Message = "boom"

	got := unanswered(t, running(), panicked, sliceBegins(t, events(700)))
	require.Equal(t, workflows.ClassPassing, got.LastProblem.Class)
	require.Equal(t, "boom", got.LastProblem.Message)
}

func TestWithoutAWorkerTheLagIsTheAgeOfTheNewestEvent(t *testing.T) {
	c := events(700)
	c.Position.Newest = noon
	require.Equal(t, noon, unanswered(t, running(), sliceEnded(t, c)).BehindSince)
}

func TestAWorkflowWhoseWorkerIsBusyIsAskedTwice(t *testing.T) {
	temporal := &mocks.Client{}
	d := running()
	d.WorkflowExecutionInfo.Status = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	d.WorkflowExecutionInfo.Execution = &common.WorkflowExecution{WorkflowId: users, RunId: run}
	temporal.On("DescribeWorkflowExecution", mock.Anything, users, "").Return(d, nil)
	temporal.On("QueryWorkflow", mock.Anything, users, run, workflows.QueryStatus).Return(nil, serviceerror.NewDeadlineExceeded("deadline")).Once()
	payload, err := data.ToPayloads(workflows.Status{State: workflows.StateRunning})
	require.NoError(t, err)
	temporal.On("QueryWorkflow", mock.Anything, users, run, workflows.QueryStatus).Return(client.NewValue(payload), nil).Once()
	temporal.On("DescribeTaskQueue", mock.Anything, mock.Anything, enums.TASK_QUEUE_TYPE_WORKFLOW).Return(&workflowservice.DescribeTaskQueueResponse{
		Pollers: []*taskqueue.PollerInfo{{Identity: "7@host", LastAccessTime: timestamppb.Now()}},
	}, nil)
	collector, err := (&status.Reader{Client: temporal, Namespace: "prod", Data: data}).Collector(t.Context(), users)
	require.NoError(t, err)
	require.Empty(t, collector.Unanswered)
	require.Equal(t, workflows.StateRunning, collector.State)
}
