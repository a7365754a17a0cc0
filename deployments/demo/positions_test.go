package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

func TestACheckpointIsFoundInEveryEventThatBearsOne(t *testing.T) {
	want := checkpoint.Checkpoint{Totals: checkpoint.Totals{Pages: 7, Events: 1_400}}
	payloads := func(value any) *common.Payloads {
		p, err := converter.GetDefaultDataConverter().ToPayloads(value)
		require.NoError(t, err)
		return p
	}
	started := func(in workflows.CollectInput) *history.HistoryEvent {
		return &history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, Attributes: &history.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &history.WorkflowExecutionStartedEventAttributes{Input: payloads(in)}}}
	}
	failed := func(details *common.Payloads) *history.HistoryEvent {
		return &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_FAILED, Attributes: &history.HistoryEvent_ActivityTaskFailedEventAttributes{
			ActivityTaskFailedEventAttributes: &history.ActivityTaskFailedEventAttributes{Failure: &failure.Failure{FailureInfo: &failure.Failure_ApplicationFailureInfo{
				ApplicationFailureInfo: &failure.ApplicationFailureInfo{Details: details}}}}}}
	}
	timedOut := func(heartbeat *common.Payloads) *history.HistoryEvent {
		return &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, Attributes: &history.HistoryEvent_ActivityTaskTimedOutEventAttributes{
			ActivityTaskTimedOutEventAttributes: &history.ActivityTaskTimedOutEventAttributes{Failure: &failure.Failure{FailureInfo: &failure.Failure_TimeoutFailureInfo{
				TimeoutFailureInfo: &failure.TimeoutFailureInfo{LastHeartbeatDetails: heartbeat}}}}}}
	}
	for name, test := range map[string]struct {
		event *history.HistoryEvent
		bears bool
	}{
		"a run that goes on from another one": {started(workflows.CollectInput{State: &workflows.State{Checkpoint: want}}), true},
		"a first run":                         {started(workflows.CollectInput{}), false},
		"a slice begins": {&history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, Attributes: &history.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &history.ActivityTaskScheduledEventAttributes{Input: payloads(workflows.SliceInput{Checkpoint: want})}}}, true},
		"a slice ends": {&history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, Attributes: &history.HistoryEvent_ActivityTaskCompletedEventAttributes{
			ActivityTaskCompletedEventAttributes: &history.ActivityTaskCompletedEventAttributes{Result: payloads(workflows.SliceResult{Checkpoint: want})}}}, true},
		"a slice fails":                          {failed(payloads(workflows.Failure{Checkpoint: want})), true},
		"a slice panics":                         {failed(nil), false},
		"a worker is lost":                       {timedOut(payloads(want)), true},
		"a worker is lost before it did a thing": {timedOut(nil), false},
		"a timer":                                {&history.HistoryEvent{EventType: enums.EVENT_TYPE_TIMER_FIRED}, false},
	} {
		t.Run(name, func(t *testing.T) {
			found, ok := eventCheckpoint(test.event)
			require.Equal(t, test.bears, ok)
			if test.bears {
				require.Equal(t, want, found)
			}
		})
	}
}
