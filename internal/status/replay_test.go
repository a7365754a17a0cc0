package status_test

import (
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
	"go.temporal.io/sdk/mocks"
	"google.golang.org/protobuf/types/known/timestamppb"

	"okta-collector/internal/status"
	"okta-collector/workflows"
)

const nondeterministic = "[TMPRL1100] nondeterministic workflow: history event is ActivityTaskScheduled, replay command is StartTimer"

// failing is users with a workflow task that is due, and whose query is answered with an error.
type failing struct {
	query  error
	polled time.Time // when a worker last asked for work
	events []*history.HistoryEvent
}

func (f failing) read(t *testing.T) status.Collector {
	t.Helper()
	d := running()
	d.WorkflowExecutionInfo.Status = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	d.WorkflowExecutionInfo.Execution = &common.WorkflowExecution{WorkflowId: users, RunId: run}
	d.ExecutionConfig = &workflow.WorkflowExecutionConfig{TaskQueue: &taskqueue.TaskQueue{Name: "queue"}}
	d.PendingWorkflowTask = &workflow.PendingWorkflowTaskInfo{Attempt: 6, StartedTime: timestamppb.New(noon)}
	temporal := &mocks.Client{}
	temporal.On("DescribeWorkflowExecution", mock.Anything, users, "").Return(d, nil)
	temporal.On("QueryWorkflow", mock.Anything, users, run, workflows.QueryStatus).Return(nil, f.query)
	temporal.On("DescribeTaskQueue", mock.Anything, "queue", enums.TASK_QUEUE_TYPE_WORKFLOW).Return(&workflowservice.DescribeTaskQueueResponse{
		Pollers: []*taskqueue.PollerInfo{{LastAccessTime: timestamppb.New(f.polled)}}}, nil)
	temporal.On("WorkflowService").Return(backwards{events: append(f.events, sliceEnded(t, events(200)))})
	reader := status.Reader{Client: temporal, Namespace: "prod", Data: data}
	c, err := reader.Collector(t.Context(), users)
	require.NoError(t, err)
	require.EqualValues(t, 200, c.Checkpoint.Totals.Events, "its position is known all the same")
	return c
}

func taskFailed(cause enums.WorkflowTaskFailedCause, message string) *history.HistoryEvent {
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_TASK_FAILED, Attributes: &history.HistoryEvent_WorkflowTaskFailedEventAttributes{
		WorkflowTaskFailedEventAttributes: &history.WorkflowTaskFailedEventAttributes{Cause: cause, Failure: &failure.Failure{Message: message}}}}
}

// notReady is what Temporal answers to a query while the workflow task fails again and again.
var notReady = serviceerror.NewWorkflowNotReady("Unable to query workflow due to Workflow Task in failed state.")

func TestAWorkflowThatItsWorkerCannotReplayIsNotOneWithoutAWorker(t *testing.T) {
	for name, f := range map[string]failing{
		"the task fails": {query: notReady, polled: time.Now(), events: []*history.HistoryEvent{
			taskFailed(enums.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR, nondeterministic)}},
		"the code panics": {query: notReady, polled: time.Now(), events: []*history.HistoryEvent{
			{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED},
			taskFailed(enums.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE, nondeterministic)}},
		"it sleeps, and the query alone fails": {query: serviceerror.NewQueryFailed(nondeterministic)},
	} {
		t.Run(name, func(t *testing.T) {
			c := f.read(t)
			require.True(t, c.CannotReplay)
			require.False(t, c.NoWorker)
			require.Equal(t, nondeterministic, c.Unanswered)
			require.Equal(t, f.query == notReady, c.ReplayedAt.Equal(noon))
		})
	}
}

func TestAWorkflowThatNobodyFailedToReplayIsOneWithoutAWorker(t *testing.T) {
	failed := taskFailed(enums.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR, nondeterministic)
	for name, f := range map[string]failing{
		"the worker that could not is gone": {query: notReady, polled: time.Now().Add(-time.Hour), events: []*history.HistoryEvent{failed}},
		"a worker that can came after it": {query: serviceerror.NewDeadlineExceeded("deadline"), polled: time.Now(),
			events: []*history.HistoryEvent{{EventType: enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED}, failed}},
		"the task failed for another reason": {query: notReady, polled: time.Now(),
			events: []*history.HistoryEvent{taskFailed(enums.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND, "a signal came")}},
	} {
		t.Run(name, func(t *testing.T) {
			c := f.read(t)
			require.False(t, c.CannotReplay)
			require.True(t, c.NoWorker)
		})
	}
}
